# cython: cdivision=True
"""Breadth-first search: runs every list of choices of every state, level by level.

Knows nothing of what it searches: only explore/system.pxd. Inside `_advance` there is no Python object and no lock;
it returns after some hundred expansions so that signals and limits of time can be seen to.
"""
import time

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from cpython.exc cimport PyErr_CheckSignals
from tcpcheck.explore.ancestry cimport (
    ancestry_add, ancestry_free, ancestry_init, ancestry_path, ancestry_reserve,
)
from tcpcheck.explore.edges cimport edges_add, edges_add_node, edges_free, edges_init, edges_pending, edges_reserve
from tcpcheck.explore.frontier cimport frontier_free, frontier_get, frontier_init, frontier_put, frontier_reserve
from tcpcheck.explore.hash64 cimport hash64, hash_keys
from tcpcheck.explore.lasso cimport find_cycles
from tcpcheck.explore.marks cimport marks_free, marks_init, marks_note, marks_paths
from tcpcheck.explore.memory cimport (
    MEMORY_LIMIT, arena_at, arena_free, arena_init, arena_reserve, arena_take, memory_give, memory_init,
    memory_take_raw,
)
from tcpcheck.explore.outlook cimport expected_bytes, expected_nodes, nearly_full
from tcpcheck.explore.snapshot cimport snapshot_in, snapshot_out
from tcpcheck.explore.store cimport (
    ADDED_FULL, ADDED_NEW, ADDED_NO_MEMORY, ADDED_OLD, Record, store_add, store_free, store_has, store_init,
    store_knows, store_prefetch, store_put, store_record, store_zone,
)
from tcpcheck.explore.system cimport EXPANSION_MAX, Handle
from tcpcheck.sym.choice cimport choices_next, choices_start

from tcpcheck import machine
from tcpcheck.explore.result import Hit, Lasso, Limits, NoRoom, SearchResult, too_small

cdef enum:
    STEPS_PER_TURN = 4096       # between two looks at the clock

cdef int64_t EVERYTHING = <int64_t>1 << 62
cdef double PROGRESS_EVERY = 0.2        # s


# ---------------------------------------------------------------- successors, in batches

cdef int search_give_up(Search* s, int why) noexcept nogil:
    """Returns 0. The first reason counts."""
    s.torn |= why == STOP_MEMORY
    if s.stop == STOP_NOT:
        s.stop = why
    return 0


cdef inline int _reserve(Search* s, int32_t n) noexcept nogil:
    """Room for one more node of n bytes and one more edge, so that keeping it cannot fail half-way."""
    cdef int room = frontier_reserve(&s.frontier, n) and ancestry_reserve(&s.ancestry)
    if room and (not s.lasso_mask or edges_reserve(&s.edges)):
        s.reserved = n
        return 1
    return 0


cdef int search_keep(Search* s, Successor* x) noexcept nogil:
    """Looks one successor up and keeps it when it is new; 0: the search must stop. All or nothing."""
    cdef int64_t node = -1, address = -1
    cdef int added
    if (s.reserved < x.bytes or s.lasso_mask) and not _reserve(s, x.bytes):
        return search_give_up(s, STOP_MEMORY)
    added = store_add(&s.store, x.hash, x.state, x.bytes, x.zone, x.clocks, &node, &address)
    if added == ADDED_NO_MEMORY:
        return search_give_up(s, STOP_MEMORY)
    if added == ADDED_FULL:
        return search_give_up(s, STOP_STATES)
    if added == ADDED_NEW:
        s.reserved = -1
        ancestry_add(&s.ancestry, x.parent if x.parent >= 0 else 0, x.choice, x.choices)
        frontier_put(&s.frontier, x.state, x.bytes, address)
        if s.lasso_mask:
            edges_add_node(&s.edges, x.pending)
    if x.waits:
        edges_add(&s.edges, x.parent, node, x.waits, x.choice, x.choices)
    return 1


