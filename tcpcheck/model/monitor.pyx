"""Claims as monitors: predicates over one step, obligations that wait, and the hits they lead to.

A moment is (state before, effects, state after). Claims without events are judged on the state after each step and
on the initial state; claims with events see `in S` before the step, `becomes` after it, numbers as they were before.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from tcpcheck.model.layout cimport *
from tcpcheck.model.predicate cimport holds, kind_matches
from tcpcheck.model.scope cimport *
from tcpcheck.sym.number cimport (
    BASE_PAST, Base, MODE_RECORD, Num, Sym, age_at_least, age_require, clock_start, num_const,
)
from tcpcheck.sym.zone cimport TIME_INF, zone_allows_between, zone_sup
from tcpcheck.tcp.types cimport (
    EF_ACCEPT, EF_DIED, EF_SEND, Effect, F_ACK, F_FIN, F_RST, F_SYN, SK_FREE, SK_LISTENER, ST_CLOSED, Sock,
)


cdef uint64_t WHOLE_CIRCLE = <uint64_t>1 << 32


# ---- assignments

ctypedef void (*JudgeFn)(Scope* sc, int c) noexcept nogil


cdef void for_each(Machine* m, View view, const Var* var, int nvar, JudgeFn judge, int c,
                   int node=-1, int* found=NULL) noexcept nogil:
    """Call judge for every assignment of sockets to the variables."""
    cdef Scope sc
    memset(&sc, 0, sizeof(Scope))
    sc.m, sc.view, sc.var, sc.nvar = m, view, var, nvar
    sc.subject = sc.sock = -1
    sc.node, sc.found = node, found
    sc.claim = &m.t.claim[c] if c >= 0 else NULL
    sc.reply_to = &m.incoming if m.has_incoming else NULL
    assign(&sc, 0, nvar, judge, c)


cdef void assign(Scope* sc, int first, int end, JudgeFn judge, int c) noexcept nogil:
    """Call judge for every assignment to the variables from first on; those before it stay as they are."""
    cdef int choice[VARS_MAX]
    cdef int v = first, r
    if first >= end:
        judge(sc, c)
        return
    choice[first] = 0
    while v >= first and not sc.m.ch.dead:
        r = resolve(sc, v, choice[v])
        if r < 0:
            v -= 1
            if v >= first:
                choice[v] += 1
        elif r == 0:
            choice[v] += 1
        elif v + 1 < end:
            v += 1
            choice[v] = 0
        else:
            judge(sc, c)
            choice[v] += 1


cdef void judge_found(Scope* sc, int c) noexcept nogil:
    if not sc.found[0] and holds(sc, sc.node):
        sc.found[0] = 1


# ---- claims

cdef inline uint64_t bit(int i) noexcept nogil:
    return <uint64_t>1 << i


cdef void note_exercised(Scope* sc, int c) noexcept nogil:
    if sc.claim.exercised >= 0 and holds(sc, sc.claim.exercised):
        sc.m.hits |= bit(CLAIMS_MAX + c)


cdef void judge_safety(Scope* sc, int c) noexcept nogil:
    note_exercised(sc, c)
    if holds(sc, sc.claim.pred):
        sc.m.hits |= bit(c)


cdef void judge_count(Scope* sc, int c) noexcept nogil:
    """A count of whole runs (it has a goal) notes here which values came to it, and note_ends() which did not."""
    cdef int truth
    if sc.claim.goal >= 0:
        if holds(sc, sc.claim.pred):
            sc.m.hits |= bit(c)
            note_pieces(sc, c, 1)
        return
    if sc.claim.exercised >= 0 and not holds(sc, sc.claim.exercised):
        return
    sc.m.hits |= bit(CLAIMS_MAX + c)
    truth = holds(sc, sc.claim.pred)
    if truth:
        sc.m.hits |= bit(c)
    note_pieces(sc, c, truth)


cdef void judge_map(Scope* sc, int c) noexcept nogil:
    if holds(sc, sc.claim.pred):
        sc.m.hits |= bit(c)
        note_pieces(sc, c, outcome_of(sc) if sc.claim.replies else 1)


cdef uint32_t outcome_of(Scope* sc) noexcept nogil:
    """What the segment in hand led to: what its host sent, and the state of the claim's socket where that changed."""
    cdef Machine* m = sc.m
    cdef const Effect* e
    cdef uint32_t out = 0
    cdef int i, before, after
    for i in range(m.nxt.tcp.fx.n):
        e = &m.nxt.tcp.fx.e[i]
        if e.kind == EF_ACCEPT:
            out |= OUT_ACCEPTS
        if e.kind != EF_SEND or e.host != m.here:
            continue
        if e.seg.flags & F_RST:
            out |= OUT_RST
        elif e.seg.flags & F_SYN:
            out |= OUT_SYNACK if e.seg.flags & F_ACK else OUT_SYN
        elif e.seg.flags & F_FIN:
            out |= OUT_FIN
        else:
            out |= OUT_DATA if e.seg.len else OUT_ACK
    if sc.claim.subject >= 0:
        before = state_of(sc, &sc.ref[sc.claim.subject], BEFORE)
        after = state_of(sc, &sc.ref[sc.claim.subject], AFTER)
        if after != before:
            out |= <uint32_t>after << OUT_STATE
    return out


