"""Text that waits for a window leaves nothing in a capture but probes; a capture of the model's own is judged."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import tcpcheck
from tcpcheck.conform.command import read
from tcpcheck.conform.follow import Setting
from tcpcheck.conform.judge import Side, judge
from tcpcheck.conform.packets import Capture
from tests.conform.mutations import mutations

HOST = "10.0.0.1"
KNOWN = Setting(lost_known=True)
SPEC = """title "A window of zero that opens in the end"
host server { kernel linux 6.18.44 ; run { listen :80 ; accept -> c ; send c 100B ; THEN } }
host greedy {
    kernel none
    run {
        await { server:80 absent }
        inject SYN from :2000 to server:80 (seq any -> isn, win = 1000)
        receive SYN-ACK -> sa
        loop 4 {
            inject ACK from :2000 to server:80 (seq = isn + 1, ack = sa.seq + 1, win = 0)
            receive SEGMENT -> probe
        }
        inject ACK from :2000 to server:80 (seq = isn + 1, ack = sa.seq + 1, win = 1000)
    }
}
network { delay 1ms }
reach ends { greedy receives WHAT }
"""
WAYS = [("sleep 1s", "DATA"), ("shutdown c write", "FIN"), ("sleep 1s ; close c", "FIN")]
# A probe whose timer may fire after the window opened, and the capture's end.
MAY_BE = ["dropped of packet 10", "dropped of packet 12"]


def captured(folder: Path, then: str, what: str) -> Capture:
    text = SPEC.replace("THEN", then).replace("WHAT", what)
    made = tcpcheck.export(tcpcheck.trace(text, "ends"), "pcapng", host="server")
    assert isinstance(made, bytes)
    (folder / "made.pcapng").write_bytes(made)
    return read(str(folder / "made.pcapng"))


@pytest.mark.parametrize(("then", "what"), WAYS)
def test_it_agrees(tmp_path: Path, then: str, what: str) -> None:
    capture = captured(tmp_path, then, what)
    verdict = judge(capture, HOST, KNOWN)
    assert verdict.agrees, verdict.first_disagreement
    (row,) = verdict.connections
    assert [words for _, words in row.story][:2] == ["accept()", "send(100), which waits for a window"]


def test_what_the_host_did_not_do_is_refused(tmp_path: Path) -> None:
    capture = captured(tmp_path, "close c", "FIN")
    side = Side(HOST)
    kept = [str(m) for m in mutations(capture, side) if judge(m.capture, HOST, KNOWN).agrees]
    assert kept == MAY_BE
    probes = [i for i, p in enumerate(capture.packets) if side.owns(p.src)][1:-1]
    for before, i in pairwise([2, *probes]):  # a probe that comes later than its timer
        packets = list(capture.packets)
        gap = packets[i].time_ns - packets[before].time_ns
        packets[i:] = [replace(p, time_ns=p.time_ns + gap // 2) for p in packets[i:]]
        late = judge(replace(capture, packets=packets), HOST, KNOWN)
        assert late.agrees == (i == probes[0]), i  # the first may: the text may have come later
