# ruff: noqa: F403, F405
"""The syntax tree: one frozen dataclass for each rule of grammar.lark, named like it.

Nothing is resolved here: names are words with their place, states are in `ss` spelling when they are known states,
numbers are in base units (ns, bytes, bits per second). Two trees are equal when they mean the same text; spans do
not count.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.lang.ast_terms import *

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
    rate: Choice | None


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
    value: Choice
    second: Value | None


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
    items: tuple[HostItem, ...]


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
    over2: Expr | None = None


Top = Title | Horizon | TimeOff | Host | Attacker | Router | Network | Claim


@dataclass(frozen=True)
class Spec(Node):
    """A whole file."""

    items: tuple[Top, ...]
