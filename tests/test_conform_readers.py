"""The readers of captures: link types, endiannesses, tcpdump formats; bad input ends in a sentence."""

from __future__ import annotations

import ipaddress
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpcheck.cli import main
from tcpcheck.conform.command import read
from tcpcheck.conform.follow import Setting
from tcpcheck.conform.judge import judge
from tcpcheck.conform.packets import Capture, CaptureError, Endpoint, Packet
from tcpcheck.conform.pcap_reader import read_pcap
from tcpcheck.conform.tcpdump_reader import read_tcpdump
from tcpcheck.live.packet import ACK, SYN, Segment, encode
from tcpcheck.render.pcapng import pcapng
from tests.conform.captures import NAMES, path

SEGMENT = Segment(SYN, seq=7, window=1000, mss=1460, sack_ok=True, ts=(5, 0))
IP = encode(SEGMENT, "10.0.0.1", 1024, "10.0.0.2", 80)


def pcap(link: int, *frames: bytes, order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    out = struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 65535, link)
    for i, frame in enumerate(frames):
        out += struct.pack(order + "IIII", i, 5, len(frame), len(frame)) + frame
    return out


def ipv6(segment: bytes, extension: bytes = b"", first: int = 6) -> bytes:
    ends = ipaddress.ip_address("fe80::1").packed + ipaddress.ip_address("fe80::2").packed
    return struct.pack("!IHBB", 6 << 28, len(extension) + len(segment), first, 64) + ends + extension + segment


