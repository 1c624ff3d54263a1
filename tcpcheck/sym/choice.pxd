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

cdef void choices_start(Choices* c) noexcept nogil              # forget everything: the first branch
cdef int choose(Choices* c, int n, int kind) noexcept nogil     # 0..n-1; n == 0 kills the branch; n == 1 is not recorded
cdef int choices_next(Choices* c) noexcept nogil                # prescribe the next branch; 0 when all were walked
