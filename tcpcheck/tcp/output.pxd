# What a host sends (RFC 9293 3.10, "output processing"; the kernel's tcp_output.c).
from libc.stdint cimport int32_t, uint64_t
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.rto cimport enter_time_wait
from tcpcheck.tcp.types cimport Seg, Sock, Stack

# ---- numbers of a new connection
cdef Num choose_isn(Stack* t, int host, int peer, int lport, int rport) noexcept nogil      # the ISN clock, read now
cdef uint64_t timestamp_key(Stack* t, int host, int peer, int lport, int rport) noexcept nogil   # for Sock.ts_key
cdef int32_t first_window(int32_t rcv_buf, int32_t mss, int ts) noexcept nogil  # of a SYN: whole segments in 16 bits
cdef int32_t select_window(Stack* t, int sock) noexcept nogil               # window that an ACK would offer now

# ---- segments
cdef void build_segment(Stack* t, int sock, int flags, Seg* s) noexcept nogil
    # From sock: addresses, ports, inc, seq = snd_nxt, ack = rcv_nxt when F_ACK, window, timestamp option, inc fields.
cdef Num read_tsval(Stack* t, int sock, Seg* s) noexcept nogil
    # Fills has_ts, tsval, ts_now of s with this side's timestamp counter as it stands now.
    # ts_now 1 (search with related readings): tsval.base is the counter's constant, rd 0; whoever delivers the segment
    # replaces it by num_read_at(sym, tsval, clock of the segment's age). Else tsval is complete.
cdef int emit(Stack* t, int sock, int host, Seg* s) noexcept nogil
    # EF_SEND, then stack.output. 0; 1: the own firewall took it (-EPERM).

# ---- acknowledgements
cdef void send_ack(Stack* t, int sock) noexcept nogil                       # empty ACK; rcv_wup, window, delayed ACK settled
cdef void send_sack(Stack* t, int sock, Num lo, Num hi) noexcept nogil
    # Empty ACK that reports the out-of-order block [lo, hi), the newest, unless there is a duplicate to report.
cdef int ack_compressed(Stack* t, int sock) noexcept nogil
    # An ACK is owed while there are out-of-order blocks: 1: it waits for others; 0: the caller sends it now.
cdef int receive_queue_empty(const Sock* s) noexcept nogil
cdef int ack_delayed(Stack* t, int sock) noexcept nogil
    # An ACK is owed (__tcp_ack_snd_check): 1: the delayed-ACK timer sees to it; 0: the caller sends it now.
cdef int oow_rate_limited(Stack* t, int sock, const Seg* seg) noexcept nogil
    # tcp_oow_rate_limited: 1 = stay silent. seg NULL: no exemption for payload or FIN. Any kind of socket.
cdef void send_limited_ack(Stack* t, int sock, const Seg* seg) noexcept nogil   # ACK! (limited): ack unless oow_rate_limited
cdef int send_challenge_ack(Stack* t, int sock) noexcept nogil              # tcp_send_challenge_ack, both limiters; 1: sent

# ---- SYN
cdef void send_syn(Stack* t, int sock) noexcept nogil                       # SYN-SENT, first or again
cdef int send_synack(Stack* t, int sock, int nth) noexcept nogil            # request socket, or full socket in SYN-RECV; nth: Seg.again; 1: refused
cdef void send_cookie(Stack* t, int listener, const Seg* syn, Num iss) noexcept nogil   # SYN-ACK without a socket

# ---- RST
cdef void send_reset_for(Stack* t, int host, int sock, const Seg* seg) noexcept nogil
    # Answer to a segment (tcp_v4_send_reset): never to an RST; seg had ACK: seq=SEG.ACK without ACK, else seq 0 and
    # ack=SEG.SEQ+SEG.LEN. sock -1: none.
cdef void send_active_reset(Stack* t, int sock) noexcept nogil              # RST+ACK at snd_nxt (tcp_send_active_reset)

# ---- data and FIN
cdef void push_pending(Stack* t, int sock) noexcept nogil                   # unsent bytes and FIN, as snd_wnd allows; arms the timer
cdef int retransmit_head(Stack* t, int sock) noexcept nogil                 # the segment at snd_una; 1: refused by the own firewall

# ---- what the timers send
cdef int send_loss_probe(Stack* t, int sock) noexcept nogil                 # new data or the last segment again; 0: refused
cdef int send_window_probe(Stack* t, int sock) noexcept nogil               # tcp_write_wakeup; OutputFn's result
cdef int send_old_segment(Stack* t, int sock) noexcept nogil                # tcp_xmit_probe_skb; OutputFn's result