FRAMES = {
    "raw": (101, IP),
    "raw of BSD": (12, IP),
    "ethernet": (1, bytes(12) + b"\x08\x00" + IP),
    "two VLAN tags": (1, bytes(12) + b"\x88\xa8\x00\x01\x81\x00\x00\x02\x08\x00" + IP),
    "cooked v1": (113, struct.pack("!HHH8sH", 0, 1, 6, bytes(8), 0x0800) + IP),
    "cooked v2": (276, struct.pack("!HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, bytes(8)) + IP),
    "BSD loopback": (0, b"\x02\0\0\0" + IP),
    "padded ethernet": (1, bytes(12) + b"\x08\x00" + IP + bytes(9)),
    "IPv6": (101, ipv6(IP[20:])),
    "IPv6 with an extension": (1, bytes(12) + b"\x86\xdd" + ipv6(IP[20:], b"\x06\0" + bytes(6), 0)),
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_link_type(name: str) -> None:
    link, frame = FRAMES[name]
    (packet,) = read_pcap("x", pcap(link, frame)).packets
    assert (packet.src.port, packet.dst.port, packet.flags, packet.seq) == (1024, 80, SYN, 7)
    assert (packet.mss, packet.sack_ok, packet.ts, packet.length) == (1460, True, (5, 0), 0)
    assert packet.checksum_wrong == ("IPv6" in name)  # the pseudo header is another one


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_byte_orders_and_resolutions(order: str, magic: int, unit: int) -> None:
    capture = read_pcap("x", pcap(101, IP, IP, order=order, magic=magic))
    assert [p.time_ns for p in capture.packets] == [0, 1_000_000_000]


def test_a_packet_seen_on_two_interfaces_counts_once() -> None:
    def frame(direction: int) -> bytes:
        return struct.pack("!HHH8sH", direction, 1, 6, bytes(8), 0x0800) + IP

    data = bytearray(pcap(113, frame(4), frame(0), frame(0)))
    data[24 + 16 + len(frame(0)) :][:4]
    second = 24 + 16 + len(frame(0))
    data[second : second + 4] = struct.pack("<I", 0)  # at the time of the first
    capture = read_pcap("x", bytes(data))
    assert [p.number for p in capture.packets] == [1, 3]
    assert "seen before on another interface" in capture.notes[0]


def test_a_wrong_checksum_is_a_note() -> None:
    broken = bytearray(IP)
    broken[36] ^= 1
    capture = read_pcap("x", pcap(101, bytes(broken)))
    assert capture.packets[0].checksum_wrong
    assert "1 wrong TCP checksum ignored" in capture.notes[0]


def test_pcapng_holds_the_same(tmp_path: Path) -> None:
    editcap = shutil.which("editcap")
    if editcap is None:
        pytest.skip("editcap is not installed")
    source, target = path(NAMES[0]), tmp_path / "x.pcapng"
    subprocess.run([editcap, "-F", "pcapng", str(source), str(target)], check=True)
    assert read(str(target)).packets == read(str(source)).packets


def test_packets_that_stand_there_for_several_interfaces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As in a trace's capture of all hosts: each packet would be one that was sent again."""
    spec, files = Path(__file__).parent.parent / "specs" / "simultaneous_open.tcp", [tmp_path / "all", tmp_path / "one"]
    call = ["trace", str(spec), "crossed", "--format", "pcapng", "-o"]
    assert main([*call, str(files[0])]) == 0
    assert main([*call, str(files[1]), "--host", "a"]) == 0
    capsys.readouterr()
    assert main(["conform", str(files[0])]) == 2
    assert "the same packets stand there for several interfaces" in capsys.readouterr().err
    assert main(["conform", str(files[1]), "--host", "10.0.0.1"]) == 0


# ---- tcpdump -----------------------------------------------------------------------------------------------

WAYS = ["-n -tttt", "-n", "-n -S", "-n -v", "-tt -n -e", "-n -ttttt -S -v", "-nN -vvv -tttt", "-n -tttt --nano"]


def shown(packet: Packet) -> tuple[object, ...]:
    ack = packet.ack if packet.flags & ACK else 0
    options = (packet.mss, packet.wscale, packet.sack_ok, packet.ts, packet.sack)
    return packet.src, packet.dst, packet.flags, ack, packet.length, packet.window, options, packet.time_ns // 1000


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["acceptq_overflow_abort0", "p_seed001_150s", "lo_seed004_syn_to_closewait"])
def test_tcpdump_text_holds_the_same(name: str, way: str) -> None:
    text = subprocess.run(["tcpdump", "-r", str(path(name)), *way.split()], capture_output=True, text=True, check=True)
    found, wanted = read_tcpdump("x", text.stdout).packets, read(str(path(name))).packets
    assert [shown(p) for p in found] == [shown(p) for p in wanted]
    assert all(p.seq in (None, q.seq) for p, q in zip(found, wanted, strict=True))


LOG = """\
12:00:00.000001 IP 10.0.0.1.1024 > 10.0.0.2.http: Flags [S], seq 4000000000, win 100, options [mss 1460], length 0
12:00:00.000002 IP 10.0.0.2.http > 10.0.0.1.1024: Flags [S.], seq 3000000000, ack 4000000001, win 100, length 0
12:00:00.000003 IP 10.0.0.1.1024 > 10.0.0.2.http: Flags [.], ack 1, win 100, length 0
12:00:00.000004 IP 10.0.0.1.1024 > 10.0.0.2.http: Flags [P.], seq 1:6, ack 1, win 100, length 5
"""


def test_relative_numbers_become_absolute() -> None:
    packets = read_tcpdump("x", LOG).packets
    assert [(p.seq, p.ack) for p in packets[2:]] == [(None, 3000000001), (4000000001, 3000000001)]
    assert packets[0].dst.port == 80


def test_a_log_pasted_twice_is_one_log() -> None:
    capture = read_tcpdump(
        "x", f"$ tcpdump\nlistening on lo, link-type EN10MB\n{LOG[:240]}\nlistening on lo, link-type X\n{LOG}"
    )
    assert len(capture.packets) == 4


def test_old_tcpdump() -> None:
    text = "10:00:00.0 10.0.0.1.1024 > 10.0.0.2.80: S 5:5(0) win 512 <mss 1460,nop,wscale 2>\n"
    (packet,) = read_tcpdump("x", text).packets
    assert (packet.flags, packet.seq, packet.window, packet.mss, packet.wscale) == (SYN, 5, 512, 1460, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LOG.replace("12:00:00.000002 ", ""), "x:2: a segment without a time"),
        (LOG + LOG.replace("12:", "11:").replace("length 5", "length 6"), "x:5: the time goes backwards"),
        (LOG.replace(", length 5", ""), "x:4: the line is cut off before `length`"),
        (LOG.replace("seq 1:6", "seq 99999999999:6"), "x:4: 99999999999 is more than 32 bits"),
        (LOG.replace(".http", ".nonsense"), "x:1: nonsense is no port"),
    ],
)
def test_bad_text_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(CaptureError, match=said):
        read_tcpdump("x", text)


