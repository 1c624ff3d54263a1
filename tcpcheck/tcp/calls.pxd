# The user's calls (RFC 9293 section 3.9.1) as the sockets API knows them. Results: >= 0, or -errno.
from tcpcheck.tcp.types cimport Stack, Num
from libc.stdint cimport uint8_t, uint64_t

cdef enum:                  # Sock.eof_read, once a FIN was received
    EOF_READ = 1            # recv() has returned it
    EOF_NEVER = 3           # shutdown() in SYN-SENT: as if never connected, and recv() says so
    EOF_PURGED = 2          # close() threw it away unread: the receive queue is empty, Recv-Q still counts it

ctypedef struct ConnectOpts:
    uint8_t has_seq         # take seq as the ISN instead of the kernel's clock
    Num seq
    uint8_t ts_any          # TSvals of this connection count from the constant ts_key instead of the host's
    uint64_t ts_key

cdef int tcp_listen(Stack* t, int host, int port, int backlog) noexcept nogil               # slot
cdef int tcp_accept(Stack* t, int listener) noexcept nogil                                  # slot; -EAGAIN: nothing there
cdef int tcp_connect(Stack* t, int host, int peer, int rport, int lport, const ConnectOpts* o) noexcept nogil
    # slot of a socket in SYN-SENT; lport 0: the lowest ephemeral port that is free
cdef int tcp_connected(Stack* t, int sock) noexcept nogil                                   # 0; -EAGAIN: still opening; -errno
cdef int tcp_send(Stack* t, int sock, int n) noexcept nogil                                 # bytes; -EPIPE, -ECONNRESET ...
cdef int tcp_recv(Stack* t, int sock, int n) noexcept nogil                                 # bytes > 0; 0: end of file; -EAGAIN; -errno. n < 0: all there is
cdef void tcp_shutdown_write(Stack* t, int sock) noexcept nogil
cdef void tcp_shutdown_read(Stack* t, int sock) noexcept nogil                              # recv() blocks no more
cdef void tcp_close(Stack* t, int sock) noexcept nogil                                      # also of a listener
cdef void tcp_abort(Stack* t, int sock) noexcept nogil                                      # SO_LINGER {1, 0} and close
