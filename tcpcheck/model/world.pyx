"""A Case as a transition system: built from its tables, searched, recorded along a path, run again with numbers."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from tcpcheck.explore.system cimport Handle, STATE_BYTES_MAX
from tcpcheck.model.canon cimport canonicalise
from tcpcheck.model.layout cimport *
from tcpcheck.model.monitor cimport note_ends
from tcpcheck.model.network cimport output
from tcpcheck.model.packed cimport fingerprint, pack, unpack
from tcpcheck.model.step cimport copy_world, something_waits, start, step
from tcpcheck.sym.choice cimport CHOOSE_FATE, CHOICES_MAX, Choices, choices_start
from tcpcheck.sym.number cimport (
    LOG_AGE, MODE_CONCRETE, MODE_RECORD, MODE_SEARCH, Recorder, sym_init,
)
from tcpcheck.sym.zone cimport CLOCKS_MAX, zone_sup
from tcpcheck.tcp.config cimport ConfigTable
from tcpcheck.tcp.types cimport *

from struct import Struct
from typing import NamedTuple

from tcpcheck.errors import TcpcheckError
from tcpcheck.model.notes import Notes
from tcpcheck.witness.constraints import Age, NumberIn, PathConstraints
from tcpcheck.witness.project import Difference


NOTED = Struct("<iiiiQQ")               # flags that stay, in Model.noted


class ReplayFailed(TcpcheckError):
    """A path could not be followed again: the search, the recording and the re-run do not agree."""

    exit_code = 3


# ---------------------------------------------------------------- what the search calls

cdef void sys_load(void* ctx, const uint8_t* state, int32_t n, const int64_t* zone, int32_t clocks) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    cdef int i
    cdef int c = clocks if clocks > 0 else 1
    cdef uint32_t same
    m.cur.tcp.sym.z.n = c
    m.cur.tcp.sym.z.m[0] = 0
    if clocks > 0:
        for i in range(c):
            memcpy(&m.cur.tcp.sym.z.m[i * CLOCKS_MAX], zone + i * c, c * sizeof(int64_t))
    same = unpack(m, &m.cur, state)
    for i in range(m.t.nhost):
        m.cur.tcp.cfg[i] = m.t.config[i] + m.cur.tcp.cfg_ix[i]
    if not m.loaded:
        m.loaded = 1
        same = 0
    m.nready = m.nall = m.fly_sorted = -1
    m.base_summed = 0
    m.named, m.summed, m.clean = m.named & same, m.summed & same, m.clean & same


cdef int sys_step(void* ctx, Choices* ch) noexcept nogil:
    return step(<Machine*>ctx, ch)


cdef int32_t sys_save(void* ctx, uint8_t* out) noexcept nogil:
    return pack(<Machine*>ctx, &(<Machine*>ctx).nxt, out)


cdef uint64_t sys_fingerprint(void* ctx) noexcept nogil:
    return fingerprint(<Machine*>ctx)


cdef int32_t sys_save_zone(void* ctx, int64_t* out) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    cdef int i, n = m.nxt.tcp.sym.z.n
    if not m.t.timed:
        return 0
    for i in range(n):
        memcpy(out + i * n, &m.nxt.tcp.sym.z.m[i * CLOCKS_MAX], n * sizeof(int64_t))
    return n


cdef uint64_t sys_hits(void* ctx) noexcept nogil:
    return (<Machine*>ctx).hits


cdef uint64_t sys_pending(void* ctx) noexcept nogil:
    return waiting(&(<Machine*>ctx).nxt)


cdef uint64_t waiting(const World* w) noexcept nogil:
    """Bit c: some obligation of claim c waits."""
    cdef uint64_t bits = 0
    cdef int i
    for i in range(w.npend):
        if w.pend[i].claim:
            bits |= <uint64_t>1 << (w.pend[i].claim - 1)
    return bits


cdef int cut_at_bound(Machine* m) noexcept nogil:
    """The half of a run that a map split at an obligation's bound, in which nothing comes before it: there is none."""
    cdef const Pend* p
    cdef int i
    for i in range(PENDS_MAX):
        p = &m.cur.pend[i]
        if p.claim and p.clk and m.t.claim[p.claim - 1].asks and \
                zone_sup(&m.cur.tcp.sym.z, p.clk, 0) <= m.t.claim[p.claim - 1].hi:
            return 1
    return 0


