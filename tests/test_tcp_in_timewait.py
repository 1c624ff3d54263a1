"""Segments to time-wait buckets: TIME-WAIT, and FIN-WAIT-2 of an orphan."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tcp_scene import HALF, PEER_TS, Scene, scene

Row = tuple[str, dict[str, Any], tuple[str, ...], str, str]
TW, FW2, REQ = "TIME-WAIT bucket", "FIN-WAIT-2 bucket", "SYN-RECV request"


def check(here: Scene, row: Row) -> None:
    flags, numbers, replies, after, rule = row
    got_state, got_replies, got_rules = here.only(flags, **numbers)
    assert (got_replies, got_state) == (replies, after)
    assert rule in got_rules


def names(rows: list[Row]) -> list[str]:
    return [f"{row[0] or 'null'} {row[1]} {row[4]}" for row in rows]


FIN_WAIT2: list[Row] = [
    (".", {"seq": -1}, (".",), FW2, "FW2_OUT_OF_WINDOW"),
    ("R", {"seq": -1}, (".",), FW2, "FW2_OUT_OF_WINDOW"),
    (".", {"seq": 65161}, (".",), FW2, "FW2_OUT_OF_WINDOW"),
    (".", {"tsval": -1}, (".",), FW2, "FW2_PAWS"),
    ("R", {"tsval": -1}, (".",), FW2, "FW2_PAWS"),
    ("R", {}, (), "CLOSED", "FW2_RST_KILLED"),
    ("R", {"seq": 100}, (), "CLOSED", "FW2_RST_KILLED"),
    ("S", {}, ("R.",), "CLOSED", "FW2_SYN_RST"),
    ("S.", {"seq": 7}, ("R",), "CLOSED", "FW2_SYN_RST"),
    ("S", {"seq": -1}, (".",), FW2, "FW2_OUT_OF_WINDOW"),
    ("", {}, (), FW2, "FW2_NOTHING_NEW"),
    (".", {}, (), FW2, "FW2_NOTHING_NEW"),
    (".", {"seq": 5}, (), FW2, "FW2_NOTHING_NEW"),
    ("F", {}, (), FW2, "FW2_NOTHING_NEW"),
    ("F.", {}, (".",), TW, "FW2_FIN_TIME_WAIT"),
    ("F.", {"seq": -5, "length": 5}, (".",), TW, "FW2_FIN_TIME_WAIT"),
    ("F.", {"seq": 1}, ("R",), "CLOSED", "FW2_DATA_RST"),
    ("F.", {"length": 1}, ("R",), "CLOSED", "FW2_DATA_RST"),
    ("P.", {"length": 10}, ("R",), "CLOSED", "FW2_DATA_RST"),
]


@pytest.mark.parametrize("row", FIN_WAIT2, ids=names(FIN_WAIT2))
def test_fin_wait2_bucket(row: Row) -> None:
    check(scene("FIN-WAIT-2 bucket", ts=True), row)


TIME_WAIT: list[Row] = [
    (".", {}, (), TW, "TW_ACK_RESTARTS"),
    ("", {}, (), TW, "TW_ACK_RESTARTS"),
    (".", {"tsval": -1}, (".",), TW, "TW_ACK_ANSWERED"),
    (".", {"seq": 1}, (".",), TW, "TW_ACK_ANSWERED"),
    (".", {"seq": -1}, (".",), TW, "TW_ACK_ANSWERED"),
    ("F.", {"seq": -1}, (".",), TW, "TW_ACK_ANSWERED"),
    ("P.", {"length": 10}, (".",), TW, "TW_ACK_ANSWERED"),
    ("S.", {"seq": 5}, (".",), TW, "TW_ACK_ANSWERED"),
    ("F", {"seq": -1}, (".",), TW, "TW_NO_ACK_ANSWERED"),
    ("P", {"length": 10}, (".",), TW, "TW_NO_ACK_ANSWERED"),
    ("F", {"seq": -1, "tsval": -1}, (".",), TW, "TW_NO_ACK_PAWS"),
    ("R", {}, (), "CLOSED", "TW_RST_KILLED"),
    ("R.", {"length": 7}, (), "CLOSED", "TW_RST_KILLED"),
    ("R", {"tsval": -1}, (), TW, "TW_RST_PAWS"),
    ("R", {"seq": 1}, (), TW, "TW_RST_IGNORED"),
    ("SF", {"seq": 1}, (), "CLOSED", "LISTEN_SYN_FIN_IGNORED"),
]


@pytest.mark.parametrize("row", TIME_WAIT, ids=names(TIME_WAIT))
def test_time_wait(row: Row) -> None:
    check(scene("TIME-WAIT", ts=True), row)


# seq older, equal, newer than RCV.NXT x TSval older, equal, newer than ts_recent, or no option
SYN_CELLS = {
    (-1, -1): "TW_SYN_PAWS",
    (-1, 0): "TW_SYN_REFUSED",
    (-1, 1): "TW_SYN_ACCEPTED_TS",
    (-1, "none"): "TW_SYN_REFUSED",
    (0, -1): "TW_SYN_PAWS",
    (0, 0): "TW_SYN_REFUSED",
    (0, 1): "TW_SYN_ACCEPTED_TS",
    (0, "none"): "TW_SYN_REFUSED",
    (1, -1): "TW_SYN_PAWS",
    (1, 0): "TW_SYN_ACCEPTED_SEQ",
    (1, 1): "TW_SYN_ACCEPTED_SEQ",
    (1, "none"): "TW_SYN_ACCEPTED_SEQ",
}


@pytest.mark.parametrize(("seq", "tsval"), SYN_CELLS)
def test_time_wait_syn(seq: int, tsval: int | str) -> None:
    here = scene("TIME-WAIT", ts=True)
    state, replies, rules = here.only("S", seq, tsval=tsval)
    assert rules[0] == SYN_CELLS[seq, tsval]
    accepted = "ACCEPTED" in rules[0]
    assert (state, replies) == ((REQ, ("S.",)) if accepted else (TW, (".",)))


@pytest.mark.parametrize(
    ("distance", "accepted"), [(HALF - 1, True), (HALF, True), (HALF + 1, False), (-1, False), (1, True)]
)
def test_time_wait_syn_half_space(distance: int, accepted: bool) -> None:
    """after(): 2^31 counts as newer."""
    here = scene("TIME-WAIT")
    assert here.only("S", distance)[2][0] == ("TW_SYN_ACCEPTED_SEQ" if accepted else "TW_SYN_REFUSED")


@pytest.mark.parametrize(
    ("distance", "rule"), [(HALF - 1, "ACCEPTED_TS"), (HALF, "ACCEPTED_TS"), (HALF + 1, "PAWS"), (-HALF + 1, "PAWS")]
)
def test_time_wait_syn_timestamp_half_space(distance: int, rule: str) -> None:
    here = scene("TIME-WAIT", ts=True)
    assert here.only("S", -1, tsval=distance)[2][0] == f"TW_SYN_{rule}"


def test_time_wait_syn_of_a_profile_without_timestamps_as_proof() -> None:
    here = scene("TIME-WAIT", ts=True)
    assert here.only("S", -1, tsval=1)[0] == REQ
    assert scene("TIME-WAIT").only("S", -1, tsval=1)[0] == TW  # the old connection had no timestamps


def test_time_wait_syn_after_the_sysctl_was_switched_off() -> None:
    here = scene("TIME-WAIT", ts=True)
    here.host.sysctl({"tcp_timestamps": 0})
    assert here.only("S", -1, tsval=1)[2][0] == "TW_SYN_REFUSED"
    assert here.only("S", 1, tsval=-1)[2][0] == "TW_SYN_ACCEPTED_SEQ"


def test_time_wait_syn_opens_a_new_socket() -> None:
    """A slot of its own, the ISN beyond the old SND.NXT; the bucket ends."""
    here = scene("TIME-WAIT")
    bucket, uid, sn = here.sock, here.host.sock(here.sock)["uid"], here.sn
    effects = here.host.put("S", here.rn + 1)[3]
    new = here.host.find()
    assert new != bucket
    assert here.host.sock(new)["uid"] != uid
    assert here.host.last_sent()[:2] == ((sn + 65537) % 2**32, here.rn + 2)
    merged, died = (5, new, bucket), (3, bucket, 0)
    assert merged in effects
    assert died in effects


def test_time_wait_syn_without_a_listener() -> None:
    assert scene("TIME-WAIT, no listener").only("S", 1) == (TW, (".",), ("TW_SYN_NO_LISTENER",))


def test_time_wait_syn_to_a_full_accept_queue_ends_the_bucket() -> None:
    here = scene("TIME-WAIT")
    for port in range(2000, 2006):
        here.host.put("S", 5, port=port)
        here.host.put(".", 6, here.host.last_sent()[0] + 1, port=port)
    assert here.only("S", 1) == ("CLOSED", (), ("TW_SYN_ACCEPTED_SEQ", "LISTEN_ACCEPT_QUEUE_FULL"))


def test_time_wait_reset_with_rfc1337() -> None:
    here = scene("TIME-WAIT", ts=True, sysctls={"tcp_rfc1337": 1})
    assert here.only("R") == (TW, (), ("TW_RST_IGNORED_RFC1337",))


def test_time_wait_reset_with_an_old_timestamp_after_a_minute() -> None:
    here = scene("TIME-WAIT", ts=True)
    here.host.put(".", here.rn, 0, 0, (PEER_TS + 200, 0))
    assert here.only("R", tsval=100)[2] == ("TW_RST_PAWS",)
    here.host.advance(60_000_000_000)
    assert here.only("R", tsval=100)[2] == ("TW_RST_KILLED",)


@pytest.mark.parametrize(
    ("flags", "seq", "tsval", "restarts"),
    [
        (".", 0, 1, True),
        (".", 1, 1, True),
        ("F.", -1, 1, True),
        ("S", 0, 0, False),
        ("S", 1, -1, True),
        ("R", 5, 1, False),
        ("F", -1, 1, False),
        ("F", -1, -1, True),
    ],
)
def test_time_wait_timer(flags: str, seq: int, tsval: int, restarts: bool) -> None:
    here = scene("TIME-WAIT", ts=True)
    here.host.advance(7_000_000_000)
    here.host.put(flags, here.rn + seq, here.sn, 0, (PEER_TS + tsval, 0))
    timer = here.host.timer(here.host.find())
    assert timer is not None
    assert timer[1] == (0 if restarts else 7_000_000_000)


def test_time_wait_answers_once_in_half_a_second_but_a_fin_always() -> None:
    here = scene("TIME-WAIT")
    here.put("S", seq=0)
    assert here.only("S", 0)[1] == ()
    assert here.only("F.", -1)[1] == (".",)
    here.host.advance(504_000_000)
    assert here.only("S", 0)[1] == (".",)
