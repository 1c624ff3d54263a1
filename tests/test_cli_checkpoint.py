"""`verify --checkpoint` and `--resume`: a run that is killed goes on, and prints what it would have printed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_call import ENDLESS, ROOT, SPECS, Result, call

from tcpcheck import checkpoint, records

CLOSE = str(SPECS / "simultaneous_close.tcp")
ONE_OF_TW_SYN = ("specs/tw_syn.tcp", "--member", "ts_s=1", "--member", "rfc1337=0")

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


class Killed(BaseException):
    """As by `kill -9`: nothing of the program runs any more."""


def kill_after(patch: Patch, nodes: int) -> None:
    """Each search is saved once it has so many nodes, and the program is killed then."""
    save = checkpoint.Checkpoint.save

    def once(self: checkpoint.Checkpoint, *how: Any) -> None:
        save(self, *how)
        raise Killed

    patch.setattr(checkpoint.Checkpoint, "save", once)
    patch.setattr(checkpoint._Running, "due", lambda _self, found: found >= nodes)


def killed(capfd: Capture, patch: Patch, nodes: int, *arguments: str) -> bool:
    """Calls it and has it killed; False: it was finished by then."""
    with patch.context() as patched:
        kill_after(patched, nodes)
        try:
            call(capfd, "verify", *arguments, "--quiet")
        except Killed:
            return True
    return False


def same(a: Result, b: Result) -> None:
    """Byte for byte, and as many states and transitions, as deep, as often solved; only the time differs."""
    assert (a.code, a.out) == (b.code, b.out)
    assert a.err.split(" solver calls")[0] == b.err.split(" solver calls")[0]


@pytest.mark.parametrize("arguments", [(CLOSE,), ONE_OF_TW_SYN], ids=["close", "tw_syn"])
def test_killed_again_and_again(arguments: tuple[str, ...], capfd: Capture, monkeypatch: Patch, tmp_path: Path) -> None:
    """In the middle of a search, each time further on."""
    file = str(tmp_path / "run")
    whole = call(capfd, "verify", *arguments)
    assert killed(capfd, monkeypatch, 1, *arguments, "--checkpoint", file)
    for nodes in (900, 1500):
        assert killed(capfd, monkeypatch, nodes, *arguments, "--resume", file)
    same(call(capfd, "verify", *arguments, "--resume", file), whole)
    same(call(capfd, "verify", *arguments, "--resume", file), whole)  # now nothing is left to be searched


@pytest.mark.parametrize("name", ["tw_fin.tcp", "opening/old_duplicate_syn.tcp", "fin_wait1_loss.tcp"])
def test_killed_between_two_searches(name: str, capfd: Capture, monkeypatch: Patch, tmp_path: Path) -> None:
    """There are several: of members, with zeros, with nothing forgotten."""
    spec, file = str(SPECS / name), str(tmp_path / "run")
    whole = call(capfd, "verify", spec, "--traces", "all")
    finished, times = checkpoint.Checkpoint.finished, 0

    def write_and_die(self: checkpoint.Checkpoint, *how: Any) -> None:
        finished(self, *how)
        self.end()
        raise Killed

    monkeypatch.setattr(checkpoint.Checkpoint, "finished", write_and_die)
    option = "--checkpoint"
    while True:
        try:
            again = call(capfd, "verify", spec, "--traces", "all", option, file)
        except Killed:
            times, option = times + 1, "--resume"
        else:
            break
    same(again, whole)
    assert times > 1


def test_several_specs(capfd: Capture, monkeypatch: Patch, tmp_path: Path) -> None:
    specs, file = [str(SPECS / "tw_fin.tcp"), CLOSE], str(tmp_path / "run")
    whole = call(capfd, "verify", *specs, "--json", "--quiet")
    assert killed(capfd, monkeypatch, 2000, *specs, "--checkpoint", file)
    again = call(capfd, "verify", *specs, "--json", "--quiet", "--resume", file)
    assert [s["claims"] for s in again.document["specs"]] == [s["claims"] for s in whole.document["specs"]]


PROGRAM = """
import os, signal, sys
from tcpcheck import checkpoint, records
from tcpcheck.cli import main
at, where = int(sys.argv[1]), sys.argv[2]
checkpoint._Running.due = lambda self, nodes: nodes >= at
write = records.RecordSink.write
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
def write_and_die(self, data):
    write(self, data)
    self.file.flush()
    if self.size > 100000:
        die()
