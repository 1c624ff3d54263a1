# cython: cdivision=True
"""A small TCP as a System for the search: the same state graph as the models in peers/.

Two endpoints with all eleven states of RFC 9293, passive, active and simultaneous open and close, one byte of data,
retransmission and giving up, abort and RST, the checks of RFC 5961, 2MSL, modular comparison of 8-bit sequence numbers,
and a network that loses, duplicates and swaps within budgets. A benchmark of engines, not a model of Linux.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from tcpcheck.explore.system cimport Handle
from tcpcheck.sym.choice cimport CHOOSE_EVENT, Choices, choose

SIZES = {  # states and transitions that every tool finds, and the levels of a breadth-first search
    "S": {"capacity": 2, "losses": 0, "duplicates": 0, "swaps": 0},    # small: for tests
    "A": {"capacity": 2, "losses": 1, "duplicates": 1, "swaps": 0},
    "B": {"capacity": 2, "losses": 2, "duplicates": 1, "swaps": 1},
    "C": {"capacity": 3, "losses": 2, "duplicates": 1, "swaps": 1},
}

cdef enum:
    WINDOW = 4

cdef enum:                      # claims
    TOO_MUCH = 0
    BOTH_CLOSE = 1


# ---------------------------------------------------------------- numbers and segments

cdef inline bint before(uint8_t a, uint8_t b) noexcept nogil:
    return <uint8_t>(a - b) > 127


cdef inline void send(const Sizes* z, State* x, int who, int flags, uint8_t seq, uint8_t ack) noexcept nogil:
    """Onto the wire; a full queue swallows it."""
    cdef Segment* s = &x.queue[who][x.waiting[who]]
    if x.waiting[who] < z.capacity:
        s.flags, s.seq, s.ack = <uint8_t>flags, seq, ack
        x.waiting[who] += 1


cdef inline void acknowledge(const Sizes* z, State* x, int who) noexcept nogil:
    send(z, x, who, ACK, x.end[who].nxt, x.end[who].rcv)


cdef inline Segment take(State* x, int who) noexcept nogil:
    """The first segment of a queue leaves it."""
    cdef Segment first = x.queue[who][0]
    x.queue[who][0] = x.queue[who][1]
    x.queue[who][1] = x.queue[who][2]
    memset(&x.queue[who][2], 0, sizeof(Segment))
    x.waiting[who] -= 1
    return first


cdef inline void reset(const Sizes* z, Endpoint* e) noexcept nogil:
    e.state = CLOSED
    e.una = e.nxt = e.rcv = e.iss = 0
    e.passive = e.fin_sent = e.received = 0
    e.tries = z.tries


cdef inline void number(const Sizes* z, State* x, int who) noexcept nogil:
    """A new incarnation with an initial number of its own."""
    cdef Endpoint* e = &x.end[who]
    e.iss = <uint8_t>(100 * who + 8 * e.incarnation)
    e.incarnation += 1
    e.sent = 0
    e.una = e.iss
    e.nxt = <uint8_t>(e.iss + 1)
    e.tries = z.tries


# ---------------------------------------------------------------- SEGMENT ARRIVES (RFC 9293 section 3.10.7)

cdef inline int length(int flags) noexcept nogil:
    return (flags & SYN) + (flags >> 2 & 1) + (flags >> 4 & 1)


cdef void arrives_unsynchronized(const Sizes* z, State* x, int who, Segment g) noexcept nogil:
    """CLOSED, LISTEN, SYN-SENT."""
    cdef Endpoint* e = &x.end[who]
    if e.state == SYN_SENT:
        if g.flags & ACK and g.ack != e.nxt:
            if not g.flags & RST:
                send(z, x, who, RST, g.ack, 0)
        elif g.flags & RST:
            if g.flags & ACK:
                reset(z, e)
        elif g.flags & SYN:
            e.rcv = <uint8_t>(g.seq + 1)
            if g.flags & ACK:
                e.una = g.ack
                e.state = ESTABLISHED
                e.tries = z.tries
                acknowledge(z, x, who)
            else:
                e.state = SYN_RCVD
                send(z, x, who, SYN | ACK, e.iss, e.rcv)
    elif g.flags & RST:
        return
    elif g.flags & ACK:
        send(z, x, who, RST, g.ack, 0)
    elif e.state == CLOSED:
        send(z, x, who, RST | ACK, 0, <uint8_t>(g.seq + length(g.flags)))
    elif g.flags & SYN:
        number(z, x, who)
        e.rcv = <uint8_t>(g.seq + 1)
        e.state = SYN_RCVD
        send(z, x, who, SYN | ACK, e.iss, e.rcv)


cdef void text_arrives(const Sizes* z, Endpoint* e, Segment g) noexcept nogil:
    if g.flags & PSH and (e.state == ESTABLISHED or e.state == FIN_WAIT_1 or e.state == FIN_WAIT_2):
        e.rcv += 1
        e.received += 1
    if g.flags & FIN:
        if e.state == ESTABLISHED:
            e.rcv += 1
            e.state = CLOSE_WAIT
        elif e.state == FIN_WAIT_1:
            e.rcv += 1
            e.state = CLOSING
        elif e.state == FIN_WAIT_2:
            e.rcv += 1
            e.state = TIME_WAIT


cdef void acceptable_arrives(const Sizes* z, State* x, int who, Segment g) noexcept nogil:
    """In the window, no RST, no SYN, an ACK."""
    cdef Endpoint* e = &x.end[who]
    if e.state == SYN_RCVD:
        if not before(e.una, g.ack) or before(e.nxt, g.ack):
            send(z, x, who, RST, g.ack, 0)
            return
    elif before(e.nxt, g.ack):
        acknowledge(z, x, who)
        return
    if before(e.una, g.ack):
        e.una = g.ack
        e.tries = z.tries
    if e.state == SYN_RCVD:
        e.state = ESTABLISHED
    elif e.una == e.nxt:
        if e.state == FIN_WAIT_1:
            e.state = FIN_WAIT_2
        elif e.state == CLOSING:
            e.state = TIME_WAIT
        elif e.state == LAST_ACK:
            reset(z, e)
    if e.state != CLOSED and length(g.flags) > 0:
        if g.seq == e.rcv:
            text_arrives(z, e, g)
        acknowledge(z, x, who)


cdef void arrives(const Sizes* z, State* x, int who) noexcept nogil:
    cdef Endpoint* e = &x.end[who]
    cdef Segment g = take(x, 1 - who)
    cdef int outside
    if e.state < SYN_RCVD:
        arrives_unsynchronized(z, x, who, g)
        return
    outside = before(g.seq, e.rcv) or not before(g.seq, <uint8_t>(e.rcv + WINDOW))
    if outside:
        # a SYN beyond the window is let go by in TIME-WAIT (RFC 1122 section 4.2.2.13)
        if not (g.flags & RST or (e.state == TIME_WAIT and g.flags & (SYN | ACK) == SYN and before(e.rcv, g.seq))):
            acknowledge(z, x, who)
    elif g.flags & RST:
        if g.seq != e.rcv:
            acknowledge(z, x, who)         # RFC 5961 section 3
        elif e.state == SYN_RCVD and e.passive:
            reset(z, e)
            e.state = LISTEN
            e.passive = 1
        else:
            reset(z, e)
    elif g.flags & SYN:
        acknowledge(z, x, who)             # RFC 5961 section 4
    elif g.flags & ACK:
        acceptable_arrives(z, x, who, g)


# ---------------------------------------------------------------- what may happen

cdef void timeout(const Sizes* z, State* x, int who) noexcept nogil:
    cdef Endpoint* e = &x.end[who]
    if not e.tries:
        reset(z, e)
        return
    e.tries -= 1
    if e.una == e.iss:
        if e.state == SYN_SENT:
            send(z, x, who, SYN, e.iss, 0)
        else:
            send(z, x, who, SYN | ACK, e.iss, e.rcv)
    elif e.fin_sent and <uint8_t>(e.una + 1) == e.nxt:
        send(z, x, who, FIN | ACK, e.una, e.rcv)
    else:
        send(z, x, who, ACK | PSH, e.una, e.rcv)


cdef State* calls_and_timers(const Sizes* z, const State* now, int i, State* x) noexcept nogil:
    """Writes the successors by events at endpoint i from x on; where the next one goes."""
    cdef const Endpoint* was = &now.end[i]
    cdef int state = was.state
    if not was.running:
        x[0] = now[0]
        x.end[i].running = 1
        x.end[i].tries, x.end[i].opens, x.end[i].aborts = z.tries, z.opens, z.aborts
        return x + 1
    if state == CLOSED and was.opens:
        x[0] = now[0]
        x.end[i].opens -= 1
        x.end[i].state, x.end[i].passive, x.end[i].tries = LISTEN, 1, z.tries
        x += 1
        x[0] = now[0]
        x.end[i].opens -= 1
        x.end[i].state, x.end[i].passive = SYN_SENT, 0
        number(z, x, i)
        send(z, x, i, SYN, x.end[i].iss, 0)
        x += 1
    if state == LISTEN or state == SYN_SENT or state == TIME_WAIT:      # close; 2MSL
        x[0] = now[0]
        reset(z, &x.end[i])
        x += 1
    if (state == ESTABLISHED or state == CLOSE_WAIT) and was.sent < z.data and was.nxt == was.una:
        x[0] = now[0]
        send(z, x, i, ACK | PSH, was.nxt, was.rcv)
        x.end[i].sent += 1
        x.end[i].nxt += 1
        x.end[i].tries = z.tries
        x += 1
    if (state == ESTABLISHED or state == SYN_RCVD or state == CLOSE_WAIT) and not was.fin_sent:
        x[0] = now[0]
        send(z, x, i, FIN | ACK, was.nxt, was.rcv)
        x.end[i].state = LAST_ACK if state == CLOSE_WAIT else FIN_WAIT_1
        x.end[i].fin_sent = 1
        x.end[i].nxt += 1
        x.end[i].tries = z.tries
        x += 1
    if SYN_RCVD <= state <= CLOSE_WAIT and was.aborts:
        x[0] = now[0]
        x.end[i].aborts -= 1
        send(z, x, i, RST, was.nxt, 0)
        reset(z, &x.end[i])
        x += 1
    if was.una != was.nxt and state != CLOSED and state != LISTEN and state != TIME_WAIT:
        x[0] = now[0]
        timeout(z, x, i)
        x += 1
    if now.waiting[1 - i]:
        x[0] = now[0]
        arrives(z, x, i)
        x += 1
    return x


cdef State* network(const Sizes* z, const State* now, int i, State* x) noexcept nogil:
    """The same for what the network does to the queue of endpoint i."""
    cdef Segment g
    if not now.waiting[i]:
        return x
    if now.losses:
        x[0] = now[0]
        x.losses -= 1
        take(x, i)
        x += 1
    if now.duplicates and now.waiting[i] < z.capacity:
        x[0] = now[0]
        x.duplicates -= 1
        x.queue[i][x.waiting[i]] = x.queue[i][0]
        x.waiting[i] += 1
        x += 1
    if now.swaps and now.waiting[i] > 1:
        x[0] = now[0]
        x.swaps -= 1
        g = take(x, i)
        x.queue[i][x.waiting[i]] = g
        x.waiting[i] += 1
        x += 1
    return x


# ---------------------------------------------------------------- what the search calls

cdef int32_t sys_expand(void* ctx, const uint8_t* state, uint8_t* out) noexcept nogil:
    cdef const Sizes* z = &(<Machine*>ctx).sizes
    cdef const State* now = <const State*>state
    cdef State* x = calls_and_timers(z, now, 0, <State*>out)
    x = calls_and_timers(z, now, 1, x)
    x = network(z, now, 0, x)
    x = network(z, now, 1, x)
    return <int32_t>(x - <State*>out)


cdef void sys_load(void* ctx, const uint8_t* state, int32_t n, const int64_t* zone, int32_t clocks) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    m.n = sys_expand(ctx, state, <uint8_t*>m.next)


cdef int sys_step(void* ctx, Choices* ch) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    m.taken = &m.next[choose(ch, m.n, CHOOSE_EVENT)]
    return not ch.dead


cdef int32_t sys_save(void* ctx, uint8_t* out) noexcept nogil:
    memcpy(out, (<Machine*>ctx).taken, sizeof(State))
    return sizeof(State)


cdef uint64_t sys_judge(void* ctx, const uint8_t* state) noexcept nogil:
    cdef const State* x = <const State*>state
    cdef int data = (<Machine*>ctx).sizes.data
    return (<uint64_t>(x.end[0].received > data or x.end[1].received > data) << TOO_MUCH
            | <uint64_t>(x.end[0].state == CLOSING and x.end[1].state == CLOSING) << BOTH_CLOSE)


cdef uint64_t sys_hits(void* ctx) noexcept nogil:
    return sys_judge(ctx, <const uint8_t*>(<Machine*>ctx).taken)


cdef class SmallTcp:
    """The model. size: `S`, `A`, `B` or `C`. whole: states are expanded at once, not step by step.

    Claim 0, never hit: a receiver gets more than was sent. Claim 1: both ends in CLOSING, a simultaneous close."""
    cdef Machine* m
    cdef object whole

    def __cinit__(self):
        self.m = <Machine*>calloc(1, sizeof(Machine))
        if self.m == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.m)

    def __init__(self, str size, whole=True):
        cdef Sizes* z = &self.m.sizes
        how = SIZES[size]
        z.capacity, z.losses, z.duplicates, z.swaps = how["capacity"], how["losses"], how["duplicates"], how["swaps"]
        z.data = z.tries = z.opens = z.aborts = 1
        self.whole = whole

    def handle(self):
        """The system, standing at its initial state."""
        cdef Handle h = Handle()
        cdef Machine* m = self.m
        m.taken = &m.next[0]
        memset(m.taken, 0, sizeof(State))
        m.taken.losses, m.taken.duplicates, m.taken.swaps = m.sizes.losses, m.sizes.duplicates, m.sizes.swaps
        h.owner = self
        h.sys.ctx = m
        h.sys.load = sys_load
        h.sys.step = sys_step
        h.sys.save = sys_save
        h.sys.hits = sys_hits
        if self.whole:
            h.sys.expand = sys_expand
            h.sys.judge = sys_judge
        return h
