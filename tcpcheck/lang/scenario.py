# ruff: noqa: F403, F405
"""What a spec means once it is checked: names resolved, units in nanoseconds and bytes, families expanded.

`lang` produces it, `model` runs it; neither knows more of the other. A Scenario holds one Case for each member of
the product of the spec's families; every value in a Case is fixed but for what the search ranges over
(`Range`, `ANY`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tcpcheck.errors import Diagnostic
from tcpcheck.errors import Span as Span
from tcpcheck.lang.scenario_terms import *

NANOSECOND = 1
MILLISECOND = 1_000_000
SECOND = 1_000_000_000


# ---- programs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """Any whole number from lo to hi (ns for times); `name` is the choice's name or None."""

    lo: int
    hi: int
    name: str | None = None


@dataclass(frozen=True)
class Any32:
    """`any`: any 32-bit value."""

    name: str | None = None


@dataclass(frozen=True)
class Listen:
    port: int
    name: str | None
    backlog: int
    span: Span


@dataclass(frozen=True)
class Accept:
    name: str
    orelse: tuple[Step, ...] | None
    span: Span


@dataclass(frozen=True)
class Connect:
    """host/port: where to; lport None: autobind. seq/tsval None: the kernel's own."""

    host: str
    port: int
    lport: int | None
    seq: Any32 | Expr | None
    tsval: Any32 | Expr | None
    name: str | None
    orelse: tuple[Step, ...] | None
    span: Span

    @property
    def text(self) -> str:
        """As traces have it: without the numbers."""
        source = f" from :{self.lport}" if self.lport else ""
        return f"connect {self.host}:{self.port}{source}" + (f" -> {self.name}" if self.name else "")


@dataclass(frozen=True)
class Send:
    """rate in bit/s: a bulk transfer, whose own segments are not followed; None: an ordinary send()."""

    sock: str
    nbytes: int
    orelse: tuple[Step, ...] | None
    span: Span
    rate: int | None = None


@dataclass(frozen=True)
class Recv:
    """One of: nbytes (exactly that many), until_eof, or neither (whatever one call returns)."""

    sock: str
    nbytes: int | None
    until_eof: bool
    orelse: tuple[Step, ...] | None
    span: Span


@dataclass(frozen=True)
class Shutdown:
    sock: str
    way: str  # write read both
    span: Span


@dataclass(frozen=True)
class Close:
    sock: str
    span: Span


@dataclass(frozen=True)
class Abort:
    sock: str
    span: Span


@dataclass(frozen=True)
class Sleep:
    time: Range
    span: Span


@dataclass(frozen=True)
class Await:
    pred: Pred
    span: Span


@dataclass(frozen=True)
class Exit:
    span: Span


@dataclass(frozen=True)
class Stop:
    span: Span


@dataclass(frozen=True)
class Loop:
    """count None: for ever."""

    count: int | None
    body: tuple[Step, ...]
    span: Span


@dataclass(frozen=True)
class Either:
    bodies: tuple[tuple[Step, ...], ...]
    span: Span


@dataclass(frozen=True)
class SetSysctl:
    name: str
    value: int
    span: Span


@dataclass(frozen=True)
class Setsockopt:
    """option: a name of lang/sockopts.py; value in the option's own unit."""

    sock: str
    option: str
    value: int
    span: Span


@dataclass(frozen=True)
class FirewallRule:
    """One iptables rule of the filter table: chain INPUT, OUTPUT or (a router's) FORWARD, target DROP. None matches
    anything. src/dst are host names. invalid: only what connection tracking calls INVALID."""

    chain: str
    src: str | None
    dst: str | None
    sport: int | None
    dport: int | None
    flags_mask: int | None  # --tcp-flags MASK COMP, as header bits FIN=1 SYN=2 RST=4 PSH=8 ACK=16 URG=32
    flags_set: int | None
    text: str  # canonical, without -A/-D
    invalid: bool = False


@dataclass(frozen=True)
class NatRule:
    """One rule of a router's nat table, for the first segment of a connection. chain: PREROUTING or POSTROUTING;
    target: SNAT (MASQUERADE too), DNAT or ACCEPT. to: the host whose address it becomes; ports: to choose from."""

    chain: str
    src: str | None
    dst: str | None
    sport: int | None
    dport: int | None
    target: str
    to: str | None
    ports: tuple[int, int] | None
    random: bool
    text: str  # canonical, as after `iptables -t nat -A`


@dataclass(frozen=True)
class Iptables:
    """`-A` / `-I` switch the rule on, `-D` switches it off."""

    on: bool
    rule: FirewallRule
    span: Span


