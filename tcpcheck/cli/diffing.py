"""`tcpcheck diff`: the shortest run on which two kernels part."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tcpcheck.checking import warning_text
from tcpcheck.cli.console import Console
from tcpcheck.cli.failures import fault
from tcpcheck.cli.files import spec_files
from tcpcheck.cli.progress import ProgressLine
from tcpcheck.cli.select import with_members
from tcpcheck.cli.verifying import Bounds
from tcpcheck.errors import SetSpan, SpecError, TcpcheckError, Undecided, UsageError
from tcpcheck.explore.result import Limits
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load
from tcpcheck.lang.diagnostics import nearest
from tcpcheck.lang.scenario import Case, Scenario
from tcpcheck.lockstep import Also, Difference, diff_case
from tcpcheck.members import run_members
from tcpcheck.render.rules import rule_lookup


@dataclass(frozen=True)
class DiffCall:
    """A call of `diff`. hosts: which of them differ; none named: all that have a kernel."""

    spec: str
    kernels: tuple[str, ...]
    hosts: tuple[str, ...]
    members: tuple[str, ...]
    also: Also
    bounds: Bounds
    quiet: bool


def run_diff(console: Console, call: DiffCall) -> int:
    """-> the exit code: 0 no difference, 1 they part, 3 not everything was compared."""
    if len(call.kernels) != 2:
        raise UsageError(f"two kernels are compared: --kernel A --kernel B (there {_are(len(call.kernels))})")
    first, second = loaded(call)
    for said in dict.fromkeys(warning_text(w) for scenario in (first, second) for w in scenario.warnings):
        console.message(f"warning: {said}")
    found = compared(console, first, second, call)
    if console.json:
        from tcpcheck.render import json as render_json
        from tcpcheck.render.diff_json import document

        console.write(render_json.dumps(document(first.file, first.title, found)))
    else:
        from tcpcheck.render.diff_text import text

        shown = text(
            first.file,
            first.title,
            found,
            width=console.width,
            ascii=console.out_ascii,
            color=console.out_color,
            rules=rule_lookup(),
        )
        console.write(shown)
    if any(d.parts for d in found):
        return 1
    return 3 if any(d.why for d in found) else 0


def _are(n: int) -> str:
    return "is one" if n == 1 else f"are {n}"


def loaded(call: DiffCall) -> tuple[Scenario, Scenario]:
    """The spec with each of the kernels. Errors: SpecError, UsageError."""
    files = spec_files([call.spec])
    if len(files) > 1:
        raise UsageError(f"{len(files)} specs below {call.spec}: name one of them")
    plain = load(files[0], REGISTRY)
    having = list(dict.fromkeys(name for case in plain.cases for name in case.with_tcp))
    for host in call.hosts:
        if host not in having:
            near = nearest(host, having)
            hint = f"did you mean `{near}`?" if near else f"choose {' or '.join(having)}"
            raise UsageError(f"no host `{host}` with a kernel in {files[0]}: {hint}")
    hosts = list(dict.fromkeys(call.hosts)) or having
    both = [with_kernel(files[0], hosts, kernel, call.members) for kernel in call.kernels]
    return both[0], both[1]


def with_kernel(file: str, hosts: Sequence[str], kernel: str, members: Sequence[str]) -> Scenario:
    try:
        scenario = load(file, REGISTRY, {f"{host}.kernel": [kernel] for host in hosts})
    except SpecError as wrong:
        d = wrong.diagnostics[0]
        said = d.message.removeprefix(f"{d.span.setting}: ") if isinstance(d.span, SetSpan) else d.message
        if not said.startswith(("unknown kernel", "unknown feature", "unexpected")):
            raise
        hint = f": did you mean `{d.nearest}`?" if d.nearest else "; `tcpcheck profiles` lists what there is"
        raise UsageError(f"--kernel {kernel}: {said}{hint}") from None
    return with_members(scenario, members)


def compared(console: Console, first: Scenario, second: Scenario, call: DiffCall) -> list[Difference]:
    """Each member of the other families. Error: Undecided (Ctrl-C before anything was known)."""
    pairs = list(zip(first.cases, second.cases, strict=True))
    limits = call.bounds.limits()
    deadline = limits.deadline()
    workers = max(1, min(call.bounds.processes, len(pairs)))
    progress = None if call.quiet else ProgressLine(console, first.file)

    def work(member: int, report: Callable[..., object]) -> _Done:
        begin = time.monotonic()

        def tell(n: int, depth: int) -> None:
            report(n, n, n / max(time.monotonic() - begin, 1e-9), depth, 0, 0, 0, 0)

        return _Done(_one(first, pairs[member], limits.until(deadline), call.also, tell))

    try:
        done = run_members(len(pairs), work, workers, progress)
    finally:
        if progress is not None:
            progress.clear()
    if not any(done):
        raise Undecided("interrupted")
    return [d.found for d in done if d is not None]


@dataclass
class _Done:
    """One member's result, as run_members wants it."""

    found: Difference

    @property
    def interrupted(self) -> bool:
        return self.found.why == "interrupted"


def _one(
    scenario: Scenario, cases: tuple[Case, Case], limits: Limits, also: Also, tell: Callable[[int, int], object]
) -> Difference:
    try:
        return diff_case(scenario, cases, limits, also, tell)
    except (TcpcheckError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise fault(error, f"comparing kernels in {scenario.file}") from error
