"""Numbers for witness paths: hand-made paths whose least answer is known."""

import pytest

from tcpcheck import smt
from tcpcheck.witness.constraints import Age, Binding, NumberIn, PathConstraints, Refuted, check_binding
from tcpcheck.witness.solve import concretise

S = 1_000_000_000
ISN, TS = 64, 1_000_000  # ticks in ns
HALF = 1 << 31


def found(*entries: Age | NumberIn, instants: int = 3) -> Binding:
    pc = PathConstraints(instants, entries)
    smt.reset_calls()
    b = concretise(pc)
    assert isinstance(b, Binding), b
    assert check_binding(pc, b) == ()
    assert 1 <= smt.calls <= 2
    return b


def refuted(*entries: Age | NumberIn, instants: int = 3) -> Refuted:
    smt.reset_calls()
    r = concretise(PathConstraints(instants, entries, keys={1: "isn of client", 2: "isn of server"}))
    assert isinstance(r, Refuted)
    assert 1 <= smt.calls <= 2
    return r


def same_counter(i: int, j: int, lo: int, length: int, tick: int = ISN, key: int = 1) -> NumberIn:
    return NumberIn(i, j, 0, key, key, tick, tick, lo % 2**32, length)


def test_no_entries_gives_zero_times() -> None:
    assert found().instants_ns == (0, 0, 0)


def test_ages_give_the_earliest_times() -> None:
    b = found(Age(0, 1, -10 * S), Age(2, 1, 5 * S), Age(1, 2, -2 * S))
    assert b.instants_ns == (0, 10 * S, 12 * S)


def test_refused_isn_gap_is_least_at_two_to_the_31_ticks() -> None:
    b = found(Age(1, 2, -S), Age(2, 1, 200 * S), same_counter(2, 0, HALF + 3, HALF))
    assert b.instants_ns == (0, 0, 64 * (HALF + 3))


def test_refused_isn_gap_of_nothing() -> None:
    """A new ISN in the same tick of the clock is older than what was sent."""
    assert found(same_counter(2, 0, HALF + 3, HALF)).instants_ns == (0, 0, 0)


def test_refused_isn_gap_within_137_s_is_impossible_and_the_core_says_why() -> None:
    r = refuted(Age(1, 0, S), Age(1, 2, -1000), Age(2, 1, 130 * S), same_counter(2, 0, HALF + 3, HALF))
    assert r.core == (0, 1, 2, 3)
    assert r.keys == (1,)
    assert "isn of client" in r.why


def test_gap_may_wrap_past_274_s() -> None:
    b = found(Age(0, 1, -250 * S), Age(2, 1, 30 * S), same_counter(2, 0, 1, HALF), same_counter(1, 0, HALF, HALF))
    assert b.instants_ns == (0, 250 * S, 64 * (2**32 + 1))


def test_phase_is_used_when_two_instants_must_share_a_tick() -> None:
    b = found(Age(0, 1, -600_000), same_counter(1, 0, 0, 1, TS), same_counter(2, 0, 1, 1, TS))
    assert b.instants_ns == (0, 600_000, 1_000_000)
    b = found(Age(0, 1, -600_000), Age(1, 0, 600_000), same_counter(1, 0, 1, 1, TS))
    assert b.instants_ns[0] == 400_000


def test_a_tick_cannot_stand_still_for_longer_than_a_tick() -> None:
    r = refuted(Age(0, 1, -TS), Age(1, 0, S), same_counter(1, 0, 0, 1, TS))
    assert r.core == (0, 1, 2)
    b = found(Age(0, 1, -TS), same_counter(1, 0, 0, 1, TS), instants=2)
    assert b.instants_ns == (0, TS * 2**32)  # unless it goes all the way round


