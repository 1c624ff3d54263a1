# How long a sender waits: retransmission timeout, probes, and the end of an orphan's life as a full socket.
from libc.stdint cimport int32_t, int64_t
from tcpcheck.tcp.types cimport Seg, Sock, Stack

cdef void rto_bounds(Stack* t, int sock, int backoff, int64_t* lo, int64_t* hi) noexcept nogil     # nominal RTO << backoff
cdef int64_t fin_time(Stack* t, int sock, int64_t* hi) noexcept nogil      # tcp_fin_time: least; *hi: most
cdef void rtt_after_handshake(Stack* t, int sock, int repeats) noexcept nogil
    # Our SYN or SYN-ACK is acknowledged after `repeats` retransmissions: the RTO is known from now on (ts_ok is set).
    # retries, backoff and the give-up clock start again.
cdef void note_sample(Stack* t, int sock, const Seg* g) noexcept nogil
    # What the retransmission timer guards is acknowledged now, by whatever segment: that may be long after the ACK which
    # was meant to do it, or its timestamp echo be that of an earlier transmission. Called before the timer is disarmed
    # and retries are forgotten; send_progress does it by itself.
cdef void note_cookie_sample(Stack* t, int sock, int bare) noexcept nogil   # the same for a socket made from a SYN cookie
cdef int sent_again(const Sock* s) noexcept nogil               # would its next sample be the age of a timestamp echo?
cdef void arm_retrans(Stack* t, int sock, int kind, int64_t lo, int64_t hi) noexcept nogil     # [lo, hi] from rto_bounds
cdef void arm_rto(Stack* t, int sock) noexcept nogil            # restart with the current backoff (tcp_rearm_rto); disarms when nothing is in flight
cdef void arm_rto_or_probe(Stack* t, int sock) noexcept nogil   # new data or progress: tail loss probe if it applies, else RTO
cdef int probe_applies(Stack* t, int sock) noexcept nogil       # may a tail loss probe be scheduled?
cdef void cut_to_user_timeout(Stack* t, int sock, int clk) noexcept nogil
    # The retransmission timer was armed just now: it fires no later than when clk reaches TCP_USER_TIMEOUT.
cdef void arm_persist(Stack* t, int sock) noexcept nogil        # probe0_when: nothing is in flight and the next segment cannot go
cdef void arm_synack(Stack* t, int request) noexcept nogil      # 1 s << retries
cdef void send_progress(Stack* t, int sock, const Seg* g) noexcept nogil   # snd_una moved (already stored): retries forgotten, timer restarted
cdef void probe_acked(Stack* t, int sock, int advances, int plain, int dsack) noexcept nogil
    # An ACK was taken: is a tail loss probe over? plain: it brings no text and tells nothing of the window.
cdef int32_t full_payload(const Sock* s) noexcept nogil
cdef int32_t payload_most(const Sock* s) noexcept nogil         # what the next segment can hold beside its SACK blocks
cdef int next_fits(Stack* t, int sock) noexcept nogil           # 1: the next segment fits the peer's window; 0: not, or nothing to send
cdef int pending(Stack* t, int sock) noexcept nogil             # unsent bytes or an unsent FIN
cdef void persist_acked(Stack* t, int sock) noexcept nogil
    # An acceptable ACK came while nothing is in flight (tcp_ack_probe). The caller calls push_pending() afterwards.
cdef void enter_time_wait(Stack* t, int sock, int substate) noexcept nogil
    # tcp_time_wait: the slot becomes a bucket in ST_TIME_WAIT (tcp_tw_timeout) or ST_FIN_WAIT2 (rest of tcp_fin_timeout).
    # Only what a bucket knows is kept. Does not reply. Too many buckets: CLOSED instead.
cdef void fin_wait2_orphan(Stack* t, int sock, int keep_full) noexcept nogil
    # An orphan is in FIN-WAIT-2 from now on (tcp_rcv_state_process, tcp_close): bucket, or full socket with a timer.
    # keep_full 1: the acking segment carried FIN (or the socket was locked): full socket with the timer first.
    # 0: bucket if tcp_fin_timeout <= TIME-WAIT's length. Also called by close() of a FIN-WAIT-2 socket.
cdef int elapsed(Stack* t, int clk, int64_t no_until, int64_t yes_from) noexcept nogil
    # A kernel comparison of times counted in ticks: 0 while the age is <= no_until, 1 from yes_from on, either between.
    # Without a clock: either.
