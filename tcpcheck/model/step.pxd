# One step of the world, and the passing of time.
from libc.stdint cimport uint32_t
from tcpcheck.model.layout cimport Machine, World
from tcpcheck.sym.choice cimport Choices

cdef void copy_world(Machine* m, World* to, const World* of, uint32_t clean=*) noexcept nogil
cdef void start(Machine* m) noexcept nogil                      # m.nxt becomes the initial state
cdef int step(Machine* m, Choices* ch) noexcept nogil           # m.cur -> m.nxt; 1 a successor, 0 infeasible
cdef int something_waits(Machine* m, const World* w) noexcept nogil
