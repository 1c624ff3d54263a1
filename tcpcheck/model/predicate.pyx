"""Predicates: states, events, effects and comparisons of one moment. A comparison may split the state."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset

from tcpcheck.model.layout cimport *
from tcpcheck.model.scope cimport *
from tcpcheck.sym.number cimport Num, age_at_least, diff_in, num_is_zero, seq_after, seq_eq
from tcpcheck.tcp.calls cimport EOF_READ
from tcpcheck.tcp.rules cimport R_PAWS_OUTDATED
from tcpcheck.tcp.settings cimport tcp_timestamps
from tcpcheck.tcp.sockets cimport accept_queue_len, in_flight
from tcpcheck.tcp.types cimport *


# ---- comparisons

cdef Num number_of(Machine* m, int expr, int* known) noexcept nogil:
    cdef Scope sc
    memset(&sc, 0, sizeof(Scope))
    sc.m = m
    sc.view = AFTER
    sc.subject = sc.sock = -1
    return eval_num(&sc, expr, known)


cdef Num number_at(Machine* m, int expr, int vars_at, int* known) noexcept nogil:
    """A name means the socket that it was bound to last; `host:port` and `peer` the first there is."""
    cdef Scope sc
    cdef Var var[VARS_MAX]
    cdef const int32_t* row = m.t.target + vars_at
    cdef int i, r, choice, settled = m.settled
    memset(&sc, 0, sizeof(Scope))
    m.settled = 1                       # as things stand now, in the middle of a step too
    sc.m, sc.view, sc.var, sc.nvar = m, AFTER, var, row[0]
    sc.subject = sc.sock = -1
    for i in range(row[0]):
        var[i].kind = <uint8_t>row[1 + 4 * i]
        var[i].a, var[i].b, var[i].may_be_absent = row[2 + 4 * i], row[3 + 4 * i], 0
        choice = max(m.nxt.bind[var[i].a].n - 1, 0) if var[i].kind == VAR_NAMED and var[i].b < 0 else 0
        r = resolve(&sc, i, choice)
        while r == 0:
            choice += 1
            r = resolve(&sc, i, choice)
        if r < 0:
            memset(&sc.ref[i], 0, sizeof(Ref))
            sc.ref[i].slot = sc.ref[i].pos = -1
    m.settled = settled
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


cdef int distance_is(Scope* sc, const PNode* n) noexcept nogil:
    """A difference of two sequence numbers or timestamps is a plain number from 0 to 2^32 - 1."""
    cdef int ka = 0, kb = 0
    cdef int64_t lo = 0, end = <int64_t>1 << 32
    cdef Num a = eval_num(sc, n.a, &ka)
    cdef Num b = eval_num(sc, n.c, &kb)
    cdef int negated = n.b == 5
    if not (ka and kb):
        return 0
    if n.b == 0 or n.b == 1:
        end = n.big if n.b == 0 else n.big + 1
    elif n.b == 2 or n.b == 3:
        lo = n.big + 1 if n.b == 2 else n.big
    else:
        lo, end = n.big, n.big + 1
    lo, end = max(lo, 0), min(end, <int64_t>1 << 32)
    if end <= lo:
        return negated
    if end - lo == <int64_t>1 << 32:
        return 1
    return diff_in(&sc.m.nxt.tcp.sym, a, b, lo, end - lo) != negated


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


cdef int matches(Scope* sc, int pattern, const Seg* seg, int slot, int sent=-1) noexcept nogil:
    """Does seg match, seen by the socket in slot? sent: which effect sent it, for patterns such as `3rd FIN`."""
    cdef const Pattern* p = &sc.m.t.pattern[pattern]
    cdef const Seg* kept_seg
    cdef int kept_subject, kept_sock, r
    if not kind_matches(p.kind, p.flags, seg):
        return 0
    if p.ordinal >= 0 and (sent < 0 or sc.m.sent_as[sent][p.ordinal] != p.nth):
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
        if matches(sc, pattern, &e.seg, e.sock, i):
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
        if m.nxt.tcp.fx.e[i].kind == EF_SEND and m.nxt.tcp.fx.e[i].host == m.here:
            any_sent = 1
            if m.t.pattern[n.c].kind != SG_NOTHING and matches(sc, n.c, &m.nxt.tcp.fx.e[i].seg, matched_slot(m)):
                return 1
    return m.t.pattern[n.c].kind == SG_NOTHING and not any_sent


cdef int is_failed_call(Scope* sc, int v) noexcept nogil:
    """A name bound in this very step to no socket: the call that should have made it failed."""
    return sc.ref[v].exists and sc.ref[v].fresh and sc.var[v].kind == VAR_NAMED


cdef int got(Scope* sc, const PNode* n) noexcept nogil:
    cdef Machine* m = sc.m
    cdef Effect* e
    cdef int i
    for i in range(m.nxt.tcp.fx.n):
        e = &m.nxt.tcp.fx.e[i]
        if e.kind != EF_GETS:
            continue
        if n.a >= 0 and (e.sock != sc.ref[n.a].slot or (e.sock < 0 and not is_failed_call(sc, n.a))):
            continue
        if n.a < 0 and e.host != n.d:
            continue
        if n.b == 0 and e.arg == -n.c:
            return 1
        if n.b == 1 and e.arg >= 0:
            return 1
        if n.b == 2 and e.arg == 0 and e.uid == GOT_EOF:
            return 1
        if n.b == 3 and e.arg == n.c and e.uid == GOT_TEXT:
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
    if s.kind == SK_BUCKET and not tcp_timestamps(sc.m.nxt.tcp.cfg[s.host]):
        return 0
    slack = sc.m.nxt.tcp.cfg[s.host].paws_slack if s.kind == SK_FULL else 0
    if not diff_in(&sc.m.nxt.tcp.sym, s.ts_recent, sc.seg.tsval, 1 + slack, (<int64_t>1 << 31) - 1 - slack):
        return 0
    return not num_is_zero(&sc.m.nxt.tcp.sym, s.ts_recent) and not out_of_date(sc, s)


cdef int out_of_date(Scope* sc, const Sock* s) noexcept nogil:
    """Is its ts_recent too old to be used? In the second in which Linux may see it so or not, what it did tells."""
    cdef const Config* c = sc.m.nxt.tcp.cfg[s.host]
    cdef const Effect* e
    cdef int i
    if c.paws_idle_ns == 0 or s.kind == SK_REQUEST:
        return 0
    for i in range(sc.m.nxt.tcp.fx.n):
        e = &sc.m.nxt.tcp.fx.e[i]
        if e.kind == EF_RULE and e.arg == R_PAWS_OUTDATED and e.sock == sc.ref[sc.subject].slot:
            return 1
    if s.has_ts_recent == TS_OUTDATED:
        return 1
    return s.ts_stamp_clk and age_at_least(&sc.m.nxt.tcp.sym, s.ts_stamp_clk, c.paws_idle_ns + c.jiffy_ns)


cdef int wrapped(Scope* sc) noexcept nogil:
    """Is its sequence number, counted on without going round, half a turn or more from RCV.NXT? Made-up numbers that
    have nothing to do with the connection's never are."""
    cdef const Sock* s = sock_seen(sc, sc.subject)
    if s == NULL or sc.seg.seq.base != s.rcv_nxt.base:
        return 0
    return not -(<int64_t>1 << 31) < sc.seg.seq.off - s.rcv_nxt.off < (<int64_t>1 << 31)


