"""Time passes between two packets of a capture: timers that send nothing may fire unseen, those that send may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tcpcheck.conform.live import Live, Tuple4

SLACK_NS = 3_000_000  # by which a capture's time may be off
TimerId = tuple[int, int]


class Tuples(dict[tuple[int, int, int], Tuple4]):
    """(peer's index, its port, local port) -> connection."""


class Clock:
    """Lets time pass for states of one host. `missing` collects what was due and is not in the capture."""

    def __init__(self, tuples: Tuples) -> None:
        self.tuples = tuples
        self.missing: list[dict[str, Any]] = []

    def passed(self, live: Live, until: int, held: frozenset[TimerId] = frozenset()) -> Iterator[Live]:
        """The states at `until`; timers that may fire just then have not. held: those that have not fired by then."""
        now = live.driver.now()
        timers = [timer for timer in live.driver.timers() if (timer["sock"], timer["slot"]) not in held]
        due = [timer for timer in timers if now + timer["lo"] - SLACK_NS <= until]
        if not due:
            overdue = [timer for timer in live.driver.timers() if now + timer["hi"] < until - SLACK_NS]
            if not overdue:
                live.driver.advance(max(until - now, 0))
                yield live
            return
        timer = due[0]
        ident = (timer["sock"], timer["slot"])
        yield from self._fired(live, timer, until, held)
        if now + timer["hi"] >= until - SLACK_NS:
            yield from self.passed(live.fork(), until, held | {ident})

    def _fired(self, live: Live, timer: dict[str, Any], until: int, held: frozenset[TimerId]) -> Iterator[Live]:
        """It fires unseen, some time in its window; what it arms is as uncertain."""
        now = live.driver.now()
        at = max(min(now + timer["lo"], until), now)
        latest = min(now + timer["hi"], until)

        def fire(other: Live) -> bool:
            other.driver.advance(at - now)
            before = {(t["sock"], t["slot"]) for t in other.driver.timers()} - {(timer["sock"], timer["slot"])}
            other.spread = max(latest - at, 0)
            sent = other.fire(timer)
            other.spread = 0
            if sent:
                if now + timer["hi"] < until - SLACK_NS:
                    self.missing += sent
                return False
            for t in other.driver.timers():
                if (t["sock"], t["slot"]) not in before:
                    other.driver.widen(t["sock"], t["slot"], 0, max(latest - at, 0))
            return True

        for other in live.every(fire):
            yield from self.passed(other, until, held)
