"""One possible state of the modelled host: a stack driven by hand, and how its numbers relate to the capture's.

The stack's ISNs and TSvals are its own. What it sends is compared with the capture after the shift that was learned
from the host's SYN; a TSval that the peer echoes is looked up among those seen. The peer's numbers are taken as they
are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tcpcheck.conform.packets import (
    ACK,
    FIN,
    M32,
    PSH,
    RST,
    SYN,
    URG,
    Endpoint,
    Packet,
    flag_bits,
    flag_letters,
    signed,
)
from tcpcheck.tcp.drive import Driver

TSVAL_TOLERANCE_NS = 5_000_000  # of a capture's clock against the timestamps in its packets, plus a drift of
DRIFT = 200  # 200 parts in a million
ECHOES_KEPT = 64
BRANCHES_MAX = 64  # outcomes of one step
TW_ISN_STEP = 65537
ISN_TICK_NS = 64
UNKNOWN_SCALE = 8  # of a connection whose SYN was not seen: wide, lest the model thinks the window closed
_COMPARED = FIN | SYN | RST | ACK

Tuple4 = tuple[Endpoint, Endpoint]  # the peer's end, the host's end


class Overflow(Exception):
    """The stack's tables are too small for this many connections."""


class Pending(NamedTuple):
    """A segment that the model has sent and the capture has not shown yet."""

    time_ns: int
    seg: dict[str, Any]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """One connection's translation. shift: model = capture + shift, of the host's sequence numbers. ts_shift likewise
    of its TSvals, learned at ts_time. iss, nxt: of the model's latest incarnation. echoes: TSvals seen -> the model's.
    scales: -1 unknown (their SYN was not seen)."""

    shift: int | None = None
    iss: int | None = None
    isn: int | None = None  # the same, as captured, and when it was learned
    isn_time: int = 0
    nxt: int = 0
    ts_shift: int | None = None
    ts_time: int = 0
    echoes: tuple[tuple[int, int], ...] = ()
    peer_scale: int = -1
    own_scale: int = -1
    midstream: bool = False  # the shift is learned from whatever comes first
    last_ns: int = 0  # when its last packet was seen
    shut_ns: int | None = None  # since when the peer offers no window


