# 64 independent bits of a string of bytes.
from libc.stdint cimport int32_t, uint8_t, uint64_t

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
        tc_u128 s = (tc_u128)(uint32_t)n * 0x8c6d2ab0f4e3971bu, t = (tc_u128)seed * 0xa5b85c5e198ed849u;
        int32_t i = 0;
        uint64_t hi, x;
        for (; i + 16 < n; i += 32) {
            s += (tc_u128)(tc_word(p + i) + key[i / 8]) * (tc_word(p + i + 8) + key[i / 8 + 1]);
            t += (tc_u128)(tc_word(p + i + 16) + key[i / 8 + 2]) * (tc_word(p + i + 24) + key[i / 8 + 3]);
        }
        if (i < n)
            s += (tc_u128)(tc_word(p + i) + key[i / 8]) * (tc_word(p + i + 8) + key[i / 8 + 1]);
        s += t;
        hi = (uint64_t)(s >> 64);
        x = (uint64_t)s ^ tc_fold(hi ^ 0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u);
        x ^= x >> 32; x *= 0xe9846af9b1a615dbu;
        return x ^ (x >> 29);
    }
    """
    uint64_t hash64 "tc_nh" (const uint8_t* data, int32_t n, uint64_t seed, const uint64_t* key) noexcept nogil
        # data is read in whole words of 16 bytes: what follows its n bytes up to there must be readable and zero

cdef const uint64_t* hash_keys() noexcept nogil         # what hash64 wants as its keys
