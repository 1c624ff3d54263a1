"""What a replay found, as text and as the document `tcpcheck.replay/1`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tcpcheck import __version__
from tcpcheck.live.replay import AGREES, CUT, DISAGREES, SKIPPED, Outcome
from tcpcheck.render import styled
from tcpcheck.render.rules import RuleLookup, no_rules
from tcpcheck.render.styled import BAD, BOLD, DIM, DOUBT, GOOD, Glyphs, Line
from tcpcheck.render.words import printable, settings_text

ORDER = (DISAGREES, AGREES, CUT, SKIPPED)
STYLES = {AGREES: GOOD, DISAGREES: BAD, CUT: DOUBT, SKIPPED: DIM}


def text(
    name: str, outcomes: Sequence[Outcome], *, ascii: bool = False, color: bool = False, rules: RuleLookup = no_rules
) -> str:
    """One spec's or trace's outcomes: a line for all that came out alike, and each disagreement in full."""
    glyphs = styled.ASCII if ascii else styled.UNICODE
    lines: list[Line] = [[(printable(name), BOLD)]]
    if not outcomes:
        lines.append([("  no claim of it has a trace: nothing to play", DIM)])
    for result in ORDER:
        for group in _alike([o for o in outcomes if o.result == result]):
            if result == DISAGREES:
                for outcome in group:
                    lines += _disagreement(outcome, glyphs, rules)
            else:
                lines += _group(group, glyphs)
    return styled.shown(lines, color)


def _alike(outcomes: Iterable[Outcome]) -> list[list[Outcome]]:
    """By claim, side, kernel and reason."""
    groups: dict[tuple[str, ...], list[Outcome]] = {}
    for o in outcomes:
        reason = o.why.partition("; at step" if o.result == SKIPPED else " is ")[0]
        groups.setdefault((o.trace.claim, o.side, o.other, reason), []).append(o)
    return list(groups.values())


def _group(group: list[Outcome], glyphs: Glyphs) -> list[Line]:
    first = group[0]
    marks = {AGREES: glyphs.ok, CUT: glyphs.unsure, SKIPPED: glyphs.dash}
    members = f" ({len(group)} members)" if len(group) > 1 else ""
    head = (
        f"  {marks[first.result]} {first.result:9} {printable(first.trace.claim)} as {printable(first.side)}{members}"
    )
    return [[(head, STYLES[first.result]), (_rest(first), DIM)]]


def _rest(outcome: Outcome) -> str:
    played = outcome.played
    if played is None or outcome.result == SKIPPED:
        return f": {printable(outcome.why)}"
    counts = f"{played.injected} segments in, {played.compared} out, {played.states} states"
    counts += f", {played.delayed} ACK delayed" if played.delayed else ""
    alike = f"; as {printable(outcome.other)} does" if outcome.other else ""
    if outcome.result == CUT:
        return f": {counts}{alike}; after {played.done} of {played.acts} steps: {outcome.why}"
    return f": {played.acts} steps, {counts}{alike}"


def _disagreement(outcome: Outcome, glyphs: Glyphs, rules: RuleLookup) -> list[Line]:
    played = outcome.played
    assert played is not None and played.disagreement is not None
    found, trace = played.disagreement, outcome.trace
    settings = settings_text(trace.settings)
    head = f"  {glyphs.not_ok} disagrees {printable(trace.claim)} as {printable(outcome.side)}"
    info = rules(found.rule)
    clause = f" ({info.doc}; {info.rfc or info.kernel})" if info is not None else ""
    by = f" by {found.rule}{clause}" if found.rule else ""
    at = trace.steps[found.at].time_ns / 1e9
    lines: list[Line] = [[(head, BAD), (f" [{settings}]" if settings else "", DIM)]]
    lines.append([(f"      step {found.at} at {at:.6f} s: {printable(found.stimulus)}", "")])
    lines.append([(f"      predicted {found.what}: {printable(found.predicted)}{by}", "")])
    lines.append([(f"      came: {printable(found.came)}", "")])
    lines.append([(f"      in {outcome.tries} tries; {played.done} of {played.acts} steps agreed", DIM)])
    return lines


COLUMNS = (AGREES, CUT, DISAGREES, SKIPPED)


def table(rows: Sequence[tuple[str, Sequence[Outcome]]]) -> str:
    """For each spec or trace file, how many sides came out how."""
    size = max(len(printable(name)) for name, _ in (*rows, ("all", ())))
    lines = [f"{'':{size}}  " + "  ".join(f"{word:>9}" for word in COLUMNS)]
    everything = [o for _, outcomes in rows for o in outcomes]
    for name, outcomes in (*rows, ("all", everything)):
        counts = [sum(o.result == word for o in outcomes) for word in COLUMNS]
        lines.append(f"{printable(name):{size}}  " + "  ".join(f"{count or '-':>9}" for count in counts))
    return "\n".join(lines) + "\n"


def summary(outcomes: Sequence[Outcome], kernel: str) -> str:
    """The last line."""
    count = {result: sum(o.result == result for o in outcomes) for result in ORDER}
    words = [f"{count[AGREES]} agree"]
    words += [f"{count[CUT]} agree as far as they were played"] if count[CUT] else []
    words += [f"{count[DISAGREES]} disagree"] if count[DISAGREES] else []
    words += [f"{count[SKIPPED]} skipped"] if count[SKIPPED] else []
    return f"{len(outcomes)} sides of traces on {kernel}: {', '.join(words)}\n"


def document(outcomes: Sequence[Outcome], kernel: str) -> dict[str, Any]:
    """`replay --json`."""
    return {
        "schema": "tcpcheck.replay/1",
        "tool": f"tcpcheck {__version__}",
        "kernel": kernel,
        "replays": [_outcome(o) for o in outcomes],
        "ok": all(o.result != DISAGREES for o in outcomes),
    }


def _outcome(o: Outcome) -> dict[str, Any]:
    played = o.played
    found: dict[str, Any] = {
        "spec": o.trace.spec,
        "claim": o.trace.claim,
        "settings": dict(o.trace.settings),
        "side": o.side,
        "result": o.result,
        "why": o.why,
        "other_kernel": o.other,
        "tries": o.tries,
        "steps": played.acts if played else 0,
        "agreed": played.done if played else 0,
        "segments_in": played.injected if played else 0,
        "segments_out": played.compared if played else 0,
        "states": played.states if played else 0,
        "delayed_acks": played.delayed if played else 0,
        "disagreement": None,
    }
    if played is not None and played.disagreement is not None:
        d = played.disagreement
        found["disagreement"] = {
            "step": d.at,
            "time_s": o.trace.steps[d.at].time_ns / 1e9,
            "what": d.what,
            "stimulus": d.stimulus,
            "predicted": d.predicted,
            "rule": d.rule,
            "came": d.came,
        }
    return found
