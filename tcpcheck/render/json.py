"""JSON as the command line promises it, and traces as files that can be read back.

The schemas are in schema/, one file for each document; `schema("verify/1")` loads one. A step has the same shape
in a verdict's witness and in a trace file. Documents are plain dicts; `dumps` gives their text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from tcpcheck import __version__
from tcpcheck.errors import Diagnostic, SpecError, TcpcheckError, UsageError
from tcpcheck.lang.diagnostics import shorten
from tcpcheck.witness.trace import Armed, Change, HostInfo, Segment, Step, Trace
from tcpcheck.witness.verdict import ClaimResult, SpecResult

Document = dict[str, Any]

TOOL = f"tcpcheck {__version__}"


def dumps(document: Document) -> str:
    """The document's text in ASCII: keys as they were put in, one newline at the end, NaN refused."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def schema(name: str) -> Document:
    """The JSON Schema of a document (`verify/1`, `verify-all/1`, `error/1`, `trace/1`)."""
    path = resources.files(__package__).joinpath("schema", name.replace("/", "-") + ".json")
    loaded: Document = json.loads(path.read_text(encoding="utf-8"))
    return loaded


# ---- verdicts ----------------------------------------------------------------------------------------------


def verify(result: SpecResult) -> Document:
    """`verify --json` of one spec."""
    return {
        "schema": "tcpcheck.verify/1",
        "tool": TOOL,
        "spec": result.file,
        "title": result.title,
        "claims": [_claim(claim) for claim in result.claims],
        "warnings": list(result.warnings),
        "stats": dict(result.stats),
        "ok": result.ok,
    }


def verify_all(results: Sequence[SpecResult]) -> Document:
    """`verify --json` of several specs."""
    return {
        "schema": "tcpcheck.verify-all/1",
        "specs": [verify(result) for result in results],
        "ok": all(result.ok for result in results),
    }


def _claim(claim: ClaimResult) -> Document:
    document: Document = {
        "name": claim.name,
        "kind": claim.kind,
        "verdict": claim.verdict,
        "expected": claim.expected,
        "ok": claim.ok,
        "settings": dict(claim.settings),
        "bounds": dict(claim.bounds),
        "witness": None if claim.witness is None else _witness(claim.witness),
        "note": claim.note,
    }
    if claim.count is not None:
        intervals = [list(interval) for interval in claim.count["intervals"]]
        document["count"] = {"min": claim.count["min"], "max": claim.count["max"], "intervals": intervals}
    return document


def _witness(trace: Trace) -> Document:
    return {
        "values": dict(trace.values),
        "steps": [step_document(step) for step in trace.steps],
        "confirmed_by": list(trace.confirmed_by),
        "note": trace.note,
    }


# ---- errors ------------------------------------------------------------------------------------------------


def error(failure: TcpcheckError) -> Document:
    """What `--json` prints instead of a result. An error that stands in no file has null for its place."""
    if isinstance(failure, SpecError):
        errors = [_diagnostic(diagnostic) for diagnostic in failure.diagnostics]
    else:
        place: Document = {"file": None, "line": None, "column": None}
        errors = [{**place, "message": str(failure), "expected": [], "nearest": None}]
    return {"schema": "tcpcheck.error/1", "errors": errors, "ok": False}


def _diagnostic(diagnostic: Diagnostic) -> Document:
    return {
        "file": diagnostic.file,
        "line": diagnostic.span.line,
        "column": diagnostic.span.column,
        "message": diagnostic.message,
        "expected": list(diagnostic.expected),
        "nearest": diagnostic.nearest,
    }


# ---- traces ------------------------------------------------------------------------------------------------


def trace(trace: Trace) -> Document:
    """A whole trace; `load_trace` reads it back without loss."""
    return {
        "schema": "tcpcheck.trace/1",
        "tool": TOOL,
        "spec": trace.spec,
        "title": trace.title,
        "claim": trace.claim,
        "kind": trace.kind,
        "verdict": trace.verdict,
        "settings": dict(trace.settings),
        "hosts": [_host(host) for host in trace.hosts],
        **_witness(trace),
    }


def _host(host: HostInfo) -> Document:
    """What the spec says nothing of is left out."""
    said: Document = {
        "sysctls": dict(host.sysctls),
        "firewall": list(host.firewall),
        "mss": host.mss,
        "features": list(host.features),
        "inside": list(host.inside),
        "nat": list(host.nat),
    }
    given = {key: value for key, value in said.items() if value}
    return {"name": host.name, "address": host.address, "kernel": host.kernel, **given}


def _load_host(host: Document) -> HostInfo:
    return HostInfo(
        host["name"],
        host["address"],
        host["kernel"],
        dict(host.get("sysctls", {})),
        tuple(host.get("firewall", ())),
        host.get("mss"),
        tuple(host.get("features", ())),
        tuple(host.get("inside", ())),
        tuple(host.get("nat", ())),
    )


