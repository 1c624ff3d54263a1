"""A log of edges. Sources never decrease: nodes are expanded in the order of their numbers."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from tcpcheck.explore.memory cimport Memory, arena_at, arena_free, arena_init, arena_put, arena_reserve, arena_take
from tcpcheck.sym.choice cimport CHOICES_MAX


cdef void edges_init(Edges* e, Memory* m) noexcept nogil:
    e.n = 0
    e.nodes = 0
    arena_init(&e.edge, m)
    arena_init(&e.choice, m)
    arena_init(&e.pending, m)


cdef void edges_free(Edges* e) noexcept nogil:
    arena_free(&e.edge)
    arena_free(&e.choice)
    arena_free(&e.pending)


cdef int edges_reserve(Edges* e) noexcept nogil:
    return (arena_reserve(&e.edge, sizeof(Edge)) and arena_reserve(&e.choice, CHOICES_MAX + 1)
            and arena_reserve(&e.pending, 8))


cdef void edges_add_node(Edges* e, uint64_t pending) noexcept nogil:
    (<uint64_t*>arena_at(&e.pending, arena_take(&e.pending, 8)))[0] = pending
    e.nodes += 1


cdef uint64_t edges_pending(const Edges* e, int64_t node) noexcept nogil:
    return (<uint64_t*>arena_at(&e.pending, 8 * node))[0]


cdef void edges_add(Edges* e, int64_t source, int64_t target, uint64_t pending, const uint8_t* choice,
                    int n) noexcept nogil:
    cdef Edge* edge = <Edge*>arena_at(&e.edge, arena_take(&e.edge, sizeof(Edge)))
    cdef int k
    edge.source = source
    edge.target = target
    edge.pending = pending
    edge.choices = e.choice.top
    arena_put(&e.choice, <uint8_t>n)
    for k in range(n):
        arena_put(&e.choice, choice[k])
    e.n += 1


cdef Edge* edges_at(const Edges* e, int64_t i) noexcept nogil:
    return <Edge*>arena_at(&e.edge, i * <int64_t>sizeof(Edge))


cdef bytes edges_choices(const Edges* e, int64_t i):
    cdef int64_t at = edges_at(e, i).choices
    cdef int64_t n = arena_at(&e.choice, at)[0], k
    return bytes([arena_at(&e.choice, at + 1 + k)[0] for k in range(n)])
