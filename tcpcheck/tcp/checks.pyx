"""Questions that several states ask of a segment.

Each is one comparison where the kernel needs two or three: a comparison that is not decided doubles the branches.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport (
    BASE_PAST, MODE_CONCRETE, MODE_RECORD, Num, clock_start, diff_in, diff_most, note_ticks, num_add, num_is_zero,
    num_read_at, seq_eq,
)
from tcpcheck.tcp.output cimport read_tsval
from tcpcheck.tcp.rto cimport elapsed
from tcpcheck.tcp.rules cimport R_PAWS_OUTDATED
from tcpcheck.tcp.sockets cimport config_of, rule
from tcpcheck.tcp.types cimport F_FIN, F_SYN, SK_REQUEST, TS_OUTDATED, TSECR_ALWAYS, TSECR_YOUNG, Config, Seg, Sock, Stack

cdef int64_t HALF = 1 << 31
cdef int64_t SECOND = 1000000000


cdef int32_t seg_length(const Seg* g) noexcept nogil:
    return g.len + (1 if g.flags & F_SYN else 0) + (1 if g.flags & F_FIN else 0)


cdef Num seg_end(const Seg* g) noexcept nogil:
    return num_add(g.seq, seg_length(g))


cdef int in_window(Stack* t, const Seg* g, Num left, int32_t wnd) noexcept nogil:
    """Does the segment touch [left, left + wnd]? The window of time-wait buckets and request sockets (tcp_in_window):
    empty segments may lie on the right edge, others must begin before it; a segment at `left` always fits."""
    cdef int32_t n = seg_length(g)
    if n == 0:
        return diff_in(&t.sym, g.seq, left, 0, <int64_t>wnd + 1)
    return diff_in(&t.sym, g.seq, left, 1 - n, <int64_t>(wnd if wnd > 0 else 1) + n - 1)


cdef int paws_fails(Stack* t, const Sock* k, const Seg* g, int slack) noexcept nogil:
    """Is SEG.TSval older than ts_recent by more than `slack` ticks (RFC 7323 5.3 R1; tcp_paws_check)?

    ts_recent 0 switches PAWS off, and so does one stored too long ago.
    """
    if not k.has_ts_recent or not diff_in(&t.sym, k.ts_recent, g.tsval, slack + 1, HALF - 1 - slack):
        return 0
    if num_is_zero(&t.sym, k.ts_recent):
        return 0
    if outdated(t, k):
        rule(t, <int>(k - &t.sock[0]), R_PAWS_OUTDATED)
        return 0
    return 1


cdef int outdated(Stack* t, const Sock* k) noexcept nogil:
    """Was ts_recent stored too long ago to be used (RFC 7323 5.5: 24 days; TCP_PAWS_WRAP: 2,147 s)? Linux counts whole
    seconds, of a clock that ticks. A request never lives so long."""
    cdef const Config* c = t.cfg[k.host]
    cdef int64_t blur = SECOND + c.jiffy_ns if c.linux_timers else 0
    if c.paws_idle_ns == 0 or k.kind == SK_REQUEST:
        return 0
    return k.has_ts_recent == TS_OUTDATED or elapsed(
        t, k.ts_stamp_clk, c.paws_idle_ns - blur, c.paws_idle_ns + (c.jiffy_ns if c.linux_timers else 0))


cdef void keep_timestamp(Stack* t, Sock* k, const Seg* g) noexcept nogil:
    """ts_recent = SEG.TSval (tcp_store_ts_recent). It is there (ts_recent_stamp) even when it is 0."""
    k.has_ts_recent = 1
    if t.cfg[k.host].paws_idle_ns and k.kind != SK_REQUEST:
        k.ts_stamp_clk = <uint8_t>clock_start(&t.sym)
    k.ts_recent = g.tsval
    k.ts_recent_at = g.tsval_at
    k.ts_recent_answer = g.answer
    k.ts_recent_inc = ECR_FORGED if g.forged else g.inc
    k.ts_recent_again = g.again


cdef int _echoes_synack(Stack* t, const Sock* k, const Seg* g, int own) noexcept nogil:
    """Is what a request is echoed no later than its latest SYN-ACK, in ticks? own: it is an ACK of the request's. The
    choice is made in any case: a run made once more with numbers has as many."""
    cdef int no_later = choose(t.sym.ch, 2, CHOOSE_FATE) == 0
    if t.sym.mode == MODE_CONCRETE:
        return diff_in(&t.sym, g.tsecr, k.syn_tsval, 0, <int64_t>k.synack_span + 1)
    if own and t.sym.mode == MODE_RECORD:
        note_ticks(
            &t.sym, k.ts_key, t.cfg[k.host].ts_tick_ns, g.tsecr_at, k.synack_at, 1 - HALF if no_later else 1, HALF)
    return no_later


cdef int _number_in_range(Stack* t, int sock, const Seg* g) noexcept nogil:
    """Where the latest SYN-ACK's TSval is not known, it is left open what lies between the first one's and now."""
    cdef const Sock* k = &t.sock[sock]
    cdef Num now, first = k.syn_tsval
    cdef Seg s
    if g.tsecr.base >= BASE_PAST and config_of(t, sock).tsecr_compared == TSECR_YOUNG:
        return 0                        # forgotten because it is before `first` (canon.pyx)
    now = num_read_at(&t.sym, read_tsval(t, sock, &s), 0)
    if not diff_in(&t.sym, g.tsecr, first, 0, diff_most(&t.sym, now, first) + 1) or \
            not diff_in(&t.sym, now, g.tsecr, 0, HALF):
        return 0
    return k.kind != SK_REQUEST or seq_eq(&t.sym, g.tsecr, first) or _echoes_synack(t, k, g, 0)


cdef int tsecr_in_range(Stack* t, int sock, const Seg* g) noexcept nogil:
    """Is SEG.TSecr between two TSvals of this connection (SYN-SENT; request sockets)? TSecr 0 is not looked at.

    The kernel compares numbers: [TSval of the first SYN, now], or [that of the first SYN-ACK, that of the latest]. This
    incarnation's own TSvals lie there, if nobody changes them, so that they are not compared; of an ACK of the request it
    is left open when it was sent, but where all numbers are known. Others may lie there: those of an older incarnation
    in the same tick, or after a boot, and made-up ones.
    """
    cdef const Sock* k = &t.sock[sock]
    cdef const Config* c = config_of(t, sock)
    if g.ecr_inc == 0:
        return 1
    if g.ecr_inc == k.inc and c.tsecr_compared != TSECR_ALWAYS:
        if not k.req_answered or not g.ecr_answer or _echoes_synack(t, k, g, 1):
            return 1
    elif c.tsecr_compared and _number_in_range(t, sock, g):
        return 1
    return not g.ecr_not_zero and num_is_zero(&t.sym, g.tsecr)
