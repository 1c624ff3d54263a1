"""What a host sends (RFC 9293 3.10, "output processing"; the kernel's tcp_output.c)."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memset
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport (
    BASE_UNKNOWN, MODE_CONCRETE, MODE_RECORD, Num, clock_start, diff_known, num_add, num_base, num_const, num_counter,
    num_is_zero,
)
from tcpcheck.tcp.rto cimport arm_persist, arm_rto_or_probe, elapsed, full_payload, next_fits, payload_most, pending, probe_applies
from tcpcheck.tcp.rules cimport (
    R_ACK_COMPRESSED, R_ACK_DELAYED, R_ACK_QUICK, R_CHALLENGE_ACK, R_CHALLENGE_ACK_HOST_LIMIT, R_CHALLENGE_ACK_LIMITED,
    R_OOW_ACK_LIMITED, R_PERSIST_FIREWALL, R_PERSIST_WINDOW_CLOSED,
)
from tcpcheck.tcp.settings cimport tcp_challenge_ack_limit, tcp_invalid_ratelimit_ms, tcp_sack, tcp_timestamps
from tcpcheck.tcp.sockets cimport (
    KEY_ISN, KEY_TS, arm, arm_between, config_of, disarm, effect, in_flight, receive_window, rule, tuple_key,
)
from tcpcheck.tcp.types cimport (
    AGAIN_PROBE, EF_SEND, F_ACK, F_FIN, F_PSH, F_RST, F_SYN, SK_FULL, SK_REQUEST, SLOT_DELACK, SLOT_RETRANS, ST_SYN_SENT,
    TM_COMPRESSED, TM_DELACK, TM_NONE, TM_TLP, Config, Effect, Seg, Sock, Stack,
)

cdef int64_t MS = 1000000
cdef int64_t COMPRESSED_MOST = 1100000       # tcp_comp_sack_delay_ns and its slack
cdef enum:
    CHALLENGES_A_SECOND = 48        # more than one run of a model sends in a second; a larger host limit never bites
    MSS_GUESS = 536                 # the kernel's first guess of the peer's segment size (tcp_initialize_rcv_mss)
    RCV_SPACE = 65536               # half of the usual tcp_rmem: the other half is for what text takes besides its length,
    RCV_OVERHEAD = 640              # which is this much for a short segment
    RCV_BUF_USUAL = 60000
    DUP_ACKS_AT_ONCE = 3            # TCP_FASTRETRANS_THRESH


# ---- numbers of a new connection ---------------------------------------------------------------------------

cdef Num choose_isn(Stack* t, int host, int peer, int lport, int rport) noexcept nogil:
    """RFC 9293 3.4.1, RFC 6528: a clock plus a secret of the 4-tuple (secure_tcp_seq)."""
    cdef const Config* c = t.cfg[host]
    return num_base(&t.sym, tuple_key(KEY_ISN, host, peer, lport, rport), c.isn_tick_ns, host, c.isn_linked)


cdef uint64_t timestamp_key(Stack* t, int host, int peer, int lport, int rport) noexcept nogil:
    """secure_tcp_ts_off: none with tcp_timestamps = 2 and before 4.10, else for each 4-tuple or pair of addresses."""
    cdef const Config* c = t.cfg[host]
    if tcp_timestamps(c) == 2 or c.ts_per_tuple == 2:
        return tuple_key(KEY_TS, host, 255, 0, 0)
    if c.ts_per_tuple:
        return tuple_key(KEY_TS, host, peer, lport, rport)
    return tuple_key(KEY_TS, host, peer, 0, 0)


# ---- segments ----------------------------------------------------------------------------------------------

cdef void stamp(Stack* t, int host, uint64_t key, int linked, Seg* s) noexcept nogil:
    cdef Num v = num_counter(&t.sym, key, t.cfg[host].ts_tick_ns, host, linked)
    s.has_ts = 1
    s.tsval = v
    if t.sym.mode == MODE_RECORD:
        s.tsval_at = <uint16_t>t.sym.rec.step
    s.ts_now = 0
    if v.base != 0 and v.base != BASE_UNKNOWN and v.rd == 0:
        s.ts_now = t.sym.base[v.base].tick > 0 and t.sym.base[v.base].linked


cdef Num read_tsval(Stack* t, int sock, Seg* s) noexcept nogil:
    stamp(t, t.sock[sock].host, t.sock[sock].ts_key, t.sock[sock].ts_linked, s)
    return s.tsval


cdef void echo(const Sock* k, Seg* s) noexcept nogil:
    if k.has_ts_recent:
        s.tsecr = k.ts_recent
        s.tsecr_at = k.ts_recent_at
        s.ecr_answer = k.ts_recent_answer
        s.ecr_inc = k.ts_recent_inc
        s.ecr_again = k.ts_recent_again
    else:
        s.tsecr = num_const(0)


cdef int echoes_something(Stack* t, const Sock* k) noexcept nogil:
    return k.has_ts_recent and not num_is_zero(&t.sym, k.ts_recent)


cdef void build_segment(Stack* t, int sock, int flags, Seg* s) noexcept nogil:
    """Buckets and requests leave the timestamps out of an ACK when they have none to echo, or 0 (tcp_v4_send_ack). Every
    segment with ACK reports a block while there is one, a duplicate first and once (tcp_established_options)."""
    cdef Sock* k = &t.sock[sock]
    memset(s, 0, sizeof(Seg))
    s.src = k.host
    s.dst = k.peer
    s.sport = k.lport
    s.dport = k.rport
    s.inc = k.inc
    s.flags = <uint8_t>flags
    s.seq = k.snd_nxt
    s.wnd = receive_window(t, sock)
    if flags & F_ACK:
        s.ack = k.rcv_nxt
    if k.ts_ok and (k.kind == SK_FULL or flags & F_SYN or echoes_something(t, k)):
        read_tsval(t, sock, s)
        echo(k, s)
        s.ecr_not_zero = k.kind != SK_FULL and not flags & F_SYN
        s.answer = k.kind == SK_REQUEST and not flags & F_SYN
    if not k.sack_ok or not flags & F_ACK or flags & F_SYN:
        return
    s.dsack = k.dsack
    s.has_sack = k.dsack or k.nooo > 0
    if k.dsack:
        s.sack_lo = k.dsack_lo
        s.sack_hi = k.dsack_hi
        k.dsack = 0
    elif k.nooo > 0:
        s.sack_lo = k.ooo_lo[0]
        s.sack_hi = k.ooo_hi[0]


cdef int emit(Stack* t, int sock, int host, Seg* s) noexcept nogil:
    cdef Effect* e = effect(t, EF_SEND, host, sock, 0)
    if e != NULL:
        e.seg = s[0]
    if t.output == NULL:
        return 0
    return t.output(t.output_ctx, s)


# ---- acknowledgements --------------------------------------------------------------------------------------

cdef int32_t first_window(int32_t rcv_buf, int32_t mss, int ts) noexcept nogil:
    """tcp_select_initial_window."""
    cdef int32_t wnd = rcv_buf if rcv_buf < 65535 else 65535
    cdef int32_t text = mss - 12 if ts else mss
    return wnd - wnd % text if 0 < text <= wnd else wnd


cdef int32_t select_window(Stack* t, int sock) noexcept nogil:
    """Never less than what is left of the window offered; nothing rather than a silly window (RFC 9293 3.8.6.2.2,
    __tcp_select_window). Of the usual buffer not more than window_clamp() is offered.
    Scaled windows are whole units; others are not worth a change of less than a segment, whose size is the kernel's
    first guess."""
    cdef Sock* s = &t.sock[sock]
    cdef int32_t left = receive_window(t, sock), kept = s.rcv_wnd, free, guess = MSS_GUESS
    cdef int32_t least = s.mss if s.mss < s.rcv_buf else s.rcv_buf
    cdef int usual = s.rcv_buf >= RCV_BUF_USUAL and config_of(t, sock).linux_timers
    if usual:
        free = RCV_SPACE - s.rcv_queued - (0 if receive_queue_empty(s) else RCV_OVERHEAD)
        free = min(free, window_clamp(full_payload(s)))
    else:
        free = s.rcv_buf - s.rcv_queued
    if free < s.rcv_buf // 2 and (free < s.rcv_buf // 16 or free < least):
        return align_up(left, s.rcv_wscale - 1) if s.rcv_wscale > 1 else left
    if s.rcv_wscale > 1:
        return align_up(free if free > left else left, s.rcv_wscale - 1)
    if kept > free or not (usual or receive_queue_empty(s)):
        kept = left
    guess = least if least < guess else guess
    guess = s.rcv_buf // 2 if s.rcv_buf // 2 < guess else guess
    if free - kept >= guess:
        kept = free // guess * guess if usual else free
    return kept if kept > left else left


cdef int32_t window_clamp(int32_t segment) noexcept nogil:
    """The room for one segment is kept back, but for two it is left; a loopback's are so large that all is offered
    (tcp_init_buffer_space)."""
    return max(2 * segment, RCV_SPACE - segment)


cdef int32_t align_up(int32_t n, int shift) noexcept nogil:
    return ((n + (1 << shift) - 1) >> shift) << shift


cdef int receive_queue_empty(const Sock* s) noexcept nogil:
    """Nothing that recv() could take, a FIN included."""
    return s.rcv_queued == 0 and (not s.fin_rcvd or s.eof_read)


cdef void ack_goes_out(Stack* t, int sock) noexcept nogil:
    """Any segment with ACK offers a window and settles what is owed, even when the own firewall takes it."""
    cdef Sock* s = &t.sock[sock]
    if s.kind != SK_FULL or s.state == ST_SYN_SENT:
        return
    s.rcv_wnd = select_window(t, sock)
    s.rcv_wup = s.rcv_nxt
    ack_settled(t, sock)


cdef void ack_settled(Stack* t, int sock) noexcept nogil:
    """tcp_event_ack_sent."""
    cdef Sock* s = &t.sock[sock]
    s.ack_pending = 0
    if s.quickack > 0:
        s.quickack -= 1
    if s.quickack == 0:
        s.pingpong = 0                  # nothing is left for it to keep back
    disarm(t, sock, SLOT_DELACK)


cdef void send_ack(Stack* t, int sock) noexcept nogil:
    cdef Seg s
    ack_goes_out(t, sock)
    build_segment(t, sock, F_ACK, &s)
    emit(t, sock, t.sock[sock].host, &s)


cdef void send_sack(Stack* t, int sock, Num lo, Num hi) noexcept nogil:
    cdef Seg s
    ack_goes_out(t, sock)
    build_segment(t, sock, F_ACK, &s)
    if s.has_sack and not s.dsack:
        s.sack_lo = lo
        s.sack_hi = hi
    emit(t, sock, t.sock[sock].host, &s)


cdef void text_goes_out(Sock* s) noexcept nogil:
    """tcp_event_data_sent: soon after text came in it begins ping-pong mode. How soon it was is not kept."""
    if s.quickack > 0:
        s.pingpong = 1


cdef int ack_compressed(Stack* t, int sock) noexcept nogil:
    """An ACK is owed while text lies out of order (__tcp_ack_snd_check): at once in quick-ACK mode and for the first
    three, then held back for a third of the round trip, up to 1 ms, for more to join it."""
    cdef Sock* s = &t.sock[sock]
    if not config_of(t, sock).acks_compressed or not s.sack_ok:
        return 0
    if s.quickack > 0 and (not s.pingpong or choose(t.sym.ch, 2, CHOOSE_FATE) == 0):
        return 0
    if s.dup_acks < DUP_ACKS_AT_ONCE:
        s.dup_acks += 1
        return 0
    rule(t, sock, R_ACK_COMPRESSED)
    s.ack_pending = 1
    if s.timer[<int>SLOT_DELACK].kind != TM_COMPRESSED:
        arm(t, sock, SLOT_DELACK, TM_COMPRESSED, 0, COMPRESSED_MOST)
    return 1


cdef int ack_at_once(Stack* t, int sock, int owed_before) noexcept nogil:
    """__tcp_ack_snd_check. What is not kept of a socket (its guess of the MSS, its ping-pong mode) is a choice."""
    cdef Sock* s = &t.sock[sock]
    cdef int64_t unacked = 0
    diff_known(&t.sym, s.rcv_nxt, s.rcv_wup, &unacked)
    if unacked > full_payload(s) and not s.fin_rcvd:
        return 1                            # behind a FIN only if the window can grow, which is not kept
    if unacked > MSS_GUESS and (owed_before or s.fin_rcvd) and choose(t.sym.ch, 2, CHOOSE_FATE) == 0:
        return 1
    if s.quickack == 0:                     # as after a FIN, which puts the socket into ping-pong mode
        if s.fin_rcvd or owed_before or not config_of(t, sock).linux_timers:
            return 0
        return choose(t.sym.ch, 2, CHOOSE_FATE)     # quick again after a silence longer than the RTO
    return not s.pingpong or choose(t.sym.ch, 2, CHOOSE_FATE) == 0


cdef int64_t delack_most(const Sock* s, const Config* c) noexcept nogil:
    """40 ms, or the smoothed round trip if that is longer; without one, or with one that is too long, half a second
    (tcp_send_delayed_ack)."""
    cdef int64_t most = 500 * MS
    if s.rtt_known & 1 and s.rtt_worst == 0:
        most = c.rtt_syn_max_ns if s.rtt_known == 1 else c.rtt_max_ns
    return max(40 * MS, min(most, 500 * MS))


cdef int ack_delayed(Stack* t, int sock) noexcept nogil:
    """Without data so far the delay is nil, yet it is a timer's: a jiffy. Then 40 ms, or the RTT if that is longer.
    Never while text lies out of order: see ack_compressed()."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef int owed_before = s.ack_pending
    cdef int64_t lo = 0, hi = 0
    if ack_at_once(t, sock, owed_before):
        rule(t, sock, R_ACK_QUICK)
        return 0
    rule(t, sock, R_ACK_DELAYED)
    s.ack_pending = 1
    if owed_before and t.sock[sock].timer[<int>SLOT_DELACK].kind != TM_NONE:
        return 1                            # the earlier deadline stands
    if not c.linux_timers:
        hi = 500 * MS                       # RFC 9293 3.8.6.3: less than 0.5 s
    elif s.got_data:
        lo = 40 * MS
        hi = delack_most(s, c)
    arm_between(t, sock, SLOT_DELACK, TM_DELACK, lo, hi)
    return 1


