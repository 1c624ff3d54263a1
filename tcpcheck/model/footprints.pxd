# What a watched search has seen of states and steps, numbers and clocks left out.
from tcpcheck.model.layout cimport Machine, World
from tcpcheck.tcp.types cimport Sock
from libc.stdint cimport int64_t, uint64_t

ctypedef struct Prints:             # a set of hashes
    uint64_t* slot                  # open addressing; 0: free
    int64_t room, used
    int failed                      # out of memory: some are missing

cdef class Footprints:
    cdef Prints p

cdef int seen_state(Footprints f, Machine* m)       # the state after the step
cdef int seen_edge(Footprints f, Machine* m)        # the step: state before, rules taken, state after
cdef uint64_t world_print(Machine* m, const World* w) noexcept nogil
cdef void masked_sock(const Sock* of, Sock* s) noexcept nogil      # what a footprint keeps of a socket
