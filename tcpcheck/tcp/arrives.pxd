# A segment arrives (RFC 9293 section 3.10.7): look-up, then the socket's own state.
from tcpcheck.tcp.types cimport Stack, Seg
cdef void segment_arrives(Stack* t, int host, const Seg* seg) noexcept nogil
