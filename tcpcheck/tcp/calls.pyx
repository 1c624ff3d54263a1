"""The user's calls (RFC 9293 3.9.1, 3.10.1 to 3.10.6; the kernel's tcp.c, af_inet.c, inet_hashtables.c)."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport Num, clock_start, diff_known, num_add, num_read_at
from tcpcheck.tcp.output cimport (
    choose_isn, first_window, push_pending, read_tsval, select_window, send_ack, send_active_reset, send_syn,
    timestamp_key,
)
from tcpcheck.tcp.rto cimport arm_rto, elapsed, fin_wait2_orphan
from tcpcheck.tcp.rules cimport (
    R_ABORT_RST, R_ABORT_SILENT, R_ACCEPT_CHILD, R_ACCEPT_DEAD_CHILD, R_CLOSE_FIN, R_CLOSE_FIN_WAIT2,
    R_CLOSE_LISTENER, R_CLOSE_LISTENER_CHILD_RST, R_CLOSE_LISTENER_REQUEST_GONE, R_CLOSE_NOT_OPEN, R_CLOSE_UNREAD_RST,
    R_CONNECT_NO_PORT, R_CONNECT_REUSES_BUCKET, R_CONNECT_SYN, R_CONNECT_TUPLE_TAKEN, R_LISTEN_OPENED, R_ORPHANS_FULL,
    R_RECV_DATA, R_RECV_EOF, R_RECV_ERROR, R_SEND_BROKEN_PIPE, R_SEND_ERROR, R_SEND_QUEUED, R_SHUTDOWN_FIN,
    R_WINDOW_UPDATE,
)
from tcpcheck.tcp.settings cimport tcp_sack, tcp_timestamps, tcp_tw_reuse, tcp_tw_reuse_delay_ms
from tcpcheck.tcp.sockets cimport (
    E_ADDRINUSE, E_ADDRNOTAVAIL, E_AGAIN, E_CONNRESET, E_INVAL, E_NOTCONN, E_PIPE, config_of,
    find_listener, find_tuple, orphans_full, receive_window, replace_bucket, report_error, rule, rule_host,
    set_state, sock_alloc, sock_free, to_closed,
)
from tcpcheck.tcp.types cimport (
    SK_BUCKET, SK_DEAD, SK_FULL, SK_LISTENER, SK_REQUEST, ST_CLOSE_WAIT, ST_CLOSING,
    ST_ESTABLISHED, ST_FIN_WAIT1, ST_FIN_WAIT2, ST_LAST_ACK, ST_LISTEN, ST_SYN_RECV, ST_SYN_SENT, ST_TIME_WAIT,
    TS_OUTDATED, Config, Seg, Sock, Stack,
)

cdef int64_t MS = 1000000
cdef int64_t SECOND = 1000000000
cdef enum:
    PORT_FIRST = 32768              # ip_local_port_range
    PORT_LAST = 60999


# ---- passive open ------------------------------------------------------------------------------------------

cdef int tcp_listen(Stack* t, int host, int port, int backlog) noexcept nogil:
    """RFC 9293 3.9.1.1 (passive OPEN); inet_csk_listen_start. Slot; -EADDRINUSE: a listener has the port."""
    cdef const Config* c = t.cfg[host]
    cdef Sock* s
    cdef int sock
    if find_listener(t, host, port) >= 0:
        return -E_ADDRINUSE
    sock = sock_alloc(t)
    if sock < 0:
        return -E_INVAL
    s = &t.sock[sock]
    s.kind = SK_LISTENER
    s.state = ST_LISTEN
    s.host = <uint8_t>host
    s.lport = <uint16_t>port
    s.bound = 1
    s.fd = 1
    s.rcv_buf = c.rcv_buf
    s.backlog = <uint16_t>(backlog if backlog < c.somaxconn else c.somaxconn)
    rule(t, sock, R_LISTEN_OPENED)
    return sock


cdef int tcp_accept(Stack* t, int listener) noexcept nogil:
    """inet_csk_accept: the oldest child, be it dead already."""
    cdef int i, child = -1
    for i in range(t.top):
        if t.sock[i].acceptable and t.sock[i].parent == listener:
            if t.sock[i].accept_order == 0:
                child = i
    if child < 0:
        return -E_AGAIN
    for i in range(t.top):
        if t.sock[i].acceptable and t.sock[i].parent == listener and i != child:
            t.sock[i].accept_order -= 1
    t.sock[child].acceptable = 0
    t.sock[child].accept_order = 0
    t.sock[child].parent = -1
    t.sock[child].fd = 1
    rule(t, child, R_ACCEPT_DEAD_CHILD if t.sock[child].kind == SK_DEAD else R_ACCEPT_CHILD)
    return child


# ---- active open -------------------------------------------------------------------------------------------

cdef int rested_long_enough(Stack* t, int bucket) noexcept nogil:
    """tcp_twsk_unique's clock: seconds since the last timestamp; from 6.14 on milliseconds of TIME-WAIT."""
    cdef const Config* c = config_of(t, bucket)
    cdef Sock* s = &t.sock[bucket]
    cdef int clk = s.ts_stamp_clk if c.tw_reuse_rule < 2 and s.ts_stamp_clk != 0 else s.tw_clk
    cdef int64_t delay = tcp_tw_reuse_delay_ms(c) * MS
    if c.tw_reuse_rule < 2 and s.has_ts_recent == TS_OUTDATED:
        return 1
    if clk == 0 and t.sym.timed:
        return 1                    # forgotten because it is old
    if c.tw_reuse_rule == 0:
        return elapsed(t, clk, SECOND, 2 * SECOND)
    if c.tw_reuse_rule == 1:
        return elapsed(t, clk, 0, SECOND)
    return elapsed(t, clk, delay, delay + MS)


