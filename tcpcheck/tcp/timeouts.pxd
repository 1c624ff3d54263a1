# A timer fires (RFC 9293 section 3.10.8). The caller has checked that the age of its clock lies in [lo, hi].
from tcpcheck.tcp.rto cimport (
    arm_rto, arm_rto_or_probe, arm_synack, fin_wait2_orphan, persist_acked, rtt_after_handshake, send_progress,
)
from tcpcheck.tcp.types cimport Stack
cdef void timer_fires(Stack* t, int sock, int slot) noexcept nogil
