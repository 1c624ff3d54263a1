"""How each state is reached, with the calls and segments that kernel and model have in common."""

from __future__ import annotations

from collections.abc import Callable

from tcpcheck.crosscheck.lab import PEER_ISN, Lab, NotReached, Peer

Builder = Callable[[Lab, Peer], None]


def close(lab: Lab, peer: Peer) -> None:
    """close(): the descriptor is gone."""
    lab.close(peer.handle)
    peer.handle = None
    peer.absorb()


def closed(lab: Lab, peer: Peer) -> None:
    """No socket at all: a port on which nobody listens."""
    peer.port = 9


def listen(lab: Lab, peer: Peer) -> None:
    """Only the listener."""


def request(lab: Lab, peer: Peer) -> None:
    """A request socket: SYN received, SYN-ACK sent."""
    peer.put("S")


def syn_sent(lab: Lab, peer: Peer) -> None:
    """connect() has been called. RCV.NXT is not known yet: the peer's ISN stands for it."""
    peer.handle = lab.connect(peer)
    peer.absorb()
    peer.una = peer.sn - 1
    peer.rn = PEER_ISN


def syn_recv(lab: Lab, peer: Peer) -> None:
    """Simultaneous open: a SYN came in SYN-SENT."""
    syn_sent(lab, peer)
    peer.put("S")


def established(lab: Lab, peer: Peer) -> None:
    """A passive open, accepted; nothing has been sent on it."""
    request(lab, peer)
    peer.put(".")
    peer.handle = lab.accept(peer)


def unaccepted(lab: Lab, peer: Peer) -> None:
    """A child that waits in the accept queue."""
    request(lab, peer)
    peer.put(".")


def active(lab: Lab, peer: Peer) -> None:
    """ESTABLISHED by connect(): unlike a fresh child it has had one number acknowledged, its SYN."""
    syn_sent(lab, peer)
    peer.put("S.")


def unread(lab: Lab, peer: Peer) -> None:
    """ESTABLISHED with 100 bytes in the receive queue."""
    established(lab, peer)
    peer.put("P.", length=100)


def owed(lab: Lab, peer: Peer) -> None:
    """ESTABLISHED; 16 times 10 bytes were acknowledged at once, the ACK of another 10 is delayed. None were read."""
    established(lab, peer)
    for _ in range(17):
        peer.put("P.", length=10)


def interactive(lab: Lab, peer: Peer) -> None:
    """ESTABLISHED after requests and answers; 10 bytes came whose ACK is delayed, in the hope of an answer."""
    established(lab, peer)
    for _ in range(3):
        peer.put("P.", length=100)
        lab.recv(peer.handle, 100)
        lab.send(peer.handle, 100)
        peer.absorb()
        peer.put(".")
    peer.put("P.", length=10)


def holes(lab: Lab, peer: Peer) -> None:
    """ESTABLISHED with a block [RCV.NXT+1000, +1100) out of order and a SACK sent for it."""
    established(lab, peer)
    peer.put("P.", seq=1000, length=100)


def in_flight(lab: Lab, peer: Peer) -> None:
    """ESTABLISHED with 1000 bytes sent and not acknowledged."""
    established(lab, peer)
    lab.send(peer.handle, 1000)
    peer.absorb()


def acked(lab: Lab, peer: Peer) -> None:
    """ESTABLISHED after 1000 bytes sent and acknowledged."""
    in_flight(lab, peer)
    peer.put(".")


def close_wait(lab: Lab, peer: Peer) -> None:
    """The peer has closed, the FIN has been acknowledged (at once, as data came before it)."""
    unread(lab, peer)
    lab.recv(peer.handle, 100)
    peer.put("F.")


def fin_wait1(lab: Lab, peer: Peer) -> None:
    """shutdown(SHUT_WR); the descriptor is open."""
    established(lab, peer)
    lab.shutdown(peer.handle)
    peer.absorb()


def fin_wait1_orphan(lab: Lab, peer: Peer) -> None:
    """close()."""
    established(lab, peer)
    close(lab, peer)


def fin_wait2(lab: Lab, peer: Peer) -> None:
    """shutdown(SHUT_WR), the FIN is acknowledged; the descriptor is open."""
    fin_wait1(lab, peer)
    peer.put(".")