cdef int bucket_reusable(Stack* t, int bucket, int autobind) noexcept nogil:
    """tcp_twsk_unique: timestamps make it safe. A port bound explicitly asks for nothing else."""
    cdef const Config* c = config_of(t, bucket)
    cdef Sock* s = &t.sock[bucket]
    if not c.linux_tw_reuse_isn or not s.ts_ok:
        return 0
    if not autobind:
        return 1
    if tcp_tw_reuse(c) == 0 or (tcp_tw_reuse(c) == 2 and s.host != s.peer):
        return 0
    if s.state != ST_TIME_WAIT:
        return c.fw2_bucket_reuse
    return rested_long_enough(t, bucket)


cdef int local_port(Stack* t, int host, int peer, int rport, int lport, int* bucket) noexcept nogil:
    """A port whose 4-tuple is free or held by a bucket that may be taken over (*bucket, else -1); or -errno.

    Autobind takes the lowest such port; the kernel starts at a random one, so it may also pass a reusable bucket by."""
    cdef int port, at
    bucket[0] = -1
    if lport != 0:
        if find_listener(t, host, lport) >= 0:
            return -E_ADDRINUSE
        at = find_tuple(t, host, peer, lport, rport)
        if at >= 0 and (t.sock[at].kind != SK_BUCKET or not bucket_reusable(t, at, 0)):
            return -E_ADDRNOTAVAIL
        bucket[0] = at
        return lport
    for port in range(PORT_FIRST, PORT_LAST + 1):
        if find_listener(t, host, port) >= 0:
            continue
        at = find_tuple(t, host, peer, port, rport)
        if at < 0:
            return port
        if t.sock[at].kind == SK_BUCKET and bucket_reusable(t, at, 1) and choose(t.sym.ch, 2, CHOOSE_FATE) == 0:
            bucket[0] = at
            return port
    return -E_ADDRNOTAVAIL


cdef int take_over(Stack* t, int bucket, Num* iss) noexcept nogil:
    """The new connection starts beyond all that the old one can have sent, and echoes its last timestamp."""
    cdef Sock old = t.sock[bucket]
    cdef int sock = replace_bucket(t, bucket)
    if sock < 0:
        return -1
    iss[0] = num_add(old.snd_nxt, 65537)
    t.sock[sock].has_ts_recent = old.has_ts_recent
    t.sock[sock].ts_recent = old.ts_recent
    t.sock[sock].ts_recent_at = old.ts_recent_at
    t.sock[sock].ts_recent_answer = old.ts_recent_answer
    t.sock[sock].ts_recent_inc = old.ts_recent_inc
    t.sock[sock].ts_stamp_clk = old.ts_stamp_clk
    rule(t, sock, R_CONNECT_REUSES_BUCKET)
    return sock


