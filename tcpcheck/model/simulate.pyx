"""One random run of a Case with real numbers: constants, fates and instants are drawn, comparisons are computed.

Nothing of the search's knowledge is used: no zones, no arcs, no forgetting. So what happens here and was not found by
an exhaustive search is a bug. The generator is our own (splitmix64): the same seed gives the same run on every machine.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from tcpcheck.model.canon cimport each_num
from tcpcheck.model.footprints cimport Footprints, seen_edge, seen_state
from tcpcheck.model.layout cimport *
from tcpcheck.model.monitor cimport note_ends
from tcpcheck.model.network cimport latest
from tcpcheck.model.programs cimport can_run
from tcpcheck.model.step cimport start, step
from tcpcheck.model.world cimport Model, copy_for_next, moment, waiting
from tcpcheck.sym.choice cimport CHOOSE_FATE, choices_start
from tcpcheck.sym.number cimport MODE_CONCRETE, Num
from tcpcheck.sym.zone cimport TIME_INF, zone_sup
from tcpcheck.tcp.types cimport EF_RULE, SK_FREE, SLOTS, SOCKS_MAX, Sock, TM_NONE, Timer

cdef enum:
    POOL_MAX = 256
    WINDOWS_MAX = FLYING_MAX + SOCKS_MAX * SLOTS + PROCS_MAX

cdef int64_t SECOND = 1000000000

cdef enum Goes:                 # what the plan found
    GOES_ON = 0
    GOES_TO_END = 1             # nothing can happen any more
    GOES_TO_HORIZON = 2         # something will, but after the horizon
    GOES_NOWHERE = 3            # something must happen before anything can: the model contradicts itself

ctypedef struct Window:         # when something may happen, in ns from now
    Event event
    int64_t lo, hi

ctypedef struct Sim:
    uint64_t rng
    int mood                    # of this run: when within their windows things happen
    int faults                  # of this run: a fault is drawn in one of so many cases; 0: as often as none
    int goes
    int npool
    uint32_t pool[POOL_MAX]     # numbers that a constant may be made to meet
    Machine* m


# ---------------------------------------------------------------- draws

cdef uint64_t draw(Sim* s) noexcept nogil:
    """splitmix64 (Steele, Lea, Flood 2014)."""
    cdef uint64_t z
    s.rng += <uint64_t>0x9E3779B97F4A7C15
    z = s.rng
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef int64_t draw_in(Sim* s, int64_t lo, int64_t hi) noexcept nogil:
    """lo..hi. That small numbers are a little more likely (by 2^-20 at most for what is asked here) hurts nobody."""
    return lo + <int64_t>(draw(s) % <uint64_t>(hi - lo + 1)) if hi > lo else lo


cdef int draw_choice(void* ctx, int n, int kind) noexcept nogil:
    """A fate: 0 is the ordinary one, so that budgets of faults are not always spent on the first segments."""
    cdef Sim* s = <Sim*>ctx
    if kind == CHOOSE_FATE and s.faults and draw_in(s, 1, s.faults) > 1:
        return 0
    return <int>draw_in(s, 0, n - 1)


cdef void pool_add(void* ctx, Num* x) noexcept nogil:
    cdef Sim* s = <Sim*>ctx
    if x.off and s.npool < POOL_MAX:
        s.pool[s.npool] = <uint32_t>x.off
        s.npool += 1


cdef uint32_t draw_constant(void* ctx, uint64_t key, int64_t tick) noexcept nogil:
    """Any number, but often one that meets, or just misses, another one there is, or is half a circle away."""
    cdef Sim* s = <Sim*>ctx
    cdef Machine* m = s.m
    cdef int64_t v = <int64_t>(<uint32_t>draw(s)), near = draw_in(s, -2, 2), kind = draw_in(s, 0, 15)
    s.npool = 0
    each_num(m, &m.nxt, pool_add, s)
    if kind == 0 or (kind < 4 and tick == 0):
        v = near
    elif kind >= 8 and s.npool:
        v = s.pool[draw_in(s, 0, s.npool - 1)] + near
    if kind in (1, 8, 9):
        v += <int64_t>1 << 31
    elif kind == 10 or kind == 11:
        v += draw_in(s, -70000, 70000)
    if tick > 0:
        v -= m.nxt.tcp.sym.rec.now // tick
    if m.nxt.tcp.sym.rec.nbound >= 64:
        m.ch.overflow = 1
        return 0
    m.nxt.tcp.sym.rec.bound_key[m.nxt.tcp.sym.rec.nbound] = key
    m.nxt.tcp.sym.rec.bound_value[m.nxt.tcp.sym.rec.nbound] = <uint32_t>v
    m.nxt.tcp.sym.rec.nbound += 1
    return <uint32_t>v


# ---------------------------------------------------------------- what may happen, and when

cdef int64_t age_of(Machine* m, int clk) noexcept nogil:
    """Ages are known to the ns; without a clock (`time off`) they are no age."""
    return zone_sup(&m.nxt.tcp.sym.z, clk, 0) if clk else 0


cdef int window(Machine* m, Window* w, int kind, int a, int b, int clk, int64_t lo, int64_t hi) noexcept nogil:
    """`lo` and `hi` are ages of clk. Whether that is still to come at all."""
    cdef int64_t age = age_of(m, clk)
    memset(w, 0, sizeof(Window))
    w.event.kind, w.event.a, w.event.b = <uint8_t>kind, a, b
    if not clk:
        w.lo = w.hi = 0
        return 1
    w.lo = lo - age if lo > age else 0
    w.hi = hi - age if hi < TIME_INF else TIME_INF
    return w.hi >= 0


cdef int windows(Machine* m, Window* out, int64_t* deadline) noexcept nogil:
    """All that may happen next by itself; deadline: before it passes, something must. Their number."""
    cdef const Sock* s
    cdef const Timer* t
    cdef int i, k, can, n = 0
    deadline[0] = TIME_INF
    for i in range(m.nxt.nfly):
        can = window(m, &out[n], EV_DELIVER, <int>m.nxt.fly[i].uid, 0, m.nxt.fly[i].clk, m.t.delay_lo,
                     latest(m, &m.nxt.fly[i]))
        deadline[0] = min(deadline[0], out[n].hi)
        if can and m.nxt.fly[i].rank <= 1:
            n += 1
    for i in range(m.nxt.tcp.top):
        s = &m.nxt.tcp.sock[i]
        for k in range(SLOTS):
            t = &s.timer[k]
            if s.kind != SK_FREE and t.kind != TM_NONE:
                can = window(m, &out[n], EV_TIMER, <int>s.uid, k, t.clk, t.lo, t.hi)
                deadline[0] = min(deadline[0], out[n].hi)
                n += can
    for i in range(m.t.nproc):
        if m.nxt.proc[i].status == PROC_SLEEPING:
            can = window(m, &out[n], EV_PROGRAM, i, 0, m.nxt.proc[i].clk, m.t.instr[m.nxt.proc[i].pc].lo,
                         m.t.instr[m.nxt.proc[i].pc].hi)
            deadline[0] = min(deadline[0], out[n].hi)
            n += can
        elif can_run(m, i):
            window(m, &out[n], EV_PROGRAM, i, 0, 0, 0, 0)
            deadline[0] = 0
            n += 1
    return n


cdef int64_t draw_instant(Sim* s, int64_t lo, int64_t hi) noexcept nogil:
    """Within the window, often at its ends, or where an obligation or a counter's tick turns."""
    cdef Machine* m = s.m
    cdef int64_t r, at = lo
    cdef int i, kind = s.mood if s.mood < 3 else <int>draw_in(s, 0, 5)
    if kind == 0 or hi == lo:
        return lo
    if kind == 1:
        return hi
    if kind == 3:
        i = <int>draw_in(s, 0, PENDS_MAX - 1)
        if m.nxt.pend[i].claim and m.nxt.pend[i].clk:
            at = m.t.claim[m.nxt.pend[i].claim - 1].hi if draw(s) & 1 else m.t.claim[m.nxt.pend[i].claim - 1].lo
            at += draw_in(s, -1, 1) - age_of(m, m.nxt.pend[i].clk)
    elif kind == 4:                     # whole milliseconds of the clock, and one ns before
        r = draw_in(s, lo, hi) + m.nxt.tcp.sym.rec.now
        at = r - r % 1000000 - (draw(s) & 1) - m.nxt.tcp.sym.rec.now
    if at <= lo or at > hi:
        at = draw_in(s, lo, hi)
    return at


