"""Predicates of claims, awaits and segments -> scenario.py.

`replies`, `becomes`, `stays` and `accepts` speak of the event to their left, so lowering carries along what has been
said: which subject the nearest event has, and whether it received a segment.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.errors import Span
from tcpcheck.lang import ast
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.choices import Env
from tcpcheck.lang.diagnostics import nearest
from tcpcheck.lang.expressions import CONSTANT, Expressions, Place
from tcpcheck.lang.registry import Registry
from tcpcheck.lang.vocabulary import (
    COUNT,
    ERRNOS,
    QUIET,
    RESULTS,
    SEGMENT_FIELDS,
    SEGMENT_FLAGS,
    SEGMENT_KINDS,
    STATES,
    TCPDUMP_FLAGS,
)

# Stands for a predicate with a mistake in it; never leaves lang.
BROKEN = sc.And(())


@dataclass(frozen=True)
class Said:
    """What stands to the left: the subject of the nearest event, and whether that event received a segment."""

    subject: sc.Subject | None = None
    received: bool = False


NOTHING_SAID = Said()


class Predicates:
    """`place` of a call: "claim", "await", or "segment"."""

    def __init__(self, expressions: Expressions, registry: Registry | None) -> None:
        self.x = expressions
        self.mistakes = expressions.mistakes
        self.registry = registry

    def claim(self, node: ast.Pred, env: Env) -> sc.Pred:
        """The predicate of a claim."""
        before = len(self.mistakes.errors)
        pred, _ = self._pred(node, NOTHING_SAID, "claim", env)
        if not mentions_something(node) and len(self.mistakes.errors) == before:
            self.mistakes.error(
                node.span, "this says nothing about a socket or a segment", advice="as in `server.c in TIME-WAIT`"
            )
        return pred

    def awaited(self, node: ast.Pred, env: Env) -> sc.Pred:
        """The predicate of `await`: of states only."""
        pred, _ = self._pred(node, NOTHING_SAID, "await", env)
        return pred

    # ---- structure

    def _pred(self, node: ast.Pred, said: Said, place: str, env: Env) -> tuple[sc.Pred, Said]:
        if isinstance(node, ast.Implies):
            left, middle = self._pred(node.left, said, place, env)
            right, _ = self._pred(node.right, middle, place, env)
            return sc.Implies(left, right), said
        if isinstance(node, ast.And):
            parts: list[sc.Pred] = []
            for part in node.parts:
                pred, said = self._pred(part, said, place, env)
                parts += pred.parts if isinstance(pred, sc.And) and pred is not BROKEN else [pred]
            return sc.And(tuple(parts)), said
        if isinstance(node, ast.Or):
            branches = [self._pred(part, said, place, env) for part in node.parts]
            common = branches[0][1] if all(_same(b[1], branches[0][1]) for b in branches) else said
            return sc.Or(tuple(pred for pred, _ in branches)), common
        if isinstance(node, ast.Not):
            return sc.Not(self._pred(node.of, said, place, env)[0]), said
        if isinstance(node, ast.Compare):
            return self.x.comparison(node, Place(), env), said
        if isinstance(node, ast.Flag):
            return self._flag(node), said
        if isinstance(node, ast.InState):
            return self._in_state(node, said, place, env)
        if isinstance(node, ast.Happens):
            subject = self.x.subject(node.subject)
            return self._event(subject, node.event, node.span, place, env)
        if isinstance(node, (ast.Replies, ast.Becomes, ast.Stays, ast.Accepts)):
            return self._effect(node, said, place, env), said
        return self._state(node, env), said

    def _in_state(self, node: ast.InState, said: Said, place: str, env: Env) -> tuple[sc.Pred, Said]:
        sock = self.x.sock(node.subject)
        states = self._states(node.states)
        why = None if sock is None else self.x.impossible(sock, states)
        if why is not None:
            self.mistakes.warning(node.span, f"this is never so in {' or '.join(states)}", why)
        if node.event is None:
            return (BROKEN if sock is None else sc.InState(sock, states, node.span)), said
        event, said = self._event(sock, node.event, node.span, place, env)
        if sock is None:
            return BROKEN, said
        return sc.And((sc.InState(sock, states, node.span), event)), said

    def _states(self, words: tuple[ast.Word, ...]) -> tuple[str, ...]:
        for word in words:
            if word.text not in STATES:
                self.mistakes.unknown(word.span, "state", word.text, STATES)
        return tuple(dict.fromkeys(w.text for w in words))

    def _flag(self, node: ast.Flag) -> sc.Pred:
        if node.name == QUIET:
            return sc.Flag(QUIET, node.span)
        if node.name in SEGMENT_FLAGS or node.name in SEGMENT_FIELDS:
            self.mistakes.error(
                node.span, f"`{node.name}` is said of a segment", advice=f"as in `receives SYN ({node.name})`"
            )
        elif node.name in self.x.scope.hosts:
            self.mistakes.error(node.span, f"what about host `{node.name}`?", advice="as in `server receives SYN`")
        else:
            words = (QUIET, *self.x.scope.hosts)
            self.mistakes.error(
                node.span,
                f"unknown word `{node.name}`",
                expected=(QUIET,),
                near=nearest(node.name, words),
                advice="as in `server.c in LISTEN`",
            )
        return BROKEN

    # ---- events

    def _event(
        self, subject: sc.Subject | None, event: ast.Event, span: Span, place: str, env: Env
    ) -> tuple[sc.Pred, Said]:
        if place == "await":
            self.mistakes.error(
                event.span,
                "`await` waits for a state, not for an event",
                advice="as in `await { server.c in CLOSED }`",
            )
            return BROKEN, Said(subject)
        if isinstance(event, ast.SegEvent):
            seg = self.seg(event.seg, Place(fields=True, variables=not isinstance(subject, sc.HostRef)), env)
            if event.seg.ordinal is not None and event.kind != "sends":
                self.mistakes.error(
                    event.seg.span,
                    "an ordinal counts the segments that a socket sends",
                    advice="as in `sends 3rd FIN`",
                )
            said = Said(subject, event.kind == "receives")
            if subject is None:
                return BROKEN, said
            return sc.Event(subject, event.kind, seg, span), said
        pred = self._other_event(subject, event, span)
        return (BROKEN if subject is None else pred), Said(subject)

    def _other_event(self, subject: sc.Subject | None, event: ast.Event, span: Span) -> sc.Pred:
        if isinstance(event, ast.Gets):
            result = self._result(event.result)
            return BROKEN if subject is None else sc.Gets(subject, result, span)
        if isinstance(event, ast.Takes):
            if self.registry is not None and event.rule.text not in self.registry.rules():
                self.mistakes.unknown(event.rule.span, "rule", event.rule.text, self.registry.rules())
            return BROKEN if subject is None else sc.Takes(subject, event.rule.text, span)
        assert isinstance(event, ast.Becomes)
        states = self._states(event.states)
        if isinstance(subject, sc.HostRef):
            self._needs_socket(event.span, subject)
        if subject is None or isinstance(subject, sc.HostRef):
            return BROKEN
        return sc.Becomes(subject, states, span)

    def _needs_socket(self, span: Span, host: sc.HostRef) -> None:
        self.mistakes.error(
            span,
            f"`{host.host}` is a host and has no state",
            advice=f"name one of its sockets, as in `{host.host}.NAME`",
        )

    def _result(self, result: ast.Word | ast.Value) -> str:
        if isinstance(result, ast.Value):
            if result.kind == "int":
                self.mistakes.error(
                    result.span,
                    "a number of bytes carries a unit",
                    near=f"{result.text}B",
                    advice="units: B kB MB GB KiB MiB GiB",
                )
            return str(result.number)
        if result.text in ERRNOS or result.text in RESULTS:
            return result.text
        self.mistakes.unknown(result.span, "result of a call", result.text, (*RESULTS, *ERRNOS))
        return "ok"

    # ---- effects: what the event to the left led to

    def _effect(
        self, node: ast.Replies | ast.Becomes | ast.Stays | ast.Accepts, said: Said, place: str, env: Env
    ) -> sc.Pred:
        word = type(node).__name__.lower()
        if place == "await":
            self.mistakes.error(
                node.span,
                f"`await` waits for a state, `{word}` is an event",
            )
            return BROKEN
        if isinstance(node, ast.Replies):
            seg = self.seg(node.seg, Place(fields=True, variables=True, reply=True), env, reply=True)
            if not said.received:
                advice = "first say to what: `server.c receives SYN and replies ACK`"
                self.mistakes.error(node.span, "a reply to what? no `receives` stands to its left", advice=advice)
            return sc.Replies(seg, node.span)
        if said.subject is None:
            advice = f"first say whose and when: `server.c receives SYN and {word}`"
            if isinstance(node, ast.Becomes):
                advice = "name the socket: `server.c becomes CLOSED`"
            self.mistakes.error(node.span, f"`{word}`: no event stands to its left", advice=advice)
        elif isinstance(said.subject, sc.HostRef):
            self._needs_socket(node.span, said.subject)
        if isinstance(node, ast.Becomes):
            return sc.Becomes(None, self._states(node.states), node.span)
        if isinstance(node, ast.Stays):
            return sc.Stays(node.span)
        if said.subject is not None and not said.received:
            self.mistakes.error(
                node.span,
                "`accepts` speaks of a segment: no `receives` stands to its left",
                advice="say `receives` first",
            )
        return sc.Accepts(node.span)

    # ---- states

    def _state(self, node: ast.Pred, env: Env) -> sc.Pred:
        if isinstance(node, ast.Absent):
            sock = self.x.sock(node.subject)
            return BROKEN if sock is None else sc.Absent(sock, node.span)
        if isinstance(node, ast.Timer):
            sock = self.x.sock(node.subject)
            return BROKEN if sock is None else sc.TimerIs(sock, node.kind, node.span)
        if isinstance(node, ast.Same):
            left, right = self.x.sock(node.left), self.x.sock(node.right)
            return BROKEN if left is None or right is None else sc.Same(left, right, node.span)
        if isinstance(node, ast.Nstat):
            self.x.scope.host(node.host)
            self.mistakes.not_yet(node.span, "`nstat` counters", "say which rule fires: `server takes RULE`")
            return BROKEN
        assert isinstance(node, ast.Ss)
        return self._ss(node, env)

    def _ss(self, node: ast.Ss, env: Env) -> sc.Pred:
        host = self.x.scope.host(node.host)
        states = self._states((node.state,))
        if node.endpoint.host is not None or node.endpoint.port is None:
            self.mistakes.error(node.endpoint.span, "`ss` is asked for a local port", advice="as in `:80`")
            return BROKEN
        port = self.x.port(node.endpoint.port)
        right, kind = self.x.expr(node.right, Place(), env)
        if kind not in (CONSTANT, COUNT):
            self.mistakes.error(
                node.right.span,
                f"`{node.column}` is a number, this is a {kind}",
            )
        if host is None:
            return BROKEN
        return sc.Ss(host.name, states[0], port, node.column, node.op, right, node.span)

    # ---- segments

    def seg(self, node: ast.Seg, place: Place, env: Env, reply: bool = False) -> sc.SegPattern:
        """A segment's pattern; what stands in its parentheses sees the segment, and `place`."""
        where = None if node.where is None else self._condition(node.where, place, env)
        if node.kind == "FLAGS":
            for flag in node.flags or "":
                if flag not in TCPDUMP_FLAGS:
                    self.mistakes.unknown(
                        node.span, "flag", flag, tuple(TCPDUMP_FLAGS), "flags are written as by tcpdump"
                    )
                elif flag in "EW":
                    self.mistakes.not_yet(node.span, "the ECN flags E and W", "leave them out")
        elif node.kind not in SEGMENT_KINDS:
            self.mistakes.unknown(
                node.span, "segment", node.kind, SEGMENT_KINDS, "or flags as tcpdump prints them: `[F.]`"
            )
        elif node.kind == "NOTHING" and (not reply or where is not None or node.ordinal is not None):
            self.mistakes.error(node.span, "`NOTHING` stands alone, after `replies`", advice="as in `replies NOTHING`")
        if node.ordinal is not None and where is not None:
            self.mistakes.not_yet(node.span, "an ordinal together with a condition", "drop one of them")
        if reply and node.ordinal is not None:
            self.mistakes.error(node.span, "a reply has no ordinal", advice="an ordinal stands after `sends`")
        return sc.SegPattern(node.kind, node.flags, node.ordinal, where, node.span)

    def _condition(self, node: ast.Pred, place: Place, env: Env) -> sc.Pred:
        if isinstance(node, ast.And):
            return sc.And(tuple(self._condition(p, place, env) for p in node.parts))
        if isinstance(node, ast.Or):
            return sc.Or(tuple(self._condition(p, place, env) for p in node.parts))
        if isinstance(node, ast.Not):
            return sc.Not(self._condition(node.of, place, env))
        if isinstance(node, ast.Implies):
            return sc.Implies(self._condition(node.left, place, env), self._condition(node.right, place, env))
        if isinstance(node, ast.Compare):
            return self.x.comparison(node, place, env)
        if isinstance(node, ast.Flag):
            if node.name in SEGMENT_FIELDS and node.name != "tsval":
                self.mistakes.not_yet(node.span, f"asking whether `{node.name}` is present", "compare it with a number")
            if node.name in SEGMENT_FLAGS or node.name in SEGMENT_FIELDS:
                return sc.Flag(node.name, node.span)
            self.mistakes.unknown(node.span, "flag of a segment", node.name, (*SEGMENT_FLAGS, *SEGMENT_FIELDS))
            return BROKEN
        self.mistakes.error(
            node.span,
            "only conditions on the segment stand in its parentheses",
            advice="put the rest after an `and`",
        )
        return BROKEN


