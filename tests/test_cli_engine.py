"""`--engine` and `--parts`: calls that cannot be, with and without Ray."""

from __future__ import annotations

import sys

import pytest
from cli_call import OPEN, call

Capture = pytest.CaptureFixture[str]


def test_4_without_ray(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = call(capfd, "verify", OPEN, "--engine", "ray")
    assert result.code == 4 and "pip install 'tcpcheck[ray]'" in result.err and result.out == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--parts", "2"), "--parts belongs to --engine ray"),
        (("--engine", "rai"), "'rai' is not one of"),
        (("--engine", "ray", "--parts", "0"), "not a whole number above 0"),
        (("--engine", "ray", "--checkpoint", "x.tck"), "leave --checkpoint and --resume out"),
    ],
)
def test_2_for_options_that_do_not_go_together(capfd: Capture, options: tuple[str, ...], words: str) -> None:
    result = call(capfd, "verify", OPEN, *options)
    assert result.code == 2 and words in result.err
