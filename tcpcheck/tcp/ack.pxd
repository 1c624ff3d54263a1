# The ACK field of a segment (RFC 9293 3.10.7.4, fifth check; tcp_ack).
from tcpcheck.tcp.types cimport Seg, Sock, Stack

cdef enum AckVerdict:
    ACK_FUTURE = -3         # beyond SND.NXT
    ACK_TOO_OLD = -2
    ACK_UNACCEPTABLE = -1   # one of the two above, where it makes no difference which
    ACK_OLD = 0             # below SND.UNA but tolerated
    ACK_OK = 1              # SND.UNA <= SEG.ACK <= SND.NXT: taken

cdef int process_ack(Stack* t, int sock, const Seg* g, int tell_apart) noexcept nogil
cdef int window_news(Stack* t, const Sock* k, const Seg* g) noexcept nogil
    # Does a segment that acknowledges nothing new tell of the send window (tcp_may_update_window)?
cdef int all_acked(Stack* t, int sock) noexcept nogil           # everything, our FIN too (snd_una == write_seq)
