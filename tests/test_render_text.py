"""The text ladder: golden files, widths, and what each kind of step must show."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace

import golden_files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_samples import MS, SAMPLES, Recorder, lookup, tw_refused

from tcpcheck.render.rules import rule_lookup
from tcpcheck.render.styled import columns
from tcpcheck.render.text import text
from tcpcheck.render.words import shell_words
from tcpcheck.witness.trace import HostInfo


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("width", [80, 120])
def test_golden(name: str, width: int) -> None:
    golden_files.check(f"render/{name}.{width}.txt", text(SAMPLES[name], width=width, rules=lookup))


@pytest.mark.parametrize("name", SAMPLES)
def test_ascii_golden_has_no_other_character(name: str) -> None:
    drawn = text(SAMPLES[name], width=80, ascii=True, rules=lookup)
    golden_files.check(f"render/{name}.ascii.txt", drawn)
    assert drawn.isascii()


@pytest.mark.parametrize("name", SAMPLES)
@settings(derandomize=True, max_examples=30, deadline=None)
@given(width=st.integers(60, 200))
def test_no_line_is_too_wide_and_every_number_is_there(name: str, width: int) -> None:
    trace = SAMPLES[name]
    drawn = text(trace, width=width, rules=lookup)
    ladder = drawn.split("\n\n", 1)[1]
    assert max(columns(line) for line in ladder.splitlines()) <= width
    numbers = set(re.findall(r"\d+", ladder))
    for step in trace.steps:
        if step.segment is not None:
            assert str(step.segment.seq) in numbers and (not step.segment.ack or str(step.segment.ack) in numbers)


def test_colour_changes_nothing_but_colour() -> None:
    trace = tw_refused()
    coloured = text(trace, width=80, color=True, rules=lookup)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text(trace, width=80, rules=lookup)


def test_control_characters_are_escaped() -> None:
    trace = replace(tw_refused(), title="a\x1b[31m\nb\u202e", values={"ga\rp": "1\x07"})
    drawn = text(trace, width=80)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", drawn)
    assert r"a\x1b[31m\x0ab\u202e" in drawn and r"ga\x0dp = 1\x07" in drawn


def test_crossing_segments_are_drawn_twice_with_the_same_number() -> None:
    drawn = text(SAMPLES["simultaneous_close"], width=100)
    departures = [line for line in drawn.splitlines() if "#1 [F.]" in line]
    assert len(departures) == 2 and departures[0].startswith("0.040000") and departures[1].startswith("0.050000")
    assert "▶" not in departures[0] and "▶" in departures[1]


def test_lost_and_dropped_segments_do_not_arrive() -> None:
    drawn = text(SAMPLES["fin_lost"], width=100).splitlines()
    lost = [line for line in drawn if "✗" in line]
    assert len(lost) == 2 and not any("▶" in line or "◀" in line for line in lost)
    assert "✗ lost" in lost[1] and "INPUT of localhost drops it ✗" in lost[0]


def test_an_input_drop_names_the_receivers_chain() -> None:
    recorder = Recorder(HostInfo("a", "10.0.0.1", "linux-4.4"), HostInfo("b", "10.0.0.2", "linux-4.4"))
    segment = recorder.segment("a", "b", 1, 2, "S", 7)
    recorder.step(0, "a", "send", segment)
    recorder.step(MS, "b", "drop", segment)
    drawn = text(replace(tw_refused(), hosts=tuple(recorder.hosts.values()), steps=tuple(recorder.steps)), width=80)
    assert "✗ INPUT of b drops it" in drawn


def test_an_attacker_gets_a_lane_and_his_segment_starts_there() -> None:
    drawn = text(SAMPLES["simultaneous_close"], width=100).splitlines()
    forged = next(line for line in drawn if "forged" in line)
    assert "attacker" in drawn[4] and forged.startswith("0.070000  │◀") and forged.endswith("┤")


def test_many_hosts_make_the_drawing_wider_instead_of_unreadable() -> None:
    recorder = Recorder(*(HostInfo(f"h{n}", f"10.0.0.{n}", "linux-4.4") for n in range(1, 7)))
    segment = recorder.segment("h2", "h3", 40000, 8888, "S", 4294967290)
    recorder.step(0, "h2", "send", segment)
    recorder.step(MS, "h3", "drop", segment)
    drawn = text(replace(tw_refused(), hosts=tuple(recorder.hosts.values()), steps=tuple(recorder.steps)), width=60)
    assert "4294967290" in drawn and "INPUT of h3" in drawn and drawn.count("✗") == 1


def test_a_rule_is_explained_once() -> None:
    drawn = text(tw_refused(), width=100, rules=lookup)
    assert drawn.count("LISTEN_SYN") == 2 and drawn.count("tcp_conn_request") == 1
    assert "tcp_conn_request" not in text(tw_refused(), width=100)


def test_a_segment_to_the_own_port_is_told_in_words() -> None:
    recorder = Recorder(HostInfo("a", "127.0.0.1", "linux-4.4"))
    segment = recorder.segment("a", "a", 5000, 5000, "S", 7)
    recorder.moves(0, 10, segment)
    drawn = text(replace(tw_refused(), hosts=tuple(recorder.hosts.values()), steps=tuple(recorder.steps)), width=80)
    assert "itself: [S] seq 7" in drawn or "itself: #1 [S] seq 7" in drawn


def test_the_protocols_own_rules_explain_themselves() -> None:
    lookup = rule_lookup()
    info = lookup("NO_SOCKET_RST")
    assert info is not None and info.doc and info.rfc == "RFC 9293 3.10.7.1" and lookup("NO_SUCH_RULE") is None


def test_nanoseconds_show_only_when_they_matter() -> None:
    assert "12.500250 " in text(tw_refused()) and "12.500250000" not in text(tw_refused())
    assert "0.000012500" in text(SAMPLES["fin_lost"])


def test_a_command_line_names_the_file_whatever_its_name() -> None:
    words = ["tcpcheck", "a b.tcp", "it's\n\x1b[2J\\.tcp", "\u202e.tcp", "\udcff.tcp", "plain.tcp"]
    line = shell_words(words)
    assert line.isprintable() and line.endswith(" plain.tcp")
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    assert [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]] == words