@pytest.mark.parametrize("lo", [5, 2**32 - 5, HALF])
def test_a_free_constant_takes_the_least_value_at_or_above_its_plain_one(lo: int) -> None:
    b = found(NumberIn(-1, -1, 0, 1, 0, 0, 0, lo, 20))
    assert b.constants[1] == lo
    b = found(NumberIn(-1, -1, 0, 1, 0, 0, 0, 0, HALF))
    assert b.constants[1] == 100_000


def test_unrelated_constants_are_plain_when_they_may_be() -> None:
    b = found(NumberIn(0, 1, 0, 1, 2, ISN, ISN, HALF, HALF), NumberIn(0, 1, 0, 3, 4, TS, TS, HALF, HALF))
    assert b.constants == {1: 10**9, 2: 2 * 10**9, 3: 1000, 4: 2000}


def test_three_arcs_pairwise_possible_jointly_not() -> None:
    r = refuted(
        NumberIn(-1, -1, 0, 1, 2, 0, 0, 1, 1000),
        NumberIn(-1, -1, 0, 2, 3, 0, 0, 1, 1000),
        NumberIn(-1, -1, 0, 3, 1, 0, 0, 1, 1000),
        NumberIn(-1, -1, 0, 4, 1, 0, 0, 1, 1000),
    )
    assert r.core == (0, 1, 2)
    assert r.keys == (1, 2, 3)


def test_contradiction_within_one_constant_names_only_the_entries_that_matter() -> None:
    r = refuted(
        NumberIn(-1, -1, 0, 1, 2, 0, 0, 10, 1000),
        NumberIn(-1, -1, 0, 1, 2, 0, 0, 5, 2000),
        NumberIn(-1, -1, 0, 2, 1, 0, 0, 10, 1000),
    )
    assert r.core == (0, 2)


def test_constant_forms_are_decided() -> None:
    found(NumberIn(0, 0, 7, 1, 1, ISN, ISN, 7, 1))
    assert refuted(NumberIn(0, 0, 7, 1, 1, ISN, ISN, 8, 1)).core == (0,)


def test_times_move_when_constants_alone_cannot_help() -> None:
    # K1 - K2 is fixed by the first reading, so the second must be two seconds later
    b = found(
        NumberIn(0, -1, 0, 1, 2, ISN, 0, 0, 1),
        NumberIn(1, -1, 0, 1, 2, ISN, 0, 2 * S // ISN, 1),
        instants=2,
    )
    assert b.instants_ns == (0, 2 * S)


def test_the_same_path_gives_the_same_numbers() -> None:
    entries = (Age(1, 2, -S), same_counter(2, 0, HALF + 3, HALF), NumberIn(0, 1, 0, 1, 2, ISN, ISN, 77, 1))
    assert found(*entries) == found(*entries)


def test_a_named_constant_gets_a_number_though_nothing_asks_for_it() -> None:
    b = concretise(PathConstraints(1, (), keys={7: "isn"}))
    assert isinstance(b, Binding)
    assert b.constants == {7: 100_000}


def test_check_binding_sees_each_break() -> None:
    pc = PathConstraints(2, (Age(1, 0, 5), same_counter(1, 0, 0, 1)))
    assert check_binding(pc, Binding((0, 64), {1: 0})) == (0, 1)
    assert check_binding(pc, Binding((5, 0), {1: 0})) == (-1,)
    assert check_binding(pc, Binding((S, S), {1: 0})) == (-1,)
    assert check_binding(pc, Binding((0, 0), {})) == (-1,)
    assert check_binding(pc, Binding((0,), {1: 0})) == (-1,)


def test_numbers_of_which_the_solver_has_many_are_refused_where_they_must_be_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pc = PathConstraints(3, (Age(0, 1, -10 * S),))
    assert concretise(pc, any_numbers=False) == concretise(pc)
    monkeypatch.setattr("tcpcheck.witness.solve.earliest_binding", lambda *_: None)
    answer = concretise(pc, any_numbers=False)
    assert isinstance(concretise(pc), Binding) and isinstance(answer, Refuted) and not answer.proved
