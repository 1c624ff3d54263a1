"""Python's handle on a Stack of two hosts, for tests only: calls, timers, exact time, a wire."""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memmove, memset
from tcpcheck.sym.choice cimport Choices, choices_next, choices_start
from tcpcheck.sym.number cimport (
    BASES_MAX, Num, age_allows, clock_start, num_read_at, sym_init, sym_prune, sym_select,
)
from tcpcheck.sym.zone cimport CLOCKS_MAX, zone_pass
from tcpcheck.tcp.arrives cimport segment_arrives
from tcpcheck.tcp.calls cimport *
from tcpcheck.tcp.config cimport ConfigTable
from tcpcheck.tcp.sockets cimport accept_queue_len, in_flight, request_count, stack_init, stack_tidy
from tcpcheck.tcp.timeouts cimport timer_fires
from tcpcheck.tcp.types cimport *

from tcpcheck.tcp.config import ConfigTable as Table
from tcpcheck.tcp.profile import PROFILES
from tcpcheck.tcp.rules import BY_NUMBER

cdef enum:
    WIRE_MAX = 64

STATES = {
    ST_ESTABLISHED: "ESTAB", ST_SYN_SENT: "SYN-SENT", ST_SYN_RECV: "SYN-RECV", ST_FIN_WAIT1: "FIN-WAIT-1",
    ST_FIN_WAIT2: "FIN-WAIT-2", ST_TIME_WAIT: "TIME-WAIT", ST_CLOSED: "CLOSED", ST_CLOSE_WAIT: "CLOSE-WAIT",
    ST_LAST_ACK: "LAST-ACK", ST_LISTEN: "LISTEN", ST_CLOSING: "CLOSING",
}
KINDS = {SK_LISTENER: "listener", SK_REQUEST: "request", SK_FULL: "full", SK_BUCKET: "bucket", SK_DEAD: "dead"}
TIMERS = {
    TM_RTO: "rto", TM_TLP: "tlp", TM_PERSIST: "persist", TM_SYNACK: "synack", TM_TIMEWAIT: "timewait",
    TM_DELACK: "delack", TM_KEEPALIVE: "keepalive",
    TM_COMPRESSED: "compressed",
}

ctypedef struct Wire:
    int n
    int refuse[HOSTS_MAX]
    Seg seg[WIRE_MAX]


cdef int to_wire(void* ctx, Seg* seg) noexcept nogil:
    cdef Wire* w = <Wire*>ctx
    if w.refuse[seg.src]:
        return 1
    if w.n < WIRE_MAX:
        w.seg[w.n] = seg[0]
        w.n += 1
    return 0


