# Sockets as such: slots, look-up, states, timers, and the effects of a step. No segment is sent here.
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.types cimport Config, Effect, Seg, Sock, Stack

cdef enum KeyKind:          # what an unknown constant is: the first field of its key
    KEY_ISN = 1             # per-4-tuple secret of the ISN clock
    KEY_TS = 2              # offset of the timestamp clock, per 4-tuple or per host pair
    KEY_COOKIE = 3          # a SYN cookie: one unrelated number for each 4-tuple

cdef enum:                  # the errnos a model socket can have (Linux numbers)
    E_AGAIN = 11
    E_PIPE = 32
    E_PERM = 1
    E_ADDRINUSE = 98
    E_ADDRNOTAVAIL = 99
    E_CONNRESET = 104
    E_NOTCONN = 107
    E_TIMEDOUT = 110
    E_CONNREFUSED = 111
    E_INVAL = 22
    E_ISCONN = 106

cdef uint64_t tuple_key(int kind, int host, int peer, int lport, int rport) noexcept nogil  # never 0

# ---- effects
cdef Effect* effect(Stack* t, int kind, int host, int sock, int32_t arg) noexcept nogil     # NULL when the table is full
cdef void rule(Stack* t, int sock, int r) noexcept nogil        # sock -1: no socket (host unknown: use rule_host)
cdef void rule_host(Stack* t, int host, int sock, int r) noexcept nogil

# ---- slots
cdef void stack_init(Stack* t) noexcept nogil                   # all zero, slots free; sym and cfg are the caller's
cdef int sock_alloc(Stack* t) noexcept nogil                    # a zeroed slot (host etc. are the caller's); -1: full, overflow set
cdef void sock_free(Stack* t, int sock) noexcept nogil          # EF_DIED; the slot is SK_FREE from now on
cdef int replace_bucket(Stack* t, int bucket) noexcept nogil
    # A new slot that takes over the bucket's 4-tuple (host, peer, ports copied; inc and all else 0); the bucket ends.
    # EF_MERGED. -1: full.
cdef const Config* config_of(Stack* t, int sock) noexcept nogil

# ---- look-up (RFC 9293 3.10.7; __inet_lookup_skb)
cdef int lookup(Stack* t, int host, const Seg* seg) noexcept nogil          # exact 4-tuple, else a listener on dport, else -1
cdef int find_tuple(Stack* t, int host, int peer, int lport, int rport) noexcept nogil  # REQUEST, FULL, BUCKET; -1
cdef int find_listener(Stack* t, int host, int port) noexcept nogil
cdef int accept_queue_len(Stack* t, int listener) noexcept nogil            # sk_ack_backlog: not yet accepted, alive or dead
cdef int request_count(Stack* t, int listener) noexcept nogil               # request sockets
cdef void queue_for_accept(Stack* t, int child) noexcept nogil              # child enters its parent's accept queue, last

# ---- states
cdef void set_state(Stack* t, int sock, int state) noexcept nogil
cdef void to_closed(Stack* t, int sock) noexcept nogil
    # A request, full socket or bucket ends: SK_DEAD while a descriptor or an accept queue holds it, else freed.
    # What recv() may still read stays; numbers, timers and clocks go.
cdef void report_error(Stack* t, int sock, int errno) noexcept nogil        # so_error, if somebody may ever see it
cdef void reset_by_peer(Stack* t, int sock) noexcept nogil      # an acceptable RST came: errno by state, then to_closed (tcp_reset)

# ---- what follows from a socket's numbers
cdef int32_t in_flight(Stack* t, int sock) noexcept nogil       # snd_nxt - snd_una, SYN and FIN counted
cdef int32_t receive_window(Stack* t, int sock) noexcept nogil  # what is left of the window offered: from rcv_nxt (tcp_receive_window)
cdef int orphans_full(Stack* t, int sock) noexcept nogil        # more orphans on its host than tcp_max_orphans
cdef int is_orphan(const Sock* s) noexcept nogil                # no descriptor and not waiting to be accepted

# ---- timers: fire when the age of their clock lies in [lo, hi]
cdef void arm(Stack* t, int sock, int slot, int kind, int64_t lo, int64_t hi) noexcept nogil    # exact bounds; restarts the clock
cdef int64_t wheel_latest(int64_t ns, int64_t jiffy) noexcept nogil
cdef void arm_nominal(Stack* t, int sock, int slot, int kind, int64_t nominal) noexcept nogil   # wheel slack added: facts A12
cdef void arm_between(Stack* t, int sock, int slot, int kind, int64_t lo, int64_t hi) noexcept nogil  # slack added to hi
cdef void disarm(Stack* t, int sock, int slot) noexcept nogil

cdef void stack_tidy(Stack* t, uint32_t clean=*) noexcept nogil  # after each step: forget what nothing can read any more
    # bit i of clean: slot i is tidy already, and without clocks it stays so
