"""The words of `tcpcheck conform`'s options."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from tcpcheck.errors import UsageError
from tcpcheck.tcp.profile import Profile, profile_for
from tcpcheck.tcp.sysctls import SYSCTLS

DEFAULT_KERNEL = "linux-6.18.44"


def kernel(text: str) -> tuple[Profile, list[str]]:
    """`linux-6.18.44`, `linux-6.18.44 without tlp`, `auto`: the running kernel. The profile, and a note when another
    release stands in."""
    try:
        profile, warning = profile_for(text)
    except LookupError as error:
        raise UsageError(str(error)) from None
    return profile, [warning] if warning else []


def sysctls(texts: Iterable[str], profile: Profile) -> tuple[tuple[int, str, int], ...]:
    """`NAME=VALUE` from the start, `NAME=VALUE@PACKET` from that packet on: (packet or 0, full name, value)."""
    return tuple(_sysctl(text, profile) for text in texts)


def _sysctl(text: str, profile: Profile) -> tuple[int, str, int]:
    match = re.fullmatch(r"([\w.]+)\s*=\s*(-?\d{1,12})(?:@(\d{1,9}))?", text.strip())
    if match is None:
        raise UsageError(f"--sysctl {text}: write NAME=VALUE, or NAME=VALUE@PACKET")
    name = sysctl_name(match[1])
    if name is None:
        near = difflib.get_close_matches(match[1], [*SYSCTLS, *(n.rpartition(".")[2] for n in SYSCTLS)], 1, 0.0)
        raise UsageError(f"no sysctl {match[1]}; the nearest is {near[0]}")
    if match[3] is not None and int(match[3]) < 1:
        raise UsageError(f"--sysctl {text}: packets are numbered from 1; without @{match[3]} it is so from the start")
    wrong = SYSCTLS[name].check(int(match[2]))
    if wrong:
        raise UsageError(wrong)
    if SYSCTLS[name].only and SYSCTLS[name].only != profile.family:
        raise UsageError(f"{profile.name} has no {name}")
    return int(match[3] or 0), name, int(match[2])


def sysctl_name(text: str) -> str | None:
    """The full name: `tcp_sack`, `net.ipv4.tcp_sack` and `net/ipv4/tcp_sack` are one."""
    full = text.replace("/", ".")
    for name in (full, f"net.ipv4.{full}", f"net.core.{full}"):
        if name in SYSCTLS:
            return name
    return None


def packets(text: str | None) -> frozenset[int] | None:
    """`7,9-12` -> those numbers; `any` -> None; `none` or None -> none at all."""
    if text in (None, "none"):
        return frozenset()
    if text == "any":
        return None
    found: set[int] = set()
    assert text is not None
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,7})(?:-(\d{1,7}))?\s*", part)
        if match is None:
            raise UsageError(f"--lost {text}: write packet numbers such as 7,9-12, or any, or none")
        first, last = int(match[1]), int(match[2] or match[1])
        if first < 1:
            raise UsageError(f"--lost {text}: packets are numbered from 1")
        if first > last:
            raise UsageError(f"--lost {text}: {part.strip()} goes backwards; write {last}-{first}")
        found |= set(range(first, last + 1))
    return frozenset(found)
