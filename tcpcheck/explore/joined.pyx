# cython: cdivision=True
"""Cycles of waiting states in a search in parts: each part has the edges into its own states, which are joined here."""
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy
from tcpcheck.explore.edges cimport Edge, Edges, edges_add, edges_free, edges_init, edges_reserve
from tcpcheck.explore.lasso cimport find_cycles
from tcpcheck.explore.memory cimport (
    Arena, Memory, arena_at, arena_free, arena_init, arena_reserve, arena_take, memory_init,
)

ctypedef struct Packed:         # edges as Partition.edges() writes them
    const uint8_t* at
    const uint8_t* end

cdef int64_t EVERYTHING = <int64_t>1 << 62


cdef inline int64_t _source(const Packed* c) noexcept nogil:
    cdef int64_t source
    memcpy(&source, c.at, 8)
    return source


cdef inline int _sooner(const Packed* a, const Packed* b) noexcept nogil:
    """Steps from one state come in the order of their choices."""
    cdef int64_t x = _source(a), y = _source(b)
    cdef int n = min(a.at[EDGE_BYTES], b.at[EDGE_BYTES])
    return x < y or x == y and memcmp(a.at + EDGE_BYTES + 1, b.at + EDGE_BYTES + 1, n) < 0


cdef int _join(Edges* e, Packed* cursor, int parts) noexcept nogil:
    """0: no memory."""
    cdef int i, least, n
    cdef Edge edge
    while True:
        least = -1
        for i in range(parts):
            if cursor[i].at < cursor[i].end and (least < 0 or _sooner(&cursor[i], &cursor[least])):
                least = i
        if least < 0:
            return 1
        if not edges_reserve(e):
            return 0
        memcpy(&edge, cursor[least].at, EDGE_BYTES)
        n = cursor[least].at[EDGE_BYTES]
        cursor[least].at += EDGE_BYTES + 1
        edges_add(e, edge.source, edge.target, edge.pending, cursor[least].at, n)
        cursor[least].at += n


def find_lassos(list packed, list levels, claims, int64_t nodes, memory_bytes):
    """packed: edges() of every part. levels: the first node of each. -> as find_cycles; None: no memory for it"""
    cdef Memory m
    cdef Edges e
    cdef Arena first
    cdef Packed* cursor = <Packed*>calloc(len(packed), sizeof(Packed))
    cdef bytes part
    cdef int ok
    memory_init(&m, EVERYTHING if memory_bytes is None else memory_bytes)
    edges_init(&e, &m)
    arena_init(&first, &m)
    for i, part in enumerate(packed):
        cursor[i].at = <const uint8_t*>part
        cursor[i].end = cursor[i].at + len(part)
    ok = arena_reserve(&first, 8 * len(levels) + 8)
    for level in levels if ok else ():
        (<int64_t*>arena_at(&first, arena_take(&first, 8)))[0] = level
    ok = ok and _join(&e, cursor, len(packed))
    found = find_cycles(&e, &first, claims, nodes) if ok else None
    free(cursor)
    edges_free(&e)
    arena_free(&first)
    return found
