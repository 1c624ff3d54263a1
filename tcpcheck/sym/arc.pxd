# Arcs of the circle of 2^32 numbers: arithmetic only.
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    SPAN_MAX = 4            # arcs that one Span holds

cdef uint64_t CIRCLE        # 2^32

ctypedef struct Span:       # the numbers lo, lo + 1, ..., lo + len - 1, modulo 2^32
    uint32_t lo
    uint64_t len            # 0..2^32; 2^32 is the full circle, with lo 0

ctypedef struct Spans:      # a union of disjoint arcs
    int n
    Span at[SPAN_MAX]

cdef Span span_make(int64_t lo, uint64_t len) noexcept nogil
cdef Span span_between(int64_t lo, int64_t hi) noexcept nogil                   # the images of lo..hi; full when they go round
cdef Span span_negated(Span a) noexcept nogil                                   # {-v}
cdef Span span_sum(Span a, Span b) noexcept nogil                               # {v + w}
cdef Span span_complement(Span a) noexcept nogil
cdef int span_cap(Span a, Span b, Span* out) noexcept nogil                     # intersection: 0, 1 or 2 arcs; their number
cdef void spans_cap(Spans* s, Span b) noexcept nogil                            # s := s and b; left as it is when that needs too many arcs
