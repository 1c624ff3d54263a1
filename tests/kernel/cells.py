"""State x stimulus -> reply and next state, as a kernel gave them once (tcpcheck/crosscheck/cells.py).

python -m tests.kernel.cells --write        records the cells of cells-<release>.json.gz again (needs namespaces)
python -m tests.kernel.cells STATE STIMULUS shows one state's cells whose stimulus starts so, live
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import os
from pathlib import Path

from tcpcheck.crosscheck.cells import BASE, SETTINGS
from tcpcheck.crosscheck.play import CellPlayer
from tcpcheck.crosscheck.states import STATES
from tcpcheck.crosscheck.stimuli import parse
from tcpcheck.live.namespace import in_namespace

Cells = dict[str, dict[str, dict[str, str]]]  # setting -> state -> stimulus -> cell


def golden_path() -> Path:
    """The recorded answers."""
    return Path(__file__).parent / "cells-6.18.44.json.gz"


@functools.cache
def load() -> Cells:
    """The recorded answers: a sample of what `tcpcheck crosscheck` asks."""
    with gzip.open(golden_path(), "rt") as file:
        data: Cells = json.load(file)["cells"]
    return data


def record(setting: str, state: str, wanted: str = "") -> dict[str, str | None]:
    """The cells of one state under one setting whose stimulus starts with `wanted`. Runs inside a namespace."""
    stimuli = [parse(text) for text in load()[setting][state] if text.startswith(wanted)]
    found = CellPlayer(SETTINGS[setting], state).play(stimuli)
    return {str(stimulus): found[stimulus] for stimulus in stimuli}


def record_all() -> dict[str, dict[str, dict[str, str | None]]]:
    """Every setting and state, each in a namespace of its own."""
    return {name: {state: in_namespace(record, name, state) for state in states} for name, states in load().items()}


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
