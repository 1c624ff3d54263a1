"""Real numbers for a witness path: `concretise`.

The numbers are the earliest and plainest that `least.py` finds; z3 confirms them. When it finds none, z3 looks for
numbers itself, or names the entries that contradict each other. What it found is pulled down to the least times with
the same constants and turns, and confirmed once more; a contradiction is made smaller. So two solver calls at most.
Whatever came out is evaluated again in plain Python (`check_binding`), which shares nothing with either.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tcpcheck import smt
from tcpcheck.witness.constraints import Binding, PathConstraints, Refuted, check_binding
from tcpcheck.witness.forms import Form, Grouped, Side, group
from tcpcheck.witness.least import earliest_binding, tightened

CORE_EFFORT = 2_000_000  # of making a contradiction smaller


def concretise(pc: PathConstraints, any_numbers: bool = True) -> Binding | Refuted:
    """Instants and constants that meet every entry, confirmed by z3, or what contradicts. Impossible without z3.

    any_numbers: False where they must not hang on which of many this solver comes upon first: then only
    the earliest and plainest will do, and Refuted (not proved) says that these were not found."""
    g = group(pc)
    problem = Problem(pc, g)
    plain = earliest_binding(pc, g)
    if plain is not None and not check_binding(pc, plain):
        return _confirmed(pc, problem, plain)
    answer = problem.check()
    if answer == "unsat":
        return _refuted(pc, problem.core)
    if answer != "sat":
        return Refuted((), (), "the solver found neither numbers nor a contradiction within its effort", proved=False)
    if not any_numbers:
        return Refuted((), (), "the earliest and plainest numbers were not found within the effort", proved=False)
    found = problem.binding()
    _insist(pc, found)
    best = tightened(pc, g, found)
    return _confirmed(pc, problem, best) if best != found else found


def _confirmed(pc: PathConstraints, problem: Problem, b: Binding) -> Binding:
    _insist(pc, b)
    if problem.check(pinned=b) != "sat":
        raise AssertionError("the solver refuses numbers that hold by plain evaluation")
    return b


def _refuted(pc: PathConstraints, core: tuple[int, ...]) -> Refuted:
    """Asks once more with the core alone, so that every entry named is needed (as far as the effort goes)."""
    part = PathConstraints(pc.instants, tuple(pc.entries[n] for n in core), pc.keys, pc.modulus, pc.phase_ns)
    smaller = Problem(part, group(part), effort=CORE_EFFORT, minimize=True)
    if smaller.check() == "unsat":
        core = tuple(core[n] for n in smaller.core)
    keys: dict[int, None] = {}
    for n in core:
        e = pc.entries[n]
        keys.update({k: None for k in (getattr(e, "key_a", 0), getattr(e, "key_b", 0)) if k})
    names = ", ".join(pc.keys.get(k, str(k)) for k in keys)
    what = f" over {names}" if names else ""
    return Refuted(core, tuple(keys), f"{len(core)} of {len(pc.entries)} constraints contradict{what}")


def _insist(pc: PathConstraints, b: Binding) -> None:
    wrong = check_binding(pc, b)
    if wrong:
        raise AssertionError(f"the numbers found break entries {wrong}")


class Problem:
    """A path as integers for z3: an instant, a tick count for each reading, a constant, a number of turns for each
    form. Each bound and form has a tracking literal, so that a contradiction can be named."""

    def __init__(self, pc: PathConstraints, g: Grouped, effort: int = smt.EFFORT, minimize: bool = False) -> None:
        self.z3 = smt.load()
        self.pc, self.g = pc, g
        self.solver = smt.solver("QF_LIA", effort)
        if minimize:
            self.solver.set("core.minimize", True)
        self.t = [self.z3.Int(f"t{n}") for n in range(pc.instants)]
        self.constants = {k: self.z3.Int(f"K{n}") for n, k in enumerate(pc.constants())}
        self.ticks: dict[tuple[int, int], Any] = {}
        self.tracked: dict[str, tuple[int, ...]] = {}
        if self.t:
            self.solver.add(self.t[0] >= 0, self.t[0] < pc.phase_ns)
        self.solver.add(*(a <= b for a, b in pairwise(self.t)))
        self.solver.add(*(c for k in self.constants.values() for c in (k >= 0, k < pc.modulus)))
        for (i, j), (c, n) in g.ages.items():
            self._track(self.t[i] - self.t[j] <= c, (n,))
        for n, form in enumerate(g.numbers):
            self._track(self._in(form, n), tuple(g.asked[form]))

    def _track(self, condition: Any, entries: tuple[int, ...]) -> None:
        name = f"e{len(self.tracked)}"
        self.tracked[name] = entries
        self.solver.assert_and_track(condition, name)

    def _in(self, form: Form, n: int) -> Any:
        """The form lies in its set, on some turn of the circle."""
        m, turn = self.pc.modulus, self.z3.Int(f"turn{n}")
        value = self.value(form) - m * turn
        arcs = self.g.numbers[form].arcs()
        return self.z3.Or(*(self.z3.And(value >= lo, value < lo + length) for lo, length in arcs))

    def value(self, form: Form) -> Any:
        return self._side(form.a) - self._side(form.b)

    def _side(self, side: Side) -> Any:
        constant = self.constants[side.key] if side.key else 0
        return constant + self._reading(side.instant, side.tick) if side.tick else self.z3.IntVal(0) + constant

    def _reading(self, instant: int, tick: int) -> Any:
        if (instant, tick) not in self.ticks:
            q = self.ticks[instant, tick] = self.z3.Int(f"q{instant}_{tick}")
            self.solver.add(q * tick <= self.t[instant], self.t[instant] < q * tick + tick)
        return self.ticks[instant, tick]

    def check(self, pinned: Binding | None = None) -> str:
        pins = []
        if pinned is not None:
            pins += [t == v for t, v in zip(self.t, pinned.instants_ns, strict=True)]
            pins += [k == pinned.constants[key] for key, k in self.constants.items()]
        self.solver.push()
        self.solver.add(*pins)
        answer = smt.check(self.solver)
        if answer == "sat":
            self.model = self.solver.model()
        elif answer == "unsat":
            names = (str(c) for c in self.solver.unsat_core())
            self.core = tuple(sorted({n for name in names for n in self.tracked[name]}))
        self.solver.pop()
        return answer

    def binding(self) -> Binding:
        def number(v: Any) -> int:
            return int(self.model.eval(v, model_completion=True).as_long())

        return Binding(tuple(map(number, self.t)), {k: number(v) for k, v in self.constants.items()})
