"""Captures of longer experiments with the real kernel, replayed against the model; and its retransmission schedules."""

from __future__ import annotations

import json

import pytest

from tcpcheck.crosscheck.lab import Peer
from tcpcheck.crosscheck.model import ModelLab
from tcpcheck.crosscheck.states import (
    closing_orphan,
    established,
    fin_wait1,
    fin_wait1_orphan,
    fin_wait2,
    fin_wait2_orphan,
    last_ack,
    syn_sent,
)
from tcpcheck.tcp.drive import Driver
from tests.kernel.replay import TRUTH, Replay

# capture: (sysctls, backlog, calls before packet n, (a packet of the connection, its state at the end))
CAPTURES: dict[str, tuple[dict[str, int], int, dict[int, str], tuple[int, str]]] = {
    "acceptq_overflow_abort0": ({"tcp_synack_retries": 2}, 1, {15: "accept"}, (15, "SYN_RECV/req")),
    "acceptq_overflow_abort1": (
        {"tcp_synack_retries": 2, "tcp_abort_on_overflow": 1},
        1,
        {15: "accept"},
        (15, "SYN_RECV/req"),
    ),
    "close_linger0": ({}, 16, {3: "accept abort"}, (0, "CLOSED")),
    "close_unread_data": ({}, 16, {5: "accept close"}, (0, "CLOSED")),
    "fw2_full_data": ({}, 16, {3: "accept shutdown"}, (0, "TIME_WAIT/tw")),
    "p_closewait_syn": ({}, 16, {}, (0, "CLOSE_WAIT")),
    "p_fw2_client_never_closes": ({}, 16, {3: "accept close"}, (0, "CLOSED")),
    "p_lastack_loss": ({}, 16, {3: "accept close"}, (0, "TIME_WAIT/tw")),
    "p_tw_old_syn_rfc0": (
        {"tcp_timestamps": 0},
        16,
        {5: "accept recv close", 17: "accept recv close"},
        (0, "TIME_WAIT/tw"),
    ),
    "p_tw_old_syn_rfc1": (
        {"tcp_timestamps": 0, "tcp_rfc1337": 1},
        16,
        {5: "accept recv close", 37: "expire"},
        (0, "ESTABLISHED"),
    ),
    "rate_limit_challenge": ({}, 16, {}, (0, "ESTABLISHED")),
    "rate_limit_off": ({"tcp_invalid_ratelimit": 0}, 16, {}, (0, "ESTABLISHED")),
    "syn_challenge_fin_wait2": ({}, 16, {3: "accept shutdown"}, (0, "SYN_RECV/req")),
    "synq_cookies_0": ({"tcp_syncookies": 0}, 2, {}, (8, "CLOSED")),
    "synrecv_dup_syn": ({}, 16, {}, (0, "SYN_RECV/req")),
    "tw_bare_ack_extends": ({}, 16, {3: "accept close"}, (0, "TIME_WAIT/tw")),
    "tw_syn_acceptq_full": ({}, 0, {3: "accept close"}, (0, "CLOSED")),
    "tw_syn_nots_seqhalf": ({"tcp_timestamps": 0}, 16, {3: "accept close"}, (0, "SYN_RECV/req")),
    "tw_syn_nots_seqhalf2": ({"tcp_timestamps": 0}, 16, {3: "accept close"}, (0, "SYN_RECV/req")),
    "tw_syn_srvoff_peeron_seqlt": ({"tcp_timestamps": 0}, 16, {3: "accept close"}, (0, "SYN_RECV/req")),
    "tw_syn_srvon_peeroff_seqlt": ({}, 16, {3: "accept close"}, (0, "SYN_RECV/req")),
    "tw_syn_sysctl_flip": ({}, 16, {3: "accept close", 7: "tcp_timestamps=0"}, (0, "SYN_RECV/req")),
    "tw_syn_ts_seqgt_tsolder": ({}, 16, {3: "accept close"}, (0, "SYN_RECV/req")),
    "tw_syn_ts_seqlt_none": ({}, 16, {3: "accept close"}, (0, "SYN_RECV/req")),
    "tw_syn_ts_seqlt_tsnewer": ({}, 16, {3: "accept close"}, (0, "SYN_RECV/req")),
    "tw_synfin_kills": ({"tcp_rfc1337": 1}, 16, {3: "accept close"}, (0, "CLOSED")),
}
SCHEDULES = json.loads((TRUTH / "schedules.json").read_text())
SLACK_MS = 4  # a time read from outside is late by some ms; one read from a TSval is exact to a tick
BUILDERS = {
    "t_closing": closing_orphan,
    "t_finwait1_open": fin_wait1,
    "t_finwait1_orphan": fin_wait1_orphan,
    "t_fw2_open": fin_wait2,
    "t_fw2_orphan": fin_wait2_orphan,
    "t_lastack": last_ack,
    "t_synsent": syn_sent,
}


def test_every_capture_is_replayed() -> None:
    assert {path.stem for path in TRUTH.glob("*.pcap")} == CAPTURES.keys()


@pytest.mark.parametrize("name", CAPTURES)
def test_the_model_sends_what_the_kernel_sent(name: str) -> None:
    sysctls, backlog, calls, (packet, state) = CAPTURES[name]
    replay = Replay(name, sysctls, backlog, calls)
    replay.run()
    assert replay.state(packet) == state


def test_time_wait_restarts_at_a_bare_ack() -> None:
    replay = Replay("tw_bare_ack_extends", {}, 16, {3: "accept close"})
    replay.run()
    (timer,) = replay.driver.timers()
    assert timer["kind"] == "timewait"
    assert timer["lo"] == 60_000_000_000


def fire_at(driver: Driver, start: int, ms: float, slack_ms: float) -> list[str]:
    """Let the one timer that may fire `ms` after `start` do so; flags of what it sends."""
    timer = min(driver.timers(), key=lambda timer: timer["lo"])
    at = start + round(ms * 1e6)
    early, late = driver.now() + timer["lo"], driver.now() + timer["hi"]
    assert early - slack_ms * 1e6 <= at <= late + slack_ms * 1e6, f"{timer['kind']}: {ms} ms is outside its window"
    driver.advance(min(max(at, early), late) - driver.now())
    return [seg["flags"].replace("P", "") for seg in driver.fire(timer["sock"], timer["slot"])]


def prepared(name: str) -> tuple[ModelLab, Peer]:
    """The model in the state in which the kernel was watched."""
    lab = ModelLab(SCHEDULES[name]["sysctls"])
    peer = lab.new_peer(ts=True)
    if "nosack" in name:
        peer.sack_ok = False
    if name.startswith("t_estab_data"):
        established(lab, peer)
        lab.send(peer.handle, 5)
        peer.absorb()
    else:
        next(build for prefix, build in BUILDERS.items() if name.startswith(prefix))(lab, peer)
    return lab, peer


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedule_lies_in_the_timers_windows(name: str) -> None:
    lab, peer = prepared(name)
    driver, start, truth = lab.driver, lab.driver.now(), SCHEDULES[name]
    assert lab.state(peer) == truth["states"][0][1].replace("/orphan", "")
    for seen, by_tsval, flags in truth["retransmissions"]:
        exact = by_tsval if by_tsval is not None else seen * 1000
        assert fire_at(driver, start, exact, 2) == [flags.replace("P", "")]
    for seen, state in truth["states"][1:]:
        assert fire_at(driver, start, seen * 1000, 16) == []
        assert lab.state(peer) == state.replace("/orphan", "")
    if truth["states"][-1][1] != "CLOSED":
        assert driver.timers() == []
