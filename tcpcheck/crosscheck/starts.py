"""Where traces begin: a host's settings and its listener, before the first segment."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcpcheck.crosscheck.cells import BASE
from tcpcheck.crosscheck.lab import Lab, Peer

# Short, so that giving up takes less than 5 s.
SHORT = {
    "tcp_orphan_retries": 1,
    "tcp_retries2": 2,
    "tcp_fin_timeout": 1,
    "tcp_syn_retries": 1,
    "tcp_syn_linear_timeouts": 1,
    "tcp_synack_retries": 1,
}
AT_MOST_MS = 5000  # pauses of one trace, all together
NOBODY = 9  # a port on which nobody listens
LONG_MS = 80_000  # ... with --wait


@dataclass(frozen=True)
class Start:
    """active: the host calls connect(), else accept(). ts: the peer offers timestamps. defer: TCP_DEFER_ACCEPT
    as a number of SYN-ACK timeouts.
    other: another peer may come to the listener, or has left a `request` there already. pauses_ms: of a trace at most,
    all together; 0: traces are played without any. nodes: how far the model is searched for traces. cookies: a cookie
    may be sent. The model knows one for each 4-tuple, so a trace has one SYN then, and ends with its connection."""

    name: str
    sysctls: dict[str, int] = field(default_factory=dict)
    active: bool = False
    ts: bool = True
    backlog: int = 16
    defer: int = 0
    other: str = ""
    pauses_ms: int = 0
    nodes: int = 150
    cookies: bool = False

    def settings(self) -> dict[str, int]:
        """All sysctls that count."""
        return {**BASE, **self.sysctls}

    def open(self, lab: Lab) -> Peer:
        """The peer whose trace it is."""
        peer = lab.new_peer(self.ts)
        if self.active:
            peer.port = NOBODY
            return peer
        lab.own_listener(peer, self.backlog, self.defer)
        if self.other:
            peer.other = lab.new_peer(self.ts)
            peer.other.port = peer.port
        if peer.other and self.other == "request":
            peer.other.put("S")
        return peer


NO_LIMIT = {"tcp_invalid_ratelimit": 0}
_ALL = (
    Start("passive", NO_LIMIT, nodes=700),
    Start("passive, replies limited"),
    Start("passive, no timestamps", {"tcp_timestamps": 0, **NO_LIMIT}, ts=False, nodes=100),
    Start("passive, rfc1337", {"tcp_rfc1337": 1}),
    Start("passive, long FIN-WAIT-2", {"tcp_fin_timeout": 75, **NO_LIMIT}),
    Start("passive, no buckets", {"tcp_max_tw_buckets": 0}),
    Start("active", NO_LIMIT, active=True, nodes=500),
    Start("active, no timestamps", {"tcp_timestamps": 0}, active=True, ts=False),
    Start("accept queue", NO_LIMIT, backlog=0, other="later", nodes=250),
    Start("accept queue, abort", {"tcp_abort_on_overflow": 1}, backlog=0, other="later"),
    Start("request queue full, cookies", backlog=0, other="request", cookies=True, nodes=250),
    Start("request queue full, no cookies", {"tcp_syncookies": 0}, backlog=0, other="request"),
    Start("last quarter of the requests", {"tcp_syncookies": 0, "tcp_max_syn_backlog": 0}, other="request", nodes=40),
    Start("deferred accept", defer=1),
    Start("passive, pauses", SHORT, pauses_ms=AT_MOST_MS, nodes=500),
    Start("active, pauses", SHORT, active=True, pauses_ms=AT_MOST_MS, nodes=500),
    Start("deferred accept, pauses", SHORT, defer=2, pauses_ms=AT_MOST_MS),
    Start("active again, pauses", {"tcp_tw_reuse": 1}, active=True, pauses_ms=AT_MOST_MS, nodes=300),
    Start("passive, long pauses", {"tcp_fin_timeout": 75}, pauses_ms=LONG_MS),
)
STARTS = {start.name: start for start in _ALL}
LONG = tuple(start.name for start in _ALL if start.pauses_ms > AT_MOST_MS)
