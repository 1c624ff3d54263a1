"""docs/command-line.md names every command and every option that there is, and none that is not."""

from __future__ import annotations

import re

import pytest
from cli_call import ROOT

from tcpcheck.cli.app import cli

TEXT = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
OPTIONS = {
    (name, option)
    for name, command in cli.commands.items()
    for parameter in command.params
    for option in (*parameter.opts, *parameter.secondary_opts)
    if option.startswith("--")
}


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command(name: str) -> None:
    assert f"`tcpcheck {name}" in TEXT


@pytest.mark.parametrize(("name", "option"), sorted(OPTIONS))
def test_every_option(name: str, option: str) -> None:
    assert re.search(rf"(?<![\w-]){option}(?![\w-])", TEXT), f"tcpcheck {name} {option}"


def test_no_option_that_is_not() -> None:
    known = {option for _, option in OPTIONS} | {"--help", "--version"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) <= known