cdef void note_pieces(Scope* sc, int c, uint32_t outcome) noexcept nogil:
    """Which values U may have here."""
    cdef Machine* m = sc.m
    cdef const ClaimC* claim = sc.claim
    cdef Piece p
    cdef Num a, b, a2, b2
    memset(&p, 0, sizeof(Piece))
    p.claim, p.outcome, p.way = <int8_t>c, outcome, WAY_KNOWN
    if claim.over_sleep >= 0:
        note_sleep(m, c, outcome, claim.over_sleep)
        return
    if not counted_from(sc, claim.over_a, claim.over_b, claim.counted, &a, &b):
        if claim.kind == CL_COUNT and claim.goal >= 0 and (claim.counted2 < 0 or not outcome):
            note_ahead(m, c, outcome)
        elif claim.counted < 0 or (outcome and claim.kind == CL_COUNT):
            m.no_value |= bit(c)        # this run counts for no value
        return
    stretch(m, a, b, &p.lo, &p.len)
    a2 = b2 = num_const(0)
    if claim.counted2 >= 0:
        if not counted_from(sc, -1, -1, claim.counted2, &a2, &b2):
            if claim.goal >= 0 and not outcome:
                note_ahead(m, c, outcome)
            m.no_value |= bit(c) if outcome else 0
            return
        stretch(m, a2, b2, &p.lo2, &p.len2)
    if not m.ch.dead and note_piece(m, &p):
        note_quantity(m, a, b, &m.over)
        note_quantity(m, a2, b2, &m.over2)


cdef void note_ahead(Machine* m, int c, uint32_t outcome) noexcept nogil:
    """U has no value: every one may still follow, or none."""
    cdef Piece p
    memset(&p, 0, sizeof(Piece))
    p.claim, p.outcome, p.way, p.len = <int8_t>c, outcome, WAY_AHEAD, WHOLE_CIRCLE
    p.len2 = WHOLE_CIRCLE if m.t.claim[c].counted2 >= 0 else 0
    note_piece(m, &p)


cdef int counted_from(Scope* sc, int over_a, int over_b, int counted, Num* a, Num* b) noexcept nogil:
    """U = a - b. 0: it has no value here; an unknown that nobody has met has not even been chosen."""
    cdef int ka = 1, kb = 1
    if counted >= 0:
        a[0], b[0] = sc.m.nxt.met[counted], sc.m.nxt.origin[counted]
        ka = sc.m.nxt.has_origin[counted]
    else:
        a[0] = eval_num(sc, over_a, &ka)
        b[0] = num_const(0)
        if over_b >= 0:
            b[0] = eval_num(sc, over_b, &kb)
    return ka and kb and a.base < BASE_PAST and b.base < BASE_PAST


