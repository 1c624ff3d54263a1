# A World: everything that one state of a Case consists of, and the tables it runs on.
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from tcpcheck.explore.hash64 cimport Sum
from tcpcheck.sym.choice cimport Choices
from tcpcheck.sym.number cimport Num, Sym, Recorder
from tcpcheck.sym.zone cimport CLOCKS_MAX
from tcpcheck.tcp.types cimport Stack, Seg, Sock, Config, Effects, EFFECTS_MAX, SLOTS, SOCKS_MAX, HOSTS_MAX

cpdef enum:
    PROCS_MAX = 12
    LOOPS_MAX = 4               # nested counted loops of one program
    FLYING_MAX = 20             # segments in flight
    BINDS_MAX = 12              # names of sockets (`server.c`)
    BIND_DEPTH = 6              # sockets that one name is bound to in turn
    FAULTS_MAX = 8
    FIREWALL_MAX = 16
    SPINS_MAX = 32              # a program that goes round so often without time passing hides what time would bring
    PENDS_MAX = 30              # obligations of `eventually` that wait
    KEPT_MAX = 12               # numbers that outlive their sockets because a claim asks for them
    ORDINALS_MAX = 6            # patterns such as `3rd FIN`
    VARS_MAX = 4                # sockets that one claim quantifies over
    GONE_MAX = 10               # connections of sockets that ended, for `host:port` and `peer`
    PEERED_MAX = 4              # names that a claim asks `peer` of
    CLAIMS_MAX = 24             # hits() has bits 0..23 for claims, 24..47 for `exercised`, 48..63 for pieces
    PIECES_MAX = 1024           # sets of values told apart, of all claims that ask for values
    PIECE_BITS = 16             # the first so many have a hit bit, and so a path
    SLEPT_MAX = 4               # named sleeps whose length claims ask for
    READY_MAX = FLYING_MAX + SOCKS_MAX * SLOTS
    CAUGHT_MAX = 12             # fields of received segments that hosts without TCP remember
    REWRITES_MAX = 8
    COUNTED_MAX = 4             # named unknowns that claims count over
    TRACKS_MAX = 8              # connections that the router keeps track of
    NATS_MAX = 8                # rules of its nat table
    ROUTER_PORTS_MAX = 24       # ports that mean something to a spec with a router
    PORTS_AT_LEAST = 96         # ports told apart when the router chooses one
    STACK_BYTES = 8             # Stack.cfg_ix up to Stack.top, and
    COMMON_BYTES = 32           # World.owner up to World.down: one piece each, without gaps (packed.pyx sees to that)

cpdef enum:
    FLY_ORDINARY = 0            # has a deadline: the greatest delay
    FLY_COPY = 1                # a duplicate or late segment: any time up to the lifetime, or never

ctypedef struct Flying:
    uint8_t kind
    uint8_t clk                 # age since transmission
    uint8_t rank                # place in its direction's queue, where the network keeps the order; else 0
    uint8_t to                  # host at the end of this hop: the destination, or the router before it
    uint32_t uid                # serial number for traces; 0 in MODE_SEARCH
    Seg seg

cpdef enum:
    PROC_READY = 0              # the instruction at pc runs as soon as it can
    PROC_SLEEPING = 1           # clk tells for how long
    PROC_DONE = 2

ctypedef struct Proc:
    uint16_t pc
    uint8_t status
    uint8_t clk
    uint8_t called              # the call at pc has been made and blocks (connect)
    uint8_t loop[LOOPS_MAX]
    int32_t got                 # bytes that the recv at pc has taken so far

ctypedef struct Bind:           # slot -1: that socket has ended
    uint8_t n
    int8_t slot[BIND_DEPTH]
    uint8_t unused

ctypedef struct Tuple:          # a connection as one end sees it; all 0: none
    uint8_t host, peer
    uint16_t lport, rport

ctypedef struct Pend:
    uint8_t claim               # index + 1; 0: free
    uint8_t clk
    int8_t var[VARS_MAX]        # which sockets: position in the binding, or slot

