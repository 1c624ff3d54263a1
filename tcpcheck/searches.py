"""The searches of one member of a spec's families, in turn: made now, or known from an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tcpcheck.errors import UsageError
from tcpcheck.explore.result import Hit, Lasso, Limits, NoRoom, Path, Progress, Saver, SearchResult
from tcpcheck.explore.search import search

LIMITED = ("memory limit", "out of memory", "time limit", "interrupted")
"""Reasons to end that more time or memory may take away."""


@dataclass(frozen=True)
class Done:
    """A search that ended by itself. asked: all that it depends on beside the member; noted: what the model gathered
    (Model.noted)."""

    asked: str
    result: SearchResult
    noted: bytes


class Keeper(Protocol):
    """Keeps the searches of one member, by their numbers."""

    def known(self, number: int) -> Done | None: ...

    def saver(self, number: int, asked: str, model: Any) -> Saver: ...

    def finished(self, number: int, done: Done) -> None: ...


class Searches:
    """Makes the searches of one member. keeper: where they are kept, and what is known of them."""

    def __init__(self, keeper: Keeper | None = None) -> None:
        self.keeper = keeper
        self.number = 0

    def make(
        self,
        model: Any,
        limits: Limits,
        claims: int,
        stop: int = 0,
        lasso: int = 0,
        progress: Progress | None = None,
        wanted: Sequence[Any] = (),
    ) -> SearchResult:
        """As explore.search.search, of the model with these pieces `wanted`; the model then stands as after it."""
        handle = model.handle(wanted)
        how: dict[str, Any] = {"claims": claims, "stop": stop, "lasso": lasso, "limits": limits, "progress": progress}
        if self.keeper is None:
            return search(handle, **how)
        number, self.number = self.number, self.number + 1
        asked = repr((model.variant, claims, stop, lasso, [tuple(piece) for piece in wanted]))
        known = self.keeper.known(number)
        if known is not None and known.asked == asked:
            model.note_again(known.noted)
            return known.result
        try:
            result = search(handle, saver=self.keeper.saver(number, asked, model), **how)
        except NoRoom:
            raise UsageError("the search that was saved needs more than --memory allows") from None
        if result.reason not in LIMITED:
            self.keeper.finished(number, Done(asked, result, model.noted()))
        return result


# ---- as JSON


def to_json(result: SearchResult) -> dict[str, Any]:
    return {
        **vars(result),
        "hits": [[claim, hit.kind, _hex(hit.path)] for claim, hit in result.hits.items()],
        "lassos": [[x.claim, _hex(x.stem), _hex(x.cycle)] for x in result.lassos],
    }


def from_json(document: dict[str, Any]) -> SearchResult:
    return SearchResult(
        **{
            **document,
            "expected": tuple(document["expected"]),
            "hits": {claim: Hit(kind, _path(path)) for claim, kind, path in document["hits"]},
            "lassos": [Lasso(claim, _path(stem), _path(cycle)) for claim, stem, cycle in document["lassos"]],
        }
    )


def _hex(path: Path) -> list[str]:
    return [choices.hex() for choices in path]


def _path(path: list[str]) -> Path:
    return [bytes.fromhex(choices) for choices in path]
