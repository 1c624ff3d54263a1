"""`send s SIZE at RATE`: when the numbers have gone round, an old copy fits; before, and with PAWS, it does not."""

from __future__ import annotations

import pytest
from model_specs import results

from tcpcheck.checking import verify_text
from tcpcheck.live.replay import Plan
from tcpcheck.tcp.profile import PROFILES

H, V, R, U = "holds", "violated", "reachable", "unreachable"


def situation(send: str, lifetime: str, ts: int = 0, server: str = "recv c until eof", network: str = "") -> str:
    return f"""
host server {{ kernel linux 6.18.44 ; run {{ listen :80 backlog 5 ; accept -> c ; {server} }} }}
host client {{
    kernel linux 6.18.44 ; sysctl net.ipv4.tcp_timestamps = {ts}
    run {{ connect server:80 from :1000 -> s ; {send} }}
}}
network {{ delay 1ms ; duplicate 0..1 DATA from client to server ; lifetime {lifetime} ; {network} }}
"""


# A timestamp of just 0 counts as none.
TAKEN = "reach { server.c receives DATA (wrapped and not ts_recent = 0) and accepts }"
DROPPED = "reach { server.c receives DATA (wrapped and paws_old) }"


@pytest.mark.parametrize(
    ("send", "lifetime", "taken"),
    [
        # 2^32 bytes take 343.6 ms at 100 Gbit/s, and 3.44 s at 10
        ("send s 5GiB at 100Gbit/s", "340ms", U),
        ("send s 5GiB at 100Gbit/s", "350ms", R),
        ("send s 5GiB at 10Gbit/s", "3400ms", U),
        ("send s 5GiB at 10Gbit/s", "3500ms", R),
        ("send s 4294000000B at 100Gbit/s", "60s", U),  # short of a turn by more than a window
        ("send s 4294967297B at 100Gbit/s", "60s", R),
        ("send s 1GiB at 100Gbit/s", "60s", U),
        ("send s 3GiB at 100Gbit/s ; send s 3GiB at 100Gbit/s", "60s", R),
    ],
)
def test_the_numbers_go_round_in_their_time(send: str, lifetime: str, taken: str) -> None:
    rows = [(TAKEN, taken)]
    assert results(situation(send, lifetime), rows) == rows


def test_paws_drops_what_has_gone_round() -> None:
    rows = [(TAKEN, U), (DROPPED, R), ("reach { server.c receives DATA (wrapped) }", R)]
    assert results(situation("send s 5GiB at 100Gbit/s", "60s", 1), rows) == rows


def test_it_takes_as_long_as_the_rate_says() -> None:
    rows = [
        ("after { client.s sends 1st DATA } eventually { client.s sends FIN } within 420ms..560ms", H),
        ("after { client.s sends 1st DATA } eventually { client.s sends FIN } within 0ms..420ms", V),
        ("after { client.s sends FIN } eventually { server.c gets EOF } within 0s..1s", H),
        ("never { client.s.snd_una > client.s.snd_nxt }", H),
        ("never { server.c.rcv_nxt > client.s.snd_nxt }", H),
    ]
    text = situation("send s 5GiB at 100Gbit/s ; close s", "1ms", server="recv c until eof")
    assert results(text, rows) == rows


def test_what_is_sent_later_is_ordinary() -> None:
    rows = [
        ("reach { server.c gets 10B }", R),
        ("after { client.s sends 2nd DATA } eventually { server.c gets 10B } within 0s..1s", H),
        ("reach { server.c receives DATA (len = 10) and accepts }", R),
    ]
    text = situation("send s 5GiB at 100Gbit/s ; send s 10B", "1ms", server="recv c 1000B ; recv c")
    assert results(text, rows) == rows


def test_a_peer_that_is_gone_or_resets() -> None:
    """The call fails, or what is left is retransmitted until it does."""
    text = situation("send s 5GiB at 1Gbit/s ; recv s", "1ms", server="recv c 1000B ; sleep 1s ; abort c")
    rows = [("reach { client.s gets ECONNRESET }", R), ("eventually { client.s in CLOSED } within 20s", H)]
    assert results(text, rows) == rows
    text = situation("send s 5GiB at 1Gbit/s ; recv s", "1ms", server="recv c 1000B ; sleep 1s ; crash")
    rows = [("reach { client.s gets ETIMEDOUT }", R), ("eventually { client.s in CLOSED } within 30min", H)]
    assert results(text, rows) == rows


def test_the_first_segment_may_be_lost() -> None:
    rows = [
        ("reach { client.s sends 2nd DATA }", R),
        ("after { client.s in ESTABLISHED } eventually { client.s sends FIN } within 400ms..3s", H),
    ]
    text = situation("send s 5GiB at 100Gbit/s ; close s", "1ms", server="recv c until eof", network="lose 0..1 DATA")
    assert results(text, rows) == rows


def test_the_trace_says_what_it_did_and_is_not_played() -> None:
    (claim,) = verify_text(situation("send s 5GiB at 100Gbit/s", "1s") + TAKEN).claims
    assert claim.witness is not None
    texts = [step.text for step in claim.witness.steps if step.event == "call"]
    assert "send s 5368709120B at 100Gbit/s: piece 4 of 5 begins" in texts
    plan = Plan()
    plan.add(claim.witness, PROFILES["linux-6.18.44"])
    assert plan.parts and all("at a rate" in part.why_not for part in plan.parts)