cdef void note_side(Machine* m, Num x, uint64_t* key, int64_t* tick, int32_t* instant) noexcept nogil:
    cdef const Base* b = &m.nxt.tcp.sym.base[x.base]
    key[0], tick[0], instant[0] = 0, 0, -1
    if x.base == 0:
        return
    key[0] = b.key
    if b.tick and (x.rd or not b.linked):
        tick[0] = b.tick
        instant[0] = m.nxt.tcp.sym.rec.org[x.rd] if x.rd else b.org


cdef void note_quantity(Machine* m, Num a, Num b, Quantity* q) noexcept nogil:
    note_side(m, a, &q.key_a, &q.tick_a, &q.i)
    note_side(m, b, &q.key_b, &q.tick_b, &q.j)
    q.c = a.off - b.off


cdef void stretch(Machine* m, Num a, Num b, int64_t* first, uint64_t* size) noexcept nogil:
    """What the state leaves to a - b, modulo 2^32: one stretch of the circle, which may go through 0."""
    cdef int64_t tick, lo, hi
    cdef uint32_t start = 0
    if a.base == b.base and a.rd and b.rd:
        tick = m.nxt.tcp.sym.base[a.base].tick
        lo = -zone_sup(&m.nxt.tcp.sym.z, a.rd, b.rd) // tick + a.off - b.off
        hi = zone_sup(&m.nxt.tcp.sym.z, b.rd, a.rd) // tick + a.off - b.off
        if hi - lo >= (<int64_t>1 << 32):
            lo, hi = 0, (<int64_t>1 << 32) - 1
        first[0], size[0] = <uint32_t>lo, <uint64_t>(hi - lo + 1)
    elif a.base == b.base:
        first[0], size[0] = <uint32_t>(a.off - b.off), 1
    else:
        arc_of(m, a, b, &start, size)
        first[0] = start


cdef void note_sleep(Machine* m, int c, uint32_t outcome, int k) noexcept nogil:
    """U is how long a sleep lasts, in ns: known from its end on, at least its age while it lasts."""
    cdef const Instr* i = &m.t.instr[m.t.slept_pc[k]]
    cdef Sym* s = &m.nxt.tcp.sym
    cdef int since = m.nxt.slept_from[k], until = m.nxt.slept_to[k], p
    cdef int64_t lo = i.lo, hi = i.hi
    cdef int way = WAY_AHEAD
    cdef Piece x
    if until:
        way, lo, hi = WAY_KNOWN, -zone_sup(&s.z, until, since), zone_sup(&s.z, since, until)
    else:
        for p in range(m.t.nproc):
            if m.nxt.proc[p].status == PROC_SLEEPING and m.nxt.proc[p].pc == m.t.slept_pc[k]:
                since = m.nxt.proc[p].clk
                way, lo = WAY_SLEEPING, max(lo, -zone_sup(&s.z, 0, since))
    if way == WAY_AHEAD and m.t.claim[c].kind != CL_COUNT:
        return                          # a map begins where its unknown comes in
    memset(&x, 0, sizeof(Piece))
    x.claim, x.outcome, x.way, x.lo, x.len = <int8_t>c, outcome, <uint8_t>way, lo, <uint64_t>(hi - lo + 1)
    if note_piece(m, &x) and way != WAY_AHEAD:
        m.over.i = s.rec.org[until] if until else -1
        m.over.j = s.rec.org[since]


cdef int same_piece(const Piece* p, const Piece* q) noexcept nogil:
    return p.claim == q.claim and p.outcome == q.outcome and p.way == q.way and p.lo == q.lo and p.len == q.len and \
        p.lo2 == q.lo2 and p.len2 == q.len2


