"""Cycles in which a claim waits for ever: what is confirmed, and what of the others is missing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tcpcheck.checking import verify_text
from tcpcheck.cycles import not_waiting
from tcpcheck.explore.result import Limits

LOOP = """
{time}
host server {{ kernel linux 6.18.44 ; run {{ listen :80 backlog 5 ; accept -> c ; stop }} }}
host client {{ kernel linux 6.18.44 ; run {{ connect server:80 -> s ; loop {{ sleep 1s }} }} }}
network {{ delay 1ms }}
eventually ends {{ client.s in CLOSED }}
"""


def test_a_cycle_in_which_time_passes_is_confirmed() -> None:
    (claim,) = verify_text(LOOP.format(time="")).claims
    assert claim.verdict == "violated" and claim.witness is not None
    assert claim.witness.confirmed_by == ("z3", "concrete-rerun") and claim.note.startswith("a cycle")


def test_without_time_it_is_said_what_is_missing() -> None:
    text = LOOP.format(time="time off")
    (claim,) = verify_text(text, limits=Limits(states=2000)).claims
    assert claim.verdict == "undecided" and claim.witness is None
    assert (
        "a cycle of " in claim.note and "not confirmed: with `time off` nothing says whether it is fair" in claim.note
    )


@pytest.mark.parametrize(
    ("waiting", "met", "instants", "missing"),
    [
        ((1, 1), (0, 0), (0, 5, 9), ""),
        ((1, 1), (0, 1), (0, 5, 9), "it is met again and again, and another obligation waits then"),
        ((1, 0), (0, 0), (0, 5, 9), "with real numbers it does not wait all the time"),
        ((1, 1), (0, 0), (5, 5, 5), "no time passes in it"),
    ],
)
def test_what_a_cycle_lacks(
    waiting: tuple[int, int], met: tuple[int, int], instants: tuple[int, ...], missing: str
) -> None:
    moments = [
        SimpleNamespace(instant=n + 1, waiting=w, met=m) for n, (w, m) in enumerate(zip(waiting, met, strict=True))
    ]
    assert not_waiting(0, 2, moments, instants) == missing
