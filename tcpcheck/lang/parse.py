"""Text of a spec -> syntax tree. Every mistake becomes a Diagnostic; nothing else is ever raised but SpecError."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lark import Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import PatternStr

from tcpcheck.errors import Diagnostic, Span, SpecError, Unreadable
from tcpcheck.lang import ast, grammar
from tcpcheck.lang.build import Builder
from tcpcheck.lang.diagnostics import Mistakes, nearest, shorten
from tcpcheck.lang.vocabulary import SEGMENT_KINDS, SIZE_UNITS, STATES, TIME_UNITS

BYTES_MAX = 64 * 1024  # a spec is a page; this keeps a wrong file from costing seconds
NESTING_MAX = 32  # brackets within brackets, or `not not ...`; far below Python's recursion limit
SYNTAX_ERRORS_MAX = 5

TOP_WORDS = (
    *("title", "horizon", "time", "host", "attacker", "router", "network"),
    *("never", "always", "reach", "eventually", "after", "count"),
)
_TOP_LINE = re.compile(rf"^(?:{'|'.join(TOP_WORDS)})(?!\w|-\w)", re.MULTILINE)
# What is no bracket: comments, strings, iptables lines.
_BRACKETS = re.compile(r"#[^\n]*|\"[^\"\n]*\"|ip6?tables[ \t][^\n;}#]*|[{}()]|\bnot\b|[^\s#\"{}()\w]+|\w+", re.ASCII)
_OFFENDER = re.compile(r"[0-9][\w.]*|[A-Za-z_]\w*(?:-\w+)*|\S", re.ASCII)

# Terminals that stand for words of their own.
_WORDS = {
    "CLAIM": ("never", "always", "reach", "eventually"),
    "OUTCOME": ("holds", "violated", "reachable", "unreachable", "vacuous"),
    "FAULT": ("lose", "duplicate", "late"),
    "FEATURE": ("with", "without"),
    "SEG_EVENT": ("receives", "sends", "drops", "loses"),
    "WAY": ("write", "read", "both"),
    "EOF": ("eof",),
    "ANY": ("any",),
    "TIMER": ("timewait", "persist", "keepalive", "on"),
    "COLUMN": ("recv-q", "send-q", "rows"),
    "STATE": STATES,
    "SEG": SEGMENT_KINDS,
}
_CALLS_MEANT = {"read": "recv", "write": "send", "wait": "sleep"}
_DESCRIBED = {
    "CMP": "a comparison (`=`, `<`, ...)",
    "SHIFT": "`+=` or `-=`",
    "SIGN": "`+` or `-`",
    "FLAGS": "flags such as `[F.]`",
    "SOCKOPT": "a socket option such as SO_KEEPALIVE",
    "RULE": "the name of a rule",
    "COUNTER": "the name of a counter",
    "RESULT": "`ok`, `EOF` or an errno such as ECONNRESET",
    "KERNEL": "a kernel such as `linux 6.18.44`",
    "SYSCTL": "a sysctl such as `net.ipv4.tcp_timestamps`",
    "ADDRESS": "an address such as `10.0.0.1`",
    "IPTABLES": "`iptables ...`",
    "ORDINAL": "an ordinal such as `2nd`",
    "RATE": "a rate such as `10Gbit/s`",
    "DURATION": "a time such as `5s`",
    "SIZE": "a size such as `10B`",
    "HEX": "a number",
    "INT": "a number",
    "NAME": "a name",
    "STRING": 'a text in `"`',
    "$END": "the end of the file",
}
# Units as people also write them.
_UNITS_MEANT = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("msec", "msecs", "millis"), "ms"),
    **dict.fromkeys(("usec", "usecs", "micros"), "us"),
    **dict.fromkeys(("m", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("hour", "hours", "hr"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("b", "byte", "bytes"), "B"),
    **{"kb": "kB", "k": "kB", "mb": "MB", "gb": "GB", "g": "GB"},
}
_NOT_WORTH_SAYING = {"DASH_W", "SEMICOLON", "HEX"}


def read(path: Path | str) -> str:
    """The text of a spec file; SpecError if it cannot be one, Unreadable if it is not there."""
    file = str(path)
    try:
        with open(path, "rb") as stream:
            data = stream.read(BYTES_MAX + 1)
    except IsADirectoryError:
        raise Unreadable(_no_spec(file, "this is a folder, not a spec", "name a .tcp file")) from None
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        reason = reason if file else "its name is empty"
        raise Unreadable(_no_spec(file, f"cannot read the file: {reason}", "check the path")) from None
    if len(data) > BYTES_MAX:
        raise _too_large(file)
    if b"\0" in data:
        raise SpecError(_no_spec(file, "this is a binary file, not a spec", "a spec is UTF-8 text"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError(_no_spec(file, f"line {line} is not UTF-8", "a spec is UTF-8 text", line)) from None


def _no_spec(file: str, message: str, advice: str, line: int = 1) -> list[Diagnostic]:
    return [Diagnostic(file, Span(line, 1, 1), message, advice=advice)]


def _too_large(file: str) -> SpecError:
    message = f"the file is too large: a spec has at most {BYTES_MAX // 1024} KiB"
    return SpecError(_no_spec(file, message, "split the spec"))


def parse(text: str, file: str) -> ast.Spec:
    """The syntax tree of a spec's text; SpecError with all syntax errors found."""
    mistakes = Mistakes(file, text)
    spec = parse_with(mistakes)
    mistakes.raise_if_any()
    return spec


