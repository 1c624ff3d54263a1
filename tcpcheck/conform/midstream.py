"""A capture that starts in the middle of a connection: every state in which the host may have been before.

Each start is reached by a history that the driver plays: handshake, FINs and their ACKs, with the numbers that the
first packets show. What they do not show stays unknown: windows are taken to be wide, timers to have run for any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tcpcheck.conform.calls import BACKLOG, accepted
from tcpcheck.conform.clocks import Step
from tcpcheck.conform.live import TW_ISN_STEP, Live, Tuple4
from tcpcheck.conform.packets import ACK, FIN, M32, RST, SYN, Packet
from tcpcheck.conform.passing import Tuples

WIDE = 1 << 20  # bytes
LONG_NS = 130_000_000_000  # longer than any retransmission timeout
REPEATS = 10
FULL_MOST = 8  # so many unseen connections fit beside the one that is judged
_FINS_OF_PEER = ("CLOSE_WAIT", "LAST_ACK", "CLOSING", "TIME_WAIT")
_FINS_OF_HOST = ("FIN_WAIT1", "FIN_WAIT2", "LAST_ACK", "CLOSING", "TIME_WAIT")
STATES = ("ESTABLISHED", *dict.fromkeys((*_FINS_OF_PEER, *_FINS_OF_HOST)))


class Listening(Protocol):
    """What is assumed of a listener (`follow.Assumption`)."""

    @property
    def backlog(self) -> int: ...

    @property
    def defer(self) -> int: ...


@dataclass(frozen=True)
class Shown:
    """What the first packets show: the host's RCV.NXT and SND.NXT (None: not shown), its ts_recent (None: no
    timestamps). fin: the host's FIN is before SND.NXT. flight: bytes before it that are not acknowledged."""

    rcv_nxt: int
    snd_nxt: int | None
    ts_recent: int | None
    fin: bool = False
    flight: int = 0


def starts(empty: Callable[[], Live], key: Tuple4, steps: list[Step], assumed: Listening) -> Iterator[Live]:
    """Possible states before the first packet. empty: makes a host without sockets."""
    first, inbound = steps[0][2], steps[0][1]

    def history(shown: Shown) -> _History:
        return _History(empty(), key, shown, first.time_ns, assumed)

    if first.flags & SYN and not inbound and first.flags & ACK:
        yield from history(Shown((first.ack - 1) & M32, first.seq, None)).requested(first)
        return
    if first.flags & SYN and (first.flags & ACK or not inbound):
        yield from _connecting(empty, key, first, inbound)
        return
    yield empty()
    yield from history(Shown(0, None, None)).listening()
    if inbound:
        yield from _requests(history, first, steps)
    for shown in dict.fromkeys(_shown(steps)):
        for state in _FINS_OF_HOST if shown.fin else STATES:
            for sack in (True, False):
                for held in (True, False):
                    yield from history(shown).reach(state, sack, held)


def shows_only(steps: list[Step]) -> bool:
    """Is the first packet the host's answer to something that was not captured? Then it only shows the numbers."""
    return not steps[0][1] and not steps[0][2].flags & SYN


def _connecting(empty: Callable[[], Live], key: Tuple4, first: Packet, inbound: bool) -> Iterator[Live]:
    """The host's SYN was just missed, or is not its first."""
    for repeats in range(REPEATS):
        live = empty()
        live.driver.advance(first.time_ns)
        slot = live.driver.connect(live.hosts[key[0].address], key[0].port, key[1].port)
        sent = live.driver.take()
        for _ in range(repeats):
            sent = [] if slot < 0 or live.state(key) == "CLOSED" else live.driver.fire(slot, 0)
        if not sent:
            return
        live.driver.rules()
        live.driver.widen(slot, 0, LONG_NS if inbound else 0, 0)
        live.story = ((live.driver.now(), f"(connect() was before, and {repeats} timeouts)"),)
        if inbound:
            own = sent[0]
            known = replace(live.known(key), shift=(own["seq"] + 1 - first.ack) & M32, iss=own["seq"])
            if first.ts and own["ts"]:
                known = replace(known, echoes=((first.ts[1], own["ts"][0]),))
            live.numbers[key] = replace(known, nxt=(own["seq"] + 1) & M32, last_ns=first.time_ns)
        else:
            live.gather(sent, _tuples(live, key))
        yield live


