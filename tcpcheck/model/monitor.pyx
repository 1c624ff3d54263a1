"""Claims as monitors: predicates over one step, obligations that wait, and the hits they lead to.

A moment is (state before, effects, state after). Claims without events are judged on the state after each step and
on the initial state; claims with events see `in S` before the step, `becomes` after it, numbers as they were before.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from tcpcheck.model.layout cimport *
from tcpcheck.sym.number cimport (
    MODE_CONCRETE, Num, age_at_least, age_require, clock_start, diff_in, num_add, num_base, num_const, seq_after, seq_eq,
)
from tcpcheck.sym.zone cimport TIME_INF, zone_allows_between, zone_sup
from tcpcheck.tcp.sockets cimport accept_queue_len, in_flight
from tcpcheck.tcp.types cimport *

cdef enum View:
    BEFORE = 0
    AFTER = 1

ctypedef struct Ref:                # one socket that a variable stands for in one assignment
    uint8_t exists                  # it exists, or existed
    uint8_t ended                   # it had ended before this step: CLOSED for ever
    uint8_t fresh                   # its name was bound in this step
    int8_t slot                     # -1: none
    int8_t pos                      # position in its binding; or slot
    int32_t lo, hi                  # effects lo <= i < hi are its own

ctypedef struct Scope:
    Machine* m
    View view
    const ClaimC* claim
    const Var* var
    int nvar
    Ref ref[VARS_MAX]
    const Seg* seg                  # the segment in hand, for a pattern's condition
    const Seg* reply_to             # the segment replied to
    int subject                     # variable whose fields bare names mean; -1: `sock`
    int sock                        # slot of the event's own socket, when the subject is a host
    int node                        # the predicate of an `await`
    int* found


# ---- which sockets a variable stands for

cdef void bound_effects(Machine* m, Ref* r) noexcept nogil:
    """A slot that changed hands in this step: what came before the old socket's end is the old one's."""
    cdef int i
    if m.settled:
        return
    r.lo, r.hi = 0, m.nxt.tcp.fx.n
    for i in range(m.nxt.tcp.fx.n):
        if m.nxt.tcp.fx.e[i].kind == EF_DIED and m.nxt.tcp.fx.e[i].sock == r.slot:
            if r.fresh:
                r.lo = i + 1
            else:
                r.hi = i + 1
                return


cdef int died(Machine* m, const Ref* r) noexcept nogil:
    cdef int i
    for i in range(r.lo, r.hi):
        if m.nxt.tcp.fx.e[i].kind == EF_DIED and m.nxt.tcp.fx.e[i].sock == r.slot:
            return 1
    return 0


cdef int named_ref(Machine* m, const Var* v, int pos, Ref* r) noexcept nogil:
    """The pos-th socket of a name; 0 when there is none yet."""
    cdef const Bind* b = &m.nxt.bind[v.a]
    memset(r, 0, sizeof(Ref))
    r.slot, r.pos = -1, <int8_t>pos
    if pos >= b.n:
        return 0
    r.exists = 1
    if m.settled:
        r.slot = b.slot[pos]
        r.ended = r.slot < 0
        return 1
    r.fresh = pos >= m.cur.bind[v.a].n
    r.slot = b.slot[pos] if r.fresh else m.cur.bind[v.a].slot[pos]
    r.ended = r.slot < 0
    if r.slot >= 0:
        bound_effects(m, r)
    return 1


cdef int port_ref(Machine* m, const Var* v, int slot, Ref* r) noexcept nogil:
    """The socket in this slot, when it has the port. A slot that changes hands in the step means the old socket,
    but for sockets that only exist after it."""
    cdef const Sock* s = &m.cur.tcp.sock[slot]
    memset(r, 0, sizeof(Ref))
    if m.settled or not is_of_port(s, v):
        s = &m.nxt.tcp.sock[slot]
        r.fresh = not m.settled
        if not is_of_port(s, v):
            return 0
    r.exists = 1
    r.slot = r.pos = <int8_t>slot
    bound_effects(m, r)
    return 1


cdef inline int is_of_port(const Sock* s, const Var* v) noexcept nogil:
    return (s.kind == SK_REQUEST or s.kind == SK_FULL or s.kind == SK_BUCKET or s.kind == SK_DEAD) and \
        s.host == v.a and s.lport == v.b


cdef void peer_ref(Machine* m, View view, const Ref* of, Ref* r) noexcept nogil:
    cdef const World* w = &m.nxt if view == AFTER else &m.cur
    cdef const Sock* s
    cdef const Sock* o
    cdef int i
    memset(r, 0, sizeof(Ref))
    r.slot = r.pos = -1
    if of.slot < 0:
        return
    s = &w.tcp.sock[of.slot]
    if s.kind == SK_FREE:
        return
    for i in range(SOCKS_MAX):
        o = &w.tcp.sock[i]
        if (o.kind == SK_REQUEST or o.kind == SK_FULL or o.kind == SK_BUCKET) and o.host == s.peer and \
                o.peer == s.host and o.lport == s.rport and o.rport == s.lport:
            r.exists = 1
            r.slot = r.pos = <int8_t>i
            bound_effects(m, r)
            return


cdef int resolve(Scope* sc, int v, int choice) noexcept nogil:
    """Give variable v its choice-th value; 0: no such value, -1: no more values."""
    cdef Machine* m = sc.m
    cdef const Var* var = &sc.var[v]
    if var.kind == VAR_NAMED:
        if var.b >= 0:
            if choice:
                return -1
            return named_ref(m, var, var.b, &sc.ref[v]) or var.may_be_absent
        if choice and choice >= m.nxt.bind[var.a].n:
            return -1
        return named_ref(m, var, choice, &sc.ref[v]) or var.may_be_absent
    if var.kind == VAR_PORT:
        if choice >= SOCKS_MAX:
            return -1
        return port_ref(m, var, choice, &sc.ref[v])
    if choice:
        return -1
    peer_ref(m, sc.view, &sc.ref[var.a], &sc.ref[v])
    return 1


# ---- states

cdef int state_of(Scope* sc, const Ref* r, View view) noexcept nogil:
    cdef Machine* m = sc.m
    if not r.exists:
        return ST_NONE
    if r.ended:
        return ST_CLOSED
    if view == AFTER:
        if died(m, r):
            return ST_CLOSED
        return m.nxt.tcp.sock[r.slot].state
    if r.fresh and (r.lo > 0 or m.cur.tcp.sock[r.slot].kind == SK_FREE):
        return ST_NONE
    return m.cur.tcp.sock[r.slot].state if m.cur.tcp.sock[r.slot].kind != SK_FREE else ST_NONE


cdef const Sock* sock_seen(Scope* sc, int v) noexcept nogil:
    """The socket whose variables a condition sees: as before the step, for claims with events; a socket that was born
    in this step as it is now."""
    cdef Machine* m = sc.m
    cdef int slot = sc.ref[v].slot if v >= 0 else sc.sock
    if slot < 0 or (v >= 0 and not sc.ref[v].exists):
        return NULL
    if sc.view == AFTER or m.cur.tcp.sock[slot].kind == SK_FREE or (v >= 0 and sc.ref[v].fresh and sc.ref[v].lo > 0):
        return &m.nxt.tcp.sock[slot] if m.nxt.tcp.sock[slot].kind != SK_FREE else NULL
    return &m.cur.tcp.sock[slot]


# ---- numbers

cdef Num seg_field(const Seg* s, int f, int* known) noexcept nogil:
    known[0] = s != NULL
    if s == NULL:
        return num_const(0)
    if f == SF_SEQ:
        return s.seq
    if f == SF_ACK:
        known[0] = (s.flags & F_ACK) != 0
        return s.ack
    if f == SF_LEN:
        return num_const(<uint32_t>s.len)
    if f == SF_TSVAL:
        known[0] = s.has_ts
        return s.tsval
    if f == SF_TSECR:
        known[0] = s.has_ts
        return s.tsecr
    if f == SF_WIN:
        return num_const(<uint32_t>s.wnd)
    return num_const(s.mss)


cdef Num sock_field(const Sock* s, int f, int* known) noexcept nogil:
    known[0] = 1
    if f == KF_RCV_NXT:
        known[0] = s.state != ST_SYN_SENT
        return s.rcv_nxt
    if f == KF_SND_NXT:
        return s.snd_nxt
    if f == KF_SND_UNA:
        return s.snd_una
    if f == KF_ISS:
        return s.iss
    if f == KF_IRS:
        known[0] = s.state != ST_SYN_SENT
        return s.irs
    if f == KF_TS_RECENT:
        known[0] = s.ts_ok and s.has_ts_recent
        return s.ts_recent
    if f == KF_RCV_WND:
        return num_const(<uint32_t>s.rcv_wnd)
    return num_const(<uint32_t>s.snd_wnd)


cdef Num eval_num(Scope* sc, int e, int* known) noexcept nogil:
    """An expression's value; known 0: it names a field that is not there."""
    cdef const PNode* n = &sc.m.t.node[e]
    cdef const Sock* s
    cdef Num a, b
    cdef int ka = 0, kb = 0
    known[0] = 1
    if n.op == E_CONST:
        return num_const(<uint32_t>(n.big & 0xFFFFFFFF))
    if n.op == E_FIELD:
        return seg_field(sc.seg, n.b, known)
    if n.op == E_INFIELD:
        return seg_field(sc.reply_to, n.b, known)
    if n.op == E_UNKNOWN:
        return num_base(&sc.m.nxt.tcp.sym, <uint64_t>n.big, 0, 0, 0)
    if n.op == E_VAR:
        s = sock_seen(sc, n.a if n.a >= 0 else sc.subject)
        if s != NULL:
            return sock_field(s, n.b, known)
        known[0] = 0
        if n.c >= 0 and sc.m.nxt.has_kept[n.c]:
            known[0] = 1
            return sc.m.nxt.kept[n.c]
        return num_const(0)
    a = eval_num(sc, n.a, &ka)
    b = eval_num(sc, n.c, &kb)
    known[0] = ka and kb
    if b.base == 0:
        return num_add(a, b.off if n.op == E_ADD else -b.off)
    if a.base == 0 and n.op == E_ADD:
        return num_add(b, a.off)
    known[0] = 0                        # the checker of the language admits only number +- constant
    return a


