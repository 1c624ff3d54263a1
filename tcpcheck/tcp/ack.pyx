"""The ACK field: what is acknowledged, the send window, ts_recent (tcp_ack)."""
cimport cython
from libc.stdint cimport int32_t, int64_t
from tcpcheck.sym.choice cimport CHOOSE_FATE, choose
from tcpcheck.sym.number cimport diff_in, diff_known, num_add, seq_after, seq_before, seq_eq
from tcpcheck.tcp.checks cimport keep_timestamp, paws_fails, seg_length
from tcpcheck.tcp.keepalive cimport heard_ack
from tcpcheck.tcp.rules cimport R_ACK_ADVANCES, R_ACK_INSIDE_SEGMENT, R_ACK_NOTHING_NEW, R_ACK_OLD_TOLERATED
from tcpcheck.tcp.sockets cimport config_of, in_flight, rule
from tcpcheck.tcp.rto cimport full_payload, persist_acked, probe_acked, send_progress
from tcpcheck.tcp.types cimport TLP_ANSWERED, TLP_NONE, Config, Seg, Sock, Stack

cdef enum:
    BYTES_ACKED_MAX = 1 << 30
    BRANCHES_MAX = 8        # so many places are tried each


cdef int process_ack(Stack* t, int sock, const Seg* g, int tell_apart) noexcept nogil:
    """Takes SEG.ACK when it is acceptable, and says what it was.

    RFC 5961 5.2 tolerates an ACK as old as the largest window ever offered; newer kernels not older than what the
    peer has really acknowledged (cfg.ack_bytes_acked). tell_apart 0: the caller answers too old and too new alike.
    """
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    cdef int32_t flight = in_flight(t, sock)
    cdef int32_t tolerated = k.max_window
    if diff_in(&t.sym, g.ack, k.snd_una, 0, <int64_t>flight + 1):
        _take(t, sock, g, flight)
        return ACK_OK
    if cfg.rfc793_ack:
        if seq_before(&t.sym, g.ack, k.snd_una):
            rule(t, sock, R_ACK_OLD_TOLERATED)
            return ACK_OLD
        return ACK_FUTURE
    if cfg.ack_bytes_acked and k.bytes_acked < tolerated:
        tolerated = k.bytes_acked
    if tolerated > 0 and diff_in(&t.sym, g.ack, k.snd_una, -tolerated, tolerated):
        rule(t, sock, R_ACK_OLD_TOLERATED)
        return ACK_OLD
    if not tell_apart:
        return ACK_UNACCEPTABLE
    return ACK_TOO_OLD if seq_before(&t.sym, g.ack, k.snd_una) else ACK_FUTURE


cdef void _take(Stack* t, int sock, const Seg* g, int32_t flight) noexcept nogil:
    """SND.UNA <= SEG.ACK <= SND.NXT: in the kernel's order ts_recent, window, SND.UNA, timers."""
    cdef Sock* k = &t.sock[sock]
    cdef int32_t n = _newly_acked(t, k, g, flight)
    cdef int inside = n > 0 and n < flight and _inside_segment(t, k, n, flight)
    cdef int plain = n == 0 and k.tlp_done != TLP_NONE and seg_length(g) == 0 and not window_news(t, k, g)
    rule(t, sock, R_ACK_INSIDE_SEGMENT if inside else R_ACK_ADVANCES if n else R_ACK_NOTHING_NEW)
    _update_timestamp(t, sock, g)
    _update_window(t, k, g, n != 0)
    heard_ack(t, sock, g, n > 0)
    if n:
        k.snd_una = num_add(k.snd_una, n)
        k.bytes_acked = k.bytes_acked + n if k.bytes_acked < BYTES_ACKED_MAX - n else BYTES_ACKED_MAX
        if inside:                      # no segment is done with: no sample, and the timer goes on
            k.una_inside = k.una_inside or k.retries > 0
            k.retries = 0
            probe_acked(t, sock, 1, 0, g.dsack)
        else:
            send_progress(t, sock, g)
    elif k.tlp_done == TLP_ANSWERED:
        probe_acked(t, sock, 0, plain, g.dsack)
    if n == 0 and flight == 0:
        persist_acked(t, sock)


