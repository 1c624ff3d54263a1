"""Random little programs over clocks and numbers, run three ways: along every symbolic branch, with everything
bound, and in plain Python. A twin for tests of tcpcheck.sym.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tcpcheck.sym import testing as sym

M32 = 1 << 32

# A program is a list of operations:
#   ("const", key)                  the constant `key`
#   ("literal", v)                  a number that is known
#   ("read", key, tick, host, linked)
#   ("read_at", number, clock)      the counter of a number as it stood when a clock was started
#   ("add", number, k)
#   ("wait", lo, hi)                between lo and hi ns pass
#   ("start",)                      a clock
#   ("at_least", clock, t)          asked: is its age >= t?
#   ("diff", a, b, lo, n)           asked: is (a - b) mod 2^32 in [lo, lo + n)?
#   ("forget", keep)                bit i of keep: number i (counted again from 0) lives on
Op = tuple[Any, ...]


@dataclass
class Assignment:
    """What a concrete run binds: the constants, and the instants in ns."""

    constants: dict[int, int]
    instants: list[int]


@dataclass
class Meaning:
    """What a number is: the constant `key` + the counter at an instant + off."""

    key: int
    tick: int
    instant: int
    off: int

    def value(self, world: Assignment) -> int:
        ticks = world.instants[self.instant] // self.tick if self.tick else 0
        return (world.constants.get(self.key, 0) + ticks + self.off) % M32


@dataclass
class Run:
    s: Any
    world: Assignment | None = None  # a concrete run
    step: int = 0
    numbers: list[tuple[tuple[int, int, int], Meaning]] = field(default_factory=list)
    clocks: list[tuple[int, int]] = field(default_factory=list)  # (index in the zone, instant)
    answers: list[bool] = field(default_factory=list)

    def pick(self, i: int) -> int:
        return i % len(self.numbers)

    def go(self, program: list[Op]) -> None:
        self.step_to(0)
        self.clocks.append((self.s.start(), 0))
        for op in program:
            if not self.s.dead:
                getattr(self, "op_" + op[0])(*op[1:])

    def step_to(self, i: int) -> None:
        self.step = i
        self.s.at(i, self.world.instants[i] if self.world else 0)

    def op_const(self, key: int) -> None:
        self.numbers.append((self.s.base(key), Meaning(key, 0, 0, 0)))

    def op_literal(self, v: int) -> None:
        self.numbers.append((self.s.const(v), Meaning(0, 0, 0, v)))

    def op_read(self, key: int, tick: int, host: int, linked: int) -> None:
        self.numbers.append((self.s.base(key, tick, host, linked), Meaning(key, tick, self.step, 0)))

    def op_read_at(self, i: int, c: int) -> None:
        """In a concrete run the reader has read the counter itself, when the clock was started."""
        if not self.numbers:
            return
        num, m = self.numbers[self.pick(i)]
        clock, instant = self.clocks[c % len(self.clocks)]
        if m.tick == 0:
            return
        then = Meaning(m.key, m.tick, instant, m.off)
        if self.world is not None:
            self.numbers.append((self.s.const(then.value(self.world)), then))
        else:
            self.numbers.append((self.s.read_at(num, clock), then))

    def op_add(self, i: int, k: int) -> None:
        if self.numbers:
            num, m = self.numbers[self.pick(i)]
            self.numbers.append((self.s.add(num, k), Meaning(m.key, m.tick, m.instant, m.off + k)))

    def op_wait(self, lo: int, hi: int) -> None:
        clock = self.s.start()
        if self.world is not None:
            self.s.pass_(self.world.instants[self.step + 1] - self.world.instants[self.step])
        else:
            self.s.up()
        self.step_to(self.step + 1)
        self.s.require(clock, lo, hi)

    def op_start(self) -> None:
        self.clocks.append((self.s.start(), self.step))

    def op_at_least(self, c: int, t: int) -> None:
        self.answers.append(self.s.at_least(self.clocks[c % len(self.clocks)][0], t))

    def op_diff(self, i: int, j: int, lo: int, n: int) -> None:
        if self.numbers:
            self.answers.append(self.s.diff_in(self.numbers[self.pick(i)][0], self.numbers[self.pick(j)][0], lo, n))

    def op_forget(self, keep: int) -> None:
        self.numbers = [x for i, x in enumerate(self.numbers) if keep >> i & 1]
        bases = list(dict.fromkeys(num[1] for num, _ in self.numbers if num[1] not in (0, sym.UNKNOWN)))
        readings = list(dict.fromkeys(num[2] for num, _ in self.numbers if num[2]))
        new_base = self.s.prune(bases, readings)
        order = [0, *[c for c, _ in self.clocks], *readings]
        self.s.select(order)
        place = {old: new for new, old in enumerate(order)}
        new_base |= {0: 0, sym.UNKNOWN: sym.UNKNOWN}
        self.numbers = [((o, new_base[b], place[r]), m) for (o, b, r), m in self.numbers]
        self.clocks = [(place[c], i) for c, i in self.clocks]


@dataclass
class Branch:
    taken: tuple[int, ...]
    answers: list[bool]
    log: list[tuple[int, ...]]


def branches(program: list[Op], mode: int = sym.RECORD, limit: int = 300) -> list[Branch] | None:
    """Every branch that is not dead; None: more than `limit`, or no room."""
    s = sym.TestSym(1, mode)
    out: list[Branch] = []
    while True:
        run = Run(s)
        run.go(program)
        if s.overflow or len(out) >= limit:
            return None
        if not s.dead:
            out.append(Branch(s.taken, run.answers, s.log()))
        if not s.rewind():
            return out


def concrete(program: list[Op], world: Assignment) -> list[bool]:
    """The answers with everything bound. No choice may be left."""
    s = sym.TestSym(1, sym.CONCRETE)
    for key, value in world.constants.items():
        s.bind(key, value)
    run = Run(s, world)
    run.go(program)
    assert not s.dead and s.taken == ()
    return run.answers


def satisfied(log: list[tuple[int, ...]], world: Assignment) -> bool:
    """Does the assignment fulfil every entry? Straight from what LogEntry is said to mean."""
    t = world.instants
    for kind, i, j, c, key_a, key_b, tick_a, tick_b, lo, length in log:
        if kind == 0:
            if not t[i] - t[j] <= c:
                return False
        else:
            a = world.constants.get(key_a, 0) + (t[i] // tick_a if i >= 0 else 0)
            b = world.constants.get(key_b, 0) + (t[j] // tick_b if j >= 0 else 0)
            if not (a - b + c - lo) % M32 < length:
                return False
    return True


def plain(program: list[Op], world: Assignment) -> list[bool]:
    """The same program in whole numbers: no bases, no arcs, no zone."""
    numbers: list[Meaning] = []
    clocks, step, answers = [0], 0, []
    for op in program:
        match op:
            case ("const", key):
                numbers.append(Meaning(key, 0, 0, 0))
            case ("literal", v):
                numbers.append(Meaning(0, 0, 0, v))
            case ("read", key, tick, _, _):
                numbers.append(Meaning(key, tick, step, 0))
            case ("read_at", i, c) if numbers and numbers[i % len(numbers)].tick:
                m = numbers[i % len(numbers)]
                numbers.append(Meaning(m.key, m.tick, clocks[c % len(clocks)], m.off))
            case ("add", i, k) if numbers:
                m = numbers[i % len(numbers)]
                numbers.append(Meaning(m.key, m.tick, m.instant, m.off + k))
            case ("wait", _, _):
                step += 1
            case ("start",):
                clocks.append(step)
            case ("at_least", c, t):
                answers.append(world.instants[step] - world.instants[clocks[c % len(clocks)]] >= t)
            case ("diff", i, j, lo, n) if numbers:
                a, b = numbers[i % len(numbers)], numbers[j % len(numbers)]
                answers.append((a.value(world) - b.value(world) - lo) % M32 < n)
            case ("forget", keep):
                numbers = [m for i, m in enumerate(numbers) if keep >> i & 1]
    return answers


def solve(program: list[Op], log: list[tuple[int, ...]]) -> Assignment | None:
    """An assignment that fulfils the log and lets each wait take what it says; None: there is none."""
    import z3

    solver = z3.Solver()
    solver.set("timeout", 20000)
    t = [z3.Int("t0")]
    solver.add(t[0] >= 0, t[0] < 10**6)
    for op in program:
        if op[0] == "wait":
            t.append(z3.Int(f"t{len(t)}"))
            solver.add(t[-1] - t[-2] >= op[1], t[-1] - t[-2] <= op[2])
    constants: dict[int, Any] = {}

    def value(key: int, tick: int, i: int) -> Any:
        v: Any = z3.IntVal(0)
        if key:
            if key not in constants:
                constants[key] = z3.Int(f"K{key}")
                solver.add(constants[key] >= 0, constants[key] < M32)
            v = constants[key]
        if i >= 0:
            q = z3.Int(f"q{i}_{tick}")
            solver.add(q * tick <= t[i], t[i] < (q + 1) * tick)
            v = v + q
        return v

    for n, (kind, i, j, c, key_a, key_b, tick_a, tick_b, lo, length) in enumerate(log):
        if kind == 0:
            solver.add(t[i] - t[j] <= c)
        else:
            d = value(key_a, tick_a, i) - value(key_b, tick_b, j) + c - lo + z3.Int(f"w{n}") * M32
            solver.add(d >= 0, d < length)
    answer = solver.check()
    if answer != z3.sat:
        assert answer == z3.unsat
        return None
    model = solver.model()

    def found(x: Any) -> int:
        return int(model.eval(x, model_completion=True).as_long())

    return Assignment({k: found(v) for k, v in constants.items()}, [found(x) for x in t])
