"""Why a pause of 150 s: the gap that makes an ISN old, to the tick."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcpcheck.checking import CaseCheck, Totals, verify_text
from tcpcheck.explore.result import Limits
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load_text

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


def test_a_count_over_the_length_of_a_sleep() -> None:
    """The pause for which the number is old, to the ns. The SYNs are one round trip and the pause apart; where within
    their tick of 64 ns they are sent leaves the edges open by a tick on each side."""
    spec = Path(__file__).parent / "specs_model" / "count_gap.tcp"
    (refused,) = verify_text(spec.read_text()).claims
    assert refused.verdict == "holds"
    assert refused.count is not None
    (first, last), (again, end) = refused.count["intervals"]
    # refused from 2^31 + 2 ticks apart on (its FIN took a number), for half a turn; five times 10 us on the way
    for edge, ticks in ((first, HALF + 3), (last, WHOLE + 2), (again, HALF + WHOLE + 3), (end, 2 * WHOLE + 2)):
        assert abs(edge + 50_000 - 64 * ticks) <= 64, edge
    assert refused.count["min"] <= 2 * 64 * HALF <= refused.count["max"]
    scenario = load_text(spec.read_text(), "count_gap.tcp", REGISTRY)
    check = CaseCheck(scenario, scenario.cases[0], Limits(), None, Totals())
    check.run()
    for inside, outside in ((first, first - 1), (last, last + 1), (again, again - 1), (end, end + 1)):
        assert True in check.outcomes_at(0, inside)
        assert check.outcomes_at(0, outside) == {False}
