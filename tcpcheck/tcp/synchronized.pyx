"""SYN-RECEIVED of a full socket, ESTABLISHED and later.

The order of the checks is the kernel's: flags, PAWS, sequence, RST, SYN (tcp_validate_incoming), ACK (tcp_ack), then
what the ACK does to the state, then text and FIN.
"""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport diff_in, diff_known, num_add, seq_after, seq_before, seq_eq
from tcpcheck.tcp.ack cimport (
    ACK_OK, ACK_OLD, ACK_TOO_OLD, ACK_UNACCEPTABLE, all_acked, process_ack, window_news,
)
from tcpcheck.tcp.checks cimport keep_timestamp, paws_fails, seg_end, seg_length
from tcpcheck.tcp.output cimport (
    oow_rate_limited, push_pending, receive_queue_empty, send_ack, send_challenge_ack, send_reset_for,
)
from tcpcheck.tcp.rto cimport enter_time_wait, fin_wait2_orphan, note_sample, rto_bounds, rtt_after_handshake
from tcpcheck.tcp.rules cimport (
    R_ACK_FUTURE_ACKED, R_ACK_FUTURE_IGNORED, R_ACK_TOO_OLD_CHALLENGED, R_ACK_TOO_OLD_PREDICTED,
    R_ACK_UNACCEPTABLE_CHALLENGED,
    R_DATA_AFTER_CLOSE_RST, R_DATA_AFTER_FIN_IGNORED, R_DATA_OVER_FIN_RST, R_FIN_ACKED_CLOSED, R_FIN_ACKED_FIN_WAIT2,
    R_FIN_ACKED_TIME_WAIT, R_NO_ACK_IGNORED, R_OOW_ACK_LIMITED, R_PAWS_DISORDERED_ACK, R_PAWS_DROPPED,
    R_PAWS_OLD_ACK_SILENT,
    R_RFC5961_RST_CHALLENGE, R_RFC5961_SYN_CHALLENGE, R_RST_AFTER_FIN, R_RST_EXACT, R_RST_IN_WINDOW,
    R_RST_OUT_OF_WINDOW, R_RST_SACK_EDGE, R_SEQ_OUT_OF_WINDOW, R_SYN_IN_WINDOW_RST, R_SYNRECV_BAD_ACK_RST,
    R_SYNRECV_ESTABLISHED, R_SYNRECV_SHUTDOWN, R_SYNRECV_SYNACK_ACCEPTED,
)
from tcpcheck.tcp.sockets cimport (
    config_of, in_flight, is_orphan, receive_window, reset_by_peer, rule, set_state, to_closed,
)
from tcpcheck.tcp.text cimport (
    OWED_NOTHING, Owed, came_twice, enter_quickack_mode, segment_text, send_what_is_due,
)
from tcpcheck.tcp.types cimport (
    F_ACK, F_FIN, F_RST, F_SYN, F_URG, SK_FULL, ST_CLOSE_WAIT, ST_CLOSING, ST_ESTABLISHED, ST_FIN_WAIT1, ST_FIN_WAIT2,
    ST_LAST_ACK, ST_SYN_RECV, ST_TIME_WAIT, Config, Seg, Sock, Stack,
)

cdef int64_t HALF = 1 << 31
cdef int64_t SECOND = 1000000000

cdef enum:
    REPLAY_PER_SECOND = 1200    # ticks of the peer's clock for a second of RTO (tcp_tsval_replay)


cdef void synchronized_arrives(Stack* t, int sock, const Seg* g) noexcept nogil:
    cdef Sock* k = &t.sock[sock]
    cdef int repeats = k.retries + k.synack_acked_out
    cdef int quiet = k.ack_pending and k.state == ST_ESTABLISHED and _pure_ack_predicted(t, k, g)
    cdef Owed owed
    if not g.flags & (F_ACK | F_RST | F_SYN):
        rule(t, sock, R_NO_ACK_IGNORED)
        return
    if not _valid(t, sock, g):
        return
    if not _ack_passes(t, sock, g):
        return
    if not _state_moves(t, sock, g, repeats):
        return
    memset(&owed, 0, sizeof(Owed))
    owed.quiet = <uint8_t>quiet
    if _text_is_welcome(t, sock, g):
        segment_text(t, sock, g, &owed)
    send_what_is_due(t, sock, &owed)


