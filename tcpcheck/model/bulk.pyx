"""A bulk transfer: both ends' numbers move by N in the time that N bytes take, and stop where that matters.

Its first segment is an ordinary send(). The others are not followed: none is lost, copied or late, each is acknowledged,
and what arrives is read at once. What can meet it are segments that were on their way before it began: the numbers go
round, and an old one fits again. So the transfer may be looked at just when the receiver waits for the number that such a segment has (a
stop); between two stops nothing that arrives could fit. At a stop the sender has a window of text on its way.

compile_run.py makes pieces of at most 2^30 bytes, each an OP_BULK_START and an OP_BULK that sleeps. Of timestamps the
receiver keeps, until a piece is over, the one from its beginning: those that really come are newer, so PAWS lets more
pass here.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memset
from tcpcheck.model.layout cimport *
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport Num, age_allows, age_require, clock_start, diff_known, num_add, num_read_at
from tcpcheck.tcp.calls cimport tcp_send
from tcpcheck.tcp.checks cimport keep_timestamp, seg_length
from tcpcheck.tcp.keepalive cimport heard_text
from tcpcheck.tcp.output cimport read_tsval
from tcpcheck.tcp.sockets cimport E_NOTCONN, disarm, find_tuple, in_flight
from tcpcheck.tcp.types cimport (
    F_RST, SK_FULL, SLOT_DELACK, SLOT_RETRANS, ST_CLOSE_WAIT, ST_ESTABLISHED, ST_FIN_WAIT1, ST_FIN_WAIT2, Seg, Sock,
)

cdef enum:
    STOPS_MAX = 8
    WINDOW = 65535          # on its way at a stop, if the receiver's window allows so much
    SEGMENT = 1460

cdef int64_t MS = 1000000
cdef int64_t TURN = <int64_t>1 << 32


cdef int peer_of(Machine* m, int slot) noexcept nogil:
    """The other end, if it takes text; -1."""
    cdef Sock* s = &m.nxt.tcp.sock[slot]
    cdef Sock* r
    cdef int at = find_tuple(&m.nxt.tcp, s.peer, s.host, s.rport, s.lport)
    if at < 0 or at == slot:
        return -1
    r = &m.nxt.tcp.sock[at]
    if r.kind != SK_FULL or r.fin_rcvd:
        return -1
    return at if r.state == ST_ESTABLISHED or r.state == ST_FIN_WAIT1 or r.state == ST_FIN_WAIT2 else -1


cdef int ahead(Machine* m, int slot, int peer, int64_t* d) noexcept nogil:
    """By how much the receiver waits for more than the sender has sent. 0: the two do not belong together."""
    return diff_known(&m.nxt.tcp.sym, m.nxt.tcp.sock[peer].rcv_nxt, m.nxt.tcp.sock[slot].snd_una, d) and d[0] >= 0


cdef int can_send(Machine* m, int slot) noexcept nogil:
    cdef const Sock* s = &m.nxt.tcp.sock[slot]
    return slot >= 0 and s.kind == SK_FULL and not s.fin_queued and s.so_error == 0 and (
        s.state == ST_ESTABLISHED or s.state == ST_CLOSE_WAIT)


cdef int bulk_can_start(Machine* m, int slot) noexcept nogil:
    cdef int64_t d = 0
    cdef int r
    if not can_send(m, slot):
        return 1                        # the call fails
    r = peer_of(m, slot)
    if m.nxt.tcp.sock[slot].unsent > 0 or in_flight(&m.nxt.tcp, slot) > 0:
        return 0
    if r < 0:
        return 1
    return ahead(m, slot, r, &d) and d == 0 and m.nxt.tcp.sock[r].rcv_queued == 0 and not m.nxt.tcp.sock[r].nooo


cdef void bulk_start(Machine* m, int slot) noexcept nogil:
    """Each end keeps the other's first timestamp."""
    cdef int r = peer_of(m, slot) if can_send(m, slot) else -1
    if r < 0:
        return
    timestamp_arrives(m, slot, r)
    timestamp_arrives(m, r, slot)


