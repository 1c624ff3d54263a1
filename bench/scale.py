"""What a million states cost in one piece and in parts, here and on Ray: `scale.py`, `scale.py --spec FILE`.

Columns: processor seconds of all processes and bytes of memory, both a million states and a state; successors that
changed hands and the bytes of their messages, a state. docs/scale.md says what they mean.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.small_tcp import SmallTcp

from tcpcheck.explore.parts import Asked, HereTeam, PartedSearch
from tcpcheck.explore.result import Limits, SearchResult
from tcpcheck.explore.search import search
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load
from tcpcheck.model.build import build_model

Row = dict[str, Any]


def row(where: str, result: SearchResult, cpu: float, wall: float, records: int = 0, sent: int = 0) -> Row:
    states, memory = result.zones, result.peak_memory / result.zones
    million = states / 1e6
    return {
        "where": where,
        "states": states,
        "transitions": result.transitions,
        "cpu_s_per_million": round(cpu / million, 2),
        "wall_s_per_million": round(wall / million, 2),
        "bytes_per_state": round(memory),
        "queued_per_state": round(records / states, 2),
        "sent_bytes_per_state": round(sent / states),
    }


def in_one_piece(make: Callable[[], Any], limits: Limits) -> Row:
    cpu, wall = time.process_time(), time.monotonic()
    result = search(make().handle(), claims=3, limits=limits)
    return row("one piece", result, time.process_time() - cpu, time.monotonic() - wall)


def in_parts(where: str, team: Any, limits: Limits, processors: Callable[[], float]) -> Row:
    """processors: their seconds so far."""
    cpu, wall = processors(), time.monotonic()
    parted = PartedSearch(team, Asked(claims=3), limits=limits)
    result = parted.run()
    cpu, wall = processors() - cpu, time.monotonic() - wall
    tallies = parted.tallies
    records, sent = sum(t.records for t in tallies), sum(t.sent_bytes for t in tallies)
    return row(where, result, cpu, wall, records, sent)


def on_ray(make: Callable[[], Any], parts: list[int], limits: Limits) -> list[Row]:
    from tcpcheck.cluster.session import Session
    from tcpcheck.cluster.team import RayTeam

    session = Session(cpus=max(parts), memory_bytes=4_000_000_000)
    rows = []
    for n in parts:
        team = RayTeam(session.ray, n)
        team.begin(make, Asked(claims=3))

        def processors(team: RayTeam = team) -> float:
            workers = team.get([team.call(i, "processor_seconds") for i in range(team.size)])
            return time.process_time() + float(sum(workers))

        rows.append(in_parts(f"Ray, {n} actors", team, limits, processors))
        team.close()
    session.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices="ABC", default="A", help="of the benchmark's graph")
    parser.add_argument("--spec", help="the first member of this spec instead")
    parser.add_argument("--states", type=int, help="no more than so many")
    parser.add_argument("--parts", type=int, nargs="*", default=[1, 2])
    options = parser.parse_args()
    make: Callable[[], Any] = partial(SmallTcp, options.size)
    if options.spec:
        make = partial(build_model, load(options.spec, REGISTRY).cases[0])
    limits = Limits(states=options.states)
    rows = [in_one_piece(make, limits)]
    for n in options.parts:
        rows.append(in_parts(f"here, {n} parts", HereTeam(make, n, Asked(claims=3)), limits, time.process_time))
    rows += on_ray(make, options.parts, limits)
    for one in rows:
        print(json.dumps(one))
    if options.states is None and len({(one["states"], one["transitions"]) for one in rows}) > 1:
        raise SystemExit("they did not find the same")


if __name__ == "__main__":
    main()
