"""Zones against a brute-force twin: the set of all valuations, three clocks, each 0..LAST ns."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tcpcheck.sym.zone import _TestZone

Point = tuple[int, ...]  # clock 0 first, always 0
LAST = 6
CLOCKS = 3


def points(zone: Any) -> set[Point]:
    """The valuations 0..LAST that the bounds admit."""
    m = zone.bounds()
    ways = product([0], *[range(LAST + 1)] * (len(m) - 1))
    return {
        p for p in ways if all(m[i][j] is None or p[i] - p[j] <= m[i][j] for i in range(len(m)) for j in range(len(m)))
    }


def box() -> tuple[Any, set[Point]]:
    """Three unrelated clocks, each in 0..LAST: started one after the other, each after any time."""
    zone = _TestZone()
    for _ in range(CLOCKS):
        zone.new()
        zone.up()
    m = zone.bounds()
    for i in range(1, CLOCKS + 1):
        assert m[i][0] is None and m[0][i] == 0
        zone.constrain(i, 0, LAST)
    return zone, points(zone)


def assert_tight(zone: Any, expected: set[Point]) -> None:
    """Closed: every bound is attained."""
    assert points(zone) == expected
    m = zone.bounds()
    for i, j in product(range(len(m)), repeat=2):
        assert m[i][j] == max(p[i] - p[j] for p in expected)


index = st.integers(0, CLOCKS)
bound = st.integers(-LAST, LAST)
guards = st.lists(st.tuples(index, index, bound).filter(lambda g: g[0] != g[1]), max_size=8)
quick = settings(max_examples=200, derandomize=True, deadline=None)


def constrained(cuts: list[tuple[int, int, int]]) -> tuple[Any, set[Point]]:
    """The zone after each cut that leaves something, checked on the way."""
    zone, alive = box()
    for i, j, c in cuts:
        left = {p for p in alive if p[i] - p[j] <= c}
        assert zone.allows(i, j, c) == bool(left)
        if left:
            assert zone.constrain(i, j, c)
            alive = left
            assert_tight(zone, alive)
        else:
            assert not zone.clone().constrain(i, j, c)
    return zone, alive


@quick
@given(guards, st.integers(1, CLOCKS), st.integers(-2, LAST + 2), st.integers(-2, LAST + 2))
def test_constrain_allows_and_between(cuts: list[tuple[int, int, int]], i: int, lo: int, hi: int) -> None:
    zone, alive = constrained(cuts)
    assert zone.allows_between(i, lo, hi) == any(lo <= p[i] <= hi for p in alive)


@quick
@given(guards, st.integers(0, CLOCKS), st.permutations(range(1, CLOCKS + 1)), st.integers(0, CLOCKS))
def test_copy_and_select(cuts: list[tuple[int, int, int]], src: int, order: list[int], k: int) -> None:
    zone, alive = constrained(cuts)
    copy = zone.clone()
    assert copy.copy(src) == CLOCKS + 1
    assert_tight(copy, {(*p, p[src]) for p in alive})
    keep = [0, *order[:k]]
    zone.select(keep)
    assert_tight(zone, {tuple(p[i] for i in keep) for p in alive})


@quick
@given(guards, st.integers(0, LAST))
def test_passing_of_time(cuts: list[tuple[int, int, int]], d: int) -> None:
    zone, alive = constrained(cuts)
    later = zone.clone()
    later.pass_(d)
    m, n = zone.bounds(), later.bounds()
    for i, j in product(range(CLOCKS + 1), repeat=2):
        assert n[i][j] == m[i][j] + (d if i and not j else -d if j and not i else 0)
    zone.up()
    # any d at all: what is reached within 0..LAST
    reached = {(0, *[x + e for x in p[1:]]) for p in alive for e in range(LAST + 1)}
    assert points(zone) == {p for p in reached if max(p) <= LAST}


@quick
@given(guards, st.permutations(range(1, CLOCKS + 1)), st.sampled_from([2, 3]))
def test_round(cuts: list[tuple[int, int, int]], order: list[int], tick: int) -> None:
    """No valuation at a whole distance is lost; the distance's own bounds are whole."""
    zone, alive = constrained(cuts)
    i, j = order[:2]
    whole = {p for p in alive if (p[i] - p[j]) % tick == 0}
    if not zone.round(i, j, tick):
        assert not whole
        return
    m = zone.bounds()
    assert m[i][j] % tick == 0 and m[j][i] % tick == 0
    assert whole <= points(zone) <= alive
    assert m[i][j] == max(p[i] - p[j] for p in whole) and -m[j][i] == min(p[i] - p[j] for p in whole)
    assert_tight(zone, points(zone))


@quick
@given(guards, guards)
def test_includes(cuts: list[tuple[int, int, int]], others: list[tuple[int, int, int]]) -> None:
    (a, in_a), (b, in_b) = constrained(cuts), constrained(others)
    assert a.includes(b) == (in_b <= in_a)
    assert a.includes(a)


@quick
@given(st.lists(st.tuples(index, index, st.integers(-5, 9)), max_size=6), st.integers(1, CLOCKS), st.integers(0, 9))
def test_no_upper_bound(cuts: list[tuple[int, int, int]], i: int, c: int) -> None:
    """Without an upper bound: closure against Floyd and Warshall's, infinity included."""
    zone = _TestZone()
    for _ in range(CLOCKS):
        zone.new()
        zone.up()
    n = range(CLOCKS + 1)
    m = [[0 if a == b or not a else None if not b or a < b else 0 for b in n] for a in n]
    inf = 10**6
    d = [[inf if x is None else x for x in row] for row in zone.bounds()]
    assert [[x for x in row] for row in zone.bounds()] == m
    for a, b, k in cuts:
        if a != b and zone.allows(a, b, k):
            assert zone.constrain(a, b, k)
            d[a][b] = min(d[a][b], k)
        elif a != b:
            assert d[b][a] + k < 0
        for p, q, r in product(n, repeat=3):
            d[q][r] = min(d[q][r], d[q][p] + d[p][r], inf)
        assert zone.bounds() == [[None if x > inf // 2 else x for x in row] for row in d]


def test_no_room_for_a_clock() -> None:
    zone = _TestZone()
    assert [zone.new() for _ in range(29)] == [*range(1, 28), -1, -1]


@pytest.mark.parametrize("years", [0, 5])
def test_long_times_do_not_wrap(years: int) -> None:
    ns = years * 366 * 86400 * 10**9
    zone = _TestZone()
    zone.new()
    zone.pass_(ns)
    zone.new()
    assert zone.bounds() == [[0, -ns, 0], [ns, 0, ns], [0, -ns, 0]]