cdef void search_flush(Search* s) noexcept nogil:
    """Looks up (s.keep) all successors that wait, in the order in which they came.

    Hashed only here: their bytes have reached the cache by now, and each place in the table is fetched while the other
    hashes are computed."""
    cdef Successor* x
    cdef int i
    for i in range(s.nready):
        x = &s.ready[i]
        x.hash = hash64(x.state, x.bytes, <uint64_t>x.clocks, s.hash_keys)
        store_prefetch(&s.store, x.hash)
    for i in range(s.nready):
        if not s.keep(s, &s.ready[i]):
            break
    s.nready = 0
    s.ready_bytes = 0


cdef int _describe(Search* s, Successor* x, int64_t parent) noexcept nogil:
    """All of the successor that stands ready in the system but its state. 0: it does not fit this kind of search."""
    cdef int k
    x.parent = parent
    x.clocks = 0
    if s.sys.save_zone != NULL:
        x.zone = <int64_t*>(s.buffer + s.ready_bytes)
        x.clocks = s.sys.save_zone(s.sys.ctx, x.zone)
        s.ready_bytes += (8 * x.clocks * x.clocks + 31) & ~31
    x.pending = s.sys.pending(s.sys.ctx) & s.lasso_mask if s.lasso_mask else 0
    x.waits = x.pending & s.node_pending
    x.choice = s.buffer + s.ready_bytes
    x.choices = s.ch.n
    for k in range(s.ch.n):
        x.choice[k] = s.ch.taken[k]
    s.ready_bytes += (s.ch.n + 31) & ~31
    return 1 if (x.clocks > 0) == s.store.timed else search_give_up(s, STOP_MIXED)


cdef void _save(Search* s, Successor* x) noexcept nogil:
    x.state = s.buffer + s.ready_bytes
    x.bytes = s.sys.save(s.sys.ctx, x.state)
    memset(x.state + x.bytes, 0, 32)
    s.ready_bytes += (x.bytes + 31) & ~31


cdef int search_gather(Search* s, int64_t parent) noexcept nogil:
    """The successor that stands ready in the system joins the batch. 0: it does not fit this kind of search."""
    cdef Successor* x = &s.ready[s.nready]
    if not _describe(s, x, parent):
        return 0
    _save(s, x)
    s.nready += 1
    return 1


cdef void _recognise(Search* s, int64_t parent, uint64_t hash) noexcept nogil:
    """The successor that stands ready in the system is kept when its hash is new; only then is it saved."""
    cdef Successor* x = &s.ready[0]
    cdef int64_t node
    x.hash = hash
    s.ready_bytes = 0
    if not _describe(s, x, parent):
        return
    if not store_knows(&s.store, hash, x.zone, x.clocks, &node):
        _save(s, x)
        search_keep(s, x)
    elif x.waits:
        if edges_reserve(&s.edges):
            edges_add(&s.edges, x.parent, node, x.waits, x.choice, x.choices)
        else:
            search_give_up(s, STOP_MEMORY)


# ---------------------------------------------------------------- one step

cdef void search_hit(Search* s, uint64_t claims, int at_end) noexcept nogil:
    """Remembers the first hit of each claim."""
    cdef int c
    cdef uint64_t fresh = claims & s.claims & ~s.hit_mask
    for c in range(CLAIMS_MAX):
        if not fresh >> c & 1:
            continue
        s.hit[c].at_end = at_end
        s.hit[c].node = s.node
        s.hit[c].choices = 0 if at_end else s.ch.n
        memcpy(s.hit[c].choice, s.ch.taken, s.ch.n)
    s.hit_mask |= fresh
    if s.stop_mask and not s.stop_mask & ~s.hit_mask:
        s.stop = STOP_DECIDED


cdef void _feasible_step(Search* s) noexcept nogil:
    """The step just run has a successor: count it, judge it, keep it."""
    cdef uint64_t hits, hash = 0
    s.transitions += 1
    s.successors += 1
    if s.recognises:            # its place in the table is on its way while the step is judged
        hash = s.sys.fingerprint(s.sys.ctx)
        store_prefetch(&s.store, hash)
    if s.sys.rules != NULL:
        s.sys.rules(s.sys.ctx, s.rules)
    if s.sys.truncated != NULL and s.sys.truncated(s.sys.ctx):
        s.truncated += 1
        return
    if s.marks.total and not marks_note(&s.marks, &s.sys, s.node, &s.ch):
        search_give_up(s, STOP_MEMORY)
        return
    if s.sys.hits != NULL:
        hits = s.sys.hits(s.sys.ctx)
        if hits & s.claims & ~s.hit_mask:
            search_hit(s, hits, 0)
    if s.recognises:
        _recognise(s, s.node, hash)
    elif search_gather(s, s.node) and (s.nready == s.batch or s.ready_bytes + SUCCESSOR_BYTES_MAX > BATCH_BYTES):
        search_flush(s)


