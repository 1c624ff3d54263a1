"""A packetdrill script followed by the model: its calls are made, its packets come in, and those it expects must be
what the model sends, within the times of the script.

Stricter than packetdrill: TSecr is compared, and what the model has sent and the script does not expect is found, after
the last event too. More lenient where the model is coarse: the flag P is not compared, several of the model's segments
may be one of the script's (segmentation offload), and bytes beyond the first 10 segments in flight go out when the
script says so, because no congestion window is modelled.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tcpcheck.conform.follow import STATES_MAX, Disagreement, Setting
from tcpcheck.conform.live import Live, Numbers, Overflow, Pending, Tuple4
from tcpcheck.conform.packetdrill_reader import HOST, PEER, Barrier, Event, Script, Unsupported
from tcpcheck.conform.packets import ACK, FIN, M32, RST, SYN, Endpoint, Packet, tell
from tcpcheck.conform.passing import Clock, Tuples
from tcpcheck.conform.script_calls import Acting, Caller, asserted, check
from tcpcheck.conform.telling import describe, waits
from tcpcheck.tcp.drive import Driver

FOR_EVER = 1 << 62
EXPECTED_MAX = 8
_BLOCKING = ("accept", "connect", "read", "recv", "recvfrom")


@dataclass
class ScriptOutcome:
    """packets: in the script; matched: those explained until the first disagreement."""

    packets: int
    matched: int = 0
    disagreement: Disagreement | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _At:
    """When an event may happen, ns from the start."""

    lo: int
    hi: int
    tolerance: int

    @property
    def latest(self) -> int:
        return self.hi + self.tolerance


class ScriptRun:
    """One script. Raises Unsupported."""

    def __init__(self, script: Script, setting: Setting) -> None:
        self.script, self.setting = script, setting
        self.key: Tuple4 = (PEER, Endpoint(HOST, script.port))
        self.hosts = {PEER.address: 1}
        self.tuples = Tuples({(1, PEER.port, script.port): self.key})
        self.clock = Clock(self.tuples)
        self.sysctls = {**dict(script.sysctls), **setting.values(0)}
        driver = Driver(setting.kernel, self.sysctls, rtt_max_ns=max(setting.rtt_max_ns, self._round_trip()))
        first = Acting(driver, self.hosts)
        first.numbers[self.key] = Numbers(midstream=True)
        self.live: list[Acting] = [first]
        self.reasons: dict[str, None] = {}
        self.blamed: Event | None = None  # a call that came back with something else
        self.checks_tsval = script.options.get("tcp_ts_tick_usecs", "0") not in ("", "0")

    def run(self) -> ScriptOutcome:
        """Until the end or the first disagreement."""
        for known in self.script.events:
            check(known)
        self._check_user_timeout()
        out = ScriptOutcome(sum(event.packet is not None for event in self.script.events))
        events: list[Event | None] = [*self.script.events, None]
        for event in events:
            self.reasons, self.clock.missing, self.blamed = {}, [], None
            before = self.live
            self.live = self._distinct(live for start in before for live in self._event(start, event))
            if not self.live:
                out.disagreement = self._disagreement(before, self.blamed or event, out.matched + 1)
                return out
            out.matched += event is not None and event.packet is not None
        self._ending(out)
        return out

    def _ending(self, out: ScriptOutcome) -> None:
        """What was sent and not expected is a disagreement, unless the script ended at that moment."""
        if any(not live.out for live in self.live):
            return
        live = self.live[0]
        left = [describe(live, key, p.seg, p.rules) for key, p in live.out]
        if any(live.driver.now() - live.out[0][1].time_ns <= self.script.tolerance_ns for live in self.live):
            out.notes = [f"the script ends before the model has done this: {text}" for text in left]
            return
        last = self.script.events[-1].line
        out.disagreement = Disagreement(out.matched, last, left, "the script ends without this", self.key)

    # ---- times
    def _event(self, start: Acting, event: Event | None) -> Iterator[Live]:
        """One event, after the blocking calls that return before it. event None: the script ends."""
        if event is None:
            yield from self._returned(start, start.waiting)
            return
        base = start.driver.now() if event.when.relative else 0  # packetdrill counts from when the last event happened
        at = _At(base + event.when.lo, FOR_EVER if event.when.any else base + event.when.hi, self._tolerance(event))
        due = tuple(
            row for row in start.waiting if row[0] < at.lo or event.kind == "call"
        )  # one thread makes the calls
        for live in self._returned(start, due):
            live.waiting = tuple(row for row in live.waiting if row not in due)
            if event.when.end is not None and event.words and event.words[0] in _BLOCKING:
                live.waiting = (*live.waiting, (base + event.when.end, event))
            yield from self._step(live, event, at)

    def _tolerance(self, event: Event) -> int:
        """packetdrill allows a share of the time since the event before, if that is more."""
        share = event.when.lo * self.script.tolerance_percent / 100 if event.when.relative else 0
        return max(self.script.tolerance_ns, int(share))

    def _returned(self, start: Acting, calls: tuple[tuple[int, Event], ...]) -> Iterator[Acting]:
        found = [start.fork()]
        for end, event in calls:
            passed = [live for before in found for live in self._passed(before, end)]
            found = [live for before in passed for live in self._every(before, partial(self._return, event))]
            if passed and not found:
                self.blamed = event
        yield from found

    def _every(self, live: Acting, do: Callable[[Live], object]) -> Iterator[Acting]:
        for other in live.every(do):
            assert isinstance(other, Acting)
            yield other

    def _passed(self, start: Acting, at: int) -> Iterator[Acting]:
        for live in self.clock.passed(start.fork(), max(at, start.driver.now())):
            assert isinstance(live, Acting)
            yield live

    def _round_trip(self) -> int:
        """The script's own delays between packets bound the RTT."""
        steps = [event.when.lo for event in self.script.events if event.kind == "in" and event.when.relative]
        return min(max(steps, default=0) + 2_000_000, 1_000_000_000)

    def _check_user_timeout(self) -> None:
        """TCP_USER_TIMEOUT makes no difference before it is over. Of window probes the model knows what it does then
        (`Acting.fire`), of what is in flight it does not."""
        if any(barrier is Barrier.QUEUE for event in self.script.events for barrier, _ in event.network):
            return
        for i, event in enumerate(self.script.events):
            if event.kind == "call" and "TCP_USER_TIMEOUT" in event.words:
                limit = "".join(c for c in event.words[4] if c.isdigit()) or "0"
                if sum(later.when.hi for later in self.script.events[i + 1 :]) >= int(limit) * 1_000_000:
                    raise Unsupported(event.line, "TCP_USER_TIMEOUT that runs out")

    # ---- one event
    def _step(self, start: Acting, event: Event, at: _At) -> Iterator[Live]:
        if event.kind == "out":
            yield from self._sent(start, event, at)
            return
        for live in self._passed(start, at.lo):
            if event.kind == "command":
                yield self._commanded(live, event)
            elif event.kind == "assert":
                yield from self._asserted(live, event)
            elif event.kind == "call":
                yield from live.every(partial(self._call, event))
            elif live.closed(Barrier.INPUT):
                yield live
            else:
                packet = self._absolute(live, event)
                packet.time_ns = live.driver.now()
                yield from live.every(partial(self._inject, packet))

    def _commanded(self, live: Acting, event: Event) -> Acting:
        if event.settings:
            self.sysctls |= dict(event.settings)
            live.driver.sysctl(self.sysctls)
        for barrier, shut in event.network:
            live.bar(event.line, barrier, shut)
        return live

    def _absolute(self, live: Acting, event: Event) -> Packet:
        """The packet with the numbers of the script's SYNs added: only those of a SYN are absolute in a script."""
        packet = replace(event.packet or Packet(0, 0, *self.key, 0, 0, 0, 0))
        if packet.flags & SYN:
            return packet
        inbound = event.kind == "in"
        own, other = (live.peer_isn, live.own_isn) if inbound else (live.own_isn, live.peer_isn)
        packet.seq = ((packet.seq or 0) + own) & M32
        if packet.flags & ACK:
            packet.ack = (packet.ack + other) & M32
        packet.sack = tuple(((a + other) & M32, (b + other) & M32) for a, b in packet.sack)
        if packet.flags & RST and packet.flags & ACK and not inbound and event.packet and not event.packet.seq:
            packet.seq = 0
        return packet

    def _inject(self, packet: Packet, live: Live) -> None:
        assert isinstance(live, Acting)
        if packet.flags & SYN and (packet.flags & ACK or live.state(self.key) in ("CLOSED", "SYN_SENT")):
            live.peer_isn = packet.seq or 0
        live.gather(live.inject(self.key, packet), self.tuples)

    def _asserted(self, live: Acting, event: Event) -> Iterator[Live]:
        for words in event.words:
            holds, found = asserted(live, self.key, words)
            if not holds:
                self.reasons[f"{words.split()[0]} is {found}"] = None
                return
        yield live

    def _call(self, event: Event, live: Live) -> bool:
        """Makes the call; does it return what the script says?"""
        assert isinstance(live, Acting)
        caller = Caller(event, self.key)
        if event.when.end is not None and event.words[0] in _BLOCKING:
            caller.begin(live)
            live.gather(live.driver.take(), self.tuples)
            return True
        return self._result(event, live, caller(live))

    def _return(self, event: Event, live: Live) -> bool:
        """A call that has blocked comes back."""
        assert isinstance(live, Acting)
        caller = Caller(event, self.key)
        return self._result(event, live, caller.connected(live) if event.words[0] == "connect" else caller(live))

    def _result(self, event: Event, live: Acting, found: int) -> bool:
        live.gather(live.driver.take(), self.tuples)
        if event.result is None:
            return True
        wanted = event.result if event.result >= 0 else -getattr(errno, event.errno or "", 1)
        if found != wanted:
            said = str(found) if found >= 0 else errno.errorcode.get(-found, str(found))
            if found == -errno.ERANGE:
                said = "another value"
            self.reasons[f"{event.words[0]}() returns {said}"] = None
        return found == wanted

    # ---- packets that the script expects
    def _sent(self, live: Acting, event: Event, at: _At) -> Iterator[Live]:
        pending = live.first(self.key)
        if pending is not None:
            yield from self._matched(live.fork(), event, at)
            return
        found = False
        for other in (*self._by_timer(live, at), *self._released(live, event, at)):
            if other.first(self.key):
                for match in self._matched(other, event, at):
                    found = True
                    yield match
        if not found:
            self.reasons[waits(live, self.key)] = None

    def _by_timer(self, live: Acting, at: _At) -> Iterator[Acting]:
        """A timer whose window meets the script's fires as near to the time wanted as it can."""
        now, slot = live.driver.now(), live.slot(self.key)
        for timer in live.driver.timers():
            first, last = max(now + timer["lo"], at.lo - at.tolerance, now), min(now + timer["hi"], at.latest)
            if timer["sock"] != slot or first > last:
                continue
            for passed in self._passed(live, min(max(at.lo, first), last)):
                yield from self._every(passed, partial(self._fire, timer))

    def _fire(self, timer: dict[str, Any], live: Live) -> None:
        live.gather(live.fire(timer), self.tuples)

    def _released(self, live: Acting, event: Event, at: _At) -> Iterator[Acting]:
        """Bytes that were held back go out, and what waits behind them."""
        packet = event.packet
        if packet is None or not live.held or not 0 < packet.length <= live.held:
            return
        for passed in self._passed(live, at.lo if at.hi < FOR_EVER else live.driver.now()):
            yield from self._every(passed, partial(self._release, packet))

    def _release(self, packet: Packet, live: Live) -> bool:
        assert isinstance(live, Acting)
        slot = live.slot(self.key)
        with_fin = bool(packet.flags & FIN)
        if with_fin and (live.later is None or packet.length != live.held):
            return False
        live.driver.send(slot, packet.length, more=with_fin)
        live.held -= packet.length
        if not live.held and live.later is not None:
            (live.driver.close if live.later == "close" else live.driver.shutdown)(slot)
            live.later = None
        live.gather(live.driver.take(), self.tuples)
        return True

    def _matched(self, live: Acting, event: Event, at: _At) -> Iterator[Live]:
        packet = self._absolute(live, event)
        self._join(live, packet)
        pending = live.first(self.key)
        assert pending is not None
        text = describe(live, self.key, pending.seg, pending.rules)
        if not at.lo - at.tolerance <= pending.time_ns <= at.latest:
            self.reasons[f"{text}, at {pending.time_ns / 1e9:.3f} s"] = None
            return
        packet.time_ns = pending.time_ns
        why = live.differs(self.key, pending, packet)
        if why is None and packet.flags & SYN and packet.options_known and packet.mss != pending.seg["mss"]:
            why = "mss"
        if why is not None:
            self.reasons[f"{text} [differs in {why}]"] = None
            return
        live.seen(self.key, packet)
        if packet.flags & SYN:
            live.own_isn = packet.seq or 0
            live.peer_isn = (packet.ack - 1) & M32 if packet.flags & ACK else live.peer_isn
        if not self.checks_tsval:
            live.numbers[self.key] = replace(live.numbers[self.key], ts_shift=None)
        yield live

    def _join(self, live: Live, packet: Packet) -> None:
        """Segments that follow each other count as one when the script shows one."""
        rows = [(i, p) for i, (_, p) in enumerate(live.out)]
        while len(rows) > 1 and rows[0][1].seg["len"] < packet.length:
            (at, first), (after, second) = rows[0], rows[1]
            follows = (first.seg["seq"] + first.seg["len"]) & 0xFFFFFFFF == second.seg["seq"]
            if not follows or not first.seg["len"] or second.time_ns != first.time_ns:
                return
            seg = {**first.seg, "len": first.seg["len"] + second.seg["len"], "flags": second.seg["flags"]}
            live.out[at] = (self.key, Pending(first.time_ns, seg, first.rules))
            del live.out[after]
            rows = [(i, p) for i, (_, p) in enumerate(live.out)]

    # ---- bookkeeping
    def _distinct(self, found: Iterator[Live]) -> list[Acting]:
        kept = {live.key(): live for live in found if isinstance(live, Acting)}
        if len(kept) > STATES_MAX:
            raise Overflow("more states than there is room for")
        return list(kept.values())

    def _disagreement(self, before: list[Acting], event: Event | None, number: int) -> Disagreement:
        event = event or self.script.events[-1]
        expected = list(self.reasons)
        expected += [describe(before[0], self.key, seg, ()) for seg in self.clock.missing]
        at = (before[0].driver.now() if event.when.relative else 0) + event.when.lo
        if event.packet is not None:
            said = tell(event.packet)
        else:
            result = f" = {event.result} {event.errno or ''}".rstrip() if event.kind == "call" else ""
            arguments = ", ".join(event.words[1:])
            said = f"{event.words[0]}({arguments})" if event.kind == "call" else "; ".join(event.words)
            said += result
        observed = f"the script: {said}, at {at / 1e9:.3f} s"
        return Disagreement(number, event.line, expected[:EXPECTED_MAX], observed, self.key)
