"""`inject` and `receive`: the steps of attackers and of hosts without TCP -> scenario.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tcpcheck.lang import ast
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.choices import Env
from tcpcheck.lang.diagnostics import nearest
from tcpcheck.lang.expressions import CONSTANT, Place
from tcpcheck.lang.scope import HostScope
from tcpcheck.lang.vocabulary import FIELDS_OF_INJECT, SEGMENT_FIELDS

if TYPE_CHECKING:
    from tcpcheck.lang.programs import Bound, Programs

# The flags of the segments that have a name, and how many bytes they carry if nothing is said.
_FLAGS = {"SYN": "S", "SYN-ACK": "S.", "FIN": "F.", "RST": "R", "ACK": ".", "DATA": "P."}
_PLAIN = {"len": (0, 65535), "win": (0, 2**30), "mss": (1, 65535)}
MSS_DEFAULT, WINDOW_DEFAULT = 1460, 65535


class Injecting:
    """The steps of one run. sock: says what is wrong with a socket's name in an expression."""

    def __init__(self, programs: Programs, host: HostScope, sock: Callable[[ast.Word, Bound], str]) -> None:
        self.p = programs
        self.mistakes = programs.mistakes
        self.host = host
        self.sock = sock

    # ---- receive

    def receive(self, node: ast.Receive, bound: Bound, env: Env) -> sc.Receive:
        if node.name.text in self.host.bindings or node.name.text in self.p.scope.hosts:
            self.mistakes.error(node.name.span, f"`{node.name.text}` is a name already", advice="choose another")
        if node.seg.ordinal is not None:
            self.mistakes.not_yet(node.seg.span, "an ordinal in `receive`", "write several, one after the other")
        seg = self.p.predicates.seg(node.seg, Place(host=self.host, fields=True), env)
        bound.names.add(node.name.text)
        return sc.Receive(seg, node.name.text, node.span)

    # ---- inject

    def inject(self, node: ast.Inject, bound: Bound, env: Env) -> sc.Inject | None:
        flags = self._flags(node.seg)
        source, to = self._end(node.source, node), self._end(node.to, node)
        fields: dict[str, Any] = {}
        for item in node.fields:
            self._field(item, fields, bound, env)
        if flags is None or source is None or to is None:
            return None
        if node.seg.kind == "RST" and "ack" in fields:
            flags = "R."
        self._needed(node, flags, fields)
        return sc.Inject(
            flags,
            *source,
            *to,
            fields.get("seq"),
            fields.get("ack"),
            fields.get("tsval"),
            fields.get("tsecr"),
            fields.get("len", int(node.seg.kind == "DATA")),
            fields.get("win", WINDOW_DEFAULT),
            fields.get("mss", MSS_DEFAULT),
            self._spelled(node),
            node.span,
        )

    def _flags(self, seg: ast.Seg) -> str | None:
        if seg.kind == "FLAGS":
            known = len(self.mistakes.errors)
            self.p.predicates.seg(seg, Place(), Env(()))
            return (seg.flags or "") if len(self.mistakes.errors) == known else None
        if seg.kind not in _FLAGS:
            advice = "or flags as tcpdump prints them: `[F.]`"
            self.mistakes.unknown(seg.span, "segment to inject", seg.kind, tuple(_FLAGS), advice)
            return None
        return _FLAGS[seg.kind]

    def _end(self, end: ast.Endpoint | None, node: ast.Inject) -> tuple[str, int] | None:
        if end is None:
            self.mistakes.error(node.span, "from whom does it seem to come?", advice="as in `from client:12345`")
            return None
        name = self.host.name
        if end.host is not None:
            found = self.p.scope.host(end.host)
            if found is None:
                return None
            name = found.name
        elif end is node.to:
            self.mistakes.error(end.span, "inject to which host?", expected=self.p.scope.hosts, advice="as in `h:80`")
            return None
        if end.port is None:
            self.mistakes.not_yet(end.span, "`any` port of an injected segment", "name the port")
            return None
        return name, self.p.x.port(end.port)

    def _field(self, item: ast.Field, fields: dict[str, Any], bound: Bound, env: Env) -> None:
        name = item.field.text
        if name not in FIELDS_OF_INJECT:
            self.mistakes.unknown(item.field.span, "field of inject", name, FIELDS_OF_INJECT)
            return
        if name in fields:
            self.mistakes.error(item.field.span, f"`{name}` is given twice", advice="remove one")
        if isinstance(item, ast.AnyField):
            if name in _PLAIN:
                self.mistakes.error(item.span, f"`{name}` is one number", advice=f"as in `{name} = 10`")
            fields[name] = sc.Any32(item.name.text if item.name else None)
            return
        expr, kind = self.p.x.expr(item.expr, Place(host=self.host), env)
        for used in local_sockets(item.expr):
            if used.text in self.host.caught:
                self._caught(used, bound)
            else:
                self.sock(used, bound)
        if name in _PLAIN:
            fields[name] = self._plain(item, name, expr)
            return
        if kind not in (CONSTANT, SEGMENT_FIELDS[name]):
            message = f"`{name}` is a {SEGMENT_FIELDS[name]}, this is a {kind}"
            self.mistakes.error(item.expr.span, message, advice="as in `server.c.rcv_nxt + 1`")
        fields[name] = sc.Const(expr.value % 2**32) if isinstance(expr, sc.Const) else expr

    def _caught(self, word: ast.Word, bound: Bound) -> None:
        if word.text not in bound.names:
            known = sorted(bound.names)
            advice = f"put `receive ... -> {word.text}` before this step"
            near = nearest(word.text, known)
            message = f"`{word.text}` has not been received yet"
            self.mistakes.error(word.span, message, expected=known, near=near, advice=advice)

    def _plain(self, item: ast.SetField, name: str, expr: sc.Expr) -> int:
        lo, hi = _PLAIN[name]
        if not isinstance(expr, sc.Const):
            self.mistakes.error(item.expr.span, f"`{name}` is one number", advice=f"as in `{name} = 10`")
            return lo
        if not lo <= expr.value <= hi:
            self.mistakes.error(item.expr.span, f"`{name}` is from {lo} to {hi}", advice="choose another")
        return expr.value

    def _needed(self, node: ast.Inject, flags: str, fields: dict[str, Any]) -> None:
        """What a segment of these flags must say, and what it cannot."""
        advice = "give it as in `(seq any -> guess)` or `(seq = server.c.rcv_nxt)`"
        if "seq" not in fields:
            self.mistakes.error(node.span, "an injected segment has a sequence number", advice=advice)
        if "." in flags and "ack" not in fields:
            self.mistakes.error(
                node.span,
                "a segment with the ACK flag has an acknowledgment number",
                advice=advice.replace("seq", "ack"),
            )
        if "." not in flags and "ack" in fields:
            self.mistakes.error(node.span, "`ack` counts only with the ACK flag", advice="remove it, or inject `[S.]`")
        if "tsecr" in fields and "tsval" not in fields:
            self.mistakes.error(node.span, "`tsecr` without `tsval`", advice="a timestamp option has both")
        if "mss" in fields and "S" not in flags:
            self.mistakes.error(node.span, "only a SYN carries `mss`", advice="remove it")

    def _spelled(self, node: ast.Inject) -> str:
        """The step in one line, as the spec has it."""
        words = [f"inject {node.seg.kind if node.seg.kind != 'FLAGS' else f'[{node.seg.flags}]'}"]
        words += [] if node.source is None else ["from " + self._text(node.source)]
        words.append("to " + self._text(node.to))
        if node.fields:
            words.append("(" + ", ".join(self._text(f) for f in node.fields) + ")")
        return " ".join(words)

    def _text(self, node: ast.Node) -> str:
        line = self.mistakes.source.split("\n")[node.span.line - 1]
        return " ".join(line[node.span.column - 1 : node.span.end_column - 1].split())


def local_sockets(expr: ast.Expr) -> list[ast.Word]:
    """The sockets of the program's own host that an expression names: `s1` in `s1.snd_nxt + 1`."""
    if isinstance(expr, ast.Sum):
        return local_sockets(expr.first) + [w for _, term in expr.rest for w in local_sockets(term)]
    return [expr.owner] if isinstance(expr, ast.LocalVar) else []
