"""The protocol's side: documents come in, diagnostics, hovers, completions, definitions and edits go out.

Only this module imports pygls (the extra `lsp`). Positions of the protocol are lines and columns from 0; its columns
are counted in the client's units, which the workspace's codec turns into characters and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from tcpcheck import __version__
from tcpcheck.cli.explaining import explained
from tcpcheck.errors import Diagnostic, Span, SpecError, TcpcheckError, UsageError
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import ast, load_text
from tcpcheck.lang.format import format_text
from tcpcheck.lang.parse import BYTES_MAX, parse
from tcpcheck.lsp.complete import Proposal, proposals
from tcpcheck.lsp.names import Binding, bindings, bound_by, host_at, word_at

VERIFY = "tcpcheck.verify"
KINDS = {
    "keyword": types.CompletionItemKind.Keyword,
    "sysctl": types.CompletionItemKind.Property,
    "kernel": types.CompletionItemKind.Module,
    "state": types.CompletionItemKind.EnumMember,
    "segment": types.CompletionItemKind.EnumMember,
    "rule": types.CompletionItemKind.Function,
    "field": types.CompletionItemKind.Field,
    "feature": types.CompletionItemKind.Property,
}


@dataclass(frozen=True)
class Known:
    """What the last text that parsed says of a document."""

    spec: ast.Spec
    names: list[Binding]


server = LanguageServer("tcpcheck", __version__)
known: dict[str, Known] = {}


# ---- documents ---------------------------------------------------------------------------------------------


@server.feature(types.TEXT_DOCUMENT_DID_OPEN)
def opened(params: types.DidOpenTextDocumentParams) -> None:
    """Looks at a text that has come up."""
    look_at(params.text_document.uri)


@server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
def changed(params: types.DidChangeTextDocumentParams) -> None:
    """Looks at it again."""
    look_at(params.text_document.uri)


@server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
def closed(params: types.DidCloseTextDocumentParams) -> None:
    """Forgets it, and takes its marks away."""
    known.pop(params.text_document.uri, None)
    server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(params.text_document.uri, []))


def look_at(uri: str) -> None:
    """Publishes every mistake and warning of a document as it stands."""
    document = server.workspace.get_text_document(uri)
    name = to_fs_path(uri) or uri
    try:
        spec = parse(document.source, name)
        known[uri] = Known(spec, bindings(spec))
        found = list(load_text(document.source, name, REGISTRY).warnings)
    except SpecError as error:
        found = error.diagnostics
    marks = [_mark(document, diagnostic) for diagnostic in found]
    server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, marks, document.version))


def _mark(document: TextDocument, diagnostic: Diagnostic) -> types.Diagnostic:
    said = [diagnostic.message]
    if diagnostic.expected:
        said.append(f"expected {', '.join(diagnostic.expected)}")
    if diagnostic.nearest:
        said.append(f"did you mean `{diagnostic.nearest}`?")
    if diagnostic.advice:
        said.append(diagnostic.advice)
    severity = types.DiagnosticSeverity.Error if diagnostic.severity == "error" else types.DiagnosticSeverity.Warning
    return types.Diagnostic(_range(document, diagnostic.span), "\n".join(said), severity, source="tcpcheck")


def _lines(document: TextDocument) -> Sequence[str]:
    """Its lines, which pygls splits anew each time it is asked; none of a text too large for a spec: nothing else is
    said of it."""
    return document.lines if len(document.source) <= BYTES_MAX else []


def _range(document: TextDocument, span: Span) -> types.Range:
    """A span in the client's units, within the text."""
    lines = _lines(document)
    line = min(span.line - 1, max(len(lines) - 1, 0))
    start = types.Position(line, span.column - 1)
    end = types.Position(line, max(span.end_column - 1, span.column))
    return document.position_codec.range_to_client_units(lines, types.Range(start, end))


def _at(document: TextDocument, position: types.Position) -> tuple[str, int]:
    """The line under the cursor, and the column in characters."""
    lines = _lines(document)
    if position.line >= len(lines):
        return "", 0
    place = document.position_codec.position_from_client_units(lines, position)
    return lines[place.line].rstrip("\r\n"), place.character


# ---- questions ---------------------------------------------------------------------------------------------