# ---- limited replies ---------------------------------------------------------------------------------------

cdef int within_ratelimit(Stack* t, int sock) noexcept nogil:
    """__tcp_oow_rate_limited: one moment for all causes; only a reply restarts it. Times are in jiffies."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef int64_t limit = tcp_invalid_ratelimit_ms(c) * MS
    if not c.oow_ratelimit or limit <= 0:
        return 0
    if (s.oow_clk != 0 or s.oow_sent) and not elapsed(t, s.oow_clk, limit - c.jiffy_ns, limit):
        return 1
    s.oow_sent = not t.sym.timed
    s.oow_clk = <uint8_t>clock_start(&t.sym)
    return 0


cdef int oow_rate_limited(Stack* t, int sock, const Seg* seg) noexcept nogil:
    """Data and FIN are answered always, lest an ACK that was lost is never repeated; SYN is not exempt."""
    if seg != NULL and not seg.flags & F_SYN and (seg.len > 0 or seg.flags & F_FIN):
        return 0
    return within_ratelimit(t, sock)


cdef void send_limited_ack(Stack* t, int sock, const Seg* seg) noexcept nogil:
    if oow_rate_limited(t, sock, seg):
        rule(t, sock, R_OOW_ACK_LIMITED)
        return
    if t.sock[sock].kind == SK_REQUEST and t.sock[sock].ts_ok:
        t.sock[sock].req_answered = 1
    send_ack(t, sock)


cdef int host_limit_reached(Stack* t, int sock) noexcept nogil:
    """tcp_challenge_ack_limit L: at least L / 2 a second, by a random draw; how many went out already is not kept."""
    cdef const Config* c = config_of(t, sock)
    if (tcp_challenge_ack_limit(c) + 1) // 2 >= CHALLENGES_A_SECOND or tcp_challenge_ack_limit(c) == 2147483647:
        return 0
    return choose(t.sym.ch, 2, CHOOSE_FATE)


cdef int send_challenge_ack(Stack* t, int sock) noexcept nogil:
    if within_ratelimit(t, sock):
        rule(t, sock, R_CHALLENGE_ACK_LIMITED)
        return 0
    if host_limit_reached(t, sock):
        rule(t, sock, R_CHALLENGE_ACK_HOST_LIMIT)
        return 0
    rule(t, sock, R_CHALLENGE_ACK)
    send_ack(t, sock)
    return 1


# ---- SYN ---------------------------------------------------------------------------------------------------

cdef void syn_options(const Config* c, int sack_ok, int scale_ok, Seg* s) noexcept nogil:
    s.mss = <uint16_t>c.mss
    s.sack_ok = <uint8_t>sack_ok
    s.scale_ok = scale_ok != 0


cdef uint8_t again(Stack* t, int nth) noexcept nogil:
    """Seg.again. With `time off` nothing follows from it."""
    return <uint8_t>nth if t.sym.timed else 0


cdef void send_syn(Stack* t, int sock) noexcept nogil:
    """The option of a SYN follows the sysctl as it stands (tcp_syn_options)."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* k = &t.sock[sock]
    cdef Seg s
    k.ts_ok = tcp_timestamps(c) != 0
    build_segment(t, sock, F_SYN, &s)
    s.seq = k.iss
    s.wnd = k.rcv_wnd
    s.again = again(t, k.retries)
    syn_options(c, k.sack_ok, k.rcv_wscale, &s)
    emit(t, sock, k.host, &s)


