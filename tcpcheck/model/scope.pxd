# What the words of a claim stand for at one moment: sockets, their states, their numbers.
from libc.stdint cimport int8_t, int32_t, uint8_t
from tcpcheck.model.layout cimport ClaimC, Machine, Tuple, Var, VARS_MAX
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.types cimport Seg, Sock

cdef enum View:
    BEFORE = 0
    AFTER = 1

ctypedef struct Ref:                # one socket that a variable stands for in one assignment
    uint8_t exists                  # it exists, or existed
    uint8_t ended                   # it had ended before this step: CLOSED for ever
    uint8_t fresh                   # its name was bound in this step
    int8_t slot                     # -1: none
    int8_t pos                      # position in its binding; or slot; or -2 - place among those gone; -1: none
    int32_t lo, hi                  # effects lo <= i < hi are its own

ctypedef struct Scope:
    Machine* m
    View view
    const ClaimC* claim
    const Var* var
    int nvar
    Ref ref[VARS_MAX]
    const Seg* seg                  # the segment in hand, for a pattern's condition
    const Seg* reply_to             # the segment replied to
    int subject                     # variable whose fields bare names mean; -1: `sock`
    int sock                        # slot of the event's own socket, when the subject is a host
    int node                        # the predicate of an `await`
    int* found

cdef int named_ref(Machine* m, const Var* v, int pos, Ref* r) noexcept nogil    # the pos-th socket of a name; 0: none yet
cdef int port_ref(Machine* m, const Var* v, int slot, Ref* r) noexcept nogil    # the socket in this slot, if it has the port
cdef int tuple_of(Machine* m, const Var* v, const Ref* of, Tuple* t) noexcept nogil     # the connection whose other end is meant
cdef int peer_ref(Machine* m, const Tuple* t, int slot, Ref* r) noexcept nogil  # the socket in this slot, if it is at the other end
cdef void ended_ref(Ref* r, int gone) noexcept nogil                            # a socket that ended earlier
cdef void tuple_from(const Sock* s, Tuple* t) noexcept nogil
cdef int resolve(Scope* sc, int v, int choice) noexcept nogil       # give variable v its choice-th value; 0: no such, -1: no more
cdef int state_of(Scope* sc, const Ref* r, View view) noexcept nogil
cdef const Sock* sock_seen(Scope* sc, int v) noexcept nogil         # whose variables a condition sees; NULL: nobody's
cdef Num seg_field(const Seg* s, int f, int* known) noexcept nogil
cdef Num sock_field(const Sock* s, int f, int* known) noexcept nogil
cdef Num eval_num(Scope* sc, int e, int* known) noexcept nogil      # known 0: it names a field that is not there
