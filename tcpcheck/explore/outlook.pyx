# cython: cdivision=True
"""Looks ahead: will the memory reach?

Level by level a search first grows by a factor that then becomes smaller from level to level, and shrinks at last: the
logarithm of the levels' widths is nearly a parabola. One laid through the latest of them tells how many nodes are still
to come: within a factor of five when a fifth of them is known, within two at the half, not at all much earlier. The
first that bends downwards at all may bend far too little: so there must be two in a row, and the smaller number counts.
"""
from libc.math cimport exp, log
from libc.stdint cimport int64_t
from tcpcheck.explore.memory cimport MEMORY_LIMIT
from tcpcheck.explore.search cimport NODES_PER_TURN, Search
from tcpcheck.explore.store cimport EIGHTHS
from tcpcheck.explore.system cimport EXPANSION_MAX

cdef enum:
    WIDTHS_USED = WIDTHS_KEPT - 1
    NEW_PER_TURN = (2 * NODES_PER_TURN + 1) * EXPANSION_MAX     # states found in a turn, at most
    NODES_MIN = 10000                                           # before so many are found nothing is foretold
    LEVELS_AHEAD = 1000

cdef int64_t SPARE = 32 << 20       # bytes that a turn takes at most, but for a larger table of states
cdef double MANY = 1000.0           # times as many as there are


cdef int nearly_full(Search* s) noexcept nogil:
    """Then it is time to stop, while there is a whole search to be saved."""
    cdef int64_t places = <int64_t>1 << s.store.bits
    if s.store.stuck and s.store.states + NEW_PER_TURN > places // EIGHTHS * (EIGHTHS - 1):
        return 1
    if s.mem.limit - s.mem.used > min(SPARE, s.mem.limit >> 2):
        return 0
    s.mem.failed = MEMORY_LIMIT
    return 1


cdef double _foretold(const Search* s, int64_t widths) noexcept nogil:
    """Nodes in all, by the last levels of the first `widths`; 0: nothing tells."""
    cdef double t, y, mean = 0, slope = 0, bend = 0, tt = 0, pp = 0, square, node, sum
    cdef int64_t k
    square = (<double>WIDTHS_USED * WIDTHS_USED - 1) / 12       # mean of t * t
    for k in range(WIDTHS_USED):                                # least squares, by orthogonal polynomials
        t = k - (WIDTHS_USED - 1) / 2.0
        y = log(<double>max(s.width[(widths - WIDTHS_USED + k) % WIDTHS_KEPT], <int64_t>1))
        mean += y / WIDTHS_USED
        slope += t * y
        tt += t * t
        bend += (t * t - square) * y
        pp += (t * t - square) * (t * t - square)
    slope /= tt
    bend /= pp
    sum = <double>s.level_end
    for k in range(WIDTHS_USED + s.widths - widths, LEVELS_AHEAD):
        t = k - (WIDTHS_USED - 1) / 2.0
        node = exp(mean + slope * t + bend * (t * t - square))
        if node < 1:
            return max(sum, <double>s.store.nodes)
        sum += node
        if sum > MANY * s.store.nodes:      # nothing tells where it ends
            break
    return 0


cdef double expected_nodes(const Search* s) noexcept nogil:
    if s.widths < WIDTHS_KEPT or s.store.nodes < NODES_MIN:
        return 0
    return min(_foretold(s, s.widths - 1), _foretold(s, s.widths))


cdef double expected_bytes(const Search* s, double nodes) noexcept nogil:
    cdef int tables = 1 + (s.store.value != NULL) + s.store.exact
    cdef double places = <double>(<int64_t>1 << s.store.bits), found = <double>s.store.nodes
    cdef double others = (<double>s.mem.used - 8 * tables * places) * nodes / found
    cdef double states = <double>s.store.states * nodes / found
    if states < places / EIGHTHS * (EIGHTHS - 2):
        return others + 8 * tables * places
    while states >= places / EIGHTHS * (EIGHTHS - 2):
        places *= 2
    return others + 8 * tables * places * 3 / 2                 # while it is doubled there are two
