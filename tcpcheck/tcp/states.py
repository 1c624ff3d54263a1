"""What each state means: RFC 9293 3.3.2, and what Linux makes of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StateDoc:
    """rules: what the names of the rules begin with that decide in this state alone."""

    doc: str
    rfc: str
    linux: str = ""
    rules: tuple[str, ...] = ()


_RFC = "RFC 9293 3.3.2"

STATE_DOCS: dict[str, StateDoc] = {
    "LISTEN": StateDoc(
        "waits for a connection request from any peer",
        f"{_RFC}, 3.10.7.2",
        "a SYN makes a request socket; when it is established it waits in the accept queue, whose length is `recv-q`",
        ("LISTEN",),
    ),
    "SYN-SENT": StateDoc(
        "has sent a SYN and waits for the peer's",
        f"{_RFC}, 3.10.7.3",
        "repeats the SYN tcp_syn_retries times, then connect() fails with ETIMEDOUT",
        ("SYNSENT",),
    ),
    "SYN-RECV": StateDoc(
        "has sent and received a SYN and waits for the ACK of its own",
        f"SYN-RECEIVED: {_RFC}, 3.10.7.4",
        "two things: a request socket of a listener, or a full socket after a simultaneous open",
        ("REQ", "SYNRECV"),
    ),
    "ESTABLISHED": StateDoc("open: data flow both ways", f"{_RFC}, 3.10.7.4"),
    "FIN-WAIT-1": StateDoc(
        "has closed and sent a FIN which is not acknowledged yet",
        f"{_RFC}, 3.6",
        "after close() it is an orphan: it repeats the FIN as often as tcp_orphan_retries says",
    ),
    "FIN-WAIT-2": StateDoc(
        "its FIN is acknowledged; waits for the peer's",
        f"{_RFC}, 3.6",
        "an orphan waits tcp_fin_timeout at most, when that is 60 s or less as a time-wait bucket which `ss` still "
        "shows as FIN-WAIT-2",
        ("FW2", "FIN_WAIT2"),
    ),
    "CLOSE-WAIT": StateDoc(
        "the peer has closed; the program on this side has not", f"{_RFC}, 3.6", "stays for ever if it never does"
    ),
    "CLOSING": StateDoc("both have sent a FIN at once; waits for the ACK of its own", f"{_RFC}, 3.6"),
    "LAST-ACK": StateDoc("both have closed, the peer first; waits for the ACK of its FIN", f"{_RFC}, 3.6"),
    "TIME-WAIT": StateDoc(
        "both have closed; waits until old segments have died and the peer surely has its ACK",
        f"{_RFC}, 3.6.1, 3.10.7.4; RFC 6191; RFC 1337",
        "a small bucket without queues, for 60 s whatever tcp_fin_timeout says; a newer SYN ends it early",
        ("TW", "TIME_WAIT"),
    ),
    "CLOSED": StateDoc("no connection; in specs a socket that once was is in CLOSED for ever after", _RFC),
}
