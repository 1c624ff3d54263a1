"""Ctrl-C at any moment: exit code 3 and a sentence, never a traceback, and never swallowed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_call import ENDLESS, OPEN, ROOT

from tcpcheck import interrupts

BEGUN = "import sys; from tcpcheck.cli import main; print('begun', file=sys.stderr, flush=True); sys.exit(main())"


def interrupted(after: float, *arguments: str) -> tuple[int, str, str]:
    """The program, sent SIGINT so many seconds after its first line ran: exit code, standard output and error."""
    command = [sys.executable, "-c", BEGUN, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None and process.stderr.readline() == b"begun\n"
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("after", [0.0, 0.003, 0.01, 0.02, 0.05, 0.12, 0.25])
def test_at_any_moment_of_a_search_without_end(after: float, tmp_path: Path) -> None:
    path = tmp_path / "endless.tcp"
    path.write_text(ENDLESS)
    code, out, err = interrupted(after, "verify", "--json", "--quiet", str(path), "--seconds", "120")
    assert code == 3 and "Traceback" not in err and "Exception ignored" not in err
    assert err.strip() == "tcpcheck: interrupted" and json.loads(out)["ok"] is False


@pytest.mark.parametrize("after", [0.15, 0.3, 0.5])
def test_at_any_moment_of_fixtures(after: float, tmp_path: Path) -> None:
    """Most of it is z3's work, in processes of their own."""
    folder = tmp_path / "fixtures"
    code, _, err = interrupted(after, "fixtures", OPEN, "-o", str(folder), "--quiet")
    assert "Traceback" not in err and "Exception ignored" not in err
    assert (code, folder.exists()) in ((3, False), (0, True)), err


LOST = """
import signal, time
from tcpcheck import interrupts
interrupts.install()

class Ends:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.05)  # longer than it is put off at a time
        print("goes on")

try:
    Ends()
    while True:
        pass
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_destructor_is_not_interrupted_and_swallows_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", LOST], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("goes on\ninterrupted\n", "")


IN_Z3 = """
import signal, sys, time
from tcpcheck import interrupts, smt
z3 = smt.load()
INSTALL
x = z3.Int("x")
seen = at = 0

def trace(frame, event, arg):
    global seen
    if frame.f_globals.get("__name__", "").startswith("z3"):
        seen += 1
        if seen == at:
            signal.raise_signal(signal.SIGINT)
    return trace

while True:
    at, seen = at + 7, 0
    try:
        sys.settrace(trace)
        formula = z3.And(x > 1, x < 7)
        del formula
        sys.settrace(None)
        if seen < at:
            break
        time.sleep(60)
        print("swallowed at", at)
    except KeyboardInterrupt:
        sys.settrace(None)
print("all", at > 200)
"""


def test_z3_is_never_interrupted_half_way() -> None:
    """An expression without its fields would ask for them when it is destroyed, and Python print an AttributeError."""
    code = IN_Z3.replace("INSTALL", "interrupts.install()")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert (done.stdout, done.stderr) == ("all True\n", "")


def test_an_import_that_calls_tcpcheck_does_not_count() -> None:
    frame = sys._getframe()
    assert not interrupts.must_wait(frame)
    found: list[bool] = []
    scope = {"__name__": "importlib._bootstrap", "f": lambda: found.append(interrupts.must_wait(sys._getframe()))}
    exec("f()", scope)
    assert found == [True]
    inner = {"__name__": "tcpcheck.api", "f": scope["f"]}
    exec("def verify(): f()", inner)
    exec("g()", {"__name__": "importlib._bootstrap", "g": inner["verify"]})
    assert found == [True, False]


def test_what_is_being_saved_is_saved() -> None:
    found: list[bool] = []
    scope = {"__name__": "tcpcheck.checkpoint", "f": lambda: found.append(interrupts.must_wait(sys._getframe()))}
    exec("f()", scope)
    assert found == [True]