cdef void timestamp_arrives(Machine* m, int slot, int peer) noexcept nogil:
    cdef Seg g
    memset(&g, 0, sizeof(Seg))
    if not m.nxt.tcp.sock[slot].ts_ok or not m.nxt.tcp.sock[peer].ts_ok:
        return
    g.inc = m.nxt.tcp.sock[slot].inc
    read_tsval(&m.nxt.tcp, slot, &g)
    if g.ts_now:                        # it is sent and read now
        g.tsval = num_read_at(&m.nxt.tcp.sym, g.tsval, clock_start(&m.nxt.tcp.sym))
    keep_timestamp(&m.nxt.tcp, &m.nxt.tcp.sock[peer], &g)


# ---- stops ---------------------------------------------------------------------------------------------------

cdef int64_t due(const Instr* i, int64_t bytes) noexcept nogil:
    """ns from the beginning of the piece until so many bytes of it have arrived."""
    return <int64_t>(<double>bytes * <double>i.lo / <double>i.b)


cdef int64_t soonest(const Instr* i, int64_t bytes) noexcept nogil:
    """An old segment fits as soon as the window reaches it; that is taken for the number itself."""
    return due(i, bytes - WINDOW if bytes > WINDOW else 0)


cdef int64_t late(int64_t ns) noexcept nogil:
    """A transfer is never quite even."""
    return ns + ns // 8 + MS


cdef int64_t remaining(Machine* m, const Instr* i, int p, int slot) noexcept nogil:
    """Bytes of the piece behind SND.UNA. After a stop Proc.got has the piece's end, counted from the ISS."""
    cdef const Sock* s = &m.nxt.tcp.sock[slot]
    cdef int64_t d = 0
    if m.nxt.proc[p].got == 0:
        return i.b
    diff_known(&m.nxt.tcp.sym, s.snd_una, s.iss, &d)
    return <int64_t>(<uint32_t>m.nxt.proc[p].got - <uint32_t>d)


cdef void remember_end(Machine* m, int p, int slot, int64_t rest) noexcept nogil:
    cdef const Sock* s = &m.nxt.tcp.sock[slot]
    cdef int64_t d = 0
    diff_known(&m.nxt.tcp.sym, s.snd_una, s.iss, &d)
    m.nxt.proc[p].got = <int32_t><uint32_t>(d + rest)
    if m.nxt.proc[p].got == 0:
        m.truncated = 1


cdef int fits(const Seg* g, const Sock* r) noexcept nogil:
    """Is it for this socket, and does its number matter?"""
    if g.dst != r.host or g.dport != r.lport or g.src != r.peer or g.sport != r.rport:
        return 0
    return seg_length(g) > 0 or g.flags & F_RST


cdef int stops(Machine* m, const Instr* i, int p, int slot, int64_t* at) noexcept nogil:
    """Bytes of the piece after which the receiver waits for what an old segment has, in order, each once."""
    cdef int r = peer_of(m, slot) if can_send(m, slot) else -1
    cdef int64_t d = 0, x = 0, done
    cdef int k, j, n = 0
    if r < 0 or not ahead(m, slot, r, &d):
        return 0
    done = i.b - remaining(m, i, p, slot)
    for k in range(m.nxt.nfly):
        if not fits(&m.nxt.fly[k].seg, &m.nxt.tcp.sock[r]):
            continue
        if not diff_known(&m.nxt.tcp.sym, m.nxt.fly[k].seg.seq, m.nxt.tcp.sock[r].rcv_nxt, &x):
            continue
        x += done + d + (TURN if x <= 0 else 0)
        if x > i.b or known(at, n, x):
            continue
        if n == STOPS_MAX:
            m.truncated = 1
            return n
        j = n
        while j > 0 and at[j - 1] > x:
            at[j] = at[j - 1]
            j -= 1
        at[j] = x
        n += 1
    return n