cdef void open_active(Stack* t, int sock, Num iss, const ConnectOpts* o) noexcept nogil:
    """The fields of a socket in SYN-SENT (tcp_connect_init)."""
    cdef Sock* s = &t.sock[sock]
    cdef const Config* c = t.cfg[s.host]
    cdef Seg first
    if t.inc_next < 255:
        t.inc_next += 1
    s.kind = SK_FULL
    s.inc = t.inc_next
    s.fd = 1
    s.iss = iss
    s.snd_una = iss
    s.snd_nxt = num_add(iss, 1)
    s.rcv_buf = first_window(c.rcv_buf, c.mss, s.has_ts_recent)
    s.rcv_wnd = s.rcv_buf
    s.rcv_wscale = <uint8_t>(c.rcv_wscale + 1)
    s.mss = <uint16_t>c.mss
    s.sack_ok = tcp_sack(c) != 0
    s.ts_ok = tcp_timestamps(c) != 0
    s.ts_linked = c.ts_linked
    s.ts_key = timestamp_key(t, s.host, s.peer, s.lport, s.rport)
    if o != NULL and o.ts_any:
        s.ts_key = o.ts_key
    if s.ts_ok and c.tsecr_compared:
        s.syn_tsval = num_read_at(&t.sym, read_tsval(t, sock, &first), 0)
    set_state(t, sock, ST_SYN_SENT)
    s.syn_clk = <uint8_t>clock_start(&t.sym)


cdef int tcp_connect(Stack* t, int host, int peer, int rport, int lport, const ConnectOpts* o) noexcept nogil:
    """RFC 9293 3.10.1 (active OPEN); inet_hash_connect, tcp_connect. A SYN that the own firewall takes goes unnoticed."""
    cdef int bucket, sock, port = local_port(t, host, peer, rport, lport, &bucket)
    cdef Num iss
    if port < 0:
        rule_host(t, host, -1, R_CONNECT_TUPLE_TAKEN if lport != 0 else R_CONNECT_NO_PORT)
        return port
    sock = sock_alloc(t) if bucket < 0 else take_over(t, bucket, &iss)
    if sock < 0:
        return -E_INVAL
    t.sock[sock].host = <uint8_t>host
    t.sock[sock].peer = <uint8_t>peer
    t.sock[sock].lport = <uint16_t>port
    t.sock[sock].rport = <uint16_t>rport
    t.sock[sock].bound = lport != 0
    if o != NULL and o.has_seq:
        iss = o.seq
    elif bucket < 0:
        iss = choose_isn(t, host, peer, port, rport)
    open_active(t, sock, iss, o)
    rule(t, sock, R_CONNECT_SYN)
    send_syn(t, sock)
    arm_rto(t, sock)
    return sock


cdef int take_error(Stack* t, int sock) noexcept nogil:
    """sock_error: the pending errno is told once."""
    cdef int errno = t.sock[sock].so_error
    t.sock[sock].so_error = 0
    return errno


cdef int tcp_connected(Stack* t, int sock) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    if s.kind == SK_FULL and (s.state == ST_SYN_SENT or s.state == ST_SYN_RECV):
        return -E_AGAIN
    if s.kind == SK_DEAD and s.so_error != 0:
        return -take_error(t, sock)
    return 0


# ---- data --------------------------------------------------------------------------------------------------

cdef int tcp_send(Stack* t, int sock, int n) noexcept nogil:
    """RFC 9293 3.10.2; tcp_sendmsg_locked. The send buffer has no end here."""
    cdef Sock* s = &t.sock[sock]
    if s.kind == SK_FULL and (s.state == ST_SYN_SENT or s.state == ST_SYN_RECV):
        return -E_AGAIN
    if s.so_error != 0:
        rule(t, sock, R_SEND_ERROR)
        return -take_error(t, sock)
    if s.kind != SK_FULL or s.fin_queued or (s.state != ST_ESTABLISHED and s.state != ST_CLOSE_WAIT):
        rule(t, sock, R_SEND_BROKEN_PIPE)
        return -E_PIPE
    rule(t, sock, R_SEND_QUEUED)
    s.unsent += n
    push_pending(t, sock)
    return n


