"""Segments to CLOSED, LISTEN, request sockets, SYN-SENT and SYN-RECEIVED: reply, next state, rule."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tcp_scene import PEER_ISN, Scene, scene

Row = tuple[str, dict[str, Any], tuple[str, ...], str, str]


def check(here: Scene, row: Row) -> None:
    """row: flags, what else is special, replies, next state, a rule that is taken."""
    flags, numbers, replies, state, rule = row
    got_state, got_replies, got_rules = here.only(flags, **numbers)
    assert (got_replies, got_state) == (replies, state)
    assert rule in got_rules


def names(rows: list[Row]) -> list[str]:
    return [f"{row[0] or 'null'} {row[1]} {row[4]}" for row in rows]


CLOSED: list[Row] = [
    ("R", {}, (), "CLOSED", "NO_SOCKET_RST_IGNORED"),
    ("R.", {}, (), "CLOSED", "NO_SOCKET_RST_IGNORED"),
    (".", {}, ("R",), "CLOSED", "NO_SOCKET_RST"),
    ("S.", {}, ("R",), "CLOSED", "NO_SOCKET_RST"),
    ("F.", {}, ("R",), "CLOSED", "NO_SOCKET_RST"),
    ("P.", {"length": 10}, ("R",), "CLOSED", "NO_SOCKET_RST"),
    ("S", {}, ("R.",), "CLOSED", "NO_SOCKET_RST"),
    ("F", {}, ("R.",), "CLOSED", "NO_SOCKET_RST"),
    ("SF", {}, ("R.",), "CLOSED", "NO_SOCKET_RST"),
    ("", {}, ("R.",), "CLOSED", "NO_SOCKET_RST"),
]


@pytest.mark.parametrize("row", CLOSED, ids=names(CLOSED))
def test_closed(row: Row) -> None:
    here = scene("LISTEN")
    here.host.call("close", here.listener)
    check(here, row)


@pytest.mark.parametrize(
    ("flags", "length", "seq", "ack"),
    [
        (".", 0, 777, 0),
        ("P.", 10, 777, 0),
        ("S", 0, 0, PEER_ISN + 1),
        ("SF", 5, 0, PEER_ISN + 7),
        ("", 5, 0, PEER_ISN + 5),
    ],
)
def test_closed_numbers_of_the_reset(flags: str, length: int, seq: int, ack: int) -> None:
    """RFC 9293 3.10.7.1: SEG.ACK becomes its SEQ; without ACK it acknowledges all of the segment."""
    here = scene("LISTEN")
    here.host.call("close", here.listener)
    here.host.put(flags, PEER_ISN, 777, length)
    assert here.host.last_sent()[:2] == (seq, ack)


LISTEN: list[Row] = [
    ("R", {}, (), "CLOSED", "LISTEN_RST_IGNORED"),
    ("R.", {}, (), "CLOSED", "LISTEN_RST_IGNORED"),
    (".", {}, ("R",), "CLOSED", "LISTEN_ACK_RST"),
    ("S.", {}, ("R",), "CLOSED", "LISTEN_ACK_RST"),
    ("F.", {}, ("R",), "CLOSED", "LISTEN_ACK_RST"),
    ("P.", {"length": 10}, ("R",), "CLOSED", "LISTEN_ACK_RST"),
    ("S", {}, ("S.",), "SYN-RECV request", "LISTEN_SYN"),
    ("S", {"length": 10}, ("S.",), "SYN-RECV request", "LISTEN_SYN"),
    ("SF", {}, (), "CLOSED", "LISTEN_SYN_FIN_IGNORED"),
    ("F", {}, (), "CLOSED", "LISTEN_NO_SYN_IGNORED"),
    ("P", {"length": 10}, (), "CLOSED", "LISTEN_NO_SYN_IGNORED"),
    ("", {}, (), "CLOSED", "LISTEN_NO_SYN_IGNORED"),
]


@pytest.mark.parametrize("row", LISTEN, ids=names(LISTEN))
def test_listen(row: Row) -> None:
    check(scene("LISTEN"), row)


def fill(here: Scene, count: int, complete: bool) -> None:
    """So many other connections, each from a port of its own."""
    for port in range(2000, 2000 + count):
        here.host.put("S", 5, port=port)
        if complete:
            here.host.put(".", 6, here.host.last_sent()[0] + 1, port=port)


def test_listen_accept_queue_full() -> None:
    """One more than the backlog fits."""
    here = scene("LISTEN")
    fill(here, 5, complete=True)
    assert here.only("S")[1] == ("S.",)
    fill(here, 6, complete=True)
    assert here.only("S") == ("CLOSED", (), ("LISTEN_ACCEPT_QUEUE_FULL",))


@pytest.mark.parametrize(("cookies", "replies", "rule"), [(1, ("S.",), "COOKIE_SENT"), (0, (), "SYN_QUEUE_FULL")])
def test_listen_syn_queue_full(cookies: int, replies: tuple[str, ...], rule: str) -> None:
    here = scene("LISTEN", sysctls={"tcp_syncookies": cookies})
    fill(here, 5, complete=False)
    assert here.only("S")[2] == ("LISTEN_SYN",)
    fill(here, 6, complete=False)
    assert here.only("S") == ("CLOSED", replies, (f"LISTEN_{rule}",))


def test_listen_last_quarter_without_cookies() -> None:
    here = scene("LISTEN", sysctls={"tcp_syncookies": 0, "tcp_max_syn_backlog": 4})
    fill(here, 3, complete=False)
    assert here.only("S")[2] == ("LISTEN_SYN",)
    fill(here, 4, complete=False)
    assert here.only("S") == ("CLOSED", (), ("LISTEN_SYN_QUEUE_QUARTER",))


def test_listen_cookie_comes_back() -> None:
    here = scene("LISTEN", sysctls={"tcp_syncookies": 2})
    assert here.host.put("S", PEER_ISN)[:3] == ("CLOSED", ("S.",), ("LISTEN_COOKIE_SENT",))
    cookie = here.host.last_sent()[0]
    assert here.host.tried(".", PEER_ISN + 1, cookie) == {("CLOSED", ("R",), ("LISTEN_ACK_RST",))}
    state, replies, rules, _ = here.host.put(".", PEER_ISN + 1, cookie + 1)
    assert (state, replies) == ("ESTABLISHED", ())
    assert rules[0] == "LISTEN_COOKIE_ACCEPTED"


def test_listen_cookie_comes_back_to_a_full_accept_queue() -> None:
    here = scene("LISTEN", sysctls={"tcp_syncookies": 2})
    here.host.put("S", PEER_ISN)
    cookie = here.host.last_sent()[0]
    fill(here, 6, complete=True)
    wanted = {("CLOSED", (), ("LISTEN_COOKIE_ACCEPT_QUEUE_FULL",))}
    assert here.host.tried(".", PEER_ISN + 1, cookie + 1) == wanted


REQ, EST = "SYN-RECV request", "ESTABLISHED"
REQUEST: list[Row] = [
    ("S", {"seq": -1}, ("S.",), REQ, "REQ_SYN_AGAIN"),
    ("S", {"seq": -1, "tsval": -1}, (".",), REQ, "REQ_OUT_OF_WINDOW"),
    (".", {"ack": 1}, ("R",), REQ, "REQ_BAD_ACK_RST"),
    (".", {"ack": -1}, ("R",), REQ, "REQ_BAD_ACK_RST"),
    ("S.", {"ack": 1}, ("R",), REQ, "REQ_BAD_ACK_RST"),
    (".", {"tsval": -1}, (".",), REQ, "REQ_PAWS"),
    (".", {"tsval": 0}, (), EST, "REQ_CHILD_CREATED"),
    (".", {"seq": -1}, (".",), REQ, "REQ_OUT_OF_WINDOW"),
    (".", {"seq": 65161}, (".",), REQ, "REQ_OUT_OF_WINDOW"),
    (".", {"seq": 65160}, (), EST, "REQ_CHILD_CREATED"),
    ("R", {}, (), "CLOSED", "REQ_RST_KILLED"),
    ("R.", {"ack": 5}, (), "CLOSED", "REQ_RST_KILLED"),
    ("R", {"seq": 1}, (".",), REQ, "REQ_RST_CHALLENGE"),
    ("R", {"seq": -1}, (), REQ, "REQ_RST_IGNORED"),
    ("R", {"tsval": -1}, (), REQ, "REQ_RST_IGNORED"),
    ("S", {}, ("R.",), "CLOSED", "REQ_SYN_RST"),
    ("S.", {}, ("R",), "CLOSED", "REQ_SYN_RST"),
    ("S.", {"seq": -1}, (".",), REQ, "REQ_OUT_OF_WINDOW"),
    ("F", {}, (), REQ, "REQ_NO_ACK_IGNORED"),
    ("", {}, (), REQ, "REQ_NO_ACK_IGNORED"),
    (".", {}, (), EST, "REQ_CHILD_CREATED"),
    ("P.", {"length": 10}, (".",), EST, "DATA_IN_ORDER"),
    ("F.", {}, (), "CLOSE-WAIT", "FIN_CLOSE_WAIT"),
    ("P.", {"seq": 1, "length": 10}, (". K",), EST, "DATA_OUT_OF_ORDER"),
]


@pytest.mark.parametrize("row", REQUEST, ids=names(REQUEST))
def test_request(row: Row) -> None:
    check(scene("request", ts=True), row)


@pytest.mark.parametrize(("abort", "replies", "state"), [(0, (), REQ), (1, ("R",), "CLOSED")])
def test_request_with_a_full_accept_queue(abort: int, replies: tuple[str, ...], state: str) -> None:
    here = scene("request", sysctls={"tcp_abort_on_overflow": abort})
    fill(here, 6, complete=True)
    assert here.only(".")[:2] == (state, replies)


def test_request_of_older_kernels() -> None:
    here = scene("request", profile="linux-6.6")
    assert here.only("R", 1)[0] == "CLOSED"
    assert here.only("R.", ack=1)[2] == ("REQ_BAD_ACK_RST_IGNORED",)


def test_request_answers_once_in_half_a_second() -> None:
    here = scene("request")
    here.put("S", seq=-1)
    assert here.only("S", -1) == (REQ, (), ("REQ_SYN_AGAIN", "OOW_ACK_LIMITED"))
    here.host.advance(600_000_000)
    assert here.only("S", -1) == (REQ, ("S.",), ("REQ_SYN_AGAIN",))


SENT = "SYN-SENT"
SYN_SENT: list[Row] = [
    (".", {"ack": -1}, ("R",), SENT, "SYNSENT_BAD_ACK_RST"),
    (".", {"ack": 1}, ("R",), SENT, "SYNSENT_SYN_RESENT_EARLY"),
    ("S.", {"ack": -1}, ("R",), SENT, "SYNSENT_BAD_ACK_RST"),
    ("R.", {"ack": -1}, (), SENT, "SYNSENT_BAD_ACK_RST_IGNORED"),
    ("R.", {"ack": 1}, (), SENT, "SYNSENT_SYN_RESENT_EARLY"),
    ("R.", {}, (), "CLOSED", "SYNSENT_REFUSED"),
    ("R", {}, (), SENT, "SYNSENT_RST_WITHOUT_ACK_IGNORED"),
    ("S.", {}, (".",), EST, "SYNSENT_ESTABLISHED"),
    ("S.", {"seq": 1 << 31}, (".",), EST, "SYNSENT_ESTABLISHED"),
    ("S.", {"tsval": -500000}, (".",), EST, "SYNSENT_ESTABLISHED"),
    ("S.", {"length": 10}, (".",), EST, "SYNSENT_ESTABLISHED"),
    (".", {}, (), SENT, "SYNSENT_NO_SYN_IGNORED"),
    ("F.", {}, (), SENT, "SYNSENT_NO_SYN_IGNORED"),
    ("P.", {"length": 10}, (), SENT, "SYNSENT_NO_SYN_IGNORED"),
    ("S", {}, ("S.",), "SYN-RECV", "SYNSENT_SIMULTANEOUS_OPEN"),
    ("SF", {}, ("S.",), "SYN-RECV", "SYNSENT_SIMULTANEOUS_OPEN"),
    ("S", {"length": 10}, ("S.",), "SYN-RECV", "SYNSENT_SIMULTANEOUS_OPEN"),
    ("F", {}, (), SENT, "SYNSENT_NO_FLAGS_IGNORED"),
    ("", {}, (), SENT, "SYNSENT_NO_FLAGS_IGNORED"),
]


@pytest.mark.parametrize("row", SYN_SENT, ids=names(SYN_SENT))
def test_syn_sent(row: Row) -> None:
    check(scene("SYN-SENT", ts=True), row)


def test_syn_sent_resends_early_only_before_the_first_timeout() -> None:
    here = scene("SYN-SENT")
    due = here.host.timer(here.sock)
    here.put(".", ack=1)
    assert here.host.timer(here.sock) == due  # armed anew, at this same moment
    assert "SYNSENT_SYN_RESENT_EARLY" not in scene("SYN-SENT", profile="linux-4.18").only(".", ack=1)[2]


def test_syn_sent_echo_of_another_connection() -> None:
    """TSecr names an incarnation other than this one: here the first, while this socket's is the first as well."""
    here = scene("SYN-SENT", ts=True)
    good = here.host.tried("S.", here.rn, here.sn, 0, (5, 1))
    assert {outcome[2][0] for outcome in good} == {"SYNSENT_ESTABLISHED"}


