# The edges that the parts of a search have found, as those of one search.
cdef enum:
    EDGE_BYTES = 24             # of an Edge: all but the address of its choices