cdef int32_t _newly_acked(Stack* t, Sock* k, const Seg* g, int32_t flight) noexcept nogil:
    """SEG.ACK - SND.UNA. An ACK of unrelated numbers may be any of them."""
    cdef int64_t d
    cdef int32_t last
    if flight == 0:
        return 0
    if diff_known(&t.sym, g.ack, k.snd_una, &d):
        return <int32_t>d
    if seq_eq(&t.sym, g.ack, k.snd_nxt):
        return flight
    if seq_eq(&t.sym, g.ack, k.snd_una):
        return 0
    if k.fin_sent and flight > 1 and diff_in(&t.sym, g.ack, k.snd_nxt, -1, 1):
        return flight - 1
    last = flight - k.tail_len - k.fin_sent
    if last > 0 and diff_in(&t.sym, g.ack, k.snd_una, last, 1):
        return last
    if last > 1 and diff_in(&t.sym, g.ack, k.snd_una, 1, last - 1):
        return _inside(t, k, g, 1, last)
    return _inside(t, k, g, last + 1 if last > 0 else 1, flight)


cdef int32_t _inside(Stack* t, Sock* k, const Seg* g, int32_t first, int32_t end) noexcept nogil:
    """Somewhere in [first, end) and nothing lies there that could be told apart but by another unrelated ACK: a few
    places are tried each, of more the first stands for all."""
    cdef int32_t n
    if end - first <= BRANCHES_MAX:
        for n in range(first, end - 1):
            if diff_in(&t.sym, g.ack, k.snd_una, n, 1):
                return n
        return end - 1
    return first


@cython.cdivision(True)
cdef int _inside_segment(Stack* t, const Sock* k, int32_t n, int32_t flight) noexcept nogil:
    """Does an ACK of the first n numbers in flight complete no segment? Where the newest begins is known. Those before
    it are full ones but for the first, as a rule (Nagle, Minshall); should more be short, it may be either."""
    cdef int32_t newest = flight - k.fin_sent - k.tail_len
    cdef int32_t most = full_payload(k), first
    cdef int64_t d = 1
    if newest <= 0:
        return 1
    diff_known(&t.sym, k.snd_una, k.iss, &d)
    first = newest % most if most > 0 else 0
    if n >= newest or d == 0 or n == first:
        return 0
    if first == 0:
        return n < most
    return n < first and choose(t.sym.ch, 2, CHOOSE_FATE) == 0


cdef void _update_timestamp(Stack* t, int sock, const Seg* g) noexcept nogil:
    """RFC 7323 4.3 (2), with Last.ACK.sent = rcv_wup (tcp_replace_ts_recent)."""
    cdef Sock* k = &t.sock[sock]
    if k.ts_ok and g.has_ts and not seq_after(&t.sym, g.seq, k.rcv_wup) and not paws_fails(t, k, g, 0):
        keep_timestamp(t, k, g)


cdef int window_news(Stack* t, const Sock* k, const Seg* g) noexcept nogil:
    """RFC 9293 3.10.7.4: SND.WL1 < SEG.SEQ, or SND.WL1 = SEG.SEQ and the window has grown (or is shut, as newer
    kernels have it, too). SND.WL1 and RCV.NXT are of one base; a segment of unrelated numbers counts as new from RCV.NXT on."""
    cdef int64_t d, ahead = 0
    if not diff_known(&t.sym, g.seq, k.snd_wl1, &d):
        if g.wnd == k.snd_wnd or seq_before(&t.sym, g.seq, k.rcv_nxt):
            return 0
        diff_known(&t.sym, k.rcv_nxt, k.snd_wl1, &ahead)
        d = ahead if ahead > 0 else 0
    return d > 0 or (d == 0 and (g.wnd > k.snd_wnd or (g.wnd == 0 and t.cfg[k.host].zero_window_shuts)))


cdef void _update_window(Stack* t, Sock* k, const Seg* g, int advances) noexcept nogil:
    """tcp_ack_update_window. By a segment of unrelated numbers SND.WL1 becomes RCV.NXT, or one less."""
    cdef int64_t d
    if not advances and not window_news(t, k, g):
        return
    if diff_known(&t.sym, g.seq, k.rcv_nxt, &d):
        k.snd_wl1 = g.seq
    elif g.wnd != k.snd_wnd or k.snd_wl1.off != k.rcv_nxt.off:
        k.snd_wl1 = num_add(k.rcv_nxt, -1) if seq_before(&t.sym, g.seq, k.rcv_nxt) else k.rcv_nxt
    k.snd_wnd = g.wnd
    if g.wnd > k.max_window:
        k.max_window = g.wnd


cdef int all_acked(Stack* t, int sock) noexcept nogil:
    cdef Sock* k = &t.sock[sock]
    return k.fin_sent and k.unsent == 0 and in_flight(t, sock) == 0
