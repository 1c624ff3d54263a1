"""The README shows what is so: its spec is the file, its output what the commands print.

TCPCHECK_UPDATE_GOLDEN=1 writes both anew.
"""

from __future__ import annotations

import os
import re
import shlex

import pytest
from cli_call import ROOT, call

README = ROOT / "README.md"
SPEC = re.compile(r"<!-- (specs/\S+) -->\n```tcp\n(.*?)```", re.DOTALL)
OUTPUT = re.compile(r"```text\n(\$ tcpcheck .*?)```", re.DOTALL)
# How large a search was changes with the model.
COUNTS = re.compile(r"[\d,]+ states, [\d,]+ transitions, depth \d+|probability below [\d.e-]+")


def expected_spec(match: re.Match[str]) -> str:
    return f"<!-- {match[1]} -->\n```tcp\n{(ROOT / match[1]).read_text(encoding='utf-8')}```"


def shown(block: str) -> list[str]:
    """The commands of a block."""
    return [line for line in block.splitlines() if line.startswith("$ tcpcheck ")]


def expected_output(capfd: pytest.CaptureFixture[str], block: str) -> str:
    parts = []
    for line in shown(block):
        result = call(capfd, *shlex.split(line)[2:])
        assert result.code == 0, result.err
        parts.append(f"{line}\n{result.out}")
    return "\n".join(parts)


def test_readme_is_fresh(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")
    text = README.read_text(encoding="utf-8")
    assert SPEC.search(text) and OUTPUT.search(text)
    fresh = OUTPUT.sub(lambda m: f"```text\n{expected_output(capfd, m[1])}```", SPEC.sub(expected_spec, text))
    if os.environ.get("TCPCHECK_UPDATE_GOLDEN") == "1":
        README.write_text(fresh, encoding="utf-8")
    else:
        assert COUNTS.sub("N", text) == COUNTS.sub("N", fresh)
