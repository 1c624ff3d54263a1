"""What a command prints, and where: results on standard output, all else on standard error.

With `--json` standard output carries one document, also when the command fails. A reader that goes away (`| head`)
ends the output, not the command.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from tcpcheck.errors import Impossible, SpecError, TcpcheckError

WIDTH_OF_FILES = 100  # columns, where the output is no terminal
WIDTH_MAX = 140
CLEAR_LINE = "\r\x1b[K"


@dataclass
class Console:
    """json: the command was called with it. color, ascii: as asked for, None: as the terminal has it."""

    json: bool = False
    color: bool | None = None
    ascii: bool | None = None

    # ---- how

    @property
    def out_color(self) -> bool:
        return self._colored(sys.stdout)

    @property
    def err_color(self) -> bool:
        return self._colored(sys.stderr)

    def _colored(self, stream: TextIO | None) -> bool:
        """NO_COLOR: https://no-color.org"""
        if self.color is not None:
            return self.color
        return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def out_ascii(self) -> bool:
        if self.ascii is not None:
            return self.ascii
        try:
            "─│→✓≥".encode(getattr(sys.stdout, "encoding", None) or "ascii")
        except (UnicodeEncodeError, LookupError):
            return True
        return False

    @property
    def width(self) -> int:
        """COLUMNS, else the terminal's columns, else WIDTH_OF_FILES."""
        columns = shutil.get_terminal_size((WIDTH_OF_FILES, 24)).columns
        in_file = not is_terminal(sys.stdout) and "COLUMNS" not in os.environ
        return WIDTH_OF_FILES if in_file else min(columns, WIDTH_MAX)

    # ---- results

    def write(self, text: str) -> None:
        """Text on standard output. Impossible when it cannot be written there (a full disk)."""
        with _whole_documents() if self.json else contextlib.nullcontext():
            _write(sys.stdout, text)

    def write_bytes(self, data: bytes) -> None:
        _write(sys.stdout, data)

    # ---- messages

    def message(self, text: str, *, styled: bool = False) -> None:
        """A line on standard error, or several. What a name may do to a terminal is escaped, unless the text is made
        for terminals already (`styled`)."""
        from tcpcheck.render.words import printable

        shown = text if styled else "\n".join(map(printable, text.split("\n")))
        with contextlib.suppress(OSError, TcpcheckError):
            _write(sys.stderr, shown + "\n")

    def failure(self, failure: TcpcheckError) -> None:
        """An error, on standard error."""
        from tcpcheck.lang.diagnostics import CYAN, RED, RESET, render
        from tcpcheck.render.words import printable

        if isinstance(failure, SpecError):
            self.message(render(failure, self.err_color), styled=True)
            return
        red, cyan, reset = (RED, CYAN, RESET) if self.err_color else ("", "", "")
        self.message(f"{red}tcpcheck:{reset} {printable(str(failure))}", styled=True)
        hint = getattr(failure, "hint", "")
        if hint:
            self.message(f"  {cyan}help:{reset} {printable(hint)}", styled=True)

    def error_document(self, failures: Sequence[TcpcheckError]) -> None:
        """The document that stands for a result, where `--json` was asked for."""
        if not self.json:
            return
        from tcpcheck.render import json as render_json

        documents = [render_json.error(failure) for failure in failures]
        merged: dict[str, Any] = {**documents[0], "errors": [e for d in documents for e in d["errors"]]}
        self.write(render_json.dumps(merged))


@contextlib.contextmanager
def _whole_documents() -> Iterator[None]:
    """Ctrl-C must not cut a document in two."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _write(stream: TextIO | None, content: str | bytes) -> None:
    """Writes and flushes. A reader that has gone away is no error; the stream then leads nowhere."""
    if stream is None:
        return
    try:
        if isinstance(content, str):
            stream.write(content)
        else:
            stream.flush()
            stream.buffer.write(content)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
    except OSError as error:
        _silence(stream)
        raise Impossible(f"cannot write to {stream.name}: {error.strerror}") from None


def _silence(stream: TextIO) -> None:
    """Whatever is still in the stream's buffer goes to /dev/null, so that Python's exit says nothing either."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
