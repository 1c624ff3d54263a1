"""What may come next, as far as the words before the cursor tell."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from tcpcheck.lang.conntrack import PREFIX
from tcpcheck.lang.conntrack import SYSCTLS as TRACKING
from tcpcheck.lang.sockopts import OPTIONS
from tcpcheck.lang.vocabulary import SEGMENT_FIELDS, SEGMENT_KINDS, SOCKET_VARIABLES, STATES
from tcpcheck.lsp.names import Binding
from tcpcheck.tcp.profile import FEATURES, PROFILES
from tcpcheck.tcp.rules import RULES
from tcpcheck.tcp.sysctls import SYSCTLS


@dataclass(frozen=True)
class Proposal:
    """A word, what it is, and what it does (may be "")."""

    text: str
    kind: str
    doc: str = ""


@functools.cache
def keywords() -> tuple[str, ...]:
    """The keywords of the grammar: its quoted words and the alternatives of its word terminals."""
    grammar = (resources.files("tcpcheck.lang") / "grammar.lark").read_text()
    rules = re.sub(r"//.*", "", grammar)
    words = set(re.findall(r'"([a-z]{2,}[a-z-]*)"', rules))
    for body in re.findall(r"^[A-Z_]+: /\(?([a-z|-]+)\)?\(\?!", rules, re.M):
        words |= set(body.split("|"))
    return tuple(sorted(words))


def proposals(before: str, names: Iterable[Binding]) -> list[Proposal]:
    """before: the line up to the cursor."""
    head = re.sub(r"[\w.-]*$", "", before).rstrip()
    typed = before[len(re.sub(r"[\w.-]*$", "", before)) :]
    last = re.search(r"([\w-]+|[|{,(.])$", head)
    after = last[1] if last else ""
    owner, dot, _ = typed.rpartition(".")
    if after == "sysctl" or owner.startswith("net"):
        tracking = [Proposal(PREFIX + name, "sysctl", "connection tracking of a router") for name in TRACKING]
        return [Proposal(name, "sysctl", row.doc) for name, row in SYSCTLS.items()] + tracking
    if dot:
        bound = [b for b in names if b.host == owner]
        return [Proposal(b.name, b.kind) for b in bound] + [Proposal(v, "variable") for v in SOCKET_VARIABLES]
    if re.search(r"\bkernel(\s*\{[^}]*)?$", head):
        return [Proposal(name.replace("-", " ", 1), "kernel") for name in PROFILES]
    if re.search(r"\bsetsockopt\s+\w+$", head):
        return [Proposal(o.name, "socket option", o.doc) for o in OPTIONS.values()]
    if after in ("with", "without"):
        return [Proposal(name, "feature") for name in FEATURES]
    if after == "takes":
        return [Proposal(rule.name, "rule", rule.doc) for rule in RULES]
    if after in ("in", "becomes", "|"):
        return [Proposal(name, "state") for name in STATES]
    if after in ("receives", "sends", "drops", "loses", "replies", "inject"):
        return [Proposal(name, "segment") for name in SEGMENT_KINDS]
    if after == "(":
        return [Proposal(name, "field") for name in (*SEGMENT_FIELDS, *SOCKET_VARIABLES)]
    return [Proposal(b.name, b.kind) for b in names] + [Proposal(word, "keyword") for word in keywords()]
