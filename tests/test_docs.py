"""All documentation: links and anchors lead somewhere, commands run and print what is shown, quotations are true.

- ```console blocks: docs_console.py runs each `$ command` and compares what it prints (the tutorial's:
  test_docs_tutorial.py).
- Commands in indented blocks are run; they end in 0 or 1, as there is no output to compare. What cannot be run says so
  on its line: `# not run by the tests: REASON`.
- `tcpcheck ...` within a sentence names a command and options that exist.
- ```python blocks are run, those of a document one after the other.
- A block below `<!-- from FILE -->` stands in that file, line by line.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import docs_console
import pytest
from cli_call import ROOT, call

from tcpcheck.cli.app import cli
from tcpcheck.tcp import profile

DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "editors").rglob("*.md")])
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCS]
NOT_RUN = "# not run by the tests: "
INDENTED = re.compile(r"^ {4}((?:tcpcheck|pytest|python|pip|make|eval|code) .*)$", re.M)
QUOTED = re.compile(r"^<!-- from (\S+) -->\n```\w*\n(.*?)^```$", re.M | re.S)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Without blocks of code and comments."""
    text = re.sub(r"<!--.*?-->", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), flags=re.S)
    return re.sub(r"^ {4}\S.*$", "", text, flags=re.M)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a document's commands run: a place of its own, with the project's specs and tests."""
    for name in ("specs", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


# ---- links


def anchors(name: str) -> set[str]:
    """Of headings as GitHub makes them, and those that are written."""
    text = re.sub(r"^```.*?^```$", "", read(name), flags=re.M | re.S)
    heads = re.findall(r"^#+ (.*)$", text, re.M)
    made = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(read(name))):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(file.resolve().relative_to(ROOT).as_posix()), f"{name}: {target}"


def test_every_document_has_its_place_in_the_index() -> None:
    """`make docs` would stop there."""
    listed = set(
        re.findall(r"^[\w-]+$", "".join(re.findall(r"```{toctree}\n(.*?)```", read("docs/index.md"), re.S)), re.M)
    )
    assert listed == {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}


# ---- commands


@pytest.mark.parametrize("name", [n for n in NAMES if "```console" in read(n) and n != "docs/tutorial.md"])
def test_what_commands_print(name: str, folder: Path) -> None:
    wrong = docs_console.check(ROOT / name, folder)
    assert not wrong, "\n".join(wrong)


# Documents whose commands have tests of their own: test_specs.py runs the gallery's, and those for Ray need Ray.
ELSEWHERE = ("docs/gallery.md", "docs/scale.md")


def indented() -> Iterator[tuple[str, str]]:
    """(document, command)."""
    for name in NAMES:
        for line in INDENTED.findall(read(name)):
            yield name, line


@pytest.mark.parametrize(("name", "line"), [pair for pair in indented() if pair[0] not in ELSEWHERE])
def test_commands_without_output_run(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, line: str
) -> None:
    if NOT_RUN in line:
        reason = line.partition(NOT_RUN)[2]
        assert len(reason) > 10
        pytest.skip(reason)
    program, *arguments = shlex.split(line, comments=True)
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", read("Makefile"), re.M)  # .ci/run runs it
        return
    monkeypatch.chdir(folder)
    for source, target in re.findall(r"^ {4}cp (\S+) (\S+)", read(name), re.M):  # what the reader has done before
        shutil.copy(source, target)
    if program == "eval":
        (inner,) = re.fullmatch(r"\$\((.*)\)", arguments[0]).groups()  # type: ignore[union-attr]
        program, *arguments = shlex.split(inner)
    assert program == "tcpcheck", f"{line}: say why it is not run"
    if ">" in arguments:
        arguments = arguments[: arguments.index(">")]
    result = call(capfd, *arguments)
    if result.code == 4:
        pytest.skip(result.err)
    assert result.code in (0, 1), result.err


def test_commands_of_the_gallery() -> None:
    """Each names a spec that test_specs.py checks."""
    specs = {path.relative_to(ROOT).as_posix() for path in (ROOT / "specs").rglob("*.tcp")}
    assert {line for name, line in indented() if name == "docs/gallery.md"} == {f"tcpcheck verify {s}" for s in specs}


@pytest.mark.parametrize("name", NAMES)
def test_commands_in_sentences_exist(name: str) -> None:
    for line in re.findall(r"`tcpcheck ([a-z][^`]*)`", prose(read(name)).replace("\n", " ")):
        words = line.replace("'[lsp]'", "").split()
        command = cli.commands.get(words[0])
        assert isinstance(command, click.Command), f"{name}: tcpcheck {line}"
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.partition("=")[0].rstrip(",.") for word in words[1:] if re.match(r"--?[a-z]", word)}
        assert given <= known | {"--help"}, f"{name}: tcpcheck {line}"


# ---- code


@pytest.mark.parametrize("name", [name for name in NAMES if "```python" in read(name)])
def test_python_runs(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for key in ("acme-1",):  # profiles that documents add
        monkeypatch.setitem(profile.PROFILES, key, profile.PROFILES["rfc9293"])
    text = read(name)
    for file, content in docs_console.FILE.findall(text):
        (folder / file).write_text(content, encoding="utf-8")
    space: dict[str, object] = {"__name__": "docs"}
    for block in PYTHON.findall(QUOTED.sub("", text)):
        exec(compile(block, name, "exec"), space)
        for key, test in [(k, v) for k, v in space.items() if k.startswith("test_")]:
            test()  # type: ignore[operator]
            del space[key]


@pytest.mark.parametrize("name", [name for name in NAMES if QUOTED.search(read(name))])
def test_quotations_are_true(name: str) -> None:
    for file, block in QUOTED.findall(read(name)):
        lines = [line.strip() for line in read(file).splitlines()]
        quoted = [line.strip() for line in block.splitlines() if line.strip() and line.strip() != "..."]
        start = -1
        for line in quoted:
            assert line in lines[start + 1 :], f"{name}: {file} has no line `{line}` there"
            start = lines.index(line, start + 1)
