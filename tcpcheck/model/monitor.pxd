# The claims, judged at each step on (state before, effects, state after).
from tcpcheck.model.layout cimport Machine
from libc.stdint cimport int32_t, uint64_t

cdef void monitor_start(Machine* m) noexcept nogil              # obligations that run from the start; claims about the initial state
cdef void monitor_step(Machine* m) noexcept nogil               # after a step, before canonical form
cdef void monitor_time(Machine* m) noexcept nogil               # after time may have passed: obligations that can run out
cdef int await_holds(Machine* m, int node, int vars_at) noexcept nogil   # of the loaded state
cdef uint64_t note_ends(Machine* m) noexcept nogil              # m.nxt has no successor: for what counts of whole runs it stands
