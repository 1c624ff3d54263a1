"""The language server, over the protocol: a client starts it as a process and asks."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygls", reason="pygls is not installed: nobody asks the language server")

from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.workspace import TextDocument

from tcpcheck.errors import Span
from tcpcheck.lang.sockopts import OPTIONS
from tcpcheck.lang.vocabulary import (
    ERRNOS,
    QUIET,
    RESULTS,
    SEGMENT_FIELDS,
    SEGMENT_FLAGS,
    SEGMENT_KINDS,
    SOCKET_VARIABLES,
    STATES,
)
from tcpcheck.lsp import server as lsp
from tcpcheck.lsp.complete import keywords

URI = "file:///spec.tcp"
SPEC = """# One connection; \N{ROCKET} counts two units in the protocol.
title "One \N{ROCKET} connection" host a { kernel linux 6.18.44 ; run { listen :80 backlog 5 ; accept -> c ; close c } }
host b {
    kernel linux 6.18.44
    sysctl net.ipv4.tcp_rfc1337 = {0, 1} -> rfc1337
    run { connect a:80 from :1000 -> s ; recv s until eof ; close s }
}
never rests { a.c in TIME-WAIT }
reach ends { b.s in LAST-ACK }
"""


class Asked:
    """A client with one document open."""

    def __init__(self, client: LanguageClient, marks: asyncio.Queue[list[types.Diagnostic]]) -> None:
        self.client, self.marks = client, marks
        self.version = 1

    @staticmethod
    def at(word: str, nth: int = 0, text: str = SPEC) -> types.Position:
        """Where a word begins, in UTF-16 units, as the protocol counts."""
        offset = -1
        for _ in range(nth + 1):
            offset = text.index(word, offset + 1)
        before = text[:offset]
        column = len(before.rpartition("\n")[2].encode("utf-16-le")) // 2
        return types.Position(before.count("\n"), column)

    async def change(self, text: str) -> list[types.Diagnostic]:
        self.version += 1
        document = types.VersionedTextDocumentIdentifier(self.version, URI)
        whole = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [whole]))
        return await self.marks.get()


def ask(question: Callable[[Asked], Awaitable[Any]]) -> Any:
    """Starts a server, opens SPEC, asks, shuts the server down."""

    async def session() -> Any:
        client = LanguageClient("test", "1")
        marks: asyncio.Queue[list[types.Diagnostic]] = asyncio.Queue()

        @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: types.PublishDiagnosticsParams) -> None:
            marks.put_nowait(list(params.diagnostics))

        for silent in (types.WINDOW_LOG_MESSAGE, types.WINDOW_SHOW_MESSAGE):
            client.feature(silent)(lambda params: None)
        await client.start_io(sys.executable, "-m", "tcpcheck", "lsp")
        await client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
        client.initialized(types.InitializedParams())
        item = types.TextDocumentItem(URI, "tcpcheck", 1, SPEC)
        client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        assert await marks.get() == []
        try:
            return await question(Asked(client, marks))
        finally:
            await client.shutdown_async(None)
            client.exit(None)
            await client.stop()

    return asyncio.run(asyncio.wait_for(session(), 120))


def test_mistakes_as_they_are_typed_and_gone_when_mended() -> None:
    async def question(asked: Asked) -> tuple[list[types.Diagnostic], list[types.Diagnostic]]:
        return await asked.change(SPEC.replace("TIME-WAIT", "TIME-WATE")), await asked.change(SPEC)

    bad, good = ask(question)
    assert good == [] and len(bad) == 1
    assert bad[0].range.start == Asked.at("TIME-WAIT") and bad[0].severity == types.DiagnosticSeverity.Error
    assert "did you mean `TIME-WAIT`?" in bad[0].message


def test_a_text_too_large_is_told_and_not_split_into_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    large = "# a comment\n" * 6000
    here = types.TextDocumentIdentifier(URI)

    async def question(asked: Asked) -> tuple[Any, ...]:
        marks = await asked.change(large)
        hovered = await asked.client.text_document_hover_async(types.HoverParams(here, types.Position(1, 3)))
        return marks, hovered, await asked.change(SPEC)

    (mark,), hovered, mended = ask(question)
    assert "at most 64 KiB" in mark.message and mark.range.start == types.Position(0, 0)
    assert hovered is None and mended == []
    document = TextDocument(URI, large)
    monkeypatch.setattr(TextDocument, "lines", property(lambda _: pytest.fail("split")))
    assert lsp._at(document, types.Position(1, 3)) == ("", 0)
    assert lsp._range(document, Span(1, 1, 2)).start == types.Position(0, 0)


def test_hover_definition_and_completion() -> None:
    document = types.TextDocumentIdentifier(URI)

    async def question(asked: Asked) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for word, nth in (("tcp_rfc1337", 0), ("TIME-WAIT", 0), ("rfc1337", 1), ("title", 0)):
            params = types.HoverParams(document, asked.at(word, nth))
            found[word] = await asked.client.text_document_hover_async(params)
        for name, place in (
            ("c of a.c", asked.at("c in TIME")),
            ("a of a.c", asked.at("a.c")),
            ("close c", asked.at("c }")),
        ):
            found[name] = await asked.client.text_document_definition_async(types.DefinitionParams(document, place))
        for text in ("sysctl ", "kernel ", "x takes ", "a.", "never x { a.c in "):
            await asked.change(SPEC + text)
            place = types.Position(SPEC.count("\n"), len(text))
            params = types.CompletionParams(document, place)
            items = await asked.client.text_document_completion_async(params)
            found[text] = {item.label for item in items}
        return found

    found = ask(question)
    assert (
        "RST" in found["tcp_rfc1337"].contents.value and "net.ipv4.tcp_rfc1337" in found["tcp_rfc1337"].contents.value
    )
    assert "TIME-WAIT  (state)" in found["TIME-WAIT"].contents.value
    assert "rfc1337" in found["rfc1337"].contents.value
    assert found["title"] is None
    assert [loc.range.start for loc in found["c of a.c"]] == [Asked.at("c ; close")]
    assert [loc.range.start for loc in found["a of a.c"]] == [Asked.at("a {")]
    assert [loc.range.start for loc in found["close c"]] == [Asked.at("c ; close")]
    assert "net.ipv4.tcp_rfc1337" in found["sysctl "] and "linux 6.18.44" in found["kernel "]
    assert "TW_SYN_REFUSED" in found["x takes "] and "c" in found["a."] and "TIME-WAIT" in found["never x { a.c in "]


def test_format_and_a_claim_run_from_its_lens() -> None:
    from tcpcheck.lang.format import format_text

    document = types.TextDocumentIdentifier(URI)

    async def question(asked: Asked) -> tuple[Any, Any, Any]:
        options = types.FormattingOptions(4, True)
        edits = await asked.client.text_document_formatting_async(types.DocumentFormattingParams(document, options))
        lenses = await asked.client.text_document_code_lens_async(types.CodeLensParams(document))
        command = lenses[0].command
        params = types.ExecuteCommandParams(command.command, command.arguments)
        return edits, lenses, await asked.client.workspace_execute_command_async(params)

    edits, lenses, verdict = ask(question)
    assert [edit.new_text for edit in edits] == [format_text(SPEC, "x")]
    assert [lens.command.arguments[1] for lens in lenses] == ["rests", "ends"]
    assert lenses[0].range.start == Asked.at("rests")
    ok = verdict["ok"] if isinstance(verdict, dict) else verdict.ok
    text = verdict["text"] if isinstance(verdict, dict) else verdict.text
    assert ok is False and "never rests: violated, expected holds" in text


# ---- the editor's extension


EXTENSION = Path(__file__).parent.parent / "editors" / "vscode"


def test_the_extension_names_files_that_are_there() -> None:
    package = json.loads((EXTENSION / "package.json").read_text())
    names = [package["main"], package["contributes"]["languages"][0]["configuration"]]
    for name in [*names, package["contributes"]["grammars"][0]["path"]]:
        assert (EXTENSION / name).is_file()


def test_the_colours_know_every_keyword_state_and_segment() -> None:
    grammar = json.loads((EXTENSION / "syntaxes" / "tcpcheck.tmLanguage.json").read_text())["repository"]
    for part, words in (("keyword", keywords()), ("state", STATES), ("segment", SEGMENT_KINDS)):
        pattern = re.compile(grammar[part]["match"])
        assert [word for word in words if not pattern.fullmatch(word)] == []
    for part, words in (
        ("condition", (*SEGMENT_FLAGS, QUIET)),
        ("field", (*SEGMENT_FIELDS, *SOCKET_VARIABLES)),
        ("constant", (*RESULTS, *ERRNOS, *OPTIONS)),
    ):
        pattern = re.compile(grammar[part]["match"])
        assert [word for word in words if not pattern.fullmatch(word)] == []
    assert len(keywords()) > 50
