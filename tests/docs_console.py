"""Commands in the documentation and what they print: ```console blocks with `$ command` lines.

A line `...` of the documentation stands for any number of lines, `...` within a line for anything. Each document has a
folder of its own, in which its ```tcp blocks stand under the names that the text gives them (`save this as`).
TCPCHECK_UPDATE_GOLDEN=1 writes what is printed into the document.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAMS = {
    "tcpcheck": [sys.executable, "-m", "tcpcheck"],
    "pytest": [sys.executable, "-m", "pytest", "-q", "-p", "tcpcheck.pytest_plugin", "-p", "no:cacheprovider"],
    "sed": ["sed"],
}
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"[Ss]ave this\s+as `([\w.]+)`:\n\n```tcp\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Command:
    """A command and the lines that are said to follow."""

    line: str
    expected: str


def commands(text: str) -> list[Command]:
    """Every command of a document, in order."""
    found = []
    for block in BLOCK.findall(text):
        for part in re.split(r"^(?=\$ )", block, flags=re.M):
            line, _, expected = part.partition("\n")
            if line:
                found.append(Command(line.removeprefix("$ "), expected))
    return found


def run(command: str, folder: Path) -> str:
    """What a command prints, as a reader sees it who has a terminal of 100 columns."""
    name, *arguments = shlex.split(command)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONUTF8": "1"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the plugin is named, installed or not
    environment.pop("GITHUB_ACTIONS", None)
    done = subprocess.run(
        [*PROGRAMS[name], *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.stdout


def matches(expected: str, printed: str) -> bool:
    pattern = re.escape(expected).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, printed, re.S) is not None


def check(path: Path, folder: Path) -> list[str]:
    """Runs a document's commands in `folder`; -> what is printed otherwise than the document says."""
    text = path.read_text(encoding="utf-8")
    for name, content in FILE.findall(text):
        (folder / name).write_text(content, encoding="utf-8")
    wrong = []
    for command in commands(text):
        printed = run(command.line, folder)
        if matches(command.expected, printed):
            continue
        wrong.append(f"$ {command.line}\n{printed}")
        text = text.replace(f"$ {command.line}\n{command.expected}", f"$ {command.line}\n{printed}", 1)
    if wrong and os.environ.get("TCPCHECK_UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
        return []
    return wrong
