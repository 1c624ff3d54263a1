"""What a Sym remembers, forgets and logs: single cases with the answer worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from sym_program import M32, Op, branches, concrete, plain, solve

from tcpcheck.sym import testing as sym

HALF = 1 << 31
AGE, NUMBER = 0, 1  # LogKind
SECOND = 10**9


def first(s: Any, taken: tuple[int, ...], *ask: tuple[Any, Any, int, int]) -> list[bool]:
    s.mark()
    s.prescribe(taken)
    return [s.diff_in(*q) for q in ask]


# ---- every branch of a small case really happens -------------------------------------------------------------

WAIT = ("wait", 0, 600 * SECOND)
SMALL_CASES: dict[str, list[Op]] = {
    "two constants": [("const", 1), ("const", 2), ("diff", 0, 1, 1, HALF), ("diff", 0, 1, 0, 1), ("diff", 1, 0, 5, 9)],
    "three constants in a ring": [
        ("const", 1), ("const", 2), ("const", 3),
        ("diff", 0, 1, 1, HALF), ("diff", 1, 2, 1, HALF), ("diff", 2, 0, 1, HALF),
    ],
    "a constant and known numbers": [
        ("const", 1), ("literal", 5), ("literal", M32 - 5), ("diff", 0, 1, 1, HALF), ("diff", 0, 2, 1, HALF),
    ],
    "one counter, two readings": [("read", 5, 64, 0, 1), WAIT, ("read", 5, 64, 0, 1), ("diff", 1, 0, 1, HALF)],
    "a counter that steps once a millisecond": [
        ("read", 5, 10**6, 0, 1), ("wait", 0, 3 * 10**6), ("read", 5, 10**6, 0, 1),
        ("diff", 1, 0, 0, 1), ("diff", 1, 0, 2, 1), ("diff", 1, 0, 0, 2),
    ],
    "two counters of one host": [
        ("read", 5, 8, 0, 1), ("read", 6, 8, 0, 1), ("wait", 0, 20), ("read", 5, 8, 0, 1), ("read", 6, 8, 0, 1),
        ("diff", 2, 0, 1, 1), ("diff", 3, 1, 1, 1), ("at_least", 0, 9),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL_CASES)
def test_each_branch_has_an_instance(name: str) -> None:
    program = SMALL_CASES[name]
    found = branches(program)
    assert found is not None and len(found) > 1
    for branch in found:
        world = solve(program, branch.log)
        assert world is not None, branch
        assert plain(program, world) == branch.answers == concrete(program, world)


# ---- arcs ----------------------------------------------------------------------------------------------------


def test_a_comparison_is_asked_once() -> None:
    s = sym.TestSym()
    a, b = s.base(1), s.base(2)
    for taken in [(0,), (1,)]:
        truth = first(s, taken, (a, b, 10, 5))[0]
        assert truth is (taken == (0,))
        assert s.diff_in(b, a, -14, 5) is truth
        assert s.diff_in(s.add(a, 3), s.add(b, 1), 12, 5) is truth
        assert s.taken == taken
        s.rewind()


def test_two_arcs_give_the_third() -> None:
    """a - b and b - c in [10, 20) put a - c in [20, 39): outside is no choice, inside still is."""
    s = sym.TestSym()
    a, b, c = s.base(1), s.base(2), s.base(3)
    assert first(s, (0, 0), (a, b, 10, 10), (c, b, -19, 10)) == [True, True]
    assert s.diff_in(a, c, 20, 19) and not s.diff_in(a, c, 39, M32 - 19) and not s.after(c, a)
    assert s.taken == (0, 0)
    s.diff_in(a, c, 20, 18)
    assert len(s.taken) == 3


def test_forgetting_a_number_keeps_what_it_said_of_others() -> None:
    s = sym.TestSym()
    a, b, c = s.base(1), s.base(2), s.base(3)
    first(s, (0, 0), (a, b, 10, 10), (c, b, -19, 10))
    assert s.prune([c[1], a[1]], []) == {3: 1, 1: 2}
    assert s.bases() == ((3, 0, 0, 1), (1, 0, 0, 1))
    assert s.arcs() == ((1, 0, 2, 0, M32 - 38, 19),)


def test_forgetting_finds_a_contradiction() -> None:
    """Four in a row and the two ends, asked so that no three share arcs when the last is asked."""
    s = sym.TestSym()
    a, b, c, d = (s.base(k) for k in (1, 2, 3, 4))
    first(s, (0,) * 4, (a, b, 0, 2), (c, d, 0, 2), (b, c, 0, 2), (a, d, 10, 2))
    assert not s.dead
    s.prune([a[1], d[1]], [])
    assert s.dead


def test_equal_knowledge_has_equal_bytes() -> None:
    s, t = sym.TestSym(), sym.TestSym()
    a, b, c = s.base(1), s.base(2), s.base(3)
    first(s, (0, 0), (a, b, 10, 10), (b, c, 0, 1))
    s.prune([a[1], b[1], c[1]], [])
    gone, c, b, a = t.base(9), t.base(3), t.base(2), t.base(1)
    first(t, (1, 0, 1), (c, b, 1, M32 - 1), (gone, b, 5, 7), (b, a, -9, M32 - 10))
    t.prune([a[1], b[1], c[1]], [])
    assert s.raw() == t.raw()


def test_known_difference() -> None:
    s = sym.TestSym()
    a, b, five = s.base(1), s.base(2), s.const(5)
    assert s.known(s.add(a, 7), a) == 7 and s.known(a, s.add(a, 7)) == -7
    assert s.known(s.add(a, HALF), a) == HALF == s.known(a, s.add(a, HALF))
    assert s.known(a, b) is None and s.known(a, five) is None and s.known(five, s.const(9)) == -4
    assert first(s, (0,), (a, b, 3, 1)) == [True]
    assert s.known(a, b) == 3 and s.known(b, s.add(a, 1)) == -4
    assert s.known((0, sym.UNKNOWN, 0), (0, sym.UNKNOWN, 0)) is None


# ---- readings ------------------------------------------------------------------------------------------------


def test_reading_twice_in_one_instant_is_one_reading() -> None:
    s = sym.TestSym()
    assert s.base(1, 64, 0, 1) == s.base(1, 64, 0, 1)
    assert s.clocks() == 2
    s.up()
    assert s.base(1, 64, 0, 1)[2] == 2


def test_a_reading_is_known_by_its_new_name() -> None:
    s = sym.TestSym()
    x, now = s.start(), s.base(1, 64, 0, 1)
    assert s.prune([now[1]], [now[2]]) == {1: 1}
    s.select([0, now[2], x])
    assert s.base(1, 64, 0, 1) == (0, 1, 1)
    s.select([0, 2])
    assert s.base(1, 64, 0, 1) == (0, 1, 2)


def test_reading_of_the_past_is_the_reading_made_then() -> None:
    s = sym.TestSym()
    then, age = s.base(1, 64, 0, 1), s.start()
    s.up()
    s.require(age, 0, SECOND)
    now = s.base(1, 64, 0, 1)
    assert s.read_at(s.add(now, 5), age) == s.add(then, 5)


def test_a_counter_is_read_later() -> None:
    s = sym.TestSym()
    counter, sent = s.counter(1, 64, 0, 1), s.start()
    assert counter == (0, 1, 0) and s.clocks() == 2
    s.up()
    s.require(sent, 64, 127)
    then, now = s.read_at(counter, sent), s.base(1, 64, 0, 1)
    assert s.diff_in(now, then, 1, 2) and not s.eq(now, then) and s.taken == ()
    s.eq(counter, counter)  # not read yet: nothing is known
    assert len(s.taken) == 1
    alone = s.counter(1, 64, 0, 0)
    assert alone[1] != 1 and s.clocks() == 4


def test_three_readings_cannot_slip_a_tick() -> None:
    """Ticks of 10; 0 to 1, then 1 to 2 ticks pass: 9 ns or less in all leave one way only."""
    s = sym.TestSym()
    a = s.base(1, 10, 0, 1)
    age = s.start()
    s.up()
    b = s.base(1, 10, 0, 1)
    s.up()
    c = s.base(1, 10, 0, 1)
    s.require(age, 0, 9)
    assert first(s, (1,), (b, a, 0, 1)) == [False]
    assert s.eq(c, b) and s.taken == (1,)
    assert s.sup(a[2], b[2]) == 10 == -s.sup(b[2], a[2])


def test_a_later_reading_inherits_the_arc() -> None:
    """K - counter = 100 exactly; one to two ticks later 98..99 is left, so 97 and 100 are no choice."""
    s = sym.TestSym()
    k, old = s.base(1), s.base(2, 10, 0, 1)
    age = s.start()
    assert first(s, (0,), (k, old, 100, 1)) == [True]
    s.up()
    s.require(age, 10, 19)
    new = s.base(2, 10, 0, 1)
    for _ in range(2):
        assert s.diff_in(k, new, 98, 2) and not s.eq(k, s.add(new, 97)) and not s.eq(k, s.add(new, 100))
        assert s.taken == (0,)
        s.prune([1, 2], [new[2]])
        s.select([0, new[2]])
        new = (0, 2, 1)
        assert s.arcs() == ((1, 0, 2, 1, 98, 2),)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_arcs_widen_on_both_sides(order: tuple[int, int]) -> None:
    """Two counters of 10 and 1000 ns, 100 apart; then one alone is read again, 1 to 2 or 0 to 1 steps later."""
    s = sym.TestSym()
    made = [s.base(1 + i, 10 if i == 0 else 1000, 0, 1) for i in order]
    fast, slow = made if order == (0, 1) else made[::-1]
    age = s.start()
    assert first(s, (0,), (fast, slow, 100, 1)) == [True]
    s.up()
    s.require(age, 10, 19)
    fast2, slow2 = s.base(1, 10, 0, 1), s.base(2, 1000, 0, 1)
    assert s.diff_in(fast2, slow, 101, 2) and s.diff_in(slow, fast2, -102, 2)
    assert s.diff_in(fast, slow2, 99, 2) and s.diff_in(slow2, fast, -100, 2)
    assert s.diff_in(fast2, slow2, 100, 3) and s.diff_in(slow2, fast2, -102, 3)
    assert s.taken == (0,)
    for question in [(fast2, slow, 101, 1), (slow2, fast, -100, 1), (fast2, slow2, 100, 1), (slow2, fast2, -102, 1)]:
        t = s.clone()
        t.diff_in(*question)
        assert len(t.taken) == 1


def test_arcs_follow_their_readings() -> None:
    """Clocks change places: an arc of the first base's second reading stays one of that reading."""
    s = sym.TestSym()
    k = s.base(3)
    a1 = s.base(1, 10, 0, 1)
    s.up()
    a2 = s.base(1, 10, 0, 1)
    assert first(s, (0, 0), (a2, k, 7, 1), (k, a1, 4, 1)) == [True, True]
    assert (k[1], a1[1]) == (1, 2)
    s.prune([a1[1], k[1]], [a1[2], a2[2]])
    assert s.arcs() == ((1, a1[2], 2, 0, M32 - 4, 1), (1, a2[2], 2, 0, 7, 1))
    s.select([0, a2[2], a1[2]])
    assert s.arcs() == ((1, 1, 2, 0, 7, 1), (1, 2, 2, 0, M32 - 4, 1))
    s.select([0, 2])
    assert s.arcs() == ((1, 1, 2, 0, M32 - 4, 1),)


