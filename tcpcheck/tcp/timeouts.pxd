# A timer fires (RFC 9293 section 3.10.8). The caller has checked that the age of its clock lies in [lo, hi].
from tcpcheck.tcp.types cimport Stack
cdef void timer_fires(Stack* t, int sock, int slot) noexcept nogil
