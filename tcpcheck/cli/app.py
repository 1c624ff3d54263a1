"""The commands and their options. What a command does is imported when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from tcpcheck import __version__
from tcpcheck.cli import completing
from tcpcheck.cli.console import Console
from tcpcheck.cli.failures import fault, single, worst
from tcpcheck.cli.options import (
    BOUNDS,
    CONFORM_CODES,
    COUNT,
    CROSSCHECK_CODES,
    DIFF_CODES,
    EXIT_CODES,
    FILE,
    FIXTURES,
    FIXTURES_CODES,
    LOOK,
    MAP_CODES,
    MEMBER,
    QUIET,
    REPLAY_CODES,
    SET,
    add,
    verify_options,
)
from tcpcheck.errors import Impossible, TcpcheckError, Undecided, UsageError


class Commands(click.Group):
    """A group that proposes the nearest command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from tcpcheck.lang.diagnostics import nearest, shorten

            near = nearest(name, self.commands)
            hint = f"did you mean `{near}`?" if near else f"choose {', '.join(self.commands)}"
            raise UsageError(f"no command `{shorten(name)}`: {hint}")
        return super().resolve_command(ctx, args)


def run(argv: Sequence[str]) -> int:
    """One call of tcpcheck; -> its exit code. Every exception ends here, as a sentence."""
    console = Console(json="--json" in argv)
    try:
        return _dispatch(console, argv)
    except TcpcheckError as failure:
        return failed(console, failure)
    except KeyboardInterrupt:
        return failed(console, Undecided("interrupted"))
    except click.UsageError as wrong:
        where = wrong.ctx.command_path if wrong.ctx is not None else "tcpcheck"
        return failed(console, UsageError(f"{wrong.format_message()} (`{where} --help` says more)"))
    except click.ClickException as wrong:
        return failed(console, UsageError(wrong.format_message()))
    except Exception as error:
        return failed(console, fault(error, "running the command"))


def _dispatch(console: Console, argv: Sequence[str]) -> int:
    try:
        code = cli.main(list(argv), prog_name="tcpcheck", standalone_mode=False, obj=console)
    except click.exceptions.NoArgsIsHelpError as wrong:
        if console.json:
            raise UsageError("no command") from None
        console.message(wrong.ctx.get_help())
        return 2
    except click.Abort:
        raise KeyboardInterrupt from None
    return code if isinstance(code, int) else 0


def failed(console: Console, failure: TcpcheckError) -> int:
    """Says what went wrong, twice where a program reads along."""
    errors = single(failure)
    for error in errors:
        console.failure(error)
    try:
        console.error_document(errors)
    except TcpcheckError as unwritable:  # the disk is full: nothing more can be said there
        console.failure(unwritable)
        return worst([failure.exit_code, unwritable.exit_code])
    return failure.exit_code


def _with_console(console: Console, color: bool | None, ascii: bool) -> Console:
    console.color = color
    console.ascii = ascii or None
    return console


# ---- commands ----------------------------------------------------------------------------------------------


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, "--version", "-V", message="%(prog)s %(version)s")
def cli() -> None:
    """Checks TCP corner cases: every interleaving of a small experiment written as a spec."""


def _verify(console: Console, o: dict[str, Any], settings: dict[str, tuple[str, ...]]) -> int:
    from tcpcheck.cli.engines import Engine
    from tcpcheck.cli.keeping import Keeping
    from tcpcheck.cli.verifying import Bounds, VerifyCall, run_verify

    bounds = Bounds(o["states"], o["memory"], o["seconds"], o["depth"], o["jobs"], o["exact"])
    files = tuple((kind, o[kind]) for kind in ("report", "junit", "sarif") if o[kind] is not None)
    if o["wait"] and not o["replay"]:
        raise UsageError("--wait belongs to --replay")
    maps = o["report"] is not None and not o["no_maps"]
    keeping = Keeping(o["checkpoint"], o["resume"], o["checkpoint_every"]).checked(o["jobs"])
    call = VerifyCall(
        o["specs"],
        bounds,
        o["claim"],
        o["members"],
        o["traces"],
        o["quiet"],
        files,
        settings,
        o["replay"],
        o["wait"],
        maps,
        keeping,
        Engine(o["engine"], o["parts"]).checked(keeping.path is not None),
    )
    return run_verify(_with_console(console, o["color"], o["ascii"]), call)


