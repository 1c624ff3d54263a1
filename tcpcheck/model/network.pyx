"""The network: each segment sent is on its way, lost, copied or late by choice; each arrives within its time."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from tcpcheck.model.layout cimport *
from tcpcheck.model.predicate cimport pattern_matches
from tcpcheck.model.router cimport forward, next_hop
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport (
    BASE_PAST, MODE_CONCRETE, MODE_SEARCH, Num, Sym, age_allows, age_require, clock_start, num_add, num_const,
    num_read_at,
)
from tcpcheck.tcp.arrives cimport segment_arrives
from tcpcheck.tcp.checks cimport ECR_FORGED
from tcpcheck.tcp.sockets cimport effect, lookup
from tcpcheck.tcp.types cimport (
    EF_ARRIVE, EF_DROP, EF_DUP, EF_EXPIRE, EF_LOST, EF_SEND, Effect, F_ACK, F_SYN, ST_LISTEN, ST_SYN_SENT, Seg, Sock,
)

cdef enum Fate:
    SENT = 0
    LOST = 1
    COPIED = 2
    LATE = 3


cdef int blocked(Machine* m, int host, int chain, const Seg* s, int invalid=0) noexcept nogil:
    """Is there a rule switched on, in this chain of this host, that drops the segment? invalid: as a router sees it."""
    cdef const FirewallRule* r
    cdef int i
    for i in range(m.t.nfirewall):
        r = &m.t.firewall[i]
        if not (m.nxt.firewall >> i) & 1 or r.host != host or r.chain != chain:
            continue
        if r.src >= 0 and r.src != s.src or r.dst >= 0 and r.dst != s.dst:
            continue
        if r.sport >= 0 and r.sport != s.sport or r.dport >= 0 and r.dport != s.dport:
            continue
        if r.mask >= 0 and (s.flags & r.mask) != r.comp or r.invalid and not invalid:
            continue
        return 1
    return 0


cdef void note(Machine* m, int kind, int host, int sock, int arg, const Seg* s, unsigned int uid) noexcept nogil:
    cdef Effect* e = effect(&m.nxt.tcp, kind, host, sock, arg)
    if e != NULL:
        memcpy(&e.seg, s, sizeof(Seg))
        e.uid = uid


cdef int fault_matches(Machine* m, int f, const Seg* s) noexcept nogil:
    cdef const Fault* x = &m.t.fault[f]
    if not m.nxt.budget[f] or x.src >= 0 and x.src != s.src or x.dst >= 0 and x.dst != s.dst:
        return 0
    return x.pattern < 0 or pattern_matches(m, x.pattern, s)


cdef void rewritten(Machine* m, const Seg* sent, Seg* s) noexcept nogil:
    """What middleboxes make of a segment on its way: each line of the spec that matches what was sent."""
    cdef const Rewrite* r
    cdef int i
    for i in range(m.t.nrewrite):
        r = &m.t.rewrite[i]
        if r.src >= 0 and r.src != sent.src or r.dst >= 0 and r.dst != sent.dst or \
                not pattern_matches(m, r.pattern, sent):
            continue
        if r.field == SF_SEQ:
            s.seq = num_add(s.seq, r.by)
        elif r.field == SF_ACK and s.flags & F_ACK:
            s.ack = num_add(s.ack, r.by)
        elif r.field == SF_TSVAL and s.has_ts:
            s.tsval = num_add(s.tsval, r.by)
        elif r.field == SF_TSECR and s.has_ts:
            s.tsecr = num_add(s.tsecr, r.by)
            s.ecr_inc = ECR_FORGED


cdef inline int queued_with(const Flying* f, const Seg* s, int to) noexcept nogil:
    return f.seg.src == s.src and f.seg.dst == s.dst and f.to == to


cdef void fly(Machine* m, const Seg* s, int host, int kind, unsigned int uid, int off_path) noexcept nogil:
    """host: where it leaves. off_path: made by another host than its source, so it stands in nobody's queue."""
    cdef Flying* f
    cdef int i, rank = 0, to = next_hop(m, host, s)
    if m.nxt.nfly >= FLYING_MAX:
        m.ch.overflow = 1
        return
    if m.t.keeps_order and kind == FLY_ORDINARY and not off_path:
        for i in range(m.nxt.nfly):
            if queued_with(&m.nxt.fly[i], s, to) and m.nxt.fly[i].rank > rank:
                rank = m.nxt.fly[i].rank
        rank += 1
    f = &m.nxt.fly[m.nxt.nfly]
    m.nxt.nfly += 1
    memset(f, 0, sizeof(Flying))
    memcpy(&f.seg, s, sizeof(Seg))
    rewritten(m, s, &f.seg)
    f.kind = <uint8_t>kind
    f.rank = <uint8_t>rank
    f.to = <uint8_t>to
    f.uid = uid if m.nxt.tcp.sym.mode != MODE_SEARCH else 0
    f.clk = <uint8_t>clock_start(&m.nxt.tcp.sym)


