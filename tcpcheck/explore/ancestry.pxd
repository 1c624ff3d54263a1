# Where each node of the search came from: its parent and the list of choices that led to it, in a few bytes.
from libc.stdint cimport int32_t, int64_t, uint8_t
from tcpcheck.explore.memory cimport Arena, Memory, arena_at, arena_reserve
from tcpcheck.sym.choice cimport CHOICES_MAX

cdef enum:
    ANCESTRY_STRIDE = 32        # every so many nodes one place to start reading from
    STRIDE_BYTES = ANCESTRY_STRIDE * (CHOICES_MAX + 12)         # that many nodes, at most; they lie in one chunk
    MARK_BYTES = 16

ctypedef struct Ancestry:
    Arena bytes                 # per node: parent - parent of the node before (7 bits a byte), n, n choices
    Arena marks                 # per stride: address of its first node and the parent before it
    int64_t nodes
    int64_t last                # parent of the youngest node

cdef void ancestry_init(Ancestry* a, Memory* m) noexcept nogil
cdef void ancestry_free(Ancestry* a) noexcept nogil
cdef void ancestry_mark(Ancestry* a) noexcept nogil                         # see ancestry_add
cdef int ancestry_get(Ancestry* a, int64_t node, int64_t* parent, uint8_t* choice) noexcept nogil    # choices written
cdef list ancestry_path(Ancestry* a, int64_t node)                          # lists of choices from node 0 to this one

cdef inline int ancestry_reserve(Ancestry* a) noexcept nogil:
    """1: the next add cannot fail."""
    return arena_reserve(&a.bytes, 2 * STRIDE_BYTES) and arena_reserve(&a.marks, 2 * MARK_BYTES)

cdef inline void ancestry_add(Ancestry* a, int64_t parent, const uint8_t* choice, int n) noexcept nogil:
    """Node number a.nodes; parents never decrease, because nodes are expanded in the order of their numbers."""
    cdef int64_t up = parent - a.last
    cdef uint8_t* start
    cdef uint8_t* p
    cdef int k
    if a.nodes & (ANCESTRY_STRIDE - 1) == 0:
        ancestry_mark(a)
    start = arena_at(&a.bytes, a.bytes.top)
    p = start
    while up >= 128:
        p[0] = <uint8_t>(128 | (up & 127))
        p += 1
        up >>= 7
    p[0] = <uint8_t>up
    p[1] = <uint8_t>n
    for k in range(n):
        p[2 + k] = choice[k]
    a.bytes.top += p + 2 + n - start
    a.last = parent
    a.nodes += 1
