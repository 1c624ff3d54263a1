"""`tcpcheck verify`: every claim of every spec, and the exit code that sums them up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tcpcheck.asked import within
from tcpcheck.checking import verify_scenario
from tcpcheck.cli.ci import tell_actions
from tcpcheck.cli.console import Console
from tcpcheck.cli.engines import LOCAL, Engine
from tcpcheck.cli.failures import SeveralBad, fault, worst
from tcpcheck.cli.files import check_distinct, check_target, spec_files, write_whole
from tcpcheck.cli.keeping import NOT_KEPT, Keeping, close_checkpoint, open_checkpoint
from tcpcheck.cli.progress import ProgressLine
from tcpcheck.cli.select import no_claim, with_claim, with_members
from tcpcheck.errors import SpecError, TcpcheckError
from tcpcheck.explore.result import LEAST_MEMORY, Limits
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load
from tcpcheck.lang.scenario import Scenario
from tcpcheck.machine import free_memory
from tcpcheck.reductions import switched_off
from tcpcheck.render import json as render_json
from tcpcheck.render import verdicts
from tcpcheck.render.rules import rule_lookup
from tcpcheck.render.words import printable
from tcpcheck.witness.verdict import SpecResult

if TYPE_CHECKING:
    from tcpcheck.checkpoint import Checkpoint
    from tcpcheck.cluster.engine import RayEngine
    from tcpcheck.mapping import MapResult

MEMORY_SHARE = 0.8  # of what is free when the command starts, unless told otherwise


@dataclass(frozen=True)
class Bounds:
    """Where a search gives up, as the command line has it. memory_mb: of all processes together."""

    states: int | None = None
    memory_mb: int | None = None
    seconds: float | None = None
    depth: int | None = None
    jobs: int | None = None
    exact: bool = False

    def limits(self) -> Limits:
        free = free_memory()
        share = None if free is None else max(int(free * MEMORY_SHARE), LEAST_MEMORY)
        memory = share if self.memory_mb is None else self.memory_mb * 1_000_000
        return Limits(within(self.states), memory, self.seconds, within(self.depth), self.exact)

    @property
    def processes(self) -> int:
        return self.jobs if self.jobs is not None else len(os.sched_getaffinity(0))


def load_all(arguments: Iterable[str], settings: Mapping[str, Sequence[str]] | None = None) -> list[Scenario]:
    """Every spec, read and checked, with these settings. SpecError with the mistakes of all of them."""
    scenarios, bad = [], []
    for name in spec_files(arguments):
        try:
            scenarios.append(load(name, REGISTRY, settings))
        except SpecError as error:
            bad.append(error)
    if bad:
        raise bad[0] if len(bad) == 1 else SeveralBad(bad)
    return scenarios


@dataclass(frozen=True)
class VerifyCall:
    """A call of `verify` or `sweep`. files: what else to write, by its kind: report (HTML), junit, sarif.
    settings: take the place of the specs' own (lang/overrides.py). replay: play each trace on the running kernel;
    wait: with timers of more than 5 s. maps: the report has maps of the specs' unknowns."""

    specs: tuple[str, ...]
    bounds: Bounds
    claim: str | None
    members: tuple[str, ...]
    traces: str
    quiet: bool
    files: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    replay: bool = False
    wait: bool = False
    maps: bool = False
    keeping: Keeping = NOT_KEPT
    engine: Engine = LOCAL

    def decisive(self) -> dict[str, Any]:
        """The options on which verdicts depend, beside limits of time and memory."""
        b = self.bounds
        return {
            "claim": self.claim,
            "member": list(self.members),
            "set": [f"{name}={','.join(values)}" for name, values in self.settings.items()],
            "states": b.states,
            "depth": b.depth,
            "exact": b.exact,
            "no-reduce": switched_off(),
        }


def selected(scenarios: Sequence[Scenario], claim: str | None, members: Sequence[str]) -> list[Scenario]:
    """What of the specs is asked for; specs without the claim are left out."""
    chosen = list(scenarios)
    if claim is not None:
        chosen = [found for scenario in scenarios if (found := with_claim(scenario, claim)) is not None]
        if not chosen:
            raise no_claim(claim, scenarios)
    return [with_members(scenario, members) for scenario in chosen]


def run_verify(console: Console, call: VerifyCall) -> int:
    """-> the exit code. A spec that fails does not keep the others from being checked."""
    scenarios = selected(load_all(call.specs, call.settings), call.claim, call.members)
    outputs = [(f"--{kind}", path) for kind, path in call.files]
    for _, path in outputs:
        check_target(path)
    specs = spec_files(call.specs)
    for kept in call.keeping.outputs:  # --checkpoint and --resume may be one
        check_distinct([*outputs, kept], specs)
    check_distinct(outputs, specs)
    if call.replay:
        from tcpcheck.cli.replaying import must_be_possible

        must_be_possible()
    with call.engine.opened(scenarios, call.bounds.limits(), call.bounds.jobs) as engine:
        return verify_all(console, call, scenarios, engine)


