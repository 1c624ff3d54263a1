"""A capture of the real kernel, replayed against the model: the peer's segments go in at their times, and the model
must send what the kernel sent, each segment at once or by a timer whose window contains the observed time.

Numbers are translated: the model's ISNs and TSvals are its own, so every number of the kernel's is moved by the
difference of the two SYNs, and what a peer echoes is looked up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from tcpcheck.crosscheck.lab import PORT, signed
from tcpcheck.crosscheck.model import segment_in
from tcpcheck.live.namespace import KERNEL
from tcpcheck.live.packet import ACK, M32, RST, SYN, Address, Segment, decode, flag_text
from tcpcheck.tcp.drive import Driver

TRUTH = Path(__file__).parent / "truth"
SLACK = 3_000_000  # ns by which a time stamp in a capture may be off
AT_ONCE = 3_000_000  # ns: an answer that took longer was sent by a timer (or by a call)


@dataclass
class Packet:
    """One packet of a capture; `t` in ns since the first."""

    t: int
    from_kernel: bool
    peer: Address
    port: int
    seg: Segment


def read_pcap(name: str) -> list[Packet]:
    """The packets of truth/<name>.pcap (raw IP)."""
    data = (TRUTH / f"{name}.pcap").read_bytes()
    at, packets, first = 24, [], None
    while at < len(data):
        sec, usec, size = struct.unpack_from("<III", data, at)
        found = decode(data[at + 16 : at + 16 + size])
        at += 16 + size
        if found is None:
            continue
        seg, sender, receiver = found
        t = sec * 1_000_000_000 + usec * 1000
        first = t if first is None else first
        from_kernel = sender[0] == KERNEL
        peer, port = (receiver, sender[1]) if from_kernel else (sender, receiver[1])
        packets.append(Packet(t - first, from_kernel, peer, port, seg))
    return packets


@dataclass
class Numbers:
    """How one connection's numbers translate: model = capture + shift."""

    shift: int | None = None
    tsvals: dict[int, int] = field(default_factory=dict)
    peer_scale: int = 0
    old_nxt: int = 0  # the kernel's SND.NXT so far, as captured


