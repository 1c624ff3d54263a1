# Where each node of the search came from: its parent and the list of choices that led to it, in a few bytes.
from libc.stdint cimport int32_t, int64_t, uint8_t
from tcpcheck.explore.memory cimport Arena, Memory

cdef enum:
    ANCESTRY_STRIDE = 32        # every so many nodes one place to start reading from

ctypedef struct Ancestry:
    Arena bytes                 # per node: parent - parent of the node before (7 bits a byte), n, n choices
    Arena marks                 # per stride: address of its first node and the parent before it
    int64_t nodes
    int64_t last                # parent of the youngest node

cdef void ancestry_init(Ancestry* a, Memory* m) noexcept nogil
cdef void ancestry_free(Ancestry* a) noexcept nogil
cdef int ancestry_reserve(Ancestry* a) noexcept nogil                       # 1: the next add cannot fail
cdef void ancestry_add(Ancestry* a, int64_t parent, const uint8_t* choice, int n) noexcept nogil
    # node number a.nodes; parents never decrease, because nodes are expanded in the order of their numbers
cdef int ancestry_get(Ancestry* a, int64_t node, int64_t* parent, uint8_t* choice) noexcept nogil    # choices written
cdef list ancestry_path(Ancestry* a, int64_t node)                          # lists of choices from node 0 to this one
