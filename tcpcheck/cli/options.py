"""Options that several commands have, and what their exit codes mean."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from tcpcheck import asked
from tcpcheck.cli import completing
from tcpcheck.errors import UsageError

EXIT_CODES = """\b
Exit codes:
  0  every claim as expected       3  undecided: a bound was reached
  1  a claim is not as expected    4  not possible on this machine
  2  the input or the call is wrong"""
CONFORM_CODES = """\b
Exit codes:
  0  every capture agrees          3  undecided: a bound was reached
  1  a capture disagrees           4  not possible on this machine
  2  the input or the call is wrong, or a capture starts in the middle"""

CROSSCHECK_CODES = """\b
Exit codes:
  0  the kernel agrees             3  interrupted, or the machine was too busy
  1  the kernel disagrees          4  not possible on this machine
  2  the input or the call is wrong"""

MAP_CODES = """\b
Exit codes:
  0  every set of values proved    3  undecided: a bound was reached, or a set not proved
  2  the input or the call is wrong                    4  not possible on this machine"""

FIXTURES_CODES = """\b
Exit codes:
  0  every rule taken, or none can 3  undecided of some rule; the rest is written
  2  the input or the call is wrong                    4  not possible on this machine"""

REPLAY_CODES = """\b
Exit codes:
  0  the kernel agrees             3  interrupted, or a spec is undecided
  1  the kernel disagrees          4  not possible on this machine
  2  the input or the call is wrong"""

DIFF_CODES = """\b
Exit codes:
  0  no difference                 3  undecided: a bound was reached
  1  they part                     4  not possible on this machine
  2  the input or the call is wrong"""


Reader = Callable[[click.Context, click.Parameter, str | None], float | None]


def above_zero(kind: type[int] | type[float]) -> Reader:
    """Reads an option's number. (click's own ranges would be spelled out after each option's help.)"""

    def convert(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
        with _told():
            return None if value is None else asked.above_zero(value, whole=kind is int)

    return convert


def memory(context: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """Reads --memory: between what a search begins with and what the machine has."""
    megabytes = above_zero(int)(context, option, value)
    if megabytes is not None:
        with _told():
            asked.enough(value, megabytes * 1_000_000)
    return megabytes


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What is wrong is said of the option."""
    try:
        yield
    except UsageError as wrong:
        raise click.BadParameter(str(wrong)) from None


COUNT = above_zero(int)
FILE = click.Path(readable=False)  # completed as a file's name; whether it is there is told by what reads it
LOOK = (
    click.option("--ascii", is_flag=True, help="No Unicode in the output."),
    click.option("--color/--no-color", default=None, help="Colours; default: on a terminal, unless NO_COLOR is set."),
)
BOUNDS = (
    click.option("--states", callback=COUNT, metavar="N", help="Stop after N states of a member."),
    click.option("--memory", callback=memory, metavar="MB", help="Stop at so many MB; default: 80% of what is free."),
    click.option("--seconds", callback=above_zero(float), metavar="N", help="Stop a spec after N s."),
    click.option("--depth", callback=COUNT, metavar="N", help="Look no more than N steps ahead."),
    click.option("--exact", is_flag=True, help="Keep whole states, not hashes of 64 bits: nothing hides, more memory."),
)
KEEPING = (
    click.option(
        "--checkpoint", metavar="FILE", type=FILE, help="Save the run here from time to time, to go on if it is killed."
    ),
    click.option(
        "--checkpoint-every", callback=above_zero(float), metavar="S", help="Save every S seconds; default: 60."
    ),
    click.option(
        "--resume", metavar="FILE", type=FILE, help="Go on with a run that was saved; it is saved here further on."
    ),
)
MEMBER = click.option(
    "--member", "members", multiple=True, metavar="NAME=VALUE", help="Only members of the families with this setting."
)
SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=V1,V2",
    help="A sysctl, a kernel or a choice in the place of the spec's own; several values are a family.",
)
QUIET = click.option("--quiet", "-q", is_flag=True, help="No progress and no statistics.")

TRACES = ("one", "unexpected", "all", "none")


ENGINE = (
    click.option(
        "--engine",
        type=click.Choice(("local", "ray")),
        default="local",
        show_default=True,
        help="Search on this machine, or on a Ray cluster (RAY_ADDRESS; else one of its own, here).",
    ),
    click.option("--parts", callback=COUNT, metavar="N", help="With --engine ray: each search in N parts."),
)


def verify_options(traces: str) -> tuple[Callable[[Any], Any], ...]:
    """What `verify` and `sweep` have in common. traces: the default of --traces."""
    return (
        click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output."),
        *BOUNDS,
        click.option("--claim", metavar="NAME", help="Only this claim.", shell_complete=completing.claims),
        MEMBER,
        click.option(
            "--traces",
            type=click.Choice(TRACES),
            default=traces,
            show_default=True,
            help="Traces of violated and reached claims: one for each claim, only for what is not as expected, of all "
            "members, or none.",
        ),
        click.option(
            "--report", metavar="FILE", type=FILE, help="Write verdicts, maps and traces as one HTML file, too."
        ),
        click.option("--no-maps", is_flag=True, help="Leave the maps of named pauses and numbers out of the report."),
        click.option("--junit", metavar="FILE", type=FILE, help="Write the verdicts as JUnit XML, too."),
        click.option("--sarif", metavar="FILE", type=FILE, help="Write what is not as expected as SARIF, too."),
        click.option(
            "--jobs", "-j", callback=COUNT, metavar="N", help="Members checked at once; default: one for each CPU."
        ),
        *ENGINE,
        *KEEPING,
        click.option("--replay", is_flag=True, help="Play each trace on the running kernel, which may confirm it."),
        click.option("--wait", is_flag=True, help="With --replay: wait for timers of more than 5 s, too."),
        QUIET,
        *LOOK,
    )


FIXTURES = (
    click.option("--output", "-o", required=True, metavar="FOLDER", type=FILE, help="A new or empty folder."),
    click.option(
        "--cover",
        type=click.Choice(("rules", "pairs")),
        default="rules",
        show_default=True,
        help="Every rule, or every rule after every other at the same host.",
    ),
    click.option(
        "--goal",
        "goals",
        multiple=True,
        metavar="RULE|RULE,RULE",
        help="Only this rule, or this rule after that one.",
        shell_complete=completing.rules,
    ),
    click.option("--claims", is_flag=True, help="Also a trace of each violated or reached claim."),
    click.option(
        "--format", "formats", multiple=True, metavar="FORMAT", help="pcapng, packetdrill, json, text: only this."
    ),
    click.option("--force", is_flag=True, help="Replace what an earlier run wrote into the folder."),
    click.option("--json", "as_json", is_flag=True, help="The index on standard output, too."),
    MEMBER,
    *BOUNDS,
    click.option(
        "--jobs", "-j", callback=COUNT, metavar="N", help="Members looked at once; default: one for each CPU."
    ),
    QUIET,
    *LOOK,
)

Function = TypeVar("Function", bound=Callable[..., Any])


def add(*options: Callable[[Any], Any]) -> Callable[[Function], Function]:
    def decorate(command: Function) -> Function:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