cdef void search_branch(Search* s) noexcept nogil:
    """Runs the branch prescribed in ch and prescribes the next."""
    cdef int feasible = s.sys.step(s.sys.ctx, &s.ch)
    cdef int cut = s.ch.overflow
    if cut:
        s.overflows += 1
        s.successors += 1       # one there may have been
        s.ch.overflow = 0
    if feasible and not s.ch.dead:
        _feasible_step(s)
    if cut and s.ch.n == CHOICES_MAX:
        s.expanding = 0         # 2^96 branches and more: give this node up
    elif not choices_next(&s.ch):
        s.expanding = 0
        if s.successors == 0 and s.sys.hits_at_end != NULL:
            search_hit(s, s.sys.hits_at_end(s.sys.ctx), 1)


# ---------------------------------------------------------------- the next node

cdef int _note_level(Search* s, int64_t first) noexcept nogil:
    """Remembers the first node of a level, for the depth of a node."""
    if not arena_reserve(&s.levels, 8):
        return search_give_up(s, STOP_MEMORY)
    (<int64_t*>arena_at(&s.levels, arena_take(&s.levels, 8)))[0] = first
    return 1


cdef int _next_level(Search* s) noexcept nogil:
    """The frontier now holds the next level, whole. 0: it is empty or too deep."""
    if s.frontier.waiting == 0:
        s.stop = STOP_DONE
        return 0
    if s.popped > 0:
        s.depth += 1
    if s.lasso_mask and not _note_level(s, s.level_end):
        return 0
    s.width[s.widths % WIDTHS_KEPT] = s.store.nodes - s.level_end
    s.widths += 1
    s.level_end = s.store.nodes
    s.store.level_first = s.level_end
    if s.depth >= s.depth_max:
        s.stop = STOP_DEPTH
        return 0
    return 1


cdef int _load_next(Search* s) noexcept nogil:
    """Loads the next node that needs expanding; 0: none, or the search must stop."""
    cdef int64_t address = -1
    cdef int32_t n
    cdef Record* r
    while True:
        if s.popped == s.level_end:
            search_flush(s)
            if s.stop or not _next_level(s):
                return 0
        n = frontier_get(&s.frontier, &address)
        s.node = s.popped
        s.popped += 1
        if address < 0:
            s.sys.load(s.sys.ctx, s.frontier.state, n, NULL, 0)
            break
        r = store_record(&s.store, address)
        if not r.covered:
            s.sys.load(s.sys.ctx, s.frontier.state, n, store_zone(&s.store, address), r.n)
            break
    s.node_pending = edges_pending(&s.edges, s.node) if s.lasso_mask else 0
    choices_start(&s.ch)
    s.expanding = 1
    s.successors = 0
    return 1


# ---------------------------------------------------------------- systems that expand whole states

cdef inline int _add_whole(Search* s, const uint8_t* state, uint64_t hash) noexcept nogil:
    """As store_add."""
    cdef int64_t node, address
    if not s.store.exact and store_put(&s.store, hash):
        return ADDED_NEW
    return store_add(&s.store, hash, state, s.whole_bytes, NULL, 0, &node, &address)


