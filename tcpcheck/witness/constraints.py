"""The constraints of one witness path, as plain data, and what they mean.

A path is a sequence of instants 0..n-1 (one for each step; nondecreasing, in whole ns). The first instant lies in
[0, 1 s): a running counter has an arbitrary phase when the run begins (all counters the same: hosts whose ticks of
equal length fall at different moments are not told apart). A constant is an unknown 32-bit number, named
by its key; key 0 is the number zero. These meanings are evaluated here in plain Python, independently of any solver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

PHASE_NS = 1_000_000_000  # the first instant lies in [0, PHASE_NS)
MODULUS = 1 << 32  # of sequence numbers and timestamps


@dataclass(frozen=True)
class Age:
    """t[i] - t[j] <= c, in ns."""

    i: int
    j: int
    c: int


@dataclass(frozen=True)
class NumberIn:
    """(value(a) - value(b) - lo) mod 2^32 < len.

    value(a) - value(b) = K(key_a) - K(key_b) + t[i] // tick_a - t[j] // tick_b + c, where a reading counts only if its
    tick is > 0 and its instant is not -1.
    """

    i: int
    j: int
    c: int
    key_a: int
    key_b: int
    tick_a: int
    tick_b: int
    lo: int
    len: int


Entry = Age | NumberIn


@dataclass(frozen=True)
class PathConstraints:
    """instants: how many; keys: names of constants that people know. `modulus` is 2^32 except in tests."""

    instants: int
    entries: tuple[Entry, ...]
    keys: Mapping[int, str] = field(default_factory=dict)
    modulus: int = MODULUS
    phase_ns: int = PHASE_NS

    def constants(self) -> tuple[int, ...]:
        """Keys of the constants in the order in which they first occur, then of those named but never asked about:
        people want to see their numbers too."""
        found: dict[int, None] = {}
        for e in self.entries:
            if isinstance(e, NumberIn):
                found.update({k: None for k in (e.key_a, e.key_b) if k})
        found.update(dict.fromkeys(self.keys))
        return tuple(found)


@dataclass(frozen=True)
class Binding:
    """Numbers for a path: instants_ns[0] is the phase of the clocks at its start; constants by key."""

    instants_ns: tuple[int, ...]
    constants: Mapping[int, int]


@dataclass(frozen=True)
class Refuted:
    """No numbers exist. core: indices of entries that contradict each other; keys: the constants they speak of.

    proved: False when the solver gave up within its bounds, so that nothing is known; the core is empty then.
    """

    core: tuple[int, ...]
    keys: tuple[int, ...]
    why: str
    proved: bool = True


def difference(e: NumberIn, b: Binding) -> int:
    """value(a) - value(b) of an entry, not reduced."""
    value = b.constants.get(e.key_a, 0) - b.constants.get(e.key_b, 0) + e.c
    if e.tick_a > 0 and e.i >= 0:
        value += b.instants_ns[e.i] // e.tick_a
    if e.tick_b > 0 and e.j >= 0:
        value -= b.instants_ns[e.j] // e.tick_b
    return value


def entry_holds(e: Entry, b: Binding, modulus: int = MODULUS) -> bool:
    if isinstance(e, Age):
        return b.instants_ns[e.i] - b.instants_ns[e.j] <= e.c
    return (difference(e, b) - e.lo) % modulus < e.len


def check_binding(pc: PathConstraints, b: Binding) -> tuple[int, ...]:
    """Indices of the entries that do not hold under b; -1 stands for the order and phase of the instants."""
    t = b.instants_ns
    wrong: list[int] = []
    ordered = all(x <= y for x, y in pairwise(t))
    phase = not t or 0 <= t[0] < pc.phase_ns
    bound = all(0 <= b.constants.get(k, -1) < pc.modulus for k in pc.constants())
    if len(t) != pc.instants or not ordered or not phase or not bound:
        wrong.append(-1)
        if len(t) != pc.instants:
            return tuple(wrong)
    wrong.extend(n for n, e in enumerate(pc.entries) if not entry_holds(e, b, pc.modulus))
    return tuple(wrong)
