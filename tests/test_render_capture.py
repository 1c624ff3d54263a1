"""Bytes, tcpdump lines and pcapng captures; tcpdump and tshark judge them where they are installed."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import golden_files
import pcapng as library
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pcapng import blocks
from render_samples import MS, SAMPLES, Recorder, lookup, tw_refused

from tcpcheck.errors import UsageError
from tcpcheck.render import wire
from tcpcheck.render.pcapng import pcapng
from tcpcheck.render.tcpdump import line, tcpdump
from tcpcheck.render.vantage import WIRE, drop_chain, sightings, vantages
from tcpcheck.witness.trace import HostInfo, Segment, Trace

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pcapng")

SEGMENTS = [step.segment for trace in SAMPLES.values() for step in trace.steps if step.segment is not None]
VIEWS = [(name, vantage) for name, trace in SAMPLES.items() for vantage in vantages(trace)]

U32 = st.integers(0, 2**32 - 1)
PORT = st.integers(10000, 65535)  # ports that tcpdump decodes no further


@st.composite
def any_segment(draw: st.DrawFn) -> Segment:
    flags = draw(st.sampled_from(["S", "S.", ".", "F.", "FP.", "R", "R.", "P.", "FS", "none", "F"]))
    stamps = draw(st.none() | st.tuples(U32, U32))
    opening = "S" in flags
    return Segment(
        uid=draw(st.integers(0, 2**20)),
        src="a",
        dst="b",
        src_addr="10.0.0.1",
        dst_addr="192.168.255.254",
        sport=draw(PORT),
        dport=draw(PORT),
        flags=flags,
        seq=draw(U32),
        ack=draw(U32) if "." in flags else 0,
        length=0 if opening else draw(st.sampled_from([0, 0, 1, 7, 1460])),
        window=draw(st.integers(0, 2**26)),
        wscale=draw(st.none() | st.integers(0, 14)),
        mss=draw(st.none() | st.integers(64, 65535)) if opening else None,
        sack_ok=opening and draw(st.booleans()),
        tsval=None if stamps is None else stamps[0],
        tsecr=None if stamps is None else stamps[1],
        sack=draw(st.none() | st.tuples(U32, U32)) if flags == "." else None,
    )


# ---- bytes -------------------------------------------------------------------------------------------------


def ones_complement(data: bytes) -> int:
    """The sum that must be 0xFFFF over data with a right checksum in it; written apart from the code under test."""
    total = 0
    for index in range(0, len(data), 2):
        total += int.from_bytes(data[index : index + 2].ljust(2, b"\0"), "big")
    return total % 0xFFFF or 0xFFFF


@settings(derandomize=True, max_examples=200, deadline=None)
@given(segment=any_segment())
def test_packet_has_right_lengths_and_checksums(segment: Segment) -> None:
    data = wire.packet(segment)
    assert data[0] == 0x45 and struct.unpack("!H", data[2:4])[0] == len(data)
    assert ones_complement(data[:20]) == 0xFFFF
    tcp = data[20:]
    pseudo = data[12:20] + struct.pack("!HH", 6, len(tcp))
    assert ones_complement(pseudo + tcp) == 0xFFFF
    offset = (tcp[12] >> 4) * 4
    assert len(tcp) - offset == segment.length
    assert struct.unpack("!II", tcp[4:12]) == (segment.seq, segment.ack)


def test_checksum_of_a_known_header() -> None:
    header = bytes.fromhex("4500003c1c4640004006 0000 ac100a63ac100a0c".replace(" ", ""))
    assert wire.checksum(header) == 0xB1E6  # the example that is found in many a textbook


@settings(derandomize=True, deadline=None)
@given(bits=st.integers(0, 255))
def test_flags_there_and_back(bits: int) -> None:
    assert wire.flag_bits(wire.flag_letters(bits)) == bits


@pytest.mark.parametrize(("flags", "window", "field"), [("S", 65160, 65160), ("S", 70000, 65535), (".", 65160, 64)])
def test_window_field(flags: str, window: int, field: int) -> None:
    assert wire.window_field(replace(SEGMENTS[0], flags=flags, window=window)) == field


def test_a_small_window_does_not_close() -> None:
    assert wire.window_field(replace(SEGMENTS[0], flags=".", window=1)) == 1
    assert wire.window_field(replace(SEGMENTS[0], flags=".", window=0)) == 0


def test_what_fits_in_no_ipv4_packet_is_refused() -> None:
    with pytest.raises(UsageError):
        wire.packet(replace(SEGMENTS[0], length=65536))
    with pytest.raises(UsageError):
        wire.packet(replace(SEGMENTS[0], src_addr="fe80::1"))


# ---- who sees what -----------------------------------------------------------------------------------------


def test_a_lost_segment_is_seen_by_its_sender_and_on_the_wire_only() -> None:
    recorder = Recorder(HostInfo("a", "10.0.0.1", "linux-4.4"), HostInfo("b", "10.0.0.2", "linux-4.4"))
    lost, refused, dropped = (recorder.segment("a", "b", 1, 2, "S", seq) for seq in (10, 20, 30))
    recorder.step(0, "a", "send", lost)
    recorder.step(0, "a", "lose", lost)
    recorder.step(MS, "a", "send", refused)
    recorder.step(MS, "a", "drop", refused)
    recorder.step(2 * MS, "a", "send", dropped)
    recorder.step(3 * MS, "b", "drop", dropped)
    trace = replace(tw_refused(), hosts=tuple(recorder.hosts.values()), steps=tuple(recorder.steps))
    seen = {vantage: [sight.segment.seq for sight in sightings(trace, vantage)] for vantage in vantages(trace)}
    assert seen == {"a": [10, 30], "b": [30], WIRE: [10, 30]}
    assert drop_chain(trace, trace.steps[3]) == "OUTPUT" and drop_chain(trace, trace.steps[5]) == "INPUT"


def test_a_forged_segment_is_not_seen_where_it_claims_to_come_from() -> None:
    trace = SAMPLES["simultaneous_close"]
    assert [s.segment.seq for s in sightings(trace, "a") if s.segment.forged] == [900000002]
    assert not [s for s in sightings(trace, "b") if s.segment.forged]


def test_an_unknown_vantage_point_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError, match="client, server, wire"):
        tcpdump(tw_refused(), "nowhere")


def test_a_host_called_wire_is_a_host() -> None:
    trace = SAMPLES["fin_lost"]
    named = replace(trace, hosts=(replace(trace.hosts[0], name=WIRE),))
    assert vantages(named) == [WIRE]


# ---- tcpdump -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_tcpdump_golden(name: str) -> None:
    trace = SAMPLES[name]
    text = "".join(f"# {vantage}\n{tcpdump(trace, vantage)}" for vantage in vantages(trace))
    golden_files.check(f"render/{name}.tcpdump.txt", text)


def test_tcpdump_line() -> None:
    assert line(SEGMENTS[2]) == (
        "IP 10.0.0.1.8888 > 10.0.0.2.12345: Flags [S.], seq 3250003938, ack 568694111, win 65160, "
        "options [mss 1460,sackOK,TS val 3010325793 ecr 3986431290,nop,wscale 10], length 0"
    )


def run_tcpdump(path: Path, digits: int) -> str:
    program = shutil.which("tcpdump")
    if program is None:
        pytest.skip("tcpdump is not installed: its own text is not compared")
    precision = ["--nano"] if digits == 9 else []
    command = [program, "-S", "-n", "-tt", "-K", *precision, "-r", str(path)]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


@pytest.mark.parametrize(("name", "vantage"), VIEWS)
def test_tcpdump_prints_the_same_of_our_capture(name: str, vantage: str, tmp_path: Path) -> None:
    trace = SAMPLES[name]
    path = tmp_path / "view.pcapng"
    path.write_bytes(pcapng(trace, only=[vantage]))
    assert run_tcpdump(path, 9 if name == "fin_lost" else 6) == tcpdump(trace, vantage)


@settings(derandomize=True, max_examples=3, deadline=None, phases=[Phase.generate])  # shrinking takes minutes
@given(segments=st.lists(any_segment(), min_size=40, max_size=60))
def test_tcpdump_prints_the_same_of_any_segment(
    segments: list[Segment], tmp_path_factory: pytest.TempPathFactory
) -> None:
    hosts = (HostInfo("a", "10.0.0.1", "none"), HostInfo("b", "192.168.255.254", "none"))
    recorder = Recorder(*hosts)
    for number, segment in enumerate(segments):
        recorder.step(number * 1000, "a", "send", replace(segment, uid=number))
    trace = replace(tw_refused(), hosts=hosts, steps=tuple(recorder.steps))
    path = tmp_path_factory.mktemp("any") / "any.pcapng"
    path.write_bytes(pcapng(trace, only=[WIRE]))
    assert run_tcpdump(path, 6) == tcpdump(trace)


# ---- pcapng ------------------------------------------------------------------------------------------------


def read(data: bytes) -> tuple[blocks.SectionHeader, list[blocks.InterfaceDescription], list[blocks.EnhancedPacket]]:
    found = list(library.FileScanner(io.BytesIO(data)))
    of = lambda kind: [block for block in found if isinstance(block, kind)]  # noqa: E731
    return of(blocks.SectionHeader)[0], of(blocks.InterfaceDescription), of(blocks.EnhancedPacket)


@pytest.mark.parametrize("name", SAMPLES)
def test_pcapng_golden_and_deterministic(name: str) -> None:
    data = pcapng(SAMPLES[name], lookup)
    assert data == pcapng(SAMPLES[name], lookup)
    golden_files.check(f"render/{name}.pcapng", data)


@pytest.mark.parametrize("name", SAMPLES)
def test_pcapng_read_back(name: str) -> None:
    trace = SAMPLES[name]
    section, interfaces, packets = read(pcapng(trace, lookup))
    assert trace.claim in section.options["opt_comment"] and trace.verdict in section.options["opt_comment"]
    assert [i.options["if_name"] for i in interfaces] == vantages(trace)
    assert {i.link_type for i in interfaces} == {228}
    for number, vantage in enumerate(vantages(trace)):
        ours = [p for p in packets if p.interface_id == number]
        expected = sightings(trace, vantage)
        assert [p.packet_data for p in ours] == [wire.packet(s.segment) for s in expected]
        assert [(p.timestamp_high << 32) + p.timestamp_low for p in ours] == [s.time_ns for s in expected]
    times = [(p.timestamp_high << 32) + p.timestamp_low for p in packets]
    assert times == sorted(times)


def comments(trace: Trace, vantage: str) -> list[list[str]]:
    _, _, packets = read(pcapng(trace, lookup, only=[vantage]))
    return [list(p.options.get_all("opt_comment")) if "opt_comment" in p.options else [] for p in packets]


def test_comments_say_why() -> None:
    of_server = comments(tw_refused(), "server")
    assert of_server[0][0].startswith("LISTEN_SYN; ") and "RFC 9293 3.10.7.2" in of_server[0][0]
    assert of_server[3] == ["call accept -> c", "server.c: ESTAB", "call close c", "server.c: ESTAB -> FIN-WAIT-1"]
    assert comments(SAMPLES["fin_lost"], WIRE)[5] == ["lost on its way"]


def test_a_drop_is_commented_where_it_is_seen() -> None:
    recorder = Recorder(HostInfo("a", "10.0.0.1", "linux-4.4"), HostInfo("b", "10.0.0.2", "linux-4.4"))
    dropped = recorder.segment("a", "b", 1, 2, "S", 30)
    recorder.step(0, "a", "send", dropped)
    recorder.step(MS, "b", "drop", dropped)
    trace = replace(tw_refused(), hosts=tuple(recorder.hosts.values()), steps=tuple(recorder.steps))
    assert comments(trace, "b") == [["b's firewall drops it (INPUT)"]]


def tshark(path: Path, *arguments: str) -> str:
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed: nobody but python-pcapng has read the capture")
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    environment = {**os.environ, "TZ": "UTC"}
    command = [program, "-r", str(path), *checks, *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True, env=environment).stdout


@pytest.mark.parametrize("name", SAMPLES)
def test_tshark_finds_nothing_malformed(name: str, tmp_path: Path) -> None:
    trace = SAMPLES[name]
    path = tmp_path / "trace.pcapng"
    path.write_bytes(pcapng(trace, lookup))
    bad = "_ws.malformed or ip.checksum.status != 1 or tcp.checksum.status != 1 or _ws.short"
    assert tshark(path, "-Y", bad) == ""
    fields = ["frame.interface_name", "frame.time_epoch", "tcp.seq_raw", "tcp.ack_raw", "tcp.len"]
    rows = tshark(path, "-T", "fields", *(part for field in fields for part in ("-e", field))).splitlines()
    expected = []
    for vantage in vantages(trace):
        for sight in sightings(trace, vantage):
            time = f"{sight.time_ns // 10**9}.{sight.time_ns % 10**9:09d}"
            segment = sight.segment
            expected.append(f"{vantage}\t{time}\t{segment.seq}\t{segment.ack}\t{segment.length}")
    assert sorted(rows) == sorted(expected)
    assert "RFC 9293 3.10.7.2" in tshark(path, "-T", "fields", "-e", "frame.comment")
