"""Where two kernels part, as a JSON document, `tcpcheck.diff/1`."""

from __future__ import annotations

from collections.abc import Sequence

from tcpcheck.lockstep.result import Difference
from tcpcheck.render.json import TOOL, Document, step_document


def document(file: str, title: str, found: Sequence[Difference]) -> Document:
    """One entry for each member of the families; steps as in traces."""
    return {
        "schema": "tcpcheck.diff/1",
        "tool": TOOL,
        "spec": file,
        "title": title,
        "kernels": [side.kernel for side in found[0].sides],
        "members": [_member(d) for d in found],
        "ok": not any(d.parts or d.why for d in found),
    }


def _member(d: Difference) -> Document:
    common = d.common
    return {
        "settings": dict(d.settings),
        "bounds": dict(d.bounds),
        "parts": d.parts,
        "undecided": d.why or None,
        "pairs": d.pairs,
        "values": {} if common is None else dict(common.values),
        "time_s": None if common is None else d.time_ns / 1e9,
        "common": None if common is None else [step_document(s) for s in common.steps],
        "sides": None if common is None else [[step_document(s) for s in side.steps] for side in d.sides],
    }
