# What the search needs to know of a transition system: nothing of TCP.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from tcpcheck.sym.choice cimport Choices

cdef enum:
    STATE_BYTES_MAX = 32768
    EXPANSION_MAX = 64          # successors that expand() writes at most
    RULE_WORDS = 16             # rules() writes at most so many words
    STEP_MARKS_MAX = 64         # marks() writes at most so many

ctypedef struct System:         # NULL where a system has nothing to say: untimed, no claims, no rules, no limits
    void* ctx
    # Make `state` the state that step() starts from.
    void (*load)(void* ctx, const uint8_t* state, int32_t n, const int64_t* zone, int32_t clocks) noexcept nogil
    # Run one step from the loaded state along ch: 1 a successor stands ready, 0 the branch is infeasible.
    # May be called again and again after one load().
    int (*step)(void* ctx, Choices* ch) noexcept nogil
    # Canonical bytes of the discrete part of the successor (after construction: of the initial state); their number.
    int32_t (*save)(void* ctx, uint8_t* out) noexcept nogil
    # 64 independent bits of what save() would write (after construction, too): states that have been seen need not be
    # saved then. NULL: the search saves each and hashes the bytes.
    uint64_t (*fingerprint)(void* ctx) noexcept nogil
    # Bounds of the successor's zone as an n x n matrix, row by row; n (0: untimed).
    int32_t (*save_zone)(void* ctx, int64_t* out) noexcept nogil
    # Bit c: claim c was hit (violated or reached) by the step just run.
    uint64_t (*hits)(void* ctx) noexcept nogil
    # Bit c: claim c waits for its `eventually` in the successor.
    uint64_t (*pending)(void* ctx) noexcept nogil
    # The loaded state has no successor: claims hit at the end of the run.
    uint64_t (*hits_at_end)(void* ctx) noexcept nogil
    # Bit r of word r / 64: rule r was taken in the step just run.
    void (*rules)(void* ctx, uint64_t* words) noexcept nogil
    # What the step just run took, as numbers below the total that search() is given; how many (STEP_MARKS_MAX at most).
    int32_t (*marks)(void* ctx, int32_t* out) noexcept nogil
    # 1: the step just run (after construction: the initial state) met a limit of the model: the search is truncated.
    int (*truncated)(void* ctx) noexcept nogil

    # How many things the model has noted by itself, of which a search in parts asks when they came. Never fewer than before.
    int32_t (*noted)(void* ctx) noexcept nogil

    # For small untimed systems, much faster: the successors of a state one behind the other, whole; their number, at
    # most EXPANSION_MAX. All states have as many bytes as the initial one, a multiple of 16. The k-th successor is the
    # one to which step() comes when its one choice is k. NULL: step by step.
    int32_t (*expand)(void* ctx, const uint8_t* state, uint8_t* out) noexcept nogil
    # ... and then instead of hits(): the claims that this state hits, whichever step led there. None at the end.
    uint64_t (*judge)(void* ctx, const uint8_t* state) noexcept nogil

cdef class Handle:
    """Carries a System from the model that owns it to the search; keeps the model alive."""
    cdef System sys
    cdef object owner
