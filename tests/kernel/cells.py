"""State x stimulus -> reply and next state, as the kernel of this machine gives them.

    python -m tests.kernel.cells --write        records cells-<release>.json.gz (root and /dev/net/tun needed; minutes)
    python -m tests.kernel.cells STATE STIMULUS shows one state's cells whose stimulus starts so

A cell is text: `replies|state`, or `replies|state|later replies|later state` when something happened in the next
LATE seconds (a delayed ACK, an early SYN). A setting that sends the stimulus twice has both answers, ` / ` between.
A reply is flags, seq relative to SND.NXT, ack relative to RCV.NXT or (`+W`) to the window's right edge, all as before
the stimulus, `/n` for n bytes of payload, `T` with timestamps (`Te` when TSecr echoes the stimulus's TSval, `T?` when
it echoes neither that nor ts_recent), `D` for a DSACK, `K` for another SACK block. `new` is an ISN that nothing
determines, `zero` the number 0.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path

from tcpcheck.live.namespace import in_namespace
from tcpcheck.live.packet import ACK, RST, SYN, Segment, flag_text
from tests.kernel.lab import PEER_TS, KernelLab, Lab, Peer, signed
from tests.kernel.states import STATES, build
from tests.kernel.stimuli import Stimulus, stimuli_for

LATE = (
    0.070  # seconds: longer than a delayed ACK (40 ms) and the early SYN (2 jiffies), shorter than the probe at 0.2 s
)
BATCH = 20  # cells that wait for late replies together
TOO_LATE = 0.170  # a batch that took longer has met retransmissions: do it again
OWN_ISN = -1  # a SYN or SYN-ACK of the connection itself, from SND.NXT
BUCKET_ISN = 65537  # a SYN-ACK of a connection that takes over a time-wait bucket, from the old SND.NXT
BASE: dict[str, int] = {
    "tcp_timestamps": 1,
    "tcp_rfc1337": 0,
    "tcp_invalid_ratelimit": 500,
    "tcp_fin_timeout": 60,
    "tcp_sack": 1,
    "tcp_syncookies": 1,
}
# What the kernel under test must also have, though the model knows nothing of it.
HOUSE: dict[str, int | str] = {"tcp_congestion_control": "reno", "tcp_no_metrics_save": 1}


@dataclass(frozen=True)
class Setting:
    """Sysctls, whether the peer offers timestamps, whether each stimulus is sent twice, and the states it is for."""

    sysctls: dict[str, int]
    peer_ts: bool
    twice: bool = False
    states: tuple[str, ...] = tuple(STATES)


SETTINGS = {
    "ts": Setting({}, True),
    "no-ts": Setting({"tcp_timestamps": 0}, False),
    "twice": Setting({}, True, twice=True),
    "no-limit": Setting({"tcp_invalid_ratelimit": 0}, True, twice=True),
    "rfc1337": Setting({"tcp_rfc1337": 1}, True, states=("TIME-WAIT", "FIN-WAIT-2 bucket")),
    "peer-no-ts": Setting({}, False, states=("TIME-WAIT", "FIN-WAIT-2 bucket", "SYN-RECV request")),
}


def golden_path() -> Path:
    """The recorded answers."""
    return Path(__file__).parent / "cells-6.18.44.json.gz"


@functools.cache
def load() -> dict[str, dict[str, dict[str, str]]]:
    """setting -> state -> stimulus -> cell."""
    with gzip.open(golden_path(), "rt") as file:
        data: dict[str, dict[str, dict[str, str]]] = json.load(file)["cells"]
    return data


def describe(peer: Peer, stimulus: Segment, reply: Segment) -> str:
    """A reply in the notation above; `peer` as it stood before the stimulus."""
    seq, ack = signed(reply.seq - peer.sn), signed(reply.ack - peer.rn)
    text = flag_text(reply.flags) + " "
    if reply.flags & SYN and seq not in (OWN_ISN, BUCKET_ISN):
        text += "new"
    elif reply.seq == 0 and reply.flags & RST and reply.flags & ACK:
        text += "zero"
    else:
        text += f"{seq:+}"
    if reply.flags & ACK:
        beyond = ack - peer.window()
        text += f" +W{beyond:+}" if -2 <= beyond <= 12 else f" {ack:+}"
    if reply.length:
        text += f"/{reply.length}"
    if reply.ts is not None:
        echoed = stimulus.ts[0] if stimulus.ts else None
        text += "T" if reply.ts[1] == PEER_TS else "Te" if reply.ts[1] == echoed else "T0" if not reply.ts[1] else "T?"
    if reply.sack:
        text += "D" if reply.dsack else "K"
    return text


class Cell:
    """One cell in the making: `peer`'s connection gets the stimulus now; later it is looked at again."""

    def __init__(self, lab: Lab, peer: Peer, stimulus: Stimulus, twice: bool) -> None:
        self._lab, self.peer, self._twice = lab, peer, twice
        self._seg = stimulus.segment(peer)
        self.text = self._now(lab.inject(peer, self._seg))
        if twice:
            self.text += " / " + self._now(lab.inject(peer, self._seg))

    def _now(self, replies: list[Segment]) -> str:
        self._after = self._lab.state(self.peer)
        return ", ".join(describe(self.peer, self._seg, r) for r in replies) + "|" + self._after

    def finish(self) -> str:
        """What came later, if anything did; the whole cell."""
        if not self._twice:
            before = self._after
            late = self._now(self._lab.pending(self.peer))
            if late != "|" + before:
                self.text += "|" + late
        return self.text