cdef void plan(void* machine) noexcept nogil:
    """The next event and the time until then, written where a re-run finds them (step.pyx, pass_time)."""
    cdef Machine* m = <Machine*>machine
    cdef Sim* s = <Sim*>m.sim
    cdef Window w[WINDOWS_MAX + 1]
    cdef int64_t deadline, wait = 0, horizon = TIME_INF
    cdef int i, n, at = m.nxt.tcp.sym.rec.step, timed = m.nxt.tcp.sym.timed, possible = 0
    m.settled = 1
    n = windows(m, w, &deadline)
    m.settled = timed
    if m.nxt.horizon_clk:
        horizon = m.t.horizon - age_of(m, m.nxt.horizon_clk)
    m.instant[at] = m.instant[at - 1]
    s.goes = GOES_ON if n else GOES_TO_END if deadline >= TIME_INF else GOES_NOWHERE
    if n == 0:
        return
    if not timed:
        i = <int>draw_in(s, 0, n - 1)
        m.script[0] = w[i].event
        if draw(s) & 1:                 # readings of counters are unrelated then: any time may pass
            m.nxt.tcp.sym.rec.now += draw_in(s, 0, 10 * SECOND)
        return
    for i in range(n):
        if w[i].lo <= deadline and w[i].lo <= horizon:
            w[possible] = w[i]
            possible += 1
    if possible == 0:
        s.goes = GOES_TO_HORIZON if horizon < deadline or deadline >= TIME_INF else GOES_NOWHERE
        return
    i = <int>draw_in(s, 0, possible - 1)
    wait = draw_instant(s, w[i].lo, min(min(w[i].hi, deadline), horizon))
    m.script[0] = w[i].event
    m.instant[at] = m.instant[at - 1] + wait


