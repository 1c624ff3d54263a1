"""The syntax tree: one frozen dataclass for each rule of grammar.lark, named like it.

Nothing is resolved here: names are words with their place, states are in `ss` spelling when they are known states,
numbers are in base units (ns, bytes, bits per second). Two trees are equal when they mean the same text; spans do
not count.
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


# ---- programs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AnyField(Node):
    """`seq any -> name`."""

    field: Word
    name: Word | None


@dataclass(frozen=True)
class SetField(Node):
    field: Word
    expr: Expr


Field = AnyField | SetField


@dataclass(frozen=True)
class Listen(Node):
    at: Endpoint
    name: Word | None
    backlog: Choice | None


@dataclass(frozen=True)
class Accept(Node):
    name: Word


@dataclass(frozen=True)
class Connect(Node):
    to: Endpoint
    source: Endpoint | None
    fields: tuple[Field, ...]
    name: Word | None


@dataclass(frozen=True)
class Send(Node):
    sock: Word
    size: Choice
    rate: Value | None


@dataclass(frozen=True)
class Recv(Node):
    """size None and not until_eof: whatever one call returns."""

    sock: Word
    size: Choice | None
    until_eof: bool


@dataclass(frozen=True)
class Call(Node):
    """A call that may fail, and what to do then (None: the run ends)."""

    call: Listen | Accept | Connect | Send | Recv
    orelse: tuple[Step, ...] | None


@dataclass(frozen=True)
class Close(Node):
    sock: Word


@dataclass(frozen=True)
class Abort(Node):
    sock: Word


@dataclass(frozen=True)
class Shutdown(Node):
    sock: Word
    way: str


@dataclass(frozen=True)
class Setsockopt(Node):
    sock: Word
    option: Word
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Sleep(Node):
    time: Choice


@dataclass(frozen=True)
class Await(Node):
    pred: Pred


@dataclass(frozen=True)
class Loop(Node):
    count: Value | None
    body: tuple[Step, ...]


@dataclass(frozen=True)
class Either(Node):
    bodies: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True)
class Exit(Node):
    pass


@dataclass(frozen=True)
class Stop(Node):
    pass


@dataclass(frozen=True)
class Crash(Node):
    pass


@dataclass(frozen=True)
class Boot(Node):
    pass


@dataclass(frozen=True)
class Inject(Node):
    seg: Seg
    source: Endpoint | None
    to: Endpoint
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Receive(Node):
    seg: Seg
    name: Word


@dataclass(frozen=True)
class Sysctl(Node):
    """`sysctl [-w] name = choice`; `second` is the second number of a pair."""

    name: Word
    choice: Choice
    second: Value | None


@dataclass(frozen=True)
class Iptables(Node):
    """The line as written, blanks folded."""

    line: str


Step = (
    Call
    | Close
    | Abort
    | Shutdown
    | Setsockopt
    | Sleep
    | Await
    | Loop
    | Either
    | Exit
    | Stop
    | Crash
    | Boot
    | Inject
    | Receive
    | Sysctl
    | Iptables
)


# ---- hosts and the rest ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Feature(Node):
    way: str  # with without
    name: Word


@dataclass(frozen=True)
class Kern(Node):
    """`linux 6.18.44`, `rfc9293 without rfc5961`."""

    name: Word
    features: tuple[Feature, ...]


@dataclass(frozen=True)
class Kernel(Node):
    """family False: one member."""

    members: tuple[Kern, ...]
    family: bool
    name: Word | None


@dataclass(frozen=True)
class Address(Node):
    address: Word


@dataclass(frozen=True)
class Mss(Node):
    size: Choice


@dataclass(frozen=True)
class Run(Node):
    name: Word | None
    body: tuple[Step, ...]


HostItem = Kernel | Address | Mss | Run | Sysctl | Iptables


@dataclass(frozen=True)
class Title(Node):
    text: str


@dataclass(frozen=True)
class Horizon(Node):
    time: Value


@dataclass(frozen=True)
class TimeOff(Node):
    pass


@dataclass(frozen=True)
class Host(Node):
    name: Word
    items: tuple[HostItem, ...]


@dataclass(frozen=True)
class Attacker(Node):
    name: Word | None
    body: tuple[Step, ...]


@dataclass(frozen=True)
class Router(Node):
    name: Word
    inside: tuple[Word, ...]
    outside: tuple[Word, ...]
    lines: tuple[Iptables, ...]


@dataclass(frozen=True)
class Delay(Node):
    time: Choice


@dataclass(frozen=True)
class Lifetime(Node):
    time: Choice


@dataclass(frozen=True)
class Fifo(Node):
    pass


@dataclass(frozen=True)
class Fault(Node):
    """kind: lose duplicate late. source/to: host names or None."""

    kind: str
    budget: Choice
    seg: Seg | None
    source: Word | None
    to: Word | None


@dataclass(frozen=True)
class Rewrite(Node):
    seg: Seg
    source: Word | None
    to: Word | None
    field: Word
    shift: str
    by: Expr


NetItem = Delay | Lifetime | Fifo | Fault | Rewrite


@dataclass(frozen=True)
class Network(Node):
    items: tuple[NetItem, ...]


@dataclass(frozen=True)
class Setting(Node):
    """`rfc1337 = 1`: `name` is a choice's name or `host.sysctl`."""

    name: Word
    value: Kern | One


@dataclass(frozen=True)
class Outcome(Node):
    """A word, or for a count lo..hi (both None: a word)."""

    word: str | None
    lo: int | None
    hi: int | None


@dataclass(frozen=True)
class Case(Node):
    """when empty: always (also `else`)."""

    outcome: Outcome
    when: tuple[Setting, ...]
    is_else: bool


@dataclass(frozen=True)
class Claim(Node):
    """kind: never always reach eventually after count. `goal` is after's second predicate."""

    kind: str
    name: Word | None
    pred: Pred
    goal: Pred | None
    over: Expr | None
    within: One | None
    cases: tuple[Case, ...]


Top = Title | Horizon | TimeOff | Host | Attacker | Router | Network | Claim


@dataclass(frozen=True)
class Spec(Node):
    """A whole file."""

    items: tuple[Top, ...]
