"""Texts of a spec that try to be something else: markup, escape sequences of terminals, lines of their own.

The free texts of a spec are its title, its comments and the name of its file; a trace that `replay` reads is free
altogether. Whatever is in them, a report, a terminal, JUnit, SARIF, a script and a diagram show it as text.
"""

from __future__ import annotations

import json
import os
import random
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cli_call import Result, call

SPEC = """# {text}
title "{text}"
host a {{ kernel linux 6.18.44 ; run {{ listen :80 backlog 5 ; accept -> c ; close c }} }}
host b {{
    kernel linux 6.18.44
    run {{ connect a:80 from :1000 -> s ; recv s until eof ; sleep 0s..1s -> pause ; close s }}
}}
never rests {{ a.c in TIME-WAIT }}
"""
HOSTILE = [
    "</title><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "]]></system-out><testcase/>&amp;<!-- --!>",
    "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "one\rtwo\x0bthree\x0cfour\x85five\u2028six\u2029seven",
    "\u202e\u2066reversed\u2069\ufeff\u200b",
    "*/ `system('reboot')` +0 %{ import os }% // #!",
    "%%{init: {'theme': 'x'}}%% ; end ; click a call b()",
    "{{ 7 * 7 }} {% raw %} ${x} $(reboot) |x| [x](javascript:alert(1))",
    "&#60;script&#62; \\u003cscript\\u003e \x00\x7f\ufffe",
]
PIECES = [
    *"<>&'\"`{}[]()|#%$\\/;:-_=+*!?\t\x00\x07\x08\x1b\x7f\x85\u2028\u202e\ud7ff\uffff",
    *("script", "-->", "]]>", "::error::"),
]


def texts() -> list[str]:
    """The list above, and some that are thrown together; none has a quote or a newline, which end a title."""
    draw = random.Random(6)
    drawn = ["".join(draw.choices(PIECES, k=draw.randint(5, 60))) for _ in range(6)]
    return [text.replace('"', "'").replace("\n", " ") for text in (*HOSTILE, *drawn)]


def plain(said: str) -> None:
    """Nothing that moves a cursor, ends a line or turns the direction of writing."""
    for char in said:
        kind = unicodedata.category(char)
        assert char == "\n" or (kind[0] != "C" and kind not in ("Zl", "Zp")), f"{char!r} in {said[:200]!r}"


