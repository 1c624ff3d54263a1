"""Time passes between two packets of a capture: timers that send nothing may fire unseen, those that send may not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
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
        """It fires unseen, some time in its window: early, or when it would send something then, late."""
        now = live.driver.now()
        early = max(min(now + timer["lo"], until), now)
        late = max(min(now + timer["hi"], until), early)
        for at in (early, late) if late > early else (early,):
            unseen = list(live.every(partial(self._fire, timer, at, late, until)))
            for other in unseen:
                yield from self.passed(other, until, held)
            if unseen:
                return

    def _fire(self, timer: dict[str, Any], at: int, late: int, until: int, live: Live) -> bool:
        """False: it sends something. What it arms otherwise is as uncertain as its own moment, from `at` to `late`."""
        now = live.driver.now()
        live.driver.advance(at - now)
        before = {(t["sock"], t["slot"]) for t in live.driver.timers()} - {(timer["sock"], timer["slot"])}
        live.spread = late - at
        sent = live.fire(timer)
        live.spread = 0
        if sent:
            if now + timer["hi"] < until - SLACK_NS:
                self.missing += sent
            return False
        for t in live.driver.timers():
            if (t["sock"], t["slot"]) not in before:
                live.driver.widen(t["sock"], t["slot"], 0, late - at)
        return True
