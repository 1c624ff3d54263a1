"""The log of parents and choices. A path is read backwards, one mark and at most 31 entries per step."""
from libc.stdint cimport int64_t, uint8_t
from tcpcheck.explore.memory cimport (
    Memory, arena_at, arena_free, arena_init, arena_put, arena_reserve, arena_take, memory_init,
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


cdef int ancestry_reserve(Ancestry* a) noexcept nogil:
    return arena_reserve(&a.bytes, CHOICES_MAX + 12) and arena_reserve(&a.marks, 2 * <int64_t>sizeof(Mark))


cdef void ancestry_add(Ancestry* a, int64_t parent, const uint8_t* choice, int n) noexcept nogil:
    cdef Mark* mark
    cdef int64_t up = parent - a.last
    cdef int k
    if a.nodes % ANCESTRY_STRIDE == 0:
        mark = <Mark*>arena_at(&a.marks, arena_take(&a.marks, sizeof(Mark)))
        mark.address = a.bytes.top
        mark.parent = a.last
    while up >= 128:
        arena_put(&a.bytes, <uint8_t>(128 | (up & 127)))
        up >>= 7
    arena_put(&a.bytes, <uint8_t>up)
    arena_put(&a.bytes, <uint8_t>n)
    for k in range(n):
        arena_put(&a.bytes, choice[k])
    a.last = parent
    a.nodes += 1


cdef int64_t _skip(Ancestry* a, int64_t at, int64_t* parent, int* n) noexcept nogil:
    """Reads the head of the entry at `at`: adds to *parent, sets *n; the address of its choices."""
    cdef int shift = 0
    cdef uint8_t byte
    while True:
        byte = arena_at(&a.bytes, at)[0]
        at += 1
        parent[0] += <int64_t>(byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    n[0] = arena_at(&a.bytes, at)[0]
    return at + 1


cdef int ancestry_get(Ancestry* a, int64_t node, int64_t* parent, uint8_t* choice) noexcept nogil:
    cdef Mark* mark = <Mark*>arena_at(&a.marks, (node // ANCESTRY_STRIDE) * <int64_t>sizeof(Mark))
    cdef int64_t at = mark.address, i
    cdef int n = 0, k
    parent[0] = mark.parent
    for i in range(node % ANCESTRY_STRIDE + 1):
        at = _skip(a, at + n if i else at, parent, &n)
    for k in range(n):
        choice[k] = arena_at(&a.bytes, at + k)[0]
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
