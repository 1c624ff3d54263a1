# cython: cdivision=True
"""A breadth-first search in parts, each with a memory of its own: the same nodes with the same numbers as in one piece.

A part owns the states whose hashes fall to it: it alone looks them up, keeps and expands them. Zones of one discrete
state have one hash, so whether one includes another is asked within one part. A level is searched in slices, each a
range of node numbers; of a slice

* every part expands those of its nodes that are in it, and puts each successor into the queue for the part that owns
  it (`expand`),
* every part takes what was sent to it, in the order of the parents' numbers, and keeps what is new (`insert`): so it
  looks up its states in the very order in which a search in one piece would,
* every part is told the parents of all new nodes and works out the numbers of its own (`number`).

A node's number tells which nodes come before it, and a part's numbers ascend with its own count of nodes. So the log of
parents, which are numbers, is followed back by asking who has that number (`entries`).
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from tcpcheck.explore.frontier cimport frontier_free, frontier_get, frontier_init, frontier_put, frontier_reserve
from tcpcheck.explore.hash64 cimport hash64
from tcpcheck.explore.memory cimport (
    Memory, arena_at, arena_free, arena_init, arena_put, arena_reserve, arena_take, memory_give, memory_take,
)
from tcpcheck.explore.numbers cimport numbers_free, numbers_init, numbers_put, reader_next, reader_start
from tcpcheck.explore.search cimport (
    BATCH_BYTES, STOP_MEMORY, STOP_NOT, SUCCESSOR_BYTES_MAX, Successor, search_branch, search_close, search_flush,
    search_give_up, search_hit, search_keep, search_open,
)
from tcpcheck.explore.store cimport store_has, store_record, store_zone
from tcpcheck.explore.system cimport EXPANSION_MAX, STATE_BYTES_MAX
from tcpcheck.sym.choice cimport choices_start

cdef int64_t EVERYTHING = <int64_t>1 << 62
cdef uint8_t CHOICE[EXPANSION_MAX]      # k at place k

for _k in range(EXPANSION_MAX):
    CHOICE[_k] = <uint8_t>_k


# ---------------------------------------------------------------- a successor to its owner

cdef inline int32_t _owner(const Part* p, uint64_t hash) noexcept nogil:
    """The low half of the hash; the store's places are named by the high one."""
    return <int32_t>(<uint64_t><uint32_t>hash * <uint64_t>p.parts >> 32)


cdef inline int _known(Part* p, uint64_t hash, int32_t owner) noexcept nogil:
    """1: its owner has it already, or will before this one arrives."""
    cdef uint64_t* place
    if owner == p.part and store_has(&p.s.store, hash):
        return 1
    hash = hash if hash else 1
    place = &p.sent[hash >> (64 - SENT_BITS)]
    if place[0] == hash:
        return 1
    place[0] = hash
    return 0


cdef int32_t _write(Part* p, const Successor* x) noexcept nogil:
    """The successor as one record of whole words; its bytes, 0 when it is too long for the queue."""
    cdef int32_t state = (x.bytes + 7) & ~7, zone = 8 * x.clocks * x.clocks, choices = (x.choices + 7) & ~7
    cdef int32_t n = <int32_t>sizeof(Head) + state + zone + choices + (16 if p.s.lasso_mask else 0)
    cdef uint8_t* to = p.record
    cdef Head head
    if n > STATE_BYTES_MAX:
        return 0
    head.order, head.bytes, head.clocks, head.choices = p.order, <uint16_t>x.bytes, <uint8_t>x.clocks, <uint8_t>x.choices
    memcpy(to, &head, sizeof(Head))
    to += sizeof(Head)
    if p.s.lasso_mask:
        memcpy(to, &x.pending, 8)
        memcpy(to + 8, &x.waits, 8)
        to += 16
    memcpy(to, x.state, x.bytes)
    memset(to + x.bytes, 0, state - x.bytes)
    to += state
    memcpy(to, x.zone, zone)
    to += zone
    memcpy(to, x.choice, x.choices)
    memset(to + x.choices, 0, choices - x.choices)
    return n