def test_counters_of_one_host_tick_together() -> None:
    s = sym.TestSym()
    a, b = s.base(1, 10, 0, 1), s.base(2, 10, 0, 1)
    far, other = s.base(3, 10, 1, 1), s.base(4, 15, 0, 1)
    assert a[2] != b[2] and s.sup(a[2], b[2]) == s.sup(b[2], a[2]) == 0
    assert s.sup(a[2], far[2]) == s.sup(far[2], a[2]) == 9
    assert (s.sup(a[2], other[2]), s.sup(other[2], a[2])) == (9, 14)


def test_log_of_a_reading_of_the_past() -> None:
    s = sym.TestSym(1, sym.RECORD)
    start = s.base(1, 64, 0, 1)
    for step in (1, 2):
        s.up()
        s.at(step, 0)
        if step == 1:
            x = s.start()
    s.require(x, 0, 100 * SECOND)
    then = s.read_at(s.base(1, 64, 0, 1), x)
    alone = s.read_at(s.base(1, 64, 0, 0), x)
    s.mark()
    s.diff_in(then, start, 0, 2)
    s.diff_in(alone, start, 0, 2)
    assert [e[:3] for e in s.log()[1:] if e[0] == NUMBER] == [(NUMBER, 1, 0), (NUMBER, 1, 0)]


