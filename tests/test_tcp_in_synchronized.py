"""Segments to ESTABLISHED and later states: reply, next state, rule (RFC 9293 3.10.7.4 as Linux 6.18.44 has it)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tcp_scene import Scene, scene

Row = tuple[str, dict[str, Any], tuple[str, ...], str, str]
FULL = ("ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK")
SAME = "same"


def check(here: Scene, state: str, row: Row) -> None:
    flags, numbers, replies, after, rule = row
    numbers = dict(numbers)
    if numbers.pop("window", False):
        numbers["seq"] += here.window
    outcomes = here.tried(flags, **numbers)
    assert {outcome[0] for outcome in outcomes} == {state if after == SAME else after}
    assert replies in {outcome[1] for outcome in outcomes}  # text may be acknowledged at once or later
    assert len(outcomes) == 1 or all("DATA_IN_ORDER" in outcome[2] for outcome in outcomes)
    assert all(rule in outcome[2] for outcome in outcomes)


def names(rows: list[Row]) -> list[str]:
    return [f"{row[0] or 'null'} {row[1]} {row[4]}" for row in rows]


# What every synchronized state does alike. ack 0 is SND.NXT; the peer has not acknowledged a FIN: ack -1 then.
COMMON: list[Row] = [
    ("", {}, (), SAME, "NO_ACK_IGNORED"),
    ("F", {}, (), SAME, "NO_ACK_IGNORED"),
    ("P", {"length": 10}, (), SAME, "NO_ACK_IGNORED"),
    ("S", {}, (".",), SAME, "RFC5961_SYN_CHALLENGE"),
    ("S", {"seq": 1 << 31}, (".",), SAME, "RFC5961_SYN_CHALLENGE"),
    ("S", {"tsval": -500000}, (".",), SAME, "RFC5961_SYN_CHALLENGE"),
    ("S.", {"seq": -1}, (".",), SAME, "RFC5961_SYN_CHALLENGE"),
    ("SF", {}, (".",), SAME, "RFC5961_SYN_CHALLENGE"),
    ("R", {}, (), "CLOSED", "RST_EXACT"),
    ("R", {"tsval": -500000}, (), "CLOSED", "RST_EXACT"),
    ("R.", {"ack": 12345}, (), "CLOSED", "RST_EXACT"),
    ("R", {"length": 10}, (), "CLOSED", "RST_EXACT"),
    ("RS", {}, (), "CLOSED", "RST_EXACT"),
    ("R", {"seq": 1}, (".",), SAME, "RFC5961_RST_CHALLENGE"),
    ("R", {"seq": 0, "window": True}, (".",), SAME, "RFC5961_RST_CHALLENGE"),
    ("R", {"seq": 1, "window": True}, (), SAME, "RST_OUT_OF_WINDOW"),
    ("R", {"seq": -100}, (), SAME, "RST_OUT_OF_WINDOW"),
    (".", {"seq": -100}, (".",), SAME, "SEQ_OUT_OF_WINDOW"),
    ("P.", {"seq": -100, "length": 10}, (". D",), SAME, "SEQ_OUT_OF_WINDOW"),
    (".", {"seq": 1, "window": True}, (".",), SAME, "SEQ_OUT_OF_WINDOW"),
    (".", {"ack": 1}, (".",), SAME, "ACK_UNACCEPTABLE_CHALLENGED"),
    ("F.", {"ack": 1}, (".",), SAME, "ACK_UNACCEPTABLE_CHALLENGED"),
    ("P.", {"ack": 1, "length": 10}, (".",), SAME, "ACK_UNACCEPTABLE_CHALLENGED"),
    (".", {"ack": -100000, "seq": 1}, (".",), SAME, "ACK_UNACCEPTABLE_CHALLENGED"),
    ("P.", {"tsval": -500000, "length": 10}, (".",), SAME, "PAWS_DROPPED"),
    ("F.", {"tsval": -2}, (".",), SAME, "PAWS_DROPPED"),
    (".", {"tsval": -500000, "seq": -1}, (), SAME, "PAWS_OLD_ACK_SILENT"),
]


@pytest.mark.parametrize("row", COMMON, ids=names(COMMON))
@pytest.mark.parametrize("state", FULL)
def test_every_state(state: str, row: Row) -> None:
    check(scene(state, ts=True), state, row)


@pytest.mark.parametrize("state", FULL)
def test_reset_where_the_fin_was(state: str) -> None:
    after_fin = state in ("CLOSE-WAIT", "CLOSING", "LAST-ACK")
    rule = "RST_AFTER_FIN" if after_fin else "RST_OUT_OF_WINDOW"
    assert scene(state).only("R", -1)[2] == (rule,)
    assert scene(state, profile="linux-4.9").only("R", -1)[2] == ("RST_OUT_OF_WINDOW",)


PAIR = ("ESTABLISHED", "CLOSE-WAIT")
ESTABLISHED: list[Row] = [
    (".", {}, (), SAME, "ACK_NOTHING_NEW"),
    (".", {"seq": 1}, (), SAME, "ACK_NOTHING_NEW"),
    (".", {"tsval": "none"}, (), SAME, "ACK_NOTHING_NEW"),
    (".", {"tsval": -1}, (), SAME, "ACK_NOTHING_NEW"),
    (".", {"tsval": -2}, (), SAME, "PAWS_DISORDERED_ACK"),
    (".", {"tsval": -500}, (".",), SAME, "PAWS_DROPPED"),
    (".", {"tsval": -2, "seq": 1}, (".",), SAME, "PAWS_DROPPED"),
    ("P.", {"length": 10}, (".",), SAME, "DATA_IN_ORDER"),
    ("P.", {"length": 10, "seq": 5}, (". K",), SAME, "DATA_OUT_OF_ORDER"),
    ("P.", {"length": 10, "seq": 0, "window": True}, (".",), SAME, "DATA_BEYOND_WINDOW"),
    ("F.", {}, (), "CLOSE-WAIT", "FIN_CLOSE_WAIT"),
    ("F.", {"length": 10}, (), "CLOSE-WAIT", "FIN_CLOSE_WAIT"),
    ("F.", {"seq": 5}, (". K",), SAME, "DATA_OUT_OF_ORDER"),
    (".", {"ack": -1}, (".",), SAME, "ACK_TOO_OLD_PREDICTED"),
    (".", {"ack": -1, "seq": 1}, (".",), SAME, "ACK_UNACCEPTABLE_CHALLENGED"),
]


@pytest.mark.parametrize("row", ESTABLISHED, ids=names(ESTABLISHED))
def test_established(row: Row) -> None:
    check(scene("ESTABLISHED", ts=True), "ESTABLISHED", row)


def test_established_old_data() -> None:
    here = scene("ESTABLISHED unread")
    assert here.only("P.", -10, length=10)[1:] == ((". D",), ("ACK_NOTHING_NEW", "DATA_OLD"))
    assert here.only("P.", -5, length=10)[2][:2] == ("ACK_NOTHING_NEW", "DATA_OVERLAP")


def test_established_ack_of_the_syn_is_too_old_only_for_a_passive_open() -> None:
    """bytes_acked counts the SYN of an active open, and nothing of a passive one."""
    assert scene("ESTABLISHED").only(".", ack=-1)[2][0] == "ACK_UNACCEPTABLE_CHALLENGED"
    assert scene("ESTABLISHED active").only(".", ack=-1)[2] == ("ACK_OLD_TOLERATED",)
    assert scene("ESTABLISHED", profile="linux-6.6").only(".", ack=-1)[2][0] == "ACK_TOO_OLD_CHALLENGED"
    assert scene("ESTABLISHED acked").only(".", ack=-1000)[2] == ("ACK_OLD_TOLERATED",)
    assert scene("ESTABLISHED acked").only(".", ack=-1001)[2][0] == "ACK_UNACCEPTABLE_CHALLENGED"


def test_established_future_ack_of_older_kernels() -> None:
    assert scene("ESTABLISHED", profile="linux-6.12").only(".", ack=1) == ("ESTABLISHED", (), ("ACK_FUTURE_IGNORED",))
    assert scene("CLOSE-WAIT", profile="linux-6.12").only(".", ack=1)[1] == (".",)


def test_established_window_and_queue() -> None:
    """Text that sticks out of the window is taken whole while the receive queue is empty."""
    assert "DATA_IN_ORDER" in _sticking_out("ESTABLISHED", 5)
    assert _sticking_out("ESTABLISHED unread", 5)[0] == "SEQ_OUT_OF_WINDOW"
    assert "DATA_OUT_OF_ORDER" in _sticking_out("ESTABLISHED unread", 0, "F.")


def _sticking_out(state: str, by: int, flags: str = "P.") -> tuple[str, ...]:
    here = scene(state)
    window = here.window
    start = window - 100 if flags == "F." else 0
    length = window - start + by
    outcomes = here.tried(flags, start, length=length)
    return max((outcome[2] for outcome in outcomes), key=len)


def test_header_prediction_looks_at_the_ack_too_late() -> None:
    """A segment just as expected, but for an ACK far too old: its text may be taken."""
    rules = {outcome[2][0] for outcome in scene("ESTABLISHED unread").tried("P.", ack=-100000, length=10)}
    assert rules == {"ACK_TOO_OLD_PREDICTED", "ACK_UNACCEPTABLE_CHALLENGED"}
    for numbers in ({"seq": 1}, {"wnd": 5000}, {"ack": 100000}):
        outcomes = scene("ESTABLISHED unread").tried(**{"flags": "P.", "ack": -100000, "length": 10} | numbers)
        assert {outcome[2][0] for outcome in outcomes} == {"ACK_UNACCEPTABLE_CHALLENGED"}


BY_STATE: dict[str, list[Row]] = {
    "CLOSE-WAIT": [
        (".", {}, (), SAME, "ACK_NOTHING_NEW"),
        ("P.", {"length": 10}, (), SAME, "DATA_AFTER_FIN_IGNORED"),
        ("F.", {}, (), SAME, "DATA_AFTER_FIN_IGNORED"),
        ("P.", {"seq": -1, "length": 10}, ("R",), "CLOSED", "DATA_OVER_FIN_RST"),
        ("F.", {"seq": -1}, (". D",), SAME, "DATA_OLD"),
        ("F.", {"seq": -1, "length": 1}, (), SAME, "FIN_AGAIN"),
    ],
    "FIN-WAIT-1": [
        (".", {}, (), "FIN-WAIT-2", "FIN_ACKED_FIN_WAIT2"),
        (".", {"ack": -1}, (), SAME, "ACK_NOTHING_NEW"),
        ("P.", {"length": 10, "ack": -1}, (".",), SAME, "DATA_IN_ORDER"),
        ("P.", {"length": 10}, (".",), "FIN-WAIT-2", "DATA_IN_ORDER"),
        ("F.", {"ack": -1}, (".",), "CLOSING", "FIN_CLOSING"),
        ("F.", {}, (".",), "TIME-WAIT bucket", "FIN_TIME_WAIT"),
        ("F.", {"seq": 5, "ack": -1}, (". K",), SAME, "DATA_OUT_OF_ORDER"),
    ],
    "FIN-WAIT-1 orphan": [
        (".", {}, (), "FIN-WAIT-2 bucket", "FIN_WAIT2_BUCKET"),
        (".", {"ack": -1}, (), "FIN-WAIT-1", "ACK_NOTHING_NEW"),
        ("P.", {"length": 10}, ("R",), "CLOSED", "DATA_AFTER_CLOSE_RST"),
        ("P.", {"length": 10, "ack": -1}, ("R",), "CLOSED", "DATA_AFTER_CLOSE_RST"),
        ("F.", {"seq": 5}, ("R",), "CLOSED", "DATA_AFTER_CLOSE_RST"),
        ("F.", {}, (".",), "TIME-WAIT bucket", "FIN_WAIT2_KEEPALIVE"),
        ("F.", {"ack": -1}, (".",), "CLOSING", "FIN_CLOSING"),
    ],
    "FIN-WAIT-2": [
        (".", {}, (), SAME, "ACK_NOTHING_NEW"),
        ("P.", {"length": 10}, (".",), SAME, "DATA_IN_ORDER"),
        ("F.", {}, (".",), "TIME-WAIT bucket", "FIN_TIME_WAIT"),
        ("F.", {"seq": 5}, (". K",), SAME, "DATA_OUT_OF_ORDER"),
        (".", {"ack": -1}, (), SAME, "ACK_OLD_TOLERATED"),
    ],
    "CLOSING": [
        (".", {}, (), "TIME-WAIT bucket", "FIN_ACKED_TIME_WAIT"),
        ("F.", {"seq": -1}, (), "TIME-WAIT bucket", "FIN_ACKED_TIME_WAIT"),
        ("F.", {"seq": -1, "ack": -1}, (". D",), SAME, "DATA_OLD"),
        ("P.", {"length": 10, "ack": -1}, (), SAME, "DATA_AFTER_FIN_IGNORED"),
    ],
    "LAST-ACK": [
        (".", {}, (), "CLOSED", "FIN_ACKED_CLOSED"),
        ("P.", {"length": 10}, (), "CLOSED", "FIN_ACKED_CLOSED"),
        ("F.", {"seq": -1}, (), "CLOSED", "FIN_ACKED_CLOSED"),
        (".", {"ack": -1}, (), SAME, "ACK_NOTHING_NEW"),
        ("F.", {"seq": -1, "ack": -1}, (". D",), SAME, "DATA_OLD"),
        ("P.", {"length": 10, "ack": -1}, (), SAME, "DATA_AFTER_FIN_IGNORED"),
    ],
}
STATE_ROWS = [(state, row) for state, rows in BY_STATE.items() for row in rows]


@pytest.mark.parametrize(("state", "row"), STATE_ROWS, ids=[f"{s} {n}" for s, r in BY_STATE.items() for n in names(r)])
def test_by_state(state: str, row: Row) -> None:
    check(scene(state), state, row)


def test_fin_wait1_orphan_with_a_long_timeout_stays_full() -> None:
    here = scene("FIN-WAIT-1 orphan", sysctls={"tcp_fin_timeout": 75})
    assert here.only(".")[0] == "FIN-WAIT-2"


@pytest.mark.parametrize(("state", "errno"), [("ESTABLISHED", 104), ("CLOSE-WAIT", 32), ("FIN-WAIT-1", 104)])
def test_reset_tells_the_application(state: str, errno: int) -> None:
    here = scene(state)
    sock = here.sock
    here.put("R")
    assert here.host.sock(sock)["so_error"] == errno


def test_reset_at_the_sack_edge() -> None:
    here = scene("ESTABLISHED holes")
    assert here.only("R", 1100)[2] == ("RST_SACK_EDGE",)
    assert here.only("R", 1000)[2][0] == "RFC5961_RST_CHALLENGE"
    assert scene("ESTABLISHED holes", sysctls={"tcp_sack": 0}).only("R", 1100)[2][0] == "RFC5961_RST_CHALLENGE"
    assert scene("ESTABLISHED holes", profile="linux-4.4").only("R", 1100)[2][0] == "RFC5961_RST_CHALLENGE"


def test_one_limiter_for_all_causes() -> None:
    """An answered ACK out of the window silences SYN and RST challenges, but not the answer to text."""
    here = scene("ESTABLISHED")
    here.put(".", seq=-100)
    assert here.only("S")[1] == ()
    assert here.only("R", 1)[1] == ()
    assert here.only(".", ack=1)[1] == ()
    assert here.only(".", -100) == ("ESTABLISHED", (), ("SEQ_OUT_OF_WINDOW", "OOW_ACK_LIMITED"))
    assert here.only("P.", -100, length=10)[1] == (". D",)
    here.host.advance(520_000_000)
    assert here.only("S")[1] == (".",)


def test_an_ack_that_is_nearly_due_goes_with_the_next_segment() -> None:
    """The FIN's ACK waits for a jiffy; a segment that owes none brings it forward (tcp_send_delayed_ack)."""
    here = scene("ESTABLISHED")
    here.put("F.")
    assert here.only(".") == ("CLOSE-WAIT", (".",), ("ACK_NOTHING_NEW", "ACK_QUICK"))
    assert here.only("P.", length=10)[1:] == ((".",), ("ACK_NOTHING_NEW", "DATA_AFTER_FIN_IGNORED", "ACK_QUICK"))
    here.put(".")
    assert here.only(".")[1] == ()


