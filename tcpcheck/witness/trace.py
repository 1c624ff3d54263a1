"""A witness as people and tools read it: absolute numbers, absolute times, what changed and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Segment:
    """A TCP segment with concrete 32-bit numbers. flags in tcpdump's letters (`S`, `S.`, `.`, `F.`, `R`, `P.`)."""

    uid: int  # the same segment at its sender, on the wire and at its receiver
    src: str  # host names
    dst: str
    src_addr: str
    dst_addr: str
    sport: int
    dport: int
    flags: str
    seq: int
    ack: int  # 0 when the ACK flag is not set
    length: int
    window: int  # in bytes: the field of the header shifted left by wscale, but in a SYN
    wscale: int | None  # of a SYN what its option says, of others by how much they shift; None: no option, no shift
    mss: int | None
    sack_ok: bool
    tsval: int | None
    tsecr: int | None
    sack: tuple[int, int] | None = None
    forged: bool = False


@dataclass(frozen=True)
class Change:
    """One thing that a step changed: `client.s2` `state` from `SYN-SENT` to `ESTABLISHED`."""

    subject: str
    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Armed:
    """When a timer may fire: it runs since `since_ns`, and fires at an age from lo_ns to hi_ns."""

    since_ns: int
    lo_ns: int
    hi_ns: int


@dataclass(frozen=True)
class Step:
    """One moment of one host.

    event: call (an app step), send, receive, drop (own firewall), lose, duplicate, timer, expire.
    text: the call as the spec spells it, or the timer's name, or "".
    rules: rule ids taken, in order (rules.py explains each).
    state: every named socket's state after the step, as `ss` prints it; sockets not yet bound are absent.
    run: of a call, the run that it belongs to, where the host has several. armed: of a timer, None where time is off.
    due: timers of the host that could have fired before this step and did not.
    """

    index: int
    time_ns: int
    host: str
    event: str
    text: str
    segment: Segment | None
    rules: tuple[str, ...]
    changes: tuple[Change, ...]
    state: dict[str, str]
    run: str = ""
    armed: Armed | None = None
    due: tuple[Armed, ...] = ()


@dataclass(frozen=True)
class HostInfo:
    """sysctls: full names, those that the spec sets. firewall: rules in force from the start, as iptables takes them
    after `-A`. features: `with X`, `without Y`. All that a replay must know of the host. A router: which hosts it has
    inside, the others being outside, and its nat rules, as iptables takes them after `-t nat -A`."""

    name: str
    address: str
    kernel: str
    sysctls: Mapping[str, int] = field(default_factory=dict, hash=False)
    firewall: tuple[str, ...] = ()
    mss: int | None = None
    features: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    nat: tuple[str, ...] = ()

    @property
    def routes(self) -> bool:
        return bool(self.inside)

    @property
    def has_tcp(self) -> bool:
        """No: an attacker, or a host whose run answers by itself."""
        return self.kernel != "none"


@dataclass(frozen=True)
class Trace:
    """A run to the moment that settles a claim; iterates over its steps.

    values: the named unknowns with the numbers found, as text (`{"gap": "12.5s", "isn": "3012345678"}`).
    confirmed_by: of "z3", "concrete-rerun", "kernel"."""

    spec: str
    title: str
    claim: str
    kind: str
    verdict: str
    settings: dict[str, int | str]
    hosts: tuple[HostInfo, ...]
    steps: tuple[Step, ...]
    values: dict[str, str]
    confirmed_by: tuple[str, ...]
    note: str = ""  # stuck, cycle, too late

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def _repr_svg_(self) -> str:
        """In a notebook: the ladder."""
        from tcpcheck.render.svg import svg

        return svg(self)
