"""What a replay does to the machine it runs on, and what that machine does to it: nothing is left behind however it
ends, it works without root, and a busy processor is no disagreement."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tcpcheck.checking import verify
from tcpcheck.live import namespace
from tcpcheck.live.replay import AGREES, CUT, Plan, running
from tcpcheck.live.replay import replay as replay_plan
from tcpcheck.render import json as render_json
from tcpcheck.tcp.profile import PROFILES
from tcpcheck.witness.trace import Trace

SPECS = Path(__file__).parent.parent / "specs"
COMMAND = [sys.executable, "-c", "import sys; from tcpcheck.cli import main; sys.exit(main())", "replay"]
why_not = namespace.unavailable()
if why_not is None and running() != "linux 6.18.44":
    why_not = f"the specs are about linux 6.18.44, this is {running()}"
needs_kernel = pytest.mark.skipif(why_not is not None, reason=f"the real kernel is not asked: {why_not}")
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody else")


def witness(spec: str, claim: str) -> Trace:
    return next(c.witness for c in verify(SPECS / f"{spec}.tcp").claims if c.name == claim and c.witness is not None)


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A trace file; its play waits for a minute in two processes."""
    path = tmp_path_factory.mktemp("replay") / "trace.json"
    path.write_text(render_json.dumps(render_json.trace(witness("tw_fin", "length"))))
    return str(path)


# ---- nothing is left behind


def devices() -> list[str]:
    return [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]


def of_session(session: int) -> list[int]:
    """Processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def until(done: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)
    return done()


@pytest.fixture
def clean() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command in a session of its own. At the end nothing of it may be there."""
    before = devices(), os.readlink("/proc/self/ns/net")
    started: list[subprocess.Popen[str]] = []

    def start(*args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *args], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    try:
        yield start
        for process in started:
            assert until(lambda process=process: process.poll() is not None, 20)  # type: ignore[misc]
            assert until(lambda process=process: not of_session(process.pid), 20)  # type: ignore[misc]
        assert (devices(), os.readlink("/proc/self/ns/net")) == before
    finally:
        for process in started:
            for pid in of_session(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            if process.stderr is not None:
                process.stderr.close()


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes that play, once they are there."""
    assert until(lambda: len(of_session(process.pid)) == 3, 60)
    return [pid for pid in of_session(process.pid) if pid != process.pid]


@needs_kernel
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_behind(how: signal.Signals, waiting: str, clean: Callable[..., subprocess.Popen[str]]) -> None:
    process = clean(waiting, "--wait")
    children(process)
    process.send_signal(how)
    assert process.wait(20) == (3 if how == signal.SIGINT else -how)
    assert process.stderr is not None and "Traceback" not in process.stderr.read()


@needs_kernel
def test_nothing_is_left_behind_at_any_moment(waiting: str, clean: Callable[..., subprocess.Popen[str]]) -> None:
    """Before the namespaces are there, while they are made, in the middle of a play."""
    moments = random.Random(7)
    processes = [clean(waiting, "--wait") for _ in range(6)]
    for index, process in enumerate(processes):
        time.sleep(moments.uniform(0.05, 0.4))
        process.send_signal((signal.SIGINT, signal.SIGTERM, signal.SIGKILL)[index % 3])


@needs_kernel
def test_a_child_that_somebody_kills(waiting: str, clean: Callable[..., subprocess.Popen[str]]) -> None:
    process = clean(waiting, "--wait")
    os.kill(children(process)[0], signal.SIGKILL)
    assert process.wait(20) == 3
    assert process.stderr is not None
    assert (
        process.stderr.read().strip() == "tcpcheck: a process that talks to the kernel was ended from outside (SIGKILL)"
    )


# ---- without root


def results(traces: list[Trace]) -> list[str]:
    plan = Plan()
    for trace in traces:
        plan.add(trace, PROFILES["linux-6.18.44"])
    return [outcome.result for outcome in replay_plan(plan, False, 4)]


def _call(function: str, *args: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*args) != 0:
        raise OSError(ctypes.get_errno(), f"{function} failed")


def in_child(prepare: Callable[[], None], work: Callable[[], object]) -> str:
    """What `work()` returns, as text, in a child process that has been made different by `prepare()`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            prepare()
            result = str(work())
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        os.write(writer, result.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    return result


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    _call("prctl", 4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: as a process has it that this user has started


def open_tun_to_everybody(folder: Path) -> None:
    """For this process only: a device node in a mount namespace of its own, over /dev/net/tun."""
    _call("unshare", 0x00020000)  # CLONE_NEWNS
    _call("mount", b"none", b"/", None, 0x44000, None)  # MS_REC | MS_PRIVATE
    _call("mount", b"none", bytes(folder), b"tmpfs", 0, None)
    os.mknod(folder / "tun", stat.S_IFCHR, os.makedev(10, 200))
    (folder / "tun").chmod(0o666)
    _call("mount", bytes(folder / "tun"), b"/dev/net/tun", None, 0x1000, None)  # MS_BIND


@needs_kernel
@needs_root
def test_user_namespaces_will_do(tmp_path: Path) -> None:
    """An unprivileged user who may open the TUN device."""
    trace = witness("simultaneous_close", "closing")

    def prepare() -> None:
        open_tun_to_everybody(tmp_path)
        become_nobody()

    found = in_child(prepare, lambda: results([trace]))
    if "user namespaces" in found:
        pytest.skip(f"this machine has none for users: {found}")
    assert found == str([AGREES, AGREES])


@needs_kernel
@needs_root
def test_without_rights_a_sentence_says_what_is_needed() -> None:
    if os.stat("/dev/net/tun").st_mode & 0o006:
        pytest.skip("everybody may open the TUN device here")
    said = in_child(become_nobody, namespace.unavailable)
    assert said in (
        "needs root, or /dev/net/tun open to this user (Permission denied)",
        "needs root, or user namespaces for this user (Operation not permitted)",
        "needs root, or user namespaces for this user (No space left on device)",  # their number is 0
    )


# ---- a busy machine


@needs_kernel
def test_a_busy_processor_is_no_disagreement() -> None:
    """One processor shared with a program that never rests and comes first."""
    names = (("fin_wait1_loss", "gives_up"), ("tw_syn", "refusal"), ("closing/unread_data", "reset"))
    traces = [witness(spec, claim) for spec, claim in names]
    cpu = {min(os.sched_getaffinity(0))}

    def prepare() -> None:
        os.sched_setaffinity(0, cpu)
        os.nice(10)

    busy = subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, {cpu})\nwhile True: pass"])
    try:
        found = in_child(prepare, lambda: results(traces))
    finally:
        busy.kill()
        busy.wait()
    assert set(re.findall(r"\w+", found)) <= {AGREES, CUT}, found
    assert found.count(AGREES) >= 3, found