cdef int ack_on_read(Stack* t, int sock) noexcept nogil:
    """tcp_cleanup_rbuf: an owed ACK goes when the queue is empty, unless the connection is in ping-pong mode (not kept:
    sure only before anything was sent, and after a FIN)."""
    cdef Sock* s = &t.sock[sock]
    cdef int64_t d = 0
    if not s.ack_pending or s.rcv_queued > 0 or s.fin_rcvd:
        return 0
    if diff_known(&t.sym, s.snd_nxt, s.iss, &d) and d == 1:
        return 1
    return choose(t.sym.ch, 2, CHOOSE_FATE) == 0


cdef int window_opens(Stack* t, int sock) noexcept nogil:
    """RFC 9293 3.8.6.2.2: an update is worth a segment when it at least doubles the window."""
    cdef Sock* s = &t.sock[sock]
    cdef int32_t left = receive_window(t, sock), wide
    if s.fin_rcvd or 2 * left > s.rcv_buf:
        return 0
    wide = select_window(t, sock)
    return wide > 0 and wide >= 2 * left


cdef void after_read(Stack* t, int sock) noexcept nogil:
    if t.sock[sock].kind != SK_FULL:
        return
    if ack_on_read(t, sock):
        send_ack(t, sock)
    elif window_opens(t, sock):
        rule(t, sock, R_WINDOW_UPDATE)
        send_ack(t, sock)


cdef int tcp_recv(Stack* t, int sock, int n) noexcept nogil:
    """RFC 9293 3.10.3; tcp_recvmsg_locked: bytes, then end of file, then the pending error; after that end of file."""
    cdef Sock* s = &t.sock[sock]
    cdef int got
    if s.kind == SK_LISTENER or (s.eof_read == EOF_NEVER and s.so_error == 0):
        return -E_NOTCONN
    if s.rcv_queued > 0:
        got = s.rcv_queued if n < 0 or n > s.rcv_queued else n
        s.rcv_queued -= got
        rule(t, sock, R_RECV_DATA)
        after_read(t, sock)
        return got
    if not s.fin_rcvd and s.so_error != 0:
        rule(t, sock, R_RECV_ERROR)
        return -take_error(t, sock)
    if s.fin_rcvd or s.rd_shut or s.kind != SK_FULL:
        if s.fin_rcvd or s.kind != SK_FULL:
            s.eof_read = EOF_READ
        rule(t, sock, R_RECV_EOF)
        return 0
    return -E_AGAIN


# ---- shutdown, close, abort --------------------------------------------------------------------------------

cdef int fin_follows(Stack* t, int sock) noexcept nogil:
    """tcp_close_state, tcp_send_fin: from these states a FIN is due. 0: nothing to send."""
    cdef Sock* s = &t.sock[sock]
    if s.state == ST_SYN_RECV:
        s.rtx_clk = s.syn_clk           # the SYN's time goes on to count (tp->retrans_stamp)
    if s.state == ST_ESTABLISHED or s.state == ST_SYN_RECV:
        set_state(t, sock, ST_FIN_WAIT1)
    elif s.state == ST_CLOSE_WAIT:
        set_state(t, sock, ST_LAST_ACK)
    else:
        return 0
    s.fin_queued = 1
    return 1


cdef void tcp_shutdown_read(Stack* t, int sock) noexcept nogil:
    """RCV_SHUTDOWN: nothing is sent. New text still comes in, but in FIN-WAIT it is answered by a reset. In SYN-SENT any
    shutdown() gives up."""
    if t.sock[sock].kind != SK_FULL:
        return
    if t.sock[sock].state == ST_SYN_SENT:
        shutdown_opening(t, sock)
    else:
        t.sock[sock].rd_shut = 1


cdef void shutdown_opening(Stack* t, int sock) noexcept nogil:
    """inet_shutdown disconnects: what is left is a socket that was never connected, with an error for the next call."""
    rule(t, sock, R_CLOSE_NOT_OPEN)
    report_error(t, sock, E_CONNRESET)
    to_closed(t, sock)
    if t.sock[sock].kind == SK_DEAD:
        t.sock[sock].eof_read = EOF_NEVER


