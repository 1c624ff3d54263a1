"""`tcpcheck fmt`: prints, checks, rewrites."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cli_call import AS_EXPECTED, CONNECTION, PROGRAM, ROOT, call

from tcpcheck.lang.format import format_text

Capture = pytest.CaptureFixture[str]
UGLY = CONNECTION % f"{AS_EXPECTED.replace(' { ', '   {  ')} ;"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "neat.tcp").write_text(format_text(CONNECTION % AS_EXPECTED, "neat.tcp"))
    (tmp_path / "ugly.tcp").write_text(UGLY)
    return tmp_path


def test_prints(capfd: Capture, folder: Path) -> None:
    result = call(capfd, "fmt", str(folder / "ugly.tcp"))
    assert (result.code, result.out, result.err) == (0, format_text(UGLY, ""), "")
    assert (folder / "ugly.tcp").read_text() == UGLY


def test_check(capfd: Capture, folder: Path) -> None:
    result = call(capfd, "fmt", "--check", str(folder))
    assert (result.code, result.out) == (1, f"{folder / 'ugly.tcp'}\n")
    assert call(capfd, "fmt", "--check", str(folder / "neat.tcp")).code == 0
    assert (folder / "ugly.tcp").read_text() == UGLY


def test_rewrites_in_place(capfd: Capture, folder: Path) -> None:
    (folder / "ugly.tcp").chmod(0o600)
    result = call(capfd, "fmt", "-i", str(folder))
    assert (result.code, result.out) == (0, f"{folder / 'ugly.tcp'}\n")
    assert (folder / "ugly.tcp").read_text() == format_text(UGLY, "")
    assert (folder / "ugly.tcp").stat().st_mode & 0o777 == 0o600
    assert call(capfd, "fmt", "--check", str(folder)).code == 0


def test_standard_input() -> None:
    done = subprocess.run([*PROGRAM, "fmt", "-"], cwd=ROOT, input=UGLY, capture_output=True, text=True, check=True)
    assert done.stdout == format_text(UGLY, "")


def test_2_for_a_spec_that_does_not_parse(capfd: Capture, folder: Path) -> None:
    (folder / "wrong.tcp").write_text("host {")
    result = call(capfd, "fmt", "-i", str(folder))
    assert result.code == 2 and "wrong.tcp:1:6" in result.err
    assert (folder / "wrong.tcp").read_text() == "host {"
    assert (folder / "ugly.tcp").read_text() != UGLY  # the others were done


@pytest.mark.parametrize("arguments", [("--check", "-i"), ("-i", "-")])
def test_2_for_a_wrong_call(capfd: Capture, folder: Path, arguments: tuple[str, ...]) -> None:
    assert call(capfd, "fmt", *arguments, str(folder)).code == 2
    assert (folder / "ugly.tcp").read_text() == UGLY
