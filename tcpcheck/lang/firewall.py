"""iptables lines, as typed on a shell: those of the filter table that drop TCP segments, and a router's nat table."""

from __future__ import annotations

import ipaddress

from tcpcheck.lang import ast
from tcpcheck.lang.diagnostics import Mistakes, nearest, shorten
from tcpcheck.lang.scenario import FirewallRule, NatRule
from tcpcheck.lang.scope import LOOPBACK, HostScope, Scope

HEADER_BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
CHAINS = ("INPUT", "OUTPUT")
ROUTER_CHAINS = ("INPUT", "OUTPUT", "FORWARD")
NAT_CHAINS = ("PREROUTING", "POSTROUTING")
TARGETS = {"PREROUTING": ("DNAT", "ACCEPT"), "POSTROUTING": ("MASQUERADE", "SNAT", "ACCEPT")}
SUPPORTED = (
    "supported: `iptables -A|-I|-D INPUT|OUTPUT [-p tcp] [-s ADDR] [-d ADDR] [--sport N] [--dport N] "
    "[--tcp-flags MASK SET] [--syn] -j DROP`"
)
SUPPORTED_ROUTER = (
    "supported: `iptables -A FORWARD|INPUT|OUTPUT [-m conntrack --ctstate INVALID] ... -j DROP` and `iptables -t nat "
    "-A POSTROUTING|PREROUTING [-p tcp] [-s ADDR] [-d ADDR] [--sport N] [--dport N] -j MASQUERADE [--to-ports N[-N]] "
    "[--random-fully]|SNAT --to-source ADDR[:N[-N]]|DNAT --to-destination ADDR[:N]|ACCEPT`"
)
_SPELLINGS = {
    **{"--append": "-A", "--insert": "-I", "--delete": "-D", "--proto": "-p", "--protocol": "-p", "--jump": "-j"},
    **{"--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--match": "-m", "--table": "-t"},
    **{"--source-port": "--sport", "--destination-port": "--dport", "--to-port": "--to-ports", "--state": "--ctstate"},
    **{"--random-fully": "--random"},
}
_OPTIONS = ("-A", "-I", "-D", "-p", "-s", "-d", "-j", "-m", "-t", "--sport", "--dport", "--tcp-flags", "--syn")
_ROUTER_OPTIONS = (
    *_OPTIONS,
    "--ctstate",
    "--to-source",
    "--to-destination",
    "--to-ports",
    "--random",
    "--random-fully",
)
_MATCHES = ("tcp", "conntrack", "state")


class _Bad(Exception):
    """The message of a mistake; `yet`: a thing of iptables that is not supported yet; `near`: the nearest word."""

    def __init__(self, message: str, yet: bool = False, near: str | None = None) -> None:
        super().__init__(message)
        self.yet = yet
        self.near = near


