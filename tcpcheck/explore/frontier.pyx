"""The queue of a breadth-first search.

Neighbours in the queue are mostly brothers and differ in a few words, so a state is stored as its difference to the
one before it: for every 64 groups of eight words the mask of the groups that differ, then for each of those the mask of
its words and those. Reader and writer each keep the state before. Neither jumps on which word differs, which nobody can
predict. Short states are stored as they are.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from tcpcheck.explore.memory cimport Memory, memory_give, memory_init, memory_take, memory_take_raw

cdef extern from *:
    """
    #include <stdint.h>
    #define tc_lowest(x) __builtin_ctzll(x)
    typedef uint64_t tc_two __attribute__((vector_size(16), aligned(8), may_alias));
    static inline int tc_alike(const uint64_t *a, const uint64_t *b) {      /* eight words */
        const tc_two *x = (const tc_two *)a, *y = (const tc_two *)b;
        tc_two d = (x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]);
        return !(d[0] | d[1]);
    }
    """
    int tc_lowest(uint64_t x) noexcept nogil
    int tc_alike(const uint64_t* a, const uint64_t* b) noexcept nogil


cdef int frontier_init(Frontier* f, Memory* m) noexcept nogil:
    f.mem = m
    f.first = NULL
    f.last = NULL
    f.spare = NULL
    f.at = 0
    f.waiting = 0
    f.written = <uint8_t*>memory_take(m, STATE_BYTES_MAX)
    f.read = <uint8_t*>memory_take(m, STATE_BYTES_MAX)
    return f.written != NULL and f.read != NULL


cdef void frontier_free(Frontier* f) noexcept nogil:
    cdef Block* block
    while f.first != NULL:
        block = f.first
        f.first = block.next
        memory_give(f.mem, block, BLOCK_BYTES)
    memory_give(f.mem, f.spare, BLOCK_BYTES)
    memory_give(f.mem, f.written, STATE_BYTES_MAX)
    memory_give(f.mem, f.read, STATE_BYTES_MAX)
    f.last = NULL
    f.spare = NULL
    f.written = NULL
    f.read = NULL


cdef int frontier_grow(Frontier* f) noexcept nogil:
    cdef Block* block = f.spare
    f.spare = NULL
    if block == NULL:
        block = <Block*>memory_take_raw(f.mem, BLOCK_BYTES)
    if block == NULL:
        return 0
    block.next = NULL
    block.top = sizeof(Block)
    if f.last == NULL:
        f.first = block
        f.at = sizeof(Block)
    else:
        f.last.next = block
    f.last = block
    return 1


cdef inline uint8_t* _encode_group(uint64_t* before, const uint64_t* now, int32_t words, uint8_t* p) noexcept nogil:
    """-> where the next group goes: at p when this one does not differ."""
    cdef uint8_t* to = p + 1
    cdef int mask = 0, differs
    cdef int32_t k
    if words == 8 and tc_alike(before, now):
        return p
    for k in range(words):
        memcpy(to, now + k, 8)
        differs = now[k] != before[k]
        before[k] = now[k]
        mask |= differs << k
        to += 8 * differs
    p[0] = <uint8_t>mask
    return to if mask else p


cdef int32_t _encode(uint64_t* before, const uint64_t* now, int32_t words, uint8_t* out) noexcept nogil:
    cdef uint8_t* p = out
    cdef uint8_t* head
    cdef uint8_t* q
    cdef uint64_t groups
    cdef int32_t i, g
    for i in range(0, words, 512):
        head = p
        p += 8
        groups = 0
        for g in range(0, min(512, words - i), 8):
            q = _encode_group(before + i + g, now + i + g, min(8, words - i - g), p)
            groups |= <uint64_t>(q != p) << (g >> 3)
            p = q
        memcpy(head, &groups, 8)
    return <int32_t>(p - out)


cdef void _decode(const uint8_t* p, uint64_t* before, int32_t words) noexcept nogil:
    """`before` becomes the state; it has room for whole groups of words."""
    cdef uint64_t groups, word
    cdef uint64_t* to
    cdef int32_t i, k
    cdef int mask
    for i in range(0, words, 512):
        memcpy(&groups, p, 8)
        p += 8
        while groups:
            to = before + i + 8 * tc_lowest(groups)
            groups &= groups - 1
            mask = p[0]
            p += 1
            for k in range(8):
                memcpy(&word, p, 8)
                to[k] = word if mask >> k & 1 else to[k]
                p += 8 * (mask >> k & 1)


cdef void frontier_put_long(Frontier* f, const uint8_t* state, Head* head) noexcept nogil:
    """Writes the state, and how many bytes that took."""
    cdef uint8_t* out = <uint8_t*>f.last + f.last.top + sizeof(Head)
    head.size = _encode(<uint64_t*>f.written, <const uint64_t*>state, (head.n + 7) // 8, out)


cdef void frontier_turn(Frontier* f) noexcept nogil:
    cdef Block* empty
    while f.at == f.first.top:
        empty = f.first
        f.first = empty.next
        f.at = sizeof(Block)
        memory_give(f.mem, f.spare, BLOCK_BYTES)
        f.spare = empty


cdef void frontier_decode(Frontier* f, const Head* head) noexcept nogil:
    """The state at f.state is a long one: now it is whole."""
    _decode(f.state, <uint64_t*>f.read, (head.n + 7) // 8)
    f.state = f.read


# ---------------------------------------------------------------- the whole queue as one piece of bytes

cdef int64_t frontier_bytes(const Frontier* f) noexcept nogil:
    cdef const Block* block = f.first
    cdef int64_t n = 8 if f.waiting else 0
    while block != NULL and f.waiting:
        n += 8 + block.top - <int64_t>sizeof(Block)
        block = block.next
    return n


cdef void frontier_pack(Frontier* f, uint8_t* out) noexcept nogil:
    cdef Block* block
    cdef int64_t size
    if f.waiting:
        memcpy(out, &f.waiting, 8)
        out += 8
    while f.first != NULL:
        block = f.first
        size = block.top - <int64_t>sizeof(Block)
        if f.waiting:
            memcpy(out, &size, 8)
            memcpy(out + 8, <uint8_t*>block + sizeof(Block), size)
            out += 8 + size
        f.first = block.next
        memory_give(f.mem, f.spare, BLOCK_BYTES)
        f.spare = block
    f.last = NULL
    f.waiting = 0
    memset(f.written, 0, STATE_BYTES_MAX)


cdef int frontier_unpack(Frontier* f, const uint8_t* data, int64_t n) noexcept nogil:
    cdef const uint8_t* end = data + n
    cdef int64_t size
    while f.first != NULL:                  # one emptied block may be left
        f.last = f.first
        f.first = f.first.next
        memory_give(f.mem, f.spare, BLOCK_BYTES)
        f.spare = f.last
    f.last = NULL
    memset(f.read, 0, STATE_BYTES_MAX)
    if n == 0:
        return 1
    memcpy(&f.waiting, data, 8)
    data += 8
    while data < end:
        memcpy(&size, data, 8)
        if not frontier_grow(f):
            f.waiting = 0
            return 0
        memcpy(<uint8_t*>f.last + sizeof(Block), data + 8, size)
        f.last.top = <int32_t>(sizeof(Block) + size)
        data += 8 + size
    return 1


def _test_frontier(ops):
    """ops: bytes puts that state (its tag is its number), None takes one out -> what came out as (tag, bytes), used."""
    cdef Memory m
    cdef Frontier f
    cdef bytes padded
    cdef int64_t tag = 0
    cdef int32_t n
    memory_init(&m, 1 << 40)
    frontier_init(&f, &m)
    got = []
    puts = 0
    for op in ops:
        if op is None:
            n = frontier_get(&f, &tag)
            got.append(None if n < 0 else (tag, <bytes>f.state[:n]))
        else:
            padded = op + bytes(8)
            frontier_reserve(&f, len(op))
            frontier_put(&f, <const uint8_t*>padded, len(op), puts)
            puts += 1
    peak = m.peak
    frontier_free(&f)
    assert m.used == 0
    return got, peak