cdef class TestStack:
    """Slots are ints, times ns. After each call `sent` and `rules` tell what it did. Comparisons left open take their
    first outcome, unless the call is run by `outcomes`."""
    __test__ = False
    cdef Stack t
    cdef Stack marked
    cdef Wire w
    cdef Wire w_marked
    cdef Choices ch
    cdef list tables

    def __init__(self, kernel="linux-6.18.44", sysctls=None, peer_sysctls=None, timed=1, **settings):
        cdef ConfigTable c
        cdef int h
        stack_init(&self.t)
        choices_start(&self.ch)
        sym_init(&self.t.sym, timed, &self.ch)
        self.t.output = to_wire
        self.t.output_ctx = &self.w
        settings.setdefault("rtt_max_ns", 0)
        self.tables = [Table(PROFILES[kernel], [s or {}], **settings) for s in (sysctls, peer_sysctls)]
        for h in range(2):
            c = self.tables[h]
            self.t.cfg[h] = c.rows

    # ---- branches
    def outcomes(self, what):
        """[what() of every branch that is not dead]; the last branch stays."""
        out = []
        self.marked = self.t
        self.w_marked = self.w
        choices_start(&self.ch)
        while True:
            result = what()
            if not self.ch.dead:
                out.append(result)
            assert not self.ch.overflow
            if not choices_next(&self.ch):
                choices_start(&self.ch)
                return out
            self.t = self.marked
            self.w = self.w_marked

    def begin(self):
        self.t.fx.n = 0

    # ---- calls
    def listen(self, int host, int port, int backlog=5):
        self.begin()
        return tcp_listen(&self.t, host, port, backlog)

    def accept(self, int listener):
        self.begin()
        return tcp_accept(&self.t, listener)

    def connect(self, int host, int rport, int lport=0, peer=None):
        self.begin()
        return tcp_connect(&self.t, host, 1 - host if peer is None else peer, rport, lport, NULL)

    def connected(self, int sock):
        return tcp_connected(&self.t, sock)

    def send(self, int sock, int n):
        self.begin()
        return tcp_send(&self.t, sock, n)

    def recv(self, int sock, int n=-1):
        self.begin()
        return tcp_recv(&self.t, sock, n)

    def shutdown(self, int sock):
        self.begin()
        tcp_shutdown_write(&self.t, sock)

    def close(self, int sock):
        self.begin()
        tcp_close(&self.t, sock)

    def abort(self, int sock):
        self.begin()
        tcp_abort(&self.t, sock)

    # ---- time
    def pass_ns(self, int64_t ns):
        zone_pass(&self.t.sym.z, ns)

    def timer(self, int sock, int slot=0):
        """(kind, lo, hi) or None."""
        cdef Timer m = self.t.sock[sock].timer[slot]
        return (TIMERS[m.kind], m.lo, m.hi) if m.kind else None

    def fire(self, int sock, int slot=0):
        cdef Timer m = self.t.sock[sock].timer[slot]
        assert m.kind and age_allows(&self.t.sym, m.clk, m.lo, m.hi), "the timer cannot fire now"
        self.begin()
        timer_fires(&self.t, sock, slot)
        self.tidy()

    # ---- the wire
    def refuse(self, int host, int on=1):
        """The host's own firewall takes what it sends."""
        self.w.refuse[host] = on

    def w_len(self):
        return self.w.n

    def on_wire(self):
        return [self.segment(self.w.seg[i]) for i in range(self.w.n)]

    def deliver(self, int i=0):
        cdef Seg seg = self.w.seg[i]
        assert i < self.w.n
        self.drop(i)
        if seg.ts_now:
            seg.tsval = num_read_at(&self.t.sym, seg.tsval, clock_start(&self.t.sym))
            seg.ts_now = 0
        self.begin()
        segment_arrives(&self.t, seg.dst, &seg)
        self.tidy()

    def deliver_all(self):
        while self.w.n:
            self.deliver()

    def drop(self, int i=0):
        assert i < self.w.n
        memmove(&self.w.seg[i], &self.w.seg[i + 1], (WIRE_MAX - i - 1) * sizeof(Seg))
        self.w.n -= 1

    def drop_all(self):
        self.w.n = 0

    # ---- what is seen
    @property
    def sent(self):
        return [self.segment(self.t.fx.e[i].seg) for i in range(self.t.fx.n) if self.t.fx.e[i].kind == EF_SEND]

    @property
    def rules(self):
        return [BY_NUMBER[self.t.fx.e[i].arg].name for i in range(self.t.fx.n) if self.t.fx.e[i].kind == EF_RULE]

    @property
    def died(self):
        return [self.t.fx.e[i].sock for i in range(self.t.fx.n) if self.t.fx.e[i].kind == EF_DIED]

    @property
    def merged(self):
        taken = [i for i in range(self.t.fx.n) if self.t.fx.e[i].kind == EF_MERGED]
        return [(self.t.fx.e[i].arg, self.t.fx.e[i].sock) for i in taken]

    def segment(self, Seg seg):
        """(flags in tcpdump's letters, bytes); what else matters by name."""
        letters = "".join(c for bit, c in ((F_SYN, "S"), (F_FIN, "F"), (F_RST, "R"), (F_PSH, "P")) if seg.flags & bit)
        return {
            "flags": letters + ("." if seg.flags & F_ACK else ""), "len": seg.len, "src": seg.src, "wnd": seg.wnd,
            "has_ts": bool(seg.has_ts), "seq": (seg.seq.base, seg.seq.off), "ack": (seg.ack.base, seg.ack.off),
            "sport": seg.sport, "dport": seg.dport, "inc": seg.inc, "ecr_inc": seg.ecr_inc,
        }

    def state(self, int sock):
        return STATES.get(self.t.sock[sock].state, "none")

    def kind(self, int sock):
        return KINDS.get(self.t.sock[sock].kind, "free")

    def sock(self, int sock):
        cdef Sock* s = &self.t.sock[sock]
        return {
            "fd": s.fd, "unsent": s.unsent, "so_error": s.so_error, "rcv_queued": s.rcv_queued, "retries": s.retries,
            "backoff": s.backoff, "inc": s.inc, "lport": s.lport, "tail_len": s.tail_len, "oow_clk": s.oow_clk,
            "rtx_clk": s.rtx_clk, "iss": (s.iss.base, s.iss.off), "snd_nxt": (s.snd_nxt.base, s.snd_nxt.off),
            "flight": in_flight(&self.t, sock) if s.kind == SK_FULL else 0, "tw_clk": s.tw_clk, "peer": s.peer,
        }

    def queues(self, int listener):
        """(accept queue, requests)"""
        return accept_queue_len(&self.t, listener), request_count(&self.t, listener)

    def clocks(self):
        return self.t.sym.z.n - 1

    def overflow(self):
        return bool(self.ch.overflow)

    # ---- what a model does after each step: forget
    def tidy(self):
        cdef uint8_t base_alive[BASES_MAX]
        cdef uint8_t rd_alive[CLOCKS_MAX]
        cdef uint8_t renamed[BASES_MAX]
        cdef uint8_t keep[CLOCKS_MAX]
        cdef uint8_t place[CLOCKS_MAX]
        cdef int i, k = 1
        stack_tidy(&self.t)
        memset(rd_alive, 0, sizeof(rd_alive))
        for i in range(BASES_MAX):
            base_alive[i] = <uint8_t>i
        for i in range(SOCKS_MAX):
            self.each_clock(&self.t.sock[i], rd_alive, NULL)
        for i in range(self.w.n):
            self.each_reading(&self.w.seg[i], rd_alive, NULL)
        sym_prune(&self.t.sym, base_alive, rd_alive, renamed)
        keep[0] = 0
        memset(place, 0, sizeof(place))
        for i in range(1, self.t.sym.z.n):
            if rd_alive[i]:
                keep[k] = <uint8_t>i
                place[i] = <uint8_t>k
                k += 1
        sym_select(&self.t.sym, keep, k)
        for i in range(SOCKS_MAX):
            self.each_clock(&self.t.sock[i], NULL, place)
        for i in range(self.w.n):
            self.each_reading(&self.w.seg[i], NULL, place)

    cdef void each_reading(self, Seg* s, uint8_t* mark, const uint8_t* place):
        cdef Num* n[6]
        cdef int i
        n[0] = &s.seq
        n[1] = &s.ack
        n[2] = &s.tsval
        n[3] = &s.tsecr
        n[4] = &s.sack_lo
        n[5] = &s.sack_hi
        for i in range(6):
            if mark != NULL:
                mark[n[i].rd] = 1
            if place != NULL:
                n[i].rd = place[n[i].rd]

    cdef void each_clock(self, Sock* s, uint8_t* mark, const uint8_t* place):
        cdef uint8_t* clk[17]
        cdef int i
        for i in range(3):
            clk[i] = &s.timer[i].clk
        clk[3] = &s.rtx_clk
        clk[4] = &s.syn_clk
        clk[5] = &s.oow_clk
        clk[6] = &s.tw_clk
        clk[7] = &s.ts_stamp_clk
        clk[8] = &s.iss.rd
        clk[9] = &s.snd_una.rd
        clk[10] = &s.snd_nxt.rd
        clk[11] = &s.irs.rd
        clk[12] = &s.rcv_nxt.rd
        clk[13] = &s.rcv_wup.rd
        clk[14] = &s.ts_recent.rd
        clk[15] = &s.syn_tsval.rd
        clk[16] = &s.heard_clk
        for i in range(17):
            if mark != NULL:
                mark[clk[i][0]] = 1
            if place != NULL:
                clk[i][0] = place[clk[i][0]]
