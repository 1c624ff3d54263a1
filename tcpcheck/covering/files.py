"""Fixtures as files: each trace in the formats asked for, a folder for each spec; and the index that lists them.

    index.json, index.md
    SPEC/GOAL.txt, .json                    a trace
    SPEC/GOAL.HOST.pcapng, .pkt             what a host of it sees, and the packetdrill script that plays its peers

No byte hangs on the machine: no times of day, no places of folders. Names of files are letters, digits and `_-.`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tcpcheck.covering.choose import Fixture
from tcpcheck.errors import UsageError
from tcpcheck.lang.scenario import Case, Connect, Scenario
from tcpcheck.mapping.unknowns import steps
from tcpcheck.model.build import DEFAULT_MSS
from tcpcheck.render import json as render_json
from tcpcheck.render.packetdrill import played
from tcpcheck.render.pcapng import pcapng
from tcpcheck.render.rules import rule_lookup
from tcpcheck.render.text import text
from tcpcheck.render.vantage import Sighting, drop_chain, sightings
from tcpcheck.render.words import shell_words
from tcpcheck.witness.trace import HostInfo, Trace

FORMATS = ("pcapng", "packetdrill", "json", "text")
INDEX = ("index.json", "index.md")
NAME_MAX = 80
WIDTH = 100
_SYSCTL = re.compile(r"sysctl (net\.ipv4\.\w+) ?= ?(\d+)$")


@dataclass(frozen=True)
class Written:
    """One file. host: whose side it is, "" for all. check: the command that compares a capture with the model; "" when
    none can, why: for that reason. Of a script, why: it ends before the trace does."""

    path: str
    format: str
    host: str
    data: bytes
    check: str = ""
    why: str = ""


@dataclass
class Files:
    """Of one fixture. missing: (host, format, why) of what cannot be."""

    fixture: Fixture
    name: str  # folder and name
    written: list[Written] = field(default_factory=list)
    missing: list[tuple[str, str, str]] = field(default_factory=list)


def files_of(fixture: Fixture, scenario: Scenario, folder: str, formats: Sequence[str]) -> Files:
    """The fixture's files below `folder`."""
    case = next(case for case in scenario.cases if case.settings == fixture.trace.settings)
    stem = f"{folder}/{fixture.name}"
    found = Files(fixture, stem)
    if "text" in formats:
        data = text(fixture.trace, width=WIDTH, rules=rule_lookup())
        found.written.append(Written(f"{stem}.txt", "text", "", data.encode()))
    if "json" in formats:
        data = render_json.dumps(render_json.trace(fixture.trace))
        found.written.append(Written(f"{stem}.json", "json", "", data.encode()))
    for host in fixture.trace.hosts:
        for format in (format for format in ("pcapng", "packetdrill") if format in formats):
            side = f"{stem}.{safe(host.name)}"
            try:
                made = (
                    _capture(fixture.trace, case, host, side)
                    if format == "pcapng"
                    else _script(fixture.trace, host, side)
                )
                found.written.append(made)
            except UsageError as why:
                found.missing.append((host.name, format, str(why)))
    return found


def _capture(trace: Trace, case: Case, host: HostInfo, stem: str) -> Written:
    if not host.has_tcp:
        raise UsageError(f"{host.name} has no TCP: there is nothing of a kernel to compare")
    if not sightings(trace, host.name):
        raise UsageError(f"{host.name} sees no segment")
    data, path = pcapng(trace, rule_lookup(), (host.name,)), f"{stem}.pcapng"
    why = not_comparable(trace, case, host)
    check = "" if why else shell_words(check_command(trace, host, path))
    return Written(path, "pcapng", host.name, data, check, why)


def _script(trace: Trace, host: HostInfo, stem: str) -> Written:
    if not any(step.segment is not None and step.host == host.name for step in trace.steps):
        raise UsageError(f"{host.name} sees no segment")
    script, ends = played(trace, host.name)
    return Written(f"{stem}.pkt", "packetdrill", host.name, script.encode(), why=ends)


# ---- how a capture is compared with the model --------------------------------------------------------------


