"""A Case's router as numbers: who is on which side, its nat table, and how long connection tracking remembers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tcpcheck.errors import Diagnostic, Span, SpecError
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.conntrack import PREFIX, SYSCTLS
from tcpcheck.model import layout as k

if TYPE_CHECKING:
    from tcpcheck.model.program import Program

# Timeouts by state (CT_*), and the sysctl of each.
TIMEOUTS = (
    *("syn_sent", "syn_sent", "syn_recv", "established", "fin_wait", "close_wait", "last_ack", "time_wait", "close"),
    *("syn_sent", "max_retrans", "unacknowledged"),
)
TARGETS = {"SNAT": k.NAT_SNAT, "DNAT": k.NAT_DNAT, "ACCEPT": k.NAT_ACCEPT}


def router_table(case: sc.Case, host_ix: dict[str, int], p: Program) -> dict[str, Any] | None:
    """The row of the struct Router; None: there is none."""
    r = case.router
    if r is None:
        return None
    if len(r.nat) > k.NATS_MAX:
        raise SpecError([Diagnostic("", Span(1, 1, 2), f"more than {k.NATS_MAX} rules in a router's nat table")])
    values = {name: r.sysctls.get(PREFIX + name, info.default) for name, info in SYSCTLS.items()}
    ports = sorted(set(named_ports(p, r)))
    if len(ports) > k.ROUTER_PORTS_MAX:
        raise SpecError(
            [Diagnostic("", Span(1, 1, 2), f"more than {k.ROUTER_PORTS_MAX} ports in a spec with a router")]
        )
    return {
        "host": host_ix[r.host],
        "inside": sum(1 << host_ix[h] for h in r.inside),
        "outside": sum(1 << host_ix[h] for h in r.outside),
        "liberal": values["tcp_be_liberal"],
        "loose": values["tcp_loose"],
        "ignore_invalid_rst": values["tcp_ignore_invalid_rst"],
        "max_retrans": values["tcp_max_retrans"],
        "timeouts": [values[f"tcp_timeout_{state}"] * sc.SECOND for state in TIMEOUTS],
        "nat": [nat_row(rule, host_ix) for rule in r.nat],
        "ports": ports,
    }


def nat_row(rule: sc.NatRule, host_ix: dict[str, int]) -> dict[str, int]:
    lo, hi = rule.ports or (0, 0)
    return {
        "chain": ("PREROUTING", "POSTROUTING").index(rule.chain),
        "target": TARGETS[rule.target],
        "random": int(rule.random),
        "src": host_ix[rule.src] if rule.src else -1,
        "dst": host_ix[rule.dst] if rule.dst else -1,
        "sport": -1 if rule.sport is None else rule.sport,
        "dport": -1 if rule.dport is None else rule.dport,
        "to": host_ix[rule.to] if rule.to else 0,
        "lo": lo,
        "hi": hi,
    }


def named_ports(p: Program, r: sc.Router) -> Iterator[int]:
    """Every port that the spec names: a port that the router draws may be one of them."""
    for i in p.instrs:
        if i["op"] == k.OP_LISTEN:
            yield i["a"]
        elif i["op"] == k.OP_CONNECT:
            yield from (port for port in (i["b"], i["d"]) if port)
    for row in (*p.injects, *p.firewall):
        yield from (port for port in (row["sport"], row["dport"]) if port > 0)
    for rule in r.nat:
        yield from (port for port in (rule.sport, rule.dport) if port is not None)
