"""`import tcpcheck`: stable names, objects that can be walked through, notebooks, scapy."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cli_call import AS_EXPECTED, CONNECTION, NOT_AS_EXPECTED

import tcpcheck
from tcpcheck.render.formats import FORMATS
from tcpcheck.render.wire import packet

SPEC = CONNECTION % f"{AS_EXPECTED}\n{NOT_AS_EXPECTED}"
STABLE = [
    *("Change", "ClaimResult", "Count", "Diagnostic", "HostInfo", "Impossible", "Limits", "MapResult"),
    *("Segment", "SpecError", "SpecResult", "Step", "TcpcheckError", "Trace", "Undecided", "UsageError", "__version__"),
    *("export", "fixtures", "map_over", "to_scapy", "trace", "traces", "verify"),
]


@pytest.fixture(scope="module")
def result() -> tcpcheck.SpecResult:
    return tcpcheck.verify(SPEC)


def test_the_names_stay() -> None:
    assert tcpcheck.__all__ == STABLE == dir(tcpcheck)
    assert all(getattr(tcpcheck, name) is not None for name in STABLE)
    with pytest.raises(AttributeError, match="no attribute 'verfy'"):
        _ = tcpcheck.verfy  # type: ignore[attr-defined]


def test_the_import_is_light() -> None:
    code = "import sys, tcpcheck; print(sorted(m for m in sys.modules if m.split('.')[0] in ('z3', 'lark', 'jinja2')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_text_or_file_settings_and_mistakes(result: tcpcheck.SpecResult, tmp_path: Path) -> None:
    path = tmp_path / "spec.tcp"
    path.write_text(SPEC)
    for spec in (path, str(path)):
        assert [c.verdict for c in tcpcheck.verify(spec).claims] == [c.verdict for c in result.claims]
    both = tcpcheck.verify(SPEC, settings={"a.net.ipv4.tcp_sack": ["0", "1"]}, jobs=2)
    assert len(both.claims) == 2 * len(result.claims)
    cut = tcpcheck.verify(SPEC, limits=tcpcheck.Limits(states=3))
    assert {c.verdict for c in cut.claims} == {"undecided"}
    with pytest.raises(tcpcheck.SpecError) as mistake:
        tcpcheck.verify("title 'x'\nhost")
    assert mistake.value.diagnostics[0].span.line == 1


def test_results_are_frozen_and_traces_are_walked_through(result: tcpcheck.SpecResult) -> None:
    trace = tcpcheck.trace(result, "rests")
    assert [step.index for step in trace] == list(range(len(trace)))
    assert {step.event for step in trace} >= {"call", "send", "receive"}
    assert tcpcheck.traces(result) == [trace]
    with pytest.raises(dataclasses.FrozenInstanceError):
        trace.claim = "x"  # type: ignore[misc]


def test_a_trace_that_is_not_there(result: tcpcheck.SpecResult) -> None:
    both = tcpcheck.verify(SPEC, settings={"a.net.ipv4.tcp_sack": [0, 1]})
    assert tcpcheck.trace(both, "rests", a_tcp_sack=1).settings["a.net.ipv4.tcp_sack"] == 1
    wrong: list[tuple[tcpcheck.SpecResult, str, dict[str, int], str]] = [
        (result, "reset", {}, "`reset` holds: only a violated or reached claim has a trace"),
        (result, "rest", {}, "no claim `rest` in <text>: did you mean `rests`?"),
        (both, "rests", {"a_tcp_sak": 1}, "no setting `a_tcp_sak`: did you mean `a_tcp_sack`?"),
        (both, "rests", {"a_tcp_sack": 7}, "`a_tcp_sack` is 0 or 1 in the traces"),
        (result, "rests", {"foo": 1}, "no setting `foo`: there are no families"),
    ]
    for where, claim, settings, said in wrong:
        with pytest.raises(tcpcheck.UsageError) as mistake:
            tcpcheck.trace(where, claim, **settings)
        assert said in str(mistake.value)
    with pytest.raises(tcpcheck.UsageError, match="no claim `zz`"):
        tcpcheck.traces(result, "zz")
    cut = tcpcheck.verify(SPEC, limits=tcpcheck.Limits(states=3))
    with pytest.raises(tcpcheck.Undecided, match="state limit"):
        tcpcheck.trace(cut, "rests")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"limits": tcpcheck.Limits(states=-1)}, "states: `-1` is not a whole number above 0"),
        ({"limits": tcpcheck.Limits(states=0)}, "states: `0` is not a whole number above 0"),
        ({"limits": tcpcheck.Limits(depth=-1)}, "depth: `-1` is not a whole number above 0"),
        ({"limits": tcpcheck.Limits(depth=1.5)}, "depth: `1.5` is not a whole number above 0"),  # type: ignore[arg-type]
        ({"limits": tcpcheck.Limits(seconds=-1)}, "seconds: `-1` is not a number above 0"),
        ({"limits": tcpcheck.Limits(seconds=float("nan"))}, "seconds: `nan` is not a number above 0"),
        (
            {"limits": tcpcheck.Limits(memory_bytes=1000)},
            "memory_bytes: `1000` is too little: a search begins with",
        ),
        ({"limits": tcpcheck.Limits(memory_bytes=10**18)}, "is too much: this machine has"),
        ({"jobs": 0}, "jobs: `0` is not a whole number above 0"),
        ({"settings": {"a.kernel": []}}, "settings: `a.kernel` has no value"),
        ({"settings": {"a.kernel": ["linux 4.4", ""]}}, "settings: `a.kernel` has an empty value"),
    ],
)
def test_what_cannot_be_asked_for(asked: dict[str, Any], said: str) -> None:
    calls: list[Callable[..., object]] = [tcpcheck.verify, tcpcheck.fixtures]
    for call in (*calls, partial(tcpcheck.map_over, over="pause")):
        with pytest.raises(tcpcheck.UsageError) as mistake:
            call(SPEC, **asked)
        assert said in str(mistake.value)


def test_a_value_stands_for_a_family_of_one() -> None:
    one = tcpcheck.verify(
        SPEC, settings={"a.kernel": "linux 4.4", "b.net.ipv4.tcp_sack": 0}, limits=tcpcheck.Limits(states=10**30)
    )
    assert all(c.settings == {"a.kernel": "linux-4.4", "b.net.ipv4.tcp_sack": 0} for c in one.claims)


def test_no_spec(tmp_path: Path) -> None:
    for spec, said in (
        ("nofile.tcp", "nofile.tcp: cannot read the file: No such file"),
        ("", "cannot read the file: its name is empty"),
        (str(tmp_path), "this is a folder, not a spec"),
        (5, "a spec is a file's name or a text, not 5"),
        (None, "a spec is a file's name or a text, not None"),
    ):
        with pytest.raises(tcpcheck.UsageError) as mistake:
            tcpcheck.verify(spec)  # type: ignore[arg-type]
        assert said in str(mistake.value)


def test_every_format_as_on_the_command_line(result: tcpcheck.SpecResult) -> None:
    trace = tcpcheck.trace(result, "rests")
    for name in FORMATS:
        shown = tcpcheck.export(trace, name, host="a" if name == "packetdrill" else None)
        assert isinstance(shown, bytes) == (name == "pcapng") and len(shown) > 100
    assert tcpcheck.export(trace, "tcpdump", host="a") != tcpcheck.export(trace, "tcpdump", host="b")
    for arguments, said in ((("html", "a"), "a host goes with"), (("gif", None), "no format"), (("tcpdump", "x"), "x")):
        with pytest.raises(tcpcheck.UsageError, match=said):
            tcpcheck.export(trace, arguments[0], host=arguments[1])
    with pytest.raises(tcpcheck.UsageError, match="choose a or b"):
        tcpcheck.export(trace, "packetdrill")


def test_maps() -> None:
    spec = SPEC.replace("close s }", "sleep 0s..1s -> pause ; close s }")
    found = tcpcheck.map_over(spec, "pause")
    assert found.ok and found.name == "pause" and ET.fromstring(found._repr_svg_()).tag.endswith("svg")
    with pytest.raises(tcpcheck.UsageError, match="did you mean `pause`"):
        tcpcheck.map_over(spec, "paus")


def test_fixtures_take_the_rules_of_a_spec() -> None:
    every = tcpcheck.fixtures(SPEC)
    assert {trace.kind for trace in every} == {"cover"} and len(every) > 1
    (one,) = tcpcheck.fixtures(SPEC, goals=["LISTEN_SYN"])
    assert one.claim == "LISTEN_SYN" and "LISTEN_SYN" in {rule for step in one for rule in step.rules}
    with pytest.raises(tcpcheck.UsageError, match="cannot cover `zz`: choose rules or pairs"):
        tcpcheck.fixtures(SPEC, cover="zz")
    with pytest.raises(tcpcheck.UsageError, match="LISTEN_SYN"):
        tcpcheck.fixtures(SPEC, goals=["LISTEN_SYM"])


def test_notebooks_draw_them(result: tcpcheck.SpecResult) -> None:
    assert ET.fromstring(tcpcheck.trace(result, "rests")._repr_svg_()).tag.endswith("svg")
    frame = ET.fromstring(result._repr_html_())
    assert frame.tag == "iframe" and "never rests" in frame.attrib["srcdoc"]


def test_scapy_reads_the_segments(result: tcpcheck.SpecResult) -> None:
    pytest.importorskip("scapy", reason="scapy is not installed: nobody has read the packets")
    trace = tcpcheck.trace(result, "rests")
    packets = tcpcheck.to_scapy(trace)
    sent = [step.segment for step in trace if step.event == "send" and step.segment is not None]
    assert [bytes(p) for p in packets] == [packet(segment) for segment in sent]
    assert [(p["TCP"].seq, p["TCP"].ack) for p in packets] == [(segment.seq, segment.ack) for segment in sent]
