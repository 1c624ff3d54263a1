"""The files that a command reads and writes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tcpcheck.errors import Impossible, UsageError
from tcpcheck.render.words import printable


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


def check_target(path: str) -> None:
    """Refuses what cannot become a file before anything is searched: a folder, a folder that is not there or read-only.

    Errors: as `write_whole`."""
    with told(path):
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise _error(errno.EISDIR)
        if not target.parent.is_dir():
            raise _error(errno.ENOTDIR if target.parent.exists() else errno.ENOENT)
        if (not target.exists() or target.is_file()) and not os.access(target.parent, os.W_OK | os.X_OK):
            raise _error(_why_not(target.parent))


def check_distinct(outputs: Sequence[tuple[str, str]], specs: Iterable[str]) -> None:
    """Refuses one file for two outputs, or for an output and a spec: one of the two would be lost.

    outputs: (option, file). Devices and pipes may be named twice. Errors: UsageError."""
    for number, (option, path) in enumerate(outputs):
        for other, taken in outputs[:number]:
            if _same(path, taken):
                raise UsageError(f"{other} and {option} name one file, {printable(path)}: choose two")
        for spec in specs:
            if _same(path, spec):
                raise UsageError(f"{option} {printable(path)} is the spec itself: choose another file")


def _same(one: str, other: str) -> bool:
    """Both are one regular file, or will be."""
    try:
        a, b = os.stat(one), os.stat(other)
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):  # told by whoever opens it
            return os.path.realpath(one) == os.path.realpath(other)
        return False
    return stat.S_ISREG(a.st_mode) and os.path.samestat(a, b)


def check_folder(path: str, filled: bool = False) -> None:
    """Refuses what cannot become a folder of new files: a file, a folder that is not empty (unless `filled`: it may be)
    or whose parent is not there or read-only. Errors: as `write_whole`."""
    with told(path):
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_dir():
            raise _error(errno.EEXIST)
        if target.exists() and not filled and any(target.iterdir()):
            raise _error(errno.ENOTEMPTY)
        if not target.parent.is_dir():
            raise _error(errno.ENOTDIR if target.parent.exists() else errno.ENOENT)
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise _error(_why_not(target.parent))


def write_whole(path: str, data: bytes) -> None:
    """Writes a file whole or not at all: aside first, then it takes the other's place, its permissions too.

    Devices and pipes are written to. Errors: UsageError where no such file can be (no such folder, or the name is that
    of a folder), Impossible where the machine refuses (no permission, the disk is full)."""
    with told(path):
        target = Path(os.path.realpath(path))
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG | (0o666 & ~_mask())
        if stat.S_ISDIR(mode):
            raise _error(errno.EISDIR)
        if not stat.S_ISREG(mode):
            target.write_bytes(data)
            return
        _write_aside(target, data, stat.S_IMODE(mode))


def write_folder(path: str, files: Mapping[str, bytes]) -> None:
    """Writes a folder of files, whole or not at all: aside first, then it gets its name. An empty folder of that name
    may be there; nothing else may.

    files: by their names within the folder, `/` for folders below. Errors: as `write_whole`."""
    check_folder(path)
    with told(path):
        target = Path(os.path.realpath(path))
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:80]}.", suffix=".part"))
        try:
            _fill(aside, files)
            aside.chmod(0o777 & ~_mask())
            os.rename(aside, target)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise


def replace_folder(path: str, files: Mapping[str, bytes], old: Collection[str]) -> None:
    """As `write_folder`, into a folder that holds an earlier run's files, `old`: these go or get new contents, all
    others stay. UsageError where one of the others stands in the way.

    All is written aside first; then there is only renaming, which needs no room on the disk."""
    with told(path):
        target = Path(os.path.realpath(path))
        mine = [name for name in old if _is_below(target, name)]
        for name in files:
            if name not in mine and os.path.lexists(target / name):
                raise UsageError(
                    f"cannot write {printable(path)}: {name} is there, and no earlier run's index lists it"
                )
        aside = Path(tempfile.mkdtemp(dir=target, prefix=".", suffix=".part"))
        try:
            _fill(aside, files)
            for name in files:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(aside / name, target / name)
            for name in mine:
                if name not in files:
                    (target / name).unlink()
                    with contextlib.suppress(OSError):  # something else is in it
                        (target / name).parent.rmdir()
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _is_below(folder: Path, name: str) -> bool:
    """An ordinary file in the folder or below it, and no link leads out: an index may be anybody's."""
    path = folder / name
    return (
        path.is_file()
        and not path.is_symlink()
        and os.path.realpath(path) == os.path.normpath(path)
        and (folder in path.parents and ".." not in path.parts)
    )


# What is wrong with the name; anything else is the machine's refusal.
WRONG_NAME = (errno.EISDIR, errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST, errno.ENAMETOOLONG)

ADVICE = {
    errno.EISDIR: "name a file in it",
    errno.EEXIST: "name a folder that is new",
    errno.ENOTEMPTY: "name a folder that is new or empty",
    errno.ENOENT: "make its folder first",
}


@contextlib.contextmanager
def told(path: str) -> Iterator[None]:
    """Says in a sentence why a file or folder cannot be written. A reader that has gone away is no error."""
    if not path:
        raise UsageError("cannot write: the name given for it is empty")
    try:
        yield
    except BrokenPipeError:
        return
    except ValueError as error:  # a NUL in the name
        raise UsageError(f"cannot write {printable(path)}: {error}") from None
    except OSError as error:
        advice = ADVICE.get(error.errno or 0)
        said = f"cannot write {printable(path)}: {error.strerror}" + (f": {advice}" if advice else "")
        if error.errno in WRONG_NAME:
            raise UsageError(said) from None
        raise Impossible(said) from None


def _why_not(folder: Path) -> int:
    """Why nothing can be made in a folder."""
    return errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_aside(target: Path, data: bytes, mode: int) -> None:
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
