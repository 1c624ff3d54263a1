"""Sets of numbers modulo 2^32, as sorted disjoint intervals. A set that wraps is kept, and printed, as two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tcpcheck.witness.constraints import MODULUS

Span = tuple[int, int]  # first and last, both inside


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sorted, disjoint, not even adjacent; empty spans (last < first) vanish."""
    out: list[Span] = []
    for lo, hi in sorted(s for s in spans if s[0] <= s[1]):
        if out and lo <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], hi))
        else:
            out.append((lo, hi))
    return tuple(out)


def intersect(a: Iterable[Span], b: Iterable[Span]) -> tuple[Span, ...]:
    right = list(b)
    return merge((max(x[0], y[0]), min(x[1], y[1])) for x in a for y in right)


class ArcSet:
    """An immutable set of residues modulo `modulus`; `spans` are its intervals, both ends inside."""

    __slots__ = ("modulus", "spans")

    def __init__(self, spans: Iterable[Span] = (), modulus: int = MODULUS) -> None:
        """Each span may lie anywhere on the integers and be longer than the circle: it is taken modulo `modulus`."""
        self.modulus = modulus
        pieces: list[Span] = []
        for lo, hi in spans:
            if hi - lo + 1 >= modulus:
                pieces.append((0, modulus - 1))
            elif lo <= hi:
                start, end = lo % modulus, lo % modulus + hi - lo
                pieces += [(start, min(end, modulus - 1)), (0, end - modulus)]
        self.spans = merge(pieces)

    @classmethod
    def arc(cls, lo: int, length: int, modulus: int = MODULUS) -> ArcSet:
        """[lo, lo + length) modulo `modulus`."""
        return cls([(lo, lo + length - 1)], modulus)

    @classmethod
    def full(cls, modulus: int = MODULUS) -> ArcSet:
        return cls([(0, modulus - 1)], modulus)

    def union(self, other: ArcSet) -> ArcSet:
        return ArcSet(self.spans + other.spans, self.modulus)

    def intersection(self, other: ArcSet) -> ArcSet:
        return ArcSet(intersect(self.spans, other.spans), self.modulus)

    def complement(self) -> ArcSet:
        gaps, at = [], 0
        for lo, hi in self.spans:
            gaps.append((at, lo - 1))
            at = hi + 1
        return ArcSet([*gaps, (at, self.modulus - 1)], self.modulus)

    def difference(self, other: ArcSet) -> ArcSet:
        return self.intersection(other.complement())

    def shift(self, k: int) -> ArcSet:
        """{v + k}"""
        return ArcSet([(lo + k, hi + k) for lo, hi in self.spans], self.modulus)

    def negate(self) -> ArcSet:
        """{-v}"""
        return ArcSet([(-hi, -lo) for lo, hi in self.spans], self.modulus)

    def sums(self, other: ArcSet) -> ArcSet:
        """{v + w}"""
        spans = [(a + b, x + y) for a, x in self.spans for b, y in other.spans]
        return ArcSet(spans, self.modulus)

    __or__, __and__, __sub__, __neg__, __invert__ = union, intersection, difference, negate, complement

    @property
    def is_full(self) -> bool:
        return self.spans == ((0, self.modulus - 1),)

    def count(self) -> int:
        return sum(hi - lo + 1 for lo, hi in self.spans)

    def arcs(self) -> tuple[Span, ...]:
        """As arcs of the circle (first, length): the two spans of a set that wraps are one arc, listed last."""
        out = [(lo, hi - lo + 1) for lo, hi in self.spans]
        if len(out) > 1 and out[0][0] == 0 and sum(out[-1]) == self.modulus:
            out[-1] = (out[-1][0], out[-1][1] + out[0][1])
            del out[0]
        return tuple(out)

    def edges(self) -> Iterator[tuple[int, bool]]:
        """Each end of each arc and its neighbour outside: (value, inside)."""
        for lo, length in self.arcs():
            yield lo, True
            yield (lo + length - 1) % self.modulus, True
            if length < self.modulus:
                yield (lo - 1) % self.modulus, False
                yield (lo + length) % self.modulus, False

    def spans_between(self, low: int, high: int) -> Iterator[Span]:
        """The integers of [low, high] whose residue is in the set, as maximal spans in ascending order."""
        if not self.spans or low > high:
            return
        if self.is_full:
            yield low, high
            return
        for first, length in self._unwrapped(low, high):
            yield max(first, low), min(first + length - 1, high)

    def _unwrapped(self, low: int, high: int) -> Iterator[Span]:
        turn = low // self.modulus - 1
        while turn * self.modulus <= high:
            for lo, length in self.arcs():
                first = lo + turn * self.modulus
                if first <= high and first + length > low:
                    yield first, length
            turn += 1

    def __contains__(self, v: int) -> bool:
        return any(lo <= v % self.modulus <= hi for lo, hi in self.spans)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArcSet) and (self.modulus, self.spans) == (other.modulus, other.spans)

    def __hash__(self) -> int:
        return hash((self.modulus, self.spans))

    def __repr__(self) -> str:
        return f"ArcSet({self})"

    def __str__(self) -> str:
        return ", ".join(str(lo) if lo == hi else f"{lo}..{hi}" for lo, hi in self.spans) or "none"
