"""One connection between a fake peer and a host under test: the real kernel here, the model in `model.py`.

`Lab` is what the host must be able to do; `Peer` is the fake peer's own book-keeping. The builders in `states.py`
use nothing else, so kernel and model reach each state by the same calls and the same segments.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tcpcheck.live.namespace import KERNEL, Wire, sysctl
from tcpcheck.live.packet import ACK, FIN, M32, RST, SYN, Segment, flag_bits

PORT = 8888  # where the host under test listens
PEER_ISN = 0x10000000
PEER_TS = 1_000_000  # every segment of a build carries this TSval, so that is what ts_recent holds
CLOSED = "CLOSED"
LINGER_0 = b"\1\0\0\0\0\0\0\0"


def signed(d: int) -> int:
    """A difference of two 32-bit numbers in [-2^31, 2^31)."""
    return ((d + (1 << 31)) & M32) - (1 << 31)


class NotReached(Exception):
    """The host under test is not in the state that a build leads to."""


class Lab(Protocol):
    """A host under test with a listener that all peers share. Handles are whatever the lab likes."""

    def new_peer(self, ts: bool) -> Peer: ...
    def own_listener(self, peer: Peer, backlog: int, defer: int = 0) -> None: ...
    def inject(self, peer: Peer, seg: Segment) -> list[Segment]: ...
    def pending(self, peer: Peer) -> list[Segment]: ...
    def state(self, peer: Peer) -> str: ...
    def accept(self, peer: Peer) -> Any: ...
    def connect(self, peer: Peer) -> Any: ...
    def send(self, handle: Any, size: int) -> None: ...
    def recv(self, handle: Any, size: int) -> None: ...
    def shutdown(self, handle: Any) -> None: ...
    def close(self, handle: Any) -> None: ...
    def result(self, peer: Peer, call: str) -> str: ...
    def settle(self, seconds: float) -> None: ...


@dataclass
class Peer:
    """The fake peer's view of its connection; all numbers are absolute."""

    lab: Lab
    address: tuple[str, int]
    port: int  # on the host's side
    ts: bool  # does the peer offer timestamps?
    sack_ok: bool = True  # ... and SACK?
    rn: int = PEER_ISN  # what the host expects next (its RCV.NXT)
    sn: int = 0x20000000  # what the host sends next (its SND.NXT); a made-up number before it has sent anything
    una: int = 0x20000000  # what the peer has acknowledged (the host's SND.UNA)
    edge: int = PEER_ISN + 65535  # right edge of the window the host has offered
    tsval: int = 0  # the host's last TSval
    handle: Any = None
    listener: Any = None  # of the host, where this peer has one to itself
    unlistened: bool = False  # has the host closed it?
    active: bool = False  # has the host called connect()?
    other: Peer | None = None  # another peer of the same listener
    sent: list[Segment] = field(default_factory=list)

    def note(self, replies: list[Segment]) -> list[Segment]:
        """Take the host's numbers from what it sent while a state is built."""
        for seg in replies:
            if seg.flags & RST:
                continue
            if seg.flags & SYN:
                self.una = seg.seq
                self.sn = seg.seq
            end = (seg.seq + seg.length + bool(seg.flags & SYN) + bool(seg.flags & FIN)) & M32
            if signed(end - self.sn) > 0:
                self.sn = end
            if seg.flags & ACK:
                self.edge = (seg.ack + seg.window) & M32
            if seg.ts is not None:
                self.tsval = seg.ts[0]
        self.sent += replies
        return replies

    def put(self, flags: str, seq: int = 0, length: int = 0, ack: int | None = None) -> list[Segment]:
        """Send a segment of a build: `seq` is relative to RCV.NXT; acknowledges everything unless `ack` is given.

        RCV.NXT moves as for a host that accepts it in order; SYN sets it.
        """
        bits = flag_bits(flags)
        if bits & ACK and not bits & RST:
            self.una = self.sn if ack is None else ack
        seg = Segment(bits, (self.rn + seq) & M32, self.sn if ack is None else ack, length)
        if bits & SYN:
            seg.seq, seg.mss, seg.sack_ok, self.rn = PEER_ISN, 1460, self.sack_ok, PEER_ISN
        if self.ts:
            seg.ts = (PEER_TS, self.tsval if bits & ACK else 0)
        if seq == 0:
            self.rn = (self.rn + length + bool(bits & SYN) + bool(bits & FIN)) & M32
        return self.note(self.lab.inject(self, seg))

    def absorb(self) -> None:
        """Take note of what the host sent of its own accord (a SYN, data, a FIN)."""
        self.note(self.lab.pending(self))

    def window(self) -> int:
        """W: bytes from RCV.NXT to the right edge of the window."""
        return signed(self.edge - self.rn)