cdef int send_synack(Stack* t, int sock, int nth) noexcept nogil:
    """A full socket's SYN-ACK has the options of a SYN, timestamps and SACK by the sysctls, whatever the peer's SYN had;
    and its window, not a new one."""
    cdef Sock* k = &t.sock[sock]
    cdef Seg s
    cdef int64_t span = 0
    cdef uint8_t agreed = k.ts_ok
    cdef int sack = k.sack_ok
    if k.kind == SK_FULL:
        ack_settled(t, sock)
        k.ts_ok = tcp_timestamps(config_of(t, sock)) != 0
        sack = tcp_sack(config_of(t, sock))
    build_segment(t, sock, F_SYN | F_ACK, &s)
    k.ts_ok = agreed
    s.seq = k.iss
    s.again = again(t, nth)
    syn_options(config_of(t, sock), sack, k.rcv_wscale, &s)
    if k.kind == SK_REQUEST:
        k.req_answered = 0
        k.synack_at = s.tsval_at
        if t.sym.mode == MODE_CONCRETE and s.has_ts and diff_known(&t.sym, s.tsval, k.syn_tsval, &span):
            k.synack_span = <int32_t>span
    return emit(t, sock, k.host, &s)


cdef void send_cookie(Stack* t, int listener, const Seg* syn, Num iss) noexcept nogil:
    """A cookie carries what the SYN offered only if there are timestamps to hide it in (cookie_init_timestamp)."""
    cdef const Config* c = config_of(t, listener)
    cdef int host = t.sock[listener].host, by_ts = syn.has_ts and tcp_timestamps(c) != 0
    cdef Seg s
    memset(&s, 0, sizeof(Seg))
    s.src = syn.dst
    s.dst = syn.src
    s.sport = syn.dport
    s.dport = syn.sport
    s.inc = syn.inc
    s.flags = F_SYN | F_ACK
    s.seq = iss
    s.ack = num_add(syn.seq, 1)
    s.wnd = c.rcv_buf
    syn_options(c, syn.sack_ok and by_ts and tcp_sack(c), syn.scale_ok and by_ts, &s)
    if syn.has_ts and tcp_timestamps(c):
        stamp(t, host, timestamp_key(t, host, syn.src, syn.dport, syn.sport), c.ts_linked, &s)
        s.tsecr = syn.tsval
        s.tsecr_at = syn.tsval_at
        s.ecr_inc = syn.inc
        s.ecr_again = syn.again
    emit(t, -1, host, &s)