@server.feature(types.TEXT_DOCUMENT_HOVER)
def hover(params: types.HoverParams) -> types.Hover | None:
    """What `tcpcheck explain` says of a rule, sysctl, state or feature; of a name what it stands for."""
    document = server.workspace.get_text_document(params.text_document.uri)
    word = word_at(*_at(document, params.position))
    if word is None:
        return None
    said = "\n".join(f"{b.name}: {b.kind}" + (f" of {b.host}" if b.host else "") for b in _bound(params, document))
    for text in (word.text, word.parts[word.part]):
        try:
            said = said or "\n".join(explained(text, 80))
        except UsageError:
            continue
    return (
        types.Hover(types.MarkupContent(types.MarkupKind.Markdown, f"```text\n{said.rstrip()}\n```")) if said else None
    )


@server.feature(types.TEXT_DOCUMENT_DEFINITION)
def definition(params: types.DefinitionParams) -> list[types.Location]:
    """Where the name under the cursor is bound."""
    document = server.workspace.get_text_document(params.text_document.uri)
    return [types.Location(document.uri, _range(document, b.span)) for b in _bound(params, document)]


def _bound(params: types.HoverParams | types.DefinitionParams, document: TextDocument) -> list[Binding]:
    found = known.get(document.uri)
    word = word_at(*_at(document, params.position))
    if found is None or word is None:
        return []
    return bound_by(found.names, word, host_at(found.spec, params.position.line + 1))


@server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[".", " ", "|"]))
def completion(params: types.CompletionParams) -> list[types.CompletionItem]:
    """What may come next."""
    document = server.workspace.get_text_document(params.text_document.uri)
    line, column = _at(document, params.position)
    found = known.get(document.uri)
    return [_item(p) for p in dict.fromkeys(proposals(line[:column], found.names if found else []))]


def _item(proposal: Proposal) -> types.CompletionItem:
    kind = KINDS.get(proposal.kind, types.CompletionItemKind.Variable)
    return types.CompletionItem(proposal.text, kind=kind, detail=proposal.kind, documentation=proposal.doc or None)


@server.feature(types.TEXT_DOCUMENT_FORMATTING)
def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
    """The canonical form; nothing while the text has mistakes."""
    document = server.workspace.get_text_document(params.text_document.uri)
    try:
        text = format_text(document.source, document.uri)
    except SpecError:
        return []
    if text == document.source:
        return []
    everything = types.Range(types.Position(0, 0), types.Position(len(document.lines), 0))
    return [types.TextEdit(everything, text)]


# ---- verdicts ----------------------------------------------------------------------------------------------


@server.feature(types.TEXT_DOCUMENT_CODE_LENS)
def lenses(params: types.CodeLensParams) -> list[types.CodeLens]:
    """A place to click over each claim."""
    document = server.workspace.get_text_document(params.text_document.uri)
    found = known.get(document.uri)
    claims = [b for b in found.names if b.kind == "claim"] if found else []
    return [
        types.CodeLens(_range(document, b.span), types.Command("verify", VERIFY, arguments=[document.uri, b.name]))
        for b in claims
    ]


@server.command(VERIFY)
@server.thread()
def run_claim(uri: str, claim: str) -> dict[str, Any]:
    """Checks one claim of a document as it stands: {"ok", "text"}. The text goes to the client's log, too."""
    from tcpcheck.checking import verify_scenario
    from tcpcheck.cli.select import with_claim
    from tcpcheck.render import verdicts
    from tcpcheck.render.rules import rule_lookup

    document = server.workspace.get_text_document(uri)
    try:
        scenario = with_claim(load_text(document.source, to_fs_path(uri) or uri, REGISTRY), claim)
        if scenario is None:
            raise UsageError(f"no claim `{claim}`")
        result = verify_scenario(scenario)
    except TcpcheckError as error:
        server.window_show_message(types.ShowMessageParams(types.MessageType.Error, str(error)))
        return {"ok": False, "text": str(error)}
    text = verdicts.text(result, rules=rule_lookup())
    said = ", ".join(dict.fromkeys(verdicts.found(c) for c in result.claims))
    kind = types.MessageType.Info if result.ok else types.MessageType.Warning
    server.window_log_message(types.LogMessageParams(types.MessageType.Log, text))
    server.window_show_message(types.ShowMessageParams(kind, f"{claim}: {said}"))
    return {"ok": result.ok, "text": text}
