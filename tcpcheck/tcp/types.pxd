# The protocol's data: a segment, a socket, a stack. Field names follow RFC 9293 and the kernel.
# POD structs only: a state is copied with memcpy, and everything here is reached with nogil.
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from tcpcheck.sym.number cimport Num, Sym

cdef enum:
    SOCKS_MAX = 16
    HOSTS_MAX = 6
    OOO_MAX = 3             # out-of-order blocks kept by a receiver
    RULES_MAX = 48          # rules taken in one step
    EFFECTS_MAX = 48        # effects of one step

cdef enum Flags:            # header bits as on the wire
    F_FIN = 1
    F_SYN = 2
    F_RST = 4
    F_PSH = 8
    F_ACK = 16
    F_URG = 32

cdef enum State:            # RFC 9293 section 3.3.2, numbered as in the kernel's tcp_states.h where it has them
    ST_NONE = 0
    ST_ESTABLISHED = 1
    ST_SYN_SENT = 2
    ST_SYN_RECV = 3
    ST_FIN_WAIT1 = 4
    ST_FIN_WAIT2 = 5
    ST_TIME_WAIT = 6
    ST_CLOSED = 7
    ST_CLOSE_WAIT = 8
    ST_LAST_ACK = 9
    ST_LISTEN = 10
    ST_CLOSING = 11

cdef enum SockKind:
    SK_FREE = 0
    SK_LISTENER = 1
    SK_REQUEST = 2          # request socket: SYN received, no full socket yet (ss: SYN-RECV)
    SK_FULL = 3
    SK_BUCKET = 4           # time-wait bucket; state tells TIME-WAIT from orphaned FIN-WAIT-2
    SK_DEAD = 5             # full socket in CLOSED that a descriptor or an accept queue still holds

cdef enum TimerKind:
    TM_NONE = 0
    TM_RTO = 1              # retransmission of SYN, data or FIN
    TM_TLP = 2              # tail loss probe
    TM_PERSIST = 3          # zero-window probe; also what sits there after the own firewall refused a segment
    TM_SYNACK = 4           # request socket
    TM_TIMEWAIT = 5         # bucket
    TM_DELACK = 6
    TM_KEEPALIVE = 7        # SO_KEEPALIVE: the connection is idle; or an orphan in FIN-WAIT-2 that is still a full socket
    TM_COMPRESSED = 8       # duplicate ACKs held back, to be sent as one
    TM_KEEP_PROBE = 9       # a keepalive probe is out: when the next one is due

cdef enum TlpState:         # Sock.tlp_done
    TLP_NONE = 0
    TLP_AGAIN = 1           # the last segment was sent again
    TLP_NEW = 2             # new text was sent
    TLP_ANSWERED = 3        # acknowledged by the ACK of what was sent again: lost it may have been, or not

cdef enum TsRecent:         # Sock.has_ts_recent
    TS_OUTDATED = 2         # stored so long ago that PAWS does not use it

cdef enum:
    TSECR_NEVER = 0         # a connection is echoed only its own TSvals
    TSECR_YOUNG = 1         # an older incarnation's of the same clock: in range in the tick of the first SYN, if known at all
    TSECR_OTHERS = 2        # not the one that echoes the connection's own
    TSECR_ALWAYS = 3        # somebody changes TSvals on their way

cdef enum TimerSlot:
    SLOT_RETRANS = 0        # RTO, TLP, PERSIST, SYNACK, TIMEWAIT share one, as in the kernel
    SLOT_DELACK = 1         # DELACK, COMPRESSED: never both, as text out of order ends a delay
    SLOT_KEEPALIVE = 2

cdef enum:
    SLOTS = 3

cdef enum:
    AGAIN_PROBE = 255       # Seg.again: a tail loss probe

ctypedef struct Timer:      # armed when kind != TM_NONE; fires when the age of clk lies in [lo, hi] (ns)
    uint8_t kind
    uint8_t clk
    int64_t lo
    int64_t hi

