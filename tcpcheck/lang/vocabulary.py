"""The words that a spec may use for states, fields, flags, results and units. No sysctls, kernels or rules: those
are the profiles' (registry.py)."""

from __future__ import annotations

SEGMENT_KINDS = ("SYN", "SYN-ACK", "FIN", "RST", "ACK", "DATA", "SEGMENT", "NOTHING")

# As `ss` prints them. Other spellings (RFC 9293, netstat, the kernel, bpf, Windows) are folded to letters and digits.
STATES = (
    *("LISTEN", "SYN-SENT", "SYN-RECV", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"),
    *("CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT", "CLOSED"),
)
_OTHER_SPELLINGS = {
    "SYNRCVD": "SYN-RECV",
    "SYNRECEIVED": "SYN-RECV",
    "NEWSYNRECV": "SYN-RECV",
    "ESTAB": "ESTABLISHED",
    "CLOSE": "CLOSED",
    "UNCONN": "CLOSED",
    "LISTENING": "LISTEN",
}
_SPELLINGS = {name.replace("-", ""): name for name in STATES} | _OTHER_SPELLINGS


def canonical_state(text: str) -> str | None:
    """`FIN_WAIT1`, `estab`, `TCP_SYN_RECV` -> as `ss` prints; None if it is no state."""
    folded = text.upper().replace("-", "").replace("_", "")
    return _SPELLINGS.get(folded) or _SPELLINGS.get(folded.removeprefix("TCP"))


# What kind of number a field or variable is: two kinds are never compared with each other.
SEQ, TS, COUNT = "sequence number", "timestamp", "number"
TIME = "time"
SEGMENT_FIELDS = {
    "seq": SEQ,
    "ack": SEQ,
    "len": COUNT,
    "tsval": TS,
    "tsecr": TS,
    "win": COUNT,
    "mss": COUNT,
    "wscale": COUNT,
}
SOCKET_VARIABLES = {
    "rcv_nxt": SEQ,
    "snd_nxt": SEQ,
    "snd_una": SEQ,
    "iss": SEQ,
    "irs": SEQ,
    "ts_recent": TS,
    "rcv_wnd": COUNT,
    "snd_wnd": COUNT,
    "wscale": COUNT,
}
FIELDS_OF_CONNECT = ("seq", "tsval")
FIELDS_OF_INJECT = ("seq", "ack", "len", "win", "tsval", "tsecr", "mss")
# Said of a segment; `quiet` is said of everything.
SEGMENT_FLAGS = ("old", "forged", "wrapped", "paws_old")
QUIET = "quiet"

# A host or a choice with such a name could not be named in a predicate, or would hide a field.
RESERVED = frozenset(
    {"not", "and", "or", "implies", "replies", "becomes", "stays", "accepts", "peer", "in", "any", QUIET}
    | set(SEGMENT_FLAGS)
    | set(SEGMENT_FIELDS)
    | set(SOCKET_VARIABLES)
)

RESULTS = ("ok", "EOF")
ERRNOS = (
    *("EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "EAGAIN", "EALREADY", "EBADF", "ECONNABORTED", "ECONNREFUSED"),
    *("ECONNRESET", "EHOSTUNREACH", "EINPROGRESS", "EINTR", "EINVAL", "EISCONN", "EMSGSIZE", "ENETUNREACH"),
    *("ENOBUFS", "ENOTCONN", "EPIPE", "EPROTO", "ETIMEDOUT"),
)

TIME_UNITS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
SIZE_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
RATE_UNITS = {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9, "Tbit/s": 10**12}

# The flags that tcpdump prints, in its order.
TCPDUMP_FLAGS = "SFRPUEW."


def time_text(ns: int) -> str:
    """Nanoseconds in the largest unit up to seconds that leaves no fraction: `200ms`, `60s`."""
    for unit in ("s", "ms", "us"):
        if ns % TIME_UNITS[unit] == 0:
            return f"{ns // TIME_UNITS[unit]}{unit}"
    return f"{ns}ns"