cdef Num number_of(Machine* m, int expr, int* known) noexcept nogil:
    cdef Scope sc
    memset(&sc, 0, sizeof(Scope))
    sc.m = m
    sc.view = AFTER
    sc.subject = sc.sock = -1
    return eval_num(&sc, expr, known)


cdef int ordered(int64_t a, int op, int64_t b) noexcept nogil:
    if op == 0:
        return a < b
    if op == 1:
        return a <= b
    if op == 2:
        return a > b
    if op == 3:
        return a >= b
    if op == 4:
        return a == b
    return a != b


cdef int compare(Scope* sc, const PNode* n) noexcept nogil:
    """`a > b` is the kernel's after(a, b); `<=` is its negation. A field that is not there: false."""
    cdef int ka = 0, kb = 0
    cdef Num a = eval_num(sc, n.a, &ka)
    cdef Num b = eval_num(sc, n.c, &kb)
    if not (ka and kb):
        return 0
    if not n.d:
        return ordered(a.off, n.b, b.off)
    if n.b == 0:
        return seq_after(&sc.m.nxt.tcp.sym, b, a)
    if n.b == 1:
        return not seq_after(&sc.m.nxt.tcp.sym, a, b)
    if n.b == 2:
        return seq_after(&sc.m.nxt.tcp.sym, a, b)
    if n.b == 3:
        return not seq_after(&sc.m.nxt.tcp.sym, b, a)
    if n.b == 4:
        return seq_eq(&sc.m.nxt.tcp.sym, a, b)
    return not seq_eq(&sc.m.nxt.tcp.sym, a, b)