def _requests(history: Callable[[Shown], _History], first: Packet, steps: list[Step]) -> Iterator[Live]:
    """The first packet may come to a request socket, or be its SYN again; or the port was used before."""
    answer = next((p for _, inbound, p in steps if not inbound and p.flags & (SYN | ACK) == SYN | ACK), None)
    if first.flags & (SYN | ACK) == SYN and first.seq is not None:
        own = None if answer is None or answer.ack != first.end else answer.seq
        yield from history(Shown(first.seq, own, None)).requested(first)
        if own is not None:
            shown = Shown((first.seq - 1) & M32, (own - TW_ISN_STEP) & M32, None)
            yield from history(shown).reach("TIME_WAIT", True, False)
    elif first.flags & (SYN | ACK | RST) == ACK and first.seq is not None:
        echoed = answer.ts[1] if answer is not None and answer.ts is not None and answer.end == first.ack else None
        yield from history(Shown((first.seq - 1) & M32, (first.ack - 1) & M32, echoed)).requested(first)


def _tuples(live: Live, key: Tuple4) -> Tuples:
    return Tuples({(live.hosts[key[0].address], key[0].port, key[1].port): key})


def _shown(steps: list[Step]) -> Iterator[Shown]:
    """The numbers of the first packets from either side that tell both; then those that only both together tell."""
    recent = next((p.ts[1] for _, inbound, p in steps if not inbound and p.ts and not p.flags & SYN), None)
    own = next((p for _, inbound, p in steps if not inbound and _tells(p)), None)
    other = next((p for _, inbound, p in steps if inbound and _tells(p) and p.seq is not None), None)
    text = next((p for _, inbound, p in steps if not inbound and p.length and _tells(p)), None)
    if own is not None:
        yield Shown(own.ack, None if own.seq is None else own.end, _recent(own, recent), bool(own.flags & FIN))
    if other is not None:
        assert other.seq is not None
        yield Shown(other.seq, other.ack, _recent(other, recent))
        if own is not None and own.seq is not None:
            yield Shown(other.seq, own.seq, _recent(other, recent))
    if text is not None and not text.flags & FIN:
        before = other.seq if other is not None and other.number < text.number else text.ack
        yield Shown(before or 0, text.end, _recent(text, recent), flight=text.length)


def _tells(packet: Packet) -> bool:
    return not packet.flags & (SYN | RST) and bool(packet.flags & ACK)


def _recent(packet: Packet, recent: int | None) -> int | None:
    return None if packet.ts is None else (recent if recent is not None else packet.ts[0])


