"""64-bit hash of the bytes of a state.

Pairs of words are added to keys of their own, multiplied to 128 bits and summed up modulo 2^128: the NH family of
universal hashes (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999), in which two different strings of one length meet
with probability 2^-64 over the choice of keys, however alike they are. The sum, the length and the seed are then folded
to 64 bits by multiplications. A product waits for no other, so the loop runs at the speed of the multiplier.
"""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from tcpcheck.explore.system cimport STATE_BYTES_MAX

cdef extern from *:
    """
    #include <string.h>
    #include <stdint.h>
    typedef unsigned __int128 tc_u128;

    static inline uint64_t tc_word(const uint8_t *p) { uint64_t w; memcpy(&w, p, 8); return w; }

    static inline uint64_t tc_fold(uint64_t a, uint64_t b) {
        tc_u128 p = (tc_u128)a * b;
        return (uint64_t)p ^ (uint64_t)(p >> 64);
    }

    static inline uint64_t tc_nh(const uint8_t *p, int32_t n, uint64_t seed, const uint64_t *key) {
        tc_u128 s = 0, t = 0;
        int32_t i = 0;
        uint64_t lo, hi, x;
        for (; i + 16 < n; i += 32) {
            s += (tc_u128)(tc_word(p + i) + key[i / 8]) * (tc_word(p + i + 8) + key[i / 8 + 1]);
            t += (tc_u128)(tc_word(p + i + 16) + key[i / 8 + 2]) * (tc_word(p + i + 24) + key[i / 8 + 3]);
        }
        if (i < n)
            s += (tc_u128)(tc_word(p + i) + key[i / 8]) * (tc_word(p + i + 8) + key[i / 8 + 1]);
        s += t;
        lo = (uint64_t)s; hi = (uint64_t)(s >> 64);
        x = lo ^ tc_fold(hi ^ 0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u);
        x ^= tc_fold(seed ^ 0xa5b85c5e198ed849u, (uint64_t)(uint32_t)n ^ 0x8c6d2ab0f4e3971bu);
        x ^= x >> 32; x *= 0xe9846af9b1a615dbu;
        x ^= x >> 29; x *= 0xbf58476d1ce4e5b9u;
        return x ^ (x >> 32);
    }
    """
    uint64_t tc_nh(const uint8_t* p, int32_t n, uint64_t seed, const uint64_t* key) noexcept nogil

cdef enum:
    KEYS = 4100                 # STATE_BYTES_MAX in words and a few more

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


cdef uint64_t hash64(const uint8_t* data, int32_t n, uint64_t seed) noexcept nogil:
    return tc_nh(data, n, seed, KEY)


def _test_hash64(bytes data, seed=0):
    """The hash of data; what stands behind its end is zeroed here."""
    cdef bytes padded = data + bytes(32)
    return hash64(<const uint8_t*>padded, <int32_t>len(data), seed)
