# Breadth-first search by several threads over a System that expands whole states.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from tcpcheck.explore.memory cimport Arena, Memory
from tcpcheck.explore.store cimport Store
from tcpcheck.explore.system cimport EXPANSION_MAX, System

cdef enum:
    THREADS_MAX = 64
    SLICE_STATES = 1024                             # states that a thread expands in one round
    SLICE_SUCCESSORS = SLICE_STATES * EXPANSION_MAX
    LOG_BYTES = 5                                   # per node: 4 of its parent's number, 1 of the choice

cdef enum Halt:
    HALT_NOT = 0
    HALT_DONE = 1
    HALT_DECIDED = 2
    HALT_STATES = 3
    HALT_DEPTH = 4
    HALT_MEMORY = 5
    HALT_SECONDS = 6
    HALT_INTERRUPTED = 7

ctypedef struct Rows:           # one row after the other
    const Arena* arena
    int32_t bytes               # of a row
    int32_t left                # rows of the chunk from the next one on
    int64_t chunk               # the next one's, or the one before that when none is left
    uint8_t* next

ctypedef struct Worker:
    System sys
    Memory mem                  # of its part of the store
    Store store                 # the states whose hashes fall to it
    # --- its slice of the round, and what came of it
    int64_t first               # node
    int32_t n                   # states
    int32_t successors
    int32_t count[SLICE_STATES]
    uint8_t* state              # the successors one behind the other
    uint64_t* hash
    uint8_t* fresh              # 1: new, and the first of its kind in the round
    int32_t* whence             # 256 * (which state of the slice it comes from) + which of its successors it is
    int32_t* kept               # those that are fresh
    int32_t* mine[THREADS_MAX]  # which of them fall to each thread's part of the store
    int32_t nmine[THREADS_MAX]
    int64_t found[THREADS_MAX]  # new states of each thread's slice in this one's part
    int64_t number              # of its first new node
    int32_t failed              # its part of the store has no room
    int64_t transitions
    uint64_t hit_mask
    int64_t hit[64]             # the first node that hits each claim

ctypedef struct Parallel:
    int32_t threads
    int32_t bytes               # of a state
    int32_t halt                # Halt
    int32_t asked_to_halt       # by the thread that waits
    uint64_t claims
    uint64_t stop_mask
    int64_t limit               # bytes
    int64_t states_max
    int64_t depth_max
    Memory mem
    Arena now                   # the states of the level, those of the next
    Arena next
    Arena log
    int64_t level_first         # node
    int64_t level_end
    int64_t taken               # node: the next one to be expanded
    int64_t nodes
    int64_t depth
    int64_t peak
    int32_t waiting             # threads at the barrier
    int32_t turn                # times it has opened
    Worker worker[THREADS_MAX]
