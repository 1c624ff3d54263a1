"""Mistakes in a spec: collecting them, the nearest valid word, and how they are shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tcpcheck.errors import Diagnostic, SetSpan, Span, SpecError

MISTAKES_MAX = 20  # more would only be noise
WIDTH_MAX = 110  # columns shown of a line
EXPECTED_MAX = 12  # words listed after "expected:"

RED, YELLOW, BOLD, CYAN, RESET = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[36m", "\x1b[0m"


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word most like `word`, whatever the case; None if none is alike."""
    by_folded: dict[str, str] = {}
    for candidate in valid:
        by_folded.setdefault(candidate.lower(), candidate)
    close = difflib.get_close_matches(word.lower()[:80], by_folded, n=1, cutoff=0.6)
    found = by_folded[close[0]] if close else None
    return found if found != word else None


class Mistakes:
    """The diagnostics of one spec: no duplicates, at most MISTAKES_MAX errors."""

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self.source = source
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self._seen: set[tuple[Span, str]] = set()

    def _add(self, into: list[Diagnostic], diagnostic: Diagnostic) -> None:
        if isinstance(diagnostic.span, SetSpan):
            diagnostic.message = f"{diagnostic.span.setting}: {diagnostic.message}"
        key = (diagnostic.span, diagnostic.message)
        if key not in self._seen:
            self._seen.add(key)
            into.append(diagnostic)

    def error(
        self,
        span: Span,
        message: str,
        *,
        advice: str | None = None,
        expected: Iterable[str] = (),
        near: str | None = None,
    ) -> None:
        self._add(self.errors, Diagnostic(self.file, span, message, tuple(expected), near, "error", advice))

    def warning(self, span: Span, message: str, advice: str | None = None) -> None:
        self._add(self.warnings, Diagnostic(self.file, span, message, (), None, "warning", advice))

    def unknown(
        self,
        span: Span,
        what: str,
        word: str,
        valid: Iterable[str],
        advice: str | None = None,
        near: str | None = None,
    ) -> None:
        """`unknown state 'TIMEWAIT'`, with all valid words if they are few, and the nearest. near: it, if known."""
        words = tuple(valid)
        near = near or nearest(word, words)
        expected = words if len(words) <= EXPECTED_MAX else ()
        self.error(span, f"unknown {what} `{shorten(word)}`", advice=advice, expected=expected, near=near)

    def not_yet(self, span: Span, what: str, advice: str | None = None) -> None:
        """A construct of the language that this release cannot run: said, never skipped."""
        self.error(span, f"not supported yet: {what}", advice=advice)

    def keyword_not_yet(self, span: Span, word: str, advice: str) -> None:
        """The same of a statement that begins with this keyword: the caret stands under the keyword."""
        keyword = Span(span.line, span.column, span.column + len(word))
        self.not_yet(keyword, f"`{word}`", advice)

    @property
    def failed(self) -> bool:
        return bool(self.errors)

    def raise_if_any(self) -> None:
        if self.errors:
            self.errors.sort(key=lambda d: (d.span.line, d.span.column))
            raise SpecError(self.errors[:MISTAKES_MAX], self.source)


NAME_MAX = 4096  # characters: a file's name is shown whole


def shorten(word: str, most: int = 60) -> str:
    """A word for a message: one line, no control characters, not too long."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in word)
    return shown if len(shown) <= most else shown[: most - 3] + "..."


def render(error: SpecError, color: bool = False) -> str:
    """All diagnostics of an error as text, in the order of the file; no newline at the end."""
    return "\n\n".join(render_one(d, error.source, color) for d in error.diagnostics)


def render_warnings(warnings: Iterable[Diagnostic], source: str, color: bool = False) -> str:
    return "\n\n".join(render_one(d, source, color) for d in warnings)


def render_one(diagnostic: Diagnostic, source: str, color: bool = False) -> str:
    """`file:line:column: error: message`, the line with a caret run, what was expected, the nearest word, advice."""
    hue = RED if diagnostic.severity == "error" else YELLOW
    bold, hue, cyan, reset = (BOLD, hue, CYAN, RESET) if color else ("", "", "", "")
    span = diagnostic.span
    where = f"{bold}{shorten(diagnostic.file, NAME_MAX)}:{span.line}:{span.column}:{reset}"
    out = [f"{where} {hue}{diagnostic.severity}:{reset} {bold}{diagnostic.message}{reset}"]
    lines = source.split("\n")
    if 1 <= span.line <= len(lines):
        text, caret = excerpt(lines[span.line - 1].rstrip("\r"), span)
        if text.strip() or span.column > 1:
            number = str(span.line)
            out.append(f" {number} | {text}".rstrip())
            out.append(f" {' ' * len(number)} | {hue}{caret}{reset}")
    if diagnostic.expected:
        out.append(f"  {cyan}expected:{reset} {listed(diagnostic.expected)}")
    if diagnostic.nearest:
        out.append(f"  {cyan}did you mean{reset} `{diagnostic.nearest}`?")
    if diagnostic.advice:
        out.append(f"  {cyan}help:{reset} {diagnostic.advice}")
    return "\n".join(out)


def listed(words: tuple[str, ...]) -> str:
    """`A, B or C`."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def excerpt(line: str, span: Span) -> tuple[str, str]:
    """The part of a line around a span, and the caret run below it. Tabs stay, so that the carets stand below."""
    begin = min(span.column - 1, len(line))
    end = max(min(span.end_column - 1, len(line)), begin + 1)
    left = max(0, begin - WIDTH_MAX // 2) if len(line) > WIDTH_MAX else 0
    right = left + WIDTH_MAX
    head, tail = ("..." if left else ""), ("..." if right < len(line) else "")
    shown = "".join(c if c.isprintable() or c == "\t" else "?" for c in line[left:right])
    before = "".join("\t" if c == "\t" else " " for c in line[left:begin])
    return head + shown + tail, " " * len(head) + before + "^" * (min(end, right) - begin)