cdef int _pure_ack_predicted(Stack* t, const Sock* k, const Seg* g) noexcept nogil:
    """The short way of tcp_rcv_established for an ACK with nothing new but itself: no ACK of ours is considered."""
    if g.len or g.flags & (F_SYN | F_FIN | F_RST | F_URG) or g.wnd != k.snd_wnd or k.nooo or g.has_sack:
        return 0
    if g.has_ts != k.ts_ok or not seq_eq(&t.sym, g.seq, k.rcv_nxt):
        return 0
    return not (k.ts_ok and k.has_ts_recent and diff_in(&t.sym, k.ts_recent, g.tsval, 1, HALF))


# ---- PAWS, sequence, RST, SYN -----------------------------------------------------------------------------------


cdef int _valid(Stack* t, int sock, const Seg* g) noexcept nogil:
    """1: go on to the ACK field. A SYN in a synchronized state is answered the same way whatever its numbers are, and
    an RST is never subject to PAWS: those questions are not asked."""
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    if g.flags & F_RST:
        _rst_arrives(t, sock, g)
        return 0
    if g.flags & F_SYN and cfg.rfc5961:
        if k.state == ST_SYN_RECV and _crossed_synack(t, sock, g):
            rule(t, sock, R_SYNRECV_SYNACK_ACCEPTED)
            return 1
        rule(t, sock, R_RFC5961_SYN_CHALLENGE)
        send_challenge_ack(t, sock)
        return 0
    if k.ts_ok and g.has_ts and paws_fails(t, k, g, cfg.paws_slack) and not _disordered_ack(t, sock, g):
        return 0
    if not _seq_acceptable(t, sock, g):
        rule(t, sock, R_SEQ_OUT_OF_WINDOW)
        _send_dupack(t, sock, g)
        return 0
    if g.flags & F_SYN:                 # before RFC 5961
        rule(t, sock, R_SYN_IN_WINDOW_RST)
        send_reset_for(t, k.host, sock, g)
        reset_by_peer(t, sock)
        return 0
    return 1


cdef int _crossed_synack(Stack* t, int sock, const Seg* g) noexcept nogil:
    """The SYN-ACK of a simultaneous open, in SYN-RECEIVED: empty, of the SYN already seen, acknowledging ours."""
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    if not cfg.simopen_synack_accepted or not k.fd or not g.flags & F_ACK or seg_length(g) != 1:
        return 0
    if not seq_eq(&t.sym, num_add(g.seq, 1), k.rcv_nxt) or not seq_eq(&t.sym, g.ack, k.snd_nxt):
        return 0
    return not (k.ts_ok and g.has_ts and paws_fails(t, k, g, cfg.paws_slack))


cdef int _seq_acceptable(Stack* t, int sock, const Seg* g) noexcept nogil:
    """tcp_sequence: the end not before rcv_wup (what was last acknowledged, not RCV.NXT), and not beyond the window.

    A text whose start is inside may stick out while nothing waits to be read (cfg.beyond_window_refused: else
    always), and a FIN by its own one number. All of it is one interval for SEG.SEQ - RCV.NXT.
    """
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    cdef int32_t n = seg_length(g)
    cdef int32_t wnd = receive_window(t, sock)
    cdef int64_t owed = 0
    cdef int64_t last = wnd
    if cfg.rfc793_ack:
        if n == 0:
            return diff_in(&t.sym, g.seq, k.rcv_nxt, 0, wnd if wnd else 1)
        return wnd > 0 and diff_in(&t.sym, g.seq, k.rcv_nxt, 1 - n, <int64_t>wnd + n - 1)
    if not diff_known(&t.sym, k.rcv_nxt, k.rcv_wup, &owed):
        owed = 0
    if cfg.beyond_window_refused and not receive_queue_empty(k):
        last = wnd - n
        if cfg.bare_fin_sticks_out and g.flags & F_FIN:
            last += 1
    if last < -owed - n:
        return 0
    return diff_in(&t.sym, g.seq, k.rcv_nxt, -owed - n, last + owed + n + 1)


