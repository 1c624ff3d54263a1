"""The drawing board of the text ladder: lanes, rows of characters, arrows and blocks of notes.

A row is as wide as the drawing; the lanes are drawn first, everything else goes over them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tcpcheck.render.styled import BAD, BOLD, DIM, Glyphs, Line, char_columns, columns, wrap
from tcpcheck.render.words import printable, seconds
from tcpcheck.witness.trace import HostInfo, Segment, Step, Trace

Note = tuple[str, str, int]  # text, style, columns of indent

LANE_GAP = 24  # lanes closer than this leave no room for a segment's numbers: the drawing gets wider instead
GLUE = "\u00a0"  # a blank at which no line may end
NOTE_COLUMNS = 46  # a block of notes narrower than this is hard to read: let it run over other lanes


@dataclass(frozen=True)
class Lane:
    """A vertical line: one host, or one port of a host that talks to itself."""

    host: str
    port: int | None
    column: int
    last: bool  # the rightmost of several: its notes stand to its left


class Row:
    """One line of the drawing, one cell a column."""

    def __init__(self, width: int, lanes: tuple[Lane, ...], glyphs: Glyphs) -> None:
        self.chars = [" "] * width
        self.styles = [""] * width
        for lane in lanes:
            self.put(lane.column, glyphs.lane, DIM)

    def put(self, column: int, text: str, style: str = "") -> None:
        """Writes `text` from `column` on; what sticks out at the right is cut."""
        for char in text.replace(GLUE, " "):
            span = char_columns(char)
            if column + span > len(self.chars):
                return
            if span == 0:
                self.chars[column - 1] += char
                continue
            self.chars[column : column + span] = [char] + [""] * (span - 1)
            self.styles[column : column + span] = [style] * span
            column += span

    def line(self) -> Line:
        pieces: Line = []
        for char, style in zip(self.chars, self.styles, strict=True):
            if pieces and pieces[-1][1] == style:
                pieces[-1] = (pieces[-1][0] + char, style)
            else:
                pieces.append((char, style))
        return pieces


class Board:
    """The ladder as it grows downwards."""

    def __init__(self, trace: Trace, width: int, glyphs: Glyphs, time_columns: int) -> None:
        names = lane_names(trace)
        first = time_columns + 2
        self.width = max(width, first + LANE_GAP * (len(names) - 1) + 1)
        self.glyphs = glyphs
        self.lanes = _lanes(names, first, self.width - 1)
        self.rows: list[Row] = []

    def row(self, time: str = "") -> Row:
        """A new row; `time` is already as wide as its column."""
        row = Row(self.width, self.lanes, self.glyphs)
        row.put(0, time, DIM)
        self.rows.append(row)
        return row

    def lane(self, host: str, port: int | None = None) -> Lane:
        """The lane of a host, or of one of its ports where it has a lane for each."""
        of_host = [lane for lane in self.lanes if lane.host == host]
        return next((lane for lane in of_host if lane.port == port), of_host[0])

    def arrow(
        self, time: str, source: Lane, target: Lane, label: list[str], part: str = "whole", stop: str = ""
    ) -> None:
        """An arrow with its label on it, or above it where it does not fit.

        label: from the longest to the shortest way to say it. part: `whole`, or `start` or `end` where departure and
        arrival are drawn apart. stop: why it ends in a cross before it reaches `target`.
        """
        gap = abs(target.column - source.column)
        if columns(stop) > gap - 8:
            label, stop = [f"{label[-1]}, {stop}"], self.glyphs.lost
        elif stop:
            parts = (self.glyphs.lost, stop)
            stop = " ".join(parts if source.column < target.column else reversed(parts))
        room = gap - 8 - (columns(stop) + 1 if stop else 0)
        text = next((f" {way} " for way in label if columns(way) <= room), "")
        if not text:
            self._label_above(time, source, target, label[-1])
            time = ""
        row = self.row(time)
        first, last = 1, gap - 1
        if part == "end":
            label_at = gap - 3 - columns(text)
            first = min(label_at - 2, gap // 3) if text else gap // 3
        else:
            label_at = 3
            row.put(source.column, self.glyphs.from_left if source.column < target.column else self.glyphs.from_right)
        used = label_at + columns(text) + 1
        if part == "start":
            last = min(max(used + 1, gap * 2 // 3), gap - 2)
        elif stop:
            last = min(max(used, gap * 2 // 3), gap - 2 - columns(stop))
        self._shaft(row, source, target, range(first, last + 1), part)
        if text:
            self._along(row, source, target, label_at, text, BOLD)
        if stop:
            self._along(row, source, target, last + 1, stop, BAD)
        elif part != "start":
            head = self.glyphs.right if source.column < target.column else self.glyphs.left
            self._along(row, source, target, gap - 1, head)

    def _along(self, row: Row, source: Lane, target: Lane, distance: int, text: str, style: str = "") -> None:
        """Writes `text` so that its end nearer to the source is `distance` columns from it."""
        rightwards = source.column < target.column
        row.put(source.column + distance if rightwards else source.column - distance - columns(text) + 1, text, style)

    def _shaft(self, row: Row, source: Lane, target: Lane, distances: range, part: str) -> None:
        """The line of an arrow; the end that belongs to another moment is dashed."""
        glyphs = self.glyphs
        dashed = {"start": distances[-3:], "end": distances[:3]}.get(part, distances[:0])
        lanes = {lane.column for lane in self.lanes}
        for distance in distances:
            column = source.column + (distance if source.column < target.column else -distance)
            glyph = glyphs.far if distance in dashed else glyphs.cross if column in lanes else glyphs.line
            row.put(column, glyph)

    def _label_above(self, time: str, source: Lane, target: Lane, label: str) -> None:
        low, high = sorted((source.column, target.column))
        pieces = wrap(label, high - low - 3, "  ")
        start = low + 2 if source.column == low else high - 1 - max(columns(piece) for piece in pieces)
        for piece in pieces:
            self.row(time).put(start, piece, BOLD)
            time = ""

    def notes(self, time: str, lane: Lane, block: list[Note], mark: str = "") -> None:
        """Lines beside a lane. mark: put on the lane itself, beside the first line.

        Beside the last lane everything is mirrored: it ends at the lane and is indented from there.
        """
        start, room = self._note_place(lane)
        for text, style, indent in block:
            pieces = wrap(text, room - indent)
            size = max(columns(piece) for piece in pieces)
            left = start + room - indent - size if lane.last else start + indent
            for piece in pieces:
                row = self.row(time)
                row.put(left, piece, style)
                if mark:
                    row.put(lane.column, mark, style)
                time = mark = ""

    def _note_place(self, lane: Lane) -> tuple[int, int]:
        """First column and width of the notes of a lane."""
        edges = [other.column for other in self.lanes]
        if lane.last:
            room = lane.column - 2 - (edges[-2] + 2)
            room = min(max(room, NOTE_COLUMNS), lane.column - edges[0] - 3)
            return lane.column - 1 - room, room
        after = [column for column in edges if column > lane.column]
        room = (after[0] if after else self.width) - lane.column - 3
        return lane.column + 2, max(room, min(NOTE_COLUMNS, self.width - lane.column - 3))


def lane_names(trace: Trace) -> list[tuple[str, int | None]]:
    """The hosts in the spec's order, then who else acts; a host that talks to itself: a lane for each of its ports."""
    names: list[tuple[str, int | None]] = []
    for host in dict.fromkeys([*(host.name for host in trace.hosts), *(step.host for step in trace.steps)]):
        ports = _own_ports(trace, host)
        names += [(host, port) for port in ports] if len(ports) > 1 else [(host, None)]
    return names


