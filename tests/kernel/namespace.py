"""A network namespace of our own with a TUN device: the kernel owns 10.9.0.1, everybody else is a fake peer.

A write to the TUN device runs the kernel's receive path before it returns, so replies can be read at once and
"no reply" needs no waiting.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pickle
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kernel.diag import Diag, DiagSocket
from tests.kernel.packet import Segment, decode, encode

KERNEL = "10.9.0.1"
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_SIOCSIFFLAGS, _SIOCGIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x8913, 0x8916, 0x891C
_IFF_UP = 1
_PR_SET_PDEATHSIG = 1


def unavailable() -> str | None:
    """Why no namespace can be made on this machine; None when it can."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root (a network namespace and a TUN device)"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "needs /dev/net/tun"
    return None


def in_namespace(work: Callable[..., Any], *args: Any) -> Any:
    """Run `work(*args)` in a child process with its own network namespace and hand back what it returns (pickled).

    The child dies with its parent, and the namespace with the child. Raises RuntimeError with the child's traceback.
    """
    sys.stdout.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(work, args, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    ok, result = pickle.loads(data) if data else (False, "the child process died")
    if not ok:
        raise RuntimeError(result)
    return result


def _child(work: Callable[..., Any], args: tuple[Any, ...], writer: int) -> None:
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if libc.unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
        result: tuple[bool, Any] = (True, work(*args))
    except BaseException:
        result = (False, traceback.format_exc())
    with os.fdopen(writer, "wb") as pipe:
        pickle.dump(result, pipe)
    os._exit(0)


def sysctl(name: str, value: int | str) -> None:
    """Set net.ipv4.<name> in the namespace of this process."""
    Path("/proc/sys/net/ipv4", name).write_text(str(value))


class Wire:
    """The TUN device and the netlink socket of this process's namespace. Make one per process, after `unshare`."""

    def __init__(self) -> None:
        off = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
        if off.exists():
            off.write_text("1")
        self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self._fd, _TUNSETIFF, struct.pack("16sH22x", b"peers", _IFF_TUN_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for call, address in ((_SIOCSIFADDR, KERNEL), (_SIOCSIFNETMASK, "255.255.0.0")):
                where = struct.pack("16sHH4s8x", b"peers", socket.AF_INET, 0, socket.inet_aton(address))
                fcntl.ioctl(control, call, where)
            for device in (b"peers", b"lo"):
                flags = struct.unpack("16sH22x", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16s24x", device)))[1]
                fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", device, flags | _IFF_UP))
        self._diag = DiagSocket()
        self._waiting: dict[tuple[str, int, int], list[tuple[float, Segment]]] = {}

    def send(self, seg: Segment, peer: tuple[str, int], port: int) -> None:
        """Let `peer` send `seg` to the kernel's `port`."""
        os.write(self._fd, encode(seg, peer[0], peer[1], KERNEL, port))

    def collect(self) -> None:
        """Read what the kernel has sent and sort it by connection."""
        while True:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return
            packet = decode(data)
            if packet is not None:
                seg, sender, receiver = packet
                self._waiting.setdefault((*receiver, sender[1]), []).append((time.monotonic(), seg))

    def take_timed(self, peer: tuple[str, int], port: int) -> list[tuple[float, Segment]]:
        """What was sent to `peer` from `port` since the last call, each with the time it was read (monotonic s)."""
        self.collect()
        return self._waiting.pop((*peer, port), [])

    def take(self, peer: tuple[str, int], port: int) -> list[Segment]:
        """What was sent to `peer` from `port` since the last call."""
        return [seg for _, seg in self.take_timed(peer, port)]

    def wait(self, seconds: float) -> None:
        """Collect for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            select.select([self._fd], [], [], left)
            self.collect()

    def ask(self, peer: tuple[str, int], port: int) -> Diag | None:
        """The kernel's socket of this connection, if any."""
        return self._diag.ask((KERNEL, port), peer)