def test_single_readings_are_unrelated() -> None:
    s = sym.TestSym()
    a, b = s.base(1, 64, 0, 0), s.base(1, 64, 0, 0)
    assert a != b and s.clocks() == 1
    s.after(a, b)
    assert len(s.taken) == 1


@pytest.mark.parametrize("later_first", [True, False])
def test_very_distant_readings_answer_either_way(later_first: bool) -> None:
    """Without a bound between two readings no answer is lost beyond the turns that are told apart."""
    s = sym.TestSym()
    a, age = s.base(1, 10**6, 0, 1), s.start()
    s.up()
    b = s.base(1, 10**6, 0, 1)
    s.mark()
    answers = set()
    while True:
        answer = s.after(b, a) if later_first else s.after(a, b)
        s.require(age, 3000 * SECOND, None)
        if not s.dead:
            answers.add(answer)
        if not s.rewind():
            break
    assert answers == {True, False} and not s.overflow


def test_no_time() -> None:
    s = sym.TestSym(0)
    assert s.start() == 0 and s.copy(0) == 0
    assert s.allows(0, 5, 6)
    s.require(0, 5, 6)
    assert not s.dead
    a, b = s.base(1, 64, 0, 1), s.base(1, 64, 0, 1)
    assert s.clocks() == 1 and s.known(a, b) is None and s.known(s.add(a, 1), a) == 1
    assert s.read_at(a, 0) == (0, sym.UNKNOWN, 0)
    s.at_least(0, 5)
    s.at_least(0, 5)
    assert len(s.taken) == 2


