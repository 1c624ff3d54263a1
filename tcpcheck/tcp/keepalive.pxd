# SO_KEEPALIVE and TCP_USER_TIMEOUT: options of a socket, and the timer that looks after an idle connection.
from libc.stdint cimport int64_t
from tcpcheck.tcp.types cimport Seg, Stack

cdef enum SockOption:       # as in setsockopt(); times in the option's own unit
    OPT_KEEPALIVE = 0       # SO_KEEPALIVE: 0 or 1
    OPT_KEEPIDLE = 1        # TCP_KEEPIDLE: s
    OPT_KEEPINTVL = 2       # TCP_KEEPINTVL: s
    OPT_KEEPCNT = 3         # TCP_KEEPCNT: probes
    OPT_USER_TIMEOUT = 4    # TCP_USER_TIMEOUT: ms; 0: off
    OPT_DEFER_ACCEPT = 5    # TCP_DEFER_ACCEPT of a listener: SYN-ACK timeouts; 0: off

cdef void tcp_setsockopt(Stack* t, int sock, int option, int value) noexcept nogil
cdef void heard_ack(Stack* t, int sock, const Seg* g, int advances) noexcept nogil  # an acceptable ACK was taken (tcp_ack)
cdef void heard_text(Stack* t, int sock) noexcept nogil             # text in order was taken (tcp_event_data_recv)
cdef void inherit_options(Stack* t, int child) noexcept nogil       # a request has become a full socket: its listener's options
cdef void keepalive_starts(Stack* t, int sock) noexcept nogil       # the connection is established (tcp_finish_connect)
cdef void keepalive_fires(Stack* t, int sock) noexcept nogil        # tcp_keepalive_timer, but for orphans in FIN-WAIT-2
cdef int user_timeout_over(Stack* t, int sock, int clk) noexcept nogil      # has clk reached TCP_USER_TIMEOUT?
