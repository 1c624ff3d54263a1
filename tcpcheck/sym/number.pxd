# Numbers known only in part: value = K(base) + ticks(reading) + off, modulo 2^32.
#   base 0 is the constant zero: then off is the number itself (capture, live run, concrete re-run).
#   K(base) is an unknown 32-bit constant: an ISN secret, a timestamp offset, an `any` of the spec.
#   rd is a clock of the zone holding the age of a tick: the moment when a running counter was read, rounded
#   down to its tick. Two readings of one counter differ by an exact number of ticks, so the zone compares them.
# Between unrelated bases a comparison is a choice; what was chosen is kept as an arc of the 2^32 circle.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from tcpcheck.sym.choice cimport Choices
from tcpcheck.sym.zone cimport Zone, CLOCKS_MAX

cdef enum:
    BASES_MAX = 24
    ARCS_MAX = 40
    BASE_PAST = 254         # some reading of the counter with past_of(key) == off, not later than any it is compared with
    BASE_UNKNOWN = 255      # a value about which nothing is remembered: every comparison is a free choice, unlogged
    LOG_MAX = 4096          # constraints along one witness path

cdef extern from *:
    """
    #include <stdint.h>
    typedef struct { int64_t off : 48; uint8_t base; uint8_t rd; } tc_num;      /* 8 bytes, no padding */
    """
    ctypedef struct Num "tc_num":
        int64_t off         # of 48 bits: even a number that has gone round many times counts on
        uint8_t base        # 0: off is the value
        uint8_t rd          # index of a reading clock in the zone; 0: none

ctypedef struct Base:
    uint64_t key            # what the unknown constant is (kind, host, 4-tuple or place in the spec); same key, same constant
    int64_t tick            # ns a step of the counter that is added to it; 0: it does not run
    uint8_t host            # whose counter it is: readings of one host's counters with equal tick share the tick's phase
    uint8_t linked          # 0: stands for one single reading of its counter, related to no other reading of it
    uint16_t unused
    int32_t org             # MODE_RECORD, not linked: the instant of that reading (for the log only, not part of the state)

ctypedef struct Arc:        # value(a) - value(b) mod 2^32 lies in [lo, lo + len)
    uint8_t a, ra, b, rb
    uint32_t lo
    uint64_t len

cdef enum LogKind:
    LOG_AGE = 0             # t[i] - t[j] <= c
    LOG_NUMBER = 1          # (value(a) - value(b) - lo) mod 2^32 < len

ctypedef struct LogEntry:   # one constraint of a witness path, for the solver: instants are step indices, constants are keys
    int32_t kind
    int32_t i, j            # LOG_AGE: instants; LOG_NUMBER: instants of the readings of a and b (-1: none)
    int64_t c               # LOG_AGE: bound in ns; LOG_NUMBER: off(a) - off(b)
    uint64_t key_a, key_b   # 0: the constant zero
    int64_t tick_a, tick_b
    uint32_t lo
    uint64_t len

cdef enum Mode:
    MODE_SEARCH = 0         # numbers and times known in part; unknown comparisons are choices
    MODE_RECORD = 1         # the same, and every constraint is appended to the log
    MODE_CONCRETE = 2       # every constant and every instant is bound; comparisons are computed

ctypedef uint32_t (*ConstantFn)(void* ctx, uint64_t key, int64_t tick) noexcept nogil

ctypedef struct Recorder:
    int32_t step            # index of the current instant
    int32_t n               # entries in the log
    int32_t overflow
    int32_t org[CLOCKS_MAX] # instant at which each clock was last reset
    LogEntry log[LOG_MAX]
    int64_t now             # MODE_CONCRETE: ns since the start of the run, plus the solver's phase
    uint32_t nbound         # MODE_CONCRETE: the constants' values
    uint64_t bound_key[64]
    uint32_t bound_value[64]
    ConstantFn constant             # a random run: binds a constant when it is first asked for; NULL: it is 0
    void* constant_ctx

