"""What goes into a search and what comes out of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

Path = list[bytes]
"""A run from the initial state: for each step the choices taken, one byte each (`Choices.taken[:n]`)."""

Progress = Callable[[int, int, float, int, int, int, int, int], object]
"""progress(states, transitions, states per second, depth, states in the frontier, bytes held, nodes and bytes that are
expected in all, 0 where nothing tells)"""


LEAST_MEMORY = 4_000_000
"""bytes: less than that no search can begin with."""


@dataclass(frozen=True)
class Limits:
    """What a search may cost, and where it gives up. None: no such limit."""

    states: int | None = None  # nodes: discrete states, and with time their zones
    memory_bytes: int | None = None
    seconds: float | None = None
    depth: int | None = None  # nodes this many steps from the start are stored, not expanded
    exact: bool = False  # states are kept and compared whole, not by hashes of 64 bits: no omission, more memory

    def deadline(self) -> float | None:
        """When a run that begins now has used up its seconds (time.monotonic()); None: never."""
        return None if self.seconds is None else time.monotonic() + self.seconds

    def until(self, deadline: float | None) -> Limits:
        """The same limits in what is left of the time."""
        return self if deadline is None else replace(self, seconds=max(deadline - time.monotonic(), 0.001))


class NoRoom(Exception):
    """A saved search needs more memory than the limit allows."""


class Sink(Protocol):
    def write(self, data: memoryview, /) -> object: ...


class Source(Protocol):
    def readinto(self, data: memoryview, /) -> object: ...


class Saver(Protocol):
    """Has a running search saved. What a system gathers beside its states is not in these bytes."""

    def source(self) -> Source | None:
        """The saved search to go on with; None: from the start."""

    def due(self, nodes: int) -> bool:
        """Asked some thousand times a second: is it time to save?"""

    def save(self, write_to: Callable[[Sink], None]) -> None:
        """write_to(sink) hands over the search, in pieces. Called when due, and when a limit or Ctrl-C ends it."""


@dataclass(frozen=True)
class Hit:
    """A claim decided. kind `step`: the last step of the path did it; `end`: the state after the path has no successor.

    The path is a shortest one among those that the search can see.
    """

    kind: str
    path: Path


@dataclass(frozen=True)
class Lasso:
    """A run that waits for ever: stem, then cycle again and again, with `claim` pending in every state of the cycle.

    With zones the cycle leads into a zone that includes the one it ends in, so a real run need not be able to follow
    it for ever: replay it before believing it. The other way round nothing is missed.
    """

    claim: int
    stem: Path
    cycle: Path


@dataclass(frozen=True)
class SearchResult:
    """`complete`: every state found was expanded. Only `exhaustive` (nothing truncated either) allows `holds`."""

    states: int  # discrete states
    zones: int  # nodes: states, or with time their zones
    transitions: int  # feasible steps, truncated ones included
    depth: int  # steps to the farthest state found
    seconds: float
    bytes_per_state: float  # peak_memory / states
    peak_memory: int  # bytes
    complete: bool
    reason: str  # why not complete; "" otherwise
    truncated: int  # steps that met a limit of the model (horizon, table); their successors were not looked at
    overflows: int  # steps that met a table of fixed size (choices, bases): never complete
    rules_taken: list[int]
    hits: dict[int, Hit]  # claim bit -> first hit
    omission_bound: float  # expected number of states lost to hash collisions: states^2 / 2^65, exact: 0
    lassos: list[Lasso] = field(default_factory=list)
    expected: tuple[int, int] = (0, 0)  # memory ended it: nodes and bytes that all of it may need; 0: nothing tells
    marks: dict[int, list[Path]] = field(default_factory=dict)  # mark -> runs that end by taking it, shortest first

    @property
    def exhaustive(self) -> bool:
        """All of the state space was seen: what was not hit does not happen (in the model)."""
        return self.complete and not self.truncated and not self.overflows


class PartTally(NamedTuple):
    """What one part of a search (explore/partition.pyx) has found so far."""

    stop: str  # why it cannot go on; "" otherwise
    states: int
    nodes: int
    transitions: int
    truncated: int
    overflows: int
    rules: tuple[int, ...]  # words of bits
    hits: dict[int, tuple[int, int]]  # claim bit -> when it was first hit: node, and which of its successors
    frontier: int  # states that wait
    used: int  # bytes
    peak: int
    records: int  # successors put into queues
    queued_bytes: int  # of these
    sent_bytes: int  # of the queues of other parts: packed


def too_small(overflows: int) -> str:
    """Why a search that met tables of fixed size is never complete."""
    return f"a step had too many choices, a table was too small or a distance of numbers not known ({overflows} times)"
