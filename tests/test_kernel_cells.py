"""Model and kernel, cell by cell: the state x stimulus answers recorded from the kernel, and its random walks."""

from __future__ import annotations

import pytest

from tests.kernel import agree, follow, timed, walks
from tests.kernel.cells import load

WINDOW = "how far a window grows with an ACK follows the kernel's guess of the peer's segment size, which is not kept"
DSACK = "a delayed ACK does not carry the D-SACK that the kernel's would"
# Cells in which the model is known to differ, with the reason: (setting, state, start of the stimulus).
KNOWN: dict[tuple[str, str, str], str] = {
    ("no-limit", "CLOSE-WAIT", ". seq+W+1"): WINDOW,
    ("no-limit", "CLOSE-WAIT", "F. seq+W+1"): WINDOW,
    ("no-limit", "CLOSE-WAIT", "P. seq+W+1"): WINDOW,
    ("no-limit", "SYN-RECV full", ". seq+W+1"): WINDOW,
    ("no-limit", "SYN-RECV full", "F. seq+W"): WINDOW,
    ("no-limit", "SYN-RECV full", "P. seq+W+1"): WINDOW,
    ("twice", "CLOSE-WAIT", "F. seq+W"): WINDOW,
    ("twice", "CLOSE-WAIT", "P. seq+W"): WINDOW,
    ("twice", "SYN-RECV full", ". seq+W+1"): WINDOW,
    ("twice", "SYN-RECV full", "F. seq+W"): WINDOW,
    ("twice", "SYN-RECV full", "P. seq+W"): WINDOW,
    **{
        (setting, f"ESTABLISHED {state}", f"P. seq{seq} ack"): DSACK
        for setting in ("ts", "no-ts")
        for state in ("owed", "interactive")
        for seq in ("-1", "-2")
    },
}
# The same for walks: (state, number).
KNOWN_WALKS: dict[tuple[str, int], str] = {
    ("SYN-RECV request", 129): "where the window was last updated (SND.WL1) is kept only as: before RCV.NXT or not",
    ("SYN-SENT", 5): "recv() after shutdown() in SYN-SENT and its error: end of file instead of ENOTCONN",
    ("SYN-SENT", 109): "recv() after shutdown() in SYN-SENT and its error: end of file instead of ENOTCONN",
    ("ESTABLISHED in flight", 104): "text that goes out with the ACK does not carry its D-SACK",
}


@pytest.mark.parametrize(("setting", "state"), [(name, state) for name, states in load().items() for state in states])
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


PARTIAL = "an ACK inside a segment restarts the timer here, in the kernel only one that acknowledges a segment"
# Walks in which time passes: (state, number).
KNOWN_TIMED: dict[tuple[str, int], str] = {
    (
        "SYN-RECV full",
        21,
    ): "an open connection whose SYN was never acknowledged gives up by the SYN's rule, not the text's",
    ("ESTABLISHED in flight", 11): PARTIAL,
    ("ESTABLISHED in flight", 31): PARTIAL,
    ("ESTABLISHED in flight", 36): PARTIAL,
    ("CLOSE-WAIT", 21): PARTIAL,
}


@pytest.mark.parametrize("state", timed.STARTS)
def test_the_model_has_time_as_the_kernel(state: str) -> None:
    known = {number for where, number in KNOWN_TIMED if where == state}
    assert timed.differences(state).keys() == known
