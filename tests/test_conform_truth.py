"""Captures of the real kernel agree with the model; logs that people published are judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tcpcheck.cli.app import run as main
from tests.conform.captures import NAMES, conform, path

HERE = Path(__file__).parent / "conform"
LOG = str(HERE / "text" / "fin_to_timewait.md")
FRAMES = str(HERE / "text" / "syn_to_closewait.txt")


def judged(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and document of a call with --json."""
    code = main(["conform", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_agrees_with_its_model(name: str) -> None:
    verdict = conform(name).file(str(path(name)))
    assert verdict.agrees is True, verdict.first_disagreement
    assert verdict.matched == [verdict.packets]


def test_there_are_48_captures() -> None:
    assert len(NAMES) == 48


def test_without_any_option_the_sides_are_found() -> None:
    found = conform("p_lastack_loss", options=[]).file(str(path("p_lastack_loss")))
    assert (found.agrees, found.host) == (True, "10.9.0.1")


def test_both_sides_of_a_loopback_capture_agree_with_a_firewall_in_between() -> None:
    name = "lo_seed000_fin_to_timewait"
    found = conform(name, options=[]).file(str(path(name)))
    assert (found.agrees, found.matched) == (True, [25, 25])
    assert "(packet 7 does not reach the host)" in [words for row in found.connections for _, words in row.story]


def test_missing_retransmissions_and_the_late_last_fin_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = judged(capsys, LOG, "--kernel", "linux-5.10")
    wrong = found["files"][0]["first_disagreement"]
    assert (code, wrong["packet"], wrong["line"]) == (1, 10, 32)
    missed = [line for line in wrong["expected"] if "RTO_RETRANSMIT" in line]
    assert len(missed) == 7
    assert "between 28.428 s and 28.457 s" in missed[0]
    assert "the rto timer fires between 80.244 s and 86.778 s" in wrong["expected"][-1]
    assert "at 78.496" in wrong["observed"]


def test_the_server_of_that_log_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = judged(capsys, LOG, "--kernel", "linux-5.10", "--host", "localhost:60000")
    assert (code, found["files"][0]["matched"]) == (0, 11)


def test_a_syn_to_close_wait_in_the_middle_agrees_with_linux_4_4(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = judged(capsys, FRAMES, "--kernel", "linux-4.4", "--midstream")
    assert (code, found["files"][0]["matched"]) == (0, 5)


def test_the_same_is_refused_where_the_syn_would_have_come_again_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = judged(capsys, FRAMES, "--midstream", "--host", "127.0.0.1:39836")
    wrong = found["files"][0]["first_disagreement"]
    assert (code, wrong["packet"]) == (1, 4)
    assert "SYN_RETRANSMITTED" in wrong["expected"][0]


def test_without_midstream_it_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = judged(capsys, FRAMES, "--kernel", "linux-4.4")
    assert code == 1