ctypedef struct Seg:
    uint8_t src             # host index of the source address
    uint8_t dst
    uint16_t sport
    uint16_t dport
    uint8_t flags
    uint8_t has_ts
    uint8_t ts_now          # tsval is not yet read: it is the counter of tsval.base as it stands when the segment is sent
    uint8_t sack_ok         # SYN and SYN-ACK: the SACK-permitted option
    uint8_t scale_ok        # SYN and SYN-ACK: the window scale option
    uint8_t dsack           # an ACK that carries a DSACK block
    uint8_t has_sack        # an ACK that carries a SACK block [sack_lo, sack_hi)
    uint8_t forged          # injected: by which step of the spec, from 1
    uint8_t inc             # which incarnation of the 4-tuple sent it, from 1 (0: no connection, e.g. a reset from CLOSED)
    uint8_t ecr_inc         # incarnation whose TSval tsecr echoes; 0: none (tsecr 0)
    uint8_t ecr_not_zero    # tsecr is certainly not 0
    uint8_t again           # sent again: by which timeout, from 1, or AGAIN_PROBE; 0: not, or by nothing that RTOs follow from
    uint16_t mss            # SYN and SYN-ACK
    int32_t len             # payload bytes
    int32_t wnd             # receive window offered, in bytes (already scaled)
    uint8_t ecr_again       # `again` of the segment whose TSval tsecr echoes
    uint8_t answer          # an ACK that a request sent
    uint8_t ecr_answer      # `answer` of the segment whose TSval tsecr echoes
    uint8_t unused          # no gaps between fields: segments are hashed and compared as bytes
    uint16_t tsval_at       # the instant at which tsval was read; 0 in MODE_SEARCH
    uint16_t tsecr_at       # ... and that of the TSval which tsecr echoes
    uint32_t unused_too
    Num seq
    Num ack                 # valid when F_ACK
    Num tsval               # valid when has_ts
    Num tsecr
    Num sack_lo
    Num sack_hi

