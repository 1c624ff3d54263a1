"""What a model notes by itself while it is searched; of a search in parts, what it would have noted in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tcpcheck.model.layout import CLAIMS_MAX, PIECE_BITS, PIECES_MAX

FIRST_BIT = 2 * CLAIMS_MAX  # hit bit of the first set of values


class Notes(NamedTuple):
    """The properties of a Model of the same names."""

    cut_at_horizon: bool
    zero_met: bool
    stuck: bool
    pieces_full: int
    no_value: int
    pieces: tuple[Any, ...]


def merged(reports: Sequence[tuple[Sequence[tuple[int, int]], Notes]]) -> tuple[Notes, list[dict[int, int | None]]]:
    """reports: for each part when each of its pieces came (node, branch), and its notes.

    -> the notes of all, pieces in the order in which one search would have met them; and for each part which hit bit
    its own stands for there. A piece's place in its part is never behind its place in the whole: so of the pieces that
    have a bit there, the part that met it first gave it one, too. Where another part gave it none, the first hit may be
    unknown, and the bit stands for nothing: the path is searched for again.
    """
    every = [
        (when, place, part, piece)
        for part, (moments, notes) in enumerate(reports)
        for place, (when, piece) in enumerate(zip(moments, notes.pieces, strict=False))
    ]
    order = list(dict.fromkeys(piece for _, _, _, piece in sorted(every, key=lambda x: x[:3])))
    place = {piece: i for i, piece in enumerate(order)}
    bitless = {piece for _, at, _, piece in every if at >= PIECE_BITS}
    bits: list[dict[int, int | None]] = []
    for _, notes in reports:
        mine = enumerate(notes.pieces[:PIECE_BITS])
        named = {at: place[p] for at, p in mine if p in place and place[p] < PIECE_BITS and p not in bitless}
        bits.append({FIRST_BIT + at: FIRST_BIT + named[at] if at in named else None for at in range(PIECE_BITS)})
    full = sum(1 << claim for claim in {piece.claim for piece in order[PIECES_MAX:]})
    no_value = 0
    for _, notes in reports:
        full |= notes.pieces_full
        no_value |= notes.no_value
    return (
        Notes(
            any(n.cut_at_horizon for _, n in reports),
            any(n.zero_met for _, n in reports),
            any(n.stuck for _, n in reports),
            full,
            no_value,
            tuple(order[:PIECES_MAX]),
        ),
        bits,
    )
