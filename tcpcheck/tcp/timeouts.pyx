"""A timer fires (RFC 9293 3.10.8; the kernel's tcp_timer.c, inet_connection_sock.c, inet_timewait_sock.c)."""
from libc.stdint cimport int64_t, uint8_t
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport clock_start
from tcpcheck.tcp.keepalive cimport keepalive_fires, user_timeout_over
from tcpcheck.tcp.output cimport (
    retransmit_head, send_ack, send_active_reset, send_loss_probe, send_synack, send_window_probe,
)
from tcpcheck.tcp.rto cimport (
    arm_persist, arm_retrans, arm_rto, arm_synack, cut_to_user_timeout, elapsed, enter_time_wait, fin_time, next_fits, pending,
    rto_bounds,
)
from tcpcheck.tcp.rules cimport (
    R_COMPRESSED_ACK_FIRED, R_DELACK_FIRED, R_FIN_WAIT2_EXPIRED, R_FIN_WAIT2_FULL_RST, R_FIN_WAIT2_FULL_TO_BUCKET, R_ORPHANS_FULL,
    R_PERSIST_GIVES_UP, R_PERSIST_PROBE, R_RTO_GIVES_UP, R_RTO_RETRANSMIT, R_SYNACK_DEFERRED, R_SYNACK_GIVES_UP,
    R_SYNACK_RETRANSMITTED,
    R_SYN_GIVES_UP, R_SYN_RETRANSMITTED, R_TIME_WAIT_EXPIRED, R_TLP_PROBE,
)
from tcpcheck.tcp.settings cimport (
    tcp_orphan_retries, tcp_retries2, tcp_syn_linear_timeouts, tcp_syn_retries, tcp_synack_retries,
    tcp_tw_timeout_s,
)
from tcpcheck.tcp.sockets cimport (
    E_TIMEDOUT, arm_nominal, config_of, disarm, in_flight, is_orphan, orphans_full, report_error, request_count, rule,
    to_closed,
)
from tcpcheck.tcp.types cimport (
    SK_REQUEST, SLOT_RETRANS, ST_FIN_WAIT2, ST_SYN_RECV, ST_SYN_SENT, ST_TIME_WAIT, TM_COMPRESSED, TM_DELACK,
    TLP_AGAIN, TLP_NEW, TM_KEEPALIVE, TM_PERSIST, TM_RTO, TM_SYNACK, TM_TIMEWAIT, TM_TLP, Config, Sock, Stack,
)

cdef int64_t MS = 1000000
cdef int64_t SECOND = 1000000000
cdef enum:
    RETRIES_MOST = 100                  # the counters stop here: nothing tells more of them apart
    BACKOFF_MOST = 20
cdef int64_t RTO_MIN = 200000000        # TCP_RTO_MIN, the unit of the give-up rule whatever the real RTO


cdef void timer_fires(Stack* t, int sock, int slot) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    cdef int kind = s.timer[slot].kind
    cdef int clk = s.timer[slot].clk
    cdef int cut = clk != 0 and (clk == s.rtx_clk or clk == s.syn_clk)     # cut_to_user_timeout() has been there
    disarm(t, sock, slot)
    if kind == TM_RTO:
        rto_fires(t, sock, cut)
    elif kind == TM_TLP:
        probe_fires(t, sock)
    elif kind == TM_PERSIST:
        persist_fires(t, sock, cut)
    elif kind == TM_SYNACK:
        synack_fires(t, sock)
    elif kind == TM_TIMEWAIT:
        rule(t, sock, R_TIME_WAIT_EXPIRED if t.sock[sock].state == ST_TIME_WAIT else R_FIN_WAIT2_EXPIRED)
        to_closed(t, sock)
    elif kind == TM_DELACK:
        rule(t, sock, R_DELACK_FIRED)
        send_ack(t, sock)
    elif kind == TM_COMPRESSED:
        rule(t, sock, R_COMPRESSED_ACK_FIRED)
        send_ack(t, sock)
    elif kind == TM_KEEPALIVE and t.sock[sock].state == ST_FIN_WAIT2 and is_orphan(&t.sock[sock]):
        fin_wait2_fires(t, sock)
    else:                               # TM_KEEPALIVE, TM_KEEP_PROBE
        keepalive_fires(t, sock)


