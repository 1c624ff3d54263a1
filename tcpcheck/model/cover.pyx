"""A Case searched for what it covers: every rule, or every rule after every other at the same host.

For pairs a state is a state of the model and, for each host, the last rule taken there: so what may follow what is
found for certain, not only along the paths that the search happened to keep.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy, memset

from tcpcheck.explore.system cimport Handle, STEP_MARKS_MAX
from tcpcheck.model.layout cimport Machine
from tcpcheck.model.step cimport start, step
from tcpcheck.model.world cimport Model, copy_for_next, prescribe, sys_load, sys_save
from tcpcheck.sym.number cimport MODE_SEARCH
from tcpcheck.tcp.rules cimport RULES_TOTAL
from tcpcheck.tcp.types cimport EF_RULE, HOSTS_MAX, Effect

from tcpcheck.model.world import ReplayFailed

START = RULES_TOTAL             # stands before a host's first rule
RULE_MARKS = RULES_TOTAL
PAIR_MARKS = (RULES_TOTAL + 1) * RULES_TOTAL

ctypedef struct Last:           # the last rule of each host, before the step and after it
    uint8_t before[HOSTS_MAX]
    uint8_t after[HOSTS_MAX]


cdef class Keeper:
    """Owns what a search of pairs keeps beside the model."""
    cdef Last last

    def __init__(self):
        memset(&self.last, RULES_TOTAL, sizeof(Last))


cdef int host_of(Machine* m, const Effect* e) noexcept nogil:
    """Who took the rule: no socket took it where a segment found none."""
    if e.host >= 0:
        return e.host
    return m.incoming.dst if m.has_incoming else 0


cdef int marks_of_step(Machine* m, uint8_t* last, int32_t* out, int pairs) noexcept nogil:
    """What the step in m.nxt took, written to out; their number. last: of each host, brought up to date."""
    cdef const Effect* e
    cdef int i, host, n = 0
    for i in range(m.nxt.tcp.fx.n):
        e = &m.nxt.tcp.fx.e[i]
        if e.kind == EF_RULE and n < STEP_MARKS_MAX:
            host = host_of(m, e)
            out[n] = last[host] * RULES_TOTAL + e.arg if pairs else e.arg
            last[host] = <uint8_t>e.arg
            n += 1
    return n


cdef int32_t rule_marks(void* ctx, int32_t* out) noexcept nogil:
    cdef uint8_t[HOSTS_MAX] last
    memset(last, 0, sizeof(last))
    return marks_of_step(<Machine*>ctx, last, out, 0)


cdef int32_t pair_marks(void* ctx, int32_t* out) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    cdef Last* k = <Last*>m.watched
    memcpy(k.after, k.before, HOSTS_MAX)
    return marks_of_step(m, k.after, out, 1)


cdef void pair_load(void* ctx, const uint8_t* state, int32_t n, const int64_t* zone, int32_t clocks) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    n -= m.t.nhost
    sys_load(ctx, state, n, zone, clocks)
    memcpy((<Last*>m.watched).before, state + n, m.t.nhost)


cdef int32_t pair_save(void* ctx, uint8_t* out) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    cdef int32_t n = sys_save(ctx, out)
    memcpy(out + n, (<Last*>m.watched).after, m.t.nhost)
    return n + m.t.nhost


def covering(Model model, int pairs):
    """-> Handle for explore.search with `marks`: RULE_MARKS, the numbers of rules; or PAIR_MARKS, the number of the
    rule before (START: none) * RULE_MARKS + that of the rule."""
    cdef Handle h = model.handle()
    cdef Keeper keeper = Keeper()
    h.sys.hits = NULL
    h.sys.pending = NULL
    h.sys.marks = rule_marks
    if pairs:
        model.m.watched = &keeper.last
        h.sys.marks, h.sys.load, h.sys.save = pair_marks, pair_load, pair_save
        h.sys.fingerprint = NULL        # it knows nothing of the last rules
        h.owner = (model, keeper)
    return h


def marks_along(Model model, list path, int pairs):
    """The marks of each step of a path of the search. Error: ReplayFailed."""
    cdef Machine* m = model.m
    cdef int32_t[STEP_MARKS_MAX] mark
    cdef uint8_t[HOSTS_MAX] last
    cdef bytes taken
    cdef int i
    found = []
    memset(last, RULES_TOTAL, sizeof(last))
    model.begin(MODE_SEARCH)
    start(m)
    for taken in path:
        copy_for_next(m)
        prescribe(&model.choices, taken)
        if not step(m, &model.choices):
            raise ReplayFailed(f"step {len(found) + 1} of a path cannot be taken again")
        found.append([mark[i] for i in range(marks_of_step(m, last, mark, pairs))])
    return found