def test_unknown_numbers_are_free_and_unlogged() -> None:
    s = sym.TestSym(1, sym.RECORD)
    x = (0, sym.UNKNOWN, 0)
    for _ in range(2):
        s.eq(x, x)
    assert len(s.taken) == 2 and s.log() == [] and s.arcs() == ()


def test_the_past_of_a_counter_says_nothing_of_another_counter() -> None:
    s = sym.TestSym()
    own, other = s.base(5, 10**6, 0, 1), s.base(6, 10**6, 0, 1)
    past = (5, sym.PAST, 0)
    for taken in ((0,), (1,)):
        assert first(s, taken, (past, own, 1, HALF)) == [False] and s.taken == ()
        s.rewind()
    answers = []
    for taken in ((0,), (1,)):
        answers += first(s, taken, (past, other, 1, HALF))
        s.rewind()
    assert sorted(answers) == [False, True], "either may be newer"


# ---- limits --------------------------------------------------------------------------------------------------


def test_no_room() -> None:
    s = sym.TestSym()
    assert [s.base(k)[1] for k in range(1, 26)] == [*range(1, 24), sym.UNKNOWN, sym.UNKNOWN]
    assert not s.overflow
    for _ in range(27):
        assert s.start() > 0
    assert not s.overflow
    assert s.start() == 0 and s.overflow


def test_full_table_of_arcs_forgets() -> None:
    """More pairs than there is room for: each is still answered, either way."""
    s = sym.TestSym()
    bases = [s.base(k) for k in range(1, 12)]
    for i, a in enumerate(bases):
        for b in bases[:i]:
            s.diff_in(b, a, 0, M32 - 1)
    assert not s.dead and len(s.arcs()) == 40


# ---- the log -------------------------------------------------------------------------------------------------


def test_log_of_ages() -> None:
    s = sym.TestSym(1, sym.RECORD)
    s.at(3, 0)
    x = s.start()
    s.up()
    s.at(4, 0)
    y = s.copy(x)
    assert (s.org(x), s.org(y)) == (3, 3)
    s.require(y, 2, None)
    s.require(x, 0, 9)
    assert s.at_least(x, 2)  # known: no entry
    s.mark()
    s.prescribe((1,))
    assert not s.at_least(x, 5)
    assert [e[:4] for e in s.log()] == [(AGE, 3, 4, -2), (AGE, 4, 3, 9), (AGE, 4, 3, 4)]
    s.select([0, y])
    assert s.org(1) == 3
    s.require(1, 6, 9)
    assert s.dead and len(s.log()) == 3


def test_log_of_numbers() -> None:
    s = sym.TestSym(1, sym.RECORD)
    s.at(2, 0)
    a, b, c = s.base(11), s.base(12, 64, 0, 1), s.base(13, 64, 0, 0)
    s.up()
    s.at(5, 0)
    first(s, (0, 1, 0), (s.add(a, 4), s.add(b, 1), 10, 5), (c, s.const(7), 1, HALF), (b, c, 0, 1))
    assert s.log() == [
        (NUMBER, -1, 2, 3, 11, 12, 0, 64, 10, 5),
        (NUMBER, 2, -1, -7, 13, 0, 64, 0, HALF + 1, HALF),
        (NUMBER, 2, 2, 0, 12, 13, 64, 64, 0, 1),
    ]


def test_log_names_the_piece_when_the_answer_alone_does_not() -> None:
    """a - b in [0, 100); then `in [90, 2^32 + 10)` is true in two places."""
    s = sym.TestSym(1, sym.RECORD)
    a, b = s.base(1), s.base(2)
    wide = M32 - 80
    assert first(s, (0, 1), (a, b, 0, 100), (a, b, 90, wide)) == [True, True]
    assert [e[-2:] for e in s.log()] == [(0, 100), (0, 10)]
    s.rewind()
    assert first(s, (0, 2), (a, b, 0, 100), (a, b, 90, wide)) == [True, False]
    assert [e[-2:] for e in s.log()] == [(0, 100), (10, 80)]
