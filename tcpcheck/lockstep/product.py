"""Two kernels in step, breadth first: what is reached first is a shortest run on which they part."""

from __future__ import annotations

import operator
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tcpcheck.explore.result import Limits
from tcpcheck.lang.scenario import Case, Scenario
from tcpcheck.lockstep.joint import Joint, Path, apart, contradict, moved, observed
from tcpcheck.lockstep.result import Difference, Side
from tcpcheck.model.branches import branches, first_states
from tcpcheck.model.build import build_model, network_numbers
from tcpcheck.model.narrate import Narrator, host_infos, named_values
from tcpcheck.model.world import ReplayFailed
from tcpcheck.tcp.profile import profile_for
from tcpcheck.tcp.rules import RULES
from tcpcheck.witness.constraints import Binding, Entry, Refuted
from tcpcheck.witness.trace import Step, Trace

RULE_NAMES = {rule.number: rule.name for rule in RULES}
NO_LIMITS = Limits()
REPORT_EVERY = 64  # pairs
CLOCKS = ("isn_tick_ns", "ts_tick_ns", "ts_per_tuple")
WINDOW = 6  # place among the plain fields of a segment sent (branches.pyx, sent)
Report = Callable[[int, int], object]
"""report(pairs compared, steps from the start)"""


@dataclass(frozen=True)
class Also:
    """What else is a difference. windows: another window offered. times: a timer that fires sooner or later than the
    other side's can, even if there are times at which both may; else only where there are none."""

    windows: bool = False
    times: bool = False


NOTHING_MORE = Also()


@dataclass(frozen=True)
class Pair:
    """Where both are, as far as can be told from outside alike. depth: joint steps. ends: what each side's path led to
    (None: it has done nothing yet)."""

    paths: tuple[Path, Path]
    states: tuple[Any, ...]
    depth: int
    ends: tuple[Any, Any] = (None, None)


@dataclass(frozen=True)
class Parting:
    """A run with real numbers on which they part. last: which sides took part in the last moment."""

    paths: tuple[Path, Path]
    moments: tuple[list[Any], list[Any]]
    binding: Binding
    last: tuple[bool, bool]


class Found(Exception):
    """They part."""

    def __init__(self, parting: Parting) -> None:
        super().__init__()
        self.parting = parting


def diff_case(
    scenario: Scenario,
    cases: tuple[Case, Case],
    limits: Limits = NO_LIMITS,
    also: Also = NOTHING_MORE,
    report: Report | None = None,
) -> Difference:
    """Two members that differ in kernels only. limits: states are pairs. Error: ReplayFailed (a fault)."""
    search = _Product(cases, limits, also, report)
    parting = search.run()
    settings = {k: v for k, v in cases[0].settings.items() if cases[1].settings.get(k) == v}
    bounds = {**_bounds(cases[0]), "truncated": bool(search.why)}
    names = tuple(_kernels(cases[side], cases[1 - side]) for side in (0, 1))
    if parting is None:
        sides = tuple(Side(name, ()) for name in names)
        return Difference(settings, None, 0, sides, bounds, search.pairs, search.why)
    common, time_ns, steps = _told(scenario, cases, search.joint.models, parting)
    sides = tuple(Side(name, s) for name, s in zip(names, steps, strict=True))
    return Difference(settings, common, time_ns, sides, bounds, search.pairs, "")


def _bounds(case: Case) -> dict[str, Any]:
    net = network_numbers(case)
    budget = {
        kind: sum(f.budget for f in case.network.faults if f.kind == kind) for kind in ("lose", "duplicate", "late")
    }
    bounds: dict[str, Any] = {"losses": budget["lose"], "duplicates": budget["duplicate"], "late": budget["late"]}
    bounds |= {"delay_lo_s": net.delay_lo / 1e9, "delay_hi_s": net.delay_hi / 1e9}
    bounds["horizon_s"] = case.horizon / 1e9 if case.horizon else None
    return bounds if case.timed else bounds | {"time": "off"}


def _kernels(mine: Case, other: Case) -> str:
    """What the hosts run on that the two do not have in common."""
    found = dict.fromkeys(
        " ".join([h.kernel, *(f"with {f}" for f in h.features_with), *(f"without {f}" for f in h.features_without)])
        for h, o in zip(mine.hosts, other.hosts, strict=True)
        if (h.kernel, h.features_with, h.features_without) != (o.kernel, o.features_with, o.features_without)
    )
    return ", ".join(found) or mine.hosts[0].kernel


def same_clocks(case: Case) -> dict[str, dict[str, int]]:
    """The clocks of ISNs and timestamps, by host: both sides take those of the first side, so that another number alone
    is no difference."""
    profiles = {h.name: profile_for(h.kernel)[0] for h in case.hosts if h.kernel != "none"}
    return {name: {k: (p.constants | p.flags)[k] for k in CLOCKS} for name, p in profiles.items()}


