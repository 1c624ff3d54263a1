# cython: cdivision=True
"""Arcs of the circle of 2^32 numbers."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

CIRCLE = <uint64_t>1 << 32


cdef Span span_make(int64_t lo, uint64_t len) noexcept nogil:
    cdef Span a
    a.len = CIRCLE if len >= CIRCLE else len
    a.lo = 0 if len >= CIRCLE else <uint32_t>lo
    return a


cdef Span span_between(int64_t lo, int64_t hi) noexcept nogil:
    return span_make(lo, <uint64_t>(hi - lo) + 1)


cdef Span span_negated(Span a) noexcept nogil:
    return span_make(-(<int64_t>a.lo + <int64_t>a.len - 1), a.len)


cdef Span span_sum(Span a, Span b) noexcept nogil:
    if a.len == 0 or b.len == 0:
        return span_make(0, 0)
    return span_make(<int64_t>a.lo + b.lo, a.len + b.len - 1)


cdef Span span_complement(Span a) noexcept nogil:
    return span_make(<int64_t>a.lo + <int64_t>a.len, CIRCLE - a.len)


cdef int span_cap(Span a, Span b, Span* out) noexcept nogil:
    """b seen from the start of a begins at d and, a turn earlier, at d - 2^32: each may meet a once."""
    cdef int64_t d = <int64_t>(<uint32_t>(b.lo - a.lo))
    cdef int64_t start, lo, hi
    cdef int n = 0, turn
    if a.len == 0 or b.len == 0:
        return 0
    if a.len == CIRCLE or b.len == CIRCLE:
        out[0] = b if a.len == CIRCLE else a
        return 1
    for turn in range(2):
        start = d - <int64_t>CIRCLE * turn
        lo = start if start > 0 else 0
        hi = start + <int64_t>b.len
        if hi > <int64_t>a.len:
            hi = <int64_t>a.len
        if lo < hi:
            out[n] = span_make(<int64_t>a.lo + lo, <uint64_t>(hi - lo))
            n += 1
    return n


cdef void spans_cap(Spans* s, Span b) noexcept nogil:
    """Keeping s when the result is too long keeps more numbers, which is the safe side."""
    cdef Spans r
    cdef Span piece[2]
    cdef int i, j, k
    r.n = 0
    for i in range(s.n):
        k = span_cap(s.at[i], b, piece)
        if r.n + k > SPAN_MAX:
            return
        for j in range(k):
            r.at[r.n] = piece[j]
            r.n += 1
    s[0] = r


def _test_span(str op, a, b=None):
    """op of span a and (lo, len) b, as tuples (lo, len); `cap` gives a list."""
    cdef Span x = span_make(a[0], a[1])
    cdef Span y
    cdef Span piece[2]
    if b is not None:
        y = span_make(b[0], b[1])
    if op == "cap":
        return [(piece[i].lo, piece[i].len) for i in range(span_cap(x, y, piece))]
    if op == "sum":
        x = span_sum(x, y)
    elif op == "negated":
        x = span_negated(x)
    elif op == "complement":
        x = span_complement(x)
    return (x.lo, x.len)
