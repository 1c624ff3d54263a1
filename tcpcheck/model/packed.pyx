"""A World as bytes: a head, what all states have, the sockets, the segments in flight, then what only some have.

Most successors of a state have been seen before, and most of their sockets are those of the state they come from. So
the search asks for the hash first (`fingerprint`), which is put together from the shares of the pieces, of which those
of sockets that did not change are known; the bytes are made only of what is new.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from tcpcheck.explore.hash64 cimport KEYS, Sum, add_words, hash_keys, share, sum_add, sum_end
from tcpcheck.model.canon cimport blank_socks
from tcpcheck.model.layout cimport *
from tcpcheck.sym.number cimport ARCS_MAX, BASES_MAX, Arc, Base, Num
from tcpcheck.sym.zone cimport CLOCKS_MAX
from tcpcheck.tcp.types cimport SOCKS_MAX, Sock

cdef enum:
    HEAD_BYTES = 8 + STACK_BYTES + COMMON_BYTES
    HEAD_WORDS = 6
    REST_WORDS = 768            # of what only some states have, at most
    REST_MAX = 8 * REST_WORDS
    # where each piece lies in the string that is hashed, in words of 8 bytes: at even ones
    PROC_AT = HEAD_WORDS
    BIND_AT = PROC_AT + PROCS_MAX * 2
    BASE_AT = BIND_AT + BINDS_MAX
    ARC_AT = BASE_AT + BASES_MAX * 3
    REST_AT = ARC_AT + ARCS_MAX * 2
    SOCK_AT = REST_AT + REST_WORDS


# ---- pieces

cdef inline int32_t even_words(size_t size) noexcept nogil:
    """Keys for a piece of so many bytes."""
    return <int32_t>((size + 15) // 16 * 2)


cdef inline uint8_t* put(uint8_t* p, const void* src, size_t n) noexcept nogil:
    memcpy(p, src, n)
    return p + n


cdef inline const uint8_t* get(const uint8_t* p, void* dst, size_t n) noexcept nogil:
    memcpy(dst, p, n)
    return p + n


cdef inline void add_share(Sum* sum, const void* piece, size_t bytes, const uint64_t* key) noexcept nogil:
    """Of whole words."""
    add_words(sum, <const uint64_t*>piece, <int32_t>(bytes // 8), key)


cdef inline void head_of(const World* w, uint8_t* head) noexcept nogil:
    cdef int i
    memset(head, 0, 8)
    head[0] = <uint8_t>w.tcp.sym.nbase
    head[1] = <uint8_t>w.tcp.sym.narc
    head[2] = <uint8_t>w.tcp.sym.z.n
    head[3] = w.ntrack
    head[4] = w.ngone
    for i in range(w.npend):            # some may have run out since they were sorted
        head[5] += w.pend[i].claim != 0
    memcpy(head + 8, w.tcp.cfg_ix, STACK_BYTES)
    memcpy(head + 8 + STACK_BYTES, w.owner, COMMON_BYTES)


cdef inline int has_rest(const Machine* m, const World* w) noexcept nogil:
    return w.tcp.sym.timed | w.npend | w.ntrack | w.ngone | m.t.nordinal | m.t.nkept | m.t.ncaught | m.t.ncounted | \
        m.t.npeered | m.t.nslept


cdef uint8_t* put_rest(const Machine* m, const World* w, uint8_t* p) noexcept nogil:
    """What only some states have."""
    cdef int i
    p = put(p, w.tcp.sym.rd_base, w.tcp.sym.z.n)
    if m.t.nordinal:
        p = put(p, w.ordinal, w.tcp.top * ORDINALS_MAX)
    for i in range(m.t.nkept):
        p = put(p, &w.has_kept[i], 1)
        p = put(p, &w.kept[i], sizeof(Num))
    p = put(p, w.track, w.ntrack * sizeof(Track))
    for i in range(m.t.ncaught):
        p = put(p, &w.has_caught[i], 1)
        p = put(p, &w.caught[i], sizeof(Num))
    for i in range(m.t.ncounted):
        p = put(p, &w.has_origin[i], 1)
        p = put(p, &w.met[i], sizeof(Num))
        p = put(p, &w.origin[i], sizeof(Num))
    for i in range(w.npend):
        if w.pend[i].claim:
            p = put(p, &w.pend[i], sizeof(Pend))
    p = put(p, w.gone, w.ngone * sizeof(Tuple))
    p = put(p, w.peered, m.t.npeered * BIND_DEPTH * sizeof(Tuple))
    p = put(p, w.slept_from, m.t.nslept)
    return put(p, w.slept_to, m.t.nslept)


# ---- packing

cdef int32_t pack(Machine* m, const World* w, uint8_t* out) noexcept nogil:
    cdef uint8_t* p = out + HEAD_BYTES
    head_of(w, out)
    p = put(p, w.proc, m.t.nproc * sizeof(w.proc[0]))
    p = put(p, w.bind, m.t.nbind * sizeof(Bind))
    p = put(p, w.tcp.sock, w.tcp.top * sizeof(Sock))
    p = put(p, w.fly, w.nfly * sizeof(Flying))
    p = put(p, &w.tcp.sym.base[1], (w.tcp.sym.nbase - 1) * sizeof(Base))
    p = put(p, w.tcp.sym.arc, w.tcp.sym.narc * sizeof(Arc))
    return <int32_t>(put_rest(m, w, p) - out)


cdef inline const Sum* sock_sum(Machine* m, int slot, const uint64_t* key) noexcept nogil:
    """The share of a socket of the loaded state."""
    cdef Part* p = &m.part[slot]
    if m.summed >> slot & 1 == 0:
        p.sum.lo = p.sum.hi = 0
        add_share(&p.sum, &m.cur.tcp.sock[slot], sizeof(Sock), key)
        m.summed |= <uint32_t>1 << slot
    return &p.sum


cdef inline const Sum* base_sum(Machine* m, const uint64_t* key) noexcept nogil:
    """The share of its bases, which m.nxt has too."""
    if not m.base_summed:
        m.base_sum.lo = m.base_sum.hi = 0
        add_share(&m.base_sum, &m.nxt.tcp.sym.base[1], (m.nxt.tcp.sym.nbase - 1) * sizeof(Base), key)
        m.base_summed = 1
    return &m.base_sum


cdef uint64_t fingerprint(Machine* m) noexcept nogil:
    """As if the pieces lay in one long string, each at a place of its own: equal states have equal fingerprints, others
    meet as rarely as with hash64 (explore/hash64.pyx)."""
    cdef const World* w = &m.nxt
    cdef const uint64_t* key = hash_keys()
    cdef uint64_t head[HEAD_WORDS]
    cdef uint8_t rest[REST_MAX]
    cdef int32_t i, n = 0
    cdef Sum sum
    head_of(w, <uint8_t*>head)
    sum.lo = sum.hi = 0
    add_words(&sum, head, HEAD_WORDS, key)
    add_share(&sum, w.proc, m.t.nproc * sizeof(w.proc[0]), key + PROC_AT)
    add_share(&sum, w.bind, m.t.nbind * sizeof(Bind), key + BIND_AT)
    if m.same_bases:
        sum_add(&sum, base_sum(m, key + BASE_AT)[0])
    else:
        add_share(&sum, &w.tcp.sym.base[1], (w.tcp.sym.nbase - 1) * sizeof(Base), key + BASE_AT)
    add_share(&sum, w.tcp.sym.arc, w.tcp.sym.narc * sizeof(Arc), key + ARC_AT)
    if has_rest(m, w):
        n = <int32_t>(put_rest(m, w, rest) - rest)
        sum_add(&sum, share(rest, n, key + REST_AT))
    key += SOCK_AT
    for i in range(w.tcp.top):
        if m.clean >> i & 1:
            sum_add(&sum, sock_sum(m, i, key)[0])
        else:
            add_share(&sum, &w.tcp.sock[i], sizeof(Sock), key)
        key += even_words(sizeof(Sock))
    for i in range(w.nfly):
        add_share(&sum, &w.fly[i], sizeof(Flying), key)
        key += even_words(sizeof(Flying))
    return sum_end(sum, n, 0)


cdef void check_layout() except *:
    """What lies side by side is one piece, without gaps."""
    cdef World* w = NULL
    assert KEYS >= SOCK_AT + SOCKS_MAX * even_words(sizeof(Sock)) + FLYING_MAX * even_words(sizeof(Flying))
    assert <size_t>&w.tcp.top + 1 == <size_t>w.tcp.cfg_ix + STACK_BYTES
    assert <size_t>&w.down + 1 == <size_t>w.owner + COMMON_BYTES
    assert HEAD_BYTES == 8 * HEAD_WORDS
    assert sizeof(Num) == 8 and sizeof(Base) == 24 and sizeof(Arc) == 16 and sizeof(Bind) == 8 and sizeof(Proc) == 16
    assert sizeof(Sock) % 8 == 0 and sizeof(Flying) % 8 == 0


check_layout()


# ---- unpacking

cdef uint32_t get_socks(World* w, const uint8_t* p, int n) noexcept nogil:
    """States that are loaded one after the other are mostly brothers. Bit i: slot i holds these bytes already."""
    cdef uint32_t same = 0
    cdef int i, before = min(n, w.tcp.top)
    blank_socks(w, n)
    for i in range(n):
        if i < before and memcmp(&w.tcp.sock[i], p, sizeof(Sock)) == 0:
            same |= <uint32_t>1 << i
        else:
            memcpy(&w.tcp.sock[i], p, sizeof(Sock))
        p += sizeof(Sock)
    return same


cdef uint32_t unpack(Machine* m, World* w, const uint8_t* data) noexcept nogil:
    """The zone (w.tcp.sym.z) has been set already: it is kept apart from the bytes."""
    cdef const uint8_t* p = data + HEAD_BYTES
    cdef uint32_t same
    w.tcp.sym.nbase, w.tcp.sym.narc = data[0], data[1]
    w.ntrack, w.ngone, w.npend = data[3], data[4], data[5]
    p = get(p, w.proc, m.t.nproc * sizeof(w.proc[0]))
    p = get(p, w.bind, m.t.nbind * sizeof(Bind))
    same = get_socks(w, p, data[8 + STACK_BYTES - 1])
    memcpy(w.tcp.cfg_ix, data + 8, STACK_BYTES)
    memcpy(w.owner, data + 8 + STACK_BYTES, COMMON_BYTES)
    p = get(p + w.tcp.top * sizeof(Sock), w.fly, w.nfly * sizeof(Flying))
    p = get(p, &w.tcp.sym.base[1], (w.tcp.sym.nbase - 1) * sizeof(Base))
    p = get(p, w.tcp.sym.arc, w.tcp.sym.narc * sizeof(Arc))
    get_rest(m, w, p)
    return same


cdef void get_rest(const Machine* m, World* w, const uint8_t* p) noexcept nogil:
    cdef int i
    memset(w.tcp.sym.rd_base, 0, CLOCKS_MAX)
    p = get(p, w.tcp.sym.rd_base, w.tcp.sym.z.n)
    if m.t.nordinal:
        p = get(p, w.ordinal, w.tcp.top * ORDINALS_MAX)
    for i in range(m.t.nkept):
        p = get(p, &w.has_kept[i], 1)
        p = get(p, &w.kept[i], sizeof(Num))
    p = get(p, w.track, w.ntrack * sizeof(Track))
    for i in range(m.t.ncaught):
        p = get(p, &w.has_caught[i], 1)
        p = get(p, &w.caught[i], sizeof(Num))
    for i in range(m.t.ncounted):
        p = get(p, &w.has_origin[i], 1)
        p = get(p, &w.met[i], sizeof(Num))
        p = get(p, &w.origin[i], sizeof(Num))
    memset(w.pend, 0, sizeof(w.pend))
    p = get(p, w.pend, w.npend * sizeof(Pend))
    p = get(p, w.gone, w.ngone * sizeof(Tuple))
    p = get(p, w.peered, m.t.npeered * BIND_DEPTH * sizeof(Tuple))
    p = get(p, w.slept_from, m.t.nslept)
    get(p, w.slept_to, m.t.nslept)
