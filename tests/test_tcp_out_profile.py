"""Profiles, sysctls and rules as data."""

import os
import re
from pathlib import Path

import pytest
from tcpcheck.tcp.config import ConfigTable

from tcpcheck.errors import Impossible
from tcpcheck.tcp import rules, sysctls
from tcpcheck.tcp.behaviours import BEHAVIOURS, CONSTANT_FLAGS
from tcpcheck.tcp.profile import FEATURES, PROFILES, Registry, profile_for

TCP = Path(rules.__file__).parent


def config(kernel: str, sysctl: dict[str, int] | None = None, **settings: object) -> dict[str, int]:
    return ConfigTable(PROFILES[kernel], [sysctl or {}], **settings).row(0)


# Who has what, as observed and as read in the sources: flag -> the profiles that differ from linux-6.18.44.
ABSENT = {
    "rst_sack_edge": {"linux-4.4"},
    "rst_after_fin": {"linux-4.4", "linux-4.9"},
    "bad_ack_challenged_always": {"linux-4.9", "linux-4.12"},
    "ack_bytes_acked": {"linux-4.18", "linux-4.12", "linux-4.9", "linux-4.4"},
    "syn_dropped_when_acceptq_full": {"linux-4.4", "linux-4.9"},
    "simopen_synack_accepted": {"linux-5.15", "linux-5.10", "linux-4.18", "linux-4.12", "linux-4.9", "linux-4.4"},
    "syn_queue_past_backlog": {"linux-6.1", "linux-4.18", "linux-4.12", "linux-4.9", "linux-4.4"},
    "syn_resent_early": {"linux-4.18", "linux-4.12", "linux-4.9", "linux-4.4"},
}
NEW_IN_6_18 = {
    "future_ack_challenged": {"linux-6.18.44"},
    "req_rst_challenged": {"linux-6.18.44"},
    "bare_fin_sticks_out": {"linux-6.18.44"},
    "req_tsecr_checked": {"linux-6.18.44", "linux-6.18.0"},
    "paws_old_ack_silent": {"linux-6.18.44", "linux-6.18.0"},
    "beyond_window_refused": {"linux-6.18.44", "linux-6.18.0"},
}


def linux_with(flag: str) -> set[str]:
    return {name for name, p in PROFILES.items() if p.family == "linux" and p.flags[flag]}


@pytest.mark.parametrize("flag", ABSENT)
def test_old_kernels_lack(flag: str) -> None:
    linux = {name for name, p in PROFILES.items() if p.family == "linux"}
    assert linux - linux_with(flag) == ABSENT[flag]


@pytest.mark.parametrize("flag", NEW_IN_6_18)
def test_only_new_kernels_have(flag: str) -> None:
    assert linux_with(flag) == NEW_IN_6_18[flag]


def test_what_kernels_lost() -> None:
    assert linux_with("tw_recycle") == {"linux-4.4", "linux-4.9"}
    assert linux_with("fw2_bucket_reuse") == {"linux-4.4", "linux-4.9", "linux-4.12", "linux-4.18"}


def test_point_releases_within_a_branch() -> None:
    by_flag = {row.flag: row for row in BEHAVIOURS}
    assert by_flag["ack_bytes_acked"].value((5, 10, 203)) == 0
    assert by_flag["ack_bytes_acked"].value((5, 10, 204)) == 1
    assert by_flag["future_ack_challenged"].value((6, 18, 32)) == 0
    assert by_flag["fw2_bucket_reuse"].value((6, 6, 54)) == 1
    assert by_flag["fw2_bucket_reuse"].value((6, 6, 55)) == 0


POINTS_OF_6_18 = {
    "bare_fin_sticks_out": 16,
    "ts_per_tuple": 17,
    "future_ack_challenged": 33,
    "req_rst_challenged": 42,
}


def test_every_point_release_of_6_18() -> None:
    """Nothing else has changed on the wire, and each of these at its point."""
    former = PROFILES["linux-6.18.0"]
    for point in range(45):
        profile, warning = profile_for(f"linux 6.18.{point}")
        assert (profile.name, profile.release, warning) == (f"linux-6.18.{point}", (6, 18, point), None)
        changed = {flag for flag, value in profile.flags.items() if value != former.flags[flag]}
        assert changed == {flag for flag, first in POINTS_OF_6_18.items() if first == point}
        assert (profile.defaults, profile.constants) == (former.defaults, former.constants)
        former = profile
    assert former == PROFILES["linux-6.18.44"]