def _lanes(names: list[tuple[str, int | None]], first: int, last: int) -> tuple[Lane, ...]:
    """The lanes, spread evenly from column `first` to column `last`."""
    gaps = max(len(names) - 1, 1)
    return tuple(
        Lane(host, port, first + (last - first) * index // gaps, index > 0 and index == len(names) - 1)
        for index, (host, port) in enumerate(names)
    )


def _own_ports(trace: Trace, host: str) -> list[int]:
    """Ports between which the host sends segments to itself, in the order they appear."""
    ports: dict[int, None] = {}
    for step in trace.steps:
        segment = step.segment
        if segment is not None and segment.src == segment.dst == host:
            ports |= {segment.sport: None, segment.dport: None}
    return list(ports)


def heading(board: Board, trace: Trace) -> None:
    """Name, address and kernel of each lane's host, over the lane."""
    info = {host.name: host for host in trace.hosts}
    ports = fixed_ports(trace)
    titles = []
    for lane in board.lanes:
        port = lane.port if lane.port is not None else ports.get(lane.host)
        host = info.get(lane.host, HostInfo(lane.host, "", ""))  # an attacker is no host
        where = host.address + (f":{port}" if port is not None and host.address else "")
        titles.append((lane, [printable(lane.host), printable(where), printable(host.kernel)]))
    for line, style in enumerate((BOLD, DIM, DIM)):
        row = Row(board.width, (), board.glyphs)
        for lane, texts in titles:
            size = columns(texts[line])
            first = lane is board.lanes[0]
            centred = lane.column - size // 2
            row.put(lane.column if first else lane.column + 1 - size if lane.last else centred, texts[line], style)
        board.rows.append(row)


def fixed_ports(trace: Trace) -> dict[str, int]:
    """The one port that each host uses, when no host uses more than one."""
    used: dict[str, set[int]] = {}
    for step in trace.steps:
        if step.segment is not None:
            used.setdefault(step.segment.src, set()).add(step.segment.sport)
            used.setdefault(step.segment.dst, set()).add(step.segment.dport)
    return {host: min(ports) for host, ports in used.items()} if all(len(p) == 1 for p in used.values()) else {}


def ports_vary(trace: Trace) -> bool:
    """Labels must name the ports: the heads of the lanes cannot."""
    return not fixed_ports(trace)


def segment_label(segment: Segment, with_ports: bool, tag: str) -> list[str]:
    """Ways to print a segment, the longest first; numbers are absolute, the window is in bytes."""
    head = f"{segment.sport} > {segment.dport} " if with_ports else ""
    core = f"{tag}{head}[{segment.flags}] seq {segment.seq}"
    if "." in segment.flags:
        core += f" ack {segment.ack}"
    if segment.length:
        core += f" len {segment.length}"
    if segment.sack is not None:
        core += f" sack {segment.sack[0]}-{segment.sack[1]}"
    if segment.forged:
        core += " forged"
    stamped = core if segment.tsval is None else f"{core} TS {segment.tsval}/{segment.tsecr}"
    full = f"{stamped} win {segment.window}" + ("" if segment.mss is None else f" mss {segment.mss}")
    return [re.sub(r" (\d)", GLUE + r"\1", way) for way in (full, stamped)]


def segment_words(segment: Segment, with_ports: bool, tag: str = "", full: bool = False) -> str:
    """A segment on a line of its own, where nothing has to fit. full: with its window and MSS."""
    longest, stamped = segment_label(segment, with_ports, tag)
    return printable((longest if full else stamped).replace(GLUE, " "))


def step_words(step: Step, digits: int, with_ports: bool) -> str:
    """When, who, what: `1.000010 s client send [S] seq 5`."""
    parts = [f"{seconds(step.time_ns, digits)} s", printable(step.host), step.event, printable(step.text)]
    if step.segment is not None:
        parts.append(segment_words(step.segment, with_ports))
    return " ".join(part for part in parts if part)
