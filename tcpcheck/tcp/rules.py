"""The table of rules: every branch of the protocol that decides something has a name here.

The core reports a rule as its number (rules.pxd); a spec says `takes NAME`; traces, coverage and documents show
`doc`, `rfc` and `kernel`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.tcp.rules_arrives import ARRIVE_RULES
from tcpcheck.tcp.rules_sends import SEND_RULES

ARRIVE_FIRST = 0
SEND_FIRST = 128
TOTAL = 192


@dataclass(frozen=True)
class Rule:
    """One decision. doc: what happens, in a sentence. rfc: the clause, or "" where no RFC speaks of it (then the
    kernel's behaviour is all there is). kernel: the functions of Linux that decide it."""

    number: int
    name: str
    doc: str
    rfc: str
    kernel: str


def _numbered() -> tuple[Rule, ...]:
    assert len(ARRIVE_RULES) <= SEND_FIRST - ARRIVE_FIRST
    assert len(SEND_RULES) <= TOTAL - SEND_FIRST
    rows = [(ARRIVE_FIRST + i, row) for i, row in enumerate(ARRIVE_RULES)]
    rows += [(SEND_FIRST + i, row) for i, row in enumerate(SEND_RULES)]
    return tuple(Rule(number, *row) for number, row in rows)


RULES: tuple[Rule, ...] = _numbered()
BY_NAME: dict[str, Rule] = {rule.name: rule for rule in RULES}
BY_NUMBER: dict[int, Rule] = {rule.number: rule for rule in RULES}
