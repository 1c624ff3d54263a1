"""A plain, slow twin of the search and of the toy systems: whole states, nested lists, no hashing, no packing.

Written apart from tcpcheck/explore, so that the two can be compared count by count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

INF = 1 << 60
Zone = tuple[tuple[int, ...], ...]
Spec = dict[str, Any]


class Dead(Exception):
    """The branch is infeasible."""


class Undecided(Exception):
    """A choice point beyond the prescribed choices, with so many ways to go."""

    def __init__(self, ways: int) -> None:
        self.ways = ways


def all_branches(run: Callable[[Callable[[int], int]], Any]) -> Iterator[tuple[bytes, Any]]:
    """Every feasible list of choices of run(choose), first choice slowest, with what run returned."""

    def below(taken: list[int]) -> Iterator[tuple[bytes, Any]]:
        met = 0

        def choose(n: int) -> int:
            nonlocal met
            if n == 0:
                raise Dead
            if n == 1:
                return 0
            if met == len(taken):
                raise Undecided(n)
            met += 1
            return taken[met - 1]

        try:
            yield bytes(taken), run(choose)
        except Dead:
            pass
        except Undecided as question:
            for k in range(question.ways):
                yield from below([*taken, k])

    return below([])


# ---------------------------------------------------------------- zones


def closed(rows: list[list[int]]) -> list[list[int]] | None:
    """Shortest paths; None when empty."""
    n = range(len(rows))
    for k in n:
        for i in n:
            for j in n:
                if rows[i][k] < INF and rows[k][j] < INF:
                    rows[i][j] = min(rows[i][j], rows[i][k] + rows[k][j])
    return None if any(rows[i][i] < 0 for i in n) else rows


def tightened(rows: list[list[int]], i: int, j: int, bound: int) -> list[list[int]]:
    rows[i][j] = min(rows[i][j], bound)
    answer = closed(rows)
    if answer is None:
        raise Dead
    return answer


def includes(a: Zone, b: Zone) -> bool:
    return all(x >= y for row, other in zip(a, b, strict=True) for x, y in zip(row, other, strict=True))


# ---------------------------------------------------------------- toys (tcpcheck/explore/toy.pyx says what they mean)


@dataclass(frozen=True)
class Successor:
    state: tuple[int, ...]
    zone: Zone
    hits: int
    rule: int
    truncated: bool


class PlainToy:
    """The same spec as explore.toy.Toy, interpreted."""

    def __init__(self, **spec: Any) -> None:
        self.spec: Spec = {"clocks": 0, "invariants": (), "hits": (), "ends": (), "waits": (), "cut": (), **spec}

    def holds(self, state: tuple[int, ...], when: Any) -> bool:
        test = {
            "==": lambda x, k: x == k,
            "!=": lambda x, k: x != k,
            "<": lambda x, k: x < k,
            ">=": lambda x, k: x >= k,
            "==v": lambda x, k: x == state[k],
            "!=v": lambda x, k: x != state[k],
        }
        return all(test[op](state[a], k) for a, op, k in when)

    def marked(self, what: str, state: tuple[int, ...]) -> int:
        return sum({1 << claim for claim, when in self.spec[what] if self.holds(state, when)})

    def passed(self, state: tuple[int, ...], rows: list[list[int]]) -> Zone:
        """After any delay within the invariants."""
        if not self.spec["clocks"]:
            return ()
        for row in rows[1:]:
            row[0] = INF
        for when, clock, bound in self.spec["invariants"]:
            if self.holds(state, when):
                rows = tightened(rows, clock, 0, bound)
        return tuple(map(tuple, rows))

    def initial(self) -> tuple[tuple[int, ...], Zone]:
        state = tuple(self.spec["variables"])
        n = self.spec["clocks"] + 1
        return state, self.passed(state, [[0] * n for _ in range(n)])

    def successors(self, state: tuple[int, ...], zone: Zone) -> Iterator[tuple[bytes, Successor]]:
        commands = [c for c in self.spec["commands"] if self.spec.get("lazy") or self.holds(state, c.get("when", ()))]

        def run(choose: Callable[[int], int]) -> Successor:
            command = commands[choose(len(commands))]
            if not self.holds(state, command.get("when", ())):
                raise Dead
            now = list(state)
            for update in command.get("do", ()):
                kind, v, k = update[:3]
                if kind == "set":
                    now[v] = k
                elif kind == "add":
                    now[v] = (now[v] + k) % update[3]
                elif kind == "copy":
                    now[v] = now[k]
                else:
                    now[v] = choose(k)
            rows = [list(row) for row in zone]
            for i, j, bound in command.get("clock", ()) if rows else ():
                rows = tightened(rows, i, j, bound)
            for clock in command.get("reset", ()) if rows else ():
                for i in range(len(rows)):
                    rows[clock][i], rows[i][clock] = rows[0][i], rows[i][0]
                rows[clock][clock] = rows[clock][0] = rows[0][clock] = 0
            after = tuple(now)
            hits = command.get("hit", 0) | self.marked("hits", after)
            cut = any(self.holds(after, when) for when in self.spec["cut"])
            return Successor(after, self.passed(after, rows), hits, command.get("rule", 0), cut)

        return all_branches(run)


# ---------------------------------------------------------------- the search


@dataclass
class Node:
    state: tuple[int, ...]
    zone: Zone
    parent: int
    choices: bytes
    depth: int
    covered: bool = False


@dataclass
class Found:
    """What the search must agree on."""

    states: int = 0
    zones: int = 0
    transitions: int = 0
    truncated: int = 0
    depth: int = 0
    rules: set[int] = field(default_factory=set)
    hits: dict[int, tuple[str, list[bytes]]] = field(default_factory=dict)
    lassos: dict[int, int] = field(default_factory=dict)  # claim -> least stem + cycle


class Search:
    """Breadth first, with lists of whole states."""

    def __init__(self, toy: PlainToy, claims: int, lasso: int) -> None:
        self.toy, self.claims, self.lasso = toy, claims, lasso
        self.nodes: list[Node] = []
        self.seen: dict[tuple[int, ...], list[int]] = {}
        self.queue: deque[int] = deque()
        self.edges: list[tuple[int, int, int]] = []
        self.found = Found()

    def add(self, state: tuple[int, ...], zone: Zone, parent: int, choices: bytes) -> int:
        """The node of this state: a new one, or the one that covers it."""
        known = self.seen.setdefault(state, [])
        for node in known:
            if includes(self.nodes[node].zone, zone):
                return node
        depth = self.nodes[parent].depth + 1 if parent >= 0 else 0
        for node in [k for k in known if includes(zone, self.nodes[k].zone)]:
            known.remove(node)
            if not self.lasso and self.nodes[node].depth == depth:
                self.nodes[node].covered = True
        known.append(len(self.nodes))
        self.queue.append(len(self.nodes))
        self.nodes.append(Node(state, zone, parent, choices, depth))
        return len(self.nodes) - 1

    def path(self, node: int) -> list[bytes]:
        path: list[bytes] = []
        while self.nodes[node].parent >= 0:
            path.append(self.nodes[node].choices)
            node = self.nodes[node].parent
        return path[::-1]

    def hit(self, mask: int, kind: str, node: int, step: list[bytes]) -> None:
        for claim in range(64):
            if mask & self.claims & 1 << claim and claim not in self.found.hits:
                self.found.hits[claim] = (kind, self.path(node) + step)

    def expand(self, node: int) -> None:
        here = self.nodes[node]
        stuck = True
        for choices, after in self.toy.successors(here.state, here.zone):
            stuck = False
            self.found.transitions += 1
            self.found.rules.add(after.rule)
            if after.truncated:
                self.found.truncated += 1
                continue
            self.hit(after.hits, "step", node, [choices])
            to = self.add(after.state, after.zone, node, choices)
            both = self.toy.marked("waits", here.state) & self.toy.marked("waits", after.state)
            if both & self.lasso:
                self.edges.append((node, to, both & self.lasso))
        if stuck:
            self.hit(self.toy.marked("ends", here.state), "end", node, [])

    def shortest_lasso(self, claim: int) -> int | None:
        after: dict[int, list[int]] = {}
        for source, target, pending in self.edges:
            if pending >> claim & 1:
                after.setdefault(source, []).append(target)
        sums = []
        for start in after:
            distance = {start: 0}
            queue = deque([start])
            while queue:
                node = queue.popleft()
                for target in after.get(node, []):
                    if target == start:
                        sums.append(self.nodes[start].depth + distance[node] + 1)
                        queue.clear()
                        break
                    if target not in distance:
                        distance[target] = distance[node] + 1
                        queue.append(target)
        return min(sums, default=None)

    def run(self) -> Found:
        self.add(*self.toy.initial(), -1, b"")
        self.found.truncated += any(self.toy.holds(self.nodes[0].state, when) for when in self.toy.spec["cut"])
        while self.queue:
            node = self.queue.popleft()
            if not self.nodes[node].covered:
                self.expand(node)
        self.found.states = len(self.seen)
        self.found.zones = len(self.nodes)
        self.found.depth = max(node.depth for node in self.nodes)
        for claim in range(64):
            length = self.shortest_lasso(claim) if self.lasso >> claim & 1 else None
            if length is not None:
                self.found.lassos[claim] = length
        return self.found


def explore(spec: Spec, claims: int = 0, lasso: int = 0) -> Found:
    """Everything reachable in the toy of this spec."""
    return Search(PlainToy(**spec), claims, lasso).run()