# ---- bad files ---------------------------------------------------------------------------------------------

BAD = {
    "empty": b"",
    "blank": b"\n \n",
    "prose": b"Dear all,\n",
    "compressed": b"\x1f\x8b" + bytes(20),
    "header cut off": pcap(101)[:20],
    "packet header cut off": pcap(101, IP)[:34],
    "packet cut off": pcap(101, IP)[:-1],
    "a packet of 4 GB": pcap(101) + struct.pack("<IIII", 0, 0, 2**32 - 1, 2**32 - 1),
    "no packet": pcap(101),
    "wireless": pcap(105, IP),
    "only UDP": pcap(101, IP[:9] + b"\x11" + IP[10:]),
    "pcapng cut off": b"\x0a\x0d\x0d\x0a" + bytes(10),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_end_in_a_sentence(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture"
    file.write_bytes(BAD[name])
    assert main(["conform", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and str(file) in said.err and "Traceback" not in said.err


def test_a_blank_file_is_not_called_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "capture").write_bytes(b"\n")
    assert main(["conform", str(tmp_path / "capture")]) == 2
    assert "nothing but white space" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--lost", "5-2", "5-2 goes backwards; write 2-5"),
        ("--lost", "0", "packets are numbered from 1"),
        ("--sysctl", "tcp_sack=1@0", "packets are numbered from 1; without @0 it is so from the start"),
    ],
)
def test_packets_that_cannot_be(option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", str(path("p_lastack_loss")), option, value]) == 2
    assert said in capsys.readouterr().err


def test_packets_beyond_the_end_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--lost", "18-30", "--sysctl", "tcp_sack=1@99999"]
    assert main(["conform", str(path("p_lastack_loss")), *options]) == 0
    said = capsys.readouterr().out
    assert "note: --lost 18 changes nothing: the last segment is packet 17" in said and said.count("--lost") == 3
    assert "note: --sysctl net.ipv4.tcp_sack=1@99999 changes nothing" in said


class Endless:
    """A capture of any size, which is never held as a whole."""

    def __init__(self, head: bytes, record: bytes) -> None:
        self.head, self.record, self.given = head, record, 0

    def read(self, size: int = -1) -> bytes:
        while len(self.head) < size:
            self.head += self.record
        out, self.head = self.head[:size], self.head[size:]
        self.given += size
        return out


def test_a_huge_capture_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcpcheck.conform.packets.PACKETS_MAX", 500)
    file = Endless(pcap(101), pcap(101, IP)[24:])
    with pytest.raises(CaptureError, match="more than 500 TCP packets; cut out one connection"):
        read_pcap("x", file)  # type: ignore[arg-type]
    assert file.given < 100_000


def test_a_block_of_gigabytes_is_not_read() -> None:
    data = b"\x0a\x0d\x0d\x0a" + struct.pack("<IIHHq", 0x7FFFFFFC, 0x1A2B3C4D, 1, 0, -1)
    with pytest.raises(CaptureError, match=r"corrupt at byte \d+: a block of 2,147,"):
        read_pcap("x", data)


def test_a_missing_file_does_not_keep_the_others_from_being_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "/nowhere", str(path("p_lastack_loss"))]) == 2
    said = capsys.readouterr()
    assert "agrees with linux-6.18.44, 17 of 17" in said.out and "/nowhere" in said.err


def reads(data: bytes) -> Capture | None:
    """Whatever the bytes are: a capture or a CaptureError."""
    try:
        return read_pcap("x", data)
    except CaptureError:
        return None


