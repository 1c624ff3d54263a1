"""One host's part in a trace: the calls it makes, the segments it gets, and what it must send, step by step.

A host that talks to itself has two parts: the ports on which it listens, and its other ports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tcpcheck.witness.trace import Segment, Step, Trace

CLOSED = "CLOSED"
_LISTEN = re.compile(r"listen :(\d+)")


class Unplayable(Exception):
    """Something of the trace that cannot be done on this machine; says what."""


@dataclass(frozen=True, order=True)
class Pair:
    """A connection as its host sees it: its own port, the peer's host and port."""

    port: int
    peer: str
    peer_port: int


@dataclass(frozen=True)
class Side:
    """A host, or those of its ports that are played (None: all). name: as `--side` has it."""

    name: str
    host: str
    ports: frozenset[int] | None = None

    def owns(self, host: str, port: int) -> bool:
        return host == self.host and (self.ports is None or port in self.ports)


@dataclass
class Act:
    """One thing that happens to the side: a call, a segment that comes in, a timer that fires.

    sends: what it must send then, in order. refused: what its own firewall keeps back.
    last: the last step of the act. expected: the states of its connections after it, as `ss` prints them; a trace may
    contradict itself."""

    step: Step
    last: Step
    sends: list[Segment] = field(default_factory=list)
    refused: list[Segment] = field(default_factory=list)
    expected: list[tuple[Pair, str]] = field(default_factory=list)

    @property
    def rule(self) -> str:
        """The rule that settled the matter."""
        return self.step.rules[-1] if self.step.rules else ""

    def pair(self) -> Pair | None:
        """The connection that a connect() begins, by its SYN."""
        return next((sent_on(seg) for seg in (*self.sends, *self.refused) if "S" in seg.flags), None)


def sent_on(seg: Segment) -> Pair:
    """The sender's connection."""
    return Pair(seg.sport, seg.dst, seg.dport)


def got_on(seg: Segment) -> Pair:
    """The receiver's connection."""
    return Pair(seg.dport, seg.src, seg.sport)


def sides(trace: Trace) -> list[Side]:
    """Every side with a kernel to which something happens. A socket connected to itself has its like for a peer."""
    found: list[Side] = []
    for host in trace.hosts:
        if not host.has_tcp:
            continue
        own = [s.segment for s in trace.steps if s.segment and s.segment.src == s.segment.dst == host.name]
        if all(seg.sport == seg.dport for seg in own):
            found.append(Side(host.name, host.name))
            continue
        ports = {port for seg in own for port in (seg.sport, seg.dport)}
        listening = {int(m[1]) for s in trace.steps if s.host == host.name and (m := _LISTEN.match(s.text))} & ports
        passive = listening or ports - {seg.sport for seg in own if seg.flags == "S"} or {min(ports)}
        for group in (passive, ports - passive):
            if group:
                found.append(Side(f"{host.name}:{min(group)}", host.name, frozenset(group)))
    return [side for side in found if acts(trace, side)]


def cast(trace: Trace) -> dict[str, Pair | None]:
    """The connection of each socket that the trace names; None: the name means several."""
    found: dict[str, Pair | None] = {}
    known: set[str] = set()
    for step in trace.steps:
        new = [name for name in step.state if name not in known]
        known.update(new)
        born = [c.subject for c in step.changes if c.what == "state" and c.before == CLOSED] + new
        for name in dict.fromkeys(born):
            pair = _of(trace, step, name)
            if pair is None:
                continue
            found[name] = pair if found.get(name, pair) == pair else None
    return found


def _of(trace: Trace, step: Step, name: str) -> Pair | None:
    """The connection that a step gave a socket of this name."""
    if re.split(r"[.:]", name)[0] != step.host:
        return None
    if step.event == "receive" and step.segment is not None:
        return got_on(step.segment)
    for later in trace.steps[step.index + 1 :]:
        if later.event in ("call", "receive", "timer") or later.time_ns != step.time_ns:
            return None
        if later.segment is not None and "S" in later.segment.flags and later.host == step.host:
            return sent_on(later.segment)
    return None


def acts(trace: Trace, side: Side) -> list[Act]:
    """The side's part, in order."""
    names = cast(trace)
    found: list[Act] = []
    mine = False
    for step in trace.steps:
        seg = step.segment
        if step.event in ("call", "receive", "timer") or (step.event == "drop" and step.text == "INPUT"):
            mine = _begins(step, side, names)
            if mine:
                found.append(Act(step, step))
            continue
        if seg is None or not mine or seg.forged or not side.owns(step.host, seg.sport):
            continue
        found[-1].last = step
        if step.event in ("send", "lose"):
            found[-1].sends.append(seg)
        elif step.event == "drop":
            found[-1].refused.append(seg)
    for act in found:
        states = (_expected(step, side, names) for step in (act.step, act.last))
        act.expected = list(dict.fromkeys(row for after in states for row in after.items()))
    return [act for act in found if not _of_others(act, side)]


def _begins(step: Step, side: Side, names: dict[str, Pair | None]) -> bool:
    if step.segment is not None:
        return side.owns(step.host, step.segment.dport)
    if step.event == "timer" and side.ports is not None:
        pair = names.get(step.text.rpartition(" of ")[2])
        return pair is not None and side.owns(step.host, pair.port)
    return step.host == side.host


def _of_others(act: Act, side: Side) -> bool:
    """A call of a host that talks to itself, made by its other side."""
    if side.ports is None or act.step.event != "call":
        return False
    listens = _LISTEN.match(act.step.text)
    if listens:
        return int(listens[1]) not in side.ports
    return act.step.text.startswith("connect ") and not act.sends and not act.refused


def _expected(step: Step, side: Side, names: dict[str, Pair | None]) -> dict[Pair, str]:
    """Of several sockets that have had one connection, at most one is not CLOSED."""
    found: dict[Pair, str] = {}
    for name, state in step.state.items():
        pair = names.get(name)
        if pair is None or re.split(r"[.:]", name)[0] != side.host or not side.owns(side.host, pair.port):
            continue
        if state != CLOSED or pair not in found:
            found[pair] = state
    return found
