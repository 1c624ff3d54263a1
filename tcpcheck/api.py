"""What `import tcpcheck` offers: verdicts and traces as Python objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcpcheck.checking import NO_LIMITS, verify_scenario
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load, load_text
from tcpcheck.lang.scenario import Scenario
from tcpcheck.witness.trace import Trace
from tcpcheck.witness.verdict import SpecResult

if TYPE_CHECKING:
    from tcpcheck.explore.result import Limits
    from tcpcheck.mapping import MapResult


def verify(
    spec: str | Path,
    *,
    limits: Limits = NO_LIMITS,
    jobs: int = 1,
    settings: Mapping[str, Sequence[str]] | None = None,
) -> SpecResult:
    """Every verdict of a spec: a file's name, or the text itself (a `str` of several lines).

    limits: where the search gives up. jobs: members of families checked at once, each in a process of its own.
    settings: take the place of the spec's, as `tcpcheck sweep --set` (`{"server.net.ipv4.tcp_rfc1337": ["0", "1"]}`).
    Errors: SpecError (every mistake in the spec), UsageError (no such file), Impossible (no solver).
    """
    return verify_scenario(_scenario(spec, settings), limits, jobs=jobs)


def _scenario(spec: str | Path, settings: Mapping[str, Sequence[str]] | None) -> Scenario:
    if isinstance(spec, str) and "\n" in spec:
        return load_text(spec, "<text>", REGISTRY, settings)
    return load(spec, REGISTRY, settings)


def traces(spec: str | Path | SpecResult, claim: str | None = None) -> list[Trace]:
    """Every trace of a spec (or of what `verify` returned), or of one of its claims: claims and members in order."""
    result = spec if isinstance(spec, SpecResult) else verify(spec)
    return [c.witness for c in result.claims if c.witness is not None and claim in (None, c.name)]


def trace(spec: str | Path | SpecResult, claim: str, **settings: int | str) -> Trace:
    """The trace of a violated or reached claim: of the first member with these settings.

    settings: as verdicts show them, `net.ipv4.` left out, dots as underscores (`server_tcp_timestamps=1`).
    LookupError: no such claim, or no member with these settings has a trace.
    """
    for found in traces(spec, claim):
        own = {name.replace(".net.ipv4.", ".").replace(".", "_"): value for name, value in found.settings.items()}
        if settings.items() <= own.items():
            return found
    wanted = f" with {settings}" if settings else ""
    where = spec.file if isinstance(spec, SpecResult) else spec
    raise LookupError(f"no violated or reached claim `{claim}`{wanted} in {where}")


def fixtures(
    spec: str | Path,
    *,
    cover: str = "rules",
    goals: Sequence[str] = (),
    limits: Limits = NO_LIMITS,
    jobs: int = 1,
    settings: Mapping[str, Sequence[str]] | None = None,
) -> list[Trace]:
    """Few traces that together take every rule that the spec can take; cover: `pairs`, every rule after every other.

    goals: only these, `RULE` or `RULE,RULE`. A trace's `claim` is the goal that it was looked for, its `kind` `cover`.
    What could not be taken is left out; `tcpcheck fixtures` says what and why. Errors: as `verify`.
    """
    from tcpcheck.covering.cover import Wanted, cover_scenario

    found = cover_scenario(_scenario(spec, settings), Wanted.of(cover, goals), limits, jobs=jobs)
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
    settings: Mapping[str, Sequence[str]] | None = None,
) -> MapResult:
    """Which values of an unknown lead to which outcome, as `tcpcheck map --over`. Arguments and errors: as `verify`."""
    from tcpcheck.mapping import map_scenario

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