def test_the_running_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(release: str, system: str = "Linux") -> None:
        uname = os.uname_result((system, "host", release, "", "x86_64"))
        monkeypatch.setattr(os, "uname", lambda: uname)

    runs("6.18.20-generic")
    assert profile_for("auto")[0].name == "linux-6.18.20"
    assert Registry().resolve_kernel("auto") == ("linux-6.18.20", None)
    runs("6.18.52-1")
    profile, warning = profile_for("auto")
    assert profile.name == "linux-6.18.44" and warning is not None and "6.18.52" in warning
    runs("3.10.0")
    with pytest.raises(LookupError, match=r"3\.10"):
        profile_for("auto")
    runs("14.1", "FreeBSD")
    with pytest.raises(Impossible, match="FreeBSD"):
        profile_for("auto")


def test_graded_behaviours() -> None:
    assert [PROFILES[n].flags["tw_reuse_rule"] for n in ("linux-4.18", "linux-5.10", "linux-6.18.0")] == [0, 1, 2]
    assert [PROFILES[n].flags["ts_per_tuple"] for n in ("linux-4.9", "linux-6.18.0", "linux-6.18.44")] == [2, 0, 1]


def test_defaults_by_release() -> None:
    assert config("linux-4.12")["tcp_tw_reuse"] == 0
    assert config("linux-4.18")["tcp_tw_reuse"] == 2
    assert config("linux-4.18")["somaxconn"] == 128
    assert config("linux-5.10")["somaxconn"] == 4096
    assert config("linux-6.1")["tcp_syn_linear_timeouts"] == 0
    assert config("linux-6.6")["tcp_syn_linear_timeouts"] == 4
    assert config("linux-5.15")["tcp_challenge_ack_limit"] == 1000
    assert config("linux-6.1")["tcp_challenge_ack_limit"] == 2**31 - 1
    assert config("linux-4.12")["ts_tick_ns"] == 4_000_000
    assert config("linux-4.18")["ts_tick_ns"] == 1_000_000


def test_config_from_profile_sysctls_and_settings() -> None:
    row = config("linux-6.18.44", {"net.ipv4.tcp_rto_min_us": 50000, "net.ipv4.tcp_fin_timeout": 5}, mss=536)
    assert (row["rto_min_ns"], row["tcp_fin_timeout_s"], row["mss"]) == (50_000_000, 5, 536)
    assert row["tcp_invalid_ratelimit_ms"] == 500
    two = ConfigTable(PROFILES["linux-6.18.44"], [{}, {"net.ipv4.tcp_timestamps": 0}])
    assert [two.row(i)["tcp_timestamps"] for i in range(2)] == [1, 0]
    with pytest.raises(LookupError, match="tcp_nonsense"):
        ConfigTable(PROFILES["linux-6.18.44"], [{"net.ipv4.tcp_nonsense": 1}])


def test_every_profile_fills_every_field_but_those_of_others() -> None:
    fields = set(config("linux-6.18.44"))
    for name, profile in PROFILES.items():
        assert set(profile.flags) <= fields, name
        assert set(config(name)) == fields, name


def test_features() -> None:
    without = config("rfc9293", features_without=("rfc5961",))
    assert (without["rfc5961"], without["rfc793_ack"], without["req_rst_challenged"]) == (0, 1, 0)
    assert config("rfc9293", features_without=("persist_timer",))["persist_timer"] == 0
    assert config("rfc9293", features_without=("fin_retransmit",))["fin_retransmit"] == 0
    assert config("linux-6.18.44", features_without=("timestamps", "sack"))["tcp_timestamps"] == 0
    assert config("linux-4.4", features_with=("rst_after_fin",))["rst_after_fin"] == 1
    assert PROFILES["rfc9293"].flags["rfc5961"] == 1  # profiles themselves do not change
    for name, parts in FEATURES.items():
        for key, _ in parts:
            assert key in sysctls.SYSCTLS or key in PROFILES["rfc9293"].flags, name