# ---- segments

cdef int kind_matches(int kind, int want, const Seg* s) noexcept nogil:
    """The words of the language for segments (docs/language.md, Segments)."""
    cdef int f = s.flags
    if kind == SG_SEGMENT:
        return 1
    if kind == SG_SYN:
        return (f & F_SYN) and not f & (F_ACK | F_RST)
    if kind == SG_SYNACK:
        return (f & F_SYN) and (f & F_ACK) and not f & F_RST
    if kind == SG_FIN:
        return (f & F_FIN) and not f & (F_SYN | F_RST)
    if kind == SG_RST:
        return (f & F_RST) != 0
    if kind == SG_ACK:
        return (f & ~F_PSH) == F_ACK and s.len == 0
    if kind == SG_DATA:
        return s.len > 0 and not f & (F_SYN | F_RST)
    if kind == SG_FLAGS:
        return f == want
    return 0


cdef int matches(Scope* sc, int pattern, const Seg* seg, int slot) noexcept nogil:
    """Does seg match, seen by the socket in slot (its ordinal: as counted when it was sent)?"""
    cdef const Pattern* p = &sc.m.t.pattern[pattern]
    cdef const Seg* kept_seg
    cdef int kept_subject, kept_sock, r
    if not kind_matches(p.kind, p.flags, seg):
        return 0
    if p.ordinal >= 0 and (slot < 0 or sc.m.nxt.ordinal[slot][p.ordinal] != p.nth):
        return 0
    if p.where < 0:
        return 1
    kept_seg, kept_subject, kept_sock = sc.seg, sc.subject, sc.sock
    sc.seg, sc.subject, sc.sock = seg, p.subject, slot
    r = holds(sc, p.where)
    sc.seg, sc.subject, sc.sock = kept_seg, kept_subject, kept_sock
    return r


cdef int pattern_matches(Machine* m, int pattern, const Seg* seg) noexcept nogil:
    cdef Scope sc
    memset(&sc, 0, sizeof(Scope))
    sc.m = m
    sc.view = AFTER
    sc.subject = sc.sock = -1
    return matches(&sc, pattern, seg, -1)


