# LISTEN (RFC 9293 3.10.7.2; tcp_rcv_state_process, tcp_conn_request).
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.types cimport Seg, Stack

cdef void listener_arrives(Stack* t, int listener, const Seg* g) noexcept nogil
cdef void listener_takes_bucket(Stack* t, int listener, int bucket, const Seg* syn) noexcept nogil
    # TIME-WAIT has found the SYN acceptable: the bucket ends, whatever the listener makes of the SYN.
