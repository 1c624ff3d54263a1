"""The parts of the syntax tree that claims and steps are made of: values, expressions, sockets, predicates.

See ast.py, which has all of them and the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tcpcheck.errors import Span


@dataclass(frozen=True)
class Node:
    """What every node has: its place. A node of several lines spans to the end of its first."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Word(Node):
    """A name or another word as written."""

    text: str


# ---- values and choices ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Value(Node):
    """kind: int, time (ns), size (bytes), rate (bit/s), or name. `number` is None for a name."""

    kind: str
    number: int | None
    text: str


@dataclass(frozen=True)
class One(Node):
    """`a` (hi None) or `a..b`."""

    lo: Value
    hi: Value | None


@dataclass(frozen=True)
class Choice(Node):
    """kind: single (one member), family, any (no member). `name` is what the arrow names it."""

    kind: str
    members: tuple[One, ...]
    name: Word | None


# ---- expressions -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number(Node):
    """A literal. kind: int, time (ns), size (bytes)."""

    kind: str
    number: int
    text: str


@dataclass(frozen=True)
class Var(Node):
    name: Word


@dataclass(frozen=True)
class LocalVar(Node):
    """`x.y`: a field of a received segment, or in a program a variable of a socket of that host."""

    owner: Word
    name: Word


@dataclass(frozen=True)
class SockVar(Node):
    sock: Sock
    name: Word


@dataclass(frozen=True)
class InVar(Node):
    name: Word


@dataclass(frozen=True)
class Sum(Node):
    """`first` and then (`+` or `-`, term) for each further one."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


Expr = Number | Var | LocalVar | SockVar | InVar | Sum


# ---- sockets and segments ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class HostRef(Node):
    name: Word


@dataclass(frozen=True)
class Named(Node):
    host: Word
    name: Word
    index: Value | None


@dataclass(frozen=True)
class PortSock(Node):
    host: Word
    port: Value


@dataclass(frozen=True)
class Peer(Node):
    of: Sock


Sock = Named | PortSock | Peer
Subject = HostRef | Named | PortSock | Peer


@dataclass(frozen=True)
class Seg(Node):
    """kind: the word, or FLAGS with `flags` (`[F.]`)."""

    ordinal: int | None
    kind: str
    flags: str | None
    where: Pred | None


@dataclass(frozen=True)
class Endpoint(Node):
    """`host:port`; host None: not given, port None: any."""

    host: Word | None
    port: Value | None


# ---- predicates --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Implies(Node):
    left: Pred
    right: Pred


@dataclass(frozen=True)
class Or(Node):
    parts: tuple[Pred, ...]


@dataclass(frozen=True)
class And(Node):
    parts: tuple[Pred, ...]


@dataclass(frozen=True)
class Not(Node):
    of: Pred


@dataclass(frozen=True)
class Flag(Node):
    name: str


@dataclass(frozen=True)
class Compare(Node):
    left: Expr
    op: str
    right: Expr


@dataclass(frozen=True)
class InState(Node):
    """`x in A|B`, with or without an event after it."""

    subject: Subject
    states: tuple[Word, ...]
    event: Event | None


@dataclass(frozen=True)
class Happens(Node):
    subject: Subject
    event: Event


@dataclass(frozen=True)
class SegEvent(Node):
    """kind: receives sends drops loses."""

    kind: str
    seg: Seg


@dataclass(frozen=True)
class Gets(Node):
    """result: a word (`EOF`, `ok`, an errno) or a size in bytes."""

    result: Word | Value


@dataclass(frozen=True)
class Takes(Node):
    rule: Word


@dataclass(frozen=True)
class Becomes(Node):
    states: tuple[Word, ...]


@dataclass(frozen=True)
class Replies(Node):
    seg: Seg


@dataclass(frozen=True)
class Stays(Node):
    pass


@dataclass(frozen=True)
class Accepts(Node):
    pass


@dataclass(frozen=True)
class Absent(Node):
    subject: Subject


@dataclass(frozen=True)
class Timer(Node):
    subject: Subject
    kind: str


@dataclass(frozen=True)
class Same(Node):
    left: Subject
    right: Sock


@dataclass(frozen=True)
class Ss(Node):
    host: Word
    state: Word
    endpoint: Endpoint
    column: str
    op: str
    right: Expr


@dataclass(frozen=True)
class Nstat(Node):
    host: Word
    counter: Word
    op: str
    right: Expr


Event = SegEvent | Gets | Takes | Becomes
Pred = (
    Implies
    | Or
    | And
    | Not
    | Flag
    | Compare
    | InState
    | Happens
    | Absent
    | Timer
    | Same
    | Ss
    | Nstat
    | Replies
    | Becomes
    | Stays
    | Accepts
)
