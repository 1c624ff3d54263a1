# cython: cdivision=True
"""Difference bound matrices over int64 nanoseconds. Invariant of every function here: the matrix stays closed.

After Dill 1989 and Bengtsson/Yi 2004, with <= bounds only. A function that returns 0 for an empty zone leaves the
matrix in any state: the branch is dead.
"""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

TIME_INF = <int64_t>1 << 60


cdef inline int64_t plus(int64_t a, int64_t b) noexcept nogil:
    """a + b where infinity absorbs. Finite bounds stay far below 2^60 (36 years), so the sum of two never wraps."""
    if a >= TIME_INF or b >= TIME_INF:
        return TIME_INF
    return a + b


cdef inline int64_t floor_to(int64_t c, int64_t tick) noexcept nogil:
    """The greatest multiple of tick that is <= c."""
    cdef int64_t r = c % tick
    return c - r - (tick if r < 0 else 0)


cdef void zone_init(Zone* z) noexcept nogil:
    z.n = 1
    z.m[0] = 0


cdef int zone_new(Zone* z) noexcept nogil:
    return zone_copy(z, 0)


cdef int zone_copy(Zone* z, int src) noexcept nogil:
    cdef int n = z.n, j
    if n >= CLOCKS_MAX:
        return -1
    for j in range(n):
        z.m[n * CLOCKS_MAX + j] = z.m[src * CLOCKS_MAX + j]
        z.m[j * CLOCKS_MAX + n] = z.m[j * CLOCKS_MAX + src]
    z.m[n * CLOCKS_MAX + n] = 0
    z.n = n + 1
    return n


cdef int zone_constrain(Zone* z, int i, int j, int64_t c) noexcept nogil:
    """Closing again after one new edge i -> j: every path may use it once, hence O(n^2). A p that does not come to j
    sooner by it comes nowhere sooner, as the matrix was closed: most rows are passed over."""
    cdef int n = z.n, p, q
    cdef int64_t via
    cdef int64_t* row_j = &z.m[j * CLOCKS_MAX]
    cdef int64_t* row
    if c >= z.m[i * CLOCKS_MAX + j]:
        return 1
    if plus(z.m[j * CLOCKS_MAX + i], c) < 0:
        return 0
    for p in range(n):
        row = &z.m[p * CLOCKS_MAX]
        via = plus(row[i], c)
        if via >= row[j]:
            continue
        for q in range(n):
            if row_j[q] < TIME_INF and via + row_j[q] < row[q]:
                row[q] = via + row_j[q]
    return 1


cdef int zone_allows(const Zone* z, int i, int j, int64_t c) noexcept nogil:
    return plus(z.m[j * CLOCKS_MAX + i], c) >= 0


cdef int zone_allows_between(const Zone* z, int i, int64_t lo, int64_t hi) noexcept nogil:
    """May lo <= x_i <= hi hold? In a closed zone x_i takes every whole value between its two bounds."""
    return lo <= hi and zone_allows(z, i, 0, hi) and zone_allows(z, 0, i, -lo)


cdef int64_t zone_sup(const Zone* z, int i, int j) noexcept nogil:
    return z.m[i * CLOCKS_MAX + j]


cdef void zone_up(Zone* z) noexcept nogil:
    cdef int i
    for i in range(1, z.n):
        z.m[i * CLOCKS_MAX] = TIME_INF


cdef void zone_pass(Zone* z, int64_t d) noexcept nogil:
    cdef int i
    for i in range(1, z.n):
        z.m[i * CLOCKS_MAX] = plus(z.m[i * CLOCKS_MAX], d)
        z.m[i] -= d


cdef void zone_select(Zone* z, const uint8_t* keep, int k) noexcept nogil:
    cdef int64_t old[CLOCKS_MAX * CLOCKS_MAX]
    cdef int i, j
    for i in range(z.n):
        memcpy(&old[i * CLOCKS_MAX], &z.m[i * CLOCKS_MAX], <size_t>z.n * sizeof(int64_t))
    for i in range(k):
        for j in range(k):
            z.m[i * CLOCKS_MAX + j] = old[keep[i] * CLOCKS_MAX + keep[j]]
    z.n = k


cdef int zone_round(Zone* z, int i, int j, int64_t tick) noexcept nogil:
    cdef int64_t up = z.m[i * CLOCKS_MAX + j], down = z.m[j * CLOCKS_MAX + i]
    if up < TIME_INF and not zone_constrain(z, i, j, floor_to(up, tick)):
        return 0
    if down < TIME_INF and not zone_constrain(z, j, i, floor_to(down, tick)):
        return 0
    return 1


cdef int zone_includes(const Zone* a, const Zone* b) noexcept nogil:
    cdef int i, j
    for i in range(a.n):
        for j in range(a.n):
            if a.m[i * CLOCKS_MAX + j] < b.m[i * CLOCKS_MAX + j]:
                return 0
    return 1


cdef class _TestZone:
    """Python's handle on a Zone, for tests only."""
    cdef Zone z

    def __cinit__(self):
        zone_init(&self.z)

    def clone(self):
        cdef _TestZone other = _TestZone()
        other.z = self.z
        return other

    def new(self): return zone_new(&self.z)
    def copy(self, int src): return zone_copy(&self.z, src)
    def constrain(self, int i, int j, int64_t c): return bool(zone_constrain(&self.z, i, j, c))
    def allows(self, int i, int j, int64_t c): return bool(zone_allows(&self.z, i, j, c))
    def allows_between(self, int i, int64_t lo, int64_t hi): return bool(zone_allows_between(&self.z, i, lo, hi))
    def up(self): zone_up(&self.z)
    def pass_(self, int64_t d): zone_pass(&self.z, d)
    def round(self, int i, int j, int64_t tick): return bool(zone_round(&self.z, i, j, tick))
    def includes(self, _TestZone other): return bool(zone_includes(&self.z, &other.z))

    def select(self, keep):
        cdef uint8_t buf[CLOCKS_MAX]
        for i, k in enumerate(keep):
            buf[i] = k
        zone_select(&self.z, buf, len(keep))

    def bounds(self):
        """The matrix; None: no bound."""
        return [[None if self.z.m[i * CLOCKS_MAX + j] >= TIME_INF else self.z.m[i * CLOCKS_MAX + j]
                 for j in range(self.z.n)] for i in range(self.z.n)]
