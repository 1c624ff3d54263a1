"""What is left out of a search changes no verdict: each reduction on and off, over specs that come with tcpcheck."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cli_call import CONNECTION, NOT_AS_EXPECTED, ROOT, SPECS, call
from tcpcheck.tcp.settings import Setting

from tcpcheck import searches
from tcpcheck.checking import verify_scenario
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load, load_text
from tcpcheck.reductions import ALWAYS_READ, NOTED, SWITCH, Kin, difference
from tcpcheck.witness.verdict import SpecResult

FAMILIES = ("fin_wait1_loss.tcp", "opening/cookies_mask_overflow.tcp", "seeds/001_tw_reuse.tcp", "tw_fin.tcp")
COUNTED = ("states", "transitions", "depth", "rules_taken")
READ_HERE = re.compile(rf"\.({'|'.join(name.lower() for name in Setting.__members__)})\b")


class Searched:
    """Counts the searches that are made."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.times, real = 0, searches.search

        def counted(*arguments: Any, **how: Any) -> Any:
            self.times += 1
            return real(*arguments, **how)

        patch.setattr(searches, "search", counted)


def found(result: SpecResult) -> list[tuple[Any, ...]]:
    return [(c.name, c.verdict, c.count, c.note, c.settings, c.bounds, c.witness) for c in result.claims]


@pytest.mark.parametrize("name", FAMILIES)
def test_settings_that_are_not_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same verdicts, counts and witnesses from fewer searches."""
    searched = Searched(monkeypatch)
    scenario = load(SPECS / name, REGISTRY)
    shared, few = verify_scenario(scenario), searched.times
    monkeypatch.setenv(SWITCH, "settings")
    alone, many = verify_scenario(scenario), searched.times - few
    assert found(shared) == found(alone)
    assert [shared.stats[c] for c in COUNTED] == [alone.stats[c] for c in COUNTED]  # type: ignore[literal-required]
    assert few < many or name == "tw_fin.tcp"


@pytest.mark.parametrize("reduction", ["timestamps", "echoes"])
def test_what_is_forgotten(reduction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same verdicts; with all remembered no fewer states, and with some spec more."""
    more = 0
    for name in ("tw_fin.tcp", "simultaneous_close.tcp", "opening/old_duplicate_syn.tcp", "time_wait/reordering.tcp"):
        scenario = load(SPECS / name, REGISTRY)
        monkeypatch.delenv(SWITCH, raising=False)
        reduced = verify_scenario(scenario)
        monkeypatch.setenv(SWITCH, reduction)
        whole = verify_scenario(scenario)
        assert [(c.name, c.verdict, c.count) for c in whole.claims] == [
            (c.name, c.verdict, c.count) for c in reduced.claims
        ]
        more += whole.stats["states"] > reduced.stats["states"]
    assert more


def test_every_reading_is_noted() -> None:
    """The sysctls that may be shared are asked for through settings.pxd alone."""
    files = [p for p in (ROOT / "tcpcheck").rglob("*.p[yx]*") if p.suffix in (".pyx", ".pxd") and p.stem != "settings"]
    assert len(files) > 50
    for path in files:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = line.split("#")[0]
            assert not READ_HERE.search(code) or "net.ipv4." in code, f"{path.name}:{number} reads it unnoticed: {line}"
    accessors = (ROOT / "tcpcheck/tcp/settings.pxd").read_text()
    for name in Setting.__members__:
        assert f"    note(c, {name})\n    return c.{name.lower()}\n" in accessors
    assert len(NOTED) == len(Setting.__members__) - len(ALWAYS_READ)
    makers = [p.name for p in (ROOT / "tcpcheck/model").glob("*.py") if ".sysctls.get(" in p.read_text()]
    assert sorted(makers) == ["rests.py", "routing.py"]  # tcp_retries2; and the router's own, which are not noted


FOUR = """# Two settings of the server.
title "Four"
host a {
    kernel linux 6.18.44
    sysctl net.ipv4.tcp_rfc1337 = {0, 1} -> rfc1337
    sysctl net.ipv4.tcp_sack = {0, 1} -> sack
    run { listen :80 backlog 5 ; accept -> c ; %s recv c until eof ; close c }
}
host b { kernel linux 6.18.44 ; run { connect a:80 from :1000 -> s ; close s } }
network { delay 1ms..50ms ; lose 0..1 }
never reset { a.c sends RST }
reach bucket { b.s in TIME-WAIT }
"""


def test_what_was_read_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = load_text(FOUR % "", "four.tcp", REGISTRY)
    bits = [difference(scenario.cases[0], case) for case in scenario.cases]
    assert [sorted(b or []) for b in bits] == [
        [0, 0],
        [0, Setting.TCP_SACK],
        [0, Setting.TCP_RFC1337],
        [0, Setting.TCP_RFC1337 | Setting.TCP_SACK],
    ]
    asked: list[tuple[int, bool]] = []
    known = Kin.known

    def watched(self: Kin, member: int, *how: Any) -> Any:
        done = known(self, member, *how)
        asked.append((member, done is not None))
        return done

    monkeypatch.setattr(Kin, "known", watched)
    verify_scenario(scenario)
    first = dict(reversed(asked))
    assert first == {0: False, 1: False, 2: True, 3: True}  # SYN-ACKs ask for tcp_sack


def test_a_spec_that_changes_settings_shares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = Searched(monkeypatch)
    scenario = load_text(FOUR % "sysctl net.ipv4.tcp_rfc1337 = 1 ;", "four.tcp", REGISTRY)
    verify_scenario(scenario)
    assert searched.times >= len(scenario.cases)


def test_what_differs_in_more_than_settings() -> None:
    text = FOUR.replace("kernel linux 6.18.44\n", "kernel {linux 6.18.44, linux 4.4} -> k\n")
    cases = load_text(text % "", "four.tcp", REGISTRY).cases
    assert {difference(cases[0], case) is None for case in cases if case.chosen["k"] != cases[0].chosen["k"]} == {True}


def test_a_reduction_that_there_is_not(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = tmp_path / "one.tcp"
    spec.write_text(CONNECTION % NOT_AS_EXPECTED)
    monkeypatch.setenv(SWITCH, "setings")
    result = call(capfd, "verify", str(spec))
    assert result.code == 2 and "no reduction `setings`: they are settings, timestamps, echoes, symmetry" in result.err
