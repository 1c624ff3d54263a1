# `send s 5GiB at 100Gbit/s`: a bulk transfer, whose own segments are not followed one by one.
from libc.stdint cimport int64_t
from tcpcheck.model.layout cimport Instr, Machine

cdef int bulk_can_start(Machine* m, int slot) noexcept nogil    # nothing is on its way or waits; or no such connection
cdef void bulk_start(Machine* m, int slot) noexcept nogil
cdef int bulk_can_run(Machine* m, const Instr* i, int p, int slot) noexcept nogil   # may its end or a stop of it be now?
cdef int bulk_run(Machine* m, const Instr* i, int p, int slot, int* result) noexcept nogil
    # 1: this piece of the transfer is over, *result as of send(); 0: it went on to a stop, or cannot be here
