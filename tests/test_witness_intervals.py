"""For which values does an outcome happen: known answers, and brute force on small circles and coarse ticks."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpcheck import smt
from tcpcheck.witness.arcset import ArcSet
from tcpcheck.witness.constraints import Age, Binding, Entry, NumberIn, PathConstraints, check_binding, difference
from tcpcheck.witness.forms import group
from tcpcheck.witness.intervals import Difference, Duration, Path, ValueSet, project, values_for
from tcpcheck.witness.least import earliest_binding
from tcpcheck.witness.solve import concretise

settings.register_profile("fixed", derandomize=True, max_examples=150, deadline=None)
settings.load_profile("fixed")

S = 1_000_000_000
ISN, TS = 64, 1_000_000
HALF, CIRCLE = 1 << 31, 1 << 32
GAP = Difference(1, 0, 0, 1, 1, ISN, ISN)  # ISN of the second connect less that of the first


def two_syns(least: int, most: int, lo: int, length: int, *more: Entry) -> PathConstraints:
    """SYNs at instants 0 and 1, least..most ns apart; the second ISN lies in [lo, lo + length) from the first."""
    return PathConstraints(
        2, (Age(0, 1, -least), Age(1, 0, most), NumberIn(1, 0, 0, 1, 1, ISN, ISN, lo % CIRCLE, length), *more)
    )


def accepted(least: int, most: int, n: int) -> PathConstraints:
    return two_syns(least, most, n + 3, HALF)  # after(isn + d, isn + n + 2)


def refused(least: int, most: int, n: int) -> PathConstraints:
    return two_syns(least, most, n + 3 + HALF, HALF)


def over(quantity: Difference | Duration, *pcs: PathConstraints) -> list[Path]:
    return [(pc, quantity) for pc in pcs]


def answer(paths: list[Path], others: list[Path] | None = None) -> ValueSet:
    smt.reset_calls()
    found = values_for(paths, others or [])
    assert smt.calls == 1
    assert found.proved
    return found


@pytest.mark.parametrize("n", [0, 1, 100])
def test_refused_isn_distances_to_time_wait(n: int) -> None:
    """A server in TIME-WAIT, no timestamps, a client that sent n bytes: 2^31+n+3 .. 2^32+n+2 ticks, modulo 2^32."""
    v = answer(over(GAP, refused(0, 600 * S, n)), over(GAP, accepted(0, 600 * S, n)))
    assert v.exact, v.why
    assert v.may == v.must == ArcSet([(HALF + n + 3, CIRCLE + n + 2)])
    assert str(v.may) == f"0..{n + 2}, {HALF + n + 3}..{CIRCLE - 1}"
    assert v.edges == 4


def test_refused_gaps_as_a_duration() -> None:
    """At an edge both outcomes happen: it depends on where in its tick the first SYN is sent."""
    v = answer(over(Duration(1, 0), refused(S, 200 * S, 0)), over(Duration(1, 0), accepted(S, 200 * S, 0)))
    assert v.exact, v.why
    assert v.may.spans == ((64 * (HALF + 2) + 1, 200 * S),)
    assert v.must.spans == ((64 * (HALF + 3), 200 * S),)


def test_gap_too_short_to_be_refused() -> None:
    v = answer(over(GAP, refused(S, 60 * S, 0)), over(GAP, accepted(S, 60 * S, 0)))
    assert (str(v.may), v.exact) == ("none", True)


def test_gap_of_several_turns_is_several_intervals() -> None:
    v = answer(over(Duration(1, 0), refused(S, 600 * S, 0)))
    turn = 64 * CIRCLE
    edge = 64 * (HALF + 2) + 1
    assert [lo for lo, _ in v.may.spans] == [edge, edge + turn]
    assert [hi for _, hi in v.may.spans] == [turn + 64 * 3 - 1, 2 * turn + 64 * 3 - 1]
    assert v.exact, v.why


def test_two_paths_are_united_and_touching_intervals_join() -> None:
    v = answer(over(GAP, two_syns(S, 600 * S, 10, 5), two_syns(S, 600 * S, 15, 5)))
    assert v.may.spans == ((10, 19),)
    assert v.exact, v.why


def test_free_constant_against_a_running_isn() -> None:
    """`seq any -> guess` against a receiver's number: as many values as the window asks for."""
    guess = Difference(-1, 0, 0, 7, 1, 0, ISN)
    pc = PathConstraints(2, (Age(1, 0, S), NumberIn(-1, 0, -5, 7, 1, 0, ISN, 0, 65536)))
    v = answer(over(guess, pc))
    assert v.may.spans == ((5, 65540),)
    assert v.may.count() == 65536
    assert v.exact, v.why
    assert answer(over(Difference(key_a=7), pc)).may.is_full  # the ISN is free, so is the number itself


