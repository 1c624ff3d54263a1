"""Segment text and FIN: in order, out of order, old, beyond the window (tcp_data_queue, tcp_fin)."""
from libc.stdint cimport int32_t, int64_t, uint8_t
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport Num, diff_in, diff_known, num_add, seq_after, seq_before, seq_eq
from tcpcheck.tcp.checks cimport seg_end, seg_length
from tcpcheck.tcp.keepalive cimport heard_text
from tcpcheck.tcp.output cimport ack_compressed, ack_delayed, push_pending, send_ack, send_sack
from tcpcheck.tcp.rto cimport elapsed, enter_time_wait
from tcpcheck.tcp.rules cimport (
    R_ACK_QUICK, R_DATA_BEYOND_WINDOW, R_DATA_IN_ORDER, R_DATA_OLD, R_DATA_OUT_OF_ORDER, R_DATA_OUT_OF_ORDER_AGAIN,
    R_DATA_OVERLAP, R_DATA_ZERO_WINDOW, R_FIN_AGAIN, R_FIN_CLOSE_WAIT, R_FIN_CLOSING, R_FIN_TIME_WAIT, R_GAP_FILLED,
)
from tcpcheck.tcp.sockets cimport config_of, effect, receive_window, rule, set_state
from tcpcheck.tcp.types cimport (
    EF_ACCEPT, EF_SEND, F_ACK, F_FIN, OOO_MAX, SK_FULL, SLOT_DELACK, ST_CLOSE_WAIT, ST_CLOSING, ST_ESTABLISHED,
    ST_FIN_WAIT1, ST_FIN_WAIT2, ST_TIME_WAIT, TM_COMPRESSED, TM_DELACK, Seg, Sock, Stack, Timer,
)

cdef int64_t HALF = 1 << 31

cdef enum:
    QUICK_ACKS = 16         # TCP_MAX_QUICKACKS
    SMALL = 536             # TCP_MSS_DEFAULT
    PARTS_MAX = 16          # bytes of a forged block of which each may be the first that is new


cdef void came_twice(Sock* k, Num lo, Num hi) noexcept nogil:
    if k.sack_ok:
        k.dsack = 1
        k.dsack_lo = lo
        k.dsack_hi = hi


cdef void enter_quickack_mode(Sock* k) noexcept nogil:
    """tcp_enter_quickack_mode; from now on a delayed ACK waits 40 ms and no longer a jiffy."""
    k.quickack = QUICK_ACKS
    k.pingpong = 0
    k.got_data = 1


cdef void segment_text(Stack* t, int sock, const Seg* g, Owed* o) noexcept nogil:
    """The sequence test was passed; where exactly does the segment lie?"""
    cdef Sock* k = &t.sock[sock]
    cdef int32_t n = seg_length(g)
    cdef int32_t wnd
    cdef Num end = seg_end(g)
    if n == 0:
        return
    k.dsack = 0
    wnd = receive_window(t, sock)
    if seq_eq(&t.sym, g.seq, k.rcv_nxt):
        if wnd == 0 and g.len > 0:
            rule(t, sock, R_DATA_ZERO_WINDOW)
            _answer_quickly(k, o)
            return
        rule(t, sock, R_DATA_IN_ORDER)
        _accept(t, sock, g, n, o)
    elif diff_in(&t.sym, end, k.rcv_nxt, 1 - HALF, HALF):
        rule(t, sock, R_DATA_OLD)
        came_twice(k, g.seq, end)
        _answer_quickly(k, o)
    elif diff_in(&t.sym, g.seq, k.rcv_nxt, wnd, HALF):
        rule(t, sock, R_DATA_BEYOND_WINDOW)
        _answer_quickly(k, o)
    elif seq_before(&t.sym, g.seq, k.rcv_nxt):
        came_twice(k, g.seq, k.rcv_nxt)
        if wnd == 0:
            rule(t, sock, R_DATA_ZERO_WINDOW)
            _answer_quickly(k, o)
            return
        rule(t, sock, R_DATA_OVERLAP)
        _accept_overlapping(t, sock, g, n, o)
    else:
        _keep_out_of_order(t, sock, g, end, o)


cdef void _answer_quickly(Sock* k, Owed* o) noexcept nogil:
    enter_quickack_mode(k)
    o.kind = OWED_NOW


