# cython: cdivision=True
"""Clocks and numbers known only in part: what tcp/ and model/ ask, and what is remembered of the answers.

Every approximation here keeps more behaviours, never fewer: knowledge that has no room or no exact form is dropped.
The zone follows from the log (arcs too): what the state decides needs no entry of its own.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from tcpcheck.sym.arc cimport CIRCLE, Span, Spans, span_cap, span_complement, span_make
from tcpcheck.sym.choice cimport CHOOSE_NUMBER, Choices, choose
from tcpcheck.sym.known cimport arc_best, arc_rename, arc_store, arcs_tidy, compose_away, floor_div, known_arcs, \
    log_age, log_number, log_ticks, ticks_between
from tcpcheck.sym.zone cimport CLOCKS_MAX, TIME_INF, zone_allows_between, zone_constrain, zone_copy, zone_init, \
    zone_round, zone_select, zone_sup

cdef enum:
    PIECES_MAX = 64
    WRAPS_MAX = 8               # turns of a counter that one comparison tells apart, either way

cdef int64_t FAR_NS = <int64_t>2000 * 1000000000        # ... and how far apart the two readings may be for that

ctypedef struct Piece:          # one way how a comparison comes out: the number of ticks between readings, or an arc
    int truth
    int64_t lo, hi
    Span span


cdef void sym_init(Sym* s, int timed, Choices* ch) noexcept nogil:
    memset(s, 0, sizeof(Sym))
    zone_init(&s.z)
    s.timed = timed
    s.nbase = 1
    s.ch = ch


# ---- clocks ------------------------------------------------------------------------------------------------

cdef int clock_copy_from(Sym* s, int x, int org) noexcept nogil:
    cdef int k = zone_copy(&s.z, x)
    if k < 0:                   # 0 is "no clock": every guard holds, and the search says why it cannot conclude
        s.ch.overflow = 1
        return 0
    s.rd_base[k] = 0
    if s.rec != NULL:
        s.rec.org[k] = org
    return k


cdef int clock_start(Sym* s) noexcept nogil:
    if not s.timed:
        return 0
    return clock_copy_from(s, 0, s.rec.step if s.rec != NULL else 0)


cdef int clock_copy(Sym* s, int x) noexcept nogil:
    if not s.timed or x == 0:
        return 0
    return clock_copy_from(s, x, s.rec.org[x] if s.rec != NULL else 0)


cdef int age_allows(Sym* s, int x, int64_t lo, int64_t hi) noexcept nogil:
    if x == 0:
        return 1
    return zone_allows_between(&s.z, x, lo, hi)


cdef void age_at_most(Sym* s, int x, int64_t hi) noexcept nogil:
    if not zone_constrain(&s.z, x, 0, hi):
        s.ch.dead = 1
    elif s.rec != NULL:
        log_age(s, s.rec.step, s.rec.org[x], hi)


cdef void age_no_less(Sym* s, int x, int64_t lo) noexcept nogil:
    if not zone_constrain(&s.z, 0, x, -lo):
        s.ch.dead = 1
    elif s.rec != NULL:
        log_age(s, s.rec.org[x], s.rec.step, -lo)


cdef void age_require(Sym* s, int x, int64_t lo, int64_t hi) noexcept nogil:
    if x == 0 or s.ch.dead:
        return
    if lo > 0:
        age_no_less(s, x, lo)
    if hi < TIME_INF and not s.ch.dead:
        age_at_most(s, x, hi)


cdef int age_at_least(Sym* s, int x, int64_t t) noexcept nogil:
    return age_compared(s, x, t, 0)


cdef int age_exceeds(Sym* s, int x, int64_t t) noexcept nogil:
    return age_compared(s, x, t + 1, 1)


cdef int age_compared(Sym* s, int x, int64_t t, int older) noexcept nogil:
    """age >= t? older: which alternative says so. Without a clock (`time off`) either may be."""
    if s.ch.dead:
        return 0
    if x != 0:
        if -zone_sup(&s.z, 0, x) >= t:
            return 1
        if zone_sup(&s.z, x, 0) < t:
            return 0
    if choose(s.ch, 2, CHOOSE_NUMBER) == older:
        if x != 0:
            age_no_less(s, x, t)
        return 1
    if x != 0:
        age_at_most(s, x, t - 1)
    return 0


cdef int same_phase(Sym* s, int a, int b) noexcept nogil:
    """Do the counters of these two bases tick at the same moments?"""
    return a != 0 and b != 0 and s.base[a].tick == s.base[b].tick and s.base[a].host == s.base[b].host


cdef void round_readings(Sym* s) noexcept nogil:
    """Moments of ticks are whole ticks apart. Three readings rounded only pair by pair could contradict each other."""
    cdef int i, j
    for i in range(1, s.z.n):
        for j in range(1, i):
            if same_phase(s, s.rd_base[i], s.rd_base[j]) and not zone_round(&s.z, i, j, s.base[s.rd_base[i]].tick):
                s.ch.dead = 1
                return


cdef void sym_select(Sym* s, const uint8_t* keep, int k) noexcept nogil:
    """After sym_prune. An arc whose reading is not kept goes too."""
    cdef uint8_t place[CLOCKS_MAX]
    cdef uint8_t rd_base[CLOCKS_MAX]
    cdef int32_t org[CLOCKS_MAX]
    cdef int i
    memset(place, 0, sizeof(place))
    memset(rd_base, 0, sizeof(rd_base))
    for i in range(1, k):
        place[keep[i]] = <uint8_t>i
        rd_base[i] = s.rd_base[keep[i]]
        org[i] = s.rec.org[keep[i]] if s.rec != NULL else 0
    zone_select(&s.z, keep, k)
    for i in range(CLOCKS_MAX):
        s.rd_base[i] = rd_base[i]
    if s.rec != NULL:
        for i in range(1, k):
            s.rec.org[i] = org[i]
    for i in range(s.narc):
        if (s.arc[i].ra != 0 and place[s.arc[i].ra] == 0) or (s.arc[i].rb != 0 and place[s.arc[i].rb] == 0):
            s.arc[i].len = CIRCLE
        s.arc[i].ra = place[s.arc[i].ra]
        s.arc[i].rb = place[s.arc[i].rb]
    arcs_tidy(s)
    round_readings(s)


# ---- bases and readings ------------------------------------------------------------------------------------

cdef Num num_make(int base, int rd, int64_t off) noexcept nogil:
    cdef Num a
    memset(&a, 0, sizeof(Num))
    a.base = <uint8_t>base
    a.rd = <uint8_t>rd
    a.off = off
    return a


cdef Num num_const(uint32_t v) noexcept nogil:
    return num_make(0, 0, v)


cdef Num num_add(Num a, int64_t k) noexcept nogil:
    """One that has gone round (model/bulk.pyx) counts on: so it can be told from what it was a turn ago."""
    cdef int turned = a.off >= <int64_t>CIRCLE
    a.off += k
    if a.base == 0 and not turned:
        a.off = <int64_t>(<uint32_t>a.off)
    return a


cdef int base_new(Sym* s, uint64_t key, int64_t tick, int host, int linked, int32_t org) noexcept nogil:
    """BASE_UNKNOWN when the table is full: nothing can be remembered about the number, which is safe."""
    cdef int i = s.nbase
    cdef Base* b = &s.base[i]
    if i >= BASES_MAX:
        return BASE_UNKNOWN
    memset(b, 0, sizeof(Base))
    b.key = key
    b.tick = tick
    b.host = <uint8_t>host
    b.linked = 1 if linked else 0
    b.org = org
    s.nbase = i + 1
    return i


cdef int base_find(Sym* s, uint64_t key, int64_t tick, int host) noexcept nogil:
    """The base of this constant; a new one when it has none yet."""
    cdef int i
    for i in range(1, s.nbase):
        if s.base[i].linked and s.base[i].key == key and s.base[i].tick == tick:
            return i
    return base_new(s, key, tick, host, 1, 0)


cdef int reading_new(Sym* s, int base, int age) noexcept nogil:
    """A clock for the age of the tick in which clock `age` was reset (0: now): age <= x <= age + tick - 1.

    A reading of the same counter in the same tick is the same reading. 0: no room for a clock."""
    cdef int64_t tick = s.base[base].tick
    cdef int32_t org = 0
    cdef int k, j
    if s.rec != NULL:
        org = s.rec.org[age] if age != 0 else s.rec.step
    k = clock_copy_from(s, age, org)
    if k == 0:
        return 0
    for j in range(k):
        if s.z.m[k * CLOCKS_MAX + j] < TIME_INF:
            s.z.m[k * CLOCKS_MAX + j] += tick - 1
    for j in range(1, k):
        if same_phase(s, s.rd_base[j], base) and not zone_round(&s.z, k, j, tick):
            s.ch.dead = 1
            return 0
    for j in range(1, k):
        if s.rd_base[j] == base and zone_sup(&s.z, k, j) == 0 and zone_sup(&s.z, j, k) == 0:
            s.z.n = k
            return j
    s.rd_base[k] = <uint8_t>base
    return k


cdef Num num_concrete(Sym* s, uint64_t key, int64_t tick) noexcept nogil:
    cdef int64_t v = 0
    cdef uint32_t i
    for i in range(s.rec.nbound):
        if s.rec.bound_key[i] == key:
            v = s.rec.bound_value[i]
            break
    else:
        if s.rec.constant != NULL:
            v = s.rec.constant(s.rec.constant_ctx, key, tick)
    if tick > 0:
        v += s.rec.now // tick
    return num_const(<uint32_t>v)


cdef Num num_single(Sym* s, uint64_t key, int64_t tick, int host, int32_t org) noexcept nogil:
    """One reading of a counter, at instant org, as a number of its own."""
    return num_make(base_new(s, key, tick, host, 0, org), 0, 0)


cdef Num num_base(Sym* s, uint64_t key, int64_t tick, int host, int linked) noexcept nogil:
    """With `time off` no reading can be related to another, so each is a number of its own."""
    cdef int base, rd = 0
    if s.mode == MODE_CONCRETE:
        return num_concrete(s, key, tick)
    if tick > 0 and not (linked and s.timed):
        return num_single(s, key, tick, host, s.rec.step if s.rec != NULL else 0)
    base = base_find(s, key, tick, host)
    if tick > 0 and base != BASE_UNKNOWN:
        rd = reading_new(s, base, 0)
        if rd == 0:
            base = BASE_UNKNOWN
    return num_make(base, rd, 0)


cdef Num num_counter(Sym* s, uint64_t key, int64_t tick, int host, int linked) noexcept nogil:
    if s.mode == MODE_CONCRETE or tick <= 0 or not (linked and s.timed):
        return num_base(s, key, tick, host, linked)
    return num_make(base_find(s, key, tick, host), 0, 0)


cdef Num num_read_at(Sym* s, Num base_now, int age) noexcept nogil:
    """Concrete numbers are read when they are made, constants do not run: both stay as they are."""
    cdef Base* b = &s.base[base_now.base]
    cdef Num r = base_now
    if base_now.base == 0 or base_now.base == BASE_UNKNOWN or b.tick == 0:
        return base_now
    if not s.timed:
        return num_make(BASE_UNKNOWN, 0, 0)
    if not b.linked:
        r = num_single(s, b.key, b.tick, b.host, 0 if s.rec == NULL else s.rec.org[age] if age else s.rec.step)
        r.off = base_now.off
        return r
    r.rd = <uint8_t>reading_new(s, base_now.base, age)
    if r.rd == 0:
        r.base = BASE_UNKNOWN
    return r


# ---- comparisons -------------------------------------------------------------------------------------------

cdef inline int is_unknown(const Sym* s, Num a) noexcept nogil:
    """Nothing is known of a: so too of a running counter that was not read."""
    return a.base == BASE_UNKNOWN or (a.rd == 0 and s.base[a.base].tick > 0 and s.base[a.base].linked)


cdef int choose_piece(Sym* s, const Piece* p, int n, int* alike) noexcept nogil:
    """Index of the piece taken; -1: the branch is dead. alike: how many pieces answer as it does; n: decided."""
    cdef int i, k, yes = 0
    for i in range(n):
        yes += p[i].truth
    alike[0] = n
    if n > 0 and (yes == 0 or yes == n):
        return 0
    k = choose(s.ch, n, CHOOSE_NUMBER)
    if s.ch.dead:
        return -1
    alike[0] = yes if p[k].truth else n - yes
    return k


cdef int pieces_of_ticks(int64_t low, int64_t high, int64_t start, int64_t n, int64_t far, Piece* out) noexcept nogil:
    """Numbers of ticks low..high cut into runs that answer alike: k * 2^32 + [start, start + n) yes, between them no.

    Beyond +-far either answer may be: those runs are not told apart."""
    cdef int64_t turn = <int64_t>CIRCLE, at, end, lo = low, hi = high
    cdef int count = 0, truth, side
    if lo < -far:
        lo = -far
    if hi > far:
        hi = far
    at = start + floor_div(lo - start, turn) * turn
    truth = 1
    while at <= hi:
        end = at + (n if truth else turn - n) - 1
        if end >= lo:
            out[count].truth = truth
            out[count].lo = at if at > lo else lo
            out[count].hi = end if end < hi else hi
            count += 1
        at = end + 1
        truth = 1 - truth
    for side in range(4):
        if (side < 2 and high > far) or (side >= 2 and low < -far):
            out[count].truth = 1 - side % 2
            out[count].lo = (low if low > far + 1 else far + 1) if side < 2 else low
            out[count].hi = high if side < 2 else (high if high < -far - 1 else -far - 1)
            count += 1
    return count


cdef int diff_of_readings(Sym* s, Num a, Num b, int64_t lo, int64_t n) noexcept nogil:
    """Two readings of one counter: the zone says how many ticks lie between them, and keeps what is chosen."""
    cdef Piece p[PIECES_MAX]
    cdef int64_t low, high, tick = s.base[a.base].tick, far = FAR_NS // tick
    cdef int k, alike, count
    cdef Span asked = span_make(lo, <uint64_t>n)
    if far > WRAPS_MAX * <int64_t>CIRCLE:
        far = WRAPS_MAX * <int64_t>CIRCLE
    round_readings(s)
    if s.ch.dead:
        return 0
    ticks_between(s, a.base, a.rd, b.rd, &low, &high)
    count = pieces_of_ticks(low, high, lo - (a.off - b.off), n, far, p)
    k = choose_piece(s, p, count, &alike)
    if k < 0 or alike == count:
        return 0 if k < 0 else p[k].truth
    if p[k].hi < high and not zone_constrain(&s.z, b.rd, a.rd, p[k].hi * tick):
        s.ch.dead = 1
    if p[k].lo > low and not zone_constrain(&s.z, a.rd, b.rd, -p[k].lo * tick):
        s.ch.dead = 1
    log_number(s, a, b, asked if p[k].truth else span_complement(asked))
    if alike > 1 and s.rec != NULL:             # which turn it was: bounds on the instants, a tick wider at most
        if p[k].hi < high:
            log_age(s, s.rec.org[a.rd], s.rec.org[b.rd], (p[k].hi + 1) * tick - 1)
        if p[k].lo > low:
            log_age(s, s.rec.org[b.rd], s.rec.org[a.rd], -(p[k].lo - 1) * tick - 1)
    return p[k].truth


cdef int diff_of_bases(Sym* s, Num a, Num b, int64_t lo, int64_t n) noexcept nogil:
    """Unrelated constants: what is known already, cut by the question into arcs; the one chosen is kept."""
    cdef Piece p[PIECES_MAX]
    cdef Spans known
    cdef Span cut[2]
    cdef Span asked = span_make(lo, <uint64_t>n), target, said
    cdef int64_t off = a.off - b.off
    cdef int i, j, k, m, truth, alike, count = 0
    known_arcs(s, a, b, &known)
    for truth in range(1, -1, -1):
        target = asked if truth else span_complement(asked)
        target.lo -= <uint32_t>off
        for i in range(known.n):
            m = span_cap(known.at[i], target, cut)
            for j in range(m):
                p[count].truth = truth
                p[count].span = cut[j]
                count += 1
    k = choose_piece(s, p, count, &alike)
    if k < 0 or alike == count:
        return 0 if k < 0 else p[k].truth
    arc_store(s, a.base, a.rd, b.base, b.rd, p[k].span, 0)
    said = asked if p[k].truth else span_complement(asked)
    if alike > 1:
        said = p[k].span
        said.lo += <uint32_t>off
    log_number(s, a, b, said)
    return p[k].truth


cdef int diff_of_past(Sym* s, Num past, Num b, int64_t lo, int64_t n) noexcept nogil:
    """past - b lies in (-2^31, 0] when b reads the same counter; all else is a free choice, and follows from time alone
    where it is decided, so nothing is logged."""
    cdef uint32_t first = <uint32_t>lo
    cdef int64_t half = <int64_t>1 << 31
    cdef int same = b.base != 0 and b.base < BASE_PAST and past_of(s.base[b.base].key) == past.off
    if same and first >= 1 and first + n - 1 <= half:
        return 0                        # asks for a later past
    if same and first > 0 and <int64_t>first <= half + 1 and <int64_t>first + n > (half << 1):
        return 1
    return choose(s.ch, 2, CHOOSE_NUMBER) == 0


cdef int diff_in(Sym* s, Num a, Num b, int64_t lo, int64_t n) noexcept nogil:
    if n <= 0 or s.ch.dead:
        return 0
    if n >= <int64_t>CIRCLE:
        return 1
    if a.base == BASE_PAST:
        return diff_of_past(s, a, b, lo, n)
    if b.base == BASE_PAST:
        return diff_of_past(s, b, a, 1 - lo - n, n)
    if is_unknown(s, a) or is_unknown(s, b):
        return choose(s.ch, 2, CHOOSE_NUMBER) == 0
    if a.base != b.base:
        return diff_of_bases(s, a, b, lo, n)
    if a.rd != b.rd:
        return diff_of_readings(s, a, b, lo, n)
    return <int64_t>(<uint32_t>(a.off - b.off - lo)) < n


cdef int diff_known(Sym* s, Num a, Num b, int64_t* d) noexcept nogil:
    cdef int64_t low, high
    cdef Span x
    if a.base == BASE_PAST or b.base == BASE_PAST or is_unknown(s, a) or is_unknown(s, b):
        return 0
    x.lo = 0
    if a.base != b.base:
        x = arc_best(s, a.base, a.rd, b.base, b.rd)
        if x.len != 1:
            return 0
    elif a.rd != b.rd:
        ticks_between(s, a.base, a.rd, b.rd, &low, &high)
        if low != high:
            return 0
        x.lo = <uint32_t>low
    d[0] = <int64_t>(<int32_t>(x.lo + <uint32_t>(a.off - b.off)))
    if d[0] == -(<int64_t>1 << 31):
        d[0] = <int64_t>1 << 31
    return 1


cdef int64_t diff_most(Sym* s, Num later, Num earlier) noexcept nogil:
    cdef int64_t low, high, half = <int64_t>1 << 31
    if diff_known(s, later, earlier, &high):
        return high if high >= 0 else half - 1
    if later.base != earlier.base or later.base >= BASE_PAST or is_unknown(s, later) or is_unknown(s, earlier):
        return half - 1
    ticks_between(s, later.base, later.rd, earlier.rd, &low, &high)
    high += later.off - earlier.off
    return high if 0 <= high < half else half - 1


cdef void note_ticks(Sym* s, uint64_t key, int64_t tick, int i, int j, int64_t lo, int64_t n) noexcept nogil:
    """What a choice meant, where the numbers themselves are not kept."""
    if s.timed and tick > 0:
        log_ticks(s, key, tick, i, j, span_make(lo, n))


cdef int seq_eq(Sym* s, Num a, Num b) noexcept nogil:
    return diff_in(s, a, b, 0, 1)


cdef int seq_after(Sym* s, Num a, Num b) noexcept nogil:
    return diff_in(s, a, b, 1, <int64_t>1 << 31)


cdef int seq_before(Sym* s, Num a, Num b) noexcept nogil:
    return seq_after(s, b, a)


cdef int num_is_zero(Sym* s, Num a) noexcept nogil:
    """With zero_left_out, of what is not decided, only the answer no is followed."""
    cdef Spans known
    cdef Span zero = span_make(-a.off, 1)
    cdef Span cut[2]
    cdef int i, maybe = 0
    if not s.zero_left_out or a.base == 0:
        return diff_in(s, a, num_const(0), 0, 1)
    if a.base == BASE_PAST or is_unknown(s, a):
        s.zero_met = 1
        return 0
    known_arcs(s, a, num_const(0), &known)
    for i in range(known.n):
        maybe |= span_cap(known.at[i], zero, cut)
    if not maybe or (known.n == 1 and known.at[0].len == 1):
        return maybe
    s.zero_met = 1
    arc_store(s, a.base, a.rd, 0, 0, span_complement(zero), 1)
    log_number(s, a, num_const(0), span_make(1, CIRCLE - 1))
    return 0


# ---- forgetting --------------------------------------------------------------------------------------------

cdef int is_dying(int base, int rd, const uint8_t* base_alive, const uint8_t* rd_alive) noexcept nogil:
    return base != 0 and (not base_alive[base] or (rd != 0 and not rd_alive[rd]))


cdef void sym_prune(Sym* s, const uint8_t* base_alive, const uint8_t* rd_alive, uint8_t* renamed) noexcept nogil:
    """Before sym_select: the zone must still hold the dying readings. base_alive[0] is not looked at."""
    cdef Base old[BASES_MAX]
    cdef int i = 0, n = 1, was, same = 1
    while i < s.narc:
        if is_dying(s.arc[i].a, s.arc[i].ra, base_alive, rd_alive):
            compose_away(s, s.arc[i].a, s.arc[i].ra, base_alive[s.arc[i].a], rd_alive)
            i = 0
        elif is_dying(s.arc[i].b, s.arc[i].rb, base_alive, rd_alive):
            compose_away(s, s.arc[i].b, s.arc[i].rb, base_alive[s.arc[i].b], rd_alive)
            i = 0
        else:
            i += 1
    was = s.nbase
    memset(renamed, 0, BASES_MAX)
    for i in range(1, was):
        renamed[i] = base_alive[i]
        same &= renamed[i] == i
    if not same:
        for i in range(1, was):
            old[i] = s.base[i]
        memset(s.base, 0, <size_t>was * sizeof(Base))
        for i in range(1, was):
            if renamed[i] != 0:
                s.base[renamed[i]] = old[i]
                n += 1
        s.nbase = n
        for i in range(s.narc):
            arc_rename(&s.arc[i], renamed)
    for i in range(1, s.z.n):
        s.rd_base[i] = renamed[s.rd_base[i]] if rd_alive[i] else 0
    arcs_tidy(s)
