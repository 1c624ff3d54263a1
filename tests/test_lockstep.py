"""`diff`: kernels that part and those that do not; verdicts as an oracle: where they differ the kernels part."""

from __future__ import annotations

from pathlib import Path

import pytest
from tcpcheck.model.branches import branches

from tcpcheck.checking import verify_scenario
from tcpcheck.explore.result import Limits
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load, load_text
from tcpcheck.lang.scenario import Scenario
from tcpcheck.lockstep import Also, Difference, diff_case
from tcpcheck.lockstep.joint import apart, contradict, moved
from tcpcheck.lockstep.product import WINDOW
from tcpcheck.model.build import build_model
from tcpcheck.witness.constraints import Age, NumberIn

ROOT = Path(__file__).parent.parent
LINUX, OLD, RFC = "linux 6.18.44", "linux 4.4", "rfc9293 without rfc5961"
ALL = Also(windows=True, times=True)


def with_kernel(name: str, kernel: str) -> Scenario:
    plain = load(ROOT / name, REGISTRY)
    hosts = [h.name for h in plain.cases[0].hosts if h.kernel != "none"]
    return load(ROOT / name, REGISTRY, {f"{host}.kernel": [kernel] for host in hosts})


def diff(name: str, a: str, b: str, also: Also = Also(), limits: Limits = Limits()) -> Difference:  # noqa: B008
    """The first member's."""
    first, second = with_kernel(name, a), with_kernel(name, b)
    return diff_case(first, (first.cases[0], second.cases[0]), limits, also)


def rules(d: Difference) -> list[list[str]]:
    return [[rule for step in side.steps for rule in step.rules] for side in d.sides]


def states(d: Difference) -> list[list[str]]:
    return [[c.after for step in side.steps for c in step.changes if c.what == "state"] for side in d.sides]


SMALL = [
    "specs/close_wait_syn.tcp",
    "specs/fin_wait2_no_fin.tcp",
    "specs/simultaneous_open.tcp",
    "specs/tw_fin.tcp",
    "specs/isn_gap.tcp",
    "specs/resets/blind_rst.tcp",
    "specs/resets/rst_in_syn_received.tcp",
    "specs/opening/accept_queue_overflow.tcp",
    "specs/opening/cookie_lost_ack.tcp",
    "specs/seeds/001_one_side_timestamps.tcp",
    "specs/seeds/003_open_close_orders.tcp",
    "specs/time_wait/rfc1337_h3.tcp",
    "specs/time_wait/reordering.tcp",
]


@pytest.mark.parametrize("kernel", [LINUX, "rfc9293"])
@pytest.mark.parametrize("name", SMALL)
def test_a_kernel_does_not_part_from_itself(name: str, kernel: str) -> None:
    d = diff(name, kernel, kernel, ALL)
    assert not d.parts
    assert not d.why
    assert d.pairs > 10


def test_a_blind_reset() -> None:
    """In the window, not exact: RFC 5961 answers, RFC 793 closes. Twelve steps lead there."""
    d = diff("specs/resets/blind_rst.tcp", LINUX, RFC)
    assert rules(d) == [["RFC5961_RST_CHALLENGE", "CHALLENGE_ACK"], ["RST_IN_WINDOW"]]
    assert states(d) == [[], ["CLOSED"]]
    assert d.common is not None
    received = d.sides[0].steps[0].segment
    to_server = [s.segment for s in d.common.steps if s.segment is not None and s.segment.dst == "server"]
    last = next(segment for segment in reversed(to_server) if segment.ack)
    assert received is not None
    assert 0 < (received.seq - last.seq) % 2**32 < 65160


def test_a_simultaneous_open() -> None:
    d = diff("specs/simultaneous_open.tcp", LINUX, OLD)
    assert [r[0] for r in rules(d)] == ["SYNRECV_SYNACK_ACCEPTED", "RFC5961_SYN_CHALLENGE"]
    assert states(d) == [["ESTABLISHED"], []]


def test_a_full_syn_queue() -> None:
    """Before 6.13 it holds one request less."""
    d = diff("specs/opening/accept_queue_overflow.tcp", LINUX, OLD)
    assert rules(d) == [["LISTEN_SYN"], ["LISTEN_SYN_QUEUE_FULL"]]


def test_a_reset_in_syn_received() -> None:
    d = diff("specs/time_wait/rfc1337_h3.tcp", LINUX, OLD)
    assert [r[0] for r in rules(d)] == ["REQ_RST_CHALLENGE", "REQ_RST_KILLED"]


def test_one_does_what_the_other_cannot_do_yet() -> None:
    """TIME-WAIT of RFC 9293 lasts two MSL of two minutes; Linux's is over after one."""
    d = diff("specs/seeds/003_time_wait_length.tcp", LINUX, "rfc9293")
    assert [side.kernel for side in d.sides] == ["linux-6.18.44", "rfc9293"]
    assert d.sides[0].steps and not d.sides[1].steps
    assert states(d)[0] == ["CLOSED"]
    assert 60_000_000_000 <= d.time_ns < 240_000_000_000


