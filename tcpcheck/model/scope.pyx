"""Which sockets a claim means, and what it sees of them: before the step, or after it."""

from libc.stdint cimport int8_t, uint32_t, uint64_t
from libc.string cimport memset

from tcpcheck.model.layout cimport *
from tcpcheck.sym.number cimport Num, num_add, num_base, num_const
from tcpcheck.tcp.types cimport *


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


cdef void tuple_from(const Sock* s, Tuple* t) noexcept nogil:
    memset(t, 0, sizeof(Tuple))
    t.host, t.peer, t.lport, t.rport = s.host, s.peer, s.lport, s.rport


cdef int tuple_of(Machine* m, const Var* v, const Ref* of, Tuple* t) noexcept nogil:
    """The connection whose other end variable v means; of: the socket at this end. 0: it has none."""
    cdef const Sock* s
    if not of.exists:
        return 0
    if v.b >= 0:
        t[0] = m.nxt.peered[v.b][of.pos]
        return t.lport != 0
    if of.slot < 0:
        t[0] = m.nxt.gone[-2 - of.pos]
        return 1
    s = &m.nxt.tcp.sock[of.slot] if m.settled or of.fresh else &m.cur.tcp.sock[of.slot]
    tuple_from(s, t)
    return s.kind != SK_FREE


cdef int is_other_end(const Tuple* t, const Sock* s) noexcept nogil:
    return (s.kind == SK_REQUEST or s.kind == SK_FULL or s.kind == SK_BUCKET or s.kind == SK_DEAD) and \
        s.host == t.peer and s.peer == t.host and s.lport == t.rport and s.rport == t.lport


cdef int peer_ref(Machine* m, const Tuple* t, int slot, Ref* r) noexcept nogil:
    """The socket in this slot, when it is at the other end; as port_ref."""
    memset(r, 0, sizeof(Ref))
    if m.settled or not is_other_end(t, &m.cur.tcp.sock[slot]):
        r.fresh = not m.settled
        if not is_other_end(t, &m.nxt.tcp.sock[slot]):
            return 0
    r.exists = 1
    r.slot = r.pos = <int8_t>slot
    bound_effects(m, r)
    return 1


cdef void ended_ref(Ref* r, int gone) noexcept nogil:
    """A socket that ended before this step, the gone-th to do so."""
    memset(r, 0, sizeof(Ref))
    r.exists = r.ended = 1
    r.slot, r.pos = -1, <int8_t>(-2 - gone)


cdef void no_ref(Ref* r) noexcept nogil:
    memset(r, 0, sizeof(Ref))
    r.slot = r.pos = -1


cdef inline int one_of(Machine* m, const Var* var, const Tuple* t, int slot, Ref* r) noexcept nogil:
    return port_ref(m, var, slot, r) if var.kind == VAR_PORT else peer_ref(m, t, slot, r)


cdef int resolve_unnamed(Scope* sc, int v, int choice) noexcept nogil:
    """A socket known by its port or as a peer: choices 0.. are the slots, then those gone, then none."""
    cdef Machine* m = sc.m
    cdef const World* before = &m.nxt if m.settled else &m.cur
    cdef const Var* var = &sc.var[v]
    cdef const Tuple* g
    cdef Tuple t
    cdef Ref* r = &sc.ref[v]
    cdef int i, gone = choice - SOCKS_MAX
    if var.kind == VAR_PEER and not tuple_of(m, var, &sc.ref[var.a], &t):
        no_ref(r)
        return var.may_be_absent if choice == 0 else -1
    if choice < SOCKS_MAX:
        return one_of(m, var, &t, choice, r)
    if gone < before.ngone:
        g = &before.gone[gone]
        ended_ref(r, gone)
        if var.kind == VAR_PORT:
            return g.host == var.a and g.lport == var.b
        return g.host == t.peer and g.peer == t.host and g.lport == t.rport and g.rport == t.lport
    if gone > before.ngone:
        return -1
    for i in range(SOCKS_MAX):
        if one_of(m, var, &t, i, r):
            return 0
    no_ref(r)
    return var.may_be_absent


cdef int resolve(Scope* sc, int v, int choice) noexcept nogil:
    """Give variable v its choice-th value; 0: no such value, -1: no more values."""
    cdef Machine* m = sc.m
    cdef const Var* var = &sc.var[v]
    if var.kind != VAR_NAMED:
        return resolve_unnamed(sc, v, choice)
    if var.b >= 0:
        if choice:
            return -1
        return named_ref(m, var, var.b, &sc.ref[v]) or var.may_be_absent
    if choice and choice >= m.nxt.bind[var.a].n:
        return -1
    return named_ref(m, var, choice, &sc.ref[v]) or var.may_be_absent


# ---- states

cdef int state_of(Scope* sc, const Ref* r, View view) noexcept nogil:
    cdef Machine* m = sc.m
    if not r.exists:
        return ST_NONE
    if r.ended:
        return ST_NONE if r.fresh and view == BEFORE else ST_CLOSED
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
    known[0] = (s.flags & F_SYN) != 0
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
        return num_const(<uint32_t>n.big)
    if n.op == E_FIELD:
        return seg_field(sc.seg, n.b, known)
    if n.op == E_INFIELD:
        return seg_field(sc.reply_to, n.b, known)
    if n.op == E_CAUGHT:
        known[0] = sc.m.nxt.has_caught[n.b]
        return sc.m.nxt.caught[n.b]
    if n.op == E_UNKNOWN:
        return num_base(&sc.m.nxt.tcp.sym, <uint64_t>n.big, 0, 0, 0)
    if n.op == E_VAR:
        s = sock_seen(sc, n.a if n.a >= 0 else sc.subject)
        if s != NULL:
            return sock_field(s, n.b, known)
        known[0] = 0
        if n.c >= 0 and n.a >= 0 and sc.ref[n.a].pos == sc.m.t.kept_pos[n.c] and sc.m.nxt.has_kept[n.c]:
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
