"""The names of a spec: hosts with their addresses and ports, and the sockets their runs bind."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tcpcheck.errors import Span
from tcpcheck.lang import ast
from tcpcheck.lang.diagnostics import Mistakes
from tcpcheck.lang.vocabulary import RESERVED

LOOPBACK = "127.0.0.1"
ROUTER_KERNEL = "linux 6.18.44"  # the kernel whose connection tracking is modelled


@dataclass
class HostScope:
    """bindings: socket name -> how often it can be bound (None: without limit). connected, accepted, listeners: the
    names that such a call binds. caught: the names of segments that a `receive` took."""

    name: str
    node: ast.Host
    address: str
    bindings: dict[str, int | None] = field(default_factory=dict)
    listeners: set[str] = field(default_factory=set)
    connected: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)
    autobinds: bool = False
    caught: set[str] = field(default_factory=set)
    routes: bool = False  # it is a router


class Scope:
    def __init__(self, spec: ast.Spec, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self.hosts: dict[str, HostScope] = {}
        for item in spec.items:
            if isinstance(item, ast.Host):
                self._add_host(item)
            elif isinstance(item, ast.Router) and item.name.text in self.hosts:
                self.hosts[item.name.text].routes = True
        self._addresses()
        for host in self.hosts.values():
            for run in host.node.items:
                if isinstance(run, ast.Run):
                    collect(run.body, 1, host)

    def _add_host(self, node: ast.Host) -> None:
        word = node.name
        if word.text in self.hosts:
            first = self.hosts[word.text].node.span.line
            self.mistakes.error(word.span, f"host `{word.text}` is described twice", advice=f"first in line {first}")
            return
        if word.text in RESERVED:
            self.mistakes.error(
                word.span, f"`{word.text}` already means something in a claim", advice="choose another name"
            )
        self.hosts[word.text] = HostScope(word.text, node, "")

    def _addresses(self) -> None:
        """Each host's own address, or 127.0.0.1 for `localhost`, or the next free one of 10.0.0.x."""
        taken: dict[str, str] = {}
        for host in self.hosts.values():
            given = [i for i in host.node.items if isinstance(i, ast.Address)]
            for item in given:
                host.address = self._address(item.address)
                if host.address in taken:
                    other = taken[host.address]
                    self.mistakes.error(item.address.span, f"host `{other}` has this address", advice="choose another")
                taken[host.address] = host.name
            if not given and host.name == "localhost":
                host.address = LOOPBACK
                taken[LOOPBACK] = host.name
        number = 1
        for host in self.hosts.values():
            while not host.address:
                candidate = f"10.0.{number // 250}.{number % 250}" if number >= 250 else f"10.0.0.{number}"
                number += 1
                if candidate not in taken:
                    host.address = candidate
                    taken[candidate] = host.name

    def _address(self, word: ast.Word) -> str:
        try:
            address = ipaddress.ip_address(word.text)
        except ValueError:
            self.mistakes.error(word.span, f"`{word.text[:60]}` is no address", advice="write it as `10.0.0.1`")
            return word.text
        if address.version == 6:
            self.mistakes.not_yet(word.span, "IPv6 addresses", "write an IPv4 address; the TCP is the same")
        elif (address.is_loopback and word.text != LOOPBACK) or address.is_multicast or address.is_unspecified:
            self.mistakes.error(word.span, f"`{word.text}` cannot be a host's address", advice="as in `10.0.0.1`")
        return word.text

    def host(self, word: ast.Word) -> HostScope | None:
        """The host of that name; None and a mistake if there is none."""
        found = self.hosts.get(word.text)
        if found is None:
            self.mistakes.unknown(word.span, "host", word.text, self.hosts)
        return found


def collect(steps: tuple[ast.Step, ...], times: int | None, host: HostScope) -> None:
    """The sockets bound by these steps, run `times` times (None: without limit)."""
    for step in steps:
        if isinstance(step, ast.Call):
            _collect_call(step.call, times, host)
            collect(step.orelse or (), times, host)
        elif isinstance(step, ast.Loop):
            count = step.count.number if step.count else None
            collect(step.body, None if times is None or count is None else times * count, host)
        elif isinstance(step, ast.Either):
            for body in step.bodies:
                collect(body, times, host)
        elif isinstance(step, ast.Receive):
            host.caught.add(step.name.text)


def attackers_last(spec: ast.Spec) -> ast.Spec:
    """An attacker is a host without TCP that nobody writes to: behind the others, whose addresses do not shift."""
    hosts = [_as_host(i) for i in spec.items if isinstance(i, ast.Attacker)]
    return replace(spec, items=(*(i for i in spec.items if not isinstance(i, ast.Attacker)), *hosts))


def routers_as_hosts(spec: ast.Spec) -> ast.Spec:
    """A router is a host too, with the address that others see and a TCP that answers what is meant for nobody."""
    items: list[ast.Top] = []
    for item in spec.items:
        if isinstance(item, ast.Router):
            word = item.name.span
            kernel = ast.Kernel(word, (ast.Kern(word, ast.Word(word, ROUTER_KERNEL), ()),), False, None)
            rest = (i for i in item.items if not isinstance(i, (ast.Kernel, ast.Mss)))  # refused: routers.py
            items.append(ast.Host(item.span, item.name, (kernel, *rest)))
        items.append(item)
    return replace(spec, items=tuple(items))


def _as_host(node: ast.Attacker) -> ast.Host:
    word = Span(node.span.line, node.span.column, node.span.column + len("attacker"))
    kernel = ast.Kernel(word, (ast.Kern(word, ast.Word(word, "none"), ()),), False, None)
    name = node.name or ast.Word(word, "attacker")
    return ast.Host(node.span, name, (kernel, ast.Run(node.span, None, node.body)))


def _collect_call(call: object, times: int | None, host: HostScope) -> None:
    if isinstance(call, ast.Listen):
        if call.at.port is not None and call.at.port.number is not None:
            host.ports.add(call.at.port.number)
        if call.name is not None:
            host.listeners.add(call.name.text)
    elif isinstance(call, ast.Connect):
        port = call.source.port if call.source else None
        if port is None or port.number is None:
            host.autobinds = True
        else:
            host.ports.add(port.number)
        if call.name is not None:
            host.connected.add(call.name.text)
    elif isinstance(call, ast.Accept):
        host.accepted.add(call.name.text)
    if isinstance(call, (ast.Listen, ast.Accept, ast.Connect)) and call.name is not None:
        before = host.bindings.get(call.name.text, 0)
        host.bindings[call.name.text] = None if before is None or times is None else before + times


def steps_within(steps: tuple[ast.Step, ...]) -> Iterator[tuple[ast.Step, bool]]:
    """Every step, outer before inner, in the order of the file; and whether it stands in a loop."""
    for step in steps:
        yield step, False
        if isinstance(step, ast.Call):
            yield from steps_within(step.orelse or ())
        elif isinstance(step, ast.Loop):
            yield from ((inner, True) for inner, _ in steps_within(step.body))
        elif isinstance(step, ast.Either):
            for body in step.bodies:
                yield from steps_within(body)
