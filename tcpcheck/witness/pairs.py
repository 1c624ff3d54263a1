"""Sets of pairs of 32-bit numbers as unions of products: how many pairs there are."""

from __future__ import annotations

from itertools import pairwise

from tcpcheck.witness.arcset import ArcSet
from tcpcheck.witness.constraints import NumberIn, PathConstraints

Product = tuple[ArcSet, ArcSet]


def pairs_in(products: list[Product], without: list[Product]) -> int:
    """Pairs that lie in one of the products and in none of the others."""
    every = [*products, *without]
    cuts = sorted({edge for first, _ in every for lo, hi in first.spans for edge in (lo, hi + 1)})
    total = 0
    for lo, end in pairwise(cuts):
        inside = _union([second for first, second in products if lo in first])
        outside = _union([second for first, second in without if lo in first])
        total += (end - lo) * (inside - outside).count()
    return total


def _union(sets: list[ArcSet]) -> ArcSet:
    return ArcSet([span for s in sets for span in s.spans])


def tied(pc: PathConstraints, one: int, other: int) -> bool:
    """Does an entry compare the two constants with each other?"""
    numbers = (e for e in pc.entries if isinstance(e, NumberIn))
    return any({one, other} <= {e.key_a, e.key_b} for e in numbers)


def shown(products: list[Product]) -> str:
    """`0..4 with 7..9; 5 with 7`, with as few products as grouping them by either number leaves."""
    by_first: dict[ArcSet, ArcSet] = {}
    for first, second in products:
        by_first[first] = by_first.get(first, ArcSet()) | second
    by_second: dict[ArcSet, ArcSet] = {}
    for first, second in by_first.items():
        by_second[second] = by_second.get(second, ArcSet()) | first
    return "; ".join(sorted(f"{_spans(first)} with {_spans(second)}" for second, first in by_second.items()))


def _spans(values: ArcSet) -> str:
    return ", ".join(f"{lo}..{hi}" if hi > lo else str(lo) for lo, hi in values.spans)
