"""What a predicate mentions, and what is left of it without that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tcpcheck.lang import scenario as sc
from tcpcheck.model.spellings import PLAIN

EFFECTS = (sc.Replies, sc.Becomes, sc.Stays, sc.Accepts)


def is_paws_like(a: sc.Expr, b: sc.Expr) -> bool:
    """The subject's ts_recent beside the TSval that arrives, or a number: a ts_recent that is forgotten (canon.pyx) may
    be compared with these and with nothing else, and only while it cannot be so old that it looks newer."""
    ours = isinstance(a, sc.Field) and a.name == "ts_recent"
    return ours and (isinstance(b, sc.Const) or (isinstance(b, sc.Field) and b.name == "tsval"))


def same_words(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, sc.Named):
        return (a.host, a.name, a.index) == (b.host, b.name, b.index)
    if isinstance(a, sc.PortSock):
        return (a.host, a.port) == (b.host, b.port)
    return same_words(a.of, b.of)


def mentions(p: Any, kinds: tuple[type, ...]) -> bool:
    """Does the predicate contain a node of one of these kinds (not counting segments' conditions)?"""
    if isinstance(p, kinds):
        return True
    if isinstance(p, sc.And | sc.Or):
        return any(mentions(q, kinds) for q in p.parts)
    if isinstance(p, sc.Not):
        return mentions(p.of, kinds)
    return isinstance(p, sc.Implies) and (mentions(p.left, kinds) or mentions(p.right, kinds))


def mentions_numbers(p: Any) -> int:
    """0: decided by states and events alone; 1: compares numbers, which may split the state."""
    if isinstance(p, sc.Event | sc.Replies):
        return int(p.seg.where is not None)
    return int(mentions(p, (sc.Compare, sc.Flag)))


def flags_in(p: Any) -> set[str]:
    """The flags that a segment's condition names."""
    if isinstance(p, sc.Flag):
        return {p.name}
    if isinstance(p, sc.Not):
        return flags_in(p.of)
    parts = (p.left, p.right) if isinstance(p, sc.Implies) else p.parts if isinstance(p, sc.And | sc.Or) else ()
    return {name for q in parts for name in flags_in(q)}


def without_effects(p: sc.Pred) -> sc.Pred:
    """What the predicate asks for but for effects."""
    if isinstance(p, EFFECTS) or (isinstance(p, sc.Not) and mentions(p, EFFECTS)):
        return sc.And(())
    if isinstance(p, sc.And | sc.Or):
        return replace(p, parts=tuple(without_effects(q) for q in p.parts))
    return p


def without_numbers(p: Any) -> Any:
    """The same moment, whatever numbers the segment has: what a count chooses among."""
    if isinstance(p, sc.Event):
        return replace(p, seg=replace(p.seg, where=None if p.seg.where is None else without_numbers(p.seg.where)))
    if isinstance(p, sc.And | sc.Or):
        return replace(p, parts=tuple(without_numbers(q) for q in p.parts))
    told_by_numbers = isinstance(p, sc.Flag) and p.name == "paws_old"
    return sc.And(()) if told_by_numbers or mentions(p, (sc.Compare,)) else p


def linear(e: Any) -> tuple[list[Any], list[Any], int]:
    """A sum: the terms added, the terms subtracted, and the number that is left."""
    if isinstance(e, sc.Const):
        return [], [], e.value
    if not isinstance(e, sc.Add | sc.Sub):
        return [e], [], 0
    (plus, minus, n), (plus2, minus2, n2) = linear(e.left), linear(e.right)
    if isinstance(e, sc.Add):
        return plus + plus2, minus + minus2, n + n2
    return plus + minus2, minus + plus2, n - n2


def is_modular(e: Any) -> bool:
    """Sequence numbers and timestamps compare modulo 2^32; lengths, windows and counts do not."""
    if isinstance(e, sc.Field | sc.InField | sc.SockVar):
        return e.name not in PLAIN
    if isinstance(e, sc.Unknown):
        return True
    return isinstance(e, sc.Add | sc.Sub) and (is_modular(e.left) or is_modular(e.right))
