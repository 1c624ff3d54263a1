"""The searches of one member of a spec's families, in turn: made now, or known from an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tcpcheck.errors import UsageError
from tcpcheck.explore.result import Hit, Lasso, Limits, NoRoom, Path, Progress, Saver, SearchResult
from tcpcheck.explore.search import search
from tcpcheck.reductions import Done, Kin
from tcpcheck.unfolding import Untold, folding, unfolded

LIMITED = ("memory limit", "out of memory", "time limit", "interrupted")
"""Reasons to end that more time or memory may take away."""


class Keeper(Protocol):
    """Keeps the searches of one member, by their numbers."""

    def known(self, number: int) -> Done | None: ...

    def saver(self, number: int, asked: str, model: Any) -> Saver: ...

    def finished(self, number: int, done: Done) -> None: ...


class Searches:
    """Makes the searches of one member. keeper: where they are kept, and what is known of them; kin: those of the other
    members."""

    def __init__(self, member: int = 0, kin: Kin | None = None, keeper: Keeper | None = None) -> None:
        self.member, self.kin, self.keeper = member, kin or Kin(()), keeper
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
        folds = folding(model, lasso)
        try:
            return self.make_once(model, limits, claims, stop, lasso, progress, wanted, folds)
        except Untold:
            return self.make_once(model, limits, claims, stop, lasso, progress, wanted, False)

    def make_once(
        self,
        model: Any,
        limits: Limits,
        claims: int,
        stop: int,
        lasso: int,
        progress: Progress | None,
        wanted: Sequence[Any],
        folds: bool,
    ) -> SearchResult:
        """folds: do hosts that are alike change places in it? Errors: Untold, and then its paths cannot be told."""
        handle = model.handle(wanted, folds)
        number, self.number = self.number, self.number + 1
        changing = [model.alike.hosts] if folds else []
        asked = repr((model.variant, claims, stop, lasso, [tuple(piece) for piece in wanted], *changing))
        known = self.known(number, asked, model)
        if known is not None:
            model.note_again(known.noted)
            return known.result
        saver = None if self.keeper is None else self.keeper.saver(number, asked, model)
        try:
            result = search(
                handle, claims=claims, stop=stop, lasso=lasso, limits=limits, progress=progress, saver=saver
            )
        except NoRoom:
            raise UsageError("the search that was saved needs more than --memory allows") from None
        if folds:
            result = unfolded(model, result)
        if result.reason not in LIMITED:
            done = Done(asked, result, model.noted(), model.reads)
            self.kin.add(self.member, done)
            if self.keeper is not None:
                self.keeper.finished(number, done)
        return result

    def known(self, number: int, asked: str, model: Any) -> Done | None:
        """What is kept of this search, or another member's that is the same."""
        done = None if self.keeper is None else self.keeper.known(number)
        if done is None or done.asked != asked:
            return self.kin.known(self.member, asked, model.reads)
        self.kin.add(self.member, done)
        return done


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
