"""What the application may have done: calls that a capture shows by a packet, and calls that it does not show.

`Visible` calls are tried when the host sends what nothing else explains; they happen at that moment. `Quiet` ones send
nothing, and are tried before every packet of a connection for which they make a difference; when exactly they happened
is unknown, so the timers they arm are widened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tcpcheck.conform.live import Live, Tuple4
from tcpcheck.conform.packets import ACK, FIN, M32, RST, SYN, Packet
from tcpcheck.conform.passing import Tuples

BACKLOG = 4096
_OPEN = ("ESTABLISHED", "CLOSE_WAIT")
_SHUT = ("FIN_WAIT1", "FIN_WAIT2", "CLOSING", "LAST_ACK")

Step = Callable[[Live], bool]  # False: the call was not possible


def note(live: Live, words: str) -> None:
    """Remember a call for the report."""
    live.story = (*live.story, (live.driver.now(), words))


# ---- calls that a packet shows -----------------------------------------------------------------------------


class Visible:
    """Calls that make the host send `packet` now."""

    def __init__(self, key: Tuple4, packet: Packet, tuples: Tuples) -> None:
        self.key, self.packet, self.tuples = key, packet, tuples

    def tried(self, live: Live) -> Iterator[Live]:
        """States after each sequence of calls that sent something on this connection."""
        for step in self._steps(live):
            for other in live.every(step):
                if other.first(self.key):
                    yield other

    def _steps(self, live: Live) -> Iterator[Step]:
        flags, state, sock = self.packet.flags, live.state(self.key), live.sock(self.key)
        if flags & SYN:
            if not flags & ACK:
                yield self._connect
            return
        if not sock or sock["kind"] != 3:
            return
        if flags & RST:
            yield self._with_fd(self._abort)
            yield self._with_fd(self._close)
            yield self._listener_closes
        elif flags & FIN:
            for last in (self._shutdown, self._close):
                yield self._with_fd(self._sending(last))
                if sock["rcv_queued"]:
                    yield self._with_fd(self._receiving(self._sending(last)))
        elif self.packet.length:
            if state in _OPEN:
                yield self._with_fd(self._send)
        elif sock["rcv_queued"]:
            yield self._with_fd(self._recv)

    # ---- parts of sequences; the socket's slot is given
    def _with_fd(self, call: Callable[[Live, int], bool]) -> Step:
        """accept() first, until this connection is accepted."""

        def step(live: Live) -> bool:
            slot = live.slot(self.key)
            if not accepted(live, slot):
                return False
            if not call(live, slot):
                return False
            live.gather(live.driver.take(), self.tuples)
            return True

        return step

    def _connect(self, live: Live) -> bool:
        host = live.hosts[self.key[0].address]
        if live.slot(self.key) >= 0 and live.state(self.key) == "SYN_SENT":
            live.driver.close(live.slot(self.key))
        slot = live.driver.connect(host, self.key[0].port, self.key[1].port)
        note(live, "connect()")
        live.gather(live.driver.take(), self.tuples)
        return bool(slot >= 0)

    def _send(self, live: Live, slot: int) -> bool:
        note(live, f"send({self.packet.length})")
        return bool(live.driver.send(slot, self.packet.length) > 0)

    def _sending(self, last: Callable[[Live, int], bool]) -> Callable[[Live, int], bool]:
        def call(live: Live, slot: int) -> bool:
            if self.packet.length and live.driver.sock(slot)["unsent"] == 0:
                note(live, f"send({self.packet.length}, MSG_MORE)")
                if live.driver.send(slot, self.packet.length, more=True) < 0:
                    return False
            return last(live, slot)

        return call

    def _receiving(self, then: Callable[[Live, int], bool]) -> Callable[[Live, int], bool]:
        def call(live: Live, slot: int) -> bool:
            return self._recv(live, slot) and then(live, slot)

        return call

    @staticmethod
    def _recv(live: Live, slot: int) -> bool:
        note(live, "recv()")
        return bool(live.driver.recv(slot) >= 0)

    @staticmethod
    def _shutdown(live: Live, slot: int) -> bool:
        note(live, "shutdown(SHUT_WR)")
        live.driver.shutdown(slot)
        return True

    @staticmethod
    def _close(live: Live, slot: int) -> bool:
        note(live, "close()")
        live.driver.close(slot)
        return True

    @staticmethod
    def _abort(live: Live, slot: int) -> bool:
        note(live, "close() with SO_LINGER {1, 0}")
        live.driver.abort(slot)
        return True

    def _listener_closes(self, live: Live) -> bool:
        slot = live.slot(self.key)
        listener = live.driver.sock(slot)["parent"]
        port = next((port for port, other in live.listeners.items() if other == listener), None)
        if port is None:
            return False
        live.driver.close(listener)
        del live.listeners[port]
        note(live, f"close() of the listener on port {port}")
        live.gather(live.driver.take(), self.tuples)
        return True


def accepted(live: Live, slot: int) -> bool:
    """Does the application hold a descriptor of this socket, after as many accept() as that takes?"""
    for _ in range(32):
        sock = live.driver.sock(slot)
        if not sock["acceptable"]:
            return bool(sock["fd"])
        if live.driver.accept(sock["parent"]) < 0:
            return False
        note(live, "accept()")
    return False


# ---- calls that no packet shows ----------------------------------------------------------------------------


class Quiet:
    """Calls between the previous packet of a connection and this one that would change what the host does with it.

    coming: bytes of the connection's next segment with text, as the capture shows it; 0: there is none."""

    def __init__(self, key: Tuple4, packet: Packet, inbound: bool, unseen: bool, coming: int) -> None:
        self.key, self.packet, self.inbound, self.unseen, self.coming = key, packet, inbound, unseen, coming

    def tried(self, live: Live) -> Iterator[Live]:
        """The state as it is, and after each such call."""
        yield live
        known = live.known(self.key)
        for step in self._steps(live):
            for other in live.every(step):
                self._blur(live, other, known.last_ns)
                yield other
        if known.shut_ns is not None and self._is_probe(live):
            for other in live.every(self._send):
                self._blur(live, other, known.shut_ns)
                yield other

    def _blur(self, before: Live, live: Live, since_ns: int) -> None:
        """The call may have come at any time since then."""
        now = live.driver.now()
        since = max(now - since_ns, 0)
        old = {(t["sock"], t["slot"], t["kind"], t["hi"]) for t in before.driver.timers()}
        for timer in live.driver.timers():
            if (timer["sock"], timer["slot"], timer["kind"], timer["hi"]) not in old:
                live.driver.widen(timer["sock"], timer["slot"], since, max(self.packet.time_ns - now, 0))

    def _steps(self, live: Live) -> Iterator[Step]:
        slot, state = live.slot(self.key), live.state(self.key)
        if slot >= 0 and state in (*_SHUT, "SYN_SENT"):
            sock = live.driver.sock(slot)
            if sock["fd"] or sock["acceptable"]:
                yield self._close
                if sock["rcv_queued"]:
                    yield self._recv_close
        if slot >= 0 and state in _OPEN and live.driver.sock(slot)["unsent"]:
            yield self._shutdown
        if not self.inbound:
            return
        if self.unseen and state == "TIME_WAIT/tw" and self._ends(live, slot):
            yield self._prolonged
        if slot >= 0 and self._overflows(live, slot):
            yield self._recv
        listener = live.listeners.get(self.key[1].port)
        if self.packet.flags & SYN and not self.packet.flags & ACK and state in ("CLOSED", "TIME_WAIT/tw"):
            yield self._listen if listener is None else self._listener_closes
        if listener is not None and self._asks_for_place(live, slot):
            yield self._accept

    def _is_probe(self, live: Live) -> bool:
        """Does the host ask for a window (tcp_xmit_probe_skb), though nothing is known of what it has to send?"""
        p, sock = self.packet, live.sock(self.key)
        if self.inbound or p.length or p.flags & (SYN | FIN | RST) or live.state(self.key) not in _OPEN:
            return False
        if sock["unsent"] or sock["snd_una"] != sock["snd_nxt"]:
            return False
        return p.seq is None or (p.seq + (live.known(self.key).shift or 0) + 1) & M32 == sock["snd_una"]

    def _asks_for_place(self, live: Live, slot: int) -> bool:
        """Does it matter how full the accept queue is?"""
        return bool(slot < 0 or live.driver.sock(slot)["kind"] in (2, 4))

    def _ends(self, live: Live, slot: int) -> bool:
        """Might the bucket be gone when the packet comes?"""
        left = self.packet.time_ns - live.driver.now()
        return any(timer["sock"] == slot and timer["lo"] <= left for timer in live.driver.timers())

    def _overflows(self, live: Live, slot: int) -> bool:
        sock = live.driver.sock(slot)
        if sock["kind"] != 3 or not sock["rcv_queued"] or self.packet.seq is None:
            return False
        return bool(self.packet.length and ((self.packet.end - sock["rcv_nxt"]) & 0xFFFFFFFF) > sock["window"])

    def _send(self, live: Live) -> bool:
        """Into a window of zero: so much that it fits the segment that will leave when the window opens."""
        slot = live.slot(self.key)
        if not accepted(live, slot) or live.driver.send(slot, max(self.coming, 1)) <= 0:
            return False
        note(live, f"send({self.coming or 'N'}), which waits for a window")
        return not live.driver.take()

    def _shutdown(self, live: Live) -> bool:
        """Its FIN waits behind text that waits for a window."""
        slot = live.slot(self.key)
        if not accepted(live, slot):
            return False
        live.driver.shutdown(slot)
        note(live, "shutdown(SHUT_WR)")
        return not live.driver.take()

    def _close(self, live: Live) -> bool:
        slot = live.slot(self.key)
        if not accepted(live, slot):
            return False
        live.driver.close(slot)
        note(live, "close()")
        return not live.driver.take()

    def _recv_close(self, live: Live) -> bool:
        slot = live.slot(self.key)
        if not accepted(live, slot) or live.driver.recv(slot) < 0:
            return False
        live.driver.close(slot)
        note(live, "recv(), close()")
        return not live.driver.take()

    def _recv(self, live: Live) -> bool:
        slot = live.slot(self.key)
        if not accepted(live, slot) or live.driver.recv(slot) < 0:
            return False
        note(live, "recv()")
        return not live.driver.take()

    def _prolonged(self, live: Live) -> bool:
        """Not a call: a bare ACK that the capture lacks has restarted TIME-WAIT."""
        sock = live.sock(self.key)
        note(live, "(an ACK that the capture lacks prolongs TIME-WAIT)")
        ts = (sock["ts_recent"], 0) if sock["ts_recent"] is not None else None
        src = live.hosts[self.key[0].address]
        return not live.driver.inject(self.key[0].port, self.key[1].port, ".", sock["rcv_nxt"], ts=ts, src=src)

    def _listen(self, live: Live) -> bool:
        port = self.key[1].port
        slot = live.driver.listen(port, BACKLOG)
        if slot < 0:
            return False
        live.listeners[port] = slot
        note(live, f"listen() on port {port}")
        return True

    def _listener_closes(self, live: Live) -> bool:
        port = self.key[1].port
        live.driver.close(live.listeners.pop(port))
        note(live, f"close() of the listener on port {port}")
        return not live.driver.take()

    def _accept(self, live: Live) -> bool:
        """One place more in the queue; further calls come with further packets."""
        done = live.driver.accept(live.listeners[self.key[1].port]) >= 0
        note(live, "accept()")
        return bool(done)
