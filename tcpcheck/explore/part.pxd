# One part of a breadth-first search: it owns the states whose hashes fall to it.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from tcpcheck.explore.frontier cimport Frontier
from tcpcheck.explore.memory cimport Arena
from tcpcheck.explore.numbers cimport Numbers, Reader
from tcpcheck.explore.search cimport BATCH_MAX, CLAIMS_MAX, Search

cpdef enum:
    PARTS_MAX = 1024

cdef enum:
    SENT_BITS = 16              # 2^16 hashes sent lately are remembered

ctypedef struct Head:           # what a state is sent with, before its bytes, its zone and the choices
    int32_t order               # how many successors its parent has before it
    uint16_t bytes              # of the state
    uint8_t clocks
    uint8_t choices

ctypedef struct Moment:         # when the model noted something
    int64_t node
    int64_t branch              # of that node, infeasible ones counted

ctypedef struct Cursor:         # reads what another part says of its new nodes
    const uint8_t* at
    const uint8_t* end
    int64_t parent
    int64_t order

ctypedef struct Part:
    Search s                    # first: the search's functions are handed this and know no Part
    int32_t part                # this one's number
    int32_t parts
    int32_t remembers           # 1: what was sent lately need not be sent again
    Numbers numbers             # of its nodes in the whole search
    Reader next                 # the number of the node to be expanded next
    int64_t numbered            # nodes of all parts that have numbers
    # --- going out
    int64_t parent              # of the successor looked at last
    int32_t order               # ... and its place among its brothers
    int64_t branch              # of the loaded node
    int64_t records             # successors put into queues in all
    int64_t queued_bytes        # of these
    int64_t sent_bytes          # of the queues of other parts: packed
    Frontier* out               # to each part
    uint64_t* sent
    uint8_t* record             # STATE_BYTES_MAX bytes and a little
    Arena noted                 # Moments
    # --- coming in
    Frontier* came              # from each part
    int64_t* tag                # of the first that waits there: its parent
    int32_t* n                  # its bytes; -1: none
    int32_t brother[BATCH_MAX]  # order of each successor in the batch
    Arena fresh                 # of each new node: its parent - the one before's, its order, 7 bits a byte
    int64_t fresh_parent
    int32_t hit_order[CLAIMS_MAX]

cdef int part_open(Part* p, int exact) noexcept nogil
cdef void part_close(Part* p) noexcept nogil
cdef void part_start(Part* p) noexcept nogil                        # the initial state
cdef void part_expand(Part* p, int64_t until) noexcept nogil        # its nodes below this number, into the queues `out`
cdef void part_insert(Part* p) noexcept nogil                       # what is in the queues `came`; its new nodes: `fresh`
cdef void part_number(Part* p, Cursor* cursor) noexcept nogil       # cursor: of each part, at what it found fresh
