"""`tcpcheck simulate`: one random run of a spec, and what it says of the claims."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tcpcheck.checking import RULE_NAMES, expected_verdict
from tcpcheck.cli.console import Console
from tcpcheck.cli.verifying import load_all, selected
from tcpcheck.errors import Undecided, UsageError
from tcpcheck.lang.scenario import Case, Claim, Scenario
from tcpcheck.model.build import build_model
from tcpcheck.model.layout import CLAIMS_MAX
from tcpcheck.model.narrate import Narrator, host_infos, named_values
from tcpcheck.model.simulate import Run, simulate
from tcpcheck.render import json as render_json
from tcpcheck.render import styled, text
from tcpcheck.render.rules import rule_lookup
from tcpcheck.render.words import printable, seconds, settings_text
from tcpcheck.witness.trace import Trace

ENDS = {
    "end": "nothing more happens",
    "horizon": "the horizon is reached",
    "steps": "more steps than asked for",
}
# What one run can say of a claim, and the verdicts that it refutes.
REFUTES: dict[str, tuple[str, ...]] = {
    "broken": ("holds", "vacuous"),
    "reached": ("unreachable", "vacuous"),
    "came true": (),
    "kept": ("vacuous",),
    "not reached": (),
    "not exercised": (),
}


@dataclass(frozen=True)
class SimulateCall:
    """A call of `simulate`. A seed is any whole number; steps: the run is cut after so many."""

    spec: str
    seed: int
    members: tuple[str, ...]
    steps: int


@dataclass(frozen=True)
class Said:
    """What the run says of a claim. at_ns: when it was first so; None: at the end, or never."""

    claim: Claim
    result: str
    at_ns: int | None
    expected: str

    @property
    def ok(self) -> bool:
        """False: the run refutes what is expected of the claim. One run can prove nothing more."""
        return self.expected not in REFUTES[self.result]


def run_simulate(console: Console, call: SimulateCall) -> int:
    """-> the exit code: 1 when the run refutes what is expected of a claim."""
    scenarios = selected(load_all([call.spec]), None, call.members)
    if len(scenarios) > 1:
        raise UsageError(f"{len(scenarios)} specs below {call.spec}: name one of them")
    scenario = scenarios[0]
    case = scenario.cases[call.seed % len(scenario.cases)]
    model = build_model(case)
    run = simulate(model, call.seed, steps_max=call.steps, show=True)
    if run.ended not in ENDS:
        raise Undecided(f"the run of seed {call.seed} cannot go on: {run.ended}")
    trace = as_trace(scenario, case, model, run)
    said = [judged(run, i, claim) for i, claim in enumerate(case.claims)]
    ok = all(s.ok for s in said)
    if console.json:
        console.write(json_text(call, trace, run, said, ok))
    else:
        lines = shown(call, trace, run, said, console.width, console.out_ascii)
        console.write(styled.shown(lines, console.out_color))
    return 0 if ok else 1


def judged(run: Run, i: int, claim: Claim) -> Said:
    """Claim i in this run. What still waits at the end has waited for ever, or too long."""
    hit = next((n for n, bits in enumerate(run.hits) if bits >> i & 1), None)
    at_end = (run.late | (run.waiting if run.ended == "end" else 0)) >> i & 1
    exercised = any(bits >> (CLAIMS_MAX + i) & 1 for bits in run.hits)
    happened = {"reach": "reached", "count": "came true"}.get(claim.kind, "broken")
    if hit is not None or at_end:
        result = happened
    elif claim.kind in ("reach", "count"):
        result = "not reached"
    else:
        result = "kept" if exercised else "not exercised"
    at = None if hit is None else run.instants[hit] - run.instants[0]
    return Said(claim, result, at, expected_verdict(claim))


def as_trace(scenario: Scenario, case: Case, model: Any, run: Run) -> Trace:
    """The run as a Trace that stands for no claim."""
    steps = Narrator(model.program, case, RULE_NAMES.__getitem__).steps(run.moments, run.instants)
    values = named_values(model.program, run.moments, run.instants)
    return Trace(
        scenario.file, scenario.title, "", "", "", case.settings, host_infos(case), steps, values, (), ENDS[run.ended]
    )


def shown(call: SimulateCall, trace: Trace, run: Run, said: list[Said], width: int, ascii: bool) -> list[styled.Line]:
    """The numbers drawn, the ladder, how it ends, the claims."""
    dash = styled.ASCII.dash if ascii else styled.UNICODE.dash
    head = f"  {dash} {printable(trace.title)} ({printable(trace.spec)})"
    out: list[styled.Line] = [[(f"seed {call.seed}", styled.BOLD), (head, styled.DIM)]]
    drawn = ", ".join(f"{printable(name)} = {printable(value)}" for name, value in trace.values.items())
    for title, content in (("with", settings_text(trace.settings)), ("drawn", drawn)):
        if content:
            pieces = styled.wrap(f"{title} {content}", width, " " * (len(title) + 1))
            out += [[(piece, "")] for piece in pieces]
    out += [[], *text.ladder(trace, width=width, ascii=ascii, rules=rule_lookup()), [], [(ENDS[run.ended], styled.DIM)]]
    if said:
        out.append([])
    widest = max((len(s.claim.name) for s in said), default=0)
    for s in said:
        when = "" if s.at_ns is None else f" at {seconds(s.at_ns, 9)} s"
        against = "" if s.ok else f", expected: {s.expected}"
        style = styled.BAD if not s.ok else styled.DIM if s.result.startswith("not") else ""
        out.append([(f"{printable(s.claim.name):<{widest}}  {s.result}{when}{against}", style)])
    return out


def json_text(call: SimulateCall, trace: Trace, run: Run, said: list[Said], ok: bool) -> str:
    document = render_json.trace(trace)
    for of_claims in ("claim", "kind", "verdict", "confirmed_by", "note"):
        del document[of_claims]
    document |= {"schema": "tcpcheck.simulate/1", "seed": call.seed, "ended": run.ended, "ok": ok}
    document["claims"] = [
        {
            "name": s.claim.name,
            "kind": s.claim.kind,
            "result": s.result,
            "time_s": None if s.at_ns is None else s.at_ns / 1e9,
            "expected": s.expected,
            "ok": s.ok,
        }
        for s in said
    ]
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
