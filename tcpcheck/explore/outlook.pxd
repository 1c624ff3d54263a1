# How far the memory will reach.
from tcpcheck.explore.search cimport WIDTHS_KEPT, Search

cdef int nearly_full(Search* s) noexcept nogil                              # may memory fail within the next turn?
cdef double expected_nodes(const Search* s) noexcept nogil                  # in all; 0: nothing tells
cdef double expected_bytes(const Search* s, double nodes) noexcept nogil    # the most held at once, for so many nodes
