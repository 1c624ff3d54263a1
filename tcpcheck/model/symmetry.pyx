"""States that differ only in which of several hosts that are alike is which: a search follows one of them.

Of all images of a state under the renamings of symmetric.py the least takes its place, before time passes. Least is
whose hosts stand in the order of what each of them is at (`profiles`); among those the one with the least bytes and
zone. A step of the model treats alike hosts alike, and no claim tells them apart: so what the image leads to is the
image of what the state leads to, and every claim is hit there if it is hit here. Were some image not the least, a state
would only be searched twice.

Paths of such a search are not runs of the spec, for hosts change places on them: unfolding.py makes them such.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from tcpcheck.explore.system cimport STATE_BYTES_MAX
from tcpcheck.model.canon cimport name_again, seg_nums, sock_nums, track_nums
from tcpcheck.model.layout cimport *
from tcpcheck.model.packed cimport pack
from tcpcheck.model.step cimport copy_world
from tcpcheck.model.world cimport Model, sys_save_zone
from tcpcheck.sym.number cimport BASE_PAST, Num, past_of
from tcpcheck.sym.zone cimport CLOCKS_MAX
from tcpcheck.tcp.types cimport HOSTS_MAX, SK_FREE

cdef enum:
    KEY_KINDS = 56                      # where a key has its kind, its host and its peer (tcp/sockets.pyx, tuple_key)
    KEY_HOST = 48
    KEY_PEER = 40
    CONSTANTS = 1 << 16                 # keys of the spec's own constants are program.CONSTANT_KEY and no more than this
    GROUP_MAX = 720                     # permutations of HOSTS_MAX hosts

cdef uint64_t CONSTANT_KEY = <uint64_t>1 << KEY_KINDS

ctypedef struct Renaming:               # symmetric.Renaming
    uint8_t host[HOSTS_MAX]
    uint8_t proc[PROCS_MAX]
    uint8_t bind[BINDS_MAX]
    uint8_t fault[FAULTS_MAX]
    uint8_t rule[FIREWALL_MAX]
    uint8_t kept[KEPT_MAX]
    uint8_t peered[PEERED_MAX]

ctypedef struct Image:                  # as the search would keep it
    int32_t bytes, zone_bytes
    uint8_t state[STATE_BYTES_MAX]
    int64_t zone[CLOCKS_MAX * CLOCKS_MAX]

ctypedef struct Group:
    int32_t n
    Renaming* by                        # the first changes nothing
    World plain                         # the state as it is, while its images are compared
    Image image[2]


# ---- every name in a state

cdef uint64_t renamed_key(const Renaming* g, uint64_t key) noexcept nogil:
    """Of an unknown constant that belongs to a connection or a host; the spec's own stay what they are."""
    cdef uint64_t host = key >> KEY_HOST & 255, peer = key >> KEY_PEER & 255
    if key == 0 or CONSTANT_KEY <= key < CONSTANT_KEY + CONSTANTS:
        return key
    key &= ~(<uint64_t>0xffff << KEY_PEER)
    if host < HOSTS_MAX:
        host = g.host[host]
    if peer < HOSTS_MAX:
        peer = g.host[peer]
    return key | host << KEY_HOST | peer << KEY_PEER


cdef void rename_past(void* g, Num* x) noexcept nogil:
    """The one number that has a key in it (past_of); all others have the place of a base."""
    cdef uint64_t off = <uint64_t>x.off, kind = off >> 44 & 7, host = off >> 40 & 15, peer = off >> 32 & 255
    if x.base == BASE_PAST:
        x.off = past_of(renamed_key(
            <const Renaming*>g, <uint32_t>off | kind << KEY_KINDS | host << KEY_HOST | peer << KEY_PEER))