# ---- retransmission ----------------------------------------------------------------------------------------

cdef int64_t give_up_after(int retries, int64_t unit, int64_t rto_max) noexcept nogil:
    """tcp_model_timeout: how long `retries` retransmissions would take, doubling from unit up to rto_max."""
    cdef int doublings = 0
    while (unit << (doublings + 1)) <= rto_max:
        doublings += 1
    if retries <= doublings:
        return ((<int64_t>2 << retries) - 1) * unit
    return ((<int64_t>2 << doublings) - 1) * unit + (retries - doublings) * rto_max


cdef int rto_at_most(Stack* t, int sock) noexcept nogil:
    """Has the backed-off RTO reached tcp_rto_max? An orphan then no longer counts as alive."""
    cdef int64_t lo, hi, most = config_of(t, sock).rto_max_ns
    rto_bounds(t, sock, t.sock[sock].backoff, &lo, &hi)
    if lo >= most:
        return 1
    return hi >= most and choose(t.sym.ch, 2, CHOOSE_FATE)


cdef int64_t least_elapsed(Stack* t, int sock) noexcept nogil:
    """Time that must have passed since the first of `retries` retransmissions: the shortest RTOs, added up."""
    cdef int64_t ns = 0, lo, hi
    cdef int i
    for i in range(1, t.sock[sock].retries + 1):
        rto_bounds(t, sock, i if i < BACKOFF_MOST else BACKOFF_MOST, &lo, &hi)
        ns += lo
    return ns


cdef int timed_out(Stack* t, int sock, int clk, int retries, int64_t unit) noexcept nogil:
    """retransmits_timed_out: it counts milliseconds, so it may see the end one early. A user timeout comes first."""
    cdef int64_t after = give_up_after(retries, unit, config_of(t, sock).rto_max_ns)
    if t.sock[sock].user_timeout_ms:
        after = t.sock[sock].user_timeout_ms * MS
    if clk == 0 and least_elapsed(t, sock) >= after:
        return 1                        # `time off`: at any time, but not for ever
    return elapsed(t, clk, after - MS, after)


cdef int syn_gives_up(Stack* t, int sock) noexcept nogil:
    """Too many repeats, or too long since the first SYN: whichever comes first."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef int most = tcp_syn_retries(c)
    if s.state == ST_SYN_SENT:
        most += tcp_syn_linear_timeouts(c)
    if s.retries >= most:
        return 1
    if s.retries == 0 or (s.syn_clk == 0 and s.retries < tcp_syn_retries(c)):
        return 0
    return timed_out(t, sock, s.syn_clk, tcp_syn_retries(c), c.rto_init_ns)


cdef int gives_up(Stack* t, int sock) noexcept nogil:
    """tcp_write_timeout. The number of retries is a time here, counted from the first retransmission by RTO."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef int most = tcp_retries2(c)
    if is_orphan(s):
        most = tcp_orphan_retries(c)
        if most == 0 and not s.user_timeout_ms and not rto_at_most(t, sock):
            most = 8
    if s.retries > 0 and s.rtx_clk == 0 and t.sym.timed:
        return 1                            # the SYN was repeated, and its time forgotten: see _established()
    return s.retries > 0 and timed_out(t, sock, s.rtx_clk, most, RTO_MIN)


cdef int window_shut_gives_up(Stack* t, int sock) noexcept nogil:
    """The peer shrank its window to nothing over what is in flight (tcp_rtx_probe0_timed_out): only its silence ends
    that (older kernels after one tcp_rto_max, newer after two; when the peer was last heard is not kept, so it may be
    later as well), or a user timeout without progress, whatever the peer says meanwhile."""
    cdef Sock* s = &t.sock[sock]
    cdef const Config* c = config_of(t, sock)
    cdef int64_t most = c.rto_max_ns, after = s.user_timeout_ms * MS, lo, hi
    if after and c.user_timeout_window_shut:
        if s.rtx_clk:
            return elapsed(t, s.rtx_clk, after - MS, after + MS)
        rto_bounds(t, sock, s.backoff, &lo, &hi)
        if lo > after + c.jiffy_ns:     # the head was sent when the timer was armed, or before
            return 1
        if s.retries == 0:
            return choose(t.sym.ch, 2, CHOOSE_FATE)
    return s.retries > 0 and elapsed(t, s.rtx_clk, most, most) and choose(t.sym.ch, 2, CHOOSE_FATE)


