"""Sockets as such: slots, look-up, states, timers, and the effects of a step. No segment is sent here."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from tcpcheck.sym.number cimport BASE_PAST, MODE_SEARCH, Num, age_allows, clock_start, diff_known
from tcpcheck.tcp.settings cimport tcp_invalid_ratelimit_ms, tcp_max_orphans, tcp_tw_reuse_delay_ms
from tcpcheck.tcp.types cimport (
    EF_DIED, EF_MERGED, EF_RULE, EFFECTS_MAX, SLOT_DELACK, SOCKS_MAX, SK_BUCKET, SK_DEAD, SK_FREE,
    SK_FULL, SK_LISTENER, SK_REQUEST, ST_CLOSED, ST_CLOSE_WAIT, ST_SYN_RECV, ST_SYN_SENT,
    ST_TIME_WAIT, TLP_AGAIN, TLP_NEW, TM_PERSIST, TS_OUTDATED, Config, Effect, Seg, Sock, Stack, Timer,
)

cdef int64_t MS = 1000000


cdef uint64_t tuple_key(int kind, int host, int peer, int lport, int rport) noexcept nogil:
    """Fields side by side, so different constants cannot collide; kinds from 16 on are the model's."""
    cdef uint64_t ports = (<uint64_t>lport << 16) | <uint64_t>rport
    return (<uint64_t>kind << 56) | (<uint64_t>host << 48) | (<uint64_t>peer << 40) | ports


# ---- effects -----------------------------------------------------------------------------------------------

cdef Effect* effect(Stack* t, int kind, int host, int sock, int32_t arg) noexcept nogil:
    cdef Effect* e
    if t.fx.n >= EFFECTS_MAX:
        t.sym.ch.overflow = 1
        return NULL
    e = &t.fx.e[t.fx.n]
    t.fx.n += 1
    e.kind = <uint8_t>kind
    e.host = host
    e.sock = sock
    e.arg = arg
    e.uid = t.sock[sock].uid if sock >= 0 else 0
    return e


cdef void rule_host(Stack* t, int host, int sock, int r) noexcept nogil:
    effect(t, EF_RULE, host, sock, r)


cdef void rule(Stack* t, int sock, int r) noexcept nogil:
    effect(t, EF_RULE, t.sock[sock].host if sock >= 0 else -1, sock, r)


# ---- slots -------------------------------------------------------------------------------------------------

cdef void sock_clear(Sock* s) noexcept nogil:
    memset(s, 0, sizeof(Sock))
    s.parent = -1
    s.binding = -1


cdef void stack_init(Stack* t) noexcept nogil:
    cdef int i
    memset(t, 0, sizeof(Stack))
    for i in range(SOCKS_MAX):
        sock_clear(&t.sock[i])


cdef int died_in_this_step(const Stack* t, int sock) noexcept nogil:
    cdef int i
    for i in range(t.fx.n):
        if t.fx.e[i].kind == EF_DIED and t.fx.e[i].sock == sock:
            return 1
    return 0


cdef int sock_alloc(Stack* t) noexcept nogil:
    """A slot is a socket's identity, so one that was freed in this step waits until the next."""
    cdef int i
    for i in range(SOCKS_MAX):
        if t.sock[i].kind == SK_FREE and not died_in_this_step(t, i):
            sock_clear(&t.sock[i])
            t.top = max(t.top, <uint8_t>(i + 1))
            t.next_uid += t.sym.mode != MODE_SEARCH        # no part of a state that is searched
            t.sock[i].uid = t.next_uid
            return i
    t.sym.ch.overflow = 1
    return -1


cdef void sock_free(Stack* t, int sock) noexcept nogil:
    effect(t, EF_DIED, t.sock[sock].host, sock, 0)
    sock_clear(&t.sock[sock])


cdef int replace_bucket(Stack* t, int bucket) noexcept nogil:
    cdef Sock* old = &t.sock[bucket]
    cdef Sock* s
    cdef int sock = sock_alloc(t)
    if sock < 0:
        return -1
    s = &t.sock[sock]
    s.host = old.host
    s.peer = old.peer
    s.lport = old.lport
    s.rport = old.rport
    effect(t, EF_MERGED, s.host, sock, bucket)
    to_closed(t, bucket)
    return sock


cdef const Config* config_of(Stack* t, int sock) noexcept nogil:
    return t.cfg[t.sock[sock].host]


# ---- look-up -----------------------------------------------------------------------------------------------

cdef int find_tuple(Stack* t, int host, int peer, int lport, int rport) noexcept nogil:
    cdef int i
    cdef const Sock* s
    for i in range(t.top):
        s = &t.sock[i]
        if s.kind != SK_REQUEST and s.kind != SK_FULL and s.kind != SK_BUCKET:
            continue
        if s.host == host and s.lport == lport and s.rport == rport and s.peer == peer:
            return i
    return -1


cdef int find_listener(Stack* t, int host, int port) noexcept nogil:
    cdef int i
    for i in range(t.top):
        if t.sock[i].kind == SK_LISTENER and t.sock[i].host == host and t.sock[i].lport == port:
            return i
    return -1


