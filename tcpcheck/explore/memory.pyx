"""Blocks of memory, counted and limited, and arenas made of them."""
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #include <stdint.h>
    #include <stdlib.h>
    #include <sys/mman.h>
    #ifndef MAP_ANONYMOUS
    #define MAP_ANONYMOUS MAP_ANON
    #endif
    /* Zeroed, on a boundary of 2^21 bytes: large tables are read at random, and large pages spare a tenth of the time. */
    static void *tc_map(int64_t size) {
        const uintptr_t page = (uintptr_t)1 << 21;
        size_t whole = (size_t)size + page;
        char *p = mmap(0, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return 0;
        char *first = (char *)(((uintptr_t)p + page - 1) & ~(page - 1));
        if (first > p)
            munmap(p, (size_t)(first - p));
        if (p + whole > first + size)
            munmap(first + size, (size_t)(p + whole - (first + size)));
    #ifdef MADV_HUGEPAGE
        madvise(first, (size_t)size, MADV_HUGEPAGE);
    #endif
        return first;
    }
    static void tc_unmap(void *p, int64_t size) { munmap(p, (size_t)size); }
    """
    void* aligned_alloc(size_t alignment, size_t size) noexcept nogil
    void* tc_map(int64_t size) noexcept nogil
    void tc_unmap(void* p, int64_t size) noexcept nogil

cdef enum:
    MAPPED_FROM = 1 << 22       # bytes; a multiple of the page size
    ALIGNMENT = 64              # a line of the cache


cdef inline int64_t _rounded(int64_t size) noexcept nogil:
    """What is really taken for it: whole pages or whole lines."""
    if size >= MAPPED_FROM:
        return (size + 4095) & ~<int64_t>4095
    return (size + ALIGNMENT - 1) & ~<int64_t>(ALIGNMENT - 1)


cdef void memory_init(Memory* m, int64_t limit) noexcept nogil:
    m.used = 0
    m.peak = 0
    m.limit = limit
    m.fail_after = -1
    m.failed = MEMORY_OK


cdef void* memory_take_raw(Memory* m, int64_t size) noexcept nogil:
    cdef void* p
    if size > m.limit - m.used:
        m.failed = MEMORY_LIMIT
        return NULL
    if m.fail_after >= 0:
        if m.fail_after == 0:
            m.failed = MEMORY_SYSTEM
            return NULL
        m.fail_after -= 1
    if size >= MAPPED_FROM:
        p = tc_map(_rounded(size))
    else:
        p = aligned_alloc(ALIGNMENT, <size_t>_rounded(size))
    if p == NULL:
        m.failed = MEMORY_SYSTEM
        return NULL
    m.used += size
    if m.used > m.peak:
        m.peak = m.used
    return p


cdef void* memory_take(Memory* m, int64_t size) noexcept nogil:
    cdef void* p = memory_take_raw(m, size)
    if p != NULL and size < MAPPED_FROM:
        memset(p, 0, <size_t>size)
    return p


cdef void memory_give(Memory* m, void* p, int64_t size) noexcept nogil:
    if p == NULL:
        return
    if size >= MAPPED_FROM:
        tc_unmap(p, _rounded(size))
    else:
        free(p)
    m.used -= size


cdef void arena_init(Arena* a, Memory* m) noexcept nogil:
    a.mem = m
    a.chunk = NULL
    a.chunks = 0
    a.room = 0
    a.top = 0


cdef void arena_free(Arena* a) noexcept nogil:
    cdef int64_t i
    for i in range(a.chunks):
        memory_give(a.mem, a.chunk[i], CHUNK_BYTES)
    memory_give(a.mem, a.chunk, a.room * <int64_t>sizeof(uint8_t*))
    arena_init(a, a.mem)


cdef int _grow_directory(Arena* a) noexcept nogil:
    cdef int64_t room = 2 * a.room if a.room else 16
    cdef uint8_t** more = <uint8_t**>memory_take(a.mem, room * <int64_t>sizeof(uint8_t*))
    if more == NULL:
        return 0
    if a.chunks:
        memcpy(more, a.chunk, a.chunks * sizeof(uint8_t*))
    memory_give(a.mem, a.chunk, a.room * <int64_t>sizeof(uint8_t*))
    a.chunk = more
    a.room = room
    return 1


cdef int arena_grow(Arena* a, int64_t size) noexcept nogil:
    cdef uint8_t* chunk
    while a.top + size > a.chunks << CHUNK_BITS:
        if a.chunks == a.room and not _grow_directory(a):
            return 0
        chunk = <uint8_t*>memory_take_raw(a.mem, CHUNK_BYTES)
        if chunk == NULL:
            return 0
        a.chunk[a.chunks] = chunk
        a.chunks += 1
    return 1


cdef int64_t arena_take(Arena* a, int64_t size) noexcept nogil:
    cdef int64_t address = (a.top + 7) & ~<int64_t>7
    if (address & (CHUNK_BYTES - 1)) + size > CHUNK_BYTES:
        address = ((address >> CHUNK_BITS) + 1) << CHUNK_BITS
    if not arena_reserve(a, address + size - a.top):
        return -1
    a.top = address + size
    return address


def _test_arena(sizes, limit, fail_after=-1):
    """Take pieces of these sizes, fill each with its own number -> (pieces got, intact, used, peak, used when freed)."""
    cdef Memory m
    cdef Arena a
    cdef int64_t address, i
    memory_init(&m, limit)
    m.fail_after = fail_after
    arena_init(&a, &m)
    got = []
    for number, size in enumerate(sizes):
        address = arena_take(&a, size)
        if address < 0:
            break
        for i in range(size):
            arena_at(&a, address)[i] = number & 255
        got.append((address, size))
    intact = all(
        arena_at(&a, <int64_t>at + <int64_t>i)[0] == (number & 255)
        for number, (at, size) in enumerate(got) for i in range(size)
    )
    used = m.used
    arena_free(&a)
    return len(got), intact, used, m.peak, m.used
