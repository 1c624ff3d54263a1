# cython: cdivision=True
"""What is known of numbers: the log of a witness path, arcs between bases, and how arcs outlive the numbers between.

An arc says that value(a, ra) - value(b, rb), offsets apart, lies on an arc of the circle. An arc between two readings
says something of every other pair of readings of the same two counters, as the zone bounds the ticks between; and two
arcs that meet in a number say something of their other ends.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset
from tcpcheck.sym.arc cimport CIRCLE, Span, Spans, span_between, span_cap, span_make, span_negated, span_sum, spans_cap
from tcpcheck.sym.number cimport ARCS_MAX, LOG_AGE, LOG_MAX, LOG_NUMBER, MODE_RECORD, Arc, Base, LogEntry, Num, Sym
from tcpcheck.sym.zone cimport TIME_INF, zone_sup

FAR_TICKS = <int64_t>1 << 62


# ---- the log -----------------------------------------------------------------------------------------------

cdef LogEntry* log_entry(Sym* s) noexcept nogil:
    """A cleared entry at the end of the log; NULL: nothing is to be logged."""
    cdef LogEntry* e
    if s.mode != MODE_RECORD or s.rec == NULL or s.ch.dead:
        return NULL
    if s.rec.n >= LOG_MAX:
        s.rec.overflow = 1
        return NULL
    e = &s.rec.log[s.rec.n]
    s.rec.n += 1
    memset(e, 0, sizeof(LogEntry))
    e.i = -1
    e.j = -1
    return e


cdef void log_age(Sym* s, int i, int j, int64_t c) noexcept nogil:
    """t[i] - t[j] <= c, in instants."""
    cdef LogEntry* e = log_entry(s)
    if e != NULL:
        e.kind = LOG_AGE
        e.i = i
        e.j = j
        e.c = c


cdef int instant_of(Sym* s, Num a) noexcept nogil:
    """The instant at which the counter of a was read; -1: none was."""
    cdef Base* b = &s.base[a.base]
    if a.base == 0 or b.tick == 0:
        return -1
    return s.rec.org[a.rd] if b.linked else b.org


cdef void log_number(Sym* s, Num a, Num b, Span where) noexcept nogil:
    """value(a) - value(b), offsets included, lies in `where`."""
    cdef LogEntry* e = log_entry(s)
    if e != NULL:
        e.kind = LOG_NUMBER
        e.i = instant_of(s, a)
        e.j = instant_of(s, b)
        e.c = a.off - b.off
        e.key_a = s.base[a.base].key
        e.key_b = s.base[b.base].key
        e.tick_a = s.base[a.base].tick
        e.tick_b = s.base[b.base].tick
        e.lo = where.lo
        e.len = where.len


cdef void log_ticks(Sym* s, uint64_t key, int64_t tick, int i, int j, Span where) noexcept nogil:
    """One counter, read at two instants: how far it went from j to i lies in `where`."""
    cdef LogEntry* e = log_entry(s)
    if e != NULL:
        e.kind = LOG_NUMBER
        e.i = i
        e.j = j
        e.key_a = e.key_b = key
        e.tick_a = e.tick_b = tick
        e.lo = where.lo
        e.len = where.len


# ---- what is known of the difference of two values, their offsets apart -----------------------------------

cdef void ticks_between(Sym* s, int base, int ra, int rb, int64_t* lo, int64_t* hi) noexcept nogil:
    """Least and greatest counter(ra) - counter(rb): how many ticks older rb is. +-FAR_TICKS: no bound."""
    cdef int64_t up = zone_sup(&s.z, rb, ra), down = zone_sup(&s.z, ra, rb), tick = s.base[base].tick
    hi[0] = FAR_TICKS if up >= TIME_INF else floor_div(up, tick)
    lo[0] = -FAR_TICKS if down >= TIME_INF else -floor_div(down, tick)


cdef Span tick_span(Sym* s, int base, int ra, int rb) noexcept nogil:
    cdef int64_t lo, hi
    if ra == rb:
        return span_make(0, 1)
    ticks_between(s, base, ra, rb, &lo, &hi)
    if lo > hi:                 # no whole tick fits: infeasible, but that is for whoever compares these two to find
        return span_make(0, CIRCLE)
    return span_between(lo, hi)


cdef Span arc_seen(Sym* s, const Arc* e, int p, int rp, int q, int rq) noexcept nogil:
    """What arc e, between the same two bases, says of value(p, rp) - value(q, rq): widened where readings differ."""
    cdef Span x = span_make(e.lo, e.len)
    if e.a == p:
        return span_sum(span_sum(tick_span(s, p, rp, e.ra), x), tick_span(s, q, e.rb, rq))
    return span_sum(span_sum(tick_span(s, p, rp, e.rb), span_negated(x)), tick_span(s, q, e.ra, rq))


cdef Span arc_best(Sym* s, int p, int rp, int q, int rq) noexcept nogil:
    """The shortest arc that one entry alone gives for value(p, rp) - value(q, rq)."""
    cdef Span best = span_make(0, CIRCLE), x
    cdef int i
    for i in range(s.narc):
        if (s.arc[i].a == p and s.arc[i].b == q) or (s.arc[i].a == q and s.arc[i].b == p):
            x = arc_seen(s, &s.arc[i], p, rp, q, rq)
            if x.len < best.len:
                best = x
    return best


cdef void known_arcs(Sym* s, Num a, Num b, Spans* out) noexcept nogil:
    """All that is known of value(a) - value(b): arcs between the two bases, and those that meet in a third number."""
    cdef const Arc* e
    cdef Span x, y
    cdef int i, c, rc
    out.n = 1
    out.at[0] = span_make(0, CIRCLE)
    for i in range(s.narc):
        e = &s.arc[i]
        if (e.a == a.base and e.b == b.base) or (e.a == b.base and e.b == a.base):
            spans_cap(out, arc_seen(s, e, a.base, a.rd, b.base, b.rd))
        elif e.a == a.base or e.b == a.base:
            c = e.b if e.a == a.base else e.a
            rc = e.rb if e.a == a.base else e.ra
            y = arc_best(s, c, rc, b.base, b.rd)
            if y.len < CIRCLE:
                x = arc_seen(s, e, a.base, a.rd, c, rc)
                spans_cap(out, span_sum(x, y))


cdef int arc_find(Sym* s, int a, int ra, int b, int rb) noexcept nogil:
    cdef int i
    for i in range(s.narc):
        if s.arc[i].a == a and s.arc[i].ra == ra and s.arc[i].b == b and s.arc[i].rb == rb:
            return i
    return -1


cdef void arc_store(Sym* s, int a, int ra, int b, int rb, Span x, int meet) noexcept nogil:
    """Remember value(a, ra) - value(b, rb) in x. meet: what is already known there stays true as well.

    Stored with the smaller base first. A full table forgets: safe."""
    cdef Span both[2]
    cdef int i, n
    if a > b:
        a, ra, b, rb, x = b, rb, a, ra, span_negated(x)
    i = arc_find(s, a, ra, b, rb)
    if i < 0:
        if x.len >= CIRCLE or s.narc >= ARCS_MAX:
            return
        i = s.narc
        s.narc += 1
    elif meet:
        n = span_cap(span_make(s.arc[i].lo, s.arc[i].len), x, both)
        if n == 0:
            s.ch.dead = 1
        if n != 1:              # two arcs are not one: the old knowledge is kept
            return
        x = both[0]
    s.arc[i].a, s.arc[i].ra, s.arc[i].b, s.arc[i].rb = <uint8_t>a, <uint8_t>ra, <uint8_t>b, <uint8_t>rb
    s.arc[i].lo = x.lo
    s.arc[i].len = x.len


cdef int arc_before(const Arc* x, const Arc* y) noexcept nogil:
    if x.a != y.a:
        return x.a < y.a
    if x.b != y.b:
        return x.b < y.b
    if x.ra != y.ra:
        return x.ra < y.ra
    return x.rb < y.rb


cdef void arcs_tidy(Sym* s) noexcept nogil:
    """Equal knowledge, equal bytes: no full circles, sorted, nothing left behind in the unused part."""
    cdef Arc e
    cdef int i, j, n, before = s.narc, tidy = 0
    while tidy < before and s.arc[tidy].len < CIRCLE and \
            (tidy == 0 or not arc_before(&s.arc[tidy], &s.arc[tidy - 1])):
        tidy += 1
    n = tidy
    for i in range(tidy, before):
        if s.arc[i].len >= CIRCLE:
            continue
        e = s.arc[i]
        j = n
        while j > 0 and arc_before(&e, &s.arc[j - 1]):
            s.arc[j] = s.arc[j - 1]
            j -= 1
        s.arc[j] = e
        n += 1
    if n < before:
        memset(&s.arc[n], 0, <size_t>(before - n) * sizeof(Arc))
    s.narc = n


# ---- forgetting --------------------------------------------------------------------------------------------

cdef void arc_rename(Arc* e, const uint8_t* renamed) noexcept nogil:
    """New names may come in another order: the smaller one comes first again."""
    cdef Span x = span_make(e.lo, e.len)
    cdef uint8_t a = renamed[e.a], b = renamed[e.b], ra = e.ra, rb = e.rb
    if a > b:
        a, ra, b, rb, x = b, rb, a, ra, span_negated(x)
    e.a, e.ra, e.b, e.rb, e.lo = a, ra, b, rb, x.lo


cdef void compose_away(Sym* s, int base, int rd, int alive, const uint8_t* rd_alive) noexcept nogil:
    """What two arcs say through the number (base, rd) is kept for their other ends; then its arcs are full circles.

    When the base lives on in other readings, those inherit each arc, widened by the time between the readings."""
    cdef Arc old[ARCS_MAX]
    cdef int i, j, r, n = 0
    cdef Arc* e
    for i in range(s.narc):             # taken out, and turned so that (base, rd) comes first
        e = &s.arc[i]
        if e.a == base and e.ra == rd:
            old[n] = e[0]
        elif e.b == base and e.rb == rd:
            old[n].b, old[n].rb = e.a, e.ra
            old[n].lo = span_negated(span_make(e.lo, e.len)).lo
            old[n].len = e.len
        else:
            continue
        n += 1
        e.len = CIRCLE
    arcs_tidy(s)
    for i in range(n):
        for j in range(i):
            if old[i].b != old[j].b:
                arc_store(s, old[i].b, old[i].rb, old[j].b, old[j].rb, span_sum(
                    span_negated(span_make(old[i].lo, old[i].len)), span_make(old[j].lo, old[j].len)), 1)
        for r in range(1, s.z.n):
            if alive and r != rd and s.rd_base[r] == base and rd_alive[r]:
                arc_store(s, base, r, old[i].b, old[i].rb, span_sum(
                    tick_span(s, base, r, rd), span_make(old[i].lo, old[i].len)), 1)