cdef int note_piece(Machine* m, const Piece* x) noexcept nogil:
    """1: it is the one whose quantity a recording asks for."""
    cdef int i
    for i in range(m.npiece):
        if same_piece(&m.piece[i], x):
            if i < PIECE_BITS:
                m.hits |= bit(2 * CLAIMS_MAX + i)
            break
    else:
        if m.npiece >= PIECES_MAX:
            m.pieces_full |= bit(x.claim)
            return 0
        m.piece[m.npiece] = x[0]
        if m.npiece < PIECE_BITS:
            m.hits |= bit(2 * CLAIMS_MAX + m.npiece)
        m.npiece += 1
    if m.nxt.tcp.sym.mode != MODE_RECORD or not same_piece(&m.asked, x):
        return 0
    m.asked_log = m.nxt.tcp.sym.rec.n
    return 1


cdef void arc_of(Machine* m, Num a, Num b, uint32_t* first, uint64_t* size) noexcept nogil:
    """What the state knows of a - b between unrelated bases."""
    cdef int i
    first[0], size[0] = 0, <uint64_t>1 << 32
    for i in range(m.nxt.tcp.sym.narc):
        if m.nxt.tcp.sym.arc[i].a == a.base and m.nxt.tcp.sym.arc[i].b == b.base and \
                m.nxt.tcp.sym.arc[i].ra == a.rd and m.nxt.tcp.sym.arc[i].rb == b.rd:
            first[0] = <uint32_t>(m.nxt.tcp.sym.arc[i].lo + a.off - b.off)
            size[0] = m.nxt.tcp.sym.arc[i].len
            return
        if m.nxt.tcp.sym.arc[i].a == b.base and m.nxt.tcp.sym.arc[i].b == a.base and \
                m.nxt.tcp.sym.arc[i].ra == b.rd and m.nxt.tcp.sym.arc[i].rb == a.rd:
            size[0] = m.nxt.tcp.sym.arc[i].len
            first[0] = <uint32_t>(a.off - b.off - <int64_t>m.nxt.tcp.sym.arc[i].lo - <int64_t>size[0] + 1)
            return


# ---- obligations

cdef int same_assignment(const Pend* p, const Scope* sc) noexcept nogil:
    cdef int v
    for v in range(sc.claim.ntrigger):
        if p.var[v] != sc.ref[v].pos:
            return 0
    return 1


cdef uint8_t clock_now(Machine* m) noexcept nogil:
    """A clock started in this step; all obligations of one step share it."""
    if not m.clock_now:
        m.clock_now = <uint8_t>clock_start(&m.nxt.tcp.sym)
    return m.clock_now


cdef void oblige(Scope* sc, int c) noexcept nogil:
    """The claim's trigger came: unless it waits already (the earlier deadline is the stricter), wait from now."""
    cdef Machine* m = sc.m
    cdef int i, v, free_at = -1
    m.hits |= bit(CLAIMS_MAX + c)
    for i in range(PENDS_MAX):
        if m.nxt.pend[i].claim == c + 1 and same_assignment(&m.nxt.pend[i], sc) and sc.claim.lo == 0:
            return
        if m.nxt.pend[i].claim == 0 and free_at < 0:
            free_at = i
    if free_at < 0:
        m.truncated = 1
        return
    memset(&m.nxt.pend[free_at], 0, sizeof(Pend))
    m.nxt.pend[free_at].claim = <uint8_t>(c + 1)
    m.nxt.npend = max(m.nxt.npend, <uint8_t>(free_at + 1))
    for v in range(sc.claim.ntrigger):
        m.nxt.pend[free_at].var[v] = sc.ref[v].pos
    if sc.claim.has_within:
        m.nxt.pend[free_at].clk = clock_now(m)


cdef void judge_trigger(Scope* sc, int c) noexcept nogil:
    """From each moment the trigger becomes true; the goal may hold at that very moment."""
    cdef View kept = sc.view
    cdef int before = 0
    if not holds(sc, sc.claim.pred):
        return
    if sc.claim.eventless and not some_fresh(sc):
        sc.view = BEFORE
        before = holds(sc, sc.claim.pred)
        sc.view = kept
    if not before:
        triggered(sc, c)


