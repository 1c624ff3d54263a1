# SYN-RECEIVED (full socket), ESTABLISHED and later (RFC 9293 3.10.7.4; tcp_rcv_state_process, tcp_rcv_established).
from tcpcheck.tcp.types cimport Seg, Stack
cdef void synchronized_arrives(Stack* t, int sock, const Seg* g) noexcept nogil
