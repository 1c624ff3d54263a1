"""A capture with one packet changed no longer agrees, unless what is left could have been.

Every fifth mutation is tried here; `python -m tests.conform.share` tries them all and prints the shares of
docs/conformance.md.
"""

from __future__ import annotations

import pytest

from tests.conform.captures import NAMES
from tests.conform.share import KNOWN, LAST, judged, reason, refused_later

EVERY = 5


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_packet_is_refused(name: str) -> None:
    kept = [m for i, m in enumerate(judged(name, every=EVERY, offset=len(name) % EVERY)) if m.agrees]
    assert [str(m.mutation) for m in kept if reason(m) is None] == []


def test_the_last_reply_is_missed_when_the_capture_is_known_to_have_gone_on() -> None:
    last = [m for m in judged("p_lastack_loss") if m.agrees and reason(m) == LAST]
    assert [str(m.mutation) for m in last] == ["dropped of packet 17"]
    assert all(refused_later(m) for m in last)


def test_the_known_survivors_survive() -> None:
    """Else their explanations are out of date."""
    names = {name for name, _ in KNOWN}
    found = {(name, str(m.mutation)) for name in names for m in judged(name) if m.agrees}
    assert found >= KNOWN.keys()