cdef int any_effect(Scope* sc, int kind, int var, int host, int pattern) noexcept nogil:
    """Is there an effect of this kind, of the variable's socket or of the host, whose segment matches?"""
    cdef Machine* m = sc.m
    cdef Effect* e
    cdef int i
    for i in range(m.nxt.tcp.fx.n):
        e = &m.nxt.tcp.fx.e[i]
        if e.kind != kind:
            continue
        if var >= 0:
            if e.sock != sc.ref[var].slot or i < sc.ref[var].lo or i >= sc.ref[var].hi or sc.ref[var].slot < 0:
                continue
        elif e.host != host:
            continue
        if matches(sc, pattern, &e.seg, e.sock):
            return 1
    return 0


cdef int received(Scope* sc, const PNode* n) noexcept nogil:
    """The segment in hand reached the socket by look-up; at a host, whatever it reached."""
    cdef Machine* m = sc.m
    cdef Effect* e
    cdef int i
    if not m.has_incoming:
        return 0
    for i in range(m.nxt.tcp.fx.n):
        e = &m.nxt.tcp.fx.e[i]
        if n.a >= 0:
            if e.kind == EF_MATCH and e.sock == sc.ref[n.a].slot and sc.ref[n.a].lo <= i < sc.ref[n.a].hi:
                sc.reply_to = &m.incoming
                return matches(sc, n.c, &m.incoming, e.sock)
        elif e.kind == EF_ARRIVE and e.host == n.b:
            sc.reply_to = &m.incoming
            return matches(sc, n.c, &m.incoming, matched_slot(m))
    return 0


cdef int matched_slot(Machine* m) noexcept nogil:
    cdef int i
    for i in range(m.nxt.tcp.fx.n):
        if m.nxt.tcp.fx.e[i].kind == EF_MATCH:
            return m.nxt.tcp.fx.e[i].sock
    return -1


cdef int replied(Scope* sc, const PNode* n) noexcept nogil:
    """What the host of the segment in hand emitted while handling it."""
    cdef Machine* m = sc.m
    cdef int i, any_sent = 0
    if not m.has_incoming:
        return 0
    sc.reply_to = &m.incoming
    for i in range(m.nxt.tcp.fx.n):
        if m.nxt.tcp.fx.e[i].kind == EF_SEND and m.nxt.tcp.fx.e[i].host == m.incoming.dst:
            any_sent = 1
            if m.t.pattern[n.c].kind != SG_NOTHING and matches(sc, n.c, &m.nxt.tcp.fx.e[i].seg, matched_slot(m)):
                return 1
    return m.t.pattern[n.c].kind == SG_NOTHING and not any_sent


cdef int got(Scope* sc, const PNode* n) noexcept nogil:
    cdef Machine* m = sc.m
    cdef Effect* e
    cdef int i
    for i in range(m.nxt.tcp.fx.n):
        e = &m.nxt.tcp.fx.e[i]
        if e.kind != EF_GETS:
            continue
        if n.a >= 0 and (e.sock != sc.ref[n.a].slot or sc.ref[n.a].slot < 0):
            continue
        if n.a < 0 and e.host != n.d:
            continue
        if n.b == 0 and e.arg == -n.c:
            return 1
        if n.b == 1 and e.arg >= 0:
            return 1
        if n.b == 2 and e.arg == 0 and e.uid == 1:
            return 1
        if n.b == 3 and e.arg == n.c and n.c > 0:
            return 1
    return 0


cdef int took(Scope* sc, const PNode* n) noexcept nogil:
    cdef Effect* e
    cdef int i
    for i in range(sc.m.nxt.tcp.fx.n):
        e = &sc.m.nxt.tcp.fx.e[i]
        if e.kind == EF_RULE and e.arg == n.c:
            if (n.a >= 0 and e.sock == sc.ref[n.a].slot and e.sock >= 0) or (n.a < 0 and e.host == n.b):
                return 1
    return 0


# ---- flags, timers, queues

cdef int paws_old(Scope* sc) noexcept nogil:
    """The PAWS test as the receiver's profile makes it; numbers as they were before the step."""
    cdef const Sock* s = sock_seen(sc, sc.subject)
    cdef int slack
    if s == NULL or sc.seg == NULL or not s.ts_ok or not s.has_ts_recent or not sc.seg.has_ts:
        return 0
    if s.kind == SK_BUCKET and not sc.m.nxt.tcp.cfg[s.host].tcp_timestamps:
        return 0
    slack = sc.m.nxt.tcp.cfg[s.host].paws_slack if s.kind == SK_FULL else 0
    return diff_in(&sc.m.nxt.tcp.sym, s.ts_recent, sc.seg.tsval, 1 + slack, (<int64_t>1 << 31) - 1 - slack)


