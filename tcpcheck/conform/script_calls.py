"""The calls of a packetdrill script, made to the model; and the state in which a script may be."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from copy import copy
from typing import Any

from tcpcheck.conform.live import Live, Tuple4
from tcpcheck.conform.packetdrill_reader import PEER, Barrier, Event, Unsupported
from tcpcheck.tcp.drive import Driver
from tcpcheck.tcp.options import timeouts_in

JIFFY_NS = 4_000_000
WINDOW_FIRST = 10  # segments: what a new connection may have in flight (RFC 6928); more is left to the script
_STATES = {
    name: number
    for number, name in enumerate(
        (
            *("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT"),
            *("LAST_ACK", "LISTEN", "CLOSING"),
        ),
        1,
    )
}
_ASSERTED = ("tcpi_state", "tcpi_snd_mss", "tcpi_advmss", "tcpi_retransmits", "tcpi_probes", "tcpi_backoff")
_PLAIN_OPTIONS = ("SO_REUSEADDR", "SO_REUSEPORT", "TCP_MAXSEG", "TCP_DEFER_ACCEPT", "SO_LINGER", "TCP_USER_TIMEOUT")


class Acting(Live):
    """A possible state, with the script's descriptors. held: bytes that the congestion window keeps back, which the
    model does not know; later: the call that waits behind them. barriers: what commands have closed. waiting: calls
    that block, each with the time of its return. user_timeout: TCP_USER_TIMEOUT in ns, and its line. probing: when the
    first window probe went out, at the earliest, and how much later it may have been; probes: how many have."""

    _OWN = (
        *("held", "later", "reads_nothing", "linger", "maxseg", "own_isn", "peer_isn"),
        *("barriers", "waiting", "user_timeout", "probing", "probes", "last_wait"),
    )

    def __init__(self, driver: Driver, hosts: dict[str, int]) -> None:
        super().__init__(driver, hosts)
        self.fds: dict[int, int] = {}
        self.held = 0
        self.later: str | None = None
        self.reads_nothing = False
        self.linger = False
        self.maxseg = 536
        self.own_isn = self.peer_isn = 0  # as the script numbers them
        self.barriers: tuple[tuple[Barrier, int], ...] = ()  # with the line of the command
        self.waiting: tuple[tuple[int, Event], ...] = ()
        self.user_timeout = (0, 0)
        self.probing = (0, 0)
        self.probes = 0
        self.last_wait = False

    def fork(self) -> Acting:
        other = copy(self)
        other.driver = self.driver.copy()
        other.out, other.numbers = list(self.out), dict(self.numbers)
        other.listeners, other.fds = dict(self.listeners), dict(self.fds)
        return other

    def key(self) -> tuple[object, ...]:
        return (*super().key(), tuple(sorted(self.fds.items())), *(getattr(self, name) for name in self._OWN))

    # ---- the way out and in
    def closed(self, *barriers: Barrier) -> int:
        """The line of the command that has closed one of them; 0: all are open."""
        return next((line for barrier, line in self.barriers if barrier in barriers), 0)

    def bar(self, line: int, barrier: Barrier, shut: bool) -> None:
        """Packets end there from now on, or no longer do."""
        others = tuple(row for row in self.barriers if row[0] is not barrier)
        self.barriers = (*others, (barrier, line)) if shut else others
        self.driver.refuse_output(1 if self.closed(Barrier.OUTPUT) else 2 if self.closed(Barrier.QUEUE) else 0)

    def gather(self, sent: list[dict[str, Any]], tuples: dict[tuple[int, int, int], Tuple4]) -> None:
        super().gather([] if self.closed(Barrier.OUTPUT, Barrier.QUEUE) else sent, tuples)

    def fire(self, timer: dict[str, Any]) -> list[dict[str, Any]]:
        """Raises Unsupported where a full queue would delay what is in flight, which the model does not know."""
        full = self.closed(Barrier.QUEUE)
        if full and timer["kind"] not in ("persist", "timewait", "delack"):
            raise Unsupported(full, f"a full queue when the {timer['kind']} timer fires")
        sent = super().fire(timer) if timer["kind"] != "persist" else self._probed(timer)
        return [] if self.closed(Barrier.OUTPUT, Barrier.QUEUE) else sent

    def _probed(self, timer: dict[str, Any]) -> list[dict[str, Any]]:
        """A window probe. TCP_USER_TIMEOUT counts from the first, and ends the last wait (tcp_probe_timer,
        tcp_clamp_probe0_to_user_timeout)."""
        slot = timer["sock"]
        if not self.driver.sock(slot)["retries"]:
            self.probing, self.last_wait = (self.driver.now(), self.spread), False
        elif self.last_wait:
            self.driver.user_timeout_over(slot)
        sent = super().fire(timer)
        if self.driver.state(slot) != "CLOSED":
            self.probes = self.driver.sock(slot)["retries"]
            self._clamp(slot)
        return sent

    def _clamp(self, slot: int) -> None:
        armed = next((t for t in self.driver.timers() if t["sock"] == slot and t["kind"] == "persist"), None)
        limit, line = self.user_timeout
        if not limit or armed is None:
            return
        since, spread = self.probing
        left = limit - (self.driver.now() - since)  # at most
        if left - (self.spread - spread) > armed["hi"]:
            return
        if left > armed["lo"]:
            raise Unsupported(line, "a TCP_USER_TIMEOUT that may or may not be over when a probe is due")
        latest = left + left // 8 + JIFFY_NS + spread - self.spread  # the clock adds self.spread
        self.driver.widen(slot, armed["slot"], armed["lo"] - left, latest - armed["hi"])
        self.last_wait = True


def check(event: Event) -> None:
    """Raises Unsupported."""
    if event.kind == "assert":
        for words in event.words:
            name, _, value = words.split()
            if name not in _ASSERTED or (not value.isdigit() and value.removeprefix("TCP_") not in _STATES):
                raise Unsupported(event.line, f"the assertion on {name}")
    if event.kind != "call":
        return
    name, *args = event.words
    if name not in CALLS:
        raise Unsupported(event.line, f"{name}()")
    if name in ("setsockopt", "getsockopt"):
        if len(args) < 4 or args[2] not in (*_PLAIN_OPTIONS, "SO_ERROR"):
            raise Unsupported(event.line, f"the socket option {args[2] if len(args) > 2 else '?'}")
    elif name == "ioctl" and (len(args) < 3 or args[1] not in ("SIOCINQ", "FIONREAD", "SIOCOUTQ")):
        raise Unsupported(event.line, f"this ioctl ({', '.join(args[1:2])})")
    elif name == "fcntl" and "O_NONBLOCK" not in args[-1]:
        raise Unsupported(event.line, f"fcntl({', '.join(args[1:])})")
    elif name == "socket" and "SOCK_DGRAM" in args:
        raise Unsupported(event.line, "UDP")
    elif name in ("send", "sendto", "recv", "recvfrom") and len(args) > 3 and args[3] not in ("0", "MSG_NOSIGNAL"):
        raise Unsupported(event.line, f"the flag {args[3]}")


class Caller:
    """Makes one call. `begin` is the part that a blocking call does at once; `__call__` gives the result: -errno, or
    what the call returns."""

    def __init__(self, event: Event, key: Tuple4) -> None:
        self.event, self.key = event, key
        self.name, *self.args = event.words
        self.fd = int(self.args[0]) if self.args and self.args[0].isdigit() else -1

    def begin(self, live: Acting) -> int:
        """connect() sends its SYN, write() what it can."""
        if self.name == "connect":
            return self._connect(live)
        return 0

    def __call__(self, live: Acting) -> int:
        return CALLS[self.name](self, live)

    # ---- the calls
    def _socket(self, live: Acting) -> int:
        fd = self.event.result if self.event.result is not None else -1
        live.fds[fd] = -1
        return fd

    def _nothing(self, _live: Acting) -> int:
        return 0

    def _listen(self, live: Acting) -> int:
        port = self.key[1].port
        slot = live.driver.listen(port, min(int(self.args[1]), 65535) if self.args[1].isdigit() else 128)
        if slot >= 0:
            live.fds[self.fd] = live.listeners[port] = slot
        return min(slot, 0)

    def _accept(self, live: Acting) -> int:
        slot = live.driver.accept(live.fds.get(self.fd, -1)) if live.fds.get(self.fd, -1) >= 0 else -errno.EINVAL
        if slot < 0:
            return slot
        fd = self.event.result if self.event.result is not None else -1
        live.fds[fd] = slot
        return fd

    def _connect(self, live: Acting) -> int:
        slot = live.driver.connect(live.hosts[PEER.address], self.key[0].port, self.key[1].port)
        if slot < 0:
            return slot
        live.fds[self.fd] = slot
        return -errno.EINPROGRESS

    def connected(self, live: Acting) -> int:
        slot = live.fds.get(self.fd, -1)
        return live.driver.connected(slot) if slot >= 0 else -errno.EBADF

    def _read(self, live: Acting) -> int:
        got = live.driver.recv(self._slot(live), self._count(1))
        return 0 if got == -errno.EAGAIN and live.reads_nothing else got

    def _write(self, live: Acting) -> int:
        n, slot = self._count(1), self._slot(live)
        if live.later is not None:
            return -errno.EPIPE
        sock = live.driver.sock(slot)
        most = sock["mss"] - (12 if sock["ts_ok"] else 0)
        flight = (sock["snd_nxt"] - sock["snd_una"]) & 0xFFFFFFFF
        now = n if live.held == 0 and flight + n <= WINDOW_FIRST * most else max(WINDOW_FIRST * most - flight, 0)
        now = min(now, n) if live.held == 0 else 0
        if now or sock["state"] not in ("ESTABLISHED", "CLOSE_WAIT"):
            got = live.driver.send(slot, now or n)
            if got < 0:
                return got
        live.held += n - now
        return n

    def _shutdown(self, live: Acting) -> int:
        how = self.args[1] if len(self.args) > 1 else ""
        if how in ("SHUT_RD", "SHUT_RDWR"):
            live.reads_nothing = True
        if how in ("SHUT_WR", "SHUT_RDWR"):
            if live.held:
                live.later = "shutdown"
            else:
                live.driver.shutdown(self._slot(live))
        return 0

    def _close(self, live: Acting) -> int:
        slot = live.fds.pop(self.fd, -1)
        if slot < 0:
            return 0
        if live.linger:
            live.driver.abort(slot)
        elif live.held:
            live.later = "close"
        else:
            live.driver.close(slot)
        return 0

    def _ioctl(self, live: Acting) -> int:
        sock = live.driver.sock(self._slot(live))
        found = sock["rcv_queued"]
        if self.args[1] == "SIOCOUTQ":
            found = ((sock["snd_nxt"] - sock["snd_una"]) & 0xFFFFFFFF) + sock["unsent"] + live.held
        return 0 if self._value() in (None, found) else -errno.ERANGE

    def _setsockopt(self, live: Acting) -> int:
        value = self._value()
        if self.args[2] == "TCP_MAXSEG" and value is not None:
            live.maxseg = value
            live.driver.set_mss(value)
        elif self.args[2] == "TCP_DEFER_ACCEPT" and value is not None:
            live.driver.defer_accept(self._slot(live), timeouts_in(value))
        elif self.args[2] == "TCP_USER_TIMEOUT" and value is not None:
            live.user_timeout = (value * 1_000_000, self.event.line)
        elif self.args[2] == "SO_LINGER":
            live.linger = bool(re.search(r"onoff=1", self.args[3]) and re.search(r"linger=0", self.args[3]))
        return 0

    def _getsockopt(self, live: Acting) -> int:
        slot, value = live.fds.get(self.fd, -1), self._value()
        if value is None or slot < 0:
            return 0
        sock = live.driver.sock(slot)
        maxseg = sock["mss"] - (12 if sock["ts_ok"] else 0) if sock["kind"] == 3 else live.maxseg
        found = {"SO_ERROR": sock["so_error"], "TCP_MAXSEG": maxseg}
        return 0 if found.get(self.args[2], value) == value else -errno.ERANGE

    # ---- arguments
    def _slot(self, live: Acting) -> int:
        slot = live.fds.get(self.fd, -1)
        if slot < 0:
            raise Unsupported(self.event.line, f"{self.name}() of a descriptor without connection")
        return slot

    def _count(self, extra: int) -> int:
        text = self.args[1 + extra] if len(self.args) > 1 + extra else ""
        if not text.isdigit() or int(text) > 1 << 30:
            raise Unsupported(self.event.line, f"{self.name}() with this length")
        return int(text)

    def _value(self) -> int | None:
        match = re.fullmatch(r"\[(\d{1,9})\]", self.args[3] if len(self.args) > 3 else self.args[-1])
        return int(match[1]) if match else None


CALLS: dict[str, Callable[[Caller, Acting], int]] = {
    "socket": Caller._socket,
    "bind": Caller._nothing,
    "fcntl": Caller._nothing,
    "listen": Caller._listen,
    "accept": Caller._accept,
    "connect": Caller._connect,
    "read": Caller._read,
    "recv": Caller._read,
    "recvfrom": Caller._read,
    "write": Caller._write,
    "send": Caller._write,
    "sendto": Caller._write,
    "shutdown": Caller._shutdown,
    "close": Caller._close,
    "ioctl": Caller._ioctl,
    "setsockopt": Caller._setsockopt,
    "getsockopt": Caller._getsockopt,
}


def asserted(live: Acting, key: Tuple4, words: str) -> tuple[bool, int]:
    """Does `tcpi_state == TCP_CLOSING` hold, and what is the value?"""
    name, sign, text = words.split()
    sock, state = live.sock(key), live.state(key)
    value = int(text) if text.isdigit() else _STATES[text.removeprefix("TCP_")]
    full = state if not state.endswith("/tw") and state != "CLOSED" else "CLOSE"
    found = {
        "tcpi_state": _STATES.get(full.removesuffix("/req"), 7),
        "tcpi_snd_mss": sock.get("mss", 0) - (12 if sock.get("ts_ok") else 0),
        "tcpi_advmss": sock.get("mss", 0),
        "tcpi_retransmits": sock.get("retries", 0),
        "tcpi_probes": live.probes,
        "tcpi_backoff": sock.get("backoff", 0),
    }[name]
    holds = {
        "==": found == value,
        "!=": found != value,
        "<": found < value,
        ">": found > value,
        "<=": found <= value,
        ">=": found >= value,
    }[sign]
    return holds, found
