"""Memory: what a search begins with, what it may need, and what others leave to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import toys
from bench.small_tcp import SmallTcp
from cli_call import CONNECTION, ENDLESS, NOT_AS_EXPECTED, call
from tcpcheck.explore.toy import Toy

from tcpcheck import machine
from tcpcheck.explore.result import LEAST_MEMORY, Limits, SearchResult
from tcpcheck.explore.search import search


def run(spec: dict[str, Any], **how: Any) -> SearchResult:
    return search(Toy(**spec).handle(), **how)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("lasso", [0, 1])
@pytest.mark.parametrize("spec", [toys.grid(4, 2), toys.fischer(2)], ids=["untimed", "timed"])
def test_the_least_memory_is_enough_to_begin_with(spec: dict[str, Any], lasso: int, exact: bool) -> None:
    assert run(spec, lasso=lasso, limits=Limits(memory_bytes=LEAST_MEMORY, exact=exact)).complete


def test_what_is_expected_is_about_what_is_needed() -> None:
    spec = toys.grid(17, 2)
    whole = run(spec)
    assert whole.complete and whole.expected == (0, 0)
    seen = []
    for part in (0.4, 0.6, 0.8, 0.95):
        got = run(spec, limits=Limits(memory_bytes=int(part * whole.peak_memory)))
        assert got.reason == "memory limit"
        nodes, size = got.expected
        if nodes:
            assert whole.zones / 3 < nodes < whole.zones * 3
            assert whole.peak_memory / 3 < size < whole.peak_memory * 4
            seen.append(nodes)
    assert len(seen) >= 2


@pytest.mark.parametrize("percent", [17, 27, 40])
def test_what_is_foretold_first_is_not_far_off(percent: int) -> None:
    """On the way to the widest level one parabola alone may foretell twenty times as much as there is."""
    whole = search(SmallTcp("S").handle())
    nodes, size = search(
        SmallTcp("S").handle(), limits=Limits(memory_bytes=whole.peak_memory * percent // 100)
    ).expected
    assert nodes == 0 if percent < 20 else nodes > 0
    assert nodes < 3 * whole.zones and size < 5 * whole.peak_memory


def test_nothing_is_foretold_of_what_only_grows() -> None:
    """Each level is twice as wide as the one before: nothing tells where that ends."""
    bits = {"variables": [0] * 18, "commands": []}
    bits["commands"] = [
        {"when": [(i, "==", 0), *([(i - 1, "!=", 0)] if i else [])], "do": [("pick", i, 3)]} for i in range(18)
    ]
    tree = run(bits, limits=Limits(memory_bytes=1_500_000))
    assert tree.reason == "memory limit" and tree.states > 10000 and tree.expected == (0, 0)


def test_others_need_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that could have more, but for what the machine has left, ends by itself."""
    monkeypatch.setattr(machine, "MINDED_FROM", 0)
    monkeypatch.setattr(machine, "free_memory", lambda: 0)
    got = run(toys.grid(22, 2))
    assert not got.complete and got.reason == "memory limit" and got.states < 1 << 22


def test_the_machine_tells() -> None:
    free, whole = machine.free_memory(), machine.whole_memory()
    assert free is None or whole is None or 0 < free <= whole


# ---- on the command line


def test_a_note_says_how_far_it_came(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "endless.tcp"
    spec.write_text(ENDLESS)
    result = call(capfd, "verify", str(spec), "--quiet", "--memory", "9", "--traces", "none")
    assert result.code == 3 and "memory limit at " in result.out and " steps deep: " in result.out
    assert "allow more memory" in " ".join(result.out.split())


@pytest.mark.parametrize("wrong", ["0", "-3", "x", "3", "1.5", "9" * 12, "9" * 30])
def test_impossible_limits(wrong: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "one.tcp"
    spec.write_text(CONNECTION % NOT_AS_EXPECTED)
    for command in (("verify",), ("trace",)):
        claim = ("rests",) if command == ("trace",) else ()
        result = call(capfd, *command, str(spec), *claim, "--memory", wrong)
        assert result.code == 2 and f"`{wrong}` is " in result.err and result.err.count("\n") == 1


def test_limits_beyond_counting(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "one.tcp"
    spec.write_text(CONNECTION % NOT_AS_EXPECTED)
    assert call(capfd, "verify", str(spec), "--states", "9" * 30, "--depth", "9" * 30, "--jobs", "9" * 30).code == 1


def test_many_processes_and_little_memory(capfd: pytest.CaptureFixture[str]) -> None:
    """Each has enough to begin with, so there are fewer."""
    assert call(capfd, "verify", "specs/tw_fin.tcp", "--quiet", "--memory", "4", "--jobs", "8").code == 0
