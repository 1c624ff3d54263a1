# Equal states have equal bytes: dead things dropped, the rest in the order of their owners.
from libc.stdint cimport uint8_t
from tcpcheck.model.layout cimport Machine, Track, World
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.types cimport Seg, Sock

ctypedef void (*NumFn)(void* arg, Num* n) noexcept nogil
ctypedef void (*ClockFn)(void* arg, uint8_t* clk) noexcept nogil

cdef void settle_deaths(Machine* m) noexcept nogil                  # sockets that ended: names and descriptors let go of them
cdef void blank_socks(World* w, int first) noexcept nogil           # slots from `first` on become zero throughout
cdef void canonicalise(Machine* m) noexcept nogil
cdef void name_again(Machine* m) noexcept nogil                     # canonical but for names of hosts, and what depends on them

cdef void each_num(Machine* m, World* w, NumFn f, void* arg) noexcept nogil     # every number of the state, in order
cdef void sock_nums(Sock* s, NumFn f, void* arg) noexcept nogil
cdef void seg_nums(Seg* s, NumFn f, void* arg) noexcept nogil
cdef void track_nums(Track* t, NumFn f, void* arg) noexcept nogil
cdef void sock_clocks(Sock* s, ClockFn f, void* arg) noexcept nogil
