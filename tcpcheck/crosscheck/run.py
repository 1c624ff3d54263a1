"""A whole cross-check: every cell, then the traces, by several processes with a namespace each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tcpcheck.crosscheck.cells import SETTINGS
from tcpcheck.crosscheck.coverage import TraceOutcome, rules_of
from tcpcheck.crosscheck.generate import Trace, chosen, generate
from tcpcheck.crosscheck.judge import CellDisagreement, Count, StateResult, judge
from tcpcheck.crosscheck.starts import LONG, STARTS
from tcpcheck.crosscheck.states import STATES
from tcpcheck.crosscheck.traces import TraceResult, judge_traces
from tcpcheck.live.namespace import in_namespaces

CHUNK = 300  # traces that are played together
Progress = Callable[[str, int, int], object]  # what is played, how much of it, of how much


@dataclass(frozen=True)
class Plan:
    """kernel: name of the profile. states, settings: only these. every: only each so-many-th cell."""

    kernel: str
    states: tuple[str, ...] = tuple(STATES)
    settings: tuple[str, ...] = tuple(SETTINGS)
    every: int = 1
    cells: bool = True
    traces: bool = True
    wait: bool = False

    def rows(self) -> list[tuple[str, str]]:
        """(setting, state) of all that is asked for."""
        return [(n, s) for n in self.settings for s in SETTINGS[n].states if s in self.states]

    def left_out(self) -> list[tuple[str, str, list[str]]]:
        """(setting, why, states) of what a setting is not for."""
        rows = [(n, SETTINGS[n].why, [s for s in self.states if s not in SETTINGS[n].states]) for n in self.settings]
        return [row for row in rows if row[2]]


@dataclass
class Outcome:
    """All that was found. seconds: of the cells."""

    plan: Plan
    running: str
    states: list[StateResult] = field(default_factory=list)
    seconds: float = 0.0
    traces: TraceOutcome | None = None

    def table(self) -> dict[str, dict[str, Count]]:
        """state -> class of stimulus -> cells, of all settings."""
        found: dict[str, dict[str, Count]] = {}
        for result in self.states:
            row = found.setdefault(result.state, {})
            for name, count in result.counts.items():
                row[name] = row.get(name, Count()) + count
        return found

    def total(self) -> Count:
        return sum_of(count for row in self.table().values() for count in row.values())

    def disagreements(self) -> list[CellDisagreement]:
        return [d for result in self.states for d in result.disagreements]

    @property
    def plays(self) -> int:
        return sum(result.plays for result in self.states)

    @property
    def exit_code(self) -> int:
        """0 all agrees, 1 something does not, 3 this machine was too busy for some."""
        total = self.total()
        wrong = total.disagree or (self.traces is not None and self.traces.disagreements())
        return 1 if wrong else 3 if total.busy else 0

    def rules(self) -> set[str]:
        """Taken by cells and traces that agree."""
        found = set[str]().union(*(result.rules for result in self.states))
        return found | rules_of(self.traces.taken_pairs()) if self.traces is not None else found


def sum_of(counts: Iterable[Count]) -> Count:
    total = Count()
    for count in counts:
        total += count
    return total


def crosscheck(plan: Plan, running: str, jobs: int, progress: Progress) -> Outcome:
    """Impossible when no namespace can be had."""
    outcome = Outcome(plan, running)
    if plan.cells:
        _cells(outcome, jobs, progress)
    if plan.traces:
        outcome.traces = _traces(plan, jobs, progress)
    return outcome


def _cells(outcome: Outcome, jobs: int, progress: Progress) -> None:
    plan, start = outcome.plan, time.monotonic()
    rows = plan.rows()
    found: dict[int, StateResult] = {}
    calls = [(plan.kernel, setting, state, plan.every) for setting, state in rows]
    for done, (i, result) in enumerate(in_namespaces(judge, calls, jobs), 1):
        found[i] = result
        progress("cells of states", done, len(rows))
    outcome.states = [found[i] for i in range(len(rows))]
    outcome.seconds = time.monotonic() - start


def _traces(plan: Plan, jobs: int, progress: Progress) -> TraceOutcome:
    start = time.monotonic()
    names = list(STARTS)
    generated: dict[int, list[Trace]] = {}
    calls = [(plan.kernel, name) for name in names]
    for done, (i, traces) in enumerate(in_namespaces(generate, calls, jobs), 1):
        generated[i] = traces
        progress("traces of the model: starts searched", done, len(names))
    planned = chosen(trace for i in range(len(names)) for trace in generated[i])[:: plan.every]
    too_long = [] if plan.wait else [trace for trace in planned if trace.start in LONG]
    outcome = TraceOutcome(planned, too_long, generating=time.monotonic() - start)
    parts = list(_parts(planned, names if plan.wait else [name for name in names if name not in LONG]))
    found: dict[int, TraceResult] = {}
    begun = time.monotonic()
    calls_of_parts = [(plan.kernel, name, traces) for name, traces in parts]
    for done, (i, result) in enumerate(in_namespaces(judge_traces, calls_of_parts, jobs), 1):
        found[i] = result
        progress("traces: parts played", done, len(parts))
    outcome.results = [found[i] for i in range(len(parts))]
    outcome.seconds = time.monotonic() - begun
    return outcome


def _parts(traces: list[Trace], names: Iterable[str]) -> Iterator[tuple[str, list[Trace]]]:
    """Traces of one start that are played together; those with pauses first, as they take longest."""
    for name in sorted(names, key=lambda name: -STARTS[name].pauses_ms):
        mine = [trace for trace in traces if trace.start == name]
        for i in range(0, len(mine), CHUNK):
            yield name, mine[i : i + CHUNK]
