"""Time-wait buckets: TIME-WAIT, and FIN-WAIT-2 of an orphan.

A bucket looks at sequence number, flags and timestamps only, never at the ACK field. It reads timestamps only when the
old connection had them and net.ipv4.tcp_timestamps is on now.
"""
from libc.stdint cimport int64_t
from tcpcheck.sym.number cimport clock_start, num_add, seq_after, seq_before, seq_eq
from tcpcheck.tcp.checks cimport in_window, keep_timestamp, paws_fails, seg_end, seg_length
from tcpcheck.tcp.listen cimport listener_takes_bucket
from tcpcheck.tcp.output cimport send_ack, send_limited_ack, send_reset_for
from tcpcheck.tcp.rto cimport elapsed
from tcpcheck.tcp.rules cimport (
    R_FW2_DATA_RST, R_FW2_FIN_TIME_WAIT, R_FW2_NOTHING_NEW, R_FW2_OUT_OF_WINDOW, R_FW2_PAWS, R_FW2_RST_KILLED,
    R_FW2_SYN_RST, R_TW_ACK_ANSWERED, R_TW_ACK_RESTARTS, R_TW_ACK_SILENT, R_TW_FIN_RESTARTS, R_TW_NO_ACK_ANSWERED,
    R_TW_NO_ACK_SILENT, R_TW_RST_IN_WINDOW, R_TW_SYN_RST, R_TW_NO_ACK_PAWS, R_TW_RST_IGNORED,
    R_TW_RST_IGNORED_RFC1337, R_TW_RST_KILLED, R_TW_RST_PAWS, R_TW_SYN_ACCEPTED_SEQ, R_TW_SYN_ACCEPTED_TS,
    R_TW_SYN_NO_LISTENER, R_TW_SYN_PAWS, R_TW_SYN_REFUSED,
)
from tcpcheck.tcp.settings cimport tcp_rfc1337, tcp_timestamps, tcp_tw_reuse, tcp_tw_timeout_s
from tcpcheck.tcp.sockets cimport arm_nominal, config_of, find_listener, rule, set_state, to_closed
from tcpcheck.tcp.types cimport (
    F_ACK, F_FIN, F_RST, F_SYN, SLOT_RETRANS, ST_TIME_WAIT, TM_TIMEWAIT, Config, Seg, Sock, Stack,
)

cdef int64_t HALF = 1 << 31
cdef int64_t SECOND = 1000000000
cdef int64_t RST_AGE = 60 * SECOND      # a PAWS-old RST counts when ts_recent is that old (TCP_PAWS_MSL)


cdef void bucket_arrives(Stack* t, int sock, const Seg* g) noexcept nogil:
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    cdef int has_ts = g.has_ts and k.ts_ok and tcp_timestamps(cfg) != 0
    if k.state == ST_TIME_WAIT and not cfg.tw_paws:
        has_ts = 0
    if k.state != ST_TIME_WAIT:
        _fin_wait2(t, sock, g, has_ts)
    elif g.flags & F_RST:
        _rst(t, sock, g, has_ts)
    elif g.flags & F_SYN and not g.flags & F_ACK:
        _syn(t, sock, g, has_ts)
    else:
        _other(t, sock, g, has_ts)


