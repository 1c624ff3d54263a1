"""The recorded cells against the kernel of this machine, where that is possible; the lab itself."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpcheck.crosscheck.cells import SETTINGS
from tcpcheck.crosscheck.states import STATES
from tcpcheck.crosscheck.stimuli import parse
from tcpcheck.live import namespace
from tcpcheck.live.packet import Segment, decode, encode, flag_bits, flag_text
from tests.kernel.cells import load, record

RELEASE = "6.18.44"
why_not = namespace.unavailable()
if why_not is None and not os.uname().release.startswith(RELEASE):
    why_not = f"the cells were recorded with {RELEASE}, this is {os.uname().release}"
needs_kernel = pytest.mark.skipif(why_not is not None, reason=f"the real kernel is not asked: {why_not}")
numbers = st.integers(0, 0xFFFFFFFF)


@given(flags=st.sampled_from(["S", "S.", ".", "F.", "R", "P.", "-", "SF"]), seq=numbers, ack=numbers, ts=numbers)
@settings(max_examples=50, derandomize=True)
def test_a_segment_survives_the_wire(flags: str, seq: int, ack: int, ts: int) -> None:
    sent = Segment(flag_bits(flags), seq, ack if "." in flags else 0, 11, 1234, (ts, 5), 1460, True)
    found = decode(encode(sent, "10.9.1.2", 20001, "10.9.0.1", 8888))
    assert found == (sent, ("10.9.1.2", 20001), ("10.9.0.1", 8888))
    assert flag_bits(flag_text(sent.flags)) == sent.flags


def test_every_state_is_recorded() -> None:
    assert load()["ts"].keys() == load()["no-ts"].keys() == STATES.keys()
    for name, states in load().items():
        for state, cells in states.items():
            assert {parse(text) for text in cells} <= set(SETTINGS[name].stimuli()), (name, state)
            assert all(str(parse(text)) == text for text in cells)


@needs_kernel
@pytest.mark.parametrize("state", STATES)
def test_the_kernel_still_answers_as_recorded(state: str) -> None:
    """A sample of each state, whose answers are all immediate: a busy machine does not change them."""
    golden = load()["ts"][state]
    found = namespace.in_namespace(record, "ts", state, "S seq")
    assert found
    assert found == {stimulus: golden[stimulus] for stimulus in found}


@needs_kernel
def test_nothing_is_left_behind() -> None:
    def devices() -> list[str]:
        return [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]

    before = devices(), Path("/proc/sys/net/ipv4/tcp_timestamps").read_text(), os.readlink("/proc/self/ns/net")
    namespace.in_namespace(record, "no-ts", "LISTEN", "S seq+0")
    assert (
        devices(),
        Path("/proc/sys/net/ipv4/tcp_timestamps").read_text(),
        os.readlink("/proc/self/ns/net"),
    ) == before


@needs_kernel
def test_an_error_in_the_namespace_is_reported() -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'no such setting'"):
        namespace.in_namespace(record, "no such setting", "LISTEN")


def test_golden_data_says_how_it_was_made() -> None:
    import gzip

    from tests.kernel.cells import golden_path

    with gzip.open(golden_path(), "rt") as file:
        head = json.load(file)
    assert head["kernel"].startswith(RELEASE)
    assert head["how"] == "python -m tests.kernel.cells --write"
