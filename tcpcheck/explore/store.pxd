# The states seen: 64-bit hashes of their discrete part (exact: that part, too) and, for each, its zones.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from tcpcheck.explore.memory cimport Arena, Memory
from tcpcheck.explore.whole cimport Whole

cdef extern from *:
    """
    #define tc_prefetch(p) __builtin_prefetch((p), 1)
    static inline int tc_in_line(const uint64_t *line, uint64_t key) {
        uint64_t found = 0;
        for (int k = 0; k < 8; k++)
            found |= (uint64_t)(line[k] == key);
        return found != 0;
    }
    static inline int tc_in_use(const uint64_t *line) {
        uint64_t n = 0;
        for (int k = 0; k < 8; k++)
            n += (uint64_t)(line[k] != 0);
        return (int)n;
    }
    """
    int tc_in_use(const uint64_t* line) noexcept nogil      # places: the first of the line, for none is ever given back
    int tc_in_line(const uint64_t* line, uint64_t key) noexcept nogil
    void tc_prefetch(const void* p) noexcept nogil

cdef enum:
    BOUNDS_MAX = 65535          # numbered bounds; later ones are stored as they are
    BOUNDS_BITS = 17            # places in their table
    EIGHTHS = 8                 # the table of states doubles when more than 6/8 full; the last resort is 7/8

cdef enum Added:
    ADDED_NEW = 0
    ADDED_OLD = 1               # seen, or within a zone seen
    ADDED_FULL = 2              # new, but the limit of nodes is reached
    ADDED_NO_MEMORY = 3         # new, but there is no room: nothing was changed

ctypedef struct Record:         # one node with its zone, in an arena
    int64_t next                # address of the next zone of the same discrete state; -1: none
    int64_t node
    int64_t weight              # sum of the bounds: a zone within another never weighs more
    int32_t n                   # clocks; n * n bounds follow
    uint8_t packed              # 1: as 16-bit numbers of bounds, 0: as the bounds themselves
    uint8_t covered             # 1: a later node of the same level includes it: need not be expanded

ctypedef struct Bounds:         # every bound that occurs has a number: a search meets few different ones
    int64_t* value              # by number
    uint16_t* place             # hash table of number + 1
    int32_t n

ctypedef struct Store:
    Memory* mem
    uint64_t* key               # open addressing in lines of eight; 0: free
    int64_t* value              # address of the first Record, or the node; NULL when neither is needed
    int64_t* where              # exact: the whole state's address; else NULL
    int bits                    # 2^bits places
    int stuck                   # 1: the table could not be doubled
    int keeps_nodes             # 1: untimed, but the node of a state is asked for
    int timed                   # 1: states have zones
    int exact                   # 1: a known hash does not suffice, states are compared
    int64_t states              # discrete states
    int64_t nodes               # states, or their zones
    int64_t nodes_max
    int64_t level_first         # nodes from here on belong to the level being filled
    int skips_covered           # 1: `covered` may be set
    Arena records
    Whole whole
    Bounds bounds
    int64_t* zone               # store_zone's answer

cdef int store_init(Store* s, Memory* m, int timed, int keeps_nodes, int exact, int64_t nodes_max) noexcept nogil
    # 0: no memory
cdef void store_free(Store* s) noexcept nogil
cdef inline int64_t line_of(uint64_t hash, int bits) noexcept nogil:
    """The first of the eight places where the key belongs."""
    return <int64_t>(hash >> (64 - bits)) & ~<int64_t>7

cdef inline void store_prefetch(const Store* s, uint64_t hash) noexcept nogil:
    cdef int64_t i = line_of(hash if hash else 1, s.bits)
    tc_prefetch(s.key + i)
    if s.value != NULL:
        tc_prefetch(s.value + i)

cdef inline int store_has(const Store* s, uint64_t hash) noexcept nogil:
    """Is this hash known?"""
    cdef int64_t i
    hash = hash if hash else 1
    i = line_of(hash, s.bits)
    while True:
        if tc_in_line(s.key + i, hash):
            return 1
        if s.key[i + 7] == 0:
            return 0
        i = (i + 8) & ((<int64_t>1 << s.bits) - 1)

cdef inline int64_t free_place(const uint64_t* key, int bits, uint64_t hash) noexcept nogil:
    """Where a hash belongs that is not in the table."""
    cdef int64_t i = line_of(hash, bits)
    while key[i + 7] != 0:
        i = (i + 8) & ((<int64_t>1 << bits) - 1)
    return i + tc_in_use(key + i)

cdef inline int store_put(Store* s, uint64_t hash) noexcept nogil:
    """Where a hash is all there is of a state: 1, one that is not known has a place now; 0: store_add must make room,
    or knows why there is none."""
    if s.states >= (<int64_t>1 << s.bits) // EIGHTHS * (EIGHTHS - 2) or s.nodes == s.nodes_max:
        return 0
    hash = hash if hash else 1
    s.key[free_place(s.key, s.bits, hash)] = hash
    s.states += 1
    s.nodes += 1
    return 1

cdef int store_add(Store* s, uint64_t hash, const uint8_t* state, int32_t bytes, const int64_t* zone, int n,
                   int64_t* node, int64_t* address) noexcept nogil
    # Added; node: the new one, or the one that covers it (-1 when nodes are not kept); address: of the new Record (-1)
cdef int store_knows(Store* s, uint64_t hash, const int64_t* zone, int n, int64_t* node) noexcept nogil
    # Would store_add find it old (never asked of an exact store)? node as there
cdef Record* store_record(Store* s, int64_t address) noexcept nogil
cdef const int64_t* store_zone(Store* s, int64_t address) noexcept nogil     # good until the next call
