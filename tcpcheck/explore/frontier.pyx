"""The queue of a breadth-first search.

Neighbours in the queue are mostly brothers and differ in a few words, so a state is stored as its difference to the
one before it: alternately (words alike, words that follow literally). Reader and writer each keep the state before.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy
from tcpcheck.explore.memory cimport Memory, memory_give, memory_init, memory_take

cdef enum:
    BLOCK_BYTES = 1 << 18

ctypedef struct Head:
    int64_t tag
    int32_t n                   # bytes of the state
    int32_t size                # bytes stored after this head


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


cdef int frontier_reserve(Frontier* f, int32_t n) noexcept nogil:
    """The difference is never longer than the state and one pair of counts for every two words."""
    cdef int32_t most = n + n // 4 + 16 + <int32_t>sizeof(Head)
    cdef Block* block
    if f.last != NULL and f.last.top + most <= BLOCK_BYTES:
        return 1
    block = f.spare
    f.spare = NULL
    if block == NULL:
        block = <Block*>memory_take(f.mem, BLOCK_BYTES)
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


cdef int32_t _encode(uint64_t* before, const uint64_t* now, int32_t words, uint8_t* out) noexcept nogil:
    cdef int32_t i = 0, start, size = 0
    cdef uint16_t alike, literal
    while i < words:
        start = i
        while i < words and now[i] == before[i]:
            i += 1
        alike = <uint16_t>(i - start)
        start = i
        while i < words and now[i] != before[i]:
            before[i] = now[i]
            i += 1
        literal = <uint16_t>(i - start)
        memcpy(out + size, &alike, 2)
        memcpy(out + size + 2, &literal, 2)
        memcpy(out + size + 4, now + start, 8 * literal)
        size += 4 + 8 * literal
    return size


cdef void frontier_put(Frontier* f, const uint8_t* state, int32_t n, int64_t tag) noexcept nogil:
    cdef uint8_t* out = <uint8_t*>f.last + f.last.top
    cdef Head head
    head.tag = tag
    head.n = n
    head.size = _encode(<uint64_t*>f.written, <const uint64_t*>state, (n + 7) // 8, out + sizeof(Head))
    memcpy(out, &head, sizeof(Head))
    f.last.top += <int32_t>sizeof(Head) + head.size
    f.waiting += 1


cdef int32_t frontier_get(Frontier* f, int64_t* tag) noexcept nogil:
    cdef uint64_t* words = <uint64_t*>f.read
    cdef uint8_t* p
    cdef uint8_t* end
    cdef Head head
    cdef Block* empty
    cdef uint16_t alike, literal
    if f.waiting == 0:
        return -1
    while f.at == f.first.top:
        empty = f.first
        f.first = empty.next
        f.at = sizeof(Block)
        memory_give(f.mem, f.spare, BLOCK_BYTES)
        f.spare = empty
    p = <uint8_t*>f.first + f.at
    memcpy(&head, p, sizeof(Head))
    p += sizeof(Head)
    end = p + head.size
    while p < end:
        memcpy(&alike, p, 2)
        memcpy(&literal, p + 2, 2)
        words += alike
        memcpy(words, p + 4, 8 * literal)
        words += literal
        p += 4 + 8 * literal
    f.at += <int32_t>sizeof(Head) + head.size
    f.waiting -= 1
    tag[0] = head.tag
    return head.n


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
            got.append(None if n < 0 else (tag, <bytes>f.read[:n]))
        else:
            padded = op + bytes(8)
            frontier_reserve(&f, len(op))
            frontier_put(&f, <const uint8_t*>padded, len(op), puts)
            puts += 1
    peak = m.peak
    frontier_free(&f)
    assert m.used == 0
    return got, peak