cdef int is_quiet(const World* w) noexcept nogil:
    cdef int i, k
    if w.nfly:
        return 0
    for i in range(SOCKS_MAX):
        if w.tcp.sock[i].kind == SK_FREE:
            continue
        for k in range(SLOTS):
            if w.tcp.sock[i].timer[k].kind != TM_NONE and w.tcp.sock[i].timer[k].kind != TM_TIMEWAIT and \
                    w.tcp.sock[i].timer[k].kind != TM_KEEPALIVE:
                return 0
    return 1


cdef int flag(Scope* sc, const PNode* n) noexcept nogil:
    cdef const Sock* s
    if n.b == 3:
        return is_quiet(&sc.m.nxt if sc.view == AFTER else &sc.m.cur)
    if sc.seg == NULL:
        return 0
    if n.b == 0:
        s = sock_seen(sc, sc.subject)
        return s != NULL and sc.seg.inc != 0 and sc.seg.inc < s.inc
    if n.b == 1:
        return sc.seg.forged
    if n.b == 2:
        return paws_old(sc)
    if n.b == 4:
        return sc.seg.has_ts
    return 0


cdef int timer_is(Scope* sc, const PNode* n) noexcept nogil:
    cdef const Sock* s = sock_seen(sc, n.a)
    cdef int k, kind
    if s == NULL:
        return 0
    for k in range(SLOTS):
        kind = s.timer[k].kind
        if n.b == 0 and kind == TM_TIMEWAIT:
            return 1
        if n.b == 1 and kind == TM_PERSIST:
            return 1
        if n.b == 2 and kind == TM_KEEPALIVE:
            return 1
        if n.b == 3 and (kind == TM_RTO or kind == TM_TLP or kind == TM_SYNACK):
            return 1
    return 0


cdef int recv_q(const World* w, int i) noexcept nogil:
    """Recv-Q as ss prints it: of a listener its accept queue; else bytes not yet read, a FIN counted as one."""
    cdef const Sock* s = &w.tcp.sock[i]
    if s.kind == SK_LISTENER:
        return accept_queue_len(<Stack*>&w.tcp, i)
    if s.kind == SK_BUCKET or s.kind == SK_REQUEST:
        return 0
    return s.rcv_queued + (1 if s.fin_rcvd and not s.eof_read else 0)


cdef int send_q(const World* w, int i) noexcept nogil:
    cdef const Sock* s = &w.tcp.sock[i]
    if s.kind == SK_LISTENER:
        return s.backlog
    if s.kind != SK_FULL:
        return 0
    return in_flight(<Stack*>&w.tcp, i) + s.unsent


cdef int ss_row(Scope* sc, const PNode* n) noexcept nogil:
    """`host ss STATE :port column op value`: rows counts them; a queue length must hold for some row."""
    cdef const World* w = &sc.m.nxt if sc.view == AFTER else &sc.m.cur
    cdef const Sock* s
    cdef int i, rows = 0, some = 0
    for i in range(SOCKS_MAX):
        s = &w.tcp.sock[i]
        if s.kind == SK_FREE or s.kind == SK_DEAD or s.host != n.a or not (n.b >> s.state) & 1:
            continue
        if s.lport != n.c:
            continue
        rows += 1
        if n.d == 0 and ordered(recv_q(w, i), n.e, n.f):
            some = 1
        if n.d == 1 and ordered(send_q(w, i), n.e, n.f):
            some = 1
    return ordered(rows, n.e, n.f) if n.d == 2 else some


# ---- predicates

cdef int holds(Scope* sc, int node) noexcept nogil:
    cdef const PNode* n = &sc.m.t.node[node]
    cdef int i
    if n.op == P_AND:
        for i in range(n.b):
            if not holds(sc, sc.m.t.kid[n.a + i]):
                return 0
        return 1
    if n.op == P_OR:
        for i in range(n.b):
            if holds(sc, sc.m.t.kid[n.a + i]):
                return 1
        return 0
    if n.op == P_NOT:
        return not holds(sc, n.a)
    return atom(sc, n)


cdef int atom(Scope* sc, const PNode* n) noexcept nogil:
    if n.op == P_IN:
        return (n.b >> state_of(sc, &sc.ref[n.a], sc.view)) & 1
    if n.op == P_RECEIVES:
        return received(sc, n)
    if n.op == P_SENDS:
        return any_effect(sc, EF_SEND, n.a, n.b, n.c)
    if n.op == P_DROPS:
        return any_effect(sc, EF_DROP, n.a, n.b, n.c)
    if n.op == P_LOSES:
        return any_effect(sc, EF_LOST, n.a, n.b, n.c)
    if n.op == P_GETS:
        return got(sc, n)
    if n.op == P_TAKES:
        return took(sc, n)
    if n.op == P_REPLIES:
        return replied(sc, n)
    if n.op == P_COMPARE:
        return compare(sc, n)
    if n.op == P_FLAG:
        return flag(sc, n)
    if n.op == P_SS:
        return ss_row(sc, n)
    return state_atom(sc, n)


