"""Profiles: what a kernel does, as data. A profile is a release, its flags (behaviours.py) and its sysctls' defaults.
Point releases of one branch differ on the wire; those of the branches in FOLLOWED are made on demand.

The profile `rfc9293` is the same code with other flags. Where the RFC leaves a choice it takes:
- RFC 5961's mitigations, which RFC 9293 3.10.7.4 describes first; `without rfc5961` gives the older rules;
- MSL 2 minutes (3.4.2), so TIME-WAIT lasts 240 s; FIN-WAIT-2 has no end;
- RFC 6298: RTO 1 s at first and at least, 60 s at most; RFC 9293 3.8.3's R2 as least allowed: data is given up 102 s
  after its first repeat (at least 100), SYN after 183 s (at least 180); no rate limits;
- timers fire within a millisecond; an ACK is delayed by less than 0.5 s (3.8.6.3);
- timestamps (RFC 7323) on, with a clock of 1 ms; no slack in PAWS; a newer timestamp reopens TIME-WAIT (RFC 6191);
- the ISN clock of 4 microseconds (3.4.1); connect() does not take over a connection in TIME-WAIT.

Other stacks are that profile with what is known of them: `rfc793`, and `freebsd-15` and `lwip-2.2` for
their TIME-WAIT rules.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
from dataclasses import dataclass, field, replace

from tcpcheck.errors import Impossible
from tcpcheck.spelling import nearest_kernel
from tcpcheck.tcp.behaviours import BEHAVIOURS, CONSTANT_FLAGS, GRADED, Release
from tcpcheck.tcp.sysctls import SYSCTLS

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
WHEEL_ROUNDS_UP = (4, 8)  # before, a timer of n jiffies fired at the n-th tick, the first of which may be cut short
TLP_SHORTER = (4, 14)  # TCP_TIMEOUT_MIN instead of 10 ms
PAWS_IDLE = 24 * 86400  # s; RFC 7323 5.5
PAWS_WRAP = 2147  # s; TCP_PAWS_WRAP: half way round of a clock of microseconds
RMEM_32MB = (6, 16)  # tcp_rmem[2] of 32 MB, not 6 (572be9bf9d0d, net-next of May 2025); the window scale follows
RCV_BUF = 65535  # bytes; a Linux host offers 64,240 to 65,483 at first, which nothing here depends on

# Sysctls that the RFC profile understands: those that name an option or a queue rather than a kernel's policy.
_RFC_SYSCTLS = {
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_sack",
    "net.ipv4.tcp_rfc1337",
    "net.ipv4.tcp_retries2",
    "net.ipv4.tcp_orphan_retries",
    "net.ipv4.tcp_syn_retries",
    "net.ipv4.tcp_synack_retries",
    "net.core.somaxconn",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
_RFC_DEFAULTS = {
    "net.ipv4.tcp_tw_reuse": 0,
    "net.ipv4.tcp_retries2": 8,
    "net.ipv4.tcp_orphan_retries": 8,
    "net.ipv4.tcp_syn_retries": 7,
    "net.ipv4.tcp_synack_retries": 7,
    "net.ipv4.tcp_syn_linear_timeouts": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.tcp_invalid_ratelimit": 0,
    "net.ipv4.tcp_early_retrans": 0,
    "net.ipv4.tcp_tw_timeout": 240,
    "net.ipv4.tcp_rto_min_us": 1_000_000,
    "net.ipv4.tcp_rto_max_ms": 60_000,
}


@dataclass(frozen=True)
class Profile:
    """name: canonical, `linux-6.18.44`. release: the release whose behaviour it is. hz: ticks a second of its jiffies.
    flags: every flag of Config. defaults: every sysctl by its full name. constants: ns and bytes, fields of Config."""

    name: str
    family: str
    release: Release
    hz: int
    flags: dict[str, int]
    defaults: dict[str, int]
    constants: dict[str, int] = field(default_factory=dict)

    def sysctl_effective(self, name: str) -> bool:
        """Does the sysctl change anything in this profile? False too for one that the release does not have."""
        row = SYSCTLS[name]
        if not row.field or (row.only and row.only != self.family):
            return False
        if not self.is_linux:
            return name in _RFC_SYSCTLS
        return self.release >= row.since

    @property
    def is_linux(self) -> bool:
        return self.family in ("linux", "alinux")

    def with_features(self, on: tuple[str, ...] = (), off: tuple[str, ...] = ()) -> Profile:
        """This profile `with` and `without` some features (FEATURES)."""
        flags, defaults = dict(self.flags), dict(self.defaults)
        for names, value in ((on, 1), (off, 0)):
            for name in names:
                for key, present in FEATURES[name]:
                    target = defaults if key in SYSCTLS else flags
                    target[key] = present if value else 1 - present
        return Profile(self.name, self.family, self.release, self.hz, flags, defaults, self.constants)


def _feature_table() -> dict[str, tuple[tuple[str, int], ...]]:
    """name -> (flag or sysctl, its value when the feature is there), the other value being 1 less that."""
    table: dict[str, tuple[tuple[str, int], ...]] = {row.flag: ((row.flag, 1),) for row in BEHAVIOURS}
    table |= {name: ((name, 1),) for name in CONSTANT_FLAGS if name != "paws_slack"}
    table["rfc5961"] = (("rfc5961", 1), ("rfc793_ack", 0), ("req_rst_challenged", 1))
    table["timestamps"] = (("net.ipv4.tcp_timestamps", 1),)
    table["sack"] = (("net.ipv4.tcp_sack", 1),)
    del table["rfc793_ack"]
    return table


FEATURES: dict[str, tuple[tuple[str, int], ...]] = _feature_table()


def _linux(name: str, release: Release, family: str = "linux") -> Profile:
    flags = {row.flag: row.value(release) for row in BEHAVIOURS}
    flags |= {flag: linux for flag, (linux, _) in CONSTANT_FLAGS.items()}
    flags |= {row.flag: row.value(release) for row in GRADED}
    hz = 250
    constants = {
        "rto_init_ns": SECOND,
        "jiffy_ns": SECOND // hz,
        "ts_tick_ns": MILLISECOND if release >= (4, 13) else SECOND // hz,
        "isn_tick_ns": 64,
        "tlp_min_ns": (2 if release >= TLP_SHORTER else 10) * MILLISECOND,
        "timer_early_ns": 0 if release >= WHEEL_ROUNDS_UP else SECOND // hz,
        "rcv_buf": RCV_BUF,
        "rcv_wscale": 10 if release >= RMEM_32MB else 7,
        "paws_idle_ns": (PAWS_WRAP if release >= (6, 7) else PAWS_IDLE) * SECOND,
    }
    return Profile(name, family, release, hz, flags, {n: s.default(release) for n, s in SYSCTLS.items()}, constants)


def _rfc9293() -> Profile:
    flags = {row.flag: row.rfc for row in BEHAVIOURS}
    flags |= {flag: rfc for flag, (_, rfc) in CONSTANT_FLAGS.items()}
    flags |= {row.flag: row.rfc for row in GRADED}
    newest = (9999,)
    defaults = {name: row.default(newest) for name, row in SYSCTLS.items()} | _RFC_DEFAULTS
    constants = {
        "rto_init_ns": SECOND,
        "jiffy_ns": MILLISECOND,
        "ts_tick_ns": MILLISECOND,
        "isn_tick_ns": 4000,
        "tlp_min_ns": 0,
        "timer_early_ns": 0,
        "rcv_buf": RCV_BUF,
        "rcv_wscale": 0,
        "paws_idle_ns": PAWS_IDLE * SECOND,
    }
    return Profile("rfc9293", "rfc", newest, 1000, flags, defaults, constants)


def _after_rfc(name: str, family: str, flags: dict[str, int], defaults: dict[str, int], **constants: int) -> Profile:
    """Another stack: as the RFC, but for what is said of it. docs/deviations.md has what that is, and from where."""
    base = _rfc9293()
    unknown = (
        (set(flags) - set(base.flags)) | (set(defaults) - set(base.defaults)) | (set(constants) - set(base.constants))
    )
    assert not unknown, unknown
    return Profile(
        name, family, base.release, base.hz, base.flags | flags, base.defaults | defaults, base.constants | constants
    )


# RFC 793 as published in 1981, with what later RFCs only made precise (RFC 6298's timers, MSL 2 minutes).
_RFC793 = (
    {"rfc5961": 0, "rfc793_ack": 1, "req_rst_challenged": 0, "bad_ack_challenged_always": 0, "tw_accepts_syn": 0}
    | {"tw_accepts_by_ts": 0, "tw_paws": 0, "tw_syn_rst": 2},
    {"net.ipv4.tcp_timestamps": 0, "net.ipv4.tcp_sack": 0},
)
# FreeBSD 15, sys/netinet/tcp_timewait.c, tcp_twcheck: RSTs are dropped; a SYN opens a new connection if its sequence
# number is newer and draws nothing else; timestamps are not looked at; net.inet.tcp.msl 30 s.
_FREEBSD = (
    {"tw_accepts_by_ts": 0, "tw_paws": 0, "tw_needs_ack": 1},
    {"net.ipv4.tcp_rfc1337": 1, "net.ipv4.tcp_tw_timeout": 60},
)
# lwIP 2.2, src/core/tcp_in.c, tcp_timewait_input: RSTs are ignored; a SYN in the window draws RST, any other an ACK;
# none is accepted. By opt.h: no timestamps, no SACK, TCP_WND of 4 segments, TCP_MSL 60 s, LWIP_TCP_RTO_TIME 3 s.
_LWIP = (
    {"tw_accepts_syn": 0, "tw_accepts_by_ts": 0, "tw_paws": 0, "tw_syn_rst": 1},
    {"net.ipv4.tcp_timestamps": 0, "net.ipv4.tcp_sack": 0, "net.ipv4.tcp_rfc1337": 1, "net.ipv4.tcp_tw_timeout": 120},
)


# A branch's profile describes the last point release whose source was read for behaviours.py.
PROFILES: dict[str, Profile] = {
    p.name: p
    for p in (
        _linux("linux-6.18.44", (6, 18, 44)),
        _linux("linux-6.18.0", (6, 18, 0)),
        _linux("linux-6.12", (6, 12, 15)),
        _linux("linux-6.6", (6, 6, 150)),
        _linux("linux-6.1", (6, 1, 113)),
        _linux("linux-5.15", (5, 15, 215)),
        _linux("linux-5.10", (5, 10, 265)),
        _linux("linux-4.18", (4, 18, 0)),
        _linux("linux-4.12", (4, 12, 0)),
        _linux("linux-4.9", (4, 9, 76)),
        _linux("linux-4.4", (4, 4, 155)),
        _linux("alinux-3", (5, 10, 134), "alinux"),
        _rfc9293(),
        _after_rfc("rfc793", "rfc", *_RFC793),
        _after_rfc("freebsd-15", "freebsd", *_FREEBSD),
        _after_rfc("lwip-2.2", "lwip", *_LWIP, rto_init_ns=3 * SECOND, rcv_buf=4 * 1460),
    )
}


# Branches whose point releases were all followed up to that of the branch's profile: each of them is a profile, too.
FOLLOWED = {
    p.release[:2]: p.release[2]
    for p in sorted(PROFILES.values(), key=lambda p: p.release)
    if p.family == "linux" and p.release >= (5, 10)
}


@functools.cache
def _point_release(release: Release) -> Profile:
    return _linux("linux-" + ".".join(map(str, release)), release)


def running_release() -> str:
    """The running kernel as `linux 6.18.44`; Impossible when this is no Linux."""
    system = os.uname()
    match = re.match(r"\d+\.\d+(\.\d+)?", system.release)
    if system.sysname != "Linux" or match is None:
        raise Impossible(f"the running kernel is asked for, but this is {system.sysname} {system.release}")
    return f"linux {match[0]}"


def _canonical(text: str) -> str:
    return re.sub(r"[\s-]+", "-", text.strip().lower())


def _release(text: str) -> Release:
    return tuple(int(part) for part in text.split("."))


def _known_linux() -> list[tuple[Release, Profile]]:
    known = [(_release(name.removeprefix("linux-")), p) for name, p in PROFILES.items() if p.family == "linux"]
    return sorted(known, key=lambda row: row[0])


def _nearest_linux(text: str, asked: Release) -> tuple[Profile, str]:
    """The greatest profile not above the release asked for, of its own branch if there is one, with a warning."""
    below = [p for release, p in _known_linux() if release <= asked or (len(asked) == 2 and release[:2] == asked)]
    if not below:
        raise LookupError(f"no profile as old as linux {text}; the oldest is {_spelled(_known_linux()[0][1])}")
    profile = below[-1]
    described = ".".join(str(part) for part in profile.release)
    return profile, f"no profile of linux {text}: {_spelled(profile)} is taken, which describes {described}"


def _spelled(profile: Profile) -> str:
    return profile.name.replace("-", " ", 1)


def profile_for(name: str) -> tuple[Profile, str | None]:
    """`linux 6.18.44` or `linux-6.18.44` -> the profile, and a warning if another release stands in for it. `auto` is
    the running kernel's (Impossible when that is no Linux). `linux 6.18.44 without rfc5961, tlp`: with
    features (FEATURES) switched.

    LookupError, which names the nearest if one is alike, when there is no such kernel or feature."""
    base, *switches = re.split(r"\s+(with|without)\s+", name.strip(), flags=re.IGNORECASE)
    profile, warning = _plain_profile(base)
    for word, features in zip(switches[::2], switches[1::2], strict=True):
        chosen = tuple(re.split(r"[,\s]+", features.strip().lower()))
        for feature in chosen:
            if feature not in FEATURES:
                near = difflib.get_close_matches(feature, FEATURES, 1, 0.0)
                raise LookupError(f"no feature `{feature}`; the nearest is `{near[0]}`")
        profile = profile.with_features(chosen, ()) if word.lower() == "with" else profile.with_features((), chosen)
        profile = replace(profile, name=f"{profile.name} {word.lower()} {', '.join(chosen)}")
    return profile, warning


def _plain_profile(name: str) -> tuple[Profile, str | None]:
    wanted = _canonical(running_release() if name.strip() == "auto" else name)
    if wanted in PROFILES:
        return PROFILES[wanted], None
    match = re.fullmatch(r"linux-(\d+(?:\.\d+){1,2})", wanted)
    if match:
        release = _release(match[1])
        if len(release) == 3 and release[2] <= FOLLOWED.get(release[:2], -1):
            return _point_release(release), None
        return _nearest_linux(match[1], release)
    near = nearest_kernel(name, [_spelled(profile) for profile in PROFILES.values()])
    hint = f"the nearest is {near}" if near else "`tcpcheck profiles` lists what there is"
    raise LookupError(f"no profile of {name}; {hint}")


class Registry:
    """What the language asks about profiles (lang/registry.py)."""

    def kernels(self) -> list[str]:
        return [_spelled(p) for p in PROFILES.values()]

    def resolve_kernel(self, text: str) -> tuple[str, str | None] | None:
        try:
            profile, warning = profile_for(text)
        except LookupError:
            return None
        return profile.name, warning

    def features(self) -> list[str]:
        return list(FEATURES)

    def sysctls(self) -> list[str]:
        return list(SYSCTLS)

    def check_sysctl(self, name: str, value: int) -> str | None:
        return SYSCTLS[name].check(value)

    def effective(self, kernel: str, sysctl: str) -> bool:
        return profile_for(kernel)[0].sysctl_effective(sysctl)

    def rules(self) -> list[str]:
        from tcpcheck.tcp.rules import RULES

        return [rule.name for rule in RULES]
