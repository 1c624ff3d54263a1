"""Request sockets: a SYN was received, the last ACK of the handshake not yet (tcp_check_req).

A request has fewer checks than a full socket and in another order: the same SYN again, the ACK, then timestamps and
window, RST, SYN. It has no challenge ACK of its own and no slack in PAWS.
"""
from libc.stdint cimport uint8_t
from tcpcheck.sym.number cimport MODE_CONCRETE, Num, clock_start, num_add, num_read_at, seq_after, seq_eq
from tcpcheck.tcp.checks cimport in_window, keep_timestamp, paws_fails, tsecr_in_range
from tcpcheck.tcp.keepalive cimport inherit_options
from tcpcheck.tcp.output cimport (
    first_window, oow_rate_limited, read_tsval, send_limited_ack, send_reset_for, send_synack, timestamp_key,
)
from tcpcheck.tcp.rules cimport (
    R_OOW_ACK_LIMITED, R_REQ_ABORT_ON_OVERFLOW, R_REQ_ACCEPT_QUEUE_FULL, R_REQ_BAD_ACK_RST, R_REQ_BAD_ACK_RST_IGNORED,
    R_REQ_CHILD_CREATED, R_REQ_DEFERRED, R_REQ_NO_ACK_IGNORED, R_REQ_OUT_OF_WINDOW, R_REQ_PAWS, R_REQ_RST_CHALLENGE,
    R_REQ_RST_IGNORED,
    R_REQ_RST_KILLED, R_REQ_SYN_AGAIN, R_REQ_SYN_RST, R_REQ_TSECR,
)
from tcpcheck.tcp.settings cimport tcp_abort_on_overflow, tcp_sack, tcp_timestamps
from tcpcheck.tcp.sockets cimport (
    accept_queue_len, config_of, disarm, queue_for_accept, rule, set_state, to_closed,
)
from tcpcheck.tcp.synchronized cimport synchronized_arrives
from tcpcheck.tcp.rto cimport arm_synack, note_sample
from tcpcheck.tcp.types cimport (
    F_ACK, F_FIN, F_RST, F_SYN, SK_FULL, SK_REQUEST, SLOT_RETRANS, ST_SYN_RECV, Config, Seg, Sock, Stack,
)


cdef void request_arrives(Stack* t, int sock, const Seg* g) noexcept nogil:
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    cdef int has_ts = g.has_ts and tcp_timestamps(cfg)
    cdef int syn = g.flags & F_SYN
    if g.flags & F_RST:
        _rst_arrives(t, sock, g, has_ts)
        return
    if syn and seq_eq(&t.sym, g.seq, k.irs):
        if not g.flags & F_ACK and not (has_ts and paws_fails(t, k, g, 0)):
            _syn_again(t, sock, g)
            return
        syn = 0                         # the SYN lies before the window: cut off
    if g.flags & F_ACK and not seq_eq(&t.sym, g.ack, k.snd_nxt):
        rule(t, sock, R_REQ_BAD_ACK_RST)
        send_reset_for(t, k.host, sock, g)
        return
    if not _valid(t, sock, g, has_ts):
        send_limited_ack(t, sock, g)
    elif syn:
        rule(t, sock, R_REQ_SYN_RST)
        send_reset_for(t, k.host, sock, g)
        to_closed(t, sock)
    elif not g.flags & F_ACK:
        rule(t, sock, R_REQ_NO_ACK_IGNORED)
    else:
        _final_ack(t, sock, g, has_ts)


cdef void _syn_again(Stack* t, int sock, const Seg* g) noexcept nogil:
    """SYN-ACK again, and its timer anew. That it was sent twice spoils the RTT sample, but counts for no retry."""
    rule(t, sock, R_REQ_SYN_AGAIN)
    if oow_rate_limited(t, sock, g):
        rule(t, sock, R_OOW_ACK_LIMITED)
    elif not send_synack(t, sock, 0):
        t.sock[sock].synack_acked_out = 1
        arm_synack(t, sock)


