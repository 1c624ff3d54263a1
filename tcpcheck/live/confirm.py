"""The running kernel as one more witness to a verdict's traces: `verify --replay`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tcpcheck.live.replay import AGREES, CUT, DISAGREES, SKIPPED, Outcome
from tcpcheck.witness.verdict import ClaimResult, SpecResult

KERNEL = "kernel"  # in Trace.confirmed_by


def confirmed(result: SpecResult, outcomes: Iterable[Outcome]) -> SpecResult:
    """The result with what its traces' plays say: a trace is confirmed when each side whose host is the running kernel
    agreed to its end; a claim whose trace it plays otherwise is not as expected, whatever the verdict."""
    by_trace: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        by_trace.setdefault(id(outcome.trace), []).append(outcome)
    claims = tuple(_claim(claim, by_trace.get(id(claim.witness), [])) for claim in result.claims)
    return replace(result, claims=claims, ok=all(claim.ok for claim in claims))


def _claim(claim: ClaimResult, outcomes: Sequence[Outcome]) -> ClaimResult:
    bad = next((o for o in outcomes if o.result == DISAGREES), None)
    if bad is not None:
        note = f"{claim.note}; {disagreement(bad)}" if claim.note else disagreement(bad)
        return replace(claim, ok=False, note=note)
    own = [o for o in outcomes if not o.other]
    if claim.witness is None or not own or any(o.result != AGREES for o in own):
        return claim
    return replace(claim, witness=replace(claim.witness, confirmed_by=(*claim.witness.confirmed_by, KERNEL)))


def disagreement(outcome: Outcome) -> str:
    """One sentence."""
    assert outcome.played is not None and outcome.played.disagreement is not None
    d = outcome.played.disagreement
    by = f" by {d.rule}" if d.rule else ""
    return f"THE KERNEL DISAGREES as {outcome.side} at step {d.at}: predicted {d.predicted}{by}, came {d.came}"


def tally(result: SpecResult, outcomes: Iterable[Outcome], kernel: str) -> str:
    """How many of the traces the kernel confirms, and why not the others."""
    traces = [claim.witness for claim in result.claims if claim.witness is not None]
    count = sum(KERNEL in trace.confirmed_by for trace in traces)
    reasons = [
        (len({id(o.trace) for o in outcomes if o.result == DISAGREES}), "disagree"),
        (len({id(o.trace) for o in outcomes if o.result == CUT}), "played in part"),
        (len({id(o.trace) for o in outcomes if o.other or o.result == SKIPPED}), "of other kernels"),
    ]
    others = "".join(f", {number} {words}" for number, words in reasons if number)
    return f"{count} of {len(traces)} traces confirmed by the running {kernel}{others}"
