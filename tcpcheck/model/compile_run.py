"""A host's runs as instructions with jump targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tcpcheck.lang import scenario as sc
from tcpcheck.model import layout as k
from tcpcheck.model.compile_claim import ClaimCompiler
from tcpcheck.model.program import refuse
from tcpcheck.model.spellings import SEG_FIELDS, duration, flag_bits, rate_text
from tcpcheck.tcp.options import SOCK_OPTIONS, option_value

if TYPE_CHECKING:
    from tcpcheck.model.compile import Compiler

BULK_PIECE = 2**30
BULK_FIRST = 1000  # bytes
INJECTS_MAX = 250  # Seg.forged is a byte


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
            raise refuse(s.span, "accept without a listen before it in this run")
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
            raise refuse(s.span, "connect takes `tsval any` only")
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
        self.p.given[pc] = given_names({"seq": s.seq, "tsval": s.tsval})
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
            raise refuse(
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
            raise refuse(s.span, "await waits for a state, not for an event")
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
            raise refuse(s.span, "a loop of more than 255 rounds")
        if self.loops >= k.LOOPS_MAX:
            raise refuse(s.span, f"more than {k.LOOPS_MAX} nested loops")
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
        fields = {f: getattr(s, f) for f in ("seq", "ack", "tsval", "tsecr")}
        numbers = {f: self.number(value, f) for f, value in fields.items()}
        if len(self.p.injects) >= INJECTS_MAX:
            raise refuse(s.span, f"more than {INJECTS_MAX} steps that inject")
        self.p.injects.append({**row, **numbers})
        self.p.keeps_ts_recent |= s.tsval is not None
        self.p.given[self.emit(k.OP_INJECT, s.text, a=len(self.p.injects) - 1)] = given_names(fields)

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


def given_names(fields: Mapping[str, sc.Any32 | sc.Expr | None]) -> dict[str, str]:
    """Of `seq any -> isn`: isn -> seq."""
    return {value.name or f: f for f, value in fields.items() if isinstance(value, sc.Any32)}
