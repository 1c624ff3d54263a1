"""One way in which the model may have come as far as the kernel, when time passes between the steps.

Of a reply with timestamps the moment it was sent is known to two ticks (its TSval says it), of others only when it
was read.
"""

from __future__ import annotations

from collections.abc import Iterator

from tcpcheck.crosscheck.model import ModelLab
from tcpcheck.crosscheck.walk import Walk
from tcpcheck.live.packet import Segment

EARLY_NS, LATE_NS, LATE_READ_NS = 2_000_000, 6_000_000, 40_000_000
BRANCHES_MAX = 40
END = "end"  # the last step: only a look
SENT, READ = "", "~"  # no step: the kernel sent something by itself; when it did by its TSval, or when it was read


def told(walk: Walk, seg: Segment) -> str:
    """One segment in words, without the state."""
    return walk.outcome("", [seg]).split("|")[1]


class Branch:
    """One way in which the model may have come so far."""

    def __init__(self, lab: ModelLab, walk: Walk, start: int) -> None:
        self.lab, self.walk, self._start = lab, walk, start

    def on(self, lab: ModelLab) -> Branch:
        """The same, in a copy of the lab."""
        return Branch(lab, self.walk.on(lab), self._start)

    def now(self) -> int:
        """ns since the end of the build."""
        return self.lab.driver.now() - self._start

    def key(self) -> str:
        """Branches with the same key go on alike, but for some ms."""
        timers = [(m["kind"], round(m["lo"] / 1e7), round(m["hi"] / 1e7)) for m in self.lab.driver.timers()]
        slot = self.lab.slot(self.walk.peer)
        return repr((timers, self.lab.driver.sock(slot) if slot >= 0 else None, self.walk.peer.handle))

    def fired(self, timer: dict[str, int], after: int) -> Iterator[tuple[Branch, list[Segment]]]:
        """The timer fires `after` ns: what it sends, for each way it may come out."""

        def fire(lab: ModelLab) -> tuple[Branch, list[Segment]]:
            branch = self.on(lab)
            lab.driver.advance(max(after, 0))
            lab.fire(timer)
            return branch, lab.pending(branch.walk.peer)

        return self.lab.every(fire)

    def silent(self, t: int) -> Iterator[Branch]:
        """Until t nothing was sent: timers that had to fire by then have fired and sent nothing; others may have."""
        timers = self.lab.driver.timers()
        if all(self.now() + m["hi"] >= t - LATE_READ_NS for m in timers):
            yield self
        for m in timers:
            if self.now() + m["lo"] <= t:
                for after in {max(m["lo"], 0), max(min(m["hi"], t - self.now()), 0)}:
                    for branch, sent in self.fired(m, after):
                        if not sent:
                            yield from branch.silent(t)

    def sends(self, t: int, text: str, known: bool = True) -> Iterator[Branch]:
        """At t a timer fires and sends `text`; known: t is when it was sent if it has a TSval, not when it was read."""
        slack = LATE_NS if known and "T" in text else LATE_READ_NS
        for m in self.lab.driver.timers():
            if m["lo"] - EARLY_NS <= t - self.now() <= m["hi"] + slack:
                for branch, sent in self.fired(m, min(max(t - self.now(), m["lo"]), m["hi"])):
                    if [told(branch.walk, seg) for seg in sent] == [text]:
                        yield branch

    def acts(self, t: int, step: str, outcome: str) -> Iterator[Branch]:
        """At t a step comes out as `outcome`."""

        def act(lab: ModelLab) -> tuple[Branch, str]:
            branch = self.on(lab)
            lab.driver.advance(max(t - self.now(), 0))
            return branch, branch.walk.outcome("", []) if step == END else branch.walk.step(step)

        for branch, found in self.lab.every(act):
            if found == outcome:
                yield branch

    def options(self, t: int, step: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """All that may come of a step at t, and the rules taken."""

        def act(lab: ModelLab) -> tuple[str, tuple[str, ...]]:
            branch = self.on(lab)
            lab.driver.advance(max(t - self.now(), 0))
            text = branch.walk.outcome("", []) if step == END else branch.walk.step(step)
            return text, tuple(lab.driver.rules())

        return self.lab.every(act)

    def due(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """What each timer would do and when, and the rules it takes."""
        for m in self.lab.driver.timers():
            for branch, sent in self.fired(m, m["lo"]):
                first, last = ((self.now() + m[edge]) / 1e6 for edge in ("lo", "hi"))
                text = ", ".join(told(branch.walk, seg) for seg in sent) or "silence"
                yield f"{text} by the {m['kind']} timer, {first:.0f}..{last:.0f} ms", tuple(branch.lab.driver.rules())
