"""Verdicts as text and as the JSON document `tcpcheck.conform/1`."""

from __future__ import annotations

from typing import Any

from tcpcheck.conform.follow import Disagreement
from tcpcheck.conform.judge import Connection, Verdict
from tcpcheck.render.words import printable

SCHEMA = "tcpcheck.conform/1"
STORY_MAX = 12


def exit_code(verdict: Verdict) -> int:
    """0 it agrees, 1 it does not, 2 nothing could be judged or not all of it, 3 a bound was reached."""
    if verdict.agrees is False:
        return 1
    if verdict.agrees:
        return 0
    return 3 if verdict.undecided else 2


# ---- JSON --------------------------------------------------------------------------------------------------


def document(verdicts: list[Verdict], kernel: str) -> dict[str, Any]:
    """One entry for each file."""
    return {
        "schema": SCHEMA,
        "kernel": kernel,
        "files": [_file(verdict) for verdict in verdicts],
        "ok": all(verdict.agrees for verdict in verdicts),
    }


def _file(verdict: Verdict) -> dict[str, Any]:
    return {
        "file": verdict.file,
        "agrees": verdict.agrees,
        "packets": verdict.packets,
        "matched": min(verdict.matched, default=0),
        "first_disagreement": _disagreement(verdict.first_disagreement),
        "host": verdict.host,
        "connections": [_connection(row) for row in verdict.connections],
        "notes": verdict.notes,
    }


def _connection(row: Connection) -> dict[str, Any]:
    return {
        "peer": row.peer,
        "host": row.host,
        "first_packet": row.first,
        "packets": row.packets,
        "agrees": row.agrees,
        "why": row.why,
        "first_disagreement": _disagreement(row.disagreement),
        "assumed": [{"time_s": at / 1e9, "call": words} for at, words in row.story],
    }


def _disagreement(found: Disagreement | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"packet": found.packet, "line": found.line, "expected": found.expected, "observed": found.observed}


# ---- text --------------------------------------------------------------------------------------------------


def text(verdict: Verdict, kernel: str, calls: bool = False) -> str:
    """A line for the file, and what there is to say of each connection that does not agree."""
    said = {True: f"agrees with {kernel}", False: f"disagrees with {kernel}", None: "not judged"}[verdict.agrees]
    out = [
        f"{printable(verdict.file)}: {said}, {min(verdict.matched, default=0)} of {verdict.packets} packets explained"
    ]
    out += [f"  note: {note}" for note in verdict.notes]
    for row in verdict.connections:
        out += _told(row, calls)
    return "\n".join(out) + "\n"


def _told(row: Connection, calls: bool) -> list[str]:
    head = f"  {row.host} <-> {row.peer}"
    out: list[str] = []
    if row.agrees is None:
        out.append(f"{head}: not judged: {row.why}")
    wrong = row.disagreement
    if wrong is not None:
        place = f"packet {wrong.packet}" + (f", line {wrong.line}" if wrong.line else "")
        out.append(f"{head}: first disagreement at {place}")
        out.append(f"    observed  {wrong.observed}")
        out += [f"    {'expected' if i == 0 else '      or'}  {line}" for i, line in enumerate(wrong.expected)]
    if row.agrees and calls:
        out.append(f"{head}: agrees")
        rows = [f"    {at / 1e9:10.6f} s  {words}" for at, words in row.story]
        out += [*rows[:STORY_MAX], *([f"    and {len(rows) - STORY_MAX} more"] if len(rows) > STORY_MAX else [])]
    return out