cpdef enum:                     # states of a connection that the router keeps track of (nf_conntrack_tcp.h)
    CT_NONE = 0
    CT_SYN_SENT = 1
    CT_SYN_RECV = 2
    CT_ESTABLISHED = 3
    CT_FIN_WAIT = 4
    CT_CLOSE_WAIT = 5
    CT_LAST_ACK = 6
    CT_TIME_WAIT = 7
    CT_CLOSE = 8
    CT_SYN_SENT2 = 9
    CT_RETRANS = 10             # no states: two more timeouts
    CT_UNACK = 11
    CT_TIMEOUTS = 12

ctypedef struct Seen:           # what the router knows of one sender: its numbers as they stood in what it sent
    Num end                     # the greatest seq + len
    Num maxend                  # how far it may send
    Num maxack                  # the greatest ack; valid with SEEN_MAXACK
    int32_t maxwin              # the greatest window it offered; 0: nothing seen from it yet
    uint8_t flags               # SEEN_* of conntrack.pyx

ctypedef struct Track:          # a connection as the router sees it
    uint8_t src, dst            # hosts of its first segment, as it came in (the original tuple) ...
    uint16_t sport, dport
    uint8_t rsrc, rdst          # ... and of a reply to it, as that comes in (the reply tuple)
    uint16_t rsport, rdport
    uint8_t state               # CT_*
    uint8_t last_index, last_dir, last_flags
    uint8_t repeats             # bare ACKs and data in one direction without progress: no fewer than the kernel's retrans
    uint8_t seen_reply, assured, zero_win
    uint8_t clk                 # since its timeout was set
    int32_t last_win
    Num last_end
    Num last_ack                # of an ACK that answered the first SYN (a challenge)
    int64_t lo, hi              # it may be gone at an age of lo, and is gone at hi (ns)
    Seen seen[2]                # by direction: 0 that of the first segment

ctypedef struct World:
    Stack tcp
    Proc proc[PROCS_MAX]
    Bind bind[BINDS_MAX]
    # --- what every state has
    uint8_t owner[SOCKS_MAX]            # program that holds the descriptor, + 1
    uint8_t budget[FAULTS_MAX]
    uint32_t firewall                   # bit r: rule r is switched on
    uint8_t nfly
    uint8_t horizon_clk                 # age of the run, kept only when the spec sets a horizon
    uint8_t spins                       # jumps back of programs since time last passed
    uint8_t down                        # bit h: host h has no power
    # --- and what only some have
    Flying fly[FLYING_MAX]
    uint8_t ordinal[SOCKS_MAX][ORDINALS_MAX]
    uint8_t has_kept[KEPT_MAX]
    Num kept[KEPT_MAX]
    uint8_t npend                       # all places from here on are free
    Pend pend[PENDS_MAX]
    uint8_t ngone
    Tuple gone[GONE_MAX]                # sockets that ended, in turn, one for each connection; kept only when claims ask
    Tuple peered[PEERED_MAX][BIND_DEPTH]    # the connections of named sockets whose peers claims ask for
    uint8_t slept_from[SLEPT_MAX]       # clocks: begin and end of the sleeps whose length claims ask for; 0: not yet
    uint8_t slept_to[SLEPT_MAX]
    uint8_t ntrack
    Track track[TRACKS_MAX]             # what the router keeps track of, the oldest first
    uint8_t has_caught[CAUGHT_MAX]
    Num caught[CAUGHT_MAX]              # fields of segments that a `receive` took
    uint8_t has_origin[COUNTED_MAX]
    Num met[COUNTED_MAX]                # each counted number as it first came to a socket ...
    Num origin[COUNTED_MAX]             # ... and what it is measured from: that socket's own number in its place

# ---- programs

