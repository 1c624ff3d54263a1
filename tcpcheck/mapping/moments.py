"""The moments that a spec's claims speak of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tcpcheck.lang import scenario as sc
from tcpcheck.lang.wording import pred_words, sock_words

TELLING = ("old", "forged")  # of a segment's conditions, those that are no comparison of numbers


@dataclass(frozen=True)
class Asked:
    """A moment. receives: its outcomes are what the segment leads to. goal: from then on it is waited for, within the
    bound if there is one, and comes in time, too early, too late or never. Else: the predicate comes true."""

    text: str
    pred: sc.Pred
    receives: sc.Event | None
    span: sc.Span
    goal: sc.Pred | None = None
    within: tuple[int, int] | None = None
    from_start: bool = False  # waited for from the run's start: pred says nothing

    @property
    def kind(self) -> str:
        """Of the claim that asks for its values."""
        if self.goal is not None:
            return "eventually" if self.from_start else "after"
        return "moment" if self.receives else "map"


def moments(claims: Iterable[sc.Claim]) -> list[Asked]:
    """Each moment once, in the order of the claims."""
    found: dict[str, Asked] = {}
    for claim in claims:
        for asked in _of_claim(claim):
            found.setdefault(asked.text, asked)
    return list(found.values())


def _of_claim(claim: sc.Claim) -> Iterator[Asked]:
    for pred in (claim.pred, claim.goal):
        if pred is None:
            continue
        received = list(_received(pred, ()))
        yield from (_received_moment(e, states, claim.span) for e, states in received)
        if not received:
            plain: sc.Pred = pred
            if claim.kind == "always":  # what must not come about
                plain = sc.And((pred.left, sc.Not(pred.right))) if isinstance(pred, sc.Implies) else sc.Not(pred)
            yield Asked(pred_words(plain), plain, None, claim.span)
    if claim.goal is not None:
        yield _awaited(claim, claim.goal)


def _awaited(claim: sc.Claim, goal: sc.Pred) -> Asked:
    """What `after` and `eventually` wait for."""
    text = f"eventually {pred_words(goal)}{_bound(claim.within)}"
    if claim.pred is not None:
        text = f"after {pred_words(claim.pred)} {text}"
    nothing: sc.Pred = sc.And(())
    return Asked(text, claim.pred or nothing, None, claim.span, goal, claim.within, claim.pred is None)


def _bound(within: tuple[int, int] | None) -> str:
    if within is None:
        return ""
    lo, hi = within
    return f" within {f'{lo / 1e9:g}s..' if lo else ''}{hi / 1e9:g}s"


def _received(p: sc.Pred, states: tuple[sc.InState, ...]) -> Iterator[tuple[sc.Event, tuple[sc.InState, ...]]]:
    """The `receives` of a predicate, each with the states that its socket is asked to be in."""
    if isinstance(p, sc.Event) and p.kind == "receives":
        same = (s for s in states if sock_words(s.sock) == sock_words(p.subject))
        yield p, tuple({s.states: s for s in same}.values())
    elif isinstance(p, sc.And):
        here = states + tuple(q for q in p.parts if isinstance(q, sc.InState))
        for q in p.parts:
            yield from _received(q, here)
    elif isinstance(p, sc.Or):
        for q in p.parts:
            yield from _received(q, states)
    elif isinstance(p, sc.Implies):
        yield from _received(p.left, states)
        outer = tuple(
            q for q in (p.left.parts if isinstance(p.left, sc.And) else (p.left,)) if isinstance(q, sc.InState)
        )
        yield from _received(p.right, states + outer)
    elif isinstance(p, sc.Not):
        yield from _received(p.of, states)


def _received_moment(event: sc.Event, states: tuple[sc.InState, ...], span: sc.Span) -> Asked:
    seg = replace(event.seg, where=_telling(event.seg.where))
    event = replace(event, seg=seg)
    pred = sc.And((*states, event)) if states else event
    return Asked(pred_words(pred), pred, event, span)


def _telling(where: sc.Pred | None) -> sc.Pred | None:
    """The condition without what it says of numbers."""
    parts = where.parts if isinstance(where, sc.And) else (where,)
    kept = tuple(p for p in parts if isinstance(p, sc.Flag) and p.name in TELLING)
    return (kept[0] if len(kept) == 1 else sc.And(kept)) if kept else None