# ---------------------------------------------------------------- runs

class Run:
    """A random run. hits: for each instant from the start on, the bits of claims hit (0..23) and exercised (24..47).
    late: bits of the claims whose obligations end too late, if nothing happens any more after the last step.
    waiting: bits of the claims whose `eventually` still waits at the end. values: (claim, outcome, U) of the count
    claims. rules: numbers of the rules taken. ended: `end` (nothing can happen any more), `horizon`, `steps` (cut
    off), or what should never be: `stuck`, `overflow`, `truncated`. strange: steps after
    which a watched search has not seen the state or the step. moments: for narrate.py, when asked for; instants: ns;
    constants: key -> number."""

    def __init__(self):
        self.hits, self.late, self.waiting, self.values, self.rules = [], 0, 0, set(), set()
        self.ended, self.strange, self.moments, self.instants, self.constants = "steps", [], [], (), {}


cdef uint64_t overdue(Machine* m) noexcept nogil:
    """Obligations with a bound that pass it when nothing happens until the horizon."""
    cdef int64_t left = TIME_INF
    cdef uint64_t bits = 0
    cdef int i
    if m.nxt.horizon_clk:
        left = m.t.horizon - age_of(m, m.nxt.horizon_clk)
    for i in range(m.nxt.npend):
        if m.nxt.pend[i].claim and m.nxt.pend[i].clk:
            if age_of(m, m.nxt.pend[i].clk) + left > m.t.claim[m.nxt.pend[i].claim - 1].hi:
                bits |= <uint64_t>1 << (m.nxt.pend[i].claim - 1)
    return bits


