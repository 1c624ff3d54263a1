"""For which values of a number or a duration does an outcome happen? Sets of intervals over the paths that reach it.

`values_for` unites what each path leaves to the quantity (`project.py`), asks z3 once whether that union is the
disjunction of what the paths ask, and tries each edge with real numbers: the last value inside must come out of some
path, the first one outside of none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tcpcheck import smt
from tcpcheck.witness.arcset import ArcSet
from tcpcheck.witness.constraints import MODULUS, Age, Entry, NumberIn, PathConstraints, check_binding
from tcpcheck.witness.forms import group
from tcpcheck.witness.least import earliest_binding
from tcpcheck.witness.project import DURATION_MODULUS, Difference, Duration, Projection, Quantity, project

__all__ = ["ArcSet", "Difference", "Duration", "Path", "Projection", "Quantity", "ValueSet", "project", "values_for"]

EDGES = 32  # edges tried with real numbers
TRIES = 40  # paths tried at an edge from outside

Path = tuple[PathConstraints, Quantity]  # instants differ from path to path, so each says where its quantity is


@dataclass(frozen=True)
class ValueSet:
    """may: values for which some run reaches the outcome. must: those of them for which no run does anything else.

    Numbers are modulo 2^32; durations are ns modulo 2^62, and reach the last ns when they have no bound.
    exact: False when `may` is possibly too large (then `must` is too, in what `may` has too much, but contains no value
    for which a run does anything else); why: what was too coarse. proved: z3 found no value on which the intervals
    and the conditions of the paths differ. edges: how many values at the edges were tried with real numbers.
    """

    may: ArcSet
    must: ArcSet
    exact: bool
    why: str
    proved: bool
    edges: int


def values_for(paths: Sequence[Path], others: Sequence[Path] = ()) -> ValueSet:
    """paths: all that reach the outcome; others: all that do not. All over quantities of one kind."""
    modulus = _modulus([*paths, *others])
    hits = _distinct(paths)
    misses = _distinct(others)
    may = _union(hits, modulus)
    must = may - _union(misses, modulus)
    why = next((p.why for p in (*hits, *misses) if not p.exact), "")
    answer = _prove(may, list(hits), modulus)
    if answer == "sat":
        raise AssertionError("the solver finds a value on which intervals and paths differ")
    tried, wrong = _try_edges(may, hits, modulus)
    why = why or wrong or ("" if answer == "unsat" else "the solver gave up on the proof")
    return ValueSet(may, must, not why, why, answer == "unsat", tried)


def _modulus(paths: Sequence[Path]) -> int:
    kinds = {DURATION_MODULUS if isinstance(over, Duration) else pc.modulus for pc, over in paths}
    if len(kinds) > 1:
        raise ValueError("numbers and durations cannot be one quantity")
    return kinds.pop() if kinds else MODULUS


def _distinct(paths: Sequence[Path]) -> dict[Projection, list[Path]]:
    """Many paths leave the same: each projection once, with its paths."""
    found: dict[Projection, list[Path]] = {}
    for pc, over in paths:
        found.setdefault(project(pc, over), []).append((pc, over))
    return found


def _union(projections: dict[Projection, list[Path]], modulus: int) -> ArcSet:
    return ArcSet([s for p in projections for s in p.values.spans], modulus)


# ---- z3


def _prove(claimed: ArcSet, projections: list[Projection], modulus: int) -> str:
    """Is there a value in the claimed intervals that no path's conditions leave, or one outside that some do?"""
    z3 = smt.load()
    bits = modulus.bit_length() - 1
    if modulus != 1 << bits:
        raise ValueError("a modulus that is no power of two cannot be put in bit-vectors")
    v = z3.BitVec("v", bits)

    def within(x: Any, lo: int, length: int) -> Any:  # (x - lo) mod 2^bits < length
        if length >= modulus:
            return z3.BoolVal(True)
        return z3.ULT(x - z3.BitVecVal(lo % modulus, bits), z3.BitVecVal(length, bits))

    def conditions(p: Projection) -> Any:
        asked = (within(v if a.sign > 0 else -v, -a.add, a.len) for a in p.own)
        return z3.And(z3.Or(*(within(v, lo, n) for lo, n in p.rest.arcs())), *asked)

    inside = z3.Or(*(z3.And(z3.ULE(lo, v), z3.ULE(v, hi)) for lo, hi in claimed.spans))
    solver = smt.solver("QF_BV")
    solver.add(inside != z3.Or(*map(conditions, projections)))
    return smt.check(solver)


# ---- edges with real numbers


def pinned(pc: PathConstraints, over: Quantity, v: int) -> PathConstraints:
    """The path, and the quantity equal to v."""
    more: tuple[Entry, ...]
    if isinstance(over, Duration):
        more = (Age(over.i, over.j, v), Age(over.j, over.i, -v))
    else:
        q = over
        more = (NumberIn(q.i, q.j, q.c, q.key_a, q.key_b, q.tick_a, q.tick_b, v, 1),)
    return PathConstraints(pc.instants, pc.entries + more, pc.keys, pc.modulus, pc.phase_ns)


def reached(pc: PathConstraints, over: Quantity, v: int) -> bool:
    """Numbers were found with which the path happens and the quantity is v. False proves nothing."""
    whole = pinned(pc, over, v)
    b = earliest_binding(whole, group(whole))
    return b is not None and not check_binding(whole, b)


def _try_edges(may: ArcSet, hits: dict[Projection, list[Path]], modulus: int) -> tuple[int, str]:
    tried = 0
    for v, inside in may.edges():
        if tried == EDGES:
            break
        if modulus == DURATION_MODULUS and v == modulus - 1:
            continue  # no bound
        tried += 1
        if inside:
            paths = [path for p, all_paths in hits.items() if v in p.values for path in all_paths]
            if not any(reached(pc, over, v) for pc, over in paths[:TRIES]):
                return tried, f"no run was found at the edge {v}"
        else:
            paths = [path for all_paths in hits.values() for path in all_paths]
            if any(reached(pc, over, v) for pc, over in paths[:TRIES]):
                raise AssertionError(f"a run reaches the outcome at {v}, which is outside {may}")
    return tried, ""
