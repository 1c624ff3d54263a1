"""A Linux router with connection tracking and a nat table (nf_nat_core.c), between two sides of the network.

A connection's translation is settled by its first segment and kept with what is remembered of it (Track): the
original tuple is how the first segment came, the reply tuple how a reply to it comes. Each later segment that matches
one tuple leaves as the other one turned round.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t
from libc.string cimport memcpy, memmove, memset

from tcpcheck.model.conntrack cimport (
    CT_ACCEPTED, CT_INVALID, CT_REOPENED, is_syn_sent, track_end, track_expired, track_is_over, track_new, track_segment,
)
from tcpcheck.model.layout cimport *
from tcpcheck.model.network cimport blocked
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport diff_in
from tcpcheck.sym.zone cimport zone_sup
from tcpcheck.tcp.types cimport SK_FREE, SOCKS_MAX, Seg, Sock

cdef enum:
    ORIGINAL = 0
    REPLY = 1
    HARDER = 32                 # so few ports to choose from: one of a connection that is over is taken (nf_nat_used_tuple_harder)
    PRIVILEGED = 1024
    LOW = 512
    LOW_FIRST = 600
    PORT_MAX = 65535
    FRESH = 50000               # where to look first for a port that means nothing else: any is as likely

cdef int64_t COLLECTED = 340000000000   # within this time (GC_SCAN_INTERVAL_CLAMP and the timer wheel) gc_worker comes by

cdef int64_t HALF = 1 << 31


cdef int side(Machine* m, int host) noexcept nogil:
    """1 inside, 2 outside, 0 neither."""
    return (m.t.router.inside >> host) & 1 | ((m.t.router.outside >> host) & 1) << 1


cdef int next_hop(Machine* m, int host, const Seg* s) noexcept nogil:
    """The router, between the sides it stands between; everything else goes straight to its destination."""
    if m.t.router.there and host != m.t.router.host and side(m, host) | side(m, s.dst) == 3:
        return m.t.router.host
    return s.dst


# ---- what is remembered

cdef void remove(Machine* m, int k) noexcept nogil:
    cdef int i
    m.nxt.ntrack -= 1
    for i in range(k, m.nxt.ntrack):
        memcpy(&m.nxt.track[i], &m.nxt.track[i + 1], sizeof(Track))
    memset(&m.nxt.track[m.nxt.ntrack], 0, sizeof(Track))


cdef void forget_tracks(Machine* m) noexcept nogil:
    """The router has lost its power."""
    memset(m.nxt.track, 0, sizeof(m.nxt.track))
    m.nxt.ntrack = 0


cdef int may_serve(Machine* m, const Track* t) noexcept nogil:
    """Is there a rule by which another connection may take over this one's mapping, and with it a port it would else
    not get for sure?"""
    cdef const NatRule* r
    cdef int i
    for i in range(m.t.router.nnat):
        r = &m.t.router.nat[i]
        if r.chain == 1 and r.target != NAT_ACCEPT and not r.random and r.to == t.rdst and r.src in (-1, t.src) and \
                r.sport in (-1, t.sport) and (not r.lo or r.lo < r.hi and r.lo <= t.rdport <= r.hi):
            return 1
    return 0


cdef int outlives(Machine* m, int k) noexcept nogil:
    """Does it matter whether connection k, whose time is over, is still there for find_appropriate_src? A mapping that
    keeps the port matters only where it hides an older one."""
    cdef const Track* t = &m.nxt.track[k]
    cdef const Track* o
    cdef int i
    if not may_serve(m, t):
        return 0
    for i in range(k + 1):
        o = &m.nxt.track[i]
        if o.src == t.src and o.sport == t.sport and o.rdst == t.rdst and o.rdport != o.sport:
            return 1
    return 0


cdef int old_enough(Machine* m, const Track* t, int64_t age) noexcept nogil:
    return t.clk != 0 and -zone_sup(&m.nxt.tcp.sym.z, 0, t.clk) >= age


cdef void tidy_tracks(Machine* m) noexcept nogil:
    """What is gone for sure is no part of the state; of what may be there still, only the tuples are."""
    cdef const Track* t
    cdef int i = 0
    while i < m.nxt.ntrack:
        t = &m.nxt.track[i]
        if not track_is_over(t) and not old_enough(m, t, t.hi):
            i += 1
        elif old_enough(m, t, t.hi + COLLECTED) or not outlives(m, i):
            remove(m, i)
        else:
            track_end(&m.nxt.track[i])
            i += 1


cdef int has_tuple(const Track* t, int src, int sport, int dst, int dport) noexcept nogil:
    """ORIGINAL, REPLY, or -1."""
    if t.src == src and t.sport == sport and t.dst == dst and t.dport == dport:
        return ORIGINAL
    return REPLY if t.rsrc == src and t.rsport == sport and t.rdst == dst and t.rdport == dport else -1


cdef int find(Machine* m, int src, int sport, int dst, int dport, int* dir) noexcept nogil:
    """The connection with this tuple, -1: none. One whose time is over is forgotten when somebody asks for it."""
    cdef int i = 0
    while i < m.nxt.ntrack:
        dir[0] = has_tuple(&m.nxt.track[i], src, sport, dst, dport)
        if dir[0] < 0:
            i += 1
        elif track_expired(m, &m.nxt.track[i]):
            remove(m, i)
        else:
            return i
    return -1


# ---- the port that a source becomes

ctypedef struct Ports:
    int n
    uint16_t port[PORTS_AT_LEAST]


cdef void add_port(Ports* p, int port, int lo, int hi) noexcept nogil:
    """In rising order, so that the same choice is the same port whatever the order of sockets and segments."""
    cdef int i = p.n
    if port < lo or port > hi or p.n >= PORTS_AT_LEAST:
        return
    while i > 0 and p.port[i - 1] > port:
        i -= 1
    if i > 0 and p.port[i - 1] == port:
        return
    memmove(&p.port[i + 1], &p.port[i], (p.n - i) * sizeof(uint16_t))
    p.port[i] = <uint16_t>port
    p.n += 1


cdef void known_ports(Machine* m, int lo, int hi, Ports* p) noexcept nogil:
    """Ports that something in this state or in the spec speaks of: every other one is as good as its neighbour."""
    cdef const Sock* k
    cdef int i
    p.n = 0
    for i in range(m.nxt.ntrack):
        add_port(p, m.nxt.track[i].sport, lo, hi)
        add_port(p, m.nxt.track[i].dport, lo, hi)
        add_port(p, m.nxt.track[i].rsport, lo, hi)
        add_port(p, m.nxt.track[i].rdport, lo, hi)
    for i in range(SOCKS_MAX):
        k = &m.nxt.tcp.sock[i]
        if k.kind != SK_FREE:
            add_port(p, k.lport, lo, hi)
            add_port(p, k.rport, lo, hi)
    for i in range(m.nxt.nfly):
        add_port(p, m.nxt.fly[i].seg.sport, lo, hi)
        add_port(p, m.nxt.fly[i].seg.dport, lo, hi)
    for i in range(m.nxt.ngone):
        add_port(p, m.nxt.gone[i].lport, lo, hi)
        add_port(p, m.nxt.gone[i].rport, lo, hi)
    for i in range(m.t.router.nport):
        add_port(p, m.t.router.port[i], lo, hi)
    if p.n >= PORTS_AT_LEAST:
        m.truncated = 1


cdef void add_fresh(Ports* p, int lo, int hi) noexcept nogil:
    """One port for all those that mean nothing yet."""
    cdef int port, i, known, start = FRESH if lo <= FRESH <= hi else lo
    for port in range(start, hi + 1):
        known = 0
        for i in range(p.n):
            known |= p.port[i] == port
        if not known:
            add_port(p, port, lo, hi)
            return


cdef int is_taken(Machine* m, const Track* t, int src, int sport) noexcept nogil:
    """Would a reply to t, with this source, be a reply to another connection? (nf_nat_used_tuple)"""
    cdef int dir = 0
    return find(m, t.rsrc, t.rsport, src, sport, &dir) >= 0


cdef int takes_over(Machine* m, const Track* t, int src, int sport) noexcept nogil:
    """A connection that is over gives its port away if the new one's numbers are ahead of its own."""
    cdef int dir = 0, k = find(m, t.rsrc, t.rsport, src, sport, &dir)
    if k < 0:
        return 1
    return dir == REPLY and is_syn_sent(t) and m.nxt.track[k].state >= CT_TIME_WAIT and \
        m.nxt.track[k].rdst != m.nxt.track[k].src and \
        diff_in(&m.nxt.tcp.sym, t.seen[0].end, m.nxt.track[k].seen[0].end, 1, HALF - 1)


