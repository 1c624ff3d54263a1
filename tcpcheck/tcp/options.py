"""Socket options as the core knows them: their numbers (SockOption in keepalive.pxd), and their values."""

from __future__ import annotations

SOCK_OPTIONS = ("SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT", "TCP_DEFER_ACCEPT")


def option_value(name: str, value: int) -> int:
    """What the core keeps of the value given to setsockopt()."""
    return timeouts_in(value) if name == "TCP_DEFER_ACCEPT" else value


def timeouts_in(seconds: int) -> int:
    """TCP_DEFER_ACCEPT is given in seconds and kept as a number of SYN-ACK timeouts (secs_to_retrans)."""
    if seconds <= 0:
        return 0
    count, period, timeout = 1, 1, 1
    while seconds > period and count < 255:
        count += 1
        timeout = min(2 * timeout, 120)
        period += timeout
    return count
