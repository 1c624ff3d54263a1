"""How long work shows itself: a line with a bar on a terminal, plain lines in a log, estimates only with a reason."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cli_call import CONNECTION, NOT_AS_EXPECTED, call

from tcpcheck.cli.console import CLEAR_LINE, Console
from tcpcheck.cli.progress import LOG_EVERY, CountLine, ProgressLine, bar, left_text
from tcpcheck.members import Progress

ONE = Progress(0, 1, 1_234_567, 2_000_000, 51_234.0, 17, 9_000, 250_000_000)


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


class Hand:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output and error, in the test's own body: between fixtures and body pytest sets them anew."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr(sys, "stdout", stream)
    return stream


def last(stream: Terminal) -> str:
    return stream.getvalue().split(CLEAR_LINE)[-1]


def test_rate_depth_memory(monkeypatch: pytest.MonkeyPatch, clock: Hand) -> None:
    terminal = terminal_of(monkeypatch)
    line = ProgressLine(Console(), "/some/where/a.tcp", clock)
    line(ONE)
    assert last(terminal) == "a.tcp: 1,234,567 states, 51,234/s, depth 17, 250 MB, frontier 9,000"
    line.clear()
    assert terminal.getvalue().endswith(CLEAR_LINE)


def test_no_estimate_while_the_frontier_grows(monkeypatch: pytest.MonkeyPatch, clock: Hand) -> None:
    terminal = terminal_of(monkeypatch)
    line = ProgressLine(Console(), "a.tcp", clock)
    for frontier in (1000, 2000, 4000, 8000):
        line(replace(ONE, frontier=frontier))
        clock.now += 2
    assert "left" not in terminal.getvalue() and "frontier 8,000 and growing" in last(terminal)
    assert "█" not in terminal.getvalue() and "░" not in terminal.getvalue()


def test_an_estimate_when_it_shrinks(monkeypatch: pytest.MonkeyPatch, clock: Hand) -> None:
    terminal = terminal_of(monkeypatch)
    line = ProgressLine(Console(), "a.tcp", clock)
    for frontier in (8000, 7000, 6000):
        line(replace(ONE, frontier=frontier))
        clock.now += 5
    assert "about 30 s left" in last(terminal)  # 200 a second
    assert last(terminal).startswith("a.tcp: " + bar(0.25, plain=False))  # 10 s of 40 s


def test_members_that_are_done_are_a_reason_too(monkeypatch: pytest.MonkeyPatch, clock: Hand) -> None:
    terminal = terminal_of(monkeypatch)
    line = ProgressLine(Console(), "a.tcp", clock)
    line(replace(ONE, members=8))
    assert "0/8 members" in last(terminal) and "left" not in last(terminal)
    clock.now += 60
    line(replace(ONE, members=8, done=2))
    assert last(terminal).startswith(f"a.tcp: {bar(0.25, plain=False)} 2/8 members") and "about 3 min left" in last(
        terminal
    )


def test_a_log_gets_a_plain_line_now_and_then(capsys: pytest.CaptureFixture[str], clock: Hand) -> None:
    line = ProgressLine(Console(), "specs/a.tcp", clock)
    for _ in range(41):
        line(ONE)
        clock.now += LOG_EVERY / 20
    line.clear()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all(s.startswith("specs/a.tcp: 1,234,567 states, ") for s in said)
    assert all(s.isascii() and s.isprintable() for s in said)


def test_counted_work(monkeypatch: pytest.MonkeyPatch, clock: Hand) -> None:
    terminal = terminal_of(monkeypatch)
    line = CountLine(Console(ascii=True), quiet=False, clock=clock)
    line("cells", 0, 400)
    clock.now += 50
    line("cells", 100, 400)
    assert last(terminal) == "cells: ##-------- 100 of 400, about 2 min left"
    CountLine(Console(), quiet=True, clock=clock)("cells", 1, 2)
    assert "1 of 2" not in terminal.getvalue()


def test_estimates_do_not_pretend() -> None:
    assert [left_text(s) for s in (None, 0.2, 7.4, 44, 119, 500, 9000)] == [
        "", *(f", about {s} left" for s in ("1 s", "7 s", "40 s", "120 s", "8 min", "2 h")),
    ]  # fmt: skip
    assert bar(0.999, plain=True).endswith("#-") and bar(1.0, plain=True) == "#" * 10


def test_quiet_is_quiet(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "spec.tcp"
    spec.write_text(CONNECTION % NOT_AS_EXPECTED)
    for command in (
        ("verify", str(spec), "--report", str(tmp_path / "r.html")),
        ("map", str(spec), "--over", "a.c.iss - b.s.iss"),
    ):
        assert call(capfd, *command, "--quiet").err == ""


def test_memory_that_will_not_do_is_told_once(monkeypatch: pytest.MonkeyPatch, clock: Hand) -> None:
    terminal = terminal_of(monkeypatch)
    line = ProgressLine(Console(), "a.tcp", clock, allowed=1_000_000_000)
    line(replace(ONE, memory=50_000_000, expected=9_000_000_000))  # too early to be believed
    line(replace(ONE, expected=900_000_000))
    assert "may need" not in terminal.getvalue()
    for _ in range(3):
        line(replace(ONE, expected=9_000_000_000))
    assert terminal.getvalue().count("a.tcp may need 9,000 MB, 1,000 MB are allowed") == 1
