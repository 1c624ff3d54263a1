"""What a rule id means: the one place where rendering reaches for the protocol's table of rules."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol


class RuleInfo(Protocol):
    """One row of tcp/rules.py."""

    @property
    def name(self) -> str: ...
    @property
    def meaning(self) -> str: ...  # one sentence
    @property
    def rfc(self) -> str: ...  # clause, e.g. "RFC 9293 3.10.7.4"; "" when there is none
    @property
    def kernel(self) -> str: ...  # function of Linux; "" when there is none


RuleLookup = Callable[[str], RuleInfo | None]


def no_rules(_rule: str) -> RuleInfo | None:
    """The look-up that explains nothing: rules show by their id alone."""
    return None


def rule_lookup() -> RuleLookup:
    """The look-up over tcp/rules.py, which is loaded here and not with this package."""
    rules: dict[str, RuleInfo] = importlib.import_module("tcpcheck.tcp.rules").RULES
    return rules.get
