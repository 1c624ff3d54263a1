"""The engine beside its peers on one state graph: `python bench/compare.py [--size A] [--runs 3] [--json FILE]`.

Every tool explores the small TCP of peers/ to the end and must find the same states and transitions. The runs
alternate, so that a machine that is slow for a while is slow for all; rates are medians, ratios medians of the ratios
within one round. One-thread rates count processor seconds, which other work on the machine disturbs least; rates of
several threads count seconds on the clock. What is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = HERE / "peers"
BUILD = HERE.parent / "build" / "bench"
COUNTS = {"A": (3_042_508, 16_150_642), "B": (17_361_814, 104_005_518)}
LOSSES = {"A": 1, "B": 2}
SWAPS = {"A": 0, "B": 1}
LOG2_PLACES = {"A": 23, "B": 26}  # the ceiling's table: it cannot grow
SLACK = 60  # Spin counts its initial steps; states that its own reduction leaves out


@dataclass
class Run:
    """One exploration. cpu, wall: seconds of the search; memory: bytes it took."""

    states: int
    transitions: int
    cpu: float
    wall: float
    memory: float


@dataclass
class Tool:
    name: str
    threads: int
    command: list[str]
    read: Callable[[str, float, float, int], Run]
    how: str  # in short, for people: with what it is made and called
    build: list[list[str]] = field(default_factory=list)
    needs: str = ""  # a program that must be there; its Debian package has the same name
    rounds: int = 99  # takes part in so many of the last rounds: the slowest need not run so often
    runs: list[Run | None] = field(default_factory=list)
    missing: str = ""

    def rate(self, run: Run) -> float:
        """States a second: of the processor for one thread, of the clock for several."""
        return run.states / (run.cpu if self.threads == 1 else run.wall)


# ---- what the tools print


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"no {pattern!r} in:\n{text}")
    return int(found[1].replace(",", ""))


def read_spin(text: str, cpu: float, wall: float, memory: int) -> Run:
    return Run(number(r"(\d+) states, stored", text), number(r"(\d+) transitions", text), cpu, wall, memory)


def read_rumur(text: str, cpu: float, wall: float, memory: int) -> Run:
    return Run(number(r"(\d+) states, \d+ rules", text), number(r"(\d+) rules fired in", text), cpu, wall, memory)


def read_ceiling(text: str, cpu: float, wall: float, memory: int) -> Run:
    found = re.search(r"wall ([\d.]+) cpu ([\d.]+)", text)
    if found is None:
        raise SystemExit(f"the ceiling printed:\n{text}")
    return Run(number(r"states (\d+)", text), number(r"trans (\d+)", text), float(found[2]), float(found[1]), memory)


def read_engine(text: str, cpu: float, wall: float, memory: int) -> Run:
    return Run(**json.loads(text))


# ---- the tools


def explorer(name: str, size: str, threads: int, whole: bool) -> Tool:
    """The bare explorer of peers/: what this kind of machine can do."""
    out = str(BUILD / f"ceiling-{size}-{threads}{'-whole' if whole else ''}")
    flags = [f"-DLOSS={LOSSES[size]}", f"-DREORD={SWAPS[size]}", f"-DLOG2T={LOG2_PLACES[size]}", f"-DNT={threads}"]
    model = f'-DMODEL="{PEERS / "model_tcp.h"}"'
    gcc = ["gcc", "-O3", "-march=native", model, *flags, *(["-DFULL"] if whole else [])]
    how = f"gcc -O3 -march=native -DNT={threads}{' -DFULL' if whole else ''} peers/explore.c"
    build = [[*gcc, str(PEERS / "explore.c"), "-o", out, "-lpthread"]]
    return Tool(name, threads, [out], read_ceiling, how, build, "gcc")


def spin(size: str) -> Tool:
    folder = BUILD / f"spin-{size}"
    folder.mkdir(parents=True, exist_ok=True)
    flags = ["-DDSTEP", "-DCAP=2", f"-DLOSS={LOSSES[size]}", "-DDUP=1", f"-DREORD={SWAPS[size]}"]
    script = f"cd {folder} && spin {' '.join(flags)} -a {PEERS / 'tcp.pml'}"
    script += " && gcc -O2 -DSAFETY -DNOCLAIM -DNOREDUCE -o pan pan.c"
    table = {"A": "-w24", "B": "-w26"}[size]
    how = f"spin -a peers/tcp.pml ; pan -m2000000 {table} -n"
    command = [str(folder / "pan"), "-m2000000", table, "-n"]
    return Tool("Spin, exact", 1, command, read_spin, how, [["sh", "-c", script]], "spin")


def rumur(size: str, threads: int) -> Tool:
    source, code, out = (BUILD / f"rumur-{size}-{threads}{end}" for end in (".m", ".c", ""))
    text = (PEERS / "tcp.m").read_text(encoding="utf-8")
    text = text.replace("LOSSB: 1", f"LOSSB: {LOSSES[size]}").replace("REORDB: 0", f"REORDB: {SWAPS[size]}")
    source.write_text(text, encoding="utf-8")
    make = ["rumur", "--deadlock-detection", "off", "--value-type", "int32_t", "--threads", str(threads)]
    return Tool(
        "rumur",
        threads,
        [str(out)],
        read_rumur,
        f"rumur --threads {threads} peers/tcp.m",
        [
            [*make, "--output", str(code), str(source)],
            ["gcc", "-std=c11", "-O3", "-march=native", str(code), "-o", str(out), "-lpthread"],
        ],
        "rumur",
        rounds=1,
    )


def engine(name: str, size: str, *how: str, threads: int = 1) -> Tool:
    command = [sys.executable, str(HERE / "explore_small_tcp.py"), size, *how]
    return Tool(name, threads, command, read_engine, " ".join(["explore_small_tcp.py", size, *how]))


def tools(size: str) -> list[Tool]:
    return [
        engine("tcpcheck", size),
        explorer("ceiling, 64-bit hashes", size, 1, False),
        spin(size),
        engine("tcpcheck, step by step", size, "--steps"),
        engine("tcpcheck, whole states", size, "--exact"),
        explorer("ceiling, whole states", size, 1, True),
        engine("tcpcheck", size, "--threads", "2", threads=2),
        explorer("ceiling, 64-bit hashes", size, 2, False),
        rumur(size, 1),
    ]


# ---- running them


def prepare(tool: Tool) -> None:
    for program in {tool.needs, *(command[0] for command in tool.build)} - {""}:
        if shutil.which(program) is None:
            tool.missing = f"{program} is not installed (Debian: apt-get install {program})"
            return
    for command in tool.build:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            tool.missing = f"could not be built: {said[-1] if said else f'exit code {done.returncode}'}"
            return


def run(tool: Tool, size: str) -> Run:
    begin = time.monotonic()
    with subprocess.Popen(
        tool.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=BUILD
    ) as child:
        assert child.stdout is not None
        text = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        if child.returncode == -signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(f"{' '.join(tool.command)} ended with {child.returncode}:\n{text}")
    wall = time.monotonic() - begin
    found = tool.read(text, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)
    if any(abs(got - want) > SLACK for got, want in zip((found.states, found.transitions), COUNTS[size], strict=True)):
        raise SystemExit(
            f"{tool.name} found {found.states} states and {found.transitions} transitions, not {COUNTS[size]}"
        )
    return found


def measure(chosen: Sequence[Tool], size: str, runs: int) -> None:
    for turn in range(runs):
        for tool in chosen:
            skip = tool.missing or turn < runs - tool.rounds
            tool.runs.append(None if skip else run(tool, size))
            if not skip:
                print(f"round {turn + 1} of {runs}: {tool.name}", file=sys.stderr)


def ratio(tool: Tool, other: Tool) -> float | None:
    """The median, over the rounds, of how many times as many states a second as the other."""
    pairs = [(a, b) for a, b in zip(tool.runs, other.runs, strict=False) if a is not None and b is not None]
    return statistics.median(tool.rate(a) / other.rate(b) for a, b in pairs) if pairs else None


def row(tool: Tool, chosen: Sequence[Tool]) -> dict[str, Any]:
    done = [r for r in tool.runs if r is not None]
    if not done:
        return {"tool": tool.name, "threads": tool.threads, "how": tool.how, "missing": tool.missing or "not run"}
    named = {"spin": chosen[2], "ceiling": chosen[1]}
    return {
        "tool": tool.name,
        "threads": tool.threads,
        "how": tool.how,
        "runs": len(done),
        "states": done[0].states,
        "transitions": done[0].transitions,
        "states_per_second": round(statistics.median(tool.rate(r) for r in done)),
        "transitions_per_second": round(statistics.median(tool.rate(r) * r.transitions / r.states for r in done)),
        "bytes_per_state": round(statistics.median(r.memory / r.states for r in done), 1),
        **{f"times_{name}": ratio(tool, other) for name, other in named.items()},
        "command": " ".join(tool.command),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        f"{'tool':<28}{'threads':>8}{'M states/s':>12}{'M trans/s':>11}{'B/state':>9}{'x Spin':>8}{'x ceiling':>11}"
    ]
    for r in rows:
        name = f"{r['tool']:<28}{r['threads']:>8}"
        if "missing" in r:
            lines.append(f"{name}  left out: {r['missing']}")
            continue
        ratios = [f"{r[key]:.2f}" if r[key] is not None else "-" for key in ("times_spin", "times_ceiling")]
        lines.append(
            f"{name}{r['states_per_second'] / 1e6:>12.2f}{r['transitions_per_second'] / 1e6:>11.1f}"
            f"{r['bytes_per_state']:>9.1f}{ratios[0]:>8}{ratios[1]:>11}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=sorted(COUNTS), default="A")
    parser.add_argument("--runs", type=int, choices=range(1, 100), default=3, metavar="N", help="rounds; default: 3")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    chosen = tools(options.size)
    for tool in chosen:
        prepare(tool)
    try:
        measure(chosen, options.size, options.runs)
    except KeyboardInterrupt:
        print("interrupted: what follows is what was measured so far", file=sys.stderr)
    rows = [row(tool, chosen) for tool in chosen]
    states, transitions = COUNTS[options.size]
    print(f"size {options.size}: {states:,} states, {transitions:,} transitions, found by every tool\n")
    print(table(rows))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"size": options.size, "rows": rows}, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
