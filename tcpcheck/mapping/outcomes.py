"""A member's moments: searched, their sets of values proved, and run with real numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tcpcheck import smt
from tcpcheck.checking import NO_LIMITS, bounds_of, warning_text
from tcpcheck.explore.result import Limits, Progress
from tcpcheck.explore.search import search
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.scenario import Case, Scenario
from tcpcheck.lang.wording import sock_words
from tcpcheck.mapping.moments import Asked, moments
from tcpcheck.mapping.result import Map, MapResult, Moment, Outcome, Quantity, Spans
from tcpcheck.mapping.unknowns import Family, Searched, groups, quantity, resolve
from tcpcheck.members import Report, run_members, shared
from tcpcheck.model.build import build_model
from tcpcheck.model.layout import CLAIMS_MAX, DUE_EARLY, DUE_LATE, DUE_MET, OUT_STATE, WAY_KNOWN
from tcpcheck.model.narrate import STATE_NAMES
from tcpcheck.model.world import ReplayFailed
from tcpcheck.values import Found, ValuePath, unfinished
from tcpcheck.witness.arcset import ArcSet
from tcpcheck.witness.constraints import Refuted, check_binding
from tcpcheck.witness.forms import group
from tcpcheck.witness.intervals import ValueSet, pinned
from tcpcheck.witness.least import earliest_binding
from tcpcheck.witness.solve import concretise

REPLIES = {1: "SYN", 2: "SYN-ACK", 4: "FIN", 8: "RST", 16: "ACK", 32: "DATA"}  # bits of layout.pxd's Outcome
ACCEPTS = 64
DUE = {DUE_MET: "in time", DUE_EARLY: "too early", DUE_LATE: "too late"}
RUNS = 8  # values tried within each outcome, besides its ends
ENDS = 24  # ends tried of each outcome


def map_scenario(
    scenario: Scenario, name: str, limits: Limits = NO_LIMITS, report: Report | None = None, jobs: int = 1
) -> MapResult:
    """The map of every member over NAME. limits as for verify. Errors: UsageError (no such name), Impossible."""
    smt.load()
    over = resolve(scenario, name)
    deadline = limits.deadline()
    limits, workers = shared(limits, jobs, len(scenario.cases))

    def work(member: int, progress: Progress) -> _Done:
        return map_case(scenario.cases[member], over, limits.until(deadline), progress)

    done = run_members(len(scenario.cases), work, workers, report)
    found = {id(case): d.map for case, d in zip(scenario.cases, done, strict=True) if d is not None}
    if isinstance(over, Family):
        maps = [joined(over, rest, [found.get(id(c)) for c in cases]) for rest, cases in groups(scenario, over)]
    else:
        maps = [found[id(c)] for c in scenario.cases if id(c) in found]
    return MapResult(
        scenario.file,
        scenario.title,
        scenario.question,
        name,
        tuple(merged(maps)),
        tuple(warning_text(w) for w in scenario.warnings),
        any(d is None or d.interrupted for d in done),
    )


@dataclass
class _Done:
    """The map of one member. interrupted: Ctrl-C cut it short."""

    map: Map
    interrupted: bool


def map_case(case: Case, over: Family | Searched, limits: Limits = NO_LIMITS, progress: Any = None) -> _Done:
    """One member's map; of a family: each outcome with the value 0, for this member's own."""
    every = moments(case.claims)
    each = [x for m in every if (x := _over(case, over, m, every)) is not None]
    found: list[Moment] = []
    bounds: dict[str, Any] = {}
    for at in range(0, len(each), CLAIMS_MAX):
        some = [m for m, _, _ in each[at : at + CLAIMS_MAX]]
        overs = [(expr, what) for _, expr, what in each[at : at + CLAIMS_MAX]]
        part = _Part(case, some, overs, limits, progress)
        if not part.ok and not part.undecided:  # what was too coarse may be exact where nothing is forgotten
            finer = _Part(case, some, overs, limits, progress, exact=True)
            part = finer if finer.ok else part
        bounds = part.bounds
        if part.undecided:
            known = () if part.undecided == "interrupted" else (*found, *part.moments)
            return _Done(Map((case.settings,), known, bounds, part.undecided), part.undecided == "interrupted")
        found += part.moments
    return _Done(Map((case.settings,), tuple(found), bounds), False)


def _over(
    case: Case, over: Family | Searched, m: Asked, asked: Sequence[Asked]
) -> tuple[Asked, sc.Expr, Quantity] | None:
    if isinstance(over, Family):
        return m, sc.Const(0), Quantity(over.name, over.name, "family", 0, 0, over.values)
    return quantity(case, over, m, asked)


def with_moments(case: Case, asked: Sequence[Asked], overs: Sequence[sc.Expr]) -> Case:
    """The member with claims that ask for the values at these moments, instead of its own."""
    claims = tuple(
        sc.Claim(f"m{i}", m.kind, None if m.from_start else m.pred, m.goal, m.within, over, None, None, m.span)
        for i, (m, over) in enumerate(zip(asked, overs, strict=True))
    )
    return replace(case, claims=claims)


class _Part:
    """As many moments as one search can look at."""

    def __init__(
        self,
        case: Case,
        asked: Sequence[Asked],
        overs: Sequence[tuple[sc.Expr, Quantity]],
        limits: Limits,
        progress: Any,
        exact: bool = False,
    ) -> None:
        self.asked, self.overs = asked, overs
        # with zeros nearly every outcome has every value: PAWS is off when ts_recent is 0
        self.model = build_model(with_moments(case, asked, [over for over, _ in overs]), exact, zeros=False)
        endless = sum(1 << i for i, m in enumerate(asked) if m.goal is not None and m.within is None)
        result = search(self.model.handle(), claims=(1 << 64) - 1, lasso=endless, limits=limits, progress=progress)
        self.endless = {x.claim for x in result.lassos}
        self.undecided = unfinished(self.model, result)
        self.bounds = bounds_of(case, result, not self.undecided)
        self.moments: list[Moment] = []
        if not self.model.stuck:
            self.found = Found(self.model, result, limits)
            self.moments = [self.moment(i) for i in range(len(asked))]

    @property
    def ok(self) -> bool:
        return not self.undecided and all(not m.note and all(o.exact for o in m.outcomes) for m in self.moments)

    def moment(self, i: int) -> Moment:
        asked, over = self.asked[i], self.overs[i][1]
        if self.found.full >> i & 1:
            return Moment(asked.text, over, (), (), "too many sets of values to tell apart")
        codes = self.found.outcomes(i)
        if i in self.endless:
            why = "some run goes on for ever without it, and with which values is not looked for; give it a `within`"
            return Moment(asked.text, over, (), (), why)
        if self.found.no_value >> i & 1 and codes:
            return Moment(
                asked.text, over, (), (), f"`{over.text}` has no value, or its value is forgotten, at this moment"
            )
        try:
            paths = self.found.paths([(i, code) for code in codes])
            sets = [self.found.proved(i, code, paths[i, code]) for code in codes]
            runs = [self.run(i, code, paths[i, code], s) for code, s in zip(codes, sets, strict=True)]
        except ReplayFailed as why:
            return Moment(asked.text, over, (), (), str(why))
        modulus = self.found.modulus(i)
        whole, nothing = ArcSet([(over.lo, over.hi)], modulus), ArcSet((), modulus)
        reached = _union([s.may for s in sets], modulus)
        open = whole if self.undecided else nothing
        sure = [s.may - _union([t.may for t in sets if t is not s], modulus) - open for s in sets]
        never = whole - reached - open
        outcomes = tuple(
            Outcome(
                self.words(i, code),
                s.may.spans,
                must.spans if asked.kind != "map" else None,
                s.exact and s.proved and not why,
                s.why or why,
                n,
            )
            for code, s, must, (n, why) in zip(codes, sets, sure, runs, strict=True)
        )
        prove_cover(outcomes, (never | open).spans, over, bool(self.undecided))
        return Moment(asked.text, over, outcomes, never.spans, open=open.spans)

    def words(self, i: int, code: int) -> str:
        """An outcome as people read it: `replies SYN-ACK; server.c becomes CLOSED`."""
        event = self.asked[i].receives
        if self.asked[i].goal is not None:
            return "never comes" if code == DUE_LATE and self.asked[i].within is None else DUE[code]
        if event is None:
            return "comes true"
        sent = [name for bit, name in REPLIES.items() if code & bit]
        said = [f"replies {' and '.join(sent) or 'NOTHING'}"]
        said += ["accepts"] if code & ACCEPTS else []
        if not isinstance(event.subject, sc.HostRef):
            state = code >> OUT_STATE
            said.append(f"{sock_words(event.subject)} becomes {STATE_NAMES[state]}" if state else "stays")
        return "; ".join(said)

    # ---- real numbers

    def run(self, i: int, code: int, paths: Sequence[ValuePath], values: ValueSet) -> tuple[int, str]:
        """Runs with the outcome's first and last values, and some within: how many came to it, and what did not."""
        n = 0
        tried = sample(values.may, self.overs[i][1])
        for v in tried:
            if not any(self.reaches(i, code, p, v) for p in paths if v in p.seen):
                return n, f"no run was found with {v}"
            n += 1
        return n, ""

    def reaches(self, i: int, code: int, path: ValuePath, v: int) -> bool:
        """Does a concrete run along this path, with this value, come to the outcome?"""
        whole = path.constraints if path.over is None else pinned(path.constraints, path.over, v)
        plain = earliest_binding(whole, group(whole))
        holds = plain is not None and not check_binding(whole, plain)  # then no solver is needed
        binding = plain if holds else concretise(whole)
        if binding is None or isinstance(binding, Refuted):
            return False
        self.model.rerun(path.recording, binding, at_end=path.at_end)
        came = [p for p in self.model.pieces if (p.claim, p.outcome) == (i, code)]
        return any(p.lo == v if p.way == WAY_KNOWN else p.lo <= v < p.lo + p.n for p in came)


