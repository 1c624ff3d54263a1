"""All that the model may do at a step of a walk.

A timer of the model that may fire at some moment may have fired before or after what the kernel did at that moment,
so all branches of the model that have agreed so far are kept.
"""

from __future__ import annotations

import functools

from tcpcheck.crosscheck.model import ModelLab
from tcpcheck.crosscheck.walk import Walk
from tcpcheck.live.packet import Segment


def due(walk: Walk) -> list[dict[str, int]]:
    """The model's timers that may fire now."""
    lab = walk.lab
    assert isinstance(lab, ModelLab)
    return [timer for timer in lab.driver.timers() if timer["lo"] <= 0]


def fork(walk: Walk) -> tuple[Walk, ModelLab]:
    """The same walk in a copy of its lab."""
    assert isinstance(walk.lab, ModelLab)
    lab = walk.lab.fork()
    return walk.on(lab), lab


def fired(walk: Walk) -> list[Walk]:
    """The walk as it stands, and with each timer fired that may fire now."""
    found = [walk]
    for timer in due(walk):
        other, lab = fork(walk)
        lab.fire(timer)
        found.append(other)
    return found


def outcomes(before: Walk, step: str) -> list[tuple[str, Walk]]:
    """All that the model may do at one step."""
    found = []
    for start in fired(before):
        assert isinstance(start.lab, ModelLab)
        for walk, (result, replies) in start.lab.every(functools.partial(acted, start, step)):
            for end in fired(walk):
                last, lab = fork(end)
                found.append((last.outcome(result, replies + lab.pending(last.peer)), last))
    return found


def acted(before: Walk, step: str, lab: ModelLab) -> tuple[Walk, tuple[str, list[Segment]]]:
    """The walk a step further in `lab`, and what came of it."""
    walk = before.on(lab)
    return walk, walk.act(step)
