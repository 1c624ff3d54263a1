"""Keepalive and user timeout (RFC 9293 3.8.3, 3.8.4; RFC 5482; the kernel's tcp_timer.c).

The keepalive timer of an idle connection runs TCP_KEEPIDLE from when the peer was last heard, then TCP_KEEPINTVL from
probe to probe. The kernel lets it run, and looks only when it fires how long ago that was; to start it anew at once when
the peer is heard comes to the same while no probe is out, and saves a step.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport clock_copy, clock_start
from tcpcheck.tcp.output cimport send_active_reset, send_old_segment
from tcpcheck.tcp.rto cimport elapsed, pending
from tcpcheck.tcp.rules cimport R_KEEPALIVE_GIVES_UP, R_KEEPALIVE_PROBE
from tcpcheck.tcp.sockets cimport (
    E_TIMEDOUT, arm_nominal, config_of, disarm, in_flight, is_orphan, report_error, rule, to_closed,
)
from tcpcheck.tcp.types cimport (
    SK_FULL, SK_LISTENER, SLOT_KEEPALIVE, SLOT_RETRANS, ST_ESTABLISHED, ST_FIN_WAIT2, ST_SYN_SENT,
    TM_KEEP_PROBE, TM_KEEPALIVE, Seg, Sock, Stack,
)

cdef int64_t MS = 1000000
cdef int64_t SECOND = 1000000000


cdef int64_t idle_time(Stack* t, int sock) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    return <int64_t>(s.keepidle_s if s.keepidle_s else config_of(t, sock).tcp_keepalive_time_s) * SECOND


cdef int64_t probe_interval(Stack* t, int sock) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    return <int64_t>(s.keepintvl_s if s.keepintvl_s else config_of(t, sock).tcp_keepalive_intvl_s) * SECOND


cdef int probes_most(Stack* t, int sock) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    return s.keepcnt if s.keepcnt else config_of(t, sock).tcp_keepalive_probes


cdef void arm_idle(Stack* t, int sock) noexcept nogil:
    """From now on the timer waits for TCP_KEEPIDLE since the peer was last heard, which is not reached yet."""
    arm_nominal(t, sock, SLOT_KEEPALIVE, TM_KEEPALIVE, idle_time(t, sock))
    if t.sock[sock].heard_clk:
        t.sock[sock].timer[<int>SLOT_KEEPALIVE].clk = t.sock[sock].heard_clk


cdef int idle_enough(Stack* t, int sock) noexcept nogil:
    cdef int64_t idle = idle_time(t, sock)
    return elapsed(t, t.sock[sock].heard_clk, idle - config_of(t, sock).jiffy_ns, idle)


# ---- options -------------------------------------------------------------------------------------------------

cdef void switch_keepalive(Stack* t, int sock, int on) noexcept nogil:
    """tcp_set_keepalive: the first wait counts from the call."""
    cdef Sock* s = &t.sock[sock]
    cdef int was = s.keepalive
    s.keepalive = <uint8_t>on
    if s.kind != SK_FULL:
        return
    if on and not was:
        arm_nominal(t, sock, SLOT_KEEPALIVE, TM_KEEPALIVE, idle_time(t, sock))
    elif not on:
        disarm(t, sock, SLOT_KEEPALIVE)


cdef void set_idle(Stack* t, int sock, int value) noexcept nogil:
    """tcp_sock_set_keepidle: the timer runs anew, from when the peer was last heard."""
    cdef Sock* s = &t.sock[sock]
    s.keepidle_s = <uint16_t>value
    if s.kind != SK_FULL or not s.keepalive:
        return
    if idle_enough(t, sock):
        arm_nominal(t, sock, SLOT_KEEPALIVE, TM_KEEPALIVE, 0)
    else:
        arm_idle(t, sock)


cdef void tcp_setsockopt(Stack* t, int sock, int option, int value) noexcept nogil:
    """do_tcp_setsockopt. On a socket in CLOSED nothing comes of it."""
    cdef Sock* s = &t.sock[sock]
    if s.kind == SK_LISTENER and option == OPT_DEFER_ACCEPT:
        s.defer_accept = <uint8_t>value
    if s.kind != SK_FULL and s.kind != SK_LISTENER:
        return
    if option == OPT_KEEPALIVE:
        switch_keepalive(t, sock, value)
    elif option == OPT_KEEPIDLE:
        set_idle(t, sock, value)
    elif option == OPT_KEEPINTVL:
        s.keepintvl_s = <uint16_t>value
    elif option == OPT_KEEPCNT:
        s.keepcnt = <uint8_t>value
    elif option == OPT_USER_TIMEOUT:
        s.user_timeout_ms = value
        forget_end(t, s)


cdef void forget_end(Stack* t, Sock* s) noexcept nogil:
    """What the retransmission timer was cut to is no longer the end of the user timeout: see timer_fires()."""
    cdef uint8_t clk = s.timer[<int>SLOT_RETRANS].clk
    if clk and (clk == s.rtx_clk or clk == s.syn_clk):
        s.timer[<int>SLOT_RETRANS].clk = <uint8_t>clock_copy(&t.sym, clk)


cdef void inherit_options(Stack* t, int child) noexcept nogil:
    """inet_csk_clone_lock, tcp_create_openreq_child."""
    cdef Sock* s = &t.sock[child]
    cdef const Sock* of = &t.sock[s.parent]
    if s.parent < 0 or not config_of(t, child).keeps_heard:
        return
    s.keepalive = of.keepalive
    s.keepidle_s = of.keepidle_s
    s.keepintvl_s = of.keepintvl_s
    s.keepcnt = of.keepcnt
    s.user_timeout_ms = of.user_timeout_ms
    heard_text(t, child)
    keepalive_starts(t, child)


# ---- the peer is heard ---------------------------------------------------------------------------------------

cdef void heard_text(Stack* t, int sock) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    if not config_of(t, sock).keeps_heard:
        return
    s.heard_clk = <uint8_t>clock_start(&t.sym)
    if s.timer[<int>SLOT_KEEPALIVE].kind == TM_KEEPALIVE and s.keepalive and not finishing(s):
        arm_idle(t, sock)


cdef void heard_ack(Stack* t, int sock, const Seg* g, int advances) noexcept nogil:
    """Text that comes just as predicted, with an ACK that says nothing new, does not get to tcp_ack: the count of
    probes goes on then."""
    cdef Sock* s = &t.sock[sock]
    if not config_of(t, sock).keeps_heard:
        return
    heard_text(t, sock)
    if s.keep_probes and g.len > 0 and not advances and s.state == ST_ESTABLISHED and choose(t.sym.ch, 2, CHOOSE_FATE):
        return
    s.keep_probes = 0


cdef int finishing(const Sock* s) noexcept nogil:
    """Then the timer's slot is for tcp_fin_timeout."""
    return s.state == ST_FIN_WAIT2 and is_orphan(s)


