"""Who sees which segment: what a capture at a host, or on the wire, would hold.

A tap sits below the firewall: a host sees what its INPUT chain is about to drop, and nobody sees what its OUTPUT
chain dropped. A lost segment is seen by its sender and on the wire. A host that talks to itself sees a segment once,
when it is sent, as `tcpdump -i lo` does.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.errors import UsageError
from tcpcheck.witness.trace import Segment, Step, Trace

WIRE = "wire"


@dataclass(frozen=True)
class Sighting:
    """A segment seen at a vantage point. outbound: leaving the host; on the wire always True."""

    step: Step
    segment: Segment
    outbound: bool

    @property
    def time_ns(self) -> int:
        return self.step.time_ns


def vantages(trace: Trace) -> list[str]:
    """The hosts in the spec's order, then the wire (unless a host has that name)."""
    names = [host.name for host in trace.hosts]
    return names if WIRE in names else [*names, WIRE]


def emissions(trace: Trace) -> dict[int, Step]:
    """uid -> the step in which the segment left its host: sent, or lost as soon as it was."""
    found: dict[int, Step] = {}
    for step in trace.steps:
        if step.event in ("send", "lose") and step.segment is not None:
            found.setdefault(step.segment.uid, step)
    return found


def sender(trace: Trace, segment: Segment) -> str:
    """The host that emitted the segment: an attacker's name where its source is forged."""
    emitted = emissions(trace).get(segment.uid)
    return segment.src if emitted is None else emitted.host


def receiver(trace: Trace, segment: Segment) -> str:
    """The host at the end of the segment's hop: its destination, or a router on the way there.

    Of one that never arrives, others between the same two tell, sent by the same host."""
    way = (segment.src, segment.dst, sender(trace, segment))
    for step in trace.steps:
        arrived = step.segment if step.event in ("receive", "drop") and step.text != "OUTPUT" else None
        if arrived is not None and arrived.uid == segment.uid:
            return step.host
    for step in trace.steps:
        other = step.segment if step.event == "receive" else None
        if other is not None and (other.src, other.dst, sender(trace, other)) == way:
            return step.host
    return segment.dst


def drop_chain(trace: Trace, step: Step) -> str:
    """`OUTPUT` or `INPUT` (of a router `FORWARD` too): the chain of step.host that dropped the segment.

    The step's text may say so. Otherwise who drops his own segment does it on its way out; where source and
    destination are one host, the moment tells: OUTPUT drops a segment as it is sent.
    """
    for chain in ("OUTPUT", "INPUT", "FORWARD"):
        if chain in step.text:
            return chain
    segment = step.segment
    if segment is None or sender(trace, segment) != step.host:
        return "INPUT"
    sent = [s.time_ns for s in trace.steps if s.event == "send" and s.segment == segment]
    return "INPUT" if segment.dst == step.host and sent and sent[0] < step.time_ns else "OUTPUT"


def powerless(step: Step) -> bool:
    """It came to a host that is switched off: nobody sees it there."""
    return step.event == "drop" and "no power" in step.text


def sightings(trace: Trace, vantage: str) -> list[Sighting]:
    """What is seen at a host or on the wire, in the order it happens. Raises UsageError for an unknown vantage."""
    if vantage not in vantages(trace):
        raise UsageError(f"no vantage point {vantage!r}: choose one of {', '.join(vantages(trace))}")
    is_host = any(host.name == vantage for host in trace.hosts)
    refused = {
        step.segment.uid
        for step in trace.steps
        if step.event == "drop" and step.segment is not None and drop_chain(trace, step) == "OUTPUT"
    }
    emitted = {id(step) for step in emissions(trace).values()}
    seen = []
    for step in trace.steps:
        segment = step.segment
        if segment is None or (is_host and step.host != vantage):
            continue
        if id(step) in emitted and segment.uid not in refused:
            seen.append(Sighting(step, segment, True))
        arrived = is_host and step.event in ("receive", "drop") and segment.uid not in refused and not powerless(step)
        if arrived and sender(trace, segment) != step.host:
            seen.append(Sighting(step, segment, False))
    return seen
