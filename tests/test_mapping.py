"""`map`: sets of values known by hand, and random runs with real numbers as an oracle."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from tcpcheck.model.simulate import simulate

from tcpcheck.checking import verify_scenario
from tcpcheck.errors import UsageError
from tcpcheck.explore.result import Limits
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load, load_text
from tcpcheck.lang.scenario import Scenario
from tcpcheck.lang.wording import pred_words
from tcpcheck.mapping import MapResult, Moment, Outcome, Quantity, map_scenario
from tcpcheck.mapping.moments import moments
from tcpcheck.mapping.outcomes import prove_cover, with_moments
from tcpcheck.mapping.result import OPEN, inside
from tcpcheck.mapping.unknowns import Searched, quantity, resolve
from tcpcheck.model.build import build_model
from tcpcheck.witness.arcset import ArcSet

ROOT = Path(__file__).parent.parent
HALF, WHOLE = 1 << 31, 1 << 32
OLD, NEW = "replies ACK; stays", "replies SYN-ACK; server.c[1] becomes CLOSED"


@cache
def spec(name: str) -> Scenario:
    return load(ROOT / name, REGISTRY)


def only(scenario: Scenario, **chosen: int) -> Scenario:
    cases = tuple(c for c in scenario.cases if all(c.chosen[k] == v for k, v in chosen.items()))
    return Scenario(scenario.file, scenario.title, scenario.question, scenario.source, cases, scenario.warnings)


def moment(result: MapResult, text: str) -> Moment:
    (m,) = result.maps
    (found,) = [x for x in m.moments if x.text == text]
    return found


def sets(m: Moment) -> dict[str, tuple[tuple[int, int], ...]]:
    return {o.text: o.may for o in m.outcomes}


# ---- by hand


def test_the_gap_of_isns() -> None:
    """80 bytes: the bucket expects the first ISN + 82, and a SYN is new at 1..2^31 from there."""
    result = map_scenario(spec("specs/isn_gap.tcp"), "client.s2.iss - client.s1.iss")
    m = moment(result, "server.c[1] in TIME-WAIT receives SYN")
    assert sets(m) == {OLD: ((0, 82), (HALF + 83, WHOLE - 1)), NEW: ((83, HALF + 82),)}
    assert all(o.must == o.may and o.exact and o.runs >= 8 for o in m.outcomes)
    assert m.never == () and result.ok


def test_the_pause_between_them() -> None:
    """The SYNs are the pause and what happens between them apart; a tick is 64 ns, and where in its tick a SYN is sent
    is not known: 63 ns at each edge on which both may happen."""
    result = map_scenario(spec("specs/isn_gap.tcp"), "pause")
    m = moment(result, "server.c[1] in TIME-WAIT receives SYN")
    apart = (
        45_000  # ns: the SYN's and SYN-ACK's way, 80 bytes and their ACK's or the FIN's: whole times 10 us and calls
    )
    cells = m.cells()
    assert [tuple(m.outcomes[i].text for i in which) for _, which in cells] == [
        (), (NEW,), (OLD, NEW), (OLD,), (OLD, NEW), (NEW,), (OLD, NEW), (OLD,), (OLD, NEW), (NEW,)
    ]  # fmt: skip
    for (lo, hi), ticks in zip([s for s, which in cells if len(which) > 1], range(1, 5), strict=True):
        assert hi - lo + 1 == 63
        assert abs(lo + apart - 64 * (HALF * ticks + 82)) < 6_000
    assert result.ok


def test_what_time_wait_does_with_a_syn_without_timestamps() -> None:
    result = map_scenario(only(spec("specs/tw_syn.tcp"), ts_s=0, ts_c=0, rfc1337=0), "isn")
    m = moment(result, "server.c in TIME-WAIT receives SYN")
    assert m.over.text == "isn - server.c.rcv_nxt"
    assert sets(m) == {
        "replies SYN-ACK; server.c becomes CLOSED": ((1, HALF),),
        "replies ACK; stays": ((0, 0), (HALF + 1, WHOLE - 1)),
        # its copy, a second later: the answers are limited; not to the one that brings the client to a halt
        "replies NOTHING; stays": ((0, 0), (HALF + 1, WHOLE - 2)),
    }
    m = moment(result, "client.s2 in SYN-SENT receives ACK")
    assert sets(m) == {
        "replies RST; stays": ((0, 0), (HALF + 1, WHOLE - 2)),
        "replies NOTHING; stays": ((WHOLE - 1, WHOLE - 1),),
    }
    assert m.never == ((1, HALF),)
    assert result.ok


def test_timestamps_decide() -> None:
    result = map_scenario(only(spec("specs/tw_syn.tcp"), ts_s=1, ts_c=1, rfc1337=0), "ts")
    m = moment(result, "server.c in TIME-WAIT receives SYN")
    assert m.over.text == "ts - server.c.ts_recent"
    accepted = next(o for o in m.outcomes if "SYN-ACK" in o.text)
    assert accepted.must == ((1, HALF),)
    # The same one as ts_recent: when the sequence number is newer. Somewhat older ones, too, for a SYN that is sent
    # again because the client took the server's ACK for an answer to it: how much older is not worked out.
    assert (0, HALF) in accepted.may or accepted.may == ((0, WHOLE - 1),)
    assert not accepted.exact


def test_a_family_of_sysctls() -> None:
    result = map_scenario(only(spec("specs/tw_syn.tcp"), ts_s=0, ts_c=0), "rfc1337")
    m = moment(result, "server.c in TIME-WAIT receives RST")
    assert m.over.members == ("0", "1")
    assert sets(m) == {
        "replies NOTHING; stays": ((0, 1),),
        "replies NOTHING; server.c becomes CLOSED": ((0, 0),),
    }
    assert [o.must for o in m.outcomes] == [((1, 1),), ()]


def test_a_pause_that_lasts_still() -> None:
    """TIME-WAIT begins 1 ms after the pause, when the client's FIN arrives, and lasts 60 s or an eighth and a jiffy
    more. Where it ends before the pause does, the pause is any that is longer."""
    result = map_scenario(spec("tests/specs_model/map_expiry.tcp"), "gap")
    gone = moment(result, "server.c in CLOSED and client.s2 absent")
    assert sets(gone) == {"comes true": ((60_001_000_000, 90_000_000_000),)}
    met = moment(result, "server.c in TIME-WAIT receives SYN")
    assert [o.may for o in met.outcomes] == [((1_000_000_000, 67_504_000_000),)]
    assert sets(moment(result, "client.s gets EOF")) == {}  # it was before the pause
    assert result.ok


def test_obligations_in_time_too_early_too_late_or_never() -> None:
    """The server is in ESTABLISHED 1 ms before the client may send, and the byte takes 1 ms."""
    result = map_scenario(spec("tests/specs_model/map_due.tcp"), "gap")
    event = "after server.c in ESTABLISHED eventually server.c gets 1B"
    due = moment(result, f"{event} within 2s..4s")
    assert {o.text: o.may for o in due.outcomes} == {
        "too early": ((0, 1_999_999_999),),
        "in time": ((2_000_000_000, 4_000_000_000),),
        "too late": ((4_000_000_001, 9_000_000_000),),
    }
    assert all(o.exact and o.must == o.may and o.runs >= 8 for o in due.outcomes)
    ever = {o.text: o.may for o in moment(result, event).outcomes}
    assert ever == {"in time": ((0, 5_000_000_000),), "never comes": ((5_000_000_000, 9_000_000_000),)}
    start = {o.text: o.may for o in moment(result, "eventually server.c gets 1B within 3s").outcomes}
    assert start == {"in time": ((0, 2_997_000_000),), "too late": ((2_997_000_001, 9_000_000_000),)}
    assert result.ok and all(m.never == () for m in result.maps[0].moments if m.text.startswith("after"))


def test_every_value_of_a_search_cut_off_is_in_a_row() -> None:
    whole = map_scenario(spec("specs/isn_gap.tcp"), "pause")
    for states in (10, 40, 60):
        cut = map_scenario(spec("specs/isn_gap.tcp"), "pause", Limits(states=states))
        assert not cut.ok and cut.maps[0].undecided == "state limit"
        for m in cut.maps[0].moments:
            cells = m.cells()
            assert cells[0][0][0] == m.over.lo and cells[-1][0][1] == m.over.hi
            assert all(b[0] == a[1] + 1 for (a, _), (b, _) in pairwise(cells))
            assert all(which[-1] == OPEN for _, which in cells), "nothing is certain"
            known = {o.text: ArcSet(o.may, 2**62) for o in moment(whole, m.text).outcomes}
            assert all(not ArcSet(o.may, 2**62) - known[o.text] for o in m.outcomes)


def test_members_cut_off_are_a_row_of_their_own() -> None:
    result = map_scenario(spec("specs/seeds/001_rst_to_time_wait.tcp"), "rfc1337", Limits(states=100))
    m = moment(result, "server.c[1] in TIME-WAIT receives RST")
    assert [which for _, which in m.cells()] == [(0,), (1, OPEN)] and m.open == ((1, 1),)


def test_a_blind_reset_is_mapped_as_it_is_counted() -> None:
    """The numbers of an injected segment, from RCV.NXT: the sets are as large as the counts, which z3 proves too."""
    scenario = spec("specs/resets/blind_rst.tcp")
    counts = {(c.settings["server.kernel"], c.name): c.count for c in verify_scenario(scenario).claims}
    result = map_scenario(scenario, "guess")
    assert result.ok
    for m in result.maps:
        found = sets(next(x for x in m.moments if x.text == "server.c receives RST (forged)"))
        for settings in m.settings:
            for claim, outcome in (
                ("kills", "replies NOTHING; server.c becomes CLOSED"),
                ("challenged", "replies ACK; stays"),
            ):
                count = counts[settings["server.kernel"], claim]
                size = sum(hi - lo + 1 for lo, hi in found.get(outcome, ()))
                assert count is not None and count["min"] == count["max"] == size
        assert found["replies NOTHING; server.c becomes CLOSED"][0][0] == 0


# ---- random runs


def disagreements(scenario: Scenario, name: str, result: MapResult, runs: int) -> tuple[list[str], dict[str, int]]:
    """Values that random runs came to an outcome with and that are in none of its sets; how often each was come to."""
    over = resolve(scenario, name)
    assert isinstance(over, Searched)
    wrong, seen = [], dict[str, int]()
    for case in scenario.cases:
        (known,) = [m for m in result.maps if case.settings in m.settings]
        every = moments(case.claims)
        asked = [x for m in every if (x := quantity(case, over, m, every)) is not None]
        model = build_model(with_moments(case, [m for m, _, _ in asked], [expr for _, expr, _ in asked]))
        for seed in range(runs):
            for claim, code, value in simulate(model, seed).values:
                words = f"{asked[claim][0].text}: {code:x}"
                seen[words] = seen.get(words, 0) + 1
                m = known.moments[claim]
                if not m.note and not any(inside(o.may, value) for o in of_code(m, code)):
                    wrong.append(f"{words} with {value}, seed {seed}")
    return wrong, seen


def of_code(m: Moment, code: int) -> list[Outcome]:
    """The outcome of that number: by its replies and whether the state changes."""
    due = {1: "in time", 2: "too early", 4: "never comes" if "within" not in m.text else "too late"}
    if m.text.startswith(("after ", "eventually ")):
        return [o for o in m.outcomes if o.text == due[code]]
    names = {1: "SYN", 2: "SYN-ACK", 4: "FIN", 8: "RST", 16: "ACK", 32: "DATA"}
    sent = {name for bit, name in names.items() if code & bit} or {"NOTHING"}
    found = []
    for o in m.outcomes:
        first, *rest = o.text.split("; ")
        if o.text == "comes true" or (set(first.removeprefix("replies ").split(" and ")) == sent and
                                      any("becomes" in r for r in rest) == (code >> 8 > 0)):  # fmt: skip
            found.append(o)
    return found


CASES = [
    ("specs/isn_gap.tcp", "client.s2.iss - client.s1.iss", 300),
    ("specs/isn_gap.tcp", "pause", 300),
    ("specs/tw_syn.tcp", "isn", 120),
    ("specs/tw_syn.tcp", "ts", 120),
    ("tests/specs_drafts/c02_blind_rst.tcp", "guess", 300),
    ("tests/specs_model/map_expiry.tcp", "gap", 300),
    ("tests/specs_model/map_due.tcp", "gap", 300),
]


@pytest.mark.parametrize(("name", "over", "runs"), CASES, ids=[f"{Path(n).stem}-{o.split()[0]}" for n, o, _ in CASES])
def test_random_runs_lie_in_the_sets(name: str, over: str, runs: int) -> None:
    scenario = spec(name)
    if over in ("isn", "ts"):
        scenario = only(scenario, rfc1337=0, ts_c=1)
    result = map_scenario(scenario, over, jobs=2)
    wrong, seen = disagreements(scenario, over, result, runs)
    assert not wrong
    assert len(seen) >= 2 and sum(seen.values()) >= runs / 2


def test_random_runs_find_a_set_that_is_too_small() -> None:
    scenario = spec("specs/isn_gap.tcp")
    result = map_scenario(scenario, "client.s2.iss - client.s1.iss")
    for o in result.maps[0].moments[0].outcomes:
        object.__setattr__(o, "may", tuple((lo, hi - HALF // 2) for lo, hi in o.may))
    wrong, _ = disagreements(scenario, "client.s2.iss - client.s1.iss", result, 200)
    assert wrong


def test_sets_that_do_not_add_up() -> None:
    over = Quantity("x", "x", "number", 0, 9)
    whole = Outcome("a", ((0, 9),), ((0, 4),), True, "", 1)
    prove_cover([whole, Outcome("b", ((5, 9),), (), True, "", 1)], (), over)
    for outcomes, never in (
        ([Outcome("a", ((0, 8),), (), True, "", 1)], ()),
        ([whole, Outcome("b", ((4, 9),), ((4, 4),), True, "", 1)], ()),
        ([whole], ((3, 3),)),
    ):
        with pytest.raises(AssertionError, match="do not add up"):
            prove_cover(outcomes, never, over)


# ---- what is asked for


def test_moments_in_words_are_what_they_stand_for() -> None:
    """Put back into the spec, the words of a predicate mean the same."""
    for path in sorted((ROOT / "specs").rglob("*.tcp")):
        scenario = load(path, REGISTRY)
        words = [pred_words(p) for c in scenario.cases[0].claims for p in (c.pred, c.goal) if p is not None]
        claims = "\n".join(f"reach again_{i} {{ {w} }}" for i, w in enumerate(words))
        again = load_text(scenario.source + "\n" + claims, str(path), REGISTRY).cases[0].claims[-len(words) :]
        assert [pred_words(c.pred) for c in again if c.pred is not None] == words, path


def test_no_such_choice() -> None:
    with pytest.raises(UsageError, match=r"no choice `paus` in .*: did you mean `pause`"):
        map_scenario(spec("specs/isn_gap.tcp"), "paus")
    with pytest.raises(UsageError, match=r"cannot map over `client.s2.iss - client.s9.iss`: no run"):
        map_scenario(spec("specs/isn_gap.tcp"), "client.s2.iss - client.s9.iss")