cdef int known(const int64_t* at, int n, int64_t x) noexcept nogil:
    cdef int j
    for j in range(n):
        if at[j] == x:
            return 1
    return 0


cdef int bulk_can_run(Machine* m, const Instr* i, int p, int slot) noexcept nogil:
    cdef int64_t[STOPS_MAX] at
    cdef int k, n = stops(m, i, p, slot, at)
    cdef int clk = m.nxt.proc[p].clk
    if age_allows(&m.nxt.tcp.sym, clk, i.lo, i.hi):
        return 2
    for k in range(n):
        if age_allows(&m.nxt.tcp.sym, clk, soonest(i, at[k]), late(due(i, at[k]))):
            return 2
    return 0


cdef int bulk_run(Machine* m, const Instr* i, int p, int slot, int* result) noexcept nogil:
    cdef int64_t[STOPS_MAX] at
    cdef int n = stops(m, i, p, slot, at)
    cdef int k = choose(m.ch, n + 1, CHOOSE_FATE)
    cdef int clk = m.nxt.proc[p].clk
    cdef int64_t left = remaining(m, i, p, slot) if slot >= 0 else 0
    if k > 0:
        age_require(&m.nxt.tcp.sym, clk, soonest(i, at[k - 1]), late(due(i, at[k - 1])))
        moved(m, slot, at[k - 1] - (i.b - left), i.b - at[k - 1])
        remember_end(m, p, slot, i.b - at[k - 1])
        return 0
    age_require(&m.nxt.tcp.sym, clk, i.lo, i.hi)
    result[0] = i.b
    if not moved(m, slot, left, 0):     # the call fails, or what is left is sent to nobody: as one segment
        left = left if 0 < left < SEGMENT else SEGMENT
        result[0] = -E_NOTCONN if slot < 0 else tcp_send(&m.nxt.tcp, slot, <int>left)
    return 1


cdef int moved(Machine* m, int slot, int64_t n, int64_t rest) noexcept nogil:
    """The transfer has gone on by n bytes, with `rest` to follow. 0: there is no transfer any more."""
    cdef int r = peer_of(m, slot) if can_send(m, slot) else -1
    cdef Sock* s = &m.nxt.tcp.sock[slot]
    cdef Sock* k
    cdef Num end
    cdef int64_t d = 0, beyond
    cdef int64_t out = rest if rest < WINDOW else WINDOW
    if r < 0 or not ahead(m, slot, r, &d) or d > n:
        return 0
    k = &m.nxt.tcp.sock[r]
    end = s.snd_una
    end.off += n                        # not num_add(): a concrete number counts on, too
    k.rcv_nxt = end
    k.rcv_wup = end
    k.snd_wl1 = end
    k.rcv_queued = 0
    k.nooo = 0
    k.ack_pending = 0
    k.got_data = 1
    k.quickack = k.pingpong = 0
    disarm(&m.nxt.tcp, r, SLOT_DELACK)
    heard_text(&m.nxt.tcp, r)
    s.snd_una = end
    s.snd_nxt = num_add(end, out if out < s.snd_wnd else s.snd_wnd)
    s.bytes_acked = s.max_window        # as much as the bound of old ACKs looks back (tcp_ack)
    s.keep_probes = 0
    s.pingpong = s.quickack > 0
    s.unsent = 0
    s.tail_len = 0
    s.has_snd_sml = 0
    s.retries = 0
    s.backoff = 0
    s.tlp_done = 0
    disarm(&m.nxt.tcp, slot, SLOT_RETRANS)
    heard_text(&m.nxt.tcp, slot)
    if diff_known(&m.nxt.tcp.sym, s.snd_una, s.iss, &beyond) and beyond == 0:
        m.truncated = 1                 # just there a socket looks as if its SYN were not acknowledged
    return 1