cdef int _send(Search* s, Successor* x) noexcept nogil:
    """Instead of looking it up. 0: the search must stop."""
    cdef Part* p = <Part*>s
    cdef int32_t n, owner = _owner(p, x.hash)
    p.order = 0 if x.parent != p.parent else p.order + 1
    p.parent = x.parent
    if p.remembers and _known(p, x.hash, owner):
        return 1
    n = _write(p, x)
    if n == 0:
        s.overflows += 1
        return 1
    if not frontier_reserve(&p.out[owner], n):
        return search_give_up(s, STOP_MEMORY)
    frontier_put(&p.out[owner], p.record, n, x.parent)
    p.records += 1
    p.queued_bytes += n
    return 1


# ---------------------------------------------------------------- a slice is expanded

cdef int _take(Part* p) noexcept nogil:
    """The next node leaves the queue and is loaded, unless another zone covers it: then 0."""
    cdef Search* s = &p.s
    cdef int64_t address = -1
    cdef int32_t n = frontier_get(&s.frontier, &address)
    s.node = p.next.number
    s.popped += 1
    s.node_pending = 0
    if s.whole_bytes:
        return 1
    if s.lasso_mask:
        s.node_pending = (<uint64_t*>arena_at(&s.edges.pending, 8 * (s.popped - 1)))[0]
    if address < 0:
        s.sys.load(s.sys.ctx, s.frontier.state, n, NULL, 0)
    elif store_record(&s.store, address).covered:
        return 0
    else:
        s.sys.load(s.sys.ctx, s.frontier.state, n, store_zone(&s.store, address), store_record(&s.store, address).n)
    return 1


cdef void _note(Part* p) noexcept nogil:
    """The model has noted something more: when."""
    cdef Moment* moment
    while <int64_t>sizeof(Moment) * p.s.sys.noted(p.s.sys.ctx) > p.noted.top:
        if not arena_reserve(&p.noted, sizeof(Moment)):
            search_give_up(&p.s, STOP_MEMORY)
            return
        moment = <Moment*>arena_at(&p.noted, arena_take(&p.noted, sizeof(Moment)))
        moment.node, moment.branch = p.s.node, p.branch


cdef void _branches(Part* p) noexcept nogil:
    """Every successor of the loaded node."""
    cdef Search* s = &p.s
    choices_start(&s.ch)
    s.expanding = 1
    s.successors = 0
    p.branch = 0
    while s.expanding and s.stop == STOP_NOT:
        search_branch(s)
        if s.sys.noted != NULL:
            _note(p)
        p.branch += 1


cdef void _whole(Part* p) noexcept nogil:
    """The same where states are expanded whole: they stay in the buffer until the batch is full."""
    cdef Search* s = &p.s
    cdef Successor* x
    cdef uint8_t* out
    cdef int32_t k, count
    if s.ready_bytes + EXPANSION_MAX * s.whole_bytes > BATCH_BYTES:
        search_flush(s)
    out = s.buffer + s.ready_bytes
    count = s.sys.expand(s.sys.ctx, s.frontier.state, out)
    if s.nready + count > BATCH_MAX:
        search_flush(s)
    for k in range(count):
        x = &s.ready[s.nready + k]
        x.parent, x.bytes, x.clocks, x.choices, x.choice = s.node, s.whole_bytes, 0, count > 1, &CHOICE[k]
        x.state = out + k * s.whole_bytes
        x.pending = x.waits = 0
    s.nready += count
    s.ready_bytes = <int64_t>(out - s.buffer) + count * s.whole_bytes
    s.transitions += count


cdef void part_expand(Part* p, int64_t until) noexcept nogil:
    """All nodes whose numbers are below `until`."""
    cdef Search* s = &p.s
    s.keep = _send
    while s.stop == STOP_NOT:
        if p.next.i < s.popped and not reader_next(&p.numbers, &p.next) or p.next.number >= until:
            break
        if not _take(p):
            continue
        if s.whole_bytes:
            _whole(p)
        else:
            _branches(p)
    search_flush(s)


# ---------------------------------------------------------------- what others sent is looked up

