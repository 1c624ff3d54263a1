"""A map as a picture: a ring for numbers modulo 2^32, a bar for durations and families; a colour for each outcome.

Where several outcomes share values, their colours share the width. The picture needs nothing from outside and follows
light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from tcpcheck.mapping.result import OPEN, Map, MapResult, Moment
from tcpcheck.render.map_text import members
from tcpcheck.render.map_words import CIRCLE, Piece, duration, outcome_words, pieces, range_words, size, span
from tcpcheck.render.styled import wrap
from tcpcheck.render.words import printable

WIDTH = 880  # px
MARGIN = 28
CHAR = 7.0  # px, a character's width at the size of the legend
LINE = 18  # px from one line of text to the next
RADIUS, RING = 96, 30  # px, of the ring's outer edge, and its width
BAR = 34  # px, the bar's height
LEAST_ANGLE, LEAST_WIDTH = 0.045, 3.0  # what one value out of 2^32 is drawn as: rad, px
NICE = (1, 2, 5)  # times powers of ten: steps between the marks of an axis

STYLE = """
.map{--ink:#1b1f24;--soft:#667080;--line:#b5bdc8;--paper:#fff;--none:#e7eaee;
--c0:#1f77b4;--c1:#e4572e;--c2:#2e9e5b;--c3:#8e5bc7;--c4:#d6a419;--c5:#3aa6a6}
@media(prefers-color-scheme:dark){
.map{--ink:#e6e9ee;--soft:#98a2b0;--line:#4a5361;--paper:#14171c;--none:#2a3038;
--c0:#5aa9e6;--c1:#ff8a65;--c2:#63c98a;--c3:#b98cf0;--c4:#efc34d;--c5:#6fd0d0}}
.map{background:var(--paper)}
.map text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--ink)}
.map .title{font-size:18px;font-weight:700}
.map .moment{font-size:14px;font-weight:700}
.map .values{font:11.5px ui-monospace,Menlo,Consolas,monospace}
.map .soft{fill:var(--soft)}
.map .axis{stroke:var(--line)}
.map .none{fill:var(--none)}
.map .o0{fill:var(--c0)}.map .o1{fill:var(--c1)}.map .o2{fill:var(--c2)}
.map .o3{fill:var(--c3)}.map .o4{fill:var(--c4)}.map .o5{fill:var(--c5)}
""".strip()
COLOURS = 6


def svg(result: MapResult) -> str:
    """The picture as a text that ends in a newline."""
    root = _Picture(result).draw()
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def worth_drawing(m: Map) -> list[Moment]:
    """The moments whose outcome depends on the value; all that come about, where none does."""
    telling = [x for x in m.moments if len(pieces(x)) > 1]
    return telling or [x for x in m.moments if x.outcomes]


def _described(m: Map) -> str:
    """The moments that are drawn, for who cannot see them."""
    said = []
    for moment in worth_drawing(m):
        told = "; ".join(f"{span(moment.over, p)}: {outcome_words(moment, p.which)}" for p in pieces(moment))
        said.append(f"{moment.text}, by {moment.over.text}: {told}.")
    return " ".join(said)


class _Picture:
    """Puts one moment below the other."""

    def __init__(self, result: MapResult) -> None:
        self.result = result
        self.y = MARGIN + 14.0
        self.root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "map", "role": "img"})
        said = f"Values of {result.name} and what they lead to: {printable(result.title)}"
        ET.SubElement(self.root, "title").text = said
        ET.SubElement(self.root, "desc").text = printable(" ".join(_described(m) for m in result.maps))
        ET.SubElement(self.root, "style").text = STYLE

    def draw(self) -> ET.Element:
        r = self.result
        self.text(MARGIN, r.title, "title")
        for line in wrap(r.question if r.question != r.title else f"map over {r.name}", int((WIDTH - 2 * MARGIN) / 6)):
            self.y += LINE
            self.text(MARGIN, line, "soft")
        for m, who in zip(r.maps, members(r.maps), strict=True):
            self.y += 12
            for line in wrap(f"when {who}", int((WIDTH - 2 * MARGIN) / 6)) if who else []:
                self.y += LINE
                self.text(MARGIN, line, "soft")
            if m.undecided:
                self.y += LINE
                self.text(MARGIN, f"undecided: {m.undecided}", "")
            for moment in worth_drawing(m):
                self.moment(moment)
        height = round(self.y + MARGIN)
        self.root.set("viewBox", f"0 0 {WIDTH} {height}")
        self.root.set("width", str(WIDTH))
        self.root.set("height", str(height))
        return self.root

    def moment(self, m: Moment) -> None:
        self.y += 34
        self.text(MARGIN, m.text, "moment")
        self.y += LINE
        self.text(MARGIN, f"{m.over.text}, {range_words(m.over)}", "soft")
        if m.over.kind == "number":
            top = self.y
            self.ring(m, MARGIN + RADIUS + 34, top + RADIUS + 32)
            bottom = top + 2 * RADIUS + 60
            self.legend(m, MARGIN + 2 * RADIUS + 90, top + 30)
            self.y = max(self.y, bottom)
        else:
            self.bar(m)
            self.legend(m, MARGIN, self.y + 22)

    # ---- a ring

    def ring(self, m: Moment, cx: float, cy: float) -> None:
        stretches = pieces(m)
        nearest = min(range(len(stretches)), key=lambda i: abs(stretches[i].first))
        stretches = stretches[nearest:] + stretches[:nearest]  # so that 0 is where its mark is
        a = _angle(stretches[0].first)
        for p, width in zip(stretches, _widths(stretches, 2 * math.pi, LEAST_ANGLE), strict=True):
            b = a + width
            bands = len(p.which) or 1
            for k in range(bands):
                outer, inner = RADIUS - RING * k / bands, RADIUS - RING * (k + 1) / bands
                shape = self.add("path", d=_sector(cx, cy, outer, inner, a, b), **{"class": _css(p, k)})
                ET.SubElement(shape, "title").text = f"{span(m.over, p)}: {outcome_words(m, p.which)}"
            a = b
        marks = ((0, "0"), (CIRCLE // 4, "2^30"), (CIRCLE // 2, "2^31"), (3 * CIRCLE // 4, "-2^30"))
        for v, words in marks:
            a = _angle(v)
            x, y = math.sin(a), -math.cos(a)
            line = {
                "x1": cx + x * RADIUS,
                "y1": cy + y * RADIUS,
                "x2": cx + x * (RADIUS + 6),
                "y2": cy + y * (RADIUS + 6),
            }
            self.add("line", **{"class": "axis"}, **{k: _px(w) for k, w in line.items()})
            anchor = "middle" if abs(x) < 0.5 else "start" if x > 0 else "end"
            self.text(cx + x * (RADIUS + 11), words, "soft", anchor, cy + y * (RADIUS + 15) + 4)

    # ---- a bar

    def bar(self, m: Moment) -> None:
        top, left, width = self.y + 12, float(MARGIN), float(WIDTH - 2 * MARGIN)
        lo, n, x = m.over.lo, m.over.count, left
        for p, w in zip(pieces(m), _widths(pieces(m), width, LEAST_WIDTH), strict=True):
            bands = len(p.which) or 1
            for k in range(bands):
                place = {"x": x, "y": top + BAR * k / bands, "width": w, "height": BAR / bands}
                shape = self.add("rect", **{k: _px(v) for k, v in place.items()}, **{"class": _css(p, k)})
                ET.SubElement(shape, "title").text = f"{span(m.over, p)}: {outcome_words(m, p.which)}"
            x += w
        self.y = top + BAR + 16
        if m.over.kind == "family":
            for i, words in enumerate(m.over.members if n <= 16 else ()):
                self.text(left + width * (i + 0.5) / n, words, "soft", "middle")
            return
        for v in _marks(lo, m.over.hi):
            x = left + width * (v - lo) / n
            self.add(
                "line", **{"class": "axis", "x1": _px(x), "x2": _px(x), "y1": _px(top + BAR), "y2": _px(top + BAR + 4)}
            )
            self.text(x, duration(v), "soft", "start" if v == lo else "end" if v > lo + 0.97 * n else "middle")

    # ---- words

    def legend(self, m: Moment, x: float, y: float) -> None:
        """Each stretch: its colours, its values, how many they are, what they lead to."""
        self.y = y
        wide = int((WIDTH - MARGIN - x - 30) / CHAR)
        for p in pieces(m):
            for k in range(len(p.which) or 1):
                size_px = 12 / (len(p.which) or 1)
                place = {"x": x, "y": self.y - 10 + size_px * k, "width": 12, "height": size_px}
                self.add("rect", **{k: _px(v) for k, v in place.items()}, **{"class": _css(p, k)})
            n = size(m.over, p.count) if m.over.kind == "number" else ""
            values = wrap(span(m.over, p) + (f"  ({n} value{'s' if p.count > 1 else ''})" if n else ""), wide)
            for line in values:
                self.text(x + 20, line, "values")
                self.y += LINE - 2
            for line in wrap(outcome_words(m, p.which), wide):
                self.text(x + 20, line, "soft" if not p.which else "")
                self.y += LINE - 2
            self.y += 6
        self.y -= 6

    def text(self, x: float, words: str, css: str, anchor: str = "start", y: float | None = None) -> None:
        attributes = {"x": _px(x), "y": _px(self.y if y is None else y)}
        if css:
            attributes["class"] = css
        if anchor != "start":
            attributes["text-anchor"] = anchor
        ET.SubElement(self.root, "text", attributes).text = printable(words)

    def add(self, tag: str, **attributes: str) -> ET.Element:
        return ET.SubElement(self.root, tag, attributes)


def _css(p: Piece, k: int) -> str:
    return f"o{p.which[k] % COLOURS}" if p.which and p.which[k] != OPEN else "none"


def _widths(stretches: Sequence[Piece], whole: float, least: float) -> list[float]:
    """How wide each is drawn: as many values as it has, but at least so that it is seen, at the cost of the others."""
    total = sum(p.count for p in stretches)
    true = [whole * p.count / total for p in stretches]
    narrow = [w < least for w in true]
    room = whole - least * sum(narrow)
    scale = room / sum(w for w, small in zip(true, narrow, strict=True) if not small)
    return [least if small else w * scale for w, small in zip(true, narrow, strict=True)]


def _angle(v: int) -> float:
    """0 is at the top, and it goes on clockwise."""
    return 2 * math.pi * v / CIRCLE


def _sector(cx: float, cy: float, outer: float, inner: float, a: float, b: float) -> str:
    """Part of a ring, between two angles; all of it in two halves."""
    if b - a > 2 * math.pi - 1e-3:
        middle = a + math.pi
        halves = ((a, middle), (middle, a + 2 * math.pi - 1e-6))
        return " ".join(_sector(cx, cy, outer, inner, *half) for half in halves)
    large = int(b - a > math.pi)

    def at(r: float, t: float) -> str:
        return f"{_px(cx + r * math.sin(t))} {_px(cy - r * math.cos(t))}"

    return (
        f"M{at(outer, a)} A{_px(outer)} {_px(outer)} 0 {large} 1 {at(outer, b)} "
        f"L{at(inner, b)} A{_px(inner)} {_px(inner)} 0 {large} 0 {at(inner, a)} Z"
    )


def _marks(lo: int, hi: int) -> Sequence[int]:
    """Round values for an axis, and its two ends; none too close to the end."""
    least = max((hi - lo) // 8, 1)
    power = 10 ** (len(str(least)) - 1)
    step = next((k * power for k in NICE if k * power >= least), 10 * power)
    between = range((lo // step + 1) * step, hi, step)
    return [lo, *(v for v in between if hi - v > step // 2), hi]


def _px(v: float) -> str:
    return f"{v:.2f}".rstrip("0").rstrip(".")
