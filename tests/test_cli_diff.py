"""`tcpcheck diff` as a command: text, JSON, exit codes, mistakes."""

from __future__ import annotations

from dataclasses import replace

import golden_files
import pytest
from cli_call import SPECS, call
from render_samples import SAMPLES

from tcpcheck.knowledge import REGISTRY
from tcpcheck.lockstep import Difference, Side
from tcpcheck.render.diff_text import text
from tcpcheck.render.rules import rule_lookup

BLIND = str(SPECS / "resets" / "blind_rst.tcp")
OPEN = str(SPECS / "simultaneous_open.tcp")
TW_FIN = str(SPECS / "tw_fin.tcp")
LENGTH = str(SPECS / "seeds" / "003_time_wait_length.tcp")
NEW, OLD = ("--kernel", "linux 6.18.44"), ("--kernel", "linux 4.4")


def test_golden() -> None:
    """What it looks like, of a run that is no model's."""
    trace = SAMPLES["tw_refused"]
    common = replace(trace, steps=trace.steps[:-2], settings={})
    bounds = {"losses": 1, "delay_lo_s": 0.0, "delay_hi_s": 0.05}
    sides = (Side("linux-6.18.44", trace.steps[-2:]), Side("rfc9293 without rfc5961", ()))
    parts = Difference({"ts": 1}, common, trace.steps[-1].time_ns, sides, bounds, 42, "")
    same = Difference({"ts": 0}, None, 0, tuple(Side(s.kernel, ()) for s in sides), bounds, 7, "")
    cut = replace(same, settings={"ts": 2}, why="time limit")
    golden_files.check("diff/sample.txt", text("f.tcp", "A title", [parts, same, cut], rules=rule_lookup()))
    golden_files.check("diff/undecided.txt", text("f.tcp", "A title", [cut], ascii=True, width=60))


@pytest.mark.parametrize(
    ("arguments", "first", "second"),
    [
        ((BLIND, *NEW, "--kernel", "rfc9293 without rfc5961", "--host", "server"), "CHALLENGE_ACK", "RST_IN_WINDOW"),
        ((OPEN, *NEW, *OLD), "SYNRECV_SYNACK_ACCEPTED", "RFC5961_SYN_CHALLENGE"),
        ((LENGTH, *NEW, "--kernel", "rfc9293"), "TIME_WAIT_EXPIRED", "does nothing"),
    ],
)
def test_they_part(capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], first: str, second: str) -> None:
    result = call(capfd, "diff", *arguments, "-q")
    assert result.code == 1
    blocks = result.out.partition("they part\n\n")[2].split("\n\n")  # one for each kernel
    one, other = blocks[0], blocks[1]
    assert first in one and first not in other
    assert second in other and second not in one


def test_no_difference(capfd: pytest.CaptureFixture[str]) -> None:
    result = call(capfd, "diff", TW_FIN, *NEW, *OLD, "-q")
    assert result.code == 0
    assert result.out.count("no difference  when localhost.tcp_fin_timeout=") == 3
    assert result.out.endswith("\nno difference\n")


def test_json(capfd: pytest.CaptureFixture[str]) -> None:
    result = call(capfd, "diff", OPEN, *NEW, *OLD, "-q", "--json")
    assert result.code == 1
    (member,) = result.document["members"]
    assert member["parts"] and not result.document["ok"]
    first, second = member["sides"]
    # a window scale that differs does not make two runs part
    assert first[0]["segment"] | {"wscale": 0} == second[0]["segment"] | {"wscale": 0}
    assert first[0]["rules"] != second[0]["rules"]
    result = call(capfd, "diff", TW_FIN, *NEW, *OLD, "-q", "--json", "--member", "tcp_fin_timeout=5")
    assert result.code == 0
    (member,) = result.document["members"]
    assert result.document["ok"] and member["common"] is None and member["sides"] is None
    assert member["settings"] == {"localhost.net.ipv4.tcp_fin_timeout": 5}


def test_undecided(capfd: pytest.CaptureFixture[str]) -> None:
    result = call(capfd, "diff", TW_FIN, *NEW, *NEW, "-q", "--states", "3")
    assert result.code == 3
    assert "undecided, no difference so far: state limit" in result.out
    assert "not everything was compared" in result.out


def test_a_version_that_another_stands_in_for(capfd: pytest.CaptureFixture[str]) -> None:
    name = "linux 6.18.9999"
    stands_in = REGISTRY.resolve_kernel(name)
    assert stands_in is not None and stands_in[1]
    result = call(capfd, "diff", TW_FIN, *NEW, "--kernel", name, "-q", "--member", "tcp_fin_timeout=5")
    assert result.code == 0
    assert f"warning: {TW_FIN}" in result.err and stands_in[1] in result.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((TW_FIN, *NEW), "two kernels are compared: --kernel A --kernel B (there is one)"),
        ((TW_FIN, *NEW, *NEW, *NEW), "there are 3"),
        ((TW_FIN,), "Missing option '--kernel'"),
        ((TW_FIN, *NEW, "--kernel", "linus 4.4"), "--kernel linus 4.4: "),
        ((TW_FIN, *NEW, "--kernel", "linux 4.4 without rfc596"), "did you mean `rfc5961`"),
        ((TW_FIN, *NEW, "--kernel", "linux 4.4 }"), "--kernel linux 4.4 }: "),
        ((BLIND, *NEW, *OLD, "--host", "sever"), "did you mean `server`"),
        ((BLIND, *NEW, *OLD, "--host", "attacker"), "choose server or client"),
        ((str(SPECS), *NEW, *OLD), "name one of them"),
        ((TW_FIN, *NEW, *OLD, "--member", "x=1"), "no family or setting"),
    ],
)
def test_mistakes(capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    result = call(capfd, "diff", *arguments)
    assert result.code == 2
    assert said in result.err
    result = call(capfd, "diff", *arguments, "--json")
    assert result.code == 2
    assert result.document["schema"] == "tcpcheck.error/1"


def test_a_client_that_linux_lets_in_and_lwip_does_not(capfd: pytest.CaptureFixture[str]) -> None:
    spec = str(SPECS / "time_wait" / "lwip_lockout.tcp")
    kernels = ("--kernel", "linux 6.18.44 without sack", "--kernel", "lwip 2.2")
    result = call(capfd, "diff", spec, *kernels, "--host", "server", "-q")
    assert result.code == 1
    first, second = result.out.partition("they part\n\n")[2].split("\n\nlwip-2.2\n")
    assert "TW_SYN_ACCEPTED_SEQ" in first and "server sends [S.]" in first
    assert "TW_SYN_REFUSED" in second and "server sends [.]" in second
    assert "what they send: [S.] and [.]" in second
    result = call(capfd, "diff", spec, "--kernel", "linux 6.18.44", "--kernel", "lwip 2.2", "-q")
    assert "sack_ok of [S]: yes and no" in result.out