cdef void rename_sockets(Machine* m, const Renaming* g) noexcept nogil:
    cdef World* w = &m.nxt
    cdef int i
    for i in range(w.tcp.top):
        if w.tcp.sock[i].kind == SK_FREE:
            continue
        w.tcp.sock[i].host = g.host[w.tcp.sock[i].host]
        if w.tcp.sock[i].rport:                 # a listener has no peer
            w.tcp.sock[i].peer = g.host[w.tcp.sock[i].peer]
        w.tcp.sock[i].ts_key = renamed_key(g, w.tcp.sock[i].ts_key)
        if w.tcp.sock[i].binding >= 0:
            w.tcp.sock[i].binding = <int8_t>g.bind[w.tcp.sock[i].binding]
        sock_nums(&w.tcp.sock[i], rename_past, <void*>g)
        if w.owner[i]:
            w.owner[i] = g.proc[w.owner[i] - 1] + 1


cdef void rename_tuple(const Renaming* g, Tuple* t) noexcept nogil:
    if t.lport or t.rport:
        t.host = g.host[t.host]
        t.peer = g.host[t.peer]


cdef void rename_network(Machine* m, const Renaming* g) noexcept nogil:
    cdef World* w = &m.nxt
    cdef Track* t
    cdef int i
    for i in range(w.nfly):
        w.fly[i].to = g.host[w.fly[i].to]
        w.fly[i].seg.src = g.host[w.fly[i].seg.src]
        w.fly[i].seg.dst = g.host[w.fly[i].seg.dst]
        seg_nums(&w.fly[i].seg, rename_past, <void*>g)
    for i in range(w.ntrack):
        t = &w.track[i]
        t.src, t.dst, t.rsrc, t.rdst = g.host[t.src], g.host[t.dst], g.host[t.rsrc], g.host[t.rdst]
        track_nums(t, rename_past, <void*>g)
    for i in range(1, w.tcp.sym.nbase):
        w.tcp.sym.base[i].key = renamed_key(g, w.tcp.sym.base[i].key)
        w.tcp.sym.base[i].host = g.host[w.tcp.sym.base[i].host]


cdef void move_runs(Machine* m, const Renaming* g) noexcept nogil:
    """Programs and the names of their sockets."""
    cdef World* w = &m.nxt
    cdef Proc proc[PROCS_MAX]
    cdef Bind bind[BINDS_MAX]
    cdef int i, to
    memcpy(proc, w.proc, sizeof(proc))
    for i in range(m.t.nproc):
        to = g.proc[i]
        w.proc[to] = proc[i]
        if proc[i].status != PROC_DONE:         # then it stands nowhere
            w.proc[to].pc = <uint16_t>(proc[i].pc - m.t.proc_entry[i] + m.t.proc_entry[to])
    memcpy(bind, w.bind, sizeof(bind))
    for i in range(m.t.nbind):
        w.bind[g.bind[i]] = bind[i]


cdef void move_hosts(Machine* m, const Renaming* g) noexcept nogil:
    """What a state has for each host, fault and rule."""
    cdef World* w = &m.nxt
    cdef uint8_t ix[HOSTS_MAX]
    cdef uint8_t budget[FAULTS_MAX]
    cdef uint32_t down = w.down, rules = w.firewall
    cdef int i, to
    memcpy(ix, w.tcp.cfg_ix, sizeof(ix))
    memcpy(budget, w.budget, sizeof(budget))
    w.down = 0
    w.firewall = 0
    for i in range(m.t.nhost):
        to = g.host[i]
        w.tcp.cfg_ix[to] = ix[i]
        w.tcp.cfg[to] = m.t.config[to] + ix[i]
        w.down |= <uint8_t>((down >> i & 1) << to)
    for i in range(m.t.nfault):
        w.budget[g.fault[i]] = budget[i]
    for i in range(m.t.nfirewall):
        w.firewall |= (rules >> i & 1) << g.rule[i]