def test_shutdown_during_a_simultaneous_open_waits() -> None:
    here = scene("SYN-RECV")
    here.host.call("shutdown", here.sock)
    outcomes = here.tried("P.", length=10)
    assert {outcome[0] for outcome in outcomes} == {"FIN-WAIT-1"}
    assert {outcome[1] for outcome in outcomes} == {("F.", ".")}  # a FIN alone is no text: quick ACKs stay
    assert all("SYNRECV_SHUTDOWN" in outcome[2] for outcome in outcomes)


def kept(here: Scene) -> tuple[int, int]:
    """RCV.NXT and the number of blocks out of order."""
    fields = here.host.sock(here.sock)
    return (fields["rcv_nxt"] - here.rn) & 0xFFFFFFFF, fields["nooo"]


def test_out_of_order_text_is_merged_and_taken_in_order() -> None:
    here = scene("ESTABLISHED")
    start = here.rn
    for seq, length, blocks in ((30, 10, 1), (10, 10, 2), (50, 10, 3), (20, 10, 2), (35, 20, 1)):
        here.host.put("P.", start + seq, here.sn, length)
        assert kept(here) == (0, blocks), seq
    assert here.host.put("P.", start, here.sn, 10)[:2] == ("ESTABLISHED", (".",))
    assert kept(here) == (60, 0)
    assert here.host.sock(here.sock)["rcv_queued"] == 60