cdef void _put_number(Arena* a, int64_t number) noexcept nogil:
    """After arena_reserve of ten bytes."""
    while number >= 128:
        arena_put(a, <uint8_t>(128 | (number & 127)))
        number >>= 7
    arena_put(a, <uint8_t>number)


cdef void _judge(Part* p, const Successor* x, int32_t order) noexcept nogil:
    """A new state of a system that expands whole states."""
    cdef Search* s = &p.s
    cdef uint64_t before = s.hit_mask
    cdef int c
    s.node = x.parent
    s.ch.n = x.choices
    s.ch.taken[0] = x.choice[0]
    search_hit(s, s.sys.judge(s.sys.ctx, x.state), 0)
    for c in range(CLAIMS_MAX):
        if (s.hit_mask & ~before) >> c & 1:
            p.hit_order[c] = order


cdef int _keep(Search* s, Successor* x) noexcept nogil:
    """Looks it up; of a new node it is noted whose child it is."""
    cdef Part* p = <Part*>s
    cdef int64_t before = s.store.nodes
    cdef int64_t parent = x.parent if x.parent >= 0 else 0
    cdef int32_t order = p.brother[x - s.ready]
    if not arena_reserve(&p.fresh, 20):
        return search_give_up(s, STOP_MEMORY)
    if not search_keep(s, x):
        return 0
    if s.store.nodes > before:
        _put_number(&p.fresh, parent - p.fresh_parent)
        _put_number(&p.fresh, order)
        p.fresh_parent = parent
        if s.whole_bytes and x.parent >= 0 and s.claims & ~s.hit_mask:
            _judge(p, x, order)
    return s.stop == STOP_NOT


cdef void _read(Part* p, const uint8_t* record, int64_t parent) noexcept nogil:
    """A record joins the batch."""
    cdef Search* s = &p.s
    cdef Successor* x = &s.ready[s.nready]
    cdef uint8_t* to = s.buffer + s.ready_bytes
    cdef Head head
    cdef int32_t size
    memcpy(&head, record, sizeof(Head))
    record += sizeof(Head)
    x.parent, x.bytes, x.clocks, x.choices = parent, head.bytes, head.clocks, head.choices
    p.brother[s.nready] = head.order
    x.pending = x.waits = 0
    if s.lasso_mask:
        memcpy(&x.pending, record, 8)
        memcpy(&x.waits, record + 8, 8)
        record += 16
    x.state = to
    memcpy(to, record, x.bytes)
    memset(to + x.bytes, 0, 32)
    to += (x.bytes + 31) & ~31
    record += (x.bytes + 7) & ~7
    x.zone = <int64_t*>to
    size = 8 * x.clocks * x.clocks
    memcpy(to, record, size)
    to += (size + 31) & ~31
    x.choice = to
    memcpy(to, record + size, x.choices)
    to += (x.choices + 31) & ~31
    s.ready_bytes = <int64_t>(to - s.buffer)
    s.nready += 1
    if s.nready == BATCH_MAX or s.ready_bytes + SUCCESSOR_BYTES_MAX > BATCH_BYTES:
        search_flush(s)


cdef inline Frontier* _from(Part* p, int32_t part) noexcept nogil:
    """What a part sent; its own never left."""
    return &p.out[part] if part == p.part else &p.came[part]


cdef void part_insert(Part* p) noexcept nogil:
    """All that came, the children of one parent after those of another, as their numbers say."""
    cdef int32_t i, least
    p.s.keep = _keep
    p.fresh.top = 0
    p.fresh_parent = 0
    for i in range(p.parts):
        p.n[i] = frontier_get(_from(p, i), &p.tag[i])
    while p.s.stop == STOP_NOT:
        least = -1
        for i in range(p.parts):
            if p.n[i] >= 0 and (least < 0 or p.tag[i] < p.tag[least]):
                least = i
        if least < 0:
            break
        _read(p, _from(p, least).state, p.tag[least])
        p.n[least] = frontier_get(_from(p, least), &p.tag[least])
    search_flush(&p.s)


# ---------------------------------------------------------------- numbers for the new nodes

