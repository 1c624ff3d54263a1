"""`tcpcheck fixtures`: a folder of traces that together take every rule of the specs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcpcheck.cli.console import Console
from tcpcheck.cli.failures import fault
from tcpcheck.cli.files import check_folder, replace_folder, write_folder
from tcpcheck.cli.progress import ProgressLine
from tcpcheck.cli.verifying import Bounds, load_all, selected
from tcpcheck.covering.cover import Covered, Wanted, cover_scenario
from tcpcheck.covering.files import FORMATS, INDEX
from tcpcheck.covering.index import SCHEMA, Folder, folder, goals
from tcpcheck.errors import TcpcheckError, UsageError
from tcpcheck.lang.diagnostics import nearest, shorten
from tcpcheck.lang.scenario import Scenario
from tcpcheck.render import json as render_json
from tcpcheck.render.words import many, printable


@dataclass(frozen=True)
class FixturesCall:
    """A call of `fixtures`. formats: as typed, none: all. force: an earlier run's files are replaced."""

    specs: tuple[str, ...]
    output: str
    wanted: Wanted
    formats: tuple[str, ...]
    members: tuple[str, ...]
    force: bool
    bounds: Bounds
    quiet: bool


def call_of(o: Mapping[str, Any]) -> FixturesCall:
    """The options as typed."""
    wanted = Wanted.of(o["cover"], o["goals"], o["claims"])
    bounds = Bounds(o["states"], o["memory"], o["seconds"], o["depth"], o["jobs"], o["exact"])
    return FixturesCall(o["specs"], o["output"], wanted, o["formats"], o["members"], o["force"], bounds, o["quiet"])


def run_fixtures(console: Console, call: FixturesCall) -> int:
    """-> the exit code: 3 when it is undecided of some rule whether it can be taken; the rest is written even so."""
    formats = checked_formats(call.formats)
    check_folder(call.output, filled=call.force)
    old = earlier(call.output) if call.force else ()
    scenarios = selected(load_all(call.specs), None, call.members)
    found = [cover(console, scenario, call) for scenario in scenarios]
    made = folder(found, formats)
    if old:
        replace_folder(call.output, made.files, old)
    else:
        write_folder(call.output, made.files)
    if console.json:
        console.write(render_json.dumps(made.document))
    else:
        console.write(told(found, made, call.output))
    return 0 if made.document["ok"] else 3


def checked_formats(wanted: Sequence[str]) -> tuple[str, ...]:
    """`json,text` and repeated options alike."""
    names = [name.strip() for words in wanted for name in words.split(",")]
    for name in names:
        if name not in FORMATS:
            near = nearest(name, FORMATS)
            hint = f"did you mean `{near}`?" if near else f"choose {', '.join(FORMATS)}"
            raise UsageError(f"no format `{shorten(name)}` for fixtures: {hint}")
    return tuple(names) or FORMATS


def earlier(path: str) -> tuple[str, ...]:
    """The files that an earlier run wrote into this folder, as its index lists them; nothing in an empty one."""
    target = Path(path)
    with contextlib.suppress(OSError):
        if not target.is_dir() or not any(target.iterdir()):
            return ()
    try:
        document = json.loads((target / INDEX[0]).read_bytes())
        if document["schema"] != SCHEMA:
            raise ValueError
        fixtures = [fixture for spec in document["specs"] for fixture in spec["fixtures"]]
        return (*INDEX, *(str(file["path"]) for fixture in fixtures for file in fixture["files"]))
    except (OSError, ValueError, LookupError, TypeError):
        raise UsageError(
            f"{printable(path)} is not empty, and no earlier run's index is in it: name another folder, or empty it"
        ) from None


def cover(console: Console, scenario: Scenario, call: FixturesCall) -> Covered:
    progress: Any = None if call.quiet else ProgressLine(console, scenario.file)
    try:
        return cover_scenario(scenario, call.wanted, call.bounds.limits(), progress, call.bounds.processes)
    except (TcpcheckError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise fault(error, f"looking for fixtures of {scenario.file}") from error
    finally:
        if progress is not None:
            progress.clear()


def told(found: Sequence[Covered], made: Folder, output: str) -> str:
    """One line for each spec: how many traces take how much; what is left."""
    widest = max(len(printable(covered.scenario.file)) for covered in found)
    lines = []
    for covered in found:
        line = f"{printable(covered.scenario.file):<{widest}}  {many(len(covered.fixtures), 'trace')}, {goals(covered)}"
        if covered.missed:
            line += f"; undecided, no run with real numbers: {', '.join(covered.missed)}"
        if covered.why:
            line += f"; not all was searched: {covered.why}"
        lines.append(line)
    traces = sum(len(covered.fixtures) for covered in found)
    lines += ["", f"{many(traces, 'trace')}, {len(made.files)} files in {printable(output)}: see index.md there"]
    return "\n".join(lines) + "\n"