def record(setting_name: str, state: str, wanted: str = "") -> dict[str, str]:
    """All cells of one state under one setting whose stimulus starts with `wanted`. Runs inside a namespace."""
    setting = SETTINGS[setting_name]
    lab = KernelLab({**BASE, **HOUSE, **setting.sysctls, **STATES[state][2]})
    todo = [s for s in stimuli_for(setting_name, state) if str(s).startswith(wanted)]
    cells: dict[str, str] = {}
    while todo:
        batch, start = todo[:BATCH], lab.now()
        made = [(s, Cell(lab, _built(lab, state, setting), s, setting.twice)) for s in batch]
        if not setting.twice:
            lab.settle(LATE)
        found = {str(s): cell.finish() for s, cell in made}
        on_time = lab.now() - start < TOO_LATE
        for _, cell in made:
            lab.tear_down(cell.peer)
        if on_time:
            cells |= found
            todo = todo[BATCH:]
    return cells


def _built(lab: Lab, state: str, setting: Setting) -> Peer:
    peer = lab.new_peer(setting.peer_ts)
    build(lab, peer, state)
    return peer


def record_all() -> dict[str, dict[str, dict[str, str]]]:
    """Every setting and state, each in a namespace of its own."""
    return {
        name: {state: in_namespace(record, name, state) for state in setting.states}
        for name, setting in SETTINGS.items()
    }


def _write() -> None:
    cells = record_all()
    again = record_all()
    for name, states in cells.items():
        for state, found in states.items():
            for stimulus, text in found.items():
                other = again[name][state][stimulus]
                if text != other:
                    print(f"differs between two runs: {name}, {state}, {stimulus}: {text} <> {other}")
    head = {"kernel": os.uname().release, "hz": 250, "sysctls": BASE, "how": "python -m tests.kernel.cells --write"}
    data = json.dumps({**head, "cells": cells}, separators=(",", ":"), sort_keys=True)
    with open(golden_path(), "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file:
        file.write(data.encode())
    print(sum(len(found) for states in cells.values() for found in states.values()), "cells")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--setting", default="ts", choices=SETTINGS)
    parser.add_argument("state", nargs="?", choices=list(STATES))
    parser.add_argument("stimulus", nargs="?", default="")
    args = parser.parse_args()
    if args.write:
        _write()
    elif args.state:
        for stimulus, text in in_namespace(record, args.setting, args.state, args.stimulus).items():
            print(f"{stimulus:40} {text}")
    else:
        parser.print_help()


if __name__ == "__main__":
    _main()
