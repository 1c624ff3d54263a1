"""What became of the traces, as text and as a part of the document `tcpcheck.crosscheck/1`."""

from __future__ import annotations

from typing import Any

from tcpcheck.crosscheck.branch import READ, SENT
from tcpcheck.crosscheck.coverage import TraceOutcome, not_taken, pairs_of, rules_of
from tcpcheck.crosscheck.run import Outcome
from tcpcheck.crosscheck.starts import AT_MOST_MS, LONG, STARTS, Start
from tcpcheck.crosscheck.traces import TraceDisagreement
from tcpcheck.render.styled import BAD, BOLD, DIM, DOUBT, GOOD, Glyphs, Line
from tcpcheck.tcp.rules import RULES

SHOWN = 12  # disagreements that the text shows; the JSON document has them all


def traces_text(outcome: Outcome, traces: TraceOutcome, glyphs: Glyphs) -> list[Line]:
    """A table of starts, the rules and pairs of rules taken, the disagreements."""
    first = max(len(name) for name in STARTS)
    lines: list[Line] = [[("traces that agree".ljust(first), BOLD), ("  traces  disagree  rules  pairs", BOLD)]]
    for name, row in traces.by_start().items():
        wrong = len(row.disagreements)
        counts = f"  {row.agree:6,}  {wrong:8,}  {len(rules_of(row.pairs)):5,}  {len(row.pairs):5,}"
        lines.append([(name.ljust(first), ""), (counts, BAD if wrong else GOOD)])
    if traces.too_long:
        n, pairs = len(traces.too_long), len(pairs_of(traces.too_long))
        long = f"{n:,} traces from {', '.join(LONG)}, with {pairs:,} pairs of rules, were not played:"
        lines.append([(f"{long} they may pause more than {AT_MOST_MS // 1000} s (--wait)", DOUBT)])
    lines += [[], *_coverage(outcome, traces)]
    found = traces.disagreements()
    lines += [[]] if found else []
    for d in found[:SHOWN]:
        lines += _disagreement(d, glyphs)
    if len(found) > SHOWN:
        lines.append([(f"... and {len(found) - SHOWN} more, all of them with --json or --html", BAD)])
    return lines


def _coverage(outcome: Outcome, traces: TraceOutcome) -> list[Line]:
    planned, taken, rules = traces.planned_pairs(), traces.taken_pairs(), outcome.rules()
    pairs = f"{len(planned & taken):,} of {len(planned):,} pairs (a rule, the next) that the model was found to take"
    lines: list[Line] = [
        [(f"{len(rules)} of {len(RULES)} rules taken by the kernel as the model tells, in cells and traces", "")],
        [(f"{pairs}, and {len(taken - planned):,} others", "")],
    ]
    for why, names in _by_reason(rules).items():
        lines.append([(f"not taken: {', '.join(names)}: {why}", DIM)])
    return lines


def _by_reason(taken: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for rule, why in not_taken(taken):
        found.setdefault(why, []).append(rule)
    return found


def _disagreement(d: TraceDisagreement, glyphs: Glyphs) -> list[Line]:
    lines: list[Line] = [[(f"{glyphs.not_ok} trace from {d.start}", BAD)]]
    for ms, step, text in d.events[:-1]:
        lines.append([(f"    {ms:6} ms  {spelled(step):24} {text}", "")])
    ms, step, text = d.events[-1]
    lines.append([(f"    {ms:6} ms  {spelled(step):24} the kernel {text}", BAD)])
    for i, (cell, rules) in enumerate(d.model):
        by = f"  by {', '.join(rules)}" if rules else ""
        lines.append([(f"{'':36}{'predicted' if i == 0 else '       or'} {cell}", ""), (by, DIM)])
    return lines


def spelled(step: str) -> str:
    """A step, or who acted without one."""
    return "by itself" if step in (SENT, READ) else step


def traces_document(traces: TraceOutcome) -> dict[str, Any]:
    """`traces` of `crosscheck --json`."""
    planned, taken = traces.planned_pairs(), traces.taken_pairs()
    return {
        "planned": len(traces.planned),
        "not_played": len(traces.too_long),
        "agree": traces.agree,
        "disagree": len(traces.disagreements()),
        "played_again": traces.again,
        "steps": traces.steps,
        "pairs": {
            "planned": len(planned),
            "planned_and_taken": len(planned & taken),
            "taken": len(taken),
            "planned_not_taken": [list(pair) for pair in sorted(planned - taken)],
        },
        "starts": [
            {
                "start": name,
                "what": start_text(STARTS[name]),
                "agree": row.agree,
                "disagree": len(row.disagreements),
                "rules": len(rules_of(row.pairs)),
                "pairs": len(row.pairs),
            }
            for name, row in traces.by_start().items()
        ],
        "disagreements": [
            {
                "start": d.start,
                "events": [{"ms": ms, "step": spelled(step), "outcome": text} for ms, step, text in d.events],
                "model": [{"outcome": text, "rules": list(rules)} for text, rules in d.model],
            }
            for d in traces.disagreements()
        ],
        "seconds": round(traces.seconds, 3),
    }


def start_text(start: Start) -> str:
    """Its sysctls, and what is special about it."""
    words = [f"{name}={value}" for name, value in start.sysctls.items()]
    words += ["the host calls connect()"] if start.active else [f"backlog {start.backlog}"]
    words += [] if start.ts else ["the peer offers no timestamps"]
    words += [f"TCP_DEFER_ACCEPT for {start.defer} timeouts"] if start.defer else []
    words += ["another peer may come"] if start.other else []
    words += ["one SYN for each trace, which ends with its connection"] if start.cookies else []
    words += [f"pauses of {start.pauses_ms / 1000:.0f} s at most"] if start.pauses_ms else []
    return ", ".join(words)