def parse_with(mistakes: Mistakes) -> ast.Spec:
    """The same, but numbers that cannot be are only noted in `mistakes`, so that the checker may find more."""
    file, text = mistakes.file, mistakes.source
    if len(text) > BYTES_MAX:
        raise _too_large(file)
    if not text.strip():
        mistakes.error(
            Span(1, 1, 1),
            "the file is empty",
            expected=TOP_WORDS,
            advice="a spec describes at least one `host` and one claim",
        )
    _check_nesting(text, mistakes)
    mistakes.raise_if_any()
    tree = _tree(text, mistakes)
    mistakes.raise_if_any()
    assert tree is not None
    spec: ast.Spec = Builder(mistakes).build(tree)
    return spec


def _tree(text: str, mistakes: Mistakes) -> Tree[Token] | None:
    """lark's tree. After an error the statement around it is blanked and the rest tried, to find further errors."""
    rest = text
    for _ in range(SYNTAX_ERRORS_MAX):
        try:
            return grammar.parser().parse(rest)
        except UnexpectedInput as error:
            offset = _report(text, error, mistakes)
        starts = [m.start() for m in _TOP_LINE.finditer(rest)]
        following = next((s for s in starts if s > offset), None)
        if following is None:
            return None
        begin = max((s for s in starts if s <= offset), default=text.rfind("\n", 0, offset) + 1)
        rest = rest[:begin] + re.sub(r"[^\n]", " ", rest[begin:following]) + rest[following:]
    return None


# ---- what lark says, in the user's words -----------------------------------------------------------------


def _report(text: str, error: UnexpectedInput, mistakes: Mistakes) -> int:
    """Adds the diagnostic of one syntax error; returns its offset in the text."""
    accepted = _accepted(error)
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        _report_end(text, accepted, mistakes)
        return len(text)
    offset = int(error.pos_in_stream or 0)
    found = _OFFENDER.match(text, offset)
    offender = found.group() if found else text[offset : offset + 1]
    span = span_at(text, offset, len(offender))
    expected, words = _expectation(accepted)
    message = f"unexpected {_named(offender)}"
    advice = None
    unit = re.fullmatch(r"[0-9]+(?:\.[0-9]+)?([A-Za-z]\w*)", offender)
    open_brace = next((p for p in reversed(_still_open(text[:offset])) if text[p] == "{"), None)
    if unit and {"DURATION", "SIZE", "INT"} & accepted:
        near = _UNITS_MEANT.get(unit.group(1).lower()) or nearest(unit.group(1), [*TIME_UNITS, *SIZE_UNITS])
        advice = "units: ns us ms s min h d; B kB MB GB KiB MiB GiB"
        mistakes.error(span, f"unknown unit `{shorten(unit.group(1))}`", near=near, advice=advice)
        return offset
    if offender == '"':
        message, advice = "this text is not closed", 'a text stands between two `"` on one line'
    elif offender in TOP_WORDS and open_brace is not None:
        advice = f"is a `}}` missing above? The `{{` of line {text.count(chr(10), 0, open_brace) + 1} is still open"
    elif offender == "}" and open_brace is None:
        advice = "this `}` closes nothing: remove it, or is a `{` missing above?"
    near = _near(offender, words, accepted)
    if advice is None and near is None:
        advice = "docs/language.md shows every statement with an example"
    mistakes.error(span, message, advice=advice, expected=expected, near=near)
    return offset