cdef inline int _keep_whole(Search* s, const uint8_t* state, uint64_t hash, int64_t parent, int k,
                            int n) noexcept nogil:
    """The k-th of the n successors of parent is new, unless the store knows better. 0: the search must stop."""
    cdef uint8_t choice = <uint8_t>k
    cdef int added
    if not _reserve(s, s.whole_bytes):
        return search_give_up(s, STOP_MEMORY)
    added = _add_whole(s, state, hash)
    if added == ADDED_OLD:
        return 1
    if added != ADDED_NEW:
        return search_give_up(s, STOP_STATES if added == ADDED_FULL else STOP_MEMORY)
    ancestry_add(&s.ancestry, parent, &choice, n > 1)
    frontier_put(&s.frontier, state, s.whole_bytes, -1)
    if s.claims & ~s.hit_mask:
        s.node = parent
        s.ch.n = n > 1
        s.ch.taken[0] = choice
        search_hit(s, s.sys.judge(s.sys.ctx, state), 0)
    return s.stop == STOP_NOT


cdef void _expand_some(Search* s) noexcept nogil:
    """Expands a few nodes of one level, hashes their successors and fetches their places, then looks them up.

    The processor can wait for some twenty lines of memory at once: so they are asked for little by little."""
    cdef uint64_t hash[2 * EXPANSION_MAX]
    cdef int32_t count[2 * EXPANSION_MAX]
    cdef int32_t i, k, known, n = 0, nodes = 0
    cdef int64_t tag, first = s.popped
    cdef const uint8_t* state = s.buffer
    while n <= EXPANSION_MAX and nodes < 2 * EXPANSION_MAX and s.popped < s.level_end:
        frontier_get(&s.frontier, &tag)
        count[nodes] = s.sys.expand(s.sys.ctx, s.frontier.state, s.buffer + n * s.whole_bytes)
        for i in range(n, n + count[nodes]):
            hash[i] = hash64(state + i * s.whole_bytes, s.whole_bytes, 0, s.hash_keys)
            store_prefetch(&s.store, hash[i])
        n += count[nodes]
        nodes += 1
        s.popped += 1
    n = 0
    for i in range(nodes):
        s.transitions += count[i]
        for k in range(count[i]):
            known = not s.store.exact and store_has(&s.store, hash[n])
            if not known and not _keep_whole(s, state, hash[n], first + i, k, count[i]):
                return
            state += s.whole_bytes
            n += 1


cdef void _advance_whole(Search* s, int nodes) noexcept nogil:
    cdef int64_t last = s.popped + nodes
    while s.popped < last and not s.stop:
        if s.popped == s.level_end and not _next_level(s):
            return
        _expand_some(s)


# ---------------------------------------------------------------- all systems

cdef void _advance(Search* s, int nodes) noexcept nogil:
    """So many expansions; 0: what is left of the one begun. Ends in the middle of a node that has very many branches."""
    cdef int64_t last = s.popped + nodes
    cdef int _
    if s.whole_bytes:
        _advance_whole(s, nodes)
        return
    for _ in range(STEPS_PER_TURN):
        if not s.expanding and (s.popped >= last or not _load_next(s)):
            return
        search_branch(s)
        if s.stop:
            return


# ---------------------------------------------------------------- begin and end

cdef int search_open(Search* s, int exact, int64_t nodes_max) noexcept nogil:
    """Takes the memory; the initial state joins the batch. s is zeroed but for sys, mem and what is asked. 0: stopped."""
    cdef int timed
    s.hash_keys = hash_keys()
    s.keep = search_keep
    ancestry_init(&s.ancestry, &s.mem)
    edges_init(&s.edges, &s.mem)
    arena_init(&s.levels, &s.mem)
    s.buffer = <uint8_t*>memory_take_raw(&s.mem, BATCH_BYTES)
    if not marks_init(&s.marks, &s.mem) or not frontier_init(&s.frontier, &s.mem) or s.buffer == NULL:
        return search_give_up(s, STOP_MEMORY)
    timed = s.sys.save_zone != NULL and s.sys.save_zone(s.sys.ctx, <int64_t*>s.buffer) > 0
    if not store_init(&s.store, &s.mem, timed, s.lasso_mask != 0, exact, nodes_max):
        return search_give_up(s, STOP_MEMORY)
    s.store.skips_covered = s.lasso_mask == 0
    choices_start(&s.ch)
    s.reserved = -1
    s.truncated = s.sys.truncated != NULL and s.sys.truncated(s.sys.ctx) != 0
    if not search_gather(s, -1):
        return 0
    if s.sys.expand != NULL and not s.lasso_mask:
        s.whole_bytes = s.ready[0].bytes
    return 1


