"""The table of verdicts: golden files, and that it hides nothing a reader must know."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import golden_files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_samples import BOUNDS, STATS, count_result, lookup, tw_result

from tcpcheck.render import verdicts
from tcpcheck.render.styled import columns

RESULTS = {"tw": tw_result(), "count": count_result()}


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("width", [80, 120])
def test_golden(name: str, width: int) -> None:
    drawn = verdicts.text(RESULTS[name], width=width, rules=lookup)
    golden_files.check(f"render/{name}.verdicts.{width}.txt", drawn)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(width=st.integers(60, 200), ascii=st.booleans())
def test_no_line_is_too_wide(width: int, ascii: bool) -> None:
    drawn = verdicts.text(tw_result(), width=width, ascii=ascii, traces="none")
    table = [line for line in drawn.splitlines() if "specs/" not in line and "verdicts as expected" not in line]
    assert max(columns(line) for line in table) <= width
    assert drawn.isascii() or not ascii


def test_what_is_not_as_expected_comes_first_with_its_reason() -> None:
    drawn = verdicts.text(tw_result(), width=100, traces="none")
    table = drawn.index("  claim ")
    assert 0 < drawn.index("✗ after reconnected: violated, expected holds") < table
    assert 0 < drawn.index("the bound of 1,000,000 states was reached at depth 19") < table
    assert "22 of 24 verdicts as expected" in drawn


def test_holds_prints_its_bounds_and_tells_different_ones_apart() -> None:
    drawn = verdicts.text(count_result(), width=200)
    assert "holds covers every run with at most 1 loss, no duplicates, at most 2 connections" in drawn
    claims = list(count_result().claims)
    claims = [replace(claim, count=None) for claim in claims]
    claims[1] = replace(claims[1], bounds=BOUNDS | {"losses": 2, "truncated": True, "moons": 3})
    drawn = verdicts.text(replace(count_result(), claims=tuple(claims)), width=200)
    assert re.search(r"\bholds \[1\] ", drawn) and "holds [2] covers every run with at most 2 losses" in drawn
    assert "moons 3" in drawn and "TRUNCATED" in drawn


@pytest.mark.parametrize(("traces", "shown"), [("none", 0), ("one", 3), ("unexpected", 1), ("all", 10)])
def test_traces(traces: str, shown: int) -> None:
    drawn = verdicts.text(tw_result(), width=80, traces=traces)
    assert drawn.count("─" * 80) == shown


def test_the_trace_of_a_failing_member_is_preferred() -> None:
    claims = tw_result().claims
    chosen = {claim.name: claim for claim in verdicts.with_traces(tw_result(), "one")}
    assert chosen["reconnected"].settings == next(c.settings for c in claims if c.name == "reconnected" and not c.ok)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(picks=st.sets(st.integers(0, 11), min_size=1))
def test_descriptions_name_exactly_the_group(picks: set[int]) -> None:
    everyone = [{"a": a, "b": b, "c": c} for a, b, c in product((0, 1), (0, 1, 2), ("x", "y"))]
    described = verdicts.descriptions(everyone, picks)
    if len(picks) == len(everyone):
        assert described == ["all 12"]
        return
    named: list[int] = []
    for words in described:
        pairs = dict(pair.split("=") for pair in re.sub(r" \(\d+\)", "", words).split(", "))
        named += [i for i, m in enumerate(everyone) if all(str(m[name]) == value for name, value in pairs.items())]
    assert sorted(named) == sorted(picks)


def test_a_spec_without_claims_and_one_without_families() -> None:
    empty = replace(count_result(), claims=())
    assert "no claims" in verdicts.text(empty)
    one = replace(count_result().claims[0], settings={})
    assert "count kills" in verdicts.text(replace(count_result(), claims=(one,)))


def test_stats() -> None:
    assert verdicts.stats_text(STATS).startswith("12,345 states, 45,678 transitions, depth 31, 3 solver calls in 2.5 s")


def test_control_characters_are_escaped() -> None:
    claim = replace(tw_result().claims[3], name="x\x1b[2J", note="a\nb", ok=False)
    drawn = verdicts.text(replace(tw_result(), claims=(claim,), title="t\x07", file="f\n.tcp"), traces="none")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", drawn) and r"a\x0ab" in drawn
