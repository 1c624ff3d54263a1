"""docs/gallery.md is what the specs give; every spec asks a question and answers it; Wireshark's marks of seed 001."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tcpcheck import gallery
from tcpcheck.checking import verify
from tcpcheck.render.pcapng import pcapng

SPECS = sorted((gallery.ROOT / "specs").rglob("*.tcp"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(gallery.ROOT / "specs")))
def test_every_spec_asks_and_answers(path: Path) -> None:
    question, answer, _ = gallery.comments(path.read_text(encoding="utf-8"))
    assert question and answer.endswith(".")


def test_the_gallery_is_fresh() -> None:
    fresh = gallery.generate()
    assert gallery.DOCUMENT.read_text(encoding="utf-8") == fresh, "stale: run python -m tcpcheck.gallery"


def test_comments_of_a_spec() -> None:
    text = '# Why?\n# Answer: Because of\n#   that.\n# Trace: first\n# More.\ntitle "x"\n# Answer: not this\n'
    assert gallery.comments(text) == ("Why?", "Because of that.", "first")
    assert gallery.comments('title "x"\n') == ("", "", "")


def test_named_traces_exist() -> None:
    for path in SPECS:
        text = path.read_text(encoding="utf-8")
        name = gallery.comments(text)[2]
        assert not name or f" {name} " in text.replace("{", " {"), f"{path}: no claim {name}"


def marks(capture: Path, flag: str) -> list[int]:
    """Numbers of the frames that tshark marks so."""
    rows = subprocess.run(
        ["tshark", "-r", str(capture), "-Y", flag, "-T", "fields", "-e", "frame.number"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(row) for row in rows.stdout.split()]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_marks_seed_001(tmp_path: Path) -> None:
    """Seed 001, questions 1, 4 to 6: what Wireshark marks in the second stream, seen from the server."""
    result = verify(gallery.ROOT / "specs" / "seeds" / "001_pause_150s.tcp")
    trace = next(c.witness for c in result.claims if c.name == "done")
    assert trace is not None
    capture = tmp_path / "seed.pcapng"
    capture.write_bytes(pcapng(trace, only=["server"]))
    syn, ack = marks(capture, "tcp.stream == 1")[:2]
    assert syn in marks(capture, "tcp.analysis.reused_ports"), "mark0: port numbers reused"
    assert ack in marks(capture, "tcp.analysis.ack_lost_segment"), "mark1: ACKed unseen segment"
    again = marks(capture, "tcp.stream == 1 and tcp.flags.syn == 1 and tcp.flags.ack == 0")[1]
    assert again in marks(capture, "tcp.analysis.retransmission"), "mark3: the SYN comes again"
    synack = marks(capture, "tcp.stream == 1 and tcp.flags.syn == 1 and tcp.flags.ack == 1")[0]
    assert synack in marks(capture, "tcp.analysis.retransmission"), "mark4: compared with the old connection's numbers"
