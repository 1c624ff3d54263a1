# How far the memory will reach.
from tcpcheck.explore.search cimport Search

cdef int nearly_full(Search* s) noexcept nogil    # may memory fail within the next turn?
