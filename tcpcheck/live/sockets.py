"""The calls of a trace, made on real sockets of this process's namespace. Nothing blocks."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tcpcheck.live.namespace import KERNEL, sysctl
from tcpcheck.live.part import Unplayable
from tcpcheck.tcp.sysctls import SYSCTLS

_TCP_REPAIR, _TCP_REPAIR_QUEUE, _TCP_QUEUE_SEQ, _SEND_QUEUE = 19, 20, 21, 2
_ABORT = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 s
_PORTS = "ip_local_port_range"
_RULE = re.compile(
    r"(INPUT|OUTPUT)( -p tcp)?( -[sd] [0-9.]+)*( --[sd]port \d+)*( --tcp-flags [A-Z,]+ [A-Z,]+)? -j DROP"
)


@dataclass
class Run:
    """What one program of the trace holds: its listener and every socket it has not closed."""

    listener: socket.socket | None = None
    held: list[socket.socket] = field(default_factory=list)


@dataclass(frozen=True)
class Where:
    """A connect(): to which peer, from which port (None: the kernel picks `picked`), with which ISN (None: its own)."""

    peer: tuple[str, int]
    port: int | None
    picked: int | None
    isn: int | None


class Sockets:
    """The side's sockets by the names that the trace gives them. translate: a host's address in the trace -> here."""

    def __init__(self, translate: Callable[[str, str, str], str]) -> None:
        self.translate = translate
        self.runs: dict[str, Run] = {}
        self.named: dict[str, socket.socket] = {}
        self.reading: dict[str, int] = {}  # bytes that an unfinished `recv s 10B` has got
        self.connecting: dict[str, socket.socket] = {}

    def run(self, name: str) -> Run:
        return self.runs.setdefault(name, Run())

    def close_all(self) -> None:
        """Every descriptor, for the end of a replay."""
        for run in self.runs.values():
            for sock in [*run.held, *([run.listener] if run.listener else [])]:
                sock.close()

    # ---- calls: each returns what the call returned, as traces spell it; "" when there is nothing to say

    def listen(self, run: str, port: int, backlog: int) -> str:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _errors() as error:
            sock.bind((KERNEL, port))
            sock.listen(backlog)
        if error:
            sock.close()
            return error[0]
        owner = self.run(run)
        if owner.listener is not None:
            owner.held.append(owner.listener)
        owner.listener = sock
        return ""

    def accept(self, run: str, name: str) -> str | None:
        """None: this side has no listener."""
        owner = self.run(run)
        if owner.listener is None:
            return None
        with _errors() as error:
            sock, _ = owner.listener.accept()
            sock.setblocking(False)
            owner.held.append(sock)
            self.named[name] = sock
        return error[0] if error else ""

    def connect(self, run: str, name: str, where: Where) -> str:
        sock = socket.socket()
        sock.setblocking(False)
        with _errors() as error:
            if where.port is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((KERNEL, where.port))
            elif where.picked is not None:
                sysctl(_PORTS, f"{where.picked} {where.picked}")
            if where.isn is not None:
                _choose_isn(sock, where.isn)
            with contextlib.suppress(BlockingIOError):
                sock.connect(where.peer)
        if error:
            sock.close()
            return error[0]
        self.run(run).held.append(sock)
        self.named[name] = self.connecting[name] = sock
        return ""

    def connected(self, name: str) -> str:
        """What a connect() under way came to."""
        code = self.connecting.pop(name).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return errno.errorcode.get(code, str(code)) if code else ""

    def send(self, name: str, size: int) -> str:
        with _errors() as error:
            return f"{self.named[name].send(bytes(size))} bytes"
        return error[0]

    def recv(self, name: str, size: int | None) -> str:
        """size: of `recv s 10B`, which reads on until it has so many."""
        got = self.reading.pop(name, 0)
        with _errors() as error:
            data = self.named[name].recv(1 << 20 if size is None else size - got)
            if not data:
                return "EOF"
            if size is not None and got + len(data) < size:
                self.reading[name] = got + len(data)
                return f"{len(data)} bytes"
            return f"{got + len(data)} bytes"
        return error[0]

    def shutdown(self, name: str, how: str) -> str:
        """What it returns is not modelled."""
        way = {"write": socket.SHUT_WR, "read": socket.SHUT_RD, "both": socket.SHUT_RDWR}[how]
        with contextlib.suppress(OSError):
            self.named[name].shutdown(way)
        return ""

    def option(self, run: str, name: str, option: str, value: int) -> str | None:
        """name: `:80` is the listener of the run. None: this side has no such socket (any more)."""
        sock = self.run(run).listener if name.startswith(":") else self.named.get(name)
        if sock is None:
            return None
        level = socket.SOL_SOCKET if option.startswith("SO_") else socket.IPPROTO_TCP
        with _errors() as error:
            sock.setsockopt(level, getattr(socket, option), value)
        return error[0] if error else ""

    def close(self, name: str, abort: bool = False) -> str:
        sock = self.named.pop(name)
        if abort:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        sock.close()
        for run in self.runs.values():
            if sock in run.held:
                run.held.remove(sock)
        return ""

    def exit(self, name: str) -> str:
        """The kernel closes what the program holds."""
        run = self.run(name)
        for sock in [*run.held, *([run.listener] if run.listener else [])]:
            sock.close()
        self.named = {key: sock for key, sock in self.named.items() if sock not in run.held}
        self.runs[name] = Run()
        return ""

    # ---- the machine

    def sysctl(self, name: str, value: int) -> str:
        set_sysctls({name: value})
        return ""

    def iptables(self, line: str) -> str:
        """`-A OUTPUT ...`: only drops of TCP, as the language has them; addresses become those of the namespace.

        The INPUT chain comes before TCP, and the trace says what it drops: that is not sent at all. A call of iptables
        takes some ms, in which a delayed ACK would go out.
        """
        flag, _, rule = line.partition(" ")
        if flag not in ("-A", "-I", "-D") or not _RULE.fullmatch(rule):
            raise Unplayable(f"iptables {line}: not a rule that drops TCP")
        chain, *words = shlex.split(rule)
        if chain == "INPUT":
            return ""
        for i, word in enumerate(words):
            if word in ("-s", "-d"):
                words[i + 1] = self.translate(chain, word, words[i + 1])
        environment = {**os.environ, "XTABLES_LOCKFILE": "/dev/null"}  # the lock of the machine's own iptables
        try:
            done = subprocess.run(["iptables", flag, chain, *words], capture_output=True, text=True, env=environment)
        except FileNotFoundError:
            raise Unplayable("the trace needs iptables, which is not installed") from None
        if done.returncode:
            raise Unplayable(f"iptables refuses the rule here: {' '.join(done.stderr.split())[:200]}")
        return ""


def set_sysctls(values: Mapping[str, int]) -> None:
    """Unplayable when this kernel has no such sysctl in a namespace of its own."""
    for name, value in values.items():
        if name not in SYSCTLS or not SYSCTLS[name].field:
            continue  # nothing in the model depends on it
        try:
            sysctl(name, value)
        except OSError as error:
            raise Unplayable(f"{name} = {value} cannot be set in a namespace ({error.strerror})") from None


def _choose_isn(sock: socket.socket, isn: int) -> None:
    """TCP_REPAIR (tcp(7)): the sequence number that the next connect() begins with."""
    sock.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR_QUEUE, _SEND_QUEUE)
    sock.setsockopt(socket.IPPROTO_TCP, _TCP_QUEUE_SEQ, isn - (1 << 32) if isn >> 31 else isn)
    sock.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # which TCP_REPAIR has cleared


class _errors:
    """Collects the errno of a call that fails, by name."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __enter__(self) -> list[str]:
        return self.found

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, OSError):
            return False
        self.found.append(errno.errorcode.get(error.errno or 0, str(error.errno)))
        return True