ctypedef struct Sock:
    # --- identity
    uint8_t kind            # SockKind
    uint8_t state           # State
    uint8_t host
    uint8_t peer            # host index of the remote address
    uint16_t lport
    uint16_t rport
    uint8_t inc             # incarnation of the 4-tuple, from 1
    int8_t parent           # slot of the listener while not yet accepted; -1
    uint8_t acceptable      # in the accept queue, waiting for accept()
    uint8_t accept_order    # position in that queue
    uint8_t fd              # 1: a descriptor is open; 0: orphan (or not yet accepted: see parent)
    uint8_t bound           # 1: the local port was bound explicitly
    # --- listener
    uint16_t backlog
    uint8_t defer_accept    # TCP_DEFER_ACCEPT as a number of SYN-ACK timeouts; 0: off
    # --- send side
    Num iss
    Num snd_una
    Num snd_nxt
    int32_t snd_wnd
    int32_t max_window
    Num snd_wl1             # SND.WL1: number of the segment that last updated the send window
    int32_t bytes_acked     # tcp_sock.bytes_acked, saturating: lower bound of an acceptable old ACK
    int32_t unsent          # bytes accepted from the app and not yet sent
    uint8_t fin_queued      # shutdown: FIN follows the unsent bytes
    uint8_t fin_sent
    int32_t tail_len        # payload bytes of the newest segment in flight (tail loss probe)
    uint8_t has_snd_sml     # a short segment is in flight, and ends at snd_sml (Nagle, Minshall)
    Num snd_sml
    uint8_t una_inside      # snd_una lies inside a segment that was sent again: loss recovery is not over
    # --- receive side
    Num irs
    Num rcv_nxt
    Num rcv_wup             # rcv_nxt when the last ACK was sent
    int32_t rcv_wnd         # window offered with the last ACK, from rcv_wup; what is left of it: receive_window()
    int32_t rcv_buf         # bytes the receive buffer holds
    int32_t rcv_queued      # bytes in order that recv() has not taken
    uint8_t fin_rcvd
    uint8_t eof_read
    uint8_t rd_shut         # shutdown(SHUT_RD): recv() gives what is queued, then end of file
    uint8_t nooo
    uint8_t ooo_fin         # bit i: out-of-order block i ends in a FIN
    uint8_t got_data        # bytes were ever received in order, or quick-ACK mode entered: icsk_ack.ato is known
    uint8_t quickack        # quick ACKs left
    uint8_t ack_pending     # an ACK is owed (delayed-ACK timer runs)
    uint8_t pingpong        # sent text since it got some: perhaps in ping-pong mode, which keeps quick ACKs back
    Num ooo_lo[OOO_MAX]
    Num ooo_hi[OOO_MAX]
    uint8_t dup_acks        # ACKs sent at once for text out of order since rcv_nxt moved, up to those that count
    uint8_t dsack           # the next segment sent reports [dsack_lo, dsack_hi) as received twice
    Num dsack_lo
    Num dsack_hi
    # --- options
    uint16_t mss
    uint8_t ts_ok           # timestamps negotiated
    uint8_t sack_ok
    uint8_t rcv_wscale      # shift of the windows this side offers; 0 too where the peer offered no scaling
    uint8_t has_ts_recent   # there is a ts_recent (the kernel: ts_recent_stamp is not 0); it may be 0 (TsRecent)
    uint8_t ts_linked       # the TS counter's readings are compared through the zone
    uint8_t ts_recent_inc   # incarnation whose TSval ts_recent is
    uint8_t ts_recent_again # `again` of the segment that brought it
    uint8_t ts_stamp_clk    # when ts_recent was stored (PAWS's idle limit, TIME-WAIT's rule for RST); 0: not kept
    uint8_t ts_recent_answer    # `answer` of the segment that brought it
    uint16_t ts_recent_at   # the instant of the TSval that ts_recent is; 0 in MODE_SEARCH
    Num ts_recent
    uint64_t ts_key         # the constant behind this side's TSvals
    Num syn_tsval           # TSval of the first SYN or SYN-ACK, where TSecr is compared with it
    # --- options of setsockopt(); 0: as the sysctl has it
    uint16_t keepidle_s, keepintvl_s
    int32_t user_timeout_ms
    uint8_t keepalive       # SO_KEEPALIVE
    uint8_t keepcnt
    uint8_t keep_probes     # keepalive probes since the peer's last ACK
    uint8_t heard_clk       # since the peer's last ACK or text in order; 0: not kept (Config.keeps_heard)
    # --- timers
    uint8_t retries         # icsk_retransmits: RTO firings since progress
    uint8_t backoff
    uint8_t tlp_done        # a tail loss probe is out (TlpState): there is no other
    Num tlp_high            # where what it asks about ends; while it is not acknowledged
    uint8_t rtx_clk         # age of the first RTO retransmission (give-up rule); 0: none
    uint8_t syn_clk         # age of the first SYN (SYN-SENT give-up); 0: none
    uint8_t oow_sent        # `time off`: a rate-limited reply was sent, at any time ago
    uint8_t oow_clk         # age of the last rate-limited reply; 0: long ago
    uint8_t tw_clk          # age of the bucket's substate TIME-WAIT (tcp_tw_reuse_delay); 0: not kept
    uint8_t rtt_known       # 0: before the handshake, RTO 1 s; 1: sampled by the handshake; 2: no sample, RTO 3 s; 3: sampled later
    uint8_t rtt_worst       # an RTT sample by timestamp echo may span this many retransmissions: it widens the RTO
    Timer timer[SLOTS]
    # --- errors and requests
    uint8_t so_error        # errno that the next call gets
    uint8_t req_acked       # request socket: a valid ACK came and the accept queue was full
    uint8_t req_answered    # request socket: an ACK was sent since the latest SYN-ACK; who echoes it is refused (Seg.answer)
    int32_t synack_span     # request socket in MODE_CONCRETE: TSval of the latest SYN-ACK, from syn_tsval
    uint8_t synack_acked_out  # request: the SYN-ACK was sent again for a repeated SYN (no RTT sample); listener: a cookie was sent
    int8_t binding          # index of the model's name binding; -1; TCP never reads it
    uint16_t synack_at      # the instant of a request's latest SYN-ACK; 0 in MODE_SEARCH
    uint32_t uid            # serial number for traces; 0 in MODE_SEARCH

