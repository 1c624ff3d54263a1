"""Verdicts as SARIF 2.1.0, the form in which code hosts take findings: the counterexample is the code flow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tcpcheck import __version__
from tcpcheck.render.ladder import ports_vary, step_words
from tcpcheck.render.verdicts import outcome_words, reason
from tcpcheck.render.words import printable, settings_text, time_digits
from tcpcheck.witness.trace import Step, Trace
from tcpcheck.witness.verdict import KINDS, ClaimResult, SpecResult

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MEANINGS = {
    "never": "at no moment of any run",
    "always": "at every such moment of every run",
    "reach": "in some run",
    "eventually": "in every fair run",
    "after": "in every fair run, after each moment named",
    "count": "the number of values for which some run gets there",
}


def sarif(results: Sequence[SpecResult]) -> str:
    """The document: one result for each claim and family member that is not as expected (undecided: a warning)."""
    findings = [_finding(result, claim) for result in results for claim in result.claims if not claim.ok]
    driver = {
        "name": "tcpcheck",
        "version": __version__,
        "rules": [{"id": kind, "shortDescription": {"text": MEANINGS[kind]}} for kind in KINDS],
    }
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": findings}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _finding(result: SpecResult, claim: ClaimResult) -> dict[str, Any]:
    place = _place(result, claim)
    said = f"{printable(result.title)}: {claim.kind} {printable(claim.name)} is {outcome_words(claim)}"
    why = printable(reason(claim))
    finding: dict[str, Any] = {
        "ruleId": claim.kind,
        "ruleIndex": KINDS.index(claim.kind),
        "level": "warning" if claim.verdict == "undecided" else "error",
        "message": {"text": f"{said}: {why}" if why else said},
        "locations": [place],
        "partialFingerprints": {"claim/v1": _fingerprint(result, claim)},
    }
    if claim.witness is not None:
        steps = [_step(claim.witness, step, place) for step in claim.witness.steps]
        finding["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    return finding


def _place(result: SpecResult, claim: ClaimResult) -> dict[str, Any]:
    where: dict[str, Any] = {"artifactLocation": {"uri": quote(result.file)}}
    if claim.line:
        where["region"] = {"startLine": claim.line}
    return {"physicalLocation": where}


def _fingerprint(result: SpecResult, claim: ClaimResult) -> str:
    """The same finding in the next run, wherever its line has moved."""
    key = "\n".join((result.file, claim.kind, claim.name, settings_text(claim.settings)))
    return hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _step(trace: Trace, step: Step, place: dict[str, Any]) -> dict[str, Any]:
    rules = [f"({printable(rule)})" for rule in step.rules]
    said = " ".join([step_words(step, time_digits(trace), ports_vary(trace)), *rules])
    return {"location": {**place, "message": {"text": said}}}
