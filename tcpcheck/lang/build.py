"""lark's tree -> the syntax tree of ast.py. One method for each rule or alias of the grammar, of the same name.

A method gets the place of its node and its children, already built: nodes, tokens, or None for what was left out.
"""

from __future__ import annotations

import re
from typing import Any

from lark import Token, Tree
from lark.tree import Meta

from tcpcheck.errors import Span
from tcpcheck.lang import ast, numbers
from tcpcheck.lang.diagnostics import Mistakes
from tcpcheck.lang.vocabulary import TCPDUMP_FLAGS, canonical_state

ORDINAL_MAX = 1000


class Builder:
    def __init__(self, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self.lines = mistakes.source.split("\n")

    # ---- walking and places

    def build(self, tree: Tree[Token]) -> Any:
        children = [self.build(c) if isinstance(c, Tree) else c for c in tree.children]
        method = getattr(self, str(tree.data))
        return method(self.span_of(tree.meta), *children)

    def span_of(self, meta: Meta) -> Span:
        if meta.empty:
            return Span(1, 1, 1)
        if meta.end_line == meta.line:
            return Span(meta.line, meta.column, meta.end_column)
        return Span(meta.line, meta.column, len(self.lines[meta.line - 1].rstrip()) + 1)

    def span(self, token: Token) -> Span:
        assert token.line is not None and token.column is not None
        return Span(token.line, token.column, token.column + len(token.rstrip()))

    def word(self, token: Token) -> ast.Word:
        return ast.Word(self.span(token), str(token))

    def maybe(self, token: Token | None) -> ast.Word | None:
        return None if token is None else self.word(token)

    def int_of(self, token: Token, base: int = 10) -> int:
        try:
            return numbers.integer(str(token), base)
        except numbers.BadNumber as bad:
            self.mistakes.error(self.span(token), str(bad))
            return 0

    def literal(self, token: Token) -> ast.Value:
        """A token of a value."""
        span, text = self.span(token), str(token)
        if token.type == "NAME":
            return ast.Value(span, "name", None, text)
        if token.type == "INT":
            return ast.Value(span, "int", self.int_of(token), text)
        try:
            kind, number = numbers.quantity(text)
        except numbers.BadNumber as bad:
            self.mistakes.error(span, str(bad))
            return ast.Value(span, "time", 0, text)
        return ast.Value(span, kind, number, text)

    def maybe_literal(self, token: Token | None) -> ast.Value | None:
        return None if token is None else self.literal(token)

    # ---- the file

    def start(self, span: Span, *items: ast.Top) -> ast.Spec:
        return ast.Spec(span, items)

    def title(self, span: Span, text: Token) -> ast.Title:
        return ast.Title(span, text[1:-1])

    def horizon(self, span: Span, time: ast.Value) -> ast.Horizon:
        return ast.Horizon(span, time)

    def time_off(self, span: Span) -> ast.TimeOff:
        return ast.TimeOff(span)

    def host(self, span: Span, name: Token, *items: ast.HostItem) -> ast.Host:
        return ast.Host(span, self.word(name), items)

    def attacker(self, span: Span, name: Token | None, body: tuple[ast.Step, ...]) -> ast.Attacker:
        return ast.Attacker(span, self.maybe(name), body)

    def names(self, span: Span, *names: Token) -> tuple[ast.Word, ...]:
        return tuple(self.word(n) for n in names)

    def router(self, span: Span, name: Token, inside: Any, outside: Any, *items: ast.HostItem) -> ast.Router:
        return ast.Router(span, self.word(name), inside, outside, items)

    # ---- hosts

    def kernel(self, span: Span, kernel: tuple[tuple[ast.Kern, ...], bool, ast.Word | None]) -> ast.Kernel:
        return ast.Kernel(span, *kernel)

    def one_kern(self, span: Span, kern: ast.Kern) -> Any:
        return (kern,), False, None

    def kern_family(self, span: Span, *parts: Any) -> Any:
        return parts[:-1], True, self.maybe(parts[-1])

    def kern(self, span: Span, name: Token, *features: ast.Feature) -> ast.Kern:
        return ast.Kern(span, ast.Word(self.span(name), " ".join(name.split())), features)

    def feature(self, span: Span, way: Token, name: Token) -> ast.Feature:
        return ast.Feature(span, str(way), self.word(name))

    def address(self, span: Span, address: Token) -> ast.Address:
        return ast.Address(span, self.word(address))

    def mss(self, span: Span, size: ast.Choice) -> ast.Mss:
        return ast.Mss(span, size)

    def run(self, span: Span, name: Token | None, body: tuple[ast.Step, ...]) -> ast.Run:
        return ast.Run(span, self.maybe(name), body)

    def sysctl(self, span: Span, *parts: Any) -> ast.Sysctl:
        tokens = [p for p in parts if isinstance(p, Token)]
        name = next(t for t in tokens if t.type == "SYSCTL")
        second = next((t for t in tokens if t.type == "INT"), None)
        choice = next(p for p in parts if isinstance(p, ast.Choice))
        return ast.Sysctl(span, self.word(name), choice, self.maybe_literal(second))

    def iptables(self, span: Span, line: Token) -> ast.Iptables:
        return ast.Iptables(self.span(line), " ".join(line.split()))

    # ---- values and choices

    def value(self, span: Span, token: Token) -> ast.Value:
        return self.literal(token)

    def one(self, span: Span, lo: ast.Value, hi: ast.Value | None) -> ast.One:
        return ast.One(span, lo, hi)

    def literal_one(self, span: Span, lo: Token, hi: Token | None) -> ast.One:
        return ast.One(span, self.literal(lo), self.maybe_literal(hi))

    def single(self, span: Span, one: ast.One, name: Token | None) -> ast.Choice:
        return ast.Choice(span, "single", (one,), self.maybe(name))

    def family(self, span: Span, *parts: Any) -> ast.Choice:
        return ast.Choice(span, "family", parts[:-1], self.maybe(parts[-1]))

    def anything(self, span: Span, name: Token | None) -> ast.Choice:
        return ast.Choice(span, "any", (), self.maybe(name))

    # ---- programs

    def block(self, span: Span, *steps: ast.Step) -> tuple[ast.Step, ...]:
        return steps

    def call(self, span: Span, call: Any, orelse: tuple[ast.Step, ...] | None) -> ast.Call:
        return ast.Call(span, call, orelse)

    def listen(self, span: Span, at: ast.Endpoint, name: Token | None, backlog: ast.Choice | None) -> ast.Listen:
        return ast.Listen(span, at, self.maybe(name), backlog)

    def accept(self, span: Span, name: Token) -> ast.Accept:
        return ast.Accept(span, self.word(name))

    def connect(self, span: Span, to: Any, source: Any, fields: Any, name: Token | None) -> ast.Connect:
        return ast.Connect(span, to, source, fields or (), self.maybe(name))

    def send(self, span: Span, sock: Token, size: ast.Choice, rate: ast.Choice | None) -> ast.Send:
        return ast.Send(span, self.word(sock), size, rate)

    def recv(self, span: Span, sock: Token, size: ast.Choice | None) -> ast.Recv:
        return ast.Recv(span, self.word(sock), size, False)

    def recv_eof(self, span: Span, sock: Token, eof: Token) -> ast.Recv:
        return ast.Recv(span, self.word(sock), None, True)

    def close(self, span: Span, sock: Token) -> ast.Close:
        return ast.Close(span, self.word(sock))

    def abort(self, span: Span, sock: Token) -> ast.Abort:
        return ast.Abort(span, self.word(sock))

    def shutdown(self, span: Span, sock: Token, way: Token) -> ast.Shutdown:
        return ast.Shutdown(span, self.word(sock), str(way))

    def setsockopt(
        self, span: Span, sock: Token, option: Token, value: ast.Choice, second: Token | None
    ) -> ast.Setsockopt:
        return ast.Setsockopt(span, self.word(sock), self.word(option), value, self.maybe_literal(second))

    def sleep(self, span: Span, time: ast.Choice) -> ast.Sleep:
        return ast.Sleep(span, time)

    def await_(self, span: Span, pred: ast.Pred) -> ast.Await:
        return ast.Await(span, pred)

    def loop(self, span: Span, count: Token | None, body: tuple[ast.Step, ...]) -> ast.Loop:
        return ast.Loop(span, self.maybe_literal(count), body)

    def either(self, span: Span, *bodies: tuple[ast.Step, ...]) -> ast.Either:
        return ast.Either(span, bodies)

    def exit(self, span: Span) -> ast.Exit:
        return ast.Exit(span)

    def stop(self, span: Span) -> ast.Stop:
        return ast.Stop(span)

    def crash(self, span: Span) -> ast.Crash:
        return ast.Crash(span)

    def boot(self, span: Span) -> ast.Boot:
        return ast.Boot(span)

    def inject(self, span: Span, kind: Token, source: Any, to: ast.Endpoint, fields: Any) -> ast.Inject:
        return ast.Inject(span, self.seg(self.span(kind), None, kind, None), source, to, fields or ())

    def receive(self, span: Span, seg: ast.Seg, name: Token) -> ast.Receive:
        return ast.Receive(span, seg, self.word(name))

    def endpoint(self, span: Span, host: Token | None, port: Token) -> ast.Endpoint:
        return ast.Endpoint(span, self.maybe(host), None if port.type == "ANY" else self.literal(port))

    def fields(self, span: Span, *fields: ast.Field) -> tuple[ast.Field, ...]:
        return fields

    def any_field(self, span: Span, name: Token, _: Token, choice: Token | None) -> ast.AnyField:
        return ast.AnyField(span, self.word(name), self.maybe(choice))

    def set_field(self, span: Span, name: Token, expr: ast.Expr) -> ast.SetField:
        return ast.SetField(span, self.word(name), expr)

    # ---- network

    def network(self, span: Span, *items: ast.NetItem) -> ast.Network:
        return ast.Network(span, items)

    def delay(self, span: Span, time: ast.Choice) -> ast.Delay:
        return ast.Delay(span, time)

    def lifetime(self, span: Span, time: ast.Choice) -> ast.Lifetime:
        return ast.Lifetime(span, time)

    def fifo(self, span: Span) -> ast.Fifo:
        return ast.Fifo(span)

    def path(self, span: Span, source: Token | None, to: Token | None) -> Any:
        return self.maybe(source), self.maybe(to)

    def fault(self, span: Span, kind: Token, budget: ast.Choice, seg: ast.Seg | None, path: Any) -> ast.Fault:
        return ast.Fault(span, str(kind), budget, seg, *path)

    def rewrite(self, span: Span, seg: ast.Seg, path: Any, field: Token, shift: Token, by: ast.Expr) -> ast.Rewrite:
        source, to = path
        return ast.Rewrite(span, seg, source, to, self.word(field), str(shift), by)

    # ---- claims

    def claim(self, span: Span, kind: Token, name: Token | None, pred: ast.Pred, within: Any, cases: Any) -> ast.Claim:
        return ast.Claim(span, str(kind), self.maybe(name), pred, None, None, within, cases or ())

    def after(
        self, span: Span, name: Token | None, pred: ast.Pred, goal: ast.Pred, within: ast.One | None, cases: Any
    ) -> ast.Claim:
        return ast.Claim(span, "after", self.maybe(name), pred, goal, None, within, cases or ())

    def count(
        self, span: Span, name: Token | None, over: ast.Expr, over2: ast.Expr | None, pred: ast.Pred, cases: Any
    ) -> ast.Claim:
        return ast.Claim(span, "count", self.maybe(name), pred, None, over, None, cases or (), over2)

    def within(self, span: Span, one: ast.One) -> ast.One:
        return one

    def expect(self, span: Span, *cases: ast.Case) -> tuple[ast.Case, ...]:
        return cases

    def case(self, span: Span, outcome: ast.Outcome, when: tuple[ast.Setting, ...] | None) -> ast.Case:
        return ast.Case(span, outcome, when or (), False)

    def else_case(self, span: Span, outcome: ast.Outcome) -> ast.Case:
        return ast.Case(span, outcome, (), True)

    def outcome(self, span: Span, first: Any, hi: ast.Number | None = None) -> ast.Outcome:
        if isinstance(first, Token):
            return ast.Outcome(span, str(first), None, None)
        return ast.Outcome(span, None, first.number, (hi or first).number)

    def when(self, span: Span, *settings: ast.Setting) -> tuple[ast.Setting, ...]:
        return settings

    def setting(self, span: Span, name: Token, value: ast.Kern | ast.One) -> ast.Setting:
        return ast.Setting(span, self.word(name), value)

    def whole(self, span: Span, base: Token, exponent: Token | None) -> ast.Number:
        if exponent is None:
            return ast.Number(span, "int", self.int_of(base), str(base))
        try:
            return ast.Number(span, "int", numbers.power(base, exponent), f"{base}^{exponent}")
        except numbers.BadNumber as bad:
            self.mistakes.error(span, str(bad))
            return ast.Number(span, "int", 0, "0")

    # ---- predicates

    def implies(self, span: Span, left: ast.Pred, right: ast.Pred) -> ast.Implies:
        return ast.Implies(span, left, right)

    def or_(self, span: Span, *parts: ast.Pred) -> ast.Or:
        return ast.Or(span, parts)

    def and_(self, span: Span, *parts: ast.Pred) -> ast.And:
        return ast.And(span, parts)

    def not_(self, span: Span, of: ast.Pred) -> ast.Not:
        return ast.Not(span, of)

    def flag(self, span: Span, name: Token) -> ast.Flag:
        return ast.Flag(span, str(name))

    def compare(self, span: Span, left: ast.Expr, op: Token, right: ast.Expr) -> ast.Compare:
        return ast.Compare(span, left, str(op), right)

    def in_state(self, span: Span, subject: ast.Subject, states: Any, event: ast.Event | None) -> ast.InState:
        return ast.InState(span, subject, states, event)

    def happens(self, span: Span, subject: ast.Subject, event: ast.Event) -> ast.Happens:
        return ast.Happens(span, subject, event)

    def absent(self, span: Span, subject: ast.Subject) -> ast.Absent:
        return ast.Absent(span, subject)

    def timer(self, span: Span, subject: ast.Subject, kind: Token) -> ast.Timer:
        return ast.Timer(span, subject, str(kind))

    def same(self, span: Span, left: ast.Subject, right: ast.Sock) -> ast.Same:
        return ast.Same(span, left, right)

    def ss(
        self, span: Span, host: Token, state: Token, at: ast.Endpoint, column: Token, op: Token, right: ast.Expr
    ) -> ast.Ss:
        return ast.Ss(span, self.word(host), self.state(state), at, str(column), str(op), right)

    def nstat(self, span: Span, host: Token, counter: Token, op: Token, right: ast.Expr) -> ast.Nstat:
        return ast.Nstat(span, self.word(host), self.word(counter), str(op), right)

    def seg_event(self, span: Span, kind: Token, seg: ast.Seg) -> ast.SegEvent:
        return ast.SegEvent(span, str(kind), seg)

    def gets(self, span: Span, result: Token) -> ast.Gets:
        is_word = result.type == "RESULT"
        return ast.Gets(span, self.word(result) if is_word else self.literal(result))

    def takes(self, span: Span, rule: Token) -> ast.Takes:
        return ast.Takes(span, self.word(rule))

    def becomes(self, span: Span, states: tuple[ast.Word, ...]) -> ast.Becomes:
        return ast.Becomes(span, states)

    def replies(self, span: Span, seg: ast.Seg) -> ast.Replies:
        return ast.Replies(span, seg)

    def stays(self, span: Span) -> ast.Stays:
        return ast.Stays(span)

    def accepts(self, span: Span) -> ast.Accepts:
        return ast.Accepts(span)

    def state(self, token: Token) -> ast.Word:
        return ast.Word(self.span(token), canonical_state(token) or str(token))

    def states(self, span: Span, *states: Token) -> tuple[ast.Word, ...]:
        return tuple(self.state(s) for s in states)

    def seg_name(self, span: Span, token: Token) -> Token:
        return token

    def seg(self, span: Span, ordinal: Token | None, name: Token, where: ast.Pred | None) -> ast.Seg:
        number = None
        if ordinal is not None:
            digits = re.sub(r"[a-z]+", "", ordinal)
            number = int(digits) if len(digits) <= 6 else 0
            if not 1 <= number <= ORDINAL_MAX:
                self.mistakes.error(self.span(ordinal), f"an ordinal is 1st to {ORDINAL_MAX}th")
        if name.type == "FLAGS":
            flags = "".join(sorted(set(name[1:-1]), key=lambda c: (TCPDUMP_FLAGS.find(c), c)))
            return ast.Seg(span, number, "FLAGS", flags, where)
        return ast.Seg(span, number, str(name), None, where)

    # ---- sockets and expressions

    def host_ref(self, span: Span, name: Token) -> ast.HostRef:
        return ast.HostRef(span, self.word(name))

    def named(self, span: Span, host: Token, name: Token, index: Token | None) -> ast.Named:
        return ast.Named(span, self.word(host), self.word(name), self.maybe_literal(index))

    def port_sock(self, span: Span, host: Token, port: Token) -> ast.PortSock:
        return ast.PortSock(span, self.word(host), self.literal(port))

    def peer(self, span: Span, of: ast.Sock) -> ast.Peer:
        return ast.Peer(span, of)

    def sum(self, span: Span, first: ast.Expr, *rest: Any) -> ast.Sum:
        return ast.Sum(span, first, tuple((str(rest[i]), rest[i + 1]) for i in range(0, len(rest), 2)))

    def number(self, span: Span, whole: ast.Number) -> ast.Number:
        return whole

    def hex_number(self, span: Span, token: Token) -> ast.Number:
        return ast.Number(span, "int", self.int_of(token, 16), str(token))

    def quantity(self, span: Span, token: Token) -> ast.Number:
        value = self.literal(token)
        return ast.Number(span, value.kind, value.number or 0, str(token))

    def var(self, span: Span, name: Token) -> ast.Var:
        return ast.Var(span, self.word(name))

    def local_var(self, span: Span, owner: Token, name: Token) -> ast.LocalVar:
        return ast.LocalVar(span, self.word(owner), self.word(name))

    def sock_var(self, span: Span, sock: ast.Sock, name: Token) -> ast.SockVar:
        return ast.SockVar(span, sock, self.word(name))

    def in_var(self, span: Span, name: Token) -> ast.InVar:
        return ast.InVar(span, self.word(name))
