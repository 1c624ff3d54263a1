"""Help, version, wrong calls, and the commands that explain."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli_call import ROOT, call, program

from tcpcheck import __version__, exercised
from tcpcheck.cli.app import cli
from tcpcheck.cli.explaining import explained, specs_of
from tcpcheck.lang.vocabulary import STATES
from tcpcheck.tcp.profile import FEATURES
from tcpcheck.tcp.rules import RULES
from tcpcheck.tcp.states import STATE_DOCS
from tcpcheck.tcp.sysctls import SYSCTLS

Capture = pytest.CaptureFixture[str]


def test_version(capfd: Capture) -> None:
    assert call(capfd, "--version").out == f"tcpcheck {__version__}\n"


@pytest.mark.parametrize("command", [(), *((name,) for name in sorted(cli.commands))])
def test_help(capfd: Capture, command: tuple[str, ...]) -> None:
    result = call(capfd, *command, "--help")
    assert result.code == 0 and result.out.startswith("Usage: tcpcheck") and result.err == ""


def test_help_needs_nothing_but_click() -> None:
    script = (
        "import sys; from tcpcheck.cli import main; main(['--help']); "
        "heavy = {'z3', 'lark', 'rich', 'pcapng', 'tcpcheck.checking', 'tcpcheck.lang.grammar', 'multiprocessing'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_2_without_a_command(capfd: Capture) -> None:
    result = call(capfd)
    assert result.code == 2 and result.out == "" and "Usage: tcpcheck" in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("verfy", "x"), "no command `verfy`: did you mean `verify`?"),
        (("frobnicate",), "no command `frobnicate`: choose verify,"),
        (("verify",), "Missing argument 'SPEC...'"),
        (("verify", "--frob", "x"), "No such option"),
        (("verify", "--states", "0", "x"), "`0` is not a whole number above 0"),
        (("verify", "--states", "many", "x"), "`many` is not a whole number above 0"),
        (("verify", "--seconds", "nan", "x"), "`nan` is not a number above 0"),
        (("verify", "--traces", "some", "x"), "'some' is not one of"),
        (("trace", "x"), "Missing argument 'CLAIM'"),
        (("explain", "TW_SYN_REFUSE"), "did you mean `TW_SYN_REFUSED`?"),
        (("explain", "paws"), "names with it are "),
        (("profiles", "linux 2.6"), "no profile as old as linux 2.6"),
    ],
)
def test_2_for_a_wrong_call(capfd: Capture, arguments: tuple[str, ...], words: str) -> None:
    result = call(capfd, *arguments)
    assert result.code == 2 and words in result.err and result.out == ""
    document = call(capfd, *arguments, "--json")
    if arguments[0] != "explain":  # it knows no --json, which is then the error
        assert words in document.document["errors"][0]["message"]
    assert document.code == 2 and document.document["schema"] == "tcpcheck.error/1"


def test_as_a_module() -> None:
    result = program("--version")
    assert (result.code, result.out, result.err) == (0, f"tcpcheck {__version__}\n", "")


# ---- explain

EXERCISED = {
    "TW_SYN_REFUSED": ("rules", "TW_SYN_REFUSED"),
    "tcp_rfc1337": ("sysctls", "net.ipv4.tcp_rfc1337"),
    "time_wait": ("states", "TIME-WAIT"),
}


def test_every_state_is_explained() -> None:
    assert set(STATE_DOCS) == set(STATES)
    prefixes = {prefix for doc in STATE_DOCS.values() for prefix in doc.rules}
    for prefix in prefixes:
        assert any(rule.name.startswith(f"{prefix}_") for rule in RULES), prefix


@pytest.mark.parametrize("word", [*(rule.name for rule in RULES), *SYSCTLS, *STATES, *FEATURES])
def test_every_word_is_explained(word: str) -> None:
    for paragraph in explained(word, 100):
        lines = paragraph.splitlines()
        assert lines[0].lower().startswith(word.lower()) and len(lines) >= 3
        assert all(len(line) <= 100 for line in lines)


@pytest.mark.parametrize(
    ("word", "heading"),
    [
        ("tw_syn_refused", "TW_SYN_REFUSED  (rule)"),
        ("tcp_fin_timeout", "net.ipv4.tcp_fin_timeout  (sysctl)"),
        ("somaxconn", "net.core.somaxconn  (sysctl)"),
        ("TIME_WAIT", "TIME-WAIT  (state)"),
        ("estab", "ESTABLISHED  (state)"),
        ("rfc5961", "rfc5961  (feature:"),
    ],
)
def test_words_are_found_in_any_spelling(capfd: Capture, word: str, heading: str) -> None:
    result = call(capfd, "explain", word)
    assert result.code == 0 and result.out.startswith(heading)


def test_explain_names_the_specs_that_exercise_a_word(capfd: Capture) -> None:
    assert "  specs       specs/" in call(capfd, "explain", "SO_KEEPALIVE").out
    for word in ("TW_SYN_REFUSED", "tcp_rfc1337", "time_wait"):
        assert "specs/tw_syn.tcp" in exercised.specs_with(*EXERCISED[word])
        shown = call(capfd, "explain", word).out
        assert ("  specs       specs/" in shown and "more" in shown) or word == "tcp_rfc1337"
    assert specs_of("rules", "TW_SYN_NO_SUCH_RULE") == "none of the shipped ones"
    assert "rfc5961: since 3.6" in call(capfd, "explain", "RFC5961_RST_CHALLENGE").out


def test_explain_alone_lists_what_there_is(capfd: Capture) -> None:
    out = call(capfd, "explain").out.split()
    assert {*STATES, *SYSCTLS, *FEATURES, *(rule.name for rule in RULES)} <= set(out)
