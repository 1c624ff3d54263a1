"""The only importer of z3, and only when something is asked of it (loading it costs a tenth of a second and more)."""

from __future__ import annotations

from typing import Any

from tcpcheck.errors import Impossible

calls = 0  # solver calls since reset_calls()
EFFORT = 20_000_000  # z3's own count of work (rlimit): unlike seconds it is the same on every machine


def reset_calls() -> None:
    global calls
    calls = 0


def load() -> Any:
    """The z3 module. Impossible (exit 4) when it is not installed."""
    try:
        import z3  # type: ignore[import-untyped]  # it has no stubs
    except ImportError as e:
        raise Impossible("the solver is missing: install z3-solver to get witnesses with real numbers") from e
    return z3


def version() -> str:
    return str(load().get_version_string())


def solver(logic: str | None = None, effort: int = EFFORT) -> Any:
    """A solver that gives the same answer on every machine: fixed seed, bounded work, no clock."""
    z3 = load()
    s = z3.SolverFor(logic) if logic else z3.Solver()
    s.set("random_seed", 0)
    s.set("rlimit", effort)
    return s


def check(s: Any, *assumptions: Any) -> str:
    """One counted call: `sat`, `unsat` or `unknown`."""
    global calls
    calls += 1
    return str(s.check(*assumptions))