# ---- RST ---------------------------------------------------------------------------------------------------

cdef void send_reset_for(Stack* t, int host, int sock, const Seg* seg) noexcept nogil:
    """RFC 9293 3.10.7.1: so built that it is acceptable to whoever sent seg."""
    cdef Seg s
    if seg.flags & F_RST:
        return
    memset(&s, 0, sizeof(Seg))
    s.src = <uint8_t>host
    s.dst = seg.src
    s.sport = seg.dport
    s.dport = seg.sport
    s.inc = t.sock[sock].inc if sock >= 0 else 0
    if seg.flags & F_ACK:
        s.flags = F_RST
        s.seq = seg.ack
    else:
        s.flags = F_RST | F_ACK
        s.ack = num_add(seg.seq, seg.len + (seg.flags & F_SYN != 0) + (seg.flags & F_FIN != 0))
    emit(t, sock, host, &s)


cdef void send_active_reset(Stack* t, int sock) noexcept nogil:
    cdef Seg s
    build_segment(t, sock, F_RST | F_ACK, &s)
    emit(t, sock, t.sock[sock].host, &s)


# ---- data and FIN ------------------------------------------------------------------------------------------

cdef int send_new(Stack* t, int sock, int32_t n, int fin, int psh) noexcept nogil:
    """The next n unsent bytes, and the FIN if asked for. Not 0 (OutputFn's result): refused, so they stay unsent. PSH
    goes with the last of them, and with the last segment of several that leave as one (psh)."""
    cdef Sock* k = &t.sock[sock]
    cdef int32_t most = payload_most(k)
    cdef Seg s
    cdef int refused
    ack_goes_out(t, sock)
    build_segment(t, sock, F_ACK, &s)
    s.len = n
    if n > 0:
        text_goes_out(k)
    if n > 0 and (psh or n == k.unsent):
        s.flags |= F_PSH
    if fin:
        s.flags |= F_FIN
    refused = emit(t, sock, k.host, &s)
    if refused:
        return refused
    k.snd_nxt = num_add(k.snd_nxt, n + fin)
    k.unsent -= n
    k.tail_len = n
    if n < most:
        k.has_snd_sml = 1
        k.snd_sml = k.snd_nxt
    if fin:
        k.fin_sent = 1
    return 0


