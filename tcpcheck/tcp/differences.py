"""In what two profiles differ: behaviours with the rules that they touch, clocks and timers, defaults of sysctls."""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.tcp.behaviours import (
    BEHAVIOURS,
    CONSTANT_DOCS,
    CONSTANT_FLAGS,
    CONSTANT_RULES,
    GRADED,
    Behaviour,
    Release,
)
from tcpcheck.tcp.profile import Profile
from tcpcheck.tcp.sysctls import SYSCTLS

CONSTANTS = {
    "rto_init_ns": ("the first RTO", "ns"),
    "jiffy_ns": ("a jiffy", "ns"),
    "ts_tick_ns": ("a tick of the timestamp clock", "ns"),
    "isn_tick_ns": ("a tick of the ISN clock", "ns"),
    "tlp_min_ns": ("the least delay of a tail loss probe", "ns"),
    "timer_early_ns": ("by how much a timer may fire early", "ns"),
    "rcv_buf": ("the receive buffer", "bytes"),
    "rcv_wscale": ("the window scale offered", "bits"),
}


@dataclass(frozen=True)
class Difference:
    """name: a behaviour, constant or sysctl. kind: behaviour, constant, sysctl. what: in words. where: kernel function
    or RFC clause. since: release, mainline commit and back-ports of the change. rules: those that it touches.
    values: what the one and the other profile has."""

    name: str
    kind: str
    what: str
    where: str
    since: str
    rules: tuple[str, ...]
    values: tuple[str, str]


def differences(one: Profile, other: Profile) -> list[Difference]:
    """Behaviours first, oldest change first."""
    return [*_behaviours(one, other), *_constants(one, other), *_sysctls(one, other)]


def since(row: Behaviour) -> str:
    """`7.1 (42726ec644cb), 6.18.33`; `until` for what kernels have lost."""
    change = row.until or row.since
    if change is None:
        return "all that are modelled"
    word = "until" if row.until else "since"
    commit = f" ({row.commit})" if row.commit else ""
    return ", ".join([f"{word} {dotted(change)}{commit}", *(dotted(release) for release in row.ported)])


def dotted(release: Release) -> str:
    return ".".join(str(part) for part in release)


def _behaviours(one: Profile, other: Profile) -> list[Difference]:
    def pair(flag: str) -> tuple[int, int]:
        return one.flags[flag], other.flags[flag]

    def said(flag: str) -> tuple[str, str]:
        first, second = ({0: "no", 1: "yes"}.get(value, f"yes, grade {value}") for value in pair(flag))
        return first, second

    found = []
    for row in BEHAVIOURS:
        if len(set(pair(row.flag))) > 1:
            row_of = (row.flag, "behaviour", row.doc, row.where, since(row), row.rules, said(row.flag))
            found.append(Difference(*row_of))
    for graded in GRADED:
        first, second = pair(graded.flag)
        if first != second:
            changes = [f"{dotted(start)}" + (f" ({c})" if c else "") for start, _, _, c in graded.grades[1:]]
            ports = [dotted(release) for release, _ in graded.ported]
            history = "changed in " + ", ".join([*changes, *ports])
            words = (graded.words(first), graded.words(second))
            found.append(Difference(graded.flag, "behaviour", graded.doc, graded.where, history, graded.rules, words))
    for flag in CONSTANT_FLAGS:
        if len(set(pair(flag))) > 1:
            rules = CONSTANT_RULES[flag]
            found.append(Difference(flag, "behaviour", CONSTANT_DOCS[flag], "", "", rules, said(flag)))
    return found


def _constants(one: Profile, other: Profile) -> list[Difference]:
    found = []
    for name, (what, unit) in CONSTANTS.items():
        values = (one.constants[name], other.constants[name])
        if values[0] != values[1]:
            said = (f"{values[0]} {unit}", f"{values[1]} {unit}")
            found.append(Difference(name, "constant", what, "", "", (), said))
    return found


def _sysctls(one: Profile, other: Profile) -> list[Difference]:
    """Where one lacks a sysctl, it does as the other does with that value."""
    found = []
    for name, row in SYSCTLS.items():
        values = (one.defaults[name], other.defaults[name])
        has = (one.sysctl_effective(name), other.sysctl_effective(name))
        if not any(has) or (values[0] == values[1] and has[0] == has[1]):
            continue
        unit = f" {row.unit}" if row.unit else ""
        texts = [f"{value}{unit}" for value in values]
        first, second = (t if there else f"not there ({t})" for t, there in zip(texts, has, strict=True))
        found.append(Difference(name, "sysctl", row.doc, "", "", (), (first, second)))
    return found
