# Cycles of states in which a claim waits for ever.
from libc.stdint cimport int64_t, uint64_t
from tcpcheck.explore.edges cimport Edges
from tcpcheck.explore.memory cimport Arena

cdef list find_cycles(Edges* e, Arena* levels, uint64_t claims, int64_t nodes)
    # [(claim, node where it begins, choices of each step)], at most one a claim; None: no memory for it
