"""For tests: one host whose connections are built with concrete numbers, and a segment tried on it in every way.

`tried` never changes the host. A number given as None is any 32-bit number: then all branches of the search are walked.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from tcpcheck.sym.choice cimport Choices, choices_next, choices_start
from tcpcheck.sym.number cimport MODE_CONCRETE, MODE_SEARCH, Num, Recorder, num_base, num_const, sym_init
from tcpcheck.sym.zone cimport zone_pass
from tcpcheck.tcp.arrives cimport segment_arrives
from tcpcheck.tcp.calls cimport (
    tcp_abort, tcp_accept, tcp_close, tcp_connect, tcp_listen, tcp_recv, tcp_send, tcp_shutdown_write,
)
from tcpcheck.tcp.config cimport ConfigTable
from tcpcheck.tcp.sockets cimport find_tuple, receive_window, stack_tidy
from tcpcheck.tcp.types cimport *

from tcpcheck.tcp.profile import PROFILES
from tcpcheck.tcp.rules import BY_NUMBER

cdef int64_t START = 1000 * 1000000000
_LETTERS = ((F_SYN, "S"), (F_FIN, "F"), (F_RST, "R"), (F_PSH, "P"), (F_URG, "U"), (F_ACK, "."))
_STATES = {
    ST_ESTABLISHED: "ESTABLISHED", ST_SYN_SENT: "SYN-SENT", ST_SYN_RECV: "SYN-RECV", ST_FIN_WAIT1: "FIN-WAIT-1",
    ST_FIN_WAIT2: "FIN-WAIT-2", ST_TIME_WAIT: "TIME-WAIT", ST_CLOSE_WAIT: "CLOSE-WAIT", ST_LAST_ACK: "LAST-ACK",
    ST_CLOSING: "CLOSING",
}
_KINDS = {SK_REQUEST: " request", SK_BUCKET: " bucket"}
LOCAL, REMOTE = 80, 1000


cdef class Host:
    """Host 0 of a stack; its peer is host 1, port 1000; its own port is 80, passive or active."""

    cdef Stack t
    cdef Choices ch
    cdef Recorder* rec
    cdef ConfigTable table

    def __cinit__(self, profile="linux-6.18.44", dict sysctls=None):
        self.table = ConfigTable(PROFILES[profile], [{"net.ipv4." + k: v for k, v in (sysctls or {}).items()}])
        self.rec = <Recorder*>calloc(1, sizeof(Recorder))
        memset(&self.t, 0, sizeof(Stack))
        choices_start(&self.ch)
        sym_init(&self.t.sym, 1, &self.ch)
        self.rec.now = START
        for h in range(HOSTS_MAX):
            self.t.cfg[h] = self.table.rows
        self._mode(MODE_CONCRETE)

    def __dealloc__(self):
        free(self.rec)

    cdef void _mode(self, int mode) noexcept:
        self.t.sym.mode = mode
        self.t.sym.rec = self.rec if mode == MODE_CONCRETE else NULL

    def sysctl(self, dict changes):
        """Other sysctls from now on."""
        self.table = ConfigTable(PROFILES["linux-6.18.44"], [{"net.ipv4." + k: v for k, v in changes.items()}])
        for h in range(HOSTS_MAX):
            self.t.cfg[h] = self.table.rows

    def call(self, name, int sock=-1, int n=0):
        """A call of the sockets API; its result."""
        choices_start(&self.ch)
        self.t.fx.n = 0
        r = 0
        if name == "listen":
            r = tcp_listen(&self.t, 0, LOCAL, n)
        elif name == "accept":
            r = tcp_accept(&self.t, sock)
        elif name == "connect":
            r = tcp_connect(&self.t, 0, 1, REMOTE, LOCAL, NULL)
        elif name == "send":
            r = tcp_send(&self.t, sock, n)
        elif name == "recv":
            r = tcp_recv(&self.t, sock, -1)
        elif name == "shutdown":
            tcp_shutdown_write(&self.t, sock)
        elif name == "close":
            tcp_close(&self.t, sock)
        elif name == "abort":
            tcp_abort(&self.t, sock)
        else:
            raise ValueError(name)
        stack_tidy(&self.t)
        return r

    def advance(self, int64_t ns):
        """Time passes; no timer fires."""
        zone_pass(&self.t.sym.z, ns)
        self.rec.now += ns

    def find(self):
        """Slot of the connection with the peer; -1: none."""
        return find_tuple(&self.t, 0, 1, LOCAL, REMOTE)

    def sock(self, int i):
        """Some fields of a socket; numbers as they are."""
        cdef Sock* s = &self.t.sock[i]
        return {
            "rcv_nxt": <uint32_t>s.rcv_nxt.off, "snd_nxt": <uint32_t>s.snd_nxt.off, "snd_una": <uint32_t>s.snd_una.off,
            "window": receive_window(&self.t, i), "has_ts_recent": s.has_ts_recent,
            "ts_recent": <uint32_t>s.ts_recent.off, "rcv_queued": s.rcv_queued, "nooo": s.nooo, "ooo_fin": s.ooo_fin,
            "so_error": s.so_error, "unsent": s.unsent, "uid": s.uid, "acceptable": s.acceptable,
        }

    def timer(self, int i):
        """(kind, age in ns) of the retransmission slot's timer; None when it is not armed."""
        cdef Timer* m = &self.t.sock[i].timer[<int>SLOT_RETRANS]
        if m.kind == TM_NONE:
            return None
        return m.kind, self.t.sym.z.m[m.clk * 28]

    def put(self, flags, seq, ack=0, length=0, ts=None, wnd=65535, sack_ok=True, port=REMOTE):
        """A segment arrives; the outcome of the first branch, which becomes the host's state."""
        cdef Seg g
        self._segment(&g, flags, seq, ack, length, ts, wnd, sack_ok, port)
        choices_start(&self.ch)
        self.t.fx.n = 0
        segment_arrives(&self.t, 0, &g)
        return self._outcome()

    def tried(self, flags, seq, ack=0, length=0, ts=None, wnd=65535, sack_ok=True, int branches_max=4096):
        """Every outcome that the segment may have, as a set; numbers of the host and of the segment may be None."""
        cdef Stack before = self.t
        cdef Seg g
        cdef int n = 0
        outcomes = set()
        search = seq is None or ack is None or (ts is not None and None in ts)
        choices_start(&self.ch)
        while True:
            self.t = before
            if search:
                self._mode(MODE_SEARCH)
            self._segment(&g, flags, seq, ack, length, ts, wnd, sack_ok, REMOTE)
            self.t.fx.n = 0
            segment_arrives(&self.t, 0, &g)
            if not self.ch.dead:
                outcomes.add(self._outcome()[:3])
            n += 1
            if n > branches_max:
                raise RuntimeError("too many branches")
            if not choices_next(&self.ch):
                break
        self.t = before
        if self.ch.overflow:
            raise RuntimeError("a table of fixed size is too small")
        return outcomes

    cdef Num _number(self, value, int what):
        return num_base(&self.t.sym, what, 0, 1, 0) if value is None else num_const(value & 0xFFFFFFFF)

    cdef void _segment(self, Seg* g, flags, seq, ack, length, ts, wnd, sack_ok, port):
        memset(g, 0, sizeof(Seg))
        g.src, g.sport, g.dport, g.inc = 1, port, LOCAL, 1
        g.flags = sum(bit for bit, letter in _LETTERS if letter in flags)
        g.len, g.wnd = length, wnd
        g.seq = self._number(seq, 1001)
        if g.flags & F_ACK:
            g.ack = self._number(ack, 1002)
        if g.flags & F_SYN:
            g.mss, g.sack_ok = 1460, sack_ok
        if ts is not None:
            g.has_ts = 1
            g.tsval = self._number(ts[0], 1003)
            g.tsecr = self._number(ts[1], 1004)
            g.ecr_inc = 1 if ts[1] is None or ts[1] else 0

    cdef object _outcome(self):
        """(state, replies, rules, effects besides); a reply is flags, and ` n` for n bytes of text, D for a D-SACK,
        K for another SACK block."""
        cdef Effect* e
        cdef int i
        replies, rules, others = [], [], []
        for i in range(self.t.fx.n):
            e = &self.t.fx.e[i]
            if e.kind == EF_SEND:
                text = "".join(letter for bit, letter in _LETTERS if e.seg.flags & bit)
                text += f" {e.seg.len}" if e.seg.len else ""
                replies.append(text + (" D" if e.seg.dsack else " K" if e.seg.has_sack else ""))
            elif e.kind == EF_RULE:
                rules.append(BY_NUMBER[e.arg].name)
            else:
                others.append((e.kind, e.sock, e.arg))
        sock = self.find()
        state = "CLOSED" if sock < 0 else _STATES[self.t.sock[sock].state] + _KINDS.get(self.t.sock[sock].kind, "")
        if self.t.sym.mode == MODE_CONCRETE:
            stack_tidy(&self.t)
        return state, tuple(replies), tuple(rules), tuple(others)

    def last_sent(self):
        """seq, ack, TSval, TSecr, SACK edges of the last segment sent in this step."""
        cdef int i
        for i in range(self.t.fx.n - 1, -1, -1):
            if self.t.fx.e[i].kind == EF_SEND:
                g = &self.t.fx.e[i].seg
                return (
                    <uint32_t>g.seq.off, <uint32_t>g.ack.off, <uint32_t>g.tsval.off, <uint32_t>g.tsecr.off,
                    <uint32_t>g.sack_lo.off, <uint32_t>g.sack_hi.off,
                )
        return None
