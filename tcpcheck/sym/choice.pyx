# cython: cdivision=True
"""Choice points and the odometer that walks all lists of choices of one step."""
from libc.stdint cimport uint8_t
from libc.string cimport memset


cdef void choices_start(Choices* c) noexcept nogil:
    memset(c, 0, sizeof(Choices))


cdef int choose(Choices* c, int n, int kind) noexcept nogil:
    """0..n-1. What was already infeasible stays so: a dead branch asks nothing more."""
    cdef int k = c.n
    if c.dead or n <= 0:
        c.dead = 1
        return 0
    if n == 1:
        return 0
    if k >= CHOICES_MAX or n > 255:     # no room: what is not explored must be confessed
        c.overflow = 1
        c.dead = 1
        return 0
    if k >= c.fixed:
        c.taken[k] = 0 if c.draw == NULL else <uint8_t>c.draw(c.draw_ctx, n, kind)
    c.arity[k] = <uint8_t>n
    c.kind[k] = <uint8_t>kind
    c.n = k + 1
    return c.taken[k]


cdef int choices_next(Choices* c) noexcept nogil:
    """The last choice that has an alternative left moves on; those after it are forgotten."""
    cdef int k = c.n - 1
    while k >= 0 and c.taken[k] + 1 >= c.arity[k]:
        k -= 1
    c.n = 0
    c.dead = 0                          # overflow stays: some branch was cut
    if k < 0:
        c.fixed = 0
        return 0
    c.taken[k] += 1
    c.fixed = k + 1
    return 1


def _test_walk(tree):
    """All lists of choices below `tree`: a dict {list taken so far: arity} (missing: the end). -> (lists, overflow)."""
    cdef Choices c
    cdef int n
    choices_start(&c)
    walked = []
    while True:
        here = ()
        while here in tree and not c.dead:
            n = tree[here]
            here += (choose(&c, n, CHOOSE_EVENT),)
        walked.append((here, bool(c.dead), tuple(c.taken[k] for k in range(c.n))))
        if not choices_next(&c):
            return walked, bool(c.overflow)
