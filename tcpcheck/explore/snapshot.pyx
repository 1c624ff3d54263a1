# cython: cdivision=True
"""A search that stands between two nodes, as bytes and back: the struct as it is, then all that it points to, in one
fixed order, each as long as the struct says. Bytes of one build of tcpcheck mean nothing to another (checkpoint.py)."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from tcpcheck.explore.edges cimport Edges
from tcpcheck.explore.frontier cimport BLOCK_BYTES, Block, Frontier, frontier_grow
from tcpcheck.explore.memory cimport (
    CHUNK_BITS, CHUNK_BYTES, Arena, arena_grow, memory_give, memory_take_raw,
)
from tcpcheck.explore.search cimport BATCH_BYTES, Search
from tcpcheck.explore.store cimport BOUNDS_BITS, BOUNDS_MAX, Store
from tcpcheck.explore.system cimport STATE_BYTES_MAX

cdef int64_t PIECE = 1 << 24        # bytes written at once


# ---------------------------------------------------------------- out

cdef int _out(object sink, const void* p, int64_t n) except -1:
    cdef int64_t at
    for at in range(0, n, PIECE):
        sink.write(PyMemoryView_FromMemory(<char*>p + at, min(PIECE, n - at), PyBUF_READ))
    return 0


cdef int _arena_out(object sink, const Arena* a) except -1:
    cdef int64_t i, left = a.top
    for i in range(a.chunks):
        _out(sink, a.chunk[i], min(max(left, 0), <int64_t>CHUNK_BYTES))
        left -= CHUNK_BYTES
    return 0


cdef int _store_out(object sink, const Store* s) except -1:
    cdef int64_t size = <int64_t>8 << s.bits
    _out(sink, s.key, size)
    if s.value != NULL:
        _out(sink, s.value, size)
    if s.exact:
        _out(sink, s.where, size)
        _arena_out(sink, &s.whole.bytes)
    _arena_out(sink, &s.records)
    if s.timed:
        _out(sink, s.bounds.value, 8 * s.bounds.n)
        _out(sink, s.bounds.place, <int64_t>2 << BOUNDS_BITS)
    return 0


cdef int _frontier_out(object sink, const Frontier* f) except -1:
    cdef const Block* block = f.first
    cdef int64_t left[2]
    _out(sink, f.written, STATE_BYTES_MAX)
    _out(sink, f.read, STATE_BYTES_MAX)
    while block != NULL:                    # how many bytes of it, and whether another one comes
        left[0] = block.top
        left[1] = block.next != NULL
        _out(sink, left, sizeof(left))
        _out(sink, <const uint8_t*>block + sizeof(Block), block.top - <int64_t>sizeof(Block))
        block = block.next
    return 0


cdef int _edges_out(object sink, const Edges* e) except -1:
    _arena_out(sink, &e.edge)
    _arena_out(sink, &e.choice)
    _arena_out(sink, &e.pending)
    return 0


cdef int snapshot_out(Search* s, object sink) except -1:
    assert not s.expanding and not s.torn
    _out(sink, s, sizeof(Search))
    _store_out(sink, &s.store)
    _arena_out(sink, &s.ancestry.bytes)
    _arena_out(sink, &s.ancestry.marks)
    _frontier_out(sink, &s.frontier)
    _edges_out(sink, &s.edges)
    _arena_out(sink, &s.levels)
    _out(sink, s.buffer, s.ready_bytes)
    return 0


# ---------------------------------------------------------------- in

cdef int _in(object source, void* p, int64_t n) except -1:
    cdef int64_t at
    for at in range(0, n, PIECE):
        source.readinto(PyMemoryView_FromMemory(<char*>p + at, min(PIECE, n - at), PyBUF_WRITE))
    return 0


cdef int _arena_in(object source, Arena* a, const Arena* old) except -1:
    """0: no memory. The arena is fresh; it gets as many chunks as the old one had."""
    cdef int64_t i, left = old.top
    if old.chunks and not arena_grow(a, old.chunks << CHUNK_BITS):
        return 0
    for i in range(a.chunks):
        _in(source, a.chunk[i], min(max(left, 0), <int64_t>CHUNK_BYTES))
        left -= CHUNK_BYTES
    a.top = old.top
    return 1


cdef void* _table(Store* s, void* fresh, int64_t size) except? NULL:
    """A table of that size in the place of the fresh one; NULL: no memory."""
    memory_give(s.mem, fresh, <int64_t>8 << s.bits)
    return memory_take_raw(s.mem, size)


cdef int _tables_in(object source, Store* s, const Store* old) except -1:
    cdef int64_t size = <int64_t>8 << old.bits
    cdef int fits
    s.key = <uint64_t*>_table(s, s.key, size)
    if s.value != NULL:
        s.value = <int64_t*>_table(s, s.value, size)
    if s.exact:
        s.where = <int64_t*>_table(s, s.where, size)
    fits = s.key != NULL and (s.value != NULL) == (old.value != NULL) and (s.where != NULL) == (old.where != NULL)
    s.bits = old.bits                       # what is freed has this size; NULL is not
    if not fits:
        return 0
    _in(source, s.key, size)
    if s.value != NULL:
        _in(source, s.value, size)
    if s.exact:
        _in(source, s.where, size)
    return 1


cdef int _store_in(object source, Store* s, const Store* old) except -1:
    if not _tables_in(source, s, old):
        return 0
    if s.exact and not _arena_in(source, &s.whole.bytes, &old.whole.bytes):
        return 0
    if not _arena_in(source, &s.records, &old.records):
        return 0
    if s.timed:
        s.bounds.n = old.bounds.n
        _in(source, s.bounds.value, 8 * s.bounds.n)
        _in(source, s.bounds.place, <int64_t>2 << BOUNDS_BITS)
    s.states = old.states
    s.nodes = old.nodes
    s.level_first = old.level_first
    return 1


cdef int _frontier_in(object source, Frontier* f, const Frontier* old) except -1:
    cdef int64_t left[2]
    _in(source, f.written, STATE_BYTES_MAX)
    _in(source, f.read, STATE_BYTES_MAX)
    left[1] = old.first != NULL
    while left[1]:
        if not frontier_grow(f):
            return 0
        _in(source, left, sizeof(left))
        _in(source, <uint8_t*>f.last + sizeof(Block), left[0] - <int64_t>sizeof(Block))
        f.last.top = <int>left[0]
    f.at = old.at
    f.waiting = old.waiting
    if old.spare != NULL:
        f.spare = <Block*>memory_take_raw(f.mem, BLOCK_BYTES)
    return old.spare == NULL or f.spare != NULL


cdef int _edges_in(object source, Edges* e, const Edges* old) except -1:
    e.n = old.n
    e.nodes = old.nodes
    return (_arena_in(source, &e.edge, &old.edge) and _arena_in(source, &e.choice, &old.choice)
            and _arena_in(source, &e.pending, &old.pending))


cdef void _standing(Search* s, const Search* old) noexcept:
    """Where it stood and what it had found."""
    s.successors = old.successors
    s.node = old.node
    s.node_pending = old.node_pending
    s.popped = old.popped
    s.level_end = old.level_end
    s.depth = old.depth
    s.widths = old.widths
    memcpy(s.width, old.width, sizeof(s.width))
    s.ch = old.ch
    s.reserved = -1                         # room is reserved anew
    s.transitions = old.transitions
    s.truncated = old.truncated
    s.overflows = old.overflows
    s.hit_mask = old.hit_mask
    memcpy(s.rules, old.rules, sizeof(s.rules))
    memcpy(s.hit, old.hit, sizeof(s.hit))
    s.seconds = old.seconds
    s.whole_bytes = old.whole_bytes
    s.mem.peak = max(s.mem.peak, old.mem.peak)


cdef int _batch_in(object source, Search* s, const Search* old) except -1:
    """The successors that wait to be looked up, and the bytes that they point to."""
    cdef int i
    s.nready = old.nready
    s.ready_bytes = old.ready_bytes
    memcpy(s.ready, old.ready, sizeof(s.ready))
    for i in range(s.nready):
        s.ready[i].state = s.buffer + (old.ready[i].state - old.buffer)
        s.ready[i].choice = s.buffer + (old.ready[i].choice - old.buffer)
        if s.ready[i].clocks:
            s.ready[i].zone = <int64_t*>(s.buffer + (<uint8_t*>old.ready[i].zone - old.buffer))
    _in(source, s.buffer, s.ready_bytes)
    return 1


cdef int snapshot_in(Search* s, object source) except -1:
    """s: as a search that has taken its first memory and seen no state."""
    cdef Search* old = <Search*>malloc(sizeof(Search))
    if old == NULL:
        raise MemoryError
    try:
        _in(source, old, sizeof(Search))
        if not _store_in(source, &s.store, &old.store):
            return 0
        s.ancestry.nodes = old.ancestry.nodes
        s.ancestry.last = old.ancestry.last
        if not (_arena_in(source, &s.ancestry.bytes, &old.ancestry.bytes)
                and _arena_in(source, &s.ancestry.marks, &old.ancestry.marks)):
            return 0
        if not (_frontier_in(source, &s.frontier, &old.frontier) and _edges_in(source, &s.edges, &old.edges)
                and _arena_in(source, &s.levels, &old.levels)):
            return 0
        _standing(s, old)
        return _batch_in(source, s, old)
    finally:
        free(old)


assert BOUNDS_MAX < 1 << BOUNDS_BITS and BATCH_BYTES > 0