cdef void _accept_overlapping(Stack* t, int sock, const Seg* g, int32_t n, Owed* o) noexcept nogil:
    """SEG.SEQ < RCV.NXT < SEG.SEQ + SEG.LEN. Where the overlap is not known exactly (unrelated numbers), RCV.NXT
    continues in the segment's numbers: one byte overlaps at least, and the window is counted from there."""
    cdef Sock* k = &t.sock[sock]
    cdef int64_t d
    cdef int32_t wnd
    if diff_known(&t.sym, g.seq, k.rcv_nxt, &d):
        _accept(t, sock, g, n + <int32_t>d, o)
        return
    wnd = receive_window(t, sock)
    k.rcv_nxt = g.seq
    k.snd_wl1 = g.seq
    k.rcv_wup = num_add(g.seq, n)
    k.rcv_wnd = wnd - 1
    _accept(t, sock, g, n, o)


cdef void _accept(Stack* t, int sock, const Seg* g, int32_t n, Owed* o) noexcept nogil:
    """The last n of the segment's sequence numbers begin at RCV.NXT and are taken."""
    cdef Sock* k = &t.sock[sock]
    cdef int32_t fin = 1 if g.flags & F_FIN else 0
    _advance(t, sock, n, n - fin)
    if g.len > 0:
        heard_text(t, sock)
    if g.len > 0 and not k.got_data:
        k.got_data = 1                  # the first text, be it old (tcp_event_data_recv)
        if not k.fin_rcvd or k.state == ST_CLOSING:     # else: ping-pong mode since the FIN
            k.quickack = _quick_acks(k, g.len)
    if o.kind < OWED_ACK:
        o.kind = OWED_ACK
    if fin:
        _fin(t, sock, o)
    if t.sock[sock].kind == SK_FULL and k.nooo:
        _fill_gaps(t, sock, o)


cdef void _advance(Stack* t, int sock, int32_t n, int32_t nbytes) noexcept nogil:
    """RCV.NXT moves over n sequence numbers, nbytes of them text."""
    cdef Sock* k = &t.sock[sock]
    k.rcv_nxt = num_add(k.rcv_nxt, n)
    k.dup_acks = 0
    k.rcv_queued += nbytes
    effect(t, EF_ACCEPT, k.host, sock, nbytes)


cdef uint8_t _quick_acks(const Sock* k, int32_t size) noexcept nogil:
    """For half a window of segments of the size of the first (tcp_incr_quickack)."""
    cdef int32_t n = k.rcv_wnd // (2 * (size if size > SMALL else SMALL))
    return <uint8_t>(2 if n == 0 else n if n < QUICK_ACKS else QUICK_ACKS)


cdef void _fin(Stack* t, int sock, Owed* o) noexcept nogil:
    """The FIN is in order, RCV.NXT is past it (tcp_fin). What lies out of order behind it is dropped, after an ACK that
    the state itself asks for."""
    cdef Sock* k = &t.sock[sock]
    k.fin_rcvd = 1
    if k.state == ST_ESTABLISHED:
        rule(t, sock, R_FIN_CLOSE_WAIT)
        k.quickack = k.pingpong = 0     # interactive from here on: the ACK is delayed
        set_state(t, sock, ST_CLOSE_WAIT)
    elif k.state == ST_FIN_WAIT1:
        rule(t, sock, R_FIN_CLOSING)
        _ack_fin(t, sock, o)
        set_state(t, sock, ST_CLOSING)
    elif k.state == ST_FIN_WAIT2:
        rule(t, sock, R_FIN_TIME_WAIT)
        _ack_fin(t, sock, o)
        enter_time_wait(t, sock, ST_TIME_WAIT)
        return
    else:                               # CLOSE-WAIT, CLOSING, LAST-ACK: a second FIN, one further
        rule(t, sock, R_FIN_AGAIN)
    k.nooo = 0
    k.ooo_fin = 0
    k.dsack = 0                         # tcp_sack_reset


cdef void _ack_fin(Stack* t, int sock, Owed* o) noexcept nogil:
    send_ack(t, sock)
    o.kind = OWED_NOTHING


# ---- out of order ---------------------------------------------------------------------------------------------


