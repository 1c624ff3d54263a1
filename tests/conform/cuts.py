"""Captures that start in the middle: `python -m tests.conform.cuts [NAME...]` judges every cut of every capture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from tcpcheck.conform.command import read
from tcpcheck.conform.judge import Verdict, judge
from tcpcheck.conform.packets import Capture
from tests.conform.captures import NAMES, OPTIONS, conform, path


def cut(capture: Capture, first: int) -> Capture:
    """The capture as it would be had it started with this packet."""
    rows = capture.packets[first - 1 :]
    start = rows[0].time_ns
    packets = [replace(p, number=i, time_ns=p.time_ns - start) for i, p in enumerate(rows, 1)]
    return Capture(capture.name, packets)


def judged(name: str, every: int = 1, offset: int = 0) -> Iterator[tuple[int, Verdict]]:
    """(first packet, verdict) of every n-th cut."""
    call, whole = conform(name), read(str(path(name)))
    for first in range(2 + offset, len(whole.packets) + 1, every):
        sysctls = tuple((max(at - first + 1, 0), *row) for at, *row in call.setting.sysctls)
        setting = replace(call.setting, sysctls=sysctls)
        host = call.call.host or OPTIONS[name]["options"][1]
        yield first, judge(cut(whole, first), host, setting, midstream=True)


def _main(names: list[str]) -> None:
    tried = refused = 0
    for name in names:
        for first, verdict in judged(name):
            tried += 1
            if verdict.agrees is not True:
                refused += 1
                wrong = verdict.first_disagreement
                print(f"{name} from packet {first}: {wrong.observed if wrong else verdict.connections[0].why}")
    print(f"{tried} cuts, {tried - refused} agree, {refused} refused")


if __name__ == "__main__":
    _main(sys.argv[1:] or NAMES)
