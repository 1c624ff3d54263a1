"""What a cross-check found, as text and as the document `tcpcheck.crosscheck/1`."""

from __future__ import annotations

from typing import Any

from tcpcheck import __version__
from tcpcheck.crosscheck.cells import BASE, SETTINGS
from tcpcheck.crosscheck.coverage import not_taken
from tcpcheck.crosscheck.judge import CellDisagreement, Count
from tcpcheck.crosscheck.run import Outcome
from tcpcheck.crosscheck.stimuli import CLASSES
from tcpcheck.crosscheck.traces_report import traces_document, traces_text
from tcpcheck.render import styled
from tcpcheck.render.rules import RuleLookup, no_rules
from tcpcheck.render.styled import BAD, BOLD, DIM, DOUBT, GOOD, Glyphs, Line, Piece

SHOWN = 40  # disagreements of cells that the text shows; the JSON document has them all


def text(outcome: Outcome, *, ascii: bool = False, color: bool = False, rules: RuleLookup = no_rules) -> str:
    """The table, what was left out and why, the disagreements, a summary."""
    glyphs = styled.ASCII if ascii else styled.UNICODE
    lines: list[Line] = []
    if outcome.states:
        lines += _table(outcome, glyphs) + _notes(outcome) + _cell_disagreements(outcome, glyphs, rules)
    if outcome.traces is not None:
        lines += [*([[]] if lines else []), *traces_text(outcome, outcome.traces, glyphs)]
    lines += _summary(outcome, glyphs)
    return styled.shown(lines, color)


def _table(outcome: Outcome, glyphs: Glyphs) -> list[Line]:
    rows = [("cells that agree", [(name, BOLD) for name in (*CLASSES, "all")], BOLD)]
    for state, found in outcome.table().items():
        counts = [found.get(name, Count()) for name in CLASSES]
        counts.append(sum(counts, Count()))
        rows.append((state, [_count(count, glyphs) for count in counts], ""))
    first = max(styled.columns(name) for name, _, _ in rows)
    widths = [max(styled.columns(cells[i][0]) for _, cells, _ in rows) for i in range(len(CLASSES) + 1)]
    return [
        [
            (name.ljust(first), style),
            *((f"  {cell:>{width}}", s) for (cell, s), width in zip(cells, widths, strict=True)),
        ]
        for name, cells, style in rows
    ]


def _count(count: Count, glyphs: Glyphs) -> Piece:
    """`1,234`; `1,230 4✗`: four disagree; `12—`: not reachable; `3?`: not played, the machine was too busy."""
    words = [f"{count.agree:,}"] if count.agree or not count.total else []
    words += [f"{count.disagree:,}{glyphs.not_ok}"] if count.disagree else []
    words += [f"{count.unreachable:,}{glyphs.dash}"] if count.unreachable else []
    words += [f"{count.busy:,}{glyphs.unsure}"] if count.busy else []
    return " ".join(words), BAD if count.disagree else DOUBT if count.busy else GOOD if count.agree else DIM


def _notes(outcome: Outcome) -> list[Line]:
    lines: list[Line] = [[]]
    for setting in outcome.plan.settings:
        lines.append([(f"{setting}: {setting_text(setting)}", DIM)])
    for setting, why, states in outcome.plan.left_out():
        named = ", ".join(states) if len(states) <= 3 else f"{len(states)} states"
        lines.append([(f"{setting} is not for {named}: {why}", DIM)])
    for result in outcome.states:
        if result.why:
            lines.append([(f"{result.setting}, {result.state}: not reachable: {result.why}", DOUBT)])
    lines.append([("one segment that two stimuli stand for in a state is counted once", DIM)])
    return lines


def setting_text(name: str) -> str:
    """Its sysctls, and what is special about it."""
    setting = SETTINGS[name]
    shown = ("tcp_timestamps", "tcp_rfc1337", "tcp_invalid_ratelimit")
    words = [f"{sysctl}={(BASE | setting.sysctls)[sysctl]}" for sysctl in shown]
    words += [] if setting.peer_ts or not (BASE | setting.sysctls)["tcp_timestamps"] else ["the peer offers none"]
    return ", ".join(words + (["each segment is sent twice"] if setting.twice else []))


def _cell_disagreements(outcome: Outcome, glyphs: Glyphs, rules: RuleLookup) -> list[Line]:
    found = outcome.disagreements()
    lines: list[Line] = [[]] if found else []
    for d in found[:SHOWN]:
        lines += _disagreement(d, glyphs, rules)
    if len(found) > SHOWN:
        lines.append([(f"... and {len(found) - SHOWN} more, all of them with --json or --html", BAD)])
    return lines


