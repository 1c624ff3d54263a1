# 64 independent bits of a string of bytes.
from libc.stdint cimport int32_t, uint8_t, uint64_t

cdef enum:
    KEYS = 4100                 # STATE_BYTES_MAX in words and a few more

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

    typedef struct { uint64_t lo, hi; } tc_sum;         /* modulo 2^128 */

    static inline tc_sum tc_sum_of(tc_u128 s) { tc_sum r = { (uint64_t)s, (uint64_t)(s >> 64) }; return r; }
    static inline tc_u128 tc_of_sum(tc_sum s) { return (tc_u128)s.hi << 64 | s.lo; }
    static inline void tc_add(tc_sum *s, tc_sum x) { *s = tc_sum_of(tc_of_sum(*s) + tc_of_sum(x)); }

    static inline tc_u128 tc_pair(uint64_t a, uint64_t b, const uint64_t *key) {
        return (tc_u128)(a + key[0]) * (b + key[1]);
    }

    static inline tc_sum tc_share(const uint8_t *p, int32_t n, const uint64_t *key) {
        tc_u128 s = 0, t = 0;
        int32_t i = 0;
        for (; i + 32 <= n; i += 32) {
            s += tc_pair(tc_word(p + i), tc_word(p + i + 8), key + i / 8);
            t += tc_pair(tc_word(p + i + 16), tc_word(p + i + 24), key + i / 8 + 2);
        }
        for (; i < n; i += 16) {
            uint64_t w[2] = { 0, 0 };
            memcpy(w, p + i, n - i < 16 ? (size_t)(n - i) : 16);
            s += tc_pair(w[0], w[1], key + i / 8);
        }
        return tc_sum_of(s + t);
    }

    __attribute__((always_inline))
    static inline void tc_add_words(tc_sum *sum, const uint64_t *p, int32_t words, const uint64_t *key) {
        tc_u128 s = tc_of_sum(*sum);
        int32_t i = 0;
        for (; i + 4 <= words; i += 4) {
            s += tc_pair(p[i], p[i + 1], key + i);
            s += tc_pair(p[i + 2], p[i + 3], key + i + 2);
        }
        for (; i + 2 <= words; i += 2)
            s += tc_pair(p[i], p[i + 1], key + i);
        if (i < words)
            s += tc_pair(p[i], 0, key + i);
        *sum = tc_sum_of(s);
    }

    static inline uint64_t tc_end(tc_sum sum, int32_t n, uint64_t seed) {
        tc_u128 s = tc_of_sum(sum) + (tc_u128)(uint32_t)n * 0x8c6d2ab0f4e3971bu + (tc_u128)seed * 0xa5b85c5e198ed849u;
        uint64_t x = (uint64_t)s ^ tc_fold((uint64_t)(s >> 64) ^ 0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u);
        x ^= x >> 32; x *= 0xe9846af9b1a615dbu;
        return x ^ (x >> 29);
    }

    static inline uint64_t tc_nh(const uint8_t *p, int32_t n, uint64_t seed, const uint64_t *key) {
        return tc_end(tc_share(p, n, key), n, seed);
    }
    """
    ctypedef struct Sum "tc_sum":
        uint64_t lo, hi

    uint64_t hash64 "tc_nh" (const uint8_t* data, int32_t n, uint64_t seed, const uint64_t* key) noexcept nogil
    # The same hash put together from the shares of pieces that lie at even words of one long string; key: from the
    # piece's place on. A share that is known need not be computed again.
    Sum share "tc_share" (const uint8_t* piece, int32_t n, const uint64_t* key) noexcept nogil
    void add_words "tc_add_words" (Sum* s, const uint64_t* piece, int32_t words, const uint64_t* key) noexcept nogil
    void sum_add "tc_add" (Sum* s, Sum x) noexcept nogil
    uint64_t sum_end "tc_end" (Sum s, int32_t n, uint64_t seed) noexcept nogil

cdef const uint64_t* hash_keys() noexcept nogil         # what hash64 wants as its keys: KEYS of them
