# The runs of the hosts: which instruction can run, and running it.
from tcpcheck.model.layout cimport Machine

cdef void programs_start(Machine* m) noexcept nogil
cdef int can_run(Machine* m, int p) noexcept nogil      # 0 no; 1 now, urgently; 2 when its sleep has lasted long enough
cdef void run_step(Machine* m, int p) noexcept nogil
cdef void hand_over(Machine* m) noexcept nogil         # the segment in hand to the runs of a host without TCP
