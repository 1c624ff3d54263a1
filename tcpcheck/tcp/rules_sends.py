"""Rules of calls, output and timers: (name, what happens, RFC clause, kernel function), in the order of rules.pxd."""

_CALLS: tuple[tuple[str, str, str, str], ...] = (
    ("LISTEN_OPENED", "a listener opens", "RFC 9293 3.9.1.1", "inet_csk_listen_start"),
    ("CONNECT_SYN", "active open: SYN", "RFC 9293 3.10.1", "tcp_connect"),
    (
        "CONNECT_REUSES_BUCKET",
        "active open takes over a time-wait bucket of its 4-tuple; the ISN follows the old SND.NXT",
        "RFC 6191 2; RFC 9293 3.4.1",
        "__inet_check_established, tcp_twsk_unique",
    ),
    ("CONNECT_TUPLE_TAKEN", "the 4-tuple is in use: EADDRNOTAVAIL", "RFC 9293 3.10.1", "__inet_check_established"),
    ("CONNECT_NO_PORT", "no free ephemeral port: EADDRNOTAVAIL", "RFC 9293 3.10.1", "__inet_hash_connect"),
    ("ACCEPT_CHILD", "accept() returns the oldest child", "RFC 9293 3.9.1.1", "inet_csk_accept"),
    ("ACCEPT_DEAD_CHILD", "accept() returns a child that is dead already", "RFC 9293 3.9.1.1", "inet_csk_accept"),
    ("SEND_QUEUED", "send() takes the bytes", "RFC 9293 3.10.2", "tcp_sendmsg_locked"),
    ("SEND_ERROR", "send() returns the pending error", "RFC 9293 3.10.2", "sk_stream_error, sock_error"),
    ("SEND_BROKEN_PIPE", "send() after shutdown or reset: EPIPE", "RFC 9293 3.10.2", "sk_stream_error"),
    ("RECV_DATA", "recv() returns bytes", "RFC 9293 3.10.3", "tcp_recvmsg_locked"),
    ("RECV_EOF", "recv() returns end of file", "RFC 9293 3.10.3", "tcp_recvmsg_locked"),
    ("RECV_ERROR", "recv() returns the pending error, or ENOTCONN", "RFC 9293 3.10.3", "tcp_recvmsg_locked"),
    ("SHUTDOWN_FIN", "shutdown(write): FIN after the last byte", "RFC 9293 3.10.4", "tcp_shutdown, tcp_send_fin"),
    ("CLOSE_FIN", "close(): FIN after the last byte; the socket is an orphan", "RFC 9293 3.10.4", "__tcp_close"),
    ("CLOSE_UNREAD_RST", "close() with unread bytes: RST, no FIN", "RFC 9293 3.6.1; RFC 2525 2.17", "__tcp_close"),
    ("CLOSE_NOT_OPEN", "close() before the handshake is over: silence", "RFC 9293 3.10.4", "tcp_disconnect"),
    ("CLOSE_FIN_WAIT2", "close() in FIN-WAIT-2: tcp_fin_timeout starts", "RFC 9293 3.6", "__tcp_close"),
    ("CLOSE_LISTENER", "a listener closes", "RFC 9293 3.10.4", "inet_csk_listen_stop"),
    (
        "CLOSE_LISTENER_CHILD_RST",
        "its listener closes: a child not accepted is reset",
        "RFC 9293 3.10.4",
        "inet_csk_listen_stop, inet_child_forget",
    ),
    (
        "CLOSE_LISTENER_REQUEST_GONE",
        "its listener closes: a request socket vanishes silently",
        "RFC 9293 3.10.4",
        "reqsk_timer_handler, inet_csk_reqsk_queue_drop",
    ),
    ("ABORT_RST", "abort: RST", "RFC 9293 3.10.5", "tcp_disconnect, tcp_need_reset"),
    ("ABORT_SILENT", "abort in a state that needs no RST", "RFC 9293 3.10.5", "tcp_need_reset"),
)

