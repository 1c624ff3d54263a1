"""A search in parts finds what a search in one piece finds: states, numbers, first hits, paths, cycles."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import toys
from bench.small_tcp import SmallTcp
from cli_call import SPECS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parts_compare import found, in_parts
from tcpcheck.explore.numbers import _test_numbers
from tcpcheck.explore.toy import Toy
from test_explore_search import systems

from tcpcheck.checking import check_member
from tcpcheck.explore import parts as parts_module
from tcpcheck.explore.parts import Asked, HereTeam, PartedSearch
from tcpcheck.explore.result import Limits, SearchResult
from tcpcheck.explore.search import search
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load
from tcpcheck.model.build import build_model
from tcpcheck.model.notes import merged
from tcpcheck.searches import Searches

Spec = dict[str, Any]
ALL = (1 << 64) - 1
TOYS = {
    "grid": toys.grid(8, 2, pad=100),
    "peterson": toys.peterson(),
    "dining": toys.dining(4),
    "lazy": toys.dining(3, lazy=True),
    "dice": toys.dice(3, 6),
    "two roads": toys.two_roads(),
    "fischer": toys.fischer(2),
    "fischer, broken": toys.fischer(2, delay=6),
    "waits": toys.answered_or_not(),
    "cut": toys.grid(6, 3, cut=[[(0, "==", 2), (1, "==", 2)]]),
    "stuck": {"variables": [0], "commands": [{"when": [(0, "<", 5)], "do": [("add", 0, 1, 9)]}], "ends": [(3, [])]},
}


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of very few nodes: many messages."""
    monkeypatch.setattr(parts_module, "SLICE_FIRST", 3)
    monkeypatch.setattr(parts_module, "SLICE_BYTES", 200)
    monkeypatch.setattr(parts_module, "BATCH_STATES", 1)


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
@pytest.mark.parametrize("name", TOYS)
def test_toys(name: str, parts: int, narrow: None) -> None:
    lasso = 3 if name == "waits" else 0
    one = search(Toy(**TOYS[name]).handle(), claims=ALL, lasso=lasso)
    assert found(in_parts(lambda: Toy(**TOYS[name]), parts, claims=ALL, lasso=lasso)) == found(one)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans().flatmap(systems), st.sampled_from([0, 7 << 30]), st.sampled_from([2, 3]))
def test_random_systems(narrow: None, spec: Spec, lasso: int, parts: int) -> None:
    one = search(Toy(**spec).handle(), claims=ALL, lasso=lasso)
    assert found(in_parts(lambda: Toy(**spec), parts, claims=ALL, lasso=lasso)) == found(one)


def test_the_toys_have_all_there_is_to_compare() -> None:
    results = [
        search(Toy(**spec).handle(), claims=ALL, lasso=3 if name == "waits" else 0) for name, spec in TOYS.items()
    ]
    assert (
        any(r.lassos for r in results)
        and any(r.truncated for r in results)
        and any(r.zones > r.states for r in results)
    )
    assert {h.kind for r in results for h in r.hits.values()} == {"step", "end"}


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("parts", [2, 5])
def test_the_benchmark_graph(parts: int, whole: bool) -> None:
    limits = Limits(depth=12)
    one = search(SmallTcp("B", whole=whole).handle(), claims=3, limits=limits)
    assert found(in_parts(lambda: SmallTcp("B", whole=whole), parts, claims=3, limits=limits)) == found(one)
    assert one.states > 100_000 and one.reason == "depth limit"


def test_whole_states_compared() -> None:
    limits = Limits(depth=9, exact=True)
    one = search(SmallTcp("B").handle(), claims=3, limits=limits)
    assert found(in_parts(lambda: SmallTcp("B"), 3, claims=3, limits=limits)) == found(one)
    assert one.omission_bound == 0


@pytest.mark.parametrize(
    "name", ["isn_gap", "tw_fin", "simultaneous_open", "resets/blind_rst", "middleboxes/nat_time_wait"]
)
def test_specs(name: str) -> None:
    """Zones, counts with their sets of values, cycles: the same results, witnesses included."""

    scenario = load(str(SPECS / f"{name}.tcp"), REGISTRY)
    case = scenario.cases[-1]

    class Compared(Searches):
        """Each search made twice."""

        def make(
            self, model: Any, limits: Limits, claims: int, stop: int = 0, lasso: int = 0, **how: Any
        ) -> SearchResult:
            wanted = how.get("wanted", ())
            asked = Asked(claims, lasso, limits.exact)
            team = HereTeam(partial(build_model, case, *model.variant), 3, asked, wanted)
            parted = PartedSearch(team, asked, stop=stop, limits=limits, merge_notes=merged)
            result = parted.run()
            one = super().make(model, limits, claims, stop, lasso, wanted=wanted)
            assert stop or found(one) == found(result)
            assert stop or model.notes == parted.notes
            model.take_over(parted.notes)
            return result

    ours, usual = (check_member(scenario, case, Limits(), None, lambda *_: 0, s) for s in (Compared(), Searches()))
    assert ours.claims == usual.claims and ours.totals.states == usual.totals.states


# ---- limits


def test_a_limit_of_states_or_steps() -> None:
    for limits, reason in ((Limits(states=1000), "state limit"), (Limits(depth=3), "depth limit")):
        got = in_parts(lambda: SmallTcp("B"), 2, limits=limits)
        assert (got.complete, got.reason) == (False, reason)
    assert in_parts(lambda: Toy(**toys.grid(10, 2)), 2, limits=Limits(states=1024)).complete
    assert in_parts(lambda: SmallTcp("B"), 2, limits=Limits(states=1000)).states == 1000


def test_a_limit_of_time() -> None:
    got = in_parts(lambda: SmallTcp("B"), 2, limits=Limits(seconds=0.0))
    assert (got.complete, got.reason) == (False, "time limit")


@pytest.mark.parametrize("lasso", [0, 1])
def test_a_limit_of_memory_at_any_point(lasso: int) -> None:
    spec = toys.grid(12, 2, hits=[(3, [(i, "==", 1) for i in range(12)])], waits=[(0, [])])
    whole = in_parts(lambda: Toy(**spec), 2, claims=8, lasso=lasso)
    assert whole.complete
    refused = 0
    for part in (0, 0.02, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        limit = int(part * whole.peak_memory)
        got = in_parts(lambda: Toy(**spec), 2, claims=8, lasso=lasso, limits=Limits(memory_bytes=limit))
        assert got.peak_memory <= limit
        assert got.complete or got.reason == "memory limit"
        refused += not got.complete
    assert refused > 5


def test_it_stops_when_all_claims_are_decided() -> None:
    spec = toys.grid(14, 2, hits=[(0, [(0, "==", 1)]), (1, [(1, "==", 1), (2, "==", 1)])])
    got = in_parts(lambda: Toy(**spec), 3, claims=3, stop=3)
    assert got.reason == "every claim decided" and len(got.hits[1].path) == 2 and got.states < 1 << 14


# ---- numbers


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 1 << 20) | st.just(1), max_size=200), st.integers(0, 300))
def test_ascending_numbers(steps: list[int], first: int) -> None:
    numbers = [first + sum(steps[:i]) for i in range(len(steps) + 1)]
    asked = [*numbers, *(n + 1 for n in numbers), -1]
    read, at, places = _test_numbers(numbers, asked)
    assert read == at == numbers
    assert places == [numbers.index(n) if n in numbers else -1 for n in asked]