@dataclass(frozen=True)
class Inject:
    """A segment made up by an attacker or by a host without TCP, put on the network as if `src`:`sport` had sent it.

    flags: letters as tcpdump prints them. seq, tsval, tsecr None: 0, or no timestamp; ack None: no ACK flag."""

    flags: str
    src: str
    sport: int
    dst: str
    dport: int
    seq: Any32 | Expr | None
    ack: Any32 | Expr | None
    tsval: Any32 | Expr | None
    tsecr: Any32 | Expr | None
    length: int
    window: int
    mss: int
    text: str  # as the spec spells it
    span: Span


@dataclass(frozen=True)
class Receive:
    """A host without TCP waits for a segment; `NAME.seq` is a field of it from then on."""

    seg: SegPattern
    name: str
    span: Span


@dataclass(frozen=True)
class Crash:
    """Power off: the host forgets its sockets, its other runs end, and it neither sends nor takes anything."""

    span: Span


@dataclass(frozen=True)
class Boot:
    """Power on: sysctls and firewall are as the spec has them at the start."""

    span: Span


Step = (
    Listen
    | Accept
    | Connect
    | Send
    | Recv
    | Shutdown
    | Close
    | Abort
    | Sleep
    | Await
    | Exit
    | Stop
    | Loop
    | Either
    | SetSysctl
    | Setsockopt
    | Iptables
    | Inject
    | Receive
    | Crash
    | Boot
)


@dataclass(frozen=True)
class Run:
    """A program; the runs of a host are concurrent."""

    name: str
    body: tuple[Step, ...]


@dataclass(frozen=True)
class Host:
    """kernel: a profile's canonical name (`linux-6.18.44`), or `none`: no TCP, an attacker or a peer whose run answers.
    sysctls: full names to ints, only those the spec sets."""

    name: str
    kernel: str
    features_with: tuple[str, ...]
    features_without: tuple[str, ...]
    address: str
    mss: int | None
    sysctls: dict[str, int]
    firewall: tuple[FirewallRule, ...]
    runs: tuple[Run, ...]


# ---- the network -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """`lose 0..1 FIN from server to client`: at most `budget` segments that match."""

    kind: str  # lose duplicate late
    budget: int
    seg: SegPattern | None
    src: str | None
    dst: str | None


@dataclass(frozen=True)
class Rewrite:
    """`rewrite DATA from a to b with seq += 1000`: a middlebox adds `by` to a field (seq, ack, tsval, tsecr) of each
    segment that matches, on its way."""

    seg: SegPattern
    src: str | None
    dst: str | None
    field: str
    by: int


@dataclass(frozen=True)
class Router:
    """The host that every segment between the two sides goes through, with connection tracking and a nat table.
    sysctls: of connection tracking, by their full names; only those the spec sets."""

    host: str
    inside: tuple[str, ...]
    outside: tuple[str, ...]
    nat: tuple[NatRule, ...]
    sysctls: dict[str, int]


@dataclass(frozen=True)
class Network:
    delay_lo: int = 0  # ns; the model adds its positive minimum
    delay_hi: int = 0
    lifetime: int | None = None  # ns, for duplicates and late segments; None: no such fault
    fifo: bool = False
    faults: tuple[Fault, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()


# ---- claims ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """kind: never always reach eventually after count.

    never/always/reach: `pred`. eventually: `goal`. after: `pred` is P, `goal` is Q. within: (lo, hi) in ns or None.
    count: `pred` over `over` (a named unknown, or a difference of two numbers such as `client.s2.iss - client.s1.iss`),
    or over the pairs of it and `over2` (two named unknowns).
    expected: holds violated reachable unreachable vacuous, or for count the range it must lie in.
    Never written in a spec: map (which values of `over` lead to `pred`), moment (a segment is received: which values
    lead to which reply and state), and after and eventually with `over` (which are in time, too early, too late).
    """

    name: str
    kind: str
    pred: Pred | None
    goal: Pred | None
    within: tuple[int, int] | None
    over: Expr | None
    expected: str | None
    expected_count: tuple[int, int] | None
    span: Span
    over2: Expr | None = None


@dataclass(frozen=True)
class Case:
    """One member of the families. settings: what distinguishes it, e.g. {"server.net.ipv4.tcp_timestamps": 1}."""

    settings: dict[str, int | str]
    hosts: tuple[Host, ...]
    network: Network
    claims: tuple[Claim, ...]
    horizon: int | None  # ns
    timed: bool
    chosen: dict[str, int | str] = field(default_factory=dict)  # families by the name after `->`
    router: Router | None = None
    file: str = field(default="", compare=False)  # and the spec's text: for what is found wrong later
    source: str = field(default="", compare=False)

    @property
    def with_tcp(self) -> tuple[str, ...]:
        """The hosts whose TCP the spec is about: not those without one, and not the router."""
        router = self.router.host if self.router is not None else None
        return tuple(h.name for h in self.hosts if h.kernel != "none" and h.name != router)


@dataclass(frozen=True)
class Scenario:
    file: str
    title: str
    question: str  # the spec's first comment line, or the title
    source: str
    cases: tuple[Case, ...]
    warnings: tuple[Diagnostic, ...]
