"""Which values of a number or a duration lead where: what a search saw of them, and the paths from which z3 proves it.

The search notes sets of values (model/monitor.pyx, note_piece): for each claim that asks, with which values it came to
which outcome. `Found` gives their union, and a recorded path for each set that is needed to make it up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tcpcheck.explore.result import Hit, Limits, SearchResult
from tcpcheck.model.layout import PIECE_BITS, WAY_AHEAD, WAY_SLEEPING
from tcpcheck.model.notes import FIRST_BIT
from tcpcheck.searches import Searches
from tcpcheck.witness.arcset import ArcSet
from tcpcheck.witness.constraints import MODULUS, Age, PathConstraints, Refuted
from tcpcheck.witness.intervals import ValueSet, values_for
from tcpcheck.witness.pairs import Product, pairs_in, shown, tied
from tcpcheck.witness.project import DURATION_MODULUS, Difference, Duration, Quantity
from tcpcheck.witness.solve import concretise

NO_LIMITS = Limits()


@dataclass(frozen=True)
class ValuePath:
    """A recorded path to an outcome. over: the quantity asked for, None where it is not chosen yet. seen: its values,
    as the search has them. at_end: the run ends there, and that is the outcome."""

    recording: Any
    constraints: PathConstraints
    over: Quantity | None
    seen: ArcSet
    over2: Difference | None = None  # the other number of a pair
    at_end: bool = False


class Tied(Exception):
    """A path compares the two numbers of a pair with each other: what it leaves to them is no product."""


@dataclass(frozen=True)
class Pairs:
    """How many pairs of values lead to the outcome: at least, at most. exact: proved. note: which."""

    least: int
    most: int
    exact: bool
    note: str


class Found:
    """What a search that ended found of values. model: a Model that has just been searched, with this result.
    searches: who makes more of them."""

    def __init__(
        self, model: Any, result: SearchResult, limits: Limits = NO_LIMITS, searches: Searches | None = None
    ) -> None:
        self.model, self.result, self.limits = model, result, limits
        self.searches = searches or Searches()
        self.pieces = model.pieces
        self.full, self.no_value = model.pieces_full, model.no_value

    def modulus(self, claim: int) -> int:
        return DURATION_MODULUS if self.is_duration(claim) else MODULUS

    def is_duration(self, claim: int) -> bool:
        return bool(self.model.program.claims[claim].over_sleep >= 0)

    def is_pair(self, claim: int) -> bool:
        return bool(self.model.program.claims[claim].counted2 >= 0)

    def outcomes(self, claim: int) -> list[int]:
        """The claim's outcomes, in the order of their numbers."""
        return sorted({p.outcome for p in self.pieces if p.claim == claim})

    def seen(self, claim: int, outcome: int) -> ArcSet:
        """The values with which the claim came to the outcome, as the search saw them."""
        return self._union(claim, [p for p in self.pieces if (p.claim, p.outcome) == (claim, outcome)])

    def _union(self, claim: int, pieces: Iterable[Any]) -> ArcSet:
        return ArcSet([(p.lo, p.lo + p.n - 1) for p in pieces], self.modulus(claim))

    # ---- paths

    def paths(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[ValuePath]]:
        """For each (claim, outcome): paths that make up all its values. The sets of values found first have a path; for
        others the search is made again. Error: ReplayFailed."""
        needed = [p for pair in wanted for p in self._cover(*pair)]
        places = {p: i for i, p in enumerate(self.pieces[:PIECE_BITS]) if FIRST_BIT + i in self.result.hits}
        found = {p: self._record(p, self.result.hits[FIRST_BIT + places[p]]) for p in needed if p in places}
        rest = [p for p in needed if p not in found]
        for at in range(0, len(rest), PIECE_BITS):
            some = rest[at : at + PIECE_BITS]
            bits = sum(1 << (FIRST_BIT + i) for i in range(len(some)))
            again = self.searches.make(self.model, self.limits, bits, stop=bits, wanted=some)
            hits = [again.hits.get(FIRST_BIT + i) for i in range(len(some))]
            found |= {p: self._record(p, h) for p, h in zip(some, hits, strict=True) if h is not None}
        return {pair: [found[p] for p in needed if (p.claim, p.outcome) == pair and p in found] for pair in wanted}

    def _cover(self, claim: int, outcome: int) -> list[Any]:
        """Sets of values that make up all of the outcome's, those within others left out. (What is left out is in the
        union all the same, which is compared with what the search saw.)"""
        mine = [p for p in self.pieces if (p.claim, p.outcome) == (claim, outcome)]
        if self.is_pair(claim):
            return mine
        kept: list[Any] = []
        left = self._union(claim, mine)
        for p in sorted(mine, key=lambda p: -p.n):
            values = self._union(claim, [p])
            if left & values:
                kept.append(p)
                left -= values
        return kept

    def _record(self, piece: Any, hit: Hit) -> ValuePath:
        at_end = hit.kind == "end"
        recording = self.model.record(list(hit.path), -1, piece, at_end)
        pc, over = recording.constraints, recording.over
        if piece.way == WAY_AHEAD:
            over = None
        elif self.is_duration(piece.claim):
            since, until = over
            if piece.way == WAY_SLEEPING:  # it ends at an instant of its own, after all there is
                until = pc.instants
                last = piece.lo + piece.n - 1
                more = (Age(until, since, last), Age(since, until, -piece.lo))
                pc = replace(pc, instants=pc.instants + 1, entries=pc.entries + more)
            over = Duration(until, since)
        over2 = recording.over2 if self.is_pair(piece.claim) else None
        return ValuePath(recording, pc, over, self._union(piece.claim, [piece]), over2, at_end)

    # ---- proofs

    def products(self, claim: int) -> Pairs:
        """Of a count of pairs: each path to its outcome leaves a product of two sets. Error: Tied."""
        found: list[Product] = []
        exact, why = True, ""
        for path in self.paths([(claim, 1)])[claim, 1]:
            assert isinstance(path.over, Difference) and path.over2 is not None
            if tied(path.constraints, path.over.key_a, path.over2.key_a):
                raise Tied
            first, second = (values_for([(path.constraints, over)]) for over in (path.over, path.over2))
            exact = exact and first.exact and first.proved and second.exact and second.proved
            why = why or first.why or second.why
            found.append((first.may, second.may))
        seen, missed = (
            [(self._union(claim, [p]), ArcSet.arc(p.lo2, p.n2)) for p in self.pieces if (p.claim, p.outcome) == pair]
            for pair in ((claim, 1), (claim, 0))
        )
        most = pairs_in(found, [])
        if not most == pairs_in(seen, []) == pairs_in(found + seen, []):
            exact, why = False, "the search and the solver disagree about the values"
        most = max(most, pairs_in(found + seen, []))
        return Pairs(pairs_in(found, missed), most, exact, why or shown(found))

    def proved(self, claim: int, outcome: int, paths: Sequence[ValuePath]) -> ValueSet:
        """The outcome's values as the solver has them, with what differs from the search in `why`. `must` is `may`."""
        asked = [(p.constraints, p.over) for p in paths if p.over is not None]
        ahead = [p for p in paths if p.over is None]
        modulus, seen, why = self.modulus(claim), self.seen(claim, outcome), ""
        nothing = ArcSet((), modulus)
        found = values_for(asked) if asked else ValueSet(nothing, nothing, True, "", True, 0)
        may = ArcSet([s for p in ahead for s in p.seen.spans], modulus) | found.may
        if any(isinstance(concretise(p.constraints), Refuted) for p in ahead):
            why = "a run before the value is chosen was refuted"
        if may != seen:
            why = "the search and the solver disagree about the values"
        may |= seen
        why = why or found.why
        return ValueSet(may, may, not why, why, found.proved and not why, found.edges)


