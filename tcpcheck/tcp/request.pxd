# SYN-RECEIVED of a passive open: a request socket (RFC 9293 3.10.7.4; tcp_check_req).
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.types cimport Seg, Sock, Stack

cdef void request_arrives(Stack* t, int sock, const Seg* g) noexcept nogil
cdef int bare(Stack* t, const Sock* k, const Seg* g) noexcept nogil                  # does it bring nothing but the ACK?
cdef void request_fill(Stack* t, int sock, int listener, const Seg* syn, Num iss) noexcept nogil    # a fresh slot becomes the request
cdef void request_to_child(Stack* t, int sock, const Seg* g, int has_ts) noexcept nogil     # and then an ESTABLISHED socket
