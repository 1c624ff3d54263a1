"""A search in parts, each with a memory of its own: who does what when. Knows neither TCP nor where the parts are.

What comes out is what `search` finds in one piece: the same nodes with the same numbers, the same first hits, the same
paths (explore/part.pyx says why). A limit and Ctrl-C are seen to at the end of a slice, so more may have been
found by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tcpcheck.explore.joined import find_lassos
from tcpcheck.explore.partition import Partition
from tcpcheck.explore.result import Hit, Lasso, Limits, PartTally, Path, Progress, SearchResult, too_small

SLICE_FIRST = 1024  # nodes of the first slices, a part
SLICE_BYTES = 16 << 20  # that a part may queue in a slice
BATCH_STATES = 12_000  # and then for each other part at least so many, where the level has them
LIMIT_SHARE = 8  # of a part's memory its queues of a slice may take so little


class Lost(Exception):
    """A part does not answer any more: what it owned is gone."""


@dataclass(frozen=True)
class Asked:
    """What is asked of the search: masks of claims, and the limits that each part keeps by itself. folds: the model is
    asked for a system of fewer states."""

    claims: int = 0
    lasso: int = 0
    exact: bool = False
    memory_bytes: int | None = None  # of one part
    folds: bool = False


class Worker:
    """One part and the model that it runs, wherever that is; of one search after the other."""

    def begin(self, make: Callable[[], Any], part: int, parts: int, asked: Asked, wanted: Sequence[Any] = ()) -> None:
        """A new search. make: builds what has a handle() to the system."""
        self.model = make()
        handle = self.model.handle(wanted, asked.folds) if wanted or asked.folds else self.model.handle()
        how: dict[str, Any] = {"claims": asked.claims, "lasso": asked.lasso, "exact": asked.exact}
        self.part = Partition(handle, part, parts, memory_bytes=asked.memory_bytes, **how)

    def start(self) -> tuple[bytes, PartTally]:
        return self.part.start()

    def expand(self, until: int, new_level: bool, *fresh: bytes) -> tuple[bytes, ...]:
        """Numbers the new nodes of the slice before, then expands the next."""
        self.part.number(list(fresh))
        return tuple(self.part.expand(until, new_level))

    def insert(self, *came: bytes) -> tuple[bytes, PartTally]:
        return self.part.insert(list(came))

    def edges(self, *fresh: bytes) -> bytes:
        """At the end: all nodes get their numbers."""
        self.part.number(list(fresh))
        return self.part.edges()

    def entries(self, numbers: list[int]) -> dict[int, tuple[int, bytes]]:
        return self.part.entries(numbers)

    def hit(self, claim: int) -> tuple[str, int, bytes]:
        return self.part.hit(claim)

    def processor_seconds(self) -> float:
        """Of its process."""
        return time.process_time()

    def notes(self) -> tuple[list[tuple[int, int]], Any]:
        """What the model noted by itself, and when."""
        return self.part.noted(), getattr(self.model, "notes", None)


class Team(Protocol):
    """Workers somewhere. What call() gives is only handed on, to another call() or to get()."""

    @property
    def size(self) -> int: ...

    def call(self, part: int, method: str, *arguments: Any, returns: int | None = None) -> Any:
        """returns: the method gives so many things, and so does this; None: one thing."""

    def get(self, things: Sequence[Any]) -> list[Any]:
        """Their values. Errors: Lost."""


class HereTeam:
    """All parts in this process, one after the other: what they cost without a network, and for tests."""

    def __init__(self, make: Callable[[], Any], parts: int, asked: Asked, wanted: Sequence[Any] = ()) -> None:
        self.workers = [Worker() for _ in range(parts)]
        for part, worker in enumerate(self.workers):
            worker.begin(make, part, parts, asked, wanted)

    @property
    def size(self) -> int:
        return len(self.workers)

    def call(self, part: int, method: str, *arguments: Any, returns: int | None = None) -> Any:
        return getattr(self.workers[part], method)(*arguments)

    def get(self, things: Sequence[Any]) -> list[Any]:
        return list(things)


NoteBits = list[dict[int, int | None]]
"""For each part: hit bits of its own that mean another bit in the whole search, or (None) nothing."""


class PartedSearch:
    """One search by a team. merge_notes: of what every worker's notes() gave makes what the model of a search in one
    piece would have noted, which is then in `notes`."""

    def __init__(
        self,
        team: Team,
        asked: Asked,
        *,
        stop: int = 0,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        progress: Progress | None = None,
        merge_notes: Callable[[list[Any]], tuple[Any, NoteBits]] | None = None,
    ) -> None:
        self.team, self.asked, self.stop, self.limits, self.progress = team, asked, stop, limits, progress
        self.merge_notes = merge_notes
        self.notes: Any = None
        self.parts = range(team.size)
        self.levels: list[int] = []  # first node of each level
        self.level_end = 0
        self.nodes = 0
        self.width = SLICE_FIRST * team.size
        self.fresh: list[Any] = []
        self.tallies: list[PartTally] = []

    def run(self) -> SearchResult:
        begin = time.monotonic()
        reason = "interrupted"
        try:
            self.take([self.team.call(i, "start", returns=2) for i in self.parts])
            reason = self.why_stop(begin) or self.search(begin)
        except KeyboardInterrupt:
            if not self.tallies:
                raise
        return self.result(reason, time.monotonic() - begin)

    # ---- level by level

    def search(self, begin: float) -> str:
        """-> why it ended, "" when nothing is left."""
        at = 0
        while at < self.nodes:
            self.levels.append(at)
            self.level_end = self.nodes
            if self.limits.depth is not None and len(self.levels) > self.limits.depth:
                return "depth limit"
            while at < self.level_end:
                until = min(at + self.width, self.level_end)
                before = self.tallies
                self.slice(until, new_level=at == self.levels[-1])
                self.adapt(until - at, before)
                at = until
                reason = self.why_stop(begin)
                if reason:
                    return reason
        overflows = sum(t.overflows for t in self.tallies)
        return too_small(overflows) if overflows else ""

    def slice(self, until: int, new_level: bool) -> None:
        sent = [self.team.call(i, "expand", until, new_level, *self.fresh, returns=self.team.size) for i in self.parts]
        self.take([self.team.call(i, "insert", *(queues[i] for queues in sent), returns=2) for i in self.parts])

    def take(self, answers: list[Any]) -> None:
        """Of every part who its new nodes are, which stays where it is, and its tally."""
        self.tallies = self.team.get([tally for _, tally in answers])
        self.fresh = [fresh for fresh, _ in answers]
        self.nodes = sum(t.nodes for t in self.tallies)

    def adapt(self, nodes: int, before: Sequence[PartTally]) -> None:
        """Makes slices so wide that batches are worth sending, but memory is not filled with them."""
        records = sum(t.records for t in self.tallies) - sum(t.records for t in before)
        queued = sum(t.queued_bytes for t in self.tallies) - sum(t.queued_bytes for t in before)
        if not records:
            return
        most = max(SLICE_BYTES, BATCH_STATES * self.team.size * queued // records)
        if self.asked.memory_bytes is not None:
            most = min(most, self.asked.memory_bytes // LIMIT_SHARE)
        self.width = max(self.team.size * most * nodes // queued, 1)

    def why_stop(self, begin: float) -> str:
        """Looked at after each slice; "": on."""
        now = time.monotonic()
        if self.progress is not None:
            t = self.tallies
            transitions, waiting, used = (
                sum(x.transitions for x in t),
                sum(x.frontier for x in t),
                sum(x.used for x in t),
            )
            rate = self.nodes / max(now - begin, 1e-9)
            self.progress(self.nodes, transitions, rate, len(self.levels), waiting, used, 0, 0)
        for tally in self.tallies:
            if tally.stop:
                return tally.stop
        if self.limits.states is not None and self.nodes > self.limits.states:
            return "state limit"
        hit = {bit for tally in self.tallies for bit in tally.hits}
        if self.stop and not self.stop & ~sum(1 << bit for bit in hit):
            return "every claim decided"
        if self.limits.seconds is not None and now - begin >= self.limits.seconds:
            return "time limit"
        return ""

    # ---- what was found

    def result(self, reason: str, seconds: float) -> SearchResult:
        t = self.tallies
        most = self.nodes if self.limits.states is None else self.limits.states
        states = min(sum(x.states for x in t), most)
        peak = sum(x.peak for x in t)
        hits = self.hits()
        lassos = [] if reason else self.lassos()
        if lassos is None:
            reason, lassos = "memory limit", []
        rules = [sum(1 << b for b in range(64) if any(x.rules[w] >> b & 1 for x in t)) for w in range(len(t[0].rules))]
        return SearchResult(
            states=states,
            zones=min(self.nodes, most),
            transitions=sum(x.transitions for x in t),
            depth=max(len(self.levels) - 1, 0) + (self.nodes > self.level_end > 0),
            seconds=seconds,
            bytes_per_state=peak / states if states else 0.0,
            peak_memory=peak,
            complete=reason == "",
            reason=reason,
            truncated=sum(x.truncated for x in t),
            overflows=sum(x.overflows for x in t),
            rules_taken=[64 * w + b for w, word in enumerate(rules) for b in range(64) if word >> b & 1],
            hits=hits,
            omission_bound=0.0 if self.asked.exact else float(states) * float(states) / 2.0**65,
            lassos=lassos,
        )

    def everyone(self, method: str, *arguments: Any) -> list[Any]:
        return self.team.get([self.team.call(i, method, *arguments) for i in self.parts])

    def hits(self) -> dict[int, Hit]:
        """Of all parts' first hits of a claim the one that comes first in the whole search."""
        bits: NoteBits = [{} for _ in self.parts]
        if self.merge_notes is not None:
            self.notes, bits = self.merge_notes(self.everyone("notes"))
        first: dict[int, tuple[tuple[int, int], int, int]] = {}
        for part in self.parts:
            for bit, when in self.tallies[part].hits.items():
                meant = bits[part].get(bit, bit)
                if meant is not None and (meant not in first or when < first[meant][0]):
                    first[meant] = when, part, bit
        steps = self.team.get([self.team.call(part, "hit", bit) for _, part, bit in first.values()])
        paths = self.paths([node for _, node, _ in steps])
        found = {}
        for bit, (kind, node, last) in zip(first, steps, strict=True):
            found[bit] = Hit(kind, paths[node] + ([last] if kind == "step" else []))
        return dict(sorted(found.items()))

    def paths(self, nodes: Sequence[int]) -> dict[int, Path]:
        """The choices from the start to each of these nodes, followed back by all of them at once."""
        parents: dict[int, tuple[int, bytes]] = {}
        open_ = {node for node in nodes if node > 0}
        while open_:
            found: dict[int, tuple[int, bytes]] = {}
            for some in self.everyone("entries", sorted(open_)):
                found |= some
            parents |= found
            open_ = {parent for parent, _ in found.values() if parent > 0 and parent not in parents}
        paths: dict[int, Path] = {}
        for node in nodes:
            path, at = [], node
            while at > 0:
                at, choices = parents[at]
                path.append(choices)
            paths[node] = path[::-1]
        return paths

    def lassos(self) -> list[Lasso] | None:
        """Cycles of waiting states; None: no memory for them."""
        if not self.asked.lasso:
            return []
        memory = None if self.asked.memory_bytes is None else self.asked.memory_bytes * self.team.size
        edges = self.everyone("edges", *self.fresh)
        found = find_lassos(edges, self.levels, self.asked.lasso, self.nodes, memory)
        if found is None:
            return None
        stems = self.paths([node for _, node, _ in found])
        return [Lasso(claim, stems[node], cycle) for claim, node, cycle in found]
