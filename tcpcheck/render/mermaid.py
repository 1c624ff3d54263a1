"""A trace as a Mermaid sequence diagram, for places that draw Mermaid (tickets, READMEs).

Mermaid's arrows are level and cannot cross. A segment that arrives before anything else happens is one arrow; of any
other its departure is a note and its arrival the arrow, both with the same number. `render/svg.py` draws what is lost
here.
"""

from __future__ import annotations

from tcpcheck.render.ladder import ports_vary, segment_words
from tcpcheck.render.moments import Moment, moments, tags
from tcpcheck.render.vantage import drop_chain, receiver, sender
from tcpcheck.render.words import printable, seconds, time_digits
from tcpcheck.witness.trace import Segment, Step, Trace

SPECIAL = str.maketrans({"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", '"': "#quot;", "%": "#37;"})


def mermaid(trace: Trace) -> str:
    """The diagram as text that ends in a newline; its times are absolute seconds."""
    return "\n".join(_Diagram(trace).lines()) + "\n"


def _said(text: str) -> str:
    """Text that Mermaid shows as it is: nothing in it ends a statement or starts a comment, a tag or an entity."""
    return printable(text).translate(SPECIAL)


class _Diagram:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.digits = time_digits(trace)
        self.moments = moments(trace)
        self.tags = tags(self.moments)
        self.with_ports = ports_vary(trace)
        hosts = dict.fromkeys([*(host.name for host in trace.hosts), *(step.host for step in trace.steps)])
        self.ids = {host: f"h{number}" for number, host in enumerate(hosts)}

    def lines(self) -> list[str]:
        out = ["sequenceDiagram"]
        out += [f"  participant {name} as {_said(host)}" for host, name in self.ids.items()]
        for moment in self.moments:
            out += [f"  {line}" for line in self._moment(moment)]
        return out

    def _moment(self, moment: Moment) -> list[str]:
        step, fate = moment.step, moment.fate
        if step.segment is None:
            what = step.text if step.event == "call" else f"{step.event} {step.text}"
            return [self._note(step, [what, *_states(step)])]
        drawn = self._segment(moment, step.segment)
        for told in (step, fate):
            states = _states(told) if told is not None else []
            if told is not None and states:
                drawn.append(self._note(told, states))
        return drawn

    def _segment(self, moment: Moment, segment: Segment) -> list[str]:
        """A departure with its fate, an arrival, or a fate apart from its departure."""
        step, fate = moment.step, moment.fate
        label = segment_words(segment, self.with_ports, self.tags.get(segment.uid, ""))
        ended = fate or step
        if ended.event == "receive":
            return [self._arrow(step, segment, "->>", label)]
        if ended.event == "send":
            return [self._note(step, [f"sends {label}"])]
        if ended.event == "duplicate":
            return [self._note(step, [f"the network copies {label}"])]
        words = {"lose": "lost", "expire": "too late to arrive"}
        why = words.get(ended.event) or f"{drop_chain(self.trace, ended)} of {ended.host} drops it"
        return [self._arrow(step, segment, "-x", f"{label}, {why}")]

    def _arrow(self, step: Step, segment: Segment, kind: str, label: str) -> str:
        source, target = self.ids[sender(self.trace, segment)], self.ids[receiver(self.trace, segment)]
        return f"{source}{kind}{target}: {self._time(step)} {_said(label)}"

    def _note(self, step: Step, parts: list[str]) -> str:
        return f"Note over {self.ids[step.host]}: {self._time(step)} " + "<br/>".join(_said(part) for part in parts)

    def _time(self, step: Step) -> str:
        return seconds(step.time_ns, self.digits)


def _states(step: Step) -> list[str]:
    return [f"{change.subject} {change.after}" for change in step.changes if change.what == "state"]