def test_times_and_windows_only_when_asked_for() -> None:
    assert not diff("specs/tw_fin.tcp", LINUX, OLD).parts
    d = diff("specs/tw_fin.tcp", LINUX, OLD, Also(times=True))  # timers of a jiffy of 4 ms may be one early
    assert d.parts
    assert [bool(side.steps) for side in d.sides] == [False, True]


def test_the_window_is_where_it_is_left_out() -> None:
    model = build_model(load(ROOT / "specs" / "simultaneous_open.tcp", REGISTRY).cases[0])
    found, cut = branches(model, [])
    sends = [sent for branch in found for sent in branch.sends]
    assert not cut and len(sends) == len(found) >= 2
    assert {plain[WINDOW] for _, plain, _ in sends} == {64240}


def test_the_common_part_is_the_same_on_both() -> None:
    """The other way round: the same length, the other sides."""
    there, back = diff("specs/simultaneous_open.tcp", LINUX, OLD), diff("specs/simultaneous_open.tcp", OLD, LINUX)
    assert there.common is not None and back.common is not None
    assert len(there.common.steps) == len(back.common.steps)
    assert rules(there) == rules(back)[::-1]
    for one, other in zip(there.common.steps, back.common.steps, strict=True):
        assert (one.host, one.event, one.text, one.rules) == (other.host, other.event, other.text, other.rules)


# ---- verdicts as an oracle


ORACLE = [
    *(name for name in SMALL if "blind" not in name and "isn_gap" not in name),
    "specs/seeds/001_challenge_or_tw_ack.tcp",
    "specs/seeds/001_tw_reuse.tcp",
    "specs/seeds/001_rst_to_time_wait.tcp",
    "specs/opening/self_connect.tcp",
    "specs/resets/challenge_limit.tcp",
]


def test_where_verdicts_differ_the_kernels_part() -> None:
    """Everything that a claim can tell apart must be seen: so where no difference is found, all verdicts agree."""
    differing = 0
    for name in ORACLE:
        for a, b in ((LINUX, OLD), (LINUX, RFC)):
            first, second = with_kernel(name, a), with_kernel(name, b)
            d = diff_case(first, (first.cases[0], second.cases[0]), also=ALL)
            assert not d.why, name
            said = []
            for scenario in (first, second):
                one = Scenario("f", "", "", scenario.source, scenario.cases[:1], ())
                said.append([(c.verdict, c.count) for c in verify_scenario(one).claims])
            if said[0] != said[1]:
                differing += 1
                assert d.parts, (name, a, b)
    assert differing >= 5


# ---- bounds


@pytest.mark.parametrize(
    ("limits", "why"),
    [(Limits(states=3), "state limit"), (Limits(depth=2), "depth limit"), (Limits(seconds=0.0), "time limit")],
)
def test_bounds(limits: Limits, why: str) -> None:
    d = diff("specs/tw_fin.tcp", LINUX, LINUX, limits=limits)
    assert not d.parts
    assert d.why == why
    assert d.bounds["truncated"]


def test_a_horizon_that_cuts() -> None:
    text = (ROOT / "specs" / "tw_fin.tcp").read_text() + "\nhorizon 1s\n"
    scenario = load_text(text, "f.tcp", REGISTRY)
    d = diff_case(scenario, (scenario.cases[0], scenario.cases[0]))
    assert "horizon" in d.why


# ---- conditions of two paths


def test_contradictions_of_one_step() -> None:
    newer = NumberIn(-1, -1, 0, 7, 8, 0, 0, 1, 1 << 31)
    older = NumberIn(-1, -1, 0, 7, 8, 0, 0, (1 << 31) + 1, (1 << 31) - 1)
    turned = NumberIn(-1, -1, 0, 8, 7, 0, 0, 1, (1 << 31) - 1)
    assert contradict([newer], [older])
    assert not contradict([older], [turned])
    assert contradict([newer], [turned])
    assert contradict([Age(3, 1, 100)], apart(3, 1, least=101))
    assert not contradict([Age(3, 1, 100)], apart(3, 1, least=100))


def test_instants_on_one_line() -> None:
    """A side that stood still at the joint instants 2 and 3; what comes after its path is the joint end."""
    entries = [Age(2, 1, 5), Age(3, 0, 7), NumberIn(2, -1, 0, 9, 0, 4, 0, 1, 1)]
    assert moved(entries, (0, 1, 4), 6) == [Age(4, 1, 5), Age(6, 0, 7), NumberIn(4, -1, 0, 9, 0, 4, 0, 1, 1)]
