# cython: cdivision=True
"""Looks ahead: will the memory reach?"""
from libc.stdint cimport int64_t
from tcpcheck.explore.memory cimport MEMORY_LIMIT
from tcpcheck.explore.search cimport NODES_PER_TURN, Search
from tcpcheck.explore.store cimport EIGHTHS
from tcpcheck.explore.system cimport EXPANSION_MAX

cdef enum:
    NEW_PER_TURN = (2 * NODES_PER_TURN + 1) * EXPANSION_MAX     # states found in a turn, at most

cdef int64_t SPARE = 32 << 20       # bytes that a turn takes at most, but for a larger table of states


cdef int nearly_full(Search* s) noexcept nogil:
    """Then it is time to stop, while there is a whole search to be saved."""
    cdef int64_t places = <int64_t>1 << s.store.bits
    if s.store.stuck and s.store.states + NEW_PER_TURN > places // EIGHTHS * (EIGHTHS - 1):
        return 1
    if s.mem.limit - s.mem.used > min(SPARE, s.mem.limit >> 2):
        return 0
    s.mem.failed = MEMORY_LIMIT
    return 1
