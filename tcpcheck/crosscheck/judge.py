"""Kernel and model on the cells of one state: do they agree? Runs in a namespace of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcpcheck.crosscheck.cells import SETTINGS
from tcpcheck.crosscheck.lab import NotReached
from tcpcheck.crosscheck.play import CellPlayer
from tcpcheck.crosscheck.predict import Prediction, Predictor
from tcpcheck.crosscheck.stimuli import Stimulus, class_of

RETRIES = 3  # of a cell that disagrees: a busy machine may shift a delayed ACK


@dataclass
class Count:
    """Cells of one kind. busy: this machine was too busy to play them. again: agreed only when played again."""

    agree: int = 0
    disagree: int = 0
    unreachable: int = 0
    busy: int = 0
    again: int = 0

    @property
    def total(self) -> int:
        return self.agree + self.disagree + self.unreachable + self.busy

    def __add__(self, other: Count) -> Count:
        return Count(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class CellDisagreement:
    """What the kernel did, and each thing that the model says may happen, with its rules."""

    setting: str
    state: str
    stimulus: str
    kernel: str
    model: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass
class StateResult:
    """counts: by class of stimulus. why: of cells that are not reachable. plays: cells played on the kernel, those
    played again included; late: of these, how many in vain. rules: taken by the model where it agrees."""

    setting: str
    state: str
    counts: dict[str, Count] = field(default_factory=dict)
    disagreements: list[CellDisagreement] = field(default_factory=list)
    why: str = ""
    plays: int = 0
    late: int = 0
    rules: frozenset[str] = frozenset()

    def count(self, stimulus: Stimulus) -> Count:
        return self.counts.setdefault(class_of(stimulus), Count())


def judge(kernel: str, setting_name: str, state: str, every: int = 1) -> StateResult:
    """All cells of a state under a setting, against the profile `kernel`; every: only each so-many-th."""
    setting = SETTINGS[setting_name]
    result = StateResult(setting_name, state)
    stimuli = setting.stimuli()[::every]
    try:
        predictor = Predictor(kernel, setting, state)
    except NotReached as error:
        result.why = f"the model does not come into this state: {error}"
        for stimulus in stimuli:
            result.count(stimulus).unreachable += 1
        return result
    stimuli = predictor.distinct(stimuli)
    predictions = {stimulus: predictor.predict(stimulus) for stimulus in stimuli}
    player = CellPlayer(setting, state)
    try:
        found = _played(player, predictions, result)
    except NotReached as error:
        found = dict.fromkeys(stimuli, f"not in the state: {error}")
    _compare(result, predictions, found)
    result.plays, result.late = player.played, player.late
    return result


def _played(
    player: CellPlayer, predictions: dict[Stimulus, Prediction], result: StateResult
) -> dict[Stimulus, str | None]:
    """What the kernel did; what disagrees has been played again."""
    found = player.play(predictions)
    for _ in range(RETRIES):
        wrong = [s for s, text in found.items() if text is not None and text not in predictions[s]]
        for stimulus, text in player.play(wrong).items():
            result.count(stimulus).again += text in predictions[stimulus]
            found[stimulus] = text
    return found


def _compare(result: StateResult, predictions: dict[Stimulus, Prediction], found: dict[Stimulus, str | None]) -> None:
    taken: set[str] = set()
    for stimulus, prediction in predictions.items():
        kernel, count = found[stimulus], result.count(stimulus)
        if kernel is None:
            count.busy += 1
        elif kernel in prediction:
            count.agree += 1
            taken.update(prediction[kernel])
        else:
            count.disagree += 1
            result.disagreements.append(
                CellDisagreement(result.setting, result.state, str(stimulus), kernel, tuple(sorted(prediction.items())))
            )
    result.rules = frozenset(taken)
