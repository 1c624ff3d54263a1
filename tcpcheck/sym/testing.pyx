# cython: cdivision=True
"""Python's handle on a Sym, for tests only: numbers are (off, base, rd) tuples."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from tcpcheck.sym.choice cimport Choices, choices_next, choices_start
from tcpcheck.sym.number cimport *
from tcpcheck.sym.zone cimport CLOCKS_MAX, TIME_INF, zone_constrain, zone_pass, zone_sup, zone_up

UNKNOWN, PAST = BASE_UNKNOWN, BASE_PAST
SEARCH, RECORD, CONCRETE = MODE_SEARCH, MODE_RECORD, MODE_CONCRETE


cdef Num num_of(t):
    cdef Num a
    memset(&a, 0, sizeof(Num))
    a.off, a.base, a.rd = t
    return a


cdef tuple tuple_of(Num a):
    return (a.off, a.base, a.rd)


cdef class TestSym:
    """One branch at a time: `rewind` puts the state of `mark` back and prescribes the next list of choices."""
    __test__ = False
    cdef Sym s
    cdef Sym marked
    cdef Recorder* rec
    cdef Recorder* rec_marked
    cdef Choices ch

    def __cinit__(self, int timed=1, int mode=MODE_SEARCH):
        self.rec = <Recorder*>calloc(1, sizeof(Recorder))
        self.rec_marked = <Recorder*>calloc(1, sizeof(Recorder))
        choices_start(&self.ch)
        sym_init(&self.s, timed, &self.ch)
        self.s.mode = mode
        if mode != MODE_SEARCH:
            self.s.rec = self.rec
        self.mark()

    def __dealloc__(self):
        free(self.rec)
        free(self.rec_marked)

    # ---- branches
    def mark(self):
        choices_start(&self.ch)
        self.marked = self.s
        memcpy(self.rec_marked, self.rec, sizeof(Recorder))

    def rewind(self):
        """1: ready for the next branch; 0: all were walked."""
        self.s = self.marked
        memcpy(self.rec, self.rec_marked, sizeof(Recorder))
        return choices_next(&self.ch)

    def clone(self):
        """The state alone, with choices of its own."""
        cdef TestSym other = TestSym(self.s.timed, self.s.mode)
        other.s = self.s
        other.s.ch = &other.ch
        memcpy(other.rec, self.rec, sizeof(Recorder))
        if self.s.rec != NULL:
            other.s.rec = other.rec
        other.mark()
        return other

    def prescribe(self, taken):
        self.ch.fixed = len(taken)
        for i, k in enumerate(taken):
            self.ch.taken[i] = k

    @property
    def taken(self): return tuple(self.ch.taken[i] for i in range(self.ch.n))
    @property
    def dead(self): return bool(self.ch.dead)
    @property
    def overflow(self): return bool(self.ch.overflow)

    # ---- recorder
    def bind(self, uint64_t key, uint32_t value):
        self.rec.bound_key[self.rec.nbound] = key
        self.rec.bound_value[self.rec.nbound] = value
        self.rec.nbound += 1

    def at(self, int step, int64_t now):
        self.rec.step = step
        self.rec.now = now

    def log(self):
        """(kind, i, j, c, key_a, key_b, tick_a, tick_b, lo, len), ..."""
        return [(e.kind, e.i, e.j, e.c, e.key_a, e.key_b, e.tick_a, e.tick_b, e.lo, e.len)
                for e in self.rec.log[:self.rec.n]]

    def org(self, int x): return self.rec.org[x]

    # ---- time
    def up(self): zone_up(&self.s.z)
    def pass_(self, int64_t d): zone_pass(&self.s.z, d)
    def start(self): return clock_start(&self.s)
    def copy(self, int x): return clock_copy(&self.s, x)
    def allows(self, int x, int64_t lo, int64_t hi): return bool(age_allows(&self.s, x, lo, hi))
    def require(self, int x, int64_t lo, hi): age_require(&self.s, x, lo, TIME_INF if hi is None else hi)
    def at_least(self, int x, int64_t t): return bool(age_at_least(&self.s, x, t))
    def constrain(self, int i, int j, int64_t c): return bool(zone_constrain(&self.s.z, i, j, c))
    def clocks(self): return self.s.z.n

    def sup(self, int i, int j):
        cdef int64_t c = zone_sup(&self.s.z, i, j)
        return None if c >= TIME_INF else c

    def select(self, keep):
        cdef uint8_t buf[CLOCKS_MAX]
        for i, k in enumerate(keep):
            buf[i] = k
        sym_select(&self.s, buf, len(keep))

    # ---- numbers
    def base(self, uint64_t key, int64_t tick=0, int host=0, int linked=0):
        return tuple_of(num_base(&self.s, key, tick, host, linked))

    def counter(self, uint64_t key, int64_t tick, int host, int linked):
        return tuple_of(num_counter(&self.s, key, tick, host, linked))

    def add(self, a, int64_t k): return tuple_of(num_add(num_of(a), k))
    def const(self, uint32_t v): return tuple_of(num_const(v))
    def read_at(self, a, int age): return tuple_of(num_read_at(&self.s, num_of(a), age))
    def diff_in(self, a, b, int64_t lo, int64_t n): return bool(diff_in(&self.s, num_of(a), num_of(b), lo, n))
    def eq(self, a, b): return bool(seq_eq(&self.s, num_of(a), num_of(b)))
    def after(self, a, b): return bool(seq_after(&self.s, num_of(a), num_of(b)))
    def before(self, a, b): return bool(seq_before(&self.s, num_of(a), num_of(b)))

    def known(self, a, b):
        cdef int64_t d
        return d if diff_known(&self.s, num_of(a), num_of(b), &d) else None

    def prune(self, bases, rds):
        """bases: those that live, in their new order; rds: reading clocks that live. -> {old: new}."""
        cdef uint8_t alive[BASES_MAX]
        cdef uint8_t rd_alive[CLOCKS_MAX]
        cdef uint8_t renamed[BASES_MAX]
        memset(alive, 0, sizeof(alive))
        memset(rd_alive, 0, sizeof(rd_alive))
        for i, b in enumerate(bases):
            alive[b] = i + 1
        for r in rds:
            rd_alive[r] = 1
        sym_prune(&self.s, alive, rd_alive, renamed)
        return {b: renamed[b] for b in bases}

    def arcs(self):
        """((a, ra, b, rb, lo, len), ...)"""
        return tuple((e.a, e.ra, e.b, e.rb, e.lo, e.len) for e in self.s.arc[:self.s.narc])

    def bases(self):
        return tuple((b.key, b.tick, b.host, b.linked) for b in self.s.base[1:self.s.nbase])

    def raw(self):
        """All bytes of the state but the zone's matrix."""
        return (bytes((<uint8_t*>&self.s.base)[:sizeof(self.s.base)]) + bytes((<uint8_t*>&self.s.arc)[:sizeof(self.s.arc)])
                + bytes(self.s.rd_base[:CLOCKS_MAX]) + bytes([self.s.nbase, self.s.narc]))
