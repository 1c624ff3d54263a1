# The states still to be expanded, first in, first out. Node numbers are not kept: the k-th out was the k-th in.
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy
from tcpcheck.explore.memory cimport Memory
from tcpcheck.explore.system cimport STATE_BYTES_MAX

cdef enum:
    BLOCK_BYTES = 1 << 18
    SHORT_BYTES = 128           # whole words: a state no longer than that is stored as it is

ctypedef struct Head:           # of each state
    int64_t tag
    int32_t n                   # bytes of the state
    int32_t size                # bytes stored after this head

ctypedef struct Block:
    Block* next
    int32_t top                 # bytes in use
    int32_t pad

ctypedef struct Frontier:
    Memory* mem
    Block* first                # read from here
    Block* last                 # written here
    Block* spare                # one emptied block kept for the next
    int32_t at                  # next byte to read in first
    int64_t waiting             # states in it
    uint8_t* written            # the state last put in, STATE_BYTES_MAX bytes: the next is stored as what differs
    uint8_t* read               # the long state last taken out
    const uint8_t* state        # the state last taken out, good until the next is

cdef int frontier_init(Frontier* f, Memory* m) noexcept nogil               # 0: no memory
cdef void frontier_free(Frontier* f) noexcept nogil
cdef int frontier_grow(Frontier* f) noexcept nogil                          # see frontier_reserve
cdef void frontier_put_long(Frontier* f, const uint8_t* state, Head* head) noexcept nogil      # see frontier_put
cdef void frontier_turn(Frontier* f) noexcept nogil                         # to the next block that has a state
cdef void frontier_decode(Frontier* f, const Head* head) noexcept nogil     # see frontier_get
cdef int64_t frontier_bytes(const Frontier* f) noexcept nogil               # that frontier_pack writes
cdef void frontier_pack(Frontier* f, uint8_t* out) noexcept nogil
    # all that is in it, and empties it. Nothing may have been taken out since it was empty
cdef int frontier_unpack(Frontier* f, const uint8_t* data, int64_t n) noexcept nogil
    # into an empty one: 1; 0: no memory

cdef inline int frontier_reserve(Frontier* f, int32_t n) noexcept nogil:
    """1: the next put of <= n bytes cannot fail. What is stored is never longer than the state, a byte for every eight
    words, eight for every 512, and a head; reader and writer touch eight words more."""
    return f.last != NULL and f.last.top + n + n // 32 + 128 <= BLOCK_BYTES or frontier_grow(f)

cdef inline void frontier_put(Frontier* f, const uint8_t* state, int32_t n, int64_t tag) noexcept nogil:
    """state: whole words of 8 bytes, zero behind its n bytes; tag comes out with it."""
    cdef uint8_t* out = <uint8_t*>f.last + f.last.top
    cdef Head head
    cdef int32_t i
    head.tag = tag
    head.n = n
    head.size = (n + 7) & ~7
    if n <= SHORT_BYTES:
        for i in range(0, head.size, 8):
            memcpy(out + sizeof(Head) + i, state + i, 8)
    else:
        frontier_put_long(f, state, &head)
    memcpy(out, &head, sizeof(Head))
    f.last.top += <int32_t>sizeof(Head) + head.size
    f.waiting += 1

cdef inline int32_t frontier_get(Frontier* f, int64_t* tag) noexcept nogil:
    """The bytes of the state, now at f.state; -1: empty."""
    cdef Head head
    if f.waiting == 0:
        return -1
    if f.at == f.first.top:
        frontier_turn(f)
    memcpy(&head, <uint8_t*>f.first + f.at, sizeof(Head))
    f.state = <uint8_t*>f.first + f.at + sizeof(Head)
    if head.n > SHORT_BYTES:
        frontier_decode(f, &head)
    f.at += <int32_t>sizeof(Head) + head.size
    f.waiting -= 1
    tag[0] = head.tag
    return head.n