cdef int state_atom(Scope* sc, const PNode* n) noexcept nogil:
    cdef int i, before, after
    if n.op == P_BECOMES:
        if n.a < 0:
            return 0
        before, after = state_of(sc, &sc.ref[n.a], BEFORE), state_of(sc, &sc.ref[n.a], AFTER)
        return (n.b >> after) & 1 and not (n.b >> before) & 1
    if n.op == P_STAYS:
        return n.a >= 0 and state_of(sc, &sc.ref[n.a], BEFORE) == state_of(sc, &sc.ref[n.a], AFTER)
    if n.op == P_ACCEPTS:
        for i in range(sc.m.nxt.tcp.fx.n):
            if sc.m.nxt.tcp.fx.e[i].kind == EF_ACCEPT and n.a >= 0 and sc.m.nxt.tcp.fx.e[i].sock == sc.ref[n.a].slot:
                return 1
        return 0
    if n.op == P_ABSENT:
        i = state_of(sc, &sc.ref[n.a], sc.view)
        return i == ST_NONE or i == ST_CLOSED
    if n.op == P_TIMER:
        return timer_is(sc, n)
    if n.op == P_SAME:
        return sc.ref[n.a].slot == sc.ref[n.b].slot and sc.ref[n.a].slot >= 0
    return 1


# ---- assignments

ctypedef void (*JudgeFn)(Scope* sc, int c) noexcept nogil


cdef void for_each(Machine* m, View view, const Var* var, int nvar, JudgeFn judge, int c,
                   int node=-1, int* found=NULL) noexcept nogil:
    """Call judge for every assignment of sockets to the variables."""
    cdef Scope sc
    cdef int choice[VARS_MAX]
    cdef int v = 0, r
    memset(&sc, 0, sizeof(Scope))
    sc.m, sc.view, sc.var, sc.nvar = m, view, var, nvar
    sc.subject = sc.sock = -1
    sc.node, sc.found = node, found
    sc.claim = &m.t.claim[c] if c >= 0 else NULL
    if nvar == 0:
        judge(&sc, c)
        return
    choice[0] = 0
    while v >= 0 and not m.ch.dead:
        r = resolve(&sc, v, choice[v])
        if r < 0:
            v -= 1
            if v >= 0:
                choice[v] += 1
        elif r == 0:
            choice[v] += 1
        elif v + 1 < nvar:
            v += 1
            choice[v] = 0
        else:
            sc.reply_to = &m.incoming if m.has_incoming else NULL
            judge(&sc, c)
            choice[v] += 1


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
    cdef int truth
    if sc.claim.exercised >= 0 and not holds(sc, sc.claim.exercised):
        return
    sc.m.hits |= bit(CLAIMS_MAX + c)
    truth = holds(sc, sc.claim.pred)
    if truth:
        sc.m.hits |= bit(c)
    note_pieces(sc, c, truth)


cdef void note_pieces(Scope* sc, int c, int truth) noexcept nogil:
    """Which values U = a - b may have here: one piece for each stretch of the circle."""
    cdef int ka = 1, kb = 1
    cdef Num a = eval_num(sc, sc.claim.over_a, &ka)
    cdef Num b = num_const(0)
    if sc.claim.over_b >= 0:
        b = eval_num(sc, sc.claim.over_b, &kb)
    if not (ka and kb) or sc.m.ch.dead:
        return
    note_piece(sc.m, c, truth, a, b)


cdef void note_piece(Machine* m, int c, int truth, Num a, Num b) noexcept nogil:
    cdef int64_t tick, lo, hi
    cdef const Sock* unused
    cdef int i
    cdef uint32_t first
    cdef uint64_t size
    if a.base == b.base and a.rd and b.rd:
        tick = m.nxt.tcp.sym.base[a.base].tick
        lo = -zone_sup(&m.nxt.tcp.sym.z, a.rd, b.rd) // tick + a.off - b.off
        hi = zone_sup(&m.nxt.tcp.sym.z, b.rd, a.rd) // tick + a.off - b.off
        if hi - lo >= (<int64_t>1 << 32):
            lo, hi = 0, (<int64_t>1 << 32) - 1
        first, size = <uint32_t>(lo & 0xFFFFFFFF), <uint64_t>(hi - lo + 1)
    elif a.base == b.base:
        first, size = <uint32_t>((a.off - b.off) & 0xFFFFFFFF), 1
    else:
        arc_of(m, a, b, &first, &size)
    for i in range(m.npiece):
        if m.piece[i].claim == c and m.piece[i].truth == truth and m.piece[i].lo == first and m.piece[i].len == size:
            m.hits |= bit(2 * CLAIMS_MAX + i)
            return
    if m.npiece >= PIECES_MAX:
        m.truncated = 1
        return
    m.piece[m.npiece].claim = <int8_t>c
    m.piece[m.npiece].truth = <uint8_t>truth
    m.piece[m.npiece].lo = first
    m.piece[m.npiece].len = size
    m.hits |= bit(2 * CLAIMS_MAX + m.npiece)
    m.npiece += 1


