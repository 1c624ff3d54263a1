"""`verify`: a spec's text to the verdict of every claim, each with its bounds and a confirmed witness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tcpcheck import smt
from tcpcheck.cycles import not_waiting, repeating_path
from tcpcheck.errors import Diagnostic
from tcpcheck.explore.result import Hit, Lasso, Limits, Progress, SearchResult
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load, load_text
from tcpcheck.lang.scenario import Case, Claim, Scenario
from tcpcheck.members import Report, run_members, shared
from tcpcheck.model.build import build_model, network_numbers
from tcpcheck.model.layout import CLAIMS_MAX
from tcpcheck.model.narrate import Narrator, host_infos, named_values
from tcpcheck.model.world import ReplayFailed
from tcpcheck.reductions import Kin
from tcpcheck.searches import Keeper, Searches
from tcpcheck.tcp.rules import RULES
from tcpcheck.values import Found, Tied, in_seconds, unfinished
from tcpcheck.witness.constraints import Refuted
from tcpcheck.witness.intervals import pinned
from tcpcheck.witness.solve import concretise
from tcpcheck.witness.trace import Trace
from tcpcheck.witness.verdict import ClaimResult, Count, SpecResult, Stats

NO_LIMITS = Limits()
LOOSE_COUNT = (
    "the number lies in this range, but which it is depends on the rest of the run; if that is another number, count "
    "over the difference (`over a - b`)"
)
ENDLESS_COUNT = "some run goes on for ever without it: no value is sure to lead there"
RULE_NAMES = {rule.number: rule.name for rule in RULES}


@dataclass
class Totals:
    """What the searches of one spec cost. memory: bytes, of the largest search."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    memory: int = 0
    solver_calls: int = 0
    rules: set[str] = field(default_factory=set)

    def add(self, r: SearchResult) -> None:
        self.states += r.zones
        self.transitions += r.transitions
        self.depth = max(self.depth, r.depth)
        self.seconds += r.seconds
        self.memory = max(self.memory, r.peak_memory)
        self.rules |= {RULE_NAMES[n] for n in r.rules_taken if n in RULE_NAMES}

    def merge(self, other: Totals) -> None:
        """Adds another member's."""
        self.states += other.states
        self.transitions += other.transitions
        self.depth = max(self.depth, other.depth)
        self.seconds += other.seconds
        self.memory = max(self.memory, other.memory)
        self.solver_calls += other.solver_calls
        self.rules |= other.rules

    def stats(self) -> Stats:
        return {
            "states": self.states,
            "transitions": self.transitions,
            "depth": self.depth,
            "seconds": round(self.seconds, 3),
            "states_per_second": round(self.states / self.seconds, 1) if self.seconds else 0.0,
            "bytes_per_state": round(self.memory / self.states, 1) if self.states else 0.0,
            "peak_memory_mb": round(self.memory / 1e6, 1),
            "rules_taken": sorted(self.rules),
            "solver_calls": self.solver_calls,
        }


def verify(path: str | Path, limits: Limits = NO_LIMITS, report: Report | None = None, jobs: int = 1) -> SpecResult:
    """Every claim of a spec file. Errors: SpecError (bad spec), Impossible (no solver)."""
    return verify_scenario(load(path, REGISTRY), limits, report, jobs)


def verify_text(text: str, name: str = "<text>", limits: Limits = NO_LIMITS) -> SpecResult:
    """Every claim of a spec's text."""
    return verify_scenario(load_text(text, name, REGISTRY), limits, None)


def verify_scenario(
    scenario: Scenario,
    limits: Limits = NO_LIMITS,
    report: Report | None = None,
    jobs: int = 1,
    keeper: Callable[[int], Keeper] | None = None,
    searches: Callable[[int], Searches] | None = None,
) -> SpecResult:
    """limits: states and depth of each member; seconds of the whole spec; memory shared by `jobs` processes. keeper:
    of a member's searches, by its number; searches: who makes them instead."""
    limits, workers = shared(limits, jobs, len(scenario.cases))
    deadline = limits.deadline()
    kin = Kin(scenario.cases)

    def work(member: int, progress: Progress) -> MemberOutcome:
        mine = Searches(member, kin, keeper and keeper(member)) if searches is None else searches(member)
        return check_member(scenario, scenario.cases[member], limits, deadline, progress, mine)

    return spec_result(scenario, run_members(len(scenario.cases), work, workers, report))


