# Whole states, for a search that does not trust hashes: each as its words that are not zero.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from tcpcheck.explore.memory cimport Arena, Memory

ctypedef struct Whole:
    Arena bytes                 # per state: its packed length, then the packed state
    uint8_t* packed             # the state last packed
    int32_t n                   # its length

cdef int whole_init(Whole* x, Memory* m) noexcept nogil                         # 0: no memory
cdef void whole_free(Whole* x, Memory* m) noexcept nogil
cdef void whole_pack(Whole* x, const uint8_t* state, int32_t n) noexcept nogil  # whole words, zero behind its n bytes
cdef int whole_same(Whole* x, int64_t address) noexcept nogil                   # is the one last packed the one stored there?
cdef int64_t whole_keep(Whole* x) noexcept nogil                                # stores the one last packed; -1: no memory
