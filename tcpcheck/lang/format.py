"""`tcpcheck fmt`: the canonical form of a spec. It moves white space and `;` only, and spells states as `ss` does.

The text is read as tokens, each with the comments around it; statements and their braces are found by the parser. A
statement stands on one line if it fits; a block whose `{` ended its line keeps one statement a line, as does one
that is too long or holds a comment. So formatting twice changes nothing, and the syntax tree stays the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from lark import Token, Tree

from tcpcheck.lang import grammar
from tcpcheck.lang.parse import parse
from tcpcheck.lang.vocabulary import TCPDUMP_FLAGS, canonical_state

WIDTH_MAX = 120
INDENT = 4

# The rules of the grammar that are statements.
_STATEMENT_RULES = """
    title horizon time_off host attacker router network claim after count kernel address mss run sysctl iptables
    call close abort shutdown setsockopt sleep await_ loop either exit stop crash boot inject receive
    delay lifetime fifo fault rewrite
"""
_STATEMENTS = frozenset(_STATEMENT_RULES.split())
_CLAIMS = frozenset(("claim", "after", "count"))
_WITH_OWN_BRACES = frozenset(("host", "network", "router"))  # `{` is not a block of its own in the grammar
_OPERATORS = ("implies", "or", "and")  # the loosest first
_TIGHT_BEFORE = frozenset((")", "]", ",", ".", "..", "^", "|"))
_TIGHT_AFTER = frozenset(("(", "[", ".", "..", "^", ":", "|"))


@dataclass
class Tok:
    """A token with its comments. `breaks`: it began a line in the source; `blank`: after an empty line."""

    text: str
    type: str
    offset: int
    before: list[tuple[str, bool]] = field(default_factory=list)
    after: str | None = None
    breaks: bool = False
    blank: bool = False

    @property
    def commented(self) -> bool:
        return bool(self.before) or self.after is not None


@dataclass
class Group:
    """A pair of braces. kind: block (statements) or pred (one list of tokens)."""

    kind: str
    open: Tok
    close: Tok
    body: list[Part]


@dataclass
class Statement:
    parts: list[Part]

    @property
    def first(self) -> Tok:
        return next(tokens_of(self))


Part = Tok | Group | Statement


def format_text(text: str, file: str) -> str:
    """The canonical form of a spec. SpecError if the text does not parse."""
    parse(text, file)
    text = text.removeprefix("\ufeff")
    tree = grammar.parser().parse(text)
    tokens, end = _tokens(text)
    body = _Reader(tokens, tree).statements(None)
    writer = _Writer()
    writer.statements(body, 0)
    writer.comments_before(end, 0, first=not body)
    writer.newline()
    out = "\n".join(writer.lines).strip("\n")
    return out + "\n" if out else ""


def claim_lines(text: str) -> list[tuple[int, str]]:
    """(the line it begins in, the claim on one line without comments and without what is expected of it) of each claim
    of a spec that parses, in order."""
    text = text.removeprefix("\ufeff")
    reader = _Reader(_tokens(text)[0], grammar.parser().parse(text))
    statements = [s for s in reader.statements(None) if isinstance(s, Statement)]
    claims = [s for s in statements if reader.starts.get(s.first.offset) in _CLAIMS]
    return [(text.count("\n", 0, s.first.offset) + 1, _flat(_asked(s.parts))) for s in claims]


def _asked(parts: list[Part]) -> list[Part]:
    return list(takewhile(lambda part: not isinstance(part, Tok) or part.type != "EXPECT", parts))


# ---- reading: tokens with comments, grouped -----------------------------------------------------------------


def _tokens(text: str) -> tuple[list[Tok], Tok]:
    """The tokens without `;`, and a last one that holds the comments at the end of the file."""
    tokens: list[Tok] = []
    position = 0
    pending = Tok("", "", 0)  # collects what stands before the next token
    parser = grammar.parser().parse_interactive(text)
    for token in parser.iter_parse():
        if token.type == "$END":
            continue
        assert token.start_pos is not None and token.end_pos is not None
        _gap(text[position : token.start_pos], tokens, pending)
        position = token.start_pos + len(token.rstrip())
        if token == ";":
            continue
        pending.text, pending.type, pending.offset = _spelling(token), token.type, token.start_pos
        tokens.append(pending)
        pending = Tok("", "", 0)
    _gap(text[position:], tokens, pending)
    return tokens, pending


def _gap(gap: str, tokens: list[Tok], pending: Tok) -> None:
    """White space and comments between two tokens: the first comment may belong to the token before it."""
    lines = gap.split("\n")
    for number, line in enumerate(lines):
        comment = line.strip()
        if number == 0:
            if comment and tokens and tokens[-1].after is None and not pending.before:
                tokens[-1].after = comment
            elif comment:
                pending.before.append((comment, False))
        elif comment:
            pending.before.append((comment, pending.blank))
            pending.blank = False
        elif number < len(lines) - 1:
            pending.blank = True
    pending.breaks = pending.breaks or len(lines) > 1


def _spelling(token: Token) -> str:
    """A token's canonical text."""
    if token.type == "STATE":
        return canonical_state(token) or str(token)
    if token.type in ("KERNEL", "IPTABLES"):
        return " ".join(token.split())
    if token.type == "ORDINAL":
        number = int(token[:-2])
        teens = number % 100 in (11, 12, 13)
        return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
    if token.type == "FLAGS":
        return "[" + "".join(sorted(set(token[1:-1]), key=lambda c: (TCPDUMP_FLAGS.find(c), c))) + "]"
    return str(token)