def _near(offender: str, words: list[str], accepted: set[str]) -> str | None:
    """The word that was meant: a sysctl's whole name, another call of the same kind, or the nearest."""
    if "SYSCTL" in accepted and offender.startswith("tcp_"):
        return f"net.ipv4.{offender}"
    if (other := _CALLS_MEANT.get(offender)) in words:
        return other
    return nearest(offender, words) if len(offender) > 1 else None


def _report_end(text: str, accepted: set[str], mistakes: Mistakes) -> None:
    expected, _ = _expectation(accepted)
    still_open = _still_open(text)
    if still_open:
        place = still_open[-1]
        closing = {"{": "}", "(": ")"}[text[place]]
        message = f"this `{text[place]}` is never closed"
        mistakes.error(
            span_at(text, place, 1), message, expected=expected, advice=f"add a `{closing}` where the block ends"
        )
        return
    end = len(text.rstrip())
    mistakes.error(
        span_at(text, end, 1),
        "the file ends in the middle of a statement",
        expected=expected,
        advice="complete the statement",
    )


def _accepted(error: UnexpectedInput) -> set[str]:
    """The terminals with which the text before the error could go on."""
    interactive = getattr(error, "interactive_parser", None)
    if interactive is not None:
        return set(interactive.accepts())
    if isinstance(error, UnexpectedCharacters):
        return set(error.allowed or ())
    return set(getattr(error, "expected", None) or ())


@cache
def _terminal_texts() -> dict[str, tuple[str, ...]]:
    """Keywords and signs by the name lark gives their terminal."""
    texts: dict[str, tuple[str, ...]] = {}
    for terminal in grammar.parser().terminals:
        value = terminal.pattern.value
        if isinstance(terminal.pattern, PatternStr):
            texts[terminal.name] = (value,)
        elif value.endswith(grammar.WORD_END) and value[: -len(grammar.WORD_END)].isalpha():
            texts[terminal.name] = (value[: -len(grammar.WORD_END)],)
    return texts | _WORDS


def _expectation(accepted: Iterable[str]) -> tuple[list[str], list[str]]:
    """What to list as expected, and the words among it (for the nearest)."""
    texts = _terminal_texts()
    words: list[str] = []
    signs: list[str] = []
    described: list[str] = []
    for name in sorted(set(accepted) - _NOT_WORTH_SAYING):
        if name in texts:
            for text in texts[name]:
                (words if text[0].isalpha() else signs).append(text)
        elif name in _DESCRIBED and _DESCRIBED[name] not in described:
            described.append(_DESCRIBED[name])
    return sorted(words, key=str.lower) + described + [f"`{s}`" for s in sorted(signs)], words


def _named(offender: str) -> str:
    if offender.isprintable() and not offender.isspace():
        return f"`{shorten(offender)}`"
    return f"character U+{ord(offender[0]):04X}"


def span_at(text: str, offset: int, length: int) -> Span:
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return Span(line, column, column + max(length, 1))


# ---- brackets --------------------------------------------------------------------------------------------


def _still_open(text: str) -> list[int]:
    """Offsets of the brackets that are open at the end of the text."""
    stack: list[int] = []
    for found in _BRACKETS.finditer(text):
        sign = found.group()
        if sign in ("{", "("):
            stack.append(found.start())
        elif sign in ("}", ")") and stack and text[stack[-1]] == {"}": "{", ")": "("}[sign]:
            stack.pop()
    return stack


def _check_nesting(text: str, mistakes: Mistakes) -> None:
    """Refuses deep nesting before anything recursive sees it."""
    depth = nots = 0
    for found in _BRACKETS.finditer(text):
        sign = found.group()
        nots = nots + 1 if sign == "not" else 0 if sign[0] != "#" else nots
        if sign in ("{", "("):
            depth += 1
        elif sign in ("}", ")"):
            depth = max(0, depth - 1)
        if depth > NESTING_MAX or nots > NESTING_MAX:
            span = span_at(text, found.start(), len(sign))
            mistakes.error(span, f"nested too deeply: at most {NESTING_MAX} levels", advice="simplify the statement")
            return
