"""Hosts that are alike: which ways to exchange hosts leave a Case as it is.

A renaming maps hosts to hosts. It is kept when the Case with all its hosts renamed says the same as before: every
host's kernel, sysctls, firewall and programs are those of the host that it becomes, line by line, and network, router
and claims stay what they were. Whatever is not understood here makes hosts unlike: that costs states, no verdicts.
What a search makes of it: symmetry.pyx.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from itertools import permutations
from typing import Any

from tcpcheck.lang import scenario as sc
from tcpcheck.model.program import Program

HIDDEN = re.compile(r"(\.[a-z]+)(\d+)")  # the socket of a call without a name: what it does, and its pc

IS_HOST: dict[type, set[str]] = {
    **{kind: {"host"} for kind in (sc.Named, sc.PortSock, sc.HostRef, sc.Ss, sc.Connect)},
    **{kind: {"src", "dst"} for kind in (sc.FirewallRule, sc.Fault, sc.Rewrite, sc.Inject)},
    sc.NatRule: {"src", "dst", "to"},
    sc.Host: {"name"},
    sc.Router: {"host", "inside", "outside"},
}
"""Where a Case names hosts. Their names anywhere else make them unlike."""

SAYS_NOTHING: dict[type, set[str]] = {
    sc.Host: {"address"},
    sc.Run: {"name"},
    **{kind: {"text"} for kind in (sc.FirewallRule, sc.NatRule, sc.Inject)},
    sc.Claim: {"name", "expected", "expected_count"},
}
"""What no step depends on, beside spans: how things are shown, and what is expected of them."""

SIMPLE_STEPS = (
    *(sc.Listen, sc.Accept, sc.Connect, sc.Send, sc.Recv, sc.Shutdown, sc.Close, sc.Abort, sc.Setsockopt),
    *(sc.Sleep, sc.Await, sc.Exit, sc.Stop, sc.Loop, sc.Either, sc.Iptables, sc.Crash, sc.Boot),
)
"""Steps that a host may take which is exchanged for another."""

IN_ANY_ORDER = (
    *(sc.And, sc.Or, sc.Not, sc.Implies, sc.InState, sc.Ss, sc.TimerIs, sc.Absent, sc.Same),
    *(sc.Event, sc.Gets, sc.Takes),
)
"""Of these alone the parts of a claim may stand in any order: nothing in them looks to its left."""


class Unlike(Exception):
    """The hosts are not alike, or nobody here can tell."""


@dataclass(frozen=True)
class Renaming:
    """What becomes of each index: of hosts, runs, names of sockets, faults, firewall rules, and of the rows of
    Program.kept and Program.peered."""

    host: tuple[int, ...]
    proc: tuple[int, ...]
    bind: tuple[int, ...]
    fault: tuple[int, ...]
    rule: tuple[int, ...]
    kept: tuple[int, ...]
    peered: tuple[int, ...]


def renamings(program: Program) -> list[Renaming]:
    """All that leave the Case as it is, but for the one that changes nothing."""
    case = program.case
    if any(c.kind in ("count", "map", "moment") or c.over is not None for c in case.claims):
        return []  # they are about the values of one host's numbers
    looks = [_look(h) for h in case.hosts]
    if len({repr(look) for look in looks}) == len(looks):
        return []
    found = []
    everybody = tuple(range(len(case.hosts)))
    for to in permutations(everybody):
        if to == everybody or any(looks[h] != looks[to[h]] for h in everybody):
            continue
        try:
            found.append(_renaming(program, to))
        except Unlike:
            continue
    return found


def _look(h: sc.Host) -> Any:
    """What can be compared at once."""
    options = (h.kernel, h.features_with, h.features_without, h.mss, sorted(h.sysctls.items()))
    return (*options, len(h.firewall), [[type(step) for step in run.body] for run in h.runs])


# ---- the Case with other names


class _Renamed:
    """Renames hosts. names: old -> new, of those that move."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self.any_order = False

    def term(self, x: Any) -> Any:
        """The same of two things that say the same. Errors: Unlike."""
        if is_dataclass(x):
            return self.fields(x)
        if isinstance(x, tuple):
            return tuple(self.term(part) for part in x)
        if isinstance(x, dict):
            return tuple((self.term(key), self.term(value)) for key, value in sorted(x.items()))
        if isinstance(x, str) and x in self.names:
            raise Unlike(f"{x} is named where no host is expected")
        if x is None or isinstance(x, str | int):
            return x
        raise Unlike(f"a {type(x).__name__}")

    def fields(self, x: Any) -> Any:
        kind = type(x)
        term = []
        for f in fields(x):
            value = getattr(x, f.name)
            if f.name == "span" or f.name in SAYS_NOTHING.get(kind, ()):
                continue
            term.append(self.host(value) if f.name in IS_HOST.get(kind, ()) else self.term(value))
        if self.any_order and isinstance(x, sc.And | sc.Or):
            term = [tuple(sorted(term[0], key=repr))]
        return (kind.__name__, *term)

    def host(self, name: str | tuple[str, ...] | None) -> Any:
        """Several of them are a set."""
        if isinstance(name, tuple):
            return tuple(sorted(self.names.get(n, n) for n in name))
        return name if name is None else self.names.get(name, name)

    def claim(self, claim: sc.Claim) -> Any:
        """What waits names its sockets in the order of the claim; what is judged at once asks for all of them."""
        self.any_order = claim.kind in ("never", "always", "reach") and _in_any_order(claim.pred)
        try:
            return self.term(claim)
        finally:
            self.any_order = False