def _disagreement(d: CellDisagreement, glyphs: Glyphs, rules: RuleLookup) -> list[Line]:
    lines: list[Line] = [[(f"{glyphs.not_ok} {d.state} [{d.setting}], {d.stimulus}", BAD)]]
    for i, (cell, taken) in enumerate(d.model):
        lines.append([(f"    {'predicted' if i == 0 else '       or'}  {cell}", ""), (f"  by {', '.join(taken)}", DIM)])
    lines.append([(f"    the kernel {d.kernel}", "")])
    info = rules(d.model[0][1][-1]) if d.model and d.model[0][1] else None
    if info is not None:
        lines.append([(f"    {d.model[0][1][-1]}: {info.doc} ({info.rfc or info.kernel})", DIM)])
    return lines


def _summary(outcome: Outcome, glyphs: Glyphs) -> list[Line]:
    lines: list[Line] = [[]]
    lines.append([(f"{outcome.running} and the model of {outcome.plan.kernel}:", BOLD)])
    if outcome.states:
        total = outcome.total()
        words = [f"{total.agree:,} of {total.total:,} cells agree"]
        words += [f"{total.disagree:,} disagree"] if total.disagree else []
        words += [f"{total.unreachable:,} are not reachable"] if total.unreachable else []
        words += [f"{total.busy:,} were not played: this machine was too busy"] if total.busy else []
        words += [f"{total.again:,} only when played again"] if total.again else []
        lines.append(_verdict(words, bool(total.disagree), bool(total.busy), glyphs))
    if outcome.traces is not None:
        played = sum(len(r.disagreements) for r in outcome.traces.results) + outcome.traces.agree
        wrong = played - outcome.traces.agree
        words = [f"{outcome.traces.agree:,} of {played:,} traces agree"]
        words += [f"{wrong:,} disagree"] if wrong else []
        words += [f"{outcome.traces.again:,} only when played again"] if outcome.traces.again else []
        lines.append(_verdict(words, bool(wrong), False, glyphs))
    return lines


def _verdict(words: list[str], wrong: bool, unsure: bool, glyphs: Glyphs) -> Line:
    mark = glyphs.not_ok if wrong else glyphs.unsure if unsure else glyphs.ok
    return [(f"{mark} {', '.join(words)}", BAD if wrong else DOUBT if unsure else GOOD)]


def costs(outcome: Outcome) -> list[str]:
    """What it cost: differs from run to run, so it is no part of the result."""
    lines = []
    if outcome.seconds:
        rate = outcome.plays / outcome.seconds
        lines.append(f"{outcome.plays:,} cells played in {outcome.seconds:.1f} s, {rate:,.0f} a second")
    if outcome.traces is not None:
        found = outcome.traces
        lines.append(f"traces searched for in {found.generating:.1f} s, played in {found.seconds:.1f} s")
    return lines


# ---- JSON


def document(outcome: Outcome) -> dict[str, Any]:
    """`crosscheck --json`."""
    return {
        "schema": "tcpcheck.crosscheck/1",
        "tool": f"tcpcheck {__version__}",
        "kernel": outcome.running,
        "model": outcome.plan.kernel,
        "settings": {name: setting_text(name) for name in outcome.plan.settings},
        "left_out": [{"setting": n, "why": why, "states": states} for n, why, states in outcome.plan.left_out()],
        "cells": _cells_document(outcome) if outcome.plan.cells else None,
        "traces": traces_document(outcome.traces) if outcome.traces is not None else None,
        "rules": {"taken": sorted(outcome.rules()), "not_taken": [[r, why] for r, why in not_taken(outcome.rules())]},
        "ok": outcome.exit_code == 0,
    }


def _cells_document(outcome: Outcome) -> dict[str, Any]:
    return {
        "total": _count_document(outcome.total()),
        "table": [
            {"setting": r.setting, "state": r.state, "class": name, **_count_document(r.counts[name]), "why": r.why}
            for r in outcome.states
            for name in CLASSES
            if name in r.counts
        ],
        "disagreements": [
            {
                "setting": d.setting,
                "state": d.state,
                "stimulus": d.stimulus,
                "kernel": d.kernel,
                "model": [{"cell": cell, "rules": list(rules)} for cell, rules in d.model],
            }
            for d in outcome.disagreements()
        ],
        "played": outcome.plays,
        "seconds": round(outcome.seconds, 3),
    }


def _count_document(count: Count) -> dict[str, int]:
    return {
        "agree": count.agree,
        "disagree": count.disagree,
        "not_reachable": count.unreachable,
        "not_played": count.busy,
        "played_again": count.again,
    }
