"""What the model says of each cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from tcpcheck.crosscheck.cells import BASE, LATE, SETTINGS, Cell, Setting
from tcpcheck.crosscheck.lab import Peer
from tcpcheck.crosscheck.model import ModelLab
from tcpcheck.crosscheck.states import STATES, build
from tcpcheck.crosscheck.stimuli import Stimulus, stimuli_for


def model_cells(setting_name: str, state: str) -> dict[str, list[str]]:
    """The model's cells of one state, as `cells.record` gives the kernel's: built once, then forked.

    Several for a stimulus when the model leaves it open what happens.
    """
    setting = SETTINGS[setting_name]
    fresh = ModelLab({**BASE, **setting.sysctls, **STATES[state][2]})
    built = list(fresh.every(lambda lab: _built(lab, state, setting)))
    return {
        str(stimulus): sorted({cell for lab, peer in built for cell in _cells(lab, peer, stimulus, setting.twice)})
        for stimulus in stimuli_for(setting_name, state)
    }


def _built(lab: ModelLab, state: str, setting: Setting) -> tuple[ModelLab, Peer]:
    peer = lab.new_peer(setting.peer_ts)
    build(lab, peer, state)
    return lab, peer


def _cells(start: ModelLab, peer: Peer, stimulus: Stimulus, twice: bool) -> Iterator[str]:
    def cell(lab: ModelLab) -> str:
        made = Cell(lab, dataclasses.replace(peer, lab=lab), stimulus, twice)
        if not twice:
            lab.settle(LATE)
        return made.finish()

    return start.every(cell)
