"""Sets of numbers on a circle against plain Python sets."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tcpcheck.witness.arcset import ArcSet

settings.register_profile("fixed", derandomize=True, max_examples=150, deadline=None)
settings.load_profile("fixed")

M = 13
spans = st.lists(st.tuples(st.integers(-30, 30), st.integers(-2, 20)), max_size=4)


def arcs(pairs: list[tuple[int, int]], modulus: int = M) -> ArcSet:
    return ArcSet([(lo, lo + n - 1) for lo, n in pairs], modulus)


def twin(pairs: list[tuple[int, int]], modulus: int = M) -> set[int]:
    return {(lo + k) % modulus for lo, n in pairs for k in range(max(0, n))}


def members(s: ArcSet) -> set[int]:
    return {v for v in range(s.modulus) if v in s}


@given(spans, spans, st.integers(-40, 40))
def test_operations_agree_with_sets(p: list[tuple[int, int]], q: list[tuple[int, int]], k: int) -> None:
    a, b, x, y = arcs(p), arcs(q), twin(p), twin(q)
    assert members(a) == x
    assert members(a | b) == x | y
    assert members(a & b) == x & y
    assert members(a - b) == x - y
    assert members(~a) == set(range(M)) - x
    assert members(-a) == {-v % M for v in x}
    assert members(a.shift(k)) == {(v + k) % M for v in x}
    assert members(a.sums(b)) == {(v + w) % M for v in x for w in y}
    assert a.count() == len(x)
    assert bool(a) == bool(x)
    assert a.is_full == (len(x) == M)
    assert (a == b) == (x == y)


@given(spans)
def test_spans_are_sorted_and_apart(p: list[tuple[int, int]]) -> None:
    s = arcs(p).spans
    assert all(lo <= hi for lo, hi in s)
    assert all(hi + 1 < lo for (_, hi), (lo, _) in pairwise(s))


@given(spans)
def test_arcs_join_what_wraps(p: list[tuple[int, int]]) -> None:
    a = arcs(p)
    assert ArcSet([(lo, lo + n - 1) for lo, n in a.arcs()], M) == a
    ends = {lo % M for lo, _ in a.arcs()} & {(lo + n) % M for lo, n in a.arcs()}
    assert not ends or a.is_full


@given(spans)
def test_edges_are_where_membership_changes(p: list[tuple[int, int]]) -> None:
    a, x = arcs(p), twin(p)
    changes = {v for v in range(M) if ((v - 1) % M in x) != (v in x) or ((v + 1) % M in x) != (v in x)}
    assert all((v in x) == inside for v, inside in a.edges())
    assert {v for v, _ in a.edges()} == changes or a.is_full


@given(spans, st.integers(-60, 60), st.integers(-3, 50))
def test_spans_between_unroll_the_circle(p: list[tuple[int, int]], low: int, n: int) -> None:
    a, x = arcs(p), twin(p)
    got = list(a.spans_between(low, low + n))
    assert [v for lo, hi in got for v in range(lo, hi + 1)] == [v for v in range(low, low + n + 1) if v % M in x]
    assert all(hi + 1 < lo for (_, hi), (lo, _) in pairwise(got))


def test_printed_with_both_ends_and_wraps_as_two() -> None:
    assert str(ArcSet.arc(2**32 - 2, 5)) == "0..2, 4294967294..4294967295"
    assert str(ArcSet.arc(7, 1)) == "7"
    assert str(ArcSet()) == "none"
