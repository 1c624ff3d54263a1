"""Named unknowns of a spec: what a trace says of them is what is on the wire; and how a spec is refused that cannot be
compiled."""

import pytest

from tcpcheck.checking import verify_text
from tcpcheck.errors import SpecError
from tcpcheck.lang.diagnostics import render

SPEC = """
host server {{ kernel linux 6.18.44 ; run {{ listen :80 ; accept -> c }} }}
host client {{
    kernel linux 6.18.44
    sysctl net.ipv4.tcp_timestamps = {timestamps}
    run {{ {before} connect server:80 from :1000 (seq any -> isn, tsval any -> ts) -> s }}
}}
network {{ delay 1ms }}
{claim}
"""


def found(claim: str, before: str = "", timestamps: int = 1) -> dict[str, str]:
    (result,) = verify_text(SPEC.format(before=before, claim=claim, timestamps=timestamps)).claims
    assert result.witness is not None
    return dict(result.witness.values)


@pytest.mark.parametrize("before", ["", "sleep 5s ;"])
def test_a_timestamp_is_the_one_on_the_wire(before: str) -> None:
    """Found wrong: what the clock would have shown when the run began."""
    values = found("reach x { server receives SYN (tsval - 77 = 0 and seq - 5 = 0) }", before)
    assert values == {"isn": "5", "ts": "77"}


def test_what_the_run_does_not_come_to_has_no_number() -> None:
    assert found("reach x { server.c absent }", "sleep 5s ;") == {}
    assert found("reach x { server receives SYN (seq - 5 = 0) }", timestamps=0) == {"isn": "5"}


def test_a_clock_that_runs_on_is_no_number() -> None:
    with pytest.raises(SpecError) as refused:
        verify_text(SPEC.format(before="", claim="reach y { server receives SYN (tsval = ts) }", timestamps=1), "t.tcp")
    shown = render(refused.value)
    assert shown.startswith("t.tcp:9:40: error: `ts`, where a clock stood that has run on since")
    assert shown.splitlines()[1:] == [" 9 | reach y { server receives SYN (tsval = ts) }", "   |" + " " * 40 + "^^"]


def test_too_many_claims_are_refused_where_the_first_is_too_many() -> None:
    claims = "\n".join(f"reach r{i} {{ server.c in ESTABLISHED }}" for i in range(30))
    with pytest.raises(SpecError) as refused:
        verify_text(SPEC.format(before="", claim=claims, timestamps=1), "t.tcp")
    assert render(refused.value).startswith("t.tcp:33:1: error: more than 24 claims in one spec\n 33 | reach r24")