class Replay:
    """One capture against one driver.

    `calls` maps the number of a packet to what the program does just before it: words out of accept, recv, close,
    shutdown, abort (of the socket accepted last), name=value for a sysctl, and expire: a timer that may have fired by
    now has fired.
    """

    def __init__(self, name: str, sysctls: dict[str, int], backlog: int, calls: dict[int, str]) -> None:
        self.packets, self._calls = read_pcap(name), calls
        self.driver = Driver("linux-6.18.44", sysctls)
        self._listener = self.driver.listen(PORT, backlog)
        self._handle = -1
        self._numbers: dict[Address, Numbers] = {}
        self._peers: dict[Address, int] = {}
        self._out: list[tuple[int, dict[str, object]]] = []  # sent by the model, not yet seen in the capture

    def run(self) -> None:
        """Raises AssertionError at the first packet in which model and kernel differ."""
        for number, packet in enumerate(self.packets):
            where = f"packet {number} at {packet.t / 1e9:.3f} s"
            if number in self._calls:
                self._pass_to(packet.t, where)
                for word in self._calls[number].split():
                    self._call(word)
                self._out += [(packet.t, seg) for seg in self.driver.take()]
            if packet.from_kernel:
                self._expect(packet, where)
            else:
                assert not self._out, f"{where}: the model has sent what the kernel did not: {self._out}"
                self._pass_to(packet.t, where)
                self._out += [(packet.t, seg) for seg in self._inject(packet)]
        assert not self._out, f"at the end: the model has sent what the kernel did not: {self._out}"

    def state(self, number: int) -> str:
        """State of the connection that packet `number` belongs to."""
        packet = self.packets[number]
        return str(self.driver.state(self.driver.find(packet.peer[1], packet.port, self._peer(packet.peer))))

    def _call(self, word: str) -> None:
        if "=" in word:
            name, value = word.split("=")
            self.driver.sysctl({name: int(value)})
        elif word == "expire":
            (timer,) = [timer for timer in self.driver.timers() if timer["lo"] <= 0 <= timer["hi"]]
            self.driver.fire(timer["sock"], timer["slot"])
        elif word == "accept":
            self._handle = self.driver.accept(self._listener)
            assert self._handle >= 0
        else:
            getattr(self.driver, word)(self._handle)

    def _peer(self, peer: Address) -> int:
        """The host index that stands for this peer's address."""
        return self._peers.setdefault((peer[0], 0), len(self._peers) + 1)

    def _pass_to(self, t: int, where: str) -> None:
        """Time passes; a timer that the kernel must have seen by then would have sent something, or ended a socket."""
        while True:
            late = [timer for timer in self.driver.timers() if self.driver.now() + timer["hi"] < t - SLACK]
            if not late:
                break
            timer = min(late, key=lambda timer: timer["hi"])
            self.driver.advance(max(timer["hi"], 0))
            sent = self.driver.fire(timer["sock"], timer["slot"])
            assert not sent, f"{where}: by then the model's {timer['kind']} timer has sent {sent}, the kernel has not"
        self.driver.advance(max(t - self.driver.now(), 0))

    def _inject(self, packet: Packet) -> list[dict[str, object]]:
        seg, numbers = packet.seg, self._numbers.setdefault(packet.peer, Numbers())
        ts = (seg.ts[0], numbers.tsvals.get(seg.ts[1], 0)) if seg.ts else None
        scale = 0 if seg.flags & SYN else numbers.peer_scale
        if seg.flags & SYN:
            numbers.peer_scale = seg.wscale or 0
        ack = (seg.ack + (numbers.shift or 0)) & M32
        sack = tuple((end + (numbers.shift or 0)) & M32 for end in seg.sack[0]) if seg.sack else None
        sent = self.driver.inject(
            packet.peer[1],
            packet.port,
            flag_text(seg.flags),
            seg.seq,
            ack,
            seg.length,
            seg.window << scale,
            ts,
            src=self._peer(packet.peer),
            sack_ok=seg.sack_ok,
            sack=(sack[0], sack[1]) if sack else None,
        )
        return list(sent)

    def _expect(self, packet: Packet, where: str) -> None:
        if not self._out:
            self._fire_for(packet, where)
        assert self._out, f"{where}: the kernel sent {packet.seg}, the model nothing"
        sent_at, text = self._out.pop(0)
        assert packet.t - sent_at <= AT_ONCE, f"{where}: the model sent it {packet.t - sent_at} ns before"
        self._compare(packet, segment_in(text), where)

    def _fire_for(self, packet: Packet, where: str) -> None:
        """The kernel sent this by a timer: which of the model's may fire now, and sends?"""
        now = packet.t
        timers = self.driver.timers()
        due = [m for m in timers if m["lo"] - SLACK <= now - self.driver.now() <= m["hi"] + SLACK]
        assert due, f"{where}: the kernel sent {packet.seg}; no timer of the model is due: {timers}"
        self._pass_to(now, where)
        for timer in due:
            self._out += [(now, seg) for seg in self.driver.fire(timer["sock"], timer["slot"])]
            if self._out:
                return

    def _compare(self, packet: Packet, model: Segment, where: str) -> None:
        kernel, numbers = packet.seg, self._numbers.setdefault(packet.peer, Numbers())
        if kernel.flags & SYN:
            shift = model.seq - kernel.seq
            if numbers.shift is not None and signed(kernel.seq - numbers.old_nxt) == 65537:
                assert signed(shift - numbers.shift) == 0, f"{where}: the ISN does not follow the old connection's"
            numbers.shift = shift
        numbers.old_nxt = (kernel.seq + kernel.length + (kernel.flags & 1) + bool(kernel.flags & SYN)) & M32
        assert flag_text(model.flags & ~8) == flag_text(kernel.flags & ~8), f"{where}: {kernel} but model {model}"
        zero = kernel.flags & RST and kernel.flags & ACK and kernel.seq == 0
        seq = kernel.seq + (0 if zero else numbers.shift or 0)
        want = (seq & M32, kernel.ack if kernel.flags & ACK else 0, kernel.length, kernel.ts is not None)
        assert (model.seq, model.ack, model.length, model.ts is not None) == want, (
            f"{where}: {kernel} but model {model}"
        )
        assert model.dsack == kernel.dsack, f"{where}: {kernel} but model {model}"
        if kernel.ts and model.ts:
            assert model.ts[1] == kernel.ts[1], f"{where}: TSecr {kernel.ts[1]} but model {model.ts[1]}"
            numbers.tsvals[kernel.ts[0]] = model.ts[0]
