# Equal states have equal bytes: dead things dropped, the rest in the order of their owners.
from libc.stdint cimport int32_t, uint8_t
from tcpcheck.model.layout cimport Machine, World

cdef void settle_deaths(Machine* m) noexcept nogil                  # sockets that ended: names and descriptors let go of them
cdef void canonicalise(Machine* m) noexcept nogil
cdef int32_t pack(Machine* m, const World* w, uint8_t* out) noexcept nogil
cdef void unpack(Machine* m, World* w, const uint8_t* data) noexcept nogil
