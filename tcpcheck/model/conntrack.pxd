# What a Linux router remembers of the connections that go through it, and what it makes of each segment.
from tcpcheck.model.layout cimport Machine, Track
from tcpcheck.tcp.types cimport Seg
from libc.stdint cimport int64_t

cdef enum Verdict:
    CT_ACCEPTED = 0             # part of the connection: translated as it says
    CT_INVALID = 1              # no part of it: goes on as it came
    CT_REOPENED = 2             # the connection is over, and this begins another: forget it and look again

cdef int track_new(Machine* m, Track* t, const Seg* s) noexcept nogil                   # 0: nothing begins with such a segment
cdef int track_segment(Machine* m, Track* t, const Seg* s, int dir, int* over) noexcept nogil   # -> Verdict; over: forget it now
cdef int track_expired(Machine* m, const Track* t) noexcept nogil                       # a choice unless decided
cdef int track_is_over(const Track* t) noexcept nogil
cdef void track_end(Track* t) noexcept nogil                                            # its time is over, its mapping may still be used
cdef int is_syn_sent(const Track* t) noexcept nogil