class KernelLab:
    """The kernel of this namespace. Every peer has a 4-tuple of its own, so connections do not disturb each other."""

    def __init__(self, settings: Mapping[str, int | str], backlog: int = 4096) -> None:
        for name, value in settings.items():
            sysctl(name, value)
        self.wire = Wire()
        self._used = 0
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((KERNEL, PORT))
        self._listener.listen(backlog)
        self._listener.setblocking(False)
        self._children: dict[tuple[str, int], socket.socket] = {}
        self._ports = itertools.count(1024)

    def own_listener(self, peer: Peer, backlog: int, defer: int = 0) -> None:
        """A listener that only `peer` knows; defer: TCP_DEFER_ACCEPT as a number of SYN-ACK timeouts."""
        peer.listener, peer.port = socket.socket(), next(self._ports)
        peer.listener.bind((KERNEL, peer.port))
        if defer:
            peer.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, (1 << defer) - 1)
        peer.listener.listen(backlog)
        peer.listener.setblocking(False)

    def new_peer(self, ts: bool) -> Peer:
        """A peer with an address and port that no other peer of this lab has had."""
        n = self._used
        self._used += 1
        return Peer(self, (f"10.9.{1 + n // 250 % 250}.{1 + n % 250}", 20001 + n // 62500), PORT, ts)

    def inject(self, peer: Peer, seg: Segment) -> list[Segment]:
        """Deliver a segment; what the kernel sends at once."""
        self.wire.send(seg, peer.address, peer.port)
        return self.pending(peer)

    def pending(self, peer: Peer) -> list[Segment]:
        """What the kernel has sent to this peer since last asked."""
        return self.wire.take(peer.address, peer.port)

    def state(self, peer: Peer) -> str:
        """State and kind: `FIN_WAIT2`, `FIN_WAIT2/tw`, `SYN_RECV/req`, `CLOSED`."""
        diag = self.wire.ask(peer.address, peer.port)
        if diag is None or (peer.unlistened and diag.text == "SYN_RECV/req"):
            return CLOSED  # a request whose listener is closed lies about until its timer fires; no segment finds it
        return diag.text

    def accept(self, peer: Peer) -> socket.socket:
        """The child of this peer from the accept queue."""
        while peer.address not in self._children:
            child, address = self._listener.accept()
            child.setblocking(False)
            self._children[address] = child
        return self._children.pop(peer.address)

    def connect(self, peer: Peer) -> socket.socket:
        """An active open towards the peer (non-blocking), from the same port each time."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((KERNEL, peer.port if peer.active else 0))
            peer.port, peer.active = sock.getsockname()[1], True
            with contextlib.suppress(BlockingIOError):
                sock.connect(peer.address)
        except OSError:
            sock.close()
            raise
        return sock

    def send(self, handle: socket.socket, size: int) -> None:
        """Send so many bytes."""
        handle.send(b"x" * size)

    def recv(self, handle: socket.socket, size: int) -> None:
        """Receive at most so many bytes."""
        handle.recv(size)

    def shutdown(self, handle: socket.socket) -> None:
        """No more to send: FIN."""
        handle.shutdown(socket.SHUT_WR)

    def close(self, handle: socket.socket) -> None:
        """Close the descriptor."""
        handle.close()

    def result(self, peer: Peer, call: str) -> str:
        """What a call (accept, connect, `send 100`, recv, shutdown, close, abort: close with SO_LINGER 0, unlisten:
        close the listener) returns: bytes, `ok` or the name of an errno; `other`: accept() gave another's child."""
        name, _, size = call.partition(" ")
        sock = peer.handle
        try:
            if name == "accept":
                peer.handle = self.accept(peer) if peer.listener is None else self._accept_one(peer)
                return "ok" if peer.handle is not None else "other"
            if name == "connect":
                peer.handle = self.connect(peer)
            elif name == "unlisten":
                peer.listener.close()
                peer.listener, peer.unlistened = None, True
            elif name == "send":
                return str(sock.send(b"x" * int(size)))
            elif name == "recv":
                return str(len(sock.recv(1 << 20)))
            elif name == "shutdown":
                sock.shutdown(socket.SHUT_WR)
            else:
                if name == "abort":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
                sock.close()
                peer.handle = None
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return "ok"

    def _accept_one(self, peer: Peer) -> socket.socket | None:
        """The oldest child of the peer's own listener; None when it is another peer's."""
        child, address = peer.listener.accept()
        child.setblocking(False)
        if address == peer.address:
            return child  # type: ignore[no-any-return]
        self._children[address] = child
        return None

    def tear_down(self, peer: Peer) -> None:
        """Leave no orphan behind: an exact RST, wherever the stimulus has moved RCV.NXT to."""
        if peer.listener is not None:
            peer.listener.close()
        for sock in (peer.handle, self._children.pop(peer.address, None)):
            if isinstance(sock, socket.socket):
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
                sock.close()
        for step in (0, 10, 1, 11, 100, 110, 20, 21, 65535):
            diag = self.wire.ask(peer.address, peer.port)
            if diag is None or diag.text == "TIME_WAIT/tw":
                break
            self.wire.send(Segment(RST, (peer.rn + step) & M32), peer.address, peer.port)
        self.pending(peer)

    def settle(self, seconds: float) -> None:
        """Let time pass."""
        self.wire.wait(seconds)

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()
