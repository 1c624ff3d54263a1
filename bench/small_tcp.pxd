# A small TCP as a System: the graph that the engine is measured on. One state is one State, bytes only.
from libc.stdint cimport int32_t, int64_t, uint8_t

cdef enum:
    CAP_MAX = 3                 # segments that a queue holds at most
    SUCCESSORS_MAX = 24

cdef enum Flag:
    SYN = 1
    ACK = 2
    FIN = 4
    RST = 8
    PSH = 16                    # one byte of data

cdef enum Connection:           # RFC 9293 section 3.3.2
    CLOSED = 0
    LISTEN = 1
    SYN_SENT = 2
    SYN_RCVD = 3
    ESTABLISHED = 4
    FIN_WAIT_1 = 5
    FIN_WAIT_2 = 6
    CLOSE_WAIT = 7
    CLOSING = 8
    LAST_ACK = 9
    TIME_WAIT = 10

ctypedef struct Endpoint:
    uint8_t state               # Connection
    uint8_t una                 # oldest number not acknowledged
    uint8_t nxt                 # next number to send
    uint8_t rcv                 # next number expected
    uint8_t iss
    uint8_t tries               # retransmissions left
    uint8_t opens               # opens left
    uint8_t aborts
    uint8_t incarnation
    uint8_t passive
    uint8_t fin_sent
    uint8_t received            # bytes
    uint8_t sent
    uint8_t running             # the endpoint's program has begun

ctypedef struct Segment:
    uint8_t flags
    uint8_t seq
    uint8_t ack

ctypedef struct State:
    Endpoint end[2]
    uint8_t waiting[2]          # segments on their way from each endpoint
    Segment queue[2][CAP_MAX]
    uint8_t losses, duplicates, swaps   # what the network may still do
    uint8_t zero[13]            # to whole words of 16 bytes

ctypedef struct Sizes:
    uint8_t capacity            # of a queue
    uint8_t losses, duplicates, swaps, data, tries, opens, aborts

ctypedef struct Machine:
    Sizes sizes
    int32_t n
    State next[SUCCESSORS_MAX]  # the successors of the loaded state, when it is walked step by step
    State* taken
