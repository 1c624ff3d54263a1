"""What need not be searched: reductions that change no verdict. Each can be switched off, to see that it does not.

    TCPCHECK_NO_REDUCE=settings,timestamps tcpcheck verify SPEC

settings    members of a family share a search that never read the sysctls in which they differ (below)
timestamps  a ts_recent that no segment can be older than is forgotten, and with it a clock (model/canon.pyx)
echoes      the number in a TSecr is forgotten where whose TSval it echoes says it all (model/canon.pyx)
symmetry    states that differ only in which of several hosts that are alike is which count as one (model/symmetry.pyx)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tcpcheck.errors import UsageError
from tcpcheck.explore.result import SearchResult
from tcpcheck.lang.scenario import Case, Host
from tcpcheck.tcp.settings import Setting
from tcpcheck.tcp.sysctls import SYSCTLS

SWITCH = "TCPCHECK_NO_REDUCE"
NAMES = ("settings", "timestamps", "echoes", "symmetry")
ALWAYS_READ = ("net.ipv4.tcp_retries2",)  # model/rests.py asks for it before there is a search
NOTED = {
    name: Setting[row.field.upper()]
    for name, row in SYSCTLS.items()
    if row.field.upper() in Setting.__members__ and name not in ALWAYS_READ
}
"""Sysctls whose readings are noted -> their bit. All others count as read always."""


def switched_off() -> list[str]:
    """The reductions that are not to be made. Errors: UsageError."""
    off = [name.strip() for name in os.environ.get(SWITCH, "").split(",") if name.strip()]
    for name in off:
        if name not in NAMES:
            raise UsageError(f"{SWITCH}: no reduction `{name}`: they are {', '.join(NAMES)}")
    return sorted(set(off))


@dataclass(frozen=True)
class Done:
    """A search that ended by itself. asked: all that it depends on beside the member; noted: what the model gathered
    (Model.noted); reads: for each host the sysctls that were read (tcp/settings.pxd), None where they change midway."""

    asked: str
    result: SearchResult
    noted: bytes
    reads: tuple[int, ...] | None


@dataclass
class Kin:
    """The members of a spec and their searches so far.

    Nothing but a sysctl that it reads tells a search which of two members it is in: a step is a function of the state,
    the choices and what it reads. So what it never read may as well have another value."""

    cases: Sequence[Case]
    done: list[tuple[int, Done]] = field(default_factory=list)

    def known(self, member: int, asked: str, reads: tuple[int, ...] | None) -> Done | None:
        """The same search of a member that differs in nothing it read. reads: as Done, of the model to be searched."""
        if reads is None or "settings" in switched_off():
            return None
        for other, done in self.done:
            if done.asked == asked and done.reads is not None and other != member:
                differing = difference(self.cases[other], self.cases[member])
                if differing is not None and not any(d & r for d, r in zip(differing, done.reads, strict=True)):
                    return replace(done, result=replace(done.result, seconds=0.0))
        return None

    def add(self, member: int, done: Done) -> None:
        self.done.append((member, done))


def difference(a: Case, b: Case) -> list[int] | None:
    """For each host the sysctls in which two members differ, as bits; None: they differ in something else, too."""
    if _without_settings(a) != _without_settings(b):
        return None
    return [
        sum(bit for name, bit in NOTED.items() if one.sysctls.get(name) != other.sysctls.get(name))
        for one, other in zip(a.hosts, b.hosts, strict=True)
    ]


def _without_settings(case: Case) -> Any:
    """What of a member can matter to a search, but for the noted sysctls: not what is expected of its claims."""
    hosts = tuple(replace(host, sysctls=_others(host)) for host in case.hosts)
    claims = tuple(replace(claim, expected=None, expected_count=None) for claim in case.claims)
    return replace(case, settings={}, chosen={}, hosts=hosts, claims=claims)


def _others(host: Host) -> dict[str, int]:
    return {name: value for name, value in host.sysctls.items() if name not in NOTED}
