"""The search against theory and against the plain twin in oracle.py."""

from __future__ import annotations

from typing import Any

import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import explore
from tcpcheck.explore.toy import Toy, run_path

from tcpcheck.explore.result import Limits, SearchResult
from tcpcheck.explore.search import search

Spec = dict[str, Any]
ALL = (1 << 64) - 1


def run(spec: Spec, **how: Any) -> SearchResult:
    return search(Toy(**spec).handle(), **how)


def agree(spec: Spec, *, lasso: int = 0, batch: int = 8) -> SearchResult:
    """Search and twin find the same; every path does what is said of it."""
    want = explore(spec, ALL, lasso)
    got = run(spec, claims=ALL, lasso=lasso, batch=batch)
    assert got.complete and got.reason == ""
    assert (got.states, got.zones, got.transitions) == (want.states, want.zones, want.transitions)
    assert (got.depth, got.truncated, got.overflows) == (want.depth, want.truncated, 0)
    assert set(got.rules_taken) == want.rules
    assert {c: (h.kind, h.path) for c, h in got.hits.items()} == want.hits
    for claim, hit in got.hits.items():
        steps = run_path(Toy(**spec).handle(), hit.path)
        assert all(feasible for feasible, *_ in steps)
        assert hit.kind == "end" or steps[-1][1] >> claim & 1
    assert {x.claim: len(x.stem) + len(x.cycle) for x in got.lassos} == want.lassos
    return got


@pytest.mark.parametrize(("dimensions", "side"), [(1, 2), (4, 2), (10, 2), (3, 5), (2, 40), (1, 250)])
def test_grid_has_the_counts_of_theory(dimensions: int, side: int) -> None:
    got = run(toys.grid(dimensions, side))
    assert got.states == got.zones == side**dimensions
    assert got.transitions == dimensions * side**dimensions
    assert got.depth == dimensions * (side - 1)
    assert got.complete and got.exhaustive and not got.hits


def test_large_grid_fills_several_tables_and_blocks() -> None:
    got = run(toys.grid(16, 2, pad=100))
    assert (got.states, got.transitions, got.depth) == (1 << 16, 16 << 16, 16)
    assert got.omission_bound == pytest.approx(2.0**32 / 2.0**65)
    assert got.bytes_per_state == pytest.approx(got.peak_memory / got.states)


def test_a_chain_loses_no_link() -> None:
    """Every state has one predecessor only, so a state lost when the table grows would show."""
    commands = [
        {"when": [(0, "<", 199)], "do": [("add", 0, 1, 200)]},
        {"when": [(0, "==", 199), (1, "<", 199)], "do": [("set", 0, 0), ("add", 1, 1, 200)]},
    ]
    ends = [(0, [(0, "==", 199), (1, "==", 199)])]
    for lasso in (0, 1):
        got = run({"variables": [0, 0], "commands": commands, "ends": ends}, claims=1, lasso=lasso)
        assert (got.states, got.transitions, got.depth) == (40_000, 39_999, 39_999)
        assert len(got.hits[0].path) == 39_999


def test_shortest_path_to_the_far_corner() -> None:
    got = run(toys.grid(5, 4, hits=[(7, [(i, "==", 3) for i in range(5)])]), claims=1 << 7)
    assert len(got.hits[7].path) == 15


def test_peterson_excludes() -> None:
    got = agree(toys.peterson())
    assert 0 not in got.hits and len(got.hits[1].path) == 3


@pytest.mark.parametrize("lazy", [False, True])
def test_dining_philosophers_deadlock(lazy: bool) -> None:
    got = agree(toys.dining(4, lazy))
    assert got.hits[0].kind == "end" and len(got.hits[0].path) == 4


def test_dead_branches_change_nothing_but_the_choices() -> None:
    eager, lazy = run(toys.dining(5)), run(toys.dining(5, lazy=True))
    assert (eager.states, eager.transitions, eager.depth) == (lazy.states, lazy.transitions, lazy.depth)


def test_several_choices_in_one_step() -> None:
    got = agree(toys.dice(3, 6))
    assert got.states == 1 + 2 * 6**3 and got.transitions == 2 * 6**3
    assert got.hits[0].path == [bytes([5, 5, 5])]


def test_a_zone_within_another_is_not_expanded() -> None:
    got = agree(toys.two_roads())
    assert (got.states, got.zones) == (3, 4)
    assert got.transitions == 3  # the narrow zone, covered within its level, is left alone
    assert len(got.hits[0].path) == 2


@pytest.mark.parametrize("delay", [2, 3])
def test_fischer_excludes_while_writers_are_quick(delay: int) -> None:
    got = agree(toys.fischer(2, delay))
    assert (0 in got.hits) == (delay >= 3)
    assert got.zones > got.states


def test_fischer_with_three() -> None:
    agree(toys.fischer(3))


def test_a_claim_that_waits_for_ever() -> None:
    spec = toys.answered_or_not()
    got = agree(spec, lasso=0b11)
    (lasso,) = got.lassos
    assert (lasso.claim, len(lasso.stem), len(lasso.cycle)) == (0, 1, 3)
    steps = run_path(Toy(**spec).handle(), lasso.stem + lasso.cycle)
    assert all(feasible for feasible, *_ in steps)
    assert steps[-1][2] == steps[len(lasso.stem) - 1][2]  # back where the cycle began
    assert got.hits[2].kind == "end"


def test_no_edges_are_kept_unless_asked() -> None:
    assert run(toys.answered_or_not()).lassos == []


