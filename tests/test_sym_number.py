"""Numbers known in part against whole numbers: no concrete behaviour may be lost, and each has one branch."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from sym_program import M32, Assignment, Op, branches, concrete, plain, satisfied

from tcpcheck.sym import testing as sym

EDGES = [0, 1, 2, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, M32 - 2, M32 - 1]
u32 = st.one_of(st.sampled_from(EDGES), st.integers(0, M32 - 1))
quick = settings(max_examples=150, derandomize=True, deadline=None)


# ---- sequence arithmetic, concrete --------------------------------------------------------------------------


@quick
@given(
    u32, u32, st.one_of(st.sampled_from(EDGES), st.integers(-M32, M32)), st.one_of(st.sampled_from([M32, *EDGES]), u32)
)
def test_comparisons_of_known_numbers(a: int, b: int, lo: int, n: int) -> None:
    s = sym.TestSym()
    x, y = s.const(a), s.const(b)
    signed = ((b - a + (1 << 31)) % M32) - (1 << 31)  # the kernel's (s32)(b - a) < 0
    assert s.after(x, y) == (signed < 0)
    assert s.before(y, x) == (signed < 0)
    assert s.eq(x, y) == (a == b)
    assert s.diff_in(x, y, lo, n) == ((a - b - lo) % M32 < n)
    known = s.known(x, y)
    assert known is not None and (known - a + b) % M32 == 0 and -(1 << 31) < known <= 1 << 31
    assert s.taken == ()


@quick
@given(u32, st.integers(-M32, M32), st.integers(-M32, M32))
def test_offsets_of_one_base(v: int, i: int, j: int) -> None:
    s = sym.TestSym()
    base = s.base(7)
    x, y = s.add(base, i), s.add(base, j)
    assert s.after(x, y) == (1 <= (i - j) % M32 <= 1 << 31)
    assert s.eq(x, y) == ((i - j) % M32 == 0)
    assert s.add(s.const(v), i) == s.const((v + i) % M32)
    assert s.taken == ()


# ---- every branch against every assignment -------------------------------------------------------------------


def sample_world(program: list[Op], rng: random.Random) -> Assignment:
    """Instants and constants at random, edges preferred."""
    literals = [op[1] for op in program if op[0] == "literal"]
    edges = EDGES + literals + [op[3] for op in program if op[0] == "diff"]
    start = rng.randrange(M32)
    close = rng.random() < 0.5

    def constant() -> int:
        if close:
            return (start + rng.randint(-6, 6)) % M32
        return rng.choice([rng.choice(edges) + rng.randint(-2, 2), start + rng.choice(edges), rng.randrange(M32)]) % M32

    constants = {key: constant() for key in range(1, 9)}
    instants = [rng.choice([0, 1, rng.randrange(20), rng.randrange(10**6)])]
    for op in program:
        if op[0] == "wait":
            lo, hi = op[1:]
            instants.append(instants[-1] + rng.choice([lo, hi, rng.randint(lo, hi), min(hi, lo + rng.randrange(70))]))
    return Assignment(constants, instants)


def check(program: list[Op], worlds: int = 40) -> None:
    """Each assignment fulfils the log of exactly one branch, and that branch gives its answers."""
    found = branches(program)
    if found is None:
        return
    blind = branches(program, sym.SEARCH)
    assert blind is not None and [(b.taken, b.answers) for b in blind] == [(b.taken, b.answers) for b in found]
    rng = random.Random(repr(program))
    for _ in range(worlds):
        world = sample_world(program, rng)
        answers = concrete(program, world)
        assert answers == plain(program, world)
        matching = [b.answers for b in found if satisfied(b.log, world)]
        assert matching == [answers], (world, answers, matching)


def ask(rng: random.Random, program: list[Op], spread: list[int]) -> None:
    """A question that is seldom decided: near an edge of another one, or half the circle."""
    lo = rng.choice([*spread, rng.choice(EDGES), rng.randrange(M32)])
    n = rng.choice([1, 1, 2, 1 << 31, 1 << 31, M32 - 1, rng.randrange(M32), *[abs(x) for x in spread]])
    program.append(("diff", rng.randrange(6), rng.randrange(6), lo, n))


@quick
@given(st.integers(0, 10**9))
def test_arcs_lose_nothing(seed: int) -> None:
    rng = random.Random(seed)
    program: list[Op] = [("const", key) for key in range(1, rng.randint(3, 5))]
    for _ in range(rng.randint(0, 2)):
        program.append(rng.choice([("literal", rng.choice(EDGES)), ("add", rng.randrange(4), rng.choice(EDGES))]))
    for _ in range(rng.randint(2, 5)):
        if rng.random() < 0.15:
            program.append(("forget", rng.randrange(16)))
        else:
            ask(rng, program, [rng.randrange(M32), -1])
    check(program)


def timed_program(rng: random.Random, ticks: list[int], waits: list[tuple[int, int]], spread: list[int]) -> list[Op]:
    """Counters of one or two hosts read now and then, an ordinary constant, and questions in between."""
    tick = rng.choice(ticks)
    reads: list[Op] = [
        ("read", 5, tick, 0, 1),
        ("read", 6, rng.choice([tick, *ticks]), rng.randint(0, 1), 1),
        ("read", 7, tick, 0, 0),
    ]
    program: list[Op] = [*rng.choice([[], [("const", 1)], [reads[1]]]), reads[0], *rng.choice([[], [("const", 1)]])]
    for _ in range(rng.randint(4, 9)):
        kind = rng.random()
        if kind < 0.20:
            program.append(("wait", *rng.choice(waits)))
        elif kind < 0.25:
            program += [("wait", *rng.choice(waits)), ("start",), ("wait", *rng.choice(waits))]
            program += [("read_at", 0, 1), ("diff", 0, -1, rng.choice(spread), rng.choice([1, 2, 1 << 31]))]
        elif kind < 0.45:
            program.append(rng.choice([reads[0], *reads]))
        elif kind < 0.50:
            program.append(("start",))
        elif kind < 0.58:
            program.append(("read_at", rng.randrange(6), rng.randrange(4)))
        elif kind < 0.65:
            program.append(("at_least", rng.randrange(4), rng.choice(waits)[1] - rng.randint(0, 2)))
        elif kind < 0.70:
            program.append(("forget", rng.randrange(64)))
        else:
            ask(rng, program, spread)
    return program


@settings(quick, max_examples=300)
@given(st.integers(0, 10**9))
def test_readings_a_few_ticks_apart(seed: int) -> None:
    waits = [(0, 0), (0, 3), (1, 20), (5, 5), (4, 6), (7, 40)]
    check(timed_program(random.Random(seed), [1, 5, 8], waits, [-5, -2, -1, 0, 1, 2, 3, 6]))


@settings(quick, max_examples=300)
@given(st.integers(0, 10**9))
def test_readings_turns_apart(seed: int) -> None:
    rng = random.Random(seed)
    turn = 64 * M32
    waits = [
        (0, 0),
        (0, 10**9),
        (60 * 10**9, 68 * 10**9),
        (0, 600 * 10**9),
        (turn, turn),
        (turn // 2 - 64, turn // 2 + 64),
    ]
    check(timed_program(rng, [64, 64, 1000000], waits, [rng.randrange(M32), -1, 0, 1]))
