"""What one path leaves to one quantity: the exact set of its values, in closed form where there is one.

The path is taken apart: `own` is what its entries ask of the quantity itself, `rest` what everything else leaves to
it; its values are those in both. `rest` is found in one of these ways:

* Constants in the quantity that nothing else ties together: every value (move one side's constants together).
* Constants tied by a tree of differences, each constant always read at one moment: the sum of the sets on the way.
* Times: shortest paths over the ages. A difference of readings of T ns between instants d ns apart is d / T rounded
  down or up, and both happen, because the phase of the run is free. A further difference of readings is put in by
  turns of the circle. Bounds on d that it needs (outer) and bounds that suffice at every phase (inner) enclose the
  answer; it is exact when they agree, when it is the only one, or when all readings have the tick of the quantity:
  then between two solutions s and s', max(s, s' - kT) for k = ..., 1, 0, -1, ... are solutions too, along which the
  quantity goes from one value to the other in steps of at most 1, so that nothing between is left out.

Anything else is dropped from the rest, which can only make the set larger, and is said so (`exact`, `why`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

from tcpcheck.witness.arcset import ArcSet, Span
from tcpcheck.witness.constraints import NumberIn, PathConstraints, check_binding
from tcpcheck.witness.forms import Form, Grouped, group, normal
from tcpcheck.witness.least import Above, Times, ages_of, earliest_binding

DURATION_MODULUS = 1 << 62  # durations are numbers below this many ns (146 years): a circle never gone round
COMBINATIONS = 256  # choices of turns looked at for one path
ROUNDS = 300  # of raising bounds that are rounded to ticks


@dataclass(frozen=True)
class Difference:
    """value(a) - value(b) as in NumberIn, modulo 2^32. A constant alone: `Difference(key_a=k)`."""

    i: int = -1
    j: int = -1
    c: int = 0
    key_a: int = 0
    key_b: int = 0
    tick_a: int = 0
    tick_b: int = 0

    def form(self) -> tuple[Form, int]:
        """Its form and sign: the difference is sign * form + c."""
        return normal(NumberIn(self.i, self.j, 0, self.key_a, self.key_b, self.tick_a, self.tick_b, 0, 1))


@dataclass(frozen=True)
class Duration:
    """t[i] - t[j] in ns, where i is not before j."""

    i: int
    j: int


Quantity = Difference | Duration


@dataclass(frozen=True)
class Asked:
    """One thing that an entry asks of a quantity v: (sign * v + add) mod modulus < len."""

    sign: int
    add: int
    len: int

    def arcs(self, modulus: int) -> ArcSet:
        arc = ArcSet.arc(-self.add, self.len, modulus)
        return arc if self.sign > 0 else -arc


@dataclass(frozen=True)
class Projection:
    """values: what the path leaves to the quantity, or more if not `exact` (`why` says what was dropped)."""

    own: tuple[Asked, ...]
    rest: ArcSet
    exact: bool
    why: str = ""

    @property
    def values(self) -> ArcSet:
        left = self.rest
        for a in self.own:
            left &= a.arcs(left.modulus)
        return left


def project(pc: PathConstraints, over: Quantity) -> Projection:
    """What `pc` leaves to the quantity. Never too little."""
    g = group(pc)
    own: tuple[Asked, ...] = ()
    if isinstance(over, Difference):
        form, sign = over.form()
        own = tuple(_asked(pc, form, sign, over.c))
        g.numbers.pop(form, None)
        if form.constant:
            rest, why = ArcSet([(0, 0)], pc.modulus), ""
        else:
            rest, why = _of_times(pc, g, form) if form.keyless else _of_constants(pc, g, form)
        rest = (rest if sign > 0 else -rest).shift(over.c)
    else:
        rest, why = _of_times(pc, g, over)
    found = Projection(own, rest, not why, why)
    if not why and found.values and not _possible(pc):
        return Projection(own, rest, False, "whether the path can happen at all was not settled")
    return found


def _possible(pc: PathConstraints) -> bool:
    b = earliest_binding(pc, group(pc))
    return b is not None and not check_binding(pc, b)


def _asked(pc: PathConstraints, form: Form, sign: int, c: int) -> Iterator[Asked]:
    """The entries on the quantity sign * form + c, as conditions on it."""
    for e in pc.entries:
        if isinstance(e, NumberIn):
            other, its = normal(e)
            if other == form:
                same = sign * its
                yield Asked(same, e.c - e.lo - same * c, e.len)


# ---- constants


def _of_constants(pc: PathConstraints, g: Grouped, form: Form) -> tuple[ArcSet, str]:
    keyed = {f: s for f, s in g.numbers.items() if not f.keyless}
    route = _route(keyed, form.a.key, form.b.key)
    if route is None:
        return ArcSet.full(pc.modulus), ""
    tied = _component(keyed, form.a.key)
    if not _read_once([form, *tied]):
        return ArcSet.full(pc.modulus), "its constants are compared with others at several moments"
    total = ArcSet([(0, 0)], pc.modulus)
    for f, forward in route:
        total = total.sums(keyed[f] if forward else -keyed[f])
    keys = {side.key for f in tied for side in (f.a, f.b)}
    if len(tied) != len(keys) - 1:
        return total, "three constants or more are compared in a ring"
    return total, ""


def _component(keyed: Iterable[Form], key: int) -> list[Form]:
    reached, forms, grown = {key}, list(keyed), True
    while grown:
        grown = False
        for f in forms:
            if len(reached & {f.a.key, f.b.key}) == 1:
                reached |= {f.a.key, f.b.key}
                grown = True
    return [f for f in forms if f.a.key in reached]


def _route(keyed: Iterable[Form], start: int, goal: int) -> list[tuple[Form, bool]] | None:
    """Forms that lead from K(start) to K(goal), breadth first: K(start) - K(goal) is their sum with these signs."""
    forms = list(keyed)
    seen: dict[int, list[tuple[Form, bool]]] = {start: []}
    todo = [start]
    while todo:
        at = todo.pop(0)
        for f in forms:
            for here, there, forward in ((f.a.key, f.b.key, True), (f.b.key, f.a.key, False)):
                if here == at and there not in seen:
                    seen[there] = [*seen[at], (f, forward)]
                    todo.append(there)
    return seen.get(goal)


def _read_once(forms: Iterable[Form]) -> bool:
    """Is each constant always read at the same moment? Then constant and reading are one free number."""
    moments: dict[int, set[tuple[int, int]]] = {0: {(-1, 0)}}
    for f in forms:
        for side in (f.a, f.b):
            moments.setdefault(side.key, set()).add((side.instant, side.tick))
    return all(len(m) == 1 for m in moments.values())


# ---- times


class Bounds:
    """Lower bounds between instants, free of any phase: least distances from one instant."""

    def __init__(self, times: Times) -> None:
        self.instants = times.zero
        self.edges = [e for out in times.out for e in out if times.zero not in (e.x, e.y)]
        self.known: dict[int, list[int | None] | str] = {}  # by source, without further bounds

    def least(self, source: int, new: list[Above]) -> list[int | None] | str:
        """t of each instant at least, when that of `source` is 0; None: no bound. `none`: a contradiction;
        `open`: the effort was not enough."""
        t: list[int | None] = [None] * self.instants
        t[source] = 0
        plain = all(e.tick_x == e.tick_y == 1 for e in new)
        edges = self.edges + new
        for _ in range(self.instants + 1 if plain else ROUNDS):
            changed = False
            for e in edges:
                y, x = t[e.y], t[e.x]
                if y is not None:
                    low = e.tick_x * (y // e.tick_y + e.add)
                    if x is None or low > x:
                        t[e.x] = low
                        changed = True
            if not changed:
                return t
        return "none" if plain else "open"

    def range(self, a: int, b: int, new: list[Above]) -> tuple[int, int | None] | str:
        """Bounds of t[a] - t[b]; the upper one may be missing."""
        if not new:
            for source in (a, b):
                if source not in self.known:
                    self.known[source] = self.least(source, new)
        up, down = (self.least(b, new), self.least(a, new)) if new else (self.known[b], self.known[a])
        if isinstance(up, str) or isinstance(down, str):
            return up if isinstance(up, str) else str(down)
        lo, hi = up[a], down[b]
        return (-DURATION_MODULUS if lo is None else lo), (None if hi is None else -hi)


@dataclass(frozen=True)
class Active:
    """A difference of readings that the ages alone do not decide: x and y its instants, the spans its turns."""

    x: int
    y: int
    tick: int
    spans: tuple[Span, ...]

    def outer(self, s: Span) -> list[Above]:
        return self._apart((s[0] - 1) * self.tick + 1, (s[1] + 1) * self.tick - 1)

    def inner(self, s: Span) -> list[Above]:
        return self._apart(s[0] * self.tick, s[1] * self.tick)

    def rounded(self, s: Span) -> list[Above]:
        return [Above(self.x, self.tick, self.y, self.tick, s[0]), Above(self.y, self.tick, self.x, self.tick, -s[1])]

    def _apart(self, lo: int, hi: int) -> list[Above]:
        return [Above(self.x, 1, self.y, 1, lo), Above(self.y, 1, self.x, 1, -hi)]


def _of_times(pc: PathConstraints, g: Grouped, over: Form | Duration) -> tuple[ArcSet, str]:
    times = ages_of(pc, g)
    bounds = Bounds(times)
    modulus = DURATION_MODULUS if isinstance(over, Duration) else pc.modulus
    why = "" if _read_once(f for f in g.numbers if not f.keyless) else "a constant is compared at several moments"
    tick = 0
    if isinstance(over, Form):
        if over.b.instant < 0 or over.a.tick != over.b.tick:
            return ArcSet.full(modulus), "it is no difference of two readings of one counter"
        tick = over.a.tick
    a, b = (over.i, over.j) if isinstance(over, Duration) else (over.a.instant, over.b.instant)
    active, dropped = _active(g, bounds)
    if active is None:
        return ArcSet((), modulus), ""
    if prod(len(f.spans) for f in active) > COMBINATIONS:
        active, dropped = [], "too many turns of the circle to look at"
    found: list[Span] = []
    for turns in product(*(f.spans for f in active)):
        span, blur = _range(times, bounds, active, turns, (a, b, tick))
        if span is not None:
            found.append(span)
            why = why or blur
    return ArcSet(found, modulus), why or dropped


def _active(g: Grouped, bounds: Bounds) -> tuple[list[Active] | None, str]:
    """The differences of readings that matter, None when one of them leaves nothing; and what had to be dropped."""
    active, dropped = [], ""
    for f, values in g.numbers.items():
        if not f.keyless:
            continue
        if not values:
            return None, ""
        tick = f.a.tick
        if f.b.instant < 0 or f.b.tick != tick:
            dropped = "a reading is compared with a number"
            continue
        r = bounds.range(f.a.instant, f.b.instant, [])
        if isinstance(r, str):
            return None, ""
        lo, hi = r
        if hi is None:
            dropped = "the time between two readings has no bound"
            continue
        whole = (lo // tick, -(-hi // tick))
        spans = tuple(values.spans_between(*whole))
        if not spans:
            return None, ""
        if spans != (whole,):
            active.append(Active(f.a.instant, f.b.instant, tick, spans))
    return active, dropped


def _range(
    times: Times, bounds: Bounds, active: list[Active], turns: tuple[Span, ...], over: tuple[int, int, int]
) -> tuple[Span | None, str]:
    """Least and greatest value of the quantity with these turns; None: there is no such run. And why it may be less."""
    a, b, tick = over
    pairs = list(zip(active, turns, strict=True))
    outer = bounds.range(a, b, [e for f, s in pairs for e in f.outer(s)])
    if isinstance(outer, str):
        return None, ""
    if tick and pairs and all(f.tick == tick for f in active):
        rounded = [e for f, s in pairs for e in f.rounded(s)]
        exact = bounds.range(a, b, [*rounded])
        if isinstance(exact, str) or times.raised([0] * (bounds.instants + 1), rounded) is None:
            return _ticks(outer, tick), "whether some turn of the circle can happen was not settled"
        lo, hi = exact
        return (lo // tick, _top(None if hi is None else -(-hi // tick))), ""
    if not pairs or (not tick and len(pairs) == 1):
        return _ticks(outer, tick), ""
    inner = bounds.range(a, b, [e for f, s in pairs for e in f.inner(s)])
    same = not isinstance(inner, str) and _ticks(inner, tick) == _ticks(outer, tick)
    return _ticks(outer, tick), "" if same else "its ends blur by the ticks of other counters"


def _ticks(r: tuple[int, int | None], tick: int) -> Span:
    """A range of ns as ticks, rounded outwards; tick 0 leaves it as it is."""
    lo, hi = r
    if not tick:
        return lo, _top(hi)
    return lo // tick, _top(None if hi is None else -(-hi // tick))


def _top(hi: int | None) -> int:
    return DURATION_MODULUS - 1 if hi is None else hi
