# cython: cdivision=True
"""Breadth-first search by several threads: the same states with the same numbers and parents as by one.

In a round each thread takes the next slice of the level. It expands its slice and hashes the successors; then each looks
up, of all successors of the round in their order, those whose hashes fall to its own part of the store; then, when the
numbers of new states in each slice are known, each writes down its own slice's new states and their parents at the
places that their numbers give. So no two threads ever write to one place, there is no lock, and what comes out does not
depend on who was faster.
"""
import threading
import time

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from tcpcheck.explore.hash64 cimport hash64, hash_keys
from tcpcheck.explore.memory cimport (
    CHUNK_BYTES, Arena, arena_free, arena_init, arena_reserve, memory_give, memory_init, memory_take,
)
from tcpcheck.explore.store cimport ADDED_NEW, store_add, store_free, store_has, store_init, store_prefetch, store_put
from tcpcheck.explore.system cimport Handle

from tcpcheck.explore.result import Hit, Limits, SearchResult

cdef extern from *:
    """
    #include <sched.h>
    #include <stdint.h>
    /* Everyone waits until all have come. A thread that does not run would be waited for in vain: after a while the
       processor is given away. */
    static void tc_barrier(int32_t *waiting, int32_t *turn, int32_t threads) {
        int32_t seen = __atomic_load_n(turn, __ATOMIC_ACQUIRE);
        if (__atomic_add_fetch(waiting, 1, __ATOMIC_ACQ_REL) == threads) {
            __atomic_store_n(waiting, 0, __ATOMIC_RELAXED);
            __atomic_store_n(turn, seen + 1, __ATOMIC_RELEASE);
            return;
        }
        for (int spins = 0; __atomic_load_n(turn, __ATOMIC_ACQUIRE) == seen; spins++)
            if (spins > 2000)
                sched_yield();
    }
    """
    void tc_barrier(int32_t* waiting, int32_t* turn, int32_t threads) noexcept nogil

cdef enum:
    AHEAD = 32                  # places fetched before they are looked at

cdef int64_t EVERYTHING = <int64_t>1 << 62
cdef int64_t NODES_MAX = <int64_t>1 << 32           # what four bytes can number
cdef double LOOK_EVERY = 0.05                       # s


# ---------------------------------------------------------------- rows of equal size in an arena

