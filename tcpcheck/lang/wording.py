"""Predicates in the words of a spec, for tables that speak of a part of a claim."""

from __future__ import annotations

from tcpcheck.lang import scenario as sc


def sock_words(s: sc.Subject) -> str:
    """`server.c[2]`, `server:80`, `peer(client.s)`, `server`."""
    if isinstance(s, sc.Named):
        return f"{s.host}.{s.name}" + (f"[{s.index}]" if s.index is not None else "")
    if isinstance(s, sc.PortSock):
        return f"{s.host}:{s.port}"
    return f"peer({sock_words(s.of)})" if isinstance(s, sc.Peer) else s.host


def expr_words(e: sc.Expr) -> str:
    if isinstance(e, sc.Const):
        return str(e.value)
    if isinstance(e, sc.Field):
        return e.name
    if isinstance(e, sc.SockVar):
        return f"{sock_words(e.sock)}.{e.name}"
    if isinstance(e, sc.InField):
        return f"in.{e.name}"
    if isinstance(e, sc.Unknown):
        return e.name + (f".{e.field}" if e.field else "")
    return f"{expr_words(e.left)} {'+' if isinstance(e, sc.Add) else '-'} {expr_words(e.right)}"


def segment_words(p: sc.SegPattern) -> str:
    """`3rd FIN`, `SYN (seq > rcv_nxt)`."""
    ordinal = f"{nth(p.ordinal)} " if p.ordinal is not None else ""
    where = f" ({pred_words(p.where)})" if p.where is not None else ""
    kind = f"[{(p.flags or '').strip('[]')}]" if p.kind == "FLAGS" else p.kind
    return ordinal + kind + where


def nth(n: int) -> str:
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def pred_words(p: sc.Pred) -> str:
    """The predicate as a spec could have it, on one line."""
    if isinstance(p, sc.And):
        return _joined(p.parts)
    if isinstance(p, sc.Or):
        return " or ".join(_grouped(q, (sc.And, sc.Implies)) for q in p.parts)
    if isinstance(p, sc.Not):
        return f"not {_grouped(p.of, (sc.And, sc.Or, sc.Implies))}"
    if isinstance(p, sc.Implies):
        return f"{_grouped(p.left, (sc.Implies,))} implies {_grouped(p.right, (sc.Implies,))}"
    return _atom(p)


def _joined(parts: tuple[sc.Pred, ...]) -> str:
    """`s in TIME-WAIT receives SYN and replies ACK`: a state and the event after it share their subject."""
    out = ""
    last: sc.SockRef | None = None
    for q in parts:
        words = _grouped(q, (sc.Or, sc.Implies))
        if (
            isinstance(q, sc.Event | sc.Gets | sc.Takes)
            and last is not None
            and sock_words(q.subject) == sock_words(last)
        ):
            out += words[len(sock_words(last)) :]
        else:
            out += f" and {words}" if out else words
        last = q.sock if isinstance(q, sc.InState) else None
    return out or "true"


def _grouped(p: sc.Pred, kinds: tuple[type, ...]) -> str:
    return f"({pred_words(p)})" if isinstance(p, kinds) else pred_words(p)


def _atom(p: sc.Pred) -> str:
    if isinstance(p, sc.InState):
        return f"{sock_words(p.sock)} in {'|'.join(p.states)}"
    if isinstance(p, sc.Event):
        return f"{sock_words(p.subject)} {p.kind} {segment_words(p.seg)}"
    if isinstance(p, sc.Gets):
        return f"{sock_words(p.subject)} gets {p.result}{'B' if p.result.isdigit() else ''}"
    if isinstance(p, sc.Takes):
        return f"{sock_words(p.subject)} takes {p.rule}"
    if isinstance(p, sc.Replies):
        return f"replies {segment_words(p.seg)}"
    if isinstance(p, sc.Becomes):
        return (f"{sock_words(p.sock)} " if p.sock is not None else "") + f"becomes {'|'.join(p.states)}"
    if isinstance(p, sc.Stays):
        return "stays"
    if isinstance(p, sc.Accepts):
        return "accepts"
    if isinstance(p, sc.Compare):
        return f"{expr_words(p.left)} {p.op} {expr_words(p.right)}"
    return _condition(p)


def _condition(p: sc.Pred) -> str:
    if isinstance(p, sc.Flag):
        return p.name
    if isinstance(p, sc.Absent):
        return f"{sock_words(p.sock)} absent"
    if isinstance(p, sc.TimerIs):
        return f"{sock_words(p.sock)} timer {p.kind}"
    if isinstance(p, sc.Same):
        return f"{sock_words(p.left)} is {sock_words(p.right)}"
    assert isinstance(p, sc.Ss)
    return f"{p.host} ss {p.state} :{p.port} {p.column} {p.op} {expr_words(p.right)}"