@cli.command(epilog=EXIT_CODES, short_help="Check every claim of the specs.")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...", type=FILE)
@add(*verify_options("one"))
@click.pass_obj
def verify(console: Console, /, **options: Any) -> int:
    """Checks every claim of the specs; a folder means every .tcp file below it."""
    return _verify(console, options, {})


@cli.command(epilog=EXIT_CODES, short_help="Check specs over a matrix of settings.")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...", type=FILE)
@click.option("--set", "settings", multiple=True, required=True, metavar="NAME=V1,V2", help="A setting and its values.")
@add(*verify_options("none"))
@click.pass_obj
def sweep(console: Console, /, **options: Any) -> int:
    """Checks the same specs over a matrix of settings: each combination of the values of all --set.

    NAME is a host's sysctl (server.net.ipv4.tcp_rfc1337), a host's kernel (server.kernel), or the name of a choice
    (`lifetime {30s, 120s} -> msl`: msl). The values take the place of what the spec says."""
    from tcpcheck.cli.select import settings_of

    return _verify(console, options, settings_of(options["settings"]))


@cli.command(epilog=EXIT_CODES, short_help="Write the trace of one claim.")
@click.argument("spec", type=FILE)
@click.argument("claim", shell_complete=completing.claims)
@click.option(
    "--format",
    "format_",
    default="text",
    show_default=True,
    metavar="FORMAT",
    shell_complete=completing.formats,
    help="text, tcpdump, pcapng, packetdrill, json, html, svg or mermaid.",
)
@click.option("--json", "as_json", is_flag=True, help="As --format json; errors are JSON, too.")
@click.option(
    "--output", "-o", metavar="FILE", type=FILE, help="Write here, whole or not at all; default: standard output."
)
@click.option(
    "--host", metavar="HOST", help="What this host sees (tcpdump, pcapng: or `wire`), or plays (packetdrill)."
)
@SET
@MEMBER
@add(*BOUNDS)
@QUIET
@add(*LOOK)
@click.pass_obj
def trace(console: Console, /, **options: Any) -> int:
    """Writes the trace of one violated or reached claim: of the first member that has one."""
    from tcpcheck.cli.tracing import TraceCall, run_trace
    from tcpcheck.cli.verifying import Bounds

    o = options
    format_ = "json" if o["as_json"] else o["format_"]
    bounds = Bounds(o["states"], o["memory"], o["seconds"], o["depth"], exact=o["exact"])
    call = TraceCall(
        o["spec"], o["claim"], format_, o["output"], o["host"], o["members"], bounds, o["quiet"], o["settings"]
    )
    return run_trace(_with_console(console, o["color"], o["ascii"]), call)


@cli.command(epilog=FIXTURES_CODES, short_help="Write traces that together take every rule.")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...", type=FILE)
@add(*FIXTURES)
@click.pass_obj
def fixtures(console: Console, /, **options: Any) -> int:
    """Writes few traces that together take every rule that the specs can take, and an index of them.

    Each trace as text and JSON, and for each host as a capture and as a packetdrill script; the same bytes on every
    machine."""
    from tcpcheck.cli.fixturing import call_of, run_fixtures

    return run_fixtures(_with_console(console, options["color"], options["ascii"]), call_of(options))