# sysctls, profile flags and constants of one host, all as plain numbers; read-only while a step runs but for `read`.
ctypedef struct Config:
    uint32_t read                               # bits of the sysctls that were asked for (settings.pxd)
    # sysctls (net.ipv4.)
    int32_t tcp_timestamps, tcp_rfc1337, tcp_sack, tcp_tw_reuse, tcp_tw_reuse_delay_ms, tcp_fin_timeout_s
    int32_t tcp_tw_timeout_s                    # TIME-WAIT's length; 60 unless the profile has the sysctl
    int32_t tcp_orphan_retries, tcp_retries1, tcp_retries2, tcp_syn_retries, tcp_synack_retries, tcp_syn_linear_timeouts
    int32_t tcp_syncookies, tcp_max_syn_backlog, somaxconn, tcp_abort_on_overflow
    int32_t tcp_invalid_ratelimit_ms, tcp_challenge_ack_limit, tcp_early_retrans, tcp_max_tw_buckets, tcp_max_orphans
    int64_t rto_min_ns, rto_max_ns, rto_init_ns, jiffy_ns, ts_tick_ns, isn_tick_ns
    int32_t tcp_keepalive_time_s, tcp_keepalive_intvl_s, tcp_keepalive_probes
    int64_t paws_idle_ns                        # from that age on ts_recent is not used; 0: it never gets so old here
    int64_t tlp_min_ns                          # the least tail loss probe timeout
    int64_t timer_early_ns                      # by which a timer may fire before its time: a jiffy before 4.8
    int64_t rtt_syn_max_ns                      # longest round trip of a SYN or SYN-ACK: no delayed ACK in it
    int64_t rtt_max_ns                          # longest round trip the network of this spec allows; widens every RTO
    int32_t mss, rcv_buf
    int32_t rcv_wscale                          # window scale that SYNs offer, from tcp_rmem; none with a small rcv_buf
    uint8_t isn_linked                          # ISNs of one 4-tuple are related through the ISN clock (else: unrelated, coarser)
    uint8_t ts_linked                           # likewise TSvals
    uint8_t tsecr_compared                      # whose TSecr is compared as a number: TSECR_*
    uint8_t keeps_heard                         # the spec has keepalive or user timeouts: heard_clk is kept
    # profile flags: one for each behaviour that differs between kernels (tcp/profile.py says which and since when)
    uint8_t rfc5961                             # exact RST, challenge ACKs
    uint8_t oow_ratelimit                       # per-socket limiter (4.0)
    uint8_t rst_sack_edge                       # RST at the right SACK edge (4.8)
    uint8_t rst_after_fin                       # RST at rcv_nxt-1 after FIN (4.11)
    uint8_t bad_ack_challenged_always           # bad ACK is challenged and dropped in every synchronized state (4.13)
    uint8_t ack_bytes_acked                     # lower ACK bound uses bytes_acked (6.7 and back-ports)
    uint8_t future_ack_challenged               # ack > snd_nxt: challenge instead of silence
    uint8_t req_rst_challenged                  # request socket: in-window RST challenged
    uint8_t req_tsecr_checked                   # request socket: TSecr must echo a SYN-ACK (6.15)
    uint8_t paws_old_ack_silent                 # PAWS-old pure ACK below rcv_nxt: silence (6.14)
    uint8_t beyond_window_refused               # data beyond the window refused unless the receive queue is empty (6.17)
    uint8_t bare_fin_sticks_out                 # a bare FIN may stick out of the window by one
    uint8_t syn_resent_early                    # SYN again 2 jiffies after a bad ACK in SYN-SENT (5.7)
    uint8_t simopen_synack_accepted             # SYN-ACK in SYN-RECV of a simultaneous open is accepted (6.12)
    uint8_t syn_dropped_when_acceptq_full       # always (4.10), before only with more than one young request
    uint8_t syn_queue_past_backlog              # holds backlog + 1 requests, not backlog (6.13 and back-ports)
    uint8_t acks_compressed                     # duplicate ACKs after the third wait and are joined (4.18)
    uint8_t user_timeout_clamped                # TCP_USER_TIMEOUT is met to the tick: the last RTO is cut short (4.19)
    uint8_t zero_window_shuts                   # an ACK with window 0 shuts the window though it is no newer than the last update (6.6)
    uint8_t user_timeout_window_shut            # TCP_USER_TIMEOUT counts too when the window shut over text in flight (6.10)
    uint8_t memory_given_back                   # a socket with empty queues has no memory set aside: text is not predicted
    uint8_t tw_recycle                          # has tcp_tw_recycle (< 4.12)
    uint8_t fw2_bucket_reuse                    # autobind reuses FIN-WAIT-2 buckets too (< 6.12)
    uint8_t tw_reuse_rule                       # 0: > 1 s in whole seconds, 1: >= 1 s boundary, 2: ms exact
    uint8_t ts_per_tuple                        # TS offset: 0 per host pair, 1 per 4-tuple, 2 one for the whole host
    uint8_t tlp, fin_retransmit, persist_timer, linux_timers, linux_tw_reuse_isn
    uint8_t paws_slack                          # ticks by which a full socket's PAWS test is laxer (1 in Linux, 0 in RFC 7323)
    uint8_t tw_accepts_by_ts                    # TIME-WAIT accepts a SYN whose TSval alone is newer
    uint8_t tw_accepts_syn                      # ... accepts one at all
    uint8_t tw_paws                             # ... looks at timestamps
    uint8_t tw_needs_ack                        # ... is silent to what has no ACK flag, a refused SYN included
    uint8_t tw_syn_rst                          # ... answers a SYN in the window with RST; 2: and ends
    uint8_t tw_restart_by_fin                   # ... begins anew only when the FIN comes again
    uint8_t rfc793_ack                          # unacceptable ACK answered by ACK, RFC 793 window rules

