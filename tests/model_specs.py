"""Small specs for the tests of what claims mean: a situation, and claims about it with verdicts known by hand."""

from __future__ import annotations

from functools import cache

from tcpcheck.checking import verify_text
from tcpcheck.explore.result import Limits
from tcpcheck.witness.verdict import ClaimResult, SpecResult

KERNEL = "kernel linux 6.18.44"

# A connection of 2 ms round trips: SYN at 0, ESTABLISHED at the client at 2 ms, text and FIN there at once;
# CLOSE-WAIT and LAST-ACK at the server at 3 ms, TIME-WAIT at 4 ms, the server's CLOSED at 5 ms, 60 s of TIME-WAIT.
PLAIN = f"""
host server {{ {KERNEL} ; run {{ listen :80 -> l backlog 5 ; accept -> c ; recv c until eof ; close c }} }}
host client {{ {KERNEL} ; run {{ connect server:80 from :1000 -> s ; send s 10B ; close s }} }}
network {{ delay 1ms }}
"""


@cache
def checked(situation: str, claims: tuple[str, ...], limits: Limits = Limits()) -> SpecResult:  # noqa: B008
    return verify_text(situation + "\n".join(claims), limits=limits)


def verdicts(situation: str, claims: list[str]) -> list[ClaimResult]:
    """One result for each claim (one member); 24 claims fit into one spec."""
    found: list[ClaimResult] = []
    for at in range(0, len(claims), 24):
        found += checked(situation, tuple(claims[at : at + 24])).claims
    return found


def results(situation: str, claims: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """(claim, verdict) for a table of (claim, expected verdict)."""
    found = verdicts(situation, [text for text, _ in claims])
    return [(text, result.verdict) for (text, _), result in zip(claims, found, strict=True)]


def one(spec: str, limits: Limits = Limits()) -> ClaimResult:  # noqa: B008
    """The result of a spec's only claim."""
    (result,) = checked(spec, (), limits).claims
    return result