def step_document(step: Step) -> Document:
    """`rule` is the last of `rules`, the one that settled the matter. time_s keeps the nanosecond up to 100 days."""
    more: Document = {"run": step.run} if step.run else {}
    if step.armed is not None:
        more["armed"] = _armed(step.armed)
    if step.due:
        more["due"] = [_armed(timer) for timer in step.due]
    return {
        "time_s": step.time_ns / 1e9,
        "host": step.host,
        "event": step.event,
        "text": step.text,
        "segment": None if step.segment is None else _segment(step.segment),
        "rule": step.rules[-1] if step.rules else "",
        "rules": list(step.rules),
        "changes": [
            {"subject": change.subject, "what": change.what, "before": change.before, "after": change.after}
            for change in step.changes
        ],
        "state": dict(step.state),
        **more,
    }


def _segment(segment: Segment) -> Document:
    """src and dst are `address:port`; win is in bytes; what the segment does not carry is null."""
    return {
        "uid": segment.uid,
        "src_host": segment.src,
        "dst_host": segment.dst,
        "src": f"{segment.src_addr}:{segment.sport}",
        "dst": f"{segment.dst_addr}:{segment.dport}",
        "flags": segment.flags,
        "seq": segment.seq,
        "ack": segment.ack,
        "len": segment.length,
        "win": segment.window,
        "wscale": segment.wscale,
        "tsval": segment.tsval,
        "tsecr": segment.tsecr,
        "mss": segment.mss,
        "sack_ok": segment.sack_ok,
        "sack": None if segment.sack is None else list(segment.sack),
        "forged": segment.forged,
    }


def load_trace(document: Document) -> Trace:
    """The Trace of a `tcpcheck.trace/1` document; raises UsageError when it is none."""
    if not isinstance(document, dict) or document.get("schema") != "tcpcheck.trace/1":
        raise UsageError("this is not a trace: its schema is not tcpcheck.trace/1")
    _must_follow(document, "trace/1")
    return Trace(
        spec=document["spec"],
        title=document["title"],
        claim=document["claim"],
        kind=document["kind"],
        verdict=document["verdict"],
        settings=dict(document["settings"]),
        hosts=tuple(_load_host(host) for host in document["hosts"]),
        steps=tuple(_load_step(index, step) for index, step in enumerate(document["steps"])),
        values=dict(document["values"]),
        confirmed_by=tuple(document["confirmed_by"]),
        note=document["note"],
    )


def _must_follow(document: Document, name: str) -> None:
    """UsageError says where a document does not follow its schema, and how."""
    import jsonschema

    wrong = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema(name)).iter_errors(document))
    if wrong is not None:
        where = wrong.json_path.removeprefix("$").removeprefix(".")
        said = f"{where}: {wrong.message}" if where else wrong.message
        raise UsageError(f"this trace does not follow tcpcheck.{name}: {shorten(said, 200)}")


def _load_step(index: int, step: Document) -> Step:
    return Step(
        index=index,
        time_ns=round(step["time_s"] * 1e9),
        host=step["host"],
        event=step["event"],
        text=step["text"],
        segment=None if step["segment"] is None else _load_segment(step["segment"]),
        rules=tuple(step["rules"]),
        changes=tuple(Change(c["subject"], c["what"], c["before"], c["after"]) for c in step["changes"]),
        state=dict(step["state"]),
        run=step.get("run", ""),
        armed=_load_armed(step["armed"]) if "armed" in step else None,
        due=tuple(_load_armed(timer) for timer in step.get("due", ())),
    )


def _armed(timer: Armed) -> Document:
    return {"since_s": timer.since_ns / 1e9, "lo_s": timer.lo_ns / 1e9, "hi_s": timer.hi_ns / 1e9}


def _load_armed(armed: Document) -> Armed:
    return Armed(round(armed["since_s"] * 1e9), round(armed["lo_s"] * 1e9), round(armed["hi_s"] * 1e9))


def _load_segment(segment: Document) -> Segment:
    src_addr, _, sport = segment["src"].rpartition(":")
    dst_addr, _, dport = segment["dst"].rpartition(":")
    return Segment(
        uid=int(segment["uid"]),
        src=segment["src_host"],
        dst=segment["dst_host"],
        src_addr=src_addr,
        dst_addr=dst_addr,
        sport=int(sport),
        dport=int(dport),
        flags=segment["flags"],
        seq=int(segment["seq"]),
        ack=int(segment["ack"]),
        length=int(segment["len"]),
        window=int(segment["win"]),
        wscale=None if segment["wscale"] is None else int(segment["wscale"]),
        mss=None if segment["mss"] is None else int(segment["mss"]),
        sack_ok=segment["sack_ok"],
        tsval=None if segment["tsval"] is None else int(segment["tsval"]),
        tsecr=None if segment["tsecr"] is None else int(segment["tsecr"]),
        sack=None if segment["sack"] is None else (int(segment["sack"][0]), int(segment["sack"][1])),
        forged=segment["forged"],
    )
