"""Arcs of the circle against sets of numbers, near the start and at the far side of long arcs."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from tcpcheck.sym.arc import _test_span

M32 = 1 << 32
Span = tuple[int, int]
EDGES = [0, 1, 5, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, M32 - 5, M32 - 1]
where = st.one_of(st.sampled_from(EDGES), st.integers(0, M32 - 1), st.integers(0, 20).map(lambda x: (x - 10) % M32))
length = st.one_of(st.sampled_from([*EDGES, M32]), st.integers(0, M32), st.integers(0, 12))
spans = st.tuples(where, length)
short = st.tuples(where, st.integers(0, 12))
quick = settings(max_examples=300, derandomize=True, deadline=None)


def inside(v: int, a: Span) -> bool:
    return (v - a[0]) % M32 < a[1]


def ends(*of: Span) -> set[int]:
    """Numbers on both sides of every end of every arc: membership can change nowhere else."""
    return {(v + d) % M32 for lo, n in of for v in (lo, lo + n) for d in (-1, 0, 1)}


def size_of_cap(a: Span, b: Span) -> int:
    """|a and b|, counted between the points where membership changes."""
    marks = sorted({0, M32} | {v % M32 for lo, n in (a, b) for v in (lo, lo + n)})
    return sum(y - x for x, y in itertools.pairwise(marks) if inside(x, a) and inside(x, b))


@quick
@given(spans, spans)
def test_cap(a: Span, b: Span) -> None:
    pieces = _test_span("cap", a, b)
    assert len(pieces) <= 2
    for v in ends(a, b, *pieces):
        assert sum(inside(v, p) for p in pieces) == (inside(v, a) and inside(v, b))
    assert all(n > 0 for _, n in pieces)
    assert sum(n for _, n in pieces) == size_of_cap(a, b)


@quick
@given(spans)
def test_complement_and_negation(a: Span) -> None:
    rest, mirror = _test_span("complement", a), _test_span("negated", a)
    assert rest[1] == M32 - a[1] and mirror[1] == a[1]
    for v in ends(a, rest):
        assert inside(v, rest) != inside(v, a)
        assert inside(-v % M32, mirror) == inside(v, a)
    if 0 < a[1] < M32:
        assert _test_span("negated", mirror) == a


@quick
@given(short, short)
def test_sum_of_short_arcs(a: Span, b: Span) -> None:
    lo, n = _test_span("sum", a, b)
    sums = {(a[0] + i + b[0] + j) % M32 for i in range(a[1]) for j in range(b[1])}
    assert {(lo + i) % M32 for i in range(n)} == sums


@quick
@given(spans, spans, st.data())
def test_sum_of_any_arcs(a: Span, b: Span, data: st.DataObject) -> None:
    total = _test_span("sum", a, b)
    if a[1] == 0 or b[1] == 0:
        assert total[1] == 0
        return
    i = data.draw(st.one_of(st.sampled_from([0, a[1] - 1]), st.integers(0, a[1] - 1)))
    j = data.draw(st.one_of(st.sampled_from([0, b[1] - 1]), st.integers(0, b[1] - 1)))
    assert inside((a[0] + i + b[0] + j) % M32, total)
    assert total[1] == min(M32, a[1] + b[1] - 1)
