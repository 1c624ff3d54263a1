"""Canonical form of a World.

A step changes one socket or two. Those that are the same as in the loaded state (`Machine.clean`) are neither tidied nor
asked for their names one by one: what names they hold is known (`Part`).
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from tcpcheck.model.layout cimport (
    EV_DELIVER, Flying, Machine, Part, Pend, World, ORDINALS_MAX, VARS_MAX, VAR_NAMED,
)
from tcpcheck.model.router cimport tidy_tracks
from tcpcheck.sym.number cimport (
    BASE_PAST, BASE_UNKNOWN, BASES_MAX, MODE_CONCRETE, Num, Sym, age_allows, past_of, sym_prune, sym_select,
)
from tcpcheck.sym.known cimport arcs_tidy, ticks_between
from tcpcheck.sym.zone cimport CLOCKS_MAX, zone_sup
from tcpcheck.tcp.rto cimport sent_again
from tcpcheck.tcp.sockets cimport find_tuple, stack_tidy
from tcpcheck.tcp.types cimport (
    EF_DIED, F_ACK, SK_BUCKET, SK_FREE, SK_FULL, SOCKS_MAX, Seg, Sock,
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
    """Slots from `first` on become blank: zero throughout. A slot freed by TCP has a parent of -1."""
    cdef int i
    for i in range(first, w.tcp.top):
        memset(&w.tcp.sock[i], 0, sizeof(Sock))
        w.owner[i] = 0
        memset(w.ordinal[i], 0, ORDINALS_MAX)
    w.tcp.top = <uint8_t>first


cdef int close_up(Machine* m) noexcept nogil:
    """Move sockets down into free slots, so that a slot number says only who was there first. 1: some moved."""
    cdef World* w = &m.nxt
    cdef int8_t to[SOCKS_MAX]
    cdef int i, n = 0
    for i in range(w.tcp.top):
        to[i] = -1
        if w.tcp.sock[i].kind == SK_FREE:
            continue
        to[i] = <int8_t>n
        if n != i:
            memcpy(&w.tcp.sock[n], &w.tcp.sock[i], sizeof(Sock))
            w.owner[n] = w.owner[i]
            memcpy(w.ordinal[n], w.ordinal[i], ORDINALS_MAX)
        n += 1
    if n == w.tcp.top:
        return 0
    blank_socks(w, n)
    rename_slots(m, to)
    return 1


cdef void rename_slots(Machine* m, const int8_t* to) noexcept nogil:
    cdef World* w = &m.nxt
    cdef int i, k
    for i in range(w.tcp.top):
        if w.tcp.sock[i].parent >= 0:
            w.tcp.sock[i].parent = to[w.tcp.sock[i].parent]
    for i in range(m.t.nbind):
        for k in range(w.bind[i].n):
            if w.bind[i].slot[k] >= 0:
                w.bind[i].slot[k] = to[w.bind[i].slot[k]]
    for i in range(w.npend):
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
        s.ecr_inc = s.answer = s.ecr_answer = 0
        s.again = s.ecr_again = 0
    if not s.has_sack:
        memset(&s.sack_lo, 0, sizeof(Num))
        memset(&s.sack_hi, 0, sizeof(Num))
    if s.ecr_inc and s.tsecr.base and not keep_tsecr:
        memset(&s.tsecr, 0, sizeof(Num))      # who it echoes says it all, unless it is 0: see the TSecr test in tcp/
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
    if d == 0: d = <int64_t>a.to - b.to
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
    if d == 0: d = <int64_t>a.seg.again - b.seg.again
    if d == 0: d = <int64_t>a.seg.ecr_again - b.seg.ecr_again
    if d == 0: d = <int64_t>a.seg.answer - b.seg.answer
    if d == 0: d = <int64_t>a.seg.ecr_answer - b.seg.ecr_answer
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


cdef inline int same_way(const Flying* a, const Flying* b) noexcept nogil:
    """Do they stand in one queue, where the network keeps the order?"""
    return a.seg.src == b.seg.src and a.seg.dst == b.seg.dst and a.to == b.to


cdef int in_order_alone(World* w) noexcept nogil:
    """Are the segments of a loaded state sorted by the names that they have now?"""
    cdef int i
    for i in range(1, w.nfly):
        if fly_order(w, &w.fly[i], &w.fly[i - 1]) < 0:
            return 0
    return 1


cdef int settled_flying(Machine* m) noexcept nogil:
    """So many segments are those of the loaded state, plain and in order. With clocks their ages may have come apart."""
    if not m.loaded or m.nxt.tcp.sym.timed:
        return 0
    if m.fly_sorted < 0:
        m.fly_sorted = in_order_alone(&m.cur)
    return m.cur.nfly - (m.event.kind == EV_DELIVER) if m.fly_sorted else 0


cdef int long_past(World* w, int host, int port, int peer, int rport, Num v) noexcept nogil:
    """Is v a TSval of a tick that is over, and before the first one of a connection that is being opened there? Then it
    is in no range of TSvals that it can be held against (tsecr_in_range)."""
    cdef const Sock* s
    cdef int64_t low, high
    cdef int i
    if not v.rd:
        return v.base >= BASE_PAST
    if age_allows(&w.tcp.sym, v.rd, 0, w.tcp.sym.base[v.base].tick - 1):
        return 0
    for i in range(w.tcp.top):
        s = &w.tcp.sock[i]
        if s.host != host or s.lport != port or s.peer != peer or s.rport != rport or not s.syn_tsval.rd:
            continue
        if s.syn_tsval.base != v.base:
            return 0
        ticks_between(&w.tcp.sym, v.base, s.syn_tsval.rd, v.rd, &low, &high)
        if low < 1:
            return 0
    return 1


cdef void sort_flying(Machine* m, int old) noexcept nogil:
    """The first so many are plain and in order."""
    cdef World* w = &m.nxt
    cdef Flying x
    cdef Seg* g
    cdef int i, j, keep_tsecr = m.t.keeps_tsecr or w.tcp.sym.mode == MODE_CONCRETE
    for i in range(old, w.nfly):
        g = &w.fly[i].seg
        plain(g, keep_tsecr or (m.t.keeps_young_tsecr and not long_past(w, g.dst, g.dport, g.src, g.sport, g.tsecr)))
    for i in range(max(old, 1), w.nfly):
        if fly_order(w, &w.fly[i], &w.fly[i - 1]) >= 0:
            continue
        x = w.fly[i]
        j = i
        while j > 0 and fly_order(w, &x, &w.fly[j - 1]) < 0:
            w.fly[j] = w.fly[j - 1]
            j -= 1
        w.fly[j] = x
    j = 0
    for i in range(w.nfly if m.t.keeps_order else 0):
        if i and not same_way(&w.fly[i], &w.fly[i - 1]):
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
    cdef int i, j
    for i in range(1, w.npend):
        x = w.pend[i]
        j = i
        while j > 0 and pend_order(w, &x, &w.pend[j - 1]) < 0:
            w.pend[j] = w.pend[j - 1]
            j -= 1
        w.pend[j] = x
    while w.npend > 0 and not w.pend[w.npend - 1].claim:
        w.npend -= 1


# ---- every number and every clock of a World, in canonical order

cdef void each_num(Machine* m, World* w, NumFn f, void* arg) noexcept nogil:
    cdef int i
    for i in range(w.tcp.top):
        if w.tcp.sock[i].kind != SK_FREE:
            sock_nums(&w.tcp.sock[i], f, arg)
    other_nums(m, w, f, arg)


cdef void other_nums(Machine* m, World* w, NumFn f, void* arg) noexcept nogil:
    """Those of no socket."""
    cdef int i
    for i in range(w.nfly):
        seg_nums(&w.fly[i].seg, f, arg)
    asked_nums(m, w, f, arg)


cdef void asked_nums(Machine* m, World* w, NumFn f, void* arg) noexcept nogil:
    """Those of neither socket nor segment."""
    cdef int i
    for i in range(w.ntrack):
        track_nums(&w.track[i], f, arg)
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


cdef void other_clocks(Machine* m, World* w, ClockFn f, void* arg) noexcept nogil:
    """Those of no socket and no program."""
    cdef int i
    for i in range(w.nfly):
        f(arg, &w.fly[i].clk)
    for i in range(w.ntrack):
        f(arg, &w.track[i].clk)
    for i in range(w.npend):
        if w.pend[i].claim:
            f(arg, &w.pend[i].clk)
    f(arg, &w.horizon_clk)
    for i in range(m.t.nslept):
        f(arg, &w.slept_from[i])
        f(arg, &w.slept_to[i])


# ---- what nobody will miss

cdef int waits_for_echo(World* w, int host, int peer, int lport, int rport) noexcept nogil:
    """Will the host at this end of a connection ask which transmission an echo is of, before it sends again?"""
    cdef int i = find_tuple(&w.tcp, host, peer, lport, rport)
    return i >= 0 and w.tcp.sock[i].kind != SK_BUCKET and sent_again(&w.tcp.sock[i])


cdef void forget_transmissions(Machine* m) noexcept nogil:
    """Whether a segment was sent again matters until the sender has what it waits for: later, others are asked for."""
    cdef World* w = &m.nxt
    cdef Sock* s
    cdef Seg* g
    cdef int i
    if m.t.router.there:
        return
    for i in range(w.nfly):
        g = &w.fly[i].seg
        if g.again and not waits_for_echo(w, g.src, g.dst, g.sport, g.dport):
            g.again = 0
        if g.ecr_again and not waits_for_echo(w, g.dst, g.src, g.dport, g.sport):
            g.ecr_again = 0
    for i in range(w.tcp.top):
        s = &w.tcp.sock[i]
        if s.ts_recent_again and (s.kind == SK_BUCKET or not waits_for_echo(w, s.peer, s.host, s.rport, s.lport)):
            s.ts_recent_again = 0


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
    if m.t.exact or m.t.keeps_ts_recent or m.t.router.there or m.nxt.tcp.sym.mode == MODE_CONCRETE:
        return
    for i in range(m.nxt.tcp.top):
        s = &m.nxt.tcp.sock[i]
        if s.kind == SK_FULL and s.ts_ok and s.has_ts_recent and s.ts_recent.rd and in_past(m, s):
            if m.t.keeps_young_tsecr and not long_past(&m.nxt, s.peer, s.rport, s.host, s.lport, s.ts_recent):
                continue
            s.ts_recent.off = past_of(m.nxt.tcp.sym.base[s.ts_recent.base].key)
            s.ts_recent.base = BASE_PAST
            s.ts_recent.rd = 0
            s.ts_stamp_clk = 0          # PAWS passes, so its age is not asked for
            s.has_ts_recent = 1


# ---- which sockets are still the same, and what names they hold

cdef void note_clean(Machine* m) noexcept nogil:
    """Compares the sockets of m.nxt with those of the loaded state, byte by byte."""
    cdef int i
    m.clean = 0
    if not m.loaded:
        return
    for i in range(min(m.cur.tcp.top, m.nxt.tcp.top)):
        if memcmp(&m.cur.tcp.sock[i], &m.nxt.tcp.sock[i], sizeof(Sock)) == 0:
            m.clean |= <uint32_t>1 << i


ctypedef struct Names:
    int nclock
    int nbase
    uint32_t clocks                 # bit i: clock i has its new name
    uint32_t bases
    uint32_t readings               # bit i: clock i is alive as a reading
    uint8_t keep[CLOCKS_MAX]        # old index of each clock kept, in order; [0] is the zero clock
    uint8_t clock_to[CLOCKS_MAX]
    uint8_t rd_alive[CLOCKS_MAX]
    uint8_t base_alive[BASES_MAX]
    uint8_t base_to[BASES_MAX]


cdef inline void base_bit(void* arg, Num* x) noexcept nogil:
    (<uint64_t*>arg)[0] |= <uint64_t>1 << (x.base & 63)     # constants and the like: bits that mean nothing


cdef inline void reading_bit(void* arg, Num* x) noexcept nogil:
    (<uint64_t*>arg)[0] |= <uint64_t>1 << (x.rd & 63)


cdef inline uint32_t named(uint64_t bits) noexcept nogil:
    return <uint32_t>bits & ((<uint32_t>1 << CLOCKS_MAX) - 2)       # base and clock 0 are none


cdef inline void part_clock(void* arg, uint8_t* clk) noexcept nogil:
    (<Part*>arg).clocks |= <uint32_t>1 << clk[0]


cdef const Part* part_of(Machine* m, int slot) noexcept nogil:
    """The names in one socket of the loaded state."""
    cdef Part* p = &m.part[slot]
    if not m.named >> slot & 1:
        names_in(&m.cur.tcp.sock[slot], p, m.cur.tcp.sym.timed)
        p.clocks = 0
        sock_clocks(&m.cur.tcp.sock[slot], part_clock, p)
        p.clocks &= ~<uint32_t>1            # 0 is no clock
        m.named |= <uint32_t>1 << slot
    return p


cdef inline void names_in(Sock* s, Part* p, int timed) noexcept nogil:
    """Of its numbers. Without clocks there are no readings."""
    cdef uint64_t bases = 0, readings = 0
    sock_nums(s, base_bit, &bases)
    if timed:
        sock_nums(s, reading_bit, &readings)
    p.bases, p.readings = named(bases), named(readings)


cdef inline int names_new(Seg* s, const Names* n, int timed) noexcept nogil:
    """Does a segment hold a name that has not come up?"""
    cdef uint64_t bases = 0, readings = 0
    seg_nums(s, base_bit, &bases)
    if timed:
        seg_nums(s, reading_bit, &readings)
    return (named(bases) & ~n.bases | named(readings) & ~n.readings) != 0


# ---- dropping and renaming

cdef inline void note_clock(void* arg, uint8_t* clk) noexcept nogil:
    cdef Names* n = <Names*>arg
    if clk[0] and not n.clocks >> clk[0] & 1:
        n.clocks |= <uint32_t>1 << clk[0]
        n.keep[n.nclock] = clk[0]
        n.clock_to[clk[0]] = <uint8_t>n.nclock
        n.nclock += 1


cdef inline void note_num(void* arg, Num* x) noexcept nogil:
    cdef Names* n = <Names*>arg
    if x.base and x.base < BASE_PAST and not n.bases >> x.base & 1:
        n.bases |= <uint32_t>1 << x.base
        n.nbase += 1
        n.base_alive[x.base] = <uint8_t>n.nbase
    if x.rd:
        n.readings |= <uint32_t>1 << x.rd
        note_clock(arg, &x.rd)


cdef inline void rename_clock(void* arg, uint8_t* clk) noexcept nogil:
    clk[0] = (<Names*>arg).clock_to[clk[0]]


cdef inline void rename_num(void* arg, Num* x) noexcept nogil:
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


cdef void note_clocks(Machine* m, Names* n) noexcept nogil:
    """Every clock in the order of its owners. A socket that is clean and holds no new name adds nothing."""
    cdef World* w = &m.nxt
    cdef int i
    for i in range(m.t.nproc):
        note_clock(n, &w.proc[i].clk)
    for i in range(w.tcp.top):
        if not m.clean >> i & 1 or part_of(m, i).clocks & ~n.clocks:
            sock_clocks(&w.tcp.sock[i], note_clock, n)
    other_clocks(m, w, note_clock, n)


cdef void note_nums(Machine* m, Names* n) noexcept nogil:
    """As each_num(), likewise. Without clocks, the sockets before the first that changed bring up their bases in the
    order of their names, for that is how these were given."""
    cdef World* w = &m.nxt
    cdef const Part* p
    cdef Part changed
    cdef int i, so_far = not w.tcp.sym.timed
    for i in range(w.tcp.top):
        p = &changed
        if m.clean >> i & 1:
            p = part_of(m, i)
            while so_far and p.bases >> (n.nbase + 1) & 1:
                n.nbase += 1
                n.bases |= <uint32_t>1 << n.nbase
                n.base_alive[n.nbase] = <uint8_t>n.nbase
        else:
            so_far = 0
            names_in(&w.tcp.sock[i], &changed, w.tcp.sym.timed)
        if p.bases & ~n.bases or p.readings & ~n.readings:
            sock_nums(&w.tcp.sock[i], note_num, n)
    for i in range(w.nfly):
        if names_new(&w.fly[i].seg, n, w.tcp.sym.timed):
            seg_nums(&w.fly[i].seg, note_num, n)
    asked_nums(m, w, note_num, n)


cdef void rename_all(Machine* m) noexcept nogil:
    cdef World* w = &m.nxt
    cdef Sym* s = &w.tcp.sym
    cdef Names n
    cdef int i, same
    n.nclock = 1
    n.nbase = 0
    n.clocks = n.bases = n.readings = 0
    n.keep[0] = 0
    memset(n.clock_to, 0, sizeof(n.clock_to))
    memset(n.rd_alive, 0, sizeof(n.rd_alive))
    memset(n.base_alive, 0, sizeof(n.base_alive))
    if s.timed:
        note_clocks(m, &n)
    note_nums(m, &n)
    for i in range(1, s.z.n):
        n.rd_alive[i] = n.readings >> i & 1
    same = in_order(&n, s)
    m.same_bases = same and s.nbase == m.cur.tcp.sym.nbase and m.loaded
    if same and not s.timed:
        arcs_tidy(s)            # nothing goes
        return
    sym_prune(s, n.base_alive, n.rd_alive, n.base_to)
    if not same:
        sym_select(s, n.keep, n.nclock)
        rename_parts(m, &n)


cdef void rename_parts(Machine* m, Names* n) noexcept nogil:
    """Everything gets its new names; a socket in which none changes stays clean."""
    cdef World* w = &m.nxt
    cdef uint32_t clocks = 0, bases = 0
    cdef const Part* p
    cdef int i
    for i in range(CLOCKS_MAX):
        clocks |= <uint32_t>(n.clocks >> i & 1 and n.clock_to[i] != i) << i
    for i in range(BASES_MAX):
        bases |= <uint32_t>(n.bases >> i & 1 and n.base_to[i] != i) << i
    for i in range(m.t.nproc):
        rename_clock(n, &w.proc[i].clk)
    for i in range(w.tcp.top):
        if m.clean >> i & 1:
            p = part_of(m, i)
            if not (p.clocks | p.readings) & clocks and not p.bases & bases:
                continue
            m.clean &= ~(<uint32_t>1 << i)
        sock_clocks(&w.tcp.sock[i], rename_clock, n)
        sock_nums(&w.tcp.sock[i], rename_num, n)
    other_clocks(m, w, rename_clock, n)
    other_nums(m, w, rename_num, n)


cdef void canonicalise(Machine* m) noexcept nogil:
    """m.nxt into canonical form. In a concrete re-run too: order matters there to nobody."""
    cdef int moved, timed = m.nxt.tcp.sym.timed
    m.clean = 0
    if not timed:
        note_clean(m)
    stack_tidy(&m.nxt.tcp, m.clean)
    tidy_tracks(m)
    settle_deaths(m)
    moved = close_up(m)
    if timed:
        forget_transmissions(m)
    sort_flying(m, settled_flying(m))
    sort_pends(&m.nxt)
    forget_timestamps(m)
    if timed or moved:
        note_clean(m)
    rename_all(m)


cdef void name_again(Machine* m) noexcept nogil:
    """Of m.nxt after its hosts were renamed."""
    m.clean = 0
    sort_flying(m, 0)
    sort_pends(&m.nxt)
    rename_all(m)
    m.same_bases = 0            # whose they are has changed