def test_text_out_of_order_that_comes_twice_is_reported() -> None:
    here = scene("ESTABLISHED")
    here.host.put("P.", here.rn + 10, here.sn, 30)
    assert here.only("P.", 15, length=10)[1:] == ((". D",), ("ACK_NOTHING_NEW", "DATA_OUT_OF_ORDER_AGAIN"))
    assert here.only("P.", 5, length=10)[1] == (". D",)  # overlaps what is there


def test_duplicate_acks_after_the_third_are_compressed() -> None:
    here = scene("ESTABLISHED")
    for n in range(3):
        assert here.host.put("P.", here.rn + 10 + 10 * n, here.sn, 10)[1] == (". K",)
    told = ("ACK_NOTHING_NEW", "DATA_OUT_OF_ORDER", "ACK_COMPRESSED")
    assert here.host.put("P.", here.rn + 40, here.sn, 10)[1:3] == ((), told)
    assert here.host.put("P.", here.rn + 100, here.sn, 10)[1] == ()
    # a third block: what was held back goes first, and the new one is held back in its place
    assert here.host.put("P.", here.rn + 200, here.sn, 10)[1] == (". K",)
    assert here.host.put("P.", here.rn, here.sn, 10)[1] == (". K",)  # RCV.NXT moves


def test_out_of_order_fin_takes_effect_when_the_gap_is_filled() -> None:
    here = scene("ESTABLISHED")
    start = here.rn
    here.host.put("F.", start + 10, here.sn, 5)
    assert here.host.sock(here.sock)["ooo_fin"] == 1
    state, replies, rules, _ = here.host.put("P.", start, here.sn, 10)
    assert (state, replies) == ("CLOSE-WAIT", (".",))
    assert rules[1:] == ("DATA_IN_ORDER", "GAP_FILLED", "FIN_CLOSE_WAIT")
    assert kept(here) == (16, 0)


