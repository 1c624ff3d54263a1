"""The LALR(1) parser: built from grammar.lark once, its tables kept beside it.

Building takes half a second, loading the tables a few milliseconds. `tables()` is what `python -m
tcpcheck.lang.build_tables` writes; without that file the parser is built in memory and, where the folder can be
written, kept for the next time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import sys
import tempfile
from functools import cache
from pathlib import Path

import lark
from lark import Lark
from lark.lexer import PatternRE, PatternStr, TerminalDef

HERE = Path(__file__).parent
GRAMMAR = HERE / "grammar.lark"
TABLES = HERE / "grammar.tables"

# A keyword beats a name: `run {` is a keyword and a block, `runner` a name.
KEYWORD_PRIORITY = 2
WORD_END = r"(?!\w|-\w)"


def _whole_word(terminal: TerminalDef) -> None:
    """Makes a keyword match whole words only, and win over every pattern for names."""
    pattern = terminal.pattern
    if isinstance(pattern, PatternStr) and pattern.value[0].isalpha():
        terminal.pattern = PatternRE(re.escape(pattern.value) + WORD_END)
        terminal.priority = KEYWORD_PRIORITY
    elif terminal.name in WORD_TERMINALS:
        terminal.priority = KEYWORD_PRIORITY


WORD_TERMINALS = {
    *("CLAIM", "OUTCOME", "FAULT", "FEATURE", "SEG_EVENT", "WAY", "EOF", "ANY", "TIMER", "COLUMN"),
    *("IPTABLES", "ORDINAL", "RATE", "DURATION", "SIZE", "HEX"),
}


def build(strict: bool = False) -> Lark:
    """The parser from the grammar's text. `strict` (tests) refuses every conflict and every collision of terminals."""
    return Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        lexer="contextual",
        propagate_positions=True,
        maybe_placeholders=True,
        edit_terminals=_whole_word,
        g_regex_flags=re.ASCII,
        strict=strict,
    )


def _key() -> bytes:
    """What the tables depend on: the grammar, this file, lark and Python."""
    digest = hashlib.sha256(GRAMMAR.read_bytes() + Path(__file__).read_bytes())
    digest.update(f"{lark.__version__} {sys.version_info[:2]}".encode())
    return digest.digest()


def write_tables(parser: Lark) -> None:
    """Writes the tables beside the grammar, whole or not at all."""
    data = io.BytesIO(_key())
    data.seek(0, os.SEEK_END)
    parser.save(data)
    descriptor, name = tempfile.mkstemp(dir=HERE, prefix="grammar.", suffix=".tmp")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data.getvalue())
    os.replace(name, TABLES)


def _read_tables() -> Lark | None:
    """The parser from its tables; None if they are not there, or of another grammar, or damaged."""
    try:
        data = TABLES.read_bytes()
        key = _key()
        if not data.startswith(key):
            return None
        return Lark.load(io.BytesIO(data[len(key) :]))
    except Exception:  # whatever a damaged file makes pickle or lark say: it is only a cache
        return None


def ensure_tables() -> None:
    """Builds the tables into the package, unless they are there."""
    if _read_tables() is None:
        write_tables(build())


@cache
def parser() -> Lark:
    """The parser of this process."""
    loaded = _read_tables()
    if loaded is not None:
        return loaded
    built = build()
    with contextlib.suppress(OSError):
        write_tables(built)
    return built
