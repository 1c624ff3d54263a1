"""The sysctls that a spec may set: values, defaults by release, and where they have an effect."""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.tcp.behaviours import Release

INT_MAX = 2**31 - 1
JIFFIES_MOST = INT_MAX // 1000  # s: as jiffies an int, with HZ = 1000


@dataclass(frozen=True)
class SysctlInfo:
    """name: in full. lo, hi: values accepted. defaults: (first release, value), oldest first. unit: "" or s, ms,
    us. since: first release that has it. field: what it sets in Config, "" if the model does without it. only: the
    family of profiles that has it."""

    name: str
    doc: str
    lo: int
    hi: int
    defaults: tuple[tuple[Release, int], ...]
    field: str = ""
    unit: str = ""
    since: Release = (0,)
    only: str = ""

    def default(self, release: Release) -> int:
        return [value for start, value in self.defaults if release >= start][-1]

    def check(self, value: int) -> str | None:
        """What is wrong with the value, or None."""
        if self.lo <= value <= self.hi:
            return None
        if self.lo == self.hi:
            return f"only {self.name} = {self.lo} is modelled"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name} takes a number from {self.lo} to {self.hi}{unit}"


def _row(
    name: str,
    doc: str,
    lo: int,
    hi: int,
    default: int | tuple[tuple[Release, int], ...],
    field: str | None = None,
    unit: str = "",
    since: Release = (0,),
    only: str = "",
) -> SysctlInfo:
    defaults = (((0,), default),) if isinstance(default, int) else default
    return SysctlInfo(f"net.ipv4.{name}", doc, lo, hi, defaults, name if field is None else field, unit, since, only)


_ROWS = (
    _row("tcp_timestamps", "timestamps: 0 off, 1 on, 2 on without a random offset", 0, 2, 1),
    _row("tcp_rfc1337", "1: TIME-WAIT ignores RST", 0, 1, 0),
    _row("tcp_sack", "selective acknowledgements", 0, 1, 1),
    _row(
        "tcp_tw_reuse",
        "connect() without bind() may take over a bucket: 1 yes, 2 on loopback",
        0,
        2,
        (((0,), 0), ((4, 18), 2)),
    ),
    _row(
        "tcp_tw_reuse_delay",
        "how long a bucket must have rested for that",
        1,
        60000,
        1000,
        "tcp_tw_reuse_delay_ms",
        "ms",
        (6, 14),
    ),
    _row("tcp_tw_recycle", "removed in 4.12; 1 is not modelled", 0, 0, 0, ""),
    _row(
        "tcp_fin_timeout",
        "how long an orphan waits in FIN-WAIT-2 (not the length of TIME-WAIT)",
        1,
        3600,
        60,
        "tcp_fin_timeout_s",
        "s",
    ),
    _row("tcp_tw_timeout", "length of TIME-WAIT", 1, 600, 60, "tcp_tw_timeout_s", "s", (0,), "alinux"),
    _row("tcp_orphan_retries", "how long an orphan retransmits; 0 means 8", 0, 255, 0),
    _row("tcp_retries1", "when the route is checked again", 0, 255, 3, ""),
    _row("tcp_retries2", "how long an open socket retransmits", 0, 255, 15),
    _row("tcp_syn_retries", "repeats of a SYN", 1, 127, 6),
    _row("tcp_synack_retries", "repeats of a SYN-ACK", 0, 255, 5),
    _row(
        "tcp_syn_linear_timeouts",
        "repeats of a SYN before the timeout doubles",
        0,
        127,
        (((0,), 0), ((6, 5), 4)),
        None,
        "",
        (6, 5),
    ),
    _row("tcp_syncookies", "SYN cookies: 1 when the queue is full, 2 always", 0, 2, 1),
    _row("tcp_max_syn_backlog", "limit of request sockets without cookies", 1, INT_MAX, 2048),
    _row("tcp_abort_on_overflow", "1: RST when the accept queue is full at the last ACK", 0, 1, 0),
    _row(
        "tcp_invalid_ratelimit",
        "least time between replies to out-of-window segments",
        0,
        INT_MAX,
        500,
        "tcp_invalid_ratelimit_ms",
        "ms",
        (4, 0),
    ),
    _row(
        "tcp_challenge_ack_limit",
        "challenge ACKs of the host in a second",
        0,
        INT_MAX,
        (((0,), 100), ((4, 4, 155), 1000), ((6, 1), INT_MAX)),
    ),
    _row("tcp_early_retrans", "3 or 4: tail loss probes", 0, 4, 3),
    _row("tcp_max_tw_buckets", "most time-wait buckets", 0, INT_MAX, 131072),
    _row("tcp_max_orphans", "most orphans", 0, INT_MAX, 131072),
    _row("tcp_rto_min_us", "least RTO", 1, 1_000_000, 200_000, "rto_min_us", "us", (6, 11)),
    _row("tcp_rto_max_ms", "greatest RTO", 1000, 120_000, 120_000, "rto_max_ms", "ms", (6, 15)),
    _row("tcp_window_scaling", "no effect in the model: windows are in bytes", 0, 1, 1, ""),
    _row("tcp_dsack", "no effect in the model", 0, 1, 1, ""),
    _row(
        "tcp_keepalive_time",
        "how long a connection with SO_KEEPALIVE is idle before it is probed",
        1,
        JIFFIES_MOST,
        7200,
        "tcp_keepalive_time_s",
        "s",
    ),
    _row("tcp_keepalive_intvl", "time between keepalive probes", 1, JIFFIES_MOST, 75, "tcp_keepalive_intvl_s", "s"),
    _row("tcp_keepalive_probes", "keepalive probes without answer before it gives up", 1, 127, 9),
)


_SOMAXCONN = SysctlInfo(
    "net.core.somaxconn", "caps the backlog of listen()", 0, 65535, (((0,), 128), ((5, 4), 4096)), "somaxconn"
)

SYSCTLS: dict[str, SysctlInfo] = {row.name: row for row in (*_ROWS, _SOMAXCONN)}