class Tags(HTMLParser):
    """The tags and the names of attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def skeleton(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """Tags but those whose number hangs on how long a text is."""
    return [found for found in Tags(page).found if found[0] not in ("text", "p")]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.tcp"
    path.write_text(SPEC.format(text="harmless"), encoding="utf-8")
    return path


def written(capfd: pytest.CaptureFixture[str], path: Path, folder: Path) -> dict[str, str]:
    """All that tcpcheck makes of a spec, by name; standard output and error are looked at on the way."""
    found: dict[str, str] = {}
    kinds = ("report", "junit", "sarif")
    options = [word for kind in kinds for word in (f"--{kind}", str(folder / kind))]
    shown = call(capfd, "verify", str(path), *options)
    assert shown.code in (1, 2)
    found["verify"] = shown.out + shown.err
    if shown.code == 1:
        found |= {kind: (folder / kind).read_text(encoding="utf-8") for kind in kinds}
        for format_ in ("text", "tcpdump", "packetdrill", "json", "html", "svg", "mermaid"):
            host = ("--host", "a") if format_ == "packetdrill" else ()
            found[format_] = good(call(capfd, "trace", str(path), "rests", "--format", format_, "-q", *host)).out
        picture = folder / "map.svg"
        found["map"] = good(call(capfd, "map", str(path), "--over", "pause", "-q", "-o", str(picture))).out
        found["map.svg"] = picture.read_text(encoding="utf-8")
        found["simulate"] = call(capfd, "simulate", str(path)).out
    return found


def good(result: Result) -> Result:
    assert result.code == 0, result.err
    return result


def test_a_title_and_a_comment(
    capfd: pytest.CaptureFixture[str], spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    harmless = written(capfd, spec, tmp_path)
    seen = 0
    for text in texts():
        spec.write_text(SPEC.format(text=text), encoding="utf-8", newline="")
        found = written(capfd, spec, tmp_path)
        for said in found.values():
            plain(said)
        if len(found) == 1:  # no text of a spec at all
            continue
        seen += 1
        for name in ("report", "html"):
            assert skeleton(found[name]) == skeleton(harmless[name]), text
        for name in ("junit", "svg", "map.svg"):
            root, like = ET.fromstring(found[name]), ET.fromstring(harmless[name])
            assert {e.tag for e in root.iter()} == {e.tag for e in like.iter()}
        for name in ("sarif", "json"):
            json.loads(found[name])
        for name in ("tcpdump", "packetdrill", "mermaid", "simulate"):
            assert len(found[name].splitlines()) == len(harmless[name].splitlines()), (name, text)
        for line in found["packetdrill"].splitlines():
            assert text not in line or line.startswith("//"), "a text is a comment of a script"
        assert "<script" not in found["mermaid"]
    assert seen > len(HOSTILE) // 2
    plain(summary.read_text(encoding="utf-8"))
    assert not re.search(r"<(?:script|img)", summary.read_text(encoding="utf-8"))


def test_mistakes_show_lines_that_are_hostile(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for text in texts():
        for broken in (f'title "{text}" nonsense\n', f"host {text} {{ }}\n", f"never x {{ {text} }}\n"):
            path = tmp_path / "broken.tcp"
            path.write_text(broken, encoding="utf-8", newline="")
            for arguments in (("verify", str(path)), ("verify", "--json", str(path)), ("fmt", str(path))):
                result = call(capfd, *arguments)
                assert result.code in (0, 2) and (result.code == 2 or arguments[0] == "fmt")
                plain(result.err.replace("\t", " "))  # a line is shown with its tabs
                if "--json" in arguments:
                    plain(result.out)


def test_names_of_files(capfd: pytest.CaptureFixture[str], spec: Path, tmp_path: Path) -> None:
    harmless = written(capfd, spec, tmp_path)
    for text in texts():
        name = text.replace("/", "_").replace("\x00", "")[:80] + ".tcp"
        path = tmp_path / name
        try:
            path.write_bytes(spec.read_bytes())
        except OSError:  # the file system has no such names
            continue
        found = written(capfd, path, tmp_path)
        for said in found.values():
            plain(said)
        assert skeleton(found["report"]) == skeleton(harmless["report"])
        ET.fromstring(found["junit"])
        assert json.loads(found["sarif"])["runs"][0]["results"]
        plain(call(capfd, "verify", f"{path}.no").err)
        os.unlink(path)


def test_words_that_are_hostile(capfd: pytest.CaptureFixture[str], spec: Path, tmp_path: Path) -> None:
    for text in (text.replace("\x00", "") for text in texts()):  # no argument of a program has a NUL
        for arguments in (
            ("explain", text),
            ("profiles", text),
            ("trace", str(spec), text),
            ("map", str(spec), "--over", text),
            ("verify", str(spec), "--claim", text),
            ("verify", str(spec), "--member", f"{text}=1"),
            ("trace", str(spec), "rests", "--host", text, "--format", "tcpdump"),
            ("trace", str(spec), "rests", "--format", text),
            ("sweep", str(spec), "--set", f"{text}=1"),
            ("trace", str(spec), "rests", "-q", "-o", str(tmp_path / "no" / text)),
            (text,),
        ):
            result = call(capfd, *arguments)
            assert result.code in (0, 2, 4), (arguments, result.err)
            plain(result.err)


def test_a_trace_from_a_file(capfd: pytest.CaptureFixture[str], spec: Path, tmp_path: Path) -> None:
    document = json.loads(good(call(capfd, "trace", str(spec), "rests", "--format", "json", "-q")).out)
    path = tmp_path / "trace.json"
    for text in texts():
        path.write_text(json.dumps({**document, "title": text, "spec": text, "claim": text, "kernel": text}))
        result = call(capfd, "replay", str(path), "--claim", "other")
        assert result.code in (2, 4)
        plain(result.err)
