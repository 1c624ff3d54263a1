"""How the cost of a search grows: `python bench/growth.py [--json FILE] [--svg FILE] [--states FILE]`.

Three small experiments, each with more losses allowed, more connections, more segments in flight, searched with clocks
to the end. One picture has states, processor seconds and memory of this run; another only states, which are the same on
every machine: docs/pictures/growth.svg.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from tcpcheck.explore.search import search
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load_text
from tcpcheck.model.build import build_model

RUNS = 3
KERNEL = "kernel linux 6.18.44"


@dataclass(frozen=True)
class Experiment:
    """What the server does with each connection k, and the client with its k-th."""

    name: str
    server: str
    last: str  # what the server does with each connection when it has all of them
    client: str


@dataclass(frozen=True)
class Axis:
    """What is varied; all else is as in BASE."""

    name: str
    key: str
    values: Sequence[int]


EXPERIMENTS = (
    Experiment("open", "accept -> c{k}", "", "connect server:80 -> s{k} ; {send}stop"),
    Experiment(
        "close in turn",
        "accept -> c{k}",
        "recv c{k} until eof ; close c{k}",
        "connect server:80 -> s{k} ; {send}close s{k}",
    ),
    Experiment("close at once", "accept -> c{k} ; close c{k}", "", "connect server:80 -> s{k} ; {send}close s{k}"),
)
AXES = (
    Axis("losses allowed", "losses", range(5)),
    Axis("connections", "connections", range(1, 4)),
    Axis("segments of data", "segments", range(9)),
)
BASE = {"losses": 0, "connections": 1, "segments": 0}
MEASURES = (
    ("states", "states, each with its zones", 1.0),
    ("seconds", "processor seconds", 1e-4),
    ("memory", "megabytes", 1.0),
)


def spec_of(experiment: Experiment, losses: int, connections: int, segments: int) -> str:
    """Each connection has a run of its own in the client."""
    each = range(connections)
    steps = ["listen :80 backlog 8", *(experiment.server.format(k=k) for k in each)]
    steps += [experiment.last.format(k=k) for k in each if experiment.last]
    send = "".join("send s{k} 1460B ; " for _ in range(segments))
    runs = [f"run {{ {experiment.client.replace('{send}', send).format(k=k)} }}" for k in each]
    return (
        f"host server {{ {KERNEL} ; run {{ {' ; '.join(steps)} ; stop }} }}\n"
        f"host client {{ {KERNEL} ; {' '.join(runs)} }}\n"
        f"network {{ delay 1ms ; lose 0..{losses} }}\n"
        "reach opened { client.s0 in ESTABLISHED }\n"
    )


def measured(experiment: Experiment, runs: int, **settings: int) -> dict[str, Any]:
    """One search; states are counted with their zones. memory: MB at its peak."""
    text = spec_of(experiment, **settings)
    model = build_model(load_text(text, experiment.name, REGISTRY).cases[0])
    seconds = []
    for _ in range(runs):
        begin = time.process_time()
        result = search(model.handle(), claims=1)
        seconds.append(time.process_time() - begin)
    if not result.exhaustive:
        raise SystemExit(f"the search of {experiment.name} with {settings} did not end: {result.reason}\n{text}")
    return {
        "states": result.zones,
        "transitions": result.transitions,
        "seconds": statistics.median(seconds),
        "memory": result.peak_memory / 1e6,
    }


def growth(runs: int = RUNS) -> list[dict[str, Any]]:
    return [
        {"experiment": e.name, "axis": axis.key, "value": value, **measured(e, runs, **{**BASE, axis.key: value})}
        for e in EXPERIMENTS
        for axis in AXES
        for value in axis.values
    ]


# ---- pictures

WIDTH, HEIGHT, LEFT, TOP, GAP_X, GAP_Y = 220, 150, 70, 48, 74, 62
PICTURE = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-labelledby="t">
<title id="t">{{ title }}</title>
<style>
svg { --paper: #ffffff; --ink: #1b1f24; --rule: #d0d7de; --c0: #0860ca; --c1: #b35900; --c2: #1a7f37; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --ink: #e6edf3; --rule: #3d444d; --c0: #58a6ff; --c1: #f0883e; --c2: #56d364; }
}
text { font: 11px sans-serif; fill: var(--ink); }
.head { font-size: 12px; font-weight: 600; }
.rule { stroke: var(--rule); stroke-width: 1; }
polyline { fill: none; stroke-width: 2; }
</style>
<rect width="100%" height="100%" fill="var(--paper)"/>
{% for name in names %}
<line x1="{{ 70 + 140 * loop.index0 }}" x2="{{ 94 + 140 * loop.index0 }}" y1="18" y2="18" stroke-width="2" \
stroke="var(--c{{ loop.index0 }})"{% if dashes[loop.index0] %} stroke-dasharray="{{ dashes[loop.index0] }}"{% endif %}/>
<text x="{{ 100 + 140 * loop.index0 }}" y="22">{{ name }}</text>
{% endfor %}
{% for p in panels %}
<text class="head" x="{{ p.x }}" y="{{ p.y - 10 }}">{{ p.head }}</text>
{% for y, label in p.rules %}
<line class="rule" x1="{{ p.x }}" x2="{{ p.x + p.width }}" y1="{{ y }}" y2="{{ y }}"/>
<text x="{{ p.x - 6 }}" y="{{ y + 4 }}" text-anchor="end">{{ label }}</text>
{% endfor %}
{% for x, label in p.ticks %}
<text x="{{ x }}" y="{{ p.y + p.height + 16 }}" text-anchor="middle">{{ label }}</text>
{% endfor %}
<text x="{{ p.x + p.width / 2 }}" y="{{ p.y + p.height + 32 }}" text-anchor="middle">{{ p.axis }}</text>
{% for line in p.lines %}
<polyline stroke="var(--c{{ loop.index0 }})"{% if dashes[loop.index0] %} stroke-dasharray="{{ dashes[loop.index0] }}"\
{% endif %} points="{% for x, y, _ in line %}{{ x }},{{ y }} {% endfor %}"/>
{% set n = loop.index0 %}
{% for x, y, told in line %}
<circle cx="{{ x }}" cy="{{ y }}" r="3" fill="var(--c{{ n }})"><title>{{ told }}</title></circle>
{% endfor %}
{% endfor %}
{% endfor %}
</svg>
"""
)