class _Product:
    """Pairs of states, each reached by both sides with the same events."""

    def __init__(self, cases: tuple[Case, Case], limits: Limits, also: Also, report: Report | None) -> None:
        clocks = same_clocks(cases[0])
        self.joint = Joint(
            [build_model(replace(case, claims=()), exact=True, zeros=False, fixed=clocks) for case in cases]
        )
        self.also = also
        self.limits, self.report = limits, report
        self.pairs = 0
        self.why = ""
        self.known: dict[Any, list[tuple[Any, Any]]] = {}
        self.todo: deque[Pair] = deque()

    def run(self) -> Parting | None:
        first, other = (first_states(model) for model in self.joint.models)
        assert first == other
        self.todo.append(Pair((Path(), Path()), first, 0))
        deadline = None if self.limits.seconds is None else time.monotonic() + self.limits.seconds
        try:
            while self.todo and not self._stop(deadline):
                self.pairs += 1
                self._expand(self.todo.popleft())
        except Found as found:
            return found.parting
        except KeyboardInterrupt:
            self.why = "interrupted"
        if not self.why and any(model.cut_at_horizon for model in self.joint.models):
            self.why = "the horizon cut runs short in which something was still to happen"
        return None

    def _stop(self, deadline: float | None) -> bool:
        """Is a bound reached?"""
        if self.limits.states is not None and self.pairs >= self.limits.states:
            self.why = "state limit"
        elif deadline is not None and time.monotonic() >= deadline:
            self.why = "time limit"
        elif self.limits.depth is not None and self.todo[0].depth >= self.limits.depth:
            self.why = "depth limit"
        elif self.pairs % REPORT_EVERY == 0:
            most = self.limits.memory_bytes
            if most is not None and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > most:
                self.why = "memory limit"
            if self.report is not None:
                self.report(self.pairs, self.todo[0].depth)
        return self.why in ("state limit", "time limit", "depth limit", "memory limit")

    # ---- one pair

    def _expand(self, pair: Pair) -> None:
        found = [branches(m, list(p.taken)) for m, p in zip(self.joint.models, pair.paths, strict=True)]
        ways = [b for b, _ in found]
        if any(cut for _, cut in found) or any(b.cut for side in ways for b in side):
            self.why = "a table of the model was too small for some step, or a distance not known"
        for side in (0, 1):
            for x in ways[side]:
                partners = list(self._partners(pair, side, x, ways[1 - side]))
                if side == 0:
                    for y in partners:
                        self._both(pair, x, y)
                if not partners:
                    self._alone(pair, side, x, next((y for y in ways[1 - side] if y.name == x.name), None))
                elif x.bounds is not None and self.also.times:
                    self._windows(pair, side, x, partners[0])

    def _partners(self, pair: Pair, side: int, x: Any, others: Sequence[Any]) -> Iterator[Any]:
        """What the other side may do with the same event and the same fates, for all that the step itself says."""
        place = _next(pair)
        mine = moved(x.entries, (*pair.paths[side].places, place), place + 1)
        for y in others:
            same = y.name == x.name and all(a == b for a, b in zip(x.fates, y.fates, strict=False))
            if same and not contradict(mine, moved(y.entries, (*pair.paths[1 - side].places, place), place + 1)):
                yield y

    def _both(self, pair: Pair, x: Any, y: Any) -> None:
        place = _next(pair)
        paths = (pair.paths[0].then(x, place), pair.paths[1].then(y, place))
        alike = _seen(x, paths[0], self.also.windows) == _seen(y, paths[1], self.also.windows)
        if alike and x.taken == y.taken:
            self._keep(pair, paths, (x, y), x.states)
            return
        binding = self._solved(paths)
        if binding is None:
            return
        if not alike:
            self._check(paths, binding, (True, True))
            self.why = self.why or "numbers that are told differently came out the same"
        self._keep(pair, paths, (x, y), x.states)

    def _alone(self, pair: Pair, side: int, x: Any, y: Any, more: Sequence[Entry] = (), without_end: int = -1) -> None:
        """Something that the other side cannot do now. What cannot be seen it may do by itself."""
        place = _next(pair)
        moving = pair.paths[side].then(x, place)
        if not x.sends and not x.gets and x.states == pair.states:
            self._keep(pair, _placed(pair, side, moving), _placed((None, None), side, x), x.states)
            return
        paths = _placed(pair.paths, side, moving)
        binding = self._solved(paths, more, without_end)
        if binding is not None:
            event = (y if y is not None else x).event
            tried = pair.paths[1 - side].then(x._replace(event=event), place)
            self._check(_placed((tried, tried), side, moving), binding, _placed((False, False), side, True))
            self.why = self.why or "what one side alone could do the other did, too"

    def _windows(self, pair: Pair, side: int, x: Any, y: Any) -> None:
        """A timer that fires at times at which the other side's does not: sooner, or later."""
        if x.bounds is None or y.bounds is None:
            return
        place, other = _next(pair), pair.paths[1 - side].places[y.bounds[0]]
        since, (_, lo, hi), (_, lo2, hi2) = pair.paths[side].places[x.bounds[0]], x.bounds, y.bounds
        if since != other or lo < lo2:
            self._alone(pair, side, x, y, apart(place, other, most=lo2 - 1))
        if since != other or hi > hi2:
            self._alone(pair, side, x, y, apart(place, other, least=hi2 + 1), 1 - side)

    # ---- with real numbers

    def _solved(self, paths: Sequence[Path], more: Sequence[Entry] = (), without_end: int = -1) -> Binding | None:
        """Numbers with which both paths happen; None: there are none."""
        found = self.joint.solved(self.joint.constraints(paths, more, without_end))
        if isinstance(found, Refuted):
            if not found.proved:
                self.why = "the solver gave up on a run"
            return None
        return found

    def _check(self, paths: tuple[Path, Path], binding: Binding, last: tuple[bool, bool]) -> None:
        """Raises Found if they part at the last moment. last: who is sure to do something there."""
        moments: list[list[Any]] = []
        did = list(last)
        for side, path in enumerate(paths):
            try:
                moments.append(self.joint.run(side, path, binding))
                did[side] = True
            except ReplayFailed:
                if last[side]:
                    raise
                before = Path(path.taken[:-1], path.events[:-1], path.fates, path.places[:-1])
                moments.append(self.joint.run(side, before, binding, still=True))
        if did == [True, True]:
            first, other = (observed(m[-1], self.also.windows) for m in moments)
            if first == other:
                return
        raise Found(Parting(paths, (moments[0], moments[1]), binding, (did[0], did[1])))

    # ---- pairs once

    def _keep(self, pair: Pair, paths: Any, ends: Any, states: Any) -> None:
        """A pair within one already met is not looked at again."""
        told = [_end(paths[side], ends[side]) if ends[side] is not None else pair.ends[side] for side in (0, 1)]
        told = [t if t is not None else (b"", (), ()) for t in told]
        places = [p for t in told for p in t[2]]
        ranks = {p: i for i, p in enumerate(sorted(set(places)))}
        key = (told[0][0], told[1][0], tuple(ranks[p] for p in places))
        zones = (told[0][1], told[1][1])
        met = self.known.setdefault(key, [])
        if any(_within(zones[0], a) and _within(zones[1], b) for a, b in met):
            return
        met.append(zones)
        self.todo.append(Pair((paths[0], paths[1]), states, pair.depth + 1, (told[0], told[1])))