def spec_result(scenario: Scenario, outcomes: Sequence[MemberOutcome | None]) -> SpecResult:
    """Of what came of each member; None: Ctrl-C came before it was checked."""
    totals = Totals()
    claims: list[ClaimResult] = []
    for case, outcome in zip(scenario.cases, outcomes, strict=True):
        found = [not_checked(claim, case) for claim in case.claims] if outcome is None else outcome.claims
        claims += [replace(result, line=claim.span.line) for claim, result in zip(case.claims, found, strict=True)]
        if outcome is not None:
            totals.merge(outcome.totals)
    claims = with_omission(claims)
    return SpecResult(
        scenario.file,
        scenario.title,
        scenario.question,
        tuple(claims),
        totals.stats(),
        tuple(warning_text(w) for w in scenario.warnings),
        all(c.ok for c in claims),
        any(outcome is None or outcome.interrupted for outcome in outcomes),
        scenario.source,
    )


def with_omission(claims: list[ClaimResult]) -> list[ClaimResult]:
    """What hashing may have hidden, for the whole spec: the sum over its members' searches bounds each of them."""
    members: dict[Any, float] = {}
    for c in claims:  # a member's claims may stem from two searches
        member = tuple(c.settings.items())
        members[member] = max(members.get(member, 0.0), float(c.bounds.get("omission") or 0.0))
    whole = sum(members.values())
    return [replace(c, bounds={**c.bounds, "omission": whole}) if "omission" in c.bounds else c for c in claims]


@dataclass
class MemberOutcome:
    """The verdicts of one member and what they cost. interrupted: Ctrl-C left some of them undecided."""

    claims: list[ClaimResult]
    totals: Totals
    interrupted: bool


def check_member(
    scenario: Scenario, case: Case, limits: Limits, deadline: float | None, progress: Progress, searches: Searches
) -> MemberOutcome:
    """One member, by the deadline (time.monotonic()). Ctrl-C keeps what was found."""
    limits = limits.until(deadline)
    totals = Totals()
    smt.reset_calls()
    check = CaseCheck(scenario, case, limits, progress, totals, searches=searches)
    try:
        claims = check.run()
        interrupted = check.interrupted
    except KeyboardInterrupt:
        claims = check.judged + [not_checked(claim, case) for claim in case.claims[len(check.judged) :]]
        interrupted = True
    totals.solver_calls = smt.calls
    return MemberOutcome(claims, totals, interrupted)


def expected_verdict(claim: Claim) -> str:
    """A verdict, or of a count the number or the range: `1`, `2..1048576`."""
    if claim.kind == "count":
        lo, hi = claim.expected_count or (0, 1 << 32)
        return str(lo) if lo == hi else f"{lo}..{hi}"
    return claim.expected or ("reachable" if claim.kind == "reach" else "holds")


def not_checked(claim: Claim, case: Case, why: str = "interrupted") -> ClaimResult:
    """Ctrl-C, or something worse, came first."""
    expected = expected_verdict(claim)
    return ClaimResult(
        claim.name, claim.kind, "undecided", expected, False, case.settings, {"truncated": True}, note=why
    )


def warning_text(w: Diagnostic) -> str:
    advice = f" ({w.advice})" if w.advice else ""
    return f"{w.file}:{w.span.line}:{w.span.column}: {w.message}{advice}"


