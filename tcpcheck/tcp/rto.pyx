"""How long a sender waits: retransmission timeout, probes, and the end of an orphan's life as a full socket.

No congestion control is modelled; what it decides of timing (no tail loss probe during loss recovery) is kept coarse.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport (
    MODE_CONCRETE, Num, age_allows, age_at_least, age_exceeds, clock_start, diff_known, num_counter,
)
from tcpcheck.sym.zone cimport TIME_INF
from tcpcheck.tcp.rules cimport R_BUCKETS_FULL, R_FIN_WAIT2_BUCKET, R_FIN_WAIT2_KEEPALIVE, R_TIME_WAIT_ENTERED
from tcpcheck.tcp.settings cimport (
    tcp_early_retrans, tcp_fin_timeout_s, tcp_max_tw_buckets, tcp_tw_reuse, tcp_tw_timeout_s,
)
from tcpcheck.tcp.sockets cimport (
    arm, arm_between, arm_nominal, config_of, disarm, in_flight, receive_window, rule, to_closed, wheel_latest,
)
from tcpcheck.tcp.types cimport (
    AGAIN_PROBE, SK_BUCKET, SLOT_KEEPALIVE, SLOT_RETRANS, ST_FIN_WAIT2, ST_TIME_WAIT, TM_KEEPALIVE, TM_PERSIST, TM_RTO,
    TLP_AGAIN, TLP_ANSWERED, TLP_NEW, TLP_NONE, TM_NONE, TM_SYNACK, TM_TIMEWAIT, TM_TLP,
    Config, Seg, Sock, Stack, Timer,
)
from libc.string cimport memset

cdef int64_t MS = 1000000
cdef int64_t SECOND = 1000000000
cdef int64_t RTO_FALLBACK = 3000000000      # RFC 6298 5.7: no sample from the handshake
cdef int64_t SYN_SAMPLE = 3500000000        # RTO from a handshake's sample of up to 1.129 s: three times as much
cdef enum:
    MSS_DEFAULT = 536
    MSS_LEAST = 48                          # 68 bytes with the header
cdef enum:                                  # Sock.rtt_worst: how far samples may have driven the RTO
    WORST_SYN = 32                          # from here on powers of two of SYN_SAMPLE, below of the usual greatest RTO
    WORST_MOST = 50


cdef int elapsed(Stack* t, int clk, int64_t no_until, int64_t yes_from) noexcept nogil:
    if clk == 0:
        return choose(t.sym.ch, 2, CHOOSE_FATE)
    if age_at_least(&t.sym, clk, yes_from):
        return 1
    if no_until + 1 < yes_from and age_at_least(&t.sym, clk, no_until + 1):
        return choose(t.sym.ch, 2, CHOOSE_FATE)
    return 0


# ---- retransmission timeout --------------------------------------------------------------------------------

cdef int64_t shifted(int64_t ns, int by, int64_t most) noexcept nogil:
    cdef int _
    for _ in range(by):
        if ns >= most:
            break
        ns *= 2
    return ns if ns < most else most


cdef int64_t rto_base(Stack* t, int sock, int64_t* least_out) noexcept nogil:
    """RTO = SRTT + max(rto_min, 4 RTTVAR), RFC 6298 2: the greatest before rounding. The kernel rounds it up to jiffies
    before it backs off; as no round trip takes no time, the least is the jiffy above rto_min.

    The handshake's own sample R (a SYN is acknowledged at once) gives R + max(rto_min, 2 R). Of later round trips within
    [0, R], 4 RTTVAR stays below 2.25 R, as tcp_rtt_estimator has it, which is slow to take a shorter one for a deviation
    (tests/test_tcp_out_samples.py), and below 3 R by the RFC. Longer samples: see spoil()."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef int64_t least = c.rto_init_ns, most = c.rto_init_ns, deviation, span
    if s.rtt_known == 2:
        least = RTO_FALLBACK
        most = RTO_FALLBACK
    elif s.rtt_known == 1 and s.rtt_worst == 0:
        least = c.rto_min_ns
        most = c.rtt_syn_max_ns + (2 * c.rtt_syn_max_ns if 2 * c.rtt_syn_max_ns > c.rto_min_ns else c.rto_min_ns)
    elif s.rtt_known:
        least = c.rto_min_ns
        deviation = 9 * c.rtt_max_ns // 4 if c.linux_timers else 3 * c.rtt_max_ns
        most = c.rtt_max_ns + (deviation if deviation > c.rto_min_ns else c.rto_min_ns)
        if s.rtt_worst >= WORST_SYN:
            most += shifted(SYN_SAMPLE, s.rtt_worst - WORST_SYN, c.rto_max_ns)
        elif s.rtt_worst > 0:           # 81/64 = 1.125 * 1.125
            span = shifted(most, s.rtt_worst, c.rto_max_ns + most) - most
            most += span + span // 4 + span // 64
    if s.rtt_known & 1 and c.linux_timers:
        least = (least // c.jiffy_ns + 1) * c.jiffy_ns
    least_out[0] = least
    return most


cdef void rto_bounds(Stack* t, int sock, int backoff, int64_t* lo, int64_t* hi) noexcept nogil:
    cdef const Config* c = config_of(t, sock)
    cdef int64_t least, most = rto_base(t, sock, &least)
    if t.sock[sock].rtt_known & 1:
        most = (most // c.jiffy_ns + 1) * c.jiffy_ns
    lo[0] = shifted(least, backoff, c.rto_max_ns)
    hi[0] = shifted(most, backoff, c.rto_max_ns)


cdef void rtt_after_handshake(Stack* t, int sock, int repeats) noexcept nogil:
    """Karn: a repeated SYN gives no sample, but an echoed timestamp does. What it may be, note_sample() has said."""
    cdef Sock* s = &t.sock[sock]
    s.rtt_known = 1 if repeats == 0 or s.ts_ok else 2
    if s.rtt_known == 2:
        s.rtt_worst = 0
    s.backoff = 0
    s.retries = 0
    s.rtx_clk = 0
    s.tlp_done = 0


cdef void arm_retrans(Stack* t, int sock, int kind, int64_t lo, int64_t hi) noexcept nogil:
    """hi as from rto_bounds, or less. The eighth that the wheel may be late covers the rounding too, as a rule."""
    cdef const Config* c = config_of(t, sock)
    cdef int64_t least, most = rto_base(t, sock, &least), late
    most = shifted(most, t.sock[sock].backoff, c.rto_max_ns)
    if hi < most or not c.linux_timers:
        most = hi
    late = wheel_latest(hi, c.jiffy_ns)
    most += most // 8 + c.jiffy_ns if c.linux_timers else c.jiffy_ns
    arm(t, sock, SLOT_RETRANS, kind, lo, late if late > most and c.linux_timers else most)


cdef int fin_alone(Stack* t, int sock) noexcept nogil:
    return t.sock[sock].fin_sent and in_flight(t, sock) == 1


cdef void arm_rto(Stack* t, int sock) noexcept nogil:
    cdef int64_t lo, hi
    if in_flight(t, sock) == 0 or (fin_alone(t, sock) and not config_of(t, sock).fin_retransmit):
        disarm(t, sock, SLOT_RETRANS)
        return
    rto_bounds(t, sock, t.sock[sock].backoff, &lo, &hi)
    arm_retrans(t, sock, TM_RTO, lo, hi)


cdef int probe_applies(Stack* t, int sock) noexcept nogil:
    """tcp_schedule_loss_probe. In loss recovery (an RTO fired since the last progress) there is none."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    if not c.tlp or tcp_early_retrans(c) < 3 or not s.sack_ok or s.tlp_done or s.retries > 0 or s.una_inside:
        return 0
    return not fin_alone(t, sock) or c.fin_retransmit


cdef void arm_rto_or_probe(Stack* t, int sock) noexcept nogil:
    """A probe is due after 2 SRTT, + rto_min when one segment alone is out (its ACK may be delayed), at most the RTO.
    While one is out already, the RTO comes when the probe would be due or later, counted from when the first segment
    was sent (tcp_send_loss_probe)."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef int64_t lo, hi, most
    cdef int32_t out = in_flight(t, sock)
    if out > s.tail_len + s.fin_sent and probe_unanswered(s) and s.retries == 0 and s.rtt_known & 1:
        rto_bounds(t, sock, s.backoff, &lo, &hi)
        arm_retrans(t, sock, TM_RTO, c.tlp_min_ns, hi)
        return
    if out == 0 or not probe_applies(t, sock):
        arm_rto(t, sock)
        return
    if s.rtt_known == 0:                # close() in SYN-RECEIVED: when the SYN-ACK was sent is not kept
        arm_retrans(t, sock, TM_TLP, 0, c.rto_init_ns)
        return
    rto_bounds(t, sock, s.backoff, &lo, &hi)
    if s.rtt_known == 2:
        lo = c.rto_init_ns
        hi = lo
    elif out > s.tail_len + s.fin_sent:
        lo = (c.tlp_min_ns + c.jiffy_ns - 1) // c.jiffy_ns * c.jiffy_ns
        most = 2 * c.rtt_max_ns + 10 * MS
        if s.rtt_worst == 0 and most < hi:
            hi = most
    arm_retrans(t, sock, TM_TLP, lo, hi)


cdef void arm_synack(Stack* t, int request) noexcept nogil:
    cdef const Config* c = config_of(t, request)
    arm_nominal(t, request, SLOT_RETRANS, TM_SYNACK, shifted(c.rto_init_ns, t.sock[request].retries, c.rto_max_ns))


cdef void spoil(Sock* s, int retries) noexcept nogil:
    """A sample spans `retries` timeouts and nearly one more: by timestamp echo of the first transmission, or because the
    ACK got lost and a later one stands for it. With the RTO at most r, such a sample m stays below
    1.125 r (2^(retries + 1) - 1), and moves SRTT by m / 8 and the deviation's term by m at most: see rto_base()."""
    cdef int worst = retries + 1
    if s.rtt_known == 0:
        worst = WORST_SYN + (worst if retries > 0 else 0)
    elif s.rtt_worst > 0:
        worst += s.rtt_worst + 1
    if s.rtt_known and s.rtt_worst < WORST_SYN <= worst:
        worst = WORST_MOST              # not the scale of a handshake's sample
    s.rtt_worst = <uint8_t>(worst if worst < WORST_MOST else WORST_MOST)


cdef int probe_unanswered(const Sock* s) noexcept nogil:
    return s.tlp_done == TLP_AGAIN or s.tlp_done == TLP_NEW


cdef void probe_acked(Stack* t, int sock, int advances, int plain, int dsack) noexcept nogil:
    """tcp_process_tlp_ack: SND.UNA stands where the ACK has it, `advances` when it came there now. A probe that was sent
    again is over when more than it is acknowledged, or when a plain duplicate or a D-SACK says that it came twice."""
    cdef Sock* s = &t.sock[sock]
    cdef int64_t beyond = 0
    if s.tlp_done == TLP_NONE:
        return
    if s.tlp_done == TLP_ANSWERED:
        if advances or plain or dsack:
            s.tlp_done = TLP_NONE
        return
    if not diff_known(&t.sym, s.snd_una, s.tlp_high, &beyond) or beyond > 0 or (beyond == 0 and s.tlp_done == TLP_NEW):
        s.tlp_done = TLP_NONE
    elif beyond == 0:
        s.tlp_done = TLP_NONE if dsack else TLP_ANSWERED


cdef int comes_late(Stack* t, int sock, int64_t usual) noexcept nogil:
    """Only a segment that the network holds up makes this a question; then both answers are followed, the prompt one
    first: of two runs as short it is shown to people."""
    cdef int clk = t.sock[sock].timer[<int>SLOT_RETRANS].clk
    return clk != 0 and age_exceeds(&t.sym, clk, usual)


cdef void note_cookie_sample(Stack* t, int sock, int bare) noexcept nogil:
    """Nobody remembers when the SYN-ACK went out: only its timestamp tells, and 64 of its ticks hold the options
    (cookie_init_timestamp). What is more than the bare ACK may come long after that got lost."""
    cdef Sock* s = &t.sock[sock]
    s.synack_acked_out = 1
    s.rtt_worst = 1 if bare else <uint8_t>WORST_MOST


cdef int sent_again(const Sock* s) noexcept nogil:
    """Was text that is in flight sent again, or a SYN-ACK? Then only a timestamp gives a sample (Karn)."""
    return s.retries > 0 or s.tlp_done == TLP_AGAIN or s.synack_acked_out


cdef int echoes_latest(const Sock* s, const Seg* g) noexcept nogil:
    """Does the timestamp name what the retransmission timer has run for since? Then the sample is no older."""
    return s.retries + (s.tlp_done == TLP_AGAIN) > 0 and not s.una_inside and not s.synack_acked_out \
        and g.ecr_again == (<int>AGAIN_PROBE if s.tlp_done == TLP_AGAIN else s.retries)


cdef void note_echo(Stack* t, int sock, const Seg* g) noexcept nogil:
    """The sample is the age of a timestamp that this connection did not send, as far as is known: of any age, but where
    all numbers are known."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef Num now = num_counter(&t.sym, s.ts_key, c.ts_tick_ns, s.host, s.ts_linked)
    cdef int64_t ticks = 0, least, most = rto_base(t, sock, &least)
    cdef int spans = 0
    if t.sym.mode != MODE_CONCRETE or not diff_known(&t.sym, now, g.tsecr, &ticks) or ticks < 0:
        s.rtt_worst = WORST_MOST
    elif ticks * c.ts_tick_ns > (c.rtt_syn_max_ns if s.rtt_known == 0 else c.rtt_max_ns):
        while spans < WORST_MOST and (shifted(most, spans + 1, c.rto_max_ns + most) - most) < ticks * c.ts_tick_ns:
            spans += 1
        spoil(s, spans)


cdef void note_sample(Stack* t, int sock, const Seg* g) noexcept nogil:
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    if sent_again(s) and g.ecr_inc != s.inc:
        note_echo(t, sock, g)
    elif (sent_again(s) and not echoes_latest(s, g)) or s.tlp_done == TLP_NEW \
            or comes_late(t, sock, c.rtt_syn_max_ns if s.rtt_known == 0 else c.rtt_max_ns):
        spoil(s, s.retries)


cdef void send_progress(Stack* t, int sock, const Seg* g) noexcept nogil:
    """Backoff ends only with a valid sample: Karn's rule, unless timestamps name the segment (tcp_ack_update_rtt)."""
    cdef Sock* s = &t.sock[sock]
    if s.ts_ok or not sent_again(s):
        note_sample(t, sock, g)
        s.backoff = 0
        s.rtt_known = 3
    s.retries = 0
    s.una_inside = 0
    s.rtx_clk = 0
    probe_acked(t, sock, 1, 0, g.dsack)
    if in_flight(t, sock) == 0:
        s.tail_len = 0
        disarm(t, sock, SLOT_RETRANS)
    else:
        arm_rto_or_probe(t, sock)


# ---- persist timer -----------------------------------------------------------------------------------------

cdef int pending(Stack* t, int sock) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    return s.unsent > 0 or (s.fin_queued and not s.fin_sent)


cdef int32_t full_payload(const Sock* s) noexcept nogil:
    """Bytes of a full segment: MSS less the timestamp option, and no more than half of the largest window that the peer
    has offered, or than all of a tiny one (tcp_bound_to_half_wnd)."""
    cdef int32_t options = 12 if s.ts_ok and s.mss > 12 else 0, n = s.mss - options
    cdef int32_t most = s.max_window // 2 if s.max_window > MSS_DEFAULT else s.max_window
    if 0 < most < n:
        n = most if most > MSS_LEAST - options else MSS_LEAST - options
    return n


cdef int32_t payload_most(const Sock* s) noexcept nogil:
    """tcp_current_mss: of 40 bytes for options 12 are for timestamps, 4 and 8 for each block for SACK."""
    cdef int32_t blocks = s.dsack, most = 3 if s.ts_ok else 4, full = full_payload(s), i
    for i in range(s.nooo):             # what follows a FIN at once is a block apart in the queue, not in the option
        blocks += i == 0 or s.ooo_lo[i].off != s.ooo_hi[i - 1].off or s.ooo_lo[i].base != s.ooo_hi[i - 1].base
    if blocks == 0 or not s.sack_ok:
        return full
    blocks = blocks if blocks < most else most
    return full - 4 - 8 * blocks if full > 4 + 8 * blocks else full


cdef int next_fits(Stack* t, int sock) noexcept nogil:
    """tcp_snd_wnd_test: a segment goes only as a whole; the FIN needs its place in the window too."""
    cdef Sock* s = &t.sock[sock]
    cdef int32_t most = payload_most(s), n = s.unsent if s.unsent < most else most
    if not pending(t, sock):
        return 0
    if n == s.unsent and s.fin_queued:
        n += 1
    return n <= s.snd_wnd - in_flight(t, sock)


cdef void arm_persist(Stack* t, int sock) noexcept nogil:
    cdef int64_t lo, hi
    if not config_of(t, sock).persist_timer:
        disarm(t, sock, SLOT_RETRANS)
        return
    rto_bounds(t, sock, t.sock[sock].backoff, &lo, &hi)
    arm_retrans(t, sock, TM_PERSIST, lo, hi)


cdef void persist_acked(Stack* t, int sock) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    if not pending(t, sock) or in_flight(t, sock) > 0:
        return
    s.retries = 0
    if next_fits(t, sock):
        s.backoff = 0
        s.rtx_clk = 0
        disarm(t, sock, SLOT_RETRANS)
    else:
        arm_persist(t, sock)
        cut_to_user_timeout(t, sock, s.rtx_clk)


# ---- user timeout -------------------------------------------------------------------------------------------------

cdef void cut_to_user_timeout(Stack* t, int sock, int clk) noexcept nogil:
    """tcp_clamp_rto_to_user_timeout, tcp_clamp_probe0_to_user_timeout."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef Timer* m = &s.timer[<int>SLOT_RETRANS]
    cdef int64_t lo, hi, late, after = s.user_timeout_ms * MS
    if not s.user_timeout_ms or not c.user_timeout_clamped or clk == 0 or m.kind == TM_NONE:
        return
    rto_bounds(t, sock, s.backoff, &lo, &hi)
    if lo < after and not elapsed(t, clk, after - hi if hi < after else -1, after - lo):
        return                      # the timeout itself comes first
    late = wheel_latest(hi, c.jiffy_ns) - hi
    late = hi // 8 + c.jiffy_ns if hi // 8 + c.jiffy_ns > late else late
    m.clk = <uint8_t>clk
    m.lo = after if age_allows(&t.sym, clk, after - MS, TIME_INF) else after - MS       # counted in milliseconds
    if not age_allows(&t.sym, clk, 0, after - 1):       # it is over already: at the next tick
        m.lo = after + MS
    m.hi = after + late


# ---- FIN-WAIT-2 and TIME-WAIT ------------------------------------------------------------------------------

cdef int64_t fin_time(Stack* t, int sock, int64_t* hi) noexcept nogil:
    """tcp_fin_timeout, but never below 3.5 RTO."""
    cdef int64_t least, most, nominal = tcp_fin_timeout_s(config_of(t, sock)) * SECOND
    rto_bounds(t, sock, t.sock[sock].backoff, &least, &most)
    hi[0] = most * 7 // 2 if most * 7 // 2 > nominal else nominal
    return least * 7 // 2 if least * 7 // 2 > nominal else nominal


cdef int buckets(Stack* t, int host) noexcept nogil:
    cdef int i, n = 0
    for i in range(t.top):
        if t.sock[i].kind == SK_BUCKET and t.sock[i].host == host:
            n += 1
    return n


cdef void become_bucket(Sock* s, int state, int32_t wnd) noexcept nogil:
    """What tcp_timewait_sock keeps, and what an open descriptor may still read."""
    cdef Sock old = s[0]
    memset(s, 0, sizeof(Sock))
    s.kind = SK_BUCKET
    s.state = <uint8_t>state
    s.host = old.host
    s.peer = old.peer
    s.lport = old.lport
    s.rport = old.rport
    s.inc = old.inc
    s.parent = -1
    s.fd = old.fd
    s.bound = old.bound
    s.iss = old.iss
    s.irs = old.irs
    s.snd_una = old.snd_nxt
    s.snd_nxt = old.snd_nxt
    s.rcv_nxt = old.rcv_nxt
    s.rcv_wup = old.rcv_nxt
    s.rcv_wnd = wnd
    s.ts_ok = old.ts_ok
    s.ts_linked = old.ts_linked
    s.has_ts_recent = old.has_ts_recent
    s.ts_recent = old.ts_recent
    s.ts_recent_at = old.ts_recent_at
    s.ts_recent_answer = old.ts_recent_answer
    s.ts_recent_inc = old.ts_recent_inc
    s.ts_stamp_clk = old.ts_stamp_clk
    s.ts_key = old.ts_key
    s.fin_queued = old.fin_queued
    s.fin_sent = old.fin_sent
    s.fin_rcvd = old.fin_rcvd
    s.rcv_queued = old.rcv_queued
    s.eof_read = old.eof_read
    s.so_error = old.so_error
    s.binding = old.binding
    s.uid = old.uid


cdef void enter_time_wait(Stack* t, int sock, int substate) noexcept nogil:
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef int64_t length = tcp_tw_timeout_s(c) * SECOND, lo = length, hi = length
    if buckets(t, s.host) >= tcp_max_tw_buckets(c):
        rule(t, sock, R_BUCKETS_FULL)
        to_closed(t, sock)
        return
    if substate == ST_FIN_WAIT2:
        lo = fin_time(t, sock, &hi)
        if lo > length:
            lo -= length
            hi -= length
    rule(t, sock, R_TIME_WAIT_ENTERED if substate == ST_TIME_WAIT else R_FIN_WAIT2_BUCKET)
    become_bucket(s, substate, receive_window(t, sock))
    arm_between(t, sock, SLOT_RETRANS, TM_TIMEWAIT, lo, hi)
    if substate == ST_TIME_WAIT and s.ts_ok and tcp_tw_reuse(c):
        s.tw_clk = <uint8_t>clock_start(&t.sym)


cdef void fin_wait2_orphan(Stack* t, int sock, int keep_full) noexcept nogil:
    """RFC 9293 knows no end of FIN-WAIT-2; Linux does not wait for ever for the FIN of a connection nobody holds."""
    cdef const Config* c = config_of(t, sock)
    cdef int64_t length = tcp_tw_timeout_s(c) * SECOND, hi, lo = fin_time(t, sock, &hi)
    cdef int longer = lo > length
    if not c.linux_timers:
        return
    if hi > length >= lo:               # only an RTO of 17 s and more gets here
        longer = choose(t.sym.ch, 2, CHOOSE_FATE)
    if longer:
        lo = lo - length if lo > length else 0
        hi -= length
    elif not keep_full:
        enter_time_wait(t, sock, ST_FIN_WAIT2)
        return
    rule(t, sock, R_FIN_WAIT2_KEEPALIVE)
    arm_between(t, sock, SLOT_KEEPALIVE, TM_KEEPALIVE, lo, hi)
