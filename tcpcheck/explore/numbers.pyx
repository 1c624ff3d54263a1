# cython: cdivision=True
"""Ascending numbers as differences. To find one, the marks are searched by halves, then one stride is read."""
from libc.stdint cimport int64_t, uint8_t
from tcpcheck.explore.memory cimport (
    Memory, arena_at, arena_free, arena_init, arena_put, arena_reserve, arena_take, memory_init,
)

ctypedef struct Mark:           # 16 bytes: a chunk of an arena holds whole ones
    int64_t at
    int64_t number


cdef void numbers_init(Numbers* x, Memory* m) noexcept nogil:
    arena_init(&x.bytes, m)
    arena_init(&x.marks, m)
    x.n = 0
    x.last = 0


cdef void numbers_free(Numbers* x) noexcept nogil:
    arena_free(&x.bytes)
    arena_free(&x.marks)


cdef inline Mark* _mark(const Numbers* x, int64_t stride) noexcept nogil:
    return <Mark*>arena_at(&x.marks, stride * <int64_t>sizeof(Mark))


cdef inline Reader _reader(const Numbers* x, int64_t stride) noexcept nogil:
    """That has just read the stride's first number."""
    cdef Reader r
    r.i = stride * NUMBERS_STRIDE
    r.at = _mark(x, stride).at
    r.number = _mark(x, stride).number
    return r


cdef int numbers_put(Numbers* x, int64_t number) noexcept nogil:
    cdef int64_t up = number - x.last
    cdef Mark* mark
    if not arena_reserve(&x.bytes, 10) or not arena_reserve(&x.marks, 2 * <int64_t>sizeof(Mark)):
        return 0
    while up >= 128:
        arena_put(&x.bytes, <uint8_t>(128 | (up & 127)))
        up >>= 7
    arena_put(&x.bytes, <uint8_t>up)
    if x.n % NUMBERS_STRIDE == 0:
        arena_take(&x.marks, sizeof(Mark))
        mark = _mark(x, x.n // NUMBERS_STRIDE)
        mark.at = x.bytes.top
        mark.number = number
    x.n += 1
    x.last = number
    return 1


cdef void reader_start(Reader* r) noexcept nogil:
    r.i = -1
    r.at = 0
    r.number = -1


cdef int reader_next(const Numbers* x, Reader* r) noexcept nogil:
    cdef int64_t up = 0
    cdef int shift = 0
    cdef uint8_t byte
    if r.i + 1 >= x.n:
        return 0
    while True:
        byte = arena_at(&x.bytes, r.at)[0]
        r.at += 1
        up += <int64_t>(byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    r.number = up if r.i < 0 else r.number + up
    r.i += 1
    return 1


cdef int64_t numbers_at(const Numbers* x, int64_t i) noexcept nogil:
    cdef Reader r = _reader(x, i // NUMBERS_STRIDE)
    while r.i < i:
        reader_next(x, &r)
    return r.number


cdef int64_t numbers_find(const Numbers* x, int64_t number) noexcept nogil:
    cdef int64_t low = 0, high = (x.n + NUMBERS_STRIDE - 1) // NUMBERS_STRIDE, middle
    cdef Reader r
    while high - low > 1:                   # the last stride that begins at or before it is in [low, high)
        middle = (low + high) // 2
        if _mark(x, middle).number <= number:
            low = middle
        else:
            high = middle
    if x.n == 0:
        return -1
    r = _reader(x, low)
    while r.number < number and reader_next(x, &r):
        pass
    return r.i if r.number == number else -1


def _test_numbers(numbers, asked):
    """Puts the numbers in -> (all read one after the other, each by its index, the index of each one asked for)."""
    cdef Memory m
    cdef Numbers x
    cdef Reader r
    memory_init(&m, 1 << 40)
    numbers_init(&x, &m)
    for number in numbers:
        numbers_put(&x, number)
    reader_start(&r)
    read = []
    while reader_next(&x, &r):
        read.append(r.number)
    got = read, [numbers_at(&x, i) for i in range(x.n)], [numbers_find(&x, number) for number in asked]
    numbers_free(&x)
    assert m.used == 0
    return got
