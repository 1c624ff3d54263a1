"""All that can happen next after a path, by name: what two kernels in lockstep are compared by.

Numbers are told as what they are made of (constant, counter, instant of the reading, offset), which is the same
in two models of one spec: equal descriptions are equal numbers. Instants are counted along the path.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free

from tcpcheck.explore.system cimport STATE_BYTES_MAX
from tcpcheck.model.layout cimport *
from tcpcheck.model.step cimport start, step
from tcpcheck.model.world cimport Model, copy_for_next, prescribe, sys_save, sys_save_zone
from tcpcheck.sym.choice cimport CHOOSE_EVENT, CHOOSE_FATE, Choices, choices_next, choices_start
from tcpcheck.sym.number cimport BASE_PAST, LOG_AGE, MODE_RECORD, Base, Num
from tcpcheck.sym.zone cimport CLOCKS_MAX
from tcpcheck.tcp.types cimport *

from typing import Any, NamedTuple

from tcpcheck.witness.constraints import Age, NumberIn

cdef enum:
    NUMS = 6                # of a segment

ctypedef struct Told:       # a number by what it is made of
    uint64_t key
    int64_t tick, off
    int32_t instant

ctypedef struct Watch:
    Told told[EFFECTS_MAX][NUMS]


class Branch(NamedTuple):
    """One way in which a step can go. name: the event, as in any model of the spec; event: as a recording has it.
    sends, gets, states: what can be seen. bounds: of the timer that fires (age in ns, least and greatest), else None.
    entries: what the step asks of numbers and times. state, zone, origins: what it leads to; origins: the instant at
    which each clock was started."""

    taken: bytes
    name: tuple
    event: tuple
    fates: bytes
    numbers: bytes
    sends: tuple
    gets: tuple
    states: tuple
    rules: tuple
    bounds: Any
    entries: tuple
    state: bytes
    zone: tuple
    origins: tuple
    cut: bool


# ---- numbers, before the step's end renames them

cdef void tell(Machine* m, const Num* x, Told* t) noexcept nogil:
    cdef const Base* b = &m.nxt.tcp.sym.base[x.base]
    t.key, t.tick, t.off, t.instant = 0, 0, x.off, -1
    if x.base == 0:
        return
    if x.base >= BASE_PAST:
        t.instant = -x.base
        return
    t.key, t.tick = b.key, b.tick
    if x.rd:
        t.instant = m.nxt.tcp.sym.rec.org[x.rd]
    elif b.tick and not b.linked:
        t.instant = b.org


cdef void watch_step(void* machine) noexcept nogil:
    cdef Machine* m = <Machine*>machine
    cdef Watch* w = <Watch*>m.watched
    cdef const Seg* s
    cdef int i
    for i in range(m.nxt.tcp.fx.n):
        if m.nxt.tcp.fx.e[i].kind != EF_SEND:
            continue
        s = &m.nxt.tcp.fx.e[i].seg
        tell(m, &s.seq, &w.told[i][0])
        tell(m, &s.ack, &w.told[i][1])
        tell(m, &s.tsval, &w.told[i][2])
        tell(m, &s.tsecr, &w.told[i][3])
        tell(m, &s.sack_lo, &w.told[i][4])
        tell(m, &s.sack_hi, &w.told[i][5])


# ---- what can be seen

cdef tuple told_number(const Told* t):
    return t.key, t.tick, t.instant, t.off


cdef tuple sent(Machine* m, int i, const Watch* w):
    """A segment as its host sent it: fields that are plain, then numbers."""
    cdef const Seg* s = &m.nxt.tcp.fx.e[i].seg
    cdef const Told* t = w.told[i]
    numbers = [told_number(&t[0])]
    numbers.append(told_number(&t[1]) if s.flags & F_ACK else None)
    numbers.append(("now", t[2].key, t[2].off) if s.has_ts and s.ts_now else told_number(&t[2]) if s.has_ts else None)
    numbers.append(told_number(&t[3]) if s.has_ts else None)
    numbers += [told_number(&t[4]), told_number(&t[5])] if s.has_sack else [None, None]
    plain = (s.src, s.dst, s.sport, s.dport, s.flags, s.len, s.wnd, s.mss if s.flags & F_SYN else 0,
             s.sack_ok if s.flags & F_SYN else 0, s.has_ts, s.has_sack)
    return m.nxt.tcp.fx.e[i].host, plain, tuple(numbers)


cdef list seen_states(const World* w):
    """What `ss` shows of each socket but listeners."""
    cdef const Sock* s
    cdef int i
    out = []
    for i in range(w.tcp.top):
        s = &w.tcp.sock[i]
        if s.kind == SK_REQUEST or s.kind == SK_FULL or s.kind == SK_BUCKET:
            out.append((s.host, s.lport, s.peer, s.rport, s.state))
    return sorted(out)


cdef tuple event_name(Machine* m):
    """The event as any model of the spec would call it."""
    cdef const Sock* s
    cdef int i
    if m.event.kind != EV_TIMER:
        return m.event.kind, m.event.a
    for i in range(m.cur.tcp.top):
        s = &m.cur.tcp.sock[i]
        if s.kind != SK_FREE and s.uid == <unsigned int>m.event.a:
            return EV_TIMER, s.host, s.lport, s.peer, s.rport, m.event.c
    return EV_TIMER, m.event.a, m.event.c


cdef object timer_bounds(Machine* m):
    """(instant since which it runs, least and greatest age) of the timer that fires."""
    cdef const Timer* t
    cdef int i
    if m.event.kind != EV_TIMER:
        return None
    for i in range(m.cur.tcp.top):
        if m.cur.tcp.sock[i].kind != SK_FREE and m.cur.tcp.sock[i].uid == <unsigned int>m.event.a:
            t = &m.cur.tcp.sock[i].timer[m.event.b]
            return (m.cur_org[t.clk], t.lo, t.hi) if t.clk else None
    return None


cdef tuple new_entries(Model model, int since):
    out = []
    cdef int i
    for i in range(since, model.rec.n):
        e = model.rec.log[i]
        if e.kind == LOG_AGE:
            out.append(Age(e.i, e.j, e.c))
        else:
            out.append(NumberIn(e.i, e.j, e.c, e.key_a, e.key_b, e.tick_a, e.tick_b, e.lo, e.len))
    return tuple(out)


cdef object branch(Model model, const Watch* w, int since):
    """The step just run."""
    cdef Machine* m = model.m
    cdef Choices* ch = &model.choices
    cdef uint8_t out[STATE_BYTES_MAX]
    cdef int64_t rows[CLOCKS_MAX * CLOCKS_MAX]
    cdef int i, n, k
    sends, gets, rules = [], [], []
    for i in range(m.nxt.tcp.fx.n):
        e = &m.nxt.tcp.fx.e[i]
        if e.kind == EF_SEND:
            sends.append(sent(m, i, w))
        elif e.kind == EF_GETS:
            gets.append((e.host, e.arg, e.uid == GOT_EOF))
        elif e.kind == EF_RULE:
            rules.append(e.arg)
    n = sys_save(m, out)
    k = sys_save_zone(m, rows)
    return Branch(
        <bytes>ch.taken[:ch.n], event_name(m), (m.event.kind, m.event.a, m.event.b),
        bytes([ch.taken[i] for i in range(ch.n) if ch.kind[i] == CHOOSE_FATE]),
        bytes([ch.taken[i] for i in range(ch.n) if ch.kind[i] != CHOOSE_FATE and ch.kind[i] != CHOOSE_EVENT]),
        tuple(sends), tuple(gets), tuple(seen_states(&m.nxt)), tuple(rules), timer_bounds(m),
        new_entries(model, since), <bytes>out[:n], tuple(rows[i] for i in range(k * k)),
        tuple(model.rec.org[i] for i in range(k)), bool(m.truncated),
    )


def branches(Model model, list path):
    """-> (every Branch of the step after the path, whether some could not be looked at).

    path: the lists of choices of its steps, as `Branch.taken`."""
    cdef Machine* m = model.m
    cdef Watch* w = <Watch*>calloc(1, sizeof(Watch))
    cdef int32_t org[CLOCKS_MAX]
    cdef bytes taken
    cdef int i, since, now, uid, cut = 0
    out = []
    if w == NULL:
        raise MemoryError
    try:
        model.begin(MODE_RECORD)
        start(m)
        for taken in path:
            copy_for_next(m)
            prescribe(&model.choices, taken)
            if not step(m, &model.choices):
                raise AssertionError("a path cannot be taken again")
        copy_for_next(m)
        since, now, uid = model.rec.n, model.rec.step, m.next_seg_uid
        for i in range(CLOCKS_MAX):
            org[i] = m.cur_org[i] = model.rec.org[i]
        m.watch, m.watched = watch_step, w
        choices_start(&model.choices)
        while True:
            model.rec.n, model.rec.step, m.next_seg_uid = since, now, uid
            for i in range(CLOCKS_MAX):
                model.rec.org[i] = org[i]
            if step(m, &model.choices) and not model.choices.dead:
                out.append(branch(model, w, since))
            cut |= model.choices.overflow
            model.choices.overflow = 0
            if not choices_next(&model.choices):
                break
        return out, bool(cut)
    finally:
        m.watch, m.watched = NULL, NULL
        free(w)


def first_states(Model model):
    """What can be seen before anything happens."""
    model.begin(MODE_RECORD)
    start(model.m)
    return tuple(seen_states(&model.m.nxt))
