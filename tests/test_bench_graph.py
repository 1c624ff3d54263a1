"""The benchmark's graph: the counts that Spin, rumur and a bare explorer find on it (bench/peers/)."""

from __future__ import annotations

import pytest
from bench.small_tcp import SmallTcp
from tcpcheck.explore.parallel import search_whole
from tcpcheck.explore.toy import run_path

from tcpcheck.explore.result import Limits, SearchResult
from tcpcheck.explore.search import search

BOTH = 3  # the mask of both claims


def test_size_a_has_the_counts_of_all_other_tools() -> None:
    got = search(SmallTcp("A").handle(), claims=BOTH)
    assert (got.states, got.transitions, got.depth + 1) == (3_042_508, 16_150_642, 30)
    assert got.exhaustive and set(got.hits) == {1}
    assert got.bytes_per_state <= 45
    assert got.omission_bound == pytest.approx(3_042_508**2 / 2**65)


def test_whole_states_and_single_steps_are_the_same_search() -> None:
    """The same states in the same order with the same parents, also when a limit cuts it short."""
    limits = Limits(states=200_000)
    whole, step = (search(SmallTcp("B", whole=how).handle(), claims=BOTH, limits=limits) for how in (True, False))
    assert (whole.states, whole.depth, whole.reason) == (200_000, 13, "state limit")
    assert (step.states, step.depth, step.reason) == (200_000, 13, "state limit")
    assert whole.hits == step.hits and set(whole.hits) == {1}


def test_whole_states_compared_are_the_same_search() -> None:
    hashed, exact = (search(SmallTcp("A").handle(), limits=Limits(depth=11, exact=how)) for how in (False, True))
    assert (exact.states, exact.transitions, exact.depth) == (hashed.states, hashed.transitions, hashed.depth)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_several_threads_find_the_same(threads: int) -> None:
    """The same numbers, and the same first paths to what is claimed."""
    limits = Limits(depth=14)
    one = search(SmallTcp("B").handle(), claims=BOTH, limits=limits)
    many = search_whole([SmallTcp("B").handle() for _ in range(threads)], claims=BOTH, limits=limits)
    assert (many.states, many.transitions, many.depth, many.reason) == (one.states, one.transitions, 14, "depth limit")
    assert many.hits == one.hits and set(many.hits) == {1}


def test_several_threads_keep_to_limits() -> None:
    def run(**limits: int) -> SearchResult:
        return search_whole([SmallTcp("B").handle() for _ in range(2)], claims=BOTH, stop=2, limits=Limits(**limits))

    decided, few, tight = run(), run(states=100), run(memory_bytes=30_000_000)
    assert (decided.reason, set(decided.hits)) == ("every claim decided", {1})
    assert (few.reason, few.states) == ("state limit", 100)
    assert tight.reason == "every claim decided" and tight.peak_memory <= 30_000_000
    tight = search_whole([SmallTcp("B").handle() for _ in range(2)], limits=Limits(memory_bytes=40_000_000))
    assert tight.reason == "memory limit" and tight.peak_memory <= 40_000_000
    assert not any(r.complete for r in (decided, few, tight))


def test_a_path_leads_where_it_says() -> None:
    path = search(SmallTcp("A").handle(), claims=BOTH, stop=2).hits[1].path
    steps = run_path(SmallTcp("A", whole=False).handle(), path)
    assert all(feasible for feasible, *_ in steps)
    assert [hits for _, hits, *_ in steps] == [0] * (len(path) - 1) + [2]