cdef int nagle_holds(Stack* t, int sock, int32_t n) noexcept nogil:
    """RFC 9293 3.7.4 as Minshall amended it: one short segment in flight at a time. Never for what a FIN follows."""
    cdef Sock* s = &t.sock[sock]
    cdef int64_t d = 0
    if n >= payload_most(s) or s.fin_queued or not s.has_snd_sml or in_flight(t, sock) == 0:
        return 0
    return diff_known(&t.sym, s.snd_sml, s.snd_una, &d) and d > 0


cdef int loss_holds(Stack* t, int sock) noexcept nogil:
    """RFC 5681 3.1: after a timeout one segment may be in flight, the one sent again, until it is acknowledged. The
    end of a handshake makes the congestion window anew, even where it leaves our SYN unacknowledged: see
    _established(), which forgets the clock of the first timeout."""
    cdef Sock* s = &t.sock[sock]
    cdef int64_t d = 1
    if (s.retries == 0 and not s.una_inside) or in_flight(t, sock) == 0:
        return 0
    if s.rtt_known == 0 or s.rtx_clk != 0 or not diff_known(&t.sym, s.snd_una, s.iss, &d) or d != 0:
        return 1
    return not t.sym.timed and choose(t.sym.ch, 2, CHOOSE_FATE)


