"""packetdrill scripts: golden files, the numbers' mapping, and what they must never contain."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import golden_files
import pytest
from render_samples import MS, SAMPLES, SECOND, Recorder, tw_refused

from tcpcheck.errors import UsageError
from tcpcheck.render.packetdrill import packetdrill
from tcpcheck.witness.trace import HostInfo, Trace

SIDES = [
    ("tw_refused", "server", {}),
    ("tw_refused", "client", {}),
    ("simultaneous_close", "a", {}),
    ("simultaneous_close", "b", {"net.ipv4.tcp_timestamps": 0}),
]


@pytest.mark.parametrize(("name", "host", "sysctls"), SIDES)
def test_golden(name: str, host: str, sysctls: dict[str, int]) -> None:
    golden_files.check(f"render/{name}.{host}.pkt", packetdrill(SAMPLES[name], host, sysctls))


@pytest.mark.parametrize(("name", "host", "sysctls"), SIDES)
def test_packetdrill_can_read_it(name: str, host: str, sysctls: dict[str, int], tmp_path: Path) -> None:
    program = shutil.which("packetdrill")
    if program is None:
        pytest.skip("packetdrill is not installed: nobody has parsed the script")
    path = tmp_path / "script.pkt"
    path.write_text(packetdrill(SAMPLES[name], host, sysctls))
    subprocess.run([program, "--dry_run", str(path)], check=True, capture_output=True)


def pair() -> Recorder:
    return Recorder(HostInfo("a", "10.0.0.1", "linux-6.18.44"), HostInfo("b", "10.0.0.2", "linux-6.18.44"))


def traced(recorder: Recorder) -> Trace:
    return replace(tw_refused(), settings={}, hosts=tuple(recorder.hosts.values()), steps=tuple(recorder.steps))


def opened(recorder: Recorder, client: int = 5000, server: int = 9000) -> None:
    """b connects to a, the listener; a accepts as `c`."""
    recorder.step(0, "a", "call", "listen :80 backlog 1")
    recorder.step(0, "b", "call", "connect a:80 from :4000 -> s", b_s="SYN-SENT")
    recorder.moves(0, MS, recorder.segment("b", "a", 4000, 80, "S", client))
    recorder.moves(MS, MS, recorder.segment("a", "b", 80, 4000, "S.", server, client + 1), b_s="ESTAB")
    recorder.moves(2 * MS, MS, recorder.segment("b", "a", 4000, 80, ".", client + 1, server + 1))
    recorder.step(3 * MS, "a", "call", "accept -> c", a_c="ESTAB")


def lines(recorder: Recorder, host: str) -> list[str]:
    script = packetdrill(traced(recorder), host)
    return script.split("`\n\n", 1)[1].splitlines()


def test_numbers_of_a_listener_count_from_both_isns() -> None:
    recorder = pair()
    opened(recorder)
    recorder.moves(4 * MS, MS, recorder.segment("b", "a", 4000, 80, "P.", 5001, 9001, length=10))
    script = lines(recorder, "a")
    assert "+0.001 < S 5000:5000(0) win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 10>" in script
    assert "+0 > S. 0:0(0) ack 5001 <mss 1460,nop,nop,sackOK,nop,wscale 10>" in script
    assert script[-1] == "+0.002 < P. 1:11(10) ack 1 win 63"


def test_numbers_of_a_client() -> None:
    recorder = pair()
    opened(recorder)
    script = lines(recorder, "b")
    assert "+0.002 < S. 9000:9000(0) ack 1 win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 10>" in script
    assert "+0 > . 1:1(0) ack 1" in script
    assert "--bind_port=4000" in packetdrill(traced(recorder), "b")
    assert "--connect_port=80" in packetdrill(traced(recorder), "b")


@pytest.mark.parametrize(("isn", "followed"), [(9003 + 65537, True), (9003 + 65538, False)])
def test_a_new_incarnation_is_followed_only_when_its_isn_derives_from_the_old(isn: int, followed: bool) -> None:
    recorder = pair()
    opened(recorder)
    recorder.step(4 * MS, "a", "call", "close c", a_c="FIN-WAIT-1")
    recorder.step(4 * MS, "a", "send", recorder.segment("a", "b", 80, 4000, "FP.", 9001, 5001, length=1))
    recorder.step(5 * MS, "a", "receive", recorder.segment("b", "a", 4000, 80, "S", 7000))
    recorder.step(5 * MS, "a", "send", recorder.segment("a", "b", 80, 4000, "S.", isn, 7001))
    script = lines(recorder, "a")
    if followed:
        assert script[-1] == "+0 > S. 65540:65540(0) ack 7001 <mss 1460,nop,nop,sackOK,nop,wscale 10>"
    else:
        assert script[-1].startswith("// The script ends here") and "< S 7000" in script[-2]


def test_what_a_timer_sends_may_come_within_an_interval() -> None:
    recorder = pair()
    opened(recorder)
    recorder.step(3 * MS, "a", "call", "send c 5B")
    data = recorder.segment("a", "b", 80, 4000, "P.", 9001, 5001, length=5)
    recorder.step(3 * MS, "a", "send", data)
    recorder.step(SECOND + 3 * MS, "a", "timer", "RTO")
    recorder.step(SECOND + 3 * MS, "a", "send", replace(data, uid=99))
    script = lines(recorder, "a")
    assert "+0 write(4, ..., 5) = 5" in script
    assert script[-1] == "+0.871~+1.129 > P. 1:6(5) ack 1"


def test_calls_and_their_errors() -> None:
    recorder = pair()
    opened(recorder)
    recorder.moves(4 * MS, MS, recorder.segment("b", "a", 4000, 80, "P.", 5001, 9001, length=10))
    recorder.step(6 * MS, "a", "call", "recv c 4B")
    recorder.step(6 * MS, "a", "call", "recv c until eof")
    recorder.step(6 * MS, "a", "call", "shutdown c write")
    recorder.step(6 * MS, "a", "call", "iptables -A INPUT -p tcp -s 10.0.0.2 --sport 4000 -j DROP")
    recorder.step(6 * MS, "a", "call", "sysctl net.ipv4.tcp_rfc1337 = 1")
    recorder.step(6 * MS, "a", "call", "setsockopt c TCP_KEEPIDLE 5")
    recorder.step(6 * MS, "a", "call", "setsockopt :80 SO_KEEPALIVE 1")
    recorder.step(7 * MS, "a", "call", "abort c", a_c="CLOSED")
    assert lines(recorder, "a")[-10:] == [
        "+0.001 read(4, ..., 1000) = 4",
        "+0 read(4, ..., 1000) = 6",
        "+0 read(4, ..., 1000) = 0",
        "+0 shutdown(4, SHUT_WR) = 0",
        "+0 `iptables -A INPUT -p tcp -s 192.0.2.1 --sport 4000 -j DROP`",
        "+0 `sysctl -q net.ipv4.tcp_rfc1337=1`",
        "+0 setsockopt(4, SOL_TCP, TCP_KEEPIDLE, [5], 4) = 0",
        "+0 setsockopt(3, SOL_SOCKET, SO_KEEPALIVE, [1], 4) = 0",
        "+0.001 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0",
        "+0 close(4) = 0",
    ]


def test_a_power_cut_ends_the_script() -> None:
    recorder = pair()
    opened(recorder)
    recorder.step(4 * MS, "a", "call", "crash")
    recorder.step(5 * MS, "a", "call", "listen :80 backlog 1")
    script = lines(recorder, "a")
    assert script[-1].startswith("// The script ends here: crash") and len([x for x in script if "listen(" in x]) == 1


def test_own_output_drops_are_not_expected() -> None:
    recorder = pair()
    opened(recorder)
    fin = recorder.segment("a", "b", 80, 4000, "F.", 9001, 5001)
    recorder.step(4 * MS, "a", "call", "close c", a_c="FIN-WAIT-1")
    recorder.step(4 * MS, "a", "send", fin)
    recorder.step(4 * MS, "a", "drop", fin)
    assert not [line for line in lines(recorder, "a") if "> F." in line]


def test_a_script_never_runs_what_a_trace_says() -> None:
    """packetdrill gives what stands in backquotes to a shell."""
    recorder = pair()
    evil = "`touch /tmp/x`\n+0 `touch /tmp/y`"
    recorder.step(0, "a", "call", f"listen :80 backlog 1{evil}")
    recorder.step(0, "a", "call", f"iptables -A INPUT; touch z {evil}")
    recorder.step(0, "a", "call", f"sysctl net.ipv4.tcp_sack = 1{evil}")
    recorder.step(0, "a", "call", f"connect b:80 (seq {evil}) -> s")
    recorder.step(0, "a", "timer", evil)
    trace = replace(
        traced(recorder), title=evil, spec=evil, note=evil, values={"x": evil}, settings={f"a.net.ipv4.{evil}": evil}
    )
    script = packetdrill(trace, "a", {f"net.ipv4.tcp_sack={evil}": 1})
    code = "\n".join(line for line in script.splitlines() if not line.startswith("//"))
    assert "touch" not in code and re.findall(r"`[^`]*`", code) == [
        '`sysctl -q net.ipv4.tcp_rmem="4096 131072 131072"`'
    ]


def test_what_packetdrill_cannot_play_is_refused() -> None:
    with pytest.raises(UsageError, match="talks to itself"):
        packetdrill(SAMPLES["fin_lost"], "localhost")
    with pytest.raises(UsageError, match="no host"):
        packetdrill(tw_refused(), "nobody")
    recorder = pair()
    opened(recorder)
    recorder.moves(9 * MS, MS, recorder.segment("b", "a", 4001, 80, "S", 1))
    with pytest.raises(UsageError, match="2 pairs of endpoints"):
        packetdrill(traced(recorder), "a")


def test_a_payload_across_the_wrap_ends_the_script() -> None:
    recorder = pair()
    opened(recorder)
    recorder.moves(4 * MS, MS, recorder.segment("b", "a", 4000, 80, "P.", 4999, 9001, length=10))
    assert lines(recorder, "a")[-1] == "// The script ends here: a payload crosses 2^32"
