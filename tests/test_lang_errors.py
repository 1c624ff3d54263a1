"""Every mistake, as it is shown: tests/lang_errors/NAME.tcp against NAME.txt, byte for byte.

TCPCHECK_UPDATE_GOLDEN=1 writes the texts anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lang_registry import REGISTRY

from tcpcheck import lang
from tcpcheck.errors import Diagnostic, Span, SpecError
from tcpcheck.lang import diagnostics
from tcpcheck.lang.parse import BYTES_MAX

FOLDER = Path(__file__).parent / "lang_errors"
SPECS = sorted(FOLDER.glob("*.tcp"))


def rendered(text: str, file: str = "spec.tcp") -> str:
    with pytest.raises(SpecError) as caught:
        lang.load_text(text, file, REGISTRY)
    assert caught.value.exit_code == 2
    return diagnostics.render(caught.value)


@pytest.mark.parametrize("spec", SPECS, ids=lambda p: p.stem)
def test_mistake_is_shown(spec: Path) -> None:
    shown = rendered(spec.read_text(encoding="utf-8"), spec.name) + "\n"
    golden = spec.with_suffix(".txt")
    if os.environ.get("TCPCHECK_UPDATE_GOLDEN") == "1":
        golden.write_text(shown, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == shown


def test_there_are_enough_samples() -> None:
    assert len(SPECS) >= 30


def test_colour_adds_escapes_only() -> None:
    diagnostic = Diagnostic("a.tcp", Span(1, 3, 6), "message", ("x", "y"), "x", "error", "advice")
    plain = diagnostics.render_one(diagnostic, "a bcd")
    coloured = diagnostics.render_one(diagnostic, "a bcd", color=True)
    for code in (diagnostics.RED, diagnostics.BOLD, diagnostics.CYAN, diagnostics.RESET):
        assert code in coloured
        coloured = coloured.replace(code, "")
    assert coloured == plain
    assert plain.split("\n")[1:3] == [" 1 | a bcd", "   |   ^^^"]


def test_tabs_keep_the_caret_below() -> None:
    shown = rendered("host a {\n\tkernel linux 6.18.44\n\trun { lisen :80 }\n}\n")
    assert "\n 3 | \trun { lisen :80 }\n   | \t      ^^^^^\n" in shown


def test_windows_line_ends_do_not_show() -> None:
    shown = rendered("host a {\r\n  kernel linux 6.18.44\r\n  frob\r\n}\r\n")
    assert "\r" not in shown
    assert shown.startswith("spec.tcp:3:3: error: unexpected `frob`")


# ---- files that are no specs -------------------------------------------------------------------------------


def file_error(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        lang.load(path, REGISTRY)
    return diagnostics.render(caught.value).replace(str(path), "FILE")


def test_missing_file(tmp_path: Path) -> None:
    assert file_error(tmp_path / "no.tcp").startswith("FILE:1:1: error: cannot read the file: No such file")


def test_folder(tmp_path: Path) -> None:
    assert file_error(tmp_path).startswith("FILE:1:1: error: this is a folder, not a spec")


def test_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tcp"
    path.write_bytes(b"host\0a")
    assert file_error(path).startswith("FILE:1:1: error: this is a binary file")


def test_other_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.tcp"
    path.write_bytes("# gut\n# schön\n".encode("latin-1"))
    assert file_error(path).startswith("FILE:2:1: error: line 2 is not UTF-8")


def test_large_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tcp"
    path.write_bytes(b"host a { }\n" * 10**6)
    assert file_error(path).startswith("FILE:1:1: error: the file is too large: a spec has at most 64 KiB")
    with pytest.raises(SpecError, match="too large"):
        lang.load_text("x" * (BYTES_MAX + 1), "a.tcp")


def test_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "a.tcp"
    path.write_bytes(b"\xef\xbb\xbfhost a { kernel linux 4.4 }\n")
    assert lang.load(path, REGISTRY).cases[0].hosts[0].name == "a"


def test_names_of_the_message_are_shortened() -> None:
    shown = rendered("host a { kernel linux 4.4 ; run { " + "x" * 5000 + " } }")
    assert max(len(line) for line in shown.split("\n")) < 400


# ---- warnings ----------------------------------------------------------------------------------------------


def warnings(text: str) -> str:
    scenario = lang.load_text(text, "w.tcp", REGISTRY)
    return diagnostics.render_warnings(scenario.warnings, scenario.source)


def test_sysctl_without_effect() -> None:
    shown = warnings(
        "host a { kernel linux 4.4 ; sysctl net.ipv4.tcp_tw_timeout = 9 ; run { listen :1 -> l } }\n"
        "reach x { a.l in LISTEN }\n"
    )
    assert shown == (
        "w.tcp:1:36: warning: `net.ipv4.tcp_tw_timeout` has no effect in linux-4.4\n"
        " 1 | host a { kernel linux 4.4 ; sysctl net.ipv4.tcp_tw_timeout = 9 ; run { listen :1 -> l } }\n"
        "   |                                    ^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  help: remove it, or choose another kernel"
    )


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("iptables -A INPUT -p udp -j DROP", "this has no effect: it matches udp only"),
        ("iptables -D INPUT -p tcp -j DROP", "this has no effect: no line switches this rule on"),
        ("exit ; sleep 1s", "this is never reached"),
        ("loop { sleep 1s } ; exit", "this is never reached"),
    ],
)
def test_step_without_effect(step: str, message: str) -> None:
    shown = warnings(
        f"host a {{ kernel linux 4.4 ; run {{ listen :1 -> l ; {step} }} }}\nreach x {{ a.l in LISTEN }}\n"
    )
    assert f"warning: {message}" in shown
    assert shown.count("warning:") == 1


def test_rule_switched_off_before_it_is_on() -> None:
    assert "there is no such rule yet" in warnings("host a { kernel linux 4.4 ; iptables -D INPUT -j DROP\n}")


def test_no_claim() -> None:
    assert "there is no claim in this spec" in warnings("host a { kernel linux 4.4 }")


def test_inexact_kernel() -> None:
    assert "taken as linux 6.18.44" in warnings("host a { kernel linux 6.18 }")


def test_good_spec_has_no_warning() -> None:
    assert warnings("host a { kernel linux 4.4 ; run { listen :1 -> l } }\nreach x { a.l in LISTEN }\n") == ""


def test_states_that_a_name_never_has_are_warned_of() -> None:
    spec = (
        "host a { kernel linux 4.4 ; run { listen :80 -> l ; accept -> c } }\n"
        "host b { kernel linux 4.4 ; run { connect a:80 -> s } }\n"
        "reach x { PLACE }\n"
    )
    for place in ("a.c in SYN-RECV", "a.c in LISTEN|SYN-RECV", "a.l in ESTABLISHED", "b.s in LISTEN", "a:80 in LISTEN"):
        assert "this is never so in" in warnings(spec.replace("PLACE", place)), place
    for place in (
        "a.c in SYN-RECV|CLOSED",
        "a.l in LISTEN",
        "b.s in SYN-RECV",
        "a:80 in SYN-RECV",
        "a.c in ESTABLISHED",
    ):
        assert warnings(spec.replace("PLACE", place)) == "", place
