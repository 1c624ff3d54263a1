"""A spec to its fixtures: search of every member, choice of the traces, and what no trace takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tcpcheck.checking import NO_LIMITS, verify_scenario
from tcpcheck.covering.choose import Fixture, choose, preferred, shape
from tcpcheck.covering.goals import PAIRS, RULES, checked, goals_in, order
from tcpcheck.covering.search import Member, Run, search_exactly, search_member
from tcpcheck.errors import Undecided, UsageError
from tcpcheck.explore.result import Limits
from tcpcheck.lang.diagnostics import shorten
from tcpcheck.lang.scenario import Scenario
from tcpcheck.members import Report, run_members, shared
from tcpcheck.tcp.rules import RULES as EVERY_RULE


@dataclass(frozen=True)
class Wanted:
    """cover: `rules` or `pairs`. goals: only these. claims: also a trace of each violated or reached claim."""

    cover: str = RULES
    goals: tuple[str, ...] = ()
    claims: bool = False

    @classmethod
    def of(cls, cover: str, goals: Sequence[str] = (), claims: bool = False) -> Wanted:
        """As typed. UsageError: no such rule, nothing that could be covered."""
        if cover not in (RULES, PAIRS):
            raise UsageError(f"cannot cover `{shorten(str(cover))}`: choose {RULES} or {PAIRS}")
        found, kind = checked(goals)
        return cls(kind or cover, found, claims)


@dataclass(frozen=True)
class Covered:
    """The fixtures of one spec. reached: goals that the fixtures take, of those asked for. missed: goals of which no
    run could be confirmed, with the number of runs refuted. never: rules (where goals are asked for: those of them)
    that no run takes when why is ""; else it is undecided, for that reason, whether one does."""

    scenario: Scenario
    cover: str
    fixtures: tuple[Fixture, ...]
    reached: frozenset[str]
    missed: dict[str, int]
    never: tuple[str, ...]
    bounds: dict[str, Any]
    why: str

    @property
    def taken(self) -> tuple[str, ...]:
        """The rules of the goals reached."""
        return rules_of(self.reached)

    def relabelled(self, label: str) -> list[Fixture]:
        """The fixtures under another name of the spec."""
        return [replace(fixture, trace=replace(fixture.trace, spec=label)) for fixture in self.fixtures]

    @property
    def complete(self) -> bool:
        return not self.why and not self.missed


def cover_scenario(
    scenario: Scenario, wanted: Wanted, limits: Limits = NO_LIMITS, report: Report | None = None, jobs: int = 1
) -> Covered:
    """limits: as for `verify`. Errors: Undecided (Ctrl-C), Impossible (no solver)."""
    deadline, whole = limits.deadline(), limits
    limits, workers = shared(limits, jobs, len(scenario.cases))

    def work(member: int, progress: Any) -> Member:
        return search_member(scenario.cases[member], member, wanted.cover, limits.until(deadline), progress)

    def exactly(member: int, goals: Collection[str]) -> tuple[dict[str, list[Run]], bool]:
        return search_exactly(scenario.cases[member], member, wanted.cover, goals, limits.until(deadline))

    members = run_members(len(scenario.cases), work, workers, report)
    found = [member for member in members if member is not None]
    if len(found) < len(members) or any(member.interrupted for member in found):
        raise Undecided(f"interrupted before the fixtures of {scenario.file} were found")
    runs = together(found)
    asked = {goal: runs[goal] for goal in runs if not wanted.goals or goal in wanted.goals}
    given = claims_of(scenario, wanted.cover, whole, report, jobs) if wanted.claims else []
    chosen = choose(scenario, wanted.cover, asked, given, exactly)
    takes = frozenset[str]().union(*(fixture.takes for fixture in chosen.fixtures))
    return Covered(
        scenario,
        wanted.cover,
        tuple(chosen.fixtures),
        takes.intersection(wanted.goals) if wanted.goals else takes,
        chosen.missed,
        never(wanted, takes.union(runs) - chosen.untrue),
        next((m.bounds for m in found if m.why), found[0].bounds),
        next((m.why for m in found if m.why), ""),
    )


def together(members: Sequence[Member]) -> dict[str, list[Run]]:
    """The runs of all members to each goal, in the order in which they are tried."""
    goals = sorted({goal for member in members for goal in member.runs}, key=order)
    return {goal: sorted((r for m in members for r in m.runs.get(goal, ())), key=preferred) for goal in goals}


def rules_of(goals: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted({goal.split(",")[-1] for goal in goals}, key=order))


def never(wanted: Wanted, runs: Collection[str]) -> tuple[str, ...]:
    """What no search came upon: of the goals asked for, else of all rules."""
    if wanted.goals:
        return tuple(goal for goal in wanted.goals if goal not in runs)
    taken = rules_of(runs)
    return tuple(rule.name for rule in EVERY_RULE if rule.name not in taken)


def claims_of(scenario: Scenario, cover: str, limits: Limits, report: Report | None, jobs: int) -> list[Fixture]:
    """The trace of each violated or reached claim, of the first member that has one. Of claims with the same trace,
    one has it."""
    result = verify_scenario(scenario, limits, report, jobs)
    if result.interrupted:
        raise Undecided(f"interrupted before the claims of {scenario.file} were decided")
    found: dict[Any, Fixture] = {}
    seen: set[str] = set()
    for claim in result.claims:
        trace = claim.witness
        if trace is None or claim.name in seen:
            continue
        seen.add(claim.name)
        same = found.get(shape(trace))
        claims = (*(same.claims if same is not None else ()), claim.name)
        found[shape(trace)] = Fixture(same.trace if same else trace, goals_in(trace, cover), claims)
    return list(found.values())
