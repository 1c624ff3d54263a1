"""A segment arrives at a host (RFC 9293 3.10.7; tcp_v4_rcv): look-up, then the state's own processing."""
from tcpcheck.tcp.listen cimport listener_arrives
from tcpcheck.tcp.output cimport send_reset_for
from tcpcheck.tcp.request cimport request_arrives
from tcpcheck.tcp.rules cimport R_NO_SOCKET_RST, R_NO_SOCKET_RST_IGNORED
from tcpcheck.tcp.sockets cimport effect, lookup, rule_host
from tcpcheck.tcp.synchronized cimport synchronized_arrives
from tcpcheck.tcp.synsent cimport synsent_arrives
from tcpcheck.tcp.timewait cimport bucket_arrives
from tcpcheck.tcp.types cimport EF_MATCH, F_RST, SK_BUCKET, SK_LISTENER, SK_REQUEST, ST_SYN_SENT, Seg, Stack


cdef void segment_arrives(Stack* t, int host, const Seg* seg) noexcept nogil:
    cdef int sock = lookup(t, host, seg)
    cdef int kind
    if sock < 0:
        _no_socket(t, host, seg)
        return
    effect(t, EF_MATCH, host, sock, 0)
    kind = t.sock[sock].kind
    if kind == SK_LISTENER:
        listener_arrives(t, sock, seg)
    elif kind == SK_REQUEST:
        request_arrives(t, sock, seg)
    elif kind == SK_BUCKET:
        bucket_arrives(t, sock, seg)
    elif t.sock[sock].state == ST_SYN_SENT:
        synsent_arrives(t, sock, seg)
    else:
        synchronized_arrives(t, sock, seg)


cdef void _no_socket(Stack* t, int host, const Seg* seg) noexcept nogil:
    """CLOSED: everything but an RST is answered by one (RFC 9293 3.10.7.1)."""
    if seg.flags & F_RST:
        rule_host(t, host, -1, R_NO_SOCKET_RST_IGNORED)
        return
    rule_host(t, host, -1, R_NO_SOCKET_RST)
    send_reset_for(t, host, -1, seg)