class _Line:
    """One line being read: `on` is -A/-I (True) or -D (False)."""

    def __init__(self, host: HostScope, scope: Scope) -> None:
        self.host = host
        self.scope = scope
        self.on: bool | None = None
        self.chain = ""
        self.table = "filter"
        self.proto: str | None = None
        self.jump: str | None = None
        self.hosts: dict[str, str] = {}
        self.ports: dict[str, int] = {}
        self.flags: tuple[int, int] | None = None
        self.invalid = False
        self.to: tuple[str, str] | None = None  # --to-source and the like, and its value
        self.random = False

    def read(self, words: list[str]) -> None:
        if words[0] != "iptables":
            raise _Bad(f"`{words[0]}`: IPv6", yet=True)
        options = _ROUTER_OPTIONS if self.host.routes else _OPTIONS
        rest = iter(words[1:])
        for word in rest:
            name = _SPELLINGS.get(word, word)
            if name == "!":
                raise _Bad("`!` in an iptables line", yet=True)
            if name not in options:
                raise _Bad(f"the iptables option `{shorten(word)}`", yet=True, near=nearest(word, options))
            if name == "--syn":
                self.flags = (HEADER_BITS["FIN"] | HEADER_BITS["SYN"] | HEADER_BITS["RST"] | HEADER_BITS["ACK"], 2)
                continue
            if name == "--random":
                self.random = True
                continue
            value = next(rest, None)
            if value is None:
                raise _Bad(f"`{word}` needs a value")
            self.option(name, value, next(rest, None) if name == "--tcp-flags" else None)
        self.check_whole()

    def check_whole(self) -> None:
        """Does what the line says fit together?"""
        if self.on is None:
            raise _Bad("no `-A`, `-I` or `-D` in this iptables line")
        nat = self.table == "nat"
        chains = NAT_CHAINS if nat else ROUTER_CHAINS if self.host.routes else CHAINS
        if self.chain not in chains:
            where = f" in the table {self.table}" if self.host.routes else ""
            raise _Bad(f"the chain `{shorten(self.chain)}`{where}", yet=True, near=nearest(self.chain, chains))
        targets = TARGETS[self.chain] if nat else ("DROP",)
        if self.jump is None:
            raise _Bad(f"no target: an iptables line ends in `-j {targets[0]}`")
        if self.jump not in targets:
            raise _Bad(f"the target `{shorten(self.jump)}`", yet=True, near=nearest(self.jump, targets))
        if (self.ports or self.flags) and self.proto is None:
            raise _Bad("`--sport`, `--dport`, `--tcp-flags` and `--syn` need `-p tcp` before them")
        if nat and (self.flags or self.invalid):
            raise _Bad("`--tcp-flags`, `--syn` or `--ctstate` in the table nat", yet=True)
        wanted = {"SNAT": "--to-source", "DNAT": "--to-destination", "MASQUERADE": "--to-ports"}.get(self.jump)
        if self.to is None and self.jump in ("SNAT", "DNAT"):
            raise _Bad(f"`-j {self.jump}` needs `{wanted} ADDRESS`")
        if self.to is not None and self.to[0] != wanted:
            raise _Bad(f"`{self.to[0]}` does not go with `-j {self.jump}`")
        if self.to is not None and self.proto is None and (self.to[0] == "--to-ports" or ":" in self.to[1]):
            raise _Bad(f"a port in `{self.to[0]}` needs `-p tcp` before it")
        if self.random and self.chain != "POSTROUTING":
            raise _Bad("`--random` goes with `-j MASQUERADE` or `-j SNAT`")

    def option(self, name: str, value: str, second: str | None) -> None:
        if name in ("-A", "-I", "-D"):
            if self.on is not None:
                raise _Bad("one of `-A`, `-I` and `-D` only")
            self.on, self.chain = name != "-D", value
        elif name == "-p":
            self.proto = value.lower()
        elif name == "-j":
            self.jump = value
        elif name == "-t":
            if value != "filter" and (value != "nat" or not self.host.routes):
                why = ": a host has no nat table here, a `router` has" if value == "nat" else ""
                raise _Bad(f"the table `{shorten(value)}`{why}", yet=True)
            self.table = value
        elif name == "-m" and value not in (_MATCHES if self.host.routes else _MATCHES[:1]):
            raise _Bad(f"the match `-m {shorten(value)}`", yet=True)
        elif name == "--ctstate":
            if value != "INVALID":
                raise _Bad(f"the state `{shorten(value)}`", yet=True, near=nearest(value, ("INVALID",)))
            self.invalid = True
        elif name in ("--to-source", "--to-destination", "--to-ports"):
            self.to = (name, value)
        elif name in ("-s", "-d"):
            self.hosts[name] = self.host_of(value)
        elif name in ("--sport", "--dport"):
            self.ports[name] = self.port(value)
        elif name == "--tcp-flags":
            if second is None:
                raise _Bad("`--tcp-flags` needs a mask and a set: `--tcp-flags SYN,ACK SYN`")
            self.flags = (self.bits(value), self.bits(second))

    def host_of(self, text: str) -> str:
        """The name of the host with this name or address; 127.0.0.1 is the host itself."""
        if text in self.scope.hosts:
            return text
        plain = text.removesuffix("/32")
        by_address = {h.address: h.name for h in self.scope.hosts.values()}
        if plain in by_address:
            return by_address[plain]
        if plain == LOOPBACK:
            return self.host.name
        if "/" in plain or "," in plain:
            raise _Bad(f"`{shorten(text)}`: more than one address", yet=True)
        try:
            ipaddress.ip_address(plain)
        except ValueError:
            raise _Bad(f"no host is called `{shorten(text)}`", near=nearest(text, self.scope.hosts)) from None
        known = ", ".join(f"{a} ({n})" for a, n in by_address.items())
        raise _Bad(f"no host has the address {plain}; the hosts are {known}", near=nearest(plain, by_address))

    @staticmethod
    def port(text: str) -> int:
        if ":" in text or "," in text:
            raise _Bad(f"a range of ports (`{shorten(text)}`)", yet=True)
        if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535):
            raise _Bad(f"`{shorten(text)}` is no port: 1 to 65535")
        return int(text)

    @staticmethod
    def bits(text: str) -> int:
        total = 0
        for name in text.split(","):
            if name not in HEADER_BITS:
                raise _Bad(f"unknown TCP flag `{shorten(name)}`", near=nearest(name, HEADER_BITS))
            total |= HEADER_BITS[name]
        return total

    def matched(self) -> list[str]:
        """The part of the line before its target, in one order and with addresses."""
        words = [self.chain]
        words += ["-p", "tcp"] if self.proto == "tcp" else []
        for option in ("-s", "-d"):
            words += [option, self.scope.hosts[self.hosts[option]].address] if option in self.hosts else []
        for option in ("--sport", "--dport"):
            words += [option, str(self.ports[option])] if option in self.ports else []
        if self.flags is not None:
            words += ["--tcp-flags", *(_flag_names(bits) for bits in self.flags)]
        return words + (["-m", "conntrack", "--ctstate", "INVALID"] if self.invalid else [])

    def rule(self) -> FirewallRule | NatRule:
        src, dst = self.hosts.get("-s"), self.hosts.get("-d")
        sport, dport = self.ports.get("--sport"), self.ports.get("--dport")
        if self.table == "nat":
            return self.nat_rule(src, dst, sport, dport)
        mask, comp = self.flags or (None, None)
        text = " ".join([*self.matched(), "-j", "DROP"])
        return FirewallRule(self.chain, src, dst, sport, dport, mask, comp, text, self.invalid)

    def nat_rule(self, src: str | None, dst: str | None, sport: int | None, dport: int | None) -> NatRule:
        assert self.jump is not None
        to, ports = self.translation()
        words = [*self.matched(), "-j", self.jump]
        if self.to is not None and to is not None:
            shown = "" if ports is None else str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
            address = "" if self.to[0] == "--to-ports" else self.scope.hosts[to].address
            words += [self.to[0], ":".join(part for part in (address, shown) if part)]
        words += ["--random-fully"] if self.random else []
        target = "SNAT" if self.jump == "MASQUERADE" else self.jump
        return NatRule(self.chain, src, dst, sport, dport, target, to, ports, self.random, " ".join(words))

    def translation(self) -> tuple[str | None, tuple[int, int] | None]:
        """The host whose address it becomes, and the ports to choose from."""
        option, value = self.to or ("", "")
        if self.jump == "ACCEPT":
            return None, None
        if option in ("", "--to-ports"):
            return self.host.name, self.port_range(value) if value else None
        address, _, ports = value.partition(":")
        host = self.host_of(address)
        if option == "--to-source" and host != self.host.name:
            raise _Bad(f"`--to-source` is the router's own address, {self.host.address}")
        if option == "--to-destination" and (host == self.host.name or "-" in ports):
            raise _Bad("`--to-destination` to the router itself, or to several ports", yet=True)
        return host, self.port_range(ports) if ports else None

    def port_range(self, text: str) -> tuple[int, int]:
        lo, dash, hi = text.partition("-")
        first, last = self.port(lo), self.port(hi if dash else lo)
        if last < first:
            raise _Bad(f"`{shorten(text)}`: the first port is the greater one")
        return first, last