cdef void judge_first(Scope* sc, int c) noexcept nogil:
    """A trigger that is true from the start."""
    if holds(sc, sc.claim.pred):
        triggered(sc, c)


cdef void triggered(Scope* sc, int c) noexcept nogil:
    sc.m.hits |= bit(CLAIMS_MAX + c)
    if not goal_now(sc):
        oblige(sc, c)
        return
    if sc.claim.lo > 0:
        sc.m.hits |= bit(c)             # too early: `within A..B` is not before A
    if sc.claim.asks:
        note_due(sc, c, DUE_EARLY if sc.claim.lo > 0 else DUE_MET)


# ---- which values an obligation is met with

cdef void judge_due(Scope* sc, int c) noexcept nogil:
    sc.found[0] = 1
    note_pieces(sc, c, <uint32_t>sc.node)


cdef void note_due(Scope* sc, int c, uint32_t outcome) noexcept nogil:
    """An obligation has come to its outcome, with U as it is now: of the trigger's sockets, and any of U's own."""
    cdef View kept = sc.view
    cdef int found = 0
    sc.view, sc.node, sc.found = AFTER, <int>outcome, &found
    assign(sc, sc.claim.ngoal, sc.claim.nvar, judge_due, c)
    sc.view = kept
    if not found:
        sc.m.no_value |= bit(c)


cdef void due(Scope* sc, const Pend* p, int c) noexcept nogil:
    """The goal has come."""
    cdef uint32_t outcome = DUE_MET
    cdef Sym* s = &sc.m.nxt.tcp.sym
    if p.clk and age_at_least(s, p.clk, sc.claim.hi + 1):
        outcome = DUE_LATE
    elif p.clk and sc.claim.lo > 0 and not age_at_least(s, p.clk, sc.claim.lo):
        outcome = DUE_EARLY
    note_due(sc, c, outcome)


cdef void overdue(Machine* m, Pend* p) noexcept nogil:
    """Until the next event the bound may pass: then the run splits in what is late and what is not."""
    cdef Scope sc
    cdef int c = p.claim - 1
    if age_at_least(&m.nxt.tcp.sym, p.clk, m.t.claim[c].hi + 1):
        pend_scope(m, p, &sc)
        note_due(&sc, c, DUE_LATE)
        memset(p, 0, sizeof(Pend))


cdef int some_fresh(Scope* sc) noexcept nogil:
    """A socket that had no name before this step cannot have made the trigger true before."""
    cdef int v
    for v in range(sc.claim.ntrigger):
        if sc.ref[v].fresh:
            return 1
    return 0


cdef int goal_now(Scope* sc) noexcept nogil:
    """Does the goal hold, for the trigger's sockets and some of those that only the goal names?"""
    cdef View kept = sc.view
    cdef int found = 0
    sc.view = AFTER if sc.claim.goal_eventless else BEFORE
    sc.node, sc.found = sc.claim.goal, &found
    assign(sc, sc.claim.ntrigger, sc.claim.ngoal, judge_found, -1)
    sc.view = kept
    return found


cdef void pend_scope(Machine* m, const Pend* p, Scope* sc) noexcept nogil:
    """The assignment of a waiting obligation."""
    cdef ClaimC* c = &m.t.claim[p.claim - 1]
    cdef Tuple t
    cdef int v, found
    memset(sc, 0, sizeof(Scope))
    sc.m, sc.claim, sc.var, sc.nvar = m, c, c.var, c.nvar
    sc.subject = sc.sock = -1
    sc.reply_to = &m.incoming if m.has_incoming else NULL
    for v in range(c.ntrigger):
        if c.var[v].kind == VAR_NAMED:
            named_ref(m, &c.var[v], p.var[v], &sc.ref[v])
            continue
        found = 0
        if p.var[v] >= 0 and c.var[v].kind == VAR_PORT:
            found = port_ref(m, &c.var[v], p.var[v], &sc.ref[v])
        elif p.var[v] >= 0:
            found = tuple_of(m, &c.var[v], &sc.ref[c.var[v].a], &t) and peer_ref(m, &t, p.var[v], &sc.ref[v])
        elif p.var[v] < -1:
            ended_ref(&sc.ref[v], -2 - p.var[v])
            found = 1
        if not found:
            memset(&sc.ref[v], 0, sizeof(Ref))
            sc.ref[v].slot = sc.ref[v].pos = -1


