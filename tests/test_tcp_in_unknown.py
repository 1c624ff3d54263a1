"""What the search finds for a segment of which numbers are unknown is what happens for some numbers, and nothing else.

Both directions: an outcome that the search misses would make a false `holds`; one that no number has would be a
violation that cannot be confirmed.
"""

from __future__ import annotations

import itertools

import pytest

from tests.tcp_scene import BUILDERS, HALF, M32, Outcome, Scene, scene

KINDS = (("S", 0), ("S.", 0), (".", 0), ("F.", 0), ("R", 0), ("P.", 10), ("F.", 10), ("", 0), ("SF", 0), ("R.", 10))
STAMPS = (-HALF + 1, -500_000, -241, -240, -2, -1, 0, 1, 100, HALF - 1, HALF)


def places(here: Scene) -> list[int]:
    """Offsets from RCV.NXT around every edge that a check may have, a segment's length to both sides."""
    window = here.window if here.sock >= 0 else 65160
    near = {edge + d for edge in (0, window) for d in range(-13, 13)}
    return sorted(near | {edge + d for edge in (1000, 1100, HALF, -HALF) for d in (-12, -11, -1, 0, 1)})


def few_places(here: Scene) -> list[int]:
    """The edges alone, for a segment of 10 or 11."""
    window = here.window
    return sorted({edge + d for edge in (0, window) for d in (-12, -11, -10, -9, -2, -1, 0, 1, 2)} | {HALF, -HALF + 1})


def acknowledgements(here: Scene) -> list[int]:
    """Offsets from SND.NXT around SND.UNA, SND.NXT and the oldest ACK tolerated."""
    una = ((here.una - here.sn + HALF) & M32) - HALF
    edges = (0, una, una - 1000, una - 65535, HALF, -HALF)
    return sorted({edge + d for edge in edges for d in (-2, -1, 0, 1, 2)} | {una // 2})


def union(outcomes: list[set[Outcome]]) -> set[Outcome]:
    return set(itertools.chain.from_iterable(outcomes))


@pytest.mark.parametrize("ts", [False, True], ids=["no-ts", "ts"])
@pytest.mark.parametrize("state", BUILDERS)
def test_any_sequence_number(state: str, ts: bool) -> None:
    here = scene(state, ts)
    for flags, length in KINDS:
        found = union([here.tried(flags, seq, 0, length) for seq in places(here)])
        assert here.tried(flags, None, 0, length) == found, flags


@pytest.mark.parametrize("state", ["request", "SYN-SENT", "ESTABLISHED in flight", "FIN-WAIT-1", "CLOSING", "LAST-ACK"])
def test_any_sequence_and_ack_number(state: str) -> None:
    here = scene(state)
    for flags, length in ((".", 0), ("P.", 10), ("F.", 0)):
        pairs = itertools.product(few_places(here), acknowledgements(here))
        found = union([here.tried(flags, seq, ack, length) for seq, ack in pairs])
        assert here.tried(flags, None, None, length) == found, flags


@pytest.mark.parametrize(
    "state", ["request", "ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT-2 bucket", "TIME-WAIT", "SYN-RECV"]
)
def test_any_sequence_number_and_timestamp(state: str) -> None:
    here = scene(state, ts=True)
    for flags, length in (("S", 0), (".", 0), ("R", 0), ("P.", 10), ("", 0)):
        pairs = itertools.product(few_places(here), STAMPS)
        found = union([here.tried(flags, seq, 0, length, tsval) for seq, tsval in pairs])
        assert here.tried(flags, None, 0, length, None) == found, flags


def test_a_blind_reset_has_three_outcomes() -> None:
    rules = {outcome[2][0] for outcome in scene("ESTABLISHED").tried("R", None)}
    assert rules == {"RST_EXACT", "RFC5961_RST_CHALLENGE", "RST_OUT_OF_WINDOW"}


def test_a_blind_syn_asks_nothing() -> None:
    assert len(scene("ESTABLISHED", ts=True).tried("S", None, 0, 0, None)) == 1
