"""How far long work is, on standard error: one line that changes on a terminal, now and then a line in a log.

An estimate is given only where there is something to base it on: members or plays that are done, or a frontier that
shrinks. A search whose frontier still grows has no end in sight, and the line says that it grows.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable

from tcpcheck.cli.console import CLEAR_LINE, Console, is_terminal
from tcpcheck.members import Progress
from tcpcheck.render.words import printable

LOG_EVERY = 10.0  # s
WINDOW = 20.0  # s, over which a frontier is seen to grow or to shrink
WINDOW_MIN = 3.0  # s
EARLIEST = 0.1  # of the memory allowed is in use before a warning: what is foretold sooner is worth little
BAR = 10  # characters

Clock = Callable[[], float]


class Line:
    """The line itself."""

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        self.console = console
        self.clock = clock
        self.terminal = is_terminal(sys.stderr)
        self.plain = console.ascii or not _has_blocks(getattr(sys.stderr, "encoding", None))
        self.shown = False
        self.begin = self.logged = clock()

    def say(self, name: str, text: str, share: float | None) -> None:
        """name: of the work; share: how much of it is done, None where nobody knows."""
        if self.terminal:
            drawn = "" if share is None else f"{bar(share, self.plain)} "
            line = f"{printable(os.path.basename(name))}: {drawn}{text}"[: max(self.console.width - 1, 20)]
            self.shown = True  # first: Ctrl-C may come in the middle of the line
            print(CLEAR_LINE + line, end="", file=sys.stderr, flush=True)
        elif self.clock() - self.logged >= LOG_EVERY:
            self.logged = self.clock()
            self.console.message(f"{name}: {text}")

    def clear(self) -> None:
        """Takes the line away, and the `^C` that a terminal may have written into it."""
        if self.shown:
            print(CLEAR_LINE, end="", file=sys.stderr, flush=True)
            self.shown = False


class ProgressLine(Line):
    """Of a search: called with a Progress about 5 times a second. allowed: bytes, of all members together."""

    def __init__(self, console: Console, name: str, clock: Clock = time.monotonic, allowed: int | None = None) -> None:
        super().__init__(console, clock)
        self.name, self.allowed = name, allowed
        self.frontiers: deque[tuple[float, int]] = deque()

    def __call__(self, progress: Progress) -> None:
        now = self.clock()
        self.frontiers.append((now, progress.frontier))
        while now - self.frontiers[0][0] > WINDOW:
            self.frontiers.popleft()
        left = self.left(progress, now)
        passed = now - self.begin
        share = progress.done / progress.members if progress.members > 1 else None
        if share is None and left is not None:
            share = passed / (passed + left)
        self.warn(progress)
        self.say(self.name, progress_text(progress, left, self.grows()), share)

    def warn(self, p: Progress) -> None:
        """Once, as soon as it shows that the memory will not do: there is still time to end it."""
        if self.allowed is None or p.expected <= self.allowed or p.memory < EARLIEST * self.allowed:
            return
        needed, allowed = (f"{size / 1e6:,.0f} MB" for size in (p.expected, self.allowed))
        self.allowed = None
        self.clear()
        self.console.message(
            f"tcpcheck: {printable(self.name)} may need {needed}, {allowed} are allowed: --memory allows more; "
            f"--depth, --member or fewer losses ask for less"
        )

    def left(self, p: Progress, now: float) -> float | None:
        """Seconds to go, from what is done so far; None: nothing tells."""
        if p.members > 1:
            return (now - self.begin) * (p.members - p.done) / p.done if p.done else None
        speed = self._speed()
        return p.frontier / -speed if speed is not None and speed < 0 else None

    def grows(self) -> bool:
        speed = self._speed()
        return speed is not None and speed > 0

    def _speed(self) -> float | None:
        """By how much the frontier grows in a second; None as long as too little was seen."""
        (first, before), (last, after) = self.frontiers[0], self.frontiers[-1]
        return (after - before) / (last - first) if last - first >= WINDOW_MIN else None


class CountLine(Line):
    """Of work whose parts are counted: called with what is done, and of how much."""

    def __init__(self, console: Console, quiet: bool, clock: Clock = time.monotonic) -> None:
        super().__init__(console, clock)
        self.quiet = quiet
        self.begun: dict[str, float] = {}

    def __call__(self, what: str, done: int, of: int) -> None:
        if self.quiet:
            return
        passed = self.clock() - self.begun.setdefault(what, self.clock())
        text = f"{done:,} of {of:,}" + (left_text(passed * (of - done) / done) if done else "")
        self.say(what, text, done / of if of else None)


def bar(share: float, plain: bool) -> str:
    """`████░░░░░░`: never full before the end."""
    full = int(BAR * min(max(share, 0.0), 1.0))
    return ("#" if plain else "█") * full + ("-" if plain else "░") * (BAR - full)


def progress_text(p: Progress, left: float | None = None, grows: bool = False) -> str:
    """The most telling first: a narrow terminal cuts the end off."""
    member = f"{p.done}/{p.members} members, " if p.members > 1 else ""
    return (
        f"{member}{p.states:,} states, {p.rate:,.0f}/s{left_text(left)}, depth {p.depth}, "
        f"{p.memory / 1e6:,.0f} MB, frontier {p.frontier:,}{' and growing' if grows else ''}"
    )


def left_text(left: float | None) -> str:
    """`, about 40 s left`: one digit that counts, as no estimate is better."""
    if left is None:
        return ""
    for size, unit in ((3600, "h"), (60, "min")):
        if left >= 2 * size:
            return f", about {left / size:.0f} {unit} left"
    return f", about {max(left, 1):.0f} s left" if left < 10 else f", about {round(left, -1):.0f} s left"


def _has_blocks(encoding: str | None) -> bool:
    try:
        "█░".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
