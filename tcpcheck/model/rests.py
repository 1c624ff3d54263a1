"""How long a spec may rest: what decides whether a timestamp that was once the latest can look like a future one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from tcpcheck.lang import scenario as sc

LONG = (
    20 * 86400 * sc.SECOND
)  # the fastest timestamp clock (1 ms) is half way round in 24.8 days; timers take some hours


def rests_long(case: sc.Case) -> bool:
    """May all sleeps of all runs, one after the other, last longer than LONG? A loop without end that sleeps may."""
    return sum(_sleeps(run.body, 1) for host in case.hosts for run in host.runs) > LONG


def _sleeps(steps: tuple[Any, ...], rounds: int) -> int:
    """ns that these steps sleep at most, done so many times."""
    return sum(_slept(step, rounds) for step in steps)


def _slept(step: Any, rounds: int) -> int:
    if isinstance(step, sc.Sleep):
        return step.time.hi * rounds
    if isinstance(step, sc.Loop):
        once = _sleeps(step.body, rounds)
        return once * step.count if step.count is not None else LONG + 1 if once else 0
    return sum(_sleeps(body, rounds) for body in _bodies(step))


def _bodies(step: Any) -> Iterator[tuple[Any, ...]]:
    """The blocks within a step: what `either` chooses among, and what `else` leads to."""
    for field in fields(step):
        value = getattr(step, field.name)
        if isinstance(value, tuple) and value:
            blocks = value if isinstance(value[0], tuple) else (value,)
            yield from (block for block in blocks if all(is_dataclass(inner) for inner in block))
