"""packetdrill scripts against the model: one that agrees, what is wrong in it found, what is not known named."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpcheck.cli import main
from tcpcheck.conform.command import read
from tcpcheck.conform.packetdrill_reader import Unsupported, read_packetdrill
from tcpcheck.errors import TcpcheckError

GOLDEN = Path(__file__).parent / "golden"
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


FIXTURES = sorted(path for folder in ("specs", "render") for path in (GOLDEN / folder).glob("*.pkt"))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_scripts_made_of_traces_agree(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = re.search(r"^// kernel: (\S+)$", path.read_text(), re.M)
    assert kernel is not None
    code = main(["conform", str(path), "--kernel", kernel[1], "--json"])
    assert code == 0, capsys.readouterr().out


PROBED = """\
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 1000 <mss 1460>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 65530
+0 accept(3, ..., ...) = 4
+0 setsockopt(4, SOL_TCP, TCP_USER_TIMEOUT, [2000], 4) = 0
+0 `tc qdisc replace dev tun0 root pfifo limit 0`
+0 write(4, ..., 10) = 10
+2.1 write(4, ..., 10) = 10
+.5 write(4, ..., 10) = -1 ETIMEDOUT (Connection timed out)
+0 %{ assert tcpi_probes == 4 }%
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("", ""),
        ("tcpi_probes == 4", "tcpi_probes == 3"),
        ("[2000]", "[3000]"),
        ("[2000]", "[0]"),
        ("+2.1 write", "+2.9 write"),
        ("limit 0", ""),
        ("+2.1 write", "+1 `tc qdisc del dev tun0 root`\n+1.1 write"),
    ],
)
def test_probes_into_a_full_queue(tmp_path: Path, right: str, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A full queue is probed every 500 ms until TCP_USER_TIMEOUT is over."""
    code, _ = verdict(tmp_path, PROBED.replace(right, wrong), capsys)
    assert code == (1 if right else 0)


FILTERED = """\
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 1000 <mss 1460>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 65530
+0 accept(3, ..., ...) = 4
+0 `iptables -A INPUT -s 192.0.2.1 -p tcp -j DROP`
+.1 < F. 1:1(0) ack 1 win 65530
+0 %{ assert tcpi_state == TCP_ESTABLISHED }%
+0 `iptables -D INPUT -s 192.0.2.1 -p tcp -j DROP`
+.1 < F. 1:1(0) ack 1 win 65530
* > . 1:1(0) ack 2
+0 %{ assert tcpi_state == TCP_CLOSE_WAIT }%
+0 `iptables -A OUTPUT -d 192.0.2.1 -j DROP`
+0 close(4) = 0
"""


@pytest.mark.parametrize(
    ("right", "wrong"), [("", ""), ("-A INPUT", "-D INPUT"), ("-D INPUT", "-A INPUT"), ("-A OUTPUT", "-D OUTPUT")]
)
def test_the_hosts_own_firewall(tmp_path: Path, right: str, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = FILTERED + ("+.01 read(3, ..., 1) = -1 ENOTCONN (x)\n" if wrong == "-D OUTPUT" else "")
    code, said = verdict(tmp_path, text.replace(right, wrong), capsys)
    assert (code == 0) == (not right), said


def test_times_count_from_what_happened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The FIN may come again at any time from 0.2 s to 0.4 s; what follows is due then, not 10 ms after 0.2 s."""
    end = SCRIPT.index("+.1 < F.")
    text = (
        SCRIPT[:end]
        + "+.1~+.5 > F. 1:1(0) ack 1\n+0 < . 1:1(0) ack 2 win 65535\n+0 %{ assert tcpi_retransmits == 0 }%\n"
    )
    code, said = verdict(tmp_path, text, capsys)
    assert code == 0, said


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
