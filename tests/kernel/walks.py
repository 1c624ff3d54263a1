"""Random walks: several segments and calls in a row, the same for kernel and model.

    python -m tests.kernel.walks --write    records walks-<release>.json.gz

A walk starts in a state of `states.py`; its numbers are relative to what the peer has seen so far: seq to the host's
last acknowledgement, ack to the end of what the host has sent. A step's outcome is `result|replies|state`, replies as
in `cells.py`; after the last step come the replies of the next 70 ms. No reply is rate-limited.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import gzip
import json
import os
import random
from pathlib import Path

from tcpcheck.live.namespace import in_namespace
from tcpcheck.live.packet import ACK, FIN, M32, RST, SYN, Segment, flag_bits
from tests.kernel.cells import BASE, BATCH, HOUSE, LATE, TOO_LATE, describe
from tests.kernel.lab import PEER_TS, KernelLab, Lab, Peer, signed
from tests.kernel.states import STATES, build

SETTINGS = {**BASE, "tcp_invalid_ratelimit": 0}
WALKS = 150  # of each state
STEPS = 8
LATER = "later"
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
    """One walk under way."""

    def __init__(self, lab: Lab, peer: Peer) -> None:
        self.lab, self.peer = lab, peer
        self._last = Segment(0)

    def on(self, lab: Lab) -> Walk:
        """The same walk, going on in a copy of its lab."""
        other = Walk(lab, dataclasses.replace(self.peer, lab=lab))
        other._last = self._last
        return other

    def act(self, step: str) -> tuple[str, list[Segment]]:
        """Take a step: the result of a call, and the replies."""
        if step == LATER:
            self.lab.settle(LATE)
            return "", self.lab.pending(self.peer)
        if step in CALLS:
            if (step == "accept") == (self.peer.handle is not None):
                return "no descriptor", self.lab.pending(self.peer)
            result = self.lab.result(self.peer, step)
            if step == "shutdown":  # what it returns is not modelled
                result = ""
            return result, self.lab.pending(self.peer)
        flags, seq, ack, length, ts = step.split()
        bits = flag_bits(flags)
        number = (self.peer.sn + int(ack)) & M32 if bits & ACK else 0
        seg = Segment(bits, (self.peer.rn + int(seq)) & M32, number, int(length))
        seg.ts = (PEER_TS + int(ts), self.peer.tsval if bits & ACK else 0)
        if bits & SYN:
            seg.mss, seg.sack_ok = 1460, True
        self._last = seg
        return "", self.lab.inject(self.peer, seg)

    def outcome(self, result: str, replies: list[Segment]) -> str:
        """The step in words; the peer has now seen the replies."""
        text = ", ".join(describe(self.peer, self._last, seg) for seg in replies)
        for seg in replies:
            if seg.ts is not None:
                self.peer.tsval = seg.ts[0]
            if seg.flags & SYN and seg.flags & ACK:  # perhaps of a new connection
                self.peer.sn, self.peer.rn = (seg.seq + 1) & M32, seg.ack
            if seg.flags & (RST | SYN):
                continue
            end = (seg.seq + seg.length + bool(seg.flags & FIN)) & M32
            if signed(end - self.peer.sn) > 0:
                self.peer.sn = end
            self.peer.rn = seg.ack
        return f"{result}|{text}|{self.lab.state(self.peer)}"

    def step(self, step: str) -> str:
        """Take a step and tell its outcome."""
        return self.outcome(*self.act(step))


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
