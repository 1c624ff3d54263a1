# The router between two sides: what it forwards, and how its nat table changes addresses and ports.
from tcpcheck.model.layout cimport Flying, Machine
from tcpcheck.tcp.types cimport Seg

cdef int next_hop(Machine* m, int host, const Seg* s) noexcept nogil    # where a segment that leaves `host` goes first
cdef int forward(Machine* m, Seg* s) noexcept nogil
    # What came to the router. 1: on its way again as *s; 0: dropped (noted in -1's place by the caller); 2: for the router itself
cdef void forget_tracks(Machine* m) noexcept nogil
cdef void tidy_tracks(Machine* m) noexcept nogil