class _Reader:
    """Groups tokens into statements and braces, by the places the parser found."""

    def __init__(self, tokens: list[Tok], tree: Tree[Token]) -> None:
        self.tokens = tokens
        self.next = 0
        self.starts: dict[int, str] = {}
        self.blocks: set[int] = set()
        self.families: set[int] = set()
        for node in tree.iter_subtrees():
            name = str(node.data)
            if name in _STATEMENTS:
                self.starts[node.meta.start_pos] = name
            elif name == "block":
                self.blocks.add(node.meta.start_pos)
            elif name in ("family", "kern_family"):
                self.families.add(node.meta.start_pos)

    def peek(self) -> Tok | None:
        return self.tokens[self.next] if self.next < len(self.tokens) else None

    def take(self) -> Tok:
        self.next += 1
        return self.tokens[self.next - 1]

    def statements(self, until: str | None) -> list[Part]:
        out: list[Part] = []
        while (token := self.peek()) is not None and token.text != until:
            out.append(self.statement())
        return out

    def statement(self) -> Statement:
        name = self.starts.get(self.tokens[self.next].offset, "")
        parts: list[Part] = [self.take()]
        while (token := self.peek()) is not None and token.text != "}" and token.offset not in self.starts:
            if token.text != "{":
                parts.append(self.take())
            elif token.offset in self.families:
                parts += self.family()
            else:
                is_block = token.offset in self.blocks or name in _WITH_OWN_BRACES
                parts.append(self.group("block" if is_block else "pred"))
        return Statement(parts)

    def family(self) -> list[Tok]:
        """`{a, b}` stands on one line: its braces are told from others by their type."""
        out = [self.take()]
        out[0].type = "FAMILY"
        while out[-1].text != "}":
            out.append(self.take())
        out[-1].type = "FAMILY"
        return out

    def group(self, kind: str) -> Group:
        opening = self.take()
        body: list[Part] = []
        if kind == "block":
            body = self.statements("}")
        else:
            while self.tokens[self.next].text != "}":
                body.append(self.take())
        return Group(kind, opening, self.take(), body)


def tokens_of(part: Part) -> Iterator[Tok]:
    """All tokens of a part, in order."""
    if isinstance(part, Tok):
        yield part
    elif isinstance(part, Statement):
        for inner in part.parts:
            yield from tokens_of(inner)
    else:
        yield part.open
        for inner in part.body:
            yield from tokens_of(inner)
        yield part.close


