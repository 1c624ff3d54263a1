# Time-wait buckets (RFC 9293 3.10.7.4; RFC 1337; RFC 6191; tcp_timewait_state_process).
from tcpcheck.tcp.types cimport Seg, Stack
cdef void bucket_arrives(Stack* t, int sock, const Seg* g) noexcept nogil