cdef inline uint8_t* row(const Arena* a, int32_t bytes, int64_t i) noexcept nogil:
    cdef int64_t each = CHUNK_BYTES // bytes
    return a.chunk[i // each] + i % each * bytes


cdef inline int rows_reserve(Arena* a, int32_t bytes, int64_t n) noexcept nogil:
    """1: the first n rows have room. Nothing is written by arena_take: top stays 0."""
    return arena_reserve(a, (n // (CHUNK_BYTES // bytes) + 1) * CHUNK_BYTES)


cdef inline Rows rows_from(const Arena* a, int32_t bytes, int64_t i) noexcept nogil:
    """The rows from i on; row i itself need not be there."""
    cdef Rows rows
    cdef int64_t each = CHUNK_BYTES // bytes
    rows.arena = a
    rows.bytes = bytes
    rows.left = <int32_t>(each - i % each)
    rows.chunk = i // each
    rows.next = a.chunk[rows.chunk] + i % each * bytes if rows.chunk < a.chunks else NULL
    return rows


cdef inline uint8_t* rows_next(Rows* rows) noexcept nogil:
    """The next row, which is there."""
    cdef uint8_t* p
    if rows.left == 0:
        rows.chunk += 1
        rows.next = rows.arena.chunk[rows.chunk]
        rows.left = CHUNK_BYTES // rows.bytes
    p = rows.next
    rows.next += rows.bytes
    rows.left -= 1
    return p


# ---------------------------------------------------------------- what each thread does in a round

cdef void _expand(Parallel* p, int t) noexcept nogil:
    cdef Worker* w = &p.worker[t]
    cdef const uint64_t* keys = hash_keys()
    cdef Rows now = rows_from(&p.now, p.bytes, w.first - p.level_first)
    cdef int32_t i, k, part, count, n = 0
    for part in range(p.threads):
        w.nmine[part] = 0
    for i in range(w.n):
        count = w.sys.expand(w.sys.ctx, rows_next(&now), w.state + <int64_t>n * p.bytes)
        w.count[i] = count
        for k in range(count):
            w.hash[n + k] = hash64(w.state + <int64_t>(n + k) * p.bytes, p.bytes, 0, keys)
            part = <int32_t>((w.hash[n + k] & 0xffffff) * p.threads >> 24)
            w.mine[part][w.nmine[part]] = n + k
            w.nmine[part] += 1
            w.whence[n + k] = i << 8 | k
            if part == t:               # its place is on its way while the others are computed
                store_prefetch(&w.store, w.hash[n + k])
        n += count
    w.successors = n
    w.transitions += n


cdef void _look_up(Parallel* p, int t) noexcept nogil:
    """All of the round whose hashes fall to thread t, slice by slice."""
    cdef Worker* w = &p.worker[t]
    cdef Worker* of
    cdef int64_t node, address
    cdef int32_t i, k, source
    for source in range(p.threads):
        of = &p.worker[source]
        w.found[source] = 0
        for i in range(min(AHEAD, of.nmine[t])):
            store_prefetch(&w.store, of.hash[of.mine[t][i]])
        for i in range(of.nmine[t]):
            if i + AHEAD < of.nmine[t]:
                store_prefetch(&w.store, of.hash[of.mine[t][i + AHEAD]])
            k = of.mine[t][i]
            of.fresh[k] = 0
            if store_has(&w.store, of.hash[k]):
                continue
            if not store_put(&w.store, of.hash[k]) \
                    and store_add(&w.store, of.hash[k], NULL, 0, NULL, 0, &node, &address) != ADDED_NEW:
                w.failed = 1
                return
            of.fresh[k] = 1
            w.found[source] += 1


cdef inline void _judge(Parallel* p, Worker* w, const uint8_t* state, int64_t node) noexcept nogil:
    cdef uint64_t hits = w.sys.judge(w.sys.ctx, state) & p.claims & ~w.hit_mask
    cdef int c
    w.hit_mask |= hits
    for c in range(64):
        if hits >> c & 1:
            w.hit[c] = node


cdef int32_t _kept(Worker* w) noexcept nogil:
    """Which successors are fresh; their number. No jump depends on it, for nobody can foretell which are."""
    cdef int32_t k, n = 0
    for k in range(w.successors):
        w.kept[n] = k
        n += w.fresh[k]
    return n


cdef void _write_down(Parallel* p, int t) noexcept nogil:
    cdef Worker* w = &p.worker[t]
    cdef int32_t i, k, n = _kept(w)
    cdef Rows next = rows_from(&p.next, p.bytes, w.number - p.level_end)
    cdef Rows log = rows_from(&p.log, LOG_BYTES, w.number)
    cdef uint32_t parent
    cdef uint8_t* entry
    for i in range(n):
        k = w.kept[i]
        memcpy(rows_next(&next), w.state + <int64_t>k * p.bytes, p.bytes)
        entry = rows_next(&log)
        parent = <uint32_t>(w.first + (w.whence[k] >> 8))
        memcpy(entry, &parent, 4)
        entry[4] = <uint8_t>w.whence[k] if w.count[w.whence[k] >> 8] > 1 else 255
        if p.claims & ~w.hit_mask:
            _judge(p, w, w.state + <int64_t>k * p.bytes, w.number + i)


# ---------------------------------------------------------------- what thread 0 does between the phases

cdef int64_t _used(Parallel* p) noexcept nogil:
    cdef int64_t used = p.mem.used
    cdef int t
    for t in range(p.threads):
        used += p.worker[t].mem.used
    p.peak = max(p.peak, used)
    return used


cdef void _share_out(Parallel* p) noexcept nogil:
    """The next slices; the next level when this one is done. Each may take its share of the memory that is left."""
    cdef int64_t spare = p.limit - _used(p)
    cdef Arena done
    cdef int t
    if p.asked_to_halt:
        p.halt = p.asked_to_halt
    if p.halt:
        return
    if p.taken == p.level_end:
        done = p.now
        p.now = p.next
        arena_free(&done)
        arena_init(&p.next, &p.mem)
        p.level_first = p.level_end
        p.level_end = p.nodes
        if p.level_first == p.level_end:
            p.halt = HALT_DONE
        elif p.depth + 1 >= p.depth_max:
            p.halt = HALT_DEPTH
        p.depth += p.level_first < p.level_end
    for t in range(p.threads):
        p.worker[t].first = p.taken
        p.worker[t].n = <int32_t>min(SLICE_STATES, p.level_end - p.taken)
        p.taken += p.worker[t].n
        p.worker[t].mem.limit = p.worker[t].mem.used + max(spare, 0) // (p.threads + 1)


cdef void _number(Parallel* p) noexcept nogil:
    """Numbers for the new nodes, and room for them."""
    cdef int s, t
    for t in range(p.threads):
        p.worker[t].number = p.nodes
        for s in range(p.threads):
            p.nodes += p.worker[s].found[t]
            if p.worker[s].failed:
                p.halt = HALT_MEMORY
    if p.nodes > p.states_max or p.nodes >= NODES_MAX:
        p.halt = HALT_STATES
    p.mem.limit = p.mem.used + max(p.limit - _used(p), 0)
    if not rows_reserve(&p.next, p.bytes, p.nodes - p.level_end) or not rows_reserve(&p.log, LOG_BYTES, p.nodes):
        p.halt = HALT_MEMORY


cdef void _decide(Parallel* p) noexcept nogil:
    cdef uint64_t hits = 0
    cdef int t
    for t in range(p.threads):
        hits |= p.worker[t].hit_mask
    if p.stop_mask and not p.stop_mask & ~hits:
        p.halt = HALT_DECIDED


cdef void _work(Parallel* p, int t) noexcept nogil:
    """Thread t until the search ends."""
    while True:
        if t == 0:
            _share_out(p)
        tc_barrier(&p.waiting, &p.turn, p.threads)
        if p.halt:
            return
        _expand(p, t)
        tc_barrier(&p.waiting, &p.turn, p.threads)
        _look_up(p, t)
        tc_barrier(&p.waiting, &p.turn, p.threads)
        if t == 0:
            _number(p)
        tc_barrier(&p.waiting, &p.turn, p.threads)
        if p.halt:
            return
        _write_down(p, t)
        tc_barrier(&p.waiting, &p.turn, p.threads)
        if t == 0:
            _decide(p)


# ---------------------------------------------------------------- the Python side

cdef class _Team:
    """Owns the memory of one search."""
    cdef Parallel* p
    cdef list handles

    def __cinit__(self):
        self.p = <Parallel*>calloc(1, sizeof(Parallel))
        if self.p == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef Parallel* p = self.p
        cdef Worker* w
        cdef int s, t
        if p == NULL:
            return
        for t in range(p.threads):
            w = &p.worker[t]
            store_free(&w.store)
            memory_give(&w.mem, w.state, <int64_t>SLICE_SUCCESSORS * p.bytes)
            memory_give(&w.mem, w.hash, 8 * SLICE_SUCCESSORS)
            memory_give(&w.mem, w.fresh, SLICE_SUCCESSORS)
            memory_give(&w.mem, w.whence, 4 * SLICE_SUCCESSORS)
            memory_give(&w.mem, w.kept, 4 * SLICE_SUCCESSORS)
            for s in range(p.threads):
                memory_give(&w.mem, w.mine[s], 4 * SLICE_SUCCESSORS)
        arena_free(&p.now)
        arena_free(&p.next)
        arena_free(&p.log)
        free(p)

    cdef int start(self, list handles, object limits) except -1:
        """1: ready, the initial state is node 0; 0: no memory."""
        cdef Parallel* p = self.p
        cdef Worker* w
        cdef int s, t
        cdef bytes initial = bytes(4096)
        self.handles = handles
        p.threads = len(handles)
        p.limit = EVERYTHING if limits.memory_bytes is None else limits.memory_bytes
        p.states_max = EVERYTHING if limits.states is None else limits.states
        p.depth_max = EVERYTHING if limits.depth is None else limits.depth
        memory_init(&p.mem, p.limit)
        arena_init(&p.now, &p.mem)
        arena_init(&p.next, &p.mem)
        arena_init(&p.log, &p.mem)
        for t in range(p.threads):
            w = &p.worker[t]
            w.sys = (<Handle>handles[t]).sys
            p.bytes = w.sys.save(w.sys.ctx, <uint8_t*>initial)
            memory_init(&w.mem, p.limit // p.threads)
            w.state = <uint8_t*>memory_take(&w.mem, <int64_t>SLICE_SUCCESSORS * p.bytes)
            w.hash = <uint64_t*>memory_take(&w.mem, 8 * SLICE_SUCCESSORS)
            w.fresh = <uint8_t*>memory_take(&w.mem, SLICE_SUCCESSORS)
            w.whence = <int32_t*>memory_take(&w.mem, 4 * SLICE_SUCCESSORS)
            w.kept = <int32_t*>memory_take(&w.mem, 4 * SLICE_SUCCESSORS)
            for s in range(p.threads):
                w.mine[s] = <int32_t*>memory_take(&w.mem, 4 * SLICE_SUCCESSORS)
            if not store_init(&w.store, &w.mem, 0, 0, 0, EVERYTHING) or w.mem.failed:
                return 0
        return self.first_node(<const uint8_t*>initial)

    cdef int first_node(self, const uint8_t* state):
        cdef Parallel* p = self.p
        cdef Worker* w
        cdef uint64_t hash = hash64(state, p.bytes, 0, hash_keys())
        cdef int64_t node, address
        if not rows_reserve(&p.next, p.bytes, 1) or not rows_reserve(&p.log, LOG_BYTES, 1):
            return 0
        w = &p.worker[(hash & 0xffffff) * p.threads >> 24]
        if store_add(&w.store, hash, NULL, 0, NULL, 0, &node, &address) != ADDED_NEW:
            return 0
        memcpy(p.next.chunk[0], state, p.bytes)
        p.nodes = 1
        p.depth = -1
        return 1

    def work(self, int t):
        with nogil:
            _work(self.p, t)

    cdef list path(self, int64_t node):
        cdef uint32_t parent
        cdef uint8_t* entry
        path = []
        while node > 0:
            entry = row(&self.p.log, LOG_BYTES, node)
            memcpy(&parent, entry, 4)
            path.append(bytes([entry[4]]) if entry[4] != 255 else b"")
            node = parent
        path.reverse()
        return path

    cdef dict hits(self):
        cdef Parallel* p = self.p
        first = {}
        for t in range(p.threads):
            for c in range(64):
                if p.worker[t].hit_mask >> c & 1:
                    first[c] = min(first.get(c, EVERYTHING), p.worker[t].hit[c])
        return {c: Hit("step", self.path(node)) for c, node in sorted(first.items())}

    cdef object result(self, double seconds):
        cdef Parallel* p = self.p
        states = min(p.nodes, p.states_max)
        reason = {
            HALT_DONE: "", HALT_DECIDED: "every claim decided", HALT_STATES: "state limit", HALT_DEPTH: "depth limit",
            HALT_MEMORY: "memory limit", HALT_SECONDS: "time limit", HALT_INTERRUPTED: "interrupted",
        }[p.halt]
        return SearchResult(
            states=states, zones=states, transitions=sum(p.worker[t].transitions for t in range(p.threads)),
            depth=p.depth, seconds=seconds, bytes_per_state=<double>p.peak / max(states, 1), peak_memory=p.peak,
            complete=reason == "", reason=reason, truncated=0, overflows=0, rules_taken=[],
            hits={} if p.halt == HALT_MEMORY else self.hits(), omission_bound=float(states) * float(states) / 2.0**65,
        )


def search_whole(list handles not None, *, claims=0, stop=0, limits=Limits()):
    """search() of a system that expands whole states, by one thread for each handle: handles of equal systems, each with
    data of its own. States, numbers and paths are those of one thread. -> SearchResult

    A limit and a decision are met at the end of a round, so more may have been found by then than by one thread; hashes
    only, and at most 2^32 states. Ctrl-C ends it with what was found.
    """
    cdef _Team team = _Team()
    assert 0 < len(handles) <= THREADS_MAX and not limits.exact
    team.p.claims = claims
    team.p.stop_mask = stop & claims
    begin = time.monotonic()
    if not team.start(handles, limits):
        team.p.halt = HALT_MEMORY
        return team.result(0.0)
    threads = [threading.Thread(target=team.work, args=(t,), daemon=True) for t in range(len(handles))]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        try:
            threads[0].join(LOOK_EVERY)
            if limits.seconds is not None and time.monotonic() - begin > limits.seconds:
                team.p.asked_to_halt = HALT_SECONDS
        except KeyboardInterrupt:
            team.p.asked_to_halt = HALT_INTERRUPTED
    return team.result(time.monotonic() - begin)