def bounds_of(case: Case, result: SearchResult, exhaustive: bool) -> dict[str, Any]:
    """What a search of this member looked at."""
    net = network_numbers(case)
    budget = {kind: 0 for kind in ("lose", "duplicate", "late")}
    for f in case.network.faults:
        budget[f.kind] += f.budget
    bounds: dict[str, Any] = {
        "losses": budget["lose"],
        "duplicates": budget["duplicate"],
        "late": budget["late"],
        "delay_lo_s": net.delay_lo / 1e9,
        "delay_hi_s": net.delay_hi / 1e9,
        "horizon_s": case.horizon / 1e9 if case.horizon else None,
        "profile": ", ".join(sorted({h.kernel for h in case.hosts if h.kernel != "none"})),
        "omission": result.omission_bound,
        "truncated": not exhaustive,
    }
    if budget["duplicate"] or budget["late"]:
        bounds["lifetime_s"] = net.lifetime / 1e9
    if not case.timed:
        bounds["time"] = "off"
    return bounds


class Refused(Exception):
    """z3 or the concrete run refutes a path that the search believed in: something was too coarse."""


class NotRound(Exception):
    """In a cycle not one obligation waits, but one after the other; or no time passes."""


class CaseCheck:
    """One family member: one search, then a verdict for each claim of `open`. What then still holds, although somewhere
    a timestamp of exactly 0 might matter, is asked again of a search with zeros."""

    def __init__(
        self,
        scenario: Scenario,
        case: Case,
        limits: Limits,
        progress: Progress,
        totals: Totals,
        exact: bool = False,
        zeros: bool = False,
        open: frozenset[int] | None = None,
        searches: Searches | None = None,
    ) -> None:
        self.scenario, self.case, self.limits, self.progress, self.totals = scenario, case, limits, progress, totals
        self.searches, self.exact, self.zeros = searches or Searches(), exact, zeros
        self.open = frozenset(range(len(case.claims))) if open is None else open
        self.judged: list[ClaimResult] = []
        self.interrupted = False
        self.round = 0  # steps of the cycle at the end of the latest witness
        self.model = build_model(case, exact, zeros)

    def run(self) -> list[ClaimResult]:
        every = (1 << 64) - 1
        self.deadline = self.limits.deadline()
        self.initial = self.model.initial_hits()
        self.result = self.searches.make(
            self.model, self.limits, claims=every, lasso=self.lasso_mask(), progress=self.progress
        )
        self.found = Found(self.model, self.result, self.limits, self.searches)
        self.unfinished = unfinished(self.model, self.result)
        self.zero_met = self.model.zero_met
        self.totals.add(self.result)
        self.interrupted = self.result.reason == "interrupted"
        try:
            for i, claim in enumerate(self.case.claims):
                self.judged.append(self.judge(i, claim) if i in self.open else not_checked(claim, self.case))
        except Refused as why:
            if self.exact:
                return [self.undecided(claim, f"a witness was refuted: {why}") for claim in self.case.claims]
            return self.again(exact=True, zeros=self.zeros, open=self.open)
        return self.with_zeros() if self.zero_met else self.judged

    def with_zeros(self) -> list[ClaimResult]:
        """What a timestamp of exactly 0 may change: all but what was seen to happen without one. Counts leave it out:
        with it nearly every value may lead anywhere."""
        seen = ("violated", "reachable")
        open = frozenset(
            i
            for i, c in enumerate(self.judged)
            if i in self.open and c.verdict not in seen and c.kind != "count" and self.exhaustive
        )
        if not open:
            return self.judged
        before, self.judged = (
            self.judged,
            [
                not_checked(claim, self.case) if i in open else c
                for i, (claim, c) in enumerate(zip(self.case.claims, self.judged, strict=True))
            ],
        )
        claims = self.again(exact=False, zeros=True, open=open)
        return [claims[i] if i in open else c for i, c in enumerate(before)]

    def again(self, exact: bool, zeros: bool, open: frozenset[int]) -> list[ClaimResult]:
        """The verdicts of another search, in what is left of the time."""
        limits = self.limits.until(self.deadline)
        other = CaseCheck(
            self.scenario, self.case, limits, self.progress, self.totals, exact, zeros, open, self.searches
        )
        claims = other.run()
        self.interrupted = other.interrupted
        return claims

    def lasso_mask(self) -> int:
        """Claims whose obligations have no deadline, and counts of whole runs, may wait in a cycle."""
        tables = self.model.program.claims
        waits = (
            (c.kind in ("after", "eventually") and c.within is None) or (c.kind == "count" and tables[i].goal >= 0)
            for i, c in enumerate(self.case.claims)
        )
        return sum(1 << i for i, wait in enumerate(waits) if wait)

    # ---- verdicts

    def judge(self, i: int, claim: Claim) -> ClaimResult:
        if claim.kind == "count":
            return self.judge_count(i, claim)
        hit = self.hit(i)
        if hit is not None:
            verdict = "reachable" if claim.kind == "reach" else "violated"
            return self.with_witness(i, claim, verdict, hit)
        lasso = next((x for x in self.result.lassos if x.claim == i), None)
        if lasso is not None:
            return self.with_cycle(i, claim, lasso)
        if not self.exhaustive:
            return self.undecided(claim, self.unfinished)
        if claim.kind == "reach":
            return self.make(claim, "unreachable")
        exercised = self.initial >> (CLAIMS_MAX + i) & 1 or CLAIMS_MAX + i in self.result.hits
        return self.make(claim, "holds" if exercised else "vacuous")

    @property
    def exhaustive(self) -> bool:
        return not self.unfinished

    def hit(self, bit: int) -> Hit | None:
        if self.initial >> bit & 1:
            return Hit("step", [])
        return self.result.hits.get(bit)

    def make(self, claim: Claim, verdict: str, witness: Trace | None = None, note: str = "") -> ClaimResult:
        expected = expected_verdict(claim)
        return ClaimResult(
            claim.name,
            claim.kind,
            verdict,
            expected,
            verdict == expected,
            self.case.settings,
            self.bounds(),
            witness,
            None,
            note,
        )

    def undecided(self, claim: Claim, why: str) -> ClaimResult:
        return self.make(claim, "undecided", None, why)

    def bounds(self) -> dict[str, Any]:
        return bounds_of(self.case, self.result, self.exhaustive)

    # ---- witnesses

    def with_witness(self, i: int, claim: Claim, verdict: str, hit: Hit) -> ClaimResult:
        try:
            trace = self.witness(i, claim, verdict, hit)
        except ReplayFailed as why:
            if not self.exact:
                raise Refused(str(why)) from why
            return self.undecided(claim, f"its witness could not be confirmed: {why}")
        return self.make(claim, verdict, trace, trace.note)

    def witness(self, i: int, claim: Claim, verdict: str, hit: Hit) -> Trace:
        """The path with numbers: solved by z3, run again concretely, failing the same claim."""
        recording = self.model.record(list(hit.path), i)
        binding = concretise(recording.constraints)
        if isinstance(binding, Refuted):
            raise Refused(binding.why)
        moments = self.model.rerun(recording, binding, i)
        self.insist(i, hit, moments, binding.instants_ns)
        narrator = Narrator(self.model.program, self.case, RULE_NAMES.__getitem__)
        instants = binding.instants_ns
        return Trace(
            self.scenario.file,
            self.scenario.title,
            claim.name,
            claim.kind,
            verdict,
            self.case.settings,
            host_infos(self.case),
            narrator.steps(moments, instants),
            named_values(self.model.program, moments, instants),
            ("z3", "concrete-rerun"),
            self.note(claim, recording, hit),
        )

    def with_cycle(self, i: int, claim: Claim, lasso: Lasso) -> ClaimResult:
        """A run that waits for ever, when one round of the cycle leads to where it began; else undecided, and why."""
        missing = "with `time off` nothing says whether it is fair"
        path = repeating_path(self.model, lasso) if self.case.timed else None
        if path is not None:
            self.round = len(lasso.cycle)
            try:
                result = self.with_witness(i, claim, "violated", Hit("cycle", path))
            except NotRound as why:
                missing = str(why)
            else:
                if result.verdict == "violated":
                    return result
                missing = result.note
        elif self.case.timed:
            missing = "its times do not come back to where they were"
        found = f"after {len(lasso.stem)} steps a cycle of {len(lasso.cycle)} in which it waits"
        return self.undecided(claim, f"{found} was found, but not confirmed: {missing}")

    def insist(self, i: int, hit: Hit, moments: list[Any], instants: tuple[int, ...]) -> None:
        if not moments:
            return
        if hit.kind == "cycle":
            missing = not_waiting(i, self.round, moments, instants)
            if missing:
                raise NotRound(missing)
        failed = moments[-1].hits if hit.kind == "step" else moments[-1].waiting
        if not failed >> i & 1:
            raise ReplayFailed("the concrete re-run does not hit the claim")

    def note(self, claim: Claim, recording: Any, hit: Hit) -> str:
        if hit.kind == "end":
            return "stuck: nothing more happens"
        if hit.kind == "cycle":
            steps = f"{self.round} steps repeat" if self.round > 1 else "step repeats itself"
            return f"a cycle: the last {steps} for ever"
        if recording.late and claim.within is not None:
            return f"too late: {claim.within[1] / 1e9:g} s passed without it"
        return ""

    # ---- counts

    def judge_count(self, i: int, claim: Claim) -> ClaimResult:
        """The values of U for which the claim's predicate came true, proved exact by z3."""
        if not self.exhaustive:
            return self.undecided(claim, self.unfinished)
        if self.found.full >> i & 1:
            return self.undecided(claim, "too many sets of values to tell apart; ask for less")
        if self.found.no_value >> i & 1:
            return self.undecided(claim, "it came true where what it counts had no value")
        if not self.found.outcomes(i):
            return self.make(claim, "vacuous")
        if claim.over2 is not None:
            return self.judge_pairs(i, claim)
        paths = self.found.paths([(i, 1)])[i, 1]
        values = self.found.proved(i, 1, paths)
        # runs that do otherwise: all that the search saw of them, which is the safe side
        endless = any(x.claim == i for x in self.result.lassos)
        low = 0 if endless else (values.may - self.found.seen(i, 0)).count()
        high = values.may.count()
        count: Count = {"min": low, "max": high, "intervals": [(a, b) for a, b in values.may.spans]}
        note = values.why or in_seconds(values.may, paths)
        return self.counted(i, claim, count, values.exact and values.proved, note, endless)

    def judge_pairs(self, i: int, claim: Claim) -> ClaimResult:
        """Pairs of two unknowns that no condition ties to each other: each path leaves a product of two sets."""
        try:
            values = self.found.products(i)
        except Tied:
            return self.undecided(claim, "a condition ties the two numbers to each other")
        count: Count = {"min": values.least, "max": values.most, "intervals": []}
        return self.counted(i, claim, count, values.exact, values.note)

    def counted(self, i: int, claim: Claim, count: Count, sure: bool, note: str, endless: bool = False) -> ClaimResult:
        """The verdict on a number that lies in [min, max]; sure: those bounds are proved."""
        low, high = count["min"], count["max"]
        lo, hi = claim.expected_count or (0, 1 << 32)
        ok = lo <= low and high <= hi and sure
        # low..high contains the count of every run's circumstances, but need not be met at both ends
        wrong = sure and (low == high or high < lo or low > hi)
        first = self.hit(i)
        trace = self.witness(i, claim, "reachable", first) if first is not None else None
        return ClaimResult(
            claim.name,
            "count",
            "holds" if ok else "violated" if wrong else "undecided",
            expected_verdict(claim),
            ok,
            self.case.settings,
            self.bounds(),
            trace,
            count,
            note if ok or wrong or not sure else ENDLESS_COUNT if endless else LOOSE_COUNT,
        )

    def outcomes_at(self, i: int, value: int) -> set[bool]:
        """Does claim i's predicate hold in concrete runs in which its count's quantity is `value`? One run for each of
        the search's paths on which it can be."""
        found = set()
        for paths in self.found.paths([(i, 0), (i, 1)]).values():
            for p in paths:
                whole = p.constraints if p.over is None else pinned(p.constraints, p.over, value)
                binding = concretise(whole)
                if not isinstance(binding, Refuted):
                    moments = self.model.rerun(p.recording, binding, i)
                    found.add(bool(moments[-1].hits >> i & 1) and not p.at_end)
        return found
