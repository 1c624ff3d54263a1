"""Paths of a search in which hosts that are alike change places (model/symmetry.pyx), as runs of the spec.

Such a path leads through states each of which stands for all that differ from it only in which host is which. The run
begins where the spec begins; at each step it goes to a successor for which the path's next state stands. There is one,
because alike hosts are treated alike; it is looked for among all that can happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tcpcheck.explore.driven import Driver
from tcpcheck.explore.result import Hit, Path, SearchResult

State = tuple[bytes, Any]


class Untold(Exception):
    """A path cannot be followed: the search must be made again without changing places."""


def folding(model: Any, lasso: int) -> bool:
    """May hosts change places in this search? Not where cycles are looked for: one in which they do is none."""
    return model.alike is not None and not lasso


def unfolded(model: Any, result: SearchResult) -> SearchResult:
    """The same with paths of the spec. The model then stands as before. Errors: Untold."""
    noted = model.noted()
    hits = {bit: Hit(hit.kind, _run(model, bit, hit)) for bit, hit in result.hits.items()}
    model.handle()
    model.note_again(noted)
    return replace(result, hits=hits)


def _run(model: Any, bit: int, hit: Hit) -> Path:
    driver = Driver(model.handle(fold=True))
    here = driver.successor()
    stand: list[State] = []
    for choices in hit.path:
        driver.load(*here)
        driver.step(choices)
        here = driver.successor()
        stand.append(here)
    driver = Driver(model.handle())
    here, path = driver.successor(), []
    for n, state in enumerate(stand):
        hits = 1 << bit if n == len(stand) - 1 and hit.kind == "step" else 0
        model.alike.fold(model, True)
        choices = _towards(driver, here, state, hits)
        model.alike.fold(model, False)
        driver.load(*here)
        driver.step(choices)
        here = driver.successor()
        path.append(choices)
    return path


def _towards(driver: Driver, here: State, state: State, hits: int) -> bytes:
    """The choices that lead to what `state` stands for, and hit these claims."""
    driver.load(*here)
    for choices in _feasible(driver, b""):
        if driver.successor() == state and not driver.truncated and driver.hits & hits == hits:
            return choices
    raise Untold


def _feasible(driver: Driver, begun: bytes) -> Iterator[bytes]:
    """Every list of choices that begins so; the driver stands at what each leads to."""
    feasible, ways = driver.step(begun)
    if not ways:
        if feasible and not driver.overflow:
            yield begun
        return
    for way in range(ways):
        yield from _feasible(driver, begun + bytes([way]))
