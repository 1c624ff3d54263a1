"""What comparing two kernels found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tcpcheck.witness.trace import Step, Trace


@dataclass(frozen=True)
class Side:
    """One kernel. steps: what its hosts did at the last moment, on which the two part; empty: nothing."""

    kernel: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Difference:
    """Of one member of the families. common: the run up to where they part, None when they do not; time_ns: when.

    sides: the two kernels. pairs: pairs of states compared. why: what was not settled ("" when all was): then that they
    do not part is not known."""

    settings: dict[str, int | str]
    common: Trace | None
    time_ns: int
    sides: tuple[Side, ...]
    bounds: dict[str, Any]
    pairs: int
    why: str

    @property
    def parts(self) -> bool:
        return self.common is not None
