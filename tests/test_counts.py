"""Counts of what whole runs come to: known answers, and against specs in which the number is a given one."""

from __future__ import annotations

import random

import pytest

from tcpcheck.checking import CaseCheck, Totals, verify_text
from tcpcheck.explore.result import Limits
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load_text
from tcpcheck.witness.arcset import ArcSet

SPEC = """
host server {{
    kernel linux 6.18.44
    sysctl net.ipv4.tcp_timestamps = 0
    sysctl net.ipv4.tcp_rfc1337 = {rfc1337}
    run {{ listen :80 backlog 5 ; accept -> c ; close c }}
}}
host client {{
    kernel linux 6.18.44
    sysctl net.ipv4.tcp_timestamps = 0
    sysctl net.ipv4.tcp_syn_retries = 2
    sysctl net.ipv4.tcp_syn_linear_timeouts = 0
    run {{
        connect server:80 from :1000 -> s1
        recv s1 until eof
        close s1
        await {{ server.c in TIME-WAIT }}
        sleep {pause} -> gap
        connect server:80 from :1000 (seq {number}) -> s2 else {{ stop }}
    }}
}}
network {{ delay 1ms ; {faults} }}
"""
HALF, WHOLE = 1 << 31, 1 << 32
ANY = "any -> isn"


def spec(claims: str, number: str = ANY, pause: str = "1s", faults: str = "fifo", rfc1337: int = 0) -> str:
    return SPEC.format(number=number, pause=pause, faults=faults, rfc1337=rfc1337) + claims


def counted(text: str) -> tuple[int, int]:
    """Of a spec's only claim: at least, at most."""
    (claim,) = verify_text(text).claims
    assert claim.count is not None, claim
    return claim.count["min"], claim.count["max"]


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        ("client.s2 sends 2nd SYN", (HALF, HALF)),
        ("client.s2 sends SYN", (WHOLE, WHOLE)),  # before the number meets a socket
        ("server sends 3rd SYN-ACK", (0, 0)),
        ("server.c receives RST", (HALF - 1, HALF - 1)),  # the SYN before RCV.NXT takes the ACK for its own
        ("server.c becomes CLOSED", (WHOLE, WHOLE)),
        ("client.s2 in ESTABLISHED", (WHOLE - 1, WHOLE - 1)),  # that one waits for a SYN-ACK in vain
        ("server.c receives SYN (seq > rcv_nxt)", (HALF, HALF)),  # a moment, that is seen to be otherwise
    ],
)
def test_known_answers(event: str, answer: tuple[int, int]) -> None:
    assert counted(spec(f"count n over isn {{ {event} }}")) == answer


def test_what_the_rest_decides_is_a_range() -> None:
    """With the number old every pause leads there, with a new one none does."""
    assert counted(spec("count n over gap { client.s2 sends 2nd SYN }", pause="1s..3s")) == (0, 2_000_000_001)
    # one loss may come in every run
    assert counted(spec("count n over isn { client.s2 sends 2nd SYN }", faults="lose 0..1")) == (HALF, WHOLE)
    # the second connection may never be tried
    text = spec("count n over isn { client.s2 sends 2nd SYN }")
    assert counted(text.replace("sleep 1s -> gap", "either { sleep 1s } or { stop }")) == (0, HALF)


def test_a_run_that_goes_on_for_ever_comes_to_nothing_more() -> None:
    text = spec("count n over isn { client.s2 sends 2nd SYN }")
    endless = text.replace("sleep 1s -> gap", "either { sleep 1s } or { loop { sleep 1s } }")
    assert counted(endless) == (0, HALF)
    (claim,) = verify_text(endless + " expect 2^31").claims
    assert claim.verdict == "undecided" and claim.note.startswith("some run goes on for ever")


def sets(text: str) -> tuple[ArcSet, ArcSet]:
    """The values with which some run comes to the only claim, and with which every run does."""
    scenario = load_text(text, "counts.tcp", REGISTRY)
    check = CaseCheck(scenario, scenario.cases[0], Limits(), None, Totals())
    (claim,) = check.run()
    some = check.found.seen(0, 1)
    every = some - check.found.seen(0, 0)
    assert claim.count is not None and (claim.count["min"], claim.count["max"]) == (every.count(), some.count())
    return some, every


EDGES = [0, 1, 2, HALF - 1, HALF, HALF + 1, WHOLE - 2, WHOLE - 1]


@pytest.mark.parametrize("event", ["client.s2 sends 2nd SYN", "server.c receives RST", "client.s2 gets ETIMEDOUT"])
@pytest.mark.parametrize("faults", ["fifo", "lose 0..1 RST"])
@pytest.mark.parametrize("rfc1337", [0, 1])
def test_against_given_numbers(event: str, faults: str, rfc1337: int) -> None:
    """A spec for each value: `reach` says whether some run comes there, `eventually` whether every run does."""
    some, every = sets(spec(f"count n over isn {{ {event} }}", faults=faults, rfc1337=rfc1337))
    claims = f"reach some {{ {event} }}\neventually every {{ {event} }} within 1000s"
    dice = random.Random(event)
    for value in EDGES + [dice.randrange(WHOLE) for _ in range(4)]:
        text = spec(claims, number=f"= s1.snd_nxt + {value}", faults=faults, rfc1337=rfc1337)
        found = [claim.verdict for claim in verify_text(text).claims]
        assert found[0] == ("reachable" if value in some else "unreachable"), value
        if value in every:
            assert found[1] == "holds", value
        else:
            assert found[1] in ("violated", "vacuous"), value
