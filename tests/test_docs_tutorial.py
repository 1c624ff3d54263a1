"""Every command of the tutorial prints what the tutorial says."""

from __future__ import annotations

from pathlib import Path

import docs_console

TUTORIAL = docs_console.ROOT / "docs" / "tutorial.md"


def test_the_tutorial(tmp_path: Path) -> None:
    wrong = docs_console.check(TUTORIAL, tmp_path)
    assert not wrong, "\n".join(wrong)
    assert len(docs_console.commands(TUTORIAL.read_text())) >= 10
    for name in ("hang.html", "hang.pcapng", "hang.pkt"):
        assert (tmp_path / name).stat().st_size > 500


def test_a_changed_output_is_found(tmp_path: Path) -> None:
    path = tmp_path / "doc.md"
    path.write_text("Save this as `x.txt`:\n\n```tcp\nhello\n```\n\n```console\n$ sed s/l/L/g x.txt\nheLlo\n```\n")
    (wrong,) = docs_console.check(path, tmp_path)
    assert wrong == "$ sed s/l/L/g x.txt\nheLLo\n"
