"""docs/scale.md: its commands can be given, its constants are the code's, its sums add up."""

from __future__ import annotations

import re
import shlex

import pytest
from cli_call import ROOT
from tcpcheck.explore.part import PARTS_MAX

from tcpcheck.cli.app import cli
from tcpcheck.cluster import engine, team
from tcpcheck.explore import parts

TEXT = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
WORDS = " ".join(TEXT.split())
COMMANDS = [line.split("#")[0].strip() for line in re.findall(r"^    (.*tcpcheck (?:verify|sweep) .*)$", TEXT, re.M)]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_can_be_given(line: str) -> None:
    words = [word for word in shlex.split(line) if not word.startswith("RAY_ADDRESS=")]
    command = cli.commands[words[1]]
    command.make_context(words[1], list(words[2:]))
    assert all((ROOT / word).exists() for word in words if word.startswith("specs"))


def test_there_are_commands() -> None:
    assert len(COMMANDS) == 6


def test_constants() -> None:
    assert f"does not answer for {team.PATIENCE:g} seconds" in WORDS
    assert engine.TRIES == 2 and "begun again with new actors, once" in WORDS
    assert parts.BATCH_STATES == 12_000 and "a queue has twelve thousand states" in WORDS
    assert f"No more than {PARTS_MAX:,} parts" in WORDS


def test_what_a_hash_may_hide() -> None:
    assert f"{(10**9) ** 2 / 2**65:.3f} of 10^9" in WORDS
    assert f"{round((10**11) ** 2 / 2**65, -1):.0f} of 10^11" in WORDS


def test_what_was_extrapolated() -> None:
    """Memory and processor hours follow from the measured rows."""
    rows = {
        name.strip(): [cell.strip() for cell in cells.split("|")]
        for name, cells in re.findall(r"^\| ([^|]+)\|(.*)\|$", TEXT, re.M)
    }
    small, linux = re.findall(r"^\| Ray, two actors \| ([\d.]+) \| (\d+) ", TEXT, re.M)
    for (cpu, size), name in ((small, "small states"), (linux, "states of the Linux model")):
        for power in (9, 11):
            memory, _, hours, *_ = rows[f"10^{power} {name}"]
            number, unit = memory.split()
            bytes_ = float(number) * {"GB": 1e9, "TB": 1e12}[unit]
            assert bytes_ == pytest.approx(10**power * float(size), rel=0.03)
            assert float(hours) == pytest.approx(10**power / 1e6 * float(cpu) / 3600, rel=0.15)
