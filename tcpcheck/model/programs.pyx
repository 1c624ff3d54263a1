"""Programs: one sockets call a step. A call that would block is not enabled; everything else is urgent but `sleep`."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memset

from tcpcheck.model.bulk cimport bulk_can_run, bulk_can_start, bulk_run, bulk_start
from tcpcheck.model.layout cimport *
from tcpcheck.model.monitor cimport await_holds
from tcpcheck.model.network cimport output_forged
from tcpcheck.model.predicate cimport number_at, number_of, pattern_matches
from tcpcheck.model.router cimport forget_tracks
from tcpcheck.model.scope cimport seg_field
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport (
    Num, age_allows, age_require, clock_start, diff_known, num_base, num_const, num_is_zero,
)
from tcpcheck.tcp.calls cimport (
    ConnectOpts, tcp_abort, tcp_accept, tcp_close, tcp_connect, tcp_connected, tcp_listen, tcp_recv, tcp_send,
    tcp_shutdown_read, tcp_shutdown_write,
)
from tcpcheck.tcp.checks cimport ECR_FORGED
from tcpcheck.tcp.keepalive cimport tcp_setsockopt
from tcpcheck.tcp.sockets cimport E_AGAIN, E_NOTCONN, accept_queue_len, effect, sock_free
from tcpcheck.tcp.types cimport (
    EF_GETS, Effect, F_ACK, F_SYN, GOT_EOF, GOT_NO_TEXT, GOT_TEXT, SK_FREE, SK_FULL, ST_CLOSED, ST_SYN_RECV,
    ST_SYN_SENT, Seg, Sock,
)


cdef inline int slot_of(Machine* m, int bind) noexcept nogil:
    """The socket that a name means now: the last one bound; -1 when there is none or it has ended."""
    cdef const Bind* b = &m.nxt.bind[bind]
    return b.slot[b.n - 1] if b.n else -1


cdef void bind_name(Machine* m, int bind, int slot) noexcept nogil:
    cdef Bind* b = &m.nxt.bind[bind]
    if b.n >= BIND_DEPTH:
        m.truncated = 1
        return
    b.slot[b.n] = <int8_t>slot
    b.n += 1


cdef void gets(Machine* m, int p, int slot, int result, int got) noexcept nogil:
    cdef Effect* e = effect(&m.nxt.tcp, EF_GETS, m.t.proc_host[p], slot, result)
    if e != NULL:
        e.uid = got


cdef void go_on(Machine* m, int p, int pc) noexcept nogil:
    """Jumps cost no step."""
    cdef const Instr* i = &m.t.instr[pc]
    while i.op == OP_JUMP:
        pc = i.a
        i = &m.t.instr[pc]
    if pc <= m.nxt.proc[p].pc and m.nxt.proc[p].pc > 0:
        m.nxt.spins += 1
        if m.nxt.spins > SPINS_MAX:
            m.nxt.spins = SPINS_MAX
            m.truncated = 1
    m.nxt.proc[p].pc = <uint16_t>pc
    m.nxt.proc[p].called = 0
    m.nxt.proc[p].got = 0
    m.nxt.proc[p].status = PROC_READY
    m.nxt.proc[p].clk = 0
    if i.op == OP_SLEEP or i.op == OP_BULK:
        m.nxt.proc[p].status = PROC_SLEEPING
        m.nxt.proc[p].clk = <uint8_t>clock_start(&m.nxt.tcp.sym)
    elif i.op == OP_STOP:
        finish(m, p)


cdef void note_slept(Machine* m, int p) noexcept nogil:
    """A sleep ends whose length claims ask for: its clock goes on, and another tells how long ago it ended."""
    cdef int k
    for k in range(m.t.nslept):
        if m.t.slept_pc[k] == m.nxt.proc[p].pc and m.nxt.proc[p].clk:
            m.nxt.slept_from[k] = m.nxt.proc[p].clk
            m.nxt.slept_to[k] = <uint8_t>clock_start(&m.nxt.tcp.sym)


cdef void finish(Machine* m, int p) noexcept nogil:
    """The program ends; what it was doing last is of no interest any more."""
    memset(&m.nxt.proc[p], 0, sizeof(Proc))
    m.nxt.proc[p].status = PROC_DONE


cdef void exit_run(Machine* m, int p) noexcept nogil:
    """`exit`, and a failing call without `else`: the kernel closes what the program holds."""
    cdef int s
    for s in range(m.nxt.tcp.top):
        if m.nxt.owner[s] == p + 1 and m.nxt.tcp.sock[s].kind != SK_FREE:
            m.nxt.owner[s] = 0
            tcp_close(&m.nxt.tcp, s)
    finish(m, p)


cdef void done(Machine* m, int p, const Instr* i, int slot, int result, int got) noexcept nogil:
    """A call returned. got: see Got."""
    gets(m, p, slot, result, got)
    if result >= 0:
        go_on(m, p, m.nxt.proc[p].pc + 1)
    elif i.orelse >= 0:
        go_on(m, p, i.orelse)
    else:
        exit_run(m, p)


cdef void programs_start(Machine* m) noexcept nogil:
    cdef int p
    for p in range(m.t.nproc):
        go_on(m, p, m.t.proc_entry[p])


# ---- what can run

cdef int can_run(Machine* m, int p) noexcept nogil:
    cdef const Proc* pr = &m.nxt.proc[p]
    cdef const Instr* i = &m.t.instr[pr.pc]
    cdef int s
    if pr.status == PROC_DONE:
        return 0
    if pr.status == PROC_SLEEPING and i.op == OP_BULK:
        return bulk_can_run(m, i, p, slot_of(m, i.a))
    if pr.status == PROC_SLEEPING:
        return 2 if age_allows(&m.nxt.tcp.sym, pr.clk, i.lo, i.hi) else 0
    if i.op == OP_AWAIT:
        return await_holds(m, i.a, i.b)
    if i.op == OP_CONNECT:
        return not pr.called or connect_decided(m, i)
    if i.op == OP_ACCEPT:
        s = slot_of(m, i.a)
        return s < 0 or accept_queue_len(&m.nxt.tcp, s) > 0
    if i.op == OP_RECV:
        return readable(m, pr, i)
    if i.op == OP_RECEIVE:
        return 0                        # hand_over() goes on with it
    if i.op == OP_BULK_START:
        return bulk_can_start(m, slot_of(m, i.a))
    if i.op == OP_INJECT:
        return numbers_known(m, &m.t.inject[i.a], i.host)
    return 1


cdef int connect_decided(Machine* m, const Instr* i) noexcept nogil:
    cdef int s = slot_of(m, i.c)
    return s < 0 or (m.nxt.tcp.sock[s].state != ST_SYN_SENT and m.nxt.tcp.sock[s].state != ST_SYN_RECV)


cdef int readable(Machine* m, const Proc* pr, const Instr* i) noexcept nogil:
    """Would recv() return at once?"""
    cdef int s = slot_of(m, i.a)
    cdef const Sock* k
    if s < 0:
        return 1
    k = &m.nxt.tcp.sock[s]
    return k.rcv_queued > 0 or k.fin_rcvd or k.rd_shut or k.so_error != 0 or k.kind != SK_FULL or k.state == ST_CLOSED


# ---- running one instruction

cdef void run_step(Machine* m, int p) noexcept nogil:
    cdef const Instr* i = &m.t.instr[m.nxt.proc[p].pc]
    cdef int k
    if i.op == OP_LISTEN:
        run_listen(m, p, i)
    elif i.op == OP_ACCEPT:
        run_accept(m, p, i)
    elif i.op == OP_CONNECT:
        run_connect(m, p, i)
    elif i.op == OP_SEND:
        k = slot_of(m, i.a)
        done(m, p, i, k, tcp_send(&m.nxt.tcp, k, i.b) if k >= 0 else -E_NOTCONN, GOT_NO_TEXT)
    elif i.op == OP_RECV:
        run_recv(m, p, i)
    elif i.op == OP_SLEEP:
        age_require(&m.nxt.tcp.sym, m.nxt.proc[p].clk, i.lo, i.hi)
        note_slept(m, p)
        go_on(m, p, m.nxt.proc[p].pc + 1)
    elif i.op == OP_BULK:
        run_bulk(m, p, i)
    elif i.op == OP_EXIT:
        exit_run(m, p)
    elif i.op == OP_EITHER:
        k = choose(m.ch, i.b, CHOOSE_FATE)
        go_on(m, p, m.t.target[i.a + k])
    elif i.op == OP_LOOP:
        run_loop(m, p, i)
    elif i.op == OP_INJECT:
        run_inject(m, p, i)
    elif i.op == OP_CRASH:
        crash(m, p, i.host)
    elif i.op == OP_BOOT:
        boot(m, p, i.host)
    else:
        run_simple(m, p, i)


cdef void run_bulk(Machine* m, int p, const Instr* i) noexcept nogil:
    cdef int slot = slot_of(m, i.a), result = 0
    if bulk_run(m, i, p, slot, &result):
        done(m, p, i, slot, result, GOT_NO_TEXT)


cdef void run_listen(Machine* m, int p, const Instr* i) noexcept nogil:
    cdef int s = tcp_listen(&m.nxt.tcp, i.host, i.a, i.b)
    if s >= 0:
        m.nxt.owner[s] = <uint8_t>(p + 1)
    bind_name(m, i.c, s if s >= 0 else -1)
    done(m, p, i, s if s >= 0 else -1, 0 if s >= 0 else s, GOT_NO_TEXT)


cdef void run_accept(Machine* m, int p, const Instr* i) noexcept nogil:
    cdef int k = slot_of(m, i.a)
    cdef int s = tcp_accept(&m.nxt.tcp, k) if k >= 0 else -E_NOTCONN
    if s >= 0:
        m.nxt.owner[s] = <uint8_t>(p + 1)
        bind_name(m, i.c, s)
    done(m, p, i, s if s >= 0 else -1, 0 if s >= 0 else s, GOT_NO_TEXT)


cdef void run_connect(Machine* m, int p, const Instr* i) noexcept nogil:
    """Two steps: the call that sends the SYN, and its return."""
    cdef const ConnectSpec* c = &m.t.connect[i.e]
    cdef ConnectOpts o
    cdef int s, known = 1
    if m.nxt.proc[p].called:
        s = slot_of(m, i.c)
        done(m, p, i, s, tcp_connected(&m.nxt.tcp, s) if s >= 0 else -E_NOTCONN, GOT_NO_TEXT)
        return
    memset(&o, 0, sizeof(ConnectOpts))
    if c.seq_kind == 1:
        o.has_seq, o.seq = 1, num_base(&m.nxt.tcp.sym, c.seq_key, 0, i.host, 0)
    elif c.seq_kind == 2:
        o.has_seq, o.seq = 1, number_of(m, c.seq_expr, &known)
        if not known:
            m.truncated = 1
    o.ts_any, o.ts_key = c.ts_any, c.ts_key
    s = tcp_connect(&m.nxt.tcp, i.host, i.a, i.b, i.d, &o)
    bind_name(m, i.c, s if s >= 0 else -1)      # a socket that could not connect is in CLOSED
    if s < 0:
        done(m, p, i, -1, s, GOT_NO_TEXT)
        return
    m.nxt.owner[s] = <uint8_t>(p + 1)
    m.nxt.proc[p].called = 1


cdef void run_recv(Machine* m, int p, const Instr* i) noexcept nogil:
    """One call after another until the step has what it asks for; 0 bytes are the end of file."""
    cdef int s = slot_of(m, i.a)
    cdef int want = -1 if i.b <= 0 else i.b - m.nxt.proc[p].got
    cdef int r = tcp_recv(&m.nxt.tcp, s, want) if s >= 0 else -E_NOTCONN
    if r == -E_AGAIN:
        m.ch.dead = 1                   # can_run said otherwise
        return
    if r > 0 and (i.b < 0 or (i.b > 0 and r < want)):
        gets(m, p, s, r, GOT_TEXT)      # go on reading
        m.nxt.proc[p].got += r if i.b > 0 else 0
        return
    if i.b > 0 and r > 0:
        r += m.nxt.proc[p].got
    done(m, p, i, s, r, GOT_TEXT if r > 0 else GOT_EOF if r == 0 else GOT_NO_TEXT)


cdef void run_loop(Machine* m, int p, const Instr* i) noexcept nogil:
    if m.nxt.proc[p].loop[i.a] < i.b:
        m.nxt.proc[p].loop[i.a] += 1
        go_on(m, p, m.nxt.proc[p].pc + 1)
    else:
        m.nxt.proc[p].loop[i.a] = 0
        go_on(m, p, i.c)


cdef void run_simple(Machine* m, int p, const Instr* i) noexcept nogil:
    """Calls that cannot fail."""
    cdef int s
    if i.op == OP_SYSCTL:
        m.nxt.tcp.cfg_ix[i.a] = <uint8_t>m.t.sysctl_next[i.a][m.nxt.tcp.cfg_ix[i.a] * m.t.nsysctl + i.b]
        m.nxt.tcp.cfg[i.a] = m.t.config[i.a] + m.nxt.tcp.cfg_ix[i.a]
    elif i.op == OP_FIREWALL:
        if i.b:
            m.nxt.firewall |= 1 << i.a
        else:
            m.nxt.firewall &= ~(1 << i.a)
    elif i.op == OP_BULK_START:
        bulk_start(m, slot_of(m, i.a))
    elif i.op == OP_SETSOCKOPT:
        s = slot_of(m, i.a)
        if s >= 0:
            tcp_setsockopt(&m.nxt.tcp, s, i.b, i.d)
    elif i.op == OP_SHUTDOWN or i.op == OP_CLOSE or i.op == OP_ABORT:
        s = slot_of(m, i.a)
        if s >= 0 and i.op == OP_SHUTDOWN:
            if i.b & 1:
                tcp_shutdown_read(&m.nxt.tcp, s)
            if i.b & 2:
                tcp_shutdown_write(&m.nxt.tcp, s)
        elif s >= 0 and i.op != OP_SHUTDOWN:
            m.nxt.owner[s] = 0
            if i.op == OP_CLOSE:
                tcp_close(&m.nxt.tcp, s)
            else:
                tcp_abort(&m.nxt.tcp, s)
    go_on(m, p, m.nxt.proc[p].pc + 1)


# ---- power

cdef void crash(Machine* m, int p, int host) noexcept nogil:
    """The host forgets all it had; only the run that says so goes on."""
    cdef int s, q
    for s in range(m.nxt.tcp.top):
        if m.nxt.tcp.sock[s].kind != SK_FREE and m.nxt.tcp.sock[s].host == host:
            sock_free(&m.nxt.tcp, s)
    for q in range(m.t.nproc):
        if q != p and m.t.proc_host[q] == host:
            finish(m, q)
    if m.t.router.there and host == m.t.router.host:
        forget_tracks(m)
    m.nxt.down |= <uint8_t>(1 << host)
    go_on(m, p, m.nxt.proc[p].pc + 1)


cdef void boot(Machine* m, int p, int host) noexcept nogil:
    cdef int r
    m.nxt.down &= <uint8_t>~(1 << host)
    m.nxt.tcp.cfg_ix[host] = 0
    m.nxt.tcp.cfg[host] = m.t.config[host]
    for r in range(m.t.nfirewall):
        if m.t.firewall[r].host == host:
            m.nxt.firewall &= ~(1 << r)
            m.nxt.firewall |= m.t.firewall_on & (1 << r)
    go_on(m, p, m.nxt.proc[p].pc + 1)


# ---- hosts without TCP

cdef Num given(Machine* m, const NumSpec* x, int host, int* known) noexcept nogil:
    """The number that a field of an injected segment gets now. known := 0 when it names what is not there."""
    cdef int there = 1
    cdef Num n = num_const(0)
    if x.kind == NUM_ANY:
        n = num_base(&m.nxt.tcp.sym, x.key, 0, host, 0)
    elif x.kind == NUM_EXPR:
        n = number_at(m, x.expr, x.vars_at, &there)
    known[0] &= there
    return n


cdef int numbers_known(Machine* m, const InjectSpec* x, int host) noexcept nogil:
    """`inject` waits until the sockets that its numbers come from are there."""
    cdef int known = 1
    if x.seq.kind == NUM_EXPR:
        given(m, &x.seq, host, &known)
    if x.ack.kind == NUM_EXPR:
        given(m, &x.ack, host, &known)
    if x.tsval.kind == NUM_EXPR:
        given(m, &x.tsval, host, &known)
        known &= not none_to_read(m, &x.tsval)
    if x.tsecr.kind == NUM_EXPR:
        given(m, &x.tsecr, host, &known)
    return known


cdef Num clock_read(Machine* m, int expr, int vars_at, int* known) noexcept nogil:
    """The ts_recent that an expression begins with; known 0: it begins with something else."""
    cdef const PNode* n = &m.t.node[expr]
    while n.op == E_ADD or n.op == E_SUB:
        expr = n.a
        n = &m.t.node[expr]
    known[0] = n.op == E_VAR
    return number_at(m, expr, vars_at, known) if known[0] else num_const(1)


cdef int none_to_read(Machine* m, const NumSpec* x) noexcept nogil:
    """Is the ts_recent in question known to be exactly 0? A real host takes that for none."""
    cdef int known = 0
    cdef int64_t d = 1
    cdef Num n = num_const(1)
    if x.kind == NUM_EXPR:
        n = clock_read(m, x.expr, x.vars_at, &known)
    return known and diff_known(&m.nxt.tcp.sym, n, num_const(0), &d) and d == 0


cdef void run_inject(Machine* m, int p, const Instr* i) noexcept nogil:
    cdef const InjectSpec* x = &m.t.inject[i.a]
    cdef Seg s
    cdef int known = 1, there = 0
    memset(&s, 0, sizeof(Seg))
    s.src, s.dst, s.sport, s.dport, s.flags = x.src, x.dst, x.sport, x.dport, x.flags
    s.forged = <uint8_t>(i.a + 1)       # which step made it; compile_run.py has no more than fit
    s.len, s.wnd = x.length, x.window
    s.seq = given(m, &x.seq, i.host, &known)
    if s.flags & F_ACK:
        s.ack = given(m, &x.ack, i.host, &known)
    if s.flags & F_SYN:
        s.mss = x.mss
        if not s.flags & F_ACK and m.nxt.tcp.inc_next < 255:
            m.nxt.tcp.inc_next += 1     # a connection may come of it
            s.inc = m.nxt.tcp.inc_next
    if x.tsval.kind:
        s.has_ts = 1
        if x.tsval.kind == NUM_EXPR:
            s.tsval = clock_read(m, x.tsval.expr, x.tsval.vars_at, &there)
            if there and num_is_zero(&m.nxt.tcp.sym, s.tsval):
                m.ch.dead = 1           # then it would still wait
                return
        s.tsval = given(m, &x.tsval, i.host, &known)
        s.tsecr = given(m, &x.tsecr, i.host, &known)
        s.ecr_inc = ECR_FORGED if x.tsecr.kind else 0
    output_forged(m, &s, i.host, x.off_path)
    go_on(m, p, m.nxt.proc[p].pc + 1)


cdef void hand_over(Machine* m) noexcept nogil:
    """Every run of the host that waits for such a segment takes it; one that nobody waits for is gone."""
    cdef const Instr* i
    cdef const int32_t* row
    cdef int p, k, known = 0
    for p in range(m.t.nproc):
        i = &m.t.instr[m.nxt.proc[p].pc]
        if m.nxt.proc[p].status != PROC_READY or i.op != OP_RECEIVE or i.host != m.here:
            continue
        if not pattern_matches(m, i.a, &m.incoming) or m.ch.dead:
            continue
        row = m.t.target + i.b
        for k in range(row[0]):
            m.nxt.caught[row[1 + 2 * k]] = seg_field(&m.incoming, row[2 + 2 * k], &known)
            m.nxt.has_caught[row[1 + 2 * k]] = <uint8_t>known
        go_on(m, p, m.nxt.proc[p].pc + 1)
