# Ascending numbers, a byte or two each: which nodes of the whole search a part of it has.
from libc.stdint cimport int64_t
from tcpcheck.explore.memory cimport Arena, Memory

cdef enum:
    NUMBERS_STRIDE = 32         # every so many numbers one place to start reading from

ctypedef struct Reader:         # one after the other
    int64_t i                   # index of the number
    int64_t at                  # address behind it
    int64_t number              # -1: none read yet

ctypedef struct Numbers:
    Arena bytes                 # differences, 7 bits a byte
    Arena marks                 # per stride: its first number, and the address behind that
    int64_t n
    int64_t last

cdef void numbers_init(Numbers* x, Memory* m) noexcept nogil
cdef void numbers_free(Numbers* x) noexcept nogil
cdef int numbers_put(Numbers* x, int64_t number) noexcept nogil             # above all before it; 0: no memory
cdef int64_t numbers_at(const Numbers* x, int64_t i) noexcept nogil         # the i-th, i < n
cdef int64_t numbers_find(const Numbers* x, int64_t number) noexcept nogil  # its index; -1: not among them
cdef void reader_start(Reader* r) noexcept nogil
cdef int reader_next(const Numbers* x, Reader* r) noexcept nogil            # 0: no more, as yet
