"""Where kernels differ: one row for each behaviour, with the release that brought it and its stable back-ports.

A profile never asks for a version; it reads its flags from here once (profile.py). Releases are tuples: (6, 18, 33) is
6.18.33, (6, 15) the first release of that branch. Sources: the histories of mainline and of the stable branches.
"""

from __future__ import annotations

from dataclasses import dataclass

Release = tuple[int, ...]


@dataclass(frozen=True)
class Behaviour:
    """flag: the field of Config. since: first mainline release that has it, None for all that are modelled.
    until: first mainline release that no longer has it. ported: branches that got the change (or, with `until`, lost
    the behaviour) in a point release: that release. rfc: its value in the profile rfc9293. where: RFC clause or kernel
    function that decides."""

    flag: str
    doc: str
    where: str
    rfc: int
    since: Release | None = None
    until: Release | None = None
    ported: tuple[Release, ...] = ()

    def value(self, release: Release) -> int:
        """Has a kernel of this release (major, minor, point) the behaviour?"""
        change = self.until if self.until is not None else self.since
        changed = change is None or release >= change or any(release[:2] == p[:2] and release >= p for p in self.ported)
        return int(not changed if self.until is not None else changed)


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour(
        "rfc5961",
        "RST must hit RCV.NXT; SYN, near RST and unacceptable ACK draw a challenge ACK",
        "RFC 9293 3.10.7.4 (RFC 5961 3, 4, 5); tcp_validate_incoming",
        1,
        (3, 6),
    ),
    Behaviour(
        "oow_ratelimit",
        "replies to out-of-window segments are limited for each socket (tcp_invalid_ratelimit)",
        "RFC 5961 7, 10; tcp_oow_rate_limited",
        0,
        (4, 0),
    ),
    Behaviour(
        "rst_sack_edge",
        "RST at the right edge of the highest SACK block sent is accepted",
        "tcp_validate_incoming",
        0,
        (4, 8),
    ),
    Behaviour(
        "rst_after_fin",
        "RST one below RCV.NXT is accepted after the peer's FIN",
        "tcp_reset_check",
        0,
        (4, 11),
    ),
    Behaviour(
        "bad_ack_challenged_always",
        "an unacceptable ACK is challenged and its segment dropped in every synchronized state, not only ESTABLISHED",
        "RFC 5961 5.2; tcp_rcv_state_process",
        1,
        (4, 13),
        None,
        ((4, 4, 155),),
    ),
    Behaviour(
        "ack_bytes_acked",
        "an old ACK is tolerated only down to what this side has really sent",
        "tcp_ack",
        0,
        (6, 7),
        None,
        ((6, 6, 7), (6, 1, 68), (5, 15, 143), (5, 10, 204)),
    ),
    Behaviour(
        "future_ack_challenged",
        "an ACK beyond SND.NXT draws a challenge ACK (before: silence)",
        "RFC 9293 3.10.7.4; tcp_ack",
        1,
        (7, 1),
        None,
        ((6, 18, 33),),
    ),
    Behaviour(
        "req_rst_challenged",
        "request socket: an RST in the window that does not hit RCV.NXT draws a challenge ACK (before: it kills)",
        "RFC 5961 3.2; tcp_check_req",
        1,
        (7, 2),
        None,
        ((6, 18, 42),),
    ),
    Behaviour("req_tsecr_checked", "request socket: TSecr must echo one of its SYN-ACKs", "tcp_check_req", 0, (6, 15)),
    Behaviour(
        "paws_old_ack_silent",
        "an empty ACK below RCV.NXT with an old timestamp is dropped in silence (before: ACK)",
        "tcp_disordered_ack_check",
        0,
        (6, 14),
    ),
    Behaviour(
        "beyond_window_refused",
        "data that reaches beyond the window is refused unless the receive queue is empty",
        "tcp_sequence",
        0,
        (6, 17),
    ),
    Behaviour(
        "bare_fin_sticks_out",
        "an empty FIN may lie one beyond the window",
        "tcp_sequence",
        0,
        (7, 1),
        None,
        ((6, 18, 16),),
    ),
    Behaviour(
        "syn_resent_early",
        "SYN-SENT: a bad ACK brings the first repeat of the SYN forward to 2 jiffies",
        "tcp_rcv_synsent_state_process",
        0,
        (5, 7),
    ),
    Behaviour(
        "simopen_synack_accepted",
        "simultaneous open: the SYN-ACK is accepted in SYN-RECEIVED (before: challenged)",
        "RFC 9293 3.5; tcp_validate_incoming",
        1,
        (6, 12),
        None,
        ((6, 6, 51), (6, 1, 110)),
    ),
    Behaviour(
        "syn_dropped_when_acceptq_full",
        "a full accept queue drops every SYN (before: only with more than one young request)",
        "tcp_conn_request",
        1,
        (4, 10),
    ),
    Behaviour(
        "memory_given_back",
        "a socket with empty queues has no memory set aside, so header prediction lets no text through to it",
        "sk_mem_uncharge, tcp_rcv_established",
        1,
        (6, 0),
    ),
    Behaviour(
        "acks_compressed",
        "of the duplicate ACKs for text out of order those after the third wait up to 1 ms and go as one",
        "__tcp_ack_snd_check, tcp_comp_sack_nr",
        0,
        (4, 18),
    ),
    Behaviour("tw_recycle", "has tcp_tw_recycle (modelled only as 0)", "tcp_tw_recycle", 0, None, (4, 12)),
    Behaviour(
        "fw2_bucket_reuse",
        "a connect() without bind() may take over a FIN-WAIT-2 bucket too",
        "tcp_twsk_unique",
        0,
        None,
        (6, 12),
        ((6, 6, 55), (6, 1, 113), (5, 15, 168), (5, 10, 227)),
    ),
)

