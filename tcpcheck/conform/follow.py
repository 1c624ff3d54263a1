"""Does the modelled host do what the capture shows? A set of possible states of the host is led along the capture.

Each packet from outside is put into every state at its time; each packet of the host's must come out of some state: as
an answer at once, by a timer in its window, or because the application made a call. What nothing explains, and what
the model would have sent but is not there, is a disagreement; the capture may end at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tcpcheck.conform.calls import BACKLOG, Quiet, Visible
from tcpcheck.conform.live import Live, Overflow, Tuple4
from tcpcheck.conform.packets import Packet, tell
from tcpcheck.conform.passing import SLACK_NS, Clock, Tuples
from tcpcheck.conform.telling import describe, waits
from tcpcheck.tcp.drive import Driver

AT_ONCE_NS = 3_000_000  # an answer that took longer was sent by a timer, or by a call
STATES_MAX = 512
EXPECTED_MAX = 8

__all__ = ["Assumption", "Disagreement", "Follower", "Outcome", "Overflow", "Setting"]


@dataclass(frozen=True)
class Setting:
    """What is known of the host. sysctls: (from packet number, name, value). backlog: None unknown.
    lost: numbers of packets from outside that did not reach the host; None: any may not have. unseen: the capture may
    lack packets from outside that draw no answer."""

    kernel: str = "linux-6.18.44"
    sysctls: tuple[tuple[int, str, int], ...] = ()
    backlog: int | None = None
    rtt_max_ns: int = 4_000_000
    lost: frozenset[int] | None = frozenset()
    unseen: bool = False

    def values(self, number: int) -> dict[str, int]:
        """The sysctls as they stand when this packet comes."""
        return {name: value for start, name, value in self.sysctls if start <= number}


@dataclass
class Disagreement:
    """packet, line: where. expected: a line for each thing the model would have done. observed: what is there."""

    packet: int
    line: int | None
    expected: list[str]
    observed: str
    key: Tuple4 | None = None


@dataclass
class Outcome:
    """Of one run. matched: packets that the model explains, from either side. story: calls assumed, of one
    explanation. bounded: states were given up for want of room. states: of the model, at the end."""

    matched: int = 0
    disagreement: Disagreement | None = None
    story: tuple[tuple[int, str], ...] = ()
    bounded: bool = False
    left_over: bool = False  # answers to the last packets are not in the capture
    states: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Assumption:
    """What holds all the time. defer: TCP_DEFER_ACCEPT of the listeners, in SYN-ACK timeouts. prompt: an answer comes
    before the next packet from outside."""

    backlog: int = BACKLOG
    defer: int = 0
    prompt: bool = True


class Follower:
    """Leads the model's states along one capture."""

    def __init__(self, keys: Iterable[Tuple4], setting: Setting, assumed: Assumption) -> None:
        self.setting, self.assumed = setting, assumed
        self.hosts: dict[str, int] = {}
        for key in keys:
            self.hosts.setdefault(key[0].address, len(self.hosts) + 1)
        self.tuples = Tuples({(self.hosts[key[0].address], key[0].port, key[1].port): key for key in keys})
        self.live: list[Live] = []
        self.clock = Clock(self.tuples)
        self.reasons: dict[str, None] = {}
        self.bounded = False
        self.live_before: list[Live] = []

    def start(self, ports: Iterable[int]) -> None:
        """The host as it is before the first packet: these ports are listened on."""
        driver = Driver(self.setting.kernel, self.setting.values(0), rtt_max_ns=self.setting.rtt_max_ns)
        live = Live(driver, self.hosts)
        for port in ports:
            live.listeners[port] = driver.listen(port, self.assumed.backlog)
            driver.defer_accept(live.listeners[port], self.assumed.defer)
        self.live = [live]

    def run(self, packets: list[tuple[Tuple4, bool, Packet]], end_ns: int) -> Outcome:
        """packets: connection, from outside?, packet; in order. end_ns: when the capture ends."""
        outcome = Outcome()
        changes = sorted({start for start, _, _ in self.setting.sysctls if start > 0})
        for key, inbound, packet in packets:
            while changes and packet.number >= changes[0]:
                self._reconfigure(changes.pop(0))
            self.reasons, self.clock.missing = {}, []
            before = self.live
            found = self._inbound(key, packet) if inbound else self._outbound(key, packet)
            self.live = self._distinct(found)
            if not self.live:
                outcome.disagreement = self._disagreement(before, key, packet)
                break
            outcome.matched += 1
        else:
            self._ending(outcome, packets, end_ns)
        if self.live:
            outcome.story = self.live[0].story
            outcome.states = {str(key[0]): self.live[0].state(key) for key in self.tuples.values()}
        outcome.bounded = self.bounded
        return outcome

    def _reconfigure(self, number: int) -> None:
        for live in self.live:
            live.driver.sysctl(self.setting.values(number))

    # ---- one packet
    def _inbound(self, key: Tuple4, packet: Packet) -> Iterator[Live]:
        for start in self.live:
            for called in Quiet(key, packet, True, self.setting.unseen).tried(start):
                for live in self.clock.passed(called.fork(), packet.time_ns):
                    if self._answers_missing(live, packet.time_ns, key if self.assumed.prompt else None):
                        continue
                    if self.setting.lost is None or packet.number in self.setting.lost:
                        yield live.fork()
                    if self.setting.lost is None or packet.number not in self.setting.lost:
                        yield from live.every(partial(self._inject, key, packet))

    def _outbound(self, key: Tuple4, packet: Packet) -> Iterator[Live]:
        for start in self.live:
            if start.first(key):
                for live in self.clock.passed(start.fork(), packet.time_ns):
                    if not self._answers_missing(live, packet.time_ns, None):
                        yield from self._matched(live, key, packet)
                continue
            for called in Quiet(key, packet, False, self.setting.unseen).tried(start):
                for live in self.clock.passed(called.fork(), packet.time_ns):
                    if not self._answers_missing(live, packet.time_ns, None):
                        yield from self._explained(live, key, packet)

    def _explained(self, live: Live, key: Tuple4, packet: Packet) -> Iterator[Live]:
        """The host sends this by itself: a timer is due, or the application called."""
        explained = False
        for other in (*self._by_timer(live, key), *Visible(key, packet, self.tuples).tried(live)):
            for match in self._matched(other, key, packet):
                explained = True
                yield match
        if not explained:
            self._reason(waits(live, key))

    def _by_timer(self, live: Live, key: Tuple4) -> Iterator[Live]:
        slot = live.slot(key)
        for timer in live.driver.timers():
            if timer["sock"] == slot and timer["lo"] - SLACK_NS <= 0 <= timer["hi"] + SLACK_NS:
                for other in live.every(partial(self._fire, timer)):
                    if other.first(key):
                        yield other

    def _inject(self, key: Tuple4, packet: Packet, live: Live) -> None:
        live.gather(live.inject(key, packet), self.tuples)

    def _fire(self, timer: dict[str, Any], live: Live) -> None:
        live.driver.rules()
        live.gather(live.driver.fire(timer["sock"], timer["slot"]), self.tuples)

    def _matched(self, live: Live, key: Tuple4, packet: Packet) -> Iterator[Live]:
        pending = live.first(key)
        assert pending is not None
        why = live.differs(key, pending.seg, packet)
        if why is None:
            live.seen(key, packet)
            yield live
        else:
            self._reason(f"{describe(live, key, pending.seg, pending.rules)} [differs in {why}]")

    def _answers_missing(self, live: Live, at: int, key: Tuple4 | None) -> bool:
        """Has the capture passed over what the model has sent? With a key: at once, on this connection."""
        late = [(owner, p) for owner, p in live.out if owner == key or at - p.time_ns > AT_ONCE_NS]
        for owner, pending in late:
            self._reason(f"{describe(live, owner, pending.seg, pending.rules)}, at once", owner)
        return bool(late)

    # ---- bookkeeping
    def _distinct(self, found: Iterator[Live]) -> list[Live]:
        kept: dict[Any, Live] = {}
        for live in found:
            key = live.key()
            if key not in kept or len(live.story) < len(kept[key].story):
                kept[key] = live
        rows = sorted(kept.values(), key=lambda live: len(live.story))
        if len(rows) > STATES_MAX:
            self.bounded = True
        return rows[:STATES_MAX]

    def _reason(self, text: str, _owner: Tuple4 | None = None) -> None:
        self.reasons[text] = None

    def _expected(self) -> list[str]:
        rows = dict.fromkeys(self.reasons)
        for kind, lo, hi, seg, rules in self.clock.missing:
            key = self.tuples.get((seg["dst"], seg["dport"], seg["sport"]))
            if key is not None and self.live_before:
                text = describe(self.live_before[0], key, seg, rules)
                rows[f"{text}, between {lo / 1e9:.3f} s and {hi / 1e9:.3f} s ({kind} timer)"] = None
        return list(rows)[:EXPECTED_MAX]

    def _disagreement(self, before: list[Live], key: Tuple4, packet: Packet) -> Disagreement:
        self.live_before = before
        return Disagreement(packet.number, packet.line, self._expected(), f"{tell(packet)}", key)

    def _ending(self, outcome: Outcome, packets: list[tuple[Tuple4, bool, Packet]], end_ns: int) -> None:
        """After its last packet a connection is watched until the capture ends."""
        self.reasons, self.clock.missing = {}, []
        before = self.live
        ended = [
            live
            for start in self.live
            for live in self.clock.passed(start.fork(), end_ns)
            if not self._answers_missing(live, end_ns, None)
        ]
        if ended:
            complete = [live for live in ended if not live.out]
            outcome.left_over = not complete
            self.live = complete or ended
            return
        last = packets[-1][2]
        self.live_before = before
        outcome.disagreement = Disagreement(
            last.number, last.line, self._expected(), "nothing more until the capture ends", packets[-1][0]
        )