cdef void forget_ended(Machine* m) noexcept nogil:
    """A waiting obligation about a socket known by its slot only: from its end on, by its place among those gone."""
    cdef int i, k, v
    cdef const ClaimC* c
    cdef Pend* p
    cdef Tuple t
    for i in range(m.nxt.npend):
        p = &m.nxt.pend[i]
        if not p.claim:
            continue
        c = &m.t.claim[p.claim - 1]
        for v in range(c.ntrigger):
            if c.var[v].kind == VAR_NAMED or p.var[v] < 0:
                continue
            for k in range(m.nxt.tcp.fx.n):
                if m.nxt.tcp.fx.e[k].kind == EF_DIED and m.nxt.tcp.fx.e[k].sock == p.var[v]:
                    tuple_from(&m.cur.tcp.sock[p.var[v]], &t)
                    p.var[v] = <int8_t>(-2 - gone_place(m, &t))
                    break


cdef void count_sent(Machine* m) noexcept nogil:
    """`3rd FIN`: each socket counts the segments of each pattern asked for, and stops one past the last asked. A slot
    that changes hands starts again."""
    cdef Effect* e
    cdef uint8_t* count
    cdef int i, k
    if m.t.nordinal == 0:
        return
    for i in range(m.nxt.tcp.fx.n):
        e = &m.nxt.tcp.fx.e[i]
        memset(m.sent_as[i], 0, ORDINALS_MAX)
        if e.sock < 0:
            continue
        count = m.nxt.ordinal[e.sock]
        if e.kind == EF_DIED:
            memset(count, 0, ORDINALS_MAX)
        elif e.kind == EF_SEND:
            for k in range(m.t.nordinal):
                if kind_matches(m.t.ordinal_kind[k], m.t.ordinal_flags[k], &e.seg):
                    count[k] += count[k] <= m.t.ordinal_most[k]
                    m.sent_as[i][k] = count[k]


cdef void keep_numbers(Machine* m) noexcept nogil:
    """Numbers that claims ask for after their socket's end: the last ones it had."""
    cdef const Sock* s
    cdef int i, pos, slot, known = 0
    for i in range(m.t.nkept):
        pos = m.t.kept_pos[i]
        if pos >= m.nxt.bind[m.t.kept_bind[i]].n:
            continue
        slot = m.nxt.bind[m.t.kept_bind[i]].slot[pos]
        if slot < 0:
            continue
        s = &m.nxt.tcp.sock[slot]
        if s.kind == SK_FREE or s.state == ST_CLOSED:
            s = &m.cur.tcp.sock[slot]
        if s.kind == SK_FREE or s.state == ST_CLOSED:
            continue
        m.nxt.kept[i] = sock_field(s, m.t.kept_field[i], &known)
        m.nxt.has_kept[i] = <uint8_t>known


cdef void remember_gone(Machine* m) noexcept nogil:
    """The connections of sockets that ended in this step: from here on each of them is in CLOSED."""
    cdef const Sock* s
    cdef Tuple t
    cdef int i
    if not m.t.keeps_gone:
        return
    for i in range(m.nxt.tcp.fx.n):
        if m.nxt.tcp.fx.e[i].kind != EF_DIED:
            continue
        s = &m.cur.tcp.sock[m.nxt.tcp.fx.e[i].sock]
        if s.kind == SK_FREE or s.kind == SK_LISTENER:
            continue
        tuple_from(s, &t)
        if gone_place(m, &t) >= 0:
            continue
        if m.nxt.ngone >= GONE_MAX:
            m.truncated = 1
            continue
        m.nxt.gone[m.nxt.ngone] = t
        m.nxt.ngone += 1


