"""A network namespace of our own with a TUN device: the kernel owns one address, everybody else is a fake peer.

A write to the TUN device runs the kernel's receive path before it returns, so replies can be read at once and
"no reply" needs no waiting. The namespace belongs to a process of its own and ends with it; nothing else is touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcpcheck.errors import Impossible, Undecided
from tcpcheck.live.diag import Diag, DiagSocket
from tcpcheck.live.packet import Segment, decode, encode

KERNEL = "10.9.0.1"  # the address that the kernel owns; peers have others of 10.9.0.0/16
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_SIOCSIFFLAGS, _SIOCGIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFMTU = 0x8914, 0x8913, 0x8916, 0x891C, 0x8922
_IFF_UP = 1
_PR_SET_PDEATHSIG = 1
_TUN = "/dev/net/tun"

# ---- the namespace


def enter() -> None:
    """This process gets a network namespace of its own, under a user namespace where it is not root.

    Impossible, with what is needed, when it cannot."""
    if not sys.platform.startswith("linux"):
        raise Impossible("the kernel can be asked on Linux only")
    before = os.stat("/proc/self/ns/net").st_ino
    try:
        _unshare(_CLONE_NEWNET)
    except PermissionError:
        _enter_as_user()
    if os.stat("/proc/self/ns/net").st_ino == before:
        raise Impossible("the kernel gave no network namespace of its own")


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _enter_as_user() -> None:
    """The same without root: this user is root in a new user namespace (user_namespaces(7))."""
    uid, gid = os.getuid(), os.getgid()
    try:
        _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    except OSError as error:
        raise Impossible(f"needs root, or user namespaces for this user ({error.strerror})") from None


def unavailable() -> str | None:
    """Why no namespace with a TUN device can be made on this machine; None when it can."""
    try:
        in_namespace(_try)
    except Impossible as why:
        return str(why)
    return None


def _try() -> None:
    Wire().close()


def sysctl(name: str, value: int | str) -> None:
    """Set a sysctl in the namespace of this process; `net.ipv4.` may be left out. OSError when it cannot be."""
    _sysctl_file(name).write_text(str(value))


def has_sysctl(name: str) -> bool:
    """Does this kernel have it?"""
    return _sysctl_file(name).exists()


def _sysctl_file(name: str) -> Path:
    return Path("/proc/sys", *(name if "." in name else f"net.ipv4.{name}").split("."))


# ---- the device


SLICE = 0.010  # s after which a wait looks at the clock: how closely the moment of an arrival is known


@dataclass(frozen=True)
class Arrival:
    """A segment that the kernel sent: when it was read, and when at last nothing had come yet (monotonic s); to which
    peer, from which port."""

    time: float
    since: float
    seg: Segment
    peer: tuple[str, int]
    port: int


class Wire:
    """The TUN device and the netlink socket of this process's namespace. Make one per namespace, after `enter`.

    late: by how much this machine has overslept at most (s); a busy one does not keep its appointments."""

    def __init__(self, mtu: int = 1500) -> None:
        self._fd = tun("peers")
        with contextlib.suppress(FileNotFoundError):
            sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16sI20x", b"peers", mtu))
            for call, address in ((_SIOCSIFADDR, KERNEL), (_SIOCSIFNETMASK, "255.255.0.0")):
                where = struct.pack("16sHH4s8x", b"peers", socket.AF_INET, 0, socket.inet_aton(address))
                fcntl.ioctl(control, call, where)
            for device in (b"peers", b"lo"):
                flags = struct.unpack("16sH22x", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16s24x", device)))[1]
                fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", device, flags | _IFF_UP))
        self._diag = DiagSocket()
        self._waiting: dict[tuple[str, int, int], list[tuple[float, float, Segment]]] = {}
        self._empty = time.monotonic()  # when there was nothing to read
        self.late = 0.0

    def close(self) -> None:
        """The device is gone."""
        self._diag.close()
        os.close(self._fd)

    def send(self, seg: Segment, peer: tuple[str, int], port: int) -> None:
        """Let `peer` send `seg` to the kernel's `port`."""
        os.write(self._fd, encode(seg, peer[0], peer[1], KERNEL, port))

    def collect(self) -> None:
        """Read what the kernel has sent and sort it by connection."""
        while True:
            now = time.monotonic()
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                self._empty = now
                return
            packet = decode(data)
            if packet is not None:
                seg, sender, receiver = packet
                arrival = (time.monotonic(), self._empty, seg)
                self._waiting.setdefault((*receiver, sender[1]), []).append(arrival)

    def take_timed(self, peer: tuple[str, int], port: int) -> list[tuple[float, Segment]]:
        """What was sent to `peer` from `port` since the last call, each with the time it was read (monotonic s)."""
        self.collect()
        return [(at, seg) for at, _, seg in self._waiting.pop((*peer, port), [])]

    def take(self, peer: tuple[str, int], port: int) -> list[Segment]:
        """What was sent to `peer` from `port` since the last call."""
        return [seg for _, seg in self.take_timed(peer, port)]

    def take_all(self) -> list[Arrival]:
        """Everything that was sent to anybody since the last call, in order."""
        self.collect()
        found = [
            Arrival(at, since, seg, (address, rport), port)
            for (address, rport, port), segments in self._waiting.items()
            for at, since, seg in segments
        ]
        self._waiting.clear()
        return sorted(found, key=lambda arrival: arrival.time)

    def wait(self, seconds: float) -> None:
        """Collect for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            select.select([self._fd], [], [], left)
            self.collect()

    def wait_for_packet(self, until: float) -> bool:
        """Has the kernel sent something by then (monotonic s)? Returns as soon as it has."""
        while True:
            start = time.monotonic()
            wanted = min(max(until - start, 0), SLICE)
            if select.select([self._fd], [], [], wanted)[0]:
                return True
            self._empty = start + wanted
            self.late = max(self.late, time.monotonic() - self._empty)
            if self._empty >= until:
                return False

    def ask(self, peer: tuple[str, int], port: int) -> Diag | None:
        """The kernel's socket of this connection, if any."""
        return self._diag.ask((KERNEL, port), peer)