def verify_all(console: Console, call: VerifyCall, scenarios: Sequence[Scenario], engine: RayEngine | None) -> int:
    """-> the exit code."""
    checkpoint = open_checkpoint(console, call.keeping, scenarios, call.decisive())
    results: list[SpecResult] = []
    failures: list[TcpcheckError] = []
    for number, scenario in enumerate(scenarios, 1):
        try:
            result = check(console, scenario, call, checkpoint, number, engine)
        except TcpcheckError as failure:
            console.failure(failure)
            failures.append(failure)
            continue
        results.append(result)
        if not console.json:
            show(console, result, call, first=len(results) == 1)
        if result.interrupted:
            left = [s.file for s in scenarios[number:]]
            console.message("tcpcheck: interrupted" + (f"; not checked: {', '.join(left)}" if left else ""))
            break
    maps = drawn(console, call, scenarios) if results and not results[-1].interrupted else []
    failures += write_files(console, call, results, maps, checkpoint)
    if failures:
        console.error_document(failures)
    elif console.json:
        single = len(scenarios) == 1
        console.write(render_json.dumps(render_json.verify(results[0]) if single else render_json.verify_all(results)))
    elif len(scenarios) > 1:
        console.write(summary(results))
    tell_actions(console, results)
    return worst([*(failure.exit_code for failure in failures), *(exit_code(result) for result in results)])


def drawn(console: Console, call: VerifyCall, scenarios: Sequence[Scenario]) -> list[MapResult]:
    """The maps for the report. They come last, so that Ctrl-C leaves out maps only."""
    if not call.maps:
        return []
    from tcpcheck.cli.mapping import maps_of

    return maps_of(console, scenarios, call.bounds, call.quiet)


def write_files(
    console: Console,
    call: VerifyCall,
    results: Sequence[SpecResult],
    maps: Sequence[MapResult],
    checkpoint: Checkpoint | None,
) -> list[TcpcheckError]:
    """The report and its like. -> what could not be written; it keeps the others from nothing."""
    failures: list[TcpcheckError] = []
    writers: list[Callable[[], None]] = [
        partial(write_document, kind, path, call, results, maps) for kind, path in (call.files if results else ())
    ]
    if checkpoint is not None:
        writers.append(partial(close_checkpoint, console, call.keeping, checkpoint))
    for write in writers:
        try:
            write()
        except TcpcheckError as failure:
            console.failure(failure)
            failures.append(failure)
    return failures


def write_document(
    kind: str, path: str, call: VerifyCall, results: Sequence[SpecResult], maps: Sequence[MapResult]
) -> None:
    write_whole(path, document(kind, results, call.traces, maps).encode("utf-8", "backslashreplace"))


def check(
    console: Console,
    scenario: Scenario,
    call: VerifyCall,
    checkpoint: Checkpoint | None = None,
    number: int = 1,
    engine: RayEngine | None = None,
) -> SpecResult:
    """One spec's verdicts, its traces played on the running kernel if asked for. number: of the spec in the call."""
    result = search(console, scenario, call, checkpoint, number, engine)
    if not call.replay or result.interrupted:
        return result
    from tcpcheck.cli.replaying import confirm

    return confirm(console, result, call.wait, call.quiet)


def search(
    console: Console,
    scenario: Scenario,
    call: VerifyCall,
    checkpoint: Checkpoint | None,
    number: int,
    engine: RayEngine | None,
) -> SpecResult:
    limits = call.bounds.limits()
    progress = None if call.quiet else ProgressLine(console, scenario.file, allowed=limits.memory_bytes)
    try:
        if engine is not None:
            return engine.verify(scenario, progress)
        if checkpoint is not None:
            return verify_scenario(scenario, limits, progress, keeper=partial(checkpoint.keeper, number))
        return verify_scenario(scenario, limits, progress, call.bounds.processes)
    except (TcpcheckError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise fault(error, f"checking {scenario.file}") from error
    finally:
        if progress is not None:
            progress.clear()


def show(console: Console, result: SpecResult, call: VerifyCall, first: bool) -> None:
    """The verdicts on standard output; what they cost differs from run to run, so it goes to standard error."""
    text = verdicts.text(
        result,
        width=console.width,
        ascii=console.out_ascii,
        color=console.out_color,
        traces=call.traces,
        rules=rule_lookup(),
    )
    console.write(text if first else "\n" + text)
    if not call.quiet:
        console.message(verdicts.stats_text(result.stats))


def document(kind: str, results: Sequence[SpecResult], traces: str, maps: Sequence[MapResult] = ()) -> str:
    """The verdicts for other tools and people; of several specs all that could be checked."""
    if kind == "junit":
        from tcpcheck.render.junit import junit

        return junit(results, rules=rule_lookup())
    if kind == "sarif":
        from tcpcheck.render.sarif import sarif

        return sarif(results)
    from tcpcheck.render.html import report

    return report(results, traces=traces, rules=rule_lookup(), maps=maps)


def summary(results: Sequence[SpecResult]) -> str:
    """The last words on several specs."""
    bad = [printable(result.file) for result in results if not result.ok]
    if bad:
        return f"\n{len(bad)} of {len(results)} specs not as expected: {', '.join(bad)}\n"
    return f"\nall {len(results)} specs as expected\n"


def exit_code(result: SpecResult) -> int:
    """0 every claim as expected, 1 one is not, 3 one is undecided or Ctrl-C came (1 before 3)."""
    codes = [3 if claim.verdict == "undecided" else 0 if claim.ok else 1 for claim in result.claims]
    return worst([3 if result.interrupted else 0, *codes])