def _end(path: Path, branch: Any) -> Any:
    return branch.state, branch.zone, tuple(path.places[i] for i in branch.origins[1:])


def _within(a: Sequence[int], b: Sequence[int]) -> bool:
    return len(a) == len(b) and all(map(operator.le, a, b))


def _next(pair: Pair) -> int:
    return max(p.places[-1] for p in pair.paths) + 1


def _placed(both: Any, side: int, x: Any) -> Any:
    """Two things with that of one side replaced."""
    both = both.paths if isinstance(both, Pair) else both
    return (x, both[1]) if side == 0 else (both[0], x)


def _seen(x: Any, path: Path, windows: bool) -> Any:
    """What can be seen of a branch, instants as joint ones."""

    def told(n: Any) -> Any:
        if n is None or n[0] == "now":
            return n
        key, tick, instant, off = n
        return key, tick, path.places[instant] if instant >= 0 else instant, off

    sends = [
        (host, plain if windows else (*plain[:WINDOW], *plain[WINDOW + 1 :]), tuple(told(n) for n in numbers))
        for host, plain, numbers in x.sends
    ]
    return sends, x.gets, x.states


# ---- for people


def _told(
    scenario: Scenario, cases: tuple[Case, Case], models: Sequence[Any], p: Parting
) -> tuple[Trace, int, list[tuple[Step, ...]]]:
    """The common part as a trace, when they part, and the steps of each side at that moment."""
    steps: list[tuple[Step, ...]] = []
    common: Trace | None = None
    t = p.binding.instants_ns
    for side in (0, 1):
        moments, path = p.moments[side], p.paths[side]
        own = (*(t[i] for i in path.places), t[-1])
        before = moments[:-1] if p.last[side] else moments
        program = models[side].program
        whole = Narrator(program, cases[side], RULE_NAMES.__getitem__).steps(moments, own)
        shared = Narrator(program, cases[side], RULE_NAMES.__getitem__).steps(before, own) if before else ()
        steps.append(whole[len(shared) :])
        if common is None:
            values = named_values(program, moments, own)
            hosts = host_infos(cases[side])
            common = Trace(
                scenario.file, scenario.title, "", "", "", cases[side].settings, hosts, shared, values,
                ("z3", "concrete-rerun"),
            )  # fmt: skip
    assert common is not None
    return common, t[max(path.places[-1] for path in p.paths)] - t[0], steps
