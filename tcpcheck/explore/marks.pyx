"""The first transitions that took each mark. Nodes come in the order of their numbers, so these are shortest."""
from libc.stdint cimport int32_t, int64_t, uint8_t
from tcpcheck.explore.ancestry cimport ancestry_path
from tcpcheck.explore.memory cimport arena_at, arena_free, arena_init, arena_put, arena_reserve, memory_give, memory_take
from tcpcheck.explore.system cimport STEP_MARKS_MAX


cdef int marks_init(Marks* k, Memory* m) noexcept nogil:
    k.mem = m
    arena_init(&k.choice, m)
    if not k.total:
        return 1
    k.count = <uint8_t*>memory_take(m, k.total)
    k.first = <First*>memory_take(m, FIRSTS * k.total * <int64_t>sizeof(First))
    return k.count != NULL and k.first != NULL


cdef void marks_free(Marks* k) noexcept nogil:
    memory_give(k.mem, k.count, k.total)
    memory_give(k.mem, k.first, FIRSTS * k.total * <int64_t>sizeof(First))
    arena_free(&k.choice)


cdef int _add(Marks* k, int32_t mark, int64_t node, const Choices* ch) noexcept nogil:
    cdef int i
    cdef int32_t kept = k.count[mark]
    cdef First* f = &k.first[mark * FIRSTS + kept]
    if kept == FIRSTS or (kept and (f - 1).node == node):
        return 1
    if not arena_reserve(&k.choice, ch.n + 1):
        return 0
    f.node, f.choices = node, k.choice.top
    arena_put(&k.choice, <uint8_t>ch.n)
    for i in range(ch.n):
        arena_put(&k.choice, ch.taken[i])
    k.count[mark] += 1
    return 1


cdef int marks_note(Marks* k, const System* sys, int64_t node, const Choices* ch) noexcept nogil:
    """What the step just run from this node took."""
    cdef int32_t[STEP_MARKS_MAX] mark
    cdef int i
    for i in range(sys.marks(sys.ctx, mark)):
        if not _add(k, mark[i], node, ch):
            return 0
    return 1


cdef dict marks_paths(Marks* k, Ancestry* a):
    cdef First* f
    cdef int64_t n
    cdef int32_t mark
    cdef int i, j
    found = {}
    for mark in range(k.total if k.count != NULL and k.first != NULL else 0):
        for i in range(k.count[mark]):
            f = &k.first[mark * FIRSTS + i]
            n = arena_at(&k.choice, f.choices)[0]
            last = bytes([arena_at(&k.choice, f.choices + 1 + j)[0] for j in range(n)])
            found.setdefault(mark, []).append(ancestry_path(a, f.node) + [last])
    return found
