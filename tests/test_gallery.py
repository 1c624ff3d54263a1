"""docs/gallery.md is what the specs give; every spec asks a question and answers it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcpcheck import gallery

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