cdef void dies(Stack* t, int sock, int r) noexcept nogil:
    rule(t, sock, r)
    report_error(t, sock, E_TIMEDOUT)
    to_closed(t, sock)


cdef int out_of_resources(Stack* t, int sock) noexcept nogil:
    if not is_orphan(&t.sock[sock]) or not orphans_full(t, sock):
        return 0
    rule(t, sock, R_ORPHANS_FULL)
    send_active_reset(t, sock)
    to_closed(t, sock)
    return 1


cdef void rto_fires(Stack* t, int sock, int cut) noexcept nogil:
    """tcp_retransmit_timer. cut: when the timer was set, it was set to the end of TCP_USER_TIMEOUT, which is then over."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef int opening = s.state == ST_SYN_SENT or s.state == ST_SYN_RECV
    cdef int over
    if in_flight(t, sock) == 0:
        return
    s.tlp_done = 0
    if opening:
        over = (cut and s.retries > 0) or syn_gives_up(t, sock)
    elif s.snd_wnd == 0 and not is_orphan(s):
        over = window_shut_gives_up(t, sock)
    else:
        if out_of_resources(t, sock):
            return
        over = (cut and s.retries > 0) or gives_up(t, sock)
    if over:
        dies(t, sock, R_SYN_GIVES_UP if opening else R_RTO_GIVES_UP)
        return
    rule(t, sock, R_SYN_RETRANSMITTED if opening else R_RTO_RETRANSMIT)
    if s.retries == 0 and s.rtx_clk == 0 and not opening:
        s.rtx_clk = <uint8_t>clock_start(&t.sym)
    if s.retries < RETRIES_MOST:
        s.retries += 1
    retransmit_head(t, sock)            # a refusal by the own firewall counts like a loss
    if s.backoff < BACKOFF_MOST and (s.state != ST_SYN_SENT or s.retries > tcp_syn_linear_timeouts(c)):
        s.backoff += 1
    arm_rto(t, sock)
    cut_to_user_timeout(t, sock, s.syn_clk if opening else s.rtx_clk)


cdef void probe_fires(Stack* t, int sock) noexcept nogil:
    """After a probe the RTO counts from the probe, without backoff. A probe refused leaves the RTO its old deadline."""
    cdef int64_t lo, hi
    cdef int new = next_fits(t, sock)
    if in_flight(t, sock) == 0:
        return
    rule(t, sock, R_TLP_PROBE)
    if send_loss_probe(t, sock):
        t.sock[sock].tlp_done = TLP_NEW if new else TLP_AGAIN
        t.sock[sock].tlp_high = t.sock[sock].snd_nxt
        arm_rto(t, sock)
        return
    rto_bounds(t, sock, t.sock[sock].backoff, &lo, &hi)
    arm_retrans(t, sock, TM_RTO, 0, hi)


# ---- persist -----------------------------------------------------------------------------------------------

cdef int persist_gives_up(Stack* t, int sock) noexcept nogil:
    """tcp_probe_timer: here the retries are a count of probes not answered."""
    cdef const Config* c = config_of(t, sock)
    cdef Sock* s = &t.sock[sock]
    cdef int most = tcp_retries2(c), dead = 0
    if is_orphan(s):
        most = tcp_orphan_retries(c)
        dead = rto_at_most(t, sock)
        if most == 0 and not dead:
            most = 8
        if dead and s.backoff >= most:
            return 1
    return s.retries + s.keep_probes >= most        # one count (icsk_probes_out): no ACK has come since either


cdef int user_timeout_of_probes(Stack* t, int sock) noexcept nogil:
    """It counts from the first probe, answered or not, until the window opens (icsk_probes_tstamp)."""
    cdef Sock* s = &t.sock[sock]
    if not s.user_timeout_ms:
        return 0
    if s.rtx_clk == 0 and (s.retries == 0 or t.sym.timed):
        s.rtx_clk = <uint8_t>clock_start(&t.sym)
        return 0
    return user_timeout_over(t, sock, s.rtx_clk)


cdef void persist_fires(Stack* t, int sock, int cut) noexcept nogil:
    """tcp_probe_timer, tcp_send_probe0. A probe that the own firewall refuses counts too."""
    cdef Sock* s = &t.sock[sock]
    cdef int full
    if in_flight(t, sock) > 0 or not pending(t, sock):
        s.retries = s.keep_probes = 0
        return
    if cut or persist_gives_up(t, sock) or user_timeout_of_probes(t, sock):
        dies(t, sock, R_PERSIST_GIVES_UP)
        return
    if out_of_resources(t, sock):
        return
    rule(t, sock, R_PERSIST_PROBE)
    full = send_window_probe(t, sock) == 2
    if in_flight(t, sock) > 0 or not pending(t, sock):
        s.retries = s.keep_probes = 0
        s.backoff = 0
        arm_rto(t, sock)
        return
    s.retries += 1
    if full:                    # local congestion: no backing off (TCP_RESOURCE_PROBE_INTERVAL)
        arm_nominal(t, sock, SLOT_RETRANS, TM_PERSIST, SECOND // 2)
        return
    if s.backoff < tcp_retries2(config_of(t, sock)) and s.backoff < 10:
        s.backoff += 1
    arm_persist(t, sock)
    cut_to_user_timeout(t, sock, s.rtx_clk)


# ---- request sockets ---------------------------------------------------------------------------------------

cdef int young_requests(Stack* t, int listener) noexcept nogil:
    cdef int i, n = 0
    for i in range(t.top):
        if t.sock[i].kind == SK_REQUEST and t.sock[i].parent == listener and t.sock[i].retries == 0:
            n += 1
    return n


cdef int synack_retries(Stack* t, int sock) noexcept nogil:
    """A queue more than half full shortens the retries, the more the fewer of its requests are young."""
    cdef int most = tcp_synack_retries(config_of(t, sock))
    cdef int listener = t.sock[sock].parent
    cdef int waiting = request_count(t, listener), young = 2 * young_requests(t, listener)
    cdef int half = t.sock[listener].backlog // 2
    if waiting > (half if half > 1 else 1):
        while most > 2 and waiting >= young:
            most -= 1
            young *= 2
            if young == 0:
                return 2
    return most


cdef void synack_gives_up(Stack* t, int sock) noexcept nogil:
    rule(t, sock, R_SYNACK_GIVES_UP)
    to_closed(t, sock)


cdef void synack_fires(Stack* t, int sock) noexcept nogil:
    """reqsk_timer_handler: a SYN-ACK refused by the own firewall ends the request, unless its ACK has come already."""
    cdef Sock* s = &t.sock[sock]
    cdef int deferred = 0, listener = s.parent
    if listener < 0:
        synack_gives_up(t, sock)
        return
    if s.req_acked:
        deferred = t.sock[listener].defer_accept
    if s.retries >= synack_retries(t, sock) and s.retries >= deferred:
        synack_gives_up(t, sock)
        return
    if s.retries + 1 < deferred:
        rule(t, sock, R_SYNACK_DEFERRED)
        s.retries += 1
        arm_synack(t, sock)
        return
    rule(t, sock, R_SYNACK_RETRANSMITTED)
    if send_synack(t, sock, s.retries + 1) and not s.req_acked:
        to_closed(t, sock)
        return
    s.retries += 1
    arm_synack(t, sock)


# ---- orphans in FIN-WAIT-2 ---------------------------------------------------------------------------------

cdef void fin_wait2_fires(Stack* t, int sock) noexcept nogil:
    """tcp_keepalive_timer: what tcp_fin_timeout exceeds TIME-WAIT's length by was waited; as much again as a bucket."""
    cdef int64_t hi, lo = fin_time(t, sock, &hi), length = tcp_tw_timeout_s(config_of(t, sock)) * SECOND
    if lo > length or (hi > length and choose(t.sym.ch, 2, CHOOSE_FATE)):
        rule(t, sock, R_FIN_WAIT2_FULL_TO_BUCKET)
        enter_time_wait(t, sock, ST_FIN_WAIT2)
        return
    rule(t, sock, R_FIN_WAIT2_FULL_RST)
    send_active_reset(t, sock)
    to_closed(t, sock)
