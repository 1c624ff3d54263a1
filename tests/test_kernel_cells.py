"""Model and kernel, cell by cell: the state x stimulus answers recorded from the kernel, and its random walks."""

from __future__ import annotations

import pytest

from tests.kernel import agree, follow, walks
from tests.kernel.cells import SETTINGS

# Cells in which the model is known to differ, with the reason: (setting, state, start of the stimulus).
KNOWN: dict[tuple[str, str, str], str] = {}
# The same for walks: (state, number).
KNOWN_WALKS: dict[tuple[str, int], str] = {}


@pytest.mark.parametrize(("setting", "state"), [(name, state) for name, s in SETTINGS.items() for state in s.states])
def test_the_model_answers_as_the_kernel(setting: str, state: str) -> None:
    total, rows = agree.differences(setting, state)
    known = [start for name, where, start in KNOWN if (name, where) == (setting, state)]
    unknown = [row for row in rows if not any(row[0].startswith(start) for start in known)]
    table = "\n".join(f"{stimulus}: kernel {kernel}, model {model}" for stimulus, kernel, model in unknown[:20])
    assert not unknown, f"{len(unknown)} of {total} cells differ\n{table}"
    stale = [start for start in known if not any(row[0].startswith(start) for row in rows)]
    assert not stale, f"these agree now: {stale}"


@pytest.mark.parametrize("state", walks.STARTS)
def test_the_model_walks_as_the_kernel(state: str) -> None:
    found = set(follow.differences(state))
    known = {number for where, number in KNOWN_WALKS if where == state}
    assert found == known