def tun(name: str) -> int:
    """A TUN device of that name in the namespace of this process; the end of it that is read and written without
    blocking. Impossible, with what is needed, when there can be none."""
    try:
        fd = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise Impossible(f"needs root, or {_TUN} open to this user ({error.strerror})") from None
    except OSError as error:
        raise Impossible(f"needs {_TUN}, the kernel's TUN device ({error.strerror}): `modprobe tun`") from None
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN_NO_PI))
    except OSError as error:
        os.close(fd)
        raise Impossible(f"needs a TUN device ({error.strerror})") from None
    return fd


# ---- processes, each with a namespace of its own


def in_namespace(work: Callable[..., Any], *args: Any) -> Any:
    """Run `work(*args)` in a child process with its own network namespace and hand back what it returns (pickled).

    The child dies with its parent, and the namespace with the child. Errors: Impossible as raised there, Undecided
    when somebody else ended the child, RuntimeError with the child's traceback for all else.
    """
    ((_, result),) = in_namespaces(work, [args], 1)
    return result


def in_namespaces(work: Callable[..., Any], calls: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[tuple[int, Any]]:
    """`work(*args)` for each of `calls`, `jobs` at a time, as `in_namespace`; (index of the call, result) as they end.

    Whoever stops iterating, Ctrl-C too, ends the children."""
    sys.stdout.flush()
    waiting = list(enumerate(calls))
    running: dict[int, tuple[int, int, list[bytes]]] = {}  # pipe -> (child, index, what came through it)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                index, args = waiting.pop(0)
                reader, child = _start(work, args)
                running[reader] = (child, index, [])
            for reader in select.select(list(running), [], [])[0]:
                child, index, chunks = running[reader]
                data = os.read(reader, 65536)
                if data:
                    chunks.append(data)
                    continue
                del running[reader]
                os.close(reader)
                ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                yield index, _result(b"".join(chunks), ended)
    finally:
        for reader, (child, _, _) in running.items():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reader)


def _start(work: Callable[..., Any], args: tuple[Any, ...]) -> tuple[int, int]:
    """-> the pipe to read from, the child."""
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(work, args, writer, parent)
    os.close(writer)
    return reader, child


def _child(work: Callable[..., Any], args: tuple[Any, ...], writer: int, parent: int) -> None:
    """Never returns. Ctrl-C is the parent's business."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        enter()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after enter(): new rights would clear it
        if os.getppid() != parent:
            os._exit(1)
        result: tuple[str, Any] = ("done", work(*args))
    except Impossible as why:
        result = ("impossible", str(why))
    except BaseException:
        result = ("failed", traceback.format_exc())
    with contextlib.suppress(OSError), os.fdopen(writer, "wb") as pipe:
        pickle.dump(result, pipe)
    os._exit(0)


def _result(data: bytes, ended: int) -> Any:
    """ended: the child's exit code, negative for a signal."""
    if ended < 0:
        raise Undecided(f"a process that talks to the kernel was ended from outside ({signal.Signals(-ended).name})")
    kind, result = pickle.loads(data) if data else ("failed", "the child process died")
    if kind == "impossible":
        raise Impossible(result)
    if kind == "failed":
        raise RuntimeError(result)
    return result


def fresh() -> None:
    """Another namespace for this process, in place of the one it has."""
    try:
        _unshare(_CLONE_NEWNET)
    except OSError as error:
        if error.errno == errno.EPERM:
            raise Impossible("needs root, or user namespaces for this user") from None
        raise
