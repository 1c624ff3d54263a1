"""The interface between a transition system and the search."""

cdef class Handle:
    pass
