"""A profile, sysctls and what the spec says, as the plain numbers that the core reads."""
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free
from tcpcheck.tcp.profile import MILLISECOND
from tcpcheck.tcp.sysctls import SYSCTLS
from tcpcheck.tcp.types cimport TSECR_ALWAYS, TSECR_NEVER, TSECR_OTHERS, TSECR_YOUNG

COMPARED = {"never": TSECR_NEVER, "young": TSECR_YOUNG, "others": TSECR_OTHERS, "always": TSECR_ALWAYS}


cdef dict _values(profile, dict sysctls, dict settings):
    """Every field of Config by its name."""
    unknown = set(sysctls) - set(SYSCTLS)
    if unknown:
        raise LookupError(f"no such sysctl: {', '.join(sorted(unknown))}")
    values = {row.field: sysctls.get(name, profile.defaults[name]) for name, row in SYSCTLS.items() if row.field}
    values |= profile.flags | profile.constants | settings
    values["rto_min_ns"] = values.pop("rto_min_us") * 1000
    values["rto_max_ns"] = values.pop("rto_max_ms") * MILLISECOND
    values.setdefault("tcp_retries1", 3)
    values["read"] = 0
    return values


cdef class ConfigTable:
    """One host's Configs. rows: for each the sysctls set by then, full name to value (a spec may change them midway).
    mss in bytes; rtt_max_ns: an upper bound of every round trip, delayed ACKs included; isn_linked, ts_linked: are
    readings of the ISN clock and of the timestamp clock related to one another through time? rcv_buf in bytes, 0: the
    profile's. fixed: constants in the place of the profile's own. ts_ages: may a ts_recent become too old to be used
    (paws_idle_ns)? keeps_heard: do sockets have keepalive or a user timeout? tsecr_compared: whose TSecr is
    compared as a number: "never", "young" (an older incarnation's that is not long past), "others" (not those that echo the connection's own), "always"."""

    def __cinit__(
        self, profile, list rows, tuple features_with=(), tuple features_without=(), int mss=1460,
        rtt_max_ns=50 * MILLISECOND, rtt_syn_max_ns=None, int isn_linked=1, int ts_linked=1,
        int rcv_buf=0, dict fixed=None, int ts_ages=0, int keeps_heard=0, str tsecr_compared="others",
    ):
        cdef int i
        profile = profile.with_features(features_with, features_without)
        settings = {
            "mss": mss, "rtt_max_ns": rtt_max_ns, "isn_linked": isn_linked, "ts_linked": ts_linked,
            "keeps_heard": keeps_heard, "tsecr_compared": COMPARED[tsecr_compared],
            "rtt_syn_max_ns": rtt_max_ns if rtt_syn_max_ns is None else rtt_syn_max_ns,
        }
        if rcv_buf > 0:
            settings["rcv_buf"] = rcv_buf
            settings["rcv_wscale"] = 0      # SO_RCVBUF: nothing beyond 16 bits to offer
        if not ts_ages:
            settings["paws_idle_ns"] = 0
        settings |= fixed or {}
        self.n = len(rows)
        self.rows = <Config*>calloc(max(self.n, 1), sizeof(Config))
        if self.rows == NULL:
            raise MemoryError
        for i in range(self.n):
            self.rows[i] = _values(profile, rows[i], settings)

    def __dealloc__(self):
        free(self.rows)

    def __len__(self):
        return self.n

    @property
    def read(self):
        """Bits of the sysctls that some row was asked for (settings.Setting)."""
        bits = 0
        for i in range(self.n):
            bits |= self.rows[i].read
        return bits

    def note(self, uint32_t read):
        """These were asked for, too."""
        self.rows[0].read |= read

    def row(self, int i):
        """Config i as a dict."""
        if not 0 <= i < self.n:
            raise IndexError(i)
        return self.rows[i]