cdef void search_close(Search* s) noexcept nogil:
    """Gives the memory back."""
    store_free(&s.store)
    ancestry_free(&s.ancestry)
    frontier_free(&s.frontier)
    edges_free(&s.edges)
    arena_free(&s.levels)
    marks_free(&s.marks)
    memory_give(&s.mem, s.buffer, BATCH_BYTES)


cdef str search_reason(Search* s):
    """Why it ended; "": it has seen everything."""
    if s.stop == STOP_DONE:
        if s.overflows:
            return too_small(s.overflows)
        return ""
    if s.stop == STOP_MEMORY:
        return "memory limit" if s.mem.failed == MEMORY_LIMIT else "out of memory"
    return {
        STOP_DECIDED: "every claim decided",
        STOP_STATES: "state limit",
        STOP_DEPTH: "depth limit",
        STOP_SECONDS: "time limit",
        STOP_INTERRUPTED: "interrupted",
        STOP_MIXED: "the system is timed in some states only",
    }[s.stop]


# ---------------------------------------------------------------- the Python side

cdef class _Searcher:
    """Owns the memory of one search."""
    cdef Search* s
    cdef Handle handle

    def __cinit__(self):
        self.s = <Search*>calloc(1, sizeof(Search))
        if self.s == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.s != NULL:
            search_close(self.s)
            free(self.s)

    cdef int start(self, object limits, int64_t fail_after, object source) except -1:
        """Takes the memory and puts the initial state in, or the search that was saved. 0: stopped already."""
        cdef Search* s = self.s
        cdef int opened
        s.sys = self.handle.sys
        s.depth_max = EVERYTHING if limits.depth is None else limits.depth
        memory_init(&s.mem, EVERYTHING if limits.memory_bytes is None else limits.memory_bytes)
        s.mem.fail_after = fail_after
        opened = search_open(s, limits.exact, EVERYTHING if limits.states is None else limits.states)
        s.recognises = s.sys.fingerprint != NULL and not limits.exact
        if source is not None:
            if not opened or not snapshot_in(s, source):
                raise NoRoom
        elif opened and s.recognises:
            s.nready = 0
            _recognise(s, -1, s.sys.fingerprint(s.sys.ctx))
        elif opened:
            search_flush(s)
        return s.stop == STOP_NOT

    cdef object run(self, object seconds, object progress, object saver):
        """Turns until something ends it. -> seconds taken."""
        cdef Search* s = self.s
        cdef int64_t allowed = s.mem.limit
        called = shown = time.monotonic()
        begin = called - s.seconds
        try:
            while s.stop == STOP_NOT:
                with nogil:
                    _advance(s, NODES_PER_TURN)
                PyErr_CheckSignals()
                now = time.monotonic()
                if s.stop == STOP_NOT and seconds is not None and now - called >= seconds:
                    s.stop = STOP_SECONDS
                if s.stop == STOP_NOT and saver is not None:
                    if nearly_full(s):
                        s.stop = STOP_MEMORY
                    elif saver.due(s.store.nodes):
                        self.save(saver, now - begin)
                if now - shown >= PROGRESS_EVERY:
                    shown = now
                    self.mind_the_machine(allowed)
                if progress is not None and now == shown:
                    progress(s.store.states, s.transitions, <double>s.store.states / max(now - begin, 1e-9), s.depth,
                             s.frontier.waiting, s.mem.used, *self.expected())
        except KeyboardInterrupt:
            s.stop = STOP_INTERRUPTED
        if saver is not None and s.stop in (STOP_MEMORY, STOP_SECONDS, STOP_INTERRUPTED):
            self.save(saver, time.monotonic() - begin)
        search_flush(s)
        return time.monotonic() - begin

    cdef int save(self, object saver, double seconds) except -1:
        """Finishes the node begun and has the search saved, unless that ended it or it is no longer whole."""
        cdef Search* s = self.s
        cdef int why = s.stop
        if s.torn:
            return 0
        s.stop = STOP_NOT
        while s.expanding and s.stop == STOP_NOT:
            with nogil:
                _advance(s, 0)
            PyErr_CheckSignals()
        if s.stop == STOP_NOT:
            s.stop = why
            s.seconds = seconds
            saver.save(self.write_to)
        return 0

    cdef int mind_the_machine(self, int64_t allowed) except -1:
        """Others use memory, too: a search that asks for more than is left is ended, before the system ends it."""
        cdef Search* s = self.s
        if s.mem.used > machine.MINDED_FROM:
            left = machine.free_memory()
            s.mem.limit = allowed if left is None else min(allowed, s.mem.used + <int64_t>(machine.MINDED_SHARE * left))
        return 0

    cdef object expected(self):
        """(nodes, bytes) in all; 0: nothing tells."""
        cdef double nodes = expected_nodes(self.s)
        return round(nodes), round(expected_bytes(self.s, nodes)) if nodes else 0

    def write_to(self, sink):
        snapshot_out(self.s, sink)

    cdef object hit_of(self, int claim):
        cdef FirstHit* h = &self.s.hit[claim]
        path = ancestry_path(&self.s.ancestry, h.node)
        if h.at_end:
            return Hit("end", path)
        path.append(<bytes>h.choice[:h.choices])
        return Hit("step", path)

    cdef object result(self, double seconds):
        cdef Search* s = self.s
        cdef int64_t states = s.store.states
        cycles = find_cycles(&s.edges, &s.levels, s.lasso_mask, s.store.nodes)
        if cycles is None:
            s.stop = STOP_MEMORY if s.stop == STOP_DONE else s.stop     # what was not looked for may exist
        lassos = [Lasso(claim, ancestry_path(&s.ancestry, node), cycle) for claim, node, cycle in cycles or ()]
        reason = search_reason(s)
        return SearchResult(
            states=states,
            zones=s.store.nodes,
            transitions=s.transitions,
            depth=s.depth + (s.store.nodes > s.level_end > 0),
            seconds=seconds,
            bytes_per_state=<double>s.mem.peak / <double>states if states else 0.0,
            peak_memory=s.mem.peak,
            complete=reason == "",
            reason=reason,
            truncated=s.truncated,
            overflows=s.overflows,
            rules_taken=[r for r in range(64 * RULE_WORDS) if s.rules[r >> 6] >> (r & 63) & 1],
            hits={c: self.hit_of(c) for c in range(CLAIMS_MAX) if s.hit_mask >> c & 1},
            omission_bound=0.0 if s.store.exact else float(states) * float(states) / 2.0**65,
            lassos=lassos,
            expected=self.expected() if s.stop == STOP_MEMORY else (0, 0),
            marks=marks_paths(&s.marks, &s.ancestry),
        )


