"""The goals that one member of a spec's families can take, each with a few of the shortest runs that end by it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from tcpcheck.checking import bounds_of
from tcpcheck.covering.goals import PAIRS, goal_of
from tcpcheck.explore.result import Limits, Path
from tcpcheck.explore.search import search
from tcpcheck.lang.scenario import Case
from tcpcheck.model.build import build_model
from tcpcheck.model.cover import PAIR_MARKS, RULE_MARKS, covering, marks_along
from tcpcheck.values import unfinished

Progress = Callable[..., object]


@dataclass(frozen=True)
class Variant:
    """A model of the member. exact: nothing is put together that a comparison might tell apart. zeros: a timestamp may
    be exactly 0."""

    exact: bool = False
    zeros: bool = False


@dataclass(frozen=True)
class Run:
    """A run of the search that ends by taking `goal`. takes: all goals on its way."""

    member: int
    variant: Variant
    path: Path
    goal: str
    takes: frozenset[str]


@dataclass(frozen=True)
class Member:
    """What the searches of a member found. runs: of each goal, the shortest first. why: it is not all; "" if it is.
    zero_met: a timestamp of exactly 0 may matter, and was left out."""

    runs: dict[str, list[Run]]
    bounds: dict[str, Any]
    why: str
    zero_met: bool
    interrupted: bool


def model_of(case: Case, variant: Variant) -> Any:
    """Without the claims: they would only tell apart what is one for the rules."""
    return build_model(replace(case, claims=()), variant.exact, variant.zeros)


def search_member(case: Case, member: int, cover: str, limits: Limits, progress: Progress) -> Member:
    """Everything that the member can take. Where a timestamp of exactly 0 may matter, it is searched once more."""
    found = _search(case, member, cover, Variant(), limits, progress)
    if found.why or not found.zero_met:
        return found
    more = _search(case, member, cover, Variant(zeros=True), limits, progress)
    new = {goal: runs for goal, runs in more.runs.items() if goal not in found.runs}
    return replace(more, runs={**found.runs, **new})


def search_exactly(
    case: Case, member: int, cover: str, goals: Collection[str], limits: Limits
) -> tuple[dict[str, list[Run]], bool]:
    """Runs to goals whose runs were refuted: something was too coarse for them. And: was everything searched?"""
    found = _search(case, member, cover, Variant(exact=True, zeros=True), limits, None)
    return {goal: found.runs[goal] for goal in goals if goal in found.runs}, not found.why


def _search(case: Case, member: int, cover: str, variant: Variant, limits: Limits, progress: Progress | None) -> Member:
    model, pairs = model_of(case, variant), cover == PAIRS
    marks = PAIR_MARKS if pairs else RULE_MARKS
    result = search(covering(model, pairs), marks=marks, limits=limits, progress=progress)
    why, zero_met = unfinished(model, result), model.zero_met  # before the model goes along the paths
    runs = {
        goal_of(mark, cover): [_run(model, member, cover, variant, mark, path) for path in paths]
        for mark, paths in result.marks.items()
    }
    return Member(runs, bounds_of(case, result, not why), why, zero_met, result.reason == "interrupted")


def _run(model: Any, member: int, cover: str, variant: Variant, mark: int, path: Path) -> Run:
    takes = {goal_of(mark, cover) for step in marks_along(model, path, cover == PAIRS) for mark in step}
    return Run(member, variant, path, goal_of(mark, cover), frozenset(takes))
