# cython: cdivision=True
"""Whole states in little space: most words of a state are zero, because most of a socket's fields are.

For every eight words a byte that tells which are not zero, and those. Equal states have equal packed bytes, so they are
compared as they are stored.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy
from tcpcheck.explore.memory cimport Memory, arena_at, arena_free, arena_init, arena_take, memory_give, memory_take
from tcpcheck.explore.system cimport STATE_BYTES_MAX

cdef enum:
    PACKED_MAX = 2 * STATE_BYTES_MAX


cdef int whole_init(Whole* x, Memory* m) noexcept nogil:
    arena_init(&x.bytes, m)
    x.packed = <uint8_t*>memory_take(m, PACKED_MAX)
    return x.packed != NULL


cdef void whole_free(Whole* x, Memory* m) noexcept nogil:
    arena_free(&x.bytes)
    memory_give(m, x.packed, PACKED_MAX)
    x.packed = NULL


cdef void whole_pack(Whole* x, const uint8_t* state, int32_t n) noexcept nogil:
    cdef uint8_t* p = x.packed + 4
    cdef uint8_t* head
    cdef uint64_t word
    cdef int32_t i, k, words = (n + 7) // 8
    cdef int mask
    memcpy(x.packed, &n, 4)
    for i in range(0, words, 8):
        head = p
        p += 1
        mask = 0
        for k in range(min(8, words - i)):
            memcpy(&word, state + 8 * (i + k), 8)
            memcpy(p, &word, 8)
            mask |= (word != 0) << k
            p += 8 * (word != 0)
        head[0] = <uint8_t>mask
    x.n = <int32_t>(p - x.packed)


cdef int whole_same(Whole* x, int64_t address) noexcept nogil:
    cdef uint8_t* stored = arena_at(&x.bytes, address)
    cdef int32_t n
    memcpy(&n, stored, 4)
    return n == x.n and memcmp(stored + 4, x.packed, n) == 0


cdef int64_t whole_keep(Whole* x) noexcept nogil:
    cdef int64_t address = arena_take(&x.bytes, 4 + x.n)
    if address >= 0:
        memcpy(arena_at(&x.bytes, address), &x.n, 4)
        memcpy(arena_at(&x.bytes, address) + 4, x.packed, x.n)
    return address
