from tcpcheck.model.layout cimport Event, Machine
from libc.stdint cimport int64_t
from tcpcheck.sym.choice cimport Choices
from tcpcheck.sym.number cimport Recorder

cdef class Model:
    cdef Machine* m
    cdef Recorder* rec
    cdef Choices choices
    cdef object keep                # Python objects that own what the tables point to
    cdef readonly object program
    cdef readonly dict constants    # key -> name
    cdef void begin(self, int mode)
    cdef list rerun_script(self, recording, binding, Event* script, int64_t* instant, int claim)
