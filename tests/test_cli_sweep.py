"""`tcpcheck sweep`: a matrix of settings from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_call import CONNECTION, call

from tcpcheck.cli.select import settings_of
from tcpcheck.errors import UsageError

Capture = pytest.CaptureFixture[str]
CLAIMS = "never rests { a.c in TIME-WAIT } expect violated\nreach closes { a.c in FIN-WAIT-1 }"


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.tcp"
    path.write_text(CONNECTION % CLAIMS)
    return str(path)


def test_every_combination_is_a_member(capfd: Capture, spec: str) -> None:
    settings = ("--set", "a.net.ipv4.tcp_sack=0,1", "--set", "b.kernel=linux 6.18.44,linux 4.4")
    result = call(capfd, "sweep", spec, *settings, "--json")
    assert result.code == 0
    members = {tuple(claim["settings"].items()) for claim in result.document["claims"]}
    assert len(members) == 4 and len(result.document["claims"]) == 8
    assert {dict(m)["a.net.ipv4.tcp_sack"] for m in members} == {0, 1}


def test_a_sweep_is_what_the_same_family_in_the_spec_is(capfd: Capture, tmp_path: Path, spec: str) -> None:
    swept = call(capfd, "sweep", spec, "--set", "a.net.ipv4.tcp_timestamps=0,1", "--json").document
    text = (CONNECTION % CLAIMS).replace("host a {", "host a { sysctl net.ipv4.tcp_timestamps = {0, 1} ;")
    (tmp_path / "family.tcp").write_text(text)
    family = call(capfd, "verify", str(tmp_path / "family.tcp"), "--json").document
    found = [[(c["name"], c["settings"], c["verdict"]) for c in d["claims"]] for d in (swept, family)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("a.net.ipv4.tcp_sack", "is not NAME=V1,V2"),
        ("a.net.ipv4.tcp_sack=", "is not NAME=V1,V2"),
        ("a.net.ipv4.tcp_sac=1", "did you mean"),
        ("msl=30s", "no choice and no host for the setting `msl`"),
        ("a.net.ipv4.tcp_sack=yes;", "--set a.net.ipv4.tcp_sack"),
        ("a.kernel=linus 6", "linus"),
        ("a.net.ipv4.tcp_sack=0,0", "--set a.net.ipv4.tcp_sack: a family has the same member twice"),
        ("a.kernel=linux 6.18.44,bogus", "--set a.kernel: unknown kernel `bogus`"),
        ("a.net.ipv4.tcp_sac=1", "--set a.net.ipv4.tcp_sac: "),
        ("a.net.ipv4.tcp_sack=7", "--set a.net.ipv4.tcp_sack: net.ipv4.tcp_sack takes"),
    ],
)
def test_2_for_a_setting_that_is_none(capfd: Capture, spec: str, setting: str, words: str) -> None:
    result = call(capfd, "sweep", spec, "--set", setting)
    assert result.code == 2 and words in result.err and "Traceback" not in result.err and result.out == ""


def test_no_name_twice() -> None:
    with pytest.raises(UsageError, match="set twice"):
        settings_of(["a.kernel=linux 4.4", "a.kernel=linux 5.10"])
