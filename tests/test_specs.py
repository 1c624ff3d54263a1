"""Every spec below specs/: its verdicts are as expected, and each trace is confirmed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tcpcheck.checking import verify

FOLDER = Path(__file__).parents[1] / "specs"
SPECS = sorted(FOLDER.rglob("*.tcp"))
CPUS = len(os.sched_getaffinity(0))
SHOWN = ("violated", "reachable")


def test_there_are_specs() -> None:
    assert SPECS


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_verdicts_are_as_expected(path: Path) -> None:
    result = verify(path, jobs=CPUS)
    assert not [
        f"{claim.kind} {claim.name} {dict(claim.settings)}: {claim.verdict}, expected {claim.expected} ({claim.note})"
        for claim in result.claims
        if not claim.ok
    ]
    assert result.ok and result.claims and not result.interrupted
    for claim in result.claims:
        if claim.verdict in SHOWN and claim.kind != "count":
            assert claim.witness is not None and claim.witness.steps, f"{claim.name}: no trace"
            assert {"z3", "concrete-rerun"} <= set(claim.witness.confirmed_by), claim.name
        if claim.verdict in ("holds", "unreachable", "vacuous"):
            assert claim.bounds["truncated"] is False, f"{claim.name}: {claim.verdict} of a search that was cut short"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_opens_with_a_sentence(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ") and len(first.split()) > 3
