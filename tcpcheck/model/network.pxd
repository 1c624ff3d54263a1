# What lies between the hosts: firewalls, faults, delay.
from tcpcheck.model.layout cimport Flying, Machine
from tcpcheck.tcp.types cimport Seg
from libc.stdint cimport int64_t

cdef int blocked(Machine* m, int host, int chain, const Seg* s, int invalid=*) noexcept nogil
cdef int output(void* machine, Seg* seg) noexcept nogil                 # the stack's OutputFn
cdef void output_forged(Machine* m, Seg* seg, int host, int off_path) noexcept nogil
cdef int may_arrive(Machine* m, int f) noexcept nogil                   # can segment f be delivered now?
cdef void deliver(Machine* m, int f) noexcept nogil
cdef int64_t latest(Machine* m, const Flying* f) noexcept nogil         # greatest age at which it arrives
