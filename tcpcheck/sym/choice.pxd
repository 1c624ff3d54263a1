# Nondeterminism: everything that may go several ways asks choose().
# One step of a world is a pure function of (state, list of choices); the odometer below walks all lists.
from libc.stdint cimport int32_t, int64_t, uint8_t

cdef enum:
    CHOICES_MAX = 96        # choice points in one step; more sets `overflow`, which ends in `undecided`

cdef enum ChoiceKind:
    CHOOSE_EVENT = 0        # which event comes next
    CHOOSE_FATE = 1         # what the network does with a segment, `either`, a random draw
    CHOOSE_NUMBER = 2       # how a comparison of numbers or of times known only in part comes out

ctypedef int (*DrawFn)(void* ctx, int n, int kind) noexcept nogil

ctypedef struct Choices:
    int32_t n               # choice points met so far in this step
    int32_t fixed           # the first `fixed` of them are prescribed by taken[]
    int32_t dead            # 1: this branch is infeasible; what it computed is thrown away
    int32_t overflow        # 1: a table of fixed size was too small: the search must say `undecided`
    uint8_t taken[CHOICES_MAX]
    uint8_t arity[CHOICES_MAX]
    uint8_t kind[CHOICES_MAX]
    DrawFn draw             # a random run: draws what is not prescribed; NULL: the first alternative
    void* draw_ctx

cdef inline void choices_start(Choices* c) noexcept nogil:
    """Forget everything: the first branch."""
    c.n = c.fixed = c.dead = c.overflow = 0
    c.draw = NULL
    c.draw_ctx = NULL


cdef inline int choose(Choices* c, int n, int kind) noexcept nogil:
    """0..n-1; n == 0 kills the branch; n == 1 is not recorded. A dead branch asks nothing more."""
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


cdef inline int choices_next(Choices* c) noexcept nogil:
    """Prescribe the next branch: the last choice that has an alternative left moves on; 0 when all were walked."""
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
