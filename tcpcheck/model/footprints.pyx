"""What a watched search has seen of states and steps, numbers and clocks left out.

A footprint is a hash of everything discrete in a World: sockets with their flags and timers, programs, segments in
flight, budgets, names. Whatever the search merges or forgets of numbers and times, the footprint of each state and step
of a real run must be among those it has seen.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from tcpcheck.explore.system cimport Handle
from tcpcheck.model.canon cimport sock_clocks, sock_nums
from tcpcheck.model.layout cimport *
from tcpcheck.model.world cimport Model, sys_load, sys_save
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.types cimport EF_RULE, HOSTS_MAX, SK_FREE, SLOTS, Seg, Sock


# ---------------------------------------------------------------- hashing

cdef uint64_t mixed(uint64_t h, const void* data, size_t n) noexcept nogil:
    """FNV-1a over bytes, stirred at the end."""
    cdef const uint8_t* p = <const uint8_t*>data
    cdef size_t i
    for i in range(n):
        h = (h ^ p[i]) * <uint64_t>0x100000001B3
    h ^= h >> 32
    return h * <uint64_t>0xD6E8FEB86659FD93


cdef void no_num(void* arg, Num* x) noexcept nogil:
    memset(x, 0, sizeof(Num))


cdef void no_clock(void* arg, uint8_t* clk) noexcept nogil:
    clk[0] = 0


cdef void masked_sock(const Sock* of, Sock* s) noexcept nogil:
    """Bounds of timers are left out too: they follow from what is known of times (rto.pyx), as rtt_worst does. And what
    was received twice, which a search reports only where it knows the numbers (text.pyx)."""
    cdef int k
    memcpy(s, of, sizeof(Sock))
    sock_nums(s, no_num, NULL)
    sock_clocks(s, no_clock, NULL)
    for k in range(SLOTS):
        s.timer[k].lo = s.timer[k].hi = 0
    s.rtt_worst = 0
    s.synack_span = 0               # kept in concrete runs only
    s.has_ts_recent = of.has_ts_recent != 0     # that it is outdated follows from times
    s.dsack = 0
    s.uid = s.ts_recent_at = s.synack_at = 0


cdef uint64_t fly_print(const Flying* f) noexcept nogil:
    """Field by field, without SACK blocks: the block of an ACK is either one of a gap or one that came twice."""
    cdef const Seg* s = &f.seg
    cdef int32_t[19] x = [
        f.kind, f.rank, s.src, s.dst, s.sport, s.dport, s.flags, s.has_ts, s.sack_ok, s.forged,
        s.inc, s.ecr_inc, s.ecr_not_zero, s.answer, s.ecr_answer, s.mss, s.len, s.wnd, 0]
    return mixed(<uint64_t>0xCBF29CE484222325, x, sizeof(x))


cdef uint64_t world_print(Machine* m, const World* w) noexcept nogil:
    cdef uint64_t h = <uint64_t>0xCBF29CE484222325, flying = 0
    cdef Proc p
    cdef Sock s
    cdef int i
    for i in range(m.t.nproc):
        p = w.proc[i]
        p.clk = 0
        h = mixed(h, &p, sizeof(Proc))
    h = mixed(h, w.bind, m.t.nbind * sizeof(Bind))
    h = mixed(h, w.tcp.cfg_ix, HOSTS_MAX)
    h = mixed(h, &w.tcp.inc_next, 1)
    h = mixed(h, w.budget, m.t.nfault)
    h = mixed(h, &w.firewall, 4)
    h = mixed(h, &w.spins, 1)
    h = mixed(h, w.has_kept, m.t.nkept)
    h = mixed(h, w.has_caught, m.t.ncaught)
    h = mixed(h, &w.down, 1)
    h = mixed(h, w.gone, w.ngone * sizeof(Tuple))
    h = mixed(h, w.peered, m.t.npeered * BIND_DEPTH * sizeof(Tuple))
    for i in range(w.tcp.top):
        if w.tcp.sock[i].kind != SK_FREE:
            masked_sock(&w.tcp.sock[i], &s)
            h = mixed(h, &s, sizeof(Sock))
            h = mixed(h, &w.owner[i], 1)
            h = mixed(h, w.ordinal[i], m.t.nordinal)
    for i in range(w.nfly):         # their order may hang on numbers
        flying += fly_print(&w.fly[i])
    h = mixed(h, &flying, 8)
    return h if h else 1


cdef uint64_t edge_print(Machine* m, uint64_t before, uint64_t after) noexcept nogil:
    cdef uint64_t h = mixed(before, &after, 8)
    cdef int i
    for i in range(m.nxt.tcp.fx.n):
        if m.nxt.tcp.fx.e[i].kind == EF_RULE:
            h = mixed(h, &m.nxt.tcp.fx.e[i].arg, 4)
    return h if h else 1


# ---------------------------------------------------------------- a set of hashes

cdef int has(const Prints* f, uint64_t h) noexcept nogil:
    cdef uint64_t i = h & <uint64_t>(f.room - 1)
    while f.slot[i]:
        if f.slot[i] == h:
            return 1
        i = (i + 1) & <uint64_t>(f.room - 1)
    return 0


cdef void insert(Prints* f, uint64_t h) noexcept nogil:
    cdef uint64_t i = h & <uint64_t>(f.room - 1)
    while f.slot[i] and f.slot[i] != h:
        i = (i + 1) & <uint64_t>(f.room - 1)
    f.used += f.slot[i] == 0
    f.slot[i] = h


cdef void put(Prints* f, uint64_t h) noexcept nogil:
    cdef Prints wider
    cdef int64_t k
    if 2 * f.used >= f.room:
        wider.room, wider.used, wider.failed = 2 * f.room, 0, 0
        wider.slot = <uint64_t*>calloc(wider.room, sizeof(uint64_t))
        if wider.slot == NULL:
            f.failed = 1
            return
        for k in range(f.room):
            if f.slot[k]:
                insert(&wider, f.slot[k])
        free(f.slot)
        f[0] = wider
    insert(f, h)


cdef class Footprints:
    """The footprints of a search: made and filled by `watched`."""

    def __cinit__(self):
        self.p.room, self.p.used, self.p.failed = 1 << 12, 0, 0
        self.p.slot = <uint64_t*>calloc(self.p.room, sizeof(uint64_t))
        if self.p.slot == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.p.slot)

    def __len__(self):
        return self.p.used

    @property
    def complete(self):
        """There was memory for all of them."""
        return not self.p.failed


cdef int seen_state(Footprints f, Machine* m):
    return has(&f.p, world_print(m, &m.nxt))


cdef int seen_edge(Footprints f, Machine* m):
    return has(&f.p, edge_print(m, world_print(m, &m.cur), world_print(m, &m.nxt)))


# ---------------------------------------------------------------- watching a search

cdef void watch_load(void* ctx, const uint8_t* state, int32_t n, const int64_t* zone, int32_t clocks) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    sys_load(ctx, state, n, zone, clocks)
    m.before = world_print(m, &m.cur)


cdef int32_t watch_save(void* ctx, uint8_t* out) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    cdef uint64_t h = world_print(m, &m.nxt)
    put(<Prints*>m.seen, h)
    put(<Prints*>m.seen, edge_print(m, m.before, h))
    return sys_save(ctx, out)


def watched(Model model):
    """-> (Handle for explore.search, Footprints that the search fills)."""
    cdef Footprints f = Footprints()
    cdef Handle h = model.handle()
    model.m.seen = &f.p
    model.m.before = 0
    put(&f.p, world_print(model.m, &model.m.nxt))
    h.sys.load = watch_load
    h.sys.save = watch_save
    h.sys.fingerprint = NULL            # every successor's footprint is wanted
    h.owner = (model, f)
    return h, f
