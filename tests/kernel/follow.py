"""Can the model follow the kernel's walks?

python -m tests.kernel.follow [STATE [NUMBER]]   shows where it cannot
"""

from __future__ import annotations

import argparse
import functools

from tcpcheck.crosscheck.model import ModelLab
from tcpcheck.crosscheck.states import STATES, build
from tcpcheck.crosscheck.walk import LATER, Walk
from tcpcheck.live.packet import Segment
from tests.kernel.walks import SETTINGS, STARTS, load, steps


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


def follow(state: str, number: int) -> tuple[int, str] | None:
    """None when the model can do all that the kernel did; else the step at which it cannot, and what it does there."""
    kernel = load()[state][number]
    assert kernel is not None
    lab = ModelLab({**SETTINGS, **STATES[state][2]})
    peer = lab.new_peer(True)
    build(lab, peer, state)
    live = [Walk(lab, peer)]
    for i, step in enumerate([*steps(state, number), LATER]):
        found = [pair for walk in live for pair in outcomes(walk, step)]
        live = [walk for told, walk in found if told == kernel[i]]
        if not live:
            return i, found[0][0]
    return None


def differences(state: str) -> dict[int, tuple[int, str]]:
    """The walks from one state that the model cannot follow."""
    found = {number: follow(state, number) for number, walk in enumerate(load()[state]) if walk is not None}
    return {number: where for number, where in found.items() if where is not None}


def _show(state: str, number: int, where: tuple[int, str]) -> None:
    kernel = load()[state][number]
    assert kernel is not None
    print(f"== {state}, walk {number}")
    for i, step in enumerate([*steps(state, number), LATER][: where[0] + 1]):
        model = where[1] if i == where[0] else ""
        print(f"    {step:20} kernel {kernel[i]:40} {'model ' + model if model else ''}")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", nargs="?", choices=STARTS)
    parser.add_argument("number", nargs="?", type=int)
    args = parser.parse_args()
    total = 0
    for state in [args.state] if args.state else STARTS:
        rows = differences(state)
        total += len(rows)
        for number, where in rows.items():
            if args.number in (None, number):
                _show(state, number, where)
    print(total, "walks differ")


if __name__ == "__main__":
    _main()
