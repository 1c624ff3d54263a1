"""`verify`: a spec's text to the verdict of every claim, each with its bounds and a confirmed witness."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tcpcheck import smt
from tcpcheck.errors import Diagnostic
from tcpcheck.explore.result import Hit, Limits, SearchResult
from tcpcheck.explore.search import search
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load, load_text
from tcpcheck.lang.scenario import Case, Claim, Scenario
from tcpcheck.model.build import build_model, network_numbers
from tcpcheck.model.layout import CLAIMS_MAX
from tcpcheck.model.narrate import Narrator, host_infos, named_values
from tcpcheck.model.world import Model, ReplayFailed
from tcpcheck.tcp.rules import RULES
from tcpcheck.witness.constraints import Refuted
from tcpcheck.witness.intervals import values_for
from tcpcheck.witness.solve import concretise
from tcpcheck.witness.trace import Trace
from tcpcheck.witness.verdict import ClaimResult, Count, SpecResult, Stats

Report = Callable[[int, int, float, int, int, int], object]
RULE_NAMES = {rule.number: rule.name for rule in RULES}


@dataclass
class Totals:
    """What the searches of one spec cost."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    memory: int = 0
    rules: set[str] = field(default_factory=set)

    def add(self, r: SearchResult) -> None:
        self.states += r.zones
        self.transitions += r.transitions
        self.depth = max(self.depth, r.depth)
        self.seconds += r.seconds
        self.memory = max(self.memory, r.peak_memory)
        self.rules |= {RULE_NAMES[n] for n in r.rules_taken if n in RULE_NAMES}

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
            "solver_calls": smt.calls,
        }


def verify(path: str | Path, limits: Limits = Limits(), report: Report | None = None) -> SpecResult:
    """Every claim of a spec file. Errors: SpecError (bad spec), Impossible (no solver)."""
    return verify_scenario(load(path, REGISTRY), limits, report)


def verify_text(text: str, name: str = "<text>", limits: Limits = Limits()) -> SpecResult:
    """Every claim of a spec's text."""
    return verify_scenario(load_text(text, name, REGISTRY), limits, None)


def verify_scenario(scenario: Scenario, limits: Limits = Limits(), report: Report | None = None) -> SpecResult:
    smt.reset_calls()
    totals = Totals()
    started = time.monotonic()
    claims: list[ClaimResult] = []
    for case in scenario.cases:
        left = limits
        if limits.seconds is not None:
            used = time.monotonic() - started
            left = Limits(limits.states, limits.memory_bytes, max(limits.seconds - used, 0.001), limits.depth)
        claims += CaseCheck(scenario, case, left, report, totals).run()
    return SpecResult(
        scenario.file,
        scenario.title,
        scenario.question,
        tuple(claims),
        totals.stats(),
        tuple(warning_text(w) for w in scenario.warnings),
        all(c.ok for c in claims),
    )


def warning_text(w: Diagnostic) -> str:
    return f"{w.file}:{w.span.line}:{w.span.column}: warning: {w.message}"


class Refused(Exception):
    """z3 refutes a path that the search believed in: something was too coarse."""


