"""What a rule id means: the one place where rendering reaches for the protocol's table of rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class RuleInfo(Protocol):
    """What rendering shows of a row of tcp/rules.py."""

    @property
    def doc(self) -> str: ...  # what happens, in a sentence
    @property
    def rfc(self) -> str: ...  # clause, e.g. "RFC 9293 3.10.7.4"; "" when there is none
    @property
    def kernel(self) -> str: ...  # functions of Linux; "" when there is none


RuleLookup = Callable[[str], RuleInfo | None]


def no_rules(_rule: str) -> RuleInfo | None:
    """The look-up that explains nothing: rules show by their id alone."""
    return None


def rule_lookup() -> RuleLookup:
    """The look-up over tcp/rules.py, which is loaded here and not with this package."""
    from tcpcheck.tcp.rules import BY_NAME

    return BY_NAME.get
