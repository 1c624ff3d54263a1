"""A trace as a ladder in SVG: time runs downwards, segments slant from departure to arrival, lost ones end in a cross.

Time is drawn compressed (a minute is not sixty times a second), but never reordered. Beside each lane stand what its
host did and the states its sockets came to. The picture needs nothing from outside and follows light and dark.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from tcpcheck.render.ladder import fixed_ports, lane_names, ports_vary, segment_words, step_words
from tcpcheck.render.vantage import drop_chain, receiver, sender
from tcpcheck.render.words import printable, seconds, time_digits
from tcpcheck.witness.trace import Segment, Step, Trace

CHAR = 6.7  # px, a character's width at FONT
FONT = 11  # px
TIMES = 92  # px, the column of times
NOTES = 236  # px, beside the first and the last lane
NOTE_CHARS = int((NOTES - 20) / CHAR)
SPACING = 430  # px between two lanes
HEAD = 76  # px above the first step
ROW = 26  # px from one step to the next, at least
LINE = 15  # px from one line of notes to the next
STRETCH = 13  # px for each tenfold of the time that passes between two steps

STYLE = """
.ladder{--ink:#1b1f24;--soft:#667080;--line:#b5bdc8;--paper:#fff;--seg:#0b5cad;--bad:#c0262d;--good:#18713b;--call:#7a4a00}
@media(prefers-color-scheme:dark){
.ladder{--ink:#e6e9ee;--soft:#98a2b0;--line:#4a5361;--paper:#14171c;--seg:#6cb2ff;--bad:#ff7b80;--good:#5fd08a;--call:#e8b96a}}
.ladder{background:var(--paper)}
.ladder text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:var(--ink)}
.ladder .host{font-weight:700;font-size:13px}
.ladder .soft,.ladder .time{fill:var(--soft)}
.ladder .lane{stroke:var(--line);stroke-width:1.5}
.ladder .tick{stroke:var(--line);stroke-dasharray:1 4}
.ladder .arrow{stroke:var(--seg);stroke-width:1.5;fill:none}
.ladder .copy .arrow,.ladder .under-way .arrow{stroke-dasharray:5 3}
.ladder .head,.ladder .dot{fill:var(--seg)}
.ladder .words text,.ladder .why{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.ladder .cross{stroke:var(--bad);stroke-width:2.5}
.ladder .why{fill:var(--bad)}
.ladder .mark{fill:var(--call)}
.ladder .did{fill:var(--call)}
.ladder .state{fill:var(--good);font-weight:700}
.ladder .step.now .arrow,.ladder .step.now .cross{stroke-width:3.5}
.ladder .step.now .ring{stroke:var(--seg);stroke-width:2}
.ladder .ring{fill:transparent;stroke:none}
.ladder .step{cursor:default}
@media print{.ladder{--ink:#000;--soft:#444;--line:#999;--paper:#fff;--seg:#000;--bad:#000;--good:#000;--call:#000}}
""".strip()


def svg(trace: Trace, *, prefix: str = "step") -> str:
    """The picture as a text that ends in a newline. prefix: of the ids of its steps (`step-12`)."""
    root = _Picture(trace, prefix).draw()
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


@dataclass(frozen=True)
class _Note:
    """A line beside a lane."""

    text: str
    css: str


@dataclass(frozen=True)
class _Lane:
    host: str
    port: int | None
    x: float
    side: int  # where its notes stand: -1 left, 1 right


@dataclass(frozen=True)
class _Point:
    x: float
    y: float


def _described(trace: Trace) -> str:
    """The picture for who cannot see it: where each connection came to, step by step."""
    names = ", ".join(printable(host.name) for host in trace.hosts)
    digits = time_digits(trace)
    states = [
        f"{seconds(step.time_ns, digits)} s {printable(change.subject)}: {printable(change.after)}"
        for step in trace.steps
        for change in step.changes
        if change.what == "state"
    ]
    return f"{len(trace.steps)} steps of {names}. States: {'; '.join(states) or 'none changes'}."


class _Picture:
    def __init__(self, trace: Trace, prefix: str) -> None:
        self.trace = trace
        self.prefix = prefix
        self.digits = time_digits(trace)
        names = lane_names(trace)
        first = TIMES + NOTES
        self.lanes = [
            _Lane(host, port, first + SPACING * i, -1 if i == 0 and len(names) > 1 else 1)
            for i, (host, port) in enumerate(names)
        ]
        self.width = first + SPACING * (len(names) - 1) + NOTES
        self.with_ports = ports_vary(trace) and not any(lane.port is not None for lane in self.lanes)
        self.notes = {step.index: self._notes(step) for step in trace.steps}
        self.y, self.height = self._rows()
        self.fates = self._fates()

    # ---- layout

    def _rows(self) -> tuple[dict[int, float], float]:
        """The height of each step: in order, never closer than ROW, further apart the more time passes."""
        rows: dict[int, float] = {}
        y, before = float(HEAD), 0
        for step in self.trace.steps:
            passed = (step.time_ns - before) / 1e6
            y += STRETCH * math.log10(1 + passed * 10) if passed > 0 else 0
            rows[step.index] = round(y, 1)
            y += max(ROW, 8 + LINE * len(self.notes[step.index]))
            before = step.time_ns
        return rows, round(y + 14, 1)

    def _fates(self) -> dict[int, Step | None]:
        """For each departure (send or copy) by its index: the step in which that segment ended; None: under way."""
        leaving: dict[int, list[int]] = {}
        fates: dict[int, Step | None] = {}
        for step in self.trace.steps:
            if step.segment is None:
                continue
            uid = step.segment.uid
            if step.event in ("send", "duplicate"):
                leaving.setdefault(uid, []).append(step.index)
                fates[step.index] = None
            elif leaving.get(uid):
                fates[leaving[uid].pop(0)] = step
        return fates

    def _lane(self, host: str, port: int | None) -> _Lane:
        of_host = [lane for lane in self.lanes if lane.host == host]
        return next((lane for lane in of_host if lane.port == port), of_host[0])

    def _notes(self, step: Step) -> list[_Note]:
        said = step.text if step.event == "call" else f"{step.event} {step.text}" if step.event == "timer" else ""
        lines = textwrap.wrap(printable(said), NOTE_CHARS) if said else []
        notes = [_Note(line, "did") for line in lines]
        for change in step.changes:
            if change.what == "state":
                notes.append(_Note(f"{printable(change.subject)}: {printable(change.after)}", "state"))
        return notes

    # ---- drawing

    def draw(self) -> ET.Element:
        width, height = f"{self.width:g}", f"{self.height:g}"
        root = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", role="img")
        root.set("class", "ladder")
        root.set("width", width)
        root.set("height", height)
        ET.SubElement(root, "title").text = printable(f"{self.trace.title}: {self.trace.claim} {self.trace.verdict}")
        ET.SubElement(root, "desc").text = _described(self.trace)
        ET.SubElement(root, "style").text = STYLE
        for lane in self.lanes:
            self._heading(root, lane)
        self._times(root)
        for step in self.trace.steps:
            self._step(root, step)
        for step in self.trace.steps:  # words go over all lines
            self._words(root, step)
        return root

    def _heading(self, root: ET.Element, lane: _Lane) -> None:
        info = next((host for host in self.trace.hosts if host.name == lane.host), None)
        address = info.address if info else ""
        port = lane.port if lane.port is not None else fixed_ports(self.trace).get(lane.host)
        where = f"{address}:{port}" if address and port is not None else address
        for i, (said, css) in enumerate(((lane.host, "host"), (where, "soft"), (info.kernel if info else "", "soft"))):
            self._text(root, lane.x, 20 + 16 * i, printable(said), css, "middle")
        self._line(root, _Point(lane.x, HEAD - 16), _Point(lane.x, self.height - 8), "lane")

    def _times(self, root: ET.Element) -> None:
        """A time wherever it has moved on."""
        shown = None
        for step in self.trace.steps:
            if step.time_ns != shown:
                y = self.y[step.index]
                self._text(root, TIMES - 10, y + 4, seconds(step.time_ns, self.digits), "time", "end")
                self._line(root, _Point(TIMES, y), _Point(self.lanes[0].x, y), "tick")
                shown = step.time_ns

    def _step(self, root: ET.Element, step: Step) -> None:
        """The lines of a step: its segment's way, or a mark on the lane."""
        group = ET.SubElement(root, "g", {"id": f"{self.prefix}-{step.index}", "data-step": str(step.index)})
        under_way = step.index in self.fates and self.fates[step.index] is None
        kinds = ["step", step.event] + ["copy"] * (step.event == "duplicate") + ["under-way"] * under_way
        group.set("class", " ".join(kinds))
        ET.SubElement(group, "title").text = self._told(step)
        at = self._place(step)
        if step.index in self.fates and step.segment is not None:
            self._flight(group, step, step.segment, self.fates[step.index])
        elif step.segment is None:
            ET.SubElement(group, "circle", {"cx": f"{at.x:g}", "cy": f"{at.y:g}", "r": "4.5", "class": "mark"})
        ET.SubElement(group, "circle", {"cx": f"{at.x:g}", "cy": f"{at.y:g}", "r": "9", "class": "ring"})

    def _words(self, root: ET.Element, step: Step) -> None:
        """The words of a step: its segment along the way, notes beside the lane."""
        group = ET.SubElement(root, "g", {"class": "words", "data-step": str(step.index)})
        at, lane = self._place(step), self._own_lane(step)
        for i, note in enumerate(self.notes[step.index]):
            anchor = "end" if lane.side < 0 else "start"
            self._text(group, lane.x + 12 * lane.side, at.y + 4 + LINE * i, note.text, note.css, anchor)
        if step.index in self.fates and step.segment is not None:
            self._label_of(group, step, step.segment)
        if not len(group):
            root.remove(group)

    def _told(self, step: Step) -> str:
        rules = [f"[{printable(rule)}]" for rule in step.rules]
        return " ".join([step_words(step, self.digits, self.with_ports), *rules])

    def _own_lane(self, step: Step) -> _Lane:
        segment = step.segment
        if segment is None:
            return self._lane(step.host, None)
        mine = segment.sport if step.host == sender(self.trace, segment) and step.event != "receive" else segment.dport
        return self._lane(step.host, mine)

    def _place(self, step: Step) -> _Point:
        """Where a step happens: on its host's lane, or, of the network's doings, on the segment's way."""
        y = self.y[step.index]
        if step.segment is not None and step.event in ("lose", "duplicate", "expire"):
            source, target = self._ends(step.segment)
            return _Point(source.x + (target.x - source.x) * 0.6, y)
        return _Point(self._own_lane(step).x, y)

    def _ends(self, segment: Segment) -> tuple[_Lane, _Lane]:
        source, target = sender(self.trace, segment), receiver(self.trace, segment)
        return self._lane(source, segment.sport), self._lane(target, segment.dport)

    def _flight(self, group: ET.Element, step: Step, segment: Segment, fate: Step | None) -> None:
        """The way of a segment from its departure (or where the network copied it) to its end."""
        source, target = self._ends(segment)
        start = self._place(step)
        if source is not target:
            end, why = self._end(start, source, target, fate)
            self._line(group, start, end, "arrow")
            if why:
                self._cross(group, end, why)
            elif fate is not None:
                self._head(group, start, end)
        if step.event == "send":
            ET.SubElement(group, "circle", {"cx": f"{start.x:g}", "cy": f"{start.y:g}", "r": "2.5", "class": "dot"})

    def _label_of(self, group: ET.Element, step: Step, segment: Segment) -> None:
        """The segment in words, along its way: near its departure where the way is steep and others cross it."""
        source, target = self._ends(segment)
        start = self._place(step)
        said = ("copy of " if step.event == "duplicate" else "") + segment_words(segment, self.with_ports)
        if source is target:
            self._text(group, start.x + 12 * source.side, start.y + 4, f"to itself: {said}", "label")
            return
        end, _ = self._end(start, source, target, self.fates[step.index])
        share = 0.5
        if end.y - start.y > 2 * ROW:
            share = min(0.5, (CHAR * len(said) / 2 + 24) / math.hypot(end.x - start.x, end.y - start.y))
        at = _Point(start.x + (end.x - start.x) * share, start.y + (end.y - start.y) * share)
        self._along(group, at, math.degrees(math.atan2(end.y - start.y, end.x - start.x)), said)

    def _end(self, start: _Point, source: _Lane, target: _Lane, fate: Step | None) -> tuple[_Point, str]:
        """Where the arrow ends, and why before its target; "" when it arrives."""
        if fate is None:
            return _Point(start.x + (target.x - start.x) * 0.7, start.y + ROW), ""
        y = self.y[fate.index]
        if fate.event == "receive":
            return _Point(target.x, y), ""
        if fate.event == "drop":
            chain = drop_chain(self.trace, fate)
            share = 0.12 if chain == "OUTPUT" else 0.94
            return _Point(source.x + (target.x - source.x) * share, y), f"{chain} drops it"
        return self._place(fate), "lost" if fate.event == "lose" else "too late to arrive"

    def _along(self, group: ET.Element, at: _Point, slope: float, said: str) -> None:
        """A label on a line that falls by `slope` degrees, upright."""
        upright = slope - 180 if slope > 90 else slope
        text = self._text(group, at.x, at.y - 5, said, "label", "middle")
        text.set("transform", f"rotate({upright:.2f} {at.x:.1f} {at.y:.1f})")

    def _head(self, group: ET.Element, start: _Point, end: _Point) -> None:
        length = math.hypot(end.x - start.x, end.y - start.y) or 1
        ux, uy = (end.x - start.x) / length, (end.y - start.y) / length
        left = (end.x - 10 * ux + 4 * uy, end.y - 10 * uy - 4 * ux)
        right = (end.x - 10 * ux - 4 * uy, end.y - 10 * uy + 4 * ux)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in ((end.x, end.y), left, right))
        ET.SubElement(group, "polygon", {"points": points, "class": "head"})

    def _cross(self, group: ET.Element, at: _Point, why: str) -> None:
        for dy in (6, -6):
            self._line(group, _Point(at.x - 6, at.y - dy), _Point(at.x + 6, at.y + dy), "cross")
        self._text(group, at.x, at.y + 20, why, "why", "middle")

    def _line(self, parent: ET.Element, start: _Point, end: _Point, css: str) -> None:
        numbers = {"x1": start.x, "y1": start.y, "x2": end.x, "y2": end.y}
        ET.SubElement(parent, "line", {name: f"{value:.1f}" for name, value in numbers.items()} | {"class": css})

    def _text(self, parent: ET.Element, x: float, y: float, said: str, css: str, anchor: str = "start") -> ET.Element:
        numbers = {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": css, "text-anchor": anchor}
        text = ET.SubElement(parent, "text", numbers)
        text.text = said
        return text