cdef int send_one(Stack* t, int sock, int several) noexcept nogil:
    """The next segment, which fits the window. Not 0: refused. several: others went before it in one go."""
    cdef Sock* s = &t.sock[sock]
    cdef int32_t most = payload_most(s), n = s.unsent if s.unsent < most else most
    cdef int32_t rest = s.unsent - n, room = s.snd_wnd - in_flight(t, sock) - n
    cdef int held = rest > 0 and (room < most and room < rest or nagle_holds(t, sock, rest))
    return send_new(t, sock, n, s.fin_queued and n == s.unsent, several and held)


cdef void push_pending(Stack* t, int sock) noexcept nogil:
    """tcp_write_xmit, then the timer: RTO or probe when something new is out, persist when nothing is or can go."""
    cdef Sock* s = &t.sock[sock]
    cdef int32_t before = in_flight(t, sock)
    cdef int sent = 0, refused = 0
    cdef uint8_t dsack = s.dsack            # what leaves as one has the same options throughout
    cdef Num lo = s.dsack_lo, hi = s.dsack_hi
    while next_fits(t, sock) and not t.sym.ch.overflow:
        if nagle_holds(t, sock, s.unsent) or loss_holds(t, sock):
            break
        if dsack:
            s.dsack = 1
            s.dsack_lo = lo
            s.dsack_hi = hi
        refused = send_one(t, sock, sent)
        if refused:
            break
        sent = 1
    if sent:
        if before == 0:
            s.retries = 0
        if before == 0 or s.timer[<int>SLOT_RETRANS].kind == TM_TLP or probe_applies(t, sock):
            arm_rto_or_probe(t, sock)
    elif before == 0 and pending(t, sock) and s.timer[<int>SLOT_RETRANS].kind == TM_NONE:
        rule(t, sock, R_PERSIST_FIREWALL if refused else R_PERSIST_WINDOW_CLOSED)
        arm_persist(t, sock)


