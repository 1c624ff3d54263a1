"""SYN-SENT: first the ACK, then RST, then SYN."""
from libc.string cimport memset
from tcpcheck.sym.number cimport diff_in, num_add
from tcpcheck.tcp.ack cimport process_ack
from tcpcheck.tcp.checks cimport keep_timestamp, paws_fails, tsecr_in_range
from tcpcheck.tcp.keepalive cimport keepalive_starts
from tcpcheck.tcp.output cimport send_ack, send_reset_for, send_synack
from tcpcheck.tcp.rules cimport (
    R_SYNSENT_BAD_ACK_RST, R_SYNSENT_BAD_ACK_RST_IGNORED, R_SYNSENT_ESTABLISHED, R_SYNSENT_NO_FLAGS_IGNORED,
    R_SYNSENT_NO_SYN_IGNORED, R_SYNSENT_PAWS_IGNORED, R_SYNSENT_REFUSED, R_SYNSENT_RST_WITHOUT_ACK_IGNORED,
    R_SYNSENT_SIMULTANEOUS_OPEN, R_SYNSENT_SYN_RESENT_EARLY, R_SYNSENT_TSECR_RST, R_SYNSENT_TSECR_RST_IGNORED,
)
from tcpcheck.tcp.settings cimport tcp_sack, tcp_timestamps
from tcpcheck.tcp.sockets cimport arm_nominal, config_of, in_flight, reset_by_peer, rule, set_state
from tcpcheck.tcp.text cimport Owed, send_what_is_due
from tcpcheck.tcp.rto cimport rtt_after_handshake
from tcpcheck.tcp.types cimport (
    F_ACK, F_RST, F_SYN, SLOT_RETRANS, ST_ESTABLISHED, ST_SYN_RECV, TM_RTO, Config, Seg, Sock, Stack,
)


cdef void synsent_arrives(Stack* t, int sock, const Seg* g) noexcept nogil:
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    cdef int has_ts = g.has_ts and tcp_timestamps(cfg)
    if g.flags & F_ACK:
        if not diff_in(&t.sym, g.ack, k.snd_una, 1, in_flight(t, sock)):
            _bad_ack(t, sock, g)
        elif has_ts and not tsecr_in_range(t, sock, g):
            rule(t, sock, R_SYNSENT_TSECR_RST_IGNORED if g.flags & F_RST else R_SYNSENT_TSECR_RST)
            send_reset_for(t, k.host, sock, g)
        elif g.flags & F_RST:
            rule(t, sock, R_SYNSENT_REFUSED)
            reset_by_peer(t, sock)
        elif g.flags & F_SYN:
            _established(t, sock, g, has_ts)
        else:
            rule(t, sock, R_SYNSENT_NO_SYN_IGNORED)
    elif g.flags & F_RST:
        rule(t, sock, R_SYNSENT_RST_WITHOUT_ACK_IGNORED)
    elif has_ts and k.has_ts_recent and paws_fails(t, k, g, 0):
        rule(t, sock, R_SYNSENT_PAWS_IGNORED)   # ts_recent of the time-wait bucket that connect() took over
    elif g.flags & F_SYN:
        _simultaneous_open(t, sock, g, has_ts)
    else:
        rule(t, sock, R_SYNSENT_NO_FLAGS_IGNORED)


cdef void _bad_ack(Stack* t, int sock, const Seg* g) noexcept nogil:
    """SEG.ACK does not acknowledge our SYN: somebody holds an old connection. RST, and the SYN soon again, so that it
    meets what the RST left behind."""
    cdef Sock* k = &t.sock[sock]
    cdef const Config* cfg = config_of(t, sock)
    if cfg.syn_resent_early and k.retries == 0:
        rule(t, sock, R_SYNSENT_SYN_RESENT_EARLY)
        arm_nominal(t, sock, SLOT_RETRANS, TM_RTO, 2 * cfg.jiffy_ns)
    rule(t, sock, R_SYNSENT_BAD_ACK_RST_IGNORED if g.flags & F_RST else R_SYNSENT_BAD_ACK_RST)
    send_reset_for(t, k.host, sock, g)          # silent when the segment is an RST


cdef void _take_syn(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """What the peer's SYN tells: numbers and options. Its text and FIN are not looked at."""
    cdef Sock* k = &t.sock[sock]
    k.irs = g.seq
    k.rcv_nxt = num_add(g.seq, 1)
    k.rcv_wup = k.rcv_nxt
    k.snd_wl1 = g.seq
    k.ts_ok = has_ts
    if has_ts:
        keep_timestamp(t, k, g)
    else:
        k.has_ts_recent = 0
    k.sack_ok = g.sack_ok and tcp_sack(config_of(t, sock))
    if g.mss and g.mss < k.mss:
        k.mss = g.mss


cdef void _established(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    cdef Sock* k = &t.sock[sock]
    cdef int repeats = k.retries
    cdef Owed owed
    rule(t, sock, R_SYNSENT_ESTABLISHED)
    _take_syn(t, sock, g, has_ts)
    process_ack(t, sock, g, 0)
    k.snd_wl1 = g.seq
    k.snd_wnd = g.wnd
    if not g.scale_ok:                          # a SYN without ACK that crosses ours leaves it, as the kernel does
        k.rcv_wscale = 0
    set_state(t, sock, ST_ESTABLISHED)
    rtt_after_handshake(t, sock, repeats)
    keepalive_starts(t, sock)
    send_ack(t, sock)
    memset(&owed, 0, sizeof(Owed))
    send_what_is_due(t, sock, &owed)


cdef void _simultaneous_open(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil:
    """The SYNs cross (RFC 9293 3.5, figure 8). The timer of our SYN goes on."""
    cdef Sock* k = &t.sock[sock]
    rule(t, sock, R_SYNSENT_SIMULTANEOUS_OPEN)
    set_state(t, sock, ST_SYN_RECV)
    _take_syn(t, sock, g, has_ts)
    k.snd_wnd = g.wnd
    k.max_window = g.wnd
    send_synack(t, sock, 0)
