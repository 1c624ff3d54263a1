"""Files and folders that commands write: whole or not at all, and a sentence where they cannot be written."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from cli_call import AS_EXPECTED, CONNECTION, NOT_AS_EXPECTED, OPEN, PROGRAM, ROOT, call

from tcpcheck.cli import files
from tcpcheck.errors import Impossible, UsageError

Capture = pytest.CaptureFixture[str]
WRITERS = [
    ("trace", OPEN, "crossed", "-o"),
    ("trace", OPEN, "crossed", "--format", "pcapng", "-o"),
    ("verify", OPEN, "--report"),
    ("verify", OPEN, "--junit"),
    ("verify", OPEN, "--sarif"),
    ("map", str(ROOT / "specs" / "isn_gap.tcp"), "--over", "pause", "-o"),
    ("crosscheck", "--cells-only", "--every", "1000000", "--html"),
]


@pytest.mark.parametrize("writer", WRITERS, ids=lambda w: f"{w[0]}{w[-1]}")
@pytest.mark.parametrize(
    ("name", "said"),
    [(".", "Is a directory: name a file in it"), ("no/x", "make its folder first"), ("file/x", "Not a directory")],
)
def test_2_before_anything_is_searched(
    capfd: Capture, tmp_path: Path, writer: tuple[str, ...], name: str, said: str
) -> None:
    (tmp_path / "file").write_text("old")
    for json in ((), ("--json",)) if writer[0] != "trace" else ((),):
        result = call(capfd, *writer, str(tmp_path / name), *json)
        assert result.code == 2 and "cannot write" in result.err and said in result.err
        assert result.document["schema"] == "tcpcheck.error/1" if json else result.out == ""
    assert [p.name for p in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("writer", [*WRITERS, ("verify", OPEN, "--checkpoint"), ("fixtures", OPEN, "--force", "-o")])
def test_an_empty_name_is_2(capfd: Capture, writer: tuple[str, ...]) -> None:
    result = call(capfd, *writer, "")
    assert result.code == 2 and "the name given for it is empty" in result.err and not result.out


def test_one_file_for_two_things_is_2(capfd: Capture, tmp_path: Path) -> None:
    """One of them would be lost."""
    spec, new, old, link = (tmp_path / name for name in ("spec.tcp", "new", "old", "link"))
    spec.write_text(CONNECTION % AS_EXPECTED)
    old.write_text("old")
    link.symlink_to(new)
    for first, second in ((new, new), (new, link), (old, old), (link, tmp_path / "no" / ".." / "new")):
        result = call(capfd, "verify", str(spec), "--report", str(first), "--junit", str(second))
        assert result.code == 2 and "--report and --junit name one file" in result.err and not result.out
    for option in ("--checkpoint", "--resume"):
        result = call(capfd, "verify", str(spec), "--junit", str(new), option, str(link))
        assert result.code == 2 and f"--junit and {option} name one file" in result.err and not result.out
    to_the_spec = [("verify", str(tmp_path), "--sarif"), ("verify", str(spec), "--checkpoint")]
    to_the_spec += [("trace", str(spec), "reset", "-o"), ("map", str(spec), "--over", "x", "-o")]
    for arguments in to_the_spec:
        result = call(capfd, *arguments, str(spec))
        assert result.code == 2 and f"{arguments[-1]} {spec} is the spec itself" in result.err and not result.out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "old", "spec.tcp"]
    assert spec.read_text() == CONNECTION % AS_EXPECTED and old.read_text() == "old"


def test_a_pipe_may_be_named_twice(tmp_path: Path) -> None:
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    files.check_distinct([("--junit", pipe), ("--sarif", pipe)], [OPEN])


def refused(number: int) -> object:
    def make(*_arguments: object, **_more: object) -> None:
        raise OSError(number, os.strerror(number))

    return make


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_4_where_the_machine_refuses(
    capfd: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    spec = tmp_path / "spec.tcp"
    spec.write_text(CONNECTION % f"{AS_EXPECTED}\n{NOT_AS_EXPECTED}")
    monkeypatch.setattr(tempfile, "mkstemp", refused(number))
    for json in ((), ("--json",)):
        result = call(capfd, "verify", str(spec), "--report", str(tmp_path / "report.html"), *json)
        assert result.code == 4 and os.strerror(number) in result.err
        assert "1 of 2 verdicts as expected" in result.out or result.document["schema"] == "tcpcheck.error/1"
    assert list(tmp_path.iterdir()) == [spec]


def test_a_file_that_cannot_be_written_keeps_no_other_from_it(capfd: Capture, tmp_path: Path) -> None:
    good = tmp_path / "good.xml"
    result = call(capfd, "verify", OPEN, "--report", "/dev/full", "--junit", str(good))
    assert result.code == 4 and "cannot write /dev/full: No space left on device" in result.err
    assert good.read_text().startswith("<?xml")


def test_a_folder_that_is_not_writable(capfd: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    result = call(capfd, "verify", OPEN, "--report", str(tmp_path / "report.html"))
    assert result.code == 4 and "Permission denied" in result.err and result.out == ""


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path: Path) -> None:
    """No file may be larger than 1 KiB: writing fails in its middle."""
    target = tmp_path / "trace.html"
    target.write_text("old")
    command = ["bash", "-c", 'ulimit -f 1; exec "$@"', "-", *PROGRAM, "trace", OPEN, "crossed", "--format", "html"]
    done = subprocess.run([*command, "-o", str(target)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 4 and "cannot write" in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [target] and target.read_text() == "old"


# ---- folders


def test_a_folder_is_written_whole(tmp_path: Path) -> None:
    for name in ("new", "empty"):
        folder = tmp_path / name
        if name == "empty":
            folder.mkdir()
        files.write_folder(str(folder), {"a.txt": b"1", "below/b.txt": b"2"})
        assert (folder / "a.txt").read_bytes() == b"1" and (folder / "below" / "b.txt").read_bytes() == b"2"
        assert folder.stat().st_mode & 0o700 == 0o700
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "new"]


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("old")
    for name, said in ((".", "new or empty"), ("file", "a folder that is new"), ("no/x", "make its folder first")):
        for write in (files.check_folder, lambda path: files.write_folder(path, {"a": b""})):
            with pytest.raises(UsageError, match=said):
                write(str(tmp_path / name))
    monkeypatch.setattr(Path, "write_bytes", refused(errno.ENOSPC))
    with pytest.raises(Impossible, match="No space left"):
        files.write_folder(str(tmp_path / "new"), {"a": b"1"})
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
