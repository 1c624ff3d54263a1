"""Canonical form and packed bytes of a World."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from tcpcheck.model.layout cimport (
    Bind, Flying, Machine, Pend, World, BIND_DEPTH, ORDINALS_MAX, PENDS_MAX,
    Tuple, VARS_MAX, VAR_NAMED,
)
from tcpcheck.sym.number cimport (
    BASE_PAST, BASE_UNKNOWN, BASES_MAX, Base, MODE_CONCRETE, Num, Sym, sym_prune, sym_select,
)
from tcpcheck.sym.zone cimport CLOCKS_MAX, zone_sup
from tcpcheck.tcp.sockets cimport stack_tidy
from tcpcheck.tcp.types cimport (
    EF_DIED, F_ACK, HOSTS_MAX, OOO_MAX, SK_FREE, SK_FULL, SLOTS, SOCKS_MAX, Seg, Sock,
)


# ---- sockets that ended, slots closed up

cdef void settle_deaths(Machine* m) noexcept nogil:
    cdef int i, b, k, s
    cdef World* w = &m.nxt
    for i in range(w.tcp.fx.n):
        if w.tcp.fx.e[i].kind != EF_DIED:
            continue
        s = w.tcp.fx.e[i].sock
        for b in range(m.t.nbind):
            for k in range(w.bind[b].n):
                # a name bound in this very step means the slot's new tenant
                if w.bind[b].slot[k] == s and k < m.cur.bind[b].n and m.cur.bind[b].slot[k] == s:
                    w.bind[b].slot[k] = -1
        if w.tcp.sock[s].kind == SK_FREE:
            w.owner[s] = 0
            memset(w.ordinal[s], 0, ORDINALS_MAX)


cdef void blank_socks(World* w, int first) noexcept nogil:
    """Slots from `first` on become blank. A slot freed by TCP has a parent of -1, a blank one is zero throughout: most
    are blank already, and there are many."""
    cdef int i
    for i in range(first, SOCKS_MAX):
        if w.tcp.sock[i].kind != SK_FREE or w.tcp.sock[i].parent != 0:
            memset(&w.tcp.sock[i], 0, sizeof(Sock))


cdef void close_up(Machine* m) noexcept nogil:
    """Move sockets down into free slots, so that a slot number says only who was there first."""
    cdef World* w = &m.nxt
    cdef int8_t to[SOCKS_MAX]
    cdef int i, k, n = 0
    for i in range(SOCKS_MAX):
        to[i] = -1
        if w.tcp.sock[i].kind == SK_FREE:
            continue
        to[i] = <int8_t>n
        if n != i:
            memcpy(&w.tcp.sock[n], &w.tcp.sock[i], sizeof(Sock))
            memset(&w.tcp.sock[i], 0, sizeof(Sock))
            w.owner[n] = w.owner[i]
            w.owner[i] = 0
            memcpy(w.ordinal[n], w.ordinal[i], ORDINALS_MAX)
            memset(w.ordinal[i], 0, ORDINALS_MAX)
        n += 1
    blank_socks(w, n)
    for i in range(n):
        if w.tcp.sock[i].parent >= 0:
            w.tcp.sock[i].parent = to[w.tcp.sock[i].parent]
    for i in range(m.t.nbind):
        for k in range(w.bind[i].n):
            if w.bind[i].slot[k] >= 0:
                w.bind[i].slot[k] = to[w.bind[i].slot[k]]
    for i in range(PENDS_MAX):
        if w.pend[i].claim:
            for k in range(m.t.claim[w.pend[i].claim - 1].ntrigger):
                if m.t.claim[w.pend[i].claim - 1].var[k].kind != VAR_NAMED and w.pend[i].var[k] >= 0:
                    w.pend[i].var[k] = to[w.pend[i].var[k]]


# ---- segments in flight: a multiset, or a queue for each direction

cdef void plain(Seg* s, int keep_tsecr) noexcept nogil:
    """Zero what the flags say is not there, and what nobody will look at."""
    if not s.flags & F_ACK:
        memset(&s.ack, 0, sizeof(Num))
    if not s.has_ts:
        memset(&s.tsval, 0, sizeof(Num))
        memset(&s.tsecr, 0, sizeof(Num))
        s.ts_now = 0
        s.ecr_inc = 0
    if not s.has_sack:
        memset(&s.sack_lo, 0, sizeof(Num))
        memset(&s.sack_hi, 0, sizeof(Num))
    if s.ecr_inc and s.tsecr.base and not keep_tsecr:
        memset(&s.tsecr, 0, sizeof(Num))      # who it echoes says it all, unless it is 0: see the TSecr test in tcp/
        if not s.ecr_not_zero:
            s.tsecr.base = BASE_UNKNOWN


cdef int64_t num_order(World* w, Num* a, Num* b) noexcept nogil:
    cdef uint64_t ka = 0 if a.base == 0 or a.base >= BASE_PAST else w.tcp.sym.base[a.base].key
    cdef uint64_t kb = 0 if b.base == 0 or b.base >= BASE_PAST else w.tcp.sym.base[b.base].key
    if ka != kb:
        return -1 if ka < kb else 1
    if a.base != b.base:
        return -1 if a.base < b.base else 1
    if a.off != b.off:
        return -1 if a.off < b.off else 1
    return <int64_t>a.rd - <int64_t>b.rd


cdef int64_t fly_order(World* w, Flying* a, Flying* b) noexcept nogil:
    """Negative: a comes first. By direction, queue place, content, then age."""
    cdef int64_t d
    d = <int64_t>a.seg.src - b.seg.src
    if d == 0: d = <int64_t>a.seg.dst - b.seg.dst
    if d == 0: d = <int64_t>a.rank - b.rank
    if d == 0: d = <int64_t>a.seg.sport - b.seg.sport
    if d == 0: d = <int64_t>a.seg.dport - b.seg.dport
    if d == 0: d = <int64_t>a.kind - b.kind
    if d == 0: d = <int64_t>a.seg.flags - b.seg.flags
    if d == 0: d = <int64_t>a.seg.inc - b.seg.inc
    if d == 0: d = <int64_t>a.seg.len - b.seg.len
    if d == 0: d = <int64_t>a.seg.wnd - b.seg.wnd
    if d == 0: d = num_order(w, &a.seg.seq, &b.seg.seq)
    if d == 0: d = num_order(w, &a.seg.ack, &b.seg.ack)
    if d == 0: d = <int64_t>a.seg.ecr_inc - b.seg.ecr_inc
    if d == 0: d = <int64_t>a.seg.ecr_not_zero - b.seg.ecr_not_zero
    if d == 0 and a.clk and b.clk:
        d = age_order(w, a.clk, b.clk)
    if d == 0: d = num_order(w, &a.seg.tsval, &b.seg.tsval)
    if d == 0: d = num_order(w, &a.seg.tsecr, &b.seg.tsecr)
    if d == 0: d = num_order(w, &a.seg.sack_lo, &b.seg.sack_lo)
    if d == 0: d = num_order(w, &a.seg.sack_hi, &b.seg.sack_hi)
    return d


cdef int64_t age_order(World* w, int a, int b) noexcept nogil:
    """Negative: a is the older. By their greatest ages, their least, then by what is known of their difference."""
    cdef int64_t d = zone_sup(&w.tcp.sym.z, b, 0) - zone_sup(&w.tcp.sym.z, a, 0)
    if d == 0: d = zone_sup(&w.tcp.sym.z, 0, a) - zone_sup(&w.tcp.sym.z, 0, b)
    if d == 0: d = zone_sup(&w.tcp.sym.z, b, a) - zone_sup(&w.tcp.sym.z, a, b)
    return d


cdef void sort_flying(Machine* m) noexcept nogil:
    cdef World* w = &m.nxt
    cdef Flying x
    cdef int i, j, keep_tsecr = m.t.keeps_tsecr or w.tcp.sym.mode == MODE_CONCRETE
    for i in range(w.nfly):
        plain(&w.fly[i].seg, keep_tsecr)
    for i in range(1, w.nfly):
        x = w.fly[i]
        j = i
        while j > 0 and fly_order(w, &x, &w.fly[j - 1]) < 0:
            w.fly[j] = w.fly[j - 1]
            j -= 1
        w.fly[j] = x
    j = 0
    for i in range(w.nfly):
        if i and (w.fly[i].seg.src != w.fly[i - 1].seg.src or w.fly[i].seg.dst != w.fly[i - 1].seg.dst):
            j = 0
        if w.fly[i].rank:
            j += 1
            w.fly[i].rank = <uint8_t>j


# ---- obligations: a multiset

cdef int64_t pend_order(World* w, const Pend* a, const Pend* b) noexcept nogil:
    """Negative: a comes first. By claim, sockets, then age; free places last."""
    cdef int64_t d
    cdef int k
    d = <int64_t>(a.claim == 0) - (b.claim == 0)
    if d == 0: d = <int64_t>a.claim - b.claim
    for k in range(VARS_MAX):
        if d == 0: d = <int64_t>a.var[k] - b.var[k]
    if d == 0 and a.clk and b.clk:
        d = age_order(w, a.clk, b.clk)
    return d


cdef void sort_pends(World* w) noexcept nogil:
    cdef Pend x
    cdef int i, j, n = PENDS_MAX
    while n > 0 and not w.pend[n - 1].claim:
        n -= 1
    for i in range(1, n):
        x = w.pend[i]
        j = i
        while j > 0 and pend_order(w, &x, &w.pend[j - 1]) < 0:
            w.pend[j] = w.pend[j - 1]
            j -= 1
        w.pend[j] = x


cdef inline int pends(const World* w) noexcept nogil:
    cdef int i, n = 0
    for i in range(PENDS_MAX):
        n += w.pend[i].claim != 0
    return n


# ---- every number and every clock of a World, in canonical order

cdef void seg_nums(Seg* s, NumFn f, void* arg) noexcept nogil:
    f(arg, &s.seq)
    f(arg, &s.ack)
    f(arg, &s.tsval)
    f(arg, &s.tsecr)
    f(arg, &s.sack_lo)
    f(arg, &s.sack_hi)


cdef void sock_nums(Sock* s, NumFn f, void* arg) noexcept nogil:
    cdef int i
    f(arg, &s.iss)
    f(arg, &s.snd_una)
    f(arg, &s.snd_nxt)
    f(arg, &s.irs)
    f(arg, &s.rcv_nxt)
    f(arg, &s.rcv_wup)
    for i in range(OOO_MAX):
        f(arg, &s.ooo_lo[i])
        f(arg, &s.ooo_hi[i])
    f(arg, &s.snd_wl1)
    f(arg, &s.snd_sml)
    f(arg, &s.tlp_high)
    f(arg, &s.dsack_lo)
    f(arg, &s.dsack_hi)
    f(arg, &s.ts_recent)
    f(arg, &s.syn_tsval)


cdef void each_num(Machine* m, World* w, NumFn f, void* arg) noexcept nogil:
    cdef int i
    for i in range(SOCKS_MAX):
        if w.tcp.sock[i].kind != SK_FREE:
            sock_nums(&w.tcp.sock[i], f, arg)
    for i in range(w.nfly):
        seg_nums(&w.fly[i].seg, f, arg)
    for i in range(m.t.nkept):
        if w.has_kept[i]:
            f(arg, &w.kept[i])
    for i in range(m.t.ncaught):
        if w.has_caught[i]:
            f(arg, &w.caught[i])
    for i in range(m.t.ncounted):
        if w.has_origin[i]:
            f(arg, &w.met[i])
            f(arg, &w.origin[i])


cdef void sock_clocks(Sock* s, ClockFn f, void* arg) noexcept nogil:
    cdef int i
    for i in range(SLOTS):
        f(arg, &s.timer[i].clk)
    f(arg, &s.rtx_clk)
    f(arg, &s.syn_clk)
    f(arg, &s.oow_clk)
    f(arg, &s.tw_clk)
    f(arg, &s.ts_stamp_clk)


cdef void each_clock(Machine* m, World* w, ClockFn f, void* arg) noexcept nogil:
    cdef int i
    for i in range(m.t.nproc):
        f(arg, &w.proc[i].clk)
    for i in range(SOCKS_MAX):
        if w.tcp.sock[i].kind != SK_FREE:
            sock_clocks(&w.tcp.sock[i], f, arg)
    for i in range(w.nfly):
        f(arg, &w.fly[i].clk)
    for i in range(PENDS_MAX):
        if w.pend[i].claim:
            f(arg, &w.pend[i].clk)
    f(arg, &w.horizon_clk)
    for i in range(m.t.nslept):
        f(arg, &w.slept_from[i])
        f(arg, &w.slept_to[i])


# ---- timestamps that nobody will miss

cdef int in_past(Machine* m, const Sock* s) noexcept nogil:
    """Was everything on its way to this socket sent no earlier than the tick of its ts_recent, on the same counter?"""
    cdef World* w = &m.nxt
    cdef const Seg* g
    cdef int i
    for i in range(w.nfly):
        g = &w.fly[i].seg
        if g.dst != s.host or g.dport != s.lport or g.src != s.peer or g.sport != s.rport or not g.has_ts:
            continue
        if g.tsval.base != s.ts_recent.base or not g.ts_now or zone_sup(&w.tcp.sym.z, w.fly[i].clk, s.ts_recent.rd) > 0:
            return 0
    return 1


cdef void forget_timestamps(Machine* m) noexcept nogil:
    """A full socket's ts_recent that no segment can be older than: PAWS passes whatever it is, and the next segment in
    order replaces it. Keeping only that it lies in the past saves a clock in most states. Buckets keep theirs."""
    cdef Sock* s
    cdef int i
    if m.t.exact or m.t.keeps_ts_recent or m.nxt.tcp.sym.mode == MODE_CONCRETE:
        return
    for i in range(SOCKS_MAX):
        s = &m.nxt.tcp.sock[i]
        if s.kind == SK_FULL and s.ts_ok and s.has_ts_recent and s.ts_recent.rd and in_past(m, s):
            s.ts_recent.off = <int64_t>m.nxt.tcp.sym.base[s.ts_recent.base].key
            s.ts_recent.base = BASE_PAST
            s.ts_recent.rd = 0


# ---- dropping and renaming

ctypedef struct Names:
    int nclock
    int nbase
    uint8_t keep[CLOCKS_MAX]        # old index of each clock kept, in order; [0] is the zero clock
    uint8_t clock_to[CLOCKS_MAX]
    uint8_t rd_alive[CLOCKS_MAX]
    uint8_t base_alive[BASES_MAX]
    uint8_t base_to[BASES_MAX]


cdef void note_clock(void* arg, uint8_t* clk) noexcept nogil:
    cdef Names* n = <Names*>arg
    if clk[0] and not n.clock_to[clk[0]]:
        n.keep[n.nclock] = clk[0]
        n.clock_to[clk[0]] = <uint8_t>n.nclock
        n.nclock += 1


cdef void note_num(void* arg, Num* x) noexcept nogil:
    cdef Names* n = <Names*>arg
    if x.base and x.base < BASE_PAST and not n.base_alive[x.base]:
        n.nbase += 1
        n.base_alive[x.base] = <uint8_t>n.nbase
    if x.rd:
        n.rd_alive[x.rd] = 1
        note_clock(arg, &x.rd)


cdef void rename_clock(void* arg, uint8_t* clk) noexcept nogil:
    clk[0] = (<Names*>arg).clock_to[clk[0]]


cdef void rename_num(void* arg, Num* x) noexcept nogil:
    if x.base and x.base < BASE_PAST:
        x.base = (<Names*>arg).base_to[x.base]
    x.rd = (<Names*>arg).clock_to[x.rd]


cdef int in_order(const Names* n, const Sym* s) noexcept nogil:
    """Does everything keep its name? In most steps nothing begins and nothing ends."""
    cdef int i
    if n.nclock != s.z.n or n.nbase + 1 != s.nbase:
        return 0
    for i in range(1, n.nclock):
        if n.keep[i] != i:
            return 0
    for i in range(1, s.nbase):
        if n.base_alive[i] != i:
            return 0
    return 1


cdef void rename_all(Machine* m) noexcept nogil:
    cdef World* w = &m.nxt
    cdef Names n
    cdef int same
    memset(&n, 0, sizeof(Names))
    n.nclock = 1
    if w.tcp.sym.timed:
        each_clock(m, w, note_clock, &n)
    each_num(m, w, note_num, &n)
    same = in_order(&n, &w.tcp.sym)
    sym_prune(&w.tcp.sym, n.base_alive, n.rd_alive, n.base_to)
    if same:
        return
    sym_select(&w.tcp.sym, n.keep, n.nclock)
    if w.tcp.sym.timed:
        each_clock(m, w, rename_clock, &n)
    each_num(m, w, rename_num, &n)


cdef void canonicalise(Machine* m) noexcept nogil:
    """m.nxt into canonical form. In a concrete re-run too: order matters there to nobody."""
    stack_tidy(&m.nxt.tcp)
    settle_deaths(m)
    close_up(m)
    sort_flying(m)
    sort_pends(&m.nxt)
    forget_timestamps(m)
    rename_all(m)


# ---- bytes

cdef enum:
    NUM_BYTES = 10              # off, base, rd: the rest of a Num is padding

cdef inline uint8_t* put(uint8_t* p, const void* src, size_t n) noexcept nogil:
    memcpy(p, src, n)
    return p + n


cdef inline const uint8_t* get(const uint8_t* p, void* dst, size_t n) noexcept nogil:
    memcpy(dst, p, n)
    return p + n


cdef void zero_padding(void* arg, Num* x) noexcept nogil:
    """Only the three fields count; what the compiler left behind them does not. Written only, not read: what has just
    been written in wide pieces cannot be read at once in narrow ones."""
    memset(<uint8_t*>&x.rd + 1, 0, sizeof(Num) - NUM_BYTES)


cdef inline uint8_t* put_num(uint8_t* p, const Num* x) noexcept nogil:
    memcpy(p, x, sizeof(Num))
    zero_padding(NULL, <Num*>p)
    return p + sizeof(Num)


cdef int32_t pack(Machine* m, const World* w, uint8_t* out) noexcept nogil:
    cdef uint8_t* p = out
    cdef int i, nsock = 0
    cdef Sock* s
    cdef Flying* f
    cdef uint8_t head[5]
    while nsock < SOCKS_MAX and w.tcp.sock[nsock].kind != SK_FREE:
        nsock += 1
    head[0] = <uint8_t>nsock
    head[1] = w.nfly
    head[2] = <uint8_t>w.tcp.sym.nbase
    head[3] = <uint8_t>w.tcp.sym.narc
    head[4] = <uint8_t>pends(w)
    p = put(p, head, 5)
    p = put(p, w.proc, m.t.nproc * sizeof(w.proc[0]))
    p = put(p, w.bind, m.t.nbind * sizeof(Bind))
    p = put(p, w.tcp.cfg_ix, HOSTS_MAX)
    p = put(p, &w.tcp.inc_next, 1)
    p = put(p, w.budget, m.t.nfault)
    p = put(p, &w.firewall, 4)
    for i in range(nsock):
        s = <Sock*>p
        p = put(p, &w.tcp.sock[i], sizeof(Sock))
        sock_nums(s, zero_padding, NULL)
        s.uid = 0
        p = put(p, &w.owner[i], 1)
        p = put(p, w.ordinal[i], m.t.nordinal)
    for i in range(w.nfly):
        f = <Flying*>p
        p = put(p, &w.fly[i], sizeof(Flying))
        seg_nums(&f.seg, zero_padding, NULL)
        f.uid = 0
    for i in range(m.t.nkept):
        p = put(p, &w.has_kept[i], 1)
        p = put_num(p, &w.kept[i])
    p = put(p, &w.down, 1)
    for i in range(m.t.ncaught):
        p = put(p, &w.has_caught[i], 1)
        p = put_num(p, &w.caught[i])
    for i in range(m.t.ncounted):
        p = put(p, &w.has_origin[i], 1)
        p = put_num(p, &w.met[i])
        p = put_num(p, &w.origin[i])
    for i in range(PENDS_MAX):          # some may have run out since they were sorted
        if w.pend[i].claim:
            p = put(p, &w.pend[i], sizeof(Pend))
    p = put(p, &w.ngone, 1)
    p = put(p, w.gone, w.ngone * sizeof(Tuple))
    p = put(p, w.peered, m.t.npeered * BIND_DEPTH * sizeof(Tuple))
    p = put(p, &w.horizon_clk, 1)
    p = put(p, &w.spins, 1)
    p = put(p, w.slept_from, m.t.nslept)
    p = put(p, w.slept_to, m.t.nslept)
    for i in range(1, w.tcp.sym.nbase):
        p = put(p, &w.tcp.sym.base[i].key, 8)
        p = put(p, &w.tcp.sym.base[i].tick, 8)
        p = put(p, &w.tcp.sym.base[i].host, 1)
        p = put(p, &w.tcp.sym.base[i].linked, 1)
    p = put(p, w.tcp.sym.rd_base, w.tcp.sym.z.n)
    for i in range(w.tcp.sym.narc):
        p = put(p, &w.tcp.sym.arc[i].a, 1)
        p = put(p, &w.tcp.sym.arc[i].ra, 1)
        p = put(p, &w.tcp.sym.arc[i].b, 1)
        p = put(p, &w.tcp.sym.arc[i].rb, 1)
        p = put(p, &w.tcp.sym.arc[i].lo, 4)
        p = put(p, &w.tcp.sym.arc[i].len, 8)
    return <int32_t>(p - out)


cdef void unpack(Machine* m, World* w, const uint8_t* data) noexcept nogil:
    """The zone (w.tcp.sym.z) has been set already: it is kept apart from the bytes."""
    cdef const uint8_t* p = data + 5
    cdef int i, nsock = data[0]
    w.nfly = data[1]
    w.tcp.sym.nbase = data[2]
    w.tcp.sym.narc = data[3]
    p = get(p, w.proc, m.t.nproc * sizeof(w.proc[0]))
    p = get(p, w.bind, m.t.nbind * sizeof(Bind))
    p = get(p, w.tcp.cfg_ix, HOSTS_MAX)
    p = get(p, &w.tcp.inc_next, 1)
    p = get(p, w.budget, m.t.nfault)
    p = get(p, &w.firewall, 4)
    for i in range(nsock):
        p = get(p, &w.tcp.sock[i], sizeof(Sock))
        p = get(p, &w.owner[i], 1)
        p = get(p, w.ordinal[i], m.t.nordinal)
    blank_socks(w, nsock)
    for i in range(nsock, SOCKS_MAX):
        w.owner[i] = 0
        memset(w.ordinal[i], 0, ORDINALS_MAX)
    for i in range(w.nfly):
        p = get(p, &w.fly[i], sizeof(Flying))
    for i in range(m.t.nkept):
        p = get(p, &w.has_kept[i], 1)
        p = get(p, &w.kept[i], sizeof(Num))
    p = get(p, &w.down, 1)
    for i in range(m.t.ncaught):
        p = get(p, &w.has_caught[i], 1)
        p = get(p, &w.caught[i], sizeof(Num))
    for i in range(m.t.ncounted):
        p = get(p, &w.has_origin[i], 1)
        p = get(p, &w.met[i], sizeof(Num))
        p = get(p, &w.origin[i], sizeof(Num))
    memset(w.pend, 0, sizeof(w.pend))
    p = get(p, w.pend, data[4] * sizeof(Pend))
    p = get(p, &w.ngone, 1)
    p = get(p, w.gone, w.ngone * sizeof(Tuple))
    p = get(p, w.peered, m.t.npeered * BIND_DEPTH * sizeof(Tuple))
    p = get(p, &w.horizon_clk, 1)
    p = get(p, &w.spins, 1)
    p = get(p, w.slept_from, m.t.nslept)
    p = get(p, w.slept_to, m.t.nslept)
    for i in range(1, w.tcp.sym.nbase):
        memset(&w.tcp.sym.base[i], 0, sizeof(Base))
        p = get(p, &w.tcp.sym.base[i].key, 8)
        p = get(p, &w.tcp.sym.base[i].tick, 8)
        p = get(p, &w.tcp.sym.base[i].host, 1)
        p = get(p, &w.tcp.sym.base[i].linked, 1)
    memset(w.tcp.sym.rd_base, 0, CLOCKS_MAX)
    p = get(p, w.tcp.sym.rd_base, w.tcp.sym.z.n)
    for i in range(w.tcp.sym.narc):
        p = get(p, &w.tcp.sym.arc[i].a, 1)
        p = get(p, &w.tcp.sym.arc[i].ra, 1)
        p = get(p, &w.tcp.sym.arc[i].b, 1)
        p = get(p, &w.tcp.sym.arc[i].rb, 1)
        p = get(p, &w.tcp.sym.arc[i].lo, 4)
        p = get(p, &w.tcp.sym.arc[i].len, 8)
