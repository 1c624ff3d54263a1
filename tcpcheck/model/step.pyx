"""One step: choose an event, run it, judge it, make the state canonical, let time pass."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy, memset

from tcpcheck.model.canon cimport blank_socks, canonicalise
from tcpcheck.model.layout cimport *
from tcpcheck.model.monitor cimport monitor_start, monitor_step, monitor_time
from tcpcheck.model.network cimport deliver, latest, may_arrive
from tcpcheck.model.programs cimport can_run, hand_over, programs_start, run_step
from tcpcheck.sym.choice cimport CHOOSE_EVENT, Choices, choose
from tcpcheck.sym.number cimport (
    Arc, Base, LOG_AGE, MODE_CONCRETE, MODE_RECORD, MODE_SEARCH, Sym, age_allows, age_require, clock_start,
)
from tcpcheck.sym.zone cimport CLOCKS_MAX, TIME_INF, zone_allows_between, zone_pass, zone_up
from tcpcheck.tcp.timeouts cimport timer_fires
from tcpcheck.tcp.types cimport SK_FREE, SLOTS, Sock, TM_NONE, Timer


cdef void copy_sym(Sym* to, const Sym* of) noexcept nogil:
    cdef int i
    to.z.n = of.z.n
    if of.timed:
        for i in range(of.z.n):
            memcpy(&to.z.m[i * CLOCKS_MAX], &of.z.m[i * CLOCKS_MAX], of.z.n * sizeof(int64_t))
        memcpy(to.rd_base, of.rd_base, CLOCKS_MAX)
    to.timed, to.nbase, to.narc = of.timed, of.nbase, of.narc
    memcpy(to.base, of.base, of.nbase * sizeof(Base))
    if of.narc:
        memcpy(to.arc, of.arc, of.narc * sizeof(Arc))
    to.mode, to.ch, to.rec = of.mode, of.ch, of.rec
    to.zero_left_out, to.zero_met = of.zero_left_out, 0


cdef void copy_world(Machine* m, World* to, const World* of, uint32_t clean=0) noexcept nogil:
    """Everything but the effects of the step that led here. Bit i of clean: slot i is the same already."""
    cdef int i
    blank_socks(to, of.tcp.top)
    copy_sym(&to.tcp.sym, &of.tcp.sym)
    for i in range(of.tcp.top):
        if not clean >> i & 1:
            memcpy(&to.tcp.sock[i], &of.tcp.sock[i], sizeof(Sock))
    memcpy(to.tcp.cfg_ix, of.tcp.cfg_ix, STACK_BYTES)
    memcpy(to.tcp.cfg, of.tcp.cfg, sizeof(of.tcp.cfg))
    to.tcp.fx.n = 0
    to.tcp.next_uid, to.tcp.output, to.tcp.output_ctx = of.tcp.next_uid, of.tcp.output, of.tcp.output_ctx
    memcpy(to.proc, of.proc, sizeof(of.proc))
    memcpy(to.bind, of.bind, sizeof(of.bind))
    memcpy(to.owner, of.owner, COMMON_BYTES)
    memcpy(to.fly, of.fly, of.nfly * sizeof(Flying))
    if of.npend or to.npend:
        memcpy(to.pend, of.pend, sizeof(of.pend))
    to.npend = of.npend
    to.ntrack = of.ntrack
    if of.ntrack:
        memcpy(to.track, of.track, of.ntrack * sizeof(Track))
    copy_asked_for(m, to, of)


cdef void copy_asked_for(Machine* m, World* to, const World* of) noexcept nogil:
    """What only some claims and programs ask for."""
    if m.t.nordinal:
        memcpy(to.ordinal, of.ordinal, sizeof(of.ordinal))
    if m.t.nkept:
        memcpy(to.has_kept, of.has_kept, sizeof(of.has_kept))
        memcpy(to.kept, of.kept, sizeof(of.kept))
    if m.t.keeps_gone:
        to.ngone = of.ngone
        memcpy(to.gone, of.gone, sizeof(of.gone))
    if m.t.npeered:
        memcpy(to.peered, of.peered, sizeof(of.peered))
    if m.t.nslept:
        memcpy(to.slept_from, of.slept_from, sizeof(of.slept_from))
        memcpy(to.slept_to, of.slept_to, sizeof(of.slept_to))
    if m.t.ncaught:
        memcpy(to.has_caught, of.has_caught, sizeof(of.has_caught))
        memcpy(to.caught, of.caught, sizeof(of.caught))
    if m.t.ncounted:
        memcpy(to.has_origin, of.has_origin, sizeof(of.has_origin))
        memcpy(to.met, of.met, sizeof(of.met))
        memcpy(to.origin, of.origin, sizeof(of.origin))


# ---- time

cdef void deadline(Machine* m, int clk, int64_t hi) noexcept nogil:
    """Before the age of clk exceeds hi, something happens."""
    if clk and hi < TIME_INF:
        age_require(&m.nxt.tcp.sym, clk, 0, hi)


cdef int urgent(Machine* m) noexcept nogil:
    """A program can go on: no time passes before it does, or before something else happens at this moment."""
    cdef int p
    for p in range(m.t.nproc):
        if can_run(m, p) == 1:
            return 1
    return 0


cdef void deadlines(Machine* m) noexcept nogil:
    cdef World* w = &m.nxt
    cdef int i, k
    for i in range(w.nfly):
        deadline(m, w.fly[i].clk, latest(m, &w.fly[i]))
    for i in range(w.tcp.top):
        if w.tcp.sock[i].kind != SK_FREE:
            for k in range(SLOTS):
                if w.tcp.sock[i].timer[k].kind != TM_NONE:
                    deadline(m, w.tcp.sock[i].timer[k].clk, w.tcp.sock[i].timer[k].hi)
    for i in range(m.t.nproc):
        if w.proc[i].status == PROC_SLEEPING:
            deadline(m, w.proc[i].clk, m.t.instr[w.proc[i].pc].hi)


cdef int something_waits(Machine* m, const World* w) noexcept nogil:
    """Will something happen by itself if time passes?"""
    cdef int i, k
    if w.nfly:
        return 1
    for i in range(m.t.nproc):
        if w.proc[i].status == PROC_SLEEPING:
            return 1
    for i in range(w.tcp.top):
        for k in range(SLOTS):
            if w.tcp.sock[i].kind != SK_FREE and w.tcp.sock[i].timer[k].kind != TM_NONE:
                return 1
    return 0


cdef void at_horizon(Machine* m) noexcept nogil:
    """A run is followed up to the horizon; what was still to happen then makes the search truncated."""
    if not m.nxt.horizon_clk:
        return
    if something_waits(m, &m.nxt) and \
            zone_allows_between(&m.nxt.tcp.sym.z, m.nxt.horizon_clk, m.t.horizon + 1, TIME_INF):
        m.cut_at_horizon = 1
    age_require(&m.nxt.tcp.sym, m.nxt.horizon_clk, 0, m.t.horizon)


cdef void pass_time(Machine* m) noexcept nogil:
    """From this step's instant to the next one's."""
    cdef Sym* s = &m.nxt.tcp.sym
    cdef int is_urgent
    if not s.timed:
        if s.rec != NULL:
            s.rec.step += 1
        m.nxt.spins = 0
        if m.plan != NULL:
            m.plan(m)
        return
    m.settled = 1
    is_urgent = urgent(m)
    if s.rec != NULL:
        if is_urgent and s.mode == MODE_RECORD:
            log_no_time(s)
        s.rec.step += 1
    if m.plan != NULL:
        m.plan(m)
    if s.mode == MODE_CONCRETE:
        zone_pass(&s.z, m.instant[s.rec.step] - m.instant[s.rec.step - 1])
        s.rec.now = m.instant[s.rec.step]
        if is_urgent and m.instant[s.rec.step] != m.instant[s.rec.step - 1]:
            m.ch.dead = 1
    elif not is_urgent:
        zone_up(&s.z)
    if not is_urgent:
        m.nxt.spins = 0
    deadlines(m)
    if m.ch.dead and s.mode == MODE_SEARCH:
        # deadlines that contradict each other would hide runs: say so instead
        m.ch.dead = 0
        m.truncated = 1
        return
    at_horizon(m)
    if not m.ch.dead:
        monitor_time(m)


cdef void log_no_time(Sym* s) noexcept nogil:
    """t[step + 1] - t[step] <= 0."""
    if s.rec.n >= 4096:
        s.rec.overflow = 1
        return
    memset(&s.rec.log[s.rec.n], 0, sizeof(s.rec.log[0]))
    s.rec.log[s.rec.n].kind = LOG_AGE
    s.rec.log[s.rec.n].i = s.rec.step + 1
    s.rec.log[s.rec.n].j = s.rec.step
    s.rec.n += 1


# ---- events

cdef int timely_events(Machine* m, Event* out) noexcept nogil:
    """Segments that may arrive and timers that may fire now, in fixed order; their number."""
    cdef const Sock* s
    cdef const Timer* t
    cdef int i, k, n = 0
    for i in range(m.cur.nfly):
        if may_arrive(m, i):
            out[n].kind, out[n].a, out[n].b = EV_DELIVER, i, 0
            n += 1
    for i in range(m.cur.tcp.top):
        s = &m.cur.tcp.sock[i]
        if s.kind == SK_FREE:
            continue
        for k in range(SLOTS):
            t = &s.timer[k]
            if t.kind != TM_NONE and age_allows(&m.nxt.tcp.sym, t.clk, t.lo, t.hi):
                out[n].kind, out[n].a, out[n].b = EV_TIMER, i, k
                n += 1
    return n


cdef inline int may_choose(int op) noexcept nogil:
    """Can whether a program goes on be a choice?"""
    return op == OP_AWAIT or op == OP_BULK or op == OP_BULK_START or op == OP_INJECT


cdef int events(Machine* m) noexcept nogil:
    """Writes to m.ready all that can happen next in m.cur, in fixed order; their number. Those of programs come last:
    whether one can go on may be a choice."""
    cdef int i, n, steady = m.loaded
    if steady and m.nall >= 0:
        return m.nall
    if not m.loaded or m.nready < 0:
        m.nready = timely_events(m, m.ready)
    n = m.nready
    for i in range(m.t.nproc):
        steady &= not may_choose(m.t.instr[m.nxt.proc[i].pc].op)
        if can_run(m, i):
            m.ready[n].kind, m.ready[n].a, m.ready[n].b = EV_PROGRAM, i, 0
            n += 1
    m.nall = n if steady else -1
    return n


cdef int same_event(Machine* m, const Event* e, const Event* want) noexcept nogil:
    """Is e (an index) the event that the script names (a serial number)?"""
    if e.kind != want.kind:
        return 0
    if e.kind == EV_DELIVER:
        return m.cur.fly[e.a].uid == <unsigned int>want.a
    if e.kind == EV_TIMER:
        return m.cur.tcp.sock[e.a].uid == <unsigned int>want.a and e.b == want.b
    return e.a == want.a


cdef int pick(Machine* m, Event* e, int n) noexcept nogil:
    cdef int i
    if m.nxt.tcp.sym.mode != MODE_CONCRETE:
        return choose(m.ch, n, CHOOSE_EVENT)
    for i in range(n):
        if same_event(m, &e[i], &m.script[m.at]):
            return i
    m.ch.dead = 1
    return 0


cdef void name_event(Machine* m, const Event* e) noexcept nogil:
    m.event = e[0]
    m.event.b = e.b
    if e.kind == EV_DELIVER:
        m.event.a = m.cur.fly[e.a].uid
    elif e.kind == EV_TIMER:
        m.event.a = m.cur.tcp.sock[e.a].uid
        m.event.c = m.cur.tcp.sock[e.a].timer[e.b].kind
    else:
        m.event.c = m.cur.proc[e.a].pc


cdef void run_event(Machine* m, const Event* e) noexcept nogil:
    cdef const Timer* t
    if e.kind == EV_DELIVER:
        deliver(m, e.a)
        if m.has_incoming and m.t.bare[m.here]:
            hand_over(m)
    elif e.kind == EV_TIMER:
        t = &m.cur.tcp.sock[e.a].timer[e.b]
        age_require(&m.nxt.tcp.sym, t.clk, t.lo, t.hi)
        if not m.ch.dead:
            timer_fires(&m.nxt.tcp, e.a, e.b)
    else:
        run_step(m, e.a)


# ---- steps

cdef void start(Machine* m) noexcept nogil:
    m.hits = m.late = m.met = 0
    m.truncated = 0
    m.has_incoming = m.settled = 0
    m.clock_now = 0
    m.nxt.tcp.fx.n = 0
    memcpy(m.nxt.budget, m.t.budget, sizeof(m.t.budget))
    m.nxt.firewall = m.t.firewall_on
    programs_start(m)
    if m.t.horizon:
        m.nxt.horizon_clk = <uint8_t>clock_start(&m.nxt.tcp.sym)
    monitor_start(m)
    canonicalise(m)
    if m.fold != NULL:
        m.fold(m)
    pass_time(m)


cdef int step(Machine* m, Choices* ch) noexcept nogil:
    cdef Event* e = m.ready
    cdef int n, i
    copy_world(m, &m.nxt, &m.cur, m.clean)
    m.clean = 0
    m.ch = ch
    m.nxt.tcp.sym.ch = ch
    m.hits = m.late = m.met = 0
    m.truncated = m.has_incoming = 0
    m.clock_now = 0
    m.settled = 1
    n = events(m)
    i = pick(m, e, n)
    m.settled = 0
    if ch.dead:
        return 0
    name_event(m, &e[i])
    run_event(m, &e[i])
    if not ch.dead:
        monitor_step(m)
    if m.watch != NULL and not ch.dead:
        m.watch(m)
    if not ch.dead:
        canonicalise(m)
        if m.fold != NULL:
            m.fold(m)
        pass_time(m)
    m.zero_met |= m.nxt.tcp.sym.zero_met
    return not ch.dead
