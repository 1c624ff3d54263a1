# Steps between states that wait for the same claim: what a lasso is looked for in.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from tcpcheck.explore.memory cimport Arena, Memory

ctypedef struct Edge:
    int64_t source
    int64_t target              # the successor, or the node that covers it
    uint64_t pending            # claims pending at both ends
    int64_t choices             # address of their number and of the choices

ctypedef struct Edges:
    int64_t n
    int64_t nodes               # nodes whose pending mask is kept
    Arena edge
    Arena choice
    Arena pending               # 8 bytes a node

cdef void edges_init(Edges* e, Memory* m) noexcept nogil
cdef void edges_free(Edges* e) noexcept nogil
cdef int edges_reserve(Edges* e) noexcept nogil                             # 1: one node and one edge more cannot fail
cdef void edges_add_node(Edges* e, uint64_t pending) noexcept nogil         # in the order of the nodes' numbers
cdef uint64_t edges_pending(const Edges* e, int64_t node) noexcept nogil
cdef void edges_add(Edges* e, int64_t source, int64_t target, uint64_t pending, const uint8_t* choice,
                    int n) noexcept nogil
cdef Edge* edges_at(const Edges* e, int64_t i) noexcept nogil
cdef bytes edges_choices(const Edges* e, int64_t i)
