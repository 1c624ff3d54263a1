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

from tcpcheck.conform.calls import BACKLOG, Quiet, Visible, note
from tcpcheck.conform.live import Live, Overflow, Tuple4
from tcpcheck.conform.midstream import starts
from tcpcheck.conform.packets import Packet, tell
from tcpcheck.conform.passing import SLACK_NS, Clock, Tuples
from tcpcheck.conform.telling import describe, waits
from tcpcheck.tcp.drive import Driver

AT_ONCE_NS = 3_000_000  # an answer that took longer was sent by a timer, or by a call
STATES_MAX = 512
EXPECTED_MAX = 8
MISSED_MAX = 16

__all__ = ["Assumption", "Disagreement", "Follower", "Outcome", "Overflow", "Setting"]


@dataclass(frozen=True)
class Setting:
    """What is known of the host. sysctls: (from packet number, name, value). backlog: None unknown.
    until_ns: when the capture ended, if that was later than its last packet.
    lost: numbers of packets from outside that did not reach the host; None: any may not have. lost_known: that is
    said and not only supposed. unseen: the capture may
    lack packets from outside that draw no answer."""

    kernel: str = "linux-6.18.44"
    sysctls: tuple[tuple[int, str, int], ...] = ()
    backlog: int | None = None
    rtt_max_ns: int = 4_000_000
    lost: frozenset[int] | None = frozenset()
    lost_known: bool = False
    unseen: bool = False
    until_ns: int = 0

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