cdef int64_t _get_number(Cursor* c) noexcept nogil:
    cdef int64_t number = 0
    cdef int shift = 0
    cdef uint8_t byte
    while c.at < c.end:
        byte = c.at[0]
        c.at += 1
        number += <int64_t>(byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    return number


cdef inline void _step(Cursor* c) noexcept nogil:
    """The next new node of that part; order -1: none."""
    if c.at == c.end:
        c.order = -1
        return
    c.parent += _get_number(c)
    c.order = _get_number(c)


cdef inline int _before(const Cursor* a, const Cursor* b) noexcept nogil:
    return a.parent < b.parent or a.parent == b.parent and a.order < b.order


cdef void part_number(Part* p, Cursor* cursor) noexcept nogil:
    cdef int32_t i, least
    for i in range(p.parts):
        _step(&cursor[i])
    while True:
        least = -1
        for i in range(p.parts):
            if cursor[i].order >= 0 and (least < 0 or _before(&cursor[i], &cursor[least])):
                least = i
        if least < 0:
            return
        if least == p.part and not numbers_put(&p.numbers, p.numbered):
            search_give_up(&p.s, STOP_MEMORY)
            return
        p.numbered += 1
        _step(&cursor[least])


# ---------------------------------------------------------------- begin and end

cdef int part_open(Part* p, int exact) noexcept nogil:
    """Takes the memory. p is zeroed but for its number, what is asked, s.sys and s.mem. 0: not enough."""
    cdef Memory* m = &p.s.mem
    cdef int32_t i
    p.s.batch = BATCH_MAX
    p.parent = -1
    reader_start(&p.next)
    numbers_init(&p.numbers, m)
    arena_init(&p.noted, m)
    arena_init(&p.fresh, m)
    p.out = <Frontier*>memory_take(m, p.parts * sizeof(Frontier))
    p.came = <Frontier*>memory_take(m, p.parts * sizeof(Frontier))
    p.tag = <int64_t*>memory_take(m, 8 * p.parts)
    p.n = <int32_t*>memory_take(m, 4 * p.parts)
    p.sent = <uint64_t*>memory_take(m, <int64_t>8 << SENT_BITS)
    p.record = <uint8_t*>memory_take(m, STATE_BYTES_MAX)
    if m.failed:
        return search_give_up(&p.s, STOP_MEMORY)
    for i in range(p.parts):
        if not frontier_init(&p.out[i], m) or not frontier_init(&p.came[i], m):
            return search_give_up(&p.s, STOP_MEMORY)
    if not search_open(&p.s, exact, EVERYTHING):
        return 0
    p.remembers = not exact and not p.s.lasso_mask and not p.s.store.timed
    return 1


cdef void part_start(Part* p) noexcept nogil:
    """Keeps the initial state if it is its own."""
    cdef Search* s = &p.s
    cdef Successor* x = &s.ready[0]
    if s.stop != STOP_NOT:
        return
    if s.sys.noted != NULL:
        s.node = -1
        _note(p)                                        # of the initial state, before all others
    s.keep = _keep
    x.hash = hash64(x.state, x.bytes, <uint64_t>x.clocks, s.hash_keys)
    if _owner(p, x.hash) != p.part:
        s.nready = 0
        s.ready_bytes = 0
        s.truncated = 0
    search_flush(s)


cdef void part_close(Part* p) noexcept nogil:
    """Gives the memory back."""
    cdef Memory* m = &p.s.mem
    cdef int32_t i
    search_close(&p.s)
    numbers_free(&p.numbers)
    arena_free(&p.noted)
    arena_free(&p.fresh)
    for i in range(p.parts if p.out != NULL and p.came != NULL else 0):
        if p.out[i].mem != NULL:
            frontier_free(&p.out[i])
        if p.came[i].mem != NULL:
            frontier_free(&p.came[i])
    memory_give(m, p.out, p.parts * sizeof(Frontier))
    memory_give(m, p.came, p.parts * sizeof(Frontier))
    memory_give(m, p.tag, 8 * p.parts)
    memory_give(m, p.n, 4 * p.parts)
    memory_give(m, p.sent, <int64_t>8 << SENT_BITS)
    memory_give(m, p.record, STATE_BYTES_MAX)