cdef void move_asked_for(Machine* m, const Renaming* g) noexcept nogil:
    """What only some claims ask for."""
    cdef World* w = &m.nxt
    cdef uint8_t has_kept[KEPT_MAX]
    cdef Num kept[KEPT_MAX]
    cdef Tuple peered[PEERED_MAX][BIND_DEPTH]
    cdef int i, k
    memcpy(has_kept, w.has_kept, sizeof(has_kept))
    memcpy(kept, w.kept, sizeof(kept))
    for i in range(m.t.nkept):
        w.has_kept[g.kept[i]] = has_kept[i]
        w.kept[g.kept[i]] = kept[i]
        rename_past(<void*>g, &w.kept[g.kept[i]])
    for i in range(w.ngone):
        rename_tuple(g, &w.gone[i])
    memcpy(peered, w.peered, sizeof(peered))
    for i in range(m.t.npeered):
        for k in range(BIND_DEPTH):
            rename_tuple(g, &peered[i][k])
        memcpy(w.peered[g.peered[i]], peered[i], sizeof(peered[i]))


cdef void rename_hosts(Machine* m, const Renaming* g) noexcept nogil:
    """m.nxt, canonical before and after. What the spec's hosts without renaming hold (caught, ...) names no other."""
    rename_sockets(m, g)
    rename_network(m, g)
    move_runs(m, g)
    move_hosts(m, g)
    move_asked_for(m, g)
    name_again(m)


# ---- which image

cdef inline uint64_t mixed(uint64_t a, uint64_t b) noexcept nogil:
    a = (a ^ b) * <uint64_t>0x9e3779b97f4a7c15
    return a ^ a >> 32


cdef void profiles(Machine* m, uint64_t* of) noexcept nogil:
    """What each host is at, as a number. The same for a host and its image, for it names no host: sockets are told by
    their slots, runs by their order."""
    cdef const World* w = &m.nxt
    cdef int i, h, at, order = 0
    for h in range(m.t.nhost):
        of[h] = w.down >> h & 1
    for i in range(m.t.nproc):
        h = m.t.proc_host[i]
        order = order + 1 if i and m.t.proc_host[i - 1] == h else 0
        at = w.proc[i].pc - m.t.proc_entry[i] if w.proc[i].status != PROC_DONE else 0
        of[h] += mixed(mixed(at, order), w.proc[i].status << 8 | w.proc[i].called)
    for i in range(w.tcp.top):
        if w.tcp.sock[i].kind != SK_FREE:
            of[w.tcp.sock[i].host] += mixed(i + 1, w.tcp.sock[i].state)
            if w.tcp.sock[i].rport:
                of[w.tcp.sock[i].peer] += mixed(i + 1, w.tcp.sock[i].state << 8)
    for i in range(w.nfly):
        of[w.fly[i].seg.src] += mixed(w.fly[i].seg.flags, 1)
        of[w.fly[i].seg.dst] += mixed(w.fly[i].seg.flags, 2)


cdef int compared(Machine* m, const Renaming* g, const uint64_t* of, uint64_t* least) noexcept nogil:
    """The image's profiles, host by host, with the least so far, which they become when they are less. -1: less; 0: the
    same; 1: more."""
    cdef uint64_t mine[HOSTS_MAX]
    cdef int h
    for h in range(m.t.nhost):
        mine[g.host[h]] = of[h]
    for h in range(m.t.nhost):
        if mine[h] != least[h]:
            if mine[h] > least[h]:
                return 1
            memcpy(least, mine, m.t.nhost * sizeof(uint64_t))
            return -1
    return 0


cdef void see(Machine* m, Image* x) noexcept nogil:
    cdef int32_t n
    x.bytes = pack(m, &m.nxt, x.state)
    n = sys_save_zone(m, x.zone)
    x.zone_bytes = 8 * n * n


cdef int is_less(const Image* a, const Image* b) noexcept nogil:
    """By any order that only looks at the two."""
    cdef int d
    if a.bytes != b.bytes:
        return a.bytes < b.bytes
    d = memcmp(a.state, b.state, a.bytes)
    if d == 0 and a.zone_bytes != b.zone_bytes:
        return a.zone_bytes < b.zone_bytes
    return (d if d else memcmp(a.zone, b.zone, a.zone_bytes)) < 0


