"""The log of parents and choices. A path is read backwards, one mark and at most 31 entries per step."""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy
from tcpcheck.explore.memory cimport (
    CHUNK_BITS, CHUNK_BYTES, Memory, arena_at, arena_free, arena_init, arena_take, memory_init,
)
from tcpcheck.sym.choice cimport CHOICES_MAX

ctypedef struct Mark:
    int64_t address
    int64_t parent


cdef void ancestry_init(Ancestry* a, Memory* m) noexcept nogil:
    arena_init(&a.bytes, m)
    arena_init(&a.marks, m)
    a.nodes = 0
    a.last = 0


cdef void ancestry_free(Ancestry* a) noexcept nogil:
    arena_free(&a.bytes)
    arena_free(&a.marks)


cdef void ancestry_mark(Ancestry* a) noexcept nogil:
    """Begins a stride, where the chunk has room for all of it."""
    cdef Mark* mark = <Mark*>arena_at(&a.marks, arena_take(&a.marks, sizeof(Mark)))
    if CHUNK_BYTES - (a.bytes.top & (CHUNK_BYTES - 1)) < STRIDE_BYTES:
        a.bytes.top = ((a.bytes.top >> CHUNK_BITS) + 1) << CHUNK_BITS
    mark.address = a.bytes.top
    mark.parent = a.last


cdef const uint8_t* _skip(const uint8_t* p, int64_t* parent, int* n) noexcept nogil:
    """Reads the head of the entry at p: adds to *parent, sets *n; where its choices are."""
    cdef int shift = 0
    while p[0] >= 128:
        parent[0] += <int64_t>(p[0] & 127) << shift
        shift += 7
        p += 1
    parent[0] += <int64_t>p[0] << shift
    n[0] = p[1]
    return p + 2


cdef int ancestry_get(Ancestry* a, int64_t node, int64_t* parent, uint8_t* choice) noexcept nogil:
    cdef Mark* mark = <Mark*>arena_at(&a.marks, (node // ANCESTRY_STRIDE) * <int64_t>sizeof(Mark))
    cdef const uint8_t* p = arena_at(&a.bytes, mark.address)
    cdef int64_t _
    cdef int n = 0
    parent[0] = mark.parent
    for _ in range(node % ANCESTRY_STRIDE + 1):
        p = _skip(p + n, parent, &n)
    memcpy(choice, p, n)
    return n


cdef list ancestry_path(Ancestry* a, int64_t node):
    cdef uint8_t choice[CHOICES_MAX]
    cdef int64_t parent
    cdef int n
    path = []
    while node > 0:
        n = ancestry_get(a, node, &parent, choice)
        path.append(<bytes>choice[:n])
        node = parent
    path.reverse()
    return path


def _test_ancestry(entries):
    """entries: (parent, choices) of nodes 1, 2, ... -> path to every node, then the bytes used a node."""
    cdef Memory m
    cdef Ancestry a
    cdef bytes choices
    memory_init(&m, 1 << 40)
    ancestry_init(&a, &m)
    ancestry_reserve(&a)
    ancestry_add(&a, 0, NULL, 0)
    for parent, choices in entries:
        ancestry_reserve(&a)
        ancestry_add(&a, parent, <const uint8_t*>choices, len(choices))
    paths = [ancestry_path(&a, node) for node in range(a.nodes)]
    used = a.bytes.top + a.marks.top
    ancestry_free(&a)
    assert m.used == 0
    return paths, used / len(paths)


assert MARK_BYTES == sizeof(Mark)
