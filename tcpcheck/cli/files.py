"""The files that a command reads and writes."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tcpcheck.errors import UsageError


def spec_files(arguments: Iterable[str]) -> list[str]:
    """The specs named; a folder means every .tcp file below it, in the order of their names. None comes twice."""
    found: dict[str, str] = {}
    for argument in arguments:
        names = _below(argument) if os.path.isdir(argument) else [argument]
        if not names:
            raise UsageError(f"no .tcp file below the folder {argument}")
        for name in names:
            found.setdefault(os.path.realpath(name), name)
    return list(found.values())


def _below(folder: str) -> list[str]:
    def refuse(error: OSError) -> None:
        raise UsageError(f"cannot read the folder {error.filename}: {error.strerror}")

    names = []
    for parent, _, files in os.walk(folder, onerror=refuse):
        names += [os.path.join(parent, name) for name in files if name.endswith(".tcp")]
    return sorted(name for name in names if os.path.isfile(name))


def write_whole(path: str, data: bytes) -> None:
    """Writes a file whole or not at all: aside first, then it takes the other's place, its permissions too.

    Devices and pipes are written to. UsageError when the file cannot be written."""
    try:
        target = Path(os.path.realpath(path))
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            mask = os.umask(0)
            os.umask(mask)
            mode = stat.S_IFREG | (0o666 & ~mask)
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            target.write_bytes(data)
            return
        _write_aside(target, data, stat.S_IMODE(mode))
    except BrokenPipeError:
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot write {path}: {reason}") from None


def _write_aside(target: Path, data: bytes, mode: int) -> None:
    if target.is_dir():
        raise IsADirectoryError(21, os.strerror(21))
    descriptor, aside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:80]}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(aside, mode)
        os.replace(aside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
