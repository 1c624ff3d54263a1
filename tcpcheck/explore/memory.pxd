# Every byte the search holds is taken and given back here, so that a limit can be kept and a peak reported.
from libc.stdint cimport int64_t, uint8_t

cdef enum:
    CHUNK_BITS = 18
    CHUNK_BYTES = 1 << 18       # an arena grows by so much; nothing stored in one piece may be larger

cdef enum MemoryFailure:
    MEMORY_OK = 0
    MEMORY_LIMIT = 1            # the caller's own limit
    MEMORY_SYSTEM = 2           # the machine has no more

ctypedef struct Memory:
    int64_t used                # bytes held now
    int64_t peak                # the most ever held
    int64_t limit               # bytes; more is refused
    int64_t fail_after          # tests: so many more blocks are given, then none; -1: no such limit
    int failed                  # MemoryFailure: why the last block was refused

ctypedef struct Arena:          # bytes that stay where they are; addresses count from 0
    Memory* mem
    uint8_t** chunk
    int64_t chunks              # allocated
    int64_t room                # places for chunks in the directory
    int64_t top                 # first free address

cdef void memory_init(Memory* m, int64_t limit) noexcept nogil
cdef void* memory_take(Memory* m, int64_t size) noexcept nogil              # zeroed, 64-aligned; NULL: see failed
cdef void* memory_take_raw(Memory* m, int64_t size) noexcept nogil          # with anything in it: most is never touched
cdef void memory_give(Memory* m, void* p, int64_t size) noexcept nogil

cdef void arena_init(Arena* a, Memory* m) noexcept nogil
cdef void arena_free(Arena* a) noexcept nogil
cdef int arena_grow(Arena* a, int64_t size) noexcept nogil                  # see arena_reserve
cdef int64_t arena_take(Arena* a, int64_t size) noexcept nogil              # address of one piece, 8-aligned; -1: no memory

cdef inline uint8_t* arena_at(const Arena* a, int64_t address) noexcept nogil:
    return a.chunk[address >> CHUNK_BITS] + (address & (CHUNK_BYTES - 1))

cdef inline int arena_reserve(Arena* a, int64_t size) noexcept nogil:
    """1: the next `size` bytes cannot fail."""
    return a.top + size <= a.chunks << CHUNK_BITS or arena_grow(a, size)

cdef inline void arena_put(Arena* a, uint8_t byte) noexcept nogil:
    """A byte stream instead: after arena_reserve."""
    arena_at(a, a.top)[0] = byte
    a.top += 1
