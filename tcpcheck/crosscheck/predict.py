"""What the model says of each cell, and by which rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from tcpcheck.crosscheck.cells import BASE, LATE, Cell, Setting
from tcpcheck.crosscheck.lab import Peer
from tcpcheck.crosscheck.model import ModelLab
from tcpcheck.crosscheck.states import STATES, build
from tcpcheck.crosscheck.stimuli import Stimulus

Rules = tuple[str, ...]  # in the order taken
Prediction = dict[str, Rules]  # cell -> the rules of one way there; several cells where the model leaves it open


class Predictor:
    """One state under one setting: built once, then forked for each stimulus."""

    def __init__(self, kernel: str, setting: Setting, state: str) -> None:
        """kernel: name of a profile. NotReached when the model cannot be brought into the state."""
        fresh = ModelLab({**BASE, **setting.sysctls, **STATES[state][2]}, kernel)
        self._twice = setting.twice
        self._built = list(fresh.every(lambda lab: _built(lab, state, setting)))

    def distinct(self, stimuli: Iterable[Stimulus]) -> list[Stimulus]:
        """Those that are not the very segment of an earlier one here (`una` is `nxt` when nothing is in flight)."""
        _, peer = self._built[0]
        return list({repr(s.segment(peer)): s for s in reversed(list(stimuli))}.values())[::-1]

    def predict(self, stimulus: Stimulus) -> Prediction:
        """All that may come of it."""
        return {text: rules for lab, peer in self._built for text, rules in self._cells(lab, peer, stimulus)}

    def _cells(self, start: ModelLab, peer: Peer, stimulus: Stimulus) -> Iterator[tuple[str, Rules]]:
        def cell(lab: ModelLab) -> tuple[str, Rules]:
            lab.driver.rules()
            made = Cell(lab, dataclasses.replace(peer, lab=lab), stimulus, self._twice)
            if not self._twice:
                lab.settle(LATE)
            return made.finish(), tuple(lab.driver.rules())

        return start.every(cell)


def _built(lab: ModelLab, state: str, setting: Setting) -> tuple[ModelLab, Peer]:
    peer = lab.new_peer(setting.peer_ts)
    build(lab, peer, state)
    return lab, peer