cdef int resend(Stack* t, int sock, int32_t from_una, int32_t n, int fin, int nth) noexcept nogil:
    """n bytes that start from_una bytes after snd_una, and the FIN if asked for; nth: Seg.again. 1: refused."""
    cdef Sock* k = &t.sock[sock]
    cdef Seg s
    ack_goes_out(t, sock)
    build_segment(t, sock, F_ACK, &s)
    s.seq = num_add(k.snd_una, from_una)
    s.again = again(t, nth)
    s.len = n
    if n > 0:
        text_goes_out(k)
    if fin:
        s.flags |= F_FIN
    if n > 0 and (fin or from_una + n == in_flight(t, sock)):
        s.flags |= F_PSH
    return emit(t, sock, k.host, &s)


cdef int retransmit_head(Stack* t, int sock) noexcept nogil:
    """One full segment from snd_una on: small ones are joined (tcp_retrans_try_collapse), a FIN too."""
    cdef Sock* s = &t.sock[sock]
    cdef int64_t d = 1
    cdef int32_t bytes, n, newest, first
    diff_known(&t.sym, s.snd_una, s.iss, &d)
    if d == 0:
        if s.state != ST_SYN_SENT:
            return send_synack(t, sock, s.retries)
        send_syn(t, sock)
        return 0
    bytes = in_flight(t, sock) - s.fin_sent
    n = bytes if bytes < payload_most(s) else payload_most(s)
    newest = bytes - s.tail_len
    if s.tail_len > 0 and newest > 0:   # the first is short, those between are full: nothing can be joined to it
        first = newest % full_payload(s)
        if 0 < first < n and (newest > first or bytes > payload_most(s)):
            n = first
    if 0 < s.snd_wnd < n:
        n = s.snd_wnd
    if n == bytes:
        s.tail_len = n
    return resend(t, sock, 0, n, s.fin_sent and n == bytes, s.retries)


cdef int send_loss_probe(Stack* t, int sock) noexcept nogil:
    """tcp_send_loss_probe: new data if there is any (Nagle or not), else the last segment again."""
    cdef Sock* s = &t.sock[sock]
    cdef int32_t bytes = in_flight(t, sock) - s.fin_sent
    cdef int32_t n = s.tail_len if s.tail_len < bytes else bytes
    if next_fits(t, sock):
        return not send_one(t, sock, 0)
    return not resend(t, sock, bytes - n, n, s.fin_sent, AGAIN_PROBE)


cdef int send_window_probe(Stack* t, int sock) noexcept nogil:
    """What fits the window; when that is nothing, an empty segment that is old for sure, so that it draws an ACK."""
    cdef Sock* k = &t.sock[sock]
    cdef int32_t room = k.snd_wnd - in_flight(t, sock), n
    if room <= 0:
        return send_old_segment(t, sock)
    n = k.unsent if k.unsent < payload_most(k) else payload_most(k)
    n = n if n < room else room
    return send_new(t, sock, n, k.fin_queued and n == k.unsent and n < room, 1)


cdef int send_old_segment(Stack* t, int sock) noexcept nogil:
    """Empty, and one number too old: it draws an ACK (tcp_xmit_probe_skb; RFC 9293 3.8.4)."""
    cdef Sock* k = &t.sock[sock]
    cdef Seg s
    ack_goes_out(t, sock)
    build_segment(t, sock, F_ACK, &s)
    s.seq = num_add(k.snd_una, -1)
    return emit(t, sock, k.host, &s)