ctypedef struct Sym:
    # --- part of the state
    Zone z
    int32_t timed           # 0: `time off`, no clock is ever allocated
    int32_t nbase           # bases 1..nbase-1 are in use
    int32_t narc
    Base base[BASES_MAX]
    Arc arc[ARCS_MAX]
    uint8_t rd_base[CLOCKS_MAX]     # the base whose counter a reading clock reads; 0: an ordinary clock
    # --- not part of the state
    int32_t mode
    int32_t zero_left_out   # num_is_zero() says no of numbers that are not known
    int32_t zero_met        # ... and has done so
    Choices* ch
    Recorder* rec           # NULL in MODE_SEARCH

cdef inline int64_t past_of(uint64_t key) noexcept nogil:
    """The key of a constant in 47 bits: of tuple_key()'s fields only what they can hold."""
    cdef uint64_t peer = key >> 40 & 255, host = key >> 48 & 15, kind = key >> 56 & 7
    return <int64_t>(<uint32_t>key | peer << 32 | host << 40 | kind << 44)

cdef void sym_init(Sym* s, int timed, Choices* ch) noexcept nogil

# ---- clocks: ages in ns. With timed == 0 they return 0 (= no clock) and every guard holds.
cdef int clock_start(Sym* s) noexcept nogil                                             # a new clock, 0 now
cdef int clock_copy(Sym* s, int x) noexcept nogil
cdef int age_allows(Sym* s, int x, int64_t lo, int64_t hi) noexcept nogil               # may the age of x lie in [lo, hi]? never chooses
cdef void age_require(Sym* s, int x, int64_t lo, int64_t hi) noexcept nogil             # kills the branch when it cannot; hi may be TIME_INF
cdef int age_at_least(Sym* s, int x, int64_t t) noexcept nogil                          # a choice unless decided: 1 age >= t, 0 age < t
cdef int age_exceeds(Sym* s, int x, int64_t t) noexcept nogil                           # 1 age > t; the other alternative comes first
cdef void sym_select(Sym* s, const uint8_t* keep, int k) noexcept nogil                 # canonical order of clocks; keeps the recorder's org in step

# ---- numbers
cdef Num num_const(uint32_t v) noexcept nogil
cdef Num num_add(Num a, int64_t k) noexcept nogil
cdef Num num_base(Sym* s, uint64_t key, int64_t tick, int host, int linked) noexcept nogil
    # The constant named by key (+ its counter read now when tick and linked). tick > 0 and not linked: as if the
    # constant were another one at each reading (coarser: errs towards more behaviour), though the log stays exact.
cdef Num num_counter(Sym* s, uint64_t key, int64_t tick, int host, int linked) noexcept nogil
    # The running counter itself, to be read later with num_read_at. Where readings are not related: read now, as num_base.
cdef Num num_read_at(Sym* s, Num base_now, int age) noexcept nogil                      # the same counter as it stood `age` ago (an age clock)
cdef int diff_in(Sym* s, Num a, Num b, int64_t lo, int64_t n) noexcept nogil            # is (a - b) mod 2^32 in [lo, lo + n)? a choice unless decided
cdef int diff_known(Sym* s, Num a, Num b, int64_t* d) noexcept nogil                    # 1 and d = a - b in (-2^31, 2^31] when the state fixes it
cdef int64_t diff_most(Sym* s, Num later, Num earlier) noexcept nogil                    # at most so many steps lie between two readings of one counter; 2^31 - 1: no bound is known
cdef int seq_eq(Sym* s, Num a, Num b) noexcept nogil
cdef int seq_after(Sym* s, Num a, Num b) noexcept nogil                                 # 1 <= (a - b) mod 2^32 <= 2^31: the kernel's after()
cdef void note_ticks(Sym* s, uint64_t key, int64_t tick, int i, int j, int64_t lo, int64_t n) noexcept nogil
    # MODE_RECORD: the counter stood at instant i by lo..lo+n-1 ticks further than at instant j
cdef int num_is_zero(Sym* s, Num a) noexcept nogil                                      # a choice unless decided: an unknown number is 0 once in 2^32
cdef int seq_before(Sym* s, Num a, Num b) noexcept nogil                                # seq_after(b, a)
cdef void sym_prune(Sym* s, const uint8_t* base_alive, const uint8_t* rd_alive, uint8_t* renamed) noexcept nogil
    # composes dying bases and readings away, drops them, renames bases 1.. in the order in which base_alive lists
    # them (base_alive[i] == position or 0), sorts the arcs; renamed[old] = new. Clocks are renamed by sym_select.
