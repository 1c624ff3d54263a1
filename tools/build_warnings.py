"""Fails when the log of a build holds a warning that matters: `python tools/build_warnings.py build/install.log`.

Cython's performance hints are among them: one missing `noexcept` costs a search a third of its speed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# `performance hint: f.pyx:1:2: ...` and `warning: f.pyx:1:2: ...` of Cython, `f.c:1:2: warning: ...` of gcc and clang.
MATTERS = re.compile(
    r"performance hint|^\s*warning: \S+\.p(yx|xd)\b|\.(c|h|pyx|pxd):\d+(:\d+)?: warning:", re.MULTILINE
)
COMPILED = re.compile(r"Cythonizing", re.IGNORECASE)


def warnings(log: str) -> list[str]:
    """The lines that matter."""
    return [line for line in log.splitlines() if MATTERS.search(line)]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    log = Path(arguments[0]).read_text(encoding="utf-8", errors="replace")
    if not COMPILED.search(log):
        print(f"{arguments[0]} is no log of a whole build: nothing was compiled", file=sys.stderr)
        return 2
    found = warnings(log)
    print("\n".join(found) or "the build log has no warnings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
