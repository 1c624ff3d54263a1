"""The bounds that a caller may ask for, on the command line or from Python. (Searches take smaller ones, too.)"""

from __future__ import annotations

from dataclasses import replace

from tcpcheck.errors import UsageError
from tcpcheck.explore.result import LEAST_MEMORY, Limits
from tcpcheck.machine import whole_memory

COUNT_MAX = 1 << 60  # what a search can count up to


def above_zero(said: object, whole: bool) -> float:
    """The number that was said, as text or as a number. UsageError: it is none, or not above 0."""
    wrong = UsageError(f"`{said}` is not a {'whole ' if whole else ''}number above 0")
    if isinstance(said, bool) or not isinstance(said, (str, int, float)):
        raise wrong
    try:
        number = int(said) if whole else float(said)
    except (ValueError, OverflowError):
        raise wrong from None
    if not 0 < number < float("inf") or (whole and not isinstance(said, str) and number != said):
        raise wrong
    return number


def enough(said: object, memory: float) -> None:
    """memory: bytes, between what a search begins with and what the machine has. UsageError: it is not."""
    whole = whole_memory()
    if memory < LEAST_MEMORY:
        raise UsageError(f"`{said}` is too little: a search begins with {LEAST_MEMORY // 1_000_000} MB")
    if whole is not None and memory > whole:
        raise UsageError(f"`{said}` is too much: this machine has {whole // 1_000_000:,} MB")


def within(count: int | None) -> int | None:
    """The same, or what a search can count up to."""
    return None if count is None else min(count, COUNT_MAX)


def checked(limits: Limits, jobs: int) -> Limits:
    """Limits that a search can keep. UsageError names the one that is wrong."""
    asked = (
        ("states", limits.states, True),
        ("memory_bytes", limits.memory_bytes, True),
        ("seconds", limits.seconds, False),
        ("depth", limits.depth, True),
        ("jobs", jobs, True),
    )
    for name, said, whole in asked:
        if said is None and name != "jobs":
            continue
        try:
            number = above_zero(said, whole)
            if name == "memory_bytes":
                enough(said, number)
        except UsageError as wrong:
            raise UsageError(f"{name}: {wrong}") from None
    return replace(limits, states=within(limits.states), depth=within(limits.depth))
