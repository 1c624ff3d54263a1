"""Deadlines that follow from the RTO after a loss, and other small things that a 6.18.44 kernel was asked about."""

from __future__ import annotations

import pytest
from model_specs import results
from test_live_replay import needs_kernel, play

from tcpcheck.checking import verify_text
from tcpcheck.live import report
from tcpcheck.live.replay import AGREES

H, V, R, U = "holds", "violated", "reachable", "unreachable"


def closes(network: str, fin_timeout: int = 1) -> str:
    """The server closes, the client never does: how long does FIN-WAIT-2 last?"""
    return (
        f"host server {{ kernel linux 6.18.44 ; sysctl net.ipv4.tcp_fin_timeout = {fin_timeout}\n"
        "run { listen :80 ; accept -> c ; close c } }\n"
        "host client { kernel linux 6.18.44\nrun { connect server:80 -> s ; recv s until eof ; sleep 5s ; close s } }\n"
        f"network {{ delay 0ms..5ms ; {network} }}\n"
    )


def gone(within: str) -> str:
    return f"after {{ server.c in FIN-WAIT-2 }} eventually {{ server.c in CLOSED }} within {within}"


LATE = "reach { server.c in FIN-WAIT-2 receives FIN and replies ACK }"


@pytest.mark.parametrize(
    ("network", "rows"),
    [
        # what was lost has not been echoed: 3.5 RTO are below a second, as without any loss
        ("lose 0..1 FIN from server to client", [(gone("1s..1200ms"), H), (LATE, U)]),
        ("lose 0..1 SYN from client to server", [(gone("1s..1200ms"), H), (LATE, U)]),
        ("lose 0..1 SYN-ACK", [(gone("1s..2s"), V)]),
        # the SYN-ACK came, its ACK did not: what answers the second echoes the first, and 3.5 RTO are 10 s
        ("lose 0..1 ACK from client to server", [(LATE, R)]),
    ],
)
def test_fin_wait2_lasts_3_and_a_half_rto(network: str, rows: list[tuple[str, str]]) -> None:
    assert results(closes(network), rows) == rows


HALF = """
host server { kernel none ; run {
  receive SYN -> p
  inject SYN-ACK from :80 to client:1000 (seq = 5000, ack = p.seq + 1, mss = 1460, win = WINDOW)
  receive DATA -> d
  inject ACK from :80 to client:1000 (seq = 5001, ack = d.seq + 1, win = WINDOW)
} }
host client { kernel linux 6.18.44 ; run { connect server:80 from :1000 -> s ; send s 1000B } }
network { delay 1ms }
"""


@pytest.mark.parametrize(("window", "length"), [(1000, 500), (538, 269), (536, 536), (100, 100), (4000, 1000)])
def test_a_segment_is_no_longer_than_half_the_window(window: int, length: int) -> None:
    """tcp_bound_to_half_wnd; of one below 536 bytes it may take the whole."""
    rows = [
        (f"reach {{ client.s sends DATA (len = {length}) }}", R),
        (f"reach {{ client.s sends DATA (len > {length}) }}", U),
    ]
    assert results(HALF.replace("WINDOW", str(window)), rows) == rows


COOKIE = """
host server { kernel linux 6.18.44 ; sysctl net.ipv4.tcp_syncookies = 2 ; sysctl net.ipv4.tcp_timestamps = 0
  run { listen :80 ; accept -> c ; send c 10B } }
host client { kernel linux 6.18.44 ; sysctl net.ipv4.tcp_timestamps = 0 ; run { connect server:80 -> s ; recv s 10B } }
network { delay 1ms ; lose 0..1 DATA from server to client }
"""


def test_a_cookie_without_timestamps_leaves_no_round_trip() -> None:
    """RFC 6298 5.7: then the RTO is 3 s."""
    again = "after { client.s in ESTABLISHED } eventually { client.s gets 10B } within "
    rows = [(again + "0s..2s", V), (again + "0s..4s", H)]
    assert results(COOKIE, rows) == rows


@needs_kernel
@pytest.mark.parametrize(
    ("situation", "claim"),
    [
        (HALF.replace("WINDOW", "1000"), "reach { client.s sends 2nd DATA }"),
        (COOKIE, "reach { server.c sends 2nd DATA }"),
    ],
)
def test_the_kernel_agrees(situation: str, claim: str) -> None:
    (result,) = verify_text(situation + claim).claims
    assert result.witness is not None
    outcomes = play([result.witness])
    assert outcomes and all(o.result == AGREES for o in outcomes), report.text("it", outcomes)


SHUT = """
host server { kernel none ; run {
  receive SYN -> p
  inject SYN-ACK from :80 to client:1000 (seq = 5000, ack = p.seq + 1)
  inject ACK from :80 to client:1000 (seq = 5001, ack = p.seq + 1, win = 2000)
  sleep 1s
  inject ACK from :80 to client:1000 (seq = 5001, ack = p.seq + 1, win = 0)
} }
host client { kernel linux VERSION ; run { connect server:80 from :1000 -> s ; sleep 2s ; send s 10B } }
network { delay 1ms ; fifo }
"""


@pytest.mark.parametrize(("version", "shut"), [("6.6", True), ("6.1", False)])
def test_an_ack_that_is_no_newer_shuts_the_window(version: str, shut: bool) -> None:
    """tcp_may_update_window: since 6.6."""
    rows = [
        ("reach { client.s takes PERSIST_WINDOW_CLOSED }", R if shut else U),
        ("reach { client.s sends DATA }", U if shut else R),
    ]
    assert results(SHUT.replace("VERSION", version), rows) == rows


PEER = """
host server { kernel linux 6.18.44 ; run { listen :80 ; accept -> c ; sleep 1s ; crash } }
host client { kernel linux 6.18.44
  run { connect server:80 -> s ; setsockopt s TCP_USER_TIMEOUT 500 ; sleep 2s ; send s 10B ; recv s } }
network { delay 1ms }
"""


def test_what_ends_with_the_user_timeout_sends_nothing_more() -> None:
    """A probe, an RTO, another: the fourth would be due after 500 ms, and is put forward to their end."""
    rows = [("reach { client.s sends 4th DATA }", R), ("reach { client.s sends 5th DATA }", U)]
    assert results(PEER, rows) == rows


def test_a_user_timeout_made_longer_is_not_over_when_the_timer_fires() -> None:
    longer = PEER.replace("send s 10B ;", "send s 10B ; sleep 900ms ; setsockopt s TCP_USER_TIMEOUT 5000 ;")
    rows = [("reach { client.s sends 6th DATA }", R)]
    assert results(longer, rows) == rows
