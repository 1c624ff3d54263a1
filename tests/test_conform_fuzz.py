"""Whatever a file holds, `conform` gives a verdict or says in a sentence what is wrong with it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tcpcheck.conform.command import Conform, ConformCall
from tcpcheck.conform.follow import Setting
from tcpcheck.conform.live import Overflow
from tcpcheck.conform.packetdrill_reader import Unsupported, read_packetdrill
from tcpcheck.conform.packets import CaptureError
from tcpcheck.conform.pcap_reader import read_pcap
from tcpcheck.conform.script import ScriptRun
from tcpcheck.conform.tcpdump_reader import read_tcpdump
from tcpcheck.errors import TcpcheckError
from tests.conform.captures import path

HERE = Path(__file__).parent
SCRIPTS = [file.read_text() for file in sorted((HERE / "golden" / "specs").glob("*.pkt"))[::3]]
LOGS = [file.read_text() for file in sorted((HERE / "conform" / "text").glob("*"))]
LOGS += [file.read_text() for file in sorted((HERE / "golden" / "specs").glob("*.tcpdump.txt"))[::3]]
PCAPS = [path(name).read_bytes() for name in ("close_linger0", "defer_accept", "p_seed001_150s")]
PCAPS += [file.read_bytes() for file in sorted((HERE / "golden" / "specs").glob("*.pcapng"))[::5]]
WORDS = [
    *("0", "1", "-1", "4294967295", "4294967296", "99999999999999999999", "1.5", ".", "*", "+", "~", "...", "+.1~+.2"),
    *("0.1...0.2", "<", ">", "S", "S.", "F.", "R", "R.", "-", "P.", "ack", "win", "<mss 1460>", "<...>", "sackOK"),
    *("TS val 1 ecr 2", "sack 1:2", "1:1(0)", "5:1(2)", "0:1000(1000)", "socket(..., SOCK_STREAM, IPPROTO_TCP) = 3"),
    *("accept(3, ..., ...) = 4", "close(4) = 0", "close(3) = 0", "write(4, ..., 1000) = 1000", "= -1 EPIPE (x)", "?"),
    *("read(4, ..., 10) = 10", "shutdown(4, SHUT_RDWR) = 0", "%{ assert tcpi_state == TCP_CLOSE }%", "%{", "}%", "`"),
    *(
        "`sysctl -q net.ipv4.tcp_timestamps=0`",
        "`iptables -A OUTPUT -j DROP`",
        "/*",
        "*/",
        "//",
        "\\",
        "(",
        ")",
        "[",
        "]",
    ),
    *(
        "`tc qdisc add dev tun0 root pfifo limit 0`",
        "setsockopt(4, SOL_TCP, TCP_USER_TIMEOUT, [1], 4) = 0",
        "\n",
        "\n+0 ",
    ),
    *(
        "Flags [S]",
        "seq 1:5",
        "length 5",
        "IP",
        "12:00:00.000001",
        "2021-09-03",
        "localhost.60000",
        "é",
        "\0",
        "\u2028",
    ),
]


def mangled(dice: random.Random, texts: list[str]) -> str:
    """A text with some words and lines changed, lost, doubled or in another place."""
    lines = dice.choice(texts).splitlines()
    for _ in range(dice.randint(1, 6)):
        i, j = dice.randrange(len(lines)), dice.randrange(len(lines))
        words = lines[i].split(" ")
        k = dice.randrange(len(words))
        match dice.randrange(7):
            case 0:
                lines[i], lines[j] = lines[j], lines[i]
            case 1:
                lines.insert(j, lines[i])
            case 2:
                lines[i] = lines[i][: dice.randrange(len(lines[i]) + 1)]
            case 3:
                words.insert(k, dice.choice(WORDS))
                lines[i] = " ".join(words)
            case 4:
                lines[i] = " ".join([*words[:k], dice.choice(WORDS), *words[k + 1 :]])
            case 5:
                at = dice.randrange(len(lines[i]) + 1)
                lines[i] = lines[i][:at] + dice.choice(WORDS) + lines[i][at + dice.randrange(4) :]
            case 6 if len(lines) > 1:
                del lines[i]
    return "\n".join(lines) + "\n"


def scripts(dice: random.Random) -> None:
    """Read and followed."""
    with contextlib.suppress(Unsupported, CaptureError, Overflow):
        ScriptRun(read_packetdrill("x.pkt", mangled(dice, SCRIPTS)), Setting()).run()


def logs(dice: random.Random) -> None:
    with contextlib.suppress(CaptureError):
        assert read_tcpdump("x", mangled(dice, LOGS)).packets


def pcaps(dice: random.Random) -> None:
    """Bytes changed, lost, added, and a file that ends anywhere."""
    data = bytearray(dice.choice(PCAPS))
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(data))
        match dice.randrange(4):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at : at + 4] = dice.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\1\0\0\0"])
            case 2:
                del data[at : at + dice.randrange(1, 40)]
            case 3:
                data[at:at] = dice.randbytes(dice.randrange(1, 40))
    if dice.randrange(3) == 0:
        del data[dice.randrange(4, len(data)) :]
    with contextlib.suppress(CaptureError):
        read_pcap("x", bytes(data))


READERS = [(scripts, 250), (logs, 600), (pcaps, 800)]


@pytest.mark.parametrize(("attempt", "times"), READERS, ids=lambda value: getattr(value, "__name__", None))
def test_any_file_is_read_or_refused(attempt: Callable[[random.Random], None], times: int) -> None:
    for seed in range(times):
        try:
            attempt(random.Random(seed))
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


@pytest.mark.parametrize("seed", range(12))
def test_any_file_gets_a_verdict_or_a_sentence(seed: int, tmp_path: Path) -> None:
    dice, file = random.Random(seed), tmp_path / "x"
    texts = dice.choice([SCRIPTS, LOGS])
    file.write_text(mangled(dice, texts), errors="surrogatepass")
    with contextlib.suppress(TcpcheckError):
        Conform(ConformCall([str(file)], midstream=bool(seed % 2))).file(str(file))
