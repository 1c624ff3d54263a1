# cython: cdivision=True
"""Choice points and the odometer are compiled into whoever uses them: see choice.pxd."""


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
