# Breadth-first search over a System.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from tcpcheck.explore.ancestry cimport Ancestry
from tcpcheck.explore.edges cimport Edges
from tcpcheck.explore.frontier cimport Frontier
from tcpcheck.explore.marks cimport Marks
from tcpcheck.explore.memory cimport Arena, Memory
from tcpcheck.explore.store cimport Store
from tcpcheck.explore.system cimport RULE_WORDS, STATE_BYTES_MAX, System
from tcpcheck.sym.choice cimport CHOICES_MAX, Choices
from tcpcheck.sym.zone cimport CLOCKS_MAX

cdef enum:
    CLAIMS_MAX = 64
    NODES_PER_TURN = 256                                # expanded between two looks at the clock
    WIDTHS_KEPT = 9                                     # levels of which the numbers of nodes are remembered
    BATCH_MAX = 64                                      # successors hashed and prefetched before they are looked up
    ZONE_BYTES_MAX = 8 * CLOCKS_MAX * CLOCKS_MAX
    SUCCESSOR_BYTES_MAX = STATE_BYTES_MAX + ZONE_BYTES_MAX + CHOICES_MAX + 96
    BATCH_BYTES = 3 * SUCCESSOR_BYTES_MAX

cdef enum Stop:
    STOP_NOT = 0
    STOP_DONE = 1               # nothing left to expand
    STOP_DECIDED = 2            # every claim of the stop mask is hit
    STOP_STATES = 3
    STOP_DEPTH = 4
    STOP_MEMORY = 5
    STOP_SECONDS = 6
    STOP_INTERRUPTED = 7
    STOP_MIXED = 8              # a state with a zone in an untimed system, or the other way round

ctypedef struct Successor:      # computed, not yet looked up
    uint64_t hash
    uint64_t pending            # claims of lasso_mask that wait in it
    uint64_t waits              # ... and in its parent, too
    int64_t parent
    uint8_t* state
    int64_t* zone
    uint8_t* choice
    int32_t bytes
    int32_t clocks
    int32_t choices

ctypedef struct FirstHit:
    int32_t at_end              # 1: the node itself, which has no successor
    int32_t choices
    int64_t node                # before the hitting step
    uint8_t choice[CHOICES_MAX]

ctypedef struct Search:
    System sys
    int (*keep)(Search* s, Successor* x) noexcept nogil     # looks a successor up, or sends it to who does; 0: stop
    Memory mem
    Store store
    Ancestry ancestry
    Frontier frontier
    Edges edges                 # only for the claims of lasso_mask
    Arena levels                # first node of each level, 8 bytes a level; only then
    # --- what was asked
    uint64_t claims
    uint64_t stop_mask
    uint64_t lasso_mask
    int64_t depth_max
    int32_t batch
    int32_t recognises          # 1: the system tells the hash of a successor, which is saved only when it is new
    int32_t whole_bytes         # > 0: states are expanded whole, and have so many bytes
    const uint64_t* hash_keys
    # --- where it stands
    int32_t stop                # Stop
    int32_t expanding           # 1: a node is loaded and its next branch is prescribed in ch
    int32_t successors          # of the loaded node so far: 0 at the end means stuck
    int64_t node                # the loaded node
    uint64_t node_pending       # claims of lasso_mask that wait in it
    int64_t popped              # nodes taken from the frontier
    int64_t level_end           # first node of the next level
    int64_t depth               # of the level being expanded
    int64_t widths              # levels that are full
    int64_t width[WIDTHS_KEPT]  # nodes of level i at i % WIDTHS_KEPT
    Choices ch
    int32_t nready
    int64_t ready_bytes
    int32_t reserved            # room is reserved for one node of so many bytes; -1: not
    int32_t torn                # 1: memory failed within a turn, and with it some successors were lost
    double seconds              # spent before it was saved
    uint8_t* buffer             # BATCH_BYTES
    Successor ready[BATCH_MAX]
    # --- what was found
    int64_t transitions
    int64_t truncated
    int64_t overflows
    uint64_t hit_mask
    uint64_t rules[RULE_WORDS]
    Marks marks
    FirstHit hit[CLAIMS_MAX]

# What a search in parts (partition.pyx) shares with a search in one piece.
cdef int search_open(Search* s, int exact, int64_t nodes_max) noexcept nogil
cdef void search_close(Search* s) noexcept nogil
cdef str search_reason(Search* s)
cdef int search_give_up(Search* s, int why) noexcept nogil
cdef int search_gather(Search* s, int64_t parent) noexcept nogil
cdef void search_flush(Search* s) noexcept nogil
cdef int search_keep(Search* s, Successor* x) noexcept nogil
cdef void search_hit(Search* s, uint64_t claims, int at_end) noexcept nogil
cdef void search_branch(Search* s) noexcept nogil