cdef void port_range(const NatRule* r, int sport, int* lo, int* hi) noexcept nogil:
    if r != NULL and r.lo:
        lo[0], hi[0] = r.lo, r.hi
    elif sport < LOW:
        lo[0], hi[0] = 1, LOW - 1
    elif sport < PRIVILEGED:
        lo[0], hi[0] = LOW_FIRST, PRIVILEGED - 1
    else:
        lo[0], hi[0] = PRIVILEGED, PORT_MAX


cdef int same_as_before(Machine* m, const Track* t, const NatRule* r, int src) noexcept nogil:
    """The port that the last connection from the same address and port has got (find_appropriate_src); 0: none, or it is
    taken. A connection whose time is over counts until it is collected: at any time."""
    cdef const Track* o
    cdef int i, port
    for i in range(m.nxt.ntrack - 1, -1, -1):
        o = &m.nxt.track[i]
        if o.src != t.src or o.sport != t.sport or o.rdst != src or r.lo and not r.lo <= o.rdport <= r.hi:
            continue
        if track_expired(m, o):
            if not outlives(m, i) or choose(m.ch, 2, CHOOSE_FATE):
                remove(m, i)
                continue
            track_end(&m.nxt.track[i])
        port = o.rdport
        return 0 if is_taken(m, t, src, port) else port
    return 0


