"""The state of one TCP connection, asked from the kernel by its exact 4-tuple (sock_diag(7), inet_diag)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_NLMSG_ERROR = 2
_ATTR_INFO = 2  # INET_DIAG_INFO: struct tcp_info
_TIMER_TIMEWAIT = 3
_NAMES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSED",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
}


@dataclass
class Diag:
    """What inet_diag says. `kind` is full, request or bucket; `expires_ms` of the running timer."""

    state: str
    kind: str
    orphan: bool
    timer: int
    retransmits: int
    expires_ms: int
    receive_queue: int
    send_queue: int

    @property
    def text(self) -> str:
        """State and kind in one word: `FIN_WAIT2`, `FIN_WAIT2/tw`, `SYN_RECV/req`."""
        return self.state + {"full": "", "request": "/req", "bucket": "/tw"}[self.kind]


class DiagSocket:
    """A netlink socket for exact queries."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
        self._sock.bind((0, 0))

    def close(self) -> None:
        """Close the netlink socket."""
        self._sock.close()

    def ask(self, local: tuple[str, int], remote: tuple[str, int]) -> Diag | None:
        """The socket with exactly this 4-tuple; None when there is none (a listener does not count)."""
        ident = struct.pack("!HH", local[1], remote[1])
        for address in (local[0], remote[0]):
            ident += socket.inet_aton(address) + bytes(12)
        ident += struct.pack("=III", 0, M_NOCOOKIE, M_NOCOOKIE)
        body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 1 << (_ATTR_INFO - 1), 0, 0xFFFFFFFF) + ident
        self._sock.send(struct.pack("=IHHII", 16 + len(body), _BY_FAMILY, 1, 1, 0) + body)
        data = self._sock.recv(8192)
        if struct.unpack_from("=H", data, 4)[0] == _NLMSG_ERROR:
            return None
        if struct.unpack_from("!H", data, 16 + 6)[0] != remote[1]:
            return None
        return _read(data)


M_NOCOOKIE = 0xFFFFFFFF  # INET_DIAG_NOCOOKIE: any socket will do


def _read(data: bytes) -> Diag:
    _family, state, timer, retransmits = struct.unpack_from("=BBBB", data, 16)
    expires, rqueue, wqueue, _uid, inode = struct.unpack_from("=IIIII", data, 16 + 4 + 48)
    info, at, end = None, 16 + 72, struct.unpack_from("=I", data)[0]
    while at + 4 <= end:
        size, kind = struct.unpack_from("=HH", data, at)
        if kind == _ATTR_INFO:
            info = data[at + 4 : at + size]
        at += (size + 3) & ~3
    kind_name = "full" if info else "bucket" if timer == _TIMER_TIMEWAIT else "request"
    return Diag(_NAMES[state], kind_name, inode == 0, timer, retransmits, expires, rqueue, wqueue)
