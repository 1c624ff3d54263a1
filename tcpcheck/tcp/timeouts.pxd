# A timer fires (RFC 9293 section 3.10.8). The caller has checked that the age of its clock lies in [lo, hi].
from libc.stdint cimport int64_t
from tcpcheck.tcp.types cimport Stack
cdef void timer_fires(Stack* t, int sock, int slot) noexcept nogil

# ---- retransmission timer, for who sends and who is acknowledged
cdef void rtt_after_handshake(Stack* t, int sock, int repeats) noexcept nogil
    # Our SYN or SYN-ACK is acknowledged after `repeats` retransmissions: the RTO is known from now on (ts_ok is set).
cdef void arm_rto(Stack* t, int sock) noexcept nogil            # restart with the current backoff (tcp_rearm_rto); disarms when nothing is in flight
cdef void arm_rto_or_probe(Stack* t, int sock) noexcept nogil   # new data or progress: tail loss probe if it applies, else RTO
cdef void send_progress(Stack* t, int sock) noexcept nogil      # snd_una moved (already stored): retries forgotten, timer restarted
cdef void persist_acked(Stack* t, int sock) noexcept nogil
    # An acceptable ACK came while nothing is in flight (tcp_ack_probe). The caller calls push_pending() afterwards.
cdef void fin_wait2_orphan(Stack* t, int sock, int keep_full) noexcept nogil
    # An orphan is in FIN-WAIT-2 from now on (tcp_rcv_state_process, tcp_close): bucket, or full socket with a timer.
    # keep_full 1: the acking segment carried FIN (or the socket was locked): full socket with the timer first.
    # 0: bucket if tcp_fin_timeout <= TIME-WAIT's length. Also called by close() of a FIN-WAIT-2 socket.