cdef void _send_dupack(Stack* t, int sock, const Seg* g) noexcept nogil:
    """The answer to what is refused, at most one per tcp_invalid_ratelimit (tcp_send_dupack). DSACK for old text: up
    to RCV.NXT when its end lies beyond."""
    cdef Sock* k = &t.sock[sock]
    if oow_rate_limited(t, sock, g):
        rule(t, sock, R_OOW_ACK_LIMITED)
        return
    if seg_length(g) > 0 and seq_before(&t.sym, g.seq, k.rcv_nxt):
        enter_quickack_mode(k)
        came_twice(k, g.seq, k.rcv_nxt if diff_in(&t.sym, seg_end(g), k.rcv_nxt, 1, HALF) else seg_end(g))
    send_ack(t, sock)


cdef int _disordered_ack(Stack* t, int sock, const Seg* g) noexcept nogil:
    """PAWS says old. 1: but it is a pure ACK that changes nothing, and not much older than a retransmission timeout
    (tcp_disordered_ack_check). 0: dropped, and answered here."""
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    if seg_length(g) == 0:
        if seq_eq(&t.sym, g.seq, k.rcv_nxt):
            if not window_news(t, k, g) and seq_eq(&t.sym, g.ack, k.snd_una) and _in_replay(t, sock, g):
                rule(t, sock, R_PAWS_DISORDERED_ACK)
                return 1
        elif cfg.paws_old_ack_silent and seq_before(&t.sym, g.seq, k.rcv_nxt):
            rule(t, sock, R_PAWS_OLD_ACK_SILENT)
            return 0
    rule(t, sock, R_PAWS_DROPPED)
    _send_dupack(t, sock, g)
    return 0


@cython.cdivision(True)
cdef int _in_replay(Stack* t, int sock, const Seg* g) noexcept nogil:
    """ts_recent - SEG.TSval <= RTO, in ticks of a 1200 Hz clock. The RTO is known as an interval only."""
    cdef Sock* k = &t.sock[sock]
    cdef int64_t shortest, longest
    rto_bounds(t, sock, k.backoff, &shortest, &longest)
    shortest = shortest * REPLAY_PER_SECOND // SECOND
    longest = longest * REPLAY_PER_SECOND // SECOND
    if diff_in(&t.sym, k.ts_recent, g.tsval, 1, shortest):
        return 1
    if longest > shortest and diff_in(&t.sym, k.ts_recent, g.tsval, shortest + 1, longest - shortest):
        return choose(t.sym.ch, 2, CHOOSE_FATE)
    return 0


cdef void _rst_arrives(Stack* t, int sock, const Seg* g) noexcept nogil:
    """RFC 5961 3.2, extended: exact, right behind a FIN, or at the highest SACK edge resets; else in the window draws
    a challenge; outside it is ignored."""
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    cdef int after_fin = cfg.rst_after_fin and (
        k.state == ST_CLOSE_WAIT or k.state == ST_LAST_ACK or k.state == ST_CLOSING)
    if not _seq_acceptable(t, sock, g):
        if after_fin and seq_eq(&t.sym, num_add(g.seq, 1), k.rcv_nxt):
            rule(t, sock, R_RST_AFTER_FIN)
            reset_by_peer(t, sock)
            return
        rule(t, sock, R_RST_OUT_OF_WINDOW)
        return
    if not cfg.rfc5961:
        rule(t, sock, R_RST_IN_WINDOW)
    elif seq_eq(&t.sym, g.seq, k.rcv_nxt):
        rule(t, sock, R_RST_EXACT)
    elif after_fin and seq_eq(&t.sym, num_add(g.seq, 1), k.rcv_nxt):
        rule(t, sock, R_RST_AFTER_FIN)
    elif cfg.rst_sack_edge and k.sack_ok and k.nooo and seq_eq(&t.sym, g.seq, k.ooo_hi[k.nooo - 1]):
        rule(t, sock, R_RST_SACK_EDGE)
    else:
        rule(t, sock, R_RFC5961_RST_CHALLENGE)
        send_challenge_ack(t, sock)
        return
    reset_by_peer(t, sock)


