"""The earliest times and plainest constants of a path, found by plain arithmetic.

Once it is known which turn of the 2^32 circle each difference of readings is in, every constraint on times reads
t[x] >= f(t[y]) with f growing. Such a system, if it can be met, has one solution that is least in every instant at
once, and raising each instant only as far as it must go reaches it. What is open is the turns: they are chosen
when a difference is found outside its set, the nearest values that need a later instant first.

Nothing found here within its effort proves nothing: the solver decides then.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tcpcheck.witness.arcset import ArcSet, Span
from tcpcheck.witness.constraints import Binding, PathConstraints, check_binding
from tcpcheck.witness.forms import Form, Grouped, Side

ISN_TICK_NS, TS_TICK_NS = 64, 1_000_000
RAISES_EACH, RAISES = 40, 4_000  # effort of one least solution: for each instant, and at least
TURNS = 300  # choices of turns tried
CONSTANTS = 400  # values of constants tried
ROUNDS = 4  # of composing differences of constants


@dataclass(frozen=True)
class Above:
    """t[x] >= tick_x * (t[y] // tick_y + add); the node after the last instant is time zero."""

    x: int
    tick_x: int
    y: int
    tick_y: int
    add: int

    def bound(self, t: list[int]) -> int:
        return self.tick_x * (t[self.y] // self.tick_y + self.add)


class Times:
    """Lower bounds between instants, and the least times that meet them."""

    def __init__(self, instants: int, phase_ns: int) -> None:
        self.zero = instants
        self.most = {0: phase_ns - 1, self.zero: 0}
        self.out: list[list[Above]] = [[] for _ in range(instants + 1)]
        for i in range(1, instants):
            self.add(Above(i, 1, i - 1, 1, 0))
        if instants:
            self.add(Above(0, 1, self.zero, 1, 0))

    def add(self, edge: Above) -> None:
        self.out[edge.y].append(edge)

    def age(self, i: int, j: int, c: int) -> None:
        """t[i] - t[j] <= c"""
        self.add(Above(j, 1, i, 1, -c))

    def node(self, side: Side) -> tuple[int, int]:
        return (side.instant, side.tick) if side.tick else (self.zero, 1)

    def within(self, form: Form, span: Span) -> list[Above]:
        """The difference of a form's readings lies in `span` (both ends inside)."""
        (a, tick_a), (b, tick_b) = self.node(form.a), self.node(form.b)
        return [Above(a, tick_a, b, tick_b, span[0]), Above(b, tick_b, a, tick_a, -span[1])]

    def raised(self, t: list[int], new: Iterable[Above] = ()) -> list[int] | None:
        """The least times at or above t; None when there are none or the effort was not enough."""
        t, effort = list(t), max(RAISES, RAISES_EACH * len(t))
        todo = deque(range(len(t)))
        waiting = set(todo)
        extra: dict[int, list[Above]] = {}
        for e in new:
            extra.setdefault(e.y, []).append(e)
        while todo:
            y = todo.popleft()
            waiting.discard(y)
            for e in self.out[y] + extra.get(y, []):
                low = e.bound(t)
                if low <= t[e.x]:
                    continue
                effort -= 1
                if effort < 0 or low > self.most.get(e.x, low):
                    return None
                t[e.x] = low
                if e.x not in waiting:
                    waiting.add(e.x)
                    todo.append(e.x)
        return t


def ages_of(pc: PathConstraints, g: Grouped) -> Times:
    times = Times(pc.instants, pc.phase_ns)
    for (i, j), (c, _) in g.ages.items():
        times.age(i, j, c)
    return times


def reading(side: Side, t: list[int]) -> int:
    return t[side.instant] // side.tick if side.tick else 0


def readings(form: Form, t: list[int]) -> int:
    return reading(form.a, t) - reading(form.b, t)


def earliest(pc: PathConstraints, g: Grouped) -> list[int] | None:
    """Instants that meet every age and every difference of readings without constants; the last is time zero."""
    times = ages_of(pc, g)
    forms = [f for f in g.numbers if f.keyless]
    budget = [TURNS]

    def settle(t: list[int] | None, chosen: list[Above]) -> list[int] | None:
        if t is None:
            return None
        wrong = next((f for f in forms if readings(f, t) not in g.numbers[f]), None)
        if wrong is None:
            return t
        for span in turns(g.numbers[wrong], readings(wrong, t)):
            budget[0] -= 1
            if budget[0] < 0:
                return None
            edges = chosen + times.within(wrong, span)
            found = settle(times.raised(t, edges), edges)
            if found is not None:
                return found
        return None

    return settle(times.raised([0] * (pc.instants + 1)), [])


def turns(values: ArcSet, now: int) -> list[Span]:
    """The spans nearest to `now`: two above, one below."""
    m = values.modulus
    above = [s for s in values.spans_between(now, now + 2 * m)][:2]
    below = [s for s in values.spans_between(now - 2 * m, now)][-1:]
    return above + below


def ticks(g: Grouped) -> dict[int, int]:
    """The tick of each constant that is read with a counter."""
    return {side.key: side.tick for f in g.numbers for side in (f.a, f.b) if side.key and side.tick}


def plain(keys: Iterable[int], g: Grouped, modulus: int) -> dict[int, int]:
    """Readable values: 1000000000, 2000000000, ... for an ISN's secret, 1000, 2000, ... for a timestamp's offset,
    100000, 200000, ... for a number that does not run."""
    tick_of = ticks(g)
    steps = {ISN_TICK_NS: 1_000_000_000, TS_TICK_NS: 1_000}
    seen: dict[int, int] = {}
    values = {}
    for k in keys:
        step = steps.get(tick_of.get(k, 0), 100_000)
        seen[step] = seen.get(step, 0) + 1
        values[k] = seen[step] * step % modulus
    return values


def constants_at(pc: PathConstraints, g: Grouped, t: list[int]) -> dict[int, int] | None:
    """Constants that meet every form at these times: the plain value of each if it may be, else the next above it."""
    keys = (0, *pc.constants())
    place = {k: n for n, k in enumerate(keys)}
    rel = [[ArcSet.full(pc.modulus) for _ in keys] for _ in keys]  # rel[a][b]: values left to K(a) - K(b)
    for f, values in g.numbers.items():
        if not f.keyless:
            a, b = place[f.a.key], place[f.b.key]
            rel[a][b] &= values.shift(-readings(f, t))
            rel[b][a] = -rel[a][b]
    if not composed(rel):
        return None
    wanted = plain(keys[1:], g, pc.modulus)
    found = _assign([0, *(wanted[k] for k in keys[1:])], rel)
    return None if found is None else dict(zip(keys[1:], found[1:], strict=True))


def composed(rel: list[list[ArcSet]]) -> bool:
    """Narrows each difference by every way round a third constant; False when one has nothing left."""
    nodes = range(len(rel))
    for _ in range(ROUNDS):
        changed = False
        for b in nodes:
            for a, c in ((a, c) for a in nodes for c in nodes if a < c and b not in (a, c)):
                if rel[a][b].is_full or rel[b][c].is_full:
                    continue
                narrow = rel[a][c] & rel[a][b].sums(rel[b][c])
                if narrow != rel[a][c]:
                    rel[a][c], rel[c][a], changed = narrow, -narrow, True
        if not changed:
            break
    return all(rel[a][c] for a in nodes for c in nodes)


def _assign(wanted: list[int], rel: list[list[ArcSet]]) -> list[int] | None:
    found = [0]
    budget = [CONSTANTS]

    def assign(n: int) -> bool:
        if n == len(wanted):
            return True
        left = rel[n][0]
        for other in range(1, n):
            left &= rel[n][other].shift(found[other])
        for v in candidates(left, wanted[n]):
            budget[0] -= 1
            if budget[0] < 0:
                return False
            found.append(v)
            if assign(n + 1):
                return True
            found.pop()
        return False

    return found if assign(1) else None


def candidates(left: ArcSet, wanted: int) -> list[int]:
    """The wanted value, then the ends of each arc, going up from the wanted one round the circle."""
    ends = {v for first, n in left.arcs() for v in (first, (first + n - 1) % left.modulus)}
    ordered = sorted(ends, key=lambda v: (v - wanted) % left.modulus)
    return [wanted, *ordered] if wanted in left else ordered


def tightened(pc: PathConstraints, g: Grouped, b: Binding) -> Binding:
    """The least times with the constants and the turns of a binding that holds, then plain constants if they fit."""
    times = ages_of(pc, g)
    for f, values in g.numbers.items():
        offset = b.constants.get(f.a.key, 0) - b.constants.get(f.b.key, 0)
        now, m = readings(f, [*b.instants_ns, 0]) + offset, values.modulus
        lo, hi = next(s for s in values.spans_between(now - 2 * m, now + 2 * m) if s[0] <= now <= s[1])
        for edge in times.within(f, (lo - offset, hi - offset)):
            times.add(edge)
    t = times.raised([0] * (pc.instants + 1))
    if t is None:
        return b
    b = _early(pc, g, Binding(tuple(t[:-1]), b.constants))
    again = constants_at(pc, g, [*b.instants_ns, 0])
    return b if again is None else Binding(b.instants_ns, again)


def _early(pc: PathConstraints, g: Grouped, b: Binding) -> Binding:
    """The same run begun whole ticks earlier: counters then start that much higher."""
    tick_of = ticks(g)
    together = math.lcm(*tick_of.values())
    back = b.instants_ns[0] // together * together if b.instants_ns else 0
    constants = {k: (v + back // tick_of[k]) % pc.modulus if k in tick_of else v for k, v in b.constants.items()}
    moved = Binding(tuple(t - back for t in b.instants_ns), constants)
    return moved if not check_binding(pc, moved) else b


def earliest_binding(pc: PathConstraints, g: Grouped) -> Binding | None:
    """Earliest times with plain constants; None proves nothing."""
    t = earliest(pc, g)
    constants = constants_at(pc, g, t) if t is not None else None
    return None if t is None or constants is None else Binding(tuple(t[:-1]), constants)
