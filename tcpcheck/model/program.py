"""The tables of a Case: plain numbers, which the compiled model runs on.

The rows mirror the structs of layout.pxd field by field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tcpcheck.errors import Diagnostic, Span, SpecError
from tcpcheck.lang import scenario as sc

CONSTANT_KEY = 1 << 56  # keys of the spec's own unknowns: CONSTANT_KEY + index; TCP's keys have other top bytes
TS_KEY = 2 << 56


@dataclass
class ClaimTable:
    """One claim: kind, sockets it quantifies over, and the nodes to judge."""

    name: str
    kind: int
    vars: list[tuple[int, int, int, int]] = field(default_factory=list)
    triggers: int = 0  # the first so many are bound by the trigger of an `after`
    eventless: bool = False
    goal_eventless: bool = False
    within: tuple[int, int] | None = None
    pred: int = -1
    exercised: int = -1
    goal: int = -1
    over: tuple[int, int] = (-1, -1)
    counted: int = -1  # place in Program.counted of the unknown that a count is over, and of the other one of a pair
    counted2: int = -1
    over_sleep: int = -1
    subject: int = -1
    replies: bool = False
    asks: bool = False  # a map asks with which values the obligation is met
    goals: int = 0  # the variables from here on are those of what is counted alone


@dataclass
class Program:
    """The tables of one Case."""

    case: sc.Case
    hosts: list[str] = field(default_factory=list)
    binds: list[tuple[str, str]] = field(default_factory=list)  # (host, name); hidden names start with '.'
    entries: list[tuple[int, int, str]] = field(default_factory=list)  # host, first pc, name of the run
    instrs: list[dict[str, int]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)  # each instruction as the spec spells it
    targets: list[int] = field(default_factory=list)
    connects: list[dict[str, int]] = field(default_factory=list)
    firewall: list[dict[str, int]] = field(default_factory=list)
    firewall_text: list[str] = field(default_factory=list)
    firewall_on: int = 0
    faults: list[dict[str, int]] = field(default_factory=list)
    budgets: list[int] = field(default_factory=list)
    rewrites: list[dict[str, int]] = field(default_factory=list)
    router: dict[str, Any] | None = None
    nodes: list[list[int]] = field(default_factory=list)
    kids: list[int] = field(default_factory=list)
    patterns: list[dict[str, int]] = field(default_factory=list)
    ordinals: list[tuple[int, int, int]] = field(default_factory=list)  # kind, flags, greatest n asked for
    claims: list[ClaimTable] = field(default_factory=list)
    sysctl_steps: list[tuple[int, str, int]] = field(default_factory=list)  # host, name, value
    constants: dict[int, str] = field(default_factory=dict)  # key -> name shown to people
    given: dict[int, dict[str, str]] = field(default_factory=dict)  # pc -> name -> field of what is sent
    sleeps: dict[int, str] = field(default_factory=dict)  # pc of a named sleep -> name
    slept: list[int] = field(default_factory=list)  # pcs of the sleeps whose length claims ask for
    kept: list[tuple[int, int, int]] = field(default_factory=list)  # binding, position, socket field
    peered: list[int] = field(default_factory=list)  # bindings whose peers a claim asks for
    keeps_tsecr: bool = False  # the number in a TSecr is asked for
    keeps_young_tsecr: bool = False  # only while it may be of the tick in which a SYN is sent
    keeps_gone: bool = False  # a claim speaks of sockets by their port or as peers
    injects: list[dict[str, Any]] = field(default_factory=list)
    caught: list[tuple[str, str, str]] = field(default_factory=list)  # host, name of the segment, field
    counted: list[int] = field(default_factory=list)  # keys of the unknowns that claims count over
    keeps_ts_recent: bool = False  # timestamps are made up, or a claim asks for them


class Unsupported(SpecError):
    """A spec that is well formed but asks for more than the model's tables hold."""


def refuse(span: Span, message: str) -> Unsupported:
    return Unsupported([Diagnostic("", span, message)])
