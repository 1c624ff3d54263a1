# Which transitions were the first to take each mark (a rule, a rule after another): what a search covers, and how.
from libc.stdint cimport int32_t, int64_t, uint8_t
from tcpcheck.explore.ancestry cimport Ancestry
from tcpcheck.explore.memory cimport Arena, Memory
from tcpcheck.explore.system cimport System
from tcpcheck.sym.choice cimport Choices

cdef enum:
    FIRSTS = 4                  # transitions kept of each mark, from different nodes

ctypedef struct First:
    int64_t node                # before the transition
    int64_t choices             # address of their number and of the choices

ctypedef struct Marks:
    Memory* mem
    int32_t total               # marks are 0 <= mark < total; 0: none are asked for
    uint8_t* count              # transitions kept of each
    First* first                # [mark * FIRSTS + i]
    Arena choice

cdef int marks_init(Marks* k, Memory* m) noexcept nogil         # total is set; 0: no memory
cdef void marks_free(Marks* k) noexcept nogil
cdef int marks_note(Marks* k, const System* sys, int64_t node, const Choices* ch) noexcept nogil    # 0: no memory
cdef dict marks_paths(Marks* k, Ancestry* a)                    # mark -> lists of lists of choices
