"""The model as the host under test: what `lab.Lab` asks for, by `tcpcheck.tcp.drive.Driver`."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from tcpcheck.crosscheck.lab import CLOSED, PORT, Peer
from tcpcheck.live.packet import Segment, flag_bits, flag_text, is_dsack
from tcpcheck.tcp.drive import Driver

T = TypeVar("T")
ADDRESS = ("peer", 20001)
KERNEL = "linux-6.18.44"
MOMENT = 10_000  # ns
LOCAL = 30001  # the local port of an active open


def segment_in(text: dict[str, Any]) -> Segment:
    """A segment of the driver as a `Segment`."""
    seg = Segment(flag_bits(text["flags"]), text["seq"], text["ack"], text["len"], text["wnd"], text["ts"])
    seg.sack_ok = bool(text["sack_ok"])
    seg.sack = (text["sack"],) if text["sack"] else ()
    seg.dsack = text["dsack"] or is_dsack(seg)
    return seg


class ModelLab:
    """One stack with one listener and few peers; `fork` to try several things from the same state."""

    def __init__(self, settings: dict[str, int], kernel: str = KERNEL, rtt_max_ns: int = 4_000_000) -> None:
        """settings: sysctls. kernel: name of a profile. rtt_max_ns: so late an ACK may come."""
        self.driver = Driver(kernel, settings, rtt_max_ns=rtt_max_ns)
        self._listener = int(self.driver.listen(PORT, 16))
        self._peers = 0

    def own_listener(self, peer: Peer, backlog: int, defer: int = 0) -> None:
        """A listener besides the first; defer: TCP_DEFER_ACCEPT as a number of SYN-ACK timeouts."""
        peer.port = PORT + 1
        peer.listener = int(self.driver.listen(peer.port, backlog))
        self.driver.defer_accept(peer.listener, defer)

    def fork(self) -> ModelLab:
        """An independent copy in the same state."""
        other = ModelLab.__new__(ModelLab)
        other.driver, other._listener, other._peers = self.driver.copy(), self._listener, self._peers
        return other

    def every(self, do: Callable[[ModelLab], T]) -> Iterator[T]:
        """`do` in a copy of this lab for each way in which the choices it meets may come out."""
        path: list[int] = []
        while True:
            lab = self.fork()
            lab.driver.prescribe(path)
            yield do(lab)
            met = lab.driver.met()
            last = len(met) - 1
            while last >= 0 and met[last][1] + 1 >= met[last][0]:
                last -= 1
            if last < 0:
                return
            path = [taken for _, taken in met[:last]] + [met[last][1] + 1]

    def new_peer(self, ts: bool) -> Peer:
        """A peer with a port of its own."""
        self._peers += 1
        return Peer(self, (ADDRESS[0], ADDRESS[1] + self._peers - 1), PORT, ts)

    def inject(self, peer: Peer, seg: Segment) -> list[Segment]:
        """Deliver a segment; what the stack sends at once. A moment passes, so that no two ISNs are alike."""
        self.driver.advance(MOMENT)
        before = self.pending(peer)
        sent = self.driver.inject(
            peer.address[1],
            peer.port,
            flag_text(seg.flags),
            seg.seq,
            seg.ack,
            seg.length,
            seg.window,
            seg.ts,
            sack_ok=seg.sack_ok,
        )
        return before + [segment_in(s) for s in sent]

    def pending(self, peer: Peer) -> list[Segment]:
        """What the stack has sent to this peer by itself."""
        sent = self.driver.take()
        self.driver.sent.extend(s for s in sent if s["dport"] != peer.address[1])
        return [segment_in(s) for s in sent if s["dport"] == peer.address[1]]

    def slot(self, peer: Peer) -> int:
        """Slot of the peer's socket; -1: none."""
        return int(self.driver.find(peer.address[1], peer.port))

    def state(self, peer: Peer) -> str:
        """State and kind, spelled as by `KernelLab`."""
        slot = self.slot(peer)
        return self.driver.state(slot) if slot >= 0 else CLOSED

    def accept(self, peer: Peer) -> int:
        """The child from the accept queue."""
        return int(self.driver.accept(self._listener if peer.listener is None else peer.listener))

    def connect(self, peer: Peer) -> int:
        """An active open, a moment later, so that no two ISNs are alike."""
        self.driver.advance(MOMENT)
        peer.port = LOCAL
        return int(self.driver.connect(1, peer.address[1], LOCAL))

    def send(self, handle: int, size: int) -> None:
        """Send so many bytes."""
        self.driver.send(handle, size)

    def recv(self, handle: int, size: int) -> None:
        """Receive at most so many bytes."""
        self.driver.recv(handle, size)

    def shutdown(self, handle: int) -> None:
        """No more to send: FIN."""
        self.driver.shutdown(handle)

    def close(self, handle: int) -> None:
        """Close the descriptor."""
        self.driver.close(handle)

    def result(self, peer: Peer, call: str) -> str:
        """What a call returns, spelled as by `KernelLab`."""
        name, _, size = call.partition(" ")
        code = 0
        if name == "accept":
            code = self.accept(peer)
            if code >= 0 and self.driver.sock(code)["rport"] != peer.address[1]:
                return "other"
            peer.handle = code if code >= 0 else None
        elif name == "connect":
            code = self.connect(peer)
            peer.handle = code if code >= 0 else None
        elif name == "unlisten":
            self.driver.close(peer.listener)
            peer.listener = None
        elif name in ("send", "recv"):
            code = self.driver.send(peer.handle, int(size)) if name == "send" else self.driver.recv(peer.handle)
        else:
            getattr(self.driver, name)(peer.handle)
            if name in ("close", "abort"):
                peer.handle = None
        if code < 0:
            return errno.errorcode[-code]
        return str(code) if name in ("send", "recv") else "ok"

    def fire(self, timer: dict[str, Any]) -> None:
        """Let a timer fire now; what it sends is pending."""
        sent = self.driver.take() + self.driver.fire(timer["sock"], timer["slot"])
        self.driver.sent.extend(sent)

    def settle(self, seconds: float) -> None:
        """Time passes; timers that must have fired by then have fired, and what they sent is pending."""
        pending = self.driver.take()
        ns = int(seconds * 1e9)
        pending += [seg for _, seg in self.driver.run(ns, late=True)]
        self.driver.sent.extend(pending)