cdef int output(void* machine, Seg* s) noexcept nogil:
    """A segment that a host's TCP emits; emit() has just noted its EF_SEND. 1: its own OUTPUT chain refused it."""
    cdef Machine* m = <Machine*>machine
    cdef int sender = -1
    m.next_seg_uid += 1
    if m.nxt.tcp.fx.n:
        m.nxt.tcp.fx.e[m.nxt.tcp.fx.n - 1].uid = m.next_seg_uid
        sender = m.nxt.tcp.fx.e[m.nxt.tcp.fx.n - 1].sock
    if blocked(m, s.src, 1, s):
        note(m, EF_DROP, s.src, sender, 1, s, m.next_seg_uid)
        return 1
    launch(m, s, s.src, sender)
    return 0


cdef void output_forged(Machine* m, Seg* s, int host, int off_path) noexcept nogil:
    """A segment that a program of `host` has made up."""
    m.next_seg_uid += 1
    note(m, EF_SEND, host, -1, 0, s, m.next_seg_uid)
    launch(m, s, host, -1, off_path)


cdef void launch(Machine* m, const Seg* s, int host, int sender, int off_path=0) noexcept nogil:
    """Fate of a segment on its way from host."""
    cdef int option[3 * FAULTS_MAX]
    cdef int fate[3 * FAULTS_MAX]
    cdef int i, n = 1, pick
    cdef unsigned int uid = m.next_seg_uid
    fate[0] = SENT
    for i in range(m.t.nfault):
        if fault_matches(m, i, s):
            fate[n] = LOST if m.t.fault[i].kind == 0 else COPIED if m.t.fault[i].kind == 1 else LATE
            option[n] = i
            n += 1
    pick = choose(m.ch, n, CHOOSE_FATE)
    if m.ch.dead:
        return
    if pick:
        m.nxt.budget[option[pick]] -= 1
    if fate[pick] == LOST:
        note(m, EF_LOST, host, sender, 0, s, uid)
        return
    fly(m, s, host, FLY_COPY if fate[pick] == LATE else FLY_ORDINARY, uid, off_path)
    if fate[pick] == COPIED:
        m.next_seg_uid += 1
        fly(m, s, host, FLY_COPY, m.next_seg_uid, off_path)
        note(m, EF_DUP, host, sender, 0, s, m.next_seg_uid)


cdef int64_t latest(Machine* m, const Flying* f) noexcept nogil:
    return m.t.delay_hi if f.kind == FLY_ORDINARY else m.t.lifetime


cdef int may_arrive(Machine* m, int i) noexcept nogil:
    cdef const Flying* f = &m.cur.fly[i]
    if f.rank > 1:
        return 0                        # the network keeps the order: somebody is before it
    return age_allows(&m.nxt.tcp.sym, f.clk, m.t.delay_lo, latest(m, f))


cdef void deliver(Machine* m, int i) noexcept nogil:
    """Segment i of the loaded state reaches the end of its hop: firewall, then the stack; or the router."""
    cdef Flying f = m.cur.fly[i]
    cdef int k
    age_require(&m.nxt.tcp.sym, f.clk, m.t.delay_lo, latest(m, &f))
    if m.ch.dead:
        return
    for k in range(i, m.nxt.nfly - 1):
        m.nxt.fly[k] = m.nxt.fly[k + 1]
    m.nxt.nfly -= 1
    if f.rank:
        for k in range(m.nxt.nfly):
            if queued_with(&m.nxt.fly[k], &f.seg, f.to) and m.nxt.fly[k].rank:
                m.nxt.fly[k].rank -= 1
    m.incoming = f.seg
    m.here = f.to
    if (m.nxt.down >> f.to) & 1:
        note(m, EF_EXPIRE, f.to, -1, 0, &f.seg, f.uid)
        return
    if m.t.router.there and f.to == m.t.router.host:
        read_timestamp(m, &f)
        through_router(m, f.uid)
        return
    if blocked(m, f.seg.dst, 0, &f.seg):
        note(m, EF_DROP, f.seg.dst, lookup(&m.nxt.tcp, f.seg.dst, &f.seg), 0, &f.seg, f.uid)
        return
    read_timestamp(m, &f)
    m.has_incoming = 1
    note(m, EF_ARRIVE, f.seg.dst, -1, 0, &m.incoming, f.uid)
    if m.t.bare[f.seg.dst]:
        return
    note_origins(m)
    segment_arrives(&m.nxt.tcp, f.seg.dst, &m.incoming)