cdef int gone_place(Machine* m, const Tuple* t) noexcept nogil:
    cdef int i
    for i in range(m.nxt.ngone):
        if memcmp(&m.nxt.gone[i], t, sizeof(Tuple)) == 0:
            return i
    return -1


cdef void remember_tuples(Machine* m) noexcept nogil:
    """The connections of newly named sockets whose peers are asked for."""
    cdef const Bind* b
    cdef const Sock* s
    cdef int k, pos
    for k in range(m.t.npeered):
        b = &m.nxt.bind[m.t.peered_bind[k]]
        for pos in range(b.n):
            if m.nxt.peered[k][pos].lport or b.slot[pos] < 0:
                continue
            s = &m.nxt.tcp.sock[b.slot[pos]]
            if s.kind != SK_FREE and s.kind != SK_LISTENER:
                tuple_from(s, &m.nxt.peered[k][pos])


cdef void judge_all(Machine* m, int initial) noexcept nogil:
    cdef const ClaimC* c
    cdef int i
    for i in range(m.t.nclaim):
        c = &m.t.claim[i]
        if initial and not c.eventless and c.kind != CL_EVENTUALLY:
            continue
        if c.kind == CL_NEVER or c.kind == CL_REACH:
            for_each(m, AFTER if c.eventless else BEFORE, c.var, c.nvar, judge_safety, i)
        elif c.kind == CL_COUNT:
            for_each(m, AFTER if c.eventless else BEFORE, c.var, c.nvar, judge_count, i)
        elif c.kind == CL_MAP:
            for_each(m, AFTER if c.eventless else BEFORE, c.var, c.nvar, judge_map, i)
        elif c.kind == CL_AFTER:
            for_each(m, AFTER if c.eventless else BEFORE, c.var, c.ntrigger,
                     judge_first if initial else judge_trigger, i)


cdef void judge_goals(Machine* m) noexcept nogil:
    """`eventually`, and counts of whole runs: some sockets of those names are enough, and the run's obligation is met."""
    cdef Scope sc
    cdef int i, k
    cdef const ClaimC* c
    for k in range(m.nxt.npend):
        i = m.nxt.pend[k].claim - 1
        if i < 0 or m.t.claim[i].kind == CL_AFTER or m.ch.dead:
            continue
        c = &m.t.claim[i]
        if not goal_somewhere(m, c):
            continue
        if c.asks:
            pend_scope(m, &m.nxt.pend[k], &sc)
            due(&sc, &m.nxt.pend[k], i)
        if c.lo > 0 and not age_at_least(&m.nxt.tcp.sym, m.nxt.pend[k].clk, c.lo):
            m.hits |= bit(i)
        m.met |= bit(i)
        memset(&m.nxt.pend[k], 0, sizeof(Pend))


cdef int goal_somewhere(Machine* m, const ClaimC* c) noexcept nogil:
    cdef int found = 0
    for_each(m, AFTER if c.goal_eventless else BEFORE, c.var, c.ngoal, judge_found, -1, c.goal, &found)
    return found


cdef void monitor_start(Machine* m) noexcept nogil:
    cdef int i, k = 0
    m.hits = 0
    for i in range(m.t.nclaim):
        if m.t.claim[i].kind == CL_EVENTUALLY or (m.t.claim[i].kind == CL_COUNT and m.t.claim[i].goal >= 0):
            m.nxt.pend[k].claim = <uint8_t>(i + 1)
            if m.t.claim[i].has_within:
                m.nxt.pend[k].clk = clock_now(m)
            m.hits |= bit(CLAIMS_MAX + i)
            k += 1
    m.nxt.npend = <uint8_t>k
    judge_all(m, 1)
    judge_goals(m)


