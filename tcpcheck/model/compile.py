"""A Case as tables of plain numbers: what the compiled model runs on.

Names become indices, program steps become instructions with jump targets, predicates become trees in an array.
The rows mirror the structs of layout.pxd field by field.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

from tcpcheck.errors import Diagnostic, Span, SpecError
from tcpcheck.lang import scenario as sc
from tcpcheck.model import layout as k
from tcpcheck.model.rests import rests_long
from tcpcheck.model.routing import router_table
from tcpcheck.tcp.options import SOCK_OPTIONS, option_value

CONSTANT_KEY = 1 << 56  # keys of the spec's own unknowns: CONSTANT_KEY + index; TCP's keys have other top bytes
TS_KEY = 2 << 56
BULK_PIECE = 2**30
BULK_FIRST = 1000  # bytes
INJECTS_MAX = 250  # Seg.forged is a byte


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
    sleeps: dict[int, str] = field(default_factory=dict)  # pc of a named sleep -> name
    slept: list[int] = field(default_factory=list)  # pcs of the sleeps whose length claims ask for
    kept: list[tuple[int, int, int]] = field(default_factory=list)  # binding, position, socket field
    peered: list[int] = field(default_factory=list)  # bindings whose peers a claim asks for
    keeps_tsecr: bool = False  # a claim asks for the number in a TSecr
    keeps_gone: bool = False  # a claim speaks of sockets by their port or as peers
    injects: list[dict[str, Any]] = field(default_factory=list)
    caught: list[tuple[str, str, str]] = field(default_factory=list)  # host, name of the segment, field
    counted: list[int] = field(default_factory=list)  # keys of the unknowns that claims count over
    keeps_ts_recent: bool = False  # timestamps are made up, or a claim asks for them


class Unsupported(SpecError):
    """A spec that is well formed but asks for more than the model's tables hold."""


def _refuse(span: Span, message: str) -> Unsupported:
    return Unsupported([Diagnostic("", span, message)])


class Compiler:
    """Fills a Program from a Case."""

    def __init__(self, case: sc.Case, rule_ids: dict[str, int]) -> None:
        self.case = case
        self.rests_long = rests_long(case)
        self.rule_ids = rule_ids
        self.p = Program(case, hosts=[h.name for h in case.hosts])
        self.host_ix = {h.name: i for i, h in enumerate(case.hosts)}
        self.unknown_key: dict[str, int] = {}
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
            raise _refuse(self.case.claims[k.CLAIMS_MAX].span, f"more than {k.CLAIMS_MAX} claims in one spec")
        return self.p

    # ---- names

    def bind(self, host: str, name: str, span: Span | None = None) -> int:
        key = (host, name)
        if key not in self.p.binds:
            if len(self.p.binds) >= k.BINDS_MAX:
                raise _refuse(span or Span(1, 1, 2), f"more than {k.BINDS_MAX} names of sockets in one spec")
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
                raise _refuse(span, f"more than {k.CAUGHT_MAX} different fields of received segments")
            self.p.caught.append(row)
        return self.p.caught.index(row)

    def counted(self, key: int, span: Span) -> int:
        if key not in self.p.counted:
            if len(self.p.counted) >= k.COUNTED_MAX:
                raise _refuse(span, f"more than {k.COUNTED_MAX} different unknowns counted over")
            self.p.counted.append(key)
        return self.p.counted.index(key)

    # ---- programs

    def compile_run(self, host: sc.Host, run: sc.Run) -> None:
        if len(self.p.entries) >= k.PROCS_MAX:
            raise _refuse(Span(1, 1, 2), f"more than {k.PROCS_MAX} runs in one spec")
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
                raise _refuse(Span(1, 1, 2), f"more than {k.FIREWALL_MAX} iptables rules in one spec")
            self.p.firewall.append(row)
            self.p.firewall_text.append(r.text)
        return self.p.firewall.index(row)

    def compile_fault(self, f: sc.Fault) -> None:
        if len(self.p.faults) >= k.FAULTS_MAX:
            raise _refuse(Span(1, 1, 2), f"more than {k.FAULTS_MAX} lose/duplicate/late lines")
        if f.seg and flags_in(f.seg.where) & {"old", "paws_old"}:
            raise _refuse(f.seg.span, "`old` and `paws_old` are known where a segment arrives, not to the network")
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
            raise _refuse(r.seg.span, f"more than {k.REWRITES_MAX} lines of `rewrite`")
        if flags_in(r.seg.where) & {"old", "paws_old"}:
            raise _refuse(r.seg.span, "`old` and `paws_old` are known where a segment arrives, not to the network")
        row = {"src": self.host_ix[r.src] if r.src else -1, "dst": self.host_ix[r.dst] if r.dst else -1}
        row |= {"pattern": ClaimCompiler(self, None).pattern(r.seg, -1), "field": SEG_FIELDS[r.field], "by": r.by}
        self.p.rewrites.append(row)
        self.p.keeps_ts_recent |= r.field == "tsval"
        self.p.keeps_tsecr |= r.field == "tsecr"


