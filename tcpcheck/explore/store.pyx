# cython: cdivision=True
"""The set of states seen.

A state is known by the 64-bit hash of its discrete part alone; two different states meet with probability 2^-64, so
of n states about n^2 / 2^65 are omitted. The zones of one discrete state form a list in which none includes another:
a zone within a stored one is not new; stored ones within a new one leave the list, though they stay nodes.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy
from tcpcheck.explore.memory cimport (
    Arena, Memory, arena_at, arena_free, arena_init, arena_take, memory_give, memory_init, memory_take,
)

cdef extern from *:
    """
    #define tc_prefetch(p) __builtin_prefetch((p), 1)
    """
    void tc_prefetch(const void* p) noexcept nogil

cdef enum:
    BITS_FIRST = 12
    MULTIPLE = 8                # table doubles when more than 6/8 full; the last resort is 7/8

cdef int64_t WEIGHT_MAX = <int64_t>1 << 50      # clips infinity: 28 * 28 bounds still add up within 63 bits


cdef int store_init(Store* s, Memory* m, int timed, int keeps_nodes, int64_t nodes_max) noexcept nogil:
    s.mem = m
    s.timed = timed
    s.keeps_nodes = keeps_nodes
    s.nodes_max = nodes_max
    s.states = 0
    s.nodes = 0
    s.level_first = 0
    s.skips_covered = 0
    s.bits = BITS_FIRST
    s.stuck = 0
    s.value = NULL
    arena_init(&s.records, m)
    s.key = <uint64_t*>memory_take(m, <int64_t>8 << s.bits)
    if timed or keeps_nodes:
        s.value = <int64_t*>memory_take(m, <int64_t>8 << s.bits)
        if s.value == NULL:
            return 0
    return s.key != NULL


cdef void store_free(Store* s) noexcept nogil:
    memory_give(s.mem, s.key, <int64_t>8 << s.bits)
    memory_give(s.mem, s.value, <int64_t>8 << s.bits)
    s.key = NULL
    s.value = NULL
    arena_free(&s.records)


cdef inline int64_t _place(const uint64_t* key, int bits, uint64_t hash) noexcept nogil:
    """Where hash is, or the free place where it belongs."""
    cdef int64_t mask = (<int64_t>1 << bits) - 1
    cdef int64_t i = <int64_t>(hash >> (64 - bits))
    while key[i] != 0 and key[i] != hash:
        i = (i + 1) & mask
    return i


cdef int _double(Store* s) noexcept nogil:
    """Twice the places. Without memory for that: 0, and the table fills up to 7/8."""
    cdef int64_t i, at, size = <int64_t>8 << (s.bits + 1)
    cdef uint64_t* key = <uint64_t*>memory_take(s.mem, size)
    cdef int64_t* value = NULL
    if key != NULL and s.value != NULL:
        value = <int64_t*>memory_take(s.mem, size)
        if value == NULL:
            memory_give(s.mem, key, size)
            key = NULL
    if key == NULL:
        s.stuck = 1
        return 0
    for i in range(<int64_t>1 << s.bits):
        if s.key[i] != 0:
            at = _place(key, s.bits + 1, s.key[i])
            key[at] = s.key[i]
            if value != NULL:
                value[at] = s.value[i]
    memory_give(s.mem, s.key, size // 2)
    memory_give(s.mem, s.value, size // 2)
    s.key = key
    s.value = value
    s.bits += 1
    return 1


cdef int _make_room(Store* s) noexcept nogil:
    """A free place more than needed, so that probing ends."""
    cdef int64_t places = <int64_t>1 << s.bits
    if s.states < places // MULTIPLE * (MULTIPLE - 2):
        return 1
    if not s.stuck and _double(s):
        return 1
    return s.states < places // MULTIPLE * (MULTIPLE - 1)


cdef void store_prefetch(const Store* s, uint64_t hash) noexcept nogil:
    cdef int64_t i = <int64_t>((hash if hash else 1) >> (64 - s.bits))
    tc_prefetch(s.key + i)
    if s.value != NULL:
        tc_prefetch(s.value + i)


cdef Record* store_record(Store* s, int64_t address) noexcept nogil:
    return <Record*>arena_at(&s.records, address)


cdef const int64_t* store_zone(Store* s, int64_t address) noexcept nogil:
    return <const int64_t*>(arena_at(&s.records, address) + sizeof(Record))


cdef int64_t _weight(const int64_t* zone, int n) noexcept nogil:
    cdef int64_t sum = 0, v
    cdef int i
    for i in range(n * n):
        v = zone[i]
        sum += WEIGHT_MAX if v > WEIGHT_MAX else (-WEIGHT_MAX if v < -WEIGHT_MAX else v)
    return sum


cdef inline int _within(const int64_t* a, const int64_t* b, int n) noexcept nogil:
    """Every bound of a is at most that of b."""
    cdef int i
    for i in range(n * n):
        if a[i] > b[i]:
            return 0
    return 1


cdef int64_t _covering(Store* s, int64_t at, const int64_t* zone, int n, int64_t weight) noexcept nogil:
    """The Record in the list from `at` on whose zone includes this one; -1: none."""
    cdef Record* r
    while at >= 0:
        r = store_record(s, at)
        if weight <= r.weight and n == r.n and _within(zone, store_zone(s, at), n):
            return at
        at = r.next
    return -1


cdef void _unlink_covered(Store* s, int64_t* link, const int64_t* zone, int n, int64_t weight) noexcept nogil:
    """Takes the zones within this one out of the list that starts at *link."""
    cdef Record* r
    while link[0] >= 0:
        r = store_record(s, link[0])
        if r.weight <= weight and n == r.n and _within(store_zone(s, link[0]), zone, n):
            if s.skips_covered and r.node >= s.level_first:
                r.covered = 1
            link[0] = r.next
        else:
            link = &r.next


cdef int64_t _new_record(Store* s, const int64_t* zone, int n, int64_t weight, int64_t next) noexcept nogil:
    cdef int64_t size = <int64_t>sizeof(Record) + 8 * n * n
    cdef int64_t at = arena_take(&s.records, size)
    cdef Record* r
    if at >= 0:
        r = store_record(s, at)
        r.next = next
        r.node = s.nodes
        r.weight = weight
        r.n = n
        r.covered = 0
        memcpy(<uint8_t*>r + sizeof(Record), zone, 8 * n * n)
    return at


cdef int _add_zone(Store* s, int64_t i, uint64_t hash, const int64_t* zone, int n, int64_t* node,
                   int64_t* address) noexcept nogil:
    cdef int64_t weight = _weight(zone, n)
    cdef int64_t first = s.value[i] if s.key[i] else -1
    cdef int64_t at = _covering(s, first, zone, n, weight)
    if at >= 0:
        node[0] = store_record(s, at).node
        return ADDED_OLD
    if s.nodes == s.nodes_max:
        return ADDED_FULL
    at = _new_record(s, zone, n, weight, -1)
    if at < 0:
        return ADDED_NO_MEMORY
    _unlink_covered(s, &first, zone, n, weight)
    store_record(s, at).next = first
    s.states += s.key[i] == 0
    s.key[i] = hash
    s.value[i] = at
    node[0] = s.nodes
    address[0] = at
    s.nodes += 1
    return ADDED_NEW


cdef int store_add(Store* s, uint64_t hash, const int64_t* zone, int n, int64_t* node, int64_t* address) noexcept nogil:
    cdef int64_t i
    hash = hash if hash else 1
    node[0] = -1
    address[0] = -1
    i = _place(s.key, s.bits, hash)
    if s.key[i] == 0 and not _make_room(s):
        return ADDED_NO_MEMORY
    if s.key[i] == 0:
        i = _place(s.key, s.bits, hash)
    if s.timed:
        return _add_zone(s, i, hash, zone, n, node, address)
    if s.key[i]:
        node[0] = s.value[i] if s.keeps_nodes else -1
        return ADDED_OLD
    if s.nodes == s.nodes_max:
        return ADDED_FULL
    s.key[i] = hash
    if s.keeps_nodes:
        s.value[i] = s.nodes
    node[0] = s.nodes
    s.states += 1
    s.nodes += 1
    return ADDED_NEW