def test_constants_compared_in_a_chain_add_up() -> None:
    chain = (NumberIn(-1, -1, 0, 1, 2, 0, 0, 10, 5), NumberIn(-1, -1, 0, 3, 2, 0, 0, 100, 3))
    v = answer(over(Difference(key_a=1, key_b=3), PathConstraints(1, chain)))
    assert v.may.arcs() == (((10 - 102) % CIRCLE, 7),)
    assert v.exact, v.why
    ring = (*chain, NumberIn(-1, -1, 0, 4, 2, 0, 0, 0, 9), NumberIn(-1, -1, 0, 4, 3, 0, 0, CIRCLE - 93, 1))
    assert not project(PathConstraints(1, ring), Difference(key_a=1, key_b=3)).exact


def test_constants_compared_with_a_common_third() -> None:
    third = (NumberIn(-1, -1, 0, 2, 1, 0, 0, 10, 5), NumberIn(-1, -1, 0, 3, 1, 0, 0, 100, 3))
    v = answer(over(Difference(key_a=2, key_b=3), PathConstraints(1, third)))
    assert v.may.arcs() == (((10 - 102) % CIRCLE, 7),)
    assert v.exact, v.why


def test_two_ticks_seen_can_leave_holes_and_are_not_claimed_exact() -> None:
    """A tick falls within 1 ns of instant 0, and one within 1 ns of instant 2: they are whole ticks apart."""
    ticks: list[Entry] = [Age(1, 0, 1), Age(3, 2, 1)]
    ticks += [NumberIn(1, 0, 0, 1, 1, ISN, ISN, 1, 1), NumberIn(3, 2, 0, 1, 1, ISN, ISN, 1, 1)]
    p = project(PathConstraints(4, (Age(1, 2, -100), Age(2, 1, 5000), *ticks)), Duration(2, 0))
    assert 128 in p.values
    assert not p.exact


def test_other_readings_of_the_same_tick_are_exact() -> None:
    """The gap's ends come from rounding at two other instants."""
    more = NumberIn(1, 0, 0, 1, 1, ISN, ISN, 1000, 11)
    pc = PathConstraints(3, (Age(1, 0, S), Age(2, 1, 640), Age(1, 2, -640), more))
    v = answer(over(Difference(2, 0, 0, 1, 1, ISN, ISN), pc))
    assert (v.may.spans, v.exact) == (((1010, 1020),), True)