if where == "writing":
    records.RecordSink.write = write_and_die
else:
    save = checkpoint.Checkpoint.save
    checkpoint.Checkpoint.save = lambda *how: (save(*how), die())
main(sys.argv[3:])
"""


def test_kill_9_while_it_writes(capfd: Capture, tmp_path: Path) -> None:
    """... leaves the last good file, and what lies aside harms nobody."""
    file = tmp_path / "run"

    def program(at: int, where: str, option: str) -> None:
        arguments = [str(at), where, "verify", CLOSE, option, str(file), "--quiet"]
        done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, timeout=120, check=False)
        assert done.returncode == -9

    program(3000, "saved", "--checkpoint")
    good = file.read_bytes()
    program(6000, "writing", "--resume")
    assert file.read_bytes() == good and len(list(tmp_path.iterdir())) == 2
    again = call(capfd, "verify", CLOSE, "--quiet", "--resume", str(file))
    assert (again.code, again.out) == (0, call(capfd, "verify", CLOSE, "--quiet").out)
    assert list(tmp_path.iterdir()) == [file]


def test_time_that_ran_out(capfd: Capture, tmp_path: Path) -> None:
    file = str(tmp_path / "run")
    short = call(capfd, "verify", CLOSE, "--quiet", "--checkpoint", file, "--seconds", "0.000001")
    assert short.code == 3 and f"saved in {file}: --resume {file} goes on" in short.err
    again = call(capfd, "verify", CLOSE, "--quiet", "--resume", file)
    assert (again.code, again.out, again.err) == (0, call(capfd, "verify", CLOSE, "--quiet").out, "")


def test_memory_that_ran_out(capfd: Capture, tmp_path: Path) -> None:
    file = str(tmp_path / "run")
    little = call(capfd, "verify", CLOSE, "--quiet", "--checkpoint", file, "--memory", "4")
    assert little.code == 3 and "memory limit" in little.out and "saved in" in little.err
    again = call(capfd, "verify", CLOSE, "--quiet", "--resume", file)
    assert (again.code, again.out) == (0, call(capfd, "verify", CLOSE, "--quiet").out)


def test_less_memory_than_before(capfd: Capture, tmp_path: Path) -> None:
    spec, file = tmp_path / "endless.tcp", tmp_path / "run"
    spec.write_text(ENDLESS)
    arguments = ("verify", str(spec), "--quiet", "--traces", "none")
    much = call(capfd, *arguments, "--checkpoint", str(file), "--memory", "12")
    assert much.code == 3 and "memory limit" in much.out
    before = file.read_bytes()
    less = call(capfd, *arguments, "--resume", str(file), "--memory", "5")
    assert less.code == 2 and "the search that was saved needs more than --memory allows" in less.err
    assert file.read_bytes() == before


# ---- bad input


@pytest.fixture
def saved(capfd: Capture, monkeypatch: Patch, tmp_path: Path) -> Path:
    """A run of a copy of the spec, killed in the middle: the file."""
    shutil.copy(CLOSE, tmp_path / "spec.tcp")
    assert killed(capfd, monkeypatch, 3000, str(tmp_path / "spec.tcp"), "--checkpoint", str(tmp_path / "run"))
    return tmp_path / "run"


def resume(capfd: Capture, saved: Path, *more: str) -> Result:
    return call(capfd, "verify", str(saved.parent / "spec.tcp"), "--resume", str(saved), "--quiet", *more)


def refused(result: Result, *words: str) -> None:
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("tcpcheck: ") and result.err.count("\n") == 1
    for word in words:
        assert word in result.err


def test_a_file_that_is_cut_off(capfd: Capture, saved: Path) -> None:
    whole = saved.read_bytes()
    for size in (0, 5, len(checkpoint.MAGIC), len(checkpoint.MAGIC) + 3, 100, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:size])
        refused(resume(capfd, saved), "is not a checkpoint" if size < len(checkpoint.MAGIC) else "not whole")
        assert saved.read_bytes() == whole[:size]


def test_a_file_with_another_byte(capfd: Capture, saved: Path) -> None:
    whole = saved.read_bytes()
    for at in (len(checkpoint.MAGIC) + 2, 60, len(whole) // 3, len(whole) - 30, len(whole) - 2):
        saved.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        refused(resume(capfd, saved), "damaged")


def test_not_a_checkpoint(capfd: Capture, saved: Path) -> None:
    saved.write_text("title nothing\n")
    refused(resume(capfd, saved), f"{saved} is not a checkpoint of tcpcheck")
    saved.unlink()
    refused(resume(capfd, saved), f"cannot read {saved}: No such file")


@pytest.mark.parametrize(
    ("what", "value", "words"),
    [
        ("MAGIC", b"tcpcheck checkpoint 0\n", "another version of tcpcheck"),
        ("build_hash", lambda: "other", "another build of tcpcheck"),
    ],
)
def test_of_another_tcpcheck(
    what: str, value: object, words: str, capfd: Capture, saved: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(checkpoint, what, value)
    refused(resume(capfd, saved), words)


def test_of_another_version(capfd: Capture, saved: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("tcpcheck.__version__", "99.0")
    refused(resume(capfd, saved), "was written by version", "start anew")


def test_of_another_spec(capfd: Capture, saved: Path) -> None:
    refused(call(capfd, "verify", CLOSE, str(SPECS / "tw_fin.tcp"), "--resume", str(saved)), "other specs", "spec.tcp")
    with open(saved.parent / "spec.tcp", "a") as spec:
        spec.write("# more\n")
    refused(resume(capfd, saved), "spec.tcp has changed")


def test_of_other_options(capfd: Capture, saved: Path) -> None:
    refused(resume(capfd, saved, "--depth", "5"), "was written without --depth, not with --depth 5")
    refused(resume(capfd, saved, "--exact"), "without --exact, not with --exact")
    refused(resume(capfd, saved, "--states", "5"), "--states 5")


def test_options_that_do_not_go_together(capfd: Capture, saved: Path) -> None:
    refused(resume(capfd, saved, "--jobs", "2"), "leave --jobs out")
    refused(call(capfd, "verify", CLOSE, "--checkpoint-every", "3"), "belongs to --checkpoint")
    refused(call(capfd, "verify", CLOSE, "--checkpoint", "x", "--checkpoint-every", "0"), "--checkpoint-every")


def test_what_was_saved_is_not_overwritten(capfd: Capture, saved: Path) -> None:
    before = saved.read_bytes()
    refused(call(capfd, "verify", CLOSE, "--checkpoint", str(saved)), "is there already", f"--resume {saved}")
    assert saved.read_bytes() == before


def test_to_another_file(capfd: Capture, saved: Path) -> None:
    before, other = saved.read_bytes(), saved.parent / "other"
    assert resume(capfd, saved, "--checkpoint", str(other)).code == 0
    assert saved.read_bytes() == before
    assert "done" in {record.meta["kind"] for record in records.read_records(other, checkpoint.MAGIC)}


@pytest.mark.parametrize("where", ["nowhere/run", "spec.tcp/run", "."])
def test_no_place_for_it(where: str, capfd: Capture, saved: Path) -> None:
    refused(call(capfd, "verify", CLOSE, "--checkpoint", str(saved.parent / where)), "cannot write")


@pytest.mark.parametrize("name", ["pipe", "link"])
def test_a_pipe_or_device_stays_what_it_is(name: str, capfd: Capture, saved: Path) -> None:
    """A regular file must not take its place, nor the place of what a link leads to."""
    folder = saved.parent
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    target = str(folder / name)
    for options in (("--checkpoint", target), ("--resume", str(saved), "--checkpoint", target), ("--resume", target)):
        refused(call(capfd, "verify", CLOSE, *options), "not a regular file")
    assert (folder / "pipe").is_fifo() and (folder / "link").is_symlink()


@pytest.mark.parametrize("when", ["before", "while"])
def test_what_is_written_aside_replaces_no_pipe(when: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    if when == "before":
        os.mkfifo(path)
    with pytest.raises(OSError, match="not a regular file"), records.written_aside(path, checkpoint.MAGIC) as writer:
        writer.plain({})
        os.mkfifo(path)
    assert path.is_fifo() and [p.name for p in tmp_path.iterdir()] == ["run"]


def test_two_runs_and_one_file(capfd: Capture, tmp_path: Path) -> None:
    with records.written_aside(tmp_path / "run", checkpoint.MAGIC) as writer:
        writer.plain({})
        got = call(capfd, "verify", CLOSE, "--checkpoint", str(tmp_path / "run"))
    assert got.code == 4 and "another run is writing to it" in got.err


LITTLE_DISK = """
import resource, sys
from tcpcheck import checkpoint
from tcpcheck.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
checkpoint._Running.due = lambda self, nodes: nodes >= 3000
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("room", "code"), [(100, 4), (150_000, 0)])
def test_no_room_on_the_disk(room: int, code: int, tmp_path: Path) -> None:
    """Told at once where not even the head fits; else the search goes on without."""
    file = tmp_path / "run"
    arguments = [str(room), "verify", CLOSE, "--checkpoint", str(file), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_DISK, *arguments], cwd=ROOT, capture_output=True, timeout=120, check=False
    )
    said = done.stderr.decode()
    assert done.returncode == code, said
    if code:
        assert f"cannot write {file}: File too large" in said and not done.stdout and not list(tmp_path.iterdir())
    else:
        assert said.count("cannot save to") == 1 and "the search goes on" in said
        assert records.read_records(file, checkpoint.MAGIC)  # small again: nothing is under way any more


