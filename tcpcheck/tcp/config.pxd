# A profile, sysctls and what the spec says, as the plain numbers that the core reads.
from tcpcheck.tcp.types cimport Config

cdef class ConfigTable:
    cdef Config* rows       # lives as long as the table
    cdef int n
