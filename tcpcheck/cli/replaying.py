"""`tcpcheck replay`: the witnesses of specs, or traces, played on this machine's kernel."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tcpcheck.cli.console import Console
from tcpcheck.cli.failures import worst
from tcpcheck.cli.progress import CountLine
from tcpcheck.cli.verifying import Bounds, VerifyCall, check, load_all, selected
from tcpcheck.errors import Impossible, UsageError
from tcpcheck.live import report
from tcpcheck.live.confirm import confirmed, tally
from tcpcheck.live.namespace import unavailable
from tcpcheck.live.replay import AGREES, CUT, DISAGREES, NOTHING, Outcome, Plan, replay, running
from tcpcheck.render import json as render_json
from tcpcheck.render.rules import rule_lookup
from tcpcheck.tcp.profile import Profile, profile_for
from tcpcheck.witness.trace import Trace
from tcpcheck.witness.verdict import SpecResult

JOBS = 6  # most of a replay is waiting


@dataclass(frozen=True)
class ReplayCall:
    """A call of `replay`. side: a host, or host:port where it talks to itself; None: each side in turn."""

    files: tuple[str, ...]
    claim: str | None
    members: tuple[str, ...]
    side: str | None
    wait: bool
    kernel: str
    bounds: Bounds
    quiet: bool


def files_and_claim(words: Sequence[str], claim: str | None) -> tuple[tuple[str, ...], str | None]:
    """`SPEC CLAIM`, as `trace` takes it: the last of several words is a claim where it can be no file."""
    last = words[-1]
    if len(words) == 1 or last.endswith((".tcp", ".json")) or os.sep in last or os.path.lexists(last):
        return tuple(words), claim
    if claim is not None:
        raise UsageError(f"two claims, `{last}` and `{claim}`: `replay` plays one or all")
    return tuple(words[:-1]), last


def run_replay(console: Console, call: ReplayCall) -> int:
    """-> the exit code: 0 nothing disagrees, 1 something does, 4 this machine could play nothing."""
    kernel = running_profile(console, call.kernel)
    traces = list(_traces(console, call))
    must_be_possible()
    plan = Plan()
    for _, trace in traces:
        if trace is not None:
            plan.add(trace, kernel, call.side)
    outcomes = _played(console, plan, call.wait, call.bounds.jobs or JOBS, call.quiet)
    _show(console, traces, outcomes)
    unplayed = [o.why for o in outcomes if o.result not in (AGREES, CUT, DISAGREES)]
    missing = [why for why in unplayed if why != NOTHING]
    if missing and len(unplayed) == len(outcomes):
        raise Impossible(f"nothing could be played on {running()}: {missing[0]}")
    return worst(1 if o.result == DISAGREES else 0 for o in outcomes)


def must_be_possible() -> None:
    why_not = unavailable()
    if why_not is not None:
        raise Impossible(f"a replay {why_not}")


def confirm(console: Console, result: SpecResult, wait: bool, quiet: bool) -> SpecResult:
    """`verify --replay`: the result with what the running kernel says of each of its traces. Ctrl-C leaves them
    unconfirmed."""
    plan, kernel = Plan(), running_profile(console, "auto")
    for claim in result.claims:
        if claim.witness is not None:
            plan.add(claim.witness, kernel)
    try:
        outcomes = _played(console, plan, wait, JOBS, quiet)
    except KeyboardInterrupt:
        return dataclasses.replace(result, interrupted=True)
    found = confirmed(result, outcomes)
    if not quiet:
        console.message(tally(found, outcomes, running()))
    return found


def _played(console: Console, plan: Plan, wait: bool, jobs: int, quiet: bool) -> list[Outcome]:
    progress = CountLine(console, quiet)
    try:
        return list(replay(plan, wait, jobs, lambda done, of: progress("traces played", done, of)))
    finally:
        progress.clear()


def running_profile(console: Console, name: str) -> Profile:
    """What the running kernel is taken for."""
    try:
        profile, warning = profile_for(name)
    except LookupError as why:
        raise UsageError(str(why)) from None
    if warning is not None:
        console.message(f"tcpcheck: {warning}")
    return profile


def _traces(console: Console, call: ReplayCall) -> Iterator[tuple[str, Trace | None]]:
    """(file, trace) of every witness; (file, None) for a spec without any."""
    specs = [name for name in call.files if not name.endswith(".json")]
    for name in call.files:
        if name.endswith(".json"):
            trace = _read(name)
            if call.claim not in (None, trace.claim):
                raise UsageError(f"{name} is the trace of `{trace.claim}`, not of `{call.claim}`")
            yield name, trace
    for scenario in selected(load_all(specs), call.claim, call.members) if specs else []:
        as_verify = VerifyCall((), call.bounds, call.claim, call.members, "none", call.quiet)
        result = check(console, scenario, as_verify)
        if result.interrupted:
            raise KeyboardInterrupt
        witnesses: list[Trace | None] = [claim.witness for claim in result.claims if claim.witness is not None]
        undecided = [claim.name for claim in result.claims if claim.verdict == "undecided"]
        if undecided:
            console.message(f"tcpcheck: {scenario.file}: undecided, so without a trace: {', '.join(undecided)}")
        for witness in witnesses or [None]:
            yield scenario.file, witness


def _read(name: str) -> Trace:
    try:
        with open(name, encoding="utf-8") as file:
            document = json.load(file, parse_constant=_no_number)
        return render_json.load_trace(document)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{name} is not a trace: no JSON") from None
    except UsageError as wrong:
        raise UsageError(f"{name}: {wrong}") from None


def _no_number(word: str) -> float:
    """NaN and Infinity are Python's own."""
    raise ValueError(word)


def _show(console: Console, traces: list[tuple[str, Trace | None]], outcomes: list[Outcome]) -> None:
    if console.json:
        console.write(render_json.dumps(report.document(outcomes, running())))
        return
    rows: list[tuple[str, list[Outcome]]] = []
    for name in dict.fromkeys(name for name, _ in traces):
        mine = {id(trace) for file, trace in traces if file == name}
        found = [o for o in outcomes if id(o.trace) in mine]
        rows.append((name, found))
        ascii, color = console.out_ascii, console.out_color
        console.write(report.text(name, found, ascii=ascii, color=color, rules=rule_lookup()) + "\n")
    if len(rows) > 1:
        console.write(report.table(rows) + "\n")
    console.write(report.summary(outcomes, running()))