cdef int any_port(Machine* m, const Track* t, const NatRule* r, int src) noexcept nogil:
    """nf_nat_l4proto_unique_tuple: a free port of the range, which one is drawn; -1: none is free."""
    cdef Ports p, free
    cdef int lo, hi, i, k, dir = 0, harder, to_be_had
    port_range(r, t.sport, &lo, &hi)
    harder = hi - lo < HARDER
    known_ports(m, lo, hi, &p)
    add_fresh(&p, lo, hi)
    free.n = 0
    for i in range(p.n):
        if harder:
            to_be_had = takes_over(m, t, src, p.port[i])
        else:
            to_be_had = is_taken(m, t, src, p.port[i]) == 0
        if to_be_had:
            add_port(&free, p.port[i], lo, hi)
    if m.ch.dead or free.n == 0:
        return -1
    i = free.port[choose(m.ch, free.n, CHOOSE_FATE)]
    k = find(m, t.rsrc, t.rsport, src, i, &dir)
    if k >= 0:
        remove(m, k)
    return i


cdef int choose_port(Machine* m, const Track* t, const NatRule* r, int src) noexcept nogil:
    """get_unique_tuple: the source port that t gets together with the address of src; -1: none can be had."""
    cdef int lo, hi, port
    port_range(r, t.sport, &lo, &hi)
    if r == NULL or not r.random:
        port = same_as_before(m, t, r, src) if r != NULL and src != t.src else 0
        if port:
            return port
        if lo <= t.sport <= hi and (r != NULL and r.lo and lo == hi or not is_taken(m, t, src, t.sport)):
            return t.sport
    return any_port(m, t, r, src)


# ---- rules

cdef const NatRule* rule_for(Machine* m, int chain, int src, int sport, int dst, int dport) noexcept nogil:
    cdef const NatRule* r
    cdef int i
    for i in range(m.t.router.nnat):
        r = &m.t.router.nat[i]
        if r.chain != chain or r.src >= 0 and r.src != src or r.dst >= 0 and r.dst != dst:
            continue
        if r.sport >= 0 and r.sport != sport or r.dport >= 0 and r.dport != dport:
            continue
        if r.target == NAT_ACCEPT:
            return NULL
        return r
    return NULL


cdef void set_destination(Machine* m, Track* t) noexcept nogil:
    """PREROUTING of a first segment: the reply will come from where it is sent to."""
    cdef const NatRule* r = rule_for(m, 0, t.src, t.sport, t.dst, t.dport)
    t.rsrc, t.rsport = t.dst, t.dport
    if r != NULL:
        t.rsrc = r.to
        if r.lo:
            t.rsport = r.lo