cdef enum EffectKind:
    EF_SEND = 0             # seg emitted by sock (or by the host, sock -1), before the host's firewall
    EF_ACCEPT = 1           # bytes or FIN of the segment in hand entered sock's receive queue; arg = bytes
    EF_RULE = 2             # rule `arg` fired on sock (-1: no socket)
    EF_DIED = 3             # the socket in this slot ended (its slot is free after the step)
    EF_MATCH = 4            # the segment in hand reached this socket by look-up
    EF_MERGED = 5           # the socket in slot `sock` is new and took the 4-tuple of the bucket in slot `arg`, which ended
    EF_GETS = 6             # a call on sock returned `arg`: bytes >= 0, -errno; EOF is 0. (model)
    EF_LOST = 7             # the network lost seg (model)
    EF_DROP = 8             # the firewall of `host` took seg; arg 0 INPUT, 1 OUTPUT (model)
    EF_ARRIVE = 9           # seg came in at host, before look-up (model)
    EF_DUP = 10             # the network made a copy of seg (model)
    EF_EXPIRE = 11          # a late copy can no longer arrive (model)

cdef enum Got:              # Effect.uid of an EF_GETS: what its arg counts
    GOT_NO_TEXT = 0         # nothing, or bytes that were handed over
    GOT_EOF = 1
    GOT_TEXT = 2            # bytes that recv() gave

ctypedef struct Effect:
    uint8_t kind
    int8_t host
    int8_t sock
    int32_t arg
    uint32_t uid            # of the socket, for traces; of an EF_GETS: Got
    Seg seg

ctypedef struct Effects:
    int32_t n
    Effect e[EFFECTS_MAX]

ctypedef int (*OutputFn)(void* ctx, Seg* seg) noexcept nogil    # 0 handed on; 1 refused by the host's own firewall (-EPERM); 2 dropped by its own full queue (local congestion)

ctypedef struct Stack:
    # --- part of the state
    Sym sym
    Sock sock[SOCKS_MAX]
    uint8_t cfg_ix[HOSTS_MAX]       # which Config a host runs with now
    uint8_t inc_next                # connects so far: the incarnation number of the latest one
    uint8_t top                     # all slots from here on are free
    # --- not part of the state
    const Config* cfg[HOSTS_MAX]    # the Config of cfg_ix, resolved by whoever owns the stack
    Effects fx
    uint32_t next_uid
    OutputFn output
    void* output_ctx
