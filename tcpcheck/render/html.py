"""Verdicts, maps and traces as one HTML file that needs nothing from outside: it opens offline and from a mail.

Without scripts every step stands below the picture; with them one at a time, chosen by click or arrow key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from tcpcheck import __version__
from tcpcheck.mapping.result import MapResult
from tcpcheck.render import map_html, verdicts
from tcpcheck.render.ladder import ports_vary, segment_words
from tcpcheck.render.rules import RuleLookup, no_rules
from tcpcheck.render.svg import svg
from tcpcheck.render.vantage import drop_chain
from tcpcheck.render.words import confirmed_text, printable, seconds, settings_text, time_digits
from tcpcheck.witness.trace import Change, Step, Trace
from tcpcheck.witness.verdict import SpecResult


def trace_page(trace: Trace, rules: RuleLookup = no_rules) -> str:
    """One trace."""
    return _page(trace.title, traces=[_trace(trace, "t1", rules)])


def map_page(result: MapResult) -> str:
    """One map."""
    return _page(f"{result.title}: map over {result.name}", maps=[map_html.section(result, "m1")])


def report(
    results: Sequence[SpecResult],
    *,
    traces: str = "one",
    rules: RuleLookup = no_rules,
    maps: Sequence[MapResult] = (),
) -> str:
    """The verdicts of some specs, their traces, and maps of their unknowns. traces: as `verdicts.text`."""
    shown: list[dict[str, Any]] = []
    drawn = [map_html.section(m, f"m{number}") for number, m in enumerate(maps, 1) if map_html.worth_showing(m)]
    specs = []
    for result in results:
        links: dict[int, str] = {}
        for claim in verdicts.with_traces(result, traces):
            if claim.witness is not None:
                links[id(claim)] = f"t{len(shown) + 1}"
                shown.append(_trace(claim.witness, links[id(claim)], rules))
        own = [m for m in drawn if m["file"] == printable(result.file)]
        specs.append({**_spec(result, links), "maps": own})
    return _page("tcpcheck report", specs, drawn, shown)


def _page(
    title: str,
    specs: Sequence[dict[str, Any]] = (),
    maps: Sequence[dict[str, Any]] = (),
    traces: Sequence[dict[str, Any]] = (),
) -> str:
    folder = resources.files("tcpcheck.render") / "templates"
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((folder / "report.html.j2").read_text())
    style, script = (Markup((folder / f"report.{kind}").read_text().strip()) for kind in ("css", "js"))
    parts = {"specs": specs, "maps": maps, "traces": traces}
    page = template.render(title=printable(title), **parts, style=style, script=script, version=__version__)
    return page + "\n"


# ---- verdicts


def _spec(result: SpecResult, links: dict[int, str]) -> dict[str, Any]:
    rows = verdicts.table_rows(result)
    bounds = dict.fromkeys(row.bounds for row in rows if row.bounds)
    good = sum(claim.ok for claim in result.claims)
    texts = _claim_texts(result)
    return {
        "title": printable(result.title),
        "file": printable(result.file),
        "question": printable(result.question),
        "warnings": [printable(warning) for warning in result.warnings],
        "summary": f"{good} of {len(result.claims)} verdicts as expected",
        "rows": [_row(row, _link(result, row, links), texts) for row in rows],
        "bounds": [f"holds covers every run {bound}" for bound in bounds],
    }


def _claim_texts(result: SpecResult) -> dict[str, str]:
    """What each claim says behind its name, where one line of the spec begins only one."""
    from tcpcheck.lang.format import claim_lines

    lines = claim_lines(result.source) if result.source else []
    at = Counter(line for line, _ in lines)
    said = {line: text for line, text in lines if at[line] == 1}
    known = [claim for claim in result.claims if claim.line in said]
    return {c.name: printable(said[c.line].removeprefix(f"{c.kind} {c.name} ")) for c in known}


def _link(result: SpecResult, row: verdicts.TableRow, links: dict[int, str]) -> str:
    """The trace shown for the row's claim, if there is one and the row has its verdict."""
    same = (c for c in result.claims if c.name == row.claim.name and c.verdict == row.claim.verdict)
    return next((links[id(claim)] for claim in same if id(claim) in links), "")


def _row(row: verdicts.TableRow, link: str, texts: Mapping[str, str]) -> dict[str, str]:
    claim = row.claim
    unsure = claim.verdict == "undecided"
    return {
        "css": "doubt" if unsure else "good" if claim.ok else "bad",
        "mark": "undecided" if unsure else "yes" if claim.ok else "NO",
        "claim": f"{claim.kind} {printable(claim.name)}",
        "text": texts.get(claim.name, "") if row.name else "",  # once for each claim
        "members": row.members,
        "verdict": verdicts.found(claim),
        "remark": row.remark or ("" if claim.ok else printable(verdicts.reason(claim))),
        "expected": row.expected,
        "link": link,
    }


# ---- a trace


def _trace(trace: Trace, name: str, rules: RuleLookup) -> dict[str, Any]:
    values = ", ".join(f"{printable(unknown)} = {printable(value)}" for unknown, value in trace.values.items())
    facts = (
        ("with", settings_text(trace.settings)),
        ("found", values),
        ("confirmed by", confirmed_text(trace.confirmed_by) or "nobody"),
    )
    return {
        "id": name,
        "kind": trace.kind,
        "claim": printable(trace.claim),
        "verdict": trace.verdict,
        "css": "bad" if trace.verdict == "violated" else "good",
        "title": printable(trace.title),
        "spec": printable(trace.spec),
        "facts": [(title, said) for title, said in facts if said],
        "note": printable(trace.note),
        "svg": Markup(svg(trace, prefix=name)),
        "steps": [_step(trace, step, rules) for step in trace.steps],
    }


def _step(trace: Trace, step: Step, rules: RuleLookup) -> dict[str, Any]:
    segment = step.segment
    return {
        "index": step.index,
        "time": seconds(step.time_ns, time_digits(trace)),
        "what": _what(trace, step),
        "segment": "" if segment is None else segment_words(segment, ports_vary(trace), full=True),
        "changes": [{"subject": printable(change.subject), "said": _change(change)} for change in step.changes],
        "rules": [_rule(name, rules) for name in step.rules],
        "states": [(printable(name), printable(state)) for name, state in step.state.items()],
    }


def _what(trace: Trace, step: Step) -> str:
    """A step in words: `client: connect ...`, `server receives`."""
    host = printable(step.host)
    if step.event == "call":
        return f"{host}: {printable(step.text)}"
    if step.event == "timer":
        return f"{host}: {printable(step.text)} fires"
    words = {
        "send": f"{host} sends",
        "receive": f"{host} receives",
        "lose": "the network loses",
        "duplicate": "the network copies",
        "expire": "too late to arrive",
        "drop": f"{drop_chain(trace, step)} of {host} drops",
    }
    return words.get(step.event, f"{host}: {step.event} {printable(step.text)}")


def _change(change: Change) -> str:
    what = "" if change.what == "state" else f"{printable(change.what)}: "
    return what + (f"{printable(change.before)} → " if change.before else "") + printable(change.after)


def _rule(name: str, rules: RuleLookup) -> dict[str, str]:
    info = rules(name)
    parts: Iterable[str] = () if info is None else (info.rfc, info.kernel)
    return {
        "name": printable(name),
        "doc": "" if info is None else printable(info.doc),
        "source": " · ".join(printable(part) for part in parts if part),
    }
