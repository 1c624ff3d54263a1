"""Which rules, and which rules after which, were taken; why the others were not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tcpcheck.crosscheck.generate import Pair, Trace
from tcpcheck.crosscheck.traces import TraceDisagreement, TraceResult
from tcpcheck.tcp.rules import RULES

OLDER = "kernels before this profile's take it"
STACKS = "other stacks than Linux take it"
RFC = "hosts without RFC 5961 take it"
BIG = "the model does not count a real receive buffer's bytes: the window shuts when it does"
WHY_NOT = {
    "REQ_BAD_ACK_RST_IGNORED": OLDER,
    "ACK_TOO_OLD_CHALLENGED": OLDER,
    "ACK_FUTURE_IGNORED": OLDER,
    "ACK_FUTURE_ACKED": RFC,
    "SYN_IN_WINDOW_RST": RFC,
    "RST_IN_WINDOW": RFC,
    **dict.fromkeys(("TW_RST_IN_WINDOW", "TW_SYN_RST", "TW_NO_ACK_SILENT", "TW_ACK_SILENT", "TW_FIN_RESTARTS"), STACKS),
    "DATA_ZERO_WINDOW": BIG,
    "WINDOW_UPDATE": BIG,
    "CONNECT_NO_PORT": "every ephemeral port of the namespace would have to be in use",
    "CHALLENGE_ACK_HOST_LIMIT": "the limit is one for all connections of the namespace that are played together",
    "PERSIST_FIREWALL": "no firewall is set up",
    "ORPHANS_FULL": "tcp_max_orphans is a sysctl of the whole machine",
    "TIME_WAIT_EXPIRED": "it takes more than 5 s: --wait",
    "FIN_WAIT2_FULL_TO_BUCKET": "it takes more than 5 s: --wait",
}
NOT_FOUND = "the search for traces did not come upon it within its bounds"


@dataclass
class TraceOutcome:
    """planned: all that was generated, `too_long` those that were not played for their pauses. seconds: of playing."""

    planned: list[Trace]
    too_long: list[Trace]
    results: list[TraceResult] = field(default_factory=list)
    generating: float = 0.0
    seconds: float = 0.0

    @property
    def agree(self) -> int:
        return sum(r.agree for r in self.results)

    @property
    def again(self) -> int:
        return sum(r.again for r in self.results)

    @property
    def steps(self) -> int:
        return sum(len(trace.plan) for trace in self.planned) - sum(len(trace.plan) for trace in self.too_long)

    def disagreements(self) -> list[TraceDisagreement]:
        return [d for r in self.results for d in r.disagreements]

    def planned_pairs(self) -> set[Pair]:
        return pairs_of(self.planned)

    def taken_pairs(self) -> set[Pair]:
        """By the kernel, as far as the model tells."""
        return set[Pair]().union(*(r.pairs for r in self.results))

    def by_start(self) -> dict[str, TraceResult]:
        """The results of each start, added up."""
        found: dict[str, TraceResult] = {}
        for r in self.results:
            row = found.setdefault(r.start, TraceResult(r.start))
            row.agree, row.again = row.agree + r.agree, row.again + r.again
            row.disagreements += r.disagreements
            row.pairs |= r.pairs
        return found


def pairs_of(traces: Iterable[Trace]) -> set[Pair]:
    return set[Pair]().union(*(trace.new for trace in traces))


def rules_of(pairs: Iterable[Pair]) -> set[str]:
    return {rule for _, rule in pairs}


def not_taken(taken: set[str]) -> list[tuple[str, str]]:
    """(rule, why) of all the others."""
    return [(rule.name, WHY_NOT.get(rule.name, NOT_FOUND)) for rule in RULES if rule.name not in taken]
