"""The solver is optional, loaded late, and counted."""

import subprocess
import sys
from pathlib import Path

import pytest

from tcpcheck import smt
from tcpcheck.errors import Impossible
from tcpcheck.witness.constraints import Age, PathConstraints
from tcpcheck.witness.solve import concretise

ROOT = Path(__file__).parent.parent


def test_importing_the_package_does_not_load_the_solver() -> None:
    code = (
        "import sys, tcpcheck, tcpcheck.smt, tcpcheck.witness.solve, tcpcheck.witness.intervals;"
        "sys.exit('z3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_only_smt_imports_the_solver() -> None:
    sources = [p for end in ("py", "pyx") for p in (ROOT / "tcpcheck").rglob(f"*.{end}")]
    assert [p.name for p in sources if "import z3" in p.read_text() or "from z3" in p.read_text()] == ["smt.py"]


def test_a_missing_solver_is_not_possible_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "z3", None)
    with pytest.raises(Impossible, match="z3-solver") as e:
        concretise(PathConstraints(1, ()))
    assert e.value.exit_code == 4


def test_calls_are_counted() -> None:
    smt.reset_calls()
    concretise(PathConstraints(2, (Age(0, 1, -5),)))
    assert smt.calls == 1
    smt.reset_calls()
    assert smt.calls == 0


CTRL_C = """
import os, signal, threading
from tcpcheck import smt
z3 = smt.load()
x, y, z = z3.BitVecs("x y z", 64)
s = smt.solver()
s.add(x * y == 0x1234567890abcdef1, x > 1, y > 1, z * z == x + y, z > 3, x * x * x == y + 7 * z)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    print(smt.check(s))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_ends_the_solver_and_is_not_taken_for_an_answer() -> None:
    done = subprocess.run([sys.executable, "-c", CTRL_C], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
