"""The figures that users were promised, measured: `python bench/figures.py [--json FILE]`.

Each command runs as a user would call it, in a process of its own. Memory is that of all its processes together
(shared pages counted once), sampled; wall times are medians. Rates are those of one process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tcpcheck.explore.result import Limits, SearchResult
from tcpcheck.explore.search import search
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load
from tcpcheck.lang.scenario import Case
from tcpcheck.model.build import build_model

ROOT = Path(__file__).parents[1]
SAMPLE_EVERY = 0.02  # s
UNTIMED_STATES = 150_000  # without clocks a spec may have far more runs: so many are enough for a rate
RUNS = 3
RUN_SECONDS = 0.1  # a search that is shorter is made again and again
COMMAND = [sys.executable, "-m", "tcpcheck"]


@dataclass(frozen=True)
class Asked:
    """A command with what was asked of it: seconds, MB (None: nothing)."""

    arguments: tuple[str, ...]
    runs: int
    seconds_max: float | None = None
    memory_mb_max: float | None = None


COMMANDS = (
    Asked(("verify", "specs/tw_syn.tcp"), 3, 5.0, 500.0),
    Asked(("--help",), 9, 0.2),
    Asked(("verify", "specs/simultaneous_open.tcp"), 5),
)


# ---- commands


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in children:
        found += family(int(child))
    return found


def memory_mb(pid: int) -> float:
    """Proportional set size of a process and all below it."""
    total = 0
    for one in family(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1000


def one_run(arguments: tuple[str, ...]) -> tuple[float, float]:
    """-> (seconds, peak MB)."""
    begin = time.monotonic()
    process = subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory_mb(process.pid))
        time.sleep(SAMPLE_EVERY)
    if process.returncode:
        raise SystemExit(f"tcpcheck {' '.join(arguments)} returned {process.returncode}")
    return time.monotonic() - begin, peak


def command_figures(asked: Asked) -> dict[str, Any]:
    runs = [one_run(asked.arguments) for _ in range(asked.runs)]
    seconds = statistics.median(seconds for seconds, _ in runs)
    peak = max(peak for _, peak in runs)
    met = (asked.seconds_max is None or seconds < asked.seconds_max) and (
        asked.memory_mb_max is None or peak < asked.memory_mb_max
    )
    return {
        "command": f"tcpcheck {' '.join(asked.arguments)}",
        "runs": asked.runs,
        "seconds": round(seconds, 3),
        "seconds_max": asked.seconds_max,
        "memory_mb": round(peak, 1),
        "memory_mb_max": asked.memory_mb_max,
        "met": met,
    }


# ---- rates


def rate_of(case: Case, limits: Limits) -> tuple[SearchResult, float]:
    """-> (what the search found, zones (without clocks: states) a processor second: the median of the runs)."""
    model = build_model(case)
    rates = []
    for _ in range(RUNS):
        seconds, searches = 0.0, 0
        while seconds < RUN_SECONDS:
            begin = time.process_time()
            result = search(model.handle(), claims=(1 << 64) - 1, limits=limits)
            seconds += time.process_time() - begin
            searches += 1
        rates.append(result.zones * searches / seconds)
    return result, statistics.median(rates)


def rate_figures(path: Path) -> dict[str, Any]:
    """The searches of the first member of a spec, with clocks and without."""
    case = load(path, REGISTRY).cases[0]
    timed, timed_rate = rate_of(case, Limits())
    bare = replace(case, timed=False, claims=(), horizon=None)
    untimed, untimed_rate = rate_of(bare, Limits(states=UNTIMED_STATES))
    return {
        "spec": path.stem,
        "timed_zones": timed.zones,
        "timed_zones_per_second": round(timed_rate),
        "timed_transitions": timed.transitions,
        "untimed_states": untimed.states,
        "untimed_states_per_second": round(untimed_rate),
        "untimed_transitions_per_second": round(untimed_rate * untimed.transitions / untimed.states),
        "untimed_bytes_per_state": round(untimed.bytes_per_state, 1),
    }


# ---- the report


def report(figures: dict[str, Any]) -> str:
    lines = [f"{figures['machine']}, {figures['cpus']} CPUs, load {figures['load']:.1f}", ""]
    for row in figures["commands"]:
        seconds = f"{row['seconds']:.2f} s" + (f" (asked: < {row['seconds_max']:g} s)" if row["seconds_max"] else "")
        memory = f"{row['memory_mb']:.0f} MB"
        memory += f" (asked: < {row['memory_mb_max']:g} MB)" if row["memory_mb_max"] else ""
        lines.append(f"{row['command']:<46} {seconds}, {memory}{'' if row['met'] else '  NOT MET'}")
    lines += [
        "",
        f"{'a processor second, one process':<32} {'timed: zones':>20} {'untimed: states':>16} {'B/state':>8}",
    ]
    for row in figures["rates"]:
        timed = f"{row['timed_zones_per_second']:,} of {row['timed_zones']:,}"
        lines.append(
            f"{row['spec']:<32} {timed:>20} {row['untimed_states_per_second']:>16,} "
            f"{row['untimed_bytes_per_state']:>8.0f}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    figures: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "commands": [command_figures(asked) for asked in COMMANDS],
        "rates": [rate_figures(path) for path in sorted((ROOT / "specs").glob("*.tcp"))],
    }
    print(report(figures))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0  # on a busy machine a command takes longer than was asked: the report says so


if __name__ == "__main__":
    sys.exit(main())
