"""The memory of this machine, or of the container that tcpcheck runs in."""

from __future__ import annotations

import contextlib
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")
MINDED_FROM = 64 << 20  # bytes that a search holds before it looks at what is left to others
MINDED_SHARE = 0.9  # of what is left, which it may take more


def free_memory() -> int | None:
    """What could be taken now, in bytes; None when nothing says."""
    found = _meminfo("MemAvailable")
    with contextlib.suppress(OSError, ValueError):  # a container's limit: "max" is none
        found.append(int((GROUP / "memory.max").read_text()) - int((GROUP / "memory.current").read_text()))
    return max(min(found), 0) if found else None


def whole_memory() -> int | None:
    """All there is, in bytes; None when nothing says."""
    found = _meminfo("MemTotal")
    with contextlib.suppress(OSError, ValueError):
        found.append(int((GROUP / "memory.max").read_text()))
    return min(found) if found else None


def _meminfo(name: str) -> list[int]:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return [int(line.split()[1]) * 1024]
    return []
