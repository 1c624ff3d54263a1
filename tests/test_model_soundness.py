"""What happens in random runs with real numbers must be among what the search says can happen.

Each member of each spec is searched, then run many times with drawn constants, fates and instants. A claim that a run
breaks and the search did not, a rule, a state or a step that the search never saw, a count's value outside its
intervals: each is a bug in what the search merges, forgets or leaves out. Seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tcpcheck.model.footprints import watched
from tcpcheck.model.layout import CLAIMS_MAX
from tcpcheck.model.simulate import simulate

from tcpcheck.checking import verify_text
from tcpcheck.explore.search import search
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load, load_text
from tcpcheck.lang.scenario import Case
from tcpcheck.model.build import build_model
from tcpcheck.tcp.rules import RULES

ROOT = Path(__file__).parent
SPECS = sorted([*(ROOT.parent / "specs").glob("*.tcp"), *(ROOT / "specs_model").glob("*.tcp")])
RUNS = 120
EVERY = (1 << 64) - 1
RULE_NAMES = {rule.number: rule.name for rule in RULES}


@dataclass
class Found:
    """What an exhaustive search of one member found. hits: claim bits; pieces: values of the count claims."""

    model: Any
    hits: set[int]
    rules: set[int]
    pieces: list[Any]
    prints: Any
    exhaustive: bool


def find(case: Case, exact: bool = False) -> Found:
    model = build_model(case, exact)
    initial = model.initial_hits()
    handle, prints = watched(model)
    r = search(handle, claims=EVERY)
    hits = set(r.hits) | {b for b in range(64) if initial >> b & 1}
    exhaustive = r.exhaustive and not model.stuck and not model.cut_at_horizon
    return Found(model, hits, set(r.rules_taken), model.pieces, prints, exhaustive)


def broken(found: Found, case: Case, run: Any) -> Iterator[str]:
    """All in which a run differs from what the search found."""
    bits = run.late | (run.waiting if run.ended == "end" else 0)
    for hit in run.hits:
        bits |= hit
    for b in range(2 * CLAIMS_MAX):
        if bits >> b & 1 and b not in found.hits:
            name = case.claims[b % CLAIMS_MAX].name
            yield f"{name} is {'hit' if b < CLAIMS_MAX else 'exercised'}"
    yield from (f"rule {RULE_NAMES[r]} is taken" for r in run.rules - found.rules)
    for claim, truth, value in run.values:
        modulus = 2**62 if found.model.program.claims[claim].over_sleep >= 0 else 2**32
        if not any(p[:2] == (claim, truth) and (value - p.lo) % modulus < p.n for p in found.pieces):
            yield f"{case.claims[claim].name} is {bool(truth)} for {value}"
    if run.strange:
        yield f"the states or steps {run.strange} were not seen"
    if run.ended in ("stuck", "overflow", "truncated"):
        yield f"the run is {run.ended}"


def disagreements(found: Found, case: Case, seeds: range) -> list[str]:
    out = []
    for seed in seeds:
        run = simulate(found.model, seed, seen=found.prints)
        out += [f"seed {seed}: {what}" for what in broken(found, case, run)]
    return out


@pytest.mark.parametrize("path", SPECS, ids=[p.stem for p in SPECS])
def test_random_runs_are_among_what_the_search_found(path: Path) -> None:
    for case in load(path, REGISTRY).cases:
        found = find(case)
        if path.stem == "horizon":  # cut at ten seconds; as far as that it sees everything
            assert not found.exhaustive
        else:
            assert found.exhaustive, "a spec of this test must be searched to the end"
        assert not disagreements(found, case, range(RUNS)), case.settings


def test_exact_models_see_the_same_runs() -> None:
    for name in ("specs/tw_fin.tcp", "specs/isn_gap.tcp", "tests/specs_model/sysctl_steps.tcp"):
        for case in load(ROOT.parent / name, REGISTRY).cases:
            found = find(case, exact=True)
            assert found.exhaustive
            assert not disagreements(found, case, range(RUNS)), (name, case.settings)


def test_values_of_runs_lie_in_the_intervals_of_counts() -> None:
    """Against the reported intervals themselves, which z3 computes."""
    for name in ("specs/isn_gap.tcp", "tests/specs_model/wrapping.tcp"):
        path = ROOT.parent / name
        case = load(path, REGISTRY).cases[0]
        reported = {c.name: c.count["intervals"] for c in verify_text(path.read_text()).claims if c.count is not None}
        model = build_model(case)
        tried = 0
        for seed in range(RUNS):
            for claim, truth, value in simulate(model, seed).values:
                within = any(lo <= value <= hi for lo, hi in reported[case.claims[claim].name])
                tried += 1
                assert within or not truth, (name, seed, value)
        assert tried > RUNS / 4


def test_runs_take_most_rules() -> None:
    """The runs are worth something only if they go where the search goes."""
    for name, most in (("tw_syn", 0.7), ("fin_wait1_loss", 0.99), ("simultaneous_close", 0.6)):
        case = load(ROOT.parent / f"specs/{name}.tcp", REGISTRY).cases[-1]
        found = find(case)
        taken: set[int] = set().union(*(simulate(found.model, seed).rules for seed in range(200)))
        assert len(taken) >= most * len(found.rules), (name, len(taken), len(found.rules))


def test_a_seed_is_a_run() -> None:
    case = load(ROOT.parent / "specs/tw_syn.tcp", REGISTRY).cases[-1]
    one, again = build_model(case).simulate(7, show=1), build_model(case).simulate(7, show=1)
    assert (one.hits, one.instants, one.constants) == (again.hits, again.instants, again.constants)
    assert [m.effects for m in one.moments] == [m.effects for m in again.moments]
    assert one.instants != build_model(case).simulate(8).instants


BOUNDS = """
host server {{ kernel linux 6.18.44 ; run {{ listen :80 ; accept -> c ; sleep 10ms..20ms ; close c }} }}
host client {{ kernel linux 6.18.44 ; run {{ connect server:80 -> s ; stop }} }}
after a {{ server.c in ESTABLISHED }} eventually {{ server.c sends FIN }} within {within}
"""


@pytest.mark.parametrize(
    ("within", "hit"),
    [("10ms..20ms", False), ("0ms..19999999ns", True), ("10000001ns..20ms", True), ("0s..1s", False)],
)
def test_runs_meet_bounds_to_the_nanosecond(within: str, hit: bool) -> None:
    """The monitors' own edges, with real ages."""
    model = build_model(load_text(BOUNDS.format(within=within), "bounds.tcp", REGISTRY).cases[0])
    runs = [simulate(model, seed) for seed in range(60)]
    assert any((run.late | max(h & 1 for h in run.hits)) & 1 for run in runs) == hit


def test_what_never_comes_is_told_at_the_end() -> None:
    text = BOUNDS.format(within="1s").replace("close c }", "stop }")
    model = build_model(load_text(text, "never.tcp", REGISTRY).cases[0])
    runs = [simulate(model, seed) for seed in range(20)]
    assert all(run.ended == "end" and run.late & 1 and run.waiting & 1 for run in runs)
