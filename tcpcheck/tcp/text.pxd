# The text of a segment and its FIN (RFC 9293 3.10.7.4, seventh and eighth check; tcp_data_queue, tcp_fin).
from libc.stdint cimport uint8_t
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.types cimport Seg, Sock, Stack

cdef enum OwedKind:
    OWED_NOTHING = 0
    OWED_ACK = 1            # at once or delayed, as quick-ACK mode has it
    OWED_NOW = 2            # at once

ctypedef struct Owed:       # the ACK that a segment earns, sent after what is waiting to be sent
    uint8_t kind
    uint8_t newest          # [lo, hi) is the newest out-of-order block
    uint8_t quiet           # a pure ACK that looked just as expected: an ACK that waits for its timer goes on waiting
    Num lo
    Num hi

cdef void came_twice(Sock* k, Num lo, Num hi) noexcept nogil    # tcp_dsack_set: [lo, hi) is reported by the next segment sent
cdef void enter_quickack_mode(Sock* k) noexcept nogil
cdef void segment_text(Stack* t, int sock, const Seg* g, Owed* o) noexcept nogil
cdef void send_what_is_due(Stack* t, int sock, const Owed* o) noexcept nogil    # tcp_data_snd_check, tcp_ack_snd_check
