# Predicates over one moment.
from tcpcheck.model.layout cimport Machine
from tcpcheck.model.scope cimport Scope
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.types cimport Seg

cdef int holds(Scope* sc, int node) noexcept nogil
cdef int kind_matches(int kind, int want, const Seg* s) noexcept nogil              # SegKind; want: the flags of SG_FLAGS
cdef int pattern_matches(Machine* m, int pattern, const Seg* seg) noexcept nogil    # a fault's pattern
cdef Num number_at(Machine* m, int expr, int vars_at, int* known) noexcept nogil     # ... whose sockets stand in the targets table
cdef Num number_of(Machine* m, int expr, int* known) noexcept nogil                 # an expression of a program step
