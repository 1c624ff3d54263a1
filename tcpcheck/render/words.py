"""Small pieces of text that several formats share: times, settings, safe names."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from tcpcheck.witness.trace import Trace


def printable(text: str) -> str:
    """`text` with everything that could move a cursor, end a line or reorder text written as an escape."""
    return "".join(_escape(char) if _moves(char) else char for char in text)


def _moves(char: str) -> bool:
    """Control and format characters, lone surrogates, unassigned ones; the separators of lines and paragraphs."""
    kind = unicodedata.category(char)
    return kind[0] == "C" or kind in ("Zl", "Zp")


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def time_digits(trace: Trace) -> int:
    """Decimals that show every time of the trace without loss: 6, or 9 when nanoseconds matter."""
    return 9 if any(step.time_ns % 1000 for step in trace.steps) else 6


def seconds(time_ns: int, digits: int) -> str:
    """Whole nanoseconds as seconds with `digits` decimals, without going through a float."""
    whole, rest = divmod(time_ns, 1_000_000_000)
    return f"{whole}.{rest:09d}"[: len(str(whole)) + 1 + digits]


def settings_text(settings: Mapping[str, int | str]) -> str:
    """`server.net.ipv4.tcp_timestamps=1, ...` in the order given; "" for a spec without families."""
    return ", ".join(f"{printable(name)}={printable(str(value))}" for name, value in settings.items())


CONFIRMATIONS = {"z3": "z3", "concrete-rerun": "a concrete re-run", "kernel": "a live kernel"}


def confirmed_text(confirmed_by: Sequence[str]) -> str:
    """How a trace was confirmed (`z3 and a concrete re-run`); "" when it was not."""
    ways = [CONFIRMATIONS.get(how, printable(how)) for how in confirmed_by]
    return " and ".join([*([", ".join(ways[:-1])] if ways[1:] else []), *ways[-1:]])


def many(number: int, what: str) -> str:
    """`1 trace`, `2 traces`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def markdown(text: str) -> str:
    """Text that Markdown leaves as it is, also in a table's cell."""
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{char}" if char in "|`*_[]\\" else char for char in safe)


def code_span(text: str) -> str:
    """A code span of Markdown: nothing in it is escaped, so more backticks stand around it than any within."""
    said = printable(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", said)), default=0) + 1)
    space = " " if said.startswith("`") or said.endswith("`") else ""
    return f"{fence}{space}{said}{space}{fence}"


COVER = "cover"  # Trace.kind of a trace that stands for no claim: for a rule, or a rule after another, that it takes


def regenerate(trace: Trace, *options: str) -> str:
    """The command that writes the trace again. options: of `trace`, where it is that of a claim."""
    members = [part for name, value in trace.settings.items() for part in ("--member", f"{name}={value}")]
    if trace.kind == COVER:
        words = ["tcpcheck", "fixtures", trace.spec, *members, "--goal", trace.claim, "-o", "FOLDER"]
    else:
        words = ["tcpcheck", "trace", trace.spec, trace.claim, *members, *options]
    return shell_words(words)


def shell_words(words: Iterable[str]) -> str:
    """A command line for bash, zsh and ksh: what a terminal might take for itself is escaped within $'...'."""
    return " ".join(shlex.quote(word) if printable(word) == word else f"$'{_ansi_c(word)}'" for word in words)


def _ansi_c(word: str) -> str:
    """Its characters, or the bytes of those that move a cursor."""
    out = []
    for char in word:
        how = "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass"  # a byte of a file's name
        escaped = "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", how)) if _moves(char) else ""
        out.append(escaped or (f"\\{char}" if char in "\\'" else char))
    return "".join(out)
