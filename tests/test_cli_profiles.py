"""`tcpcheck profiles`: who differs from whom, and in which rule; and that the rules named are those that differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_call import call

from tcpcheck.crosscheck.cells import SETTINGS
from tcpcheck.crosscheck.predict import Prediction, Predictor
from tcpcheck.tcp.behaviours import BEHAVIOURS, CONSTANT_FLAGS, CONSTANT_RULES, GRADED
from tcpcheck.tcp.differences import differences
from tcpcheck.tcp.profile import PROFILES, profile_for
from tcpcheck.tcp.rules import BY_NAME

Capture = pytest.CaptureFixture[str]


def test_the_matrix(capfd: Capture) -> None:
    result = call(capfd, "profiles")
    assert result.code == 0
    for number, name in enumerate(PROFILES, 1):
        assert f"{number:>3} {name.replace('-', ' ', 1)} " in result.out
    rows = {line.split()[0]: line.split()[1:] for line in result.out.splitlines() if line and line[0].isalpha()}
    assert rows["req_rst_challenged"][:3] == ["x", "-", "-"]
    assert rows["tw_reuse_rule"][:3] == ["2", "2", "x"]
    counts = [
        line.split()
        for line in result.out.partition("in so many behaviours differ")[2].splitlines()[1 : len(PROFILES) + 1]
    ]
    table = [row[-len(PROFILES) :] for row in counts]
    assert table[0][:2] == ["-", "4"] and table[1][:2] == ["4", "-"]
    assert [list(column) for column in zip(*table, strict=True)] == table
    assert "6.18.0..44" in result.out


def test_one_profile(capfd: Capture) -> None:
    result = call(capfd, "profiles", "linux 6.1.100")
    assert result.code == 0 and result.err == ""
    assert "net.ipv4.tcp_fin_timeout = 60 s" in result.out and "yes rfc5961" in result.out
    result = call(capfd, "profiles", "linux 6.1.114")
    assert result.code == 0 and "linux 6.1 is taken, which describes 6.1.113" in result.err


def test_two_profiles(capfd: Capture) -> None:
    result = call(capfd, "profiles", "linux-6.18.0", "linux 6.18.44")
    assert result.code == 0
    assert result.out.startswith("linux 6.18.0 and linux 6.18.44 differ in 4 behaviours\n")
    assert "future_ack_challenged  linux 6.18.0: no; linux 6.18.44: yes" in result.out
    assert "since 7.2 (a28c4fcbf774), 6.18.42" in result.out and "REQ_RST_KILLED" in result.out
    assert call(capfd, "profiles", "linux 6.18.43", "linux 6.18.44").out.endswith("do the same\n")
    old = call(capfd, "profiles", "linux 4.4", "linux 6.18.44").out
    assert "ts_tick_ns  linux 4.4: 4000000 ns; linux 6.18.44: 1000000 ns" in old
    assert "net.ipv4.tcp_rto_min_us  linux 4.4: not there (200000 us); linux 6.18.44: 200000 us" in old
    assert "net.core.somaxconn  linux 4.4: 128; linux 6.18.44: 4096" in old
    assert call(capfd, "profiles", "a", "b", "c").code == 2


def test_the_document(capfd: Capture) -> None:
    every = call(capfd, "profiles", "--json").document
    count = len(PROFILES)
    assert [p["name"] for p in every["profiles"]] == list(PROFILES)
    assert len(every["pairs"]) == count * (count - 1) // 2
    pair = call(capfd, "profiles", "linux 6.18.0", "linux 6.18.44", "--json").document
    (found,) = pair["pairs"]
    assert found["profiles"] == ["linux-6.18.0", "linux-6.18.44"]
    assert [d["name"] for d in found["differences"]] == [
        "future_ack_challenged",
        "req_rst_challenged",
        "bare_fin_sticks_out",
        "ts_per_tuple",
    ]
    assert call(capfd, "profiles", "linux 2.6", "--json").document["errors"]


def test_the_rules_named_are_rules() -> None:
    for row in (*BEHAVIOURS, *GRADED):
        assert all(name in BY_NAME for name in row.rules), row.flag
        assert row.rules or row.flag == "tw_recycle", row.flag
    assert set(CONSTANT_RULES) == set(CONSTANT_FLAGS)
    assert all(name in BY_NAME for names in CONSTANT_RULES.values() for name in names)


# Where a behaviour shows: a state of crosscheck's.
SHOWS = {
    "rst_after_fin": "CLOSE-WAIT",
    "bad_ack_challenged_always": "CLOSE-WAIT",
    "ack_bytes_acked": "ESTABLISHED",
    "future_ack_challenged": "ESTABLISHED",
    "req_rst_challenged": "SYN-RECV request",
    "req_tsecr_checked": "SYN-RECV request",
    "paws_old_ack_silent": "CLOSE-WAIT",
    "beyond_window_refused": "CLOSE-WAIT",
    "bare_fin_sticks_out": "CLOSE-WAIT",
    "syn_resent_early": "SYN-SENT",
}


def predictions(kernel: str, state: str, seed: int) -> dict[str, Prediction]:
    predictor = Predictor(kernel, SETTINGS["ts"], state)
    stimuli = predictor.distinct(SETTINGS["ts"].stimuli())[seed::5]
    return {repr(stimulus): predictor.predict(stimulus) for stimulus in stimuli}


@pytest.mark.parametrize("flag", SHOWS)
def test_kernels_that_differ_in_one_behaviour_differ_in_its_rules(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every fifth stimulus, each whose outcome differs takes a rule that is named, on one side only."""
    newest = PROFILES["linux-6.18.44"]
    other = newest.with_features(off=(flag,))
    monkeypatch.setitem(PROFILES, "linux-other", other)
    (difference,) = differences(newest, other)
    assert difference.name == flag
    state = next(name for name in SETTINGS["ts"].states if name.startswith(SHOWS[flag]))
    one, two = (predictions(kernel, state, 1) for kernel in ("linux-6.18.44", "linux-other"))
    shown: set[str] = set()
    for stimulus, before in one.items():
        after = two[stimulus]
        if before.keys() != after.keys():
            apart = {r for rules in before.values() for r in rules} ^ {r for rules in after.values() for r in rules}
            assert apart & set(difference.rules), (stimulus, before, after)
            shown |= apart & set(difference.rules)
    assert shown


def test_nothing_asks_for_a_version() -> None:
    """A kernel is data: the core reads flags, never a release."""
    core = Path(profile_for.__code__.co_filename).parent
    for path in core.glob("*.pyx"):
        assert ".release" not in path.read_text(), path