_OUTPUT: tuple[tuple[str, str, str, str], ...] = (
    ("ACK_DELAYED", "the ACK waits for the delayed-ACK timer", "RFC 9293 3.8.6.3", "tcp_send_delayed_ack"),
    ("ACK_QUICK", "the ACK goes out at once", "RFC 9293 3.8.6.3", "__tcp_ack_snd_check"),
    (
        "OOW_ACK_LIMITED",
        "an ACK to an out-of-window segment is left out: the last one is younger than tcp_invalid_ratelimit",
        "RFC 5961 10",
        "tcp_oow_rate_limited",
    ),
    ("CHALLENGE_ACK", "challenge ACK", "RFC 5961 3.2, 4.2, 5.2", "tcp_send_challenge_ack"),
    (
        "CHALLENGE_ACK_LIMITED",
        "a challenge ACK is left out: the socket's last limited reply is younger than tcp_invalid_ratelimit",
        "RFC 5961 7",
        "__tcp_oow_rate_limited",
    ),
    (
        "CHALLENGE_ACK_HOST_LIMIT",
        "a challenge ACK is left out: the host's tcp_challenge_ack_limit is used up",
        "RFC 5961 7",
        "tcp_send_challenge_ack",
    ),
    ("WINDOW_UPDATE", "recv() made room: window update", "RFC 9293 3.8.6.2.2", "tcp_cleanup_rbuf"),
    (
        "PERSIST_WINDOW_CLOSED",
        "nothing in flight and the peer's window shuts out what is next: persist timer",
        "RFC 9293 3.8.6.1",
        "tcp_check_probe_timer",
    ),
    (
        "PERSIST_FIREWALL",
        "the host's own firewall refused the segment and nothing is in flight: persist timer",
        "",
        "__tcp_push_pending_frames, tcp_check_probe_timer",
    ),
    ("TIME_WAIT_ENTERED", "the socket becomes a time-wait bucket", "RFC 9293 3.3.2, 3.10.7.4", "tcp_time_wait"),
    ("FIN_WAIT2_BUCKET", "an orphan in FIN-WAIT-2 becomes a bucket", "RFC 9293 3.6", "tcp_time_wait"),
    (
        "FIN_WAIT2_KEEPALIVE",
        "an orphan in FIN-WAIT-2 stays a full socket with a timer",
        "RFC 9293 3.6",
        "tcp_reset_keepalive_timer",
    ),
    ("BUCKETS_FULL", "tcp_max_tw_buckets reached: straight to CLOSED", "", "inet_twsk_alloc, tcp_time_wait"),
    ("ORPHANS_FULL", "tcp_max_orphans reached: RST", "", "tcp_check_oom, tcp_out_of_resources"),
)

_TIMERS: tuple[tuple[str, str, str, str], ...] = (
    ("SYN_RETRANSMITTED", "SYN again", "RFC 9293 3.8.1; RFC 6298 5", "tcp_retransmit_timer"),
    ("SYN_GIVES_UP", "no answer to SYN: ETIMEDOUT", "RFC 9293 3.8.3", "tcp_write_timeout"),
    ("SYNACK_RETRANSMITTED", "SYN-ACK again", "RFC 9293 3.8.1", "reqsk_timer_handler"),
    (
        "SYNACK_DEFERRED",
        "the ACK came and TCP_DEFER_ACCEPT waits for data: no SYN-ACK this time",
        "",
        "syn_ack_recalc",
    ),
    ("SYNACK_GIVES_UP", "no ACK of the SYN-ACK: the request is gone", "RFC 9293 3.8.3", "reqsk_timer_handler"),
    (
        "RTO_RETRANSMIT",
        "retransmission timeout: the first unacknowledged segment again",
        "RFC 6298 5.4",
        "tcp_retransmit_timer",
    ),
    (
        "RTO_GIVES_UP",
        "unacknowledged for too long: ETIMEDOUT",
        "RFC 9293 3.8.3",
        "tcp_write_timeout, retransmits_timed_out",
    ),
    ("TLP_PROBE", "tail loss probe", "RFC 8985 7.3", "tcp_send_loss_probe"),
    (
        "PERSIST_PROBE",
        "zero-window probe, or what the firewall refused once more",
        "RFC 9293 3.8.6.1",
        "tcp_probe_timer",
    ),
    ("PERSIST_GIVES_UP", "probed for too long: ETIMEDOUT", "RFC 9293 3.8.6.1", "tcp_probe_timer"),
    ("DELACK_FIRED", "the delayed ACK goes out", "RFC 9293 3.8.6.3", "tcp_delack_timer_handler"),
    ("TIME_WAIT_EXPIRED", "TIME-WAIT is over", "RFC 9293 3.10.8", "tw_timer_handler"),
    ("FIN_WAIT2_EXPIRED", "an orphan waited long enough for the peer's FIN", "", "tw_timer_handler"),
    ("FIN_WAIT2_FULL_TO_BUCKET", "the orphan's timer: the rest of its wait as a bucket", "", "tcp_keepalive_timer"),
    ("FIN_WAIT2_FULL_RST", "the orphan's timer, nothing left to wait: RST", "", "tcp_keepalive_timer"),
)

SEND_RULES = _CALLS + _OUTPUT + _TIMERS
