"""`tcpcheck simulate`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_call import AS_EXPECTED, CONNECTION, NOT_AS_EXPECTED, SPECS, call, program

Capture = pytest.CaptureFixture[str]
TW_SYN = str(SPECS / "tw_syn.tcp")


def spec(tmp_path: Path, claims: str) -> str:
    path = tmp_path / "one.tcp"
    path.write_text(CONNECTION % claims)
    return str(path)


def test_the_same_seed_gives_the_same_bytes(capfd: Capture) -> None:
    first = call(capfd, "simulate", TW_SYN, "--seed", "3")
    assert first.code == 0 and "seed 3" in first.out and "ESTABLISHED" in first.out
    assert call(capfd, "simulate", TW_SYN, "--seed", "3") == first
    assert program("simulate", TW_SYN, "--seed", "3", PYTHONHASHSEED="5").out == first.out
    assert call(capfd, "simulate", TW_SYN, "--seed", "4").out != first.out


def test_every_seed_is_a_number(capfd: Capture) -> None:
    for seed in ("0", "-1", str(2**70)):
        assert call(capfd, "simulate", TW_SYN, "--seed", seed).code == 0


def test_json(capfd: Capture) -> None:
    document = call(capfd, "simulate", TW_SYN, "--seed", "11", "--json", "--member", "rfc1337=1").document
    assert document["schema"] == "tcpcheck.simulate/1" and document["seed"] == 11 and document["ok"]
    assert document["settings"]["server.net.ipv4.tcp_rfc1337"] == 1
    assert document["ended"] == "end" and document["steps"]
    assert {c["name"] for c in document["claims"]} >= {"folklore", "refusal"}
    times = [step["time_s"] for step in document["steps"]]
    assert times == sorted(times)


def test_a_run_refutes_an_expectation(capfd: Capture, tmp_path: Path) -> None:
    result = call(capfd, "simulate", spec(tmp_path, NOT_AS_EXPECTED))
    assert result.code == 1 and "rests  broken at" in result.out and "expected: holds" in result.out
    result = call(capfd, "simulate", spec(tmp_path, NOT_AS_EXPECTED), "--json")
    assert result.code == 1 and result.document["ok"] is False
    result = call(capfd, "simulate", spec(tmp_path, AS_EXPECTED))
    assert result.code == 0 and "reset  kept" in result.out


def test_what_never_comes_is_broken_at_the_end(capfd: Capture, tmp_path: Path) -> None:
    claim = "after waits { b.s in ESTABLISHED } eventually { a.c sends RST } within 1s"
    assert "waits  broken" in call(capfd, "simulate", spec(tmp_path, claim)).out
    claim = "eventually waits { a.c sends RST }"
    assert "waits  broken" in call(capfd, "simulate", spec(tmp_path, claim)).out


def test_a_reached_claim(capfd: Capture, tmp_path: Path) -> None:
    claims = (
        "reach it { a.c in TIME-WAIT } reach never { a.c sends RST } reach not { a.c in TIME-WAIT } expect unreachable"
    )
    result = call(capfd, "simulate", spec(tmp_path, claims))
    lines = [line.split() for line in result.out.splitlines()[-3:]]
    assert result.code == 1
    assert lines[0][:3] == ["it", "reached", "at"] and lines[1] == ["never", "not", "reached"]
    assert lines[2][-2:] == ["expected:", "unreachable"]


def test_a_run_is_cut(capfd: Capture, tmp_path: Path) -> None:
    result = call(capfd, "simulate", spec(tmp_path, AS_EXPECTED), "--steps", "3")
    assert result.code == 0 and "more steps than asked for" in result.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((str(SPECS),), "name one of them"),
        ((TW_SYN, "--seed", "x"), "not a valid integer"),
        ((TW_SYN, "--member", "rfc1337=2"), "is never 2"),
        (("missing.tcp",), "missing.tcp"),
    ],
)
def test_2_for_a_wrong_call(capfd: Capture, arguments: tuple[str, ...], words: str) -> None:
    result = call(capfd, "simulate", *arguments)
    assert result.code == 2 and words in result.err and result.out == ""
