"""A registry for the tests of lang: a few kernels, sysctls and rules, so that they need no profile."""

from __future__ import annotations

from collections.abc import Collection

KERNELS = ("linux 4.4", "linux 4.18", "linux 6.18.44", "alinux 3", "lwip 2.2", "rfc9293")
SYSCTLS: dict[str, tuple[int, int]] = {
    "net.ipv4.tcp_timestamps": (0, 2),
    "net.ipv4.tcp_rfc1337": (0, 1),
    "net.ipv4.tcp_fin_timeout": (1, 10**6),
    "net.ipv4.tcp_tw_timeout": (1, 600),
    "net.ipv4.tcp_tw_reuse": (0, 2),
    "net.ipv4.tcp_orphan_retries": (0, 255),
    "net.ipv4.tcp_syncookies": (0, 2),
    "net.ipv4.tcp_abort_on_overflow": (0, 1),
    "net.ipv4.tcp_invalid_ratelimit": (0, 10**6),
    "net.ipv4.tcp_retries2": (0, 255),
    "net.ipv4.tcp_sack": (0, 1),
    "net.ipv4.ip_local_port_range": (0, 65535),
    "net.ipv4.tcp_max_orphans": (0, 10**6),
    "net.core.somaxconn": (0, 2**31 - 1),
}


class Registry:
    def kernels(self) -> Collection[str]:
        return KERNELS

    def resolve_kernel(self, text: str) -> tuple[str, str | None] | None:
        spaced = text.lower().replace("-", " ")
        if spaced == "linux 6.18":
            return "linux-6.18.44", "`linux 6.18` is no one kernel: taken as linux 6.18.44"
        return (spaced.replace(" ", "-"), None) if spaced in KERNELS else None

    def features(self) -> Collection[str]:
        return ("rfc5961", "persist_timer", "fin_retransmit")

    def sysctls(self) -> Collection[str]:
        return SYSCTLS

    def check_sysctl(self, name: str, value: int) -> str | None:
        lo, hi = SYSCTLS[name]
        return None if lo <= value <= hi else f"`{name}` is {lo} to {hi}, not {value}"

    def effective(self, kernel: str, sysctl: str) -> bool:
        return sysctl != "net.ipv4.tcp_tw_timeout" or kernel.startswith("alinux")

    def rules(self) -> Collection[str]:
        return ("RFC5961_SYN_CHALLENGE", "SYN_COOKIE_SENT", "TIMEWAIT_SYN_ACCEPTED")


REGISTRY = Registry()
