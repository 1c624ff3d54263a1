"""A bound that is met makes verdicts undecided and says which; it never makes a claim hold."""

from __future__ import annotations

import pytest
from model_specs import KERNEL, PLAIN, checked

from tcpcheck.explore.result import Limits
from tcpcheck.witness.verdict import ClaimResult

CLAIMS = (
    "never { client.s in CLOSING }",
    "always { client.s in TIME-WAIT implies client.s timer timewait }",
    "reach { client.s in CLOSING }",
    "eventually { client.s in CLOSED }",
    "after { client.s in ESTABLISHED } eventually { client.s in CLOSED } within 70s",
)


def undecided(spec: str, limits: Limits, claims: tuple[str, ...] = CLAIMS) -> list[ClaimResult]:
    found = list(checked(spec, claims, limits).claims)
    for c in found:
        assert c.verdict == "undecided" and not c.ok and c.bounds["truncated"], c
        assert c.note and c.witness is None
    return found


LOSSY = PLAIN.replace("delay 1ms", "delay 1ms..9ms ; lose 0..2")


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (Limits(states=30), "state"),
        (Limits(depth=8), "depth"),
        (Limits(seconds=1e-9), "time"),
        (Limits(memory_bytes=1 << 16), "memory"),
    ],
)
def test_limits_of_the_search(limits: Limits, word: str) -> None:
    notes = {c.note for c in undecided(LOSSY, limits)}
    assert len(notes) == 1 and word in notes.pop()


def test_what_was_found_before_the_limit_stays_found() -> None:
    """A violated claim is violated and a reached one reached, however little was looked at."""
    claims = ("never { client.s in ESTABLISHED }", "reach { client.s in FIN-WAIT-1 }", "never { client.s in CLOSING }")
    found = checked(LOSSY, claims, Limits(states=2000)).claims
    assert [c.verdict for c in found] == ["violated", "reachable", "undecided"]
    assert found[0].witness is not None and found[0].bounds["truncated"]


def test_the_horizon() -> None:
    """Beyond it nothing is known; a run that ends before it, or a verdict found before it, stands."""
    claims = (
        "never { client.s in CLOSED }",
        "never { client.s in TIME-WAIT }",
        "eventually { client.s in CLOSED }",
        "eventually { client.s in CLOSED } within 20s",
        "eventually { client.s in TIME-WAIT }",
    )
    short = [c.verdict for c in checked("horizon 10s" + PLAIN, claims).claims]
    assert short == ["undecided", "violated", "undecided", "undecided", "undecided"]
    found = checked("horizon 100s" + PLAIN, claims).claims
    assert [c.verdict for c in found] == ["violated", "violated", "holds", "violated", "holds"]
    assert all(c.bounds["horizon_s"] == 100.0 and not c.bounds["truncated"] for c in found)
    stuck = ("eventually { client.s in CLOSING }", "after { client.s in TIME-WAIT } eventually { client.s in CLOSING }")
    assert [c.verdict for c in checked("horizon 100s" + PLAIN, stuck).claims] == ["violated", "violated"]


def hosts(server: str, client: str) -> str:
    return f"""
    host server {{ {KERNEL} ; run {{ {server} }} }}
    host client {{ {KERNEL} ; run {{ {client} }} }}
    network {{ delay 1ms }}
    """


@pytest.mark.parametrize(
    ("server", "client"),
    [
        ("listen :80 ; stop", "loop 30 { connect server:80 }"),  # sockets
        (
            "listen :80 ; loop { accept -> c ; close c }",
            "loop 7 { connect server:80 -> s ; abort s ; sleep 1s }",
        ),  # sockets of one name
        ("listen :80 ; accept -> c", "connect server:80 -> s ; send s 30kB"),  # in flight
        ("listen :80 ; accept -> c", "connect server:80 -> s ; loop 40 { send s 1B } ; close s"),  # in flight
    ],
)
def test_tables_that_are_too_small(server: str, client: str) -> None:
    (found,) = undecided(hosts(server, client), Limits(states=20_000), ("never { client receives RST (old) }",))
    assert "table" in found.note


def test_more_obligations_than_places() -> None:
    """With `within A..B` each trigger waits for itself."""
    client = "connect server:80 from :1000 -> s ; loop 40 { send s 1B ; sleep 1s } ; close s"
    claims = ("after { client.s sends DATA } eventually { client.s sends FIN } within 1s..60s",)
    spec = hosts("listen :80 ; accept -> c ; recv c until eof ; close c", client)
    undecided(spec, Limits(states=20_000), claims)