cdef uint64_t sys_hits_at_end(void* ctx) noexcept nogil:
    """Nothing can happen any more: what still waits, waits for ever. Unless the run was only cut at the horizon."""
    cdef Machine* m = <Machine*>ctx
    if something_waits(m, &m.cur):
        m.stuck |= not m.t.horizon and not cut_at_bound(m)
        return 0
    if not waiting(&m.cur):
        return 0
    copy_world(m, &m.nxt, &m.cur)
    choices_start(m.ch)
    m.hits = 0                      # note_ends() adds those of sets of values
    return (waiting(&m.nxt) & ~note_ends(m)) | m.hits


cdef void sys_rules(void* ctx, uint64_t* words) noexcept nogil:
    cdef Machine* m = <Machine*>ctx
    cdef int i
    for i in range(m.nxt.tcp.fx.n):
        if m.nxt.tcp.fx.e[i].kind == EF_RULE:
            words[m.nxt.tcp.fx.e[i].arg >> 6] |= <uint64_t>1 << (m.nxt.tcp.fx.e[i].arg & 63)


cdef int sys_truncated(void* ctx) noexcept nogil:
    return (<Machine*>ctx).truncated


cdef int32_t sys_noted(void* ctx) noexcept nogil:
    return (<Machine*>ctx).npiece


# ---------------------------------------------------------------- the model

