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

ROOT = Path(__file__).parents[1]
SAMPLE_EVERY = 0.02  # s
UNTIMED_SECONDS = 3.0  # without clocks a spec may have far more runs: that long is enough for a rate
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


def rate_figures(path: Path) -> dict[str, Any]:
    """States a second of a spec's searches, with clocks and without."""
    from tcpcheck.checking import verify_scenario
    from tcpcheck.explore.result import Limits
    from tcpcheck.knowledge import REGISTRY
    from tcpcheck.lang import load

    scenario = load(path, REGISTRY)
    timed = verify_scenario(scenario).stats
    bare = [replace(case, timed=False, claims=(), horizon=None) for case in scenario.cases]
    untimed = verify_scenario(replace(scenario, cases=tuple(bare)), Limits(seconds=UNTIMED_SECONDS)).stats
    return {
        "spec": str(path.relative_to(ROOT)),
        "timed_states": timed["states"],
        "timed_states_per_second": timed["states_per_second"],
        "untimed_states": untimed["states"],
        "untimed_states_per_second": untimed["states_per_second"],
        "untimed_bytes_per_state": untimed["bytes_per_state"],
    }


# ---- the report


def report(figures: dict[str, Any]) -> str:
    lines = [f"{figures['machine']}, {figures['cpus']} CPUs, load {figures['load']:.1f}", ""]
    for row in figures["commands"]:
        seconds = f"{row['seconds']:.2f} s" + (f" (asked: < {row['seconds_max']:g} s)" if row["seconds_max"] else "")
        memory = f"{row['memory_mb']:.0f} MB"
        memory += f" (asked: < {row['memory_mb_max']:g} MB)" if row["memory_mb_max"] else ""
        lines.append(f"{row['command']:<46} {seconds}, {memory}{'' if row['met'] else '  NOT MET'}")
    lines += ["", f"{'states a second, one process':<46} {'timed':>20} {'untimed':>20} {'B/state':>8}"]
    for row in figures["rates"]:
        cells = (
            f"{row[f'{kind}_states_per_second']:,.0f} of {row[f'{kind}_states']:,}" for kind in ("timed", "untimed")
        )
        rates = " ".join(f"{cell:>20}" for cell in cells)
        lines.append(f"{row['spec']:<46} {rates} {row['untimed_bytes_per_state']:>8.0f}")
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
    return 0 if all(row["met"] for row in figures["commands"]) else 1


if __name__ == "__main__":
    sys.exit(main())
