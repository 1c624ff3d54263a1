"""What GitHub Actions shows beside the log: annotations on the spec's lines and a summary of the step."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tcpcheck.cli.console import Console
from tcpcheck.render import verdicts
from tcpcheck.render.mermaid import mermaid
from tcpcheck.render.words import markdown, settings_text
from tcpcheck.witness.verdict import ClaimResult, SpecResult

ANNOTATIONS_MAX = 10  # of each kind in one step; more are not shown there


def tell_actions(console: Console, results: Sequence[SpecResult], environment: Mapping[str, str] = os.environ) -> None:
    """Does nothing elsewhere. A summary that cannot be written is said, and changes no exit code."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return
    bad = [(result, claim) for result in results for claim in result.claims if not claim.ok]
    for result, claim in bad[:ANNOTATIONS_MAX]:
        console.message(annotation(result, claim))
    path = environment.get("GITHUB_STEP_SUMMARY")
    if path:
        try:
            with open(path, "a", encoding="utf-8") as file:
                file.write(summary(results))
        except OSError as error:
            console.message(f"tcpcheck: cannot write the summary of the step: {error.strerror}")


def annotation(result: SpecResult, claim: ClaimResult) -> str:
    """A workflow command: one line, its values escaped as the runner wants it."""
    kind = "warning" if claim.verdict == "undecided" else "error"
    where = f"file={_value(result.file)},line={max(claim.line, 1)},title={_value(f'{claim.kind} {claim.name}')}"
    said = verdicts.outcome_words(claim)
    why = verdicts.reason(claim)
    return f"::{kind} {where}::{_data(f'{said}: {why}' if why else said)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(results: Sequence[SpecResult]) -> str:
    """Markdown: a row for each claim that is not as expected, or a line that all are; the first trace as Mermaid."""
    claims = [(result, claim) for result in results for claim in result.claims]
    bad = [(result, claim) for result, claim in claims if not claim.ok]
    lines = [f"### tcpcheck: {len(claims) - len(bad)} of {len(claims)} verdicts as expected", ""]
    if bad:
        lines += ["| spec | claim | with | verdict | expected |", "|---|---|---|---|---|"]
    for result, claim in bad:
        name, settings = f"{claim.kind} {claim.name}", settings_text(claim.settings)
        cells = (result.file, name, settings, verdicts.found(claim), claim.expected)
        lines.append("| " + " | ".join(markdown(cell) for cell in cells) + " |")
    shown = next((claim.witness for _, claim in bad if claim.witness is not None), None)
    if shown is not None:
        lines += [
            "",
            f"{markdown(shown.kind)} {markdown(shown.claim)}:",
            "",
            "```mermaid",
            mermaid(shown).rstrip(),
            "```",
        ]
    return "\n".join(lines) + "\n\n"
