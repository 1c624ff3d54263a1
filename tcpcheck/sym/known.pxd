# What is known of numbers; number.pyx asks and tells. Internal to sym/.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from tcpcheck.sym.arc cimport Span, Spans
from tcpcheck.sym.number cimport Arc, Num, Sym

cdef int64_t FAR_TICKS      # no bound on a number of ticks

cdef inline int64_t floor_div(int64_t a, int64_t b) noexcept nogil:
    cdef int64_t q = a // b
    return q - 1 if a % b < 0 else q

cdef void log_age(Sym* s, int i, int j, int64_t c) noexcept nogil
cdef void log_number(Sym* s, Num a, Num b, Span where) noexcept nogil
cdef void log_ticks(Sym* s, uint64_t key, int64_t tick, int i, int j, Span where) noexcept nogil
cdef void ticks_between(Sym* s, int base, int ra, int rb, int64_t* lo, int64_t* hi) noexcept nogil
cdef Span arc_best(Sym* s, int p, int rp, int q, int rq) noexcept nogil
cdef void known_arcs(Sym* s, Num a, Num b, Spans* out) noexcept nogil
cdef void arc_store(Sym* s, int a, int ra, int b, int rb, Span x, int meet) noexcept nogil
cdef void arcs_tidy(Sym* s) noexcept nogil
cdef void arc_rename(Arc* e, const uint8_t* renamed) noexcept nogil
cdef void compose_away(Sym* s, int base, int rd, int alive, const uint8_t* rd_alive) noexcept nogil
