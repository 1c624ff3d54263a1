"""One TCP stack with concrete numbers, driven call by call and segment by segment from Python.

Tests, the generated state table and the comparison with a real kernel use it. Numbers are plain integers modulo 2^32,
time is a plain number of ns that passes only by `advance`. Host 0 is the host under test, the others are whoever sends
to it; all of them run the same Config. Nothing is delivered by itself: what a host sends is handed back.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from tcpcheck.sym.choice cimport CHOICES_MAX, Choices, choices_start
from tcpcheck.sym.number cimport MODE_CONCRETE, Num, Recorder, num_const, sym_init, sym_select
from tcpcheck.sym.zone cimport CLOCKS_MAX, zone_pass, zone_sup
from tcpcheck.tcp.arrives cimport segment_arrives
from tcpcheck.tcp.calls cimport (
    ConnectOpts, tcp_abort, tcp_accept, tcp_close, tcp_connect, tcp_connected, tcp_listen, tcp_recv, tcp_send,
    tcp_shutdown_write,
)
from tcpcheck.tcp.checks cimport ECR_FORGED
from tcpcheck.tcp.config cimport ConfigTable
from tcpcheck.tcp.sockets cimport find_tuple, receive_window, stack_tidy
from tcpcheck.tcp.timeouts cimport timer_fires
from tcpcheck.tcp.types cimport *

from tcpcheck.tcp.profile import profile_for
from tcpcheck.tcp.rules import BY_NUMBER

cdef int64_t START = 1000 * 1000000000     # the clock at the start: no counter reads 0

_LETTERS = ((F_SYN, "S"), (F_FIN, "F"), (F_RST, "R"), (F_PSH, "P"), (F_URG, "U"), (F_ACK, "."))
_STATES = {
    ST_NONE: "NONE", ST_ESTABLISHED: "ESTABLISHED", ST_SYN_SENT: "SYN_SENT", ST_SYN_RECV: "SYN_RECV",
    ST_FIN_WAIT1: "FIN_WAIT1", ST_FIN_WAIT2: "FIN_WAIT2", ST_TIME_WAIT: "TIME_WAIT", ST_CLOSED: "CLOSED",
    ST_CLOSE_WAIT: "CLOSE_WAIT", ST_LAST_ACK: "LAST_ACK", ST_LISTEN: "LISTEN", ST_CLOSING: "CLOSING",
}
_SUFFIX = {SK_REQUEST: "/req", SK_BUCKET: "/tw"}
_TIMERS = {
    TM_RTO: "rto", TM_TLP: "tlp", TM_PERSIST: "persist", TM_SYNACK: "synack", TM_TIMEWAIT: "timewait",
    TM_DELACK: "delack", TM_KEEPALIVE: "keepalive",
    TM_COMPRESSED: "compressed",
}


cdef int _output(void* ctx, Seg* seg) noexcept nogil:
    return (<int*>ctx)[0]


cdef void _keep_clock(uint8_t* clk, uint8_t* keep, uint8_t* new, int* n) noexcept nogil:
    if clk[0] and not new[clk[0]]:
        keep[n[0]], new[clk[0]] = clk[0], <uint8_t>n[0]
        n[0] += 1
    clk[0] = new[clk[0]]


cdef void _forget_clocks(Stack* t) noexcept nogil:
    """Clocks that nobody reads any more make room; the others get the order of their owners."""
    cdef uint8_t keep[CLOCKS_MAX]
    cdef uint8_t new[CLOCKS_MAX]
    cdef int i, slot, n = 1
    cdef Sock* s
    memset(new, 0, sizeof(new))
    keep[0] = 0
    for i in range(SOCKS_MAX):
        s = &t.sock[i]
        if s.kind == SK_FREE:
            continue
        for slot in range(SLOTS):
            _keep_clock(&s.timer[slot].clk, keep, new, &n)
        _keep_clock(&s.rtx_clk, keep, new, &n)
        _keep_clock(&s.syn_clk, keep, new, &n)
        _keep_clock(&s.oow_clk, keep, new, &n)
        _keep_clock(&s.tw_clk, keep, new, &n)
        _keep_clock(&s.ts_stamp_clk, keep, new, &n)
        _keep_clock(&s.heard_clk, keep, new, &n)
    sym_select(&t.sym, keep, n)


cdef class Driver:
    """A stack of its own. `profile` and `sysctls` as in a spec (`net.ipv4.` may be left out); `timed=False` keeps no
    clocks: timers may fire any time; `rtt_max_ns` is the longest round trip, it widens every retransmission timeout.

    Calls return what the sockets API returns: a slot or bytes, or -errno. Segments are dicts with the keys flags (as
    in tcpdump: "S.", "-" for none), seq, ack, len, wnd, ts ((TSval, TSecr) or None), mss, sack_ok, sack ((lo, hi) or
    None), dsack, src, dst, sport, dport.
    """

    cdef Stack t
    cdef Choices ch
    cdef Recorder* rec
    cdef Config cfg
    cdef int refuse
    cdef readonly list sent
    cdef list _rules
    cdef list _args, _path, _met

    def __cinit__(self, profile="linux-6.18.44", sysctls=None, timed=True, rtt_max_ns=4000000):
        self.rec = <Recorder*>calloc(1, sizeof(Recorder))
        if self.rec == NULL:
            raise MemoryError
        self._args = [profile, dict(sysctls or {}), timed, rtt_max_ns]
        self.sent, self._rules, self.refuse = [], [], 0
        self._path, self._met = [], []
        memset(&self.t, 0, sizeof(Stack))
        if profile is not None:         # None: a copy in the making
            self._configure()
        choices_start(&self.ch)
        sym_init(&self.t.sym, timed, &self.ch)
        self.t.sym.mode = MODE_CONCRETE
        self.t.next_uid = 1
        self.rec.now = START
        self._wire()

    def __dealloc__(self):
        free(self.rec)

    def _configure(self):
        cdef ConfigTable table
        row = {name if "." in name else "net.ipv4." + name: value for name, value in self._args[1].items()}
        profile, _ = profile_for(self._args[0])
        table = ConfigTable(profile, [row], rtt_max_ns=self._args[3], ts_ages=bool(self._args[2]))
        self.cfg = table.rows[0]

    cdef void _wire(self) noexcept:
        cdef int h
        for h in range(HOSTS_MAX):
            self.t.cfg[h] = &self.cfg
        self.t.sym.ch, self.t.sym.rec = &self.ch, self.rec
        self.t.output, self.t.output_ctx = _output, &self.refuse

    def copy(self):
        """Another driver in the same state; the two go on independently."""
        cdef Driver other = Driver.__new__(Driver, None)
        other._args = list(self._args)
        other.cfg = self.cfg
        memcpy(&other.t, &self.t, sizeof(Stack))
        other.rec.now = self.rec.now
        other.sent, other._rules = list(self.sent), list(self._rules)
        other.refuse = self.refuse
        other._wire()
        return other

    # ---- one step: begin, do it, end
    cdef void _begin(self) noexcept:
        cdef int i
        choices_start(&self.ch)
        for i in range(min(len(self._path), CHOICES_MAX)):
            self.ch.taken[i] = self._path[i]
            self.ch.fixed = i + 1
        self.t.fx.n = 0
        self.rec.n = 0          # nobody reads the log

    cdef _end(self):
        """Collect what the step sent and the rules it took."""
        cdef int i
        self._met += [(self.ch.arity[i], self.ch.taken[i]) for i in range(self.ch.n)]
        del self._path[:self.ch.n]
        if self.ch.overflow or self.ch.dead:
            raise RuntimeError("a table of fixed size is too small" if self.ch.overflow else "this cannot happen now")
        for i in range(self.t.fx.n):
            if self.t.fx.e[i].kind == EF_SEND:
                self.sent.append(_segment_out(&self.t.fx.e[i].seg))
            elif self.t.fx.e[i].kind == EF_RULE:
                self._rules.append(BY_NUMBER[self.t.fx.e[i].arg].name)
        stack_tidy(&self.t)
        _forget_clocks(&self.t)

    def prescribe(self, path):
        """From now on choices come out as in `path`, one after the other; then the first alternative is taken."""
        self._path, self._met = list(path), []

    def met(self):
        """Choices met since `prescribe`, as (arity, taken)."""
        return list(self._met)

    def take(self):
        """Segments sent since the last call."""
        out, self.sent = self.sent, []
        return out

    def rules(self):
        """Names of the rules taken since the last call."""
        out, self._rules = self._rules, []
        return out

    # ---- calls
    def listen(self, int port, int backlog=128, int host=0):
        """Slot of a new listener."""
        self._begin()
        r = tcp_listen(&self.t, host, port, backlog)
        self._end()
        return r

    def defer_accept(self, int listener, int timeouts):
        """TCP_DEFER_ACCEPT, as a number of SYN-ACK timeouts."""
        self.t.sock[listener].defer_accept = timeouts

    def shrink(self, int listener, int backlog):
        """listen() again, with another backlog."""
        self.t.sock[listener].backlog = backlog

    def accept(self, int listener):
        """Slot of the oldest child."""
        self._begin()
        r = tcp_accept(&self.t, listener)
        self._end()
        return r

    def connect(self, int peer, int rport, int lport=0, int host=0, seq=None):
        """Slot of a socket in SYN-SENT; `seq` is the ISN, None: the ISN clock."""
        cdef ConnectOpts o
        memset(&o, 0, sizeof(o))
        if seq is not None:
            o.has_seq, o.seq = 1, num_const(seq)
        self._begin()
        r = tcp_connect(&self.t, host, peer, rport, lport, &o)
        self._end()
        return r

    def connected(self, int sock):
        """0 when the connection is open."""
        self._begin()
        r = tcp_connected(&self.t, sock)
        self._end()
        return r

    def send(self, int sock, int n, bint more=False):
        """Bytes accepted; more=True: they wait for the next call (MSG_MORE)."""
        self._begin()
        if more and self.t.sock[sock].kind == SK_FULL and self.t.sock[sock].so_error == 0:
            self.t.sock[sock].unsent += n
            self._end()
            return n
        r = tcp_send(&self.t, sock, n)
        self._end()
        return r

    def recv(self, int sock, int n=-1):
        """Bytes received, 0 at the end of file."""
        self._begin()
        r = tcp_recv(&self.t, sock, n)
        self._end()
        return r

    def shutdown(self, int sock):
        """shutdown(SHUT_WR)."""
        self._begin()
        tcp_shutdown_write(&self.t, sock)
        self._end()

    def close(self, int sock):
        """close(), of a listener too."""
        self._begin()
        tcp_close(&self.t, sock)
        self._end()

    def abort(self, int sock):
        """close() with SO_LINGER {1, 0}."""
        self._begin()
        tcp_abort(&self.t, sock)
        self._end()

    def sysctl(self, changes):
        """Sysctls change from now on."""
        self._args[1] = {**self._args[1], **changes}
        self._configure()

    def set_mss(self, int mss):
        """TCP_MAXSEG of every socket opened from now on."""
        self.cfg.mss = mss

    def refuse_output(self, int on):
        """1: the host's own firewall refuses what is sent from now on (-EPERM); 2: its own queue is full; 0: neither.
        Whoever asks gets the segments all the same."""
        self.refuse = on

    def user_timeout_over(self, int sock):
        """TCP_USER_TIMEOUT has run out: the next window probe ends the connection instead."""
        self.t.sock[sock].retries = 255

    # ---- segments
    def inject(self, int sport, int dport, flags, uint32_t seq=0, uint32_t ack=0, int length=0, int wnd=65535, ts=None,
               int src=1, int dst=0, int mss=1460, bint sack_ok=True, sack=None, int inc=1):
        """A segment arrives at `dst`; the segments sent in answer, in order. Leaves nothing for `take`."""
        cdef Seg s
        memset(&s, 0, sizeof(Seg))
        s.src, s.dst, s.sport, s.dport, s.inc = src, dst, sport, dport, inc
        s.flags = sum(bit for bit, letter in _LETTERS if letter in flags)
        s.len, s.wnd, s.seq = length, wnd, num_const(seq)
        if s.flags & F_ACK:
            s.ack = num_const(ack)
        if s.flags & F_SYN:
            s.mss, s.sack_ok = mss, sack_ok
        if ts is not None:
            s.has_ts, s.tsval, s.tsecr = 1, num_const(ts[0]), num_const(ts[1])
            s.ecr_inc = ECR_FORGED if ts[1] else 0
        if sack is not None:
            s.has_sack, s.sack_lo, s.sack_hi = 1, num_const(sack[0]), num_const(sack[1])
        self.take()
        self._begin()
        segment_arrives(&self.t, dst, &s)
        self._end()
        return self.take()

    # ---- state
    def find(self, int rport, int lport, int peer=1, int host=0):
        """Slot of the socket with this 4-tuple; -1: none (a listener does not count)."""
        return find_tuple(&self.t, host, peer, lport, rport)

    def state(self, int sock):
        """`ESTABLISHED`, `FIN_WAIT2/tw` (a bucket), `SYN_RECV/req` (a request socket), `CLOSED` (or slot -1)."""
        if sock < 0 or self.t.sock[sock].kind in (SK_FREE, SK_DEAD):
            return "CLOSED"
        return _STATES[self.t.sock[sock].state] + _SUFFIX.get(self.t.sock[sock].kind, "")

    def sock(self, int i):
        """Fields of a socket, numbers as integers."""
        cdef Sock* s = &self.t.sock[i]
        return {
            "kind": s.kind, "state": self.state(i), "fd": s.fd, "acceptable": s.acceptable, "parent": s.parent,
            "rport": s.rport,
            "iss": _number(s.iss), "snd_una": _number(s.snd_una), "snd_nxt": _number(s.snd_nxt), "snd_wnd": s.snd_wnd,
            "irs": _number(s.irs), "rcv_nxt": _number(s.rcv_nxt), "rcv_wup": _number(s.rcv_wup), "rcv_wnd": s.rcv_wnd,
            "window": receive_window(&self.t, i), "rcv_queued": s.rcv_queued, "unsent": s.unsent,
            "bytes_acked": s.bytes_acked, "ts_ok": s.ts_ok, "sack_ok": s.sack_ok, "nooo": s.nooo,
            "ts_recent": _number(s.ts_recent) if s.has_ts_recent else None, "so_error": s.so_error,
            "fin_sent": s.fin_sent, "fin_rcvd": s.fin_rcvd, "mss": s.mss,
            "quickack": s.quickack, "ack_pending": s.ack_pending, "retries": s.retries, "rtt_known": s.rtt_known,
            "backoff": s.backoff,
        }

    def offered(self, int sock, int window):
        """The window that the segment just sent has offered, in bytes: how big it is the model does not know."""
        if self.t.sock[sock].kind != SK_FREE:
            self.t.sock[sock].rcv_wnd = window

    def key(self):
        """Bytes that are equal only when two drivers of one run are in the same state."""
        cdef Stack* t = &self.t
        cdef int i
        cdef uint32_t uid[SOCKS_MAX]
        for i in range(SOCKS_MAX):
            uid[i], t.sock[i].uid = t.sock[i].uid, 0
        clocks = [bytes((<char*>&t.sym.z.m[i * CLOCKS_MAX])[:t.sym.z.n * sizeof(int64_t)]) for i in range(t.sym.z.n)]
        found = b"".join(clocks) + bytes((<char*>&t.sock[0])[:sizeof(t.sock)])
        for i in range(SOCKS_MAX):
            t.sock[i].uid = uid[i]
        return found + self.rec.now.to_bytes(8, "big")

    def now(self):
        """ns since the start."""
        return self.rec.now - START

    # ---- time
    def timers(self):
        """Armed timers in order of their earliest firing: sock, slot, kind, and lo and hi in ns from now."""
        cdef Timer* m
        cdef int i, slot
        out = []
        for i in range(SOCKS_MAX):
            for slot in range(SLOTS):
                m = &self.t.sock[i].timer[slot]
                if self.t.sock[i].kind != SK_FREE and m.kind != TM_NONE:
                    age = zone_sup(&self.t.sym.z, m.clk, 0) if m.clk else 0
                    out.append({"sock": i, "slot": slot, "kind": _TIMERS[m.kind], "lo": m.lo - age, "hi": m.hi - age})
        return sorted(out, key=lambda timer: timer["lo"])

    def forget_limits(self, int sock, bint on):
        """When the last reply went out that tcp_invalid_ratelimit limits is not known (on=False: long ago)."""
        if self.t.sock[sock].oow_clk == 0:
            self.t.sock[sock].oow_sent = on

    def widen(self, int sock, int slot, int64_t earlier, int64_t later):
        """The timer was armed at an unknown moment, up to so many ns before or after this one."""
        cdef Timer* m = &self.t.sock[sock].timer[slot]
        m.lo = max(m.lo - earlier, 0)
        m.hi += later

    def advance(self, int64_t ns):
        """Time passes; no timer fires by itself."""
        zone_pass(&self.t.sym.z, ns)
        self.rec.now += ns

    def fire(self, int sock, int slot):
        """A timer fires now, whether or not it is due; the segments sent."""
        self.take()
        self._begin()
        timer_fires(&self.t, sock, slot)
        self._end()
        return self.take()

    def run(self, int64_t ns, late=False):
        """Time passes, and each timer fires as early (late=True: as late) as it may: [(ns since start, segment)]."""
        end, out = self.now() + ns, []
        while True:
            timers = sorted(self.timers(), key=lambda timer: timer["hi" if late else "lo"])
            due = timers[0]["hi" if late else "lo"] if timers else None
            if due is None or self.now() + due > end:
                self.advance(end - self.now())
                return out
            self.advance(max(due, 0))
            out += [(self.now(), seg) for seg in self.fire(timers[0]["sock"], timers[0]["slot"])]


cdef uint32_t _number(Num n) except? 7:
    if n.base != 0:
        raise RuntimeError("a number without a value")
    return <uint32_t>(n.off & 0xFFFFFFFF)


cdef dict _segment_out(const Seg* s):
    return {
        "flags": "".join(letter for bit, letter in _LETTERS if s.flags & bit) or "-",
        "seq": _number(s.seq), "ack": _number(s.ack) if s.flags & F_ACK else 0, "len": s.len, "wnd": s.wnd,
        "ts": (_number(s.tsval), _number(s.tsecr)) if s.has_ts else None,
        "mss": s.mss, "sack_ok": s.sack_ok, "dsack": bool(s.dsack),
        "sack": (_number(s.sack_lo), _number(s.sack_hi)) if s.has_sack or s.dsack else None,
        "src": s.src, "dst": s.dst, "sport": s.sport, "dport": s.dport,
    }