cdef void sim_start(Sim* s, Machine* m, uint64_t seed) noexcept nogil:
    s.m = m
    s.rng = seed
    s.mood = <int>draw_in(s, 0, 7)
    s.faults = 1 << draw_in(s, 0, 5)
    if s.faults == 1:
        s.faults = 0
    m.sim = s
    m.plan = plan
    # the phase of all counters' ticks; their values are the constants' business
    m.instant[0] = draw_in(s, 0, 40) * 1000000 + (draw_in(s, 0, 999999) if draw(s) & 1 else 0)
    m.nxt.tcp.sym.rec.now = m.instant[0]
    m.nxt.tcp.sym.rec.constant = draw_constant
    m.nxt.tcp.sym.rec.constant_ctx = s


cdef void note_step(Model self, run, int show, int n):
    cdef Machine* m = self.m
    cdef int i
    run.hits.append(m.hits)
    for i in range(m.nxt.tcp.fx.n):
        if m.nxt.tcp.fx.e[i].kind == EF_RULE:
            run.rules.add(m.nxt.tcp.fx.e[i].arg)
    note_values(m, run)
    if show and n:
        run.moments.append(moment(self, n))


cdef note_values(Machine* m, run):
    cdef int i
    for i in range(m.npiece):
        if m.piece[i].way == WAY_KNOWN:
            run.values.add((m.piece[i].claim, m.piece[i].outcome, m.piece[i].lo))


def simulate(Model self, seed, int steps_max=2000, int show=0, Footprints seen=None, on_step=None):
    """A run drawn from seed (any int), of steps_max steps at most. show: with moments. seen: what a watched search
    saw, to be compared with. on_step(n): called after each instant, to look at the model."""
    cdef Machine* m = self.m
    cdef Sim s
    cdef Event* script = <Event*>calloc(1, sizeof(Event))
    cdef int64_t* instant = <int64_t*>calloc(steps_max + 2, sizeof(int64_t))
    run = Run()
    memset(&s, 0, sizeof(Sim))
    try:
        self.begin(MODE_CONCRETE)
        m.script, m.instant, m.at = script, instant, 0
        sim_start(&s, m, <uint64_t>(seed & 0xFFFFFFFFFFFFFFFF))
        self.choices.draw, self.choices.draw_ctx = draw_choice, &s
        start(m)
        follow(self, &s, run, steps_max, show, seen, on_step)
        run.constants = {self.rec.bound_key[i]: self.rec.bound_value[i] for i in range(self.rec.nbound)}
        run.instants = tuple(instant[i] for i in range(len(run.hits)))
    finally:
        m.plan, m.sim, m.script, m.instant = NULL, NULL, NULL, NULL
        free(script)
        free(instant)
    return run


cdef follow(Model self, Sim* s, run, int steps_max, int show, Footprints seen, on_step):
    """Step by step until nothing can happen any more."""
    cdef Machine* m = self.m
    cdef int n = 0
    note_step(self, run, show, 0)
    if seen is not None and not seen_state(seen, m):
        run.strange.append(0)
    if on_step is not None:
        on_step(0)
    while n < steps_max and s.goes == GOES_ON:
        n += 1
        copy_for_next(m)
        choices_start(&self.choices)
        self.choices.draw, self.choices.draw_ctx = draw_choice, s
        m.npiece = 0
        if not step(m, &self.choices):
            run.ended = "overflow" if self.choices.overflow else "stuck"
            return
        note_step(self, run, show, n)
        if m.truncated or self.choices.overflow:
            run.ended = "truncated" if m.truncated else "overflow"
            return
        if seen is not None and not (seen_state(seen, m) and seen_edge(seen, m)):
            run.strange.append(n)
        if on_step is not None:
            on_step(n)
    if s.goes != GOES_ON:
        run.ended = {GOES_TO_END: "end", GOES_TO_HORIZON: "horizon", GOES_NOWHERE: "stuck"}[s.goes]
        run.late = overdue(m)
        m.npiece = 0
        run.waiting = waiting(&m.nxt) & ~(note_ends(m) if s.goes == GOES_TO_END else 0)
        note_values(m, run)