def _in_any_order(p: Any) -> bool:
    if not isinstance(p, IN_ANY_ORDER) or (isinstance(p, sc.Event) and p.seg.where is not None):
        return False
    parts: tuple[Any, ...] = ()
    if isinstance(p, sc.And | sc.Or):
        parts = p.parts
    elif isinstance(p, sc.Implies):
        parts = (p.left, p.right)
    elif isinstance(p, sc.Not):
        parts = (p.of,)
    return all(_in_any_order(q) for q in parts)


def _renaming(program: Program, to: tuple[int, ...]) -> Renaming:
    """Errors: Unlike."""
    case = program.case
    moved = {case.hosts[h].name: case.hosts[to[h]].name for h in range(len(to)) if h != to[h]}
    new, old = _Renamed(moved), _Renamed({name: name for name in moved})
    for h, host in enumerate(case.hosts):
        if h != to[h]:
            _must_be_simple(host)
        _same(new.term(host), old.term(case.hosts[to[h]]))
    for claim in case.claims:
        _same(new.claim(claim), old.claim(claim))
    network = case.network
    _same(new.term(network.rewrites), old.term(network.rewrites))
    _same(new.term(case.router), old.term(case.router))
    fault = _places([new.term(f) for f in network.faults], [old.term(f) for f in network.faults])
    return _indices(program, to, fault)


def _same(a: Any, b: Any) -> None:
    if a != b:
        raise Unlike


def _must_be_simple(host: sc.Host) -> None:
    for run in host.runs:
        for step in _steps(run.body):
            own_numbers = isinstance(step, sc.Connect) and (step.seq is not None or step.tsval is not None)
            at_a_rate = isinstance(step, sc.Send) and step.rate is not None
            if not isinstance(step, SIMPLE_STEPS) or own_numbers or at_a_rate:
                raise Unlike(type(step).__name__)


def _steps(body: tuple[sc.Step, ...]) -> Iterator[sc.Step]:
    for step in body:
        yield step
        if isinstance(step, sc.Loop):
            yield from _steps(step.body)
        if isinstance(step, sc.Either):
            for branch in step.bodies:
                yield from _steps(branch)
        yield from _steps(getattr(step, "orelse", None) or ())


def _places(new: list[Any], old: list[Any]) -> tuple[int, ...]:
    """Where each of the new stands among the old; the k-th of those that are equal is the k-th there."""
    free = list(range(len(old)))
    places = []
    for x in new:
        at = next((i for i in free if old[i] == x), None)
        if at is None:
            raise Unlike
        free.remove(at)
        places.append(at)
    return tuple(places)


# ---- its tables


def _indices(program: Program, to: tuple[int, ...], fault: tuple[int, ...]) -> Renaming:
    """What the compiler made of it, index by index. Errors: Unlike."""
    p = program
    if p.slept or p.counted or any(owner != to[owner] for owner, _, _ in p.sysctl_steps):
        raise Unlike
    if any(p.hosts.index(host) != to[p.hosts.index(host)] for host, _, _ in p.caught):
        raise Unlike
    proc = _procs(p, to)
    starts = [pc for _, pc, _ in p.entries]

    def bind(row: tuple[str, str]) -> tuple[str, str]:
        host, name = p.hosts[to[p.hosts.index(row[0])]], row[1]
        hidden = HIDDEN.fullmatch(name)
        if hidden is None:
            return host, name
        pc = int(hidden[2])
        run = max(i for i, start in enumerate(starts) if start <= pc)
        return host, f"{hidden[1]}{pc - starts[run] + starts[proc[run]]}"

    def rule(row: dict[str, int]) -> dict[str, int]:
        return row | {f: to[row[f]] for f in ("host", "src", "dst") if row[f] >= 0}

    binds = _places([bind(row) for row in p.binds], p.binds)
    rules = _places([rule(row) for row in p.firewall], p.firewall)
    if any((p.firewall_on >> i & 1) != (p.firewall_on >> j & 1) for i, j in enumerate(rules)):
        raise Unlike
    kept = _places([(binds[b], pos, f) for b, pos, f in p.kept], p.kept)
    peered = _places([binds[b] for b in p.peered], p.peered)
    return Renaming(to, proc, binds, fault, rules, kept, peered)


def _procs(p: Program, to: tuple[int, ...]) -> tuple[int, ...]:
    """The k-th run of a host becomes the k-th of the other; both must have the same instructions at the same places."""
    of = {h: [i for i, (host, _, _) in enumerate(p.entries) if host == h] for h in range(len(to))}
    if any(len(of[h]) != len(of[to[h]]) for h in of):
        raise Unlike
    proc = [0] * len(p.entries)
    for h, runs in of.items():
        for mine, other in zip(runs, of[to[h]], strict=True):
            proc[mine] = other
            _same(_code(p, mine), _code(p, other))
    return tuple(proc)


def _code(p: Program, run: int) -> list[Any]:
    """What of its instructions names nothing."""
    start = p.entries[run][1]
    end = min((pc for _, pc, _ in p.entries if pc > start), default=len(p.instrs))
    rows = p.instrs[start:end]
    return [(r["op"], r["lo"], r["hi"], r["orelse"] - start if r["orelse"] >= 0 else -1) for r in rows]
