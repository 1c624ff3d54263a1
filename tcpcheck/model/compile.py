"""A Case as tables (program.py): names become indices, runs instructions, claims trees of nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tcpcheck.errors import Span
from tcpcheck.lang import scenario as sc
from tcpcheck.model import layout as k
from tcpcheck.model.compile_claim import ClaimCompiler
from tcpcheck.model.compile_run import RunCompiler
from tcpcheck.model.predicates import flags_in
from tcpcheck.model.program import CONSTANT_KEY, Program, Unsupported, refuse
from tcpcheck.model.rests import rests_long, steps
from tcpcheck.model.routing import router_table
from tcpcheck.model.spellings import SEG_FIELDS


class Compiler:
    """Fills a Program from a Case."""

    def __init__(self, case: sc.Case, rule_ids: dict[str, int]) -> None:
        self.case = case
        self.rests_long = rests_long(case)
        self.rule_ids = rule_ids
        self.p = Program(case, hosts=[h.name for h in case.hosts])
        self.host_ix = {h.name: i for i, h in enumerate(case.hosts)}
        self.unknown_key: dict[str, int] = {}
        self.running = {
            step.tsval.name
            for host in case.hosts
            for step, _ in steps(host)
            if isinstance(step, sc.Connect) and isinstance(step.tsval, sc.Any32)
        }
        self.listening: dict[tuple[str, str], str] = {}  # (host, name of a listener) -> how traces spell it, `:80`
        self.claim_vars: list[Any] = []
        self.absent_vars: set[int] = set()

    def compile(self) -> Program:
        for h in self.case.hosts:
            for rule in h.firewall:
                self.p.firewall_on |= 1 << self.firewall_rule(self.host_ix[h.name], rule)
        for h in self.case.hosts:
            for run in h.runs:
                self.compile_run(h, run)
        for fault in self.case.network.faults:
            self.compile_fault(fault)
        for rewrite in self.case.network.rewrites:
            self.compile_rewrite(rewrite)
        self.p.router = router_table(self.case, self.host_ix, self.p)
        for claim in self.case.claims:
            self.p.claims.append(ClaimCompiler(self, claim).compile())
        if len(self.p.claims) > k.CLAIMS_MAX:
            raise refuse(self.case.claims[k.CLAIMS_MAX].span, f"more than {k.CLAIMS_MAX} claims in one spec")
        return self.p

    # ---- names

    def bind(self, host: str, name: str, span: Span | None = None) -> int:
        key = (host, name)
        if key not in self.p.binds:
            if len(self.p.binds) >= k.BINDS_MAX:
                raise refuse(span or Span(1, 1, 2), f"more than {k.BINDS_MAX} names of sockets in one spec")
            self.p.binds.append(key)
        return self.p.binds.index(key)

    def constant(self, name: str | None, what: str) -> int:
        """The key of an unknown 32-bit constant; the same name is the same constant."""
        if name and name in self.unknown_key:
            return self.unknown_key[name]
        key = CONSTANT_KEY + len(self.p.constants) + 1
        self.p.constants[key] = name or what
        if name:
            self.unknown_key[name] = key
        return key

    def caught(self, host: str, name: str, fld: str, span: Span) -> int:
        """The place of a field of a segment that a `receive` took."""
        row = (host, name, fld)
        if row not in self.p.caught:
            if len(self.p.caught) >= k.CAUGHT_MAX:
                raise refuse(span, f"more than {k.CAUGHT_MAX} different fields of received segments")
            self.p.caught.append(row)
        return self.p.caught.index(row)

    def counted(self, key: int, span: Span) -> int:
        if key not in self.p.counted:
            if len(self.p.counted) >= k.COUNTED_MAX:
                raise refuse(span, f"more than {k.COUNTED_MAX} different unknowns counted over")
            self.p.counted.append(key)
        return self.p.counted.index(key)

    # ---- programs

    def compile_run(self, host: sc.Host, run: sc.Run) -> None:
        if len(self.p.entries) >= k.PROCS_MAX:
            raise refuse(Span(1, 1, 2), f"more than {k.PROCS_MAX} runs in one spec")
        self.p.entries.append((self.host_ix[host.name], len(self.p.instrs), run.name))
        RunCompiler(self, host.name).run(run.body)

    def firewall_rule(self, host: int, r: sc.FirewallRule) -> int:
        row = {
            "host": host,
            "chain": ("INPUT", "OUTPUT", "FORWARD").index(r.chain),
            "invalid": int(r.invalid),
            "src": self.host_ix[r.src] if r.src else -1,
            "dst": self.host_ix[r.dst] if r.dst else -1,
            "sport": -1 if r.sport is None else r.sport,
            "dport": -1 if r.dport is None else r.dport,
            "mask": -1 if r.flags_mask is None else r.flags_mask,
            "comp": -1 if r.flags_set is None else r.flags_set,
        }
        if row not in self.p.firewall:
            if len(self.p.firewall) >= k.FIREWALL_MAX:
                raise refuse(Span(1, 1, 2), f"more than {k.FIREWALL_MAX} iptables rules in one spec")
            self.p.firewall.append(row)
            self.p.firewall_text.append(r.text)
        return self.p.firewall.index(row)

    def compile_fault(self, f: sc.Fault) -> None:
        if len(self.p.faults) >= k.FAULTS_MAX:
            raise refuse(Span(1, 1, 2), f"more than {k.FAULTS_MAX} lose/duplicate/late lines")
        if f.seg and flags_in(f.seg.where) & {"old", "paws_old"}:
            raise refuse(f.seg.span, "`old` and `paws_old` are known where a segment arrives, not to the network")
        pattern = ClaimCompiler(self, None).pattern(f.seg, -1) if f.seg else -1
        self.p.faults.append(
            {
                "kind": {"lose": 0, "duplicate": 1, "late": 2}[f.kind],
                "pattern": pattern,
                "src": self.host_ix[f.src] if f.src else -1,
                "dst": self.host_ix[f.dst] if f.dst else -1,
            }
        )
        self.p.budgets.append(f.budget)

    def compile_rewrite(self, r: sc.Rewrite) -> None:
        if len(self.p.rewrites) >= k.REWRITES_MAX:
            raise refuse(r.seg.span, f"more than {k.REWRITES_MAX} lines of `rewrite`")
        if flags_in(r.seg.where) & {"old", "paws_old"}:
            raise refuse(r.seg.span, "`old` and `paws_old` are known where a segment arrives, not to the network")
        row = {"src": self.host_ix[r.src] if r.src else -1, "dst": self.host_ix[r.dst] if r.dst else -1}
        row |= {"pattern": ClaimCompiler(self, None).pattern(r.seg, -1), "field": SEG_FIELDS[r.field], "by": r.by}
        self.p.rewrites.append(row)
        self.p.keeps_ts_recent |= r.field == "tsval"
        self.p.keeps_tsecr |= r.field == "tsecr"


def compile_case(case: sc.Case, rule_ids: dict[str, int]) -> Program:
    """The tables of one Case. Errors: SpecError when a table of the model is too small for the spec."""
    try:
        return Compiler(case, rule_ids).compile()
    except Unsupported as refused:
        raise Unsupported([replace(d, file=case.file) for d in refused.diagnostics], case.source) from None
