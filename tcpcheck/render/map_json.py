"""A map as a JSON document, `tcpcheck.map/1`."""

from __future__ import annotations

from tcpcheck.mapping.result import Map, MapResult, Moment, Spans
from tcpcheck.render.json import TOOL, Document


def document(result: MapResult) -> Document:
    """Numbers are residues modulo 2^32, durations ns, values of a family places in `members`."""
    return {
        "schema": "tcpcheck.map/1",
        "tool": TOOL,
        "spec": result.file,
        "title": result.title,
        "over": result.name,
        "maps": [_map(m) for m in result.maps],
        "warnings": list(result.warnings),
        "interrupted": result.interrupted,
        "ok": result.ok,
    }


def _map(m: Map) -> Document:
    return {
        "settings": [dict(s) for s in m.settings],
        "bounds": dict(m.bounds),
        "undecided": m.undecided or None,
        "moments": [_moment(x) for x in m.moments],
    }


def _moment(m: Moment) -> Document:
    over = m.over
    return {
        "moment": m.text,
        "over": {
            "text": over.text,
            "kind": over.kind,
            "range": [over.lo, over.hi],
            "members": list(over.members) if over.kind == "family" else None,
        },
        "outcomes": [
            {
                "outcome": o.text,
                "may": _spans(o.may),
                "must": None if o.must is None else _spans(o.must),
                "count": sum(hi - lo + 1 for lo, hi in o.may),
                "exact": o.exact,
                "why": o.why or None,
                "runs": o.runs,
            }
            for o in m.outcomes
        ],
        "never": _spans(m.never),
        "open": _spans(m.open),
        "note": m.note or None,
    }


def _spans(spans: Spans) -> list[list[int]]:
    return [[lo, hi] for lo, hi in spans]
