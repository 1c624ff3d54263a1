"""State x stimulus -> reply and next state, as the kernel of this machine gives them (crosscheck/cells.py).

python -m tests.kernel.cells --write        records cells-<release>.json.gz (root and /dev/net/tun needed; minutes)
python -m tests.kernel.cells STATE STIMULUS shows one state's cells whose stimulus starts so
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import os
from pathlib import Path

from tcpcheck.crosscheck.cells import BASE, HOUSE, LATE, SETTINGS, Cell, Setting
from tcpcheck.crosscheck.lab import KernelLab, Lab, Peer
from tcpcheck.crosscheck.states import STATES, build
from tcpcheck.crosscheck.stimuli import stimuli_for
from tcpcheck.live.namespace import in_namespace

BATCH = 20  # cells that wait for late replies together
TOO_LATE = 0.170  # a batch that took longer has met retransmissions: do it again


def golden_path() -> Path:
    """The recorded answers."""
    return Path(__file__).parent / "cells-6.18.44.json.gz"


@functools.cache
def load() -> dict[str, dict[str, dict[str, str]]]:
    """setting -> state -> stimulus -> cell."""
    with gzip.open(golden_path(), "rt") as file:
        data: dict[str, dict[str, dict[str, str]]] = json.load(file)["cells"]
    return data


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
