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
    function that decides. commit: of the change in mainline, where it was looked up. rules: those that are taken by the
    one kind of kernel and not by the other where they differ (rules.py)."""

    flag: str
    doc: str
    where: str
    rfc: int
    since: Release | None = None
    until: Release | None = None
    ported: tuple[Release, ...] = ()
    commit: str = ""
    rules: tuple[str, ...] = ()

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
        rfc=1,
        since=(3, 6),
        commit="282f23c6ee34",
        rules=(
            "RFC5961_SYN_CHALLENGE",
            "RFC5961_RST_CHALLENGE",
            "RST_EXACT",
            "RST_IN_WINDOW",
            "SYN_IN_WINDOW_RST",
        ),
    ),
    Behaviour(
        "oow_ratelimit",
        "replies to out-of-window segments are limited for each socket (tcp_invalid_ratelimit)",
        "RFC 5961 7, 10; tcp_oow_rate_limited",
        rfc=0,
        since=(4, 0),
        commit="032ee4236954",
        rules=(
            "OOW_ACK_LIMITED",
            "CHALLENGE_ACK_LIMITED",
        ),
    ),
    Behaviour(
        "rst_sack_edge",
        "RST at the right edge of the highest SACK block sent is accepted",
        "tcp_validate_incoming",
        rfc=0,
        since=(4, 8),
        rules=(
            "RST_SACK_EDGE",
            "RFC5961_RST_CHALLENGE",
        ),
    ),
    Behaviour(
        "rst_after_fin",
        "RST one below RCV.NXT is accepted after the peer's FIN",
        "tcp_reset_check",
        rfc=0,
        since=(4, 11),
        rules=(
            "RST_AFTER_FIN",
            "RST_OUT_OF_WINDOW",
            "RFC5961_RST_CHALLENGE",
        ),
    ),
    Behaviour(
        "bad_ack_challenged_always",
        "an unacceptable ACK is challenged and its segment dropped in every synchronized state, not only ESTABLISHED",
        "RFC 5961 5.2; tcp_rcv_state_process",
        rfc=1,
        since=(4, 13),
        ported=((4, 4, 155),),
        commit="d0e1a1b5a833",
        rules=(
            "ACK_UNACCEPTABLE_CHALLENGED",
            "ACK_TOO_OLD_CHALLENGED",
            "ACK_FUTURE_IGNORED",
        ),
    ),
    Behaviour(
        "ack_bytes_acked",
        "an old ACK is tolerated only down to what this side has really sent",
        "tcp_ack",
        rfc=0,
        since=(6, 7),
        ported=((6, 6, 7), (6, 1, 68), (5, 15, 143), (5, 10, 204)),
        commit="3d501dd326fb",
        rules=(
            "ACK_OLD_TOLERATED",
            "ACK_TOO_OLD_CHALLENGED",
            "ACK_UNACCEPTABLE_CHALLENGED",
        ),
    ),
    Behaviour(
        "future_ack_challenged",
        "an ACK beyond SND.NXT draws a challenge ACK (before: silence)",
        "RFC 9293 3.10.7.4; tcp_ack",
        rfc=1,
        since=(7, 1),
        ported=((6, 18, 33),),
        commit="42726ec644cb",
        rules=(
            "ACK_UNACCEPTABLE_CHALLENGED",
            "ACK_FUTURE_IGNORED",
            "ACK_TOO_OLD_CHALLENGED",
        ),
    ),
    Behaviour(
        "req_rst_challenged",
        "request socket: an RST in the window that does not hit RCV.NXT draws a challenge ACK (before: it kills)",
        "RFC 5961 3.2; tcp_check_req",
        rfc=1,
        since=(7, 2),
        ported=((6, 18, 42),),
        commit="a28c4fcbf774",
        rules=(
            "REQ_RST_CHALLENGE",
            "REQ_RST_KILLED",
            "REQ_BAD_ACK_RST_IGNORED",
            "REQ_RST_IGNORED",
        ),
    ),
    Behaviour(
        "req_tsecr_checked",
        "request socket: TSecr must echo one of its SYN-ACKs",
        "tcp_check_req",
        rfc=0,
        since=(6, 15),
        ported=((6, 14, 9),),
        commit="3ba075278c11",
        rules=(
            "REQ_TSECR",
            "REQ_RST_IGNORED",
        ),
    ),
    Behaviour(
        "paws_old_ack_silent",
        "an empty ACK below RCV.NXT with an old timestamp is dropped in silence (before: ACK)",
        "tcp_disordered_ack_check",
        rfc=0,
        since=(6, 14),
        commit="124c4c32e9f3",
        rules=(
            "PAWS_OLD_ACK_SILENT",
            "PAWS_DROPPED",
        ),
    ),
    Behaviour(
        "beyond_window_refused",
        "data that reaches beyond the window is refused unless the receive queue is empty",
        "tcp_sequence",
        rfc=0,
        since=(6, 17),
        commit="9ca48d616ed7",
        rules=("SEQ_OUT_OF_WINDOW", "RST_OUT_OF_WINDOW"),
    ),
    Behaviour(
        "bare_fin_sticks_out",
        "a FIN may lie one beyond the window: only what comes before it must fit",
        "tcp_sequence",
        rfc=0,
        since=(7, 0),
        ported=((6, 18, 16), (6, 19, 6)),
        commit="1e3bb184e941",
        rules=("SEQ_OUT_OF_WINDOW", "RST_OUT_OF_WINDOW"),
    ),
    Behaviour(
        "syn_resent_early",
        "SYN-SENT: a bad ACK brings the first repeat of the SYN forward to 2 jiffies",
        "tcp_rcv_synsent_state_process",
        rfc=0,
        since=(5, 7),
        commit="9603d47bad46",
        rules=("SYNSENT_SYN_RESENT_EARLY",),
    ),
    Behaviour(
        "simopen_synack_accepted",
        "simultaneous open: the SYN-ACK is accepted in SYN-RECEIVED (before: challenged)",
        "RFC 9293 3.5; tcp_validate_incoming",
        rfc=1,
        since=(6, 12),
        ported=((6, 6, 51), (6, 1, 110)),
        commit="23e89e8ee7be",
        rules=(
            "SYNRECV_SYNACK_ACCEPTED",
            "RFC5961_SYN_CHALLENGE",
        ),
    ),
    Behaviour(
        "syn_dropped_when_acceptq_full",
        "a full accept queue drops every SYN (before: only with more than one young request)",
        "tcp_conn_request",
        rfc=1,
        since=(4, 10),
        commit="5ea8ea2cb7f1",
        rules=(
            "LISTEN_ACCEPT_QUEUE_FULL",
            "LISTEN_SYN",
        ),
    ),
    Behaviour(
        # net.git in January 2025, in Linus's tree before 6.13-rc7; the review mails of these point releases carry it
        "syn_queue_past_backlog",
        "the SYN queue holds one request more than the backlog, as the accept queue does (before: not)",
        "inet_csk_reqsk_queue_is_full",
        rfc=1,
        since=(6, 13),
        ported=((6, 12, 10), (6, 6, 72), (6, 1, 125), (5, 15, 177), (5, 10, 234), (5, 4, 290)),
        commit="3479c7549fb1",
        rules=(
            "LISTEN_SYN_QUEUE_FULL",
            "LISTEN_COOKIE_SENT",
            "LISTEN_SYN",
        ),
    ),
    Behaviour(
        # net-next in August 2023, after 6.5-rc5
        "zero_window_shuts",
        "an ACK with window 0 and the sequence number of the last update shuts the window (before: it is ignored)",
        "RFC 9293 3.10.7.4; tcp_may_update_window",
        rfc=1,
        since=(6, 6),
        commit="800a666141de",
        rules=("PERSIST_WINDOW_CLOSED",),
    ),
    Behaviour(
        # the ranges of CVE-2024-41007
        "user_timeout_window_shut",
        "TCP_USER_TIMEOUT ends a connection whose peer has shut its window over text in flight (before: silence)",
        "RFC 5482 3; tcp_rtx_probe0_timed_out",
        rfc=1,
        since=(6, 10),
        ported=((6, 9, 10), (6, 6, 41), (6, 1, 100), (5, 15, 163), (5, 10, 222), (5, 4, 280), (4, 19, 318)),
        commit="97a9063518f1",
        rules=("RTO_GIVES_UP",),
    ),
    Behaviour(
        "user_timeout_clamped",
        "the last retransmission timeout is cut short to end with TCP_USER_TIMEOUT",
        "RFC 5482 3; tcp_clamp_rto_to_user_timeout",
        rfc=1,
        since=(4, 19),
        commit="b701a99e431d",
        rules=("RTO_GIVES_UP",),
    ),
    Behaviour(
        "memory_given_back",
        "a socket with empty queues has no memory set aside, so header prediction lets no text through to it",
        "sk_mem_uncharge, tcp_rcv_established",
        rfc=1,
        since=(6, 0),
        commit="4890b686f408",
        rules=("ACK_TOO_OLD_PREDICTED",),
    ),
    Behaviour(
        "tw_recycle",
        "has tcp_tw_recycle (modelled only as 0)",
        "tcp_tw_recycle",
        rfc=0,
        until=(4, 12),
    ),
    Behaviour(
        "acks_compressed",
        "of the duplicate ACKs for text out of order those after the third wait up to 1 ms and go as one",
        "__tcp_ack_snd_check, tcp_comp_sack_nr",
        rfc=0,
        since=(4, 18),
        rules=("ACK_COMPRESSED", "COMPRESSED_ACK_FIRED"),
    ),
    Behaviour(
        "fw2_bucket_reuse",
        "a connect() without bind() may take over a FIN-WAIT-2 bucket too",
        "tcp_twsk_unique",
        rfc=0,
        until=(6, 12),
        ported=((6, 6, 55), (6, 1, 113), (5, 15, 168), (5, 10, 227)),
        commit="0d9e5df4a257",
        rules=(
            "CONNECT_REUSES_BUCKET",
            "CONNECT_NO_PORT",
        ),
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
    "paws_slack": "a full socket's PAWS test is laxer by one tick (TCP_PAWS_WINDOW)",
    "rfc793_ack": "an ACK is judged by RFC 793's rules, not by those of RFC 5961",
}

CONSTANT_RULES: dict[str, tuple[str, ...]] = {
    "tlp": ("TLP_PROBE",),
    "fin_retransmit": ("RTO_RETRANSMIT", "TLP_PROBE"),
    "persist_timer": ("PERSIST_PROBE", "PERSIST_WINDOW_CLOSED", "PERSIST_GIVES_UP"),
    "linux_timers": ("ACK_DELAYED", "DELACK_FIRED", "FIN_WAIT2_BUCKET", "FIN_WAIT2_KEEPALIVE", "FIN_WAIT2_EXPIRED"),
    "linux_tw_reuse_isn": ("CONNECT_REUSES_BUCKET", "CONNECT_TUPLE_TAKEN", "TW_SYN_ACCEPTED_SEQ"),
    "paws_slack": ("PAWS_DROPPED",),
    "tw_accepts_by_ts": ("TW_SYN_ACCEPTED_TS", "TW_SYN_REFUSED"),
    "rfc793_ack": ("ACK_FUTURE_ACKED", "ACK_OLD_TOLERATED", "SEQ_OUT_OF_WINDOW"),
    "tw_accepts_syn": ("TW_SYN_ACCEPTED_SEQ", "TW_SYN_ACCEPTED_TS", "TW_SYN_REFUSED"),
    "tw_needs_ack": ("TW_NO_ACK_SILENT", "TW_NO_ACK_ANSWERED", "TW_SYN_REFUSED"),
    "tw_syn_rst": ("TW_SYN_RST", "TW_SYN_ACCEPTED_SEQ", "TW_SYN_REFUSED"),
    "tw_restart_by_fin": ("TW_FIN_RESTARTS", "TW_ACK_SILENT", "TW_ACK_ANSWERED", "TW_ACK_RESTARTS"),
    "tw_paws": ("TW_SYN_PAWS", "TW_RST_PAWS", "TW_NO_ACK_PAWS"),
}


@dataclass(frozen=True)
class Graded:
    """A behaviour that has changed more than once. flag, where, rfc, rules: as of a Behaviour. grades: first release,
    value, what it is, commit; the oldest first. ported: a stable branch's release that got a later grade, its value."""

    flag: str
    doc: str
    where: str
    rfc: int
    grades: tuple[tuple[Release, int, str, str], ...]
    ported: tuple[tuple[Release, int], ...] = ()
    rules: tuple[str, ...] = ()

    def value(self, release: Release) -> int:
        """The grade of a kernel of this release."""
        own = [value for start, value in self.ported if release[:2] == start[:2] and release >= start]
        return own[-1] if own else [value for start, value, _, _ in self.grades if release >= start][-1]

    def words(self, value: int) -> str:
        return next(words for _, found, words, _ in self.grades if found == value)


GRADED: tuple[Graded, ...] = (
    Graded(
        "tw_reuse_rule",
        "how long a bucket must have rested before tcp_tw_reuse lets a connect() have it",
        "tcp_twsk_unique",
        rfc=2,
        grades=(
            ((0,), 0, "more than a second by the clock's seconds", ""),
            ((4, 19), 1, "until the clock's next second", ""),
            ((6, 14), 2, "tcp_tw_reuse_delay milliseconds", "19ce8cd30465"),
        ),
        rules=("CONNECT_REUSES_BUCKET", "CONNECT_NO_PORT"),
    ),
    Graded(
        "ts_per_tuple",
        "what has a random offset of its own for TSvals (tcp_timestamps = 1)",
        "secure_tcp_ts_off",
        rfc=1,
        grades=(
            ((0,), 2, "nothing", ""),
            ((4, 10), 0, "each pair of addresses (4.10: each connection)", "28ee1b746f49"),
            ((7, 0), 1, "each 4-tuple", "165573e41f2f"),
        ),
        ported=(((6, 12, 94), 1), ((6, 18, 17), 1)),
        rules=("TW_SYN_ACCEPTED_TS", "TW_SYN_REFUSED", "TW_SYN_PAWS"),
    ),
)