@cli.command("map", epilog=MAP_CODES, short_help="Say which values of an unknown lead to which outcome.")
@click.argument("spec", type=FILE)
@click.option(
    "--over",
    required=True,
    metavar="NAME",
    help="A named choice, or a difference: 'client.s2.iss - client.s1.iss'.",
    shell_complete=completing.unknowns,
)
@click.option(
    "--output", "-o", "--svg", metavar="FILE.svg", type=FILE, help="Write a picture here; FILE.html: a page with it."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@SET
@click.option("--claim", metavar="NAME", help="Only what this claim speaks of.")
@MEMBER
@add(*BOUNDS)
@click.option("--jobs", "-j", callback=COUNT, metavar="N", help="Members looked at once; default: one for each CPU.")
@QUIET
@add(*LOOK)
@click.pass_obj
def map_(console: Console, /, **options: Any) -> int:
    """For an unknown of a spec, every outcome with the exact set of values that leads to it.

    NAME is a pause, a number of a connect(), a sysctl or another family. Outcomes are what is sent in reply, and the
    state then, where a segment is received of which a claim speaks; and that another predicate comes true."""
    from tcpcheck.cli.mapping import MapCall, run_map
    from tcpcheck.cli.verifying import Bounds

    o = options
    bounds = Bounds(o["states"], o["memory"], o["seconds"], o["depth"], o["jobs"], o["exact"])
    call = MapCall(o["spec"], o["over"], o["output"], o["settings"], o["claim"], o["members"], bounds, o["quiet"])
    return run_map(_with_console(console, o["color"], o["ascii"]), call)


@cli.command(epilog=DIFF_CODES, short_help="Find the shortest run on which two kernels part.")
@click.argument("spec", type=FILE)
@click.option(
    "--kernel",
    "kernels",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Twice: the two kernels.",
    shell_complete=completing.kernels,
)
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Only this host differs; default: all of them.")
@click.option("--windows", is_flag=True, help="Another window offered is a difference, too.")
@click.option("--times", is_flag=True, help="So is a timer that may fire sooner or later than the other's may.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@MEMBER
@add(*BOUNDS[:4])  # pairs of states are kept whole
@click.option("--jobs", "-j", callback=COUNT, metavar="N", help="Members looked at once; default: one for each CPU.")
@QUIET
@add(*LOOK)
@click.pass_obj
def diff(console: Console, /, **options: Any) -> int:
    """Finds the shortest run on which two kernels part: another segment, another state, another result of a call.

    The spec is played twice in step, once with each --kernel (`linux 6.18.44`, `rfc9293 without rfc5961`): the same
    events, the same losses, the same numbers."""
    from tcpcheck.cli.diffing import DiffCall, run_diff
    from tcpcheck.cli.verifying import Bounds
    from tcpcheck.lockstep import Also

    o = options
    bounds = Bounds(o["states"], o["memory"], o["seconds"], o["depth"], o["jobs"])
    also = Also(o["windows"], o["times"])
    call = DiffCall(o["spec"], o["kernels"], o["hosts"], o["members"], also, bounds, o["quiet"])
    return run_diff(_with_console(console, o["color"], o["ascii"]), call)


@cli.command(epilog=REPLAY_CODES, short_help="Play traces on this machine's kernel.")
@click.argument("files", nargs=-1, required=True, metavar="SPEC|TRACE.json... [CLAIM]", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--claim", metavar="NAME", help="Only this claim's trace.", shell_complete=completing.claims)
@MEMBER
@click.option(
    "--side", metavar="HOST", help="Play this host (HOST:PORT where it talks to itself); default: each in turn."
)
@click.option("--wait", is_flag=True, help="Wait for timers of more than 5 s; else the trace is cut there.")
@click.option(
    "--kernel",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="What the running kernel is taken for.",
)
@click.option("--jobs", "-j", callback=COUNT, metavar="N", help="Sides played at once; default: 6.")
@QUIET
@add(*LOOK)
@click.pass_obj
def replay(console: Console, /, **options: Any) -> int:
    """Plays each witness of the specs, or a trace written by `trace --format json`, against the running kernel.

    It happens in a network namespace with a TUN device, which are made for it and end with it. The host is real
    sockets; the other hosts' segments are injected; what the kernel sends and its sockets' states are compared."""
    from tcpcheck.cli.replaying import ReplayCall, files_and_claim, run_replay
    from tcpcheck.cli.verifying import Bounds

    o = options
    files, claim = files_and_claim(o["files"], o["claim"])
    call = ReplayCall(files, claim, o["members"], o["side"], o["wait"], o["kernel"], Bounds(jobs=o["jobs"]), o["quiet"])
    return run_replay(_with_console(console, o["color"], o["ascii"]), call)


@cli.command(epilog=CROSSCHECK_CODES, short_help="Compare this machine's kernel with the model.")
@click.option("--state", "states", multiple=True, metavar="NAME", help="Only this state; may be repeated.")
@click.option("--setting", "settings", multiple=True, metavar="NAME", help="Only under these sysctls; may be repeated.")
@click.option("--every", callback=COUNT, default="1", metavar="N", help="Only every N-th cell: a sample.")
@click.option("--cells-only", is_flag=True, help="No traces.")
@click.option("--traces-only", is_flag=True, help="No cells.")
@click.option("--wait", is_flag=True, help="Also traces with timers of more than 5 s.")
@click.option("--kernel", default="auto", show_default=True, metavar="NAME", help="The model: a profile.")
@click.option("--jobs", "-j", callback=COUNT, metavar="N", help="Processes; default: one for each CPU.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--html", metavar="FILE", type=FILE, help="Also write one HTML page.")
@QUIET
@add(*LOOK)
@click.pass_obj
def crosscheck(console: Console, /, **options: Any) -> int:
    """Plays every kind of segment in every state, and traces that take every rule, on the running kernel.

    It happens in network namespaces with TUN devices, which are made for it and end with it. What the kernel sends and
    the states of its sockets are compared with the model: state x kind of segment, agree or not; each disagreement."""
    from tcpcheck.cli.crosschecking import CrosscheckCall, run_crosscheck

    o = options
    if o["cells_only"] and o["traces_only"]:
        raise UsageError("--cells-only and --traces-only leave nothing to do")
    call = CrosscheckCall(
        o["kernel"],
        o["states"],
        o["settings"],
        o["every"],
        not o["traces_only"],
        not o["cells_only"],
        o["wait"],
        o["jobs"],
        o["html"],
        o["quiet"],
    )
    return run_crosscheck(_with_console(console, o["color"], o["ascii"]), call)


@cli.command(short_help="Make one random run.")
@click.argument("spec", type=FILE)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Which run: any whole number.")
@click.option("--steps", callback=COUNT, default="2000", show_default=True, metavar="N", help="Cut it after N steps.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@MEMBER
@add(*LOOK)
@click.pass_obj
def simulate(console: Console, /, **options: Any) -> int:
    """Makes one random run of a spec: numbers, times and what the network does are drawn.

    The same seed is the same run on every machine. Of several members of the families the seed takes one. Exit code 1:
    the run refutes what is expected of a claim."""
    from tcpcheck.cli.simulating import SimulateCall, run_simulate

    o = options
    call = SimulateCall(o["spec"], o["seed"], o["members"], o["steps"])
    return run_simulate(_with_console(console, o["color"], o["ascii"]), call)


@cli.command(short_help="Bring specs into their canonical form.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=FILE)
@click.option("--check", is_flag=True, help="Change nothing; name the files that would change; exit code 1 if any.")
@click.option("--in-place", "-i", is_flag=True, help="Rewrite the files and name those that changed.")
@click.pass_obj
def fmt(console: Console, files: tuple[str, ...], check: bool, in_place: bool) -> int:
    """Prints specs in their canonical form; `-` is standard input."""
    from tcpcheck.cli.formatting import run_fmt

    if check and in_place:
        raise UsageError("--check changes nothing: leave out -i")
    return run_fmt(console, files, check, in_place)


@cli.command(short_help="Say what a rule, a sysctl or a state is.")
@click.argument("word", required=False, metavar="[RULE|SYSCTL|STATE]", shell_complete=completing.words)
@click.pass_obj
def explain(console: Console, word: str | None) -> int:
    """Says what a rule, a sysctl, a state or a feature is, with its RFC clause and kernel function."""
    from tcpcheck.cli.explaining import run_explain

    return run_explain(console, word)


@cli.command(epilog=CONFORM_CODES, short_help="Compare captures with the model.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=FILE)
@click.option("--host", metavar="ADDR[:PORT]", help="Whose side is modelled; default: who listens.")
@click.option(
    "--kernel",
    default="linux-6.18.44",
    show_default=True,
    metavar="NAME",
    help="A profile, or auto.",
    shell_complete=completing.kernels,
)
@click.option("--sysctl", "sysctls", multiple=True, metavar="NAME=VALUE[@PACKET]", help="A setting of that host.")
@click.option("--backlog", type=click.IntRange(0, 65535), metavar="N", help="Of listen(); default: searched for.")
@click.option("--lost", metavar="PACKETS", help="Packets, as 7,9-12, any or none, that did not reach the host.")
@click.option("--unseen", is_flag=True, help="The capture may lack ACKs to the host that draw no answer.")
@click.option("--midstream", is_flag=True, help="Nothing is known of what was before the first packet.")
@click.option(
    "--until", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="The capture went on so long."
)
@click.option("--calls", is_flag=True, help="Print which calls of the application explain the capture.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def conform(console: Console, /, **options: Any) -> int:
    """Does a capture agree with the model? pcap, pcapng, tcpdump's text, packetdrill scripts.

    What the application did is not in a capture: it is searched for. The first disagreement of each connection is
    printed: what was seen, and what the model would have done, by which rule."""
    from tcpcheck.cli.conforming import run_conform
    from tcpcheck.conform.command import ConformCall

    o = options
    call = ConformCall(
        o["files"],
        o["host"],
        o["kernel"],
        o["sysctls"],
        o["backlog"],
        o["lost"],
        o["unseen"],
        o["midstream"],
        o["until"],
    )
    return run_conform(console, call, o["calls"])


@cli.command(short_help="Who differs from whom: the kernels that specs can name.")
@click.argument("names", nargs=-1, metavar="[NAME [NAME]]", shell_complete=completing.kernels)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def profiles(console: Console, /, **options: Any) -> int:
    """Lists the kernels that specs can name, and who differs from whom; with a NAME, what that one does; with two, in
    what they differ: behaviours, the rules that these touch, the commit that changed it. `auto` is the running one."""
    from tcpcheck.cli.profiling import run_profiles

    return run_profiles(console, options["names"])


@cli.command(short_help="Serve editors.")
def lsp() -> int:
    """Runs the language server on standard input and output, for an editor that starts it.

    Mistakes as they are typed, what a word means, completion, definitions, the canonical form, and a claim's verdict
    at a click."""
    try:
        from tcpcheck.lsp.server import server
    except ModuleNotFoundError:
        raise Impossible("the language server needs pygls: pip install 'tcpcheck[lsp]'") from None
    server.start_io()
    return 0


@cli.command(short_help="Print what completes words in a shell.")
@click.argument("shell", type=click.Choice(completing.SHELLS))
@click.pass_obj
def completion(console: Console, shell: str) -> int:
    """Prints the script with which a shell completes commands, options, files, claims, formats, kernels and rules.

    bash: eval "$(tcpcheck completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc, with zsh;
    fish: tcpcheck completion fish > ~/.config/fish/completions/tcpcheck.fish"""
    console.write(completing.script(cli, shell) + "\n")
    return 0
