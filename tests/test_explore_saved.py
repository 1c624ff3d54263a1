"""A search that is saved and goes on elsewhere finds what it would have found."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import Any

import pytest
import toys
from tcpcheck.explore.toy import Toy

from tcpcheck.explore.result import Limits, NoRoom, SearchResult, Sink
from tcpcheck.explore.search import search

Spec = dict[str, Any]
CORNER = [(3, [(i, "==", 1) for i in range(14)])]
SPECS = {
    "short states": toys.grid(14, 2, hits=CORNER, waits=[(0, [])]),
    "long states": {**toys.grid(11, 2, hits=[(3, [(0, "==", 1), (7, "==", 1)])]), "pad": 1200},
    "timed": toys.fischer(4, 4),
}


class Stop(Exception):
    """The process is killed."""


class Memory:
    """A Saver that keeps the latest snapshot here; after `at` nodes it is taken, and the search ends."""

    def __init__(self, at: int, data: bytes | None = None) -> None:
        self.at, self.data, self.saved = at, data, 0

    def source(self) -> io.BytesIO | None:
        return None if self.data is None else io.BytesIO(self.data)

    def due(self, nodes: int) -> bool:
        return nodes >= self.at

    def save(self, write_to: Callable[[Sink], None]) -> None:
        sink = io.BytesIO()
        write_to(sink)
        self.data, self.saved = sink.getvalue(), self.saved + 1
        raise Stop


def run(spec: Spec, saver: Memory | None = None, **how: Any) -> SearchResult:
    return search(Toy(**spec).handle(), claims=15, saver=saver, **how)


def compared(result: SearchResult) -> SearchResult:
    return dataclasses.replace(result, seconds=0.0)


@pytest.mark.parametrize("batch", [3, 64])
@pytest.mark.parametrize("lasso", [0, 1])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", SPECS)
def test_goes_on_as_if_nothing_had_been(name: str, exact: bool, lasso: int, batch: int) -> None:
    how: dict[str, Any] = {"lasso": lasso, "limits": Limits(exact=exact), "batch": batch}
    whole = run(SPECS[name], **how)
    assert whole.complete and whole.hits
    data: bytes | None = None
    for part in (0.0, 0.1, 0.5, 0.8, 0.97):  # killed at each of these, and resumed from there
        saver = Memory(int(part * whole.zones), data)
        with pytest.raises(Stop):
            run(SPECS[name], saver, **how)
        assert saver.data != data
        data = saver.data
    assert compared(run(SPECS[name], Memory(1 << 60, data), **how)) == compared(whole)


def test_saved_in_the_middle_of_a_node() -> None:
    """All successors of the one node stand between two turns of the search."""
    spec = toys.dice(4, 10)
    whole = run(spec)
    saver = Memory(10)
    with pytest.raises(Stop):
        run(spec, saver)
    assert compared(run(spec, Memory(1 << 60, saver.data))) == compared(whole)


def test_the_end_by_a_limit_is_saved() -> None:
    """... and more time, or more memory, makes it whole."""
    whole = run(SPECS["timed"])
    for limits in (Limits(seconds=0.0), Limits(memory_bytes=whole.peak_memory * 4 // 5)):
        saver = Memory(1 << 60)
        with pytest.raises(Stop):
            run(SPECS["timed"], saver, limits=limits)
        assert compared(run(SPECS["timed"], Memory(1 << 60, saver.data))) == compared(whole)


def test_memory_that_fails_within_a_step_is_not_saved() -> None:
    """What had been saved before stays the latest that is whole."""
    saver = Memory(1 << 60)
    got = search(Toy(**SPECS["timed"]).handle(), saver=saver, _fail_after=16)
    assert got.reason == "out of memory" and saver.data is None


@pytest.mark.parametrize("name", SPECS)
def test_too_little_memory_for_what_was_saved(name: str) -> None:
    whole = run(SPECS[name])
    saver = Memory(whole.zones // 2)
    with pytest.raises(Stop):
        run(SPECS[name], saver)
    for part in (0.2, 0.3):
        with pytest.raises(NoRoom):
            run(SPECS[name], Memory(1 << 60, saver.data), limits=Limits(memory_bytes=int(part * whole.peak_memory)))