cdef int set_source(Machine* m, Track* t) noexcept nogil:
    """POSTROUTING of a first segment: the reply will go to what it seems to come from. 0: there is no such tuple left."""
    cdef const NatRule* r = rule_for(m, 1, t.src, t.sport, t.rsrc, t.rsport)
    cdef int src = t.src if r == NULL else r.to, dir = 0
    cdef int port = choose_port(m, t, r, src)
    if port < 0:
        return 0
    t.rdst, t.rdport = <uint8_t>src, <uint16_t>port
    return find(m, t.rsrc, t.rsport, src, port, &dir) < 0


cdef int passes(Machine* m, int chain, const Seg* s, int dst, int dport, int invalid) noexcept nogil:
    """The filter table sees the new destination and the old source."""
    cdef Seg seen = s[0]
    seen.dst, seen.dport = <uint8_t>dst, <uint16_t>dport
    return not blocked(m, m.t.router.host, chain, &seen, invalid)


# ---- segments

cdef int forward(Machine* m, Seg* s) noexcept nogil:
    """What came to the router. 1: it goes on as *s; 0: dropped; 2: it is for the router itself."""
    cdef Track t
    cdef int over = 0, dir = 0, k, verdict
    while True:
        k = find(m, s.src, s.sport, s.dst, s.dport, &dir)
        if k < 0:
            return begin(m, s)
        memcpy(&t, &m.nxt.track[k], sizeof(Track))
        verdict = track_segment(m, &t, s, dir, &over)
        if verdict != CT_REOPENED:
            break
        remove(m, k)
    if verdict == CT_INVALID:
        memcpy(&m.nxt.track[k], &t, sizeof(Track))
        return untouched(m, s)
    if over:
        remove(m, k)
    else:
        memcpy(&m.nxt.track[k], &t, sizeof(Track))
    return turned(m, &t, s, dir)


cdef int untouched(Machine* m, Seg* s) noexcept nogil:
    """INVALID: no part of any connection, so nothing is translated; for the rest it is routed as any other."""
    if s.dst == m.t.router.host:
        return 2 if passes(m, 0, s, s.dst, s.dport, 1) else 0
    return passes(m, 2, s, s.dst, s.dport, 1)


cdef int turned(Machine* m, const Track* t, Seg* s, int dir) noexcept nogil:
    """A segment of a known connection leaves as the other direction's tuple turned round."""
    cdef int src, sport, dst, dport
    if dir == ORIGINAL:
        src, sport, dst, dport = t.rdst, t.rdport, t.rsrc, t.rsport
    else:
        src, sport, dst, dport = t.dst, t.dport, t.src, t.sport
    if not passes(m, 2, s, dst, dport, 0):
        return 0
    s.src, s.sport, s.dst, s.dport = <uint8_t>src, <uint16_t>sport, <uint8_t>dst, <uint16_t>dport
    return 1


cdef int begin(Machine* m, Seg* s) noexcept nogil:
    """The first segment of a connection, or one of none. What is for the router itself leaves nothing behind: no port
    of it is open, and the RST that answers ends what was noted."""
    cdef Track t
    cdef int over = 0
    if not track_new(m, &t, s):
        return untouched(m, s)
    if track_segment(m, &t, s, ORIGINAL, &over) != CT_ACCEPTED:
        return untouched(m, s)
    t.src, t.sport, t.dst, t.dport = s.src, s.sport, s.dst, s.dport
    set_destination(m, &t)
    if t.rsrc == m.t.router.host:
        return 2 if passes(m, 0, s, t.rsrc, t.rsport, 0) else 0
    if not passes(m, 2, s, t.rsrc, t.rsport, 0) or not set_source(m, &t):
        return 0
    if m.nxt.ntrack >= TRACKS_MAX:
        m.truncated = 1
        return 0
    memcpy(&m.nxt.track[m.nxt.ntrack], &t, sizeof(Track))
    m.nxt.ntrack += 1
    s.src, s.sport, s.dst, s.dport = t.rdst, t.rdport, t.rsrc, t.rsport
    return 1