def _union(sets: Sequence[ArcSet], modulus: int) -> ArcSet:
    return ArcSet([s for x in sets for s in x.spans], modulus)


def sample(values: ArcSet, over: Quantity) -> list[int]:
    """The ends of a set, and values within, the same in every run."""
    rng = random.Random(0)
    ends = list(dict.fromkeys(v for span in values.spans for v in span))[:ENDS]
    spans = [s for s in values.spans if s[1] - s[0] > 1]
    within = [rng.randint(lo + 1, hi - 1) for lo, hi in (rng.choice(spans) for _ in range(RUNS if spans else 0))]
    return list(dict.fromkeys(ends + within))


def prove_cover(outcomes: Sequence[Outcome], never: Spans, over: Quantity, open: bool = False) -> None:
    """z3: every value of the range comes to an outcome or is in `never`, and no value must come to two. open: those of
    which not all is decided are in `never`, too."""
    z3 = smt.load()
    v = z3.Int("v")

    def within(spans: Spans) -> Any:
        return z3.Or(*(z3.And(lo <= v, v <= hi) for lo, hi in spans))

    hit = [z3.If(within(o.must), 1, 0) for o in outcomes if o.must is not None]
    covered = z3.Or(within(never), *(within(o.may) for o in outcomes))
    solver = smt.solver("QF_LIA")
    solver.add(over.lo <= v, v <= over.hi)
    both = z3.BoolVal(False) if open else z3.And(within(never), z3.Or(*(within(o.may) for o in outcomes)))
    solver.add(z3.Or(z3.Not(covered), both, z3.Sum(*hit, 0, 0) > 1))
    if smt.check(solver) == "sat":
        raise AssertionError(f"the sets of a map do not add up at {solver.model()[v]}")


