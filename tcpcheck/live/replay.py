"""Which sides of which traces the running kernel can play, and what comes of it."""

from __future__ import annotations

import contextlib
import functools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tcpcheck.errors import Impossible, UsageError
from tcpcheck.lang import conntrack
from tcpcheck.lang.diagnostics import shorten
from tcpcheck.live.namespace import Wire, fresh, has_sysctl, in_namespaces, sysctl
from tcpcheck.live.part import Side, Unplayable, acts, sides
from tcpcheck.live.player import Played, Player
from tcpcheck.live.router import play_router
from tcpcheck.live.sockets import set_sysctls
from tcpcheck.tcp.profile import FEATURES, Profile, profile_for, running_release
from tcpcheck.tcp.sysctls import SYSCTLS
from tcpcheck.witness.trace import HostInfo, Segment, Trace

SAME = 3  # times that it must be found alike
LONG_PLAY = 60.0  # s: what takes longer is not tried again, but for a second look at a disagreement
TRIES = 5  # a race with one of the kernel's own timers may be lost; a real difference comes each time
# What the kernel must also have, though the model knows nothing of it.
HOUSE: dict[str, int | str] = {"tcp_congestion_control": "reno", "tcp_no_metrics_save": 1, "tcp_ecn": 0}
BULK = re.compile(r"^send \w+ \S+ at \S+bit/s")
AGREES, DISAGREES, CUT, SKIPPED = "agrees", "disagrees", "cut", "skipped"
SETTING = re.compile(r"[A-Za-z_]\w*(\.[\w.]+)?(#\d+)?")  # `msl`, `network.delay`, `a.net.ipv4.tcp_sack`, `a.sleep#2`
NOTHING = "nothing happens in this trace"


@dataclass(frozen=True)
class Outcome:
    """One side of one trace. result: agrees, disagrees, cut (agrees as far as it was played), skipped. why: of a cut
    or a skip. tries: plays that it took; each begins in a namespace of its own. other: the trace's kernel, where it is
    not the running one: it agrees where the two do the same, and is skipped where they differ."""

    trace: Trace
    side: str
    result: str
    why: str = ""
    tries: int = 0
    played: Played | None = None
    same_as: str = ""  # the claim whose trace is the same step by step
    other: str = ""


# ---- the running kernel


def running() -> str:
    """`linux 6.18.44`; Impossible when this is no Linux."""
    return running_release()


def same_machine(one: Profile, other: Profile) -> bool:
    """Do the two behave alike, sysctls apart?"""
    return (one.family, one.flags, one.constants) == (other.family, other.flags, other.constants)


def other_than(host: HostInfo, kernel: Profile) -> str:
    """A host's kernel as text when it is not the running one, else ""."""
    profile, _ = profile_for(host.kernel)
    on = tuple(f.removeprefix("with ") for f in host.features if f.startswith("with "))
    off = tuple(f.removeprefix("without ") for f in host.features if f.startswith("without "))
    if same_machine(profile.with_features(on, off), kernel):
        return ""
    return " ".join((host.kernel, *host.features))


# ---- what to play


@dataclass(frozen=True)
class Part:
    """One side of one trace that is to be played, or why not. other: as in Outcome; running: the running kernel."""

    trace: Trace
    side: Side
    running: str = ""
    other: str = ""
    why_not: str = ""
    same_as: int = -1  # an earlier part with the same steps


@dataclass
class Plan:
    """Every side of every trace."""

    parts: list[Part] = field(default_factory=list)

    def add(self, trace: Trace, kernel: Profile, only: str | None = None) -> None:
        """only: a side's name, or its host's. UsageError when the trace has no such side, or makes no sense."""
        check_trace(trace)
        known = sides(trace)
        if not known:
            nobody = Side(trace.hosts[0].name, trace.hosts[0].name)
            self.parts.append(Part(trace, nobody, why_not=NOTHING))
            return
        if any(BULK.search(step.text) for step in trace.steps):
            why = "what a transfer at a rate sends is not in the trace"
            self.parts.extend(Part(trace, side, why_not=why) for side in known if only in (None, side.name, side.host))
            return
        chosen = [s for s in known if only in (None, s.name, s.host)]
        if not chosen:
            raise UsageError(
                f"no side `{only}` in the trace of {trace.claim}: choose {' or '.join(s.name for s in known)}"
            )
        hosts = {host.name: host for host in trace.hosts}
        for side in chosen:
            other = other_than(hosts[side.host], kernel)
            self.parts.append(Part(trace, side, kernel.name, other, same_as=self._same(trace, side)))

    def _same(self, trace: Trace, side: Side) -> int:
        """Several claims often have one witness; a side's own sysctls and what happens to it are all that counts."""
        mine = _essence(trace, side)
        for i, part in enumerate(self.parts):
            if not part.why_not and part.same_as < 0 and _essence(part.trace, part.side) == mine:
                return i
        return -1


def _essence(trace: Trace, side: Side) -> object:
    host = next(h for h in trace.hosts if h.name == side.host)
    steps = [
        (a.step.time_ns, a.step.event, a.step.text, a.step.run, a.step.armed, a.step.segment) for a in acts(trace, side)
    ]
    replies = [(tuple(a.sends), tuple(a.refused), tuple(a.expected)) for a in acts(trace, side)]
    return side, host.kernel, host.features, dict(host.sysctls), host.firewall, host.mss, steps, replies