def memory_note(result: SearchResult) -> str:
    """How far a search came that memory ended, and what all of it may need."""
    if result.reason not in ("memory limit", "out of memory"):
        return ""
    nodes, size = result.expected
    more = f"about {_rounded(nodes)} states and {_rounded(size // 1_000_000)} MB in all" if nodes else "no end in sight"
    return f" at {result.zones:,} states, {result.depth} steps deep: {more}; allow more memory, or ask for less"


def _rounded(number: int) -> str:
    """Two digits: an estimate has no more."""
    digits = max(len(str(number)) - 2, 0)
    return f"{round(number, -digits):,}"


def unfinished(model: Any, result: SearchResult) -> str:
    """Why a search has not seen everything; "" if it has."""
    if not result.complete:
        return result.reason + memory_note(result)
    if model.stuck:
        return "in some state something was due and nothing could happen: the model is at fault"
    if model.cut_at_horizon:
        return "the horizon cut runs short in which something was still to happen"
    return "" if result.exhaustive else "a table of the model was too small for some step, or a distance not known"


def in_seconds(values: ArcSet, paths: list[ValuePath]) -> str:
    """Values that are durations, or ticks of one running counter, as times; ticks modulo the counter's period."""
    over = next((p.over for p in paths if p.over is not None), None)
    if isinstance(over, Duration):
        return "in ns: " + ", ".join(f"{lo / 1e9:.9f}s..{hi / 1e9:.9f}s" for lo, hi in values.spans)
    if over is None or over.key_a != over.key_b or not over.tick_a:
        return ""
    spans = list(values.spans)
    if len(spans) > 1 and spans[0][0] == 0 and spans[-1][1] == values.modulus - 1:
        spans = [*spans[1:-1], (spans[-1][0], spans[0][1] + values.modulus)]
    shown = ", ".join(f"{lo * over.tick_a / 1e9:.9f}s..{hi * over.tick_a / 1e9:.9f}s" for lo, hi in spans)
    return f"ticks of {over.tick_a} ns: {shown}, again every {values.modulus * over.tick_a / 1e9:.9f}s"