cdef void _keep_out_of_order(Stack* t, int sock, const Seg* g, Num end, Owed* o) noexcept nogil:
    """Ahead of RCV.NXT: kept, sorted by place; blocks that touch are one (tcp_data_queue_ofo). What is behind a FIN is
    a block apart; text that covers a FIN's block takes its place, and the FIN is forgotten."""
    cdef Sock* k = &t.sock[sock]
    cdef Num lo = g.seq
    cdef Num hi = end
    cdef int fin = 1 if g.flags & F_FIN else 0
    cdef int i = 0, joined = 0
    cdef int j
    cdef int64_t d = 1
    while i < k.nooo and seq_after(&t.sym, lo, k.ooo_hi[i]):
        i += 1                          # wholly behind block i
    if i < k.nooo and not seq_before(&t.sym, lo, k.ooo_lo[i]):
        if not seq_after(&t.sym, hi, k.ooo_hi[i]):
            rule(t, sock, R_DATA_OUT_OF_ORDER_AGAIN)
            came_twice(k, lo, hi)
            o.kind = OWED_ACK
            _make_room(t, sock, 0)
            return
        joined = diff_known(&t.sym, lo, k.ooo_hi[i], &d) and d == 0     # then what it covers of others is not looked at
        if _ends_in_fin(k, i) and i == k.nooo - 1 and seq_eq(&t.sym, lo, k.ooo_hi[i]):
            fin = 1                     # joined to the newest block: its FIN moves to the end (tcp_ooo_try_coalesce)
        elif _ends_in_fin(k, i) and seq_after(&t.sym, lo, k.ooo_lo[i]):
            _overlap(t, k, lo, hi, k.ooo_lo[i], k.ooo_hi[i])
            lo = k.ooo_hi[i]
            i += 1
    j = i
    while j < k.nooo and not seq_before(&t.sym, hi, k.ooo_lo[j]):
        if not joined:
            _overlap(t, k, lo, hi, k.ooo_lo[j], k.ooo_hi[j])
        if fin and seq_after(&t.sym, k.ooo_hi[j], hi):
            k.ooo_lo[j] = hi
            break
        j += 1                          # blocks i..j-1 touch the segment
    if j == i and k.nooo == OOO_MAX:
        t.sym.ch.overflow = 1           # more holes than the model can hold
        return
    rule(t, sock, R_DATA_OUT_OF_ORDER)
    _make_room(t, sock, j == i)
    if j > i:
        if seq_before(&t.sym, k.ooo_lo[i], lo):
            lo = k.ooo_lo[i]
        if seq_after(&t.sym, k.ooo_hi[j - 1], hi):
            hi = k.ooo_hi[j - 1]
            fin = _ends_in_fin(k, j - 1)
    _replace_blocks(k, i, j, lo, hi, fin)
    if g.len > SMALL and not k.got_data and choose(t.sym.ch, 2, CHOOSE_FATE) == 0:
        k.got_data = 1                  # the window grew with it: that starts quick ACKs, and spends them (tcp_grow_window)
    effect(t, EF_ACCEPT, k.host, sock, g.len)
    o.kind = OWED_ACK
    o.newest = 1
    o.lo = lo
    o.hi = hi


cdef void _make_room(Stack* t, int sock, int is_new) noexcept nogil:
    """A held-back ACK goes before a third block enters the list of blocks to report, or leaves its third place, which
    is a matter of their order of arrival (tcp_sack_new_ofo_skb)."""
    cdef Sock* k = &t.sock[sock]
    if k.timer[<int>SLOT_DELACK].kind != TM_COMPRESSED:
        return
    if k.nooo >= 2 if is_new else k.nooo >= 3 and choose(t.sym.ch, 2, CHOOSE_FATE) == 0:
        send_ack(t, sock)


cdef int _ends_in_fin(const Sock* k, int i) noexcept nogil:
    return (k.ooo_fin >> i) & 1


cdef void _overlap(Stack* t, Sock* k, Num lo, Num hi, Num lo2, Num hi2) noexcept nogil:
    """The overlap of [lo, hi) and [lo2, hi2), if any, is reported by D-SACK. Only where the numbers are known: nothing
    but the option depends on it, so it is not worth a branch."""
    cdef int64_t d = 0
    if k.dsack:
        return
    if diff_known(&t.sym, lo2, lo, &d) and d > 0:
        lo = lo2
    if diff_known(&t.sym, hi, hi2, &d) and d > 0:
        hi = hi2
    if diff_known(&t.sym, hi, lo, &d) and d > 0:
        came_twice(k, lo, hi)


cdef void _replace_blocks(Sock* k, int i, int j, Num lo, Num hi, int fin) noexcept nogil:
    """Blocks i..j-1 become the one block [lo, hi)."""
    cdef int shift = 1 - (j - i)
    cdef int n
    k.ooo_fin = <uint8_t>(k.ooo_fin & ((1 << i) - 1) | fin << i | k.ooo_fin >> j << (i + 1))
    if shift > 0:
        n = k.nooo
        while n > i:
            k.ooo_lo[n] = k.ooo_lo[n - 1]
            k.ooo_hi[n] = k.ooo_hi[n - 1]
            n -= 1
    elif shift < 0:
        for n in range(j, k.nooo):
            k.ooo_lo[n + shift] = k.ooo_lo[n]
            k.ooo_hi[n + shift] = k.ooo_hi[n]
    k.ooo_lo[i] = lo
    k.ooo_hi[i] = hi
    k.nooo = k.nooo + shift


