"""What a shell proposes: names of formats, claims, unknowns, kernels, rules. Called by click while a line is typed.

Nothing here may fail or print: a spec that cannot be read proposes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from tcpcheck.errors import TcpcheckError

if TYPE_CHECKING:
    from tcpcheck.lang.scenario import Scenario

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_TCPCHECK_COMPLETE"


def script(command: click.Command, shell: str) -> str:
    """What the shell has to run so that it asks: click's own."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    return kind(command, {}, "tcpcheck", VARIABLE).source()


def _beginning(names: Iterable[str], typed: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.lower().startswith(typed.lower())]


def formats(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Of `trace --format`."""
    from tcpcheck.render.formats import FORMATS

    return _beginning(FORMATS, typed)


def claims(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Of the specs that stand before."""
    return _beginning((claim.name for spec in _specs() for claim in spec.cases[0].claims), typed)


def unknowns(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Of the specs that stand before: named pauses, numbers and families."""
    from tcpcheck.mapping import searched_names

    return _beginning((n for s in _specs() for n in (*searched_names(s), *s.cases[0].chosen)), typed)


def kernels(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Profiles, in the spelling that is one word."""
    from tcpcheck.tcp.profile import PROFILES

    return _beginning(("auto", *PROFILES), typed)


def words(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """All that `explain` knows."""
    from tcpcheck.cli.explaining import names

    return _beginning(names(), typed)


def rules(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """A rule; after a comma the one that follows it."""
    from tcpcheck.tcp.rules import BY_NAME

    before, comma, rest = typed.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(BY_NAME, rest)]


def _specs() -> list[Scenario]:
    """Those on the line. (click itself gives up on a line that ends in an option without its value.)"""
    from click.shell_completion import split_arg_string

    from tcpcheck.cli.verifying import load_all

    found = [word for word in split_arg_string(os.environ.get("COMP_WORDS", "")) if word.endswith(".tcp")]
    try:
        return load_all(found)
    except (TcpcheckError, OSError):
        return []
