"""A trace as a ladder diagram for the terminal.

One lane for each host (for each port, where a host talks to itself), time in seconds at the left. A segment that
arrives before anything else happens is one arrow; otherwise its departure and its arrival are two lines with the same
number (#1). Below each step: what it changed, the rule taken and, the first time, where the rule is written.
"""

from __future__ import annotations

import re

from tcpcheck.render import styled
from tcpcheck.render.ladder import Board, Lane, Note, heading, ports_vary, segment_label
from tcpcheck.render.moments import Moment, moments, tags
from tcpcheck.render.rules import RuleLookup, no_rules
from tcpcheck.render.styled import BAD, BOLD, CALL, DIM, GOOD, RULE, Line
from tcpcheck.render.vantage import drop_chain, receiver, sender
from tcpcheck.render.words import confirmed_text, printable, seconds, settings_text, time_digits
from tcpcheck.witness.trace import Segment, Step, Trace

WIDTH_MIN = 60


def text(
    trace: Trace, *, width: int = 100, ascii: bool = False, color: bool = False, rules: RuleLookup = no_rules
) -> str:
    """The trace as text that ends in a newline. width: columns to use; ascii: no Unicode; color: ANSI colours."""
    return styled.shown(lines(trace, width=width, ascii=ascii, rules=rules), color)


def lines(trace: Trace, *, width: int = 100, ascii: bool = False, rules: RuleLookup = no_rules) -> list[Line]:
    """As `text`, before colour: summary, ladder, and how it ends."""
    glyphs = styled.ASCII if ascii else styled.UNICODE
    width = max(width, WIDTH_MIN)
    out = summary(trace, width, glyphs)
    out.append([])
    out += ladder(trace, width=width, ascii=ascii, rules=rules)
    if trace.note:
        out += [[], *([(piece, BAD)] for piece in styled.wrap(printable(trace.note), width))]
    return out


def ladder(trace: Trace, *, width: int = 100, ascii: bool = False, rules: RuleLookup = no_rules) -> list[Line]:
    """The drawing alone."""
    drawing = _Drawing(trace, max(width, WIDTH_MIN), styled.ASCII if ascii else styled.UNICODE, rules)
    drawing.draw()
    return [row.line() for row in drawing.board.rows]


def summary(trace: Trace, width: int, glyphs: styled.Glyphs) -> list[Line]:
    """Claim and verdict, the member of the families, the numbers found, and who confirmed them."""
    verdict = BAD if trace.verdict == "violated" else GOOD
    where = f"  {glyphs.dash} {printable(trace.title)} ({printable(trace.spec)})"
    head: Line = [(f"{trace.kind} {printable(trace.claim)}: ", BOLD), (trace.verdict, verdict), (where, DIM)]
    values = ", ".join(f"{printable(name)} = {printable(value)}" for name, value in trace.values.items())
    out = [head]
    for title, content in (
        ("with", settings_text(trace.settings)),
        ("found", values),
        ("confirmed by", confirmed_text(trace.confirmed_by)),
    ):
        if content:
            pieces = styled.wrap(f"{title} {content}", width, " " * (len(title) + 1))
            out.append([(title, DIM), (pieces[0][len(title) :], "")])
            out += [[(piece, "")] for piece in pieces[1:]]
    if not trace.confirmed_by:
        out.append([("not confirmed", BAD)])
    return out