def check_command(trace: Trace, host: HostInfo, path: str) -> list[str]:
    """`tcpcheck conform` with all that a capture does not show."""
    seen = sightings(trace, host.name)
    words = ["tcpcheck", "conform", path, "--host", _address(host, seen)]
    words += ["--kernel", " ".join([host.kernel, *host.features])]
    settings = [f"{name}={value}" for name, value in host.sysctls.items()]
    for setting in [*settings, *_set_later(trace, host, seen)]:
        words += ["--sysctl", setting]
    lost = [str(number) for number, sight in enumerate(seen, 1) if _dropped(trace, sight)]
    return [*words, "--lost", ",".join(lost) or "none"]


_AT_RATE = re.compile(r"^send .* at ")
_POWER = re.compile(r"(crash|boot)\b")


def not_comparable(trace: Trace, case: Case, host: HostInfo) -> str:
    """Why no capture shows enough of the host's part to say whether a kernel would have done it; "": it does."""
    if host.routes:
        return "it is a router: what it does hangs on both sides and its tables"
    mine = [step for step in trace.steps if step.host == host.name]
    calls = [step.text for step in mine if step.event == "call"]
    if any(s.segment is not None and s.segment.src_addr == s.segment.dst_addr for s in mine):
        return "it is connected to itself: whether a packet goes or comes cannot be told"
    if any(_POWER.match(text) for text in calls):
        return "it loses its power"
    if any(text.startswith("setsockopt") for text in calls):
        return "its program sets options of sockets"
    if any(s.segment.length > DEFAULT_MSS for s in mine if s.segment is not None):
        return "its segments are larger than an Ethernet's"
    if any(_AT_RATE.search(s.text) for s in trace.steps if s.event == "call"):
        return "bytes are sent at a rate, and most of them are not shown one by one"
    runs = [run for h in case.hosts if h.name == host.name for run in h.runs]
    connects = [s for run in runs for s in steps(run.body) if isinstance(s, Connect)]
    if any(text.startswith(s.text) for s in connects if s.seq is not None or s.tsval is not None for text in calls):
        return "it opens a connection with numbers that are not its kernel's"
    if any(s.event == "drop" and drop_chain(trace, s) == "OUTPUT" for s in mine):
        return "its own firewall takes segments before they can be captured"
    return ""


def _address(host: HostInfo, seen: Sequence[Sighting]) -> str:
    """With the port where a host talks to itself."""
    first = seen[0].segment
    return f"{host.address}:{first.dport}" if first.src_addr == first.dst_addr else host.address


def _set_later(trace: Trace, host: HostInfo, seen: Sequence[Sighting]) -> Iterable[str]:
    for step in trace.steps:
        said = _SYSCTL.match(step.text) if step.event == "call" and step.host == host.name else None
        if said is not None:
            after = sum(sight.step.index < step.index for sight in seen)
            yield f"{said[1]}={said[2]}@{after + 1}"


def _dropped(trace: Trace, sight: Sighting) -> bool:
    """Seen, but taken by the host's own INPUT chain."""
    return not sight.outbound and sight.step.event == "drop" and drop_chain(trace, sight.step) == "INPUT"


# ---- names -------------------------------------------------------------------------------------------------


def spec_label(path: str) -> str:
    """A spec's name as the files tell it: as it was typed, unless that says where somebody's folders are."""
    named = os.path.normpath(path)
    return os.path.basename(named) if os.path.isabs(named) or named.startswith("..") else named.replace(os.sep, "/")


def folders(labels: Sequence[str]) -> list[str]:
    """For each spec a folder of its own: its name without what is common to all; none is called as the index is."""
    parents = [PurePosixPath(label).parent.parts for label in labels]
    common = 0
    while all(len(parts) > common for parts in parents) and len({parts[common] for parts in parents}) == 1:
        common += 1
    found: list[str] = []
    for label in labels:
        path = PurePosixPath(label)
        parts = [safe(part) for part in (*path.parts[common:-1], path.name.removesuffix(".tcp"))]
        if parts[0].lower() in INDEX:
            parts[0] += "-2"
        name, number = "/".join(parts), 1
        while name.lower() in {other.lower() for other in found}:
            number += 1
            name = "/".join([*parts[:-1], f"{parts[-1]}-{number}"])
        found.append(name)
    return found


def safe(name: str) -> str:
    """Letters, digits, `_`, `-`, `.`: no path, no option, nothing hidden."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:NAME_MAX]
    return re.sub(r"^[.-]+", "_", plain) or "_"