cdef class Model:
    """One Case. program: compile.Program; configs: one ConfigTable a host, its rows being the host's combinations of
    sysctl steps; sysctl_next[h]: row * steps + step -> row; network: delay_lo, delay_hi, lifetime (ns), keeps_order."""

    def __cinit__(self):
        self.m = <Machine*>calloc(1, sizeof(Machine))
        self.rec = <Recorder*>calloc(1, sizeof(Recorder))
        if self.m == NULL or self.rec == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef Tables* t
        cdef int i
        if self.m != NULL:
            t = &self.m.t
            free(t.instr)
            free(t.connect)
            free(t.inject)
            free(t.target)
            free(t.node)
            free(t.kid)
            free(t.pattern)
            for i in range(HOSTS_MAX):
                free(t.sysctl_next[i])
            free(self.m)
        free(self.rec)

    def __init__(self, program, list configs, list sysctl_next, network, exact=False, zeros=True):
        self.program = program
        self.keep = configs
        self.constants = dict(program.constants)
        load_tables(&self.m.t, program)
        load_network(&self.m.t, program, network)
        self.m.t.exact, self.m.t.zero_left_out = exact, not zeros
        load_configs(&self.m.t, configs, sysctl_next, len(program.sysctl_steps))
        self.begin(MODE_SEARCH)

    cdef void begin(self, int mode):
        """m.nxt becomes the initial state."""
        cdef Machine* m = self.m
        cdef int i
        memset(&m.cur, 0, sizeof(World))
        memset(&m.nxt, 0, sizeof(World))
        choices_start(&self.choices)
        m.ch = &self.choices
        m.next_seg_uid = 0
        m.npiece = 0
        m.loaded = m.clean = 0
        m.pieces_full = m.no_value = 0
        m.show_late = 0
        m.fold = NULL
        m.cut_at_horizon = m.stuck = m.zero_met = 0
        sym_init(&m.nxt.tcp.sym, m.t.timed, &self.choices)
        sym_init(&m.cur.tcp.sym, m.t.timed, &self.choices)
        m.nxt.tcp.sym.mode = mode
        m.cur.tcp.sym.mode = mode
        m.nxt.tcp.sym.zero_left_out = m.cur.tcp.sym.zero_left_out = m.t.zero_left_out
        if mode != MODE_SEARCH:
            memset(self.rec, 0, sizeof(Recorder))
            m.nxt.tcp.sym.rec = self.rec
        m.nxt.tcp.output = output
        m.nxt.tcp.output_ctx = m
        for i in range(m.t.nhost):
            m.nxt.tcp.cfg[i] = m.t.config[i]
        copy_world(m, &m.cur, &m.nxt)

    def handle(self, wanted=(), fold=False):
        """The system for explore.search, standing at its initial state. wanted: pieces of an earlier search that shall
        have hit bits, PIECE_BITS at most; else the first ones found have. fold: of states that differ only in which of
        the `alike` hosts is which, one stands for all."""
        cdef Handle h = Handle()
        cdef int i
        self.begin(MODE_SEARCH)
        for i, piece in enumerate(wanted):
            load_piece(&self.m.piece[i], piece)
        self.m.npiece = len(wanted)
        if fold:
            self.alike.fold(self)
        start(self.m)
        h.sys.ctx = self.m
        h.sys.load = sys_load
        h.sys.step = sys_step
        h.sys.save = sys_save
        h.sys.fingerprint = sys_fingerprint
        h.sys.save_zone = sys_save_zone
        h.sys.hits = sys_hits
        h.sys.pending = sys_pending
        h.sys.hits_at_end = sys_hits_at_end
        h.sys.rules = sys_rules
        h.sys.truncated = sys_truncated
        h.sys.noted = sys_noted
        h.owner = self
        return h

    def initial_hits(self):
        """Bits of the claims that the initial state hits (0..23) or exercises (24..47)."""
        self.begin(MODE_SEARCH)
        start(self.m)
        return self.m.hits

    @property
    def cut_at_horizon(self):
        return bool(self.m.cut_at_horizon)

    @property
    def zero_met(self):
        """Somewhere a timestamp might have been exactly 0, and the model leaves that out."""
        return bool(self.m.zero_met)

    @property
    def stuck(self):
        """A state was found in which something is due and nothing can happen: the model is at fault."""
        return bool(self.m.stuck)

    @property
    def pieces_full(self):
        """Bits of the claims that met a set of values for which there was no room."""
        return self.m.pieces_full

    @property
    def no_value(self):
        """Bits of the claims that came to an outcome where what they range over had no value."""
        return self.m.no_value

    @property
    def pieces(self):
        """Values with which claims came to outcomes, in the order found: those at PIECE_BITS and beyond have no bit."""
        return [
            Values(self.m.piece[i].claim, self.m.piece[i].outcome, self.m.piece[i].lo, self.m.piece[i].len,
                   self.m.piece[i].way, self.m.piece[i].lo2, self.m.piece[i].len2)
            for i in range(self.m.npiece)
        ]

    # ---- a search that is saved

    @property
    def variant(self):
        """(exact, zeros): what build_model made of the Case."""
        return bool(self.m.t.exact), not self.m.t.zero_left_out

    @property
    def reads(self):
        """For each host the sysctls that it was asked for, as bits; None where the spec changes some."""
        return tuple(table.read for table in self.keep) if all(len(table) == 1 for table in self.keep) else None

    def noted(self):
        """What a search notes here beside its states, as bytes."""
        cdef Machine* m = self.m
        flags = (m.npiece, m.cut_at_horizon, m.zero_met, m.stuck, m.pieces_full, m.no_value)
        read = Struct(f"<{len(self.keep)}I").pack(*(table.read for table in self.keep))
        return NOTED.pack(*flags) + read + <bytes>(<char*>m.piece)[:m.npiece * sizeof(Piece)]

    def note_again(self, bytes noted):
        """After handle(): what such a search had noted."""
        cdef Machine* m = self.m
        reads = Struct(f"<{len(self.keep)}I")
        cdef bytes pieces = noted[NOTED.size + reads.size:]
        m.npiece, m.cut_at_horizon, m.zero_met, m.stuck, m.pieces_full, m.no_value = NOTED.unpack_from(noted)
        assert len(pieces) == m.npiece * <Py_ssize_t>sizeof(Piece)
        memcpy(m.piece, <const char*>pieces, len(pieces))
        for table, read in zip(self.keep, reads.unpack_from(noted, NOTED.size)):
            table.note(read)

    @property
    def notes(self):
        """All of these together."""
        return Notes(self.cut_at_horizon, self.zero_met, self.stuck, self.pieces_full, self.no_value, tuple(self.pieces))

    def take_over(self, notes):
        """As if this model had noted it in a search."""
        cdef Machine* m = self.m
        cdef int i
        m.cut_at_horizon, m.zero_met, m.stuck = notes.cut_at_horizon, notes.zero_met, notes.stuck
        m.pieces_full, m.no_value = notes.pieces_full, notes.no_value
        m.npiece = len(notes.pieces)
        for i, piece in enumerate(notes.pieces):
            load_piece(&m.piece[i], piece)

    # ---- for tests

    def _packed_again(self, bytes state, zone, order=None):
        """A state and its zone, unpacked and packed; order: the segments in flight are shuffled in between, and the
        canonical form is made again. -> (state, zone)."""
        cdef Machine* m = self.m
        cdef int64_t rows[CLOCKS_MAX * CLOCKS_MAX]
        cdef uint8_t out[STATE_BYTES_MAX]
        cdef int i, n, k = len(zone)
        for i in range(k * k):
            rows[i] = zone[i // k][i % k]
        m.loaded = 0                    # nothing is known of it, here and below
        sys_load(m, state, len(state), rows, k)
        copy_world(m, &m.nxt, &m.cur)
        choices_start(&self.choices)
        m.ch = m.nxt.tcp.sym.ch = &self.choices
        if order is not None:
            for i, at in enumerate(order):
                m.nxt.fly[i] = m.cur.fly[at]
            m.loaded = 0
            canonicalise(m)
        n = sys_save(m, out)
        k = sys_save_zone(m, rows)
        return <bytes>out[:n], tuple(tuple(rows[i * k + j] for j in range(k)) for i in range(k))

    def _fingerprint(self, bytes state, zone):
        """Of a state of which nothing is known yet."""
        self._packed_again(state, zone)
        return fingerprint(self.m)

    # ---- a path again

    def record(self, list path, int claim=-1, piece=None, at_end=False):
        """Follows a path of the search and logs its constraints. claim: the one whose hit is at its end.
        piece: one of `pieces`, whose values its last step told, or that the run ends there (at_end); else `over` means
        nothing.

        -> Recording(constraints, events, fates, late, over, over2), where over is a Difference, or the instants of a sleep's
        begin and end (-1: it lasts still). Error: ReplayFailed.
        """
        cdef Machine* m = self.m
        cdef list events = [], fates = []
        cdef bytes taken
        cdef int n, late = 0
        self.begin(MODE_RECORD)
        m.asked.claim, m.asked_log = -1, 0
        if piece is not None:
            load_piece(&m.asked, piece)
        start(m)
        for n, taken in enumerate(path):
            copy_for_next(m)
            prescribe(&self.choices, taken)
            m.show_late = claim + 1 if n == len(path) - 1 and claim >= 0 else 0
            if not step(m, &self.choices):
                raise ReplayFailed(f"step {n + 1} of a witness cannot be taken again")
            events.append((m.event.kind, m.event.a, m.event.b))
            for i in range(self.choices.n):
                if self.choices.kind[i] == CHOOSE_FATE:
                    fates.append(self.choices.taken[i])
        if claim >= 0:
            late = (m.late >> claim) & 1
        if at_end:
            note_ends(m)
        if self.rec.overflow:
            raise ReplayFailed("a witness has more constraints than the log holds")
        if piece is not None:  # what comes after has split the step for other claims: the values are those of all parts
            self.rec.n = m.asked_log
        over, over2 = difference(&m.over), difference(&m.over2)
        if piece is not None and m.t.claim[piece.claim].over_sleep >= 0:
            over = (m.over.j, m.over.i)
        return Recording(self.constraints(len(path)), events, bytes(fates), bool(late), over, over2)

    def constraints(self, steps):
        """The log as PathConstraints. Instants: 0 the start, 1..steps the events, steps + 1 the end."""
        entries = []
        for i in range(self.rec.n):
            e = self.rec.log[i]
            if e.kind == LOG_AGE:
                entries.append(Age(e.i, e.j, e.c))
            else:
                entries.append(
                    NumberIn(e.i, e.j, e.c, e.key_a, e.key_b, e.tick_a, e.tick_b, e.lo, e.len)
                )
        return PathConstraints(steps + 2, tuple(entries), self.constants)

    def rerun(self, recording, binding, int claim=-1, at_end=False):
        """The same events at the instants and with the constants of binding, every comparison computed. at_end: the run
        ends then, and `pieces` has what that means.

        -> list of Moment, one for each step; the last one's `hits` tells whether the claim failed again.
        Error: ReplayFailed when an event cannot happen then.
        """
        cdef Machine* m = self.m
        cdef Event* script = <Event*>calloc(max(len(recording.events), 1), sizeof(Event))
        cdef int64_t* instant = <int64_t*>calloc(len(binding.instants_ns), sizeof(int64_t))
        try:
            for i, (kind, a, b) in enumerate(recording.events):
                script[i].kind, script[i].a, script[i].b = kind, a, b
            for i, t in enumerate(binding.instants_ns):
                instant[i] = t
            moments = self.rerun_script(recording, binding, script, instant, claim)
            if at_end:
                note_ends(m)
            return moments
        finally:
            free(script)
            free(instant)
            m.script = NULL
            m.instant = NULL

    def simulate(self, seed, int steps_max=2000, int show=0):
        """A random run with real numbers: simulate.pyx."""
        from tcpcheck.model.simulate import simulate

        return simulate(self, seed, steps_max, show)

    cdef list rerun_script(self, recording, binding, Event* script, int64_t* instant, int claim):
        cdef Machine* m = self.m
        cdef int n
        moments = []
        self.begin(MODE_CONCRETE)
        bind_constants(self.rec, binding.constants)
        m.script, m.instant = script, instant
        self.rec.now = instant[0]
        start(m)
        fates = list(recording.fates)
        for n in range(len(recording.events)):
            copy_for_next(m)
            prescribe(&self.choices, bytes(fates))
            m.at = n
            if not step(m, &self.choices):
                raise ReplayFailed(f"step {n + 1} of a witness does not happen with its numbers")
            del fates[: self.choices.n]
            moments.append(moment(self, n + 1))
        return moments


class Values(NamedTuple):
    """Values lo..lo+n-1 of what a claim ranges over, with which it came to an outcome (numbers: modulo 2^32).
    way: WAY_* of layout.pxd. Pairs: each of those with each of lo2..lo2+n2-1."""

    claim: int
    outcome: int
    lo: int
    n: int
    way: int
    lo2: int = 0
    n2: int = 0


class Recording:
    """A path by name: constraints to solve, events and fates to repeat. late: an obligation runs out after it.
    over: what a claim ranges over, over2: the other number of a pair."""

    def __init__(self, constraints, events, fates, late, over, over2):
        self.constraints, self.events, self.fates, self.late = constraints, events, fates, late
        self.over, self.over2 = over, over2


cdef difference(const Quantity* q):
    return Difference(
        i=q.i, j=q.j, c=q.c, key_a=q.key_a, key_b=q.key_b, tick_a=q.tick_a, tick_b=q.tick_b
    )


class Moment:
    """What one step of a concrete run did. effects: dicts; socks: dicts of the sockets after it; hits: claim bits;
    waiting: bits of the claims whose `eventually` still waits; met: of those for which it came true."""

    def __init__(self, instant, event, effects, socks, hits, waiting, met):
        self.instant, self.event, self.effects, self.socks = instant, event, effects, socks
        self.hits, self.waiting, self.met = hits, waiting, met


cdef load_piece(Piece* p, piece):
    p.claim, p.outcome, p.lo, p.len, p.way, p.lo2, p.len2 = piece


cdef void copy_for_next(Machine* m) noexcept:
    copy_world(m, &m.cur, &m.nxt)
    m.cur.tcp.sym.rec = m.nxt.tcp.sym.rec


cdef void prescribe(Choices* ch, bytes taken) noexcept:
    cdef int i, n = min(len(taken), CHOICES_MAX)
    choices_start(ch)
    for i in range(n):
        ch.taken[i] = taken[i]
    ch.fixed = n


cdef bind_constants(Recorder* rec, constants):
    if len(constants) > 64:
        raise ReplayFailed("a witness has more constants than the re-run can bind")
    rec.nbound = len(constants)
    for i, (key, value) in enumerate(sorted(constants.items())):
        rec.bound_key[i] = key
        rec.bound_value[i] = value


# ---------------------------------------------------------------- concrete states for people

cdef dict seg_dict(const Seg* s):
    return {
        "src": s.src, "dst": s.dst, "sport": s.sport, "dport": s.dport, "flags": s.flags,
        "seq": s.seq.off & 0xFFFFFFFF, "ack": s.ack.off & 0xFFFFFFFF if s.flags & F_ACK else 0,
        "len": s.len, "wnd": s.wnd, "mss": s.mss, "sack_ok": bool(s.sack_ok), "scale_ok": bool(s.scale_ok),
        "inc": s.inc, "forged": bool(s.forged),
        "tsval": s.tsval.off & 0xFFFFFFFF if s.has_ts else None,
        "tsecr": s.tsecr.off & 0xFFFFFFFF if s.has_ts else None,
        "sack": (s.sack_lo.off & 0xFFFFFFFF, s.sack_hi.off & 0xFFFFFFFF) if s.has_sack else None,
    }


cdef dict armed_timers(const Sym* sym, const Sock* s):
    """slot -> (instant in ns since which it runs, least and greatest age at which it fires). Concrete runs only."""
    cdef int i
    if sym.mode != MODE_CONCRETE or sym.rec == NULL:
        return {}
    return {
        i: (sym.rec.now - zone_sup(&sym.z, s.timer[i].clk, 0), s.timer[i].lo, s.timer[i].hi)
        for i in range(SLOTS) if s.timer[i].kind != TM_NONE and s.timer[i].clk
    }


cdef dict sock_dict(const Sock* s):
    return {
        "kind": s.kind, "state": s.state, "host": s.host, "peer": s.peer, "lport": s.lport, "rport": s.rport,
        "uid": s.uid, "fd": bool(s.fd), "acceptable": bool(s.acceptable),
        "iss": s.iss.off & 0xFFFFFFFF, "irs": s.irs.off & 0xFFFFFFFF,
        "snd_una": s.snd_una.off & 0xFFFFFFFF, "snd_nxt": s.snd_nxt.off & 0xFFFFFFFF,
        "rcv_nxt": s.rcv_nxt.off & 0xFFFFFFFF, "rcv_queued": s.rcv_queued, "snd_wnd": s.snd_wnd,
        "ts_recent": s.ts_recent.off & 0xFFFFFFFF if s.ts_ok and s.has_ts_recent else None,
        "timers": (s.timer[0].kind, s.timer[1].kind, s.timer[2].kind), "retries": s.retries,
    }


cdef moment(Model self, int instant):
    """m.nxt and the effects that led to it."""
    cdef Machine* m = self.m
    cdef const Effect* e
    effects = []
    for i in range(m.nxt.tcp.fx.n):
        e = &m.nxt.tcp.fx.e[i]
        row = {"kind": e.kind, "host": e.host, "sock": e.sock, "arg": e.arg, "uid": e.uid}
        if e.kind in (EF_SEND, EF_LOST, EF_DROP, EF_ARRIVE, EF_DUP, EF_EXPIRE):
            row["seg"] = seg_dict(&e.seg)
        effects.append(row)
    socks = []
    for i in range(m.nxt.tcp.top):
        if m.nxt.tcp.sock[i].kind != SK_FREE:
            row = sock_dict(&m.nxt.tcp.sock[i])
            row["armed"] = armed_timers(&m.nxt.tcp.sym, &m.nxt.tcp.sock[i])
            row["names"] = [
                (b, k) for b in range(m.t.nbind) for k in range(m.nxt.bind[b].n) if m.nxt.bind[b].slot[k] == i
            ]
            socks.append(row)
    ended = [(b, k) for b in range(m.t.nbind) for k in range(m.nxt.bind[b].n) if m.nxt.bind[b].slot[k] < 0]
    event = (m.event.kind, m.event.a, m.event.b, m.event.c)
    return Moment(instant, event, effects, {"live": socks, "ended": ended}, m.hits, waiting(&m.nxt), m.met)


# ---------------------------------------------------------------- tables from Python

cdef load_tables(Tables* t, p):
    cdef int i
    t.nhost, t.nproc, t.ninstr, t.nbind = len(p.hosts), len(p.entries), len(p.instrs), len(p.binds)
    t.nclaim, t.nkept, t.nordinal, t.nnode = len(p.claims), len(p.kept), len(p.ordinals), len(p.nodes)
    if t.nhost > HOSTS_MAX:
        raise ReplayFailed(f"more than {HOSTS_MAX} hosts")
    t.instr = <Instr*>calloc(max(t.ninstr, 1), sizeof(Instr))
    t.connect = <ConnectSpec*>calloc(max(len(p.connects), 1), sizeof(ConnectSpec))
    t.inject = <InjectSpec*>calloc(max(len(p.injects), 1), sizeof(InjectSpec))
    t.target = <int32_t*>calloc(max(len(p.targets), 1), sizeof(int32_t))
    t.node = <PNode*>calloc(max(t.nnode, 1), sizeof(PNode))
    t.kid = <int32_t*>calloc(max(len(p.kids), 1), sizeof(int32_t))
    t.pattern = <Pattern*>calloc(max(len(p.patterns), 1), sizeof(Pattern))
    for i, (host, pc, _) in enumerate(p.entries):
        t.proc_host[i], t.proc_entry[i] = host, pc
    for i, row in enumerate(p.instrs):
        t.instr[i] = row
    for i, row in enumerate(p.connects):
        t.connect[i] = row
    for i, row in enumerate(p.injects):
        t.inject[i] = row
    for i, host in enumerate(p.case.hosts):
        t.bare[i] = host.kernel == "none"
    t.ncaught, t.ncounted, t.keeps_ts_recent = len(p.caught), len(p.counted), p.keeps_ts_recent
    for i, key in enumerate(p.counted):
        t.counted[i] = key
        t.counted_forged[i] = any(key == n["key"] for row in p.injects for n in (
            row["seq"], row["ack"], row["tsval"], row["tsecr"]))
    for i, v in enumerate(p.targets):
        t.target[i] = v
    for i, row in enumerate(p.nodes):
        load_node(&t.node[i], row)
    for i, v in enumerate(p.kids):
        t.kid[i] = v
    for i, row in enumerate(p.patterns):
        t.pattern[i] = row
    for i, (kind, flags, most) in enumerate(p.ordinals):
        t.ordinal_kind[i], t.ordinal_flags[i], t.ordinal_most[i] = kind, flags, most
    t.keeps_gone, t.npeered, t.keeps_tsecr = p.keeps_gone, len(p.peered), p.keeps_tsecr
    t.keeps_young_tsecr = p.keeps_young_tsecr
    for i, bind in enumerate(p.peered):
        t.peered_bind[i] = bind
    t.nslept = len(p.slept)
    for i, pc in enumerate(p.slept):
        t.slept_pc[i] = pc
    for i, (bind, pos, f) in enumerate(p.kept):
        t.kept_bind[i], t.kept_pos[i], t.kept_field[i] = bind, pos, f
    for i, claim in enumerate(p.claims):
        load_claim(&t.claim[i], claim)


cdef load_node(PNode* n, row):
    n.op, n.a, n.b, n.c, n.d, n.e, n.f, n.big = row


cdef load_claim(ClaimC* c, claim):
    cdef int i
    c.kind, c.nvar, c.ntrigger = claim.kind, len(claim.vars), claim.triggers
    c.eventless, c.goal_eventless = claim.eventless, claim.goal_eventless
    c.has_within = claim.within is not None
    c.lo, c.hi = claim.within or (0, 0)
    c.pred, c.exercised, c.goal = claim.pred, claim.exercised, claim.goal
    c.over_a, c.over_b = claim.over
    c.over_sleep, c.subject, c.replies = claim.over_sleep, claim.subject, claim.replies
    c.asks, c.ngoal = claim.asks, claim.goals
    c.counted, c.counted2 = claim.counted, claim.counted2
    for i, (kind, a, b, absent) in enumerate(claim.vars):
        c.var[i].kind, c.var[i].a, c.var[i].b, c.var[i].may_be_absent = kind, a, b, absent


cdef load_network(Tables* t, p, network):
    cdef int i
    t.delay_lo, t.delay_hi = network.delay_lo, network.delay_hi
    t.lifetime, t.keeps_order = network.lifetime, network.keeps_order
    t.horizon, t.timed = p.case.horizon or 0, p.case.timed
    t.nfirewall, t.nfault = len(p.firewall), len(p.faults)
    t.firewall_on = p.firewall_on
    for i, row in enumerate(p.firewall):
        t.firewall[i] = row
    load_router(&t.router, p)
    t.nrewrite = len(p.rewrites)
    for i, row in enumerate(p.rewrites):
        t.rewrite[i] = row
    for i, row in enumerate(p.faults):
        t.fault[i] = row
        t.budget[i] = p.budgets[i]


cdef load_router(Router* r, p):
    cdef int i
    row = p.router
    if row is None:
        return
    r.there, r.host, r.inside, r.outside = 1, row["host"], row["inside"], row["outside"]
    r.liberal, r.loose, r.ignore_invalid_rst = row["liberal"], row["loose"], row["ignore_invalid_rst"]
    r.max_retrans = row["max_retrans"]
    for i in range(CT_TIMEOUTS):
        r.timeout[i] = row["timeouts"][i]
    r.nnat, r.nport = len(row["nat"]), len(row["ports"])
    for i, rule in enumerate(row["nat"]):
        r.nat[i] = rule
    for i, port in enumerate(row["ports"]):
        r.port[i] = port


cdef load_configs(Tables* t, list configs, list sysctl_next, int steps):
    cdef int h, i
    cdef ConfigTable c
    t.nsysctl = steps
    for h, table in enumerate(configs):
        c = table
        t.config[h] = c.rows
        t.nconfig[h] = c.n
        t.sysctl_next[h] = <int32_t*>calloc(max(len(sysctl_next[h]), 1), sizeof(int32_t))
        for i, v in enumerate(sysctl_next[h]):
            t.sysctl_next[h][i] = v
