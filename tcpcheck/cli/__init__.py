"""The command line. Nothing is imported before it is needed: `tcpcheck --help` must be there at once, and until `main`
runs Ctrl-C ends in a traceback of Python's."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; -> its exit code (errors.py says what each means). Never raises, never prints a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv is None:
            from tcpcheck import interrupts

            interrupts.install()
        from tcpcheck.cli.app import run

        return run(words)
    except KeyboardInterrupt:
        if argv is None:
            _ignore_interrupts()
        return _interrupted(words)
    finally:
        if argv is None:  # all is said: a second Ctrl-C must not change the exit code while Python ends
            _ignore_interrupts()


def _interrupted(words: list[str]) -> int:
    """Ctrl-C before the command began: said as `run` says it."""
    from tcpcheck.cli.app import failed
    from tcpcheck.cli.console import Console
    from tcpcheck.errors import Undecided

    return failed(Console(json="--json" in words), Undecided("interrupted"))


def _ignore_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