def _flag_names(bits: int) -> str:
    if bits == HEADER_BITS["ALL"]:
        return "ALL"
    names = [n for n, b in HEADER_BITS.items() if b and n != "ALL" and bits & b]
    return ",".join(names) or "NONE"


def read_line(
    node: ast.Iptables, host: HostScope, scope: Scope, mistakes: Mistakes
) -> tuple[bool, FirewallRule | NatRule] | None:
    """(switched on?, rule) of an iptables line; None if it has a mistake or no effect (said in either case)."""
    line = _Line(host, scope)
    supported = SUPPORTED_ROUTER if host.routes else SUPPORTED
    try:
        line.read(node.line.split(" "))
        rule = line.rule()
    except _Bad as bad:
        message = f"not supported yet: {bad}" if bad.yet else str(bad)
        mistakes.error(node.span, message, near=bad.near, advice=supported)
        return None
    if line.proto not in (None, "tcp", "all"):
        if line.proto not in ("udp", "icmp", "sctp"):
            mistakes.unknown(node.span, "protocol", str(line.proto), ("tcp", "udp", "icmp", "all"), supported)
        else:
            mistakes.warning(node.span, f"this has no effect: it matches {line.proto} only", "write `-p tcp`")
        return None
    assert line.on is not None
    return line.on, rule
