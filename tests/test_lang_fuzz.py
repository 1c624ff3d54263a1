"""Whatever the text: a Scenario or a SpecError, never anything else; and whatever parses can be formatted."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from lang_registry import REGISTRY

from tcpcheck import lang
from tcpcheck.errors import SpecError
from tcpcheck.lang.diagnostics import render
from tcpcheck.lang.format import format_text
from tcpcheck.lang.parse import parse
from tcpcheck.lang.scenario import Scenario

TEXTS = [p.read_text(encoding="utf-8") for p in sorted((Path(__file__).parent / "specs_drafts").glob("*.tcp"))]
TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
WORDS = sorted({w for text in TEXTS for w in TOKEN.findall(text)})
ODD = ("\0", "\x0b", "\u00a0", "é", "٣", '"', "#", "{", "}", "(", ")", "99999999999999999999", "..", "any", "not ")


def outcome(text: str) -> Scenario | None:
    """The Scenario, or None after a SpecError whose text can be shown."""
    try:
        scenario = lang.load_text(text, "fuzz.tcp", REGISTRY)
    except SpecError as error:
        assert error.diagnostics
        lines = text.count("\n") + 1
        for diagnostic in error.diagnostics:
            span = diagnostic.span
            assert 1 <= span.line <= lines and 1 <= span.column <= span.end_column
        assert "fuzz.tcp:" in render(error)
        return None
    assert scenario.cases
    return scenario


def check_format(text: str) -> None:
    try:
        tree = parse(text, "fuzz.tcp")
    except SpecError:
        return
    once = format_text(text, "fuzz.tcp")
    assert parse(once, "fuzz.tcp") == tree
    assert format_text(once, "fuzz.tcp") == once


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.text(max_size=60))
@example("\ufeff")
@example("# only a comment")
@example('"')
@example("host a { kernel linux 4.4 }\x0c")
@example("never x { \r\n }")
def test_any_text(text: str) -> None:
    outcome(text)
    check_format(text)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, *ODD]), max_size=30).map(" ".join))
def test_any_words(text: str) -> None:
    outcome(text)
    check_format(text)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """One of the drafts with a few tokens deleted, doubled, swapped, replaced or damaged."""
    tokens = TOKEN.findall(draw(st.sampled_from(TEXTS)))
    for _ in range(draw(st.sampled_from((1, 1, 2, 6)))):
        place = draw(st.integers(0, len(tokens) - 1))
        other = draw(st.integers(0, len(tokens) - 1))
        change = draw(st.sampled_from(("delete", "double", "swap", "replace", "damage")))
        if change == "delete" and len(tokens) > 1:
            tokens.pop(place)
        elif change == "double":
            tokens.insert(place, tokens[other])
        elif change == "swap":
            tokens[place], tokens[other] = tokens[other], tokens[place]
        elif change == "replace":
            tokens[place] = draw(st.sampled_from(WORDS))
        else:
            tokens[place] = draw(st.sampled_from(ODD))
    return "".join(tokens)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(mutated())
def test_mutated_specs(text: str) -> None:
    outcome(text)
    check_format(text)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False))
def test_format_whatever_the_layout(text: str, random: object) -> None:
    """White space between tokens may be anything, comments may stand anywhere: the meaning stays, fmt settles."""
    assert hasattr(random, "choice")
    space = ("\n", "\n\n  ", " ", " # c\n", "\n# own\n")
    kept = [
        t if not t.isspace() else random.choice(space) for t in TOKEN.findall(re.sub("(#|iptables)[^\n]*", "", text))
    ]
    check_format("".join(kept))
