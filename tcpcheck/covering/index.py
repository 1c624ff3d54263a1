"""The index of a folder of fixtures: what each takes, how it was obtained, the line that writes it again; what no
trace takes, and why. For programs (`tcpcheck.fixtures/1`) and for people (Markdown)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tcpcheck.covering.cover import Covered
from tcpcheck.covering.files import INDEX, Files, files_of, folders, spec_label
from tcpcheck.covering.goals import PAIRS, order, rules_in
from tcpcheck.render.json import TOOL, Document, dumps
from tcpcheck.render.words import COVER, code_span, confirmed_text, many, markdown, regenerate, settings_text

SCHEMA = "tcpcheck.fixtures/1"


@dataclass(frozen=True)
class Folder:
    """Everything that is written: names within the folder -> bytes."""

    document: Document
    files: dict[str, bytes]


def folder(found: Sequence[Covered], formats: Sequence[str]) -> Folder:
    """The fixtures of some specs, with the index."""
    labels = [spec_label(covered.scenario.file) for covered in found]
    rows = [
        (covered, [files_of(fixture, covered.scenario, name, formats) for fixture in covered.relabelled(label)])
        for covered, label, name in zip(found, labels, folders(labels), strict=True)
    ]
    document = {
        "schema": SCHEMA,
        "tool": TOOL,
        "cover": found[0].cover,
        "specs": [_spec(*row, label) for row, label in zip(rows, labels, strict=True)],
        "ok": all(covered.complete for covered in found),
    }
    files = {w.path: w.data for _, fixtures in rows for f in fixtures for w in f.written}
    markdown_text = _markdown(document, [goals(covered) for covered in found])
    files |= zip(INDEX, (dumps(document).encode(), markdown_text.encode()), strict=True)
    return Folder(document, files)


def goals(covered: Covered) -> str:
    """How many the fixtures take."""
    return many(len(covered.reached), "pair" if covered.cover == PAIRS else "rule")


def _spec(covered: Covered, fixtures: Sequence[Files], label: str) -> Document:
    return {
        "spec": label,
        "title": covered.scenario.title,
        "bounds": dict(covered.bounds),
        "undecided": covered.why or None,
        "rules": list(covered.taken),
        "not_taken": list(covered.never),
        "refuted": [{"goal": goal, "runs": runs} for goal, runs in covered.missed.items()],
        "fixtures": [_fixture(covered, files) for files in fixtures],
    }


def _fixture(covered: Covered, files: Files) -> Document:
    fixture, trace = files.fixture, files.fixture.trace
    document: Document = {
        "name": files.name,
        "goal": trace.claim if trace.kind == COVER else None,
        "claims": list(fixture.claims),
        "settings": dict(trace.settings),
        "values": dict(trace.values),
        "confirmed_by": list(trace.confirmed_by),
        "regenerate": regenerate(trace),
        "steps": len(trace.steps),
        "lasts_s": max((step.time_ns for step in trace.steps), default=0) / 1e9,
        "rules": rules_in(trace),
    }
    if covered.cover == PAIRS:
        document["pairs"] = [goal.split(",") for goal in sorted(fixture.takes, key=order)]
    document["files"] = [
        {"path": w.path, "format": w.format, "host": w.host or None, "check": w.check or None, "why": w.why or None}
        for w in files.written
    ]
    document["without"] = [{"host": host, "format": format, "why": why} for host, format, why in files.missing]
    return document


# ---- Markdown ----------------------------------------------------------------------------------------------


def _markdown(document: Document, taken: Sequence[str]) -> str:
    """taken: of each spec, how many goals."""
    traces = sum(len(spec["fixtures"]) for spec in document["specs"])
    what = "every rule after every other" if document["cover"] == PAIRS else "every rule"
    lines = [
        "# Fixtures",
        "",
        f"{many(traces, 'trace')} that together take {what} that {many(len(document['specs']), 'spec')} can take, as",
        f"far as found. Written by {TOOL}; what a rule is says `tcpcheck explain RULE`.",
    ]
    for spec, goals_taken in zip(document["specs"], taken, strict=True):
        lines += ["", *_spec_lines(spec, goals_taken)]
    return "\n".join(lines) + "\n"


def _spec_lines(spec: Document, taken: str) -> Iterable[str]:
    yield f"## {markdown(spec['spec'])}"
    yield ""
    counts = f"{taken} taken, {many(len(spec['fixtures']), 'trace')}"
    yield f'The spec "{markdown(spec["title"])}": {counts}.'
    for fixture in spec["fixtures"]:
        yield from ("", *_fixture_lines(fixture))
    if spec["refuted"]:
        goals = ", ".join(f"{row['goal']} ({row['runs']})" for row in spec["refuted"])
        yield from (
            "",
            "Undecided: the search is coarser than the truth, and the runs that it found to these (how many",
        )
        yield f"were tried) have no real numbers: {goals}."
    if spec["not_taken"]:
        why = spec["undecided"]
        said = f"Undecided ({markdown(why)}), no run was found to" if why else "Cannot be taken within these bounds"
        yield from ("", f"{said}: {', '.join(spec['not_taken'])}.")


def _fixture_lines(fixture: Document) -> Iterable[str]:
    yield f"### {markdown(fixture['name'])}"
    yield ""
    goal, claims = fixture["goal"], ", ".join(fixture["claims"])
    yield f"- {f'a shortest run that takes {goal}' if goal else f'the trace of claim {claims}'}"
    for title, content in (
        ("with", settings_text(fixture["settings"])),
        ("found", ", ".join(f"{name} = {value}" for name, value in fixture["values"].items())),
        ("confirmed by", confirmed_text(fixture["confirmed_by"])),
    ):
        if content:
            yield f"- {title} {markdown(content)}"
    yield f"- {many(fixture['steps'], 'step')} in {fixture['lasts_s']:g} s"
    yield f"- takes {', '.join(fixture['rules'])}"
    yield "- files: " + ", ".join(_link(file["path"], fixture["name"]) for file in fixture["files"])
    for row in fixture["without"]:
        yield f"- no {row['format']}: {markdown(row['why'])}"
    yield f"- again: {code_span(fixture['regenerate'])}"
    for file in fixture["files"]:
        if file["check"]:
            yield f"- compare: {code_span(file['check'])}"
        elif file["why"]:
            what = "the script ends early" if file["format"] == "packetdrill" else "not to be compared"
            yield f"- {what}, {markdown(file['host'])}: {markdown(file['why'])}"


def _link(path: str, stem: str) -> str:
    return f"[{path.removeprefix(f'{stem}.')}]({path})"
