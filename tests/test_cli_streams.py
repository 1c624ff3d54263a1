"""Ctrl-C, terminals, readers that go away, full disks: what is printed then, and the exit code."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_call import ENDLESS, OPEN, PROGRAM, ROOT, Result, validate

GUARD = ("--seconds", "60", "--memory", "2000")  # should the signal never arrive
PATIENCE = 120.0  # s
SEARCHING = b"/s, depth "  # of the progress line
CLEAR_LINE = "\r\x1b[K"


@pytest.fixture
def endless(tmp_path: Path) -> str:
    path = tmp_path / "endless.tcp"
    path.write_text(ENDLESS)
    return str(path)


def on_terminal(process: subprocess.Popen[bytes], parent: int, when: bytes, then: Callable[[], None]) -> str:
    """All that a process writes to a terminal; `then` is done once, as soon as `when` was written."""
    seen = b""
    begin = time.monotonic()
    while time.monotonic() - begin < PATIENCE:
        ready, _, _ = select.select([parent], [], [], 0.1)
        try:
            data = os.read(parent, 65536) if ready else None
        except OSError:  # Linux: the other side is closed
            break
        if data == b"":
            break
        fresh = when not in seen
        seen += data or b""
        if fresh and when in seen:
            then()
    os.close(parent)
    process.wait(timeout=PATIENCE)
    return seen.decode()


def interrupted(*arguments: str, times: int = 1) -> Result:
    """The program, sent SIGINT as soon as its progress line (standard error is a terminal) says that it searches."""
    parent, child = pty.openpty()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([*PROGRAM, *arguments], cwd=ROOT, stdout=out, stderr=child)
        os.close(child)

        def interrupt() -> None:
            for _ in range(times):
                process.send_signal(signal.SIGINT)
                time.sleep(0.05)

        err = on_terminal(process, parent, SEARCHING, interrupt)
        out.seek(0)
        return Result(process.returncode, out.read().decode(), err)


def test_interrupt_prints_what_was_found(endless: str) -> None:
    result = interrupted("verify", endless, *GUARD)
    assert result.code == 3 and "Traceback" not in result.err
    assert "interrupted" in result.out and "? never reset" in result.out
    assert "✓ reach soon" in result.out and "confirmed by z3 and a concrete re-run" in result.out
    assert "tcpcheck: interrupted" in result.err


def test_interrupt_with_json_is_one_document(endless: str) -> None:
    result = interrupted("verify", "--json", endless, *GUARD)
    document = result.document
    assert result.code == 3 and document["schema"] == "tcpcheck.verify/1" and document["ok"] is False
    assert [claim["verdict"] for claim in document["claims"]] == ["undecided", "reachable"]


def test_interrupt_of_several_processes(tmp_path: Path) -> None:
    path = tmp_path / "members.tcp"
    family = "sysctl net.ipv4.tcp_sack = {0, 1} ; sysctl net.ipv4.tcp_timestamps = {0, 1} ; run one"
    path.write_text(ENDLESS.replace("run one", family))
    result = interrupted("verify", "--json", "--jobs", "2", str(path), OPEN, *GUARD)
    document = result.document
    assert result.code == 3 and OPEN in result.err  # not begun
    verdicts = [claim["verdict"] for claim in document["specs"][0]["claims"]]
    assert verdicts == ["undecided", "reachable"] * 2 + ["undecided"] * 4


def processes_in(session: int) -> list[int]:
    """The processes of a session that live (zombies do not)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # gone meanwhile
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_runs_on_when_the_program_is_ended(tmp_path: Path, end: signal.Signals) -> None:
    path = tmp_path / "members.tcp"
    path.write_text(ENDLESS.replace("run one", "sysctl net.ipv4.tcp_sack = {0, 1} ; run one"))
    parent, child = pty.openpty()
    arguments = [*PROGRAM, "verify", "--jobs", "2", str(path), "--seconds", "600", "--memory", "2000"]
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=child, start_new_session=True)
    os.close(child)
    seen: list[list[int]] = []

    def kill() -> None:
        seen.append(processes_in(process.pid))
        process.send_signal(end)

    on_terminal(process, parent, SEARCHING, kill)
    assert len(seen[0]) == 3
    deadline = time.monotonic() + 10  # a worker sees it when it next reports
    while (left := processes_in(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def test_interrupt_twice_is_quiet_too(endless: str) -> None:
    result = interrupted("verify", endless, *GUARD, times=3)
    assert result.code == 3 and "Traceback" not in result.err


def press_ctrl_c(parent: int) -> None:
    os.write(parent, b"\x03")


def in_terminal(*arguments: str) -> tuple[int, str]:
    """The program on a terminal of its own, where Ctrl-C is pressed as soon as it searches; -> exit code and all that
    the terminal got."""
    parent, child = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=ROOT,
        env={**environment, "TERM": "xterm"},
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # it becomes the controlling terminal
    )
    os.close(child)
    seen = on_terminal(process, parent, SEARCHING, lambda: press_ctrl_c(parent))
    return process.returncode, seen


def test_ctrl_c_on_a_terminal(endless: str) -> None:
    code, seen = in_terminal("verify", endless, *GUARD)
    assert code == 3 and "Traceback" not in seen
    assert "endless.tcp: " in seen and ", depth " in seen  # the progress line ...
    assert seen.rindex("/s, depth ") < seen.rindex(CLEAR_LINE) < seen.index("never reset: undecided")  # ... is gone
    assert "\x1b[?" not in seen  # no mode of the terminal was changed, so none is left behind
    assert seen.endswith("\n")


def test_colours_on_a_terminal() -> None:
    code, seen = in_terminal("verify", "--traces", "none", OPEN)
    assert code == 0 and "\x1b[" in seen and "as expected" in seen


def test_a_capture_is_not_written_to_a_terminal() -> None:
    code, seen = in_terminal("trace", OPEN, "crossed", "--format", "pcapng")
    assert code == 2 and "a capture is binary" in seen


def piped(script: str) -> Result:
    """A shell's pipeline, `tcpcheck` being this one; the exit code is tcpcheck's."""
    command = f'tcpcheck() {{ "{sys.executable}" -m tcpcheck "$@"; }}; {script}'
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, timeout=120, check=False)
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("call", ["verify --traces all", "verify --json", "fmt"])
def test_a_reader_that_goes_away_is_no_error(call: str) -> None:
    result = piped(f"tcpcheck {call} specs/fin_wait1_loss.tcp | true ; exit ${{PIPESTATUS[0]}}")
    assert result.code == 0
    assert "Traceback" not in result.err and "Broken pipe" not in result.err and "Exception ignored" not in result.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("call", ["verify", "verify --json", "fmt", "explain LISTEN", "profiles"])
def test_a_full_disk_is_told(call: str) -> None:
    argument = "" if call in ("profiles", "explain LISTEN") else "specs/simultaneous_open.tcp"
    result = piped(f"tcpcheck {call} {argument} > /dev/full")
    assert result.code == 4 and "cannot write to <stdout>: No space left on device" in result.err
    assert "Traceback" not in result.err and "Exception ignored" not in result.err


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams(closed: str) -> None:
    result = piped(f"tcpcheck verify specs/simultaneous_open.tcp {closed}")
    assert result.code == 0 and "Traceback" not in result.err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode(encoding: str) -> None:
    result = piped(f"PYTHONIOENCODING={encoding} tcpcheck verify specs/simultaneous_open.tcp")
    assert result.code == 0 and result.out.isascii() and "as expected" in result.out


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.tcp"
    try:
        Path(os.fsdecode(name)).write_bytes(Path(OPEN).read_bytes())
    except OSError:
        pytest.skip("this file system has no such names")
    for options in ((), ("--json",)):
        done = subprocess.run([*PROGRAM, "verify", *options, name], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0 and b"Traceback" not in done.stderr
        if options:
            import json

            document: Any = json.loads(done.stdout)
            validate(document)