cdef int lookup(Stack* t, int host, const Seg* seg) noexcept nogil:
    cdef int i = find_tuple(t, host, seg.src, seg.dport, seg.sport)
    if i >= 0:
        return i
    return find_listener(t, host, seg.dport)


cdef int accept_queue_len(Stack* t, int listener) noexcept nogil:
    cdef int i, n = 0
    for i in range(t.top):
        if t.sock[i].kind != SK_FREE and t.sock[i].acceptable and t.sock[i].parent == listener:
            n += 1
    return n


cdef int request_count(Stack* t, int listener) noexcept nogil:
    cdef int i, n = 0
    for i in range(t.top):
        if t.sock[i].kind == SK_REQUEST and t.sock[i].parent == listener:
            n += 1
    return n


cdef void queue_for_accept(Stack* t, int child) noexcept nogil:
    cdef Sock* s = &t.sock[child]
    s.accept_order = <uint8_t>accept_queue_len(t, s.parent)
    s.acceptable = 1


# ---- states ------------------------------------------------------------------------------------------------

cdef void set_state(Stack* t, int sock, int state) noexcept nogil:
    t.sock[sock].state = <uint8_t>state


cdef int is_orphan(const Sock* s) noexcept nogil:
    return s.fd == 0 and s.parent < 0


cdef int orphans_full(Stack* t, int sock) noexcept nogil:
    """tcp_check_oom. Newer kernels look at a count that may be 100 ms old; here it is exact."""
    cdef int i, n = 0
    for i in range(t.top):
        if t.sock[i].kind == SK_FULL and t.sock[i].host == t.sock[sock].host and is_orphan(&t.sock[i]):
            n += 1
    return n > tcp_max_orphans(config_of(t, sock))


cdef void to_closed(Stack* t, int sock) noexcept nogil:
    """tcp_done; the receive queue outlives it, as long as somebody can read it."""
    cdef Sock* s = &t.sock[sock]
    cdef Sock old = s[0]
    if is_orphan(s) or (s.kind == SK_REQUEST and not s.fd):
        sock_free(t, sock)
        return
    sock_clear(s)
    s.kind = SK_DEAD
    s.state = ST_CLOSED
    s.host = old.host
    s.peer = old.peer
    s.lport = old.lport
    s.rport = old.rport
    s.inc = old.inc
    s.parent = old.parent
    s.acceptable = old.acceptable
    s.accept_order = old.accept_order
    s.fd = old.fd
    s.bound = old.bound
    s.fin_queued = old.fin_queued
    s.rcv_queued = old.rcv_queued
    s.fin_rcvd = old.fin_rcvd
    s.eof_read = old.eof_read
    s.so_error = old.so_error
    s.binding = old.binding
    s.uid = old.uid


cdef void report_error(Stack* t, int sock, int errno) noexcept nogil:
    if not is_orphan(&t.sock[sock]):
        t.sock[sock].so_error = <uint8_t>errno


cdef void reset_by_peer(Stack* t, int sock) noexcept nogil:
    """tcp_reset: a reset after the peer's FIN is EPIPE, since what the application would still do is write."""
    cdef int errno = E_CONNRESET
    if t.sock[sock].state == ST_SYN_SENT:
        errno = E_CONNREFUSED
    elif t.sock[sock].state == ST_CLOSE_WAIT:
        errno = E_PIPE
    report_error(t, sock, errno)
    to_closed(t, sock)


# ---- what follows from a socket's numbers ------------------------------------------------------------------

cdef inline int alike(const Stack* t, Num a, Num b) noexcept nogil:
    """Do they differ in nothing but their offsets, and is what they share a number that has been read?"""
    return a.base == b.base and a.rd == b.rd and a.base < BASE_PAST and (
        a.rd or not (t.sym.base[a.base].linked and t.sym.base[a.base].tick > 0))


cdef int32_t distance(Stack* t, Num a, Num b) noexcept nogil:
    """Of two numbers of one socket, which have one base. Else a table has overflowed: the search must not conclude."""
    cdef int64_t d = 0
    if alike(t, a, b):
        return <int32_t>(a.off - b.off)
    if not diff_known(&t.sym, a, b, &d):
        t.sym.ch.overflow = 1
        return 0
    return <int32_t>d


cdef int32_t in_flight(Stack* t, int sock) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    return distance(t, s.snd_nxt, s.snd_una)


cdef int32_t receive_window(Stack* t, int sock) noexcept nogil:
    """Buckets and requests offer a window that does not move."""
    cdef Sock* s = &t.sock[sock]
    cdef int32_t left
    if s.kind != SK_FULL:
        return s.rcv_wnd
    left = s.rcv_wnd - distance(t, s.rcv_nxt, s.rcv_wup)
    return left if left > 0 else 0


# ---- timers ------------------------------------------------------------------------------------------------