class RunCompiler:
    """One program to instructions."""

    def __init__(self, c: Compiler, host: str) -> None:
        self.c, self.p, self.host = c, c.p, host
        self.hix = c.host_ix[host]
        self.listener = -1
        self.loops = 0
        self.receives: list[tuple[int, str]] = []

    def run(self, body: tuple[sc.Step, ...]) -> None:
        self.block(body)
        self.emit(k.OP_STOP, "stop")
        self.end_receives()

    def emit(self, op: int, text: str, **fields: int) -> int:
        row = {"op": op, "host": self.hix, "orelse": -1, "a": -1, "b": 0, "c": -1, "d": 0, "e": -1, "lo": 0, "hi": 0}
        row.update(fields)
        self.p.instrs.append(row)
        self.p.texts.append(text)
        return len(self.p.instrs) - 1

    def block(self, body: tuple[sc.Step, ...]) -> None:
        for step in body:
            getattr(self, "step_" + type(step).__name__.lower())(step)

    def orelse(self, pc: int, body: tuple[sc.Step, ...] | None) -> None:
        """`CALL else { ... }`: on success jump over the block, on failure into it."""
        if body is None:
            return
        jump = self.emit(k.OP_JUMP, "")
        self.p.instrs[pc]["orelse"] = len(self.p.instrs)
        self.block(body)
        self.p.instrs[jump]["a"] = len(self.p.instrs)

    def name(self, name: str | None, hidden: str) -> int:
        return self.c.bind(self.host, name or f".{hidden}{len(self.p.instrs)}")

    def step_listen(self, s: sc.Listen) -> None:
        self.listener = self.name(s.name, "listen")
        self.c.listening[self.host, s.name or ""] = f":{s.port}"
        self.emit(k.OP_LISTEN, f"listen :{s.port} backlog {s.backlog}", a=s.port, b=s.backlog, c=self.listener)

    def step_accept(self, s: sc.Accept) -> None:
        if self.listener < 0:
            raise _refuse(s.span, "accept without a listen before it in this run")
        pc = self.emit(k.OP_ACCEPT, f"accept -> {s.name}", a=self.listener, c=self.c.bind(self.host, s.name, s.span))
        self.orelse(pc, s.orelse)

    def step_connect(self, s: sc.Connect) -> None:
        spec = {"seq_kind": 0, "seq_key": 0, "seq_expr": -1, "ts_any": 0, "ts_key": 0}
        if isinstance(s.seq, sc.Any32):
            spec |= {"seq_kind": 1, "seq_key": self.c.constant(s.seq.name, "seq")}
        elif s.seq is not None:
            spec |= {"seq_kind": 2, "seq_expr": ClaimCompiler(self.c, None, self.host).expr(s.seq)}
        if isinstance(s.tsval, sc.Any32):
            spec |= {"ts_any": 1, "ts_key": self.c.constant(s.tsval.name, "tsval")}
        elif s.tsval is not None:
            raise _refuse(s.span, "connect takes `tsval any` only")
        self.p.connects.append(spec)
        pc = self.emit(
            k.OP_CONNECT,
            s.text,
            a=self.c.host_ix[s.host],
            b=s.port,
            d=s.lport or 0,
            c=self.name(s.name, "connect"),
            e=len(self.p.connects) - 1,
        )
        self.orelse(pc, s.orelse)

    def step_send(self, s: sc.Send) -> None:
        if s.rate is not None:
            return self.bulk(s, s.rate)
        pc = self.emit(k.OP_SEND, f"send {s.sock} {s.nbytes}B", a=self.c.bind(self.host, s.sock), b=s.nbytes)
        self.orelse(pc, s.orelse)

    def bulk(self, s: sc.Send, rate: int) -> None:
        """A first segment, sent as any other; then pieces of at most BULK_PIECE bytes, so that the numbers in a state
        differ by less than half the circle."""
        if self.c.case.router is not None:
            raise _refuse(
                s.span, "not supported yet: `send` at a rate in a spec with a router, which would have to see it all"
            )
        sock, text = self.c.bind(self.host, s.sock), f"send {s.sock} {s.nbytes}B at {rate_text(rate)}"
        first = min(s.nbytes, BULK_FIRST)
        rest, pieces = s.nbytes - first, -(-(s.nbytes - first) // BULK_PIECE)
        calls = [self.emit(k.OP_SEND, f"send {s.sock} {first}B", a=sock, b=first)]
        for piece in range(pieces):
            n = rest * (piece + 1) // pieces - rest * piece // pieces
            ns = -(-n * 8 * sc.SECOND // rate)
            shown = f"{text}: piece {piece + 1} of {pieces}"
            self.emit(k.OP_BULK_START, f"{shown} begins", a=sock)
            calls.append(self.emit(k.OP_BULK, shown, a=sock, b=n, lo=ns, hi=ns + ns // 8 + sc.MILLISECOND))
        self.orelse(calls[-1], s.orelse)
        for pc in calls[:-1]:
            self.p.instrs[pc]["orelse"] = self.p.instrs[calls[-1]]["orelse"]

    def step_recv(self, s: sc.Recv) -> None:
        n = -1 if s.until_eof else (s.nbytes or 0)
        what = " until eof" if s.until_eof else f" {s.nbytes}B" if s.nbytes else ""
        pc = self.emit(k.OP_RECV, f"recv {s.sock}{what}", a=self.c.bind(self.host, s.sock), b=n)
        self.orelse(pc, s.orelse)

    def step_shutdown(self, s: sc.Shutdown) -> None:
        way = {"read": 1, "write": 2, "both": 3}[s.way]
        self.emit(k.OP_SHUTDOWN, f"shutdown {s.sock} {s.way}", a=self.c.bind(self.host, s.sock), b=way)

    def step_close(self, s: sc.Close) -> None:
        self.emit(k.OP_CLOSE, f"close {s.sock}", a=self.c.bind(self.host, s.sock))

    def step_abort(self, s: sc.Abort) -> None:
        self.emit(k.OP_ABORT, f"abort {s.sock}", a=self.c.bind(self.host, s.sock))

    def step_setsockopt(self, s: sc.Setsockopt) -> None:
        row = {"b": SOCK_OPTIONS.index(s.option), "d": option_value(s.option, s.value)}
        whose = self.c.listening.get((self.host, s.sock), s.sock)
        self.emit(k.OP_SETSOCKOPT, f"setsockopt {whose} {s.option} {s.value}", a=self.c.bind(self.host, s.sock), **row)

    def step_sleep(self, s: sc.Sleep) -> None:
        span = f"..{duration(s.time.hi)}" if s.time.hi != s.time.lo else ""
        name = f" -> {s.time.name}" if s.time.name else ""
        pc = self.emit(k.OP_SLEEP, f"sleep {duration(s.time.lo)}{span}{name}", lo=s.time.lo, hi=s.time.hi)
        if s.time.name:
            self.p.sleeps[pc] = s.time.name

    def step_await(self, s: sc.Await) -> None:
        cc = ClaimCompiler(self.c, None, self.host)
        node = cc.node(s.pred)
        if cc.saw_event:
            raise _refuse(s.span, "await waits for a state, not for an event")
        self.emit(k.OP_AWAIT, "await", a=node, b=self.await_vars(cc))

    def await_vars(self, cc: ClaimCompiler) -> int:
        self.p.targets.append(len(cc.vars))
        at = len(self.p.targets) - 1
        for row in cc.var_rows():
            self.p.targets.extend(row)
        return at

    def step_exit(self, s: sc.Exit) -> None:
        self.emit(k.OP_EXIT, "exit")

    def step_stop(self, s: sc.Stop) -> None:
        self.emit(k.OP_STOP, "stop")

    def step_loop(self, s: sc.Loop) -> None:
        if s.count is None:
            top = len(self.p.instrs)
            self.block(s.body)
            if len(self.p.instrs) == top:
                self.emit(k.OP_STOP, "loop")  # going round for ever with nothing to do
            else:
                self.emit(k.OP_JUMP, "", a=top)
            return
        if s.count > 255:  # Proc.loop is a byte: a greater count would never be reached
            raise _refuse(s.span, "a loop of more than 255 rounds")
        if self.loops >= k.LOOPS_MAX:
            raise _refuse(s.span, f"more than {k.LOOPS_MAX} nested loops")
        counter, self.loops = self.loops, self.loops + 1
        top = self.emit(k.OP_LOOP, "", a=counter, b=s.count)
        self.block(s.body)
        self.emit(k.OP_JUMP, "", a=top)
        self.p.instrs[top]["c"] = len(self.p.instrs)
        self.loops -= 1

    def step_either(self, s: sc.Either) -> None:
        pc = self.emit(k.OP_EITHER, "either", b=len(s.bodies))
        starts, ends = [], []
        for body in s.bodies:
            starts.append(len(self.p.instrs))
            self.block(body)
            ends.append(self.emit(k.OP_JUMP, ""))
        for e in ends:
            self.p.instrs[e]["a"] = len(self.p.instrs)
        self.p.instrs[pc]["a"] = len(self.p.targets)
        self.p.targets.extend(starts)

    def step_setsysctl(self, s: sc.SetSysctl) -> None:
        row = (self.hix, s.name, s.value)
        if row not in self.p.sysctl_steps:
            self.p.sysctl_steps.append(row)
        self.emit(k.OP_SYSCTL, f"sysctl {s.name} = {s.value}", a=self.hix, b=self.p.sysctl_steps.index(row))

    def step_iptables(self, s: sc.Iptables) -> None:
        r = self.c.firewall_rule(self.hix, s.rule)
        text = f"iptables {'-A' if s.on else '-D'} {s.rule.text}"
        self.emit(k.OP_FIREWALL, text, a=r, b=int(s.on))

    def step_crash(self, s: sc.Crash) -> None:
        self.emit(k.OP_CRASH, "crash")

    def step_boot(self, s: sc.Boot) -> None:
        self.emit(k.OP_BOOT, "boot")

    # ---- hosts without TCP

    def step_inject(self, s: sc.Inject) -> None:
        src = self.c.host_ix[s.src]
        row = {"src": src, "dst": self.c.host_ix[s.dst], "flags": flag_bits(s.flags), "off_path": int(src != self.hix)}
        row |= {"sport": s.sport, "dport": s.dport, "mss": s.mss, "length": s.length, "window": s.window}
        numbers = {f: self.number(getattr(s, f), f) for f in ("seq", "ack", "tsval", "tsecr")}
        if len(self.p.injects) >= INJECTS_MAX:
            raise _refuse(s.span, f"more than {INJECTS_MAX} steps that inject")
        self.p.injects.append({**row, **numbers})
        self.p.keeps_ts_recent |= s.tsval is not None
        self.emit(k.OP_INJECT, s.text, a=len(self.p.injects) - 1)

    def number(self, value: sc.Any32 | sc.Expr | None, what: str) -> dict[str, int]:
        """How a field of an injected segment comes to its number."""
        spec = {"kind": k.NUM_NONE, "key": 0, "expr": -1, "vars_at": -1}
        if isinstance(value, sc.Any32):
            return spec | {"kind": k.NUM_ANY, "key": self.c.constant(value.name, what)}
        if value is None:
            return spec
        cc = ClaimCompiler(self.c, None, self.host)
        expr = cc.expr(value)
        return spec | {"kind": k.NUM_EXPR, "expr": expr, "vars_at": self.await_vars(cc)}

    def step_receive(self, s: sc.Receive) -> None:
        cc = ClaimCompiler(self.c, None, self.host)
        pc = self.emit(k.OP_RECEIVE, f"receive {s.seg.kind} -> {s.name}", a=cc.pattern(s.seg, -1))
        self.receives.append((pc, s.name))

    def end_receives(self) -> None:
        """What each `receive` remembers: the fields that later steps ask for."""
        for pc, name in self.receives:
            rows = [(i, f) for i, (host, seg, f) in enumerate(self.p.caught) if (host, seg) == (self.host, name)]
            self.p.instrs[pc]["b"] = len(self.p.targets)
            self.p.targets.append(len(rows))
            for i, f in rows:
                self.p.targets.extend((i, SEG_FIELDS[f]))


EFFECTS = (sc.Replies, sc.Becomes, sc.Stays, sc.Accepts)


class ClaimCompiler:
    """One claim (or the predicate of an `await`, or a fault's pattern) to nodes."""

    def __init__(self, c: Compiler, claim: sc.Claim | None, host: str | None = None) -> None:
        self.c, self.p, self.claim, self.host = c, c.p, claim, host
        self.vars: list[sc.SockRef] = []
        self.may_be_absent: set[int] = set()
        self.saw_event = False
        self.subject = -1  # variable of the nearest event to the left; -1: a whole host

    # ---- the claim

    def compile(self) -> ClaimTable:
        claim = self.claim
        assert claim is not None
        kinds = {"never": k.CL_NEVER, "always": k.CL_NEVER, "reach": k.CL_REACH, "eventually": k.CL_EVENTUALLY}
        kinds |= {"after": k.CL_AFTER, "count": k.CL_COUNT, "map": k.CL_MAP, "moment": k.CL_MAP}
        t = ClaimTable(claim.name, kinds[claim.kind], within=claim.within)
        if claim.kind == "count":  # the variables of what is counted come first
            self.counts(t, claim)
            t.triggers = len(self.vars)
        if claim.pred is not None:
            bad = self.negate(claim.pred) if claim.kind == "always" else claim.pred
            t.pred = self.node(bad)
            t.eventless = not self.saw_event
            t.subject, t.replies = self.subject, claim.kind == "moment"
            # for an `after` the obligation is exercised when it starts
            t.exercised = t.pred if claim.kind == "after" else self.node(self.before_effects(claim.pred))
            if claim.kind == "count" and self.of_runs(claim.pred):
                t.goal, t.goal_eventless = t.pred, t.eventless
        if claim.kind != "count":
            t.triggers = len(self.vars)
        if claim.goal is not None:
            self.saw_event = False
            t.goal = self.node(claim.goal)
            t.goal_eventless = not self.saw_event
        t.goals = len(self.vars)
        if claim.kind != "count":
            self.counts(t, claim)
            t.asks = claim.goal is not None and claim.over is not None
        t.vars = self.var_rows()
        return t

    def counts(self, t: ClaimTable, claim: sc.Claim) -> None:
        """What a count or a map is over."""
        if claim.over is not None:
            t.over_sleep = self.over_sleep(claim.over, claim.span)
            t.over = self.over(claim.over) if t.over_sleep < 0 else (-1, -1)
            t.counted = self.counted(claim.over) if t.over_sleep < 0 else -1
        if claim.over2 is not None:
            t.counted2 = self.counted(claim.over2)

    def of_runs(self, p: sc.Pred) -> bool:
        """Without effects and conditions on a segment there is no moment at which it might have been otherwise: what
        counts is whether a run ever comes to it."""
        before = self.before_effects(p)
        return before == p or not mentions(before, (sc.Event, sc.Gets, sc.Takes))

    def negate(self, p: sc.Pred) -> sc.Pred:
        return sc.And((p.left, sc.Not(p.right))) if isinstance(p, sc.Implies) else sc.Not(p)

    def inverted(self, p: sc.Ss) -> sc.Ss:
        """A queue length that is not so is another length of a row there is, not the lack of a row."""
        opposite = {"<": ">=", ">=": "<", "<=": ">", ">": "<=", "=": "!=", "!=": "="}
        return replace(p, op=opposite[p.op])

    def before_effects(self, p: sc.Pred) -> sc.Pred:
        """What must happen for the claim to be more than words (see `vacuous` in docs/language.md)."""
        if isinstance(p, sc.Implies):
            return p.left
        if mentions(p, EFFECTS):
            return without_effects(p)
        if self.claim is not None and self.claim.kind == "count":
            return cast(sc.Pred, without_numbers(p))
        parts = p.parts if isinstance(p, sc.And) else (p,)
        if any(mentions(q, (sc.Event, sc.Gets, sc.Takes)) for q in parts):
            return sc.And(tuple(q for q in parts if isinstance(q, sc.InState)))
        return sc.And(())

    def over_sleep(self, e: sc.Expr, span: Span) -> int:
        """The place in `slept` of the sleep whose length is asked for; -1: it is no sleep."""
        pc = next((pc for pc, name in self.p.sleeps.items() if isinstance(e, sc.Unknown) and name == e.name), -1)
        if pc < 0:
            return -1
        if not self.c.case.timed:
            raise _refuse(span, "how long a sleep lasts is asked for, and this spec has `time off`")
        if pc not in self.p.slept:
            if len(self.p.slept) >= k.SLEPT_MAX:
                raise _refuse(span, f"the claims ask for the lengths of more than {k.SLEPT_MAX} sleeps")
            self.p.slept.append(pc)
        return self.p.slept.index(pc)

    def over(self, e: sc.Expr) -> tuple[int, int]:
        if isinstance(e, sc.Sub):
            return self.expr(e.left), self.expr(e.right)
        return self.expr(e), -1

    def counted(self, e: sc.Expr) -> int:
        """Of an unknown that is counted over: its place among them."""
        return self.c.counted(self.c.constant(e.name, e.name), e.span) if isinstance(e, sc.Unknown) else -1

    # ---- variables

    def var(self, ref: sc.SockRef) -> int:
        """The claim's variable for this reference; the same words are the same variable."""
        for i, seen in enumerate(self.vars):
            if same_words(seen, ref):
                return i
        if isinstance(ref, sc.Peer):
            if self.c.case.router is not None:
                raise _refuse(ref.span, "not supported yet: `peer` in a spec with a router, behind which ports change")
            self.var(ref.of)
        if len(self.vars) >= k.VARS_MAX:
            raise _refuse(ref.span, f"more than {k.VARS_MAX} different sockets in one claim")
        self.vars.append(ref)
        return len(self.vars) - 1

    def var_rows(self) -> list[tuple[int, int, int, int]]:
        rows = []
        for i, ref in enumerate(self.vars):
            absent = int(i in self.may_be_absent)
            if isinstance(ref, sc.Named):
                index = -1 if ref.index is None else ref.index - 1
                rows.append((k.VAR_NAMED, self.c.bind(ref.host, ref.name, ref.span), index, absent))
            elif isinstance(ref, sc.PortSock):
                rows.append((k.VAR_PORT, self.c.host_ix[ref.host], ref.port, absent))
            else:
                rows.append((k.VAR_PEER, self.var(ref.of), self.peered(ref), absent))
            self.p.keeps_gone |= not isinstance(ref, sc.Named)
        return rows

    def peered(self, ref: sc.Peer) -> int:
        """Where the connections of a name's sockets are remembered; -1 for a socket that is no name's."""
        if not isinstance(ref.of, sc.Named):
            return -1
        bind = self.c.bind(ref.of.host, ref.of.name, ref.of.span)
        if bind not in self.p.peered:
            if len(self.p.peered) >= k.PEERED_MAX:
                raise _refuse(ref.span, f"more than {k.PEERED_MAX} names in peer(...)")
            self.p.peered.append(bind)
        return self.p.peered.index(bind)

    def subject_of(self, s: sc.Subject) -> tuple[int, int]:
        """(variable, -1) or (-1, host)."""
        if isinstance(s, sc.HostRef):
            return -1, self.c.host_ix[s.host]
        return self.var(s), -1

    # ---- nodes

    def new(self, op: int, *args: int, big: int = 0) -> int:
        row = [op, *args] + [0] * (6 - len(args)) + [big]
        self.p.nodes.append(row)
        return len(self.p.nodes) - 1

    def node(self, p: sc.Pred) -> int:
        return int(getattr(self, "node_" + type(p).__name__.lower())(p))

    def many(self, op: int, parts: tuple[sc.Pred, ...]) -> int:
        # in the order written, since `replies` and `becomes` look to their left; then numbers last, since a
        # comparison may split the state and a state test never does
        nodes = [(mentions_numbers(q), self.node(q)) for q in parts]
        nodes.sort(key=lambda pair: pair[0])
        at = len(self.p.kids)
        self.p.kids.extend(n for _, n in nodes)
        return self.new(op, at, len(nodes))

    def node_and(self, p: sc.And) -> int:
        return self.many(k.P_AND, p.parts)

    def node_or(self, p: sc.Or) -> int:
        return self.many(k.P_OR, p.parts)

    def node_not(self, p: sc.Not) -> int:
        if isinstance(p.of, sc.Ss) and p.of.column != "rows":
            return self.node(self.inverted(p.of))
        return self.new(k.P_NOT, self.node(p.of))

    def node_implies(self, p: sc.Implies) -> int:
        return self.node(sc.Or((sc.Not(p.left), p.right)))

    def node_instate(self, p: sc.InState) -> int:
        return self.new(k.P_IN, self.var(p.sock), states_mask(p.states))

    def node_event(self, p: sc.Event) -> int:
        self.saw_event = True
        var, host = self.subject_of(p.subject)
        self.subject = var
        op = {"receives": k.P_RECEIVES, "sends": k.P_SENDS, "drops": k.P_DROPS, "loses": k.P_LOSES}[p.kind]
        return self.new(op, var, host, self.pattern(p.seg, var, counted=p.kind == "sends"))

    def node_gets(self, p: sc.Gets) -> int:
        self.saw_event = True
        var, host = self.subject_of(p.subject)
        self.subject = var
        kind, arg = gets_code(p.result)
        return self.new(k.P_GETS, var, kind, arg, host)

    def node_takes(self, p: sc.Takes) -> int:
        self.saw_event = True
        var, host = self.subject_of(p.subject)
        self.subject = var
        return self.new(k.P_TAKES, var, host, self.c.rule_ids[p.rule])

    def node_replies(self, p: sc.Replies) -> int:
        self.saw_event = True
        return self.new(k.P_REPLIES, 0, 0, self.pattern(p.seg, self.subject))

    def node_becomes(self, p: sc.Becomes) -> int:
        self.saw_event = True
        if p.sock is not None:
            self.subject = self.var(p.sock)
        return self.new(k.P_BECOMES, self.subject, states_mask(p.states), int(p.sock is not None))

    def node_stays(self, p: sc.Stays) -> int:
        self.saw_event = True
        return self.new(k.P_STAYS, self.subject)

    def node_accepts(self, p: sc.Accepts) -> int:
        self.saw_event = True
        return self.new(k.P_ACCEPTS, self.subject)

    def node_compare(self, p: sc.Compare) -> int:
        ops = {"<": 0, "<=": 1, ">": 2, ">=": 3, "=": 4, "!=": 5}
        if not p.modular and (is_modular(p.left) or is_modular(p.right)):
            return self.distance(p, ops[p.op])
        kept = self.p.keeps_ts_recent
        node = self.new(k.P_COMPARE, self.expr(p.left), ops[p.op], self.expr(p.right), int(p.modular))
        if not self.c.rests_long and (is_paws_like(p.left, p.right) or is_paws_like(p.right, p.left)):
            self.p.keeps_ts_recent = kept
        return node

    def distance(self, p: sc.Compare, op: int) -> int:
        """`seq - rcv_nxt > 5`: a difference, with numbers added to it, compared with a number."""
        left, right = linear(p.left), linear(p.right)
        if is_modular(p.right):
            left, right, op = right, left, (2, 3, 0, 1, 4, 5)[op]
        (plus, minus, k1), (plus2, minus2, k2) = left, right
        if len(plus) != 1 or len(minus) != 1 or plus2 or minus2 or k2 < k1:
            raise _refuse(p.span, "a difference is compared with a number that is not negative")
        return self.new(k.P_DISTANCE, self.expr(plus[0]), op, self.expr(minus[0]), big=k2 - k1)

    def node_flag(self, p: sc.Flag) -> int:
        codes = {"old": 0, "forged": 1, "paws_old": 2, "quiet": 3, "tsval": 4, "wrapped": 5}
        if p.name not in codes:
            raise _refuse(p.span, f"`{p.name}` cannot stand alone here")
        return self.new(k.P_FLAG, self.subject, codes[p.name])

    def node_absent(self, p: sc.Absent) -> int:
        v = self.var(p.sock)
        self.may_be_absent.add(v)
        return self.new(k.P_ABSENT, v)

    def node_timeris(self, p: sc.TimerIs) -> int:
        return self.new(k.P_TIMER, self.var(p.sock), {"timewait": 0, "persist": 1, "keepalive": 2, "on": 3}[p.kind])

    def node_same(self, p: sc.Same) -> int:
        return self.new(k.P_SAME, self.var(p.left), self.var(p.right))

    def node_ss(self, p: sc.Ss) -> int:
        column = {"recv-q": 0, "send-q": 1, "rows": 2}[p.column]
        op = {"<": 0, "<=": 1, ">": 2, ">=": 3, "=": 4, "!=": 5}[p.op]
        if not isinstance(p.right, sc.Const):
            raise _refuse(p.span, "`ss` compares with a number")
        return self.new(k.P_SS, self.c.host_ix[p.host], states_mask((p.state,)), p.port, column, op, p.right.value)

    # ---- patterns and expressions

    def pattern(self, s: sc.SegPattern, subject: int, counted: bool = False) -> int:
        kinds = ("SYN", "SYN-ACK", "FIN", "RST", "ACK", "DATA", "SEGMENT", "NOTHING", "FLAGS")
        kind, flags = kinds.index(s.kind), flag_bits(s.flags or "")
        ordinal = -1
        if s.ordinal is not None:
            if not counted or s.where is not None:
                raise _refuse(s.span, "a number such as `3rd` goes with `sends` and no condition")
            ordinal = self.ordinal(kind, flags, s.ordinal, s.span)
        kept, self.subject = self.subject, subject
        where = self.node(s.where) if s.where is not None else -1
        self.subject = kept
        row = {"kind": kind, "flags": flags, "ordinal": ordinal, "nth": s.ordinal or 0, "where": where}
        self.p.patterns.append(row | {"subject": subject})
        return len(self.p.patterns) - 1

    def ordinal(self, kind: int, flags: int, n: int, span: Span) -> int:
        for i, (kd, fl, most) in enumerate(self.p.ordinals):
            if (kd, fl) == (kind, flags):
                self.p.ordinals[i] = (kd, fl, max(most, n))
                return i
        if len(self.p.ordinals) >= k.ORDINALS_MAX:
            raise _refuse(span, f"more than {k.ORDINALS_MAX} different patterns such as `3rd FIN` in one spec")
        self.p.ordinals.append((kind, flags, n))
        return len(self.p.ordinals) - 1

    def expr(self, e: sc.Expr) -> int:
        self.p.keeps_ts_recent |= getattr(e, "name", "") in ("ts_recent", "tsecr")
        if isinstance(e, sc.Field | sc.InField) and e.name == "tsecr":
            self.p.keeps_tsecr = True
        if isinstance(e, sc.Const):
            return self.new(k.E_CONST, big=e.value)
        if isinstance(e, sc.Field):
            if e.name in SEG_FIELDS:
                return self.new(k.E_FIELD, 0, SEG_FIELDS[e.name])
            return self.new(k.E_VAR, self.subject, SOCK_FIELDS[e.name])
        if isinstance(e, sc.InField):
            return self.new(k.E_INFIELD, 0, SEG_FIELDS[e.name])
        if isinstance(e, sc.SockVar):
            return self.sock_var(e)
        if isinstance(e, sc.Unknown):
            if e.field is not None:
                assert self.host is not None
                return self.new(k.E_CAUGHT, 0, self.c.caught(self.host, e.name, e.field, e.span))
            return self.new(k.E_UNKNOWN, big=self.c.constant(e.name, e.name))
        op = k.E_ADD if isinstance(e, sc.Add) else k.E_SUB
        return self.new(op, self.expr(e.left), 0, self.expr(e.right))

    def sock_var(self, e: sc.SockVar) -> int:
        """A socket's variable; one of a named socket is kept beyond the socket's end when the claim counts over it."""
        v = self.var(e.sock)
        f = SOCK_FIELDS[e.name]
        kept = -1
        if isinstance(e.sock, sc.Named) and f in (k.KF_ISS, k.KF_IRS, k.KF_SND_NXT, k.KF_RCV_NXT):
            row = (self.c.bind(e.sock.host, e.sock.name), (e.sock.index or 1) - 1, f)
            if row not in self.p.kept:
                if len(self.p.kept) >= k.KEPT_MAX:
                    raise _refuse(e.span, f"more than {k.KEPT_MAX} different variables of sockets in the claims")
                self.p.kept.append(row)
            kept = self.p.kept.index(row)
        return self.new(k.E_VAR, v, f, kept)


def is_paws_like(a: sc.Expr, b: sc.Expr) -> bool:
    """The subject's ts_recent beside the TSval that arrives, or a number: a ts_recent that is forgotten (canon.pyx) may
    be compared with these and with nothing else, and only while it cannot be so old that it looks newer."""
    ours = isinstance(a, sc.Field) and a.name == "ts_recent"
    return ours and (isinstance(b, sc.Const) or (isinstance(b, sc.Field) and b.name == "tsval"))


SEG_FIELDS = {"seq": k.SF_SEQ, "ack": k.SF_ACK, "len": k.SF_LEN, "tsval": k.SF_TSVAL, "tsecr": k.SF_TSECR}
SEG_FIELDS |= {"win": k.SF_WIN, "mss": k.SF_MSS}
SOCK_FIELDS = {"rcv_nxt": k.KF_RCV_NXT, "snd_nxt": k.KF_SND_NXT, "snd_una": k.KF_SND_UNA, "iss": k.KF_ISS}
SOCK_FIELDS |= {"irs": k.KF_IRS, "ts_recent": k.KF_TS_RECENT, "rcv_wnd": k.KF_RCV_WND, "snd_wnd": k.KF_SND_WND}
PLAIN = {"len", "win", "mss", "rcv_wnd", "snd_wnd"}

STATE_BITS = {
    "ESTABLISHED": 1, "SYN-SENT": 2, "SYN-RECV": 3, "FIN-WAIT-1": 4, "FIN-WAIT-2": 5, "TIME-WAIT": 6,
    "CLOSED": 7, "CLOSE-WAIT": 8, "LAST-ACK": 9, "LISTEN": 10, "CLOSING": 11,
}  # fmt: skip


def duration(ns: int) -> str:
    """`12.5s`, `50ms`, `10us`: exact, in the greatest unit of which it has at least one."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if ns >= size:
            return f"{ns / size:.9f}".rstrip("0").rstrip(".") + unit
    return f"{ns}ns" if ns else "0s"


def rate_text(rate: int) -> str:
    """`100Gbit/s`: exact, in the greatest unit that leaves no fraction."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if rate % size == 0:
            return f"{rate // size}{unit}bit/s"
    return f"{rate}bit/s"


def states_mask(names: tuple[str, ...]) -> int:
    return sum(1 << STATE_BITS[n] for n in names)


def flag_bits(letters: str) -> int:
    return sum({"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32}.get(ch, 0) for ch in letters.strip("[]"))


def gets_code(result: str) -> tuple[int, int]:
    import errno

    if result == "ok":
        return 1, 0
    if result == "EOF":
        return 2, 0
    if result.isdigit():
        return 3, int(result)
    return 0, int(getattr(errno, result))


def same_words(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, sc.Named):
        return (a.host, a.name, a.index) == (b.host, b.name, b.index)
    if isinstance(a, sc.PortSock):
        return (a.host, a.port) == (b.host, b.port)
    return same_words(a.of, b.of)


def mentions(p: Any, kinds: tuple[type, ...]) -> bool:
    """Does the predicate contain a node of one of these kinds (not counting segments' conditions)?"""
    if isinstance(p, kinds):
        return True
    if isinstance(p, sc.And | sc.Or):
        return any(mentions(q, kinds) for q in p.parts)
    if isinstance(p, sc.Not):
        return mentions(p.of, kinds)
    return isinstance(p, sc.Implies) and (mentions(p.left, kinds) or mentions(p.right, kinds))


def mentions_numbers(p: Any) -> int:
    """0: decided by states and events alone; 1: compares numbers, which may split the state."""
    if isinstance(p, sc.Event | sc.Replies):
        return int(p.seg.where is not None)
    return int(mentions(p, (sc.Compare, sc.Flag)))


def flags_in(p: Any) -> set[str]:
    """The flags that a segment's condition names."""
    if isinstance(p, sc.Flag):
        return {p.name}
    if isinstance(p, sc.Not):
        return flags_in(p.of)
    parts = (p.left, p.right) if isinstance(p, sc.Implies) else p.parts if isinstance(p, sc.And | sc.Or) else ()
    return {name for q in parts for name in flags_in(q)}


def without_effects(p: sc.Pred) -> sc.Pred:
    """What the predicate asks for but for effects."""
    if isinstance(p, EFFECTS) or (isinstance(p, sc.Not) and mentions(p, EFFECTS)):
        return sc.And(())
    if isinstance(p, sc.And | sc.Or):
        return replace(p, parts=tuple(without_effects(q) for q in p.parts))
    return p


def without_numbers(p: Any) -> Any:
    """The same moment, whatever numbers the segment has: what a count chooses among."""
    if isinstance(p, sc.Event):
        return replace(p, seg=replace(p.seg, where=None if p.seg.where is None else without_numbers(p.seg.where)))
    if isinstance(p, sc.And | sc.Or):
        return replace(p, parts=tuple(without_numbers(q) for q in p.parts))
    told_by_numbers = isinstance(p, sc.Flag) and p.name == "paws_old"
    return sc.And(()) if told_by_numbers or mentions(p, (sc.Compare,)) else p


def linear(e: Any) -> tuple[list[Any], list[Any], int]:
    """A sum: the terms added, the terms subtracted, and the number that is left."""
    if isinstance(e, sc.Const):
        return [], [], e.value
    if not isinstance(e, sc.Add | sc.Sub):
        return [e], [], 0
    (plus, minus, n), (plus2, minus2, n2) = linear(e.left), linear(e.right)
    if isinstance(e, sc.Add):
        return plus + plus2, minus + minus2, n + n2
    return plus + minus2, minus + plus2, n - n2


def is_modular(e: Any) -> bool:
    """Sequence numbers and timestamps compare modulo 2^32; lengths, windows and counts do not."""
    if isinstance(e, sc.Field | sc.InField | sc.SockVar):
        return e.name not in PLAIN
    if isinstance(e, sc.Unknown):
        return True
    return isinstance(e, sc.Add | sc.Sub) and (is_modular(e.left) or is_modular(e.right))


def compile_case(case: sc.Case, rule_ids: dict[str, int]) -> Program:
    """The tables of one Case. Errors: SpecError when a table of the model is too small for the spec."""
    return Compiler(case, rule_ids).compile()
