"""On Ray, as on this machine alone: the same verdicts, counts and documents; and what happens when workers die."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bench.small_tcp import SmallTcp
from cli_call import CONNECTION, SPECS, call
from parts_compare import found

from tcpcheck.checking import NO_LIMITS, MemberOutcome, check_member
from tcpcheck.errors import Impossible
from tcpcheck.explore.parts import Asked, Lost, PartedSearch
from tcpcheck.explore.result import Limits
from tcpcheck.explore.search import search
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load
from tcpcheck.searches import Searches

if importlib.util.find_spec("ray") is None:  # not imported yet: it reads its settings then
    pytest.skip("Ray is not installed: pip install 'tcpcheck[ray]'", allow_module_level=True)

from tcpcheck.cluster import team as team_module
from tcpcheck.cluster.engine import PartSearches, RayEngine
from tcpcheck.cluster.session import Session, must_answer
from tcpcheck.cluster.team import RayTeam

Capture = pytest.CaptureFixture[str]
COSTS = ("seconds", "states_per_second", "bytes_per_state", "peak_memory_mb")


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """One cluster for all; what the commands below find running they use. Its workers find what is found here."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    session = Session(cpus=4, memory_bytes=700_000_000)
    yield session
    session.close()
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture
def team(session: Session, actors: RayTeam) -> Iterator[RayTeam]:
    yield actors
    actors.on_call = None


@pytest.fixture(scope="module")
def actors(session: Session) -> Iterator[RayTeam]:
    """Two, begun once: a process takes its time to begin."""
    team = RayTeam(session.ray, 2)
    yield team
    team.close()


def checked(team: RayTeam | None, name: str, limits: Limits = NO_LIMITS) -> MemberOutcome:
    """The first member of a spec; here, or by the team."""
    scenario = load(str(SPECS / f"{name}.tcp"), REGISTRY)
    case = scenario.cases[0]
    searches = Searches() if team is None else PartSearches(team, case)
    return check_member(scenario, case, limits, None, lambda *_: None, searches)


def documents(capfd: Capture, *arguments: str) -> tuple[Any, Any]:
    """What a command says here and on Ray, without what it cost."""
    both = []
    for engine in ((), ("--engine", "ray")):
        result = call(capfd, *arguments, "--json", *engine)
        document = result.document
        for one in document.get("specs", [document]):
            one["stats"] = {k: v for k, v in one["stats"].items() if k not in COSTS}
        both.append((result.code, document))
    return both[0], both[1]


# ---- the same results


def test_members_of_several_specs_as_tasks(session: Session, capfd: Capture) -> None:
    here, there = documents(capfd, "verify", str(SPECS / "tw_fin.tcp"), str(SPECS / "isn_gap.tcp"))
    assert here == there and here[0] == 0


def test_a_sweep(session: Session, capfd: Capture, tmp_path: Path) -> None:
    (tmp_path / "spec.tcp").write_text(CONNECTION % "never rests { a.c in TIME-WAIT }")
    here, there = documents(capfd, "sweep", str(tmp_path / "spec.tcp"), "--set", "a.net.ipv4.tcp_sack=0,1")
    assert here == there and here[0] == 1


def test_searches_in_parts(session: Session, capfd: Capture) -> None:
    """Members, zones and cycles; sets of values."""
    specs = [str(SPECS / f"{name}.tcp") for name in ("tw_fin", "isn_gap")]
    here = call(capfd, "verify", *specs, "--traces", "all", "-q")
    there = call(capfd, "verify", *specs, "--traces", "all", "-q", "--engine", "ray", "--parts", "2")
    assert (here.code, here.out) == (there.code, there.out) and here.code == 0


def test_the_benchmark_graph(team: RayTeam) -> None:
    asked = Asked(claims=3)
    team.begin(partial(SmallTcp, "S"), asked)
    parted = PartedSearch(team, asked)
    got = parted.run()
    assert found(got) == found(search(SmallTcp("S").handle(), claims=3))
    assert (got.states, got.transitions, got.depth + 1) == (516_714, 2_101_880, 29)
    assert sum(t.sent_bytes for t in parted.tallies) > 3e7


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(states=50), "state limit"),
        (Limits(depth=3), "depth limit"),
        (Limits(seconds=0.001), "time limit"),
        (Limits(memory_bytes=1_000_000), "memory limit"),
    ],
)
def test_limits_hold(team: RayTeam, limits: Limits, reason: str) -> None:
    got = checked(team, "tw_fin", limits)
    notes = [c.note for c in got.claims if c.verdict == "undecided"]
    assert notes and all(note.startswith(reason) for note in notes)
    assert not any(c.verdict in ("holds", "vacuous", "unreachable") for c in got.claims)


def test_more_parts_than_there_are_cpus(session: Session, capfd: Capture) -> None:
    result = call(capfd, "verify", str(SPECS / "isn_gap.tcp"), "--engine", "ray", "--parts", "5")
    assert result.code == 2 and "the cluster has 4 CPUs" in result.err


def test_4_when_no_cluster_answers() -> None:
    with pytest.raises(Impossible, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        must_answer("127.0.0.1:1")


# ---- lost workers


def test_a_fault_of_our_own_is_no_lost_worker(team: RayTeam) -> None:
    with pytest.raises(KeyError, match="no such size"):
        team.begin(partial(SmallTcp, "no such size"), Asked())


class Killer:
    """Kills an actor in the middle of the first searches."""

    def __init__(self, times: int) -> None:
        self.times, self.calls = times, 0

    def __call__(self, team: RayTeam, part: int, method: str) -> None:
        if method == "expand" and part == 1:
            self.calls += 1
            if self.times and self.calls == 4:
                self.times, self.calls = self.times - 1, 0
                team.ray.kill(team.actors[1], no_restart=True)


def test_a_search_whose_part_dies_is_made_again(team: RayTeam) -> None:
    team.on_call = killer = Killer(1)
    got, want = checked(team, "tw_fin"), checked(None, "tw_fin")
    assert killer.times == 0 and got.claims == want.claims and got.totals.states == want.totals.states


def test_what_is_lost_twice_is_undecided(team: RayTeam) -> None:
    team.on_call = Killer(2)
    got = checked(team, "tw_fin")
    assert {c.verdict for c in got.claims} == {"undecided"}
    assert all("workers of the cluster were lost 2 times" in c.note for c in got.claims)


def test_nobody_waits_for_ever(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_module, "PATIENCE", 1.0)
    sleeper = session.ray.remote(lambda: time.sleep(600)).remote()
    with pytest.raises(Lost, match="no answer for 1 s"):
        RayTeam(session.ray, 1).get([sleeper])
    session.ray.cancel(sleeper, force=True)


def test_a_member_whose_worker_dies_is_undecided(session: Session) -> None:
    scenario = load(str(SPECS / "isn_gap.tcp"), REGISTRY)
    dying = session.ray.remote(lambda: os._exit(1)).options(max_retries=0).remote()
    outcome = RayEngine(session, [], Limits(), parts=2).outcome(scenario.cases[0], dying)
    assert {c.verdict for c in outcome.claims} == {"undecided"} and "worker was lost" in outcome.claims[0].note