# ---- members put together


def joined(family: Family, rest: dict[str, int | str], maps: Sequence[Map | None]) -> Map:
    """The maps of a family's values as one map over them."""
    known = [m for m in maps if m is not None]
    undecided = next((m.undecided for m in known if m.undecided), "" if len(known) == len(maps) else "interrupted")
    bounds = known[0].bounds if known else {}
    if not known or undecided == "interrupted":
        return Map((rest,), (), bounds, undecided)
    over = Quantity(family.name, family.name, "family", 0, len(family.values) - 1, family.values)
    texts = dict.fromkeys(m.text for one in known for m in one.moments)
    out = []
    for text in texts:
        each = {i: m for i, one in enumerate(known) for m in one.moments if m.text == text}
        out.append(_joined_moment(text, over, each))
    return Map((rest,), tuple(out), bounds, undecided)


def _joined_moment(text: str, over: Quantity, each: dict[int, Moment]) -> Moment:
    names = dict.fromkeys(o.text for m in each.values() for o in m.outcomes)
    places = {name: [i for i, m in each.items() if any(o.text == name for o in m.outcomes)] for name in names}
    outcomes = []
    for name, mine in places.items():
        same = [o for m in each.values() for o in m.outcomes if o.text == name]
        alone = [i for i in mine if len(each[i].outcomes) == 1 and not each[i].open]
        why = next((o.why for o in same if o.why), "")
        runs = sum(o.runs for o in same)
        must = _spans(alone) if any(o.must is not None for o in same) else None
        outcomes.append(Outcome(name, _spans(mine), must, all(o.exact for o in same), why, runs))
    open = {i for i, m in each.items() if m.open}
    reached = {i for mine in places.values() for i in mine} | open
    note = next((m.note for m in each.values() if m.note), "")
    never = _spans(i for i in range(over.count) if i not in reached)
    return Moment(text, over, tuple(outcomes), never, note, _spans(open))


def _spans(places: Any) -> Spans:
    return ArcSet([(i, i) for i in places]).spans


def merged(maps: Sequence[Map]) -> list[Map]:
    """Members with the same outcomes as one, in the order of the first of each."""
    out: list[Map] = []
    for m in maps:
        same = next((i for i, o in enumerate(out) if _said(o) == _said(m)), None)
        if same is None:
            out.append(m)
        else:
            out[same] = replace(out[same], settings=out[same].settings + m.settings)
    return out


def _said(m: Map) -> Any:
    return m.undecided, tuple(
        (x.text, x.over, x.never, x.open, x.note, tuple((o.text, o.may) for o in x.outcomes)) for x in m.moments
    )