def fin_wait2_orphan(lab: Lab, peer: Peer) -> None:
    """close(), the FIN is acknowledged: a time-wait bucket, or a full socket when tcp_fin_timeout is above 60."""
    fin_wait1_orphan(lab, peer)
    peer.put(".")


def closing(lab: Lab, peer: Peer) -> None:
    """Simultaneous close, descriptor open."""
    fin_wait1(lab, peer)
    peer.put("F.", ack=peer.una)


def closing_orphan(lab: Lab, peer: Peer) -> None:
    """Simultaneous close after close()."""
    fin_wait1_orphan(lab, peer)
    peer.put("F.", ack=peer.una)


def last_ack(lab: Lab, peer: Peer) -> None:
    """close() in CLOSE-WAIT."""
    close_wait(lab, peer)
    close(lab, peer)


def last_ack_open(lab: Lab, peer: Peer) -> None:
    """shutdown(SHUT_WR) in CLOSE-WAIT; the descriptor is open."""
    close_wait(lab, peer)
    lab.shutdown(peer.handle)
    peer.absorb()


def time_wait(lab: Lab, peer: Peer) -> None:
    """close(), then the peer's FIN."""
    fin_wait2_orphan(lab, peer)
    peer.put("F.")


def time_wait_open(lab: Lab, peer: Peer) -> None:
    """shutdown(SHUT_WR), then the peer's FIN: a bucket although the descriptor is open."""
    fin_wait2(lab, peer)
    peer.put("F.")


def time_wait_active(lab: Lab, peer: Peer) -> None:
    """As TIME-WAIT, but of a connection opened by connect(): nobody listens on its port."""
    active(lab, peer)
    close(lab, peer)
    peer.put("F.")


# name of the row -> (builder, the state it must be in, sysctls besides those of the setting)
STATES: dict[str, tuple[Builder, str, dict[str, int]]] = {
    "CLOSED": (closed, "CLOSED", {}),
    "LISTEN": (listen, "CLOSED", {}),
    "SYN-RECV request": (request, "SYN_RECV/req", {}),
    "SYN-SENT": (syn_sent, "SYN_SENT", {}),
    "SYN-RECV full": (syn_recv, "SYN_RECV", {}),
    "ESTABLISHED": (established, "ESTABLISHED", {}),
    "ESTABLISHED unaccepted": (unaccepted, "ESTABLISHED", {}),
    "ESTABLISHED active": (active, "ESTABLISHED", {}),
    "ESTABLISHED unread": (unread, "ESTABLISHED", {}),
    "ESTABLISHED owed": (owed, "ESTABLISHED", {}),
    "ESTABLISHED interactive": (interactive, "ESTABLISHED", {}),
    "ESTABLISHED holes": (holes, "ESTABLISHED", {}),
    "ESTABLISHED in flight": (in_flight, "ESTABLISHED", {}),
    "ESTABLISHED acked": (acked, "ESTABLISHED", {}),
    "CLOSE-WAIT": (close_wait, "CLOSE_WAIT", {}),
    "FIN-WAIT-1": (fin_wait1, "FIN_WAIT1", {}),
    "FIN-WAIT-1 orphan": (fin_wait1_orphan, "FIN_WAIT1", {}),
    "FIN-WAIT-2": (fin_wait2, "FIN_WAIT2", {}),
    "FIN-WAIT-2 bucket": (fin_wait2_orphan, "FIN_WAIT2/tw", {}),
    "FIN-WAIT-2 orphan": (fin_wait2_orphan, "FIN_WAIT2", {"tcp_fin_timeout": 75}),
    "CLOSING": (closing, "CLOSING", {}),
    "CLOSING orphan": (closing_orphan, "CLOSING", {}),
    "LAST-ACK": (last_ack, "LAST_ACK", {}),
    "LAST-ACK open": (last_ack_open, "LAST_ACK", {}),
    "TIME-WAIT": (time_wait, "TIME_WAIT/tw", {}),
    "TIME-WAIT open": (time_wait_open, "TIME_WAIT/tw", {}),
    "TIME-WAIT active": (time_wait_active, "TIME_WAIT/tw", {}),
}


def build(lab: Lab, peer: Peer, name: str) -> None:
    """Bring `peer`'s connection into the state `name`; NotReached when the host ends up elsewhere."""
    builder, want, _ = STATES[name]
    builder(lab, peer)
    got = lab.state(peer)
    if got != want:
        raise NotReached(f"{got} instead of {want}")
