"""Few confirmed traces that take all goals.

Always that run comes next which takes most of the goals that are left; of several the shortest. A run that z3 or the
concrete re-run refutes gives way to its goal's next one, in the end to those of an exact search. What a trace takes is
read off the trace that was confirmed, not off the run that promised it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tcpcheck.checking import RULE_NAMES, Refused
from tcpcheck.covering.goals import goals_in, order
from tcpcheck.covering.search import Run, Variant, model_of
from tcpcheck.lang.scenario import Scenario
from tcpcheck.model.narrate import Narrator, host_infos, named_values
from tcpcheck.model.world import ReplayFailed
from tcpcheck.render.words import COVER
from tcpcheck.witness.constraints import Refuted
from tcpcheck.witness.solve import concretise
from tcpcheck.witness.trace import Step, Trace

Exactly = Callable[[int, Collection[str]], tuple[dict[str, list[Run]], bool]]
"""Runs to these goals of a member, found by an exact search; and whether these are all."""


@dataclass(frozen=True)
class Fixture:
    """A trace and the goals that it takes. claims: what it is the trace of, too."""

    trace: Trace
    takes: frozenset[str]
    claims: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of its files: letters, digits, `_` and `-`."""
        goal = self.trace.claim.replace(",", "-")
        return goal if self.trace.kind == COVER else f"claim-{goal}"


@dataclass
class Chosen:
    """missed: goals that the search takes and no trace could be confirmed for, with the number of runs refuted.
    untrue: goals that an exact search does not come upon: nothing takes them."""

    fixtures: list[Fixture]
    missed: dict[str, int]
    untrue: frozenset[str] = frozenset()


def choose(
    scenario: Scenario, cover: str, runs: Mapping[str, Sequence[Run]], given: Sequence[Fixture], exactly: Exactly
) -> Chosen:
    """given: traces that are there anyway: what they take needs no other. runs: of each goal wanted, by `preferred`."""
    choice = _Choice(scenario, cover, runs, given)
    choice.make()
    choice.make_exactly(exactly)
    missed = {goal: choice.refused[goal] for goal in sorted(choice.left - choice.untrue, key=order)}
    return Chosen(_needed(choice.fixtures, len(given), set(runs)), missed, frozenset(choice.left & choice.untrue))


def preferred(run: Run) -> tuple[int, int]:
    """The shortest run first; of several members the first."""
    return len(run.path), run.member


class _Choice:
    """What is left to take, and the runs that have not been tried."""

    def __init__(
        self, scenario: Scenario, cover: str, runs: Mapping[str, Sequence[Run]], given: Sequence[Fixture]
    ) -> None:
        self.scenario, self.cover = scenario, cover
        self.runs = {goal: list(runs[goal]) for goal in sorted(runs, key=order)}
        self.members = {goal: sorted({run.member for run in runs[goal]}) for goal in runs}
        self.fixtures = list(given)
        self.left = set(runs).difference(*(fixture.takes for fixture in given))
        self.refused: dict[str, int] = {}  # goal -> runs
        self.untrue: set[str] = set()
        self.models: dict[tuple[int, Variant], Any] = {}

    def make(self) -> None:
        while run := self._best():
            try:
                trace = self._confirmed(run)
            except (Refused, ReplayFailed):
                self.refused[run.goal] = self.refused.get(run.goal, 0) + 1
                self.runs[run.goal].pop(0)
                continue
            takes = goals_in(trace, self.cover)
            self.fixtures.append(Fixture(trace, takes))
            self.left -= takes

    def make_exactly(self, exactly: Exactly) -> None:
        """Once more for what is left."""
        possible: set[str] = set()
        for member in sorted({m for goal in self.left for m in self.members[goal]}):
            wanted = [goal for goal in self.left if member in self.members[goal]]
            found, complete = exactly(member, wanted)
            possible.update(found if complete else wanted)
            for goal in found:
                self.runs[goal] = found[goal]
            self.make()
        self.untrue = self.left - possible

    def _best(self) -> Run | None:
        """Of the runs that come first for their goals."""
        first = [runs[0] for runs in self.runs.values() if runs and runs[0].takes & self.left]
        return max(first, key=lambda run: (len(run.takes & self.left), -len(run.path)), default=None)

    def _confirmed(self, run: Run) -> Trace:
        """The run with numbers, as a claim's witness has them: solved, and made once more."""
        scenario, case = self.scenario, self.scenario.cases[run.member]
        place = run.member, run.variant
        if place not in self.models:
            self.models[place] = model_of(case, run.variant)
        model = self.models[place]
        recording = model.record(list(run.path))
        binding = concretise(recording.constraints, any_numbers=False)
        if isinstance(binding, Refuted):
            raise Refused(binding.why)
        moments, instants = model.rerun(recording, binding), binding.instants_ns
        steps = Narrator(model.program, case, RULE_NAMES.__getitem__).steps(moments, instants)
        values = named_values(model.program, moments, instants)
        trace = Trace(
            scenario.file, scenario.title, run.goal, COVER, "reachable", case.settings, host_infos(case), steps, values,
            ("z3", "concrete-rerun"),
        )  # fmt: skip
        if run.goal not in goals_in(trace, self.cover):
            raise ReplayFailed(f"the concrete re-run does not take {run.goal}")
        return trace


def _needed(fixtures: Sequence[Fixture], given: int, wanted: set[str]) -> list[Fixture]:
    """Without those whose goals the others take, too. The first `given` stay."""
    kept = list(fixtures)
    for fixture in reversed(fixtures[given:]):
        others = set[str]().union(*(f.takes for f in kept if f is not fixture))
        if fixture.takes & wanted <= others:
            kept.remove(fixture)
    return kept


def shape(trace: Trace) -> tuple[Any, ...]:
    """The same for two traces that differ only in the order of independent steps: what each host does, in turn.

    Steps of different hosts depend on each other through segments alone, and these are part of what a host does."""
    return tuple(tuple(_step_shape(step) for step in trace.steps if step.host == h.name) for h in trace.hosts)


def _step_shape(step: Step) -> tuple[Any, ...]:
    s = step.segment
    segment = s and (s.src, s.dst, s.sport, s.dport, s.flags, s.seq, s.ack, s.length, s.window, s.sack)
    return step.event, step.text, segment, step.rules
