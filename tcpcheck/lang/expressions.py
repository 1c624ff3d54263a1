"""Sockets and number expressions of claims and programs -> scenario.py, with the kinds of number checked.

Sequence numbers are compared with sequence numbers, timestamps with timestamps, both modulo 2^32; a difference of
two of a kind is a plain number.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.errors import Span
from tcpcheck.lang import ast
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.choices import COUNT as COUNT_CHOICE
from tcpcheck.lang.choices import SYSCTL, Choices, Env, Interval
from tcpcheck.lang.diagnostics import Mistakes, nearest
from tcpcheck.lang.scope import HostScope, Scope
from tcpcheck.lang.vocabulary import COUNT, SEGMENT_FIELDS, SEQ, SOCKET_VARIABLES, TIME, TS

EPHEMERAL_MIN = 1024  # a port that an autobind may choose
INDEX_MAX = 255
CONSTANT = "constant"  # fits every kind but a time
MODULAR = (SEQ, TS)


@dataclass(frozen=True)
class Place:
    """Where an expression stands. `host`: the program's host; `fields`: a segment's fields may be named bare;
    `variables`: also the subject's variables; `reply`: `in.seq` may be used."""

    host: HostScope | None = None
    fields: bool = False
    variables: bool = False
    reply: bool = False


