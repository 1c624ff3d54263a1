"""The check of the build's log finds what must not be there, and notices a log that shows no build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "build_warnings.py"
BUILD = "[ 1/42] Cythonizing tcpcheck/sym/arc.pyx\ngcc -O3 -Wall -Wextra -c build/cython/tcpcheck/sym/arc.c\n"


def check(tmp_path: Path, log: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "build.log"
    path.write_text(log)
    return subprocess.run([sys.executable, str(TOOL), str(path)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "line",
    [
        "performance hint: tcpcheck/sym/arc.pyx:9:5: Exception check on 'f' will always require the GIL.",
        "warning: tcpcheck/sym/arc.pyx:12:0: Unreachable code",
        "build/cython/tcpcheck/sym/arc.c:3512:11: warning: unused variable 'x' [-Wunused-variable]",
        "  tcpcheck/tcp/types.h:7: warning: comparison of integer expressions of different signedness",
    ],
)
def test_a_warning_fails(tmp_path: Path, line: str) -> None:
    result = check(tmp_path, f"{BUILD}{line}\n")
    assert result.returncode == 1 and line in result.stdout


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: Running pip as the 'root' user can result in broken permissions",
        "  warning: no files found matching 'CHANGELOG.md'",
        "building 'tcpcheck.sym.arc' extension",
    ],
)
def test_talk_of_other_tools_does_not_fail(tmp_path: Path, line: str) -> None:
    result = check(tmp_path, f"{BUILD}{line}\n")
    assert (result.returncode, result.stdout) == (0, "the build log has no warnings\n")


def test_a_log_without_a_build_is_refused(tmp_path: Path) -> None:
    assert check(tmp_path, "Requirement already satisfied: lark\n").returncode == 2
