"""What the names of a spec stand for, and which word is under the cursor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

from tcpcheck.errors import Span
from tcpcheck.lang import ast

# A word as hover and completion take it: `TIME-WAIT`, `net.ipv4.tcp_rfc1337`, `server.c`, `6.18.44`.
WORD = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*")

BINDERS: dict[type, str] = {
    ast.Host: "host",
    ast.Attacker: "attacker",
    ast.Router: "router",
    ast.Run: "run",
    ast.Listen: "listener",
    ast.Accept: "socket from accept()",
    ast.Connect: "socket from connect()",
    ast.Receive: "segment received",
    ast.Choice: "choice",
    ast.Kernel: "family of kernels",
    ast.AnyField: "any 32-bit number",
    ast.Claim: "claim",
}


@dataclass(frozen=True)
class Binding:
    """A name where it is bound. host: the host or attacker in whose program or settings that is; "" outside."""

    name: str
    kind: str
    host: str
    span: Span


def bindings(spec: ast.Spec) -> list[Binding]:
    """Every name that a spec binds, in the order of the text."""
    return list(_walk(spec, ""))


def _walk(node: object, host: str) -> Iterator[Binding]:
    if isinstance(node, tuple):
        for part in node:
            yield from _walk(part, host)
        return
    if not isinstance(node, ast.Node):
        return
    name = getattr(node, "name", None)
    if type(node) in BINDERS and isinstance(name, ast.Word):
        yield Binding(name.text, BINDERS[type(node)], host, name.span)
    inside = name.text if isinstance(node, (ast.Host, ast.Attacker)) and name is not None else host
    for field in fields(node):
        yield from _walk(getattr(node, field.name), inside)


@dataclass(frozen=True)
class Under:
    """The dotted word under the cursor, and which of its parts (from 0). Columns count from 0."""

    text: str
    part: int
    start: int
    end: int

    @property
    def parts(self) -> list[str]:
        return self.text.split(".")


def word_at(line: str, column: int) -> Under | None:
    """The word at or right before a column (from 0) of a line; None in blanks, numbers and comments."""
    line = line.partition("#")[0]
    for match in WORD.finditer(line):
        if match.start() <= column <= match.end():
            before = line[match.start() : column]
            return Under(match[0], before.count("."), match.start(), match.end())
    return None


def bound_by(found: list[Binding], word: Under, host: str) -> list[Binding]:
    """What a word of a spec means: a host, a name of that host's (`server.c`; in a program also `c`), a choice."""
    hosts = [b for b in found if b.kind in ("host", "attacker", "router") and b.name == word.parts[0]]
    if word.part == 0 and hosts:
        return hosts
    if len(word.parts) > 1 and hosts:
        owner, name = word.parts[0], word.parts[1]
        return [b for b in found if b.host == owner and b.name == name]
    same = [b for b in found if b.name == word.parts[0]]
    return [b for b in same if b.host == host] or same


def host_at(spec: ast.Spec, line: int) -> str:
    """The host or attacker within whose text a line (from 1) lies; "" outside. An item ends where the next begins."""
    owner = ""
    for item in spec.items:
        if item.span.line > line:
            break
        name = getattr(item, "name", None)
        owner = name.text if isinstance(item, (ast.Host, ast.Attacker)) and name is not None else ""
    return owner