def check_trace(trace: Trace) -> None:
    """A trace from a file may say anything: UsageError for what cannot be put on a wire."""
    names = {host.name for host in trace.hosts}
    if len(names) != len(trace.hosts) or not 1 <= len(names) <= 250:
        raise UsageError("the trace's hosts: there must be 1 to 250, each with a name of its own")
    for host in trace.hosts:
        try:
            profile_for(host.kernel if host.has_tcp else "rfc9293")
        except LookupError as why:
            raise UsageError(f"host {host.name} of the trace: {why}") from None
        unknown = [f for f in host.features if f.partition(" ")[2] not in FEATURES]
        if unknown or not all(known_sysctl(name, host) for name in host.sysctls):
            raise UsageError(f"host {host.name} of the trace has a feature or a sysctl that nobody knows")
        if host.mss is not None and not 88 <= host.mss <= 65495:
            raise UsageError(f"host {host.name} of the trace: an MSS of {host.mss} cannot be had")
    for name in trace.settings:
        if not SETTING.fullmatch(name):
            raise UsageError(f"the trace's settings: `{shorten(name)}` is no name of a setting")
    for step in trace.steps:
        if step.host not in names or (step.segment is not None and not _sendable(step.segment, names)):
            raise UsageError(f"step {step.index} of the trace: its host or its segment cannot be")


def known_sysctl(name: str, host: HostInfo) -> bool:
    return name in SYSCTLS or (host.routes and name.removeprefix(conntrack.PREFIX) in conntrack.SYSCTLS)


def _sendable(seg: Segment, names: set[str]) -> bool:
    numbers = [seg.seq, seg.ack, seg.tsval or 0, seg.tsecr or 0, *(seg.sack or ())]
    return (
        {seg.src, seg.dst} <= names
        and all(0 <= n < 1 << 32 for n in numbers)
        and all(0 <= n < 1 << 16 for n in (seg.sport, seg.dport, seg.mss or 0))
        and 0 <= seg.length <= 65000
        and seg.window >= 0
    )


# ---- playing


def replay(plan: Plan, wait: bool, jobs: int, report: Callable[[int, int], object] | None = None) -> Iterator[Outcome]:
    """The outcome of every part, in order. report(done, all). Impossible when no namespace can be had."""
    todo = [i for i, part in enumerate(plan.parts) if not part.why_not and part.same_as < 0]
    calls = [(plan.parts[i].trace, plan.parts[i].side, wait, bool(plan.parts[i].other)) for i in todo]
    found: dict[int, tuple[str, str, int, Played | None]] = {}
    for done, (k, outcome) in enumerate(in_namespaces(play, calls, jobs), 1):
        found[todo[k]] = outcome
        if report is not None:
            report(done, len(todo))
    for i, part in enumerate(plan.parts):
        if part.why_not:
            yield Outcome(part.trace, part.side.name, SKIPPED, part.why_not)
        else:
            first = part.same_as if part.same_as >= 0 else i
            yield _outcome(part, plan.parts[first], found[first])


def _outcome(part: Part, first: Part, found: tuple[str, str, int, Played | None]) -> Outcome:
    """Of a trace of another kernel nothing is wrong if this one does something else."""
    result, why, tries, played = found
    if part.other and result == DISAGREES:
        assert played is not None and played.disagreement is not None
        d = played.disagreement
        why = f"{part.other} is not {part.running}; at step {d.at} predicted {d.predicted}, came {d.came}"
        result = SKIPPED
    same = first.trace.claim if first is not part else ""
    return Outcome(part.trace, part.side.name, result, why, tries, played, same, part.other)


def play(trace: Trace, side: Side, wait: bool, other: bool = False) -> tuple[str, str, int, Played | None]:
    """One side (other: of another kernel), in the namespace of this process and in others after it;
    -> result, why, tries, the play counted."""
    found: list[Played] = []
    began = time.monotonic()
    for tries in range(1, TRIES + 1):
        if tries > 1:
            fresh()
        try:
            played = play_once(trace, side, wait, other, tries)
        except Unplayable as why:
            return SKIPPED, str(why), tries, None
        if played.disagreement is None and not played.by_chance:
            return (CUT if played.cut else AGREES), played.cut, tries, played
        found.append(played)
        if [p.disagreement for p in found].count(found[-1].disagreement) == SAME and not played.by_chance:
            break
        if time.monotonic() - began > LONG_PLAY and (played.by_chance or tries > 1):
            break
    best = functools.reduce(_worse, found)
    return (CUT if best.disagreement is None else DISAGREES), best.cut, tries, best


def _worse(one: Played, other: Played) -> Played:
    """A disagreement before a cut by chance; of two, the one further on: the nearer may be a race."""
    return max(one, other, key=lambda played: (played.disagreement is not None, played.done))


def play_once(trace: Trace, side: Side, wait: bool, other: bool, tries: int = 1) -> Played:
    """In the namespace of this process, which must be fresh."""
    host = next(h for h in trace.hosts if h.name == side.host)
    if host.routes:
        return play_router(trace, side, wait, early=tries % 2 == 0)

    def boot_again() -> Wire:
        fresh()
        return _machine(host, other)

    player = Player(trace, side, _machine(host, other), wait, boot_again)
    try:
        for rule in host.firewall:
            player.sockets.iptables(f"-A {rule}")
        return player.play()
    finally:
        player.wire.close()


def _machine(host: HostInfo, other: bool) -> Wire:
    """The namespace of this process as a host's: its sysctls, its device."""
    profile, _ = profile_for(host.kernel)
    try:
        for name, value in HOUSE.items():
            sysctl(name, value)
    except OSError as error:
        raise Impossible(f"the sysctls of a network namespace cannot be set here ({error.strerror})") from None
    for name, value in profile.defaults.items():
        with contextlib.suppress(Unplayable):  # one that exists for the whole machine only
            set_sysctls({name: value})
    for name, value in host.sysctls.items():
        if not other or has_sysctl(name):  # one that only the other kernel has: what comes is compared anyway
            set_sysctls({name: value})
    return Wire(1500 if host.mss is None else host.mss + 40)
