"""Random walks: several segments and calls in a row, the same for kernel and model.

    python -m tests.kernel.walks --write            records walks-<release>.json.gz
    python -m tests.kernel.walks [STATE [NUMBER]]   shows where the model differs

A walk starts in a state of `states.py`; its numbers are relative to what the peer has seen so far: seq to the host's
last acknowledgement, ack to the end of what the host has sent. A step's outcome is `result|replies|state`, replies as
in `cells.py`; after the last step come the replies of the next 70 ms. No reply is rate-limited.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import os
import random
from pathlib import Path

from tests.kernel.cells import BASE, BATCH, HOUSE, LATE, TOO_LATE, describe
from tests.kernel.lab import PEER_TS, KernelLab, Lab, Peer, signed
from tests.kernel.namespace import in_namespace
from tests.kernel.packet import ACK, FIN, M32, RST, SYN, Segment, flag_bits
from tests.kernel.states import STATES, build

SETTINGS = {**BASE, "tcp_invalid_ratelimit": 0}
WALKS = 150  # of each state
STEPS = 8
STARTS = tuple(
    name
    for name in STATES
    if name not in ("CLOSED", "LISTEN", "TIME-WAIT open", "ESTABLISHED holes", "ESTABLISHED owed", "ESTABLISHED interactive")
)
FLAGS = (".",) * 5 + ("F.",) * 4 + ("P.",) * 5 + ("S", "S.", "R", "-")
SEQS = (0,) * 8 + (-1, 1, 10, 11, -10, 1000)
ACKS = (0,) * 10 + (1, -1, -100, 5000)
TSVALS = (0,) * 8 + (1, 5, -1, -2000)
CALLS = ("accept", "send 100", "recv", "shutdown", "close")


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


class Walk:
    """One walk under way: `start` takes all its steps, `finish` looks again later."""

    def __init__(self, lab: Lab, peer: Peer) -> None:
        self._lab, self.peer = lab, peer
        self._last = Segment(0)

    def start(self, walk: list[str]) -> None:
        """Take the steps."""
        self.outcomes = [self._step(step) for step in walk]

    def finish(self) -> list[str]:
        """The outcomes of all steps, and what came later."""
        return [*self.outcomes, self._outcome("", self._lab.pending(self.peer))]

    def _outcome(self, result: str, replies: list[Segment]) -> str:
        text = ", ".join(describe(self.peer, self._last, seg) for seg in replies)
        self._see(replies)
        return f"{result}|{text}|{self._lab.state(self.peer)}"

    def _see(self, replies: list[Segment]) -> None:
        for seg in replies:
            if seg.flags & (RST | SYN):
                continue
            end = (seg.seq + seg.length + bool(seg.flags & FIN)) & M32
            if signed(end - self.peer.sn) > 0:
                self.peer.sn = end
            self.peer.rn = seg.ack

    def _step(self, step: str) -> str:
        if step in CALLS:
            if (step == "accept") == (self.peer.handle is not None):
                return "no descriptor"
            result = self._lab.result(self.peer, step)
            return self._outcome(result, self._lab.pending(self.peer))
        flags, seq, ack, length, ts = step.split()
        bits = flag_bits(flags)
        number = (self.peer.sn + int(ack)) & M32 if bits & ACK else 0
        seg = Segment(bits, (self.peer.rn + int(seq)) & M32, number, int(length))
        seg.ts = (PEER_TS + int(ts), self.peer.tsval if bits & ACK else 0)
        if bits & SYN:
            seg.mss, seg.sack_ok = 1460, True
        self._last = seg
        return self._outcome("", self._lab.inject(self.peer, seg))


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
            walk.start(steps(state, number))
            begun.append(walk)
        lab.settle(LATE)
        outcomes = [walk.finish() for walk in begun]
        on_time = lab.now() - start < TOO_LATE
        for walk in begun:
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


def model_walk(state: str, number: int) -> list[str]:
    """The model's outcomes of one walk."""
    from tests.kernel.model import ModelLab

    lab = ModelLab({**SETTINGS, **STATES[state][2]})
    peer = lab.new_peer(True)
    build(lab, peer, state)
    walk = Walk(lab, peer)
    walk.start(steps(state, number))
    lab.settle(LATE)
    return walk.finish()


def differences(state: str) -> list[tuple[int, int]]:
    """(walk, step) at which model and kernel part, for each walk in which they do."""
    found = []
    for number, kernel in enumerate(load()[state]):
        if kernel is None:
            continue
        model = model_walk(state, number)
        if model != kernel:
            found.append((number, next(i for i, (a, b) in enumerate(zip(kernel, model, strict=True)) if a != b)))
    return found


def _write() -> None:
    walks = {state: in_namespace(record, state) for state in STARTS}
    again = {state: in_namespace(record, state) for state in STARTS}
    kept = {state: [w if w == x else None for w, x in zip(walks[state], again[state], strict=True)] for state in STARTS}
    print(sum(found.count(None) for found in kept.values()), "walks came out differently in two runs: not kept")
    head = {"kernel": os.uname().release, "hz": 250, "how": "python -m tests.kernel.walks --write"}
    data = json.dumps({**head, "walks": kept}, separators=(",", ":"), sort_keys=True)
    with open(golden_path(), "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file:
        file.write(data.encode())


def _show(state: str, number: int, step: int) -> None:
    kernel, model = load()[state][number], model_walk(state, number)
    assert kernel is not None
    print(f"== {state}, walk {number}")
    for i, text in enumerate([*steps(state, number)[: step + 1], "later"][: step + 1]):
        print(f"    {text:24} kernel {kernel[i]:40} model {model[i]}")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("state", nargs="?", choices=STARTS)
    parser.add_argument("number", nargs="?", type=int)
    args = parser.parse_args()
    if args.write:
        _write()
        return
    total = 0
    for state in [args.state] if args.state else STARTS:
        rows = differences(state)
        total += len(rows)
        for number, step in rows:
            if args.number in (None, number):
                _show(state, number, step)
    print(total, "walks differ")


if __name__ == "__main__":
    _main()
