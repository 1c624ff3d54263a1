"""Socket options that `setsockopt` takes, and what to write instead of those that it does not."""

from __future__ import annotations

from dataclasses import dataclass

INT_MAX = 2**31 - 1


@dataclass(frozen=True)
class SockOption:
    """lo, hi: values that the kernel takes. unit: "" or s, ms. listener: only a listener has it."""

    name: str
    doc: str
    lo: int
    hi: int
    unit: str = ""
    listener: bool = False


OPTIONS = {
    option.name: option
    for option in (
        SockOption("SO_KEEPALIVE", "probe the peer of a connection that is idle", 0, 1),
        SockOption("TCP_KEEPIDLE", "how long it is idle before the first probe", 1, 32767, "s"),
        SockOption("TCP_KEEPINTVL", "time between probes", 1, 32767, "s"),
        SockOption("TCP_KEEPCNT", "probes without answer before it gives up", 1, 127),
        SockOption("TCP_USER_TIMEOUT", "how long data may stay unacknowledged; 0: as tcp_retries2", 0, INT_MAX, "ms"),
        SockOption("TCP_DEFER_ACCEPT", "how long accept() waits for data, not for the last ACK", 0, INT_MAX, "s", True),
    )
}

# Options that exist and are not modelled -> what to do.
OTHERS = {
    "SO_RCVBUF": "the receive buffer is that of the profile; a reader that does not read fills it",
    "SO_SNDBUF": "the send buffer has no end in the model",
    "SO_REUSEADDR": "remove this: it is taken as set on every socket",
    "SO_REUSEPORT": "let each listener have a port of its own",
    "SO_LINGER": "`abort s` closes as SO_LINGER {1, 0} does",
    "SO_RCVTIMEO": "write `sleep` and `close` in a run of their own",
    "SO_SNDTIMEO": "write `sleep` and `close` in a run of their own",
    "TCP_NODELAY": "remove this: Nagle's algorithm is always on",
    "TCP_CORK": "write one `send` of all the bytes",
    "TCP_QUICKACK": "remove this: whether an ACK is delayed is searched",
    "TCP_LINGER2": "`sysctl net.ipv4.tcp_fin_timeout` says the same for the host",
    "TCP_MAXSEG": "`mss` says the same for the host",
    "TCP_SYNCNT": "`sysctl net.ipv4.tcp_syn_retries` says the same for the host",
    "TCP_FASTOPEN": "TCP Fast Open is not in the model",
    "TCP_WINDOW_CLAMP": "the receive window is that of the profile",
}
