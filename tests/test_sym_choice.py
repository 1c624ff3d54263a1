"""The odometer against plain recursion."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tcpcheck.sym.choice import _test_walk

Lists = list[tuple[int, ...]]


def leaves(tree: dict[tuple[int, ...], int], here: tuple[int, ...] = ()) -> tuple[Lists, Lists]:
    """(all lists of choices that end, those that run into choose(0)), in order."""
    if here not in tree:
        return [here], []
    if tree[here] == 0:
        return [], [(*here, 0)]
    ended, died = [], []
    for k in range(tree[here]):
        more, dead = leaves(tree, (*here, k))
        ended += more
        died += dead
    return ended, died


trees = st.dictionaries(st.lists(st.integers(0, 2), max_size=4).map(tuple), st.integers(0, 3), max_size=25)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(trees)
def test_every_list_once_in_order(tree: dict[tuple[int, ...], int]) -> None:
    walked, overflow = _test_walk(tree)
    ended, died = leaves(tree)
    assert [list_ for list_, dead, _ in walked if not dead] == ended
    assert [list_ for list_, dead, _ in walked if dead] == died
    assert not overflow
    for list_, _, recorded in walked:
        met = [(k, tree[list_[:i]]) for i, k in enumerate(list_)]
        assert recorded == tuple(k for k, arity in met if arity > 1)


def test_too_many_choice_points_overflow() -> None:
    deep = {(0,) * i: 2 for i in range(97)}
    walked, overflow = _test_walk(deep)
    assert overflow
    assert [list_[:96] for list_, dead, _ in walked if dead] == [(0,) * 96]
    assert len(walked) == 97
    assert not _test_walk({(0,) * i: 2 for i in range(96)})[1]
