"""docs/language.md: every example parses and means something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lang_registry import Registry

from tcpcheck import lang
from tcpcheck.errors import SpecError
from tcpcheck.lang.format import format_text
from tcpcheck.lang.parse import TOP_WORDS, parse

PAGE = Path(__file__).parent.parent / "docs" / "language.md"
EXAMPLES = re.findall(r"^```tcp ?([\w-]*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


class AnyRules(Registry):
    """The rules are the profiles' own."""

    def rules(self) -> list[str]:
        return ["TW_ACK_ANSWERED"]


SERVER = """host server {
    kernel linux 6.18.44
    sysctl net.ipv4.tcp_rfc1337 = {0, 1} -> rfc1337
    run { listen :80 ; loop { accept -> c ; close c } }
}
"""
CLIENT = """host client {
    kernel {linux 6.18.44, linux 4.4} -> k
    run {
        connect server:80 from :1000 -> s ; close s
        sleep 0s..60s -> gap
        connect server:80 from :1000 -> s1 ; connect server:80 (seq any -> isn, tsval any -> ts0) -> s2
    }
}
"""
# How a piece of a spec becomes a whole one.
WRAPPED = {
    "": "%s",
    "top": f"%s{SERVER}{CLIENT}",
    "host": "host other {\n%s}\n",
    "run": SERVER
    + "host client {\n    kernel linux 6.18.44\n    run {\n        connect server:80 -> s ; \n%s\n    }\n}\n",
    "network": f"{SERVER}{CLIENT}network {{\n%s}}\n",
    "claims": f"{SERVER}{CLIENT}%s",
    "not-yet": f"{SERVER}{CLIENT}%s",
}


@pytest.mark.parametrize(("kind", "example"), EXAMPLES, ids=lambda v: v.split("\n")[0][:40])
def test_example(kind: str, example: str) -> None:
    text = WRAPPED[kind] % example
    formatted = format_text(text, "example.tcp")
    assert parse(formatted, "example.tcp") == parse(text, "example.tcp")
    if kind == "not-yet":
        with pytest.raises(SpecError) as caught:
            lang.load_text(text, "example.tcp", AnyRules())
        assert all(d.message.startswith("not supported yet: ") for d in caught.value.diagnostics)
        return
    scenario = lang.load_text(text, "example.tcp", AnyRules())
    assert scenario.cases
    assert not [w for w in scenario.warnings if "no claim" not in w.message]


def test_canonical_form_of_the_first_example() -> None:
    assert format_text(EXAMPLES[0][1], "example.tcp") == EXAMPLES[0][1]


def test_every_keyword_has_an_example() -> None:
    from tcpcheck.lang.parse import _terminal_texts

    shown = "\n".join(example for _, example in EXAMPLES)
    words = {word for texts in _terminal_texts().values() for word in texts if word[0].isalpha()}
    prose = {
        "SEGMENT",
        "LAST-ACK",
        "FIN-WAIT-1",
        "violated",
        "holds",
        "read",
        "both",
        "persist",
        "keepalive",
        "on",
        "send-q",
    }
    missing = {word for word in words - prose if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", shown)}
    assert missing == set()
    page = PAGE.read_text(encoding="utf-8")
    assert all(re.search(rf"(?<![\w-]){word}(?![\w-])", page) for word in prose | set(TOP_WORDS))
