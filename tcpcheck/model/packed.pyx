"""A World as bytes: a head, the sockets, the segments in flight, then everything else.

Most successors of a state have been seen before, and most of their sockets are those of the state they come from. So
the search asks for the hash first (`fingerprint`), which is put together from the shares of the sockets, of which those
that did not change are known; the bytes are made only of what is new.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from tcpcheck.explore.hash64 cimport KEYS, Sum, hash_keys, share, share_masked, sum_add, sum_end
from tcpcheck.model.canon cimport blank_socks, seg_nums, sock_nums, track_nums
from tcpcheck.model.layout cimport *
from tcpcheck.sym.number cimport Base, Num
from tcpcheck.sym.zone cimport CLOCKS_MAX
from tcpcheck.tcp.types cimport HOSTS_MAX, SOCKS_MAX, Sock

cdef enum:
    HEAD_BYTES = 8
    REST_MAX = 6144             # bytes of what is neither socket nor segment, in whole lines of 16
    NUM_BYTES = 10              # off, base, rd: the rest of a Num is padding

# Which bytes of a structure count: all but serial numbers and what the compiler leaves behind a Num.
cdef Sock SOCK_MASK
cdef Flying FLY_MASK


# ---- masks

cdef void zero_padding(void* arg, Num* x) noexcept nogil:
    memset(<uint8_t*>x + NUM_BYTES, 0, sizeof(Num) - NUM_BYTES)


cdef void make_masks() noexcept:
    cdef Seg* seg
    memset(&SOCK_MASK, 0xFF, sizeof(Sock))
    memset(&FLY_MASK, 0xFF, sizeof(Flying))
    sock_nums(&SOCK_MASK, zero_padding, NULL)
    seg_nums(&FLY_MASK.seg, zero_padding, NULL)
    SOCK_MASK.uid = FLY_MASK.uid = 0
    seg = &FLY_MASK.seg                 # what lies between its fields: a copy need not copy that
    memset(&seg.again + 1, 0, <uint8_t*>&seg.mss - &seg.again - 1)
    memset(&seg.ecr_again + 1, 0, <uint8_t*>&seg.seq - &seg.ecr_again - 1)


make_masks()


# ---- pieces

cdef inline int32_t even_words(size_t size) noexcept nogil:
    """Keys for a piece of so many bytes."""
    return <int32_t>(size // 16 * 2 + 2)


cdef inline uint8_t* put(uint8_t* p, const void* src, size_t n) noexcept nogil:
    memcpy(p, src, n)
    return p + n


cdef inline const uint8_t* get(const uint8_t* p, void* dst, size_t n) noexcept nogil:
    memcpy(dst, p, n)
    return p + n


cdef inline uint8_t* put_masked(uint8_t* p, const void* src, const void* mask, size_t n) noexcept nogil:
    """Whole words of 8 bytes."""
    cdef const uint64_t* of = <const uint64_t*>src
    cdef const uint64_t* m = <const uint64_t*>mask
    cdef uint64_t* to = <uint64_t*>p
    cdef size_t i
    for i in range(n // 8):
        to[i] = of[i] & m[i]
    return p + n


cdef inline Sum sock_share(const Sock* s, const uint64_t* key) noexcept nogil:
    return share_masked(<const uint64_t*>s, <const uint64_t*>&SOCK_MASK, sizeof(Sock) // 8, key)


cdef inline Sum fly_share(const Flying* f, const uint64_t* key) noexcept nogil:
    return share_masked(<const uint64_t*>f, <const uint64_t*>&FLY_MASK, sizeof(Flying) // 8, key)


cdef inline uint8_t* put_num(uint8_t* p, const Num* x) noexcept nogil:
    return put(p, x, NUM_BYTES)


cdef inline const uint8_t* get_num(const uint8_t* p, Num* x) noexcept nogil:
    return get(p, x, NUM_BYTES)


# ---- packing

cdef uint8_t* put_rest(Machine* m, const World* w, uint8_t* p) noexcept nogil:
    """All but sockets and segments in flight."""
    cdef int i
    p = put(p, w.proc, m.t.nproc * sizeof(w.proc[0]))
    p = put(p, w.bind, m.t.nbind * sizeof(Bind))
    p = put(p, w.tcp.cfg_ix, HOSTS_MAX)
    p = put(p, &w.tcp.inc_next, 1)
    p = put(p, w.budget, m.t.nfault)
    p = put(p, &w.firewall, 4)
    p = put(p, w.owner, w.tcp.top)
    if m.t.nordinal:
        p = put(p, w.ordinal, w.tcp.top * ORDINALS_MAX)
    for i in range(m.t.nkept):
        p = put(p, &w.has_kept[i], 1)
        p = put_num(p, &w.kept[i])
    p = put(p, &w.down, 1)
    p = put_tracks(w, p)
    for i in range(m.t.ncaught):
        p = put(p, &w.has_caught[i], 1)
        p = put_num(p, &w.caught[i])
    for i in range(m.t.ncounted):
        p = put(p, &w.has_origin[i], 1)
        p = put_num(p, &w.met[i])
        p = put_num(p, &w.origin[i])
    for i in range(w.npend):            # some may have run out since they were sorted
        if w.pend[i].claim:
            p = put(p, &w.pend[i], sizeof(Pend))
    p = put(p, &w.ngone, 1)
    p = put(p, w.gone, w.ngone * sizeof(Tuple))
    p = put(p, w.peered, m.t.npeered * BIND_DEPTH * sizeof(Tuple))
    p = put(p, &w.horizon_clk, 1)
    p = put(p, &w.spins, 1)
    p = put(p, w.slept_from, m.t.nslept)
    p = put(p, w.slept_to, m.t.nslept)
    return put_names(w, p)


cdef uint8_t* put_tracks(const World* w, uint8_t* p) noexcept nogil:
    """What the router remembers."""
    cdef Track t
    cdef int i
    p = put(p, &w.ntrack, 1)
    for i in range(w.ntrack):
        memcpy(&t, &w.track[i], sizeof(Track))
        track_nums(&t, zero_padding, NULL)
        p = put(p, &t, sizeof(Track))
    return p


cdef uint8_t* put_names(const World* w, uint8_t* p) noexcept nogil:
    """What is known of constants and counters."""
    cdef int i
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
    return p


cdef void head_of(const World* w, uint8_t* head) noexcept nogil:
    cdef int i
    memset(head, 0, HEAD_BYTES)
    head[0] = w.tcp.top
    head[1] = w.nfly
    head[2] = <uint8_t>w.tcp.sym.nbase
    head[3] = <uint8_t>w.tcp.sym.narc
    for i in range(w.npend):
        head[4] += w.pend[i].claim != 0


cdef int32_t pack(Machine* m, const World* w, uint8_t* out) noexcept nogil:
    cdef uint8_t* p = out + HEAD_BYTES
    cdef int i
    head_of(w, out)
    for i in range(w.tcp.top):
        p = put_masked(p, &w.tcp.sock[i], &SOCK_MASK, sizeof(Sock))
    for i in range(w.nfly):
        p = put_masked(p, &w.fly[i], &FLY_MASK, sizeof(Flying))
    return <int32_t>(put_rest(m, w, p) - out)


cdef uint64_t fingerprint(Machine* m) noexcept nogil:
    """As if the pieces lay in one long string, each slot and each segment at a place of its own: equal states have equal
    fingerprints, others meet as rarely as with hash64 (explore/hash64.pyx)."""
    cdef const World* w = &m.nxt
    cdef const uint64_t* key = hash_keys()
    cdef uint8_t rest[REST_MAX]
    cdef int32_t n
    cdef Sum sum
    cdef int i
    head_of(w, rest)
    n = <int32_t>(put_rest(m, w, rest + HEAD_BYTES) - rest)
    sum = share(rest, n, key)
    key += REST_MAX // 8
    for i in range(w.tcp.top):
        if m.clean >> i & 1 == 0:
            sum_add(&sum, sock_share(&w.tcp.sock[i], key))
        else:
            if m.summed >> i & 1 == 0:
                m.part[i].sum = sock_share(&m.cur.tcp.sock[i], key)
                m.summed |= <uint32_t>1 << i
            sum_add(&sum, m.part[i].sum)
        key += even_words(sizeof(Sock))
    for i in range(w.nfly):
        sum_add(&sum, fly_share(&w.fly[i], key))
        key += even_words(sizeof(Flying))
    return sum_end(sum, n, <uint64_t>w.tcp.sym.z.n)


assert KEYS >= REST_MAX // 8 + SOCKS_MAX * even_words(sizeof(Sock)) + FLYING_MAX * even_words(sizeof(Flying))


# ---- unpacking

cdef void unpack(Machine* m, World* w, const uint8_t* data) noexcept nogil:
    """The zone (w.tcp.sym.z) has been set already: it is kept apart from the bytes."""
    cdef const uint8_t* p = data + HEAD_BYTES
    cdef int i, nsock = data[0]
    blank_socks(w, nsock)
    w.nfly = data[1]
    w.tcp.sym.nbase = data[2]
    w.tcp.sym.narc = data[3]
    w.npend = data[4]
    p = get(p, w.tcp.sock, nsock * sizeof(Sock))
    p = get(p, w.fly, w.nfly * sizeof(Flying))
    p = get(p, w.proc, m.t.nproc * sizeof(w.proc[0]))
    p = get(p, w.bind, m.t.nbind * sizeof(Bind))
    p = get(p, w.tcp.cfg_ix, HOSTS_MAX)
    p = get(p, &w.tcp.inc_next, 1)
    p = get(p, w.budget, m.t.nfault)
    p = get(p, &w.firewall, 4)
    p = get(p, w.owner, nsock)
    if m.t.nordinal:
        p = get(p, w.ordinal, nsock * ORDINALS_MAX)
    for i in range(m.t.nkept):
        p = get(p, &w.has_kept[i], 1)
        p = get_num(p, &w.kept[i])
    p = get(p, &w.down, 1)
    p = get(p, &w.ntrack, 1)
    p = get(p, w.track, w.ntrack * sizeof(Track))
    for i in range(m.t.ncaught):
        p = get(p, &w.has_caught[i], 1)
        p = get_num(p, &w.caught[i])
    for i in range(m.t.ncounted):
        p = get(p, &w.has_origin[i], 1)
        p = get_num(p, &w.met[i])
        p = get_num(p, &w.origin[i])
    memset(w.pend, 0, sizeof(w.pend))
    p = get(p, w.pend, w.npend * sizeof(Pend))
    p = get(p, &w.ngone, 1)
    p = get(p, w.gone, w.ngone * sizeof(Tuple))
    p = get(p, w.peered, m.t.npeered * BIND_DEPTH * sizeof(Tuple))
    p = get(p, &w.horizon_clk, 1)
    p = get(p, &w.spins, 1)
    p = get(p, w.slept_from, m.t.nslept)
    p = get(p, w.slept_to, m.t.nslept)
    get_names(w, p)


cdef void get_names(World* w, const uint8_t* p) noexcept nogil:
    cdef int i
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
