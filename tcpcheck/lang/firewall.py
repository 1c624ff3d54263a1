"""iptables lines, as typed on a shell: those of the filter table that drop TCP segments."""

from __future__ import annotations

import ipaddress

from tcpcheck.lang import ast
from tcpcheck.lang.diagnostics import Mistakes, nearest, shorten
from tcpcheck.lang.scenario import FirewallRule
from tcpcheck.lang.scope import LOOPBACK, HostScope, Scope

HEADER_BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
CHAINS = ("INPUT", "OUTPUT")
SUPPORTED = (
    "supported: `iptables -A|-I|-D INPUT|OUTPUT [-p tcp] [-s ADDR] [-d ADDR] [--sport N] [--dport N] "
    "[--tcp-flags MASK SET] [--syn] -j DROP`"
)
_SPELLINGS = {
    **{"--append": "-A", "--insert": "-I", "--delete": "-D", "--proto": "-p", "--protocol": "-p", "--jump": "-j"},
    **{"--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--match": "-m", "--table": "-t"},
    **{"--source-port": "--sport", "--destination-port": "--dport"},
}
_OPTIONS = ("-A", "-I", "-D", "-p", "-s", "-d", "-j", "-m", "-t", "--sport", "--dport", "--tcp-flags", "--syn")


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
        self.proto: str | None = None
        self.jump: str | None = None
        self.hosts: dict[str, str] = {}
        self.ports: dict[str, int] = {}
        self.flags: tuple[int, int] | None = None

    def read(self, words: list[str]) -> None:
        if words[0] != "iptables":
            raise _Bad(f"`{words[0]}`: IPv6", yet=True)
        rest = iter(words[1:])
        for word in rest:
            name = _SPELLINGS.get(word, word)
            if name == "!":
                raise _Bad("`!` in an iptables line", yet=True)
            if name not in _OPTIONS:
                raise _Bad(f"the iptables option `{shorten(word)}`", yet=True, near=nearest(word, _OPTIONS))
            if name == "--syn":
                self.flags = (HEADER_BITS["FIN"] | HEADER_BITS["SYN"] | HEADER_BITS["RST"] | HEADER_BITS["ACK"], 2)
                continue
            value = next(rest, None)
            if value is None:
                raise _Bad(f"`{word}` needs a value")
            self.option(name, value, next(rest, None) if name == "--tcp-flags" else None)
        if self.on is None:
            raise _Bad("no `-A`, `-I` or `-D` in this iptables line")
        if self.jump is None:
            raise _Bad("no target: an iptables line ends in `-j DROP`")
        if (self.ports or self.flags) and self.proto is None:
            raise _Bad("`--sport`, `--dport`, `--tcp-flags` and `--syn` need `-p tcp` before them")

    def option(self, name: str, value: str, second: str | None) -> None:
        if name in ("-A", "-I", "-D"):
            if self.on is not None:
                raise _Bad("one of `-A`, `-I` and `-D` only")
            if value not in CHAINS:
                raise _Bad(f"the chain `{shorten(value)}`", yet=True, near=nearest(value, CHAINS))
            self.on, self.chain = name != "-D", value
        elif name == "-p":
            self.proto = value.lower()
        elif name == "-j":
            if value != "DROP":
                raise _Bad(f"the target `{shorten(value)}`", yet=True, near=nearest(value, ("DROP",)))
            self.jump = value
        elif name == "-t" and value != "filter":
            raise _Bad(f"the table `{shorten(value)}`", yet=True)
        elif name == "-m" and value != "tcp":
            raise _Bad(f"the match `-m {shorten(value)}`", yet=True)
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

    def rule(self) -> FirewallRule:
        mask, comp = self.flags or (None, None)
        src, dst = self.hosts.get("-s"), self.hosts.get("-d")
        sport, dport = self.ports.get("--sport"), self.ports.get("--dport")
        words = [self.chain]
        words += ["-p", "tcp"] if self.proto == "tcp" else []
        words += ["-s", self.scope.hosts[src].address] if src else []
        words += ["-d", self.scope.hosts[dst].address] if dst else []
        words += ["--sport", str(sport)] if sport else []
        words += ["--dport", str(dport)] if dport else []
        if mask is not None and comp is not None:
            words += ["--tcp-flags", _flag_names(mask), _flag_names(comp)]
        words += ["-j", "DROP"]
        return FirewallRule(self.chain, src, dst, sport, dport, mask, comp, " ".join(words))


def _flag_names(bits: int) -> str:
    if bits == HEADER_BITS["ALL"]:
        return "ALL"
    names = [n for n, b in HEADER_BITS.items() if b and n != "ALL" and bits & b]
    return ",".join(names) or "NONE"


def read_line(
    node: ast.Iptables, host: HostScope, scope: Scope, mistakes: Mistakes
) -> tuple[bool, FirewallRule] | None:
    """(switched on?, rule) of an iptables line; None if it has a mistake or no effect (said in either case)."""
    line = _Line(host, scope)
    try:
        line.read(node.line.split(" "))
    except _Bad as bad:
        if bad.yet:
            mistakes.error(node.span, f"not supported yet: {bad}", near=bad.near, advice=SUPPORTED)
        else:
            mistakes.error(node.span, str(bad), near=bad.near, advice=SUPPORTED)
        return None
    if line.proto not in (None, "tcp", "all"):
        if line.proto not in ("udp", "icmp", "sctp"):
            mistakes.unknown(node.span, "protocol", str(line.proto), ("tcp", "udp", "icmp", "all"), SUPPORTED)
        else:
            mistakes.warning(node.span, f"this has no effect: it matches {line.proto} only", "write `-p tcp`")
        return None
    assert line.on is not None
    return line.on, line.rule()