# ---- writing -----------------------------------------------------------------------------------------------


def _space(left: Tok | None, right: Tok) -> bool:
    """Whether a space stands between two tokens of one line."""
    if left is None or left.text in _TIGHT_AFTER or right.text in _TIGHT_BEFORE:
        return False
    if (left.type == "FAMILY" and left.text == "{") or (right.type == "FAMILY" and right.text == "}"):
        return False
    if right.text == "[":
        return False
    if right.text == ":":
        return left.type != "NAME"
    if right.text == "(":
        return left.text != "peer"
    return True


def _flat(parts: list[Part]) -> str:
    """The parts on one line."""
    out = ""
    left: Tok | None = None
    for part in parts:
        if isinstance(part, Tok):
            out += (" " if out and _space(left, part) else "") + part.text
            left = part
        else:
            assert isinstance(part, Group)
            texts = [_flat(s.parts) for s in part.body if isinstance(s, Statement)]
            inner = " ; ".join(texts) if part.kind == "block" else _flat(part.body)
            out += " { " + inner + " }" if inner else " { }"
            left = part.close
    return out


def _broken(parts: list[Part]) -> bool:
    """Whether the source, or a comment, asks for more than one line."""
    tokens = [t for part in parts for t in tokens_of(part)]
    if any(t.before for t in tokens[1:]) or any(t.after for t in tokens[:-1]):
        return True
    return any(isinstance(p, Group) and _open_broken(p) for p in parts)


def _open_broken(group: Group) -> bool:
    """Whether a group's `{` ends its line in the source, or something within must be broken."""
    if not group.body:
        return group.open.after is not None or bool(group.close.before)
    first = next(tokens_of(group.body[0]))
    if first.breaks or any(t.commented for p in group.body for t in tokens_of(p)):
        return True
    if group.kind == "pred":
        return _operators_broken(group.body)
    return any(_broken(s.parts) for s in group.body if isinstance(s, Statement))


def _operators_broken(body: list[Part]) -> bool:
    return any(isinstance(t, Tok) and t.text in _OPERATORS and t.breaks and depth == 0 for t, depth in _depths(body))


def _breaking_operators(body: list[Part], width: int) -> tuple[str, ...]:
    """The operators that begin lines: those that do so in the source and the looser ones, and as many as it takes
    for each line to fit."""
    outer = [t for t, depth in _depths(body) if isinstance(t, Tok) and depth == 0 and t.text in _OPERATORS]
    count = max((_OPERATORS.index(t.text) + 1 for t in outer if t.breaks), default=0)
    while count < len(_OPERATORS):
        pieces: list[list[Part]] = [[]]
        for part, depth in _depths(body):
            if depth == 0 and isinstance(part, Tok) and part.text in _OPERATORS[:count]:
                pieces.append([])
            pieces[-1].append(part)
        if all(len(_flat(piece)) <= width for piece in pieces):
            break
        count += 1
    return _OPERATORS[:count]


def _segments(parts: list[Part]) -> Iterator[list[Part]]:
    """A claim's parts, cut before `eventually` and before `expect`; all other statements are one segment."""
    begin = 0
    for place, part in enumerate(parts):
        if isinstance(part, Tok) and part.type in ("EVENTUALLY", "EXPECT") and place:
            yield parts[begin:place]
            begin = place
    yield parts[begin:]


