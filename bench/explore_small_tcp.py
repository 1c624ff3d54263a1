"""Explores the small TCP once and prints what it took, for compare.py: `explore_small_tcp.py A`."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.small_tcp import SmallTcp
from tcpcheck.explore.parallel import search_whole

from tcpcheck.explore.result import Limits
from tcpcheck.explore.search import search


def peak() -> int:
    """The most memory this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", choices="ABC")
    parser.add_argument("--steps", action="store_true", help="step by step, as the Linux model is explored")
    parser.add_argument("--exact", action="store_true", help="whole states are kept and compared, not their hashes")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="the search of several threads, with N")
    options = parser.parse_args()
    handles = [SmallTcp(options.size, whole=not options.steps).handle() for _ in range(max(options.threads, 1))]
    before, cpu, wall = peak(), time.process_time(), time.monotonic()
    result = search_whole(handles) if options.threads else search(handles[0], limits=Limits(exact=options.exact))
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    found = {"states": result.states, "transitions": result.transitions, "cpu": cpu, "wall": wall}
    print(json.dumps({**found, "memory": peak() - before}))


if __name__ == "__main__":
    main()
