"""Traces played on the kernel of this namespace, many at a time, and followed by the model.

What happened to a trace is a list of events: (ms, step, outcome) for a step taken, (ms, SENT or READ, reply) for what
the kernel sent by itself, (ms, END, outcome) at last. The model is a set of branches: a timer that may have fired may
have fired before or after what the kernel did, so every branch that agrees so far is kept.
"""

from __future__ import annotations

import heapq
import resource
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tcpcheck.crosscheck.branch import BRANCHES_MAX, END, READ, SENT, Branch, told
from tcpcheck.crosscheck.cells import HOUSE
from tcpcheck.crosscheck.generate import AFTER_MS, Pair, Trace
from tcpcheck.crosscheck.judge import RETRIES
from tcpcheck.crosscheck.lab import KernelLab, signed
from tcpcheck.crosscheck.model import ModelLab
from tcpcheck.crosscheck.starts import STARTS, Start
from tcpcheck.crosscheck.walk import Walk

Event = tuple[int, str, str]
AT_A_TIME = 250
RTT_MAX_NS = 1_600_000_000  # the peer may have waited so long with its ACK
QUICK_RTT_NS = 60_000_000  # ... where no trace pauses
READ_LATE_MS = 60
PREDICTIONS_MAX = 8


class TracePlay:
    """One trace under way on the kernel."""

    def __init__(self, lab: KernelLab, start: Start, trace: Trace) -> None:
        self.trace, self._lab = trace, lab
        self.peer = start.open(lab)
        self._walk, self._start, self._next = Walk(lab, self.peer), lab.now(), 0
        self._clock: tuple[int, int] | None = None  # ms and TSval of a reply
        self._cookies = start.cookies  # the TSval of such a SYN-ACK is no time
        self.events: list[Event] = []

    def go_on(self) -> float | None:
        """Steps up to the next pause; when to come back (monotonic s), None at the end."""
        plan = self.trace.plan
        self._gather()
        if self._next > len(plan):
            return None
        if self._next == len(plan):
            self.events.append((self._ms(), END, self._walk.outcome("", [])))
            return None
        while True:
            at = self._ms()
            _, step = plan[self._next]
            before = self.peer.tsval
            self.events.append((at, step, self._walk.step(step)))
            if self._clock is None and self.peer.tsval != before and not (self._cookies and "S." in self.events[-1][2]):
                self._clock = at, self.peer.tsval
            self._next += 1
            pause = plan[self._next][0] if self._next < len(plan) else AFTER_MS
            if pause:
                return self._lab.now() + pause / 1000

    def _ms(self) -> int:
        return round((self._lab.now() - self._start) * 1000)

    def _gather(self) -> None:
        """Note what the kernel has sent by itself; where its TSval tells when, that counts."""
        for at, seg in self._lab.wire.take_timed(self.peer.address, self.peer.port):
            ms, kind = round((at - self._start) * 1000), READ
            if seg.ts and self._clock is not None:
                by_tsval = self._clock[0] + signed(seg.ts[0] - self._clock[1])
                if abs(by_tsval - ms) < READ_LATE_MS:
                    ms, kind = by_tsval, SENT
            self.events.append((max(ms, self.events[-1][0] if self.events else 0), kind, told(self._walk, seg)))


def play(lab: KernelLab, start: Start, traces: Sequence[Trace]) -> list[list[Event]]:
    """What happened to each, in order."""
    agenda: list[tuple[float, int]] = []
    begun: dict[int, TracePlay] = {}
    found: dict[int, list[Event]] = {}
    waiting = iter(range(len(traces)))
    while len(found) < len(traces):
        if agenda and (agenda[0][0] <= lab.now() or len(begun) >= AT_A_TIME):
            due, n = heapq.heappop(agenda)
            lab.settle(max(due - lab.now(), 0))
        elif (n := next(waiting, -1)) >= 0:
            begun[n] = TracePlay(lab, start, traces[n])
        else:
            due, n = heapq.heappop(agenda)
            lab.settle(max(due - lab.now(), 0))
        back = begun[n].go_on()
        if back is not None:
            heapq.heappush(agenda, (back, n))
            continue
        done = begun.pop(n)
        found[n] = done.events
        lab.tear_down(done.peer)
    return [found[n] for n in range(len(traces))]


# ---- the model


@dataclass(frozen=True)
class TraceDisagreement:
    """events: what the kernel did, the last of them what the model cannot. model: what it would have done there, with
    the rules of that step."""

    start: str
    events: tuple[Event, ...]
    model: tuple[tuple[str, tuple[str, ...]], ...]


def follow(kernel: str, start: Start, events: Sequence[Event]) -> TraceDisagreement | list[str]:
    """The rules of a branch that does all that the kernel did; else where it ends. kernel: name of a profile."""
    lab = ModelLab(start.settings(), kernel, RTT_MAX_NS if start.pauses_ms else QUICK_RTT_NS)
    peer = start.open(lab)
    live = [Branch(lab, Walk(lab, peer), lab.driver.now())]
    for i, (ms, step, text) in enumerate(events):
        found: dict[str, Branch] = {}
        for branch in live:
            for after in _goes_on(branch, ms * 1_000_000, step, text):
                found.setdefault(after.key(), after)
        if not found:
            return TraceDisagreement(start.name, tuple(events[: i + 1]), _predictions(live, events[i]))
        live = list(found.values())[:BRANCHES_MAX]
    rules: list[str] = live[0].lab.driver.rules()
    return rules


def _goes_on(branch: Branch, t: int, step: str, text: str) -> Iterator[Branch]:
    for before in branch.silent(t):
        if step in (SENT, READ):
            yield from before.sends(t, text, step == SENT)
        else:
            yield from before.acts(t, step, text)


def _predictions(live: Iterable[Branch], event: Event) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What the branches would have done instead."""
    ms, step, _ = event
    found: dict[str, tuple[str, ...]] = {}
    for branch in live:
        branch.lab.driver.rules()
        for before in branch.silent(ms * 1_000_000):
            if step not in (SENT, READ):
                for text, rules in before.options(ms * 1_000_000, step):
                    found.setdefault(text, rules)
            else:
                for text, rules in before.due():
                    found.setdefault(text, rules)
        if not found:
            found.setdefault("something before: a timer has fired by then", ())
    return tuple(found.items())[:PREDICTIONS_MAX]


# ---- judging


@dataclass
class TraceResult:
    """Of some traces of one start. again: agreed only when played again. pairs: taken by the kernel, as far as the
    model tells."""

    start: str
    agree: int = 0
    again: int = 0
    steps: int = 0
    disagreements: list[TraceDisagreement] = field(default_factory=list)
    pairs: set[Pair] = field(default_factory=set)


def judge_traces(kernel: str, name: str, traces: Sequence[Trace]) -> TraceResult:
    """Traces of one start on the kernel and in the model. Runs in a namespace of its own."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    start, result = STARTS[name], TraceResult(name)
    lab = KernelLab({**HOUSE, **start.settings()})
    todo = list(traces)
    for attempt in range(1 + RETRIES):
        failed, wrong = [], []
        for trace, events in zip(todo, play(lab, start, todo), strict=True):
            found = follow(kernel, start, events)
            if isinstance(found, TraceDisagreement):
                failed.append(trace)
                wrong.append(found)
                continue
            result.agree += 1
            result.again += attempt > 0
            result.steps += len(trace.plan)
            result.pairs.update(zip(("", *found), found, strict=False))
        result.disagreements, todo = wrong, failed
    return result
