"""Shell completion: what the shells ask, and what they are told."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from cli_call import PROGRAM, ROOT, call, program

from tcpcheck.cli.completing import SHELLS

TYPED = [
    (("ver",), "verify"),
    (("verify", "--rep"), "--report"),
    (("trace", "specs/tw_syn.tcp", "folk"), "folklore"),
    (("trace", "specs/no_such.tcp", "folk"), None),
    (("trace", "--format", "xy"), None),
    (("trace", "--format", "me"), "mermaid"),
    (("map", "specs/tw_syn.tcp", "--over", "is"), "isn"),
    (("verify", "specs/tw_syn.tcp", "--claim", "folk"), "folklore"),
    (("explain", "tw_syn_ref"), "TW_SYN_REFUSED"),
    (("profiles", "linux-6.18"), "linux-6.18.44"),
]


def proposed(words: tuple[str, ...]) -> list[str]:
    """As bash asks."""
    line = {"COMP_WORDS": " ".join(("tcpcheck", *words)), "COMP_CWORD": str(len(words))}
    result = program(_TCPCHECK_COMPLETE="bash_complete", **line)
    assert result.err == ""
    return [line.partition(",")[2] for line in result.out.split()]


def test_what_is_proposed() -> None:
    for words, expected in TYPED:
        found = proposed(words)
        assert (expected in found) if expected is not None else found == [], (words, found)


def test_files_are_left_to_the_shell() -> None:
    line = {"COMP_WORDS": "tcpcheck verify spe", "COMP_CWORD": "2"}
    assert program(_TCPCHECK_COMPLETE="bash_complete", **line).out.startswith("file,")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script(capfd: pytest.CaptureFixture[str], shell: str) -> None:
    result = call(capfd, "completion", shell)
    assert result.code == 0 and result.err == "" and f"{shell}_complete" in result.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=result.out, text=True, check=True)
    assert call(capfd, "completion", "tcsh").code == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed: nobody has pressed Tab")
def test_bash_completes(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The function that the script defines, called as bash would."""
    own = tmp_path / "tcpcheck"
    own.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    own.chmod(0o755)
    ask = 'COMP_WORDS=(tcpcheck expl) ; COMP_CWORD=1 ; _tcpcheck_completion tcpcheck ; echo "${COMPREPLY[@]}"'
    text = f"{call(capfd, 'completion', 'bash').out}\n{ask}"
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", text], cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["explain"]
