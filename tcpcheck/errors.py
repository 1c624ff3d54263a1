"""Everything a user can get wrong, with the exit code it ends in.

Exit codes (the contract): 0 as expected, 1 not as expected, 2 bad input or call, 3 undecided, 4 not possible here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A place in a spec: 1-based line and column, and the column after its end on the same line."""

    line: int
    column: int
    end_column: int


@dataclass(frozen=True)
class SetSpan(Span):
    """The place of what a setting from outside stands for. setting: as the user named it, `--set NAME`."""

    setting: str


class TcpcheckError(Exception):
    """Base of all errors that end a command; `exit_code` is what the process returns."""

    exit_code = 2


@dataclass
class Diagnostic:
    """One mistake in a spec."""

    file: str
    span: Span
    message: str
    expected: tuple[str, ...] = ()
    nearest: str | None = None
    severity: str = "error"  # or "warning"
    advice: str | None = None  # what to do next


class SpecError(TcpcheckError):
    """One or more mistakes in a spec. `source` is its text, for the line and the caret."""

    exit_code = 2

    def __init__(self, diagnostics: list[Diagnostic], source: str = "") -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = diagnostics
        self.source = source


class UsageError(TcpcheckError):
    """The call is wrong: no such file, an option that does not fit."""

    exit_code = 2


class Unreadable(SpecError, UsageError):
    """A spec that is no file, or may not be read: it has one diagnostic, of the file as a whole."""

    def __str__(self) -> str:
        (d,) = self.diagnostics
        return f"{d.file}: {d.message}" if d.file else d.message


class Impossible(TcpcheckError):
    """Not possible on this machine: no namespace, no TUN, no solver."""

    exit_code = 4


class Undecided(TcpcheckError):
    """Ended before there was a verdict: interrupted, out of memory, a fault of tcpcheck's own."""

    exit_code = 3