def _same(a: Said, b: Said) -> bool:
    """Whether two alternatives said the same, wherever they stand in the text."""
    return a.received == b.received and same_words(a.subject, b.subject)


def same_words(a: sc.Subject | None, b: sc.Subject | None) -> bool:
    """Whether two subjects are written alike: in one claim they are the same socket."""
    if isinstance(a, sc.Named) and isinstance(b, sc.Named):
        return (a.host, a.name, a.index) == (b.host, b.name, b.index)
    if isinstance(a, sc.PortSock) and isinstance(b, sc.PortSock):
        return (a.host, a.port) == (b.host, b.port)
    if isinstance(a, sc.Peer) and isinstance(b, sc.Peer):
        return same_words(a.of, b.of)
    if isinstance(a, sc.HostRef) and isinstance(b, sc.HostRef):
        return a.host == b.host
    return a is None and b is None


def mentions_something(node: ast.Pred) -> bool:
    """Whether a predicate speaks of a socket, a segment, a host, or of everything (`quiet`)."""
    if isinstance(node, (ast.And, ast.Or)):
        return any(mentions_something(p) for p in node.parts)
    if isinstance(node, ast.Implies):
        return mentions_something(node.left) or mentions_something(node.right)
    if isinstance(node, ast.Not):
        return mentions_something(node.of)
    if isinstance(node, ast.Compare):
        return _mentions_socket(node.left) or _mentions_socket(node.right)
    return True


def _mentions_socket(expr: ast.Expr) -> bool:
    if isinstance(expr, ast.Sum):
        return _mentions_socket(expr.first) or any(_mentions_socket(term) for _, term in expr.rest)
    return isinstance(expr, (ast.SockVar, ast.LocalVar, ast.InVar))
