"""A packetdrill script followed by the model: its calls are made, its packets come in, and those it expects must be
what the model sends, within the times of the script.

Stricter than packetdrill: TSecr is compared, and what the model has sent and the script does not expect is found, after
the last event too. More lenient where the model is coarse: the flag P is not compared, several of the model's segments
may be one of the script's (segmentation offload), and bytes beyond the first 10 segments in flight go out when the
script says so, because no congestion window is modelled.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tcpcheck.conform.follow import STATES_MAX, Disagreement, Setting
from tcpcheck.conform.live import Live, Numbers, Overflow, Pending, Tuple4
from tcpcheck.conform.packetdrill_reader import HOST, PEER, Event, Script, Unsupported
from tcpcheck.conform.packets import ACK, FIN, M32, RST, SYN, Endpoint, Packet, tell
from tcpcheck.conform.passing import Clock, Tuples
from tcpcheck.conform.script_calls import Acting, Caller, asserted, check
from tcpcheck.conform.telling import describe, waits
from tcpcheck.tcp.drive import Driver
from tcpcheck.tcp.profile import profile_for

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
class _Timed:
    """An event with its times from the start, ns. done: the end of a blocking call."""

    event: Event
    lo: int
    hi: int
    done: bool = False


class ScriptRun:
    """One script. Raises Unsupported."""

    def __init__(self, script: Script, setting: Setting) -> None:
        self.script, self.setting = script, setting
        self.key: Tuple4 = (PEER, Endpoint(HOST, script.port))
        self.hosts = {PEER.address: 1}
        self.tuples = Tuples({(1, PEER.port, script.port): self.key})
        self.clock = Clock(self.tuples, profile_for(setting.kernel)[0])
        self.sysctls = {**dict(script.sysctls), **setting.values(0)}
        driver = Driver(setting.kernel, self.sysctls, rtt_max_ns=max(setting.rtt_max_ns, self._round_trip()))
        first = Acting(driver, self.hosts)
        first.numbers[self.key] = Numbers(midstream=True)
        self.live: list[Acting] = [first]
        self.reasons: dict[str, None] = {}
        self.tolerance = script.tolerance_ns
        self.checks_tsval = script.options.get("tcp_ts_tick_usecs", "0") not in ("", "0")

    def run(self) -> ScriptOutcome:
        """Until the end or the first disagreement."""
        for event in self.script.events:
            check(event)
        self._check_user_timeout()
        out = ScriptOutcome(sum(event.packet is not None for event in self.script.events))
        for step in self._schedule():
            self.reasons, self.clock.missing = {}, []
            before = self.live
            self.live = self._distinct(self._step(step))
            packet = step.event.packet
            if not self.live:
                out.disagreement = self._disagreement(before, step, out.matched + 1)
                return out
            out.matched += packet is not None
        self._ending(out)
        return out

    def _ending(self, out: ScriptOutcome) -> None:
        """What was sent and not expected is a disagreement, unless the script ended at that moment."""
        if any(not live.out for live in self.live):
            return
        live = self.live[0]
        left = [describe(live, key, p.seg, p.rules) for key, p in live.out]
        if any(live.driver.now() - live.out[0][1].time_ns <= self.tolerance for live in self.live):
            out.notes = [f"the script ends before the model has done this: {text}" for text in left]
            return
        last = self.script.events[-1].line
        out.disagreement = Disagreement(out.matched, last, left, "the script ends without this", self.key)

    # ---- times
    def _schedule(self) -> list[_Timed]:
        """The events in order, each blocking call's end where its time has come."""
        out: list[_Timed] = []
        waiting: list[_Timed] = []
        base = 0
        for event in self.script.events:
            when = event.when
            start = (base if when.relative else 0) + when.lo
            stop = FOR_EVER if when.any else (base if when.relative else 0) + when.hi
            due = [step for step in waiting if step.lo < start or event.kind == "call"]  # one thread makes the calls
            out += due
            waiting = [step for step in waiting if step not in due]
            out.append(_Timed(event, max(start, due[-1].lo) if due and due[-1].lo <= stop else start, stop))
            if when.end is not None and event.words and event.words[0] in _BLOCKING:
                end = (base if when.relative else 0) + when.end
                waiting = sorted([*waiting, _Timed(event, end, end, True)], key=lambda step: step.lo)
            base = max(start, base)
        return [*out, *waiting]

    def _round_trip(self) -> int:
        """The script's own delays between packets bound the RTT."""
        steps = [event.when.lo for event in self.script.events if event.kind == "in" and event.when.relative]
        return min(max(steps, default=0) + 2_000_000, 1_000_000_000)

    def _check_user_timeout(self) -> None:
        """TCP_USER_TIMEOUT makes no difference before it is over."""
        for i, event in enumerate(self.script.events):
            if event.kind == "call" and "TCP_USER_TIMEOUT" in event.words:
                limit = "".join(c for c in event.words[4] if c.isdigit()) or "0"
                if sum(later.when.hi for later in self.script.events[i + 1 :]) >= int(limit) * 1_000_000:
                    raise Unsupported(event.line, "TCP_USER_TIMEOUT that runs out")

    # ---- one event
    def _step(self, step: _Timed) -> Iterator[Live]:
        kind = step.event.kind
        if kind == "out":
            for live in self.live:
                yield from self._sent(live, step)
            return
        for live in self._passed(step.lo):
            if kind == "sysctl":
                self.sysctls |= dict(step.event.settings)
                live.driver.sysctl(self.sysctls)
                yield live
            elif kind == "assert":
                yield from self._asserted(live, step.event)
            elif kind == "in":
                packet = self._absolute(live, step)
                packet.time_ns = step.lo
                yield from live.every(partial(self._inject, packet))
            else:
                yield from live.every(partial(self._call, step))

    def _passed(self, at: int) -> Iterator[Acting]:
        for start in self.live:
            for live in self.clock.passed(start.fork(), max(at, start.driver.now())):
                assert isinstance(live, Acting)
                yield live

    def _absolute(self, live: Acting, step: _Timed) -> Packet:
        """The packet with the numbers of the script's SYNs added: only those of a SYN are absolute in a script."""
        packet = replace(step.event.packet or Packet(0, 0, *self.key, 0, 0, 0, 0))
        if packet.flags & SYN:
            return packet
        inbound = step.event.kind == "in"
        own, other = (live.peer_isn, live.own_isn) if inbound else (live.own_isn, live.peer_isn)
        packet.seq = ((packet.seq or 0) + own) & M32
        if packet.flags & ACK:
            packet.ack = (packet.ack + other) & M32
        packet.sack = tuple(((a + other) & M32, (b + other) & M32) for a, b in packet.sack)
        if (
            packet.flags & RST
            and packet.flags & ACK
            and not inbound
            and step.event.packet
            and not step.event.packet.seq
        ):
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

    def _call(self, step: _Timed, live: Live) -> bool:
        """Makes the call; does it return what the script says?"""
        assert isinstance(live, Acting)
        event, caller = step.event, Caller(step.event, self.key)
        blocks = event.when.end is not None and event.words[0] in _BLOCKING
        if blocks and not step.done:
            caller.begin(live)
            found: int | None = None
        elif step.done and event.words[0] == "connect":
            found = caller._connected(live)
        else:
            found = caller(live)
        live.gather(live.driver.take(), self.tuples)
        if found is None or event.result is None:
            return True
        wanted = event.result if event.result >= 0 else -getattr(errno, event.errno or "", 1)
        if found != wanted:
            said = str(found) if found >= 0 else errno.errorcode.get(-found, str(found))
            if found == -errno.ERANGE:
                said = "another value"
            self.reasons[f"{event.words[0]}() returns {said}"] = None
        return found == wanted

    # ---- packets that the script expects
    def _sent(self, live: Acting, step: _Timed) -> Iterator[Live]:
        lo, hi = step.lo - self.tolerance, step.hi + self.tolerance
        pending = live.first(self.key)
        if pending is not None:
            yield from self._matched(live.fork(), step, lo, hi)
            return
        found = False
        for other in (*self._by_timer(live, step.lo, lo, hi), *self._released(live, step)):
            if other.first(self.key):
                for match in self._matched(other, step, lo, hi):
                    found = True
                    yield match
        if not found:
            self.reasons[waits(live, self.key)] = None

    def _by_timer(self, live: Acting, wanted: int, lo: int, hi: int) -> Iterator[Acting]:
        """A timer whose window meets the script's fires as near to the time wanted as it can."""
        now, slot = live.driver.now(), live.slot(self.key)
        for timer in live.driver.timers():
            first, last = max(now + timer["lo"], lo, now), min(now + timer["hi"], hi)
            if timer["sock"] != slot or first > last:
                continue
            for passed in self.clock.passed(live.fork(), min(max(wanted, first), last)):
                for other in passed.every(partial(self._fire, timer)):
                    assert isinstance(other, Acting)
                    yield other

    def _fire(self, timer: dict[str, Any], live: Live) -> None:
        live.gather(live.driver.fire(timer["sock"], timer["slot"]), self.tuples)

    def _released(self, live: Acting, step: _Timed) -> Iterator[Acting]:
        """Bytes that were held back go out, and what waits behind them."""
        packet = step.event.packet
        if packet is None or not live.held or not 0 < packet.length <= live.held:
            return
        at = max(step.lo if step.hi < FOR_EVER else live.driver.now(), live.driver.now())
        for passed in self.clock.passed(live.fork(), at):
            for other in passed.every(partial(self._release, packet)):
                assert isinstance(other, Acting)
                yield other

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

    def _matched(self, live: Live, step: _Timed, lo: int, hi: int) -> Iterator[Live]:
        assert isinstance(live, Acting)
        packet = self._absolute(live, step)
        self._join(live, packet)
        pending = live.first(self.key)
        assert pending is not None
        text = describe(live, self.key, pending.seg, pending.rules)
        if not lo <= pending.time_ns <= hi:
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

    def _disagreement(self, before: list[Acting], step: _Timed, number: int) -> Disagreement:
        event = step.event
        expected = list(self.reasons)
        expected += [describe(before[0], self.key, seg, ()) for seg in self.clock.missing]
        if event.packet is not None:
            observed = f"the script: {tell(event.packet)}, at {step.lo / 1e9:.3f} s"
        else:
            result = f" = {event.result} {event.errno or ''}".rstrip() if event.kind == "call" else ""
            arguments = ", ".join(event.words[1:])
            shown = f"{event.words[0]}({arguments})" if event.kind == "call" else "; ".join(event.words)
            observed = f"the script: {shown}{result}, at {step.lo / 1e9:.3f} s"
        return Disagreement(number, event.line, expected[:EXPECTED_MAX], observed, self.key)
