"""`tcpcheck crosscheck` on the kernel of this machine, where that is possible: samples, which are played again when a
busy machine disturbs them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from tcpcheck.cli import main
from tcpcheck.crosscheck.generate import Trace, generate
from tcpcheck.crosscheck.judge import StateResult, judge
from tcpcheck.crosscheck.model import KERNEL
from tcpcheck.crosscheck.states import STATES
from tcpcheck.crosscheck.traces import TraceResult, judge_traces
from tcpcheck.live import namespace
from tcpcheck.live.replay import running
from tcpcheck.render import json as render_json
from tcpcheck.tcp.profile import PROFILES

why_not = namespace.unavailable()
if why_not is None and running() != "linux 6.18.44":
    why_not = f"the model is of linux 6.18.44, this is {running()}"
needs_kernel = pytest.mark.skipif(why_not is not None, reason=f"the real kernel is not asked: {why_not}")
pytestmark = needs_kernel
TIME_WAIT = ((0, "S 0 0 0 0"), (0, ". 0 0 0 0"), (0, "accept"), (0, "close"), (0, ". 0 0 0 0"), (0, "F. 0 0 0 0"))


@pytest.fixture
def flipped(monkeypatch: pytest.MonkeyPatch) -> str:
    """A profile as that of the running kernel, but for one rule: a newer timestamp does not open TIME-WAIT."""
    right = PROFILES[KERNEL]
    wrong = dataclasses.replace(right, name="linux-flipped", flags={**right.flags, "tw_accepts_by_ts": 0})
    monkeypatch.setitem(PROFILES, wrong.name, wrong)
    return wrong.name


@pytest.mark.parametrize("state", STATES)
def test_a_sample_of_each_state_agrees(state: str) -> None:
    found: StateResult = namespace.in_namespace(judge, KERNEL, "ts", state, 61)
    assert found.counts and found.rules
    assert found.disagreements == []


def test_a_flipped_rule_is_found_and_named(flipped: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["crosscheck", "--state", "time-wait", "--setting", "ts", "--every", "3", "--quiet"]
    assert main([*call, "--json"]) == 0
    right = json.loads(capsys.readouterr().out)
    assert right["cells"]["total"]["agree"] > 500 and right["traces"] is None
    html = tmp_path / "x.html"
    assert main([*call, "--kernel", flipped, "--json", "--html", str(html)]) == 1
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, render_json.schema("crosscheck/1"))
    wrong = found["cells"]["disagreements"]
    assert wrong and all(d["stimulus"].startswith(("S ", "SF ")) for d in wrong)
    assert all("SYN_RECV/req" in d["kernel"] for d in wrong if d["stimulus"].startswith("S "))
    assert {rule for d in wrong for m in d["model"] for rule in m["rules"]} == {"TW_SYN_REFUSED"}
    assert "TW_SYN_REFUSED" in html.read_text()


def test_a_flipped_rule_is_found_in_a_trace(flipped: str) -> None:
    trace = Trace("passive", (*TIME_WAIT, (0, "S -100000 0 0 5")), frozenset())
    right: TraceResult = namespace.in_namespace(judge_traces, KERNEL, "passive", [trace])
    assert (right.agree, right.disagreements) == (1, [])
    assert ("TW_SYN_ACCEPTED_TS", "LISTEN_SYN") in right.pairs
    wrong: TraceResult = namespace.in_namespace(judge_traces, flipped, "passive", [trace])
    (found,) = wrong.disagreements
    assert found.events[-1][1] == "S -100000 0 0 5" and "SYN_RECV/req" in found.events[-1][2]
    assert found.model[0][1] == ("TW_SYN_REFUSED",)


def test_traces_take_what_they_are_planned_for() -> None:
    name = "last quarter of the requests"
    traces = generate(KERNEL, name)[::4]
    found: TraceResult = namespace.in_namespace(judge_traces, KERNEL, name, traces)
    assert found.disagreements == [] and found.agree == len(traces)
    planned = {pair for trace in traces for pair in trace.new}
    assert len(planned & found.pairs) > 0.8 * len(planned)


def test_traces_with_pauses() -> None:
    """A tail loss probe, a retransmission, and giving up; an orphan's FIN-WAIT-2 of 1 s."""
    opened = ((0, "S 0 0 0 0"), (0, ". 0 0 0 0"), (0, "accept"))
    pauses = (0, "send 100"), (300, "look"), (500, "look"), (4000, "look")
    silence = Trace("passive, pauses", (*opened, *pauses), frozenset())
    orphan = Trace("passive, pauses", (*opened, (0, "close"), (0, ". 0 0 0 0"), (2500, "look")), frozenset())
    found: TraceResult = namespace.in_namespace(judge_traces, KERNEL, "passive, pauses", [silence, orphan])
    assert found.disagreements == []
    rules = {rule for _, rule in found.pairs}
    assert {"TLP_PROBE", "RTO_RETRANSMIT", "RTO_GIVES_UP", "FIN_WAIT2_EXPIRED"} <= rules


def test_the_whole_command_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crosscheck", "--cells-only", "--every", "397", "--setting", "rfc1337"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("cells that agree")
    assert "rfc1337: tcp_timestamps=1, tcp_rfc1337=1, tcp_invalid_ratelimit=500" in said.out
    assert "rfc1337 is not for 23 states: tcp_rfc1337 is looked at by time-wait buckets only" in said.out
    assert "a second" in said.err


def test_nothing_is_left_behind() -> None:
    before = Path("/proc/net/dev").read_text().count("\n"), os.readlink("/proc/self/ns/net")
    command = [sys.executable, "-c", "import sys; from tcpcheck.cli import main; sys.exit(main())", "crosscheck", "-q"]
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 3 and "interrupted" in said and "Traceback" not in said
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (Path("/proc/net/dev").read_text().count("\n"), os.readlink("/proc/self/ns/net")) == before
