"""Lines of styled text, and the characters they are drawn with. Colour is added only at the very end."""

from __future__ import annotations

import io
import textwrap
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

Piece = tuple[str, str]  # text, and its style as rich names it ("" for none)
Line = list[Piece]

RULE = "cyan"
DIM = "dim"
BOLD = "bold"
GOOD = "green"
BAD = "bold red"
DOUBT = "yellow"
CALL = "bold"


@dataclass(frozen=True)
class Glyphs:
    """The characters of a drawing; each is one column wide."""

    lane: str
    line: str
    cross: str  # a lane under an arrow
    from_left: str  # where an arrow leaves its lane to the right
    from_right: str
    right: str
    left: str
    far: str  # the part of an arrow that time has cut off
    lost: str
    call: str
    timer: str
    copy: str
    becomes: str
    dash: str
    dot: str
    ok: str
    not_ok: str
    unsure: str


UNICODE = Glyphs("│", "─", "┼", "├", "┤", "▶", "◀", "┄", "✗", "●", "◷", "✚", "→", "—", "·", "✓", "✗", "?")
ASCII = Glyphs("|", "-", "+", "|", "|", ">", "<", ".", "x", "*", "o", "+", "->", "-", "-", "ok", "NO", "??")


def columns(text: str) -> int:
    """Terminal columns that `text` takes."""
    return sum(char_columns(char) for char in text)


def char_columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """`text` in lines of at most `width`, the later ones indented; a word too long for a line is cut."""
    return textwrap.wrap(text, max(width, 10), subsequent_indent=indent, break_on_hyphens=False) or [""]


def plain(lines: Iterable[Line]) -> str:
    """The lines without style, no blank at a line's end, a newline after each."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)


def coloured(lines: Iterable[Line]) -> str:
    """The lines with ANSI colours, otherwise as `plain`."""
    from rich.console import Console
    from rich.text import Text

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", highlight=False, soft_wrap=True)
    for line in lines:
        styled = Text.assemble(*line)
        styled.rstrip()
        console.print(styled)
    return out.getvalue()


def shown(lines: Iterable[Line], color: bool) -> str:
    return coloured(lines) if color else plain(lines)
