"""The parts of a Scenario that claims and steps are made of: expressions over numbers, sockets, predicates.

See scenario.py, which has all of them and the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.errors import Span

# ---- expressions over numbers ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Const:
    value: int


@dataclass(frozen=True)
class Field:
    """A bare name in a segment's or claim's condition: a field of the segment in hand (seq, ack, len, tsval, tsecr,
    win, mss) or a variable of the subject's socket (rcv_nxt, snd_nxt, snd_una, iss, irs, ts_recent, rcv_wnd,
    snd_wnd)."""

    name: str
    span: Span


@dataclass(frozen=True)
class SockVar:
    sock: SockRef
    name: str
    span: Span


@dataclass(frozen=True)
class InField:
    """`in.seq`: a field of the segment replied to."""

    name: str
    span: Span


@dataclass(frozen=True)
class Unknown:
    """A named choice of the spec used as a number (isn, ts, guess), or a captured segment's field (`syn.seq`)."""

    name: str
    field: str | None
    span: Span


@dataclass(frozen=True)
class Add:
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Sub:
    left: Expr
    right: Expr


Expr = Const | Field | SockVar | InField | Unknown | Add | Sub


# ---- sockets -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Named:
    """`host.name` (index None: each socket the name was bound to, in turn), `host.name[2]` (index 2)."""

    host: str
    name: str
    index: int | None
    span: Span


@dataclass(frozen=True)
class PortSock:
    """`host:port`: each socket with that local port, from request socket on; never the listener."""

    host: str
    port: int
    span: Span


@dataclass(frozen=True)
class Peer:
    """`peer(x)`: each socket at the other end of x's 4-tuple."""

    of: SockRef
    span: Span


@dataclass(frozen=True)
class HostRef:
    """A whole host as the subject: `server receives ...`."""

    host: str
    span: Span


SockRef = Named | PortSock | Peer
Subject = Named | PortSock | Peer | HostRef


# ---- predicates --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SegPattern:
    """`SYN`, `3rd FIN`, `[F.]`, `DATA (old and len > 0)`.

    kind: SYN SYN-ACK FIN RST ACK DATA SEGMENT NOTHING or FLAGS."""

    kind: str
    flags: str | None
    ordinal: int | None
    where: Pred | None
    span: Span


@dataclass(frozen=True)
class And:
    parts: tuple[Pred, ...]


@dataclass(frozen=True)
class Or:
    parts: tuple[Pred, ...]


@dataclass(frozen=True)
class Not:
    of: Pred


@dataclass(frozen=True)
class Implies:
    left: Pred
    right: Pred


@dataclass(frozen=True)
class InState:
    """`s in TIME-WAIT`: before the step. States as `ss` prints them; SYN-RECV covers request sockets too."""

    sock: SockRef
    states: tuple[str, ...]
    span: Span


@dataclass(frozen=True)
class Event:
    """kind: receives sends drops loses. The pattern's condition sees the segment and the subject's variables."""

    subject: Subject
    kind: str
    seg: SegPattern
    span: Span


@dataclass(frozen=True)
class Gets:
    """result: an errno name, `ok`, `EOF`, or a number of bytes as str."""

    subject: Subject
    result: str
    span: Span


@dataclass(frozen=True)
class Takes:
    subject: Subject
    rule: str
    span: Span


@dataclass(frozen=True)
class Replies:
    """What the host emits while handling the segment that the nearest `receives` to its left names."""

    seg: SegPattern
    span: Span


@dataclass(frozen=True)
class Becomes:
    """State after the step. sock None: the subject of the nearest event to its left."""

    sock: SockRef | None
    states: tuple[str, ...]
    span: Span


@dataclass(frozen=True)
class Stays:
    span: Span


@dataclass(frozen=True)
class Accepts:
    span: Span


@dataclass(frozen=True)
class Compare:
    """op: < <= > >= = !=. `modular` when a side is a sequence number or timestamp: then as the kernel's after()."""

    op: str
    left: Expr
    right: Expr
    span: Span
    modular: bool = False


@dataclass(frozen=True)
class Flag:
    """old forged wrapped paws_old quiet, or a bare field name (tsval): present."""

    name: str
    span: Span


@dataclass(frozen=True)
class Absent:
    sock: SockRef
    span: Span


@dataclass(frozen=True)
class TimerIs:
    """kind: timewait persist keepalive on."""

    sock: SockRef
    kind: str
    span: Span


@dataclass(frozen=True)
class Same:
    left: SockRef
    right: SockRef
    span: Span


@dataclass(frozen=True)
class Ss:
    """`host ss CLOSE-WAIT :port rows = 1`: column recv-q, send-q, rows."""

    host: str
    state: str
    port: int
    column: str
    op: str
    right: Expr
    span: Span


Pred = (
    And
    | Or
    | Not
    | Implies
    | InState
    | Event
    | Gets
    | Takes
    | Replies
    | Becomes
    | Stays
    | Accepts
    | Compare
    | Flag
    | Absent
    | TimerIs
    | Same
    | Ss
)
