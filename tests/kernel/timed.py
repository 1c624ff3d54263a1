"""Walks in which time passes: segments, calls and silences, with what the kernel's timers send in between.

    python -m tests.kernel.timed --write            records timed-<release>.json.gz
    python -m tests.kernel.timed [STATE [NUMBER]]   shows where the model cannot follow

A walk is a list of events: [ms, step, outcome] for a step taken, [ms, "", reply] for what the kernel sent by itself,
[ms, "end", outcome] at last. Times count from the end of the build; of a reply with timestamps they are exact to two
ticks (its TSval says when it was sent), else it was read some ms later.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import heapq
import json
import os
import random
from pathlib import Path

from tcpcheck.crosscheck.branch import BRANCHES_MAX, Branch, told
from tcpcheck.crosscheck.cells import BASE, HOUSE
from tcpcheck.crosscheck.lab import KernelLab, Peer, signed
from tcpcheck.crosscheck.model import ModelLab
from tcpcheck.crosscheck.states import STATES, build
from tcpcheck.crosscheck.walk import Walk
from tcpcheck.live.namespace import in_namespace
from tests.kernel.walks import steps

Event = tuple[int, str, str]
WALKS = 40  # of each state, all at the same time
STEPS = 5
DELAYS_MS = (0, 0, 30, 100, 300, 700, 1500)  # before a step
SILENCE_MS = 4000  # after the last
RTT_MAX_NS = 1_600_000_000  # the peer may have waited so long with its ACK
BUILD_SECONDS_MAX = 0.002
SETTINGS = {
    **BASE,
    "tcp_invalid_ratelimit": 500,
    "tcp_orphan_retries": 1,
    "tcp_retries2": 2,
    "tcp_fin_timeout": 1,
    "tcp_syn_retries": 1,
    "tcp_syn_linear_timeouts": 1,
    "tcp_synack_retries": 1,
}
STARTS = (
    "SYN-RECV request",
    "SYN-SENT",
    "SYN-RECV full",
    "ESTABLISHED",
    "ESTABLISHED in flight",
    "ESTABLISHED owed",
    "CLOSE-WAIT",
    "FIN-WAIT-1",
    "FIN-WAIT-1 orphan",
    "FIN-WAIT-2",
    "FIN-WAIT-2 bucket",
    "CLOSING orphan",
    "LAST-ACK",
)


def plan(state: str, number: int) -> list[tuple[int, str]]:
    """(ms before it, step) of one walk."""
    draw = random.Random(f"timed {state} {number}")
    return [(draw.choice(DELAYS_MS), step) for step in steps("timed " + state, number)[:STEPS]]


class Recorder:
    """One walk of the kernel, under way among others."""

    def __init__(self, lab: KernelLab, state: str, number: int) -> None:
        self.lab, self.peer, begun = lab, lab.new_peer(True), lab.now()
        build(lab, self.peer, state)
        self.start, self._tsval = lab.now(), self.peer.tsval
        self.late = self.start - begun > BUILD_SECONDS_MAX
        self.walk, self.plan, self.events = Walk(lab, self.peer), plan(state, number), list[Event]()
        self.due = [self.start + sum(ms for ms, _ in self.plan[: k + 1]) / 1000 for k in range(len(self.plan))]
        self.due.append(self.due[-1] + SILENCE_MS / 1000)

    def gather(self) -> None:
        """Note what the kernel has sent by itself."""
        for t, seg in self.lab.wire.take_timed(self.peer.address, self.peer.port):
            ms = round((t - self.start) * 1000)
            by_tsval = signed(seg.ts[0] - self._tsval) if seg.ts else ms
            self.events.append((by_tsval if abs(by_tsval - ms) < 60 else ms, "", told(self.walk, seg)))

    def act(self, k: int) -> None:
        """Take step k, or look for the last time."""
        self.gather()
        ms = round((self.lab.now() - self.start) * 1000)
        if k < len(self.plan):
            self.events.append((ms, self.plan[k][1], self.walk.step(self.plan[k][1])))
        else:
            self.events.append((ms, "end", self.walk.outcome("", [])))


def record(state: str) -> list[list[Event]]:
    """All walks from one state, at the same time, by the kernel of this namespace."""
    lab = KernelLab({**SETTINGS, **HOUSE, **STATES[state][2]})
    walks = [_begun(lab, state, number) for number in range(WALKS)]
    agenda = [(due, n, k) for n, walk in enumerate(walks) for k, due in enumerate(walk.due)]
    heapq.heapify(agenda)
    while agenda:
        due, n, k = heapq.heappop(agenda)
        lab.settle(max(due - lab.now(), 0))
        walks[n].act(k)
    for walk in walks:
        lab.tear_down(walk.peer)
    return [walk.events for walk in walks]


def _begun(lab: KernelLab, state: str, number: int) -> Recorder:
    """A walk whose build was not interrupted: its timers run from the end of the build."""
    while True:
        walk = Recorder(lab, state, number)
        if not walk.late:
            return walk
        lab.tear_down(walk.peer)


def golden_path() -> Path:
    """The recorded walks."""
    return Path(__file__).parent / "timed-6.18.44.json.gz"


@functools.cache
def load() -> dict[str, list[list[Event]]]:
    """state -> walk -> events."""
    with gzip.open(golden_path(), "rt") as file:
        data: dict[str, list[list[Event]]] = json.load(file)["walks"]
    return data


# ---- the model


def follow(state: str, number: int) -> int | None:
    """None when the model can do all that the kernel did, else the number of the event at which it cannot."""
    lab = ModelLab({**SETTINGS, **STATES[state][2]}, rtt_max_ns=RTT_MAX_NS)
    live = []
    for built, peer in lab.every(functools.partial(_built, state)):
        live.append(Branch(built, Walk(built, peer), built.driver.now()))
    for i, (ms, step, text) in enumerate(load()[state][number]):
        t = ms * 1_000_000
        found: dict[str, Branch] = {}
        for branch in live:
            for before in branch.silent(t):
                for after in before.acts(t, step, text) if step else before.sends(t, text):
                    found.setdefault(after.key(), after)
        live = list(found.values())[:BRANCHES_MAX]
        if not live:
            return i
    return None


def _built(state: str, lab: ModelLab) -> tuple[ModelLab, Peer]:
    peer = lab.new_peer(True)
    build(lab, peer, state)
    return lab, peer


def differences(state: str) -> dict[int, int]:
    """Walk -> event, of the walks that the model cannot follow."""
    found = {number: follow(state, number) for number in range(len(load()[state]))}
    return {number: event for number, event in found.items() if event is not None}


def _write() -> None:
    walks = {state: in_namespace(record, state) for state in STARTS}
    head = {"kernel": os.uname().release, "hz": 250, "how": "python -m tests.kernel.timed --write"}
    data = json.dumps({**head, "walks": walks}, separators=(",", ":"), sort_keys=True)
    with open(golden_path(), "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file:
        file.write(data.encode())


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("state", nargs="?", choices=STARTS)
    parser.add_argument("number", nargs="?", type=int)
    args = parser.parse_args()
    if args.write:
        _write()
        return
    for state in [args.state] if args.state else STARTS:
        rows = differences(state)
        print(f"{state}: {len(rows)} of {len(load()[state])} differ")
        for number, event in rows.items():
            if args.number in (None, number):
                print(f"== {state}, walk {number}")
                for ms, step, text in load()[state][number][: event + 1]:
                    print(f"    {ms:6} {step:20} {text}")


if __name__ == "__main__":
    _main()