# ---- ACK --------------------------------------------------------------------------------------------------------


cdef int _ack_passes(Stack* t, int sock, const Seg* g) noexcept nogil:
    """1: the segment is processed further. What an unacceptable ACK draws differs by state and kernel."""
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    cdef int established = k.state == ST_ESTABLISHED
    cdef int alike = cfg.future_ack_challenged if established else cfg.bad_ack_challenged_always
    cdef int verdict
    if k.state == ST_SYN_RECV:
        if process_ack(t, sock, g, 0) == ACK_OK:
            return 1
        rule(t, sock, R_SYNRECV_BAD_ACK_RST)
        send_reset_for(t, k.host, sock, g)
        return 0
    verdict = process_ack(t, sock, g, not alike)
    if established and verdict != ACK_OK and _predicted(t, sock, g, verdict):
        return verdict == ACK_OLD
    if verdict >= 0:
        return 1
    if verdict == ACK_UNACCEPTABLE:
        rule(t, sock, R_ACK_UNACCEPTABLE_CHALLENGED)
        send_challenge_ack(t, sock)
        return 0
    if verdict == ACK_TOO_OLD:
        rule(t, sock, R_ACK_TOO_OLD_CHALLENGED)
        send_challenge_ack(t, sock)
    elif cfg.rfc793_ack:
        rule(t, sock, R_ACK_FUTURE_ACKED)
        send_ack(t, sock)
        return 0
    else:
        rule(t, sock, R_ACK_FUTURE_IGNORED)
    return not established              # before 4.13 other states go on with the segment's text


cdef int _predicted(Stack* t, int sock, const Seg* g, int verdict) noexcept nogil:
    """Header prediction (tcp_rcv_established): a segment that looks just as expected is taken before its ACK is looked
    at, so an ACK too old stops neither its text nor its timestamp. 1: that happened here. The kernel predicts text only
    while it has memory set aside for the socket: never for a new child, and hardly more is known."""
    cdef Sock* k = &t.sock[sock]
    cdef int64_t owed = 0
    cdef Owed text
    if g.flags & (F_SYN | F_FIN | F_RST | F_URG) or g.wnd != k.snd_wnd or k.nooo or g.has_ts != k.ts_ok or g.has_sack:
        return 0
    if config_of(t, sock).rfc793_ack or receive_window(t, sock) < g.len or (g.len == 0 and not k.ts_ok):
        return 0
    if not seq_eq(&t.sym, g.seq, k.rcv_nxt) or (verdict < 0 and seq_after(&t.sym, g.ack, k.snd_nxt)):
        return 0
    if k.ts_ok and k.has_ts_recent and diff_in(&t.sym, k.ts_recent, g.tsval, 1, HALF):
        return 0
    if g.len > 0 and k.rcv_queued == 0 and k.unsent == 0 and in_flight(t, sock) == 0:
        if config_of(t, sock).memory_given_back or (k.bytes_acked == 0 and not k.got_data):
            return 0
    if g.len > 0 and choose(t.sym.ch, 2, CHOOSE_FATE) == (k.rcv_queued > 0 or in_flight(t, sock) > 0):
        return 0
    if k.ts_ok and diff_known(&t.sym, k.rcv_nxt, k.rcv_wup, &owed) and owed == 0:
        keep_timestamp(t, k, g)
    if verdict == ACK_OLD:
        return 1
    rule(t, sock, R_ACK_TOO_OLD_PREDICTED)
    memset(&text, 0, sizeof(Owed))
    segment_text(t, sock, g, &text)
    if send_challenge_ack(t, sock):
        text.kind = OWED_NOTHING
    send_what_is_due(t, sock, &text)
    return 1


cdef int _state_moves(Stack* t, int sock, const Seg* g, int repeats) noexcept nogil:
    """What the ACK does to the state. 0: the segment is used up. repeats: how often the SYN-ACK went out again."""
    cdef Sock* k = &t.sock[sock]
    if k.state == ST_SYN_RECV:
        _established(t, sock, g, repeats)
    elif k.state == ST_FIN_WAIT1:
        if all_acked(t, sock):
            return _fin_wait2(t, sock, g)
    elif k.state == ST_CLOSING:
        if all_acked(t, sock):
            rule(t, sock, R_FIN_ACKED_TIME_WAIT)
            enter_time_wait(t, sock, ST_TIME_WAIT)
            return 0
    elif k.state == ST_LAST_ACK:
        if all_acked(t, sock):
            rule(t, sock, R_FIN_ACKED_CLOSED)
            to_closed(t, sock)
            return 0
    return 1


