"""64-bit hash of the bytes of a state.

Pairs of words are added to keys of their own, multiplied to 128 bits and summed up modulo 2^128: the NH family of
universal hashes (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999), in which two different strings of one length meet
with probability 2^-64 over the choice of keys, however alike they are. The sum, the length and the seed are then folded
to 64 bits by multiplications. A product waits for no other, so the loop runs at the speed of the multiplier. The loop
itself stands in hash64.pxd: it is compiled into the search.
"""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from tcpcheck.explore.system cimport STATE_BYTES_MAX

cdef uint64_t KEY[KEYS]


cdef void _make_keys() noexcept:
    """Fixed keys (a run must be repeatable), odd constants stepped and mixed (splitmix64)."""
    cdef uint64_t x = 0x7463706368656331u, z
    cdef int i
    for i in range(KEYS):
        x += 0x9e3779b97f4a7c15u
        z = x
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu
        KEY[i] = z ^ (z >> 31)


assert 8 * KEYS >= STATE_BYTES_MAX + 32
_make_keys()


cdef const uint64_t* hash_keys() noexcept nogil:
    return KEY


def _test_hash64(bytes data, seed=0):
    """The hash of data."""
    return hash64(<const uint8_t*>data, <int32_t>len(data), seed, KEY)
