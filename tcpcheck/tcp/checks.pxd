# What several states ask of a segment: how long it is, where it lies in a window, what its timestamps say.
from libc.stdint cimport int32_t
from tcpcheck.sym.number cimport Num
from tcpcheck.tcp.types cimport Seg, Sock, Stack

cdef enum:
    ECR_FORGED = 255        # Seg.ecr_inc of a segment whose TSecr was made up

cdef int32_t seg_length(const Seg* g) noexcept nogil            # SEG.LEN: payload, SYN and FIN
cdef Num seg_end(const Seg* g) noexcept nogil                   # SEG.SEQ + SEG.LEN
cdef int in_window(Stack* t, const Seg* g, Num left, int32_t wnd) noexcept nogil        # tcp_in_window
cdef int paws_fails(Stack* t, const Sock* k, const Seg* g, int slack) noexcept nogil    # tcp_paws_check, negated
cdef int outdated(Stack* t, const Sock* k) noexcept nogil      # is ts_recent too old to be used?
cdef void keep_timestamp(Stack* t, Sock* k, const Seg* g) noexcept nogil        # ts_recent = SEG.TSval
cdef int tsecr_in_range(Stack* t, int sock, const Seg* g) noexcept nogil