cdef void monitor_step(Machine* m) noexcept nogil:
    count_sent(m)
    keep_numbers(m)
    remember_tuples(m)
    remember_gone(m)
    settle(m)
    judge_all(m, 0)
    judge_goals(m)
    forget_ended(m)


cdef void settle(Machine* m) noexcept nogil:
    """The obligations of `after`; those of `eventually` ask every socket of their names and come last."""
    cdef Scope sc
    cdef Pend* p
    cdef int i, c
    for i in range(m.nxt.npend):
        p = &m.nxt.pend[i]
        if not p.claim or m.ch.dead or m.t.claim[p.claim - 1].kind != CL_AFTER:
            continue
        c = p.claim - 1
        pend_scope(m, p, &sc)
        if not goal_now(&sc):
            continue
        if m.t.claim[c].asks:
            due(&sc, p, c)
        if m.t.claim[c].lo > 0 and not age_at_least(&m.nxt.tcp.sym, p.clk, m.t.claim[c].lo):
            m.hits |= bit(c)
        m.met |= bit(c)
        memset(p, 0, sizeof(Pend))


cdef void monitor_time(Machine* m) noexcept nogil:
    """Time has passed as far as it may: an obligation whose bound it can overrun is a hit. Its claim is decided then;
    the run goes on without it, for the other claims' sake."""
    cdef Pend* p
    cdef const ClaimC* c
    cdef int i
    for i in range(m.nxt.npend):
        p = &m.nxt.pend[i]
        if not p.claim or not p.clk or m.ch.dead:
            continue
        c = &m.t.claim[p.claim - 1]
        if not zone_allows_between(&m.nxt.tcp.sym.z, p.clk, c.hi + 1, TIME_INF):
            continue
        if c.asks:
            overdue(m, p)
            continue
        m.hits |= bit(p.claim - 1)
        m.late |= bit(p.claim - 1)
        if m.show_late == p.claim:
            age_require(&m.nxt.tcp.sym, p.clk, c.hi + 1, TIME_INF)
        memset(p, 0, sizeof(Pend))


cdef int await_holds(Machine* m, int node, int vars_at) noexcept nogil:
    """Does the predicate of an `await` hold for some sockets now? Asked before anything happens in the step."""
    cdef Var var[VARS_MAX]
    cdef const int32_t* row = m.t.target + vars_at
    cdef int i, n = row[0], found = 0
    for i in range(n):
        var[i].kind = <uint8_t>row[1 + 4 * i]
        var[i].a = row[2 + 4 * i]
        var[i].b = row[3 + 4 * i]
        var[i].may_be_absent = <uint8_t>row[4 + 4 * i]
    for_each(m, AFTER, var, n, judge_found, -1, node, &found)
    return found


cdef uint64_t note_ends(Machine* m) noexcept nogil:
    """The run of m.nxt is over: what U may be there leads to none of the counted goals that still wait. -> their claims.
    A value is asked of the sockets of U alone; where there are none the run has no value, and may have any. In a map
    obligations without a bound are never met."""
    cdef uint64_t counts = 0
    cdef const ClaimC* c
    cdef Scope sc
    cdef int i, k, found
    m.settled = 1
    for i in range(m.nxt.npend):
        k = m.nxt.pend[i].claim - 1
        if k >= 0 and m.t.claim[k].asks and not m.nxt.pend[i].clk:
            pend_scope(m, &m.nxt.pend[i], &sc)
            note_due(&sc, k, DUE_LATE)
        if k < 0 or m.t.claim[k].kind != CL_COUNT:
            continue
        counts |= bit(k)
        c = &m.t.claim[k]
        found = 0
        for_each(m, AFTER, c.var, c.ntrigger, note_missed, k, -1, &found)
        if not found:
            note_ahead(m, k, 0)
    return counts


cdef void note_missed(Scope* sc, int c) noexcept nogil:
    sc.found[0] = 1
    note_pieces(sc, c, 0)
