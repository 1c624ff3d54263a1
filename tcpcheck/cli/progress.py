"""How far a search is, on standard error: one line that changes on a terminal, now and then a line in a log."""

from __future__ import annotations

import os
import sys
import time

from tcpcheck.cli.console import CLEAR_LINE, Console, is_terminal
from tcpcheck.members import Progress

LOG_EVERY = 10.0  # s


class ProgressLine:
    """Called with a Progress about 5 times a second."""

    def __init__(self, console: Console, name: str) -> None:
        self.console = console
        self.name = name
        self.terminal = is_terminal(sys.stderr)
        self.shown = False
        self.logged = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        text = progress_text(progress)
        if self.terminal:
            line = f"{os.path.basename(self.name)}: {text}"[: max(self.console.width - 1, 20)]
            self.shown = True  # first: Ctrl-C may come in the middle of the line
            print(CLEAR_LINE + line, end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.logged >= LOG_EVERY:
            self.logged = time.monotonic()
            self.console.message(f"{self.name}: {text}")

    def clear(self) -> None:
        """Takes the line away, and the `^C` that a terminal may have written into it."""
        if self.shown:
            print(CLEAR_LINE, end="", file=sys.stderr, flush=True)
            self.shown = False


def progress_text(p: Progress) -> str:
    """The most telling first: a narrow terminal cuts the end off."""
    member = f"{p.done}/{p.members} members, " if p.members > 1 else ""
    return (
        f"{member}{p.states:,} states, {p.rate:,.0f}/s, depth {p.depth}, "
        f"frontier {p.frontier:,}, {p.memory / 1e6:,.0f} MB"
    )
