"""Verdicts as other tools take them: JUnit XML, SARIF, annotations and the summary of GitHub Actions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cli_call import CONNECTION, NOT_AS_EXPECTED, call
from render_samples import lookup, tw_result

from tcpcheck.cli.ci import annotation, summary
from tcpcheck.render.junit import junit
from tcpcheck.render.sarif import sarif

BAD = [claim for claim in tw_result().claims if not claim.ok]


def test_the_sample_has_each_kind_of_verdict() -> None:
    assert {claim.verdict == "undecided" for claim in BAD} == {True, False}
    assert len(BAD) < len(tw_result().claims)


def test_junit_counts_and_names_every_claim() -> None:
    root = ET.fromstring(junit([tw_result()], rules=lookup))
    cases = list(root.iter("testcase"))
    assert len(cases) == len(tw_result().claims) == int(root.get("tests", ""))
    assert len({case.get("name") for case in cases}) == len(cases)
    failed = [case for case in cases if case.find("failure") is not None]
    unsure = [case for case in cases if case.find("error") is not None]
    assert len(failed) == int(root.get("failures", "")) == sum(claim.verdict != "undecided" for claim in BAD)
    assert len(unsure) == int(root.get("errors", "")) == sum(claim.verdict == "undecided" for claim in BAD)
    shown = [case.findtext("failure") or "" for case in failed]
    assert any("▶" in text for text in shown), "a failure shows its ladder"


def test_sarif_has_a_code_flow_for_each_counterexample() -> None:
    document = json.loads(sarif([tw_result()]))
    (run,) = document["runs"]
    assert document["version"] == "2.1.0" and len(run["results"]) == len(BAD)
    for claim, result in zip(BAD, run["results"], strict=True):
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == claim.kind
        assert result["level"] == ("warning" if claim.verdict == "undecided" else "error")
        flow = result.get("codeFlows")
        steps = flow[0]["threadFlows"][0]["locations"] if flow else []
        assert len(steps) == (0 if claim.witness is None else len(claim.witness))
        assert all(step["location"]["message"]["text"] for step in steps)
    prints = {result["partialFingerprints"]["claim/v1"] for result in run["results"]}
    assert len(prints) == len(BAD)
    moved = replace(tw_result(), claims=tuple(replace(claim, line=claim.line + 7) for claim in tw_result().claims))
    assert prints == {r["partialFingerprints"]["claim/v1"] for r in json.loads(sarif([moved]))["runs"][0]["results"]}


def test_an_annotation_is_one_line_that_cannot_be_left() -> None:
    claim = replace(BAD[0], name="x\n::error::y", note="100%\r\n::warning::z", line=7)
    said = annotation(replace(tw_result(), file="a,b:c.tcp"), claim)
    assert "\n" not in said and "\r" not in said
    assert said.startswith("::error file=a%2Cb%3Ac.tcp,line=7,title=") and "100%25%0D%0A::warning" in said


def test_the_summary_is_a_table_of_what_is_not_as_expected() -> None:
    said = summary([tw_result()])
    assert said.count("\n| ") == 1 + len(BAD) and "```mermaid\nsequenceDiagram" in said
    good = replace(tw_result(), claims=tuple(claim for claim in tw_result().claims if claim.ok))
    assert "|" not in summary([good])
    hostile = replace(tw_result(), claims=(replace(BAD[0], name="a|b<script>`x`"),))
    assert r"a\|b&lt;script>\`x\`" in summary([hostile])


def test_under_actions_and_elsewhere(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, told = tmp_path / "spec.tcp", tmp_path / "summary.md"
    spec.write_text(CONNECTION % NOT_AS_EXPECTED)
    files = {kind: tmp_path / kind for kind in ("junit", "sarif")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(told))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    elsewhere = call(capfd, "verify", str(spec), *options)
    assert elsewhere.code == 1 and "::error" not in elsewhere.err and not told.exists()
    line = 1 + spec.read_text().splitlines().index(NOT_AS_EXPECTED)
    assert f'line="{line}"' in files["junit"].read_text()
    place = json.loads(files["sarif"].read_text())["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": line}
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    there = call(capfd, "verify", str(spec))
    assert (there.code, there.out) == (1, elsewhere.out)
    assert f"::error file={spec},line={line},title=never rests::violated, expected holds" in there.err
    assert told.read_text().count("### tcpcheck") == 1