def test_the_disk_is_full_when_it_is_resumed(saved: Path) -> None:
    """What was saved before stays."""
    before = saved.read_bytes()
    arguments = ["150000", "verify", str(saved.parent / "spec.tcp"), "--resume", str(saved), "--seconds", "0.000001"]
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_DISK, *arguments], cwd=ROOT, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 4 and b"cannot save" in done.stderr and b"File too large" in done.stderr
    assert saved.read_bytes() == before


def test_interrupted(capfd: Capture, monkeypatch: Patch, tmp_path: Path) -> None:
    """Ctrl-C saves."""
    spec, file = tmp_path / "endless.tcp", tmp_path / "run"
    spec.write_text(ENDLESS)

    def press(_self: object, nodes: int) -> bool:
        if nodes > 1000:
            raise KeyboardInterrupt
        return False

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint._Running, "due", press)
        got = call(capfd, "verify", str(spec), "--quiet", "--checkpoint", str(file))
    assert got.code == 3 and "interrupted" in got.err and "saved in" in got.err
    held = records.read_records(file, checkpoint.MAGIC)
    assert [record.meta["kind"] for record in held] == ["header", "running"]
    more = call(capfd, "verify", str(spec), "--quiet", "--resume", str(file), "--seconds", "0.2")
    assert more.code == 3
    assert records.read_records(file, checkpoint.MAGIC)[1].size > held[1].size
