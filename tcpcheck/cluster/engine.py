"""`--engine ray`: what checking.py does, with the members of all specs as tasks, or with each search in parts.

What comes out is the same. A task whose worker dies is begun again by Ray; a search of which a part dies is begun again
here, with new actors. When that does not help, the member's claims are undecided.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tcpcheck.checking import MemberOutcome, Totals, check_member, not_checked, spec_result, verify_scenario
from tcpcheck.cluster.session import Session
from tcpcheck.cluster.team import RayTeam
from tcpcheck.errors import UsageError
from tcpcheck.explore.part import PARTS_MAX
from tcpcheck.explore.parts import Asked, Lost, PartedSearch
from tcpcheck.explore.result import Limits, Progress, SearchResult
from tcpcheck.lang.scenario import Case, Scenario
from tcpcheck.members import Progress as MembersProgress
from tcpcheck.members import Report
from tcpcheck.model.build import build_model
from tcpcheck.model.notes import merged
from tcpcheck.searches import Searches
from tcpcheck.unfolding import unfolded
from tcpcheck.witness.verdict import SpecResult

TRIES = 2  # times that a search is begun, when parts of it are lost
LOOK_EVERY = 0.5  # s


class PartSearches(Searches):
    """The searches of one member, each in parts."""

    def __init__(self, team: RayTeam, case: Case) -> None:
        super().__init__()
        self.team, self.case = team, case

    def make_once(
        self,
        model: Any,
        limits: Limits,
        claims: int,
        stop: int,
        lasso: int,
        progress: Progress | None,
        wanted: Sequence[Any],
        folds: bool,
    ) -> SearchResult:
        model.handle(wanted)  # nothing is noted yet
        memory = None if limits.memory_bytes is None else limits.memory_bytes // self.team.size
        asked = Asked(claims, lasso, limits.exact, memory, folds)
        build = partial(build_model, self.case, *model.variant)
        begin, deadline, why = time.monotonic(), limits.deadline(), ""
        for _ in range(TRIES):
            left = limits.until(deadline)
            try:
                self.team.begin(build, asked, wanted)
                parted = PartedSearch(self.team, asked, stop=stop, limits=left, progress=progress, merge_notes=merged)
                result = parted.run()
                model.take_over(parted.notes)
                return unfolded(model, result) if folds else result
            except Lost as lost:
                why = str(lost)
                self.team.close()
        return nothing_found(f"workers of the cluster were lost {TRIES} times ({why})", time.monotonic() - begin)


def nothing_found(reason: str, seconds: float) -> SearchResult:
    """A search of which nothing is left."""
    return SearchResult(
        states=0,
        zones=0,
        transitions=0,
        depth=0,
        seconds=seconds,
        bytes_per_state=0.0,
        peak_memory=0,
        complete=False,
        reason=reason,
        truncated=0,
        overflows=0,
        rules_taken=[],
        hits={},
        omission_bound=0.0,
    )


def check_as_task(scenario: Scenario, member: int, limits: Limits) -> MemberOutcome:
    """On some machine of the cluster."""
    return check_member(scenario, scenario.cases[member], limits, None, lambda *_: None, Searches())


class RayEngine:
    """Checks these specs. parts: of each search; None: one, unless there is one member in all. limits: memory_bytes of
    all searches at once; seconds of each member, because who waits for a free machine is not being checked."""

    def __init__(
        self, session: Session, scenarios: Sequence[Scenario], limits: Limits, parts: int | None = None
    ) -> None:
        self.session, self.limits = session, replace(limits, memory_bytes=session.memory_bytes)
        members = sum(len(s.cases) for s in scenarios)
        self.parts = parts or (session.cpus if members == 1 else 1)
        if self.parts > PARTS_MAX:
            raise UsageError(f"--parts {self.parts}: no more than {PARTS_MAX}")
        if self.parts > session.cpus:
            raise UsageError(f"--parts {self.parts}: the cluster has {session.cpus} CPUs, and each part needs one")
        self.tasks: dict[int, list[Any]] = {}
        self.team = RayTeam(session.ray, self.parts)
        if self.parts == 1:
            self.submit(scenarios)

    def submit(self, scenarios: Sequence[Scenario]) -> None:
        ray, limits = self.session.ray, self.limits
        if limits.memory_bytes is not None:
            limits = replace(limits, memory_bytes=limits.memory_bytes // self.session.cpus)
        task = ray.remote(check_as_task).options(num_cpus=1, max_retries=TRIES - 1)
        for scenario in scenarios:
            spec = ray.put(scenario)
            self.tasks[id(scenario)] = [task.remote(spec, member, limits) for member in range(len(scenario.cases))]

    def verify(self, scenario: Scenario, report: Report | None = None) -> SpecResult:
        """One of the specs."""
        if self.parts == 1:
            return spec_result(scenario, self.outcomes(scenario, report))
        return verify_scenario(scenario, self.limits, report, searches=partial(self.searches, scenario))

    def searches(self, scenario: Scenario, member: int) -> Searches:
        return PartSearches(self.team, scenario.cases[member])

    def close(self) -> None:
        """Its actors end; the cluster may go on."""
        self.team.close()

    def outcomes(self, scenario: Scenario, report: Report | None) -> list[MemberOutcome | None]:
        """Of each member, in their order. Ctrl-C: None for those that have not ended."""
        ray, tasks = self.session.ray, self.tasks[id(scenario)]
        waiting = list(tasks)
        try:
            while waiting:
                _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=LOOK_EVERY)
                if report is not None:
                    report(MembersProgress(len(tasks) - len(waiting), len(tasks), 0, 0, 0.0, 0, 0, 0))
        except KeyboardInterrupt:
            for task in self.tasks.values():
                for one in task:
                    ray.cancel(one, force=True)
        ended = set(tasks) - set(waiting)
        return [
            self.outcome(case, task) if task in ended else None
            for case, task in zip(scenario.cases, tasks, strict=True)
        ]

    def outcome(self, case: Case, task: Any) -> MemberOutcome:
        errors = self.session.ray.exceptions
        try:
            outcome: MemberOutcome = self.session.ray.get(task)
            return outcome
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            why = f"its worker was lost {TRIES} times ({type(error).__name__})"
            return MemberOutcome([not_checked(claim, case, why) for claim in case.claims], Totals(), False)