class CaseCheck:
    """One family member: one search, then a verdict for each claim."""

    def __init__(
        self, scenario: Scenario, case: Case, limits: Limits, report: Report | None, totals: Totals, exact: bool = False
    ) -> None:
        self.scenario, self.case, self.limits, self.report, self.totals = scenario, case, limits, report, totals
        self.exact = exact
        self.model = build_model(case, exact)

    def run(self) -> list[ClaimResult]:
        every = (1 << 64) - 1
        self.initial = self.model.initial_hits()
        self.result = search(
            self.model.handle(),
            claims=every,
            lasso=self.lasso_mask(),
            limits=self.limits,
            progress=self.report,
        )
        self.pieces = self.model.pieces
        self.cut = self.model.cut_at_horizon
        self.totals.add(self.result)
        try:
            return [self.judge(i, claim) for i, claim in enumerate(self.case.claims)]
        except Refused as why:
            if self.exact:
                return [self.undecided(claim, f"a witness was refuted: {why}") for claim in self.case.claims]
        again = CaseCheck(self.scenario, self.case, self.limits, self.report, self.totals, exact=True)
        return again.run()

    def lasso_mask(self) -> int:
        """Claims whose obligations have no deadline may wait in a cycle."""
        waits = (i for i, c in enumerate(self.case.claims) if c.kind in ("after", "eventually") and c.within is None)
        return sum(1 << i for i in waits)

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
            return self.undecided(claim, "a cycle in which it waits for ever was found, but not confirmed")
        if not self.exhaustive:
            return self.undecided(claim, self.why_not())
        if claim.kind == "reach":
            return self.make(claim, "unreachable")
        exercised = self.initial >> (CLAIMS_MAX + i) & 1 or CLAIMS_MAX + i in self.result.hits
        return self.make(claim, "holds" if exercised else "vacuous")

    @property
    def exhaustive(self) -> bool:
        return self.result.exhaustive and not self.cut

    def why_not(self) -> str:
        if not self.result.complete:
            return self.result.reason
        if self.cut:
            return "the horizon cut runs short in which something was still to happen"
        return "a table of the model was too small for some step"

    def hit(self, bit: int) -> Hit | None:
        if self.initial >> bit & 1:
            return Hit("step", [])
        return self.result.hits.get(bit)

    def make(self, claim: Claim, verdict: str, witness: Trace | None = None, note: str = "") -> ClaimResult:
        expected = claim.expected or ("reachable" if claim.kind == "reach" else "holds")
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
        case, net = self.case, network_numbers(self.case)
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
            "profile": ", ".join(sorted({h.kernel for h in case.hosts})),
            "omission": self.result.omission_bound,
            "truncated": not self.exhaustive,
        }
        if budget["duplicate"] or budget["late"]:
            bounds["lifetime_s"] = net.lifetime / 1e9
        if not case.timed:
            bounds["time"] = "off"
        return bounds

    # ---- witnesses

    def with_witness(self, i: int, claim: Claim, verdict: str, hit: Hit) -> ClaimResult:
        try:
            trace = self.witness(i, claim, verdict, hit)
        except ReplayFailed as why:
            return self.undecided(claim, f"its witness could not be confirmed: {why}")
        return self.make(claim, verdict, trace, trace.note)

    def witness(self, i: int, claim: Claim, verdict: str, hit: Hit) -> Trace:
        """The path with numbers: solved by z3, run again concretely, failing the same claim."""
        recording = self.model.record(list(hit.path), i)
        binding = concretise(recording.constraints)
        if isinstance(binding, Refuted):
            raise Refused(binding.why)
        moments = self.model.rerun(recording, binding, i)
        self.insist(i, hit, moments)
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
            named_values(self.model.program, moments, instants, binding.constants),
            ("z3", "concrete-rerun"),
            self.note(claim, recording, hit),
        )

    def insist(self, i: int, hit: Hit, moments: list[Any]) -> None:
        if not moments:
            return
        failed = moments[-1].waiting if hit.kind == "end" else moments[-1].hits
        if not failed >> i & 1:
            raise ReplayFailed("the concrete re-run does not hit the claim")

    def note(self, claim: Claim, recording: Any, hit: Hit) -> str:
        if hit.kind == "end":
            return "stuck: nothing more happens"
        if recording.late and claim.within is not None:
            return f"too late: {claim.within[1] / 1e9:g} s passed without it"
        return ""

    # ---- counts

    def judge_count(self, i: int, claim: Claim) -> ClaimResult:
        """The values of U for which the claim's predicate came true, proved exact by z3."""
        if not self.exhaustive:
            return self.undecided(claim, self.why_not())
        paths: dict[bool, list[Any]] = {True: [], False: []}
        for owner, truth, _, _, bit in self.pieces:
            if owner == i and bit in self.result.hits:
                r = self.model.record(list(self.result.hits[bit].path), -1)
                paths[truth].append((r.constraints, r.over))
        if not paths[True] and not paths[False]:
            return self.make(claim, "vacuous")
        values = values_for(paths[True], paths[False])
        low, high = values.must.count(), values.may.count()
        lo, hi = claim.expected_count or (0, 1 << 32)
        count: Count = {"min": low, "max": high, "intervals": [(a, b) for a, b in values.may.spans]}
        ok = lo <= low and high <= hi and values.exact and values.proved
        first = self.hit(i)
        trace = self.witness(i, claim, "reachable", first) if first is not None else None
        expected = str(lo) if lo == hi else f"{lo}..{hi}"
        return ClaimResult(
            claim.name,
            "count",
            "holds" if ok else "violated" if values.exact and values.proved else "undecided",
            expected,
            ok,
            self.case.settings,
            self.bounds(),
            trace,
            count,
            "" if values.exact else values.why,
        )