def test_more_holes_than_the_model_can_hold_are_confessed() -> None:
    here = scene("ESTABLISHED")
    start = here.rn
    for seq in (10, 30, 50):
        here.host.put("P.", start + seq, here.sn, 10)
    with pytest.raises(RuntimeError, match="too small"):
        here.tried("P.", start + 70 - start, length=10)


def test_acknowledgement_moves_una_and_stops_the_timer() -> None:
    here = scene("ESTABLISHED in flight")
    here.host.put(".", here.rn, here.sn - 400)
    assert here.host.sock(here.sock)["snd_una"] == here.sn - 400
    assert here.host.timer(here.sock) is not None
    here.host.put(".", here.rn, here.sn)
    assert here.host.sock(here.sock)["snd_una"] == here.sn
    assert here.host.timer(here.sock) is None


@pytest.mark.parametrize(("seq", "tsval", "kept_ts"), [(0, 7, 7), (1, 7, 0), (0, -1, 0), (-1, 7, 0)])
def test_timestamp_is_kept_up_to_the_last_ack_sent(seq: int, tsval: int, kept_ts: int) -> None:
    """RFC 7323 4.3: only of a segment that starts at or before Last.ACK.sent, and never an older one."""
    here = scene("ESTABLISHED", ts=True)
    before = here.host.sock(here.sock)["ts_recent"]
    here.host.put(".", here.rn + seq, here.sn, 0, (before + tsval, 1))
    assert here.host.sock(here.sock)["ts_recent"] == before + kept_ts
