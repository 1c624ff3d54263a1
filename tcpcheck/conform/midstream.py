"""A capture that starts in the middle of a connection: every state in which the host may have been before.

Each start is reached by a history that the driver plays: handshake, FINs and their ACKs, with the numbers that the
first packets show. What they do not show stays unknown: windows are taken to be wide, timers to have run for any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tcpcheck.conform.calls import BACKLOG, accepted
from tcpcheck.conform.live import Live, Tuple4
from tcpcheck.conform.packets import ACK, FIN, M32, RST, SYN, Packet
from tcpcheck.conform.passing import Tuples

WIDE = 1 << 20  # bytes
LONG_NS = 130_000_000_000  # longer than any retransmission timeout
REPEATS = 10
_FINS_OF_PEER = ("CLOSE_WAIT", "LAST_ACK", "CLOSING", "TIME_WAIT")
_FINS_OF_HOST = ("FIN_WAIT1", "FIN_WAIT2", "LAST_ACK", "CLOSING", "TIME_WAIT")
STATES = ("ESTABLISHED", *dict.fromkeys((*_FINS_OF_PEER, *_FINS_OF_HOST)))


@dataclass(frozen=True)
class Shown:
    """What the first packets show: the host's RCV.NXT and SND.NXT (None: not shown), its ts_recent (None: no
    timestamps). fin: the host's FIN is before SND.NXT."""

    rcv_nxt: int
    snd_nxt: int | None
    ts_recent: int | None
    fin: bool = False


def starts(empty: Callable[[], Live], key: Tuple4, steps: list[tuple[Tuple4, bool, Packet]]) -> Iterator[Live]:
    """Possible states before the first packet. empty: makes a host without sockets, one with a listener on the port."""
    first, inbound = steps[0][2], steps[0][1]
    if first.flags & SYN and first.flags & ACK:
        yield from _opening(empty, key, first, inbound)
        return
    yield empty()
    for shown in dict.fromkeys(_shown(steps)):
        for state in _FINS_OF_HOST if shown.fin else STATES:
            for sack in (True, False):
                for held in (True, False):
                    yield from _History(empty(), key, shown, first.time_ns).reach(state, sack, held)


def shows_only(steps: list[tuple[Tuple4, bool, Packet]]) -> bool:
    """Is the first packet the host's answer to something that was not captured? Then it only shows the numbers."""
    return not steps[0][1] and not steps[0][2].flags & SYN


def _opening(empty: Callable[[], Live], key: Tuple4, first: Packet, inbound: bool) -> Iterator[Live]:
    """The SYN was just missed."""
    live = empty()
    live.driver.advance(first.time_ns)
    if inbound:
        slot = live.driver.connect(live.hosts[key[0].address], key[0].port, key[1].port)
        own = live.driver.take()[0]
        known = replace(live.known(key), shift=(own["seq"] + 1 - first.ack) & M32, iss=own["seq"])
        if first.ts and own["ts"]:
            known = replace(known, echoes=((first.ts[1], own["ts"][0]),))
        live.numbers[key] = replace(known, nxt=(own["seq"] + 1) & M32, last_ns=first.time_ns)
        live.driver.widen(slot, 0, LONG_NS, 0)
    else:
        live.listeners[key[1].port] = live.driver.listen(key[1].port, BACKLOG)
        syn = replace(first, flags=SYN, seq=(first.ack - 1) & M32, ack=0, ts=(first.ts[1], 0) if first.ts else None)
        live.gather(live.inject(key, syn), Tuples({(live.hosts[key[0].address], key[0].port, key[1].port): key}))
    yield live


def _shown(steps: list[tuple[Tuple4, bool, Packet]]) -> Iterator[Shown]:
    """The numbers of the first packets from either side that tell both."""
    recent = next((p.ts[1] for _, inbound, p in steps if not inbound and p.ts and not p.flags & SYN), None)
    for side in (False, True):
        for _, inbound, p in steps:
            if inbound != side or p.flags & (SYN | RST) or not p.flags & ACK:
                continue
            ts = None if p.ts is None else (recent if recent is not None else p.ts[0])
            if not inbound:
                yield Shown(p.ack, p.end if p.seq is not None else None, ts, bool(p.flags & FIN))
            elif p.seq is not None:
                yield Shown(p.seq, p.ack, ts)
            break


class _History:
    """One way to a state, all at one moment."""

    def __init__(self, live: Live, key: Tuple4, shown: Shown, at: int) -> None:
        self.live, self.key, self.shown = live, key, shown
        self.driver = live.driver
        self.driver.advance(at)
        self.peer = live.hosts[key[0].address]

    def reach(self, state: str, sack: bool, held: bool) -> Iterator[Live]:
        """Nothing when the state cannot be had so. held: the application has a descriptor."""
        fins = (state in _FINS_OF_PEER) + 1
        irs = (self.shown.rcv_nxt - fins) & M32
        slot = self._handshake(irs, sack)
        if (held or state in _FINS_OF_HOST) and not accepted(self.live, slot):
            return
        if state in _FINS_OF_HOST:
            if state == "LAST_ACK":
                self._inject("F.", irs + 1)
            (self.driver.shutdown if held else self.driver.close)(slot)
        if self._finish(state, irs):
            yield from self._repeats()

    def _repeats(self) -> Iterator[Live]:
        """How often the timer has fired already is unknown."""
        for _ in range(REPEATS):
            slot = self._slot()
            timers = [t for t in self.driver.timers() if t["sock"] == slot and t["kind"] in ("rto", "tlp")]
            yield self._aged(self.live.fork())
            if not timers:
                return
            self.driver.fire(slot, timers[0]["slot"])

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

    def _inject(self, flags: str, seq: int, ack: int | None = None, sack: bool = True) -> None:
        ts = None if self.shown.ts_recent is None else (self.shown.ts_recent, 0)
        if flags != "S" and ack is None:
            ack = self.driver.sock(self._slot())["snd_nxt"]
        self.driver.inject(
            self.key[0].port,
            self.key[1].port,
            flags,
            seq & M32,
            (ack or 0) & M32,
            0,
            WIDE,
            ts,
            src=self.peer,
            sack_ok=sack,
        )

    def _aged(self, live: Live) -> Live:
        """How long ago all that was is unknown."""
        driver, slot = live.driver, live.slot(self.key)
        sock = driver.sock(slot)
        driver.take()
        for timer in driver.timers():
            driver.widen(timer["sock"], timer["slot"], LONG_NS, 0)
        if not driver.state(slot).endswith("/tw"):
            driver.offered(slot, WIDE)
        known = replace(live.known(self.key), midstream=True, iss=sock["iss"], nxt=sock["snd_nxt"])
        if self.shown.snd_nxt is not None:
            known = replace(known, shift=(sock["snd_nxt"] - self.shown.snd_nxt) & M32)
        live.numbers[self.key] = known
        live.story = ((driver.now(), f"(was in {driver.state(slot)} before)"),)
        return live