FILES = [path(name).read_bytes() for name in ("close_linger0", "defer_accept")]


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.sampled_from(FILES), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=12), st.data())
def test_fuzzed_pcap(data: bytes, changes: list[tuple[int, int]], more: st.DataObject) -> None:
    broken = bytearray(data)
    for at, value in changes:
        broken[at % len(broken)] = value
    reads(bytes(broken[: more.draw(st.integers(4, len(broken)))]))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(4, 2000), st.integers(0, 255)), max_size=12), st.integers(4, 3000))
def test_fuzzed_pcapng(changes: list[tuple[int, int]], size: int) -> None:
    from render_samples import fin_lost

    broken = bytearray(pcapng(fin_lost()))
    for at, value in changes:
        broken[at % len(broken)] = value
    reads(bytes(broken[:size]))


WORDS = st.sampled_from(
    [
        *LOG.splitlines(),
        "IP (tos 0x0, ttl 64)",
        "Flags [S]",
        ", seq 1:2, ack 3",
        " > ",
        "10.0.0.1.80",
        "options [TS val 1 ecr 2,sack 1 {1:2}]",
        "length 0",
        "\n",
        "00:00:00.000000 ",
        "1.5 ",
        "listening on any, link-type X",
    ]
)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.lists(WORDS | st.text(max_size=8), max_size=14).map(" ".join) | st.text(max_size=200))
def test_fuzzed_text(text: str) -> None:
    try:
        assert read_tcpdump("x", text).packets
    except CaptureError as error:
        assert str(error).startswith("x")


FLAGS = st.sampled_from([0, 1, 2, 4, 16, 17, 18, 20, 24, 25, 63])
NUMBERS = st.sampled_from([0, 1, 2, 1000, 2**31, 2**32 - 1])
PACKETS = st.tuples(
    st.booleans(), FLAGS, NUMBERS, NUMBERS, st.sampled_from([0, 1, 1460, 60000]), st.integers(0, 10**10)
)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.lists(PACKETS, min_size=1, max_size=8), st.booleans())
def test_any_packets_get_a_verdict(rows: list[tuple[bool, int, int, int, int, int]], midstream: bool) -> None:
    capture = Capture("x")
    ends = (Endpoint("10.0.0.1", 1), Endpoint("10.0.0.2", 80))
    for i, (own, flags, seq, ack, length, gap) in enumerate(rows):
        before = capture.packets[-1].time_ns if capture.packets else 0
        src, dst = ends if own else ends[::-1]
        capture.add(Packet(i + 1, before + gap, src, dst, flags, seq, ack, length, 1000))
    verdict = judge(capture, "10.0.0.2", Setting(), midstream)
    assert verdict.packets == len(rows)
    assert verdict.agrees in (True, False, None)


# ---- what a stranger's files hold


def records(data: bytes) -> tuple[bytes, list[bytes]]:
    """A classic little-endian pcap as its head and its packets."""
    found, at = [], 24
    while at < len(data):
        size = 16 + struct.unpack_from("<I", data, at + 8)[0]
        found.append(data[at : at + size])
        at += size
    return data[:24], found


def test_a_file_in_another_order_is_put_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = next(n for n in NAMES if path(n).read_bytes()[:4] == b"\xd4\xc3\xb2\xa1")
    head, packets = records(path(name).read_bytes())
    (tmp_path / "right.pcap").write_bytes(head + b"".join(packets))
    (tmp_path / "wrong.pcap").write_bytes(head + b"".join(reversed(packets)))
    right, wrong = (read_pcap(n, (tmp_path / n).read_bytes()) for n in ("right.pcap", "wrong.pcap"))
    assert wrong.packets == right.packets
    assert any("not in the order of time" in note for note in wrong.notes) and not right.notes


def test_a_socket_connected_to_itself_is_not_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = [
        encode(Segment(flags, seq=7, ack=8, window=1000), "127.0.0.1", 7777, "127.0.0.1", 7777) for flags in (SYN, ACK)
    ]
    (tmp_path / "self.pcap").write_bytes(pcap(101, *own))
    assert main(["conform", str(tmp_path / "self.pcap")]) == 2
    assert "connected to itself" in capsys.readouterr().out


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300"])
def test_until_is_a_time(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "--until", seconds, str(path(NAMES[0]))]) == 2
    assert "--until takes seconds" in capsys.readouterr().err