def _coming(packets: list[tuple[Tuple4, bool, Packet]]) -> dict[int, int]:
    """Packet number -> bytes of the next segment with text that the host sends on the same connection."""
    found: dict[int, int] = {}
    latest: dict[Tuple4, int] = {}
    for key, inbound, packet in reversed(packets):
        if not inbound and packet.length:
            latest[key] = packet.length
        if key in latest:
            found[packet.number] = latest[key]
    return found


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
        self.coming: dict[int, int] = {}  # packet number -> bytes of its connection's next segment with text

    def start(self, ports: Iterable[int]) -> None:
        """The host as it is before the first packet: these ports are listened on."""
        self.live = [self.empty(ports)]

    def start_in_the_middle(self, key: Tuple4, steps: list[tuple[Tuple4, bool, Packet]]) -> None:
        """What was before is not known."""
        self.live = self._distinct(starts(self.empty, key, steps, self.assumed))

    def empty(self, ports: Iterable[int] = ()) -> Live:
        """A host without connections."""
        driver = Driver(self.setting.kernel, self.setting.values(0), rtt_max_ns=self.setting.rtt_max_ns)
        live = Live(driver, self.hosts)
        for port in ports:
            live.listeners[port] = driver.listen(port, self.assumed.backlog)
            driver.defer_accept(live.listeners[port], self.assumed.defer)
        return live

    def run(self, packets: list[tuple[Tuple4, bool, Packet]], end_ns: int) -> Outcome:
        """packets: connection, from outside?, packet; in order. end_ns: when the capture ends."""
        outcome = Outcome()
        self.coming = _coming(packets)
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
            for called in self._called(start, key, packet, True):
                for live in self.clock.passed(called.fork(), packet.time_ns):
                    if self._answers_missing(live, packet.time_ns, self.assumed.prompt):
                        continue
                    if self.setting.lost is None or packet.number in self.setting.lost:
                        yield self._not_reaching(live, packet)
                    if self.setting.lost is None or packet.number not in self.setting.lost:
                        yield from live.every(partial(self._inject, key, packet))

    def _called(self, live: Live, key: Tuple4, packet: Packet, inbound: bool) -> Iterator[Live]:
        """The state as it is, and after calls that no packet shows."""
        return Quiet(key, packet, inbound, self.setting.unseen, self.coming.get(packet.number, 0)).tried(live)

    def _not_reaching(self, live: Live, packet: Packet) -> Live:
        other = live.fork()
        if self.setting.lost is None:
            note(other, f"(packet {packet.number} does not reach the host)")
        return other

    def _outbound(self, key: Tuple4, packet: Packet) -> Iterator[Live]:
        for start in self.live:
            if start.first(key):
                for live in self.clock.passed(start.fork(), packet.time_ns):
                    if not self._answers_missing(live, packet.time_ns):
                        yield from self._matched(live, key, packet)
                continue
            for called in Quiet(key, packet, False, self.setting.unseen, self.coming.get(packet.number, 0)).tried(
                start
            ):
                for live in self.clock.passed(called.fork(), packet.time_ns):
                    if not self._answers_missing(live, packet.time_ns):
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
        live.gather(live.fire(timer), self.tuples)

    def _matched(self, live: Live, key: Tuple4, packet: Packet) -> Iterator[Live]:
        pending = live.first(key)
        assert pending is not None
        why = live.differs(key, pending, packet)
        if why is None:
            live.seen(key, packet)
            yield live
        else:
            self._reason(f"{describe(live, key, pending.seg, pending.rules)} [differs in {why}]")

    def _answers_missing(self, live: Live, at: int, prompt: bool = False) -> bool:
        """Has the capture passed over what the model has sent? prompt: all of it should have been seen."""
        late = [(owner, p) for owner, p in live.out if prompt or at - p.time_ns > AT_ONCE_NS]
        for owner, pending in late:
            self._reason(f"{describe(live, owner, pending.seg, pending.rules)}, at once")
        return bool(late)

    @property
    def missing(self) -> list[dict[str, Any]]:
        """Segments that were due by now."""
        return self.clock.missing

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

    def _reason(self, text: str) -> None:
        self.reasons[text] = None

    def _expected(self, before: list[Live], key: Tuple4, until: int) -> list[str]:
        """What was missed first, then what the model would have done now."""
        owners = [self.tuples.get((seg["dst"], seg["dport"], seg["sport"])) for seg in self.missing]
        missed: dict[str, None] = {}
        for owner in dict.fromkeys(owner for owner in owners if owner is not None):
            for live in before:
                found = self._missed(live, owner, until)
                if found:
                    missed |= dict.fromkeys(found)
                    break
        return [*missed, *list(self.reasons)[: EXPECTED_MAX - len(missed)]] or [waits(before[0], key)]

    def _missed(self, live: Live, key: Tuple4, until: int) -> list[str]:
        """Segments that this connection's timers would have sent before `until`, with the times."""
        lines: list[str] = []
        live = live.fork()
        while len(lines) < MISSED_MAX:
            slot, now = live.slot(key), live.driver.now()
            timer = next((timer for timer in live.driver.timers() if timer["sock"] == slot), None)
            if slot < 0 or timer is None or now + timer["hi"] >= until - SLACK_NS:
                break
            lo, hi = now + max(timer["lo"], 0), now + timer["hi"]
            live.driver.advance(lo - now)
            live.driver.rules()
            sent = live.driver.fire(timer["sock"], timer["slot"])
            rules = tuple(live.driver.rules())
            for seg in sent:
                when = f", between {lo / 1e9:.3f} s and {hi / 1e9:.3f} s ({timer['kind']} timer)"
                lines.append(describe(live, key, seg, rules) + when)
            for other in live.driver.timers():
                if other["sock"] == slot:
                    live.driver.widen(slot, other["slot"], 0, hi - lo)
        if lines:
            lines.append(f"and then {waits(live, key)}")
        return lines

    def _disagreement(self, before: list[Live], key: Tuple4, packet: Packet) -> Disagreement:
        expected = self._expected(before, key, packet.time_ns)
        when = f"{tell(packet)}, at {packet.time_ns / 1e9:.3f} s"
        return Disagreement(packet.number, packet.line, expected, when, key)

    def _ending(self, outcome: Outcome, packets: list[tuple[Tuple4, bool, Packet]], end_ns: int) -> None:
        """After its last packet a connection is watched until the capture ends."""
        self.reasons, self.clock.missing = {}, []
        before = self.live
        ended = [
            live
            for start in self.live
            for live in self.clock.passed(start.fork(), end_ns)
            if not self._answers_missing(live, end_ns)
        ]
        if ended:
            complete = [live for live in ended if not live.out]
            outcome.left_over = not complete
            self.live = complete or ended
            return
        if not packets:
            return
        key, _, last = packets[-1]
        expected = self._expected(before, key, end_ns)
        outcome.disagreement = Disagreement(
            last.number, last.line, expected, "nothing more until the capture ends", key
        )