cdef void _fill_gaps(Stack* t, int sock, Owed* o) noexcept nogil:
    """RCV.NXT has moved: blocks that it reaches are in order now (tcp_ofo_queue)."""
    cdef Sock* k = &t.sock[sock]
    cdef int32_t n, fin
    while k.nooo and not seq_after(&t.sym, k.ooo_lo[0], k.rcv_nxt):
        _overlap(t, k, k.ooo_lo[0], k.rcv_nxt, k.ooo_lo[0], k.ooo_hi[0])
        fin = _ends_in_fin(k, 0)
        if seq_after(&t.sym, k.ooo_hi[0], k.rcv_nxt):
            n = _beyond(t, k)
            if n == 0:
                return
            rule(t, sock, R_GAP_FILLED)
            if fin:                     # the ACK of the FIN still reports its block
                _overlap(t, k, k.ooo_lo[0], k.ooo_hi[0], k.ooo_lo[0], k.ooo_hi[0])
            _drop_first_block(k)
            _advance(t, sock, n, n - fin)
            if fin:
                _fin(t, sock, o)
                if k.kind != SK_FULL:
                    return
        else:
            _drop_first_block(k)
    if k.nooo == 0 and o.kind == OWED_ACK:
        o.kind = OWED_NOW               # RFC 5681 4.2


cdef int32_t _beyond(Stack* t, const Sock* k) noexcept nogil:
    """How far the first block, which begins at RCV.NXT or before, reaches beyond it. Of a forged block any part may be
    left: where it is small each is tried, else it cannot be told (0)."""
    cdef int64_t d, size
    cdef int32_t n
    if diff_known(&t.sym, k.ooo_hi[0], k.rcv_nxt, &d):
        return <int32_t>d
    if not diff_known(&t.sym, k.ooo_hi[0], k.ooo_lo[0], &size) or size > PARTS_MAX:
        t.sym.ch.overflow = 1
        return 0
    for n in range(1, <int32_t>size):
        if diff_in(&t.sym, k.ooo_hi[0], k.rcv_nxt, n, 1):
            return n
    return <int32_t>size


cdef void _drop_first_block(Sock* k) noexcept nogil:
    cdef int n
    for n in range(1, k.nooo):
        k.ooo_lo[n - 1] = k.ooo_lo[n]
        k.ooo_hi[n - 1] = k.ooo_hi[n]
    k.nooo -= 1
    k.ooo_fin >>= 1


# ---- what goes out at the end ---------------------------------------------------------------------------------


cdef void send_what_is_due(Stack* t, int sock, const Owed* o) noexcept nogil:
    """Pending text goes first and carries the ACK; else the ACK goes alone, at once or later."""
    cdef Sock* k = &t.sock[sock]
    cdef int first = t.fx.n
    if k.kind != SK_FULL:
        return
    push_pending(t, sock)
    if k.kind != SK_FULL or _acknowledged_since(t, sock, first):
        return
    if o.kind == OWED_NOTHING:
        if k.ack_pending and not o.quiet and _nearly_due(t, sock):
            rule(t, sock, R_ACK_QUICK)
            send_ack(t, sock)
        return
    if o.kind != OWED_NOW and (ack_compressed(t, sock) if k.nooo else ack_delayed(t, sock)):
        return
    if o.newest:
        send_sack(t, sock, o.lo, o.hi)
    else:
        send_ack(t, sock)


cdef int _nearly_due(Stack* t, int sock) noexcept nogil:
    """An ACK is delayed, and the next segment owes none: the ACK goes now if its timer has a quarter of its jiffies left
    at most (tcp_send_delayed_ack). Before any text that time is nil."""
    cdef Sock* k = &t.sock[sock]
    cdef Timer* m = &k.timer[<int>SLOT_DELACK]
    cdef int64_t jiffy = config_of(t, sock).jiffy_ns
    cdef int64_t due = m.lo - (m.lo // jiffy >> 2) * jiffy
    if not config_of(t, sock).linux_timers or m.kind != TM_DELACK:
        return 0
    return not k.got_data or elapsed(t, m.clk, due - jiffy, due)


cdef int _acknowledged_since(Stack* t, int sock, int first) noexcept nogil:
    cdef int i
    for i in range(first, t.fx.n):
        if t.fx.e[i].kind == EF_SEND and t.fx.e[i].sock == sock and t.fx.e[i].seg.flags & F_ACK:
            return 1
    return 0
