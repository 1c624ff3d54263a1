"""The sysctls of a router's connection tracking (net.netfilter.nf_conntrack_...)."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "net.netfilter.nf_conntrack_"
DAY = 24 * 3600
SECONDS_MAX = 24 * DAY  # as long as any sleep of a spec may last


@dataclass(frozen=True)
class Info:
    """Values accepted and the default (Documentation/networking/nf_conntrack-sysctl.rst)."""

    lo: int
    hi: int
    default: int


def _seconds(default: int) -> Info:
    return Info(1, SECONDS_MAX, default)


SYSCTLS = {
    "tcp_be_liberal": Info(0, 1, 0),
    "tcp_loose": Info(0, 1, 1),
    "tcp_ignore_invalid_rst": Info(0, 1, 0),
    "tcp_max_retrans": Info(0, 255, 3),
    "tcp_timeout_syn_sent": _seconds(120),
    "tcp_timeout_syn_recv": _seconds(60),
    "tcp_timeout_established": _seconds(5 * DAY),
    "tcp_timeout_fin_wait": _seconds(120),
    "tcp_timeout_close_wait": _seconds(60),
    "tcp_timeout_last_ack": _seconds(30),
    "tcp_timeout_time_wait": _seconds(120),
    "tcp_timeout_close": _seconds(10),
    "tcp_timeout_max_retrans": _seconds(300),
    "tcp_timeout_unacknowledged": _seconds(300),
}


def check(name: str, value: int) -> str | None:
    """What is wrong with the value of a sysctl, by its full name; None: nothing."""
    info = SYSCTLS[name.removeprefix(PREFIX)]
    return None if info.lo <= value <= info.hi else f"{name} takes a number from {info.lo} to {info.hi}"
