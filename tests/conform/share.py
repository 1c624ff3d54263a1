"""How many single-packet mutations of the kernel's captures are refused: `python -m tests.conform.share [NAME...]`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tcpcheck.conform.command import read
from tcpcheck.conform.judge import Side, judge, parse_host
from tcpcheck.conform.packets import ACK, SYN, Capture, Packet
from tests.conform.captures import NAMES, OPTIONS, conform, path
from tests.conform.mutations import Mutation, mutations

LONGER_NS = 10_000_000
LAST = "the last packet dropped: a capture that ends earlier"
FIRST = "the first packet dropped: a capture that starts later"
ENDS = "the capture ends before the answer to the mutation is due"
ISN = "an ISN of which nothing in the capture says what it should have been"

# What is left of these could have been, for a reason of its own.
KNOWN = {
    ("defer_accept", "dropped of packet 4"): "as with a longer TCP_DEFER_ACCEPT",
    ("tw_synfin_kills", "invented ack of packet 8"): "as if the listener had been closed just before the SYN came",
}


@dataclass(frozen=True)
class Judged:
    """A mutation of the capture `name` and whether it agrees."""

    name: str
    original: Capture
    mutation: Mutation
    agrees: bool


def side_of(name: str) -> Side:
    """The ends of the host that is modelled."""
    address, port = parse_host(OPTIONS[name]["options"][1])
    return Side(address, None if port is None else frozenset((port,)))


def judged(name: str, every: int = 1, offset: int = 0) -> Iterator[Judged]:
    """Every n-th mutation of a capture."""
    call, original = conform(name), read(str(path(name)))
    for i, mutation in enumerate(mutations(original, side_of(name))):
        if i % every == offset:
            verdict = judge(mutation.capture, call.call.host or OPTIONS[name]["options"][1], call.setting)
            yield Judged(name, original, mutation, verdict.agrees is not False)


def reason(row: Judged) -> str | None:
    """Why a mutation that agrees may agree; None: it should not."""
    number, packets = row.mutation.packet, row.original.packets
    packet = packets[number - 1]
    if row.mutation.kind == "dropped" and number == len(packets):
        return LAST
    if row.mutation.kind == "dropped" and number == 1:
        return FIRST
    if row.mutation.kind == "seq" and packet.flags & SYN and not _answered(packets[number:], packet):
        return ISN
    if row.mutation.kind == "dropped" and number == len(packets) - 1:
        return ENDS
    return KNOWN.get((row.name, str(row.mutation)))


def refused_later(row: Judged) -> bool:
    """Is it refused when the capture is known to have gone on for 10 ms after its last packet?"""
    call = conform(row.name)
    setting = replace(call.setting, until_ns=row.original.packets[-1].time_ns + LONGER_NS)
    host = call.call.host or OPTIONS[row.name]["options"][1]
    assert judge(row.original, host, setting).agrees
    return judge(row.mutation.capture, host, setting).agrees is False


def _answered(later: list[Packet], syn: Packet) -> bool:
    """Does the peer acknowledge this SYN, and the capture go on?"""
    acks = [p for p in later if p.src == syn.dst and p.dst == syn.src and p.flags & ACK and p.ack == syn.end]
    return (
        bool(acks)
        and acks[0].number < later[-1].number
        and any(p.src == syn.src and p.dst == syn.dst and p.number > acks[0].number for p in later)
    )


def _main(names: list[str]) -> None:
    total: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    why: Counter[str] = Counter()
    for name in names:
        for row in judged(name):
            total[row.mutation.kind] += 1
            refused[row.mutation.kind] += not row.agrees
            if row.agrees:
                said = reason(row)
                if said in (LAST, ENDS) and refused_later(row):
                    said = f"{said}; refused with --until 10 ms later"
                why[said or "unexplained"] += 1
                if said is None:
                    print(f"unexplained: {name}, {row.mutation}")
    print("| mutation | tried | refused |\n|---|---|---|")
    for kind, count in total.items():
        print(f"| {kind} | {count} | {refused[kind]} |")
    print(f"| all | {total.total()} | {refused.total()} |\n")
    for said, count in why.most_common():
        print(f"- {count}: {said}")


if __name__ == "__main__":
    _main(sys.argv[1:] or NAMES)
