"""A map as part of a page: the picture, and the same in words for who cannot see it or wants to copy from it."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from tcpcheck.mapping.result import Map, MapResult, Moment
from tcpcheck.render.map_svg import svg, worth_drawing
from tcpcheck.render.map_text import members
from tcpcheck.render.map_words import compares, outcome_words, pieces, range_words, size, span, sure_words
from tcpcheck.render.verdicts import bounds_text
from tcpcheck.render.words import printable


def worth_showing(result: MapResult) -> bool:
    """Whether some outcome depends on the value: else the picture would be of one colour."""
    return any(len(pieces(moment)) > 1 for m in result.maps for moment in m.moments)


def section(result: MapResult, name: str) -> dict[str, Any]:
    """What the template `report.html.j2` shows of a map. name: its id in the page."""
    return {
        "id": name,
        "over": printable(result.name),
        "title": printable(result.title),
        "file": printable(result.file),
        "svg": Markup(svg(result)),
        "tables": [
            _table(who, moment)
            for m, who in zip(result.maps, members(result.maps), strict=True)
            for moment in worth_drawing(m)
        ],
        "doubts": [printable(said) for said in _doubts(result)],
        "bounds": [f"every run {said}" for said in dict.fromkeys(map(_bounds, result.maps))],
        "sure": sure_words(result),
        "css": "good" if result.ok and compares(result) else "doubt",
    }


def _bounds(m: Map) -> str:
    return bounds_text({k: v for k, v in m.bounds.items() if k != "omission"})


def _table(who: str, moment: Moment) -> dict[str, Any]:
    over = moment.over
    return {
        "caption": printable((f"when {who}: " if who else "") + moment.text),
        "over": printable(f"{over.text}, {range_words(over)}"),
        "rows": [
            (span(over, p), size(over, p.count), printable(outcome_words(moment, p.which))) for p in pieces(moment)
        ],
    }


def _doubts(result: MapResult) -> list[str]:
    said = [f"undecided: {m.undecided}" for m in result.maps if m.undecided]
    for moment in (moment for m in result.maps for moment in m.moments):
        said += [f"{moment.text}: not known: {moment.note}"] if moment.note else []
        said += [f"the values of `{o.text}` may be fewer: {o.why}" for o in moment.outcomes if not o.exact]
    return list(dict.fromkeys(said))
