# cython: cdivision=True
"""Guarded commands over bytes and clocks: small systems whose counts are known, to test the search with.

    Toy(variables=[0, 0], commands=[dict(when=[(0, "<", 3)], do=[("add", 0, 1, 4)])]).handle()

variables: initial values 0..255. clocks: their number (0: untimed), numbered from 1; 0 is the constant zero.
command: when (conditions), clock (guards (i, j, c): x_i - x_j <= c), do (updates), reset (clocks), rule, hit (mask).
condition: (variable, op, value) with op ==, !=, <, >=, or ==v, !=v, where value is another variable.
update: ("set", v, k), ("add", v, k, modulus), ("copy", v, w), ("pick", v, n) which chooses 0..n-1.
invariants: (conditions, i, c): x_i <= c there. Time passes after every step, within the invariants.
hits, ends, waits: (claim, conditions), of the successor, of a stuck state, of a waiting one. cut: lists of conditions
under which a step is truncated. lazy: disabled commands are offered too and die. pad: bytes that never change.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from tcpcheck.explore.system cimport Handle
from tcpcheck.sym.choice cimport CHOOSE_EVENT, CHOOSE_FATE, Choices, choices_start, choose
from tcpcheck.sym.zone cimport CLOCKS_MAX, Zone, zone_constrain, zone_copy, zone_init, zone_select, zone_up

cdef enum:
    VARIABLES_MAX = 64
    COMMANDS_MAX = 64
    MARKS_MAX = 64
    ITEMS_MAX = 1024
    PAD_MAX = 8192

ctypedef struct Item:           # condition (a op k), guard (a, k: op bounds), update (a op k, modulus m), reset (a)
    int32_t a
    int32_t op
    int64_t k
    int64_t m

ctypedef struct Items:          # a run of them in the pool
    int32_t first
    int32_t n

ctypedef struct Command:
    Items when
    Items clock
    Items do
    Items reset
    uint64_t hit
    int32_t rule

ctypedef struct Mark:           # something that holds under conditions
    int64_t which               # claim, or clock of an invariant
    int64_t bound
    Items when

ctypedef struct Marks:
    int32_t n
    Mark mark[MARKS_MAX]

ctypedef struct Machine:
    int32_t variables, clocks, commands, items, pad, lazy
    Command command[COMMANDS_MAX]
    Marks invariant, hit, end, wait, cut
    Item item[ITEMS_MAX]
    uint8_t loaded[VARIABLES_MAX]
    uint8_t now[VARIABLES_MAX]
    Zone loaded_zone
    Zone zone
    int32_t enabled             # commands that may run in the loaded state
    int32_t choice[COMMANDS_MAX]
    Command* took


# ---------------------------------------------------------------- the System

cdef int _holds(Machine* m, const uint8_t* v, Items when) noexcept nogil:
    cdef int i
    cdef Item* c
    cdef int64_t x, y
    for i in range(when.first, when.first + when.n):
        c = &m.item[i]
        x = v[c.a]
        y = v[c.k] if c.op >= 4 else c.k
        if c.op == 2:
            if x >= y:
                return 0
        elif c.op == 3:
            if x < y:
                return 0
        elif (x == y) == (c.op == 1 or c.op == 5):
            return 0
    return 1


cdef uint64_t _marked(Machine* m, Marks* marks, const uint8_t* v) noexcept nogil:
    cdef uint64_t mask = 0
    cdef int i
    for i in range(marks.n):
        if _holds(m, v, marks.mark[i].when):
            mask |= <uint64_t>1 << marks.mark[i].which
    return mask


cdef void _load(void* ctx, const uint8_t* state, int32_t n, const int64_t* zone, int32_t clocks) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    cdef int i
    memcpy(m.loaded, state, m.variables)
    m.loaded_zone.n = clocks
    for i in range(clocks):
        memcpy(&m.loaded_zone.m[i * CLOCKS_MAX], zone + i * clocks, 8 * clocks)
    m.enabled = 0
    for i in range(m.commands):
        if m.lazy or _holds(m, m.loaded, m.command[i].when):
            m.choice[m.enabled] = i
            m.enabled += 1


cdef void _update(Machine* m, Items do, Choices* ch) noexcept nogil:
    cdef int i
    cdef Item* u
    for i in range(do.first, do.first + do.n):
        u = &m.item[i]
        if u.op == 0:
            m.now[u.a] = <uint8_t>u.k
        elif u.op == 1:
            m.now[u.a] = <uint8_t>((m.now[u.a] + u.k) % u.m)
        elif u.op == 2:
            m.now[u.a] = m.now[u.k]
        else:
            m.now[u.a] = <uint8_t>choose(ch, <int>u.k, CHOOSE_FATE)


cdef void _reset(Zone* z, int clock) noexcept nogil:
    cdef uint8_t keep[CLOCKS_MAX]
    cdef int i, fresh = zone_copy(z, 0)
    for i in range(z.n - 1):
        keep[i] = <uint8_t>(fresh if i == clock else i)
    zone_select(z, keep, z.n - 1)


cdef int _let_time_pass(Machine* m) noexcept nogil:
    """0: the invariants leave nothing."""
    cdef int i
    cdef Mark* mark
    zone_up(&m.zone)
    for i in range(m.invariant.n):
        mark = &m.invariant.mark[i]
        if _holds(m, m.now, mark.when) and not zone_constrain(&m.zone, <int>mark.which, 0, mark.bound):
            return 0
    return 1


cdef int _step(void* ctx, Choices* ch) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    cdef int i, k = choose(ch, m.enabled, CHOOSE_EVENT)
    cdef Item* g
    if ch.dead:
        return 0
    m.took = &m.command[m.choice[k]]
    if m.lazy and not _holds(m, m.loaded, m.took.when):
        ch.dead = 1
        return 0
    memcpy(m.now, m.loaded, m.variables)
    _update(m, m.took.do, ch)
    if m.clocks and not ch.dead:
        m.zone = m.loaded_zone
        for i in range(m.took.clock.first, m.took.clock.first + m.took.clock.n):
            g = &m.item[i]
            if not zone_constrain(&m.zone, g.a, g.op, g.k):
                return 0
        for i in range(m.took.reset.first, m.took.reset.first + m.took.reset.n):
            _reset(&m.zone, m.item[i].a)
        if not _let_time_pass(m):
            return 0
    return not ch.dead


cdef int32_t _save(void* ctx, uint8_t* out) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    memcpy(out, m.now, m.variables)
    memset(out + m.variables, 0x5a, m.pad)
    return m.variables + m.pad


cdef int32_t _save_zone(void* ctx, int64_t* out) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    cdef int i, n = m.zone.n
    if not m.clocks:
        return 0
    for i in range(n):
        memcpy(out + i * n, &m.zone.m[i * CLOCKS_MAX], 8 * n)
    return n


cdef uint64_t _hits(void* ctx) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    return m.took.hit | _marked(m, &m.hit, m.now)


cdef uint64_t _pending(void* ctx) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    return _marked(m, &m.wait, m.now)


cdef uint64_t _hits_at_end(void* ctx) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    return _marked(m, &m.end, m.loaded)


cdef void _rules(void* ctx, uint64_t* words) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    words[m.took.rule >> 6] |= <uint64_t>1 << (m.took.rule & 63)


cdef int _truncated(void* ctx) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    return _marked(m, &m.cut, m.now) != 0


# ---------------------------------------------------------------- the Python side

OPS = {"==": 0, "!=": 1, "<": 2, ">=": 3, "==v": 4, "!=v": 5}
UPDATES = {"set": 0, "add": 1, "copy": 2, "pick": 3}


cdef Items _items(Machine* m, object entries) except *:
    """Puts (a, op, k, m) entries into the pool."""
    cdef Items run
    run.first = m.items
    run.n = len(entries)
    assert m.items + run.n <= ITEMS_MAX
    for entry in entries:
        m.item[m.items].a = entry[0]
        m.item[m.items].op = entry[1]
        m.item[m.items].k = entry[2]
        m.item[m.items].m = entry[3]
        m.items += 1
    return run


cdef object _conditions(object when):
    return [(a, OPS[op], k, 0) for a, op, k in when]


cdef int _set_marks(Machine* m, Marks* marks, object entries) except -1:
    assert len(entries) <= MARKS_MAX
    for when, which, bound in entries:
        marks.mark[marks.n].which = which
        marks.mark[marks.n].bound = bound
        marks.mark[marks.n].when = _items(m, _conditions(when))
        marks.n += 1
    return 0


cdef class Toy:
    """See the module. Must outlive its searches: the handle sees to that."""
    cdef Machine* m

    def __cinit__(self):
        self.m = <Machine*>calloc(1, sizeof(Machine))
        if self.m == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.m)

    def __init__(self, *, variables, commands, clocks=0, invariants=(), hits=(), ends=(), waits=(), cut=(),
                 lazy=False, pad=0):
        cdef Machine* m = self.m
        cdef int i
        assert len(variables) <= VARIABLES_MAX and len(commands) <= COMMANDS_MAX and pad <= PAD_MAX
        m.variables, m.clocks, m.commands, m.lazy, m.pad = len(variables), clocks, len(commands), lazy, pad
        for i, value in enumerate(variables):
            m.now[i] = value
        for i, c in enumerate(commands):
            m.command[i].when = _items(m, _conditions(c.get("when", ())))
            m.command[i].clock = _items(m, [(a, b, bound, 0) for a, b, bound in c.get("clock", ())])
            m.command[i].do = _items(m, [(u[1], UPDATES[u[0]], u[2], u[3] if len(u) > 3 else 1) for u in c.get("do", ())])
            m.command[i].reset = _items(m, [(x, 0, 0, 0) for x in c.get("reset", ())])
            m.command[i].hit = c.get("hit", 0)
            m.command[i].rule = c.get("rule", 0)
        _set_marks(m, &m.invariant, [(when, x, bound) for when, x, bound in invariants])
        _set_marks(m, &m.hit, [(when, claim, 0) for claim, when in hits])
        _set_marks(m, &m.end, [(when, claim, 0) for claim, when in ends])
        _set_marks(m, &m.wait, [(when, claim, 0) for claim, when in waits])
        _set_marks(m, &m.cut, [(when, 0, 0) for when in cut])
        zone_init(&m.zone)
        for i in range(clocks):  # no-cython-lint
            zone_copy(&m.zone, 0)
        assert _let_time_pass(m)

    def handle(self):
        cdef Handle h = Handle()
        h.owner = self
        h.sys.ctx = self.m
        h.sys.load = _load
        h.sys.step = _step
        h.sys.save = _save
        h.sys.save_zone = _save_zone
        h.sys.hits = _hits
        h.sys.pending = _pending
        h.sys.hits_at_end = _hits_at_end
        h.sys.rules = _rules
        h.sys.truncated = _truncated
        return h


def run_path(Handle handle not None, path):
    """Runs the path again from the initial state of a fresh system, as the search would.

    -> for each step (feasible and all choices used, hits, bytes of the successor, bounds of its zone).
    """
    cdef Choices ch
    cdef uint8_t state[VARIABLES_MAX + PAD_MAX]
    cdef int64_t zone[CLOCKS_MAX * CLOCKS_MAX]
    cdef bytes choices
    cdef int32_t n, clocks
    cdef int i, feasible
    done = []
    for choices in path:
        n = handle.sys.save(handle.sys.ctx, state)
        clocks = handle.sys.save_zone(handle.sys.ctx, zone) if handle.sys.save_zone != NULL else 0
        handle.sys.load(handle.sys.ctx, state, n, zone, clocks)
        choices_start(&ch)
        ch.fixed = len(choices)
        for i in range(len(choices)):
            ch.taken[i] = choices[i]
        feasible = handle.sys.step(handle.sys.ctx, &ch)
        hits = handle.sys.hits(handle.sys.ctx) if feasible else 0
        n = handle.sys.save(handle.sys.ctx, state)
        clocks = handle.sys.save_zone(handle.sys.ctx, zone) if handle.sys.save_zone != NULL else 0
        done.append((bool(feasible and ch.n == len(choices)), hits, <bytes>state[:n],
                     tuple(zone[i] for i in range(clocks * clocks))))
    return done