class _History:
    """One way to a state, all at one moment."""

    def __init__(self, live: Live, key: Tuple4, shown: Shown, at: int, assumed: Listening) -> None:
        self.live, self.key, self.shown, self.assumed = live, key, shown, assumed
        self.backlog = assumed.backlog
        self.driver = live.driver
        self.driver.advance(at)
        self.peer = live.hosts[key[0].address]

    def reach(self, state: str, sack: bool, held: bool) -> Iterator[Live]:
        """Nothing when the state cannot be had so. held: the application has a descriptor."""
        fins = (state in _FINS_OF_PEER) + 1
        irs = (self.shown.rcv_nxt - fins) & M32
        slot = self._handshake(irs, sack)
        if self.shown.flight and (state not in ("ESTABLISHED", "CLOSE_WAIT") or self._send(state, slot) < 0):
            return
        if (held or state in _FINS_OF_HOST) and not accepted(self.live, slot):
            return
        if state in _FINS_OF_HOST:
            if state == "LAST_ACK":
                self._inject("F.", irs + 1)
            (self.driver.shutdown if held else self.driver.close)(slot)
        if self._finish(state, irs):
            yield from self._repeats()

    def _listen(self) -> int:
        port = self.key[1].port
        self.live.listeners[port] = self.driver.listen(port, self.backlog)
        self.driver.defer_accept(self.live.listeners[port], self.assumed.defer)
        return port

    def listening(self) -> Iterator[Live]:
        """A listener, with room in its accept queue and without."""
        self._listen()
        yield self.live.fork()
        if self._full():
            yield self.live

    def requested(self, first: Packet) -> Iterator[Live]:
        """A request socket whose SYN-ACK has gone out so and so often; when is not known, unless `first` is one."""
        for full in (False, True):
            base = self.live.fork()
            history = _History(base, self.key, self.shown, base.driver.now(), self.assumed)
            yield from history._requested(first, full)

    def _requested(self, first: Packet, full: bool) -> Iterator[Live]:
        self._listen()
        shows = bool(first.flags & SYN and first.flags & ACK)
        ts = None if first.ts is None else (first.ts[1] if shows else first.ts[0], 0)
        sent = self._inject("S", self.shown.rcv_nxt, sack=first.sack_ok or not first.flags & SYN, ts=ts)
        if full and not self._full():
            return
        for repeats in range(REPEATS):
            slot = self._slot()
            if slot < 0 or not sent:
                return
            live = self.live.fork()
            live.driver.forget_limits(slot, True)
            known = replace(live.known(self.key), midstream=True, iss=sent[0]["seq"], nxt=(sent[0]["seq"] + 1) & M32)
            if self.shown.snd_nxt is not None:
                known = replace(known, shift=(sent[0]["seq"] - self.shown.snd_nxt) & M32)
            if first.ts and first.flags & ACK and not shows and sent[0]["ts"]:
                known = replace(known, echoes=((first.ts[1], sent[0]["ts"][0]),))
            live.numbers[self.key] = known
            live.story = ((live.driver.now(), f"(the SYN came before, and {repeats} timeouts)"),)
            if shows:
                live.gather(sent, _tuples(live, self.key))
            else:
                live.driver.widen(slot, 0, LONG_NS, 0)
            yield live
            sent = self.driver.fire(slot, 0)

    def _full(self) -> bool:
        """Fills the accept queue with connections that the capture does not show."""
        if self.backlog > FULL_MOST and self.backlog != BACKLOG:
            return False
        if self.backlog == BACKLOG:
            self.driver.shrink(self.live.listeners[self.key[1].port], 0)
        for port in range(1, (0 if self.backlog == BACKLOG else self.backlog) + 2):
            self.driver.inject(port, self.key[1].port, "S", 0, src=self.peer)
            own = self.driver.sock(self.driver.find(port, self.key[1].port, self.peer))["snd_nxt"]
            self.driver.inject(port, self.key[1].port, ".", 1, own, src=self.peer)
        return True

    def _repeats(self) -> Iterator[Live]:
        """How often the timer has fired already is unknown."""
        for _ in range(REPEATS):
            slot = self._slot()
            timers = [t for t in self.driver.timers() if t["sock"] == slot and t["kind"] in ("rto", "tlp")]
            yield self._aged(self.live.fork())
            if not timers:
                return
            self.driver.fire(slot, timers[0]["slot"])

    def _send(self, state: str, slot: int) -> int:
        return int(self.driver.send(slot, self.shown.flight)) if accepted(self.live, slot) else -1

    def _finish(self, state: str, irs: int) -> bool:
        slot = self._slot()
        nxt = self.driver.sock(slot)["snd_nxt"]
        if state == "CLOSE_WAIT":
            self._inject("F.", irs + 1, nxt)
        elif state == "CLOSING":
            self._inject("F.", irs + 1, nxt - 1)
        elif state in ("FIN_WAIT2", "TIME_WAIT"):
            self._inject(".", irs + 1, nxt)
            if state == "TIME_WAIT":
                self._inject("F.", irs + 1, nxt)
        found = self.driver.state(self._slot())
        return bool(found.removesuffix("/tw") == state)

    def _handshake(self, irs: int, sack: bool) -> int:
        port = self.key[1].port
        self.live.listeners[port] = self.driver.listen(port, BACKLOG)
        self._inject("S", irs, sack=sack)
        own = self.driver.sock(self._slot())["snd_nxt"]
        self._inject(".", irs + 1, own)
        return self._slot()

    def _slot(self) -> int:
        return int(self.driver.find(self.key[0].port, self.key[1].port, self.peer))

    def _inject(
        self, flags: str, seq: int, ack: int | None = None, sack: bool = True, ts: tuple[int, int] | None = None
    ) -> list[dict[str, Any]]:
        if self.shown.ts_recent is not None:
            ts = (self.shown.ts_recent, 0)
        if flags != "S" and ack is None:
            ack = self.driver.sock(self._slot())["snd_nxt"]
        ends = (self.key[0].port, self.key[1].port)
        seq, ack = seq & M32, (ack or 0) & M32
        return list(self.driver.inject(*ends, flags, seq, ack, 0, WIDE, ts, src=self.peer, sack_ok=sack))

    def _aged(self, live: Live) -> Live:
        """How long ago all that was is unknown."""
        driver, slot = live.driver, live.slot(self.key)
        sock = driver.sock(slot)
        driver.take()
        for timer in driver.timers():
            driver.widen(timer["sock"], timer["slot"], LONG_NS, 0)
        driver.forget_limits(slot, True)
        if not driver.state(slot).endswith("/tw"):
            driver.offered(slot, WIDE)
        known = replace(live.known(self.key), midstream=True, iss=sock["iss"], nxt=sock["snd_nxt"])
        if self.shown.snd_nxt is not None:
            known = replace(known, shift=(sock["snd_nxt"] - self.shown.snd_nxt) & M32)
        live.numbers[self.key] = known
        live.story = ((driver.now(), f"(was in {driver.state(slot)} before)"),)
        return live