def search(Handle handle not None, *, claims=0, stop=0, lasso=0, int32_t marks=0, limits=Limits(), progress=None,
           int batch=BATCH_MAX, saver=None, int64_t _fail_after=-1):
    """Explores everything reachable from the initial state of a System. -> SearchResult

    claims: mask of the claims whose hits are wanted. stop: end as soon as all of these are hit (0: never).
    lasso: mask of the claims for which cycles of waiting states are looked for.
    marks: how many marks the system tells of; the first transitions that take each are wanted.
    limits: Limits; reaching one ends the search with complete == False and what was found so far. So does Ctrl-C.
    progress: called about 5 times a second at most, see result.Progress; its exceptions end the search.
    batch: successors looked up together, 1..64.
    saver: result.Saver: has the search saved from time to time, and may have one to go on with (NoRoom: it does not fit
    into limits.memory_bytes).
    Hits of a truncated step are not taken: what it computed may lack something.
    A state is stuck when no list of choices is feasible; with zones the model must see to it that all valuations of
    a zone are stuck together, since a zone within another is not expanded.
    """
    cdef _Searcher w = _Searcher()
    w.handle = handle
    w.s.claims = claims
    w.s.stop_mask = stop & claims
    w.s.lasso_mask = lasso
    w.s.marks.total = marks
    w.s.batch = max(1, min(batch, BATCH_MAX))
    seconds = 0.0
    if w.start(limits, _fail_after, None if saver is None else saver.source()):
        seconds = w.run(limits.seconds, progress, saver)
    return w.result(seconds)