cpdef enum:
    OP_LISTEN = 0               # a port, b backlog, c binding or -1
    OP_ACCEPT = 1               # a listener's binding or -1 (the run's latest), c binding
    OP_CONNECT = 2              # a host, b port, d local port, c binding, e connect table index
    OP_SEND = 3                 # a binding, b bytes
    OP_RECV = 4                 # a binding, b bytes (> 0), 0 whatever there is, -1 until end of file
    OP_SHUTDOWN = 5             # a binding, b 1 read 2 write 3 both
    OP_CLOSE = 6
    OP_ABORT = 7
    OP_SLEEP = 8                # lo, hi
    OP_AWAIT = 9                # a predicate, b number of variables (0)
    OP_EXIT = 10
    OP_STOP = 11
    OP_JUMP = 12                # a target
    OP_LOOP = 13                # a counter, b times, c target after the last
    OP_EITHER = 14              # a first of the targets table, b how many
    OP_SYSCTL = 15              # a host, b config index
    OP_FIREWALL = 16            # a rule, b on
    OP_INJECT = 17              # a inject table index
    OP_CRASH = 19
    OP_BOOT = 20
    OP_SETSOCKOPT = 21          # a binding, b option, d value
    OP_BULK_START = 22          # a binding
    OP_BULK = 23                # a binding, b bytes, lo, hi: how long they take
    OP_RECEIVE = 18             # a pattern, b where the targets table has what to remember: n, then place, field, ...

ctypedef struct Instr:
    uint8_t op
    uint8_t host
    int16_t orelse              # pc when the call fails; -1: exit
    int32_t a, b, c, d, e
    int64_t lo, hi

ctypedef struct ConnectSpec:    # seq: 0 kernel, 1 any, 2 expression (predicate-table node)
    uint8_t seq_kind
    uint64_t seq_key
    int32_t seq_expr
    uint8_t ts_any
    uint64_t ts_key

cpdef enum:
    NUM_NONE = 0
    NUM_ANY = 1                 # an unknown constant
    NUM_EXPR = 2                # an expression; its sockets stand in the targets table

ctypedef struct NumSpec:
    uint8_t kind
    uint64_t key
    int32_t expr, vars_at

ctypedef struct InjectSpec:
    uint8_t src, dst            # whose the segment pretends to be, and whose it becomes
    uint8_t flags
    uint8_t off_path            # made by another host than src: it stands in no queue of the network
    uint16_t sport, dport, mss
    int32_t length, window
    NumSpec seq, ack, tsval, tsecr

ctypedef struct FirewallRule:   # -1: any
    uint8_t host
    uint8_t chain               # 0 INPUT, 1 OUTPUT, 2 FORWARD
    uint8_t invalid             # only what connection tracking calls INVALID
    int16_t src, dst
    int32_t sport, dport
    int16_t mask, comp

cpdef enum:
    NAT_SNAT = 0                # MASQUERADE too
    NAT_DNAT = 1
    NAT_ACCEPT = 2              # no translation

ctypedef struct NatRule:        # -1: any
    uint8_t chain               # 0 PREROUTING, 1 POSTROUTING
    uint8_t target              # NAT_*
    uint8_t random              # any port, not the same one if that is free
    int16_t src, dst
    int32_t sport, dport
    uint8_t to                  # host whose address it becomes
    uint16_t lo, hi             # ports to choose from; 0: none given

ctypedef struct Router:
    uint8_t there
    uint8_t host
    uint8_t inside, outside     # bit h: host h is on this side
    uint8_t liberal, loose, ignore_invalid_rst, max_retrans
    int64_t timeout[CT_TIMEOUTS]        # ns
    int32_t nnat, nport
    NatRule nat[NATS_MAX]
    uint16_t port[ROUTER_PORTS_MAX]     # ports that rules and steps of the spec name

ctypedef struct Rewrite:        # a middlebox adds `by` to a field (SF_*) of what matches
    int16_t pattern, src, dst
    uint8_t field
    int64_t by

ctypedef struct Fault:
    uint8_t kind                # 0 lose, 1 duplicate, 2 late
    int16_t pattern             # predicate-table node of the segment pattern, or -1
    int16_t src, dst

# ---- predicates: a tree in an array

