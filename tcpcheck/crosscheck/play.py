"""Cells played on the kernel of this namespace, as fast as it goes.

A write to the TUN device runs the kernel's receive path, so what it answers at once is there when the write returns.
What comes later (a delayed ACK, an early SYN) is waited for LATE seconds, while other cells are begun: each has a
4-tuple of its own. A cell whose steps came too late, because this process was kept waiting, says nothing; it is
played again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tcpcheck.crosscheck.cells import BASE, HOUSE, LATE, Cell, Setting
from tcpcheck.crosscheck.lab import KernelLab, NotReached, Peer
from tcpcheck.crosscheck.states import STATES, build
from tcpcheck.crosscheck.stimuli import Stimulus

AT_ONCE = 0.020  # s from the start of a build to the stimulus: well before a delayed ACK (40 ms)
TOO_LATE = 0.170  # s from the start of a build to the last look: before anything is retransmitted (200 ms)
PLAYS_MAX = 30  # of one cell


@dataclass
class _Begun:
    stimulus: Stimulus
    cell: Cell
    start: float
    due: float


class CellPlayer:
    """The cells of one state under one setting. played, late: how often, and how often in vain."""

    def __init__(self, setting: Setting, state: str) -> None:
        self._setting, self._state = setting, state
        self._lab = KernelLab({**BASE, **HOUSE, **setting.sysctls, **STATES[state][2]})
        self.played = self.late = 0

    def play(self, stimuli: Iterable[Stimulus]) -> dict[Stimulus, str | None]:
        """What the kernel did; None where this machine was too busy each time. NotReached when it does not come into
        the state."""
        todo = deque(stimuli)
        waiting: deque[_Begun] = deque()
        found: dict[Stimulus, str | None] = {}
        plays = dict.fromkeys(todo, 0)
        while todo or waiting:
            if waiting and (not todo or waiting[0].due <= self._lab.now()):
                begun = waiting.popleft()
                self._lab.settle(begun.due - self._lab.now())
                text = self._finish(begun)
                if text is not None or plays[begun.stimulus] >= PLAYS_MAX:
                    found[begun.stimulus] = text
                else:
                    todo.append(begun.stimulus)
                continue
            stimulus = todo.popleft()
            plays[stimulus] += 1
            waiting.append(self._begin(stimulus))
        return found

    def _begin(self, stimulus: Stimulus) -> _Begun:
        start = self._lab.now()
        peer = self._build()
        cell = Cell(self._lab, peer, stimulus, self._setting.twice)
        self.played += 1
        now = self._lab.now()
        due = now if self._setting.twice else now + LATE
        return _Begun(stimulus, cell, start if now - start < AT_ONCE else float("-inf"), due)

    def _build(self) -> Peer:
        """A build may be disturbed, too: only one that fails again and again has failed."""
        for attempt in range(PLAYS_MAX):
            peer = self._lab.new_peer(self._setting.peer_ts)
            try:
                build(self._lab, peer, self._state)
            except (NotReached, OSError) as error:
                self._lab.tear_down(peer)
                if attempt == PLAYS_MAX - 1:
                    raise NotReached(str(error)) from None
                continue
            return peer
        raise AssertionError

    def _finish(self, begun: _Begun) -> str | None:
        text = begun.cell.finish()
        on_time = self._lab.now() - begun.start < TOO_LATE
        self._lab.tear_down(begun.cell.peer)
        self.late += not on_time
        return text if on_time else None
