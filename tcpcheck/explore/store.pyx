# cython: cdivision=True
"""The set of states seen.

Places come in lines of eight, one line of the processor's cache each; a key lies in the line that its first bits name,
at the first free place, or in the lines after it when that is full. A line is compared as a whole: a jump on each place
would be guessed wrong as often as not.

A state is known by the 64-bit hash of its discrete part alone; two different states meet with probability 2^-64, so
of n states about n^2 / 2^65 are omitted. Exact: the part itself is kept, too, and a state that meets another's hash is
given the next one. The zones of one discrete state form a list in which none includes another:
a zone within a stored one is not new; stored ones within a new one leave the list, though they stay nodes.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy
from tcpcheck.explore.memory cimport (
    Memory, arena_at, arena_free, arena_init, arena_take, memory_give, memory_init, memory_take, memory_take_raw,
)
from tcpcheck.explore.whole cimport whole_free, whole_init, whole_keep, whole_pack, whole_same
from tcpcheck.sym.zone cimport CLOCKS_MAX

cdef enum:
    BITS_FIRST = 12
    ZONE_BYTES = 8 * CLOCKS_MAX * CLOCKS_MAX


cdef int store_init(Store* s, Memory* m, int timed, int keeps_nodes, int exact, int64_t nodes_max) noexcept nogil:
    s.mem = m
    s.timed = timed
    s.keeps_nodes = keeps_nodes
    s.exact = exact
    s.nodes_max = nodes_max
    s.states = 0
    s.nodes = 0
    s.level_first = 0
    s.skips_covered = 0
    s.bits = BITS_FIRST
    s.stuck = 0
    s.value = NULL
    s.where = NULL
    arena_init(&s.records, m)
    s.zone = NULL
    s.bounds.n = 0
    s.bounds.value = NULL
    s.bounds.place = NULL
    s.key = <uint64_t*>memory_take(m, <int64_t>8 << s.bits)
    if timed:
        s.zone = <int64_t*>memory_take_raw(m, ZONE_BYTES)
        s.bounds.value = <int64_t*>memory_take_raw(m, 8 * BOUNDS_MAX)
        s.bounds.place = <uint16_t*>memory_take(m, <int64_t>2 << BOUNDS_BITS)
        if s.zone == NULL or s.bounds.value == NULL or s.bounds.place == NULL:
            return 0
    if timed or keeps_nodes:
        s.value = <int64_t*>memory_take(m, <int64_t>8 << s.bits)
        if s.value == NULL:
            return 0
    if exact:
        s.where = <int64_t*>memory_take(m, <int64_t>8 << s.bits)
        if not whole_init(&s.whole, m) or s.where == NULL:
            return 0
    return s.key != NULL


cdef void store_free(Store* s) noexcept nogil:
    memory_give(s.mem, s.key, <int64_t>8 << s.bits)
    memory_give(s.mem, s.value, <int64_t>8 << s.bits)
    if s.exact:
        memory_give(s.mem, s.where, <int64_t>8 << s.bits)
        whole_free(&s.whole, s.mem)
        s.where = NULL
    memory_give(s.mem, s.zone, ZONE_BYTES)
    memory_give(s.mem, s.bounds.value, 8 * BOUNDS_MAX)
    memory_give(s.mem, s.bounds.place, <int64_t>2 << BOUNDS_BITS)
    s.key = NULL
    s.value = NULL
    s.zone = NULL
    s.bounds.value = NULL
    s.bounds.place = NULL
    arena_free(&s.records)


cdef inline int64_t _place(const uint64_t* key, int bits, uint64_t hash) noexcept nogil:
    """Where hash is, or the free place where it belongs."""
    cdef int64_t mask = (<int64_t>1 << bits) - 1
    cdef int64_t i = line_of(hash, bits)
    while key[i] != 0 and key[i] != hash:
        i = (i + 1) & mask
    return i


cdef void _move(Store* s, uint64_t* key, int64_t* value, int64_t* where) noexcept nogil:
    """Into a table of twice the size."""
    cdef int64_t i, at
    for i in range(<int64_t>1 << s.bits):
        if s.key[i] != 0:
            at = free_place(key, s.bits + 1, s.key[i])
            key[at] = s.key[i]
            if value != NULL:
                value[at] = s.value[i]
            if where != NULL:
                where[at] = s.where[i]


cdef int _double(Store* s) noexcept nogil:
    """Twice the places. Without memory for that: 0, and the table fills up to 7/8."""
    cdef int64_t size = <int64_t>8 << (s.bits + 1)
    cdef uint64_t* key = <uint64_t*>memory_take(s.mem, size)
    cdef int64_t* value = <int64_t*>memory_take(s.mem, size) if key != NULL and s.value != NULL else NULL
    cdef int64_t* where = <int64_t*>memory_take(s.mem, size) if key != NULL and s.where != NULL else NULL
    if key == NULL or (s.value != NULL and value == NULL) or (s.where != NULL and where == NULL):
        memory_give(s.mem, key, size)
        memory_give(s.mem, value, size)
        memory_give(s.mem, where, size)
        s.stuck = 1
        return 0
    _move(s, key, value, where)
    memory_give(s.mem, s.key, size // 2)
    memory_give(s.mem, s.value, size // 2)
    memory_give(s.mem, s.where, size // 2)
    s.key = key
    s.value = value
    s.where = where
    s.bits += 1
    return 1


cdef int _make_room(Store* s) noexcept nogil:
    """A free place more than needed, so that probing ends."""
    cdef int64_t places = <int64_t>1 << s.bits
    if s.states < places // EIGHTHS * (EIGHTHS - 2):
        return 1
    if not s.stuck and _double(s):
        return 1
    return s.states < places // EIGHTHS * (EIGHTHS - 1)


cdef Record* store_record(Store* s, int64_t address) noexcept nogil:
    return <Record*>arena_at(&s.records, address)


# ---------------------------------------------------------------- bounds, as numbers of 16 bits

cdef int _number(Bounds* b, int64_t bound) noexcept nogil:
    """Its number, a new one if need be; -1: all are given away."""
    cdef uint64_t i = (<uint64_t>bound * <uint64_t>0x9e3779b97f4a7c15) >> (64 - BOUNDS_BITS)
    while b.place[i]:
        if b.value[b.place[i] - 1] == bound:
            return b.place[i] - 1
        i = (i + 1) & ((1 << BOUNDS_BITS) - 1)
    if b.n == BOUNDS_MAX:
        return -1
    b.value[b.n] = bound
    b.n += 1
    b.place[i] = <uint16_t>b.n
    return b.n - 1


cdef int _pack(Bounds* b, const int64_t* zone, int n, uint16_t* out) noexcept nogil:
    """0: a bound has no number."""
    cdef int i, number
    for i in range(n * n):
        number = _number(b, zone[i])
        if number < 0:
            return 0
        out[i] = <uint16_t>number
    return 1


cdef inline const int64_t* _bounds_of(const Record* r) noexcept nogil:
    return <const int64_t*>(<const uint8_t*>r + sizeof(Record))


cdef inline const uint16_t* _numbers_of(const Record* r) noexcept nogil:
    return <const uint16_t*>(<const uint8_t*>r + sizeof(Record))


cdef const int64_t* store_zone(Store* s, int64_t address) noexcept nogil:
    cdef const Record* r = store_record(s, address)
    cdef int i
    if not r.packed:
        return _bounds_of(r)
    for i in range(r.n * r.n):
        s.zone[i] = s.bounds.value[_numbers_of(r)[i]]
    return s.zone


# ---------------------------------------------------------------- zones

cdef int64_t _weight(const int64_t* zone, int n) noexcept nogil:
    """In microseconds, so that 28 * 28 infinite bounds of 2^60 ns still add up within 63 bits."""
    cdef int64_t sum = 0
    cdef int i
    for i in range(n * n):
        sum += zone[i] >> 10
    return sum


cdef int _includes(const Store* s, const Record* r, const int64_t* zone) noexcept nogil:
    """Every bound of this zone is at most that of the record."""
    cdef const int64_t* value = s.bounds.value
    cdef const uint16_t* number = _numbers_of(r)
    cdef const int64_t* bound = _bounds_of(r)
    cdef int i, n = r.n * r.n
    if r.packed:
        for i in range(n):
            if zone[i] > value[number[i]]:
                return 0
        return 1
    for i in range(n):
        if zone[i] > bound[i]:
            return 0
    return 1


cdef int _within(const Store* s, const Record* r, const int64_t* zone) noexcept nogil:
    """Every bound of the record is at most that of this zone."""
    cdef const int64_t* value = s.bounds.value
    cdef const uint16_t* number = _numbers_of(r)
    cdef const int64_t* bound = _bounds_of(r)
    cdef int i, n = r.n * r.n
    if r.packed:
        for i in range(n):
            if value[number[i]] > zone[i]:
                return 0
        return 1
    for i in range(n):
        if bound[i] > zone[i]:
            return 0
    return 1


cdef int64_t _covering(Store* s, int64_t at, const int64_t* zone, int n, int64_t weight) noexcept nogil:
    """The Record in the list from `at` on whose zone includes this one; -1: none."""
    cdef Record* r
    while at >= 0:
        r = store_record(s, at)
        if weight <= r.weight and n == r.n and _includes(s, r, zone):
            return at
        at = r.next
    return -1


cdef void _unlink_covered(Store* s, int64_t* link, const int64_t* zone, int n, int64_t weight) noexcept nogil:
    """Takes the zones within this one out of the list that starts at *link."""
    cdef Record* r
    while link[0] >= 0:
        r = store_record(s, link[0])
        if r.weight <= weight and n == r.n and _within(s, r, zone):
            if s.skips_covered and r.node >= s.level_first:
                r.covered = 1
            link[0] = r.next
        else:
            link = &r.next


cdef int64_t _new_record(Store* s, const int64_t* zone, int n, int64_t weight, int64_t next) noexcept nogil:
    cdef uint16_t number[CLOCKS_MAX * CLOCKS_MAX]
    cdef int packed = _pack(&s.bounds, zone, n, number)
    cdef int64_t bytes = (2 if packed else 8) * n * n
    cdef int64_t at = arena_take(&s.records, <int64_t>sizeof(Record) + bytes)
    cdef Record* r
    if at >= 0:
        r = store_record(s, at)
        r.next = next
        r.node = s.nodes
        r.weight = weight
        r.n = n
        r.packed = <uint8_t>packed
        r.covered = 0
        memcpy(<uint8_t*>r + sizeof(Record), <const void*>number if packed else <const void*>zone, bytes)
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


cdef int64_t _find(Store* s, uint64_t* hash) noexcept nogil:
    """Where the state is, or the free place where it belongs. Exact: *hash becomes the first that no other state has."""
    cdef int64_t i = _place(s.key, s.bits, hash[0])
    while s.exact and s.key[i] != 0 and not whole_same(&s.whole, s.where[i]):
        hash[0] = (hash[0] ^ hash[0] >> 29) * <uint64_t>0xbf58476d1ce4e5b9 | 1
        i = _place(s.key, s.bits, hash[0])
    return i


cdef int _add_state(Store* s, int64_t i, uint64_t hash, int64_t* node) noexcept nogil:
    """Without time."""
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


cdef int store_add(Store* s, uint64_t hash, const uint8_t* state, int32_t bytes, const int64_t* zone, int n,
                   int64_t* node, int64_t* address) noexcept nogil:
    cdef int64_t i, whole = -1
    cdef int added
    hash = hash if hash else 1
    node[0] = -1
    address[0] = -1
    if s.exact:
        whole_pack(&s.whole, state, bytes)
    i = _find(s, &hash)
    if s.key[i] == 0:
        if not _make_room(s):
            return ADDED_NO_MEMORY
        if s.exact:
            whole = whole_keep(&s.whole)
            if whole < 0:
                return ADDED_NO_MEMORY
        i = _place(s.key, s.bits, hash)         # the table may be another one now
    added = _add_zone(s, i, hash, zone, n, node, address) if s.timed else _add_state(s, i, hash, node)
    if whole >= 0:
        s.where[i] = whole                      # of a free place, if nothing came there
    return added


cdef int store_knows(Store* s, uint64_t hash, const int64_t* zone, int n, int64_t* node) noexcept nogil:
    cdef int64_t i = _place(s.key, s.bits, hash if hash else 1), at
    node[0] = -1
    if s.key[i] == 0:
        return 0
    if not s.timed:
        node[0] = s.value[i] if s.keeps_nodes else -1
        return 1
    at = _covering(s, s.value[i], zone, n, _weight(zone, n))
    if at >= 0:
        node[0] = store_record(s, at).node
    return at >= 0


def _test_store(adds, nodes_max=1 << 40, exact=False):
    """adds: (hash, zone as a tuple of n * n bounds, () untimed[, state]) -> per add (Added, node), zone by node,
    (states, nodes)."""
    cdef Memory m
    cdef Store s
    cdef int64_t zone[CLOCKS_MAX * CLOCKS_MAX]
    cdef bytes state
    cdef int64_t node, address
    cdef int n, i
    memory_init(&m, <int64_t>1 << 40)
    store_init(&s, &m, len(adds[0][1]) > 0, 1, exact, nodes_max)
    done, where = [], {}
    for hash, bounds, *whole in adds:
        state = whole[0] + bytes(8) if whole else b""
        n = round(len(bounds) ** 0.5)
        for i in range(n * n):
            zone[i] = bounds[i]
        added = store_add(&s, hash, <const uint8_t*>state, <int32_t>max(len(state) - 8, 0), zone, n, &node, &address)
        done.append((added, node))
        if address >= 0:
            where[node] = (address, n)
    zones = {}
    for node, (address, n) in where.items():
        zones[node] = tuple(store_zone(&s, address)[i] for i in range(n * n))
    counts = s.states, s.nodes
    store_free(&s)
    assert m.used == 0
    return done, zones, counts
