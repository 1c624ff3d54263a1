"""Why a pause of 150 s: the gap that makes an ISN old, to the tick."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcpcheck.explore.result import Limits
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load_text
from tcpcheck.verify import CaseCheck, Totals, verify_text

SPEC = Path(__file__).parent.parent / "specs" / "isn_gap.tcp"
HALF, WHOLE = 1 << 31, 1 << 32


def spec(sent: int) -> str:
    """The shipped spec with another number of bytes sent by the client."""
    text = SPEC.read_text()
    return text.replace("send s1 80B", f"send s1 {sent}B").replace("recv c 80B", f"recv c {sent}B")


@pytest.mark.parametrize("sent", [1, 80, 1000])
def test_refused_exactly_for_these_gaps(sent: int) -> None:
    result = verify_text(spec(sent))
    count = next(c for c in result.claims if c.name == "gaps")
    assert count.count is not None
    assert count.verdict == "holds"
    assert count.count["min"] == count.count["max"] == HALF
    # 2^31+n+3 through 2^32+n+2, modulo 2^32
    assert [tuple(x) for x in count.count["intervals"]] == [(0, sent + 2), (HALF + sent + 3, WHOLE - 1)]


def test_one_tick_to_either_side() -> None:
    """Concrete runs with the gap pinned: refused on one side of each edge, accepted on the other."""
    sent = 80
    scenario = load_text(spec(sent), "isn_gap.tcp", REGISTRY)
    check = CaseCheck(scenario, scenario.cases[0], Limits(), None, Totals())
    check.run()
    claim = [c.name for c in scenario.cases[0].claims].index("gaps")
    first, last = HALF + sent + 3, (WHOLE + sent + 2) % WHOLE
    assert check.outcomes_at(claim, first - 1) == {False}
    assert check.outcomes_at(claim, first) == {True}
    assert check.outcomes_at(claim, last) == {True}
    assert check.outcomes_at(claim, last + 1) == {False}
    # distance 2^31 from what TIME-WAIT expects is still newer
    assert check.outcomes_at(claim, HALF + sent + 2) == {False}
