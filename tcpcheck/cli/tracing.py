"""`tcpcheck trace`: the trace of one claim in one format."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from tcpcheck.cli.console import Console, is_terminal
from tcpcheck.cli.files import check_distinct, check_target, write_whole
from tcpcheck.cli.select import no_trace, settings_of
from tcpcheck.cli.verifying import Bounds, VerifyCall, check, load_all, selected
from tcpcheck.errors import Undecided, UsageError
from tcpcheck.lang.scenario import Scenario
from tcpcheck.render import formats, text
from tcpcheck.render.rules import rule_lookup
from tcpcheck.witness.trace import Trace
from tcpcheck.witness.verdict import ClaimResult


@dataclass(frozen=True)
class TraceCall:
    """A call of `trace`. settings: `NAME=V1,V2`, in the place of the spec's own."""

    spec: str
    claim: str
    format: str
    output: str | None
    host: str | None
    members: tuple[str, ...]
    bounds: Bounds
    quiet: bool
    settings: tuple[str, ...] = ()


def run_trace(console: Console, call: TraceCall) -> int:
    """-> the exit code: 0 when the trace was written, whatever was expected of the claim."""
    check_format(call)
    scenarios = selected(load_all([call.spec], settings_of(call.settings)), call.claim, call.members)
    if len(scenarios) > 1:
        raise UsageError(f"{len(scenarios)} specs below {call.spec} have a claim `{call.claim}`: name one of them")
    scenario = scenarios[0]
    check_host(call, scenario)
    if call.output is not None:
        check_target(call.output)
        check_distinct([("-o", call.output)], [scenario.file])
    trace = find_trace(console, call, scenario)
    data = rendered(console, call, trace)
    if call.output is not None:
        write_whole(call.output, data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace"))
    elif isinstance(data, bytes):
        console.write_bytes(data)
    else:
        console.write(data)
    return 0


def check_format(call: TraceCall) -> None:
    """What can be seen to be wrong before anything is searched."""
    formats.check(call.format, call.host)
    if call.format == "pcapng" and call.output is None and is_terminal(sys.stdout):
        raise UsageError("a capture is binary: write it to a file with -o FILE, or redirect standard output")


def check_host(call: TraceCall, scenario: Scenario) -> None:
    packetdrill = call.format == "packetdrill"  # plays a TCP, which attackers have not
    case = scenario.cases[0]
    hosts = list(case.with_tcp) if packetdrill else [host.name for host in case.hosts]
    if call.host is None:
        if packetdrill:
            raise UsageError(f"a packetdrill script is for one host: choose --host {' or --host '.join(hosts)}")
        return
    known = hosts if packetdrill or "wire" in hosts else [*hosts, "wire"]
    if call.host not in known:
        raise UsageError(f"no host `{call.host}` in {scenario.file}: choose {' or '.join(known)}")


def find_trace(console: Console, call: TraceCall, scenario: Scenario) -> Trace:
    """The trace of the first member that has one. Members are checked one by one until then."""
    as_verify = VerifyCall((call.spec,), replace(call.bounds, jobs=1), call.claim, call.members, "none", call.quiet)
    found: list[ClaimResult] = []
    for case in scenario.cases:
        result = check(console, replace(scenario, cases=(case,)), as_verify)
        for claim in result.claims:
            if claim.witness is not None:
                return claim.witness
            found.append(claim)
        if result.interrupted:
            raise Undecided("interrupted before a trace was found")
    raise no_trace(call.claim, found)


def rendered(console: Console, call: TraceCall, trace: Trace) -> str | bytes:
    """The trace in the format asked for; text as the terminal wants it."""
    if call.format != "text":
        return formats.rendered(trace, call.format, call.host, call.settings)
    in_file = call.output is not None
    color = console.color is True if in_file else console.out_color
    plain = console.ascii is True if in_file else console.out_ascii
    return text.text(trace, width=console.width, ascii=plain, color=color, rules=rule_lookup())
