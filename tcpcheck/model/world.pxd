from tcpcheck.model.layout cimport Event, Machine, World
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from tcpcheck.sym.choice cimport Choices
from tcpcheck.sym.number cimport Recorder

cdef class Model:
    cdef Machine* m
    cdef Recorder* rec
    cdef Choices choices
    cdef object keep                # Python objects that own what the tables point to
    cdef readonly object program
    cdef public object alike        # symmetry.Alike: hosts that may change places; None
    cdef readonly dict constants    # key -> name
    cdef void begin(self, int mode)
    cdef list rerun_script(self, recording, binding, Event* script, int64_t* instant, int claim)

cdef void sys_load(void* ctx, const uint8_t* state, int32_t n, const int64_t* zone, int32_t clocks) noexcept nogil
cdef int32_t sys_save(void* ctx, uint8_t* out) noexcept nogil
cdef uint64_t waiting(const World* w) noexcept nogil
cdef void copy_for_next(Machine* m) noexcept
cdef moment(Model self, int instant)
cdef void prescribe(Choices* ch, bytes taken) noexcept
cdef int32_t sys_save_zone(void* ctx, int64_t* out) noexcept nogil