cdef void keepalive_starts(Stack* t, int sock) noexcept nogil:
    if t.sock[sock].keepalive:
        arm_idle(t, sock)


# ---- the timer -----------------------------------------------------------------------------------------------

cdef int gives_up(Stack* t, int sock) noexcept nogil:
    """With TCP_USER_TIMEOUT the time counts and not the number of probes, of which there must be one."""
    cdef Sock* s = &t.sock[sock]
    if s.user_timeout_ms:
        return s.keep_probes > 0 and user_timeout_over(t, sock, s.heard_clk)
    return s.keep_probes >= probes_most(t, sock)


cdef void keepalive_fires(Stack* t, int sock) noexcept nogil:
    """While anything is out or waits to be sent, the retransmission and persist timers look after the connection."""
    cdef Sock* s = &t.sock[sock]
    if not s.keepalive or s.state == ST_SYN_SENT:
        return
    if in_flight(t, sock) > 0 or pending(t, sock):
        arm_nominal(t, sock, SLOT_KEEPALIVE, TM_KEEPALIVE, idle_time(t, sock))
    elif not idle_enough(t, sock):
        arm_idle(t, sock)
    elif gives_up(t, sock):
        rule(t, sock, R_KEEPALIVE_GIVES_UP)
        send_active_reset(t, sock)
        report_error(t, sock, E_TIMEDOUT)
        to_closed(t, sock)
    else:
        rule(t, sock, R_KEEPALIVE_PROBE)
        if send_old_segment(t, sock) == 2:         # local congestion: TCP_RESOURCE_PROBE_INTERVAL
            arm_nominal(t, sock, SLOT_KEEPALIVE, TM_KEEP_PROBE, SECOND // 2)
            return
        if s.keep_probes < 255:
            s.keep_probes += 1
        arm_nominal(t, sock, SLOT_KEEPALIVE, TM_KEEP_PROBE, probe_interval(t, sock))


# ---- user timeout --------------------------------------------------------------------------------------------

cdef int user_timeout_over(Stack* t, int sock, int clk) noexcept nogil:
    """Counted in milliseconds or jiffies, so the end may be seen one early."""
    cdef int64_t after = t.sock[sock].user_timeout_ms * MS
    return elapsed(t, clk, after - config_of(t, sock).jiffy_ns, after)
