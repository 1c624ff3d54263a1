"""PAWS's idle limit (RFC 7323 5.5): a ts_recent that was stored too long ago rejects nothing, one just younger does."""

from __future__ import annotations

import pytest
from model_specs import results

from tcpcheck.checking import verify_text
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load_text
from tcpcheck.lang.scenario import SECOND
from tcpcheck.model.rests import outdates_timestamps

R, U = "reachable", "unreachable"
DAY = 86400
WRAP = 2147


def idle(kernel: str, rest: str, client: str = "stop") -> str:
    return f"""
host server {{ kernel {kernel} ; run {{ listen :80 backlog 5 ; accept -> c ; recv c }} }}
host client {{ kernel linux 6.18.44 ; run {{ connect server:80 from :1000 -> s ; {client} }} }}
attacker {{
    await {{ server.c in ESTABLISHED and quiet }}
    sleep {rest}
    inject DATA from client:1000 to server:80
        (seq = server.c.rcv_nxt, ack = server.c.snd_nxt, len = 10, tsval = server.c.ts_recent - 1000)
}}
network {{ delay 1ms }}
"""


TAKEN = "reach { server.c receives DATA (forged) and accepts }"
DROPPED = "reach { server.c receives DATA (forged and paws_old) }"


@pytest.mark.parametrize(
    ("kernel", "limit"),
    [("linux 6.18.44", WRAP), ("linux 6.12", WRAP), ("linux 6.6", 24 * DAY), ("linux 4.4", 24 * DAY)],
)
def test_linux_counts_whole_seconds(kernel: str, limit: int) -> None:
    """For one second it may be either; each side of it is sure, and every trace is run again with real numbers."""
    for rest, taken, dropped in (
        (f"{limit - 2}s", U, R),
        (f"{limit - 1}s..{limit}s", R, R),
        (f"{limit + 1}s", R, U),
        (f"{limit - 100}s..{limit + 100}s", R, R),
    ):
        rows = [(TAKEN, taken), (DROPPED, dropped)]
        assert results(idle(kernel, rest), rows) == rows, (kernel, rest)


def test_the_rfc_says_24_days() -> None:
    for rest, taken, dropped in ((f"{24 * DAY - 1}s", U, R), (f"{24 * DAY + 1}s", R, U)):
        rows = [(TAKEN, taken), (DROPPED, dropped)]
        assert results(idle("rfc9293", rest), rows) == rows, rest


def test_what_is_stored_in_between_counts() -> None:
    """The client's own text after 1000 s: the attacker's comes 1200 s later, which is not long enough."""
    rows = [(TAKEN, U), (DROPPED, R)]
    assert results(idle("linux 6.18.44", "2200s", "sleep 1000s ; send s 5B"), rows) == rows


def test_the_peers_own_timestamps_never_look_older() -> None:
    """After 24.8 days a clock of 1 ms is half way round: the limit comes before."""
    for kernel in ("linux 6.18.44", "linux 6.6", "rfc9293"):
        text = f"""
host server {{ kernel {kernel} ; run {{ listen :80 backlog 5 ; accept -> c ; recv c }} }}
host client {{ kernel linux 6.18.44 ; run {{
    connect server:80 from :1000 -> s ; sleep {{21d, 30d, 60d}} ; send s 10B }} }}
network {{ delay 1ms }}
always {{ server.c receives DATA implies accepts }}
reach {{ server.c receives DATA (paws_old) }} expect unreachable
"""
        assert verify_text(text).ok, kernel


def test_a_bucket_knows_how_old_its_timestamp_is() -> None:
    """An orphan waits in FIN-WAIT-2 for nearly an hour, as a bucket for the second half of it."""
    text = """
host server {{ kernel linux 6.18.44 ; sysctl net.ipv4.tcp_fin_timeout = 3600
    run {{ listen :80 backlog 5 ; accept -> c ; close c }} }}
host client {{ kernel linux 6.18.44 ; run {{ connect server:80 from :1000 -> s ; stop }} }}
attacker {{
    await {{ server.c in FIN-WAIT-2 and client.s in CLOSE-WAIT and quiet }}
    sleep {rest}
    inject FIN from client:1000 to server:80
        (seq = server.c.rcv_nxt, ack = server.c.snd_nxt, tsval = server.c.ts_recent - 1000)
}}
network {{ delay 1ms }}
"""
    for rest, closes in (("2100s", U), ("2200s", R)):
        rows = [("reach { server.c in FIN-WAIT-2 receives FIN and becomes TIME-WAIT }", closes)]
        assert results(text.format(rest=rest), rows) == rows, rest


@pytest.mark.parametrize(
    ("steps", "attack", "limit", "followed"),
    [
        ("sleep 5s", "", WRAP, False),
        ("sleep 5s", "inject", WRAP, False),
        ("sleep 60s", "inject", WRAP, True),
        ("sleep 21d", "", WRAP, True),
        ("sleep 19d", "", 24 * DAY, False),
        ("sleep 19d", "inject", 24 * DAY, False),
        ("loop { sleep 1s }", "inject", 24 * DAY, True),
        ("loop { sleep 1s }", "", 24 * DAY, True),
        ("setsockopt s SO_KEEPALIVE 1", "inject", WRAP, True),
        ("setsockopt s SO_KEEPALIVE 1", "", WRAP, False),
        ("connect server:80 from :1001 (tsval any) -> t", "", WRAP, False),
        ("sleep 950s ; connect server:80 from :1001 (tsval any) -> t", "", WRAP, True),
        ("loop 9 { connect server:80 -> t }", "inject", WRAP, True),
    ],
)
def test_it_is_followed_only_where_it_can_come_to_that(steps: str, attack: str, limit: int, followed: bool) -> None:
    inject = "attacker { inject ACK from client:1000 to server:80 (seq any, ack any, tsval any) }" if attack else ""
    text = f"""
host server {{ kernel linux 6.18.44 ; run {{ listen :80 }} }}
host client {{ kernel linux 6.18.44 ; run {{ connect server:80 from :1000 -> s ; {steps} }} }}
{inject}
reach {{ client.s in ESTABLISHED }}
"""
    (case,) = load_text(text, "spec.tcp", REGISTRY).cases
    assert outdates_timestamps(case, limit * SECOND, keeps=False) == followed
