from tcpcheck.model.layout cimport Machine
from tcpcheck.sym.choice cimport Choices
from tcpcheck.sym.number cimport Recorder

cdef class Model:
    cdef Machine* m
    cdef Recorder* rec
    cdef Choices choices
    cdef object keep                # Python objects that own what the tables point to
    cdef readonly object program
    cdef readonly dict constants    # key -> name
    cdef bytes initial
    cdef list hidden