def test_kernel_names() -> None:
    assert profile_for("linux 6.18.44") == (PROFILES["linux-6.18.44"], None)
    assert profile_for("alinux 3")[0].name == "alinux-3"
    assert profile_for("rfc9293")[1] is None
    for asked, taken in (
        ("linux 6.18", "linux-6.18.44"),
        ("linux 6.18.45", "linux-6.18.44"),
        ("linux 6.12.16", "linux-6.12"),
        ("linux 5.4", "linux-4.18"),
        ("linux 4.9.20", "linux-4.9"),
        ("linux 7.1.2", "linux-6.18.44"),
    ):
        profile, warning = profile_for(asked)
        assert profile.name == taken
        assert warning is not None and asked in warning
    for asked in ("linux 6.18.20", "linux-6.6.3", "linux 5.10.265"):  # profiles of their own
        profile, warning = profile_for(asked)
        assert (profile.name, warning) == (asked.replace(" ", "-"), None)
    with pytest.raises(LookupError, match=r"linux 4\.4"):
        profile_for("linux 3.10")
    for asked, near in (("linus 6.18.44", "linux 6.18.44"), ("linus", "linux 6.18.44"), ("lwip2.2", "lwip 2.2")):
        with pytest.raises(LookupError, match=f"the nearest is {near}$"):
            profile_for(asked)
    with pytest.raises(LookupError, match="no profile of nope; `tcpcheck profiles` lists what there is"):
        profile_for("nope")


def test_effective_sysctls() -> None:
    new, old = PROFILES["linux-6.18.44"], PROFILES["linux-5.10"]
    assert new.sysctl_effective("net.ipv4.tcp_syn_linear_timeouts")
    assert not old.sysctl_effective("net.ipv4.tcp_syn_linear_timeouts")
    assert not new.sysctl_effective("net.ipv4.tcp_tw_timeout")
    assert PROFILES["alinux-3"].sysctl_effective("net.ipv4.tcp_tw_timeout")
    assert not new.sysctl_effective("net.ipv4.tcp_dsack")
    assert PROFILES["rfc9293"].sysctl_effective("net.ipv4.tcp_keepalive_time")
    assert not PROFILES["rfc9293"].sysctl_effective("net.ipv4.tcp_tw_reuse")


def test_registry() -> None:
    r = Registry()
    assert r.resolve_kernel("linux 6.18.44") == ("linux-6.18.44", None)
    assert r.resolve_kernel("plan9 4") is None
    assert r.check_sysctl("net.ipv4.tcp_timestamps", 2) is None
    assert "0 to 2" in str(r.check_sysctl("net.ipv4.tcp_timestamps", 3))
    assert "only" in str(r.check_sysctl("net.ipv4.tcp_tw_recycle", 1))
    assert set(r.kernels()) >= {"linux 6.18.44", "rfc9293", "alinux 3"}
    assert "CONNECT_SYN" in r.rules() and "rfc5961" in r.features() and "net.core.somaxconn" in r.sysctls()


def test_every_difference_says_what_and_where() -> None:
    for row in BEHAVIOURS:
        assert row.doc and row.where and row.rfc in (0, 1), row.flag
        assert (row.since is None) or (row.until is None), row.flag
    assert not {row.flag for row in BEHAVIOURS} & set(CONSTANT_FLAGS)


def enumerators() -> list[str]:
    """R_ names of rules.pxd in order, with the number at which each block starts."""
    text = re.sub(r"#.*", "", (TCP / "rules.pxd").read_text())
    return re.findall(r"^\s+R_([A-Z0-9_]+)", text, re.M)


def test_rules_agree_with_their_numbers() -> None:
    names = enumerators()
    first_send = names.index("LISTEN_OPENED")
    assert names[:first_send] == [r.name for r in rules.RULES if r.number < rules.SEND_FIRST]
    assert names[first_send:] == [r.name for r in rules.RULES if r.number >= rules.SEND_FIRST]
    assert rules.BY_NUMBER[rules.SEND_FIRST].name == "LISTEN_OPENED"
    assert rules.BY_NAME["LISTEN_OPENED"].number == rules.SEND_FIRST


def test_every_rule_is_explained() -> None:
    for rule in rules.RULES:
        assert rule.doc and (rule.kernel or rule.rfc), rule.name
        assert rule.rfc == "" or rule.rfc.startswith("RFC "), rule.name
    assert len({r.name for r in rules.RULES}) == len(rules.RULES)


def test_every_rule_is_taken_somewhere() -> None:
    code = "".join(p.read_text() for p in TCP.glob("*.pyx"))
    code = re.sub(r"cimport (\([^)]*\)|.*)", "", code)
    assert [r.name for r in rules.RULES if not re.search(rf"\bR_{r.name}\b", code)] == []
