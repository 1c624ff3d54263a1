# Dense time as difference bounds between clocks (a DBM), closed under shortest paths at all times.
# Time is counted in whole nanoseconds, so every bound is <= and `x < c` is `x <= c - 1`.
from libc.stdint cimport int32_t, int64_t, uint8_t

cdef enum:
    CLOCKS_MAX = 28         # clocks alive in one state, the zero clock included

cdef int64_t TIME_INF       # no bound

ctypedef struct Zone:
    int32_t n                                   # clocks alive; clock 0 is the constant zero
    int64_t m[CLOCKS_MAX * CLOCKS_MAX]          # m[i * CLOCKS_MAX + j] bounds x_i - x_j from above

cdef void zone_init(Zone* z) noexcept nogil                                         # only the zero clock
cdef int zone_new(Zone* z) noexcept nogil                                           # a clock reading 0; its index, -1 when full
cdef int zone_copy(Zone* z, int src) noexcept nogil                                 # a clock equal to src
cdef int zone_constrain(Zone* z, int i, int j, int64_t c) noexcept nogil            # x_i - x_j <= c; 0 when that leaves nothing
cdef int zone_allows(const Zone* z, int i, int j, int64_t c) noexcept nogil         # would x_i - x_j <= c leave anything?
cdef int zone_allows_between(const Zone* z, int i, int64_t lo, int64_t hi) noexcept nogil
cdef int64_t zone_sup(const Zone* z, int i, int j) noexcept nogil                   # least upper bound of x_i - x_j
cdef void zone_up(Zone* z) noexcept nogil                                           # any time may pass
cdef void zone_pass(Zone* z, int64_t d) noexcept nogil                              # exactly d ns pass
cdef void zone_select(Zone* z, const uint8_t* keep, int k) noexcept nogil           # keep[0..k-1] in that order; keep[0] == 0
cdef int zone_round(Zone* z, int i, int j, int64_t tick) noexcept nogil             # x_i - x_j is a whole multiple of tick; 0 when empty
cdef int zone_includes(const Zone* a, const Zone* b) noexcept nogil                 # every valuation of b is one of a (same n)
