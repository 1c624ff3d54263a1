# 64 independent bits of a string of bytes.
from libc.stdint cimport int32_t, uint8_t, uint64_t

cdef uint64_t hash64(const uint8_t* data, int32_t n, uint64_t seed) noexcept nogil
    # data is read in whole words of 16 bytes: what follows its n bytes up to there must be readable and zero
