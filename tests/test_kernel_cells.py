"""Model and kernel, cell by cell: the state x stimulus answers recorded from the kernel, and its random walks.

There is no list of known differences: the model can do all that the kernel did.
"""

from __future__ import annotations

import pytest

from tests.kernel import agree, follow, timed, walks
from tests.kernel.cells import load


@pytest.mark.parametrize(("setting", "state"), [(name, state) for name, states in load().items() for state in states])
def test_the_model_answers_as_the_kernel(setting: str, state: str) -> None:
    total, rows = agree.differences(setting, state)
    table = "\n".join(f"{stimulus}: kernel {kernel}, model {model}" for stimulus, kernel, model in rows[:20])
    assert not rows, f"{len(rows)} of {total} cells differ\n{table}"


@pytest.mark.parametrize("state", walks.STARTS)
def test_the_model_walks_as_the_kernel(state: str) -> None:
    assert not follow.differences(state)


@pytest.mark.parametrize("state", timed.STARTS)
def test_the_model_has_time_as_the_kernel(state: str) -> None:
    assert not timed.differences(state)
