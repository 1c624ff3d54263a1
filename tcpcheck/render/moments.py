"""Steps that one line shows together: a departure, and what became of the segment at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tcpcheck.witness.trace import Step, Trace


@dataclass(frozen=True)
class Moment:
    """A step, or a departure with its fate."""

    step: Step
    fate: Step | None = None


def moments(trace: Trace) -> list[Moment]:
    """Joins each `send` with the `receive`, `lose` or `drop` of the same segment right after it."""
    out: list[Moment] = []
    steps = list(trace.steps)
    while steps:
        step = steps.pop(0)
        fate = steps[0] if steps else None
        joined = (
            step.event == "send"
            and fate is not None
            and fate.event in ("receive", "lose", "drop")
            and fate.segment == step.segment
        )
        out.append(Moment(step, steps.pop(0) if joined else None))
    return out


def tags(moments: Sequence[Moment]) -> dict[int, str]:
    """`#1 ` for each segment that is shown in more than one place, by its uid."""
    seen = Counter(moment.step.segment.uid for moment in moments if moment.step.segment is not None)
    return {uid: f"#{number} " for number, uid in enumerate((uid for uid, n in seen.items() if n > 1), 1)}