def test_other_counters_only_blur_and_it_is_said() -> None:
    ts = NumberIn(1, 0, 0, 2, 2, TS, TS, 5, 1)
    v = answer(over(GAP, two_syns(0, S, 0, CIRCLE, ts)))
    assert not v.exact
    assert "blur" in v.why
    v = answer(over(GAP, two_syns(5_100_000, 5_200_000, 0, CIRCLE, replace(ts, len=2))))
    assert (v.may.spans, v.exact) == (((5_100_000 // 64, -(-5_200_000 // 64)),), True)


def test_constant_read_at_two_moments_is_not_claimed_exact() -> None:
    pc = PathConstraints(
        2,
        (Age(1, 0, S), NumberIn(0, -1, 0, 1, 2, ISN, 0, 0, 1), NumberIn(1, -1, 0, 1, 2, ISN, 0, 9, 1)),
    )
    v = answer(over(GAP, pc))
    assert not v.exact
    assert 9 in v.may


def test_must_leaves_out_what_may_go_either_way() -> None:
    v = answer(over(GAP, two_syns(0, 300 * S, 10, 20)), over(GAP, two_syns(0, 300 * S, 25, 20)))
    assert (str(v.may), str(v.must)) == ("10..29", "10..24")


def test_numbers_and_durations_do_not_mix() -> None:
    pc = accepted(0, S, 0)
    with pytest.raises(ValueError, match="one quantity"):
        values_for([(pc, GAP), (pc, Duration(1, 0))])


def test_lemmas_hold_for_all_32_bit_numbers() -> None:
    proved = smt.prove_lemmas()
    assert len(proved) >= 9
    assert [name for name, ok in proved.items() if not ok] == []


# ---- brute force: modulus 8, ticks of 2 and 3 ns, up to 4 instants within 14 ns

M, PHASE = 8, 6
ages = st.builds(Age, st.integers(0, 3), st.integers(0, 3), st.integers(-3, 8))
arcs = {"lo": st.integers(0, M - 1), "len": st.integers(1, M)}
instant = st.integers(0, 3)
same = st.builds(
    lambda i, j, t, lo, len: NumberIn(i, j, 0, t, t, t, t, lo, len), instant, instant, st.sampled_from([2, 3]), **arcs
)
mixed = st.builds(
    lambda i, j, t, lo, len: NumberIn(i, -1, 0, t, 9, t, 0, lo, len), instant, instant, st.sampled_from([2, 3]), **arcs
)
BOUNDS = (Age(1, 0, 6), Age(2, 1, 5), Age(3, 2, 3))
paths = st.lists(st.one_of(ages, same, same, mixed), max_size=5).map(
    lambda es: PathConstraints(4, (*BOUNDS, *es), {}, M, PHASE)
)


def all_times(pc: PathConstraints) -> list[tuple[int, ...]]:
    out: list[tuple[int, ...]] = []
    for first, a, b, c in product(range(PHASE), range(7), range(6), range(4)):
        t = (first, first + a, first + a + b, first + a + b + c)
        if all(t[e.i] - t[e.j] <= e.c for e in pc.entries if isinstance(e, Age)):
            out.append(t)
    return out


def bindings(pc: PathConstraints) -> list[Binding]:
    """Every solution, the constants up to what can be told apart: K(9) is 0."""
    keys = [k for k in pc.constants() if k != 9]
    found = []
    for t in all_times(pc):
        options = []
        for k in keys:
            mine = [e for e in pc.entries if isinstance(e, NumberIn) and e.key_a == k]
            fits = [v for v in range(M) if all((difference(e, Binding(t, {k: v})) - e.lo) % M < e.len for e in mine)]
            options.append(fits)
        found += [Binding(t, {**dict(zip(keys, vs, strict=True)), 9: 0}) for vs in product(*options)]
    return found


@settings(max_examples=120)
@given(paths)
def test_least_numbers_against_brute_force(pc: PathConstraints) -> None:
    every = bindings(pc)
    own = earliest_binding(pc, group(pc))
    if own is not None:
        assert check_binding(pc, own) == ()
    found = concretise(pc)
    assert isinstance(found, Binding) == bool(every)
    if isinstance(found, Binding):
        assert check_binding(pc, found) == ()
    else:
        assert found.proved
        core = replace(pc, entries=tuple(pc.entries[n] for n in found.core))
        assert not isinstance(concretise(core), Binding)


@settings(max_examples=250)
@given(paths, instant, instant, st.sampled_from([0, 2, 3]), st.integers(0, 3))
def test_projection_against_brute_force(pc: PathConstraints, i: int, j: int, tick: int, c: int) -> None:
    i, j = max(i, j), min(i, j)
    every = bindings(pc)
    quantity: Difference | Duration = Duration(i, j) if tick == 0 else Difference(i, j, c, tick, tick, tick, tick)
    if tick == 0:
        real = {b.instants_ns[i] - b.instants_ns[j] for b in every}
    else:
        e = NumberIn(i, j, c, tick, tick, tick, tick, 0, 1)
        real = {difference(e, b) % M for b in every}
    p = project(pc, quantity)
    claimed = {v for lo, hi in p.values.spans for v in range(lo, min(hi, 100) + 1)}
    assert real <= claimed
    if p.exact:
        assert real == claimed


@settings(max_examples=100)
@given(paths, st.integers(0, 3), st.sampled_from([2, 3]))
def test_projection_on_constants_against_brute_force(pc: PathConstraints, i: int, tick: int) -> None:
    every = bindings(pc)
    e = NumberIn(i, -1, 1, tick, 9, tick, 0, 0, 1)
    if {tick, 9} <= set(pc.constants()):
        real = {difference(e, b) % M for b in every}
        p = project(pc, Difference(i, -1, 1, tick, 9, tick, 0))
        claimed = set(range(M)) & {v for lo, hi in p.values.spans for v in range(lo, hi + 1)}
        assert real <= claimed
        if p.exact:
            assert real == claimed
