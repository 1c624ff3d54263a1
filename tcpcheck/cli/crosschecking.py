"""`tcpcheck crosscheck`: every cell of the model against this machine's kernel."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from tcpcheck.cli.console import Console
from tcpcheck.cli.files import check_target, write_whole
from tcpcheck.cli.progress import CountLine
from tcpcheck.crosscheck import page, report
from tcpcheck.crosscheck.cells import SETTINGS
from tcpcheck.crosscheck.run import Plan, crosscheck
from tcpcheck.crosscheck.states import STATES
from tcpcheck.errors import Impossible, UsageError
from tcpcheck.lang.diagnostics import nearest, shorten
from tcpcheck.live.namespace import unavailable
from tcpcheck.live.replay import running
from tcpcheck.render import json as render_json
from tcpcheck.render.rules import rule_lookup
from tcpcheck.tcp.profile import profile_for


@dataclass(frozen=True)
class CrosscheckCall:
    """A call of `crosscheck`. states, settings: none means all; jobs: None means one for each CPU."""

    kernel: str
    states: tuple[str, ...]
    settings: tuple[str, ...]
    every: int
    cells: bool
    traces: bool
    wait: bool
    jobs: int | None
    html: str | None
    quiet: bool


def run_crosscheck(console: Console, call: CrosscheckCall) -> int:
    """-> the exit code."""
    states, settings = _known(call.states, STATES, "state"), _known(call.settings, SETTINGS, "setting")
    if (call.states or call.settings) and not call.cells:
        raise UsageError("--state and --setting choose cells: leave out --traces-only")
    if call.html is not None:
        check_target(call.html)
    release = running()
    kernel = _profile(console, release if call.kernel == "auto" else call.kernel)
    traces = call.traces and not call.states and not call.settings
    plan = Plan(kernel, states, settings, call.every, call.cells, traces, call.wait)
    if plan.cells and not plan.rows():
        raise UsageError(f"the setting {settings[0]} is not for {states[0]}: {SETTINGS[settings[0]].why}")
    why_not = unavailable()
    if why_not is not None:
        raise Impossible(f"a cross-check {why_not}")
    progress = CountLine(console, call.quiet)
    try:
        outcome = crosscheck(plan, release, call.jobs or os.cpu_count() or 1, progress)
    finally:
        progress.clear()
    if call.html is not None:  # first: should it fail, the one document tells of that
        write_whole(call.html, page.html(outcome, rule_lookup()).encode())
    if console.json:
        console.write(render_json.dumps(report.document(outcome)))
    else:
        look = {"ascii": console.out_ascii, "color": console.out_color}
        console.write(report.text(outcome, rules=rule_lookup(), **look))
    if not call.quiet:
        for line in report.costs(outcome):
            console.message(line)
    return outcome.exit_code


def _known(names: tuple[str, ...], known: Iterable[str], what: str) -> tuple[str, ...]:
    """All of `known` when none are named; any case will do."""
    by_folded = {name.lower(): name for name in known}
    for name in names:
        if name.lower() not in by_folded:
            near = nearest(name, by_folded.values())
            hint = f"did you mean `{near}`?" if near else f"choose {', '.join(by_folded.values())}"
            raise UsageError(f"no {what} `{shorten(name)}`: {hint}")
    wanted = {by_folded[name.lower()] for name in names}
    return tuple(name for name in by_folded.values() if not wanted or name in wanted)


def _profile(console: Console, name: str) -> str:
    try:
        profile, warning = profile_for(name)
    except LookupError as why:
        raise UsageError(str(why)) from None
    if warning:
        console.message(f"tcpcheck: {warning}")
    return profile.name