def told(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def panel(rows: list[dict[str, Any]], axis: Axis, key: str, head: str, least: float, at: tuple[int, int]) -> Any:
    """One plot: what is varied to the right, powers of ten upwards."""
    x0, y0 = at
    most = max(row[key] for row in rows)
    decades = range(
        math.floor(math.log10(least)), max(math.ceil(math.log10(most)), math.floor(math.log10(least)) + 1) + 1
    )
    first, last = axis.values[0], axis.values[-1]

    def x(value: int) -> float:
        return round(x0 + WIDTH * (value - first) / (last - first), 1)

    def y(value: float) -> float:
        share = (math.log10(max(value, 10.0 ** decades[0])) - decades[0]) / (decades[-1] - decades[0])
        return round(y0 + HEIGHT * (1 - share), 1)

    lines = [
        [
            (x(r["value"]), y(r[key]), f"{e.name}, {axis.name} {r['value']}: {told(r[key])}")
            for r in rows
            if r["axis"] == axis.key and r["experiment"] == e.name
        ]
        for e in EXPERIMENTS
    ]
    return {
        "x": x0,
        "y": y0,
        "width": WIDTH,
        "height": HEIGHT,
        "head": head,
        "axis": axis.name,
        "rules": [(y(10.0**d), f"{10.0**d:,.{max(-d, 0)}f}") for d in decades],
        "ticks": [(x(v), v) for v in axis.values],
        "lines": lines,
    }


def picture(rows: list[dict[str, Any]], measures: Sequence[tuple[str, str, float]]) -> str:
    """A row of plots for each measure, a column for each axis."""
    panels = [
        panel(rows, axis, key, head, least, (LEFT + i * (WIDTH + GAP_X), TOP + j * (HEIGHT + GAP_Y)))
        for j, (key, head, least) in enumerate(measures)
        for i, axis in enumerate(AXES)
    ]
    return PICTURE.render(
        title="What a search costs, against " + ", ".join(axis.name for axis in AXES),
        width=LEFT + len(AXES) * (WIDTH + GAP_X) - GAP_X + 30,
        height=TOP + len(measures) * (HEIGHT + GAP_Y) - 14,
        names=[e.name for e in EXPERIMENTS],
        dashes=["", "6 3", "2 3"],
        panels=panels,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures here")
    parser.add_argument("--svg", metavar="FILE", type=Path, help="write the picture of states, time and memory here")
    parser.add_argument("--states", metavar="FILE", type=Path, help="write the picture of states alone here")
    options = parser.parse_args()
    rows = growth()
    print(f"{'experiment':<16}{'varied':<14}{'value':>6}{'states':>9}{'transitions':>13}{'ms':>9}{'MB':>7}")
    for row in rows:
        print(
            f"{row['experiment']:<16}{row['axis']:<14}{row['value']:>6}{row['states']:>9,}{row['transitions']:>13,}"
            f"{row['seconds'] * 1e3:>9.2f}{row['memory']:>7.1f}"
        )
    for path, text in (
        (options.json, json.dumps(rows, indent=2) + "\n"),
        (options.svg, picture(rows, MEASURES)),
        (options.states, picture(rows, MEASURES[:1])),
    ):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
