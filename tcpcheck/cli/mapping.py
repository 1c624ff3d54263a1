"""`tcpcheck map`: for an unknown of a spec, every outcome with the exact set of values that leads to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tcpcheck.cli.console import Console
from tcpcheck.cli.failures import fault
from tcpcheck.cli.files import check_distinct, check_target, spec_files, write_whole
from tcpcheck.cli.progress import ProgressLine
from tcpcheck.cli.select import no_claim, settings_of, with_claim, with_members
from tcpcheck.cli.verifying import Bounds
from tcpcheck.errors import TcpcheckError, UsageError
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load
from tcpcheck.lang.scenario import Scenario
from tcpcheck.mapping import MapResult, map_scenario, searched_names
from tcpcheck.render.words import printable

PAGES = (".html", ".htm")


@dataclass(frozen=True)
class MapCall:
    """A call of `map`. output: the picture; settings: `NAME=V1,V2`, in the place of the spec's own."""

    spec: str
    over: str
    output: str | None
    settings: tuple[str, ...]
    claim: str | None
    members: tuple[str, ...]
    bounds: Bounds
    quiet: bool


def run_map(console: Console, call: MapCall) -> int:
    """-> the exit code: 0 when everything is known, 3 when not."""
    scenario = one_spec(call.spec, call.settings, call.claim, call.members)
    if call.output is not None:
        check_target(call.output)
        check_distinct([("-o", call.output)], [scenario.file])
        check_kind(call.output)
    result = mapped(console, scenario, call.over, call.bounds, call.quiet)
    if call.output is not None:
        write_whole(call.output, picture(result, call.output).encode("utf-8", "backslashreplace"))
    if console.json:
        from tcpcheck.render import json as render_json
        from tcpcheck.render.map_json import document

        console.write(render_json.dumps(document(result)))
    else:
        from tcpcheck.render.map_text import text

        console.write(text(result, width=console.width, color=console.out_color))
    if result.interrupted:
        console.message("tcpcheck: interrupted")
    return 0 if result.ok else 3


def check_kind(path: str) -> None:
    """Refuses a name that promises another kind of file. One without an ending will be SVG."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in ("", ".svg", *PAGES):
        raise UsageError(f"a map is written as .svg or .html, not as {printable(ending)}: {printable(path)}")


def picture(result: MapResult, path: str) -> str:
    """As a page where the file is named so, else as SVG."""
    if path.lower().endswith(PAGES):
        from tcpcheck.render.html import map_page

        return map_page(result)
    from tcpcheck.render.map_svg import svg

    return svg(result)


def maps_of(console: Console, scenarios: Sequence[Scenario], bounds: Bounds, quiet: bool) -> list[MapResult]:
    """A map of each named pause and number of the specs. One that cannot be made is said, and left out, and so are all
    after Ctrl-C."""
    found: list[MapResult] = []
    for scenario, name in [(s, name) for s in scenarios for name in searched_names(s)]:
        try:
            one = mapped(console, scenario, name, bounds, quiet)
        except TcpcheckError as failure:
            console.message(f"tcpcheck: no map over `{name}` of {scenario.file}: {failure}")
            continue
        except KeyboardInterrupt:
            one = None
        if one is None or one.interrupted:
            console.message(f"tcpcheck: interrupted: no map over `{name}` of {scenario.file}, nor any after it")
            break
        found.append(one)
    return found


def one_spec(argument: str, settings: Sequence[str], claim: str | None, members: Sequence[str]) -> Scenario:
    """The spec, with other settings, one claim and some members only. Errors: SpecError, UsageError."""
    files = spec_files([argument])
    if len(files) > 1:
        raise UsageError(f"{len(files)} specs below {argument}: name one of them")
    scenario = load(files[0], REGISTRY, settings_of(settings))
    if claim is not None:
        chosen = with_claim(scenario, claim)
        if chosen is None:
            raise no_claim(claim, [scenario])
        scenario = chosen
    return with_members(scenario, members)


def mapped(console: Console, scenario: Scenario, over: str, bounds: Bounds, quiet: bool) -> MapResult:
    progress = None if quiet else ProgressLine(console, f"{scenario.file} over {over}")
    try:
        return map_scenario(scenario, over, bounds.limits(), progress, bounds.processes)
    except (TcpcheckError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise fault(error, f"mapping {scenario.file}") from error
    finally:
        if progress is not None:
            progress.clear()