cpdef enum:
    P_TRUE = 0
    P_AND = 1                   # children: kid[a .. a+b-1]
    P_OR = 2
    P_NOT = 3                   # a node
    P_IN = 4                    # var a, states mask b (before; after when the claim has no event)
    P_RECEIVES = 5              # var a (-1: host b), pattern c
    P_SENDS = 6
    P_DROPS = 7
    P_LOSES = 8
    P_GETS = 9                  # var a, kind b: 0 errno c, 1 ok, 2 EOF, 3 bytes c
    P_TAKES = 10                # var a (-1 host b), rule c
    P_REPLIES = 11              # pattern c
    P_BECOMES = 12              # var a, states mask b; c 1: an event of its own, a change of state
    P_STAYS = 13                # var a
    P_ACCEPTS = 14              # var a
    P_COMPARE = 15              # op b (0 <, 1 <=, 2 >, 3 >=, 4 =, 5 !=), left a, right c (expr nodes), d 1: modular
    P_FLAG = 16                 # b: 0 old, 1 forged, 2 paws_old, 3 quiet, 4 has tsval, 5 wrapped; var a
    P_ABSENT = 17               # var a
    P_TIMER = 18                # var a, kind b: 0 timewait 1 persist 2 keepalive 3 on
    P_SAME = 19                 # var a, var b
    P_SS = 20                   # host a, state mask b, port c, column d, op e, expr f
    P_DISTANCE = 21             # (left a - right c) mod 2^32, op b, the number big

cpdef enum:
    E_CONST = 0                 # big
    E_FIELD = 1                 # b: segment field
    E_VAR = 2                   # var a, b: socket variable
    E_INFIELD = 3               # b: segment field of the segment replied to
    E_UNKNOWN = 4               # big: key of the constant
    E_ADD = 5
    E_SUB = 6
    E_CAUGHT = 7                # b: place in World.caught

cpdef enum:
    SF_SEQ = 0
    SF_ACK = 1
    SF_LEN = 2
    SF_TSVAL = 3
    SF_TSECR = 4
    SF_WIN = 5
    SF_MSS = 6

cpdef enum:
    KF_RCV_NXT = 0
    KF_SND_NXT = 1
    KF_SND_UNA = 2
    KF_ISS = 3
    KF_IRS = 4
    KF_TS_RECENT = 5
    KF_RCV_WND = 6
    KF_SND_WND = 7

cpdef enum:
    SG_SYN = 0
    SG_SYNACK = 1
    SG_FIN = 2
    SG_RST = 3
    SG_ACK = 4
    SG_DATA = 5
    SG_SEGMENT = 6
    SG_NOTHING = 7
    SG_FLAGS = 8

ctypedef struct PNode:
    uint8_t op
    int32_t a, b, c, d, e, f
    int64_t big

ctypedef struct Pattern:
    uint8_t kind                # SegKind
    uint8_t flags
    int16_t ordinal             # index of its counter, or -1
    uint8_t nth
    int16_t where               # node, or -1
    int8_t subject              # variable whose fields a condition's bare names mean, or -1

# ---- claims

cpdef enum:
    VAR_NAMED = 0               # a binding; b position, or -1: each in turn
    VAR_PORT = 1                # a host, b port
    VAR_PEER = 2                # a variable it is the peer of, b its name's row in World.peered or -1

ctypedef struct Var:
    uint8_t kind
    int32_t a, b
    uint8_t may_be_absent       # an `absent` of the claim asks: also considered when it does not exist

cpdef enum:
    CL_NEVER = 0                # never, always, reach: `bad` true is a hit
    CL_REACH = 1
    CL_AFTER = 2                # pred starts an obligation, goal ends it
    CL_EVENTUALLY = 3           # an obligation from the start
    CL_COUNT = 4
    CL_MAP = 5                  # which values of U lead to which outcome (never written in a spec)

ctypedef struct ClaimC:
    uint8_t kind
    uint8_t nvar
    uint8_t ntrigger            # the first so many variables are the trigger's (count: U's); those of the goal alone: some socket
    uint8_t eventless           # judged on the state after each step
    uint8_t goal_eventless
    uint8_t has_within
    int64_t lo, hi
    int32_t pred                # hit when true
    int32_t exercised           # the part before the effects
    int32_t goal                # count: asked of whole runs, which come to it or end without; -1: of moments
    int32_t over_a, over_b      # U = value(over_a) - value(over_b); over_b -1: the constant zero
    int8_t counted, counted2    # place in Tables.counted of an unknown, and of the other one of a pair; -1: over_a says
    int8_t over_sleep           # U is the length of this sleep of slept_pc; -1: over_a says what U is
    int8_t subject              # map: the socket whose reply and state are the outcome; -1: P comes true, no more
    uint8_t replies             # map: the outcome is what the segment in hand led to
    uint8_t asks                # map, of an obligation: with which values of U it is met, too early or too late
    uint8_t ngoal               # the variables from here on are U's alone (map of an obligation)
    Var var[VARS_MAX]

