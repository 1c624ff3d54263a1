"""What text and picture of a map share: values as people write them, and the pieces of the range in a good order."""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.mapping.result import OPEN, MapResult, Moment, Quantity, Span

CIRCLE = 1 << 32
HALF = 1 << 31


@dataclass(frozen=True)
class Piece:
    """A stretch of the range with the places of its outcomes. Of numbers, first may be negative and last beyond 2^32:
    a stretch that goes through 0 is one."""

    first: int
    last: int
    which: tuple[int, ...]

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def sure_words(result: MapResult) -> str:
    """How sure all of the map is."""
    if not result.ok:
        return "NOT everything is known"
    return "every set proved by z3" if compares(result) else "there is no set of values, so nothing is proved"


def compares(result: MapResult) -> bool:
    """Is there a moment at which values of the unknown could lead to something?"""
    return any(m.moments for m in result.maps)


def pieces(moment: Moment) -> list[Piece]:
    """The range in order: numbers as distances, from the most negative to the most positive."""
    cells = [Piece(lo, hi, which) for (lo, hi), which in moment.cells()]
    if moment.over.kind != "number":
        return cells
    if len(cells) > 1 and cells[0].which == cells[-1].which:
        last = cells.pop()
        cells[0] = Piece(last.first - CIRCLE, cells[0].last, last.which)
    if len(cells) > 1:
        cells = [Piece(p.first - CIRCLE, p.last - CIRCLE, p.which) if p.first > HALF else p for p in cells]
    return sorted(cells, key=lambda p: p.first)


def value(over: Quantity, v: int) -> str:
    """`12.5s`, `-82`, `30s`."""
    if over.kind == "family":
        return over.members[v]
    return duration(v) if over.kind == "duration" else str(v)


def span(over: Quantity, s: Piece) -> str:
    """`0s..137.4s`, `-82..7`; of a family each value, whole numbers in a row put together."""
    if over.kind == "family":
        return ", ".join(_runs([over.members[i] for i in range(s.first, s.last + 1)]))
    if s.count == 1:
        return value(over, s.first)
    return f"{value(over, s.first)}..{value(over, s.last)}"


def _runs(values: list[str]) -> list[str]:
    """`0`, `1`, `2`, `5` as `0..2`, `5`."""
    spans: list[Span | str] = []
    for v in values:
        before = spans[-1] if spans else None
        if v.isdigit() and isinstance(before, tuple) and before[1] + 1 == int(v):
            spans[-1] = (before[0], int(v))
        else:
            spans.append((int(v), int(v)) if v.isdigit() else v)
    return [s if isinstance(s, str) else str(s[0]) if s[0] == s[1] else f"{s[0]}..{s[1]}" for s in spans]


def size(over: Quantity, n: int) -> str:
    """How many values: `2^31`, `12`; of durations how long they are together, to a thousandth."""
    if over.kind == "duration":
        return "" if n == 1 else duration(n - 1)
    return f"2^{n.bit_length() - 1}" if n >= 1024 and n & (n - 1) == 0 else str(n)


def duration(ns: int) -> str:
    """Exact, in seconds or the greatest unit below of which there is at least one."""
    for unit, unit_ns in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if abs(ns) >= unit_ns:
            whole, rest = divmod(ns, unit_ns)
            digits = len(str(unit_ns)) - 1
            return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") + unit
    return f"{ns}ns" if ns else "0s"


def range_words(over: Quantity) -> str:
    """What the range is: `modulo 2^32`, `0s..50s`, `0 or 1`."""
    if over.kind == "number":
        return "modulo 2^32"
    if over.kind == "duration":
        return f"{duration(over.lo)}..{duration(over.hi)}"
    return ", ".join(_runs(list(over.members)))


def outcome_words(moment: Moment, which: tuple[int, ...]) -> str:
    """What may come of these values: `replies ACK; stays  or  replies NOTHING; stays`."""
    if not which:
        return "does not come about"
    texts = [moment.outcomes[i].text for i in which if i != OPEN]
    if texts == ["comes true"]:
        return "may come true"
    if OPEN in which:
        texts.append("another, not decided" if texts else "not decided within the bounds")
    return "  or  ".join(texts)
