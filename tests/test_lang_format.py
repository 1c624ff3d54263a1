"""`tcpcheck fmt`: the same meaning, the same comments, and nothing more to do the second time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tcpcheck.errors import SpecError
from tcpcheck.lang.format import WIDTH_MAX, format_text
from tcpcheck.lang.parse import parse

DRAFTS = sorted((Path(__file__).parent / "specs_drafts").glob("*.tcp"))


def comments(text: str) -> list[str]:
    """The comments, in order (no text in `"` holds a `#` in these tests)."""
    return [c.rstrip() for c in re.findall("#[^\n]*", text)]


def formatted(text: str) -> str:
    """The canonical form; checks that it means the same and is its own canonical form."""
    once = format_text(text, "a.tcp")
    assert parse(once, "a.tcp") == parse(text, "a.tcp")
    assert format_text(once, "a.tcp") == once
    assert comments(once) == comments(text)
    return once


@pytest.mark.parametrize("path", DRAFTS, ids=lambda p: p.stem)
def test_draft(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    once = formatted(text)
    assert once.endswith("\n") and not once.endswith("\n\n")
    for line in once.split("\n"):
        assert line == line.rstrip()
        assert len(line) <= WIDTH_MAX or line.lstrip().startswith("#")
    # however it was laid out before
    assert parse(format_text(re.sub(r"\n(?!\s*#)", "\n\n\n   ", text), "a.tcp"), "a") == parse(text, "a")


def test_a_spec_on_one_line() -> None:
    text = (
        "host a{kernel linux 4.4;sysctl net.ipv4.tcp_sack={0,1}->sack;run{listen:80->l backlog 5;"
        "loop{accept->c;close c}}}"
        "never x{a.c in TIME_WAIT receives SYN(seq<=rcv_nxt or peer(a.c).wscale=0 or len>20)"
        "and replies SYN-ACK}expect violated"
    )
    assert formatted(text) == (
        "host a {\n"
        "    kernel linux 4.4\n"
        "    sysctl net.ipv4.tcp_sack = {0, 1} -> sack\n"
        "    run { listen :80 -> l backlog 5 ; loop { accept -> c ; close c } }\n"
        "}\n"
        "never x { a.c in TIME-WAIT receives SYN (seq <= rcv_nxt or peer(a.c).wscale = 0 or len > 20) "
        "and replies SYN-ACK }\n"
        "    expect violated\n"
    )


def test_comments_stay_where_they_are() -> None:
    text = """# first

 # second
title "x" # on title
host a { # on host
kernel   linux  4.4 ; # after ;
 # own line
run { listen :80 ; # in a block
accept -> c } # after a block

 # before a brace

} # last
never x { # in a claim
a.c in ESTAB receives [.F] (seq # within
= 2 ^ 31 - 1) and # after and
replies 2th ACK } # before expect
expect # after expect
holds
# end
"""
    assert (
        formatted(text)
        == """# first

# second
title "x"  # on title
host a {  # on host
    kernel linux 4.4  # after ;
    # own line
    run {
        listen :80  # in a block
        accept -> c
    }  # after a block

    # before a brace
}  # last
never x {  # in a claim
    a.c in ESTABLISHED receives [F.] (seq  # within
    = 2^31 - 1) and  # after and
    replies 2nd ACK
}  # before expect
    expect  # after expect
    holds
# end
"""
    )


def test_blank_lines_are_kept_but_not_heaped() -> None:
    text = '\n\ntime off\n\n\n\nhorizon 5s\ntitle "a"\n\n\n'
    assert formatted(text) == 'time off\n\nhorizon 5s\ntitle "a"\n'


def test_long_claims_break_before_their_parts() -> None:
    long_name = "a" * 40
    text = f"after {long_name} {{ h.{long_name} in SYN-SENT }} eventually {{ h.{long_name} in ESTABLISHED }} within 5s"
    assert formatted(text).split("\n")[1].startswith("    eventually {")
    h = f"h.{long_name} in"
    text = f"reach x {{ {h} SYN-SENT and {h} LISTEN and {h} CLOSED }} expect reachable"
    assert formatted(text).split("\n")[0] == "reach x {"
    assert formatted(text).split("\n")[2].startswith("    and h.")


def test_loose_operators_break_first() -> None:
    short = "a.s in CLOSED and quiet implies a.s in CLOSED or quiet"
    assert formatted(f"always x {{\n{short} }}").split("\n")[1] == "    " + short
    once = formatted(f"always x {{ {short.replace('implies', chr(10) + 'implies')} }}").split("\n")
    assert once[1:3] == ["    a.s in CLOSED and quiet", "    implies a.s in CLOSED or quiet"]
    once = formatted(f"always x {{ {short.replace('or', chr(10) + 'or')} }}").split("\n")
    assert once[1:4] == ["    a.s in CLOSED and quiet", "    implies a.s in CLOSED", "    or quiet"]


def test_empty_blocks() -> None:
    assert formatted("host a{run{}}network{}") == "host a { run { } }\nnetwork { }\n"


def test_only_comments() -> None:
    assert formatted("# a\n\n\n# b") == "# a\n\n# b\n"


def test_a_mistake_is_said() -> None:
    with pytest.raises(SpecError):
        format_text("host {", "a.tcp")
