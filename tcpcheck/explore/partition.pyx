# cython: cdivision=True
"""One part of a search as an object: what explore/part.pyx does, by messages of bytes."""
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from cpython.bytes cimport PyBytes_FromStringAndSize
from tcpcheck.explore.ancestry cimport ancestry_get
from tcpcheck.explore.edges cimport Edge, edges_at, edges_choices
from tcpcheck.explore.frontier cimport Frontier, frontier_bytes, frontier_pack, frontier_unpack
from tcpcheck.explore.joined cimport EDGE_BYTES
from tcpcheck.explore.memory cimport Arena, CHUNK_BYTES, arena_at, memory_init
from tcpcheck.explore.numbers cimport numbers_at, numbers_find
from tcpcheck.explore.part cimport (
    Cursor, Moment, PARTS_MAX, Part, part_close, part_expand, part_insert, part_number, part_open, part_start,
)
from tcpcheck.explore.search cimport CLAIMS_MAX, STOP_MEMORY, STOP_NOT, Search, search_give_up, search_reason
from tcpcheck.explore.system cimport RULE_WORDS, Handle
from tcpcheck.sym.choice cimport CHOICES_MAX

from tcpcheck.explore.result import PartTally

cdef int64_t EVERYTHING = <int64_t>1 << 62


cdef bytes _packed(Arena* a):
    """What is in a stream of bytes."""
    cdef bytes out = PyBytes_FromStringAndSize(NULL, a.top)
    cdef int64_t i
    for i in range(0, a.top, CHUNK_BYTES):
        memcpy(<uint8_t*>out + i, arena_at(a, i), min(<int64_t>CHUNK_BYTES, a.top - i))
    return out


cdef bytes _emptied(Frontier* f):
    cdef bytes out = PyBytes_FromStringAndSize(NULL, frontier_bytes(f))
    frontier_pack(f, <uint8_t*>out)
    return out


cdef class Partition:
    """Part number `part` of `parts`. Methods are called in the order start, number, (expand, insert, number)..."""
    cdef Part* p
    cdef Handle handle

    def __cinit__(self):
        self.p = <Part*>calloc(1, sizeof(Part))
        if self.p == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.p != NULL:
            part_close(self.p)
            free(self.p)

    def __init__(self, Handle handle not None, int part, int parts, *, claims=0, lasso=0, memory_bytes=None,
                 exact=False):
        cdef Part* p = self.p
        assert 0 <= part < parts <= PARTS_MAX
        self.handle = handle
        p.part, p.parts = part, parts
        p.s.sys = handle.sys
        p.s.claims, p.s.lasso_mask = claims, lasso
        p.s.depth_max = EVERYTHING
        memory_init(&p.s.mem, EVERYTHING if memory_bytes is None else memory_bytes)
        part_open(p, exact)

    def start(self):
        """Keeps the initial state if it is its own. -> (what `number` wants, PartTally)"""
        part_start(self.p)
        return _packed(&self.p.fresh), self.tally()

    def number(self, list fresh not None):
        """fresh: of every part what start() or insert() returned: its new nodes' parents. -> nodes of all parts"""
        cdef Part* p = self.p
        cdef Cursor* cursor = <Cursor*>calloc(p.parts, sizeof(Cursor))
        cdef bytes packed
        assert len(fresh) == p.parts
        for i, packed in enumerate(fresh):
            cursor[i].at = <const uint8_t*>packed
            cursor[i].end = cursor[i].at + len(packed)
        with nogil:
            part_number(p, cursor)
        free(cursor)
        return p.numbered

    def expand(self, int64_t until, new_level=False):
        """Expands its nodes below the number `until`. -> for each part what it has to insert: its own is kept here"""
        cdef Part* p = self.p
        if new_level:
            p.s.store.level_first = p.s.store.nodes
        with nogil:
            part_expand(p, until)
        packed = [_emptied(&p.out[i]) if i != p.part else b"" for i in range(p.parts)]
        p.sent_bytes += sum(map(len, packed))
        return packed

    def insert(self, list came not None):
        """came: of every part what it expanded for this one; its own is here already. -> (what `number` wants, PartTally)"""
        cdef Part* p = self.p
        cdef bytes packed
        assert len(came) == p.parts
        for i in range(p.parts):
            if i != p.part:
                packed = came[i]
                if not frontier_unpack(&p.came[i], <const uint8_t*>packed, len(packed)):
                    search_give_up(&p.s, STOP_MEMORY)
        with nogil:
            part_insert(p)
        return _packed(&p.fresh), self.tally()

    def tally(self):
        """What it has found so far."""
        cdef Search* s = &self.p.s
        return PartTally(
            stop=search_reason(s) if s.stop != STOP_NOT else "",
            states=s.store.states,
            nodes=s.store.nodes,
            transitions=s.transitions,
            truncated=s.truncated,
            overflows=s.overflows,
            rules=tuple(s.rules[i] for i in range(RULE_WORDS)),
            hits={c: (s.hit[c].node, self.p.hit_order[c]) for c in range(CLAIMS_MAX) if s.hit_mask >> c & 1},
            frontier=s.frontier.waiting,
            used=s.mem.used,
            peak=s.mem.peak,
            records=self.p.records,
            queued_bytes=self.p.queued_bytes,
            sent_bytes=self.p.sent_bytes,
        )

    # ---- what a part is asked when the search is over

    def entries(self, list numbers not None):
        """number -> (its parent's number, the choices of the step), of those of its nodes that are asked for."""
        cdef uint8_t choice[CHOICES_MAX]
        cdef int64_t i, parent
        cdef int n
        found = {}
        for number in numbers:
            i = numbers_find(&self.p.numbers, number)
            if i >= 0:
                n = ancestry_get(&self.p.s.ancestry, i, &parent, choice)
                found[number] = parent, <bytes>choice[:n]
        return found

    def hit(self, int claim):
        """Its first hit of the claim -> (kind, node before it, the choices of the step)."""
        cdef const uint8_t* choice = self.p.s.hit[claim].choice
        at_end = self.p.s.hit[claim].at_end
        return ("end" if at_end else "step"), self.p.s.hit[claim].node, <bytes>choice[:self.p.s.hit[claim].choices]

    def noted(self):
        """When the model noted each of its things: (node, branch)."""
        cdef Moment* moment
        found = []
        for i in range(0, self.p.noted.top, sizeof(Moment)):
            moment = <Moment*>arena_at(&self.p.noted, i)
            found.append((moment.node, moment.branch))
        return found

    def edges(self):
        """The steps between states that wait for a claim, in their order, for find_lassos: three numbers (from, to,
        claims), then the number of choices and these."""
        cdef Part* p = self.p
        cdef bytearray out = bytearray()
        cdef int64_t i
        cdef Edge edge
        for i in range(p.s.edges.n):
            edge = edges_at(&p.s.edges, i)[0]
            edge.target = numbers_at(&p.numbers, edge.target)
            choices = edges_choices(&p.s.edges, i)
            out += (<uint8_t*>&edge)[:EDGE_BYTES] + bytes([len(choices)]) + choices
        return bytes(out)
