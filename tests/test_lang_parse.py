"""The grammar: no conflicts, whole words, numbers, and the tables kept beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcpcheck.errors import Span, SpecError
from tcpcheck.lang import ast, grammar
from tcpcheck.lang.numbers import BadNumber, integer, power, quantity
from tcpcheck.lang.parse import NESTING_MAX, parse

DRAFTS = sorted((Path(__file__).parent / "specs_drafts").glob("*.tcp"))


def only(text: str) -> ast.Top:
    (item,) = parse(text, "spec.tcp").items
    return item


def claim(pred: str) -> ast.Pred:
    item = only(f"never x {{ {pred} }}")
    assert isinstance(item, ast.Claim)
    return item.pred


def test_grammar_has_no_conflict_and_no_collision() -> None:
    pytest.importorskip("interegular")  # lark's strict mode compares the terminals with it
    grammar.build(strict=True)


@pytest.mark.parametrize("path", DRAFTS, ids=lambda p: p.stem)
def test_draft_parses(path: Path) -> None:
    spec = parse(path.read_text(encoding="utf-8"), path.name)
    assert any(isinstance(i, ast.Host) for i in spec.items)
    assert any(isinstance(i, ast.Claim) for i in spec.items)


# ---- tables ------------------------------------------------------------------------------------------------


def test_tables_give_the_same_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = DRAFTS[0].read_text(encoding="utf-8")
    built = grammar.build()
    monkeypatch.setattr(grammar, "TABLES", tmp_path / "grammar.tables")
    assert grammar._read_tables() is None
    grammar.write_tables(built)
    loaded = grammar._read_tables()
    assert loaded is not None
    assert loaded.parse(text) == built.parse(text)


@pytest.mark.parametrize("damage", [b"", b"x" * 100, None])
def test_damaged_tables_are_not_used(damage: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tmp_path / "grammar.tables"
    monkeypatch.setattr(grammar, "TABLES", tables)
    tables.write_bytes(damage if damage is not None else grammar._key() + b"no pickle")
    assert grammar._read_tables() is None


def test_tables_of_another_grammar_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "TABLES", tmp_path / "grammar.tables")
    grammar.write_tables(grammar.build())
    other = tmp_path / "grammar.lark"
    other.write_text(grammar.GRAMMAR.read_text(encoding="utf-8") + "\n// changed\n", encoding="utf-8")
    monkeypatch.setattr(grammar, "GRAMMAR", other)
    assert grammar._read_tables() is None


# ---- words -------------------------------------------------------------------------------------------------


def test_keywords_are_whole_words() -> None:
    item = only("host runner { kernel linux 4.4 run running { connect loop:1 -> closed close closed } }")
    assert isinstance(item, ast.Host)
    run = item.items[1]
    assert isinstance(run, ast.Run) and run.name is not None and run.name.text == "running"
    assert [type(s).__name__ for s in run.body] == ["Call", "Close"]


def test_keywords_may_be_names_where_no_keyword_can_stand() -> None:
    item = only("host host { kernel linux 4.4 ; run { listen :1 -> listen ; accept -> close ; close close } }")
    assert isinstance(item, ast.Host) and item.name.text == "host"


def test_statements_need_no_separator() -> None:
    spaced = "host a { kernel linux 4.4 ; run { listen :1 ; ; accept -> c ; close c } ; } ; ; time off ;"
    assert parse(spaced, "a") == parse(spaced.replace(";", "\n"), "a") == parse(spaced.replace(";", ""), "a")


def test_iptables_end() -> None:
    ends = ("\n", ";", " # comment\n", "}")
    for end in ends:
        closing = "" if end == "}" else "}"
        item = only(f"host a {{ iptables -A INPUT  -p tcp   -j DROP{end}{closing}")
        assert isinstance(item, ast.Host)
        assert item.items == (ast.Iptables(Span(1, 1, 1), "iptables -A INPUT -p tcp -j DROP"),)


def test_precedence() -> None:
    pred = claim("quiet or not quiet and quiet implies quiet")
    assert isinstance(pred, ast.Implies)
    assert isinstance(pred.left, ast.Or)
    assert isinstance(pred.left.parts[1], ast.And)
    assert isinstance(pred.left.parts[1].parts[0], ast.Not)


def test_spans() -> None:
    spec = parse("# one\n  host a { kernel linux 4.4 }\nnever x {\n  a.s in CLOSED\n  and a.t in LISTEN }\n", "a")
    host, never = spec.items
    assert host.span == Span(2, 3, 30)
    assert isinstance(host, ast.Host) and host.name.span == Span(2, 8, 9)
    assert never.span == Span(3, 1, 10)
    assert isinstance(never, ast.Claim) and isinstance(never.pred, ast.And)
    assert never.pred.parts[1].span == Span(5, 7, 20)


def test_flags_are_in_the_order_of_tcpdump() -> None:
    pred = claim("a.s sends [.SF] and a.s sends 12th [P]")
    assert isinstance(pred, ast.And)
    segs = [p.event.seg for p in pred.parts if isinstance(p, ast.Happens) and isinstance(p.event, ast.SegEvent)]
    assert [(s.flags, s.ordinal) for s in segs] == [("SF.", None), ("P", 12)]


# ---- numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1ns", ("time", 1)),
        ("1us", ("time", 10**3)),
        ("1.5ms", ("time", 1_500_000)),
        ("0.2s", ("time", 200_000_000)),
        ("2min", ("time", 120 * 10**9)),
        ("1h", ("time", 3600 * 10**9)),
        ("1d", ("time", 86400 * 10**9)),
        ("5B", ("size", 5)),
        ("1.5kB", ("size", 1500)),
        ("4KiB", ("size", 4096)),
        ("2MB", ("size", 2 * 10**6)),
        ("1GiB", ("size", 2**30)),
        ("100Gbit/s", ("rate", 10**11)),
    ],
)
def test_quantity(text: str, value: tuple[str, int]) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["0.5ns", "0.1B", "1" * 30 + "s", "99999999999d", "5parsec"])
def test_bad_quantity(text: str) -> None:
    with pytest.raises(BadNumber):
        quantity(text)


def test_integers() -> None:
    assert integer("0xffffffff", 16) == 2**32 - 1
    assert power("2", "31") == 2**31
    for bad in (("9" * 20,), ("9" * 5000,)):
        with pytest.raises(BadNumber):
            integer(*bad)
    for base, exponent in (("2", "64"), ("10", "65"), ("2", "9" * 30)):
        with pytest.raises(BadNumber):
            power(base, exponent)


# ---- depth -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opening", ["(", "not ", "peer(", "either { "])
def test_deep_nesting_is_refused(opening: str) -> None:
    for times in (NESTING_MAX + 1, 5000):
        with pytest.raises(SpecError, match="nested too deeply"):
            parse("never x { " + opening * times, "a")


def test_nesting_that_is_not_too_deep() -> None:
    depth = NESTING_MAX - 1
    assert isinstance(claim("(" * depth + "quiet" + ")" * depth), ast.Flag)
    nested = "either { " * (depth - 1) + "exit" + " } or { exit }" * (depth - 1)
    assert isinstance(only(f"host a {{ run {{ {nested} }} }}"), ast.Host)