def test_truncated_steps_are_counted_not_followed() -> None:
    got = agree(toys.grid(2, 9, cut=[[(0, "==", 4)]]))
    assert got.states == 4 * 9 and got.truncated == 9
    assert got.complete and not got.exhaustive


# ---------------------------------------------------------------- arbitrary systems

VARIABLES, SIDE, CLOCKS = 3, 4, 2
variable, value = st.integers(0, VARIABLES - 1), st.integers(0, SIDE - 1)
condition = st.one_of(
    st.tuples(variable, st.sampled_from(["==", "!=", "<", ">="]), value),
    st.tuples(variable, st.sampled_from(["==v", "!=v"]), variable),
)
conditions = st.lists(condition, max_size=2)
updates = st.lists(
    st.one_of(
        st.tuples(st.just("add"), variable, st.integers(1, SIDE - 1), st.just(SIDE)),
        st.tuples(st.just("set"), variable, value),
        st.tuples(st.just("copy"), variable, variable),
        st.tuples(st.just("pick"), variable, st.integers(0, SIDE)),
    ),
    min_size=1,
    max_size=3,
)
clock = st.integers(0, CLOCKS)
guards = st.lists(st.tuples(clock, clock, st.integers(-4, 6)).filter(lambda g: g[0] != g[1]), max_size=2)


def commands(timed: bool) -> st.SearchStrategy[Spec]:
    return st.fixed_dictionaries(
        {
            "when": st.lists(condition, max_size=1),
            "do": updates,
            "clock": guards if timed else st.just([]),
            "reset": st.lists(st.integers(1, CLOCKS), max_size=2) if timed else st.just([]),
            "rule": st.integers(0, 130),
            "hit": st.sampled_from([0, 0, 1, 1 << 63]),
        }
    )


def marks(first: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.tuples(st.integers(first, first + 2), conditions), max_size=3)


def systems(timed: bool) -> st.SearchStrategy[Spec]:
    tight = [(when, x, 3) for x, when in ((1, [(0, "==", 1)]), (2, [(1, "==", 2)]))]
    return st.fixed_dictionaries(
        {
            "variables": st.just([0] * VARIABLES),
            "commands": st.lists(commands(timed), min_size=3, max_size=8),
            "clocks": st.just(CLOCKS if timed else 0),
            "invariants": st.just([*tight, ([], 1, 7), ([], 2, 7)] if timed else []),
            "hits": marks(10),
            "ends": marks(20),
            "waits": marks(30),
            "cut": st.one_of(st.just([]), st.just([]), condition.map(lambda c: [[c]])),
            "lazy": st.booleans(),
        }
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(systems(timed=False), st.sampled_from([0, 7 << 30]), st.sampled_from([1, 5, 16]))
def test_any_untimed_system_as_the_twin_sees_it(spec: Spec, lasso: int, batch: int) -> None:
    agree(spec, lasso=lasso, batch=batch)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(systems(timed=True), st.sampled_from([0, 7 << 30]), st.sampled_from([1, 5, 16]))
def test_any_timed_system_as_the_twin_sees_it(spec: Spec, lasso: int, batch: int) -> None:
    agree(spec, lasso=lasso, batch=batch)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=20, max_size=40),
    st.lists(st.integers(0, 15), max_size=5),
)
def test_shortest_lassos_in_any_graph(arrows: list[tuple[int, int]], calm: list[int]) -> None:
    """One variable walks along the arrows; claim 0 always waits, claim 1 does except in calm places."""
    spec = {
        "variables": [0],
        "commands": [{"when": [(0, "==", a)], "do": [("set", 0, b)]} for a, b in arrows],
        "waits": [(0, []), (1, [(0, "!=", place) for place in calm])],
    }
    for lasso in agree(spec, lasso=0b11).lassos:
        steps = run_path(Toy(**spec).handle(), lasso.stem + lasso.cycle)
        places = [0, *(state[0] for _, _, state, _ in steps)]
        assert all(feasible for feasible, *_ in steps) and places[-1] == places[len(lasso.stem)]
        assert lasso.claim == 0 or not set(places[len(lasso.stem) :]) & set(calm)


def test_shorter_cycle_in_a_component_that_leads_into_another() -> None:
    """0 -> 1 -> 2 -> 3 -> 1 and 0 -> 4 -> 5 -> 4 -> 1, waiting everywhere but in 0."""
    arrows = [(0, 1), (0, 4), (1, 2), (2, 3), (3, 1), (4, 1), (4, 5), (5, 4)]
    commands = [{"when": [(0, "==", a)], "do": [("set", 0, b)]} for a, b in arrows]
    got = agree({"variables": [0], "commands": commands, "waits": [(0, [(0, "!=", 0)])]}, lasso=1)
    assert (len(got.lassos[0].stem), len(got.lassos[0].cycle)) == (1, 2)


@pytest.mark.parametrize(
    "spec", [toys.grid(5, 4, pad=200), toys.fischer(2), toys.peterson()], ids=["grid", "timed", "pc"]
)
def test_exact_finds_the_same(spec: Spec) -> None:
    hashed, exact = run(spec, claims=ALL, lasso=3), run(spec, claims=ALL, lasso=3, limits=Limits(exact=True))
    assert (exact.states, exact.zones, exact.transitions) == (hashed.states, hashed.zones, hashed.transitions)
    assert (exact.hits, exact.lassos, exact.depth) == (hashed.hits, hashed.lassos, hashed.depth)
    assert exact.omission_bound == 0 < hashed.omission_bound