cdef int _valid(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """Window, PAWS and TSecr. All three are answered alike: the order is the cheapest."""
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    if not in_window(t, g, k.rcv_nxt, k.rcv_wnd):
        rule(t, sock, R_REQ_OUT_OF_WINDOW)
    elif has_ts and paws_fails(t, k, g, 0):
        rule(t, sock, R_REQ_PAWS)
    elif has_ts and cfg.req_tsecr_checked and k.ts_ok and not tsecr_in_range(t, sock, g):
        rule(t, sock, R_REQ_TSECR)
    else:
        return 1
    return 0


cdef void _rst_arrives(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """Exact: the request is gone. Else in the window: a challenge, or in older kernels the same; those look at the ACK
    field of an RST first."""
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    if not cfg.req_rst_challenged and g.flags & F_ACK and not seq_eq(&t.sym, g.ack, k.snd_nxt):
        rule(t, sock, R_REQ_BAD_ACK_RST_IGNORED)
        return
    if not _valid(t, sock, g, has_ts):
        rule(t, sock, R_REQ_RST_IGNORED)
        return
    if cfg.req_rst_challenged and not seq_eq(&t.sym, g.seq, k.rcv_nxt):
        rule(t, sock, R_REQ_RST_CHALLENGE)
        send_limited_ack(t, sock, NULL)         # text in the RST earns no exemption
        return
    rule(t, sock, R_REQ_RST_KILLED)
    to_closed(t, sock)


cdef int bare(Stack* t, const Sock* k, const Seg* g) noexcept nogil:
    """Does it bring nothing but the ACK?"""
    return g.len == 0 and not g.flags & F_FIN and seq_eq(&t.sym, g.seq, k.rcv_nxt)


cdef void _final_ack(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """The handshake's last ACK: the request becomes a full socket in the listener's accept queue, and the same segment
    is processed there."""
    cdef Sock* k = &t.sock[sock]
    if t.sock[k.parent].defer_accept > k.retries and bare(t, k, g):
        rule(t, sock, R_REQ_DEFERRED)
        k.req_acked = 1
    elif accept_queue_len(t, k.parent) <= t.sock[k.parent].backlog:
        rule(t, sock, R_REQ_CHILD_CREATED)
        note_sample(t, sock, g)
        request_to_child(t, sock, g, has_ts)
    elif tcp_abort_on_overflow(config_of(t, sock)):
        rule(t, sock, R_REQ_ABORT_ON_OVERFLOW)
        send_reset_for(t, k.host, sock, g)
        to_closed(t, sock)
    else:
        rule(t, sock, R_REQ_ACCEPT_QUEUE_FULL)
        k.req_acked = 1


cdef void request_to_child(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    cdef Sock* k = &t.sock[sock]
    disarm(t, sock, SLOT_RETRANS)
    k.kind = SK_FULL
    k.oow_clk = 0
    k.oow_sent = 0
    k.req_acked = 0
    k.snd_una = k.snd_nxt
    k.rcv_wup = k.rcv_nxt
    k.snd_wl1 = k.irs
    k.snd_wnd = g.wnd
    k.max_window = g.wnd
    if has_ts and k.ts_ok and not seq_after(&t.sym, g.seq, k.rcv_nxt):
        keep_timestamp(t, k, g)
    if k.ts_ok and config_of(t, sock).paws_idle_ns:
        k.ts_stamp_clk = <uint8_t>clock_start(&t.sym)   # as if ts_recent were of now
    inherit_options(t, sock)
    queue_for_accept(t, sock)
    synchronized_arrives(t, sock, g)


cdef void request_fill(Stack* t, int sock, int listener, const Seg* syn, Num iss) noexcept nogil:
    """The slot becomes a request for this SYN. Its text is not looked at (tcp_openreq_init)."""
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = t.cfg[syn.dst]
    cdef Seg first
    k.kind = SK_REQUEST
    k.host = syn.dst
    k.peer = syn.src
    k.lport = syn.dport
    k.rport = syn.sport
    k.inc = syn.inc
    k.parent = listener
    k.binding = -1
    set_state(t, sock, ST_SYN_RECV)
    k.iss = iss
    k.snd_nxt = num_add(iss, 1)
    k.snd_una = k.snd_nxt
    k.snd_wnd = syn.wnd
    k.max_window = syn.wnd
    k.irs = syn.seq
    k.rcv_nxt = num_add(syn.seq, 1)
    k.rcv_wup = k.rcv_nxt
    k.sack_ok = syn.sack_ok and tcp_sack(cfg)
    k.ts_linked = cfg.ts_linked
    k.ts_key = timestamp_key(t, syn.dst, syn.src, syn.dport, syn.sport)
    if syn.has_ts and tcp_timestamps(cfg):
        k.ts_ok = 1
        keep_timestamp(t, k, syn)
    k.mss = cfg.mss
    if syn.mss and syn.mss < k.mss:
        k.mss = syn.mss
    k.rcv_wnd = first_window(t.sock[listener].rcv_buf if t.sock[listener].rcv_buf else cfg.rcv_buf, cfg.mss, k.ts_ok)
    k.rcv_buf = k.rcv_wnd
    k.rcv_wscale = <uint8_t>(cfg.rcv_wscale + 1 if syn.scale_ok else 0)
    if k.ts_ok and cfg.req_tsecr_checked and (cfg.tsecr_compared or t.sym.mode == MODE_CONCRETE):
        k.syn_tsval = num_read_at(&t.sym, read_tsval(t, sock, &first), 0)
