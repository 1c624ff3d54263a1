"""The traces of the write-ups' experiments beside what is printed there: frames, Wireshark's marks, states, packets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tcpcheck.checking import verify
from tcpcheck.render import wire
from tcpcheck.render.pcapng import pcapng
from tcpcheck.render.vantage import sightings
from tcpcheck.witness.trace import Trace

SEEDS = Path(__file__).parent.parent / "specs" / "seeds"
ETHERNET = 14  # bytes of its header, which the captures of the write-ups have and ours have not
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def trace_of(spec: str, claim: str) -> Trace:
    """The witness of the first member that has one."""
    result = verify(SEEDS / f"{spec}.tcp")
    return next(c.witness for c in result.claims if c.name == claim and c.witness is not None)


def frames(trace: Trace, host: str, field: str, tmp_path: Path) -> dict[int, str]:
    """What tshark says of each frame that the host sees, where it says something."""
    capture = tmp_path / "seed.pcapng"
    capture.write_bytes(pcapng(trace, only=[host]))
    command = ["tshark", "-r", str(capture), "-T", "fields", "-e", field]
    rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {number: row for number, row in enumerate(rows, 1) if row}


@needs_tshark
def test_wireshark_marks_seed_001(tmp_path: Path) -> None:
    """Questions 1 and 4 to 6: the second connection, seen from the server. 9 to 17 are mark0 to mark5."""
    trace = trace_of("001_wireshark_marks", "marks")

    def marked(name: str) -> list[int]:
        return list(frames(trace, "server", f"tcp.analysis.{name}", tmp_path))

    assert marked("reused_ports") == [9, 13], "mark0, and mark4"
    assert marked("ack_lost_segment") == [10], "mark1"
    assert marked("retransmission") == [12, 13, 17], "mark3, mark4, mark5"
    flags = frames(trace, "server", "tcp.flags.str", tmp_path)
    marks = [9, 10, 11, 12, 13, 17]
    assert ["".join(c for c in flags[n] if c.isalpha()) for n in marks] == ["S", "A", "R", "S", "AS", "AF"]


@needs_tshark
def test_frames_of_seed_004(tmp_path: Path) -> None:
    """Frames 6 to 10: lengths, relative numbers, expert information, and the RTO of 0.997 s and from which frame."""
    trace = trace_of("004_syn_to_close_wait", "again")
    assert "linux-4.4" in trace.settings.values()

    def of(field: str) -> dict[int, str]:
        return frames(trace, "localhost", field, tmp_path)

    lengths = [int(n) + ETHERNET for n in of("frame.len").values()]
    assert len(lengths) == 13 and lengths[5:10] == [74, 66, 54, 74, 74]
    assert list(of("tcp.analysis.reused_ports")) == [6, 10]
    assert list(of("tcp.analysis.ack_lost_segment")) == [7]
    assert list(of("tcp.analysis.retransmission")) == [9, 10]
    assert list(of("tcp.analysis.rto_frame").items()) == [(9, "8"), (10, "7")]
    assert all(abs(float(rto) - 0.9966) < 0.01 for rto in of("tcp.analysis.rto").values())
    sequence, acked = of("tcp.seq"), of("tcp.ack")
    assert sequence[8] == acked[7] and sequence[7] == acked[10] == "1"


def test_packets_and_tcpstates_of_seed_001() -> None:
    """14 packets, and what tcpstates shows of the server's sockets; for it a socket that becomes a bucket is closed."""
    trace = trace_of("001_two_connects", "again")
    seen = [sight.segment for sight in sightings(trace, "server")]
    assert [s.flags for s in seen] == ["S", "S.", ".", "F.", ".", "F.", "."] * 2
    assert all(len(wire.packet(s)) == (60 if "S" in s.flags else 52) for s in seen)
    for name in ("server.c[1]", "server.c[2]"):
        states = [c.after for step in trace for c in step.changes if c.subject == name and c.what == "state"]
        shown = ["SYN-RECV", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"]
        assert states[: len(shown)] == shown


def test_log_of_seed_000() -> None:
    """The first five lines of the log and the two FINs after 28 s: flags, relative numbers, MSS, SYNs' windows."""
    trace = trace_of("000_fin_to_time_wait", "log3")
    seen = [sight.segment for sight in sightings(trace, "localhost")]
    assert [s.flags for s in seen[:9]] == ["S", "S.", ".", "F.", ".", "F.", ".", "F.", "."]
    assert [(s.mss, s.window) for s in seen[:2]] == [(65495, 65495), (65495, 65483)]
    client, server = seen[0].seq, seen[1].seq
    relative = [(s.seq - (client if s.sport == 60600 else server)) % 2**32 for s in seen[2:9]]
    assert relative == [1, 1, 1, 1, 2, 1, 2]
    fins = [s for s in seen[5:] if s.flags == "F."]
    assert {f.tsecr for f in fins} == {seen[3].tsval}
    assert fins[1].tsval == (fins[0].tsval or 0) + 204
    answers = [s.tsecr for s in seen[5:] if s.flags == "."]
    assert set(answers) == {fins[0].tsval}, "the first FIN's TSval is echoed for ever"
