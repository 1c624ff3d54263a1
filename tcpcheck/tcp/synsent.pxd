# SYN-SENT (RFC 9293 3.10.7.3; tcp_rcv_synsent_state_process).
from tcpcheck.tcp.types cimport Seg, Stack
cdef void synsent_arrives(Stack* t, int sock, const Seg* g) noexcept nogil