cdef void arm(Stack* t, int sock, int slot, int kind, int64_t lo, int64_t hi) noexcept nogil:
    cdef Timer* m = &t.sock[sock].timer[slot]
    cdef int64_t early = config_of(t, sock).timer_early_ns
    m.kind = <uint8_t>kind
    m.clk = <uint8_t>clock_start(&t.sym)
    m.lo = lo - early if lo > early else 0
    m.hi = hi


cdef int64_t wheel_latest(int64_t ns, int64_t jiffy) noexcept nogil:
    """When a timer of ns has fired at the latest: the next granule of its level. Level n of the kernel's wheel is for
    less than 63 * 8^n jiffies and turns every 8^n."""
    cdef int64_t n = ns // jiffy + 1, granule = 1
    while n >= 63 * granule:
        granule *= 8
    return ns + granule * jiffy


cdef void arm_between(Stack* t, int sock, int slot, int kind, int64_t lo, int64_t hi) noexcept nogil:
    """Never early; late by up to one granule: an eighth and a jiffy or, at the edge of a level, a little more."""
    cdef const Config* c = config_of(t, sock)
    cdef int64_t latest = hi + c.jiffy_ns, turn
    if c.linux_timers:
        latest += hi // 8
        turn = wheel_latest(hi, c.jiffy_ns)
        latest = turn if turn > latest else latest
    arm(t, sock, slot, kind, lo, latest)


cdef void arm_nominal(Stack* t, int sock, int slot, int kind, int64_t nominal) noexcept nogil:
    arm_between(t, sock, slot, kind, nominal, nominal)


cdef void disarm(Stack* t, int sock, int slot) noexcept nogil:
    memset(&t.sock[sock].timer[slot], 0, sizeof(Timer))


# ---- forgetting --------------------------------------------------------------------------------------------

cdef int surely_older(Stack* t, int clk, int64_t age) noexcept nogil:
    return clk != 0 and not age_allows(&t.sym, clk, 0, age - 1)


cdef void tidy_full(Stack* t, int sock) noexcept nogil:
    cdef Sock* s = &t.sock[sock]
    cdef int i
    if in_flight(t, sock) == 0:
        s.una_inside = 0
    if s.retries == 0 and not s.una_inside and s.rtt_known and not (s.user_timeout_ms and s.timer[0].kind == TM_PERSIST):
        s.rtx_clk = 0
    if s.state != ST_SYN_SENT and s.state != ST_SYN_RECV:
        s.syn_clk = 0
    if s.state != ST_SYN_SENT:
        memset(&s.syn_tsval, 0, sizeof(Num))
    s.req_answered = 0
    s.synack_span = 0
    s.synack_at = 0
    if s.bytes_acked > s.max_window:
        s.bytes_acked = s.max_window
    if s.has_snd_sml and distance(t, s.snd_sml, s.snd_una) <= 0:
        s.has_snd_sml = 0
    if not s.has_snd_sml:
        memset(&s.snd_sml, 0, sizeof(Num))
    if s.nooo == 0:
        s.dup_acks = 0
        s.ooo_fin = 0
    if s.tlp_done != TLP_AGAIN and s.tlp_done != TLP_NEW:
        memset(&s.tlp_high, 0, sizeof(Num))
    if not s.dsack:
        memset(&s.dsack_lo, 0, sizeof(Num))
        memset(&s.dsack_hi, 0, sizeof(Num))
    for i in range(s.nooo, 3):
        memset(&s.ooo_lo[i], 0, sizeof(Num))
        memset(&s.ooo_hi[i], 0, sizeof(Num))
    if not s.ack_pending:
        disarm(t, sock, SLOT_DELACK)


cdef void stack_tidy(Stack* t, uint32_t clean=0) noexcept nogil:
    cdef int i, rested
    cdef Sock* s
    cdef const Config* c
    for i in range(t.top):
        s = &t.sock[i]
        if clean >> i & 1 or s.kind == SK_FREE or s.kind == SK_LISTENER or s.kind == SK_DEAD:
            continue
        c = t.cfg[s.host]
        if surely_older(t, s.oow_clk, <int64_t>tcp_invalid_ratelimit_ms(c) * MS):
            s.oow_clk = 0
        rested = surely_older(t, s.tw_clk, <int64_t>tcp_tw_reuse_delay_ms(c) * MS)
        if s.kind != SK_BUCKET or s.state != ST_TIME_WAIT or rested:
            s.tw_clk = 0
        if not s.ts_ok and s.state != ST_SYN_SENT:
            s.has_ts_recent = 0
            s.ts_recent_inc = 0
            s.ts_recent_again = 0
            s.ts_recent_answer = 0
            s.ts_stamp_clk = 0
        if c.paws_idle_ns and surely_older(t, s.ts_stamp_clk, c.paws_idle_ns + c.jiffy_ns):
            s.has_ts_recent = TS_OUTDATED
            s.ts_stamp_clk = 0
        if not s.has_ts_recent:
            memset(&s.ts_recent, 0, sizeof(Num))
        if s.kind == SK_FULL:
            tidy_full(t, i)
