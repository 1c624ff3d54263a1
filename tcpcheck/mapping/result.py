"""What a map says, as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Span = tuple[int, int]  # first and last, both inside
Spans = tuple[Span, ...]
OPEN = -1  # in the place of an outcome: the search was cut off, there may be another


@dataclass(frozen=True)
class Quantity:
    """What a map is over. kind: `number` (modulo 2^32), `duration` (ns) or `family` (values are places in `members`).

    text: what is counted, as `isn - server.c.rcv_nxt`."""

    name: str
    text: str
    kind: str
    lo: int
    hi: int
    members: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return self.hi - self.lo + 1


@dataclass(frozen=True)
class Outcome:
    """may: the values with which some run comes to it. must: those of them with which no run comes to another outcome
    of the moment; None where there is no other (a predicate that comes true, in some run). exact: z3 proved that `may`
    is what the paths ask for, and each of its ends was run; why: if not, why. runs: concrete runs, at the ends and in
    between, that came to it."""

    text: str
    may: Spans
    must: Spans | None
    exact: bool
    why: str
    runs: int


@dataclass(frozen=True)
class Moment:
    """never: the values with which the moment does not come about in any run. note: why nothing is known of it.
    open: the values of which the search has not seen every run; its bounds cut it off."""

    text: str
    over: Quantity
    outcomes: tuple[Outcome, ...]
    never: Spans
    note: str = ""
    open: Spans = ()

    def cells(self) -> list[tuple[Span, tuple[int, ...]]]:
        """The range in pieces, in order, with the places of the outcomes that each of them may come to; then OPEN."""
        ends = {self.over.lo, self.over.hi + 1}
        for spans in (self.open, *(o.may for o in self.outcomes)):
            ends.update(x for lo, hi in spans for x in (lo, hi + 1))
        out: list[tuple[Span, tuple[int, ...]]] = []
        marks = sorted(ends)
        for lo, end in pairwise(marks):
            which = tuple(i for i, o in enumerate(self.outcomes) if inside(o.may, lo))
            which += (OPEN,) if inside(self.open, lo) else ()
            if out and out[-1][1] == which:
                out[-1] = ((out[-1][0][0], end - 1), which)
            else:
                out.append(((lo, end - 1), which))
        return out


@dataclass(frozen=True)
class Map:
    """The moments of some members of the families, all with the same outcomes. undecided: why not all is known."""

    settings: tuple[dict[str, int | str], ...]
    moments: tuple[Moment, ...]
    bounds: dict[str, Any]
    undecided: str = ""

    @property
    def ok(self) -> bool:
        return not self.undecided and all(not m.note and all(o.exact for o in m.outcomes) for m in self.moments)


@dataclass(frozen=True)
class MapResult:
    """The map of one spec."""

    file: str
    title: str
    question: str
    name: str
    maps: tuple[Map, ...]
    warnings: tuple[str, ...]
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Everything is known, and proved."""
        return not self.interrupted and bool(self.maps) and all(m.ok for m in self.maps)

    def _repr_svg_(self) -> str:
        """In a notebook: the picture."""
        from tcpcheck.render.map_svg import svg

        return svg(self)


def inside(spans: Iterable[Span], v: int) -> bool:
    return any(lo <= v <= hi for lo, hi in spans)
