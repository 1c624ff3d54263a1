"""One behaviour of the model is switched off, or on: the kernel's captures then disagree, and the report names the
rule by which the model does something else."""

from __future__ import annotations

import pytest

from tcpcheck.cli.app import run as main
from tests.conform.captures import conform, path

FLIPS = [
    ("without oow_ratelimit", "p_tw_old_syn_rfc1", 14, "TW_SYN_REFUSED"),
    ("without oow_ratelimit", "rate_limit_challenge", 11, "CHALLENGE_ACK"),
    ("without oow_ratelimit", "synrecv_dup_syn", 6, "REQ_SYN_AGAIN"),
    ("without tw_accepts_by_ts", "tw_syn_ts_seqlt_tsnewer", 9, "TW_SYN_REFUSED"),
    ("without tw_accepts_syn", "tw_syn_nots_seqhalf", 9, "TW_SYN_REFUSED"),
    ("with tw_needs_ack", "p_tw_old_syn_rfc0", 11, "TW_NO_ACK_SILENT"),
    ("with tw_syn_rst", "tw_syn_ts_seqgt_tsolder", 9, "TW_SYN_RST"),
    ("without timestamps", "close_linger0", 2, "LISTEN_SYN"),
]


@pytest.mark.parametrize(("flip", "name", "packet", "rule"), FLIPS)
def test_a_flipped_rule_is_found_and_named(
    flip: str, name: str, packet: int, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call = conform(name)
    sysctls = [word for setting in call.call.sysctls for word in ("--sysctl", setting)]
    options = ["--host", call.call.host or "10.9.0.1", *sysctls, "--lost", "none"]
    backlog = [] if call.call.backlog is None else ["--backlog", str(call.call.backlog)]
    code = main(["conform", str(path(name)), "--kernel", f"linux-6.18.44 {flip}", *options, *backlog])
    said = capsys.readouterr().out
    assert code == 1
    assert f"first disagreement at packet {packet}\n" in said
    assert rule in said


def test_an_unknown_feature_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", str(path("close_linger0")), "--kernel", "linux-6.18.44 without timestamp"]) == 2
    assert "no feature `timestamp`; the nearest is `timestamps`" in capsys.readouterr().err
