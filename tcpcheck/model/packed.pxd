# A World as bytes, and the hash of these bytes without making them.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from tcpcheck.model.layout cimport Machine, World

cdef int32_t pack(Machine* m, const World* w, uint8_t* out) noexcept nogil         # of a canonical World; bytes written
cdef uint32_t unpack(Machine* m, World* w, const uint8_t* data) noexcept nogil      # bit i: slot i is what it was before
cdef uint64_t fingerprint(Machine* m) noexcept nogil                                # of the canonical m.nxt