cdef int may_send(const Sock* s, int timer) noexcept nogil:
    """Could this timer send anything when it fires? An orphan's in FIN-WAIT-2 ends it, as a rule in silence."""
    return timer != TM_NONE and timer != TM_TIMEWAIT and (timer != TM_KEEPALIVE or s.keepalive)


cdef int is_quiet(const World* w) noexcept nogil:
    cdef int i, k
    if w.nfly:
        return 0
    for i in range(w.tcp.top):
        if w.tcp.sock[i].kind == SK_FREE:
            continue
        for k in range(SLOTS):
            if may_send(&w.tcp.sock[i], w.tcp.sock[i].timer[k].kind):
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
        return sc.seg.forged != 0
    if n.b == 2:
        return paws_old(sc)
    if n.b == 4:
        return sc.seg.has_ts
    if n.b == 5:
        return wrapped(sc)
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
        if n.b == 2 and (kind == TM_KEEPALIVE or kind == TM_KEEP_PROBE):
            return 1
        if n.b == 3 and (kind == TM_RTO or kind == TM_TLP or kind == TM_SYNACK):
            return 1
    return 0


cdef int recv_q(const World* w, int i) noexcept nogil:
    """Recv-Q as ss prints it: of a listener its accept queue; else bytes not yet read, a FIN counted as one.

    tcp_diag_get_info takes rcv_nxt - copied_seq, and close() leaves copied_seq alone."""
    cdef const Sock* s = &w.tcp.sock[i]
    if s.kind == SK_LISTENER:
        return accept_queue_len(<Stack*>&w.tcp, i)
    if s.kind == SK_BUCKET or s.kind == SK_REQUEST:
        return 0
    return s.rcv_queued + (1 if s.fin_rcvd and s.eof_read != EOF_READ else 0)


cdef int send_q(const World* w, int i) noexcept nogil:
    """Send-Q: of a listener its backlog; else write_seq - snd_una, in which a FIN that waits in the queue counts."""
    cdef const Sock* s = &w.tcp.sock[i]
    cdef int fin
    if s.kind == SK_LISTENER:
        return s.backlog
    if s.kind != SK_FULL:
        return 0
    fin = s.fin_queued and not s.fin_sent and s.state != ST_SYN_SENT and s.state != ST_SYN_RECV
    return in_flight(<Stack*>&w.tcp, i) + s.unsent + fin


cdef int ss_row(Scope* sc, const PNode* n) noexcept nogil:
    """`host ss STATE :port column op value`: rows counts them; a queue length must hold for some row."""
    cdef const World* w = &sc.m.nxt if sc.view == AFTER else &sc.m.cur
    cdef const Sock* s
    cdef int i, rows = 0, some = 0
    for i in range(w.tcp.top):
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
    if n.op == P_DISTANCE:
        return distance_is(sc, n)
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
        return (n.b >> after) & 1 and not (n.c and (n.b >> before) & 1)
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