SYN_RECV: list[Row] = [
    ("S.", {"seq": -1}, (". D",), EST, "SYNRECV_SYNACK_ACCEPTED"),
    ("S.", {"seq": 0}, (".",), "SYN-RECV", "RFC5961_SYN_CHALLENGE"),
    ("S.", {"seq": -1, "ack": 1}, (".",), "SYN-RECV", "RFC5961_SYN_CHALLENGE"),
    ("S", {"seq": -1}, (".",), "SYN-RECV", "RFC5961_SYN_CHALLENGE"),
    (".", {"ack": 1}, ("R",), "SYN-RECV", "SYNRECV_BAD_ACK_RST"),
    (".", {"ack": -2}, ("R",), "SYN-RECV", "SYNRECV_BAD_ACK_RST"),
    (".", {"ack": -1}, (), EST, "SYNRECV_ESTABLISHED"),
    (".", {}, (), EST, "SYNRECV_ESTABLISHED"),
    ("P.", {"length": 10}, (".",), EST, "DATA_IN_ORDER"),
    ("F.", {}, (), "CLOSE-WAIT", "FIN_CLOSE_WAIT"),
    (".", {"seq": -1}, (".",), "SYN-RECV", "SEQ_OUT_OF_WINDOW"),
    ("R", {}, (), "CLOSED", "RST_EXACT"),
    ("R", {"seq": 1}, (".",), "SYN-RECV", "RFC5961_RST_CHALLENGE"),
    ("", {}, (), "SYN-RECV", "NO_ACK_IGNORED"),
]


@pytest.mark.parametrize("row", SYN_RECV, ids=names(SYN_RECV))
def test_syn_recv(row: Row) -> None:
    check(scene("SYN-RECV"), row)


def test_syn_recv_before_the_synack_was_accepted() -> None:
    here = scene("SYN-RECV", profile="linux-5.10")
    assert here.only("S.", -1)[:2] == ("SYN-RECV", (".",))


def test_request_and_its_child_are_limited_apart() -> None:
    """The child's last limited reply is none, whatever the request has answered."""
    here = scene("request")
    here.put("S", seq=-1)
    assert here.only(".", -1)[1] == ()
    here.put(".")
    assert here.only(".", -100) == (EST, (".",), ("SEQ_OUT_OF_WINDOW",))