cdef void arc_of(Machine* m, Num a, Num b, uint32_t* first, uint64_t* size) noexcept nogil:
    """What the state knows of a - b between unrelated bases."""
    cdef int i
    first[0], size[0] = 0, <uint64_t>1 << 32
    for i in range(m.nxt.tcp.sym.narc):
        if m.nxt.tcp.sym.arc[i].a == a.base and m.nxt.tcp.sym.arc[i].b == b.base and \
                m.nxt.tcp.sym.arc[i].ra == a.rd and m.nxt.tcp.sym.arc[i].rb == b.rd:
            first[0] = <uint32_t>((m.nxt.tcp.sym.arc[i].lo + a.off - b.off) & 0xFFFFFFFF)
            size[0] = m.nxt.tcp.sym.arc[i].len
            return
        if m.nxt.tcp.sym.arc[i].a == b.base and m.nxt.tcp.sym.arc[i].b == a.base and \
                m.nxt.tcp.sym.arc[i].ra == b.rd and m.nxt.tcp.sym.arc[i].rb == a.rd:
            size[0] = m.nxt.tcp.sym.arc[i].len
            first[0] = <uint32_t>((-(<int64_t>m.nxt.tcp.sym.arc[i].lo + <int64_t>size[0] - 1) + a.off - b.off)
                                  & 0xFFFFFFFF)
            return


# ---- obligations

cdef int same_assignment(const Pend* p, const Scope* sc) noexcept nogil:
    cdef int v
    for v in range(sc.nvar):
        if p.var[v] != sc.ref[v].pos:
            return 0
    return 1


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
    for v in range(sc.nvar):
        m.nxt.pend[free_at].var[v] = sc.ref[v].pos
    if sc.claim.has_within:
        m.nxt.pend[free_at].clk = <uint8_t>clock_start(&m.nxt.tcp.sym)


cdef void judge_trigger(Scope* sc, int c) noexcept nogil:
    """From each moment the trigger becomes true; the goal may hold at that very moment."""
    cdef View kept = sc.view
    cdef int before = 0
    if not holds(sc, sc.claim.pred):
        return
    if sc.claim.eventless and not all_fresh(sc):
        sc.view = BEFORE
        before = holds(sc, sc.claim.pred)
        sc.view = kept
    if before:
        return
    if sc.claim.lo == 0 and goal_now(sc):
        sc.m.hits |= bit(CLAIMS_MAX + c)
        return
    oblige(sc, c)


cdef int all_fresh(Scope* sc) noexcept nogil:
    """A socket that had no name before this step cannot have made the trigger true before."""
    cdef int v
    for v in range(sc.nvar):
        if sc.ref[v].fresh:
            return 1
    return 0


cdef int goal_now(Scope* sc) noexcept nogil:
    cdef View kept = sc.view
    cdef int r
    sc.view = AFTER if sc.claim.goal_eventless else BEFORE
    r = holds(sc, sc.claim.goal)
    sc.view = kept
    return r


cdef int pend_scope(Machine* m, const Pend* p, Scope* sc) noexcept nogil:
    """The assignment of a waiting obligation."""
    cdef const ClaimC* c = &m.t.claim[p.claim - 1]
    cdef int v
    memset(sc, 0, sizeof(Scope))
    sc.m, sc.claim, sc.var, sc.nvar = m, c, c.var, c.nvar
    sc.subject = sc.sock = -1
    sc.view = AFTER if c.goal_eventless else BEFORE
    sc.reply_to = &m.incoming if m.has_incoming else NULL
    for v in range(c.nvar):
        if c.var[v].kind == VAR_NAMED:
            named_ref(m, &c.var[v], p.var[v], &sc.ref[v])
        elif c.var[v].kind == VAR_PORT:
            if p.var[v] < 0 or not port_ref(m, &c.var[v], p.var[v], &sc.ref[v]):
                memset(&sc.ref[v], 0, sizeof(Ref))
                sc.ref[v].exists = sc.ref[v].ended = 1
                sc.ref[v].slot = sc.ref[v].pos = -1
        else:
            peer_ref(m, sc.view, &sc.ref[c.var[v].a], &sc.ref[v])
    return 1