class _Drawing:
    """Puts the moments of a trace on a board, one after the other."""

    def __init__(self, trace: Trace, width: int, glyphs: styled.Glyphs, rules: RuleLookup) -> None:
        self.trace = trace
        self.glyphs = glyphs
        self.rules = rules
        self.explained: set[str] = set()
        self.digits = time_digits(trace)
        longest = max((step.time_ns for step in trace.steps), default=0)
        self.time_columns = len(seconds(longest, self.digits))
        self.board = Board(trace, width, glyphs, self.time_columns)
        self.moments = moments(trace)
        self.tags = tags(self.moments)
        self.with_ports = ports_vary(trace) and not any(lane.port is not None for lane in self.board.lanes)

    def draw(self) -> None:
        heading(self.board, self.trace)
        before: Step | None = None
        for number, moment in enumerate(self.moments):
            step = moment.step
            if before is None or (before.host, before.time_ns) != (step.host, step.time_ns):
                self.board.row()
            if step.segment is None:
                self._local(number, step)
            else:
                self._segment(moment, step.segment)
            before = moment.fate or step

    def _time(self, step: Step) -> str:
        return seconds(step.time_ns, self.digits).rjust(self.time_columns)

    def _local(self, number: int, step: Step) -> None:
        """A call or a timer: something a host does by itself."""
        glyphs = self.glyphs
        mark = glyphs.timer if step.event == "timer" else glyphs.call
        what = printable(step.text) if step.event == "call" else f"{step.event} {printable(step.text)}".rstrip()
        lane = self.board.lane(step.host, self._port(number, step))
        self.board.notes(self._time(step), lane, [(what, CALL, 0), *self._notes(step)], mark)

    def _port(self, number: int, step: Step) -> int | None:
        """The port a call or timer is about, as far as its text or the segment it sends tells."""
        named = re.search(r"(?:from|listen) :(\d+)", step.text)
        if named:
            return int(named[1])
        after = self.moments[number + 1].step if number + 1 < len(self.moments) else None
        sends = after is not None and after.event == "send" and after.host == step.host
        return after.segment.sport if sends and after is not None and after.segment is not None else None

    def _segment(self, moment: Moment, segment: Segment) -> None:
        step, fate = moment.step, moment.fate
        source = self.board.lane(sender(self.trace, segment), segment.sport)
        end = receiver(self.trace, segment)
        target = self.board.lane(end, segment.dport)
        label = segment_label(segment, self.with_ports, self.tags.get(segment.uid, ""))
        time = self._time(step)
        if step.event not in ("send", "receive") or source is target:
            self._aside(step, target if step.event == "receive" else source, label)
        elif step.event == "receive":
            self.board.arrow(time, source, target, label, "end")
            self._after(step, target, time)
        elif fate is None:
            self.board.arrow(time, source, target, label, "start")
            self._after(step, source, time)
        else:
            self.board.arrow(time, source, target, label, stop=self._stopped(fate))
            self._after(step, source, time)
            self._after(fate, target if fate.host == end else source, time)

    def _aside(self, step: Step, lane: Lane, label: list[str]) -> None:
        """A segment's fate away from its departure, or a segment that has no way to go: words instead of an arrow."""
        words = {
            "send": f"{self.glyphs.becomes} itself",
            "receive": f"{self.glyphs.becomes} from itself",
            "duplicate": f"{self.glyphs.copy} the network copies",
        }
        said = words.get(step.event) or f"{self.glyphs.lost} {self._stopped(step)}"
        style = BOLD if step.event in words else BAD
        self.board.notes(self._time(step), lane, [(f"{said}: {label[-1]}", style, 0), *self._notes(step)])

    def _stopped(self, step: Step) -> str:
        """What stopped a segment; "" when it arrived."""
        if step.event == "receive":
            return ""
        words = {"lose": "lost", "expire": "too late to arrive"}
        return words.get(step.event) or f"{drop_chain(self.trace, step)} of {printable(step.host)} drops it"

    def _after(self, step: Step, lane: Lane, shown: str) -> None:
        """What a step changed; its own time where the arrow shows another one."""
        time = self._time(step)
        block = self._notes(step)
        if not block and time != shown and step.event == "receive":
            block = [("arrives", DIM, 0)]
        if block:
            self.board.notes("" if time == shown else time, lane, block)

    def _notes(self, step: Step) -> list[Note]:
        arrow = self.glyphs.becomes
        block: list[Note] = []
        for change in step.changes:
            if change.what == "gets" and step.event == "call":
                continue  # the call's own words say it
            what = "" if change.what == "state" else f" {printable(change.what)}"
            before = f"{printable(change.before)} {arrow} " if change.before else ""
            block.append((f"{printable(change.subject)}{what}: {before}{printable(change.after)}", GOOD, 0))
        for rule in step.rules:
            block += self._rule(rule)
        return block

    def _rule(self, rule: str) -> list[Note]:
        block: list[Note] = [(printable(rule), RULE, 0)]
        info = self.rules(rule)
        if info is not None and rule not in self.explained:
            self.explained.add(rule)
            source = f" {self.glyphs.dot} ".join(printable(part) for part in (info.rfc, info.kernel) if part)
            block += [(part, DIM, 2) for part in (source, printable(info.doc)) if part]
        return block
