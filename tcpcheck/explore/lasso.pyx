# cython: cdivision=True
"""Looks for runs that wait for ever: a stem and a cycle along which one claim is pending all the time.

Strongly connected components (Tarjan 1972, with a stack of its own instead of recursion) tell which nodes lie on a
cycle; then breadth-first searches inside a component, from its shallowest nodes on, look for the shortest cycle. The
sum of stem and cycle is the least there is, unless WORK_MAX edges were looked at before that was sure.
"""
from libc.stdint cimport int64_t, uint64_t
from tcpcheck.explore.edges cimport Edge, Edges, edges_at, edges_choices
from tcpcheck.explore.memory cimport Arena, Memory, arena_at, memory_give, memory_take

cdef enum:
    WORK_MAX = 50000000         # edges looked at for shortness, a claim
    ARRAYS = 5

ctypedef struct Graph:
    Edges* edges
    int64_t nodes
    uint64_t claim              # only edges with this bit count
    int64_t* first              # first edge of each node; its edges follow one another
    int64_t* array[ARRAYS]
    int64_t* order              # Tarjan's number of a node, from 1; 0: not met     (= array[0])
    int64_t* low                # the least number reachable; -component when done  (= array[1])
    int64_t* stack              # Tarjan's stack, then the queue of the search      (= array[2])
    int64_t* at                 # the next edge of a node to look at, then the edge that reached it (= array[3])
    int64_t* calls              # nodes being visited, then the distance from the start of the cycle (= array[4])


cdef int _open(Graph* g, Edges* e, int64_t nodes) noexcept nogil:
    cdef int64_t i, node = 0
    cdef int k
    cdef Memory* m = e.edge.mem
    g.edges = e
    g.nodes = nodes
    g.first = <int64_t*>memory_take(m, 8 * (nodes + 1))
    for k in range(ARRAYS):
        g.array[k] = <int64_t*>memory_take(m, 8 * (nodes + 1))
        if g.array[k] == NULL or g.first == NULL:
            return 0
    g.order, g.low, g.stack, g.at, g.calls = g.array[0], g.array[1], g.array[2], g.array[3], g.array[4]
    for i in range(e.n):
        while node <= edges_at(e, i).source:
            g.first[node] = i
            node += 1
    while node <= nodes:
        g.first[node] = e.n
        node += 1
    return 1


cdef void _close(Graph* g, Memory* m) noexcept nogil:
    cdef int k
    memory_give(m, g.first, 8 * (g.nodes + 1))
    for k in range(ARRAYS):
        memory_give(m, g.array[k], 8 * (g.nodes + 1))


cdef int64_t _pop_component(Graph* g, int64_t root, int64_t top, int64_t component) noexcept nogil:
    """Everything down to root is one component; the new top of the stack."""
    while True:
        top -= 1
        g.low[g.stack[top]] = -component
        if g.stack[top] == root:
            return top


cdef void _components(Graph* g) noexcept nogil:
    """low[node] = -component for all nodes."""
    cdef int64_t start, node, target, count = 0, component = 0, top = 0, depth
    cdef Edge* edge
    for node in range(g.nodes):
        g.order[node] = 0
    for start in range(g.nodes):
        if g.order[start]:
            continue
        depth = 0
        node = start
        while True:
            if g.order[node] == 0:                      # first visit
                count += 1
                g.order[node] = g.low[node] = count
                g.at[node] = g.first[node]
                g.stack[top] = node
                top += 1
            if g.at[node] < g.first[node + 1]:
                edge = edges_at(g.edges, g.at[node])
                g.at[node] += 1
                target = edge.target
                if not edge.pending & g.claim:
                    continue
                if g.order[target] == 0:
                    g.calls[depth] = node
                    depth += 1
                    node = target
                elif g.low[target] > 0 and g.order[target] < g.low[node]:
                    g.low[node] = g.order[target]
                continue
            if g.low[node] == g.order[node]:
                component += 1
                top = _pop_component(g, node, top, component)
            if depth == 0:
                break
            depth -= 1
            target = node
            node = g.calls[depth]
            if 0 < g.low[target] < g.low[node]:
                g.low[node] = g.low[target]


cdef int64_t _shortest_cycle(Graph* g, int64_t start, int64_t most, int64_t* work) noexcept nogil:
    """The length of the shortest cycle through start, if <= most; 0: none. The edges that reached nodes are in g.at."""
    cdef int64_t head = 0, tail = 1, node, target, i
    cdef int64_t length = 0
    cdef Edge* edge
    g.stack[0] = start
    g.calls[start] = 0
    g.at[start] = -1
    while head < tail and length == 0:
        node = g.stack[head]
        head += 1
        if g.calls[node] >= most:
            break
        for i in range(g.first[node], g.first[node + 1]):
            work[0] += 1
            edge = edges_at(g.edges, i)
            target = edge.target
            if not edge.pending & g.claim or g.low[target] != g.low[start]:
                continue
            if target == start:
                g.at[start] = i
                length = g.calls[node] + 1
                break
            if g.calls[target] < 0:
                g.calls[target] = g.calls[node] + 1
                g.at[target] = i
                g.stack[tail] = target
                tail += 1
    for i in range(tail):
        g.calls[g.stack[i]] = -1                        # unmarked for the next search
    return length


cdef int64_t _best(Graph* g, Arena* levels) noexcept nogil:
    """The node with the least depth + cycle, its cycle in g.at; -1: there is no cycle."""
    cdef int64_t node, depth = 0, best = -1, best_sum = 0, length, work = 0
    cdef int64_t known = levels.top // 8
    cdef int64_t most = g.nodes
    _components(g)
    for node in range(g.nodes):
        g.calls[node] = -1
    for node in range(g.nodes):
        while depth + 1 < known and (<int64_t*>arena_at(levels, 8 * (depth + 1)))[0] <= node:
            depth += 1
        if best >= 0:
            most = best_sum - depth - 1
            if most < 1 or work > WORK_MAX:
                break
        if g.first[node] == g.first[node + 1]:
            continue
        length = _shortest_cycle(g, node, most, &work)
        if length:
            best = node
            best_sum = depth + length
    if best >= 0:
        _shortest_cycle(g, best, g.nodes, &work)
    return best


cdef list _cycle(Graph* g, int64_t start):
    """Lists of choices from start back to it."""
    cycle = []
    cdef int64_t i = g.at[start]
    while True:
        cycle.append(edges_choices(g.edges, i))
        if edges_at(g.edges, i).source == start:
            break
        i = g.at[edges_at(g.edges, i).source]
    cycle.reverse()
    return cycle


cdef list find_cycles(Edges* e, Arena* levels, uint64_t claims, int64_t nodes):
    cdef Graph g
    cdef int claim, k, ok
    cdef int64_t node
    cycles = []
    if not claims or e.n == 0:
        return cycles
    g.first = NULL
    for k in range(ARRAYS):
        g.array[k] = NULL
    ok = _open(&g, e, nodes)
    for claim in range(64 if ok else 0):
        if claims >> claim & 1:
            g.claim = <uint64_t>1 << claim
            with nogil:
                node = _best(&g, levels)
            if node >= 0:
                cycles.append((claim, node, _cycle(&g, node)))
    _close(&g, e.edge.mem)
    return cycles if ok else None
