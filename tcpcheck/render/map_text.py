"""A map for the terminal: one table for each moment, one line for each stretch of values."""

from __future__ import annotations

from collections.abc import Sequence

from tcpcheck.mapping.result import Map, MapResult, Moment
from tcpcheck.render import styled
from tcpcheck.render.map_words import compares, outcome_words, pieces, range_words, size, span, sure_words
from tcpcheck.render.styled import BAD, BOLD, DIM, DOUBT, GOOD, Line
from tcpcheck.render.verdicts import bounds_text, descriptions
from tcpcheck.render.words import printable

WIDTH_MIN = 60


def text(result: MapResult, *, width: int = 100, color: bool = False) -> str:
    """The map as text that ends in a newline."""
    return styled.shown(lines(result, max(width, WIDTH_MIN)), color)


def lines(result: MapResult, width: int) -> list[Line]:
    out: list[Line] = [[(f"map over {printable(result.name)}", BOLD), _where(result)]]
    if result.question and result.question != result.title:
        out += [[(piece, DIM)] for piece in styled.wrap(printable(result.question), width)]
    for warning in result.warnings:
        out += [[(piece, DOUBT)] for piece in styled.wrap(f"warning: {printable(warning)}", width, "         ")]
    for m, who in zip(result.maps, members(result.maps), strict=True):
        if who:
            out += [[], *([(piece, BOLD)] for piece in styled.wrap(f"when {who}", width, "     "))]
        out += _map(m, width)
    if not result.maps:
        out += [[], [("interrupted before anything was known", BAD)]]
    return out + _closing(result, width)


def _where(result: MapResult) -> tuple[str, str]:
    return f"  {printable(result.title)} ({printable(result.file)})", DIM


def members(maps: Sequence[Map]) -> list[str]:
    """Words for the members of the families that each map holds for; "" where there are no others."""
    everyone = [s for m in maps for s in m.settings]
    if len(everyone) <= 1 and not any(everyone):
        return ["" for _ in maps]
    at, out = 0, []
    for m in maps:
        group = set(range(at, at + len(m.settings)))
        at += len(m.settings)
        out.append(" or ".join(descriptions(everyone, group)))
    return out


def _map(m: Map, width: int) -> list[Line]:
    out: list[Line] = [[], [(f"undecided: {printable(m.undecided)}", DOUBT)]] if m.undecided else []
    alike: list[str] = []
    for moment in m.moments:
        stretches = pieces(moment)
        if len(stretches) > 1 or moment.note or any(not o.exact for o in moment.outcomes):
            out += [[], *_moment(moment, width)]
        else:
            alike.append(f"{moment.text}: {outcome_words(moment, stretches[0].which)}")
    if alike:
        out += [[], [("with any value", BOLD)]]
        out += [[(piece, DIM)] for said in alike for piece in styled.wrap("  " + printable(said), width, "    ")]
    if not m.moments and not m.undecided:
        out += [[], [("no claim speaks of anything that this could lead to", DIM)]]
    return out


def _moment(moment: Moment, width: int) -> list[Line]:
    over = moment.over
    out: list[Line] = [[(printable(moment.text), BOLD)]]
    if moment.note:
        return out + [[(f"  {piece}", DOUBT)] for piece in styled.wrap(f"not known: {moment.note}", width - 2)]
    head = f"{printable(over.text)}, {range_words(over)}"
    rows = [(span(over, p), size(over, p.count), outcome_words(moment, p.which), p.which) for p in pieces(moment)]
    first = max(len(head), *(len(r[0]) for r in rows))
    second = max(len(r[1]) for r in rows)
    indent = first + second + 6
    out.append([(f"  {head}", DIM)])
    for values, n, words, which in rows:
        wrapped = styled.wrap(printable(words), max(width - indent, 24))
        style = DIM if not which else DOUBT if len(which) > 1 else ""
        out.append([(f"  {values:<{first}}  {n:>{second}}  ", ""), (wrapped[0], style)])
        out += [[(" " * indent + piece, style)] for piece in wrapped[1:]]
    for o in moment.outcomes:
        if not o.exact:
            said = f"not exact: the values of `{o.text}` may be fewer: {o.why}"
            out += [[(f"  {piece}", DOUBT)] for piece in styled.wrap(printable(said), width - 2)]
    return out


def _closing(result: MapResult, width: int) -> list[Line]:
    """What the map covers, and how it was confirmed."""
    known = [m for m in result.maps if m.moments]
    limits = list(dict.fromkeys(bounds_text({k: v for k, v in m.bounds.items() if k != "omission"}) for m in known))
    hidden = sum(float(m.bounds.get("omission") or 0) for m in known)
    runs = sum(o.runs for m in known for moment in m.moments for o in moment.outcomes)
    style = GOOD if result.ok and compares(result) else DOUBT if result.ok else BAD
    out: list[Line] = [[]]
    for limit in limits:
        out += [[(piece, DIM)] for piece in styled.wrap(f"every run {limit}", width, "  ")]
    said = f"; {runs} values run with real numbers; hashing hid a state with probability below {hidden:.1e}"
    return [*out, [(sure_words(result), style), (said if compares(result) else "", DIM)]]
