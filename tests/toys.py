"""Small systems with known counts, as specs of tcpcheck.explore.toy."""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]


def grid(dimensions: int, side: int, **more: Any) -> Spec:
    """side^dimensions states; each has one successor per dimension (cyclic)."""
    commands = [{"do": [("add", i, 1, side)], "rule": i} for i in range(dimensions)]
    return {"variables": [0] * dimensions, "commands": commands, **more}


def peterson() -> Spec:
    """Two processes; variables: flag 0, flag 1, turn, pc 0, pc 1 (0 idle, 1 flag up, 2 waiting, 3 inside).
    Claim 0: both inside (never). Claim 1: process 0 inside (reached)."""
    commands = []
    for me, other in ((0, 1), (1, 0)):
        pc = 3 + me
        commands += [
            {"when": [(pc, "==", 0)], "do": [("set", me, 1), ("set", pc, 1)], "rule": 10 * me},
            {"when": [(pc, "==", 1)], "do": [("set", 2, other), ("set", pc, 2)], "rule": 10 * me + 1},
            {"when": [(pc, "==", 2), (other, "==", 0)], "do": [("set", pc, 3)], "rule": 10 * me + 2},
            {"when": [(pc, "==", 2), (2, "==", me)], "do": [("set", pc, 3)], "rule": 10 * me + 3},
            {"when": [(pc, "==", 3)], "do": [("set", me, 0), ("set", pc, 0)], "rule": 10 * me + 4},
        ]
    hits = [(0, [(3, "==", 3), (4, "==", 3)]), (1, [(3, "==", 3)])]
    return {"variables": [0] * 5, "commands": commands, "hits": hits}


def dining(n: int, lazy: bool = False) -> Spec:
    """n philosophers, forks 0..n-1, then their states 0..2 forks held; all take the left fork first.
    Claim 0 at the end: the deadlock, everyone with one fork."""
    commands = []
    for i in range(n):
        left, right, me = i, (i + 1) % n, n + i
        commands += [
            {"when": [(me, "==", 0), (left, "==", 0)], "do": [("set", me, 1), ("set", left, 1)], "rule": 3 * i},
            {"when": [(me, "==", 1), (right, "==", 0)], "do": [("set", me, 2), ("set", right, 1)], "rule": 3 * i + 1},
            {"when": [(me, "==", 2)], "do": [("set", me, 0), ("set", left, 0), ("set", right, 0)], "rule": 3 * i + 2},
        ]
    ends = [(0, [(n + i, "==", 1) for i in range(n)])]
    return {"variables": [0] * 2 * n, "commands": commands, "ends": ends, "lazy": lazy}


def dice(rolls: int, sides: int) -> Spec:
    """Rolls several dice in one step: several choice points a step. Claim 0: all show the highest side."""
    commands = [
        {"when": [(rolls, "==", 0)], "do": [("set", rolls, 1)] + [("pick", i, sides) for i in range(rolls)]},
        {"when": [(rolls, "==", 1)], "do": [("set", rolls, 2)], "rule": 1},
    ]
    hits = [(0, [(i, "==", sides - 1) for i in range(rolls)])]
    return {"variables": [0] * rolls + [0], "commands": commands, "hits": hits}


def answered_or_not() -> Spec:
    """Variables: asked, tick. Claim 0 waits from the question on; the clock may tick round and round for ever (a
    cycle of 3 after 1 step), or the answer comes. Claim 1 waits too, but only while tick < 2: no cycle."""
    commands: list[Spec] = [
        {"when": [(0, "==", 0)], "do": [("set", 0, 1)]},
        {"when": [(0, "==", 1)], "do": [("add", 1, 1, 3)], "rule": 1},
        {"when": [(0, "==", 1)], "do": [("set", 0, 2)], "rule": 2},
    ]
    waits = [(0, [(0, "==", 1)]), (1, [(0, "==", 1), (1, "<", 2)])]
    return {"variables": [0, 0], "commands": commands, "waits": waits, "ends": [(2, [(0, "==", 2)])]}


def two_roads() -> Spec:
    """A timed one: place 1 is reached at x in [3, 5] by the first command and at x in [0, 9] by the second, both in
    one step: the second zone includes the first. From there place 2 needs x >= 8, which only the second allows."""
    commands: list[Spec] = [
        {"when": [(0, "==", 0)], "clock": [(0, 1, -3), (1, 0, 5)], "do": [("set", 0, 1)]},
        {"when": [(0, "==", 0)], "clock": [(1, 0, 9)], "do": [("set", 0, 1)], "rule": 1},
        {"when": [(0, "==", 1)], "clock": [(0, 1, -8)], "do": [("set", 0, 2)], "rule": 2},
    ]
    invariants = [([(0, "==", 0)], 1, 10), ([(0, "==", 1)], 1, 10), ([], 1, 20)]
    return {
        "variables": [0],
        "commands": commands,
        "clocks": 1,
        "invariants": invariants,
        "hits": [(0, [(0, "==", 2)])],
    }


def fischer(n: int, delay: int = 2) -> Spec:
    """Fischer's mutual exclusion with n processes: variables id (0 free, else process), then pcs; one clock each.
    Everyone must write within `delay` and waits longer than `wait` before checking. Claim 0: two inside."""
    commands, invariants = [], []
    for i in range(n):
        me, clock = 1 + i, 1 + i
        commands += [
            {"when": [(me, "==", 0), (0, "==", 0)], "do": [("set", me, 1)], "reset": [clock], "rule": 4 * i},
            {"when": [(me, "==", 1)], "do": [("set", me, 2), ("set", 0, i + 1)], "reset": [clock], "rule": 4 * i + 1},
            {
                "when": [(me, "==", 2), (0, "==", i + 1)],
                "clock": [(0, clock, -3)],
                "do": [("set", me, 3)],
                "rule": 4 * i + 2,
            },
            {"when": [(me, "==", 3)], "do": [("set", me, 0), ("set", 0, 0)], "reset": [clock], "rule": 4 * i + 3},
            {"when": [(me, "==", 2), (0, "==", 0)], "do": [("set", me, 1)], "reset": [clock], "rule": 4 * i + 3},
        ]
        invariants += [([(me, "==", 1)], clock, delay), ([], clock, 6)]
    hits = [(0, [(1 + i, "==", 3), (1 + j, "==", 3)]) for i in range(n) for j in range(i)]
    return {"variables": [0] * (n + 1), "commands": commands, "clocks": n, "invariants": invariants, "hits": hits}
