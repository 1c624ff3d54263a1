"""Connection tracking of TCP as a Linux router does it (net/netfilter/nf_conntrack_proto_tcp.c of 6.18.44).

Windows are in bytes here, scaled already, as in every Seg; so the router's own notion of the scale is not kept.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset

from tcpcheck.model.layout cimport *
from tcpcheck.sym.number cimport (
    Num, Sym, clock_start, diff_in, diff_known, num_add, num_const, seq_after, seq_before, seq_eq,
)
from tcpcheck.tcp.rto cimport elapsed
from tcpcheck.tcp.types cimport F_ACK, F_FIN, F_RST, F_SYN, Seg

cdef enum:                      # Seen.flags
    SEEN_WSCALE = 1
    SEEN_SACK = 2
    SEEN_LIBERAL = 4
    SEEN_UNACKED = 8            # something it sent waits for an ACK
    SEEN_MAXACK = 16
    SEEN_CLOSED = 32            # it was the first to send FIN

cdef enum:                      # Track.last_flags: options of a SYN that was let through, and
    LAST_CHALLENGE = 64         # ... an ACK that answers it is no ACK of the FIN
    LAST_SIMULTANEOUS = 128

cdef enum Index:                # what a segment counts as
    IX_SYN = 0
    IX_SYNACK = 1
    IX_FIN = 2
    IX_ACK = 3
    IX_RST = 4
    IX_NONE = 5

cdef enum Next:                 # beside the states
    NEXT_IGNORE = 32
    NEXT_INVALID = 33

cdef enum Window:
    WIN_ACCEPT = 0
    WIN_IGNORE = 1              # passes, and changes nothing
    WIN_INVALID = 2

cdef int64_t SECOND = 1000000000
cdef int32_t ACK_BACK = 66000   # an ACK may be this much behind, or the greatest window


cdef int index_of(const Seg* s) noexcept nogil:
    """IX_NONE too for combinations of flags that are never valid."""
    cdef int f = s.flags & (F_SYN | F_FIN | F_RST | F_ACK)
    if f == F_SYN:
        return IX_SYN
    if f == F_SYN | F_ACK:
        return IX_SYNACK
    if f == F_FIN | F_ACK:
        return IX_FIN
    if f == F_ACK:
        return IX_ACK
    return IX_RST if f == F_RST or f == F_RST | F_ACK else IX_NONE


cdef int next_state(int dir, int index, int state) noexcept nogil:
    """The table of transitions: a state, NEXT_IGNORE or NEXT_INVALID."""
    if index == IX_RST:
        return NEXT_INVALID if state == CT_NONE else CT_CLOSE
    if index == IX_FIN:
        if state == CT_SYN_RECV or state == CT_ESTABLISHED:
            return CT_FIN_WAIT
        if state == CT_FIN_WAIT or state == CT_CLOSE_WAIT or state == CT_LAST_ACK:
            return CT_LAST_ACK
        return state if state == CT_TIME_WAIT or state == CT_CLOSE else NEXT_INVALID
    if index == IX_ACK:
        if state == CT_FIN_WAIT or state == CT_CLOSE_WAIT:
            return CT_CLOSE_WAIT
        if state == CT_LAST_ACK or state == CT_TIME_WAIT:
            return CT_TIME_WAIT
        if state == CT_ESTABLISHED or state == CT_CLOSE:
            return state
        if dir == 0:
            return CT_ESTABLISHED if state == CT_NONE or state == CT_SYN_RECV else NEXT_INVALID
        return CT_SYN_RECV if state == CT_SYN_RECV else NEXT_INVALID if state == CT_NONE else NEXT_IGNORE
    if index == IX_SYN:
        if dir == 0:
            if state == CT_SYN_SENT2:
                return state
            return CT_SYN_SENT if state <= CT_SYN_SENT or state >= CT_TIME_WAIT else NEXT_IGNORE
        if state == CT_SYN_SENT or state == CT_SYN_SENT2:
            return CT_SYN_SENT2
        return CT_SYN_SENT if state == CT_TIME_WAIT else NEXT_INVALID
    if index == IX_SYNACK:
        if dir == 0:
            return CT_SYN_RECV if state == CT_SYN_RECV or state == CT_SYN_SENT2 else NEXT_INVALID
        if state == CT_SYN_SENT or state == CT_SYN_SENT2:
            return CT_SYN_RECV
        return NEXT_INVALID if state == CT_NONE else NEXT_IGNORE
    return NEXT_INVALID


cdef Num end_of(const Seg* s) noexcept nogil:
    return num_add(s.seq, s.len + ((s.flags & F_SYN) != 0) + ((s.flags & F_FIN) != 0))


cdef uint8_t offered(const Seg* s) noexcept nogil:
    """The options of a SYN that are kept."""
    return (SEEN_WSCALE if s.scale_ok else 0) | (SEEN_SACK if s.sack_ok else 0)


cdef void take_options(Seen* x, const Seg* s) noexcept nogil:
    x.flags = (x.flags & SEEN_LIBERAL) | offered(s)


cdef void begin_sender(Seen* x, const Seg* s, Num end) noexcept nogil:
    """tcp_init_sender."""
    x.end = x.maxend = end
    x.maxwin = s.wnd if s.wnd > 0 else 1
    take_options(x, s)


# ---- lifetime

cdef int track_expired(Machine* m, const Track* t) noexcept nogil:
    """Timeouts are whole jiffies; nothing happens when one runs out, but the next look finds nothing."""
    if track_is_over(t):
        return 1
    return elapsed(&m.nxt.tcp, t.clk, t.lo - m.nxt.tcp.cfg[m.t.router.host].jiffy_ns, t.hi)


cdef int track_is_over(const Track* t) noexcept nogil:
    """Its time is over for sure: only its mapping is left."""
    return t.lo < 0


cdef void track_end(Track* t) noexcept nogil:
    cdef Track old = t[0]
    memset(t, 0, sizeof(Track))
    t.src, t.sport, t.dst, t.dport = old.src, old.sport, old.dst, old.dport
    t.rsrc, t.rsport, t.rdst, t.rdport = old.rsrc, old.rsport, old.rdst, old.rdport
    t.clk = old.clk
    t.lo, t.hi = -1, old.hi


cdef void refresh(Machine* m, Track* t, int64_t lo, int64_t hi) noexcept nogil:
    t.lo, t.hi = lo, hi
    t.clk = <uint8_t>clock_start(&m.nxt.tcp.sym)


cdef int is_syn_sent(const Track* t) noexcept nogil:
    return t.state == CT_SYN_SENT


# ---- new connections

cdef int track_new(Machine* m, Track* t, const Seg* s) noexcept nogil:
    """tcp_new: *t with the tuples unset. A SYN begins a connection; an ACK is taken for a part of one that was missed."""
    cdef int index = index_of(s)
    memset(t, 0, sizeof(Track))
    if index != IX_SYN and (index != IX_ACK or not m.t.router.loose):
        return 0
    begin_sender(&t.seen[0], s, end_of(s))
    if index == IX_ACK:
        t.seen[0].maxend = num_add(t.seen[0].end, t.seen[0].maxwin)
        t.seen[0].flags = t.seen[1].flags = SEEN_SACK | SEEN_LIBERAL
    t.last_index = IX_NONE
    t.zero_win = 1
    return 1


# ---- numbers

cdef int is_zero(Sym* y, Num x) noexcept nogil:
    return seq_eq(y, x, num_const(0))


cdef int32_t distance(Machine* m, Num a, Num b) noexcept nogil:
    """a - b, of numbers that lie near each other; where nobody knows, that is confessed."""
    cdef int64_t d = 0
    if not diff_known(&m.nxt.tcp.sym, a, b, &d):
        m.truncated = 1
    return <int32_t>d


cdef int excused(Machine* m, const Seen* x, int verdict) noexcept nogil:
    return WIN_ACCEPT if x.flags & SEEN_LIBERAL or m.t.router.liberal else verdict


cdef int above(Machine* m, Track* t, int dir, Num end, Num sack) noexcept nogil:
    """Its first number is beyond what the sender may send: if the rest fits, so much is let through all the same."""
    cdef Sym* y = &m.nxt.tcp.sym
    cdef Seen* x = &t.seen[dir]
    cdef const Seen* r = &t.seen[1 - dir]
    if r.maxwin and seq_after(y, end, num_add(x.end, -<int64_t>r.maxwin - 1)) and \
            seq_after(y, sack, num_add(r.end, -<int64_t>back(x) - 1)) and \
            diff_in(y, num_add(end, 1), x.maxend, 0, <int64_t>r.maxwin + 1) and seq_before(y, sack, num_add(r.end, 1)):
        x.end = end
        x.flags |= SEEN_UNACKED
        return excused(m, x, WIN_IGNORE)
    return excused(m, x, WIN_INVALID)


cdef int32_t back(const Seen* x) noexcept nogil:
    return x.maxwin if x.maxwin > ACK_BACK else ACK_BACK


cdef int in_window(Machine* m, Track* t, const Seg* s, int dir, int index) noexcept nogil:
    """tcp_in_window. What is excused as liberal counts as accepted, and changes nothing here."""
    cdef Sym* y = &m.nxt.tcp.sym
    cdef Seen* x = &t.seen[dir]
    cdef Seen* r = &t.seen[1 - dir]
    cdef Num seq = s.seq, end = end_of(s), ack = s.ack, sack = s.ack
    if s.has_sack and r.flags & SEEN_SACK and seq_after(y, s.sack_hi, ack):
        sack = s.sack_hi
    if x.maxwin == 0:
        if s.flags & F_SYN:
            begin_sender(x, s, end)
            if not s.flags & F_ACK:
                return WIN_ACCEPT
        else:
            begin_midway(m, t, s, dir, end, sack)
    elif s.flags & F_SYN and (t.state == CT_SYN_SENT or t.state == CT_SYN_RECV) and seq_after(y, end, x.end):
        begin_sender(x, s, end)
        if dir == 1 and not s.flags & F_ACK:
            return WIN_ACCEPT
    if not s.flags & F_ACK or (s.flags & F_RST and is_zero(y, ack)):
        ack = sack = r.end
    if s.flags & F_RST and t.state == CT_SYN_SENT and is_zero(y, seq):
        seq = end = x.end
    if not seq_before(y, seq, num_add(x.maxend, 1)):
        return above(m, t, dir, end, sack)
    if not seq_before(y, sack, num_add(r.end, 1)):
        return excused(m, x, WIN_INVALID)
    if r.maxwin and not seq_after(y, end, num_add(x.end, -<int64_t>r.maxwin - 1)):
        return excused(m, x, WIN_IGNORE)
    if not seq_after(y, sack, num_add(r.end, -<int64_t>back(x) - 1)):
        return excused(m, x, WIN_IGNORE)
    note_numbers(m, t, s, dir, end, ack, sack)
    if index == IX_ACK:
        note_repeat(m, t, s, dir)
    return WIN_ACCEPT


cdef void begin_midway(Machine* m, Track* t, const Seg* s, int dir, Num end, Num sack) noexcept nogil:
    """The first segment of a sender that the router sees in the middle of a connection."""
    cdef Seen* x = &t.seen[dir]
    cdef Seen* r = &t.seen[1 - dir]
    x.end = end
    x.maxwin = s.wnd if s.wnd > 0 else 1
    x.maxend = num_add(end, x.maxwin)
    if r.maxwin == 0:
        r.end = r.maxend = sack
    elif seq_eq(&m.nxt.tcp.sym, sack, num_add(r.end, 1)):
        r.end = num_add(r.end, 1)


cdef void note_numbers(Machine* m, Track* t, const Seg* s, int dir, Num end, Num ack, Num sack) noexcept nogil:
    """A segment in the window moves the edges of both sides."""
    cdef Sym* y = &m.nxt.tcp.sym
    cdef Seen* x = &t.seen[dir]
    cdef Seen* r = &t.seen[1 - dir]
    cdef int32_t wide = s.wnd + (distance(m, sack, ack) if s.has_sack else 0)
    if x.maxwin < wide:
        x.maxwin = wide
    if seq_after(y, end, x.end):
        x.end = end
        x.flags |= SEEN_UNACKED
        t.repeats = 0
    if s.flags & F_ACK and (not x.flags & SEEN_MAXACK or seq_after(y, ack, x.maxack)):
        x.maxack = ack
        x.flags |= SEEN_MAXACK
    if r.maxwin and seq_after(y, end, x.maxend):
        r.maxwin += distance(m, end, x.maxend)
    if seq_after(y, num_add(sack, s.wnd), num_add(r.maxend, -1)):
        r.maxend = num_add(sack, s.wnd if s.wnd else 1)
    if r.flags & SEEN_UNACKED and seq_eq(y, ack, r.end):
        r.flags &= ~SEEN_UNACKED


cdef void note_repeat(Machine* m, Track* t, const Seg* s, int dir) noexcept nogil:
    """The kernel counts segments that are the same in all numbers; here all are counted that bring nothing new."""
    if t.last_dir != dir:
        t.repeats = 0
    elif t.repeats < m.t.router.max_retrans:
        t.repeats += 1
    t.zero_win = s.wnd == 0
    t.last_end = end_of(s)


# ---- a segment of a connection

cdef void note_ignored(Track* t, const Seg* s, int dir, int index) noexcept nogil:
    """It passes, but whether it is part of the connection the answer will tell."""
    cdef int challenged = t.state == CT_SYN_SENT and index == IX_ACK and dir == 1
    t.last_index, t.last_dir = <uint8_t>index, <uint8_t>dir
    t.last_end = end_of(s)
    t.last_win = s.wnd
    t.zero_win = s.wnd == 0
    if index == IX_SYN and dir == 0:
        t.last_flags = offered(s) | (LAST_CHALLENGE if t.state == CT_LAST_ACK else 0)
    if challenged:
        t.last_ack = s.ack


cdef int answers_ignored_syn(Machine* m, Track* t, const Seg* s, int dir, int index) noexcept nogil:
    return index == IX_SYNACK and t.last_index == IX_SYN and t.last_dir != dir and \
        seq_eq(&m.nxt.tcp.sym, s.ack, t.last_end)


cdef void in_step_again(Track* t, int dir) noexcept nogil:
    """A SYN-ACK acknowledges the SYN that was let through: the two ends are right, and the router was not."""
    cdef Seen* x = &t.seen[1 - dir]
    x.end = x.maxend = t.last_end
    x.maxwin = t.last_win if t.last_win else 1
    t.last_flags &= ~LAST_CHALLENGE
    x.flags = t.last_flags & (SEEN_WSCALE | SEEN_SACK)
    x = &t.seen[dir]
    x.flags &= SEEN_LIBERAL
    x.end = x.maxend = x.maxack = num_const(0)
    x.maxwin = 0


cdef int reset(Machine* m, Track* t, const Seg* s, int dir, int* state) noexcept nogil:
    """A RST: WIN_ACCEPT without a look at the window, WIN_INVALID, or WIN_IGNORE: the window tells. *state may stay."""
    cdef Sym* y = &m.nxt.tcp.sym
    cdef const Seen* r = &t.seen[1 - dir]
    cdef int established = t.state == CT_ESTABLISHED and t.assured
    if CT_FIN_WAIT <= t.state <= CT_CLOSE:
        return WIN_ACCEPT
    if r.flags & SEEN_MAXACK and t.last_index != IX_SYN:
        if not established and is_zero(y, s.seq):
            return WIN_IGNORE
        if not m.t.router.ignore_invalid_rst and seq_before(y, s.seq, r.maxack):
            return WIN_INVALID
        if not established or seq_eq(y, s.seq, r.maxack):
            return WIN_IGNORE
        if t.last_index == IX_ACK and t.last_dir == dir and seq_eq(y, s.seq, t.last_end):
            return WIN_IGNORE
        state[0] = t.state
    if (t.seen_reply and t.last_index == IX_SYN and t.last_dir != dir) or (not t.assured and t.last_index == IX_ACK):
        if seq_eq(y, s.ack if s.flags & F_ACK else num_const(0), t.last_end):
            return WIN_ACCEPT
    if t.state == CT_SYN_SENT and t.last_index == IX_ACK and t.last_dir == 1 and seq_eq(y, s.seq, t.last_ack):
        return WIN_ACCEPT
    return WIN_IGNORE


cdef int track_segment(Machine* m, Track* t, const Seg* s, int dir, int* over) noexcept nogil:
    """nf_conntrack_tcp_packet."""
    cdef int index = index_of(s), state, look = 1, found
    over[0] = 0
    if index == IX_NONE:
        return CT_INVALID
    state = next_state(dir, index, t.state)
    if state == NEXT_INVALID:
        return CT_INVALID
    if state == CT_SYN_SENT and t.state >= CT_TIME_WAIT:
        if (t.seen[0].flags | t.seen[1].flags) & SEEN_CLOSED or (t.last_dir == dir and t.last_index == IX_RST):
            return CT_REOPENED
        state = NEXT_IGNORE
    if state == NEXT_IGNORE:
        if not answers_ignored_syn(m, t, s, dir, index):
            note_ignored(t, s, dir, index)
            t.seen_reply |= dir == 1
            return CT_ACCEPTED
        in_step_again(t, dir)
        t.state = CT_SYN_SENT
        state = CT_SYN_RECV
    elif state == CT_TIME_WAIT and t.state == CT_LAST_ACK and index == IX_ACK and t.last_dir != dir and \
            t.last_index == IX_SYN and t.last_flags & LAST_CHALLENGE:
        t.last_flags &= ~LAST_CHALLENGE
        t.seen_reply |= dir == 1
        return CT_ACCEPTED
    elif state == CT_SYN_SENT2:
        t.last_flags |= LAST_SIMULTANEOUS
    elif state == CT_SYN_RECV and dir == 1 and index == IX_ACK and t.last_flags & LAST_SIMULTANEOUS:
        state = CT_ESTABLISHED
    elif index == IX_RST:
        found = reset(m, t, s, dir, &state)
        if found == WIN_INVALID:
            return CT_INVALID
        look = found != WIN_ACCEPT
    if look:
        found = in_window(m, t, s, dir, index)
        if found == WIN_INVALID:
            note_invalid(m, t, dir, index)
            return CT_INVALID
        if found == WIN_IGNORE:
            t.seen_reply |= dir == 1
            return CT_ACCEPTED
    settle(m, t, dir, index, state, over)
    t.seen_reply |= dir == 1
    return CT_ACCEPTED


cdef void note_invalid(Machine* m, Track* t, int dir, int index) noexcept nogil:
    """nf_tcp_handle_invalid: a FIN or RST out of the window and its answer let the connection be forgotten sooner."""
    cdef int64_t most = m.t.router.timeout[CT_UNACK]
    if not t.assured or (index != IX_RST and index != IX_FIN):
        return
    if t.last_dir != dir and (t.last_index == IX_FIN or t.last_index == IX_RST):
        if t.hi > most:                 # how much of it is left is not asked: sooner or later, both may be
            t.lo = most if most < t.lo else t.lo
    else:
        t.last_index, t.last_dir = <uint8_t>index, <uint8_t>dir


cdef void settle(Machine* m, Track* t, int dir, int index, int state, int* over) noexcept nogil:
    """What an accepted segment makes of the connection, and how long it is remembered."""
    cdef const int64_t* times = m.t.router.timeout
    cdef int before = t.state
    cdef int64_t lo = times[state], hi = times[state]
    t.last_index, t.last_dir = <uint8_t>index, <uint8_t>dir
    t.state = <uint8_t>state
    if before != state and state == CT_FIN_WAIT:
        t.seen[dir].flags |= SEEN_CLOSED
    if index == IX_RST:
        lo = hi = times[CT_CLOSE]
    elif (t.seen[0].flags | t.seen[1].flags) & SEEN_UNACKED and times[CT_UNACK] < hi:
        lo = hi = times[CT_UNACK]
    elif t.zero_win and times[CT_RETRANS] < hi:
        lo = hi = times[CT_RETRANS]
    if t.repeats >= m.t.router.max_retrans and times[CT_RETRANS] < times[state]:
        lo = times[CT_RETRANS] if times[CT_RETRANS] < lo else lo
        hi = times[CT_RETRANS] if times[CT_RETRANS] > hi else hi
    if not t.seen_reply:
        if index == IX_RST:
            over[0] = 1
            return
        if index == IX_SYN and before == CT_SYN_SENT:
            return                      # a SYN again: the first one's time counts
        if state == CT_ESTABLISHED and times[CT_UNACK] < hi:
            lo, hi = times[CT_UNACK] if times[CT_UNACK] < lo else lo, times[CT_UNACK]
    elif not t.assured and state == CT_ESTABLISHED and (before == CT_SYN_RECV or before == CT_ESTABLISHED):
        t.assured = 1
    refresh(m, t, lo, hi)