class Live:
    """A driver and what was learned. `hosts` gives each peer's address its index; shared by all copies."""

    def __init__(self, driver: Driver, hosts: dict[str, int]) -> None:
        self.driver = driver
        self.hosts = hosts
        self.out: list[tuple[Tuple4, Pending]] = []
        self.numbers: dict[Tuple4, Numbers] = {}
        self.listeners: dict[int, int] = {}  # port -> slot
        self.story: tuple[tuple[int, str], ...] = ()  # calls assumed: time, words
        self.unanswered: tuple[Tuple4, int, tuple[str, ...]] | None = None  # the latest packet, and the rules it met
        self.asked: tuple[Tuple4, int] | None = None  # the packet that arrives just now
        self.spread = 0  # while a timer fires unseen: by how much later than now it may do so

    def fork(self) -> Live:
        """An independent copy."""
        other = Live(self.driver.copy(), self.hosts)
        other.out, other.numbers = list(self.out), dict(self.numbers)
        other.listeners, other.story, other.unanswered = dict(self.listeners), self.story, self.unanswered
        return other

    def key(self) -> tuple[Any, ...]:
        """Equal for states that cannot be told apart from here on."""
        out = tuple((key, pending.time_ns, tuple(sorted(pending.seg.items()))) for key, pending in self.out)
        return self.driver.key(), out, tuple(sorted(self.numbers.items())), tuple(sorted(self.listeners.items()))

    # ---- look-up
    def slot(self, key: Tuple4) -> int:
        """Slot of the connection's socket; -1: none."""
        return int(self.driver.find(key[0].port, key[1].port, self.hosts[key[0].address]))

    def state(self, key: Tuple4) -> str:
        """Its state, as in the driver."""
        return str(self.driver.state(self.slot(key)))

    def sock(self, key: Tuple4) -> dict[str, Any]:
        """Its fields; {} without a socket."""
        slot = self.slot(key)
        return dict(self.driver.sock(slot)) if slot >= 0 else {}

    def known(self, key: Tuple4) -> Numbers:
        """What was learned of the connection."""
        return self.numbers.get(key) or Numbers()

    def first(self, key: Tuple4) -> Pending | None:
        """The connection's first segment that the capture has yet to show."""
        return next((pending for owner, pending in self.out if owner == key), None)

    # ---- steps
    def every(self, do: Callable[[Live], object]) -> Iterator[Live]:
        """`do` in a copy for each way in which the choices it meets may come out."""
        path: list[int] = []
        for _ in range(BRANCHES_MAX):
            other = self.fork()
            other.driver.prescribe(path)
            other.driver.rules()
            try:
                done = do(other)
            except RuntimeError as error:
                raise Overflow(str(error)) from None
            met = other.driver.met()
            if done is not False:
                yield other
            last = len(met) - 1
            while last >= 0 and met[last][1] + 1 >= met[last][0]:
                last -= 1
            if last < 0:
                return
            path = [taken for _, taken in met[:last]] + [met[last][1] + 1]

    def gather(self, sent: list[dict[str, Any]], tuples: dict[tuple[int, int, int], Tuple4]) -> None:
        """Segments just sent wait to be seen. tuples: (peer's index, its port, local port) -> connection."""
        rules = tuple(self.driver.rules())
        if self.asked is not None:
            self.unanswered, self.asked = None if sent else (*self.asked, rules), None
        for seg in sent:
            owner = tuples.get((seg["dst"], seg["dport"], seg["sport"]))
            if owner is not None:
                self.out.append((owner, Pending(self.driver.now(), seg, rules)))

    def fire(self, timer: dict[str, Any]) -> list[dict[str, Any]]:
        """A timer (of the driver's `timers()`) fires now; what the host sends."""
        return list(self.driver.fire(timer["sock"], timer["slot"]))

    def inject(self, key: Tuple4, packet: Packet) -> list[dict[str, Any]]:
        """The peer's packet arrives."""
        known = self.known(key)
        if packet.flags & SYN:
            known = replace(known, peer_scale=packet.wscale if packet.wscale is not None else -2)
        window = peer_window(known, packet)
        shut = None if window else packet.time_ns if known.shut_ns is None else known.shut_ns
        self.numbers[key] = replace(known, last_ns=packet.time_ns, shut_ns=shut)
        seq = packet.seq
        if seq is None:
            seq = self.sock(key).get("rcv_nxt", 0)
        shift = known.shift or 0
        sack = packet.sack[0] if packet.sack else None
        self.driver.rules()
        sent = self.driver.inject(
            key[0].port,
            key[1].port,
            flag_letters(packet.flags & (_COMPARED | PSH | URG)),
            seq,
            (packet.ack + shift) & M32 if packet.flags & ACK else 0,
            packet.length,
            window,
            (packet.ts[0], self._echoed(known, packet.ts[1])) if packet.ts else None,
            src=self.hosts[key[0].address],
            mss=packet.mss or 536,
            sack_ok=packet.sack_ok,
            sack=((sack[0] + shift) & M32, (sack[1] + shift) & M32) if sack else None,
        )
        self.asked = (key, packet.number)
        return list(sent)

    @staticmethod
    def _echoed(known: Numbers, tsecr: int) -> int:
        """The model's TSval that the peer means."""
        for seen, own in reversed(known.echoes):
            if seen == tsecr:
                return own
        return (tsecr + known.ts_shift) & M32 if tsecr and known.ts_shift is not None else tsecr

    # ---- comparison
    def differs(self, key: Tuple4, pending: Pending, packet: Packet) -> str | None:
        """How the capture's packet differs from the model's segment; None: not at all."""
        seg = pending.seg
        bits = flag_bits(seg["flags"])
        if packet.flags_known and bits & _COMPARED != packet.flags & _COMPARED:
            return "flags"
        known = self.known(key)
        if packet.seq is not None and self._learns(known, seg, bits):
            if bits & SYN and "LISTEN_COOKIE_SENT" not in pending.rules and not self._isn_fits(known, seg, packet):
                return "seq: not by the ISN clock"
        elif packet.seq is not None:
            reset_of_none = bits & RST and bits & ACK and seg["seq"] == 0
            shift = 0 if reset_of_none else known.shift or 0
            if (packet.seq + shift) & M32 != seg["seq"]:
                return "seq"
        if bits & ACK and packet.ack != seg["ack"]:
            return "ack"
        if packet.length != seg["len"]:
            return "length"
        return self._options_differ(known, seg, bits, packet) if packet.options_known else None

    def _learns(self, known: Numbers, seg: dict[str, Any], bits: int) -> bool:
        """Is the ISN new and unrelated to what went before? Or was the SYN not seen?"""
        if known.midstream and known.shift is None and not bits & RST:
            return True
        if not bits & SYN or seg["seq"] == known.iss:
            return False
        return known.shift is None or signed(seg["seq"], known.nxt) != TW_ISN_STEP

    @staticmethod
    def _isn_fits(known: Numbers, seg: dict[str, Any], packet: Packet) -> bool:
        """One connection's ISNs lie as far apart as the ISN clock says (RFC 9293 3.4.1); the model's has its speed."""
        if known.shift is None or known.midstream or packet.seq is None:
            return True
        if packet.seq == known.isn:
            return False
        tolerance = TSVAL_TOLERANCE_NS + (packet.time_ns - known.isn_time) * DRIFT // 1_000_000
        return abs(signed(packet.seq + known.shift, seg["seq"])) <= tolerance // ISN_TICK_NS

    def _options_differ(self, known: Numbers, seg: dict[str, Any], bits: int, packet: Packet) -> str | None:
        ts = seg["ts"]
        if (ts is None) != (packet.ts is None):
            return "timestamps"
        if ts is not None and packet.ts is not None:
            if packet.ts[1] != ts[1]:
                return "TSecr"
            if not self._tsval_fits(known, ts[0], packet):
                return "TSval"
        if bits & SYN and packet.sack_ok != bool(seg["sack_ok"]):
            return "sackOK"
        shown = packet.sack[0] if packet.sack else None
        if shown != (tuple(seg["sack"]) if seg["sack"] else None):
            return "sack"
        return None

    @staticmethod
    def _tsval_fits(known: Numbers, own: int, packet: Packet) -> bool:
        if known.ts_shift is None or packet.ts is None:
            return True
        tolerance = TSVAL_TOLERANCE_NS + (packet.time_ns - known.ts_time) * DRIFT // 1_000_000
        return abs(signed(packet.ts[0] + known.ts_shift, own)) <= tolerance // 1_000_000

    def seen(self, key: Tuple4, packet: Packet) -> None:
        """The capture shows the connection's first pending segment: learn from it."""
        at = next(i for i, (owner, _) in enumerate(self.out) if owner == key)
        pending = self.out.pop(at)[1]
        seg, known = pending.seg, self.known(key)
        bits = flag_bits(seg["flags"])
        if self._learns(known, seg, bits) and packet.seq is not None:
            known = replace(known, shift=(seg["seq"] - packet.seq) & M32, isn_time=packet.time_ns)
        if bits & SYN:
            scale = packet.wscale if packet.wscale is not None else -2
            known = replace(known, iss=seg["seq"], isn=packet.seq, own_scale=scale)
        if not bits & RST:
            end = (seg["seq"] + seg["len"] + bool(bits & FIN) + bool(bits & SYN)) & M32
            known = replace(known, nxt=end if bits & SYN or signed(end, known.nxt) > 0 else known.nxt)
        if seg["ts"] and packet.ts:
            echoes = (*known.echoes[1 - ECHOES_KEPT :], (packet.ts[0], seg["ts"][0]))
            known = replace(known, echoes=echoes)
            if known.ts_shift is None or bits & SYN:
                known = replace(known, ts_shift=(seg["ts"][0] - packet.ts[0]) & M32, ts_time=packet.time_ns)
        self.numbers[key] = replace(known, last_ns=packet.time_ns)
        self._offered(key, known, bits, packet)

    def _offered(self, key: Tuple4, known: Numbers, bits: int, packet: Packet) -> None:
        """How much a host offers is memory management, which the model does not know: the capture says it."""
        slot = self.slot(key)
        if slot < 0 or packet.window is None or not bits & ACK or bits & RST or self.state(key).endswith("/tw"):
            return
        if bits & SYN:
            self.driver.offered(slot, packet.window)
        elif known.own_scale != -1 and known.peer_scale != -1:
            self.driver.offered(slot, packet.window << (max(known.own_scale, 0) if known.peer_scale >= 0 else 0))


def peer_window(known: Numbers, packet: Packet) -> int:
    """The peer's window in bytes: scaled when both SYNs had the option (RFC 7323 2.2)."""
    window = 65535 if packet.window is None else packet.window
    if known.peer_scale == -1 and not packet.flags & SYN:
        return window << UNKNOWN_SCALE
    if packet.flags & SYN or known.peer_scale < 0 or known.own_scale == -2:
        return window
    return window << min(known.peer_scale, 14)
