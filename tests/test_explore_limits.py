"""A search that ends early says so, says why, and keeps what it found."""

from __future__ import annotations

import _thread
import signal
from typing import Any

import pytest
import toys
from tcpcheck.explore.toy import Toy, run_path

from tcpcheck.explore.result import Limits, SearchResult
from tcpcheck.explore.search import search

Spec = dict[str, Any]
CORNER = [(3, [(i, "==", 1) for i in range(14)])]


def run(spec: Spec, **how: Any) -> SearchResult:
    return search(Toy(**spec).handle(), **how)


@pytest.mark.parametrize("batch", [1, 8, 16])
@pytest.mark.parametrize("most", [1, 2, 100, 1023])
def test_state_limit(most: int, batch: int) -> None:
    got = run(toys.grid(10, 2), limits=Limits(states=most), batch=batch)
    assert (got.complete, got.reason, got.states) == (False, "state limit", most)
    assert got.transitions >= most - 1


def test_as_many_states_as_allowed_is_complete() -> None:
    got = run(toys.grid(10, 2), limits=Limits(states=1024))
    assert (got.complete, got.reason, got.states) == (True, "", 1024)


def test_state_limit_counts_zones() -> None:
    whole = run(toys.fischer(2))
    got = run(toys.fischer(2), limits=Limits(states=whole.zones - 1))
    assert (got.complete, got.reason, got.zones) == (False, "state limit", whole.zones - 1)


@pytest.mark.parametrize("depth", [0, 1, 4, 9])
def test_depth_limit(depth: int) -> None:
    got = run(toys.grid(10, 2), limits=Limits(depth=depth))
    layers = [1]
    for level in range(depth):
        layers.append(layers[-1] * (10 - level) // (level + 1))  # binomial coefficients
    assert (got.complete, got.reason, got.depth, got.states) == (False, "depth limit", depth, sum(layers))
    assert got.transitions == 10 * sum(layers[:-1])


def test_time_limit() -> None:
    got = run(toys.grid(20, 2), limits=Limits(seconds=0.0))
    assert (got.complete, got.reason) == (False, "time limit")
    assert 1 < got.states < 1 << 20


@pytest.mark.parametrize("lasso", [0, 1])
@pytest.mark.parametrize(
    "spec", [toys.grid(14, 2, hits=CORNER, waits=[(0, [])]), toys.fischer(3)], ids=["grid", "timed"]
)
def test_memory_limit_at_any_point(spec: Spec, lasso: int) -> None:
    whole = run(spec, claims=8, lasso=lasso)
    for part in (0, 0.05, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99):
        limit = int(part * whole.peak_memory)
        got = run(spec, claims=8, lasso=lasso, limits=Limits(memory_bytes=limit))
        assert got.peak_memory <= limit
        assert got.states <= whole.states and got.transitions <= whole.transitions
        if not got.complete:
            assert got.reason == "memory limit"
    assert not run(spec, lasso=lasso, limits=Limits(memory_bytes=100_000)).complete


def test_enough_memory_is_enough() -> None:
    whole = run(toys.grid(12, 2))
    assert run(toys.grid(12, 2), limits=Limits(memory_bytes=whole.peak_memory)).complete


@pytest.mark.parametrize("lasso", [0, 1])
@pytest.mark.parametrize(
    "spec", [toys.grid(14, 2, hits=CORNER, waits=[(0, [])]), toys.fischer(3)], ids=["grid", "timed"]
)
def test_the_machine_has_no_memory_left(spec: Spec, lasso: int) -> None:
    """Every single block may be the one that is refused."""
    exact = Limits(exact=lasso == 1)
    whole = run(spec, claims=8, lasso=lasso, limits=exact)
    refused = 0
    for blocks in range(1000):
        got = run(spec, claims=8, lasso=lasso, limits=exact, _fail_after=blocks)
        if got.complete:
            assert got.states == whole.states
            break
        refused += 1
        assert got.reason == "out of memory"
        for hit in got.hits.values():
            assert all(feasible for feasible, *_ in run_path(Toy(**spec).handle(), hit.path))
    assert refused > 5 and got.complete


def test_hits_survive_a_limit() -> None:
    got = run(toys.grid(14, 2, hits=[(5, [(0, "==", 1)])]), claims=1 << 5, limits=Limits(states=20))
    assert not got.complete and len(got.hits[5].path) == 1


def test_stops_when_all_claims_are_decided() -> None:
    spec = toys.grid(14, 2, hits=[(0, [(0, "==", 1)]), (1, [(1, "==", 1), (2, "==", 1)])])
    one, both = run(spec, claims=3, stop=1), run(spec, claims=3, stop=3)
    assert one.reason == both.reason == "every claim decided"
    assert not one.complete and set(one.hits) == {0} and set(both.hits) == {0, 1}
    assert one.states < both.states < 1 << 14
    assert run(spec, claims=2, stop=1).complete  # a claim that is not asked for decides nothing


def test_too_many_choices_in_a_step() -> None:
    spec = {
        "variables": [0] * 2,
        "commands": [
            {"when": [(1, "==", 0)], "do": [("set", 1, 1)] + [("pick", 0, 2)] * 97},
            {"when": [(1, "==", 0)], "do": [("set", 1, 2)], "rule": 1},
        ],
    }
    got = run(spec)
    assert not got.complete and not got.exhaustive and got.overflows == 1
    assert "too many choices" in got.reason


def test_too_many_ways_to_go() -> None:
    got = run({"variables": [0], "commands": [{"do": [("pick", 0, 256)]}, {"do": [("set", 0, 1)]}]}, claims=1)
    assert not got.complete and got.states == 2 and got.overflows == 2
    assert "too many choices" in got.reason


def test_an_overflow_is_not_a_dead_end() -> None:
    got = run({"variables": [0], "commands": [{"do": [("pick", 0, 256)]}], "ends": [(0, [])]}, claims=1)
    assert not got.complete and not got.hits


def test_interrupt_keeps_what_was_found() -> None:
    shown: list[tuple[Any, ...]] = []

    def press(*numbers: Any) -> None:
        shown.append(numbers)
        _thread.interrupt_main(signal.SIGINT)

    got = run(toys.grid(22, 2, hits=[(0, [(0, "==", 1)])]), claims=1, progress=press)
    assert (got.complete, got.reason) == (False, "interrupted")
    assert got.states >= shown[0][0] and got.transitions >= shown[0][1] and 0 in got.hits
    assert len(shown) <= 2


def test_progress_tells_and_its_errors_end_the_search() -> None:
    def fail(states: int, transitions: int, rate: float, depth: int, frontier: int, memory: int, *_: int) -> None:
        assert states > 1 and transitions >= states - 1 and rate > 0 and depth >= 0 and 0 < frontier <= states
        raise RuntimeError(str(memory))

    with pytest.raises(RuntimeError, match=r"\d+"):
        run(toys.grid(22, 2), progress=fail)
