"""LISTEN: a segment that reached no connection. Only a SYN opens one."""
from tcpcheck.sym.number cimport Num, num_add, num_base, seq_eq
from tcpcheck.tcp.output cimport choose_isn, send_cookie, send_reset_for, send_synack
from tcpcheck.tcp.request cimport bare, request_fill, request_to_child
from tcpcheck.tcp.rules cimport (
    R_LISTEN_ACCEPT_QUEUE_FULL, R_LISTEN_ACK_RST, R_LISTEN_COOKIE_ACCEPTED, R_LISTEN_COOKIE_ACCEPT_QUEUE_FULL,
    R_LISTEN_COOKIE_SENT, R_LISTEN_NO_SYN_IGNORED, R_LISTEN_RST_IGNORED, R_LISTEN_SYN, R_LISTEN_SYN_FIN_IGNORED,
    R_LISTEN_SYN_QUEUE_FULL, R_LISTEN_SYN_QUEUE_QUARTER,
)
from tcpcheck.tcp.settings cimport tcp_max_syn_backlog, tcp_syncookies
from tcpcheck.tcp.sockets cimport (
    KEY_COOKIE, accept_queue_len, config_of, replace_bucket, request_count, rule, sock_alloc, to_closed, tuple_key,
)
from tcpcheck.tcp.rto cimport arm_synack, note_cookie_sample
from tcpcheck.tcp.types cimport F_ACK, F_FIN, F_RST, F_SYN, SK_REQUEST, Config, Seg, Sock, Stack

cdef enum:
    COOKIES_ALWAYS = 2      # tcp_syncookies
    TW_ISN_STEP = 65537     # what a new incarnation adds to the old one's SND.NXT


cdef void listener_arrives(Stack* t, int listener, const Seg* g) noexcept nogil:
    cdef Sock* k = &t.sock[listener]
    if g.flags & F_RST:
        rule(t, listener, R_LISTEN_RST_IGNORED)
    elif g.flags & F_ACK:
        if g.flags & F_SYN or not _cookie_comes_back(t, listener, g):
            rule(t, listener, R_LISTEN_ACK_RST)
            send_reset_for(t, k.host, listener, g)
    elif not g.flags & F_SYN:
        rule(t, listener, R_LISTEN_NO_SYN_IGNORED)
    elif g.flags & F_FIN:
        rule(t, listener, R_LISTEN_SYN_FIN_IGNORED)
    else:
        _syn_arrives(t, listener, g)


cdef void _syn_arrives(Stack* t, int listener, const Seg* g) noexcept nogil:
    """tcp_conn_request: SYN queue, accept queue, then a request socket or a cookie."""
    cdef Sock* k = &t.sock[listener]
    cdef const Config* cfg = config_of(t, listener)
    cdef int waiting = request_count(t, listener)
    cdef int full = waiting >= k.backlog + cfg.syn_queue_past_backlog
    cdef int cookie = full or tcp_syncookies(cfg) == COOKIES_ALWAYS
    cdef int sock
    if cookie and not tcp_syncookies(cfg):
        rule(t, listener, R_LISTEN_SYN_QUEUE_FULL)
    elif _accept_queue_full(t, listener):
        rule(t, listener, R_LISTEN_ACCEPT_QUEUE_FULL)
    elif cookie:
        rule(t, listener, R_LISTEN_COOKIE_SENT)
        k.synack_acked_out = 1
        send_cookie(t, listener, g, _cookie(t, g))
    elif not tcp_syncookies(cfg) and tcp_max_syn_backlog(cfg) - waiting < tcp_max_syn_backlog(cfg) >> 2:
        rule(t, listener, R_LISTEN_SYN_QUEUE_QUARTER)
    else:
        sock = sock_alloc(t)
        if sock >= 0:
            _open(t, sock, listener, g, choose_isn(t, g.dst, g.src, g.dport, g.sport))


cdef void listener_takes_bucket(Stack* t, int listener, int bucket, const Seg* syn) noexcept nogil:
    """SYN queue and cookies do not count here: the peer is known to be real. A full accept queue and a SYN+FIN do,
    and then the bucket is gone for nothing."""
    cdef Num iss = num_add(t.sock[bucket].snd_nxt, TW_ISN_STEP)
    cdef int sock
    if not config_of(t, bucket).linux_tw_reuse_isn:
        iss = choose_isn(t, syn.dst, syn.src, syn.dport, syn.sport)
    if syn.flags & F_FIN:
        rule(t, listener, R_LISTEN_SYN_FIN_IGNORED)
        to_closed(t, bucket)
    elif _accept_queue_full(t, listener):
        rule(t, listener, R_LISTEN_ACCEPT_QUEUE_FULL)
        to_closed(t, bucket)
    else:
        sock = replace_bucket(t, bucket)
        if sock >= 0:
            _open(t, sock, listener, syn, iss)


cdef void _open(Stack* t, int sock, int listener, const Seg* syn, Num iss) noexcept nogil:
    rule(t, listener, R_LISTEN_SYN)
    request_fill(t, sock, listener, syn, iss)
    arm_synack(t, sock)
    send_synack(t, sock, 0)


cdef int _accept_queue_full(Stack* t, int listener) noexcept nogil:
    """sk_acceptq_is_full: one more than the backlog fits. Older kernels let a SYN in until a second young request
    waits."""
    cdef int i, young = 0
    if accept_queue_len(t, listener) <= t.sock[listener].backlog:
        return 0
    if config_of(t, listener).syn_dropped_when_acceptq_full:
        return 1
    for i in range(t.top):
        if t.sock[i].kind == SK_REQUEST and t.sock[i].parent == listener and t.sock[i].retries == 0:
            young += 1
    return young > 1


# ---- SYN cookies ------------------------------------------------------------------------------------------------


cdef Num _cookie(Stack* t, const Seg* g) noexcept nogil:
    return num_base(&t.sym, tuple_key(KEY_COOKIE, g.dst, g.src, g.dport, g.sport), 0, g.dst, 0)


cdef int _cookie_comes_back(Stack* t, int listener, const Seg* g) noexcept nogil:
    """1: the ACK carries the cookie that this listener sent, and is dealt with (cookie_v4_check).

    Coarser than the kernel: one cookie for each 4-tuple, valid as long as the listener lives, and a later segment of
    the same connection is taken for the first.
    """
    cdef Sock* k = &t.sock[listener]
    cdef const Config* cfg = config_of(t, listener)
    cdef Num cookie
    cdef int sock
    if not k.synack_acked_out or not tcp_syncookies(cfg):
        return 0
    cookie = _cookie(t, g)
    if not seq_eq(&t.sym, g.ack, num_add(cookie, 1)):
        return 0
    if accept_queue_len(t, listener) > k.backlog:
        rule(t, listener, R_LISTEN_COOKIE_ACCEPT_QUEUE_FULL)
        return 1
    sock = sock_alloc(t)
    if sock < 0:
        return 1
    rule(t, listener, R_LISTEN_COOKIE_ACCEPTED)
    _fill_from_cookie(t, sock, listener, g, cookie)
    return 1


cdef void _fill_from_cookie(Stack* t, int sock, int listener, const Seg* g, Num cookie) noexcept nogil:
    """The request as it would have been; options other than MSS survive only with timestamps."""
    cdef Seg syn = g[0]
    syn.seq = num_add(g.seq, -1)
    syn.sack_ok = g.has_ts
    syn.scale_ok = g.has_ts
    request_fill(t, sock, listener, &syn, cookie)
    note_cookie_sample(t, sock, bare(t, &t.sock[sock], g))
    request_to_child(t, sock, g, t.sock[sock].ts_ok)
