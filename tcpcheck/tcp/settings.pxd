# Sysctls that TCP asks for while it runs. Each is read here and nowhere else, and notes that it was read: members of a
# family that differ in nothing but what a search never read share that search (reductions.py).
from libc.stdint cimport int32_t, uint32_t
from tcpcheck.tcp.types cimport Config

cpdef enum Setting:             # bits of Config.read
    TCP_TIMESTAMPS = 1 << 0
    TCP_RFC1337 = 1 << 1
    TCP_SACK = 1 << 2
    TCP_TW_REUSE = 1 << 3
    TCP_TW_REUSE_DELAY_MS = 1 << 4
    TCP_FIN_TIMEOUT_S = 1 << 5
    TCP_TW_TIMEOUT_S = 1 << 6
    TCP_ORPHAN_RETRIES = 1 << 7
    TCP_RETRIES2 = 1 << 8
    TCP_SYN_RETRIES = 1 << 9
    TCP_SYNACK_RETRIES = 1 << 10
    TCP_SYN_LINEAR_TIMEOUTS = 1 << 11
    TCP_SYNCOOKIES = 1 << 12
    TCP_MAX_SYN_BACKLOG = 1 << 13
    TCP_ABORT_ON_OVERFLOW = 1 << 14
    TCP_INVALID_RATELIMIT_MS = 1 << 15
    TCP_CHALLENGE_ACK_LIMIT = 1 << 16
    TCP_EARLY_RETRANS = 1 << 17
    TCP_MAX_TW_BUCKETS = 1 << 18
    TCP_MAX_ORPHANS = 1 << 19


cdef inline void note(const Config* c, uint32_t setting) noexcept nogil:
    (<Config*>c).read |= setting


cdef inline int32_t tcp_timestamps(const Config* c) noexcept nogil:
    note(c, TCP_TIMESTAMPS)
    return c.tcp_timestamps


cdef inline int32_t tcp_rfc1337(const Config* c) noexcept nogil:
    note(c, TCP_RFC1337)
    return c.tcp_rfc1337


cdef inline int32_t tcp_sack(const Config* c) noexcept nogil:
    note(c, TCP_SACK)
    return c.tcp_sack


cdef inline int32_t tcp_tw_reuse(const Config* c) noexcept nogil:
    note(c, TCP_TW_REUSE)
    return c.tcp_tw_reuse


cdef inline int32_t tcp_tw_reuse_delay_ms(const Config* c) noexcept nogil:
    note(c, TCP_TW_REUSE_DELAY_MS)
    return c.tcp_tw_reuse_delay_ms


cdef inline int32_t tcp_fin_timeout_s(const Config* c) noexcept nogil:
    note(c, TCP_FIN_TIMEOUT_S)
    return c.tcp_fin_timeout_s


cdef inline int32_t tcp_tw_timeout_s(const Config* c) noexcept nogil:
    note(c, TCP_TW_TIMEOUT_S)
    return c.tcp_tw_timeout_s


cdef inline int32_t tcp_orphan_retries(const Config* c) noexcept nogil:
    note(c, TCP_ORPHAN_RETRIES)
    return c.tcp_orphan_retries


cdef inline int32_t tcp_retries2(const Config* c) noexcept nogil:
    note(c, TCP_RETRIES2)
    return c.tcp_retries2


cdef inline int32_t tcp_syn_retries(const Config* c) noexcept nogil:
    note(c, TCP_SYN_RETRIES)
    return c.tcp_syn_retries


cdef inline int32_t tcp_synack_retries(const Config* c) noexcept nogil:
    note(c, TCP_SYNACK_RETRIES)
    return c.tcp_synack_retries


cdef inline int32_t tcp_syn_linear_timeouts(const Config* c) noexcept nogil:
    note(c, TCP_SYN_LINEAR_TIMEOUTS)
    return c.tcp_syn_linear_timeouts


cdef inline int32_t tcp_syncookies(const Config* c) noexcept nogil:
    note(c, TCP_SYNCOOKIES)
    return c.tcp_syncookies


cdef inline int32_t tcp_max_syn_backlog(const Config* c) noexcept nogil:
    note(c, TCP_MAX_SYN_BACKLOG)
    return c.tcp_max_syn_backlog


cdef inline int32_t tcp_abort_on_overflow(const Config* c) noexcept nogil:
    note(c, TCP_ABORT_ON_OVERFLOW)
    return c.tcp_abort_on_overflow


cdef inline int32_t tcp_invalid_ratelimit_ms(const Config* c) noexcept nogil:
    note(c, TCP_INVALID_RATELIMIT_MS)
    return c.tcp_invalid_ratelimit_ms


cdef inline int32_t tcp_challenge_ack_limit(const Config* c) noexcept nogil:
    note(c, TCP_CHALLENGE_ACK_LIMIT)
    return c.tcp_challenge_ack_limit


cdef inline int32_t tcp_early_retrans(const Config* c) noexcept nogil:
    note(c, TCP_EARLY_RETRANS)
    return c.tcp_early_retrans


cdef inline int32_t tcp_max_tw_buckets(const Config* c) noexcept nogil:
    note(c, TCP_MAX_TW_BUCKETS)
    return c.tcp_max_tw_buckets


cdef inline int32_t tcp_max_orphans(const Config* c) noexcept nogil:
    note(c, TCP_MAX_ORPHANS)
    return c.tcp_max_orphans
