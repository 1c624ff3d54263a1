"""Random walks: several segments and calls in a row, the same for kernel and model.

    python -m tests.kernel.walks --write    records walks-<release>.json.gz

A walk starts in a state of crosscheck/states.py; its steps are those of crosscheck/walk.py. No reply is rate-limited.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import os
import random
from pathlib import Path

from tcpcheck.crosscheck.cells import BASE, HOUSE, LATE
from tcpcheck.crosscheck.lab import KernelLab
from tcpcheck.crosscheck.states import STATES, build
from tcpcheck.crosscheck.walk import CALLS, Walk
from tcpcheck.live.namespace import in_namespace

BATCH = 20  # walks that wait for late replies together
TOO_LATE = 0.170  # a batch that took longer has met retransmissions: do it again

SETTINGS = {**BASE, "tcp_invalid_ratelimit": 0}
WALKS = 150  # of each state
STEPS = 8
STARTS = tuple(
    name
    for name in STATES
    if name
    not in ("CLOSED", "LISTEN", "TIME-WAIT open", "ESTABLISHED holes", "ESTABLISHED owed", "ESTABLISHED interactive")
)
FLAGS = (".",) * 5 + ("F.",) * 4 + ("P.",) * 5 + ("S", "S.", "R", "-")
SEQS = (0,) * 8 + (-1, 1, 10, 11, -10, 1000)
ACKS = (0,) * 10 + (1, -1, -100, 5000)
TSVALS = (0,) * 8 + (1, 5, -1, -2000)


def steps(state: str, number: int) -> list[str]:
    """The steps of one walk, as text: a call, or `flags seq ack length tsval`."""
    draw = random.Random(f"{state} {number}")
    walk = []
    for _ in range(STEPS):
        if draw.random() < 0.25:
            walk.append(draw.choice(CALLS))
            continue
        flags = draw.choice(FLAGS)
        length = 10 if flags == "P." or draw.random() < 0.1 else 0
        walk.append(f"{flags} {draw.choice(SEQS)} {draw.choice(ACKS)} {length} {draw.choice(TSVALS)}")
    return walk


def record(state: str) -> list[list[str]]:
    """All walks from one state, by the kernel of this namespace."""
    lab = KernelLab({**SETTINGS, **HOUSE, **STATES[state][2]})
    found: list[list[str]] = []
    while len(found) < WALKS:
        numbers, begun, start = range(len(found), min(len(found) + BATCH, WALKS)), [], lab.now()
        for number in numbers:
            peer = lab.new_peer(True)
            build(lab, peer, state)
            walk = Walk(lab, peer)
            begun.append((walk, [walk.step(step) for step in steps(state, number)]))
        lab.settle(LATE)
        outcomes = [[*told, walk.outcome("", lab.pending(walk.peer))] for walk, told in begun]
        on_time = lab.now() - start < TOO_LATE
        for walk, _ in begun:
            lab.tear_down(walk.peer)
        if on_time:
            found += outcomes
    return found


def golden_path() -> Path:
    """The recorded walks."""
    return Path(__file__).parent / "walks-6.18.44.json.gz"


@functools.cache
def load() -> dict[str, list[list[str] | None]]:
    """state -> walk -> outcomes; None: they depend on an ISN or on the moment."""
    with gzip.open(golden_path(), "rt") as file:
        data: dict[str, list[list[str] | None]] = json.load(file)["walks"]
    return data


def _write() -> None:
    walks = {state: in_namespace(record, state) for state in STARTS}
    again = {state: in_namespace(record, state) for state in STARTS}
    kept = {state: [w if w == x else None for w, x in zip(walks[state], again[state], strict=True)] for state in STARTS}
    print(sum(found.count(None) for found in kept.values()), "walks came out differently in two runs: not kept")
    head = {"kernel": os.uname().release, "hz": 250, "how": "python -m tests.kernel.walks --write"}
    data = json.dumps({**head, "walks": kept}, separators=(",", ":"), sort_keys=True)
    with open(golden_path(), "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file:
        file.write(data.encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        _write()