# Behaviours that are not a matter of yes or no since some release: value in Linux from that release on, and by the RFC.
CONSTANT_FLAGS: dict[str, tuple[int, int]] = {
    "tlp": (1, 0),  # tail loss probe, RFC 8985 7
    "fin_retransmit": (1, 1),
    "persist_timer": (1, 1),  # RFC 9293 3.8.6.1
    "linux_timers": (1, 0),  # timer wheel slack, delayed ACK of 40 ms, end of an orphan's FIN-WAIT-2
    "linux_tw_reuse_isn": (1, 0),  # connect() may take over a bucket; ISN = old SND.NXT + 65537
    "paws_slack": (1, 0),  # TCP_PAWS_WINDOW: a full socket's PAWS test is laxer by one tick
    "tw_accepts_by_ts": (1, 1),  # RFC 6191, tcp_timewait_state_process
    "tw_accepts_syn": (1, 1),  # RFC 1122 4.2.2.13
    "tw_paws": (1, 1),  # RFC 7323 5.3
    "tw_needs_ack": (0, 0),  # FreeBSD, tcp_twcheck
    "tw_syn_rst": (0, 0),  # RFC 793 3.9; lwIP, tcp_timewait_input
    "tw_restart_by_fin": (0, 1),  # RFC 9293 3.10.7.4, eighth; Linux: by all that has an ACK flag
    "rfc793_ack": (0, 0),  # only `without rfc5961`
}

CONSTANT_DOCS: dict[str, str] = {
    "tlp": "tail loss probe: the last segment is sent again before its timeout (RFC 8985 7)",
    "fin_retransmit": "an unacknowledged FIN is sent again",
    "persist_timer": "a closed window is probed (RFC 9293 3.8.6.1)",
    "linux_timers": "timer wheel slack, delayed ACK of 40 ms, an end of an orphan's FIN-WAIT-2",
    "linux_tw_reuse_isn": "connect() may take over a bucket; its ISN is the old SND.NXT + 65537",
    "tw_accepts_by_ts": "TIME-WAIT accepts a SYN with a newer timestamp (RFC 6191)",
    "tw_accepts_syn": "TIME-WAIT may end for a new SYN (RFC 1122 4.2.2.13)",
    "tw_paws": "TIME-WAIT looks at timestamps (RFC 7323 5.3)",
    "tw_needs_ack": "TIME-WAIT is silent to segments without the ACK flag, refused SYNs among them (FreeBSD)",
    "tw_syn_rst": "TIME-WAIT answers a SYN in the window with RST (RFC 793, where it ends then; lwIP)",
    "tw_restart_by_fin": "TIME-WAIT begins anew only when the FIN comes again (RFC 9293 3.10.7.4)",
}


def tw_reuse_rule(release: Release) -> int:
    """How long a bucket must have rested for tcp_tw_reuse: 0 over a whole second by the clock's seconds, 1 (4.19)
    the next second, 2 (6.14) tcp_tw_reuse_delay in milliseconds. tcp_twsk_unique."""
    return 2 if release >= (6, 14) else 1 if release >= (4, 19) else 0


def ts_per_tuple(release: Release) -> int:
    """The offset of TSvals: 2 none, 0 for each pair of addresses (4.11; 4.10 for each connection), 1 for each 4-tuple
    (7.0 and 6.18.17). secure_tcp_ts_off."""
    if release >= (7, 0) or (release[:2] == (6, 18) and release >= (6, 18, 17)):
        return 1
    return 0 if release >= (4, 10) else 2
