"""The only importer of z3, and only when something is asked of it (loading it costs a tenth of a second and more)."""

from __future__ import annotations

import signal
from typing import Any

from tcpcheck.errors import Impossible

calls = 0  # solver calls since reset_calls()
EFFORT = 20_000_000  # z3's own count of work (rlimit): unlike seconds it is the same on every machine


def reset_calls() -> None:
    global calls
    calls = 0


def load() -> Any:
    """The z3 module. Impossible (exit 4) when it is not installed."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a half-made z3 complains when it is destroyed
    try:
        import z3  # type: ignore[import-untyped]  # it has no stubs

        z3.main_ctx()
    except ImportError as e:
        raise Impossible("the solver is missing: install z3-solver to get witnesses with real numbers") from e
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
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
    """One counted call: `sat`, `unsat` or `unknown`. KeyboardInterrupt on Ctrl-C, which z3 would keep to itself."""
    global calls
    calls += 1
    answer = str(s.check(*assumptions))
    if answer == "unknown" and "keyboard" in s.reason_unknown():
        raise KeyboardInterrupt
    return answer


# ---- the lemmas on which arcs, counters and least times rest


def prove_lemmas(bits: int = 32) -> dict[str, bool]:
    """Each lemma with whether z3 proves it for all numbers of that width. One solver call each."""
    proved = {}
    for name, lemma in {**_circle_lemmas(bits), **_counter_lemmas()}.items():
        s = solver()
        s.add(load().Not(lemma))
        proved[name] = check(s) == "unsat"
    return proved


def _circle_lemmas(bits: int) -> dict[str, Any]:
    """On the circle of 2^bits numbers. `within` is how every comparison and every arc is kept."""
    z3 = load()
    a, b, k, d, n, x, y = z3.BitVecs("a b k d n x y", bits)
    lo, lo2, length, length2 = z3.BitVecs("lo lo2 len len2", bits)
    off, off2 = z3.BitVecs("off off2", 2 * bits)
    half = z3.BitVecVal(1 << (bits - 1), bits)

    def within(v: Any, low: Any, size: Any) -> Any:  # (v - low) mod 2^bits < size
        return z3.ULT(v - low, size)

    def after(p: Any, q: Any) -> Any:  # the sign of q - p as a signed number, as stacks compute it
        return q - p < 0

    def low(wide: Any) -> Any:
        return z3.Extract(bits - 1, 0, wide)

    wide_sum = z3.ZeroExt(1, length) + z3.ZeroExt(1, length2)  # of two lengths, without overflow
    small = z3.ULT(n, half - 4)
    return {
        "after(a, b) is 1 <= a - b <= half": after(a, b) == within(a - b, 1, half),
        "one of two is after the other, unless equal or half the circle apart": (after(a, b) == z3.Not(after(b, a)))
        == z3.And(a != b, a - b != half),
        "a shared base cancels, offsets may be wider": low(z3.ZeroExt(bits, k) + off) - low(z3.ZeroExt(bits, k) + off2)
        == low(off - off2),
        "an offset moves the arc of the bases": within(a + x - (b + y), lo, length)
        == within(a - b, lo - (x - y), length),
        "an arc seen from the other side": z3.Implies(
            length != 0, within(lo + x, lo, length) == within(-(lo + x), 1 - lo - length, length)
        ),
        "arcs add": z3.Implies(
            z3.And(within(lo + x, lo, length), within(lo2 + y, lo2, length2), z3.Extract(bits, bits, wide_sum) == 0),
            within(lo + x + lo2 + y, lo + lo2, length + length2 - 1),
        ),
        "refused in TIME-WAIT: distances half+n+3 .. 2 half+n+2": z3.Implies(
            small, z3.Not(after(a + d, a + n + 2)) == within(d, half + n + 3, half)
        ),
    }


def _counter_lemmas() -> dict[str, Any]:
    """On running counters: q = t div tick, for the ticks of ISNs and timestamps."""
    z3 = load()
    t, u, d = z3.Ints("t u d")
    lemmas = {}
    for tick in (64, 1_000_000):
        q, p, apart = t / tick, u / tick, t / tick - u / tick
        lemmas[f"readings {tick} ns apart are d ticks: nearly d * {tick} ns"] = z3.Implies(
            z3.And(t >= 0, u >= 0, apart == d), z3.And(t - u > tick * (d - 1), t - u < tick * (d + 1))
        )
        lemmas[f"at least d ticks of {tick} ns later is a least time"] = (apart >= d) == (t >= tick * (p + d))
        lemmas[f"a reading of {tick} ns and the age of its tick"] = (t - q * tick >= 0) & (t - q * tick < tick)
    return lemmas