# ---- everything together

ctypedef struct Tables:                 # read-only while a search runs
    int32_t nhost, nproc, ninstr, nbind, nfault, nfirewall, nnode, nclaim, nkept, nordinal
    Instr* instr
    ConnectSpec* connect
    InjectSpec* inject
    int32_t* target
    FirewallRule firewall[FIREWALL_MAX]
    Fault fault[FAULTS_MAX]
    PNode* node
    int32_t* kid
    Pattern* pattern
    ClaimC claim[CLAIMS_MAX]
    int32_t nslept
    int32_t slept_pc[SLEPT_MAX]
    int32_t kept_bind[KEPT_MAX]
    int32_t kept_pos[KEPT_MAX]
    int32_t kept_field[KEPT_MAX]
    int32_t keeps_gone, npeered
    uint8_t keeps_tsecr                 # the number in a TSecr is asked for
    uint8_t keeps_young_tsecr           # the number in a TSecr is, as long as it may be of the tick in which a SYN is sent
    uint8_t keeps_ts_recent             # timestamps are made up: no ts_recent is forgotten
    Router router
    int32_t nrewrite
    Rewrite rewrite[REWRITES_MAX]
    uint8_t bare[HOSTS_MAX]             # hosts without TCP
    int32_t ncaught, ncounted
    uint64_t counted[COUNTED_MAX]       # keys of the unknowns that claims count over
    uint8_t counted_forged[COUNTED_MAX] # injected segments bring it; else a connect()'s SYN
    int32_t peered_bind[PEERED_MAX]
    int32_t ordinal_kind[ORDINALS_MAX]
    int32_t ordinal_flags[ORDINALS_MAX]
    int32_t ordinal_most[ORDINALS_MAX]
    uint8_t proc_host[PROCS_MAX]
    int32_t proc_entry[PROCS_MAX]
    int32_t firewall_on                 # switched on from the start
    uint8_t budget[FAULTS_MAX]
    int64_t delay_lo, delay_hi          # ns
    int64_t lifetime                    # ns; copies and late segments
    int64_t horizon                     # ns; 0: none
    uint8_t timed
    uint8_t zero_left_out               # an unknown timestamp is never exactly 0
    uint8_t exact                       # nothing is forgotten that a comparison might ask for
    uint8_t keeps_order                 # segments of one direction do not overtake
    int32_t nconfig[HOSTS_MAX]
    const Config* config[HOSTS_MAX]     # each host's Configs, one for each combination of its sysctl steps
    int32_t* sysctl_next[HOSTS_MAX]     # [config * steps + step] -> config
    int32_t nsysctl

cpdef enum:
    WAY_KNOWN = 0
    WAY_SLEEPING = 1            # the sleep is under way: its length will be one of these values
    WAY_AHEAD = 2               # what is asked for is not chosen yet: every value is possible

ctypedef struct Piece:                  # values of U with which a claim came to an outcome
    int8_t claim
    uint8_t way
    uint32_t outcome                    # count: 1 the predicate held, 0 only what precedes its effects, or the run ended; map: OUT_* bits
    int64_t lo
    uint64_t len
    int64_t lo2                         # pairs: these of the first with those of the second; len2 0: no pair
    uint64_t len2

cpdef enum:                             # outcome: what a segment led to; the state after it << OUT_STATE, 0 where it stays
    OUT_SYN = 1
    OUT_SYNACK = 2
    OUT_FIN = 4
    OUT_RST = 8
    OUT_ACK = 16
    OUT_DATA = 32
    OUT_ACCEPTS = 64            # bytes or FIN entered the receive queue
    OUT_STATE = 8               # a shift

cpdef enum:                             # outcome of an obligation
    DUE_MET = 1
    DUE_EARLY = 2
    DUE_LATE = 4