cdef void tcp_shutdown_write(Stack* t, int sock) noexcept nogil:
    """Half-close, RFC 9293 3.10.4; in SYN-SENT it gives up the attempt (inet_shutdown)."""
    if t.sock[sock].kind != SK_FULL:
        return
    if t.sock[sock].state == ST_SYN_SENT:
        shutdown_opening(t, sock)
    elif t.sock[sock].state == ST_SYN_RECV:
        t.sock[sock].fin_queued = 1         # the FIN follows when the handshake is over (tcp_shutdown)
    elif fin_follows(t, sock):
        rule(t, sock, R_SHUTDOWN_FIN)
        push_pending(t, sock)


cdef void close_listener(Stack* t, int listener) noexcept nogil:
    """inet_csk_listen_stop: children nobody accepted are reset, requests forgotten."""
    cdef int i
    for i in range(t.top):
        if t.sock[i].parent != listener:
            continue
        if t.sock[i].kind == SK_REQUEST:
            rule(t, i, R_CLOSE_LISTENER_REQUEST_GONE)
        elif t.sock[i].kind == SK_FULL:
            rule(t, i, R_CLOSE_LISTENER_CHILD_RST)
            send_active_reset(t, i)
        elif t.sock[i].kind != SK_DEAD:
            continue
        sock_free(t, i)
    rule(t, listener, R_CLOSE_LISTENER)
    sock_free(t, listener)


cdef void reset_and_forget(Stack* t, int sock, int r) noexcept nogil:
    rule(t, sock, r)
    send_active_reset(t, sock)
    t.sock[sock].fd = 0
    to_closed(t, sock)


cdef void orphan_left(Stack* t, int sock) noexcept nogil:
    """The end of __tcp_close, once the descriptor is gone."""
    if t.sock[sock].state == ST_FIN_WAIT2:
        rule(t, sock, R_CLOSE_FIN_WAIT2)
        fin_wait2_orphan(t, sock, 0)
    if t.sock[sock].kind == SK_FULL and orphans_full(t, sock):
        reset_and_forget(t, sock, R_ORPHANS_FULL)


cdef void close_full(Stack* t, int sock) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    s.so_error = 0
    if s.fin_rcvd and not s.eof_read:
        s.eof_read = EOF_PURGED     # the receive queue goes, and with it a FIN that nobody has read
    if s.rcv_queued > 0:
        reset_and_forget(t, sock, R_CLOSE_UNREAD_RST)
    elif s.state == ST_SYN_SENT:
        rule(t, sock, R_CLOSE_NOT_OPEN)
        s.fd = 0
        to_closed(t, sock)
    else:
        if fin_follows(t, sock):
            rule(t, sock, R_CLOSE_FIN)
            push_pending(t, sock)
        s.fd = 0
        orphan_left(t, sock)


cdef void tcp_close(Stack* t, int sock) noexcept nogil:
    """RFC 9293 3.10.4; __tcp_close. The descriptor is gone afterwards, whatever becomes of the connection."""
    cdef Sock* s = &t.sock[sock]
    if s.kind == SK_LISTENER:
        close_listener(t, sock)
    elif s.kind == SK_FULL:
        close_full(t, sock)
    elif s.kind == SK_DEAD:
        sock_free(t, sock)
    elif s.kind == SK_BUCKET:
        s.fd = 0
        s.rcv_queued = 0
        s.eof_read = 0
        s.so_error = 0


cdef int needs_reset(Stack* t, int sock) noexcept nogil:
    """tcp_disconnect: the states in which the peer still expects something."""
    cdef Sock* s = &t.sock[sock]
    if s.state == ST_LAST_ACK or s.state == ST_CLOSING:
        return s.unsent > 0 or not s.fin_sent
    return (
        s.state == ST_ESTABLISHED or s.state == ST_CLOSE_WAIT or s.state == ST_FIN_WAIT1 or s.state == ST_FIN_WAIT2
        or s.state == ST_SYN_RECV
    )


cdef void tcp_abort(Stack* t, int sock) noexcept nogil:
    """RFC 9293 3.10.5; close() with SO_LINGER {1, 0}."""
    cdef Sock* s = &t.sock[sock]
    if s.kind != SK_FULL:
        tcp_close(t, sock)
    elif s.rcv_queued > 0:
        reset_and_forget(t, sock, R_CLOSE_UNREAD_RST)
    elif needs_reset(t, sock):
        reset_and_forget(t, sock, R_ABORT_RST)
    else:
        rule(t, sock, R_ABORT_SILENT)
        s.fd = 0
        to_closed(t, sock)
