# Equal states have equal bytes: dead things dropped, the rest in the order of their owners.
from libc.stdint cimport uint8_t
from tcpcheck.model.layout cimport Machine, Track, World
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.types cimport OOO_MAX, SLOTS, Seg, Sock

ctypedef void (*NumFn)(void* arg, Num* n) noexcept nogil
ctypedef void (*ClockFn)(void* arg, uint8_t* clk) noexcept nogil

cdef void settle_deaths(Machine* m) noexcept nogil                  # sockets that ended: names and descriptors let go of them
cdef void blank_socks(World* w, int first) noexcept nogil           # slots from `first` on become zero throughout
cdef void canonicalise(Machine* m) noexcept nogil
cdef void name_again(Machine* m) noexcept nogil                     # canonical but for names of hosts, and what depends on them

cdef void each_num(Machine* m, World* w, NumFn f, void* arg) noexcept nogil     # every number of the state, in order

# ---- the numbers and clocks of one thing, in canonical order; inline, so that a walk costs no call for each

cdef inline void seg_nums(Seg* s, NumFn f, void* arg) noexcept nogil:
    f(arg, &s.seq)
    f(arg, &s.ack)
    f(arg, &s.tsval)
    f(arg, &s.tsecr)
    f(arg, &s.sack_lo)
    f(arg, &s.sack_hi)

cdef inline void sock_nums(Sock* s, NumFn f, void* arg) noexcept nogil:
    cdef int i
    f(arg, &s.iss)
    f(arg, &s.snd_una)
    f(arg, &s.snd_nxt)
    f(arg, &s.irs)
    f(arg, &s.rcv_nxt)
    f(arg, &s.rcv_wup)
    for i in range(OOO_MAX):
        f(arg, &s.ooo_lo[i])
        f(arg, &s.ooo_hi[i])
    f(arg, &s.snd_wl1)
    f(arg, &s.snd_sml)
    f(arg, &s.tlp_high)
    f(arg, &s.dsack_lo)
    f(arg, &s.dsack_hi)
    f(arg, &s.ts_recent)
    f(arg, &s.syn_tsval)

cdef inline void track_nums(Track* t, NumFn f, void* arg) noexcept nogil:
    cdef int i
    for i in range(2):
        f(arg, &t.seen[i].end)
        f(arg, &t.seen[i].maxend)
        f(arg, &t.seen[i].maxack)
    f(arg, &t.last_end)
    f(arg, &t.last_ack)

cdef inline void sock_clocks(Sock* s, ClockFn f, void* arg) noexcept nogil:
    cdef int i
    for i in range(SLOTS):
        f(arg, &s.timer[i].clk)
    f(arg, &s.rtx_clk)
    f(arg, &s.syn_clk)
    f(arg, &s.oow_clk)
    f(arg, &s.tw_clk)
    f(arg, &s.ts_stamp_clk)
    f(arg, &s.heard_clk)