cdef void read_timestamp(Machine* m, const Flying* f) noexcept nogil:
    if f.seg.has_ts and f.seg.ts_now:
        m.incoming.tsval = num_read_at(&m.nxt.tcp.sym, f.seg.tsval, f.clk)
        m.incoming.ts_now = 0


cdef void through_router(Machine* m, unsigned int uid) noexcept nogil:
    """The segment in hand has come to the router: it goes on with other addresses, or not at all."""
    cdef Seg s = m.incoming
    cdef int host = m.t.router.host, way = forward(m, &s)
    if m.ch.dead:
        return
    if way == 0:
        note(m, EF_DROP, host, -1, 0 if s.dst == host else 2, &s, uid)
        return
    m.has_incoming = 1
    note(m, EF_ARRIVE, host, -1, 0, &m.incoming, uid)
    if way == 2:
        segment_arrives(&m.nxt.tcp, host, &m.incoming)
        return
    m.next_seg_uid += 1
    note(m, EF_SEND, host, -1, 0, &s, m.next_seg_uid)
    launch(m, &s, host, -1)


# ---- numbers that claims count over

cdef int names(Machine* m, int expr, uint64_t key) noexcept nogil:
    """Does an expression name this unknown?"""
    cdef const PNode* n = &m.t.node[expr]
    if n.op == E_ADD or n.op == E_SUB:
        return names(m, n.a, key) or names(m, n.c, key)
    return n.op == E_UNKNOWN and <uint64_t>n.big == key


cdef int brings(Machine* m, const NumSpec* x, int k) noexcept nogil:
    return (x.kind == NUM_ANY and x.key == m.t.counted[k]) or \
        (x.kind == NUM_EXPR and names(m, x.expr, m.t.counted[k]))


cdef int counted_field(Machine* m, int k) noexcept nogil:
    """Which field of the segment in hand is the k-th of the numbers counted; -1: none. In a random run, where numbers
    are just that, an injected segment's step tells, and of a SYN its value."""
    cdef Sym* s = &m.nxt.tcp.sym
    cdef const Num* field[4]
    cdef const InjectSpec* x
    cdef uint32_t i
    cdef int f
    field[SF_SEQ], field[SF_ACK] = &m.incoming.seq, &m.incoming.ack
    field[2], field[3] = &m.incoming.tsval, &m.incoming.tsecr
    if s.mode != MODE_CONCRETE:
        for f in range(4):
            if 0 < field[f].base < BASE_PAST and s.base[field[f].base].key == m.t.counted[k]:
                return f
    elif m.incoming.forged:
        x = &m.t.inject[m.incoming.forged - 1]
        return 0 if brings(m, &x.seq, k) else 1 if brings(m, &x.ack, k) else 2 if brings(m, &x.tsval, k) else \
            3 if brings(m, &x.tsecr, k) else -1
    elif m.incoming.flags & (F_SYN | F_ACK) == F_SYN and not m.t.counted_forged[k]:
        for i in range(s.rec.nbound):
            if s.rec.bound_key[i] == m.t.counted[k]:
                return 0 if s.rec.bound_value[i] == <uint32_t>m.incoming.seq.off else -1
    return -1


cdef void note_origins(Machine* m) noexcept nogil:
    """A number that is counted is measured from what the first socket it comes to has in its place: nothing that came
    before could depend on it."""
    cdef const Sock* s = NULL
    cdef int k, slot, field
    if not m.t.ncounted:
        return
    slot = lookup(&m.nxt.tcp, m.incoming.dst, &m.incoming)
    if slot >= 0 and m.nxt.tcp.sock[slot].state != ST_LISTEN:
        s = &m.nxt.tcp.sock[slot]
    for k in range(m.t.ncounted):
        field = -1 if m.nxt.has_origin[k] else counted_field(m, k)
        if field < 0:
            continue
        m.nxt.has_origin[k] = 1
        m.nxt.origin[k] = num_const(0)
        if field == 0:
            m.nxt.met[k] = m.incoming.seq
            if s != NULL and s.state != ST_SYN_SENT:
                m.nxt.origin[k] = s.rcv_nxt
        elif field == 1:
            m.nxt.met[k] = m.incoming.ack
            if s != NULL:
                m.nxt.origin[k] = s.snd_nxt
        elif field == 2:
            m.nxt.met[k] = m.incoming.tsval
            if s != NULL and s.ts_ok and s.has_ts_recent:
                m.nxt.origin[k] = s.ts_recent
        else:
            m.nxt.met[k] = m.incoming.tsecr
