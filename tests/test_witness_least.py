"""The earliest times and plainest constants, found without the solver."""

from tcpcheck.witness.constraints import Age, Binding, Entry, NumberIn, PathConstraints, check_binding
from tcpcheck.witness.forms import group
from tcpcheck.witness.least import earliest_binding, tightened

S = 1_000_000_000
ISN, TS = 64, 1_000_000


def least(instants: int, *entries: Entry) -> Binding:
    pc = PathConstraints(instants, entries)
    b = earliest_binding(pc, group(pc))
    assert b is not None
    assert check_binding(pc, b) == ()
    return b


def apart(i: int, j: int, ns: int) -> tuple[Entry, ...]:
    return Age(i, j, ns), Age(j, i, -ns)


def same_counter(i: int, j: int, lo: int, length: int, key: int = 1) -> NumberIn:
    return NumberIn(i, j, 0, key, key, ISN, ISN, lo, length)


def test_an_earlier_instant_moves_when_readings_are_too_far_apart() -> None:
    b = least(3, *apart(1, 0, 20), *apart(2, 1, 50), same_counter(2, 1, 0, 1))
    assert b.instants_ns == (44, 64, 114)


def test_constants_are_those_at_the_times_found() -> None:
    b = least(2, *apart(1, 0, S), NumberIn(1, 0, 0, 1, 2, ISN, TS, 7, 1))
    assert b.constants == {1: S, 2: S + S // ISN - 7}


def test_a_constant_between_two_others_is_found() -> None:
    between = (
        NumberIn(-1, -1, 0, 2, 1, 0, 0, 0, 101),
        NumberIn(-1, -1, 0, 3, 2, 0, 0, 70, 21),
        NumberIn(-1, -1, 0, 3, 1, 0, 0, 150, 1),
    )
    assert least(1, *between).constants == {2: 100_000, 1: 99_920, 3: 100_070}


def test_a_run_found_late_is_moved_to_its_earliest() -> None:
    """Two readings against constants that do not run; a found run begins 40 ticks after the earliest."""
    pc = PathConstraints(2, (*apart(1, 0, 640), NumberIn(0, 1, 0, 1, 2, ISN, ISN, 5, 1)))
    late = Binding((40 * ISN + 3, 50 * ISN + 3), {1: 77, 2: 62})
    assert check_binding(pc, late) == ()
    b = tightened(pc, group(pc), late)
    assert b.instants_ns == (0, 640)
    assert check_binding(pc, b) == ()


def test_constants_rise_when_a_run_begins_earlier() -> None:
    """Both moments of the counter are tied to the constant 2, so that plain values do not fit."""
    tie = (NumberIn(0, -1, 0, 1, 2, ISN, 0, 0, 1), NumberIn(1, -1, 0, 1, 2, ISN, 0, 10, 1))
    pc = PathConstraints(2, tie)
    late = Binding((40 * ISN, 50 * ISN), {1: 5, 2: 45})
    assert check_binding(pc, late) == ()
    b = tightened(pc, group(pc), late)
    assert b.instants_ns == (0, 640)
    assert check_binding(pc, b) == ()


def test_what_is_impossible_is_not_found() -> None:
    pc = PathConstraints(2, (Age(1, 0, 5), Age(0, 1, -6)))
    assert earliest_binding(pc, group(pc)) is None
