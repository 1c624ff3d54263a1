"""The command line. Nothing is imported before it is needed: `tcpcheck --help` must be there at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; -> its exit code (errors.py says what each means). Never raises, never prints a traceback."""
    try:
        from tcpcheck.cli.app import run

        return run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return 3
    finally:
        if argv is None:  # all is said: a second Ctrl-C must not change the exit code while Python ends
            signal.signal(signal.SIGINT, signal.SIG_IGN)