cdef void _established(Stack* t, int sock, const Seg* g, int repeats) noexcept nogil:
    """SYN-RECEIVED is over. ACK = ISS is enough for a simultaneous open, though the SYN stays unacknowledged."""
    cdef Sock* k = &t.sock[sock]
    cdef int64_t d
    cdef uint8_t retries = k.retries
    rule(t, sock, R_SYNRECV_ESTABLISHED)
    set_state(t, sock, ST_ESTABLISHED)
    if in_flight(t, sock) > 0:
        note_sample(t, sock, g)
    rtt_after_handshake(t, sock, repeats)
    k.synack_acked_out = 0
    if in_flight(t, sock) > 0:
        k.retries = retries             # but the clock of the first one is forgotten: see gives_up()
    k.snd_wnd = g.wnd
    if g.wnd > k.max_window:
        k.max_window = g.wnd
    k.snd_wl1 = g.seq if diff_known(&t.sym, g.seq, k.rcv_nxt, &d) else k.rcv_nxt
    if k.fin_queued:                    # shutdown() while in SYN-RECEIVED was put off until now
        rule(t, sock, R_SYNRECV_SHUTDOWN)
        set_state(t, sock, ST_FIN_WAIT1)
        push_pending(t, sock)


cdef int _fin_wait2(Stack* t, int sock, const Seg* g) noexcept nogil:
    """Our FIN is acknowledged. An orphan takes no new text, and becomes a bucket unless the segment brings a FIN."""
    cdef Sock* k = &t.sock[sock]
    rule(t, sock, R_FIN_ACKED_FIN_WAIT2)
    set_state(t, sock, ST_FIN_WAIT2)
    if not is_orphan(k):
        return 1
    if _brings_new_text(t, k, g):
        rule(t, sock, R_DATA_AFTER_CLOSE_RST)
        send_reset_for(t, k.host, sock, g)
        to_closed(t, sock)
        return 0
    fin_wait2_orphan(t, sock, g.flags & F_FIN)
    return k.kind == SK_FULL


# ---- text -------------------------------------------------------------------------------------------------------


cdef int _brings_new_text(Stack* t, const Sock* k, const Seg* g) noexcept nogil:
    """Text beyond RCV.NXT, or a FIN that is not next: after(end_seq - fin, rcv_nxt)."""
    cdef int32_t n = seg_length(g)
    if n == 0:
        return 0
    return diff_in(&t.sym, num_add(g.seq, n - (1 if g.flags & F_FIN else 0)), k.rcv_nxt, 1, HALF)


cdef int _text_is_welcome(Stack* t, int sock, const Seg* g) noexcept nogil:
    """1: the text goes on to the receive queue. After the peer's FIN nothing new can come; to an orphan neither."""
    cdef Sock* k = &t.sock[sock]
    if k.state == ST_CLOSE_WAIT or k.state == ST_CLOSING or k.state == ST_LAST_ACK:
        if seg_length(g) == 0:
            return 0
        if not seq_before(&t.sym, g.seq, k.rcv_nxt):
            rule(t, sock, R_DATA_AFTER_FIN_IGNORED)
            return 0
        if _brings_new_text(t, k, g):
            rule(t, sock, R_DATA_OVER_FIN_RST)
            send_reset_for(t, k.host, sock, g)
            reset_by_peer(t, sock)
            return 0
    elif (k.state == ST_FIN_WAIT1 or k.state == ST_FIN_WAIT2) and (is_orphan(k) or k.rd_shut) and \
            _brings_new_text(t, k, g):
        rule(t, sock, R_DATA_AFTER_CLOSE_RST)
        send_reset_for(t, k.host, sock, g)
        reset_by_peer(t, sock)
        return 0
    return 1