def _depths(body: list[Part]) -> Iterator[tuple[Part, int]]:
    """Each token of a predicate with its depth in parentheses."""
    depth = 0
    for part in body:
        if isinstance(part, Tok) and part.text == ")":
            depth -= 1
        yield part, depth
        if isinstance(part, Tok) and part.text == "(":
            depth += 1


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line = ""
        self.indent = 0
        self.left: Tok | None = None

    def newline(self) -> None:
        """Ends the line, if anything is on it."""
        if self.line.strip():
            self.lines.append(self.line.rstrip())
        self.line = ""
        self.left = None

    def blank(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def token(self, token: Tok, indent: int) -> None:
        """A token on the current line, after the comments before it; a comment after it ends the line."""
        if token.before:
            self.newline()
            self.comments_before(token, indent, first=True)
        if not self.line:
            self.line = " " * indent
        elif _space(self.left, token):
            self.line += " "
        self.line += token.text
        self.left = token
        if token.after is not None:
            self.line += "  " + token.after
            self.newline()

    def comments_before(self, token: Tok, indent: int, first: bool) -> None:
        """Comments that stand on lines of their own. `first`: no empty line before them."""
        for number, (comment, blank) in enumerate(token.before):
            self.newline()
            if blank and not (first and number == 0):
                self.blank()
            self.lines.append(" " * indent + comment)
        if token.blank and token.before:
            self.blank()
        token.before = []

    def statements(self, body: list[Part], indent: int) -> None:
        for number, statement in enumerate(body):
            assert isinstance(statement, Statement)
            self.newline()
            token = statement.first
            blank = token.blank
            if token.before:
                self.comments_before(token, indent, first=number == 0)
            elif blank and number > 0:
                self.blank()
            self.statement(statement, indent)
        self.newline()

    def statement(self, statement: Statement, indent: int) -> None:
        """One statement. A claim's `eventually` and `expect` may begin lines of their own."""
        for number, parts in enumerate(_segments(statement.parts)):
            first = next(tokens_of(parts[0]))
            width = len(_flat(parts))
            if number:
                before = len(self.line) + 1
                if first.breaks or (before + width > WIDTH_MAX and indent + INDENT + width <= WIDTH_MAX):
                    self.newline()
            margin = indent if number == 0 else indent + INDENT
            column = len(self.line) + 1 if self.line else margin
            if _broken(parts) or column + width > WIDTH_MAX:
                self.broken(parts, indent, margin)
            else:
                self.flat(parts, margin)

    def flat(self, parts: list[Part], indent: int) -> None:
        """Parts known to be without comments but at their ends."""
        for part in parts:
            if isinstance(part, Tok):
                self.token(part, indent)
                continue
            assert isinstance(part, Group)
            self.token(part.open, indent)
            for number, inner in enumerate(part.body):
                if isinstance(inner, Statement):
                    if number:
                        self.line += " ;"
                    self.flat(inner.parts, indent)
                else:
                    self.flat([inner], indent)
            self.token(part.close, indent)

    def broken(self, parts: list[Part], indent: int, margin: int) -> None:
        """Parts on several lines: the braces stand open; without braces, each field in `(a, b)` has its line.
        `margin`: of the first token, should it begin a line."""
        split_fields = not any(isinstance(p, Group) for p in parts)
        for number, (part, depth) in enumerate(_depths(parts)):
            if isinstance(part, Tok):
                self.token(part, margin if number == 0 else indent + INDENT)
                if split_fields and part.text == "," and depth:
                    self.newline()
                continue
            assert isinstance(part, Group)
            self.token(part.open, indent)
            if part.body or part.close.before:
                self.newline()
                if part.kind == "block":
                    self.statements(part.body, indent + INDENT)
                else:
                    self.predicate(part.body, indent + INDENT)
                part.close.blank = False  # no empty line before a closing brace
                self.comments_before(part.close, indent + INDENT, first=not part.body)
                self.newline()
            self.token(part.close, indent)

    def predicate(self, body: list[Part], indent: int) -> None:
        """A predicate on lines of its own, broken before its outer operators if it must be."""
        breaking = _breaking_operators(body, WIDTH_MAX - indent)
        for part, depth in list(_depths(body)):
            assert isinstance(part, Tok)
            if depth == 0 and part.text in breaking:
                self.newline()
            self.token(part, indent)
        self.newline()
