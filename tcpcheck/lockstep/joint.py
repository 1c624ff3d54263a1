"""Two paths as one: their instants on one line, their conditions together, and both run with the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tcpcheck.model.narrate import EF_GETS, EF_SEND
from tcpcheck.model.world import Recording
from tcpcheck.witness.constraints import Age, Binding, Entry, PathConstraints, Refuted
from tcpcheck.witness.forms import group
from tcpcheck.witness.solve import concretise

BUCKET, FULL, REQUEST = 4, 3, 2  # kinds of sockets that ss shows


@dataclass(frozen=True)
class Path:
    """One side's steps. places: the joint instant of each of its instants: the start, then its steps."""

    taken: tuple[bytes, ...] = ()
    events: tuple[tuple[int, int, int], ...] = ()
    fates: bytes = b""
    places: tuple[int, ...] = (0,)

    def then(self, branch: Any, place: int) -> Path:
        return Path(
            (*self.taken, branch.taken), (*self.events, branch.event), self.fates + branch.fates, (*self.places, place)
        )

    def recording(self) -> Any:
        return Recording(None, list(self.events), self.fates, False, None, None)


def moved(entries: Iterable[Entry], places: Sequence[int], end: int) -> list[Entry]:
    """Entries with joint instants. end: the joint instant that a side's next one is, where it has none yet."""

    def at(i: int) -> int:
        return i if i < 0 else places[i] if i < len(places) else end

    return [replace(e, i=at(e.i), j=at(e.j)) for e in entries]


def contradict(a: Iterable[Entry], b: Iterable[Entry]) -> bool:
    """Can the two lists not hold together, whatever else holds? (Each by itself can.)"""
    entries = (*a, *b)
    top = max((max(e.i, e.j) for e in entries), default=0)
    g = group(PathConstraints(top + 1, entries))
    if any(not values for values in g.numbers.values()):
        return True
    return any((j, i) in g.ages and c + g.ages[j, i][0] < 0 for (i, j), (c, _) in g.ages.items())


class Joint:
    """The two models, and paths of theirs put together."""

    def __init__(self, models: Sequence[Any]) -> None:
        self.models = tuple(models)

    def constraints(self, paths: Sequence[Path], more: Iterable[Entry] = (), without_end: int = -1) -> PathConstraints:
        """Both paths at once. without_end: of this side, what bounds its next instant is left out."""
        last = max(p.places[-1] for p in paths)
        entries: list[Entry] = []
        for side, (model, path) in enumerate(zip(self.models, paths, strict=True)):
            logged = model.record(list(path.taken)).constraints.entries
            if side == without_end:
                logged = [e for e in logged if max(e.i, e.j) < len(path.places)]
            entries += moved(logged, path.places, last + 1)
        return PathConstraints(last + 2, (*entries, *more), self.models[0].constants)

    def solved(self, pc: PathConstraints) -> Binding | Refuted:
        return concretise(pc)

    def run(self, side: int, path: Path, b: Binding, still: bool = False) -> list[Any]:
        """One side's path with these numbers. still: nothing is said of what comes after. Error: ReplayFailed."""
        t = b.instants_ns
        end = t[path.places[-1]] if still else t[-1]
        own = Binding((*(t[i] for i in path.places), end), b.constants)
        moments: list[Any] = self.models[side].rerun(path.recording(), own)
        return moments


def observed(moment: Any, windows: bool) -> tuple[Any, ...]:
    """What can be seen of one moment of a concrete run: segments sent, results of calls, states as ss shows them."""
    hidden = ("inc", "forged") if windows else ("inc", "forged", "wnd")
    sends = [
        tuple(sorted((k, v) for k, v in e["seg"].items() if k not in hidden))
        for e in moment.effects
        if e["kind"] == EF_SEND
    ]
    gets = [(e["host"], e["arg"], bool(e["uid"])) for e in moment.effects if e["kind"] == EF_GETS]
    states = sorted(
        (s["host"], s["lport"], s["peer"], s["rport"], s["state"])
        for s in moment.socks["live"]
        if s["kind"] in (REQUEST, FULL, BUCKET)
    )
    return sends, gets, states


def apart(i: int, j: int, least: int | None = None, most: int | None = None) -> list[Entry]:
    """t[i] - t[j] within bounds."""
    out: list[Entry] = []
    if most is not None:
        out.append(Age(i, j, most))
    if least is not None:
        out.append(Age(j, i, -least))
    return out