class Expressions:
    def __init__(self, scope: Scope, choices: Choices, mistakes: Mistakes) -> None:
        self.scope = scope
        self.choices = choices
        self.mistakes = mistakes

    # ---- sockets

    def sock(self, node: ast.Sock | ast.Subject) -> sc.SockRef | None:
        """A socket; None and a mistake if there is none such."""
        if isinstance(node, ast.Peer):
            of = self.sock(node.of)
            return None if of is None else sc.Peer(of, node.span)
        if isinstance(node, ast.HostRef):
            if self.scope.host(node.name) is not None:
                self.mistakes.error(
                    node.span,
                    f"`{node.name.text}` is a host: this is said of a socket",
                    advice=f"name one of its sockets, as in `{self._example(node.name.text)}`",
                )
            return None
        host = self.scope.host(node.host)
        if host is None:
            return None
        if isinstance(node, ast.PortSock):
            return self._port_sock(node, host)
        if not self.known_socket(node.name, host):
            return None
        return sc.Named(host.name, node.name.text, self._index(node, host), node.span)

    def subject(self, node: ast.Subject) -> sc.Subject | None:
        """A socket or a whole host."""
        if isinstance(node, ast.HostRef):
            host = self.scope.host(node.name)
            return None if host is None else sc.HostRef(host.name, node.span)
        return self.sock(node)

    def impossible(self, sock: sc.SockRef, states: tuple[str, ...]) -> str | None:
        """Why a socket is never in any of these states, when its name alone says so; and what may be meant."""
        first = set(states) <= {"LISTEN", "SYN-SENT", "SYN-RECV"}
        if isinstance(sock, sc.PortSock) and set(states) <= {"LISTEN"}:
            return f"`{sock.host}:{sock.port}` is never the listener: name it, `listen :{sock.port} -> NAME`"
        if not isinstance(sock, sc.Named):
            return None
        host = self.scope.hosts[sock.host]
        listens, connects = sock.name in host.listeners, sock.name in host.connected
        if listens and not connects and sock.name not in host.accepted and not set(states) <= {"LISTEN", "CLOSED"}:
            return f"`{sock.name}` is a listener; its connections are `{sock.host}:PORT`, or named by `accept`"
        if not listens and not connects and first:
            ports = sorted(host.ports)
            port = ports[0] if len(ports) == 1 else "PORT"
            return f"`accept` names a connection once it is ESTABLISHED; `{sock.host}:{port}` is one from its SYN on"
        if not listens and set(states) <= {"LISTEN"}:
            return "`connect` makes no listener; name that, `listen :PORT -> NAME`"
        return None

    def _example(self, host: str) -> str:
        names = list(self.scope.hosts[host].bindings)
        return f"{host}.{names[0]}" if names else f"{host}.NAME"

    def known_socket(self, word: ast.Word, host: HostScope) -> bool:
        """Whether some run of the host binds this name."""
        if word.text in host.bindings:
            return True
        bound = list(host.bindings)
        advice = "sockets are named in a run: `accept -> NAME`, `connect ... -> NAME`, `listen ... -> NAME`"
        self.mistakes.error(
            word.span,
            f"no run of `{host.name}` binds a socket `{word.text}`",
            expected=bound,
            near=nearest(word.text, bound),
            advice=advice,
        )
        return False

    def _index(self, node: ast.Named, host: HostScope) -> int | None:
        if node.index is None:
            return None
        index = node.index.number or 0
        most = host.bindings[node.name.text]
        if not 1 <= index <= INDEX_MAX:
            self.mistakes.error(node.index.span, f"sockets are counted from 1 to {INDEX_MAX}", advice="as in `[1]`")
        elif most is not None and index > most:
            self.mistakes.error(
                node.index.span,
                f"`{host.name}.{node.name.text}` is bound at most {most} time{'s' if most != 1 else ''}",
                advice="bind it in a `loop`, or name an earlier one",
            )
        return index

    def port(self, value: ast.Value) -> int:
        number = value.number or 0
        if value.kind != "int" or not 1 <= number <= 65535:
            self.mistakes.error(value.span, f"`{value.text[:20]}` is no port", advice="ports are 1 to 65535")
        return number

    def _port_sock(self, node: ast.PortSock, host: HostScope) -> sc.PortSock:
        port = self.port(node.port)
        if port not in host.ports and not (host.autobinds and port >= EPHEMERAL_MIN):
            used = [str(p) for p in sorted(host.ports)]
            self.mistakes.error(
                node.port.span,
                f"no run of `{host.name}` uses port {port}",
                expected=used,
                near=nearest(str(port), used),
                advice="a local port comes from `listen :PORT` or `connect ... from :PORT`",
            )
        return sc.PortSock(host.name, port, node.span)

    # ---- numbers

    def expr(self, node: ast.Expr, place: Place, env: Env) -> tuple[sc.Expr, str]:
        """(expression, kind). After a mistake the kind is CONSTANT, which fits everywhere."""
        if isinstance(node, ast.Number):
            return sc.Const(node.number), TIME if node.kind == "time" else CONSTANT if node.kind == "int" else COUNT
        if isinstance(node, ast.Sum):
            return self._sum(node, place, env)
        if isinstance(node, ast.Var):
            return self._var(node.name, place, env)
        if isinstance(node, ast.InVar):
            if not place.reply:
                advice = "it stands in a reply: `replies RST (seq = in.ack)`"
                self.mistakes.error(node.span, "`in` is the segment replied to", advice=advice)
            if node.name.text not in SEGMENT_FIELDS:
                self.mistakes.unknown(node.name.span, "field", node.name.text, SEGMENT_FIELDS)
            self._window_scale(node.name)
            return sc.InField(node.name.text, node.span), SEGMENT_FIELDS.get(node.name.text, CONSTANT)
        if isinstance(node, ast.SockVar):
            return self._variable(self.sock(node.sock), node.name, node.span)
        return self._local(node, place)

    def _variable(self, sock: sc.SockRef | None, name: ast.Word, span: Span) -> tuple[sc.Expr, str]:
        if name.text not in SOCKET_VARIABLES:
            self.mistakes.unknown(name.span, "variable of a socket", name.text, SOCKET_VARIABLES)
        self._window_scale(name)
        if sock is None:
            return sc.Const(0), CONSTANT
        return sc.SockVar(sock, name.text, span), SOCKET_VARIABLES.get(name.text, CONSTANT)

    def _local(self, node: ast.LocalVar, place: Place) -> tuple[sc.Expr, str]:
        """`x.y`: in a program, a variable of that host's socket."""
        if place.host is not None and node.owner.text in place.host.caught:
            name = node.name.text
            if name not in SEGMENT_FIELDS:
                self.mistakes.unknown(node.name.span, "field", name, SEGMENT_FIELDS)
            self._window_scale(node.name)
            return sc.Unknown(node.owner.text, name, node.span), SEGMENT_FIELDS.get(name, CONSTANT)
        if place.host is not None and node.owner.text not in self.scope.hosts:
            if not self.known_socket(node.owner, place.host):
                return sc.Const(0), CONSTANT
            return self._variable(
                sc.Named(place.host.name, node.owner.text, None, node.owner.span), node.name, node.span
            )
        if self.scope.host(node.owner) is not None:
            self.mistakes.error(
                node.span,
                "a socket is no number",
                advice=f"name one of its variables, as in `{node.owner.text}.{node.name.text}.rcv_nxt`",
            )
        return sc.Const(0), CONSTANT

    def _var(self, word: ast.Word, place: Place, env: Env) -> tuple[sc.Expr, str]:
        """A bare name: a choice's, a field of the segment in hand, or a variable of the subject."""
        name, span = word.text, word.span
        index = self.choices.by_name(name)
        if index is not None:
            family = self.choices.families[index]
            member = family.members[env.pick(index)]
            if isinstance(member, Interval) and member.lo == member.hi:
                kind = TIME if family.kind == "time" else CONSTANT if family.kind in (COUNT_CHOICE, SYSCTL) else COUNT
                return sc.Const(member.lo), kind
            self.mistakes.error(span, f"`{name}` is no number", advice="only plain numbers can be compared")
            return sc.Const(0), CONSTANT
        searched = self.choices.searched.get(name)
        if searched is not None:
            if searched.kind == "time":
                self.mistakes.not_yet(span, "a time that is searched, in a comparison", "make it a family `{a, b}`")
            return sc.Unknown(name, None, span), {"seq": SEQ, "tsval": TS}.get(searched.kind, COUNT)
        known = (SEGMENT_FIELDS if place.fields else {}) | (SOCKET_VARIABLES if place.variables else {})
        if name in known:
            self._window_scale(word)
            return sc.Field(name, span), known[name]
        self._unknown_var(word, known, place)
        return sc.Const(0), CONSTANT

    def _window_scale(self, word: ast.Word) -> None:
        if word.text == "wscale":
            self.mistakes.not_yet(word.span, "`wscale`", "drop the condition")

    def _unknown_var(self, word: ast.Word, known: dict[str, str], place: Place) -> None:
        name = word.text
        if name in SOCKET_VARIABLES or name in SEGMENT_FIELDS:
            what = "variable" if name in SOCKET_VARIABLES else "field"
            advice = (
                f"say whose: `host.socket.{name}`"
                if name in SOCKET_VARIABLES
                else f"fields stand in the parentheses of a segment: `receives SYN ({name} ...)`"
            )
            self.mistakes.error(word.span, f"the {what} `{name}` of what?", advice=advice)
            return
        valid = [*known, *(f.name for f in self.choices.families if f.name), *self.choices.searched]
        advice = "a name is a field, a variable (`host.socket.rcv_nxt`) or a named choice (`-> name`)"
        self.mistakes.error(
            word.span, f"unknown name `{name}`", expected=valid, near=nearest(name, valid), advice=advice
        )

    def _sum(self, node: ast.Sum, place: Place, env: Env) -> tuple[sc.Expr, str]:
        left, kind = self.expr(node.first, place, env)
        for sign, term in node.rest:
            right, right_kind = self.expr(term, place, env)
            kind = self._sum_kind(node.span, kind, sign, right_kind)
            left = sc.Add(left, right) if sign == "+" else sc.Sub(left, right)
            if isinstance(left.left, sc.Const) and isinstance(left.right, sc.Const):
                value = left.left.value + (left.right.value if sign == "+" else -left.right.value)
                left = sc.Const(value)
        return left, kind

    def _sum_kind(self, span: Span, left: str, sign: str, right: str) -> str:
        """What `left sign right` is; mistakes are said."""
        plain = (CONSTANT, COUNT)
        if left in plain and right in plain:
            return CONSTANT if left == right == CONSTANT else COUNT
        if left in MODULAR and right in plain:
            return left
        if left in plain and right in MODULAR and sign == "+":
            return right
        if left == right and sign == "-" and left in MODULAR:
            return COUNT
        if left == right == TIME:
            return TIME
        verb = "added to" if sign == "+" else "subtracted from"
        self.mistakes.error(
            span,
            f"a {right} cannot be {verb} a {left}",
            advice="sums are number + number; differences are of a kind",
        )
        return CONSTANT

    def comparison(self, node: ast.Compare, place: Place, env: Env) -> sc.Compare:
        left, left_kind = self.expr(node.left, place, env)
        right, right_kind = self.expr(node.right, place, env)
        kinds = {left_kind, right_kind} - {CONSTANT}
        if TIME in (left_kind, right_kind) and left_kind != right_kind:
            self.mistakes.error(node.span, "a time is compared with a number", advice="give both a unit, or neither")
        elif len(kinds) > 1:
            a, b = sorted(kinds)
            self.mistakes.error(node.span, f"a {a} is compared with a {b}", advice="compare what is of one kind")
        elif isinstance(left, sc.Const) and isinstance(right, sc.Const) and not self._has_name(node):
            self.mistakes.error(node.span, "two constants are compared", advice="name a field or a variable")
        modular = left_kind in MODULAR or right_kind in MODULAR
        if modular and TIME not in (left_kind, right_kind):
            for side in (left, right):
                if isinstance(side, sc.Const) and not -(2**32) < side.value < 2**32:
                    self.mistakes.error(node.span, "the number does not fit in 32 bits", advice="at most 2^32 - 1")
        return sc.Compare(node.op, left, right, node.span, modular)

    @staticmethod
    def _has_name(node: ast.Compare) -> bool:
        """Whether a family's name stands in it: constant in each member, but not in the spec."""

        def named(expr: ast.Expr) -> bool:
            if isinstance(expr, ast.Sum):
                return named(expr.first) or any(named(term) for _, term in expr.rest)
            return not isinstance(expr, ast.Number)

        return named(node.left) or named(node.right)
