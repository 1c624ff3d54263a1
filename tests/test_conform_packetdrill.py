"""packetdrill scripts against the model: one that agrees, what is wrong in it found, what is not known named."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpcheck.cli import main
from tcpcheck.conform.command import read
from tcpcheck.conform.packetdrill_reader import Unsupported, read_packetdrill
from tcpcheck.errors import TcpcheckError

SCRIPT = """\
// A passive open and a close by the server.
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0

+0 < S 0:0(0) win 65535 <mss 1460>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4

+.1 close(4) = 0
+0 > F. 1:1(0) ack 1
+.1 < F. 1:1(0) ack 2 win 65535
+0 > . 2:2(0) ack 2
"""


def verdict(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    file = tmp_path / "x.pkt"
    file.write_text(text)
    code = main(["conform", str(file), "--kernel", "linux-6.18.44", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_it_agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verdict(tmp_path, SCRIPT, capsys)
    assert (code, said["ok"]) == (0, True)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("> . 2:2(0) ack 2", "> . 2:2(0) ack 3"),
        ("> F. 1:1(0) ack 1", "> F. 2:2(0) ack 1"),
        ("> . 2:2(0) ack 2", "> R 2:2(0)"),
        ("+0 > S. 0:0(0) ack 1 <mss 1460>\n", ""),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, right: str, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verdict(tmp_path, SCRIPT.replace(right, wrong), capsys)
    assert (code, said["ok"]) == (1, False)


def test_what_is_not_known_is_no_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SCRIPT.replace(
        "+0 listen(3, 1) = 0", "+0 listen(3, 1) = 0\n+0 setsockopt(3, SOL_SOCKET, SO_SNDBUF, [9], 4) = 0"
    )
    code, said = verdict(tmp_path, text, capsys)
    assert code != 0
    assert "SO_SNDBUF" in json.dumps(said)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.integers(0, len(SCRIPT) - 1), st.integers(0, 40), st.text(alphabet="0123456789 .<>()+~*,=`%{}SFR\n", max_size=12)
)
def test_any_mutation_is_read_or_refused(at: int, length: int, text: str) -> None:
    mutant = SCRIPT[:at] + text + SCRIPT[at + length :]
    with contextlib.suppress(TcpcheckError, Unsupported):
        read_packetdrill("x.pkt", mutant)


def test_a_script_is_told_from_a_capture(tmp_path: Path) -> None:
    with pytest.raises(TcpcheckError):
        read(str(tmp_path))
