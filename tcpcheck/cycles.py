"""Cycles in which a claim waits for ever: which of those that the search found are real."""

from __future__ import annotations

from typing import Any

from tcpcheck.explore.driven import Driver
from tcpcheck.explore.result import Lasso, Path

# Rounds after which a cycle that still changes what is known of the times is given up.
ROUNDS_MAX = 16


def repeating_path(model: Any, lasso: Lasso) -> Path | None:
    """The lasso's stem and as many rounds as it takes until one leads back to the very state and zone it began in.

    Then every moment of that zone has a predecessor in it one round before, and since a zone has finitely many
    regions some real run goes round for ever. None: it never comes back, or cannot be followed.
    """
    driver = Driver(model.handle())
    here = driver.successor()
    path: Path = []
    for choices in lasso.stem:
        if not _taken(driver, here, choices):
            return None
        here = driver.successor()
        path.append(choices)
    for _ in range(ROUNDS_MAX):
        begun = here
        for choices in lasso.cycle:
            if not _taken(driver, here, choices):
                return None
            here = driver.successor()
            path.append(choices)
        if here == begun:
            return path
    return None


def _taken(driver: Driver, here: tuple[bytes, Any], choices: bytes) -> bool:
    driver.load(*here)
    feasible, ways = driver.step(choices)
    return feasible and not ways and not driver.truncated and not driver.overflow


def not_waiting(claim: int, steps: int, moments: list[Any], instants: tuple[int, ...]) -> str:
    """Did one obligation of the claim wait through the last steps of a concrete run, while time went on? "" if so, else
    what is missing. Where time goes on nothing is put off for ever, so the run is fair."""
    last = moments[-steps:]
    if not all(m.waiting >> claim & 1 for m in last):
        return "with real numbers it does not wait all the time"
    if any(m.met >> claim & 1 for m in last):
        return "it is met again and again, and another obligation waits then"
    passed = instants[last[-1].instant] > instants[last[0].instant - 1]
    return "" if passed else "no time passes in it"