cdef int _too_old(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """PAWS without slack; an RST passes when the last timestamp is a minute old (tcp_paws_reject)."""
    cdef Sock* k = &t.sock[sock]
    if not has_ts or not paws_fails(t, k, g, 0):
        return 0
    return not (g.flags & F_RST and k.ts_stamp_clk and elapsed(t, k.ts_stamp_clk, RST_AGE - SECOND, RST_AGE))


cdef void _restart(Stack* t, int sock) noexcept nogil:
    arm_nominal(t, sock, SLOT_RETRANS, TM_TIMEWAIT, tcp_tw_timeout_s(config_of(t, sock)) * SECOND)


cdef void _keep_timestamp(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    cdef Sock* k = &t.sock[sock]
    if has_ts:
        keep_timestamp(t, k, g)
        if not k.ts_stamp_clk or not config_of(t, sock).paws_idle_ns:
            k.ts_stamp_clk = clock_start(&t.sym)


# ---- TIME-WAIT --------------------------------------------------------------------------------------------------


cdef void _rst(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """Exact and not PAWS-old: TIME-WAIT is assassinated (RFC 1337 2), unless tcp_rfc1337 is set."""
    cdef Sock* k = &t.sock[sock]
    if config_of(t, sock).rfc793_ack and not tcp_rfc1337(config_of(t, sock)):
        if in_window(t, g, k.rcv_nxt, k.rcv_wnd) and not _too_old(t, sock, g, has_ts):
            rule(t, sock, R_TW_RST_IN_WINDOW)
            to_closed(t, sock)
        else:
            rule(t, sock, R_TW_RST_IGNORED)
    elif not seq_eq(&t.sym, g.seq, k.rcv_nxt):
        rule(t, sock, R_TW_RST_IGNORED)
    elif _too_old(t, sock, g, has_ts):
        rule(t, sock, R_TW_RST_PAWS)
    elif tcp_rfc1337(config_of(t, sock)):
        rule(t, sock, R_TW_RST_IGNORED_RFC1337)
        _keep_timestamp(t, sock, g, has_ts)
    else:
        rule(t, sock, R_TW_RST_KILLED)
        to_closed(t, sock)


cdef void _syn(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """RFC 6191 widened: sequence number newer OR timestamp newer, and the timestamp not older. Some stacks accept none;
    what they refuse they answer with RST, ACK or nothing."""
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    if cfg.tw_syn_rst and in_window(t, g, k.rcv_nxt, k.rcv_wnd):
        rule(t, sock, R_TW_SYN_RST)
        send_reset_for(t, k.host, sock, g)
        if cfg.tw_syn_rst > 1:
            to_closed(t, sock)
    elif not cfg.tw_accepts_syn:
        rule(t, sock, R_TW_SYN_REFUSED)
        send_limited_ack(t, sock, g)
    elif _too_old(t, sock, g, has_ts):
        rule(t, sock, R_TW_SYN_PAWS)
        if not cfg.tw_restart_by_fin:
            _restart(t, sock)
        send_limited_ack(t, sock, g)
    elif seq_after(&t.sym, g.seq, t.sock[sock].rcv_nxt):
        _reopen(t, sock, g, R_TW_SYN_ACCEPTED_SEQ)
    elif has_ts and config_of(t, sock).tw_accepts_by_ts and _newer_timestamp(t, sock, g):
        _reopen(t, sock, g, R_TW_SYN_ACCEPTED_TS)
    elif cfg.tw_needs_ack:
        rule(t, sock, R_TW_NO_ACK_SILENT)
    else:
        rule(t, sock, R_TW_SYN_REFUSED)
        send_limited_ack(t, sock, g)


cdef int _newer_timestamp(Stack* t, int sock, const Seg* g) noexcept nogil:
    """A ts_recent of 0 is compared like any other here."""
    return seq_after(&t.sym, g.tsval, t.sock[sock].ts_recent)


cdef void _reopen(Stack* t, int sock, const Seg* g, int accepted) noexcept nogil:
    cdef Sock* k = &t.sock[sock]
    cdef int listener = find_listener(t, k.host, k.lport)
    if listener < 0:
        rule(t, sock, R_TW_SYN_NO_LISTENER)
        send_ack(t, sock)
        return
    rule(t, sock, accepted)
    listener_takes_bucket(t, listener, sock, g)


cdef void _other(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """Empty and exact: silence, and the wait begins anew. Everything else is acknowledged; with an ACK flag, or
    PAWS-old, the wait begins anew as well. With an ACK flag PAWS decides nothing, so it is not asked."""
    cdef Sock* k = &t.sock[sock]
    if config_of(t, sock).tw_restart_by_fin:
        _other_by_rfc(t, sock, g)
        return
    if seg_length(g) == 0 and seq_eq(&t.sym, g.seq, k.rcv_nxt) and not _too_old(t, sock, g, has_ts):
        rule(t, sock, R_TW_ACK_RESTARTS)
        _restart(t, sock)
        _keep_timestamp(t, sock, g, has_ts)
        return
    if g.flags & F_ACK:
        rule(t, sock, R_TW_ACK_ANSWERED)
        _restart(t, sock)
    elif _too_old(t, sock, g, has_ts):
        rule(t, sock, R_TW_NO_ACK_PAWS)
        _restart(t, sock)
    else:
        rule(t, sock, R_TW_NO_ACK_ANSWERED)
    send_limited_ack(t, sock, g)


cdef void _other_by_rfc(Stack* t, int sock, const Seg* g) noexcept nogil:
    """RFC 9293 3.10.7.4: acknowledged unless empty and acceptable; only the FIN again restarts the wait. It may be any
    FIN: what else could come after the peer's FIN?"""
    cdef Sock* k = &t.sock[sock]
    if config_of(t, sock).tw_needs_ack and not g.flags & F_ACK:
        rule(t, sock, R_TW_NO_ACK_SILENT)
        return
    if g.flags & F_FIN:
        rule(t, sock, R_TW_FIN_RESTARTS)
        _restart(t, sock)
    elif g.flags & F_ACK and seg_length(g) == 0 and seq_eq(&t.sym, g.seq, k.rcv_nxt):
        rule(t, sock, R_TW_ACK_SILENT)
        return
    else:
        rule(t, sock, R_TW_ACK_ANSWERED if g.flags & F_ACK else R_TW_NO_ACK_ANSWERED)
    send_limited_ack(t, sock, g)


# ---- FIN-WAIT-2 of an orphan ------------------------------------------------------------------------------------


cdef void _fin_wait2(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """Half a connection: the peer may send its FIN and nothing else. No RFC 5961 here: any RST in the window kills,
    and one outside it is acknowledged."""
    cdef Sock* k = &t.sock[sock]
    if not in_window(t, g, k.rcv_nxt, k.rcv_wnd):
        rule(t, sock, R_FW2_OUT_OF_WINDOW)
        send_limited_ack(t, sock, g)
    elif _too_old(t, sock, g, has_ts):
        rule(t, sock, R_FW2_PAWS)
        send_limited_ack(t, sock, g)
    elif g.flags & F_RST:
        rule(t, sock, R_FW2_RST_KILLED)
        to_closed(t, sock)
    elif g.flags & F_SYN and not seq_before(&t.sym, g.seq, k.rcv_nxt):
        rule(t, sock, R_FW2_SYN_RST)
        send_reset_for(t, k.host, sock, g)
        to_closed(t, sock)
    elif not g.flags & F_ACK or seg_length(g) == 0 or not seq_after(&t.sym, seg_end(g), k.rcv_nxt):
        rule(t, sock, R_FW2_NOTHING_NEW)
    elif not g.flags & F_FIN or not seq_eq(&t.sym, seg_end(g), num_add(k.rcv_nxt, 1)):
        rule(t, sock, R_FW2_DATA_RST)
        send_reset_for(t, k.host, sock, g)
        to_closed(t, sock)
    else:
        _fin(t, sock, g, has_ts)


cdef void _fin(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """The peer's FIN: TIME-WAIT proper."""
    cdef Sock* k = &t.sock[sock]
    rule(t, sock, R_FW2_FIN_TIME_WAIT)
    set_state(t, sock, ST_TIME_WAIT)
    k.rcv_nxt = num_add(k.rcv_nxt, 1)
    k.rcv_wup = k.rcv_nxt
    if has_ts:
        _keep_timestamp(t, sock, g, has_ts)
        if tcp_tw_reuse(config_of(t, sock)):
            k.tw_clk = clock_start(&t.sym)
    _restart(t, sock)
    send_ack(t, sock)
