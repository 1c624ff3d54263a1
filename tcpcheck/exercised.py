"""Which of the project's own specs take a rule, set a sysctl, come to a state: exercised.json.

`python -m tcpcheck.gallery` writes it along with docs/gallery.md, from the same searches; a test keeps both fresh.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcpcheck.lang.scenario import Scenario, Step
    from tcpcheck.witness.verdict import SpecResult

FILE = Path(__file__).with_name("exercised.json")
KINDS = ("rules", "states", "sysctls", "options")

Index = Mapping[str, Mapping[str, Sequence[str]]]
"""By spec, then by kind: the names, sorted."""


def entry(scenario: Scenario, result: SpecResult) -> dict[str, list[str]]:
    """One spec's. rules: taken somewhere in the search. states: come to in a trace that it shows. options: sockets'."""
    traces = [claim.witness for claim in result.claims if claim.witness is not None]
    states = {c.after for t in traces for step in t.steps for c in step.changes if c.what == "state"}
    found = {"rules": set(result.stats["rules_taken"]), "states": states}
    found |= {"sysctls": set(_sysctls(scenario)), "options": set(_options(scenario))}
    return {kind: sorted(found[kind]) for kind in KINDS}


def _sysctls(scenario: Scenario) -> Iterator[str]:
    from tcpcheck.lang.scenario import SetSysctl

    for case in scenario.cases:
        for host in case.hosts:
            yield from host.sysctls
    yield from (step.name for step in _steps(scenario) if isinstance(step, SetSysctl))


def _options(scenario: Scenario) -> Iterator[str]:
    from tcpcheck.lang.scenario import Setsockopt

    yield from (step.option for step in _steps(scenario) if isinstance(step, Setsockopt))


def _steps(scenario: Scenario) -> Iterator[Step]:
    """Of all programs."""
    from tcpcheck.mapping.unknowns import steps

    for run in (run for case in scenario.cases for host in case.hosts for run in host.runs):
        yield from steps(run.body)


def text(index: Index) -> str:
    """The file: a line for each spec, so that two changes seldom meet."""
    lines = [f"{json.dumps(spec)}: {json.dumps(names, separators=(',', ':'))}" for spec, names in sorted(index.items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


@cache
def index() -> Index:
    """As installed; empty where it is not."""
    try:
        loaded: Index = json.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded


def specs_with(kind: str, name: str) -> list[str]:
    """The specs that exercise it, those first that exercise little else."""
    mine = [spec for spec, names in index().items() if name in names[kind]]
    return sorted(mine, key=lambda spec: (len(index()[spec]["rules"]), spec))