cdef void put_back(Machine* m, const World* w) noexcept nogil:
    """m.nxt is w again; what the step did stays noted."""
    cdef int32_t effects = m.nxt.tcp.fx.n, zero_met = m.nxt.tcp.sym.zero_met
    copy_world(m, &m.nxt, w)
    m.nxt.tcp.fx.n = effects
    m.nxt.tcp.sym.zero_met = zero_met


cdef void least_of(Machine* m, Group* a, const int32_t* tied, int n) noexcept nogil:
    """m.nxt becomes the least of these images."""
    cdef int i, best = 0, where = 0         # of the least so far, and which of the two images it is
    copy_world(m, &a.plain, &m.nxt)
    for i in range(n):
        if i:
            put_back(m, &a.plain)
        if tied[i]:
            rename_hosts(m, &a.by[tied[i]])
        see(m, &a.image[1 - where])
        if i == 0 or is_less(&a.image[1 - where], &a.image[where]):
            best, where = i, 1 - where
    if best != n - 1:
        put_back(m, &a.plain)
        if tied[best]:
            rename_hosts(m, &a.by[tied[best]])


cdef void fold(void* machine) noexcept nogil:
    """m.nxt, canonical, becomes the least of its images."""
    cdef Machine* m = <Machine*>machine
    cdef Group* a = <Group*>m.alike
    cdef uint64_t of[HOSTS_MAX]
    cdef uint64_t least[HOSTS_MAX]
    cdef int32_t tied[GROUP_MAX]
    cdef int i, d, n = 1
    profiles(m, of)
    memcpy(least, of, sizeof(least))
    tied[0] = 0
    for i in range(1, a.n):
        d = compared(m, &a.by[i], of, least)
        if d < 0:
            n = 0
        if d <= 0:
            tied[n] = i
            n += 1
    if n > 1:
        least_of(m, a, tied, n)
    elif tied[0]:
        rename_hosts(m, &a.by[tied[0]])


# ---- from Python

cdef class Alike:
    """The renamings of one Model's Case. rows: symmetric.Renaming, at least one."""
    cdef Group* group
    cdef readonly tuple hosts               # of each renaming what becomes of each host

    def __cinit__(self, list rows):
        cdef Renaming* g
        cdef int i, k
        self.group = <Group*>calloc(1, sizeof(Group))
        if self.group == NULL:
            raise MemoryError
        self.group.n = len(rows) + 1
        self.group.by = <Renaming*>calloc(self.group.n, sizeof(Renaming))
        if self.group.by == NULL:
            raise MemoryError
        for i, row in enumerate(rows):
            g = &self.group.by[i + 1]
            for k, to in enumerate(row.host):
                g.host[k] = to
            for k, to in enumerate(row.proc):
                g.proc[k] = to
            for k, to in enumerate(row.bind):
                g.bind[k] = to
            for k, to in enumerate(row.fault):
                g.fault[k] = to
            for k, to in enumerate(row.rule):
                g.rule[k] = to
            for k, to in enumerate(row.kept):
                g.kept[k] = to
            for k, to in enumerate(row.peered):
                g.peered[k] = to
        self.hosts = tuple(row.host for row in rows)

    def __dealloc__(self):
        if self.group != NULL:
            free(self.group.by)
        free(self.group)

    def fold(self, Model model, on=True):
        """From now on each state that a step of this model makes is the least of its images; or no longer."""
        model.m.alike = self.group
        model.m.fold = NULL
        if on:
            model.m.fold = fold

    def _image(self, Model model, bytes state, zone, int by):
        """For tests: a state with its zone under the by-th of `hosts`, or (-1) made canonical again and no more."""
        cdef Machine* m = model.m
        model._packed_again(state, zone)
        if by >= 0:
            rename_hosts(m, &self.group.by[by + 1])
        else:
            name_again(m)
        see(m, &self.group.image[0])
        return image_as(&self.group.image[0])


cdef tuple image_as(const Image* x):
    cdef int i, j, n = 0
    while 8 * n * n < x.zone_bytes:
        n += 1
    return <bytes>x.state[:x.bytes], tuple(tuple(x.zone[i * n + j] for j in range(n)) for i in range(n))
