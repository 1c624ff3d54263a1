"""`tcpcheck verify`: verdicts, exit codes, documents, and the same output every time."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_call import AS_EXPECTED, CONNECTION, ENDLESS, FIN_WAIT2, NOT_AS_EXPECTED, OPEN, ROOT, call, program

from tcpcheck import smt
from tcpcheck.checking import verify_text
from tcpcheck.cli import verifying
from tcpcheck.cli.failures import worst
from tcpcheck.cli.verifying import exit_code
from tcpcheck.errors import Impossible

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def spec(tmp_path: Path) -> Any:
    def write(claims: str, name: str = "spec.tcp") -> str:
        path = tmp_path / name
        path.write_text(CONNECTION % claims)
        return str(path)

    return write


# ---- exit codes


def test_0_when_all_is_as_expected(capfd: Capture, spec: Any) -> None:
    result = call(capfd, "verify", spec(AS_EXPECTED))
    assert result.code == 0 and "all 1 verdicts as expected" in result.out and "states/s" in result.err


def test_0_when_a_violation_is_expected(capfd: Capture, spec: Any) -> None:
    assert call(capfd, "verify", spec(f"{NOT_AS_EXPECTED} expect violated")).code == 0


def test_1_when_a_claim_is_not_as_expected(capfd: Capture, spec: Any) -> None:
    result = call(capfd, "verify", spec(NOT_AS_EXPECTED))
    assert result.code == 1 and "never rests: violated, expected holds" in result.out


@pytest.mark.parametrize("bound", [("--states", "2"), ("--depth", "2"), ("--seconds", "0.000001"), ("--memory", "4")])
def test_3_when_a_bound_is_reached(capfd: Capture, tmp_path: Path, bound: tuple[str, str]) -> None:
    path = tmp_path / "endless.tcp"
    path.write_text(ENDLESS.replace("reach soon", "reach late").replace("SYN-SENT", "TIME-WAIT"))
    result = call(capfd, "verify", "--json", *bound, str(path))
    assert result.code == 3
    claims = result.document["claims"]
    assert claims[0]["verdict"] == "undecided" and claims[0]["note"] and claims[0]["bounds"]["truncated"]


def test_4_without_a_solver(capfd: Capture, spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise Impossible("the solver is missing")

    monkeypatch.setattr(smt, "load", missing)
    result = call(capfd, "verify", "--json", spec(NOT_AS_EXPECTED))
    assert result.code == 4 and result.document["errors"][0]["message"] == "the solver is missing"
    assert call(capfd, "verify", spec(AS_EXPECTED, "other.tcp")).code == 0  # needs none


@pytest.mark.parametrize(
    ("codes", "code"),
    [([], 0), ([0, 0], 0), ([0, 3], 3), ([3, 1, 0], 1), ([1, 4, 3], 4), ([4, 2, 1, 3, 0], 2), ([3, 2], 2), ([1, 4], 4)],
)
def test_of_several_exit_codes_one_counts(codes: list[int], code: int) -> None:
    assert worst(codes) == code


def test_not_as_expected_comes_before_undecided(capfd: Capture, spec: Any, tmp_path: Path) -> None:
    path = tmp_path / "endless.tcp"
    path.write_text(ENDLESS)
    both = call(capfd, "verify", spec(NOT_AS_EXPECTED), str(path), "--states", "3000")
    assert both.code == 1
    assert call(capfd, "verify", str(path), "--states", "3000").code == 3


def test_undecided_is_never_a_success() -> None:
    result = verify_text(CONNECTION % AS_EXPECTED, limits=verifying.Limits(states=1))
    assert not result.ok and exit_code(result) == 3


# ---- bad input


def bad_files(folder: Path) -> dict[str, str]:
    (folder / "empty.tcp").write_bytes(b"")
    (folder / "binary.tcp").write_bytes(bytes(range(256)) * 8)
    (folder / "huge.tcp").write_bytes(b"# nothing but this\n" * 600_000)
    (folder / "latin1.tcp").write_bytes(b'# Z\xfcrich\ntitle "x"\n')
    (folder / "wrong.tcp").write_text('title "x"\nhots a { kernel linux 6.18.44 }\n')
    (folder / "folder").mkdir()
    names = ("empty.tcp", "binary.tcp", "huge.tcp", "latin1.tcp", "wrong.tcp", "folder", "missing.tcp")
    return {name: str(folder / name) for name in names}


@pytest.mark.parametrize(
    "name", ["empty.tcp", "binary.tcp", "huge.tcp", "latin1.tcp", "wrong.tcp", "folder", "missing.tcp"]
)
def test_2_for_a_bad_file(capfd: Capture, tmp_path: Path, name: str) -> None:
    path = bad_files(tmp_path)[name]
    said = call(capfd, "verify", path)
    assert said.code == 2 and said.out == "" and name in said.err and len(said.err) < 2000
    result = call(capfd, "verify", "--json", path)
    assert result.code == 2
    document = result.document
    assert document["schema"] == "tcpcheck.error/1" and document["ok"] is False
    assert name in json.dumps(document["errors"][0])


def test_a_mistake_has_its_place_and_the_nearest_word(capfd: Capture, tmp_path: Path) -> None:
    path = bad_files(tmp_path)["wrong.tcp"]
    error = call(capfd, "verify", "--json", path).document["errors"][0]
    assert (error["file"], error["line"], error["column"], error["nearest"]) == (path, 2, 1, "host")
    said = call(capfd, "verify", path).err
    assert f"{path}:2:1:" in said and "^^^^" in said and "did you mean `host`?" in said


def test_mistakes_of_all_files_are_told(capfd: Capture, tmp_path: Path) -> None:
    paths = bad_files(tmp_path)
    result = call(capfd, "verify", "--json", OPEN, paths["wrong.tcp"], paths["empty.tcp"])
    assert result.code == 2
    assert {error["file"] for error in result.document["errors"]} == {paths["wrong.tcp"], paths["empty.tcp"]}


# ---- documents


def test_one_spec_one_document(capfd: Capture) -> None:
    result = call(capfd, "verify", "--json", OPEN)
    document = result.document
    assert result.code == 0 and document["schema"] == "tcpcheck.verify/1" and document["spec"] == OPEN
    assert document["claims"][0]["witness"]["confirmed_by"] == ["z3", "concrete-rerun"]
    assert document["stats"]["states"] > 0 and document["stats"]["rules_taken"] and document["ok"] is True


def test_several_specs_one_document(capfd: Capture, spec: Any) -> None:
    result = call(capfd, "verify", "--json", spec(NOT_AS_EXPECTED), OPEN)
    document = result.document
    assert result.code == 1 and document["schema"] == "tcpcheck.verify-all/1"
    assert [one["ok"] for one in document["specs"]] == [False, True] and document["ok"] is False


def test_a_folder_means_every_spec_below_it(capfd: Capture, tmp_path: Path) -> None:
    (tmp_path / "below" / "deeper").mkdir(parents=True)
    for number, name in enumerate(("z.tcp", "below/a.tcp", "below/deeper/m.tcp")):
        shutil.copy((FIN_WAIT2, OPEN, OPEN)[number], tmp_path / name)
    (tmp_path / "below" / "notes.txt").write_text("not a spec")
    result = call(capfd, "verify", "--json", str(tmp_path), str(tmp_path / "below" / "a.tcp"))
    names = [Path(one["spec"]).relative_to(tmp_path).as_posix() for one in result.document["specs"]]
    assert result.code == 0 and names == ["below/a.tcp", "below/deeper/m.tcp", "z.tcp"]
    said = call(capfd, "verify", "--traces", "none", str(tmp_path))
    assert said.out.endswith("all 3 specs as expected\n") and said.out.count("verdicts as expected") == 3


def test_a_failing_spec_does_not_keep_the_others_from_being_checked(
    capfd: Capture, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = verifying.verify_scenario

    def broken(scenario: Any, *rest: Any) -> Any:
        if "bad" in scenario.file:
            raise RuntimeError("such a pity")
        return real(scenario, *rest)

    monkeypatch.setattr(verifying, "verify_scenario", broken)
    names = [spec(AS_EXPECTED, "bad.tcp"), spec(NOT_AS_EXPECTED, "good.tcp")]
    result = call(capfd, "verify", *names)
    assert result.code == 1 and "never rests: violated" in result.out
    assert "RuntimeError: such a pity" in result.err and "please report it" in result.err
    one = call(capfd, "verify", "--json", names[0])
    assert one.code == 3 and "such a pity" in one.document["errors"][0]["message"]


def test_a_fault_shows_its_traceback_on_request_only(
    capfd: Capture, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("such a pity")

    monkeypatch.setattr(verifying, "verify_scenario", broken)
    monkeypatch.setenv("TCPCHECK_DEBUG", "1")
    from tcpcheck.cli import main

    assert main(["verify", spec(AS_EXPECTED)]) == 3
    assert "Traceback" in capfd.readouterr().err


# ---- what is asked for


def test_one_claim(capfd: Capture) -> None:
    claims = call(capfd, "verify", "--json", "--claim", "crossed", OPEN).document["claims"]
    assert [claim["name"] for claim in claims] == ["crossed"]
    result = call(capfd, "verify", "--claim", "crosed", OPEN)
    assert result.code == 2 and "did you mean `crossed`?" in result.err


def test_one_claim_of_several_specs(capfd: Capture) -> None:
    result = call(capfd, "verify", "--json", "--claim", "crossed", OPEN, FIN_WAIT2)
    assert result.code == 0 and result.document["spec"] == OPEN


@pytest.mark.parametrize(
    ("member", "members"),
    [(("ts=1",), 2), (("ts=1", "retries=0"), 1), (("a.net.ipv4.tcp_sack=0",), 2), (("tcp_sack=0",), 2), ((), 4)],
)
def test_some_members(capfd: Capture, spec: Any, member: tuple[str, ...], members: int) -> None:
    path = spec(AS_EXPECTED)
    families = "sysctl net.ipv4.tcp_timestamps = {0, 1} -> ts ; sysctl net.ipv4.tcp_sack = {0, 1} -> retries ; run"
    text = Path(path).read_text()
    Path(path).write_text(text.replace("run", families, 1))
    options = [word for one in member for word in ("--member", one)]
    assert len(call(capfd, "verify", "--json", *options, path).document["claims"]) == members


@pytest.mark.parametrize(
    ("member", "words"), [("nonsense", "is not NAME=VALUE"), ("x=1", "has no families"), ("=1", "is not NAME=VALUE")]
)
def test_members_that_cannot_be(capfd: Capture, member: str, words: str) -> None:
    result = call(capfd, "verify", "--member", member, OPEN)
    assert result.code == 2 and words in result.err


def test_traces(capfd: Capture) -> None:
    assert "confirmed by z3" in call(capfd, "verify", OPEN).out
    assert "confirmed by z3" not in call(capfd, "verify", "--traces", "none", OPEN).out


def test_quiet(capfd: Capture) -> None:
    result = call(capfd, "verify", "--quiet", OPEN)
    assert result.code == 0 and result.err == "" and "as expected" in result.out


def test_ascii(capfd: Capture) -> None:
    assert call(capfd, "verify", "--ascii", OPEN).out.isascii()
    assert not call(capfd, "verify", OPEN).out.isascii()


def test_color(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in call(capfd, "verify", OPEN).out
    assert "\x1b[" in call(capfd, "verify", "--color", OPEN).out
    assert "\x1b[" not in call(capfd, "verify", "--no-color", OPEN).out


# ---- the same every time


def without_costs(document: Any) -> Any:
    """The document without what a run costs in time and memory."""
    for one in document.get("specs", [document]):
        for cost in ("seconds", "states_per_second", "bytes_per_state", "peak_memory_mb"):
            del one["stats"][cost]
    return document


def test_output_does_not_differ_from_run_to_run() -> None:
    spec = "specs/fin_wait1_loss.tcp"
    first = program("verify", spec, "--traces", "all", PYTHONHASHSEED="1")
    second = program("verify", spec, "--traces", "all", "--jobs", "1", PYTHONHASHSEED="2")
    assert first.out == second.out and first.code == second.code == 0
    documents = [program("verify", "--json", spec, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    assert without_costs(documents[0].document) == without_costs(documents[1].document)


def test_members_checked_at_once_are_the_same(capfd: Capture) -> None:
    spec = str(ROOT / "specs" / "tw_fin.tcp")
    documents = [without_costs(call(capfd, "verify", "--json", "--jobs", n, spec).document) for n in ("1", "2", "5")]
    assert documents[0] == documents[1] == documents[2]


def test_3_when_interrupted_though_all_is_as_expected(spec: Any) -> None:
    """Ctrl-C while the kernel is asked: every verdict is there, but not what the kernel says."""
    result = verify_text(Path(spec(AS_EXPECTED)).read_text())
    assert exit_code(result) == 0 and exit_code(replace(result, interrupted=True)) == 3


# ---- the report


def test_a_report_is_written_beside_the_verdicts(capfd: Capture, spec: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    result = call(capfd, "verify", spec(NOT_AS_EXPECTED), "--report", str(path))
    assert result.code == 1 and "never rests: violated" in result.out
    page = path.read_text()
    assert page.startswith("<!doctype html>") and "never rests" in page and '<svg xmlns="' in page
    result = call(capfd, "verify", spec(NOT_AS_EXPECTED), "--report", str(tmp_path / "missing" / "report.html"))
    assert result.code == 2 and "cannot write" in result.err and result.out == "", "told before the search"
