"""What `import tcpcheck` offers: verdicts and traces as Python objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcpcheck import asked
from tcpcheck.checking import NO_LIMITS, verify_scenario
from tcpcheck.cli.select import no_trace, unknown_claim
from tcpcheck.errors import UsageError
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load, load_text
from tcpcheck.lang.diagnostics import nearest
from tcpcheck.lang.scenario import Scenario
from tcpcheck.witness.trace import Trace
from tcpcheck.witness.verdict import SpecResult

if TYPE_CHECKING:
    from tcpcheck.explore.result import Limits
    from tcpcheck.mapping import MapResult

Settings = Mapping[str, int | str | Sequence[int | str]]
"""Names, as `tcpcheck sweep --set` takes them, and values; several values make a family."""


def verify(
    spec: str | Path,
    *,
    limits: Limits = NO_LIMITS,
    jobs: int = 1,
    settings: Settings | None = None,
) -> SpecResult:
    """Every verdict of a spec: a file's name, or the text itself (a `str` of several lines).

    limits: where the search gives up. jobs: members of families checked at once, each in a process of its own.
    settings: take the place of the spec's, as `tcpcheck sweep --set` (`{"server.net.ipv4.tcp_rfc1337": ["0", "1"]}`).
    Errors: SpecError (every mistake in the spec, and in the settings' values), UsageError (no such file, a bound that
    is none), Impossible (no solver).
    """
    limits = asked.checked(limits, jobs)
    return verify_scenario(_scenario(spec, settings), limits, jobs=jobs)


def _scenario(spec: str | Path, settings: Settings | None) -> Scenario:
    if not isinstance(spec, (str, Path)):
        raise UsageError(f"a spec is a file's name or a text, not {spec!r}")
    values = {name: _values(name, said) for name, said in (settings or {}).items()}
    if isinstance(spec, str) and "\n" in spec:
        return load_text(spec, "<text>", REGISTRY, values)
    return load(spec, REGISTRY, values)


def _values(name: str, said: int | str | Sequence[int | str]) -> list[str]:
    """One value or several, as text."""
    values = [str(value).strip() for value in ([said] if isinstance(said, (int, str)) else said)]
    if not values or not all(values):
        raise UsageError(f"settings: `{name}` has {'an empty' if values else 'no'} value")
    return values


def traces(spec: str | Path | SpecResult, claim: str | None = None) -> list[Trace]:
    """Every trace of a spec (or of what `verify` returned), or of one of its claims: claims and members in order.

    Errors: as `verify`; UsageError, too, where there is no such claim."""
    result = spec if isinstance(spec, SpecResult) else verify(spec)
    known = list(dict.fromkeys(c.name for c in result.claims))
    if claim is not None and claim not in known:
        raise unknown_claim(claim, known, result.file)
    return [c.witness for c in result.claims if c.witness is not None and claim in (None, c.name)]


def trace(spec: str | Path | SpecResult, claim: str, **settings: int | str) -> Trace:
    """The trace of a violated or reached claim: of the first member with these settings.

    settings: as verdicts show them, `net.ipv4.` left out, dots as underscores (`server_tcp_timestamps=1`).
    Errors: as `traces`; UsageError: the claim has no trace, or none with these settings; Undecided: so is the claim.
    """
    result = spec if isinstance(spec, SpecResult) else verify(spec)
    found = traces(result, claim)
    if not found:
        raise no_trace(claim, [c for c in result.claims if c.name == claim])
    for name, value in settings.items():
        own = [_named(trace).get(name) for trace in found]
        if value not in own:
            raise _no_setting(name, value, own, list(_named(found[0])))
    for trace in found:
        if settings.items() <= _named(trace).items():
            return trace
    raise UsageError(f"no trace of `{claim}` with {_spelled(settings)} in {result.file}")


def _named(trace: Trace) -> dict[str, int | str]:
    """The trace's settings, by names that Python allows."""
    return {name.replace(".net.ipv4.", ".").replace(".", "_"): value for name, value in trace.settings.items()}


def _spelled(settings: Mapping[str, int | str]) -> str:
    return " and ".join(f"{name}={value!r}" for name, value in settings.items())


def _no_setting(name: str, value: int | str, own: Sequence[int | str | None], names: Sequence[str]) -> UsageError:
    """own: the values of that name in the traces there are."""
    there = dict.fromkeys(repr(v) for v in own if v is not None)
    if there:
        return UsageError(f"no trace with {_spelled({name: value})}: `{name}` is {' or '.join(there)} in the traces")
    near = nearest(name, names)
    hint = f"did you mean `{near}`?" if near else f"they are {', '.join(names)}" if names else "there are no families"
    return UsageError(f"no setting `{name}`: {hint}")


def fixtures(
    spec: str | Path,
    *,
    cover: str = "rules",
    goals: Sequence[str] = (),
    limits: Limits = NO_LIMITS,
    jobs: int = 1,
    settings: Settings | None = None,
) -> list[Trace]:
    """Few traces that together take every rule that the spec can take; cover: `pairs`, every rule after every other.

    goals: only these, `RULE` or `RULE,RULE`. A trace's `claim` is the goal that it was looked for, its `kind` `cover`.
    What could not be taken is left out; `tcpcheck fixtures` says what and why. Errors: as `verify`.
    """
    from tcpcheck.covering.cover import Wanted, cover_scenario

    limits = asked.checked(limits, jobs)
    wanted = Wanted.of(cover, [goals] if isinstance(goals, str) else goals)
    found = cover_scenario(_scenario(spec, settings), wanted, limits, jobs=jobs)
    return [fixture.trace for fixture in found.fixtures]


def export(trace: Trace, format: str = "text", *, host: str | None = None) -> str | bytes:
    """A trace in a format of `tcpcheck trace`; bytes of `pcapng`, text of all others.

    host: who saw it (tcpdump, pcapng; `wire` is between the hosts), or who plays it (packetdrill, where it is needed).
    Errors: UsageError for another format, or a host that is none.
    """
    from tcpcheck.render.formats import rendered

    return rendered(trace, format, host)


def map_over(
    spec: str | Path,
    over: str,
    *,
    limits: Limits = NO_LIMITS,
    jobs: int = 1,
    settings: Settings | None = None,
) -> MapResult:
    """Which values of an unknown lead to which outcome, as `tcpcheck map --over`. Arguments and errors: as `verify`."""
    from tcpcheck.mapping import map_scenario

    limits = asked.checked(limits, jobs)
    return map_scenario(_scenario(spec, settings), over, limits, None, jobs)


def to_scapy(trace: Trace, vantage: str = "wire") -> list[Any]:
    """The segments seen at a host or on the wire as scapy packets (`IP/TCP`), their `time` in seconds.

    Errors: ImportError without scapy, UsageError for an unknown vantage point.
    """
    from scapy.layers.inet import IP

    from tcpcheck.render.vantage import sightings
    from tcpcheck.render.wire import packet

    packets = []
    for sighting in sightings(trace, vantage):
        found = IP(packet(sighting.segment))
        found.time = sighting.time_ns / 1e9
        packets.append(found)
    return packets