cdef void forget_ports(Machine* m) noexcept nogil:
    """A waiting obligation about a socket known by its port only: remember that it ended."""
    cdef int i, k, v
    cdef const ClaimC* c
    for i in range(PENDS_MAX):
        if not m.nxt.pend[i].claim:
            continue
        c = &m.t.claim[m.nxt.pend[i].claim - 1]
        for v in range(c.nvar):
            if c.var[v].kind != VAR_PORT or m.nxt.pend[i].var[v] < 0:
                continue
            for k in range(m.nxt.tcp.fx.n):
                if m.nxt.tcp.fx.e[k].kind == EF_DIED and m.nxt.tcp.fx.e[k].sock == m.nxt.pend[i].var[v]:
                    m.nxt.pend[i].var[v] = -1
                    break


cdef void count_sent(Machine* m) noexcept nogil:
    """`3rd FIN`: each socket counts the segments of each pattern asked for, and stops one past the last asked."""
    cdef Effect* e
    cdef int i, k
    for i in range(m.nxt.tcp.fx.n):
        e = &m.nxt.tcp.fx.e[i]
        if e.kind == EF_SEND and e.sock >= 0:
            for k in range(m.t.nordinal):
                if kind_matches(m.t.ordinal_kind[k], m.t.ordinal_flags[k], &e.seg) and \
                        m.nxt.ordinal[e.sock][k] <= m.t.ordinal_most[k]:
                    m.nxt.ordinal[e.sock][k] += 1


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
            for_each(m, BEFORE, c.var, c.nvar, judge_count, i)
        elif c.kind == CL_AFTER:
            for_each(m, AFTER if c.eventless else BEFORE, c.var, c.nvar, judge_trigger, i)


cdef void judge_goal(Scope* sc, int c) noexcept nogil:
    """`eventually`: some socket of that name is enough."""
    cdef int i
    if not goal_now(sc):
        return
    for i in range(PENDS_MAX):
        if sc.m.nxt.pend[i].claim == c + 1:
            memset(&sc.m.nxt.pend[i], 0, sizeof(Pend))


cdef void monitor_start(Machine* m) noexcept nogil:
    cdef int i, k = 0
    m.hits = 0
    for i in range(m.t.nclaim):
        if m.t.claim[i].kind == CL_EVENTUALLY:
            m.nxt.pend[k].claim = <uint8_t>(i + 1)
            if m.t.claim[i].has_within:
                m.nxt.pend[k].clk = <uint8_t>clock_start(&m.nxt.tcp.sym)
            m.hits |= bit(CLAIMS_MAX + i)
            k += 1
    judge_all(m, 1)


cdef void monitor_step(Machine* m) noexcept nogil:
    cdef int i
    count_sent(m)
    keep_numbers(m)
    settle(m)
    judge_all(m, 0)
    for i in range(m.t.nclaim):
        if m.t.claim[i].kind == CL_EVENTUALLY:
            for_each(m, BEFORE, m.t.claim[i].var, m.t.claim[i].nvar, judge_goal, i)
    forget_ports(m)


cdef void settle(Machine* m) noexcept nogil:
    """The obligations of `after`; those of `eventually` ask every socket of their names and come last."""
    cdef Scope sc
    cdef Pend* p
    cdef int i, c
    for i in range(PENDS_MAX):
        p = &m.nxt.pend[i]
        if not p.claim or m.ch.dead or m.t.claim[p.claim - 1].kind != CL_AFTER:
            continue
        c = p.claim - 1
        pend_scope(m, p, &sc)
        if not holds(&sc, m.t.claim[c].goal):
            continue
        if m.t.claim[c].lo > 0 and not age_at_least(&m.nxt.tcp.sym, p.clk, m.t.claim[c].lo):
            m.hits |= bit(c)
        memset(p, 0, sizeof(Pend))


cdef void monitor_time(Machine* m) noexcept nogil:
    """Time has passed as far as it may: an obligation whose bound it can overrun is a hit, and the runs that overran
    it are not followed (their verdict is known), but for the one that a witness shows at its end."""
    cdef Pend* p
    cdef const ClaimC* c
    cdef int i
    for i in range(PENDS_MAX):
        p = &m.nxt.pend[i]
        if not p.claim or not p.clk or m.ch.dead:
            continue
        c = &m.t.claim[p.claim - 1]
        if not zone_allows_between(&m.nxt.tcp.sym.z, p.clk, c.hi + 1, TIME_INF):
            continue
        m.hits |= bit(p.claim - 1)
        m.late |= bit(p.claim - 1)
        if m.nxt.tcp.sym.mode == MODE_CONCRETE:
            memset(p, 0, sizeof(Pend))
        elif m.show_late == p.claim:
            age_require(&m.nxt.tcp.sym, p.clk, c.hi + 1, TIME_INF)
            return
        else:
            age_require(&m.nxt.tcp.sym, p.clk, 0, c.hi)


cdef void judge_await(Scope* sc, int c) noexcept nogil:
    if not sc.found[0] and holds(sc, sc.node):
        sc.found[0] = 1


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
    for_each(m, AFTER, var, n, judge_await, -1, node, &found)
    return found