ctypedef struct Quantity:               # U = a - b of a count claim along a recorded path: keys, ticks, instants of the readings
    uint64_t key_a, key_b
    int64_t tick_a, tick_b
    int32_t i, j                        # -1: no reading
    int64_t c

ctypedef struct Event:                  # what a step did, by name: kind, and which one
    uint8_t kind                        # EV_*
    int32_t a                           # program; or uid of the segment or socket
    int32_t b                           # timer slot
    int32_t c                           # timer kind; pc

cpdef enum:
    EV_DELIVER = 0
    EV_TIMER = 1
    EV_PROGRAM = 2

ctypedef struct Part:                   # what is known of one socket of the loaded state
    uint32_t bases, clocks, readings    # bit i: it holds base i, clock i as the age of something, clock i as a reading
    Sum sum                             # its share of the state's hash

ctypedef void (*PlanFn)(void* machine) noexcept nogil

ctypedef struct Machine:
    Tables t
    World cur                           # the loaded state; untouched while a step runs
    World nxt                           # the state the step makes of it
    int loaded                          # m.cur was unpacked for a search: what follows speaks of it
    int32_t nready                      # the first events of m.cur, all but those of programs; -1: not known yet
    Event ready[READY_MAX + PROCS_MAX]
    int32_t nall                        # and with those of programs, where none of them is a choice; -1: not known
    int fly_sorted                      # 1: so m.cur's segments stay in order when some leave; 0: they do not; -1: not known
    uint32_t named, summed              # bit i: the names, the sum of part[i] are known
    uint32_t clean                      # bit i: slot i is the same in m.nxt
    Part part[SOCKS_MAX]
    int same_bases                      # the bases are the same in m.nxt
    int base_summed                     # ... and their share of the hash is known
    Sum base_sum
    Choices* ch
    uint64_t hits                       # bits of the step just run
    int truncated                       # the step needs a bigger table than there is
    int cut_at_horizon                  # some run met the horizon with something still to happen; stays
    int zero_met                        # a step hung on whether a number is 0, and that it may be was left out; stays
    int stuck                           # something was due and nothing could happen: a fault of the model; stays set
    uint64_t met                        # claims of which an obligation was met in this step
    uint64_t late                       # those of the hits that are obligations outliving their bound
    uint8_t show_late                   # witness: claim + 1 whose obligation runs out after the last step
    Event event                         # of the step just run
    uint8_t sent_as[EFFECTS_MAX][ORDINALS_MAX]  # of each EF_SEND: the how-manieth of its socket for each pattern
    Seg incoming                        # EV_DELIVER: the segment
    int has_incoming
    int here                            # the host it came to: its destination, or the router on its way
    uint8_t clock_now                   # a clock that a claim started in this step; 0: none
    int settled                         # no step is under way: m.nxt alone is looked at
    int32_t npiece
    uint64_t pieces_full                # claims with more sets of values than there is room for; stays
    uint64_t no_value                   # claims that came to an outcome where U had no value; stays
    Piece piece[PIECES_MAX]
    Quantity over                       # MODE_RECORD: what the count claim of `asked` ranges over, where it has these values
    Quantity over2
    int asked_log                       # ... and so many entries the log had then: later ones are other claims'
    Piece asked                         # claim -1: none
    # a concrete re-run: the events to take and the time that passes before each
    Event* script
    int32_t nscript, at
    int64_t* instant
    PlanFn plan                         # a random run: writes the next event and its instant; NULL: they are given
    void* sim                           # ... and what it needs for that
    PlanFn watch                        # called when a step has been judged, before numbers are renamed; NULL: nobody asks
    void* watched                       # ... and what it needs for that
    PlanFn fold                         # called when a successor is canonical, before time passes; NULL: hosts are told apart
    void* alike                         # ... and what it needs for that
    int32_t cur_org[CLOCKS_MAX]         # branches.pyx: the instant at which each clock of m.cur was started
    void* seen                          # of a watched search: the footprints (footprints.pyx) ...
    uint64_t before                     # ... and that of the loaded state
    uint32_t next_seg_uid
