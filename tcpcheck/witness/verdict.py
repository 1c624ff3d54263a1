"""What `verify` found: one ClaimResult for each claim and family member, one SpecResult for each spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from tcpcheck.witness.trace import Trace

VERDICTS = ("holds", "violated", "reachable", "unreachable", "vacuous", "undecided")
KINDS = ("never", "always", "reach", "eventually", "after", "count")

BoundValue = int | float | bool | str | None


class Count(TypedDict):
    """How many values of the unknown lead to a match: from `min` to `max`, should that differ with the rest.

    intervals: the values themselves as closed ranges [lo, hi] below 2^32, rising; empty when not worked out.
    """

    min: int
    max: int
    intervals: list[tuple[int, int]]


@dataclass(frozen=True)
class ClaimResult:
    """The verdict of one claim for one member of the families.

    verdict: one of VERDICTS. expected: a verdict, or for `count` a number or a range (`1`, `2..1048576`).
    ok: verdict (or count) as expected; never true of `undecided`.
    settings: what distinguishes the member, as `Case.settings`; the same as its trace's.
    bounds: what the verdict holds under. render/verdicts.py spells out these keys, any other prints as it is:
        losses duplicates late aborts connections   counts, at most so many in a run
        delay_lo_s delay_hi_s lifetime_s horizon_s  seconds
        profile                                     the hosts' kernels as text
        omission                                    probability that hashing merged two different states
        time                                        "off" when no clock was kept
        truncated                                   a limit was met: part of the runs was not looked at
    witness: of a violated or reached claim; None when there is none.
    note: why `undecided` or `vacuous`; else a remark or "".
    line: where the claim stands in its spec; 0 when that is not known.
    """

    name: str
    kind: str
    verdict: str
    expected: str
    ok: bool
    settings: Mapping[str, int | str]
    bounds: Mapping[str, BoundValue]
    witness: Trace | None = None
    count: Count | None = None
    note: str = ""
    line: int = 0


class Stats(TypedDict):
    """What the search cost, over all members of one spec. rules_taken: rule ids."""

    states: int
    transitions: int
    depth: int
    seconds: float
    states_per_second: float
    bytes_per_state: float
    peak_memory_mb: float
    rules_taken: list[str]
    solver_calls: int


@dataclass(frozen=True)
class SpecResult:
    """Every verdict of one spec. warnings: ready to print. ok: every claim as expected. interrupted: by Ctrl-C.
    source: the spec's text, where it is known."""

    file: str
    title: str
    question: str
    claims: tuple[ClaimResult, ...]
    stats: Stats
    warnings: tuple[str, ...]
    ok: bool
    interrupted: bool = False
    source: str = field(default="", repr=False)

    def _repr_html_(self) -> str:
        """In a notebook: the report, in a frame of its own so that neither's style meets the other's."""
        from html import escape

        from tcpcheck.render.html import report
        from tcpcheck.render.rules import rule_lookup

        page = escape(report([self], rules=rule_lookup()))
        return f'<iframe srcdoc="{page}" style="width:100%;height:40em;border:0" title="tcpcheck"></iframe>'
