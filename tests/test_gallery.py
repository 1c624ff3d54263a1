"""docs/gallery.md is what the specs give; every spec asks a question and answers it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tcpcheck import gallery
from tcpcheck.witness.verdict import SpecResult

SPECS = sorted((gallery.ROOT / "specs").rglob("*.tcp"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(gallery.ROOT / "specs")))
def test_every_spec_asks_and_answers(path: Path) -> None:
    question, answer, _ = gallery.comments(path.read_text(encoding="utf-8"))
    assert question and answer.endswith(".")


def test_the_gallery_is_fresh() -> None:
    for path, fresh in gallery.generate().items():
        assert path.read_text(encoding="utf-8") == fresh, f"{path.name} is stale: run python -m tcpcheck.gallery"


def test_comments_of_a_spec() -> None:
    text = '# Why?\n# Answer: Because of\n#   that.\n# Trace: first\n# More.\ntitle "x"\n# Answer: not this\n'
    assert gallery.comments(text) == ("Why?", "Because of that.", "first")
    assert gallery.comments('title "x"\n') == ("", "", "")


def test_named_traces_exist() -> None:
    for path in SPECS:
        text = path.read_text(encoding="utf-8")
        name = gallery.comments(text)[2]
        assert not name or f" {name} " in text.replace("{", " {"), f"{path}: no claim {name}"


def entry(name: str, question: str, answer: str, words: str) -> gallery.Entry:
    folder = f"seeds/{name[:3]}" if name[0] == "0" else "opening"
    result = SpecResult(name, name.title(), question, (), {}, (), True)
    path = f"specs/{folder[:5]}/{name}.tcp"
    return gallery.Entry(path, folder, question, answer, "", result, frozenset(words.split()), {}, {})


def test_questions_are_found_by_write_up_and_by_word() -> None:
    many = [entry(f"x{n}", "Why?", "So.", "tcp_sack EPIPE") for n in range(9)]
    named = entry("001_b", "Seed 001, a TODO: is it EPIPE?", "Yes.", "EPIPE tcp_rfc1337")
    page = gallery.document([*many, named], "## Not yet\n")
    assert "- [Write-up 001: a SYN comes to TIME-WAIT](#write-up-001-a-syn-comes-to-time-wait): 1\n" in page
    assert "| [Is it EPIPE?](#seeds-001-b) | Yes. |" in page
    assert "| `EPIPE` | [001_B](#seeds-001-b) |" in page, "of many specs those whose question names it"
    assert "| `tcp_rfc1337` | [001_B](#seeds-001-b) |" in page and page.count("`EPIPE`") == 1
    row = next(line for line in page.splitlines() if line.startswith("| `tcp_sack` |"))
    assert row.count("](#") == gallery.WORD_ENTRIES_MAX and row.endswith(", and 1 more |")


def test_texts_of_a_spec_are_no_markup() -> None:
    hostile = "<img src=x onerror=alert(1)> | [x](javascript:alert(1)) `rm` *b* \x1b[2J \u202e &lt;"
    page = gallery.document([replace(entry("x", hostile, hostile, "EPIPE"), claims={})], "")
    page += gallery.entry_text(replace(entry(hostile, "Why?", "So.", ""), path="specs/x.tcp"))
    assert "<img" not in page and "\x1b" not in page and "\u202e" not in page and "&lt;img" in page
    assert not re.search(r"(?<!\\)\[x(?<!\\)\]\(java", page) and not re.search(r"(?<!\\)`rm", page)
    cells = [len(re.findall(r"(?<!\\)\|", line)) for line in page.splitlines() if line.startswith("| [")]
    assert cells == [3]


def test_links_of_the_page_lead_somewhere() -> None:
    page = gallery.DOCUMENT.read_text(encoding="utf-8")
    targets = set(re.findall(r'<a id="([^"]+)">', page))
    targets |= {gallery.heading_anchor(line.lstrip("# ")) for line in page.splitlines() if line.startswith("## ")}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= targets


def test_words_that_a_reader_may_look_for() -> None:
    page = gallery.DOCUMENT.read_text(encoding="utf-8")
    words = re.findall(r"^\| `([^`]+)` \|", page.partition("## By word\n")[2].partition("\n## ")[0], re.M)
    wanted = {"SO_KEEPALIVE", "TCP_KEEPIDLE", "NAT", "Wireshark", "Recv-Q", "somaxconn", "EPIPE", "tcp_timestamps"}
    assert wanted <= set(words)
    assert gallery.words_of("recv-q = 2 ; -j MASQUERADE # net.core.somaxconn") == {"Recv-Q", "NAT", "somaxconn"}


def test_no_name_is_broken_or_capitalised() -> None:
    page = gallery.DOCUMENT.read_text(encoding="utf-8")
    assert re.findall(r"\w+-\s\w+", re.sub(r"```.*?```|`[^`]*`", "", page, flags=re.S)) == []
    assert re.findall(r"\bTcp_\w+", page) == []


def test_claims_stand_with_their_verdicts() -> None:
    page = gallery.DOCUMENT.read_text(encoding="utf-8")
    row = (
        r"| `after wait_60 { server.c in FIN-WAIT-2 } eventually { server.c in TIME-WAIT\|CLOSED } within 68s` "
        "| holds in 3 of 4, violated in 1 of 4 |"
    )
    assert row in page
    assert "Then: 60.005000 s keepalive timer of server.c; too late: 68 s passed without it." in page
