"""How a command ends: which exit code counts, and what is said of tcpcheck's own faults."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable, Sequence

from tcpcheck.errors import Impossible, TcpcheckError, Undecided

PRECEDENCE = (2, 4, 1, 3, 0)  # of several exit codes, the first of these
REPORT = "please report it, with the spec and the output of TCPCHECK_DEBUG=1, to the project's issue tracker"


class SeveralBad(TcpcheckError):
    """Several specs have mistakes."""

    exit_code = 2

    def __init__(self, errors: Sequence[TcpcheckError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors


def single(failure: TcpcheckError) -> Sequence[TcpcheckError]:
    """The errors that one may stand for."""
    return failure.errors if isinstance(failure, SeveralBad) else [failure]


def worst(codes: Iterable[int]) -> int:
    """The one exit code of several."""
    return min(codes, key=PRECEDENCE.index, default=0)


def fault(error: BaseException, doing: str) -> TcpcheckError:
    """An exception that should not have been: one sentence for it, and the traceback with TCPCHECK_DEBUG=1."""
    if os.environ.get("TCPCHECK_DEBUG") == "1" and sys.stderr is not None:
        traceback.print_exception(error)
    if isinstance(error, MemoryError):
        return Undecided(f"out of memory while {doing}: set --memory lower")
    if isinstance(error, ModuleNotFoundError) and str(error.name).startswith("tcpcheck."):
        return Impossible(f"the compiled core is not there ({error.name}): install tcpcheck with `pip install .`")
    words = " ".join(str(error).split())[:200]
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return Undecided(f"a fault of tcpcheck while {doing} ({said}): {REPORT}")
