"""`tcpcheck fmt`: specs in their canonical form."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tcpcheck.cli.console import Console, is_terminal
from tcpcheck.cli.failures import worst
from tcpcheck.cli.files import spec_files, write_whole
from tcpcheck.errors import TcpcheckError, UsageError
from tcpcheck.lang.format import format_text
from tcpcheck.lang.parse import read
from tcpcheck.render.words import printable

STDIN = "-"


def run_fmt(console: Console, arguments: Sequence[str], check: bool, in_place: bool) -> int:
    """-> the exit code: 1 when `check` finds a spec that is not in canonical form."""
    if STDIN in arguments and (in_place or len(arguments) > 1):
        raise UsageError("standard input (-) stands alone, without -i")
    names = [STDIN] if STDIN in arguments else spec_files(arguments)
    codes = []
    failures: list[TcpcheckError] = []
    for name in names:
        try:
            codes.append(_one(console, name, check, in_place))
        except TcpcheckError as failure:
            console.failure(failure)
            failures.append(failure)
    if failures:
        console.error_document(failures)
    return worst([*codes, *(failure.exit_code for failure in failures)])


def _one(console: Console, name: str, check: bool, in_place: bool) -> int:
    """One file. With `check` or `in_place` the names of those that are, or were, another are printed."""
    text, shown = (_stdin(), "<stdin>") if name == STDIN else (read(name), name)
    formatted = format_text(text, shown)
    if not check and not in_place:
        console.write(formatted)
        return 0
    if formatted == text:
        return 0
    if in_place:
        write_whole(name, formatted.encode("utf-8"))
    console.write(f"{printable(shown) if is_terminal(sys.stdout) else shown}\n")  # to a pipe as it is
    return 1 if check else 0


def _stdin() -> str:
    if sys.stdin is None:
        raise UsageError("there is no standard input")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("standard input is not UTF-8 text") from None
