"""Verdicts as JUnit XML: one test case for each claim and family member, so that any CI shows them."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from tcpcheck.render import text as ladder
from tcpcheck.render.rules import RuleLookup, no_rules
from tcpcheck.render.verdicts import found, reason
from tcpcheck.render.words import printable, settings_text
from tcpcheck.witness.verdict import ClaimResult, SpecResult


def junit(results: Sequence[SpecResult], *, rules: RuleLookup = no_rules) -> str:
    """The document. A claim that is not as expected is a failure, an undecided one an error; no times are given."""
    root = ET.Element("testsuites", name="tcpcheck")
    for result in results:
        _suite(root, result, rules)
    _count(root, [claim for result in results for claim in result.claims])
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _count(element: ET.Element, claims: Sequence[ClaimResult]) -> None:
    element.set("tests", str(len(claims)))
    element.set("failures", str(sum(_failed(claim) for claim in claims)))
    element.set("errors", str(sum(_unsure(claim) for claim in claims)))


def _unsure(claim: ClaimResult) -> bool:
    return claim.verdict == "undecided"


def _failed(claim: ClaimResult) -> bool:
    return not claim.ok and not _unsure(claim)


def _suite(root: ET.Element, result: SpecResult, rules: RuleLookup) -> None:
    suite = ET.SubElement(root, "testsuite", name=printable(result.title))
    _count(suite, result.claims)
    for claim in result.claims:
        settings = settings_text(claim.settings)
        name = f"{claim.kind} {printable(claim.name)}" + (f" [{settings}]" if settings else "")
        case = ET.SubElement(suite, "testcase", classname=printable(result.file), name=name)
        case.set("file", printable(result.file))
        case.set("line", str(claim.line))
        if claim.ok:
            continue
        said = f"{found(claim)}, expected {printable(claim.expected)}"
        why = printable(reason(claim))
        problem = ET.SubElement(case, "error" if _unsure(claim) else "failure", type=claim.verdict)
        problem.set("message", f"{said}: {why}" if why else said)
        if claim.witness is not None:
            problem.text = "\n" + ladder.text(claim.witness, rules=rules)
