"""Timers against a real kernel's: every observed gap lies in the armed window, and the end comes at the same firing.

The rows were observed on Linux 6.18.44, HZ 250, round trip about 0: seconds since the first transmission.
"""

import pytest
from tcpcheck.tcp.testing import TestStack

S = 1_000_000_000
MS = 1_000_000
JIFFY = 4 * MS

FIN_TLP = (0.206, 0.414, 0.842, 1.687, 3.343, 6.81, 13.455, 26.771, 53.391, 106.731, 213.131, 333.973)
FIN_NO_SACK = (0.206, 0.617, 1.453, 3.117, 6.537, 13.193, 26.505, 53.391, 106.749)
FIN_RTO_MIN_50 = (0.057, 0.117, 0.233, 0.461, 0.937, 1.87, 3.69, 7.3, 14.7, 29.3, 59.5, 118.9)
SYN_LINEAR = (1.032, 2.056, 3.084, 4.104, 5.131, 7.149, 11.399, 19.657, 35.724, 69.791, 135.303)
SYN_DOUBLING = (1.032, 3.08, 7.15, 15.4, 32.0, 66.0, 131.1)
SYNACK = (1.03, 3.05, 7.3, 15.5, 31.6, 65.7)
PERSIST = (0.22, 0.65, 1.48, 3.13, 6.59, 13.26, 26.59, 52.97, 106.2)

IPV4 = "net.ipv4.tcp_"


def opened(sysctls: dict[str, int] | None = None, **settings: object) -> tuple[TestStack, int, int]:
    """A connection: (stack, client's socket, server's accepted socket). Both hosts have the sysctls."""
    full = {IPV4 + name: value for name, value in (sysctls or {}).items()}
    t = TestStack(sysctls=full, peer_sysctls=full, **settings)
    listener = t.listen(1, 80)
    client = t.connect(0, 80, 12345)
    t.deliver_all()
    return t, client, t.accept(listener)


def wait(t: TestStack, before: float, now: float) -> None:
    t.pass_ns(round((now - before) * S))


def follow(t: TestStack, sock: int, at: tuple[float, ...], flags: str) -> None:
    """At all moments but the last the timer sends these flags; at the last the socket ends."""
    before = 0.0
    for now in at:
        wait(t, before, now)
        t.fire(sock)
        before = now
        if now != at[-1]:
            assert [s["flags"] for s in t.sent] == [flags], now
            assert t.kind(sock) == "full", now
    assert t.kind(sock) in ("free", "dead") and t.sent == []
    assert not t.overflow()


@pytest.mark.parametrize(
    ("retries", "last"),
    [
        (1, 1.687),
        (2, 3.343),
        (3, 6.81),
        (5, 13.455),
        (6, 26.771),
        (7, 53.391),
        (8, 106.731),
        (0, 106.731),
        (9, 213.131),
        (10, 333.973),
    ],
)
def test_orphan_in_fin_wait1(retries: int, last: float) -> None:
    t, _, server = opened({"orphan_retries": retries})
    t.close(server)
    t.drop_all()
    follow(t, server, tuple(x for x in FIN_TLP if x <= last), "F.")


def test_retries_3_and_4_may_coincide() -> None:
    t, _, server = opened({"orphan_retries": 4})
    t.close(server)
    follow(t, server, tuple(x for x in FIN_TLP if x <= 6.81), "F.")


def test_retries_4_on_the_shortest_schedule_sends_once_more() -> None:
    """6.12 s after the first repeat is too early for 6.2 s."""
    t, _, server = opened({"orphan_retries": 4})
    t.close(server)
    follow(t, server, (0.204, 0.408, 0.816, 1.632, 3.264, 6.528, 13.056), "F.")


def test_last_ack() -> None:
    t, client, server = opened({"orphan_retries": 8})
    t.close(client)
    t.deliver_all()
    assert t.state(server) == "CLOSE-WAIT"
    t.close(server)
    assert t.state(server) == "LAST-ACK"
    t.drop_all()
    follow(t, server, tuple(x for x in FIN_TLP if x <= 106.8), "F.")


def test_without_sack_there_is_no_probe() -> None:
    t, _, server = opened({"sack": 0})
    t.close(server)
    assert t.timer(server)[0] == "rto"
    follow(t, server, FIN_NO_SACK, "F.")


def test_early_retrans_0_is_no_probe_either() -> None:
    t, _, server = opened({"early_retrans": 0})
    t.close(server)
    follow(t, server, FIN_NO_SACK, "F.")


@pytest.mark.parametrize(("retries", "last"), [(2, 3.343), (3, 6.81)])
def test_open_descriptor_counts_retries2(retries: int, last: float) -> None:
    t, _, server = opened({"retries2": retries, "orphan_retries": 9})
    t.shutdown(server)
    assert t.state(server) == "FIN-WAIT-1"
    follow(t, server, tuple(x for x in FIN_TLP if x <= last), "F.")
    assert t.kind(server) == "dead" and t.sock(server)["so_error"] == 110


def test_data() -> None:
    t, client, _ = opened({"retries2": 2})
    t.send(client, 5)
    follow(t, client, (0.205, 0.413, 0.841, 1.694, 3.346), "P.")
    assert t.recv(client) == -110
    assert t.recv(client) == 0


def test_rto_min_us() -> None:
    t, _, server = opened({"rto_min_us": 50000}, rtt_max_ns=2 * MS)
    t.close(server)
    follow(t, server, FIN_RTO_MIN_50, "F.")


def test_rto_max_ms_ends_an_orphan_early() -> None:
    """The RTO has reached its greatest: the orphan is no longer alive, and 0 retries are 0."""
    t, _, server = opened({"rto_max_ms": 1000})
    t.close(server)
    follow(t, server, (0.205, 0.41, 0.84, 1.67, 2.7), "F.")


def test_rto_max_ms_shortens_the_give_up_time() -> None:
    t, client, _ = opened({"rto_max_ms": 1000, "retries2": 8})
    t.send(client, 10)
    follow(t, client, (0.205, 0.415, 0.84, 1.66, 2.7, 3.73, 4.76, 5.78, 6.81, 7.84), "P.")


@pytest.mark.parametrize(
    ("retries", "linear", "at"),
    [
        (1, 4, (1.032, 2.056, 3.08)),
        (1, 0, (1.03, 3.05)),
        (2, 4, (1.032, 2.056, 3.084, 4.104, 5.132, 7.144)),
        (3, 4, (1.032, 2.056, 3.084, 4.104, 5.131, 7.149, 11.399, 19.6)),
        (4, 4, (1.032, 2.056, 3.084, 4.104, 5.131, 7.149, 11.399, 19.657, 35.7)),
        (6, 4, SYN_LINEAR),
        (6, 0, SYN_DOUBLING),
    ],
)
def test_syn_sent(retries: int, linear: int, at: tuple[float, ...]) -> None:
    sysctls = {IPV4 + "syn_retries": retries, IPV4 + "syn_linear_timeouts": linear}
    t = TestStack(sysctls=sysctls)
    client = t.connect(0, 80, 12345)
    t.drop_all()
    assert t.connected(client) == -11
    follow(t, client, at, "S")
    assert t.connected(client) == -110


@pytest.mark.parametrize(("retries", "last"), [(0, 1.03), (1, 3.05), (2, 7.3), (3, 15.5), (5, 65.7)])
def test_synack(retries: int, last: float) -> None:
    t = TestStack(peer_sysctls={IPV4 + "synack_retries": retries})
    listener = t.listen(1, 80, 10)
    t.connect(0, 80, 12345)
    t.deliver()
    assert t.queues(listener) == (0, 1)
    request = next(i for i in range(16) if t.kind(i) == "request")
    t.drop_all()
    before = 0.0
    for now in SYNACK:
        wait(t, before, now)
        t.fire(request)
        if now == last:
            break
        assert [s["flags"] for s in t.sent] == ["S."]
        before = now
    assert t.sent == [] and t.queues(listener) == (0, 0) and t.died == [request]


def test_queue_over_half_full_shortens_the_retries() -> None:
    """Backlog 1: a request that was repeated once is no longer young, and two repeats are all."""
    t = TestStack()
    t.listen(1, 80, 1)
    for port in (1000, 1001):
        t.connect(0, 80, port)
        t.deliver(t.w_len() - 1)
    requests = [i for i in range(16) if t.kind(i) == "request"]
    assert len(requests) == 2
    sent = {i: 0 for i in requests}
    before = 0.0
    for now in (1.03, 3.05, 7.3):
        wait(t, before, now)
        for i in requests:
            t.fire(i)
            sent[i] += len(t.sent)
        before = now
    assert sent[requests[0]] == 2
    assert t.kind(requests[0]) == "free"


def test_fin_wait2_bucket() -> None:
    for timeout, seen in ((1, 1.039), (5, 5.26), (30, 30.9), (60, 61.7)):
        t, _, server = opened({"fin_timeout": timeout})
        t.close(server)
        t.deliver()  # FIN
        t.pass_ns(JIFFY)
        client = next(i for i in range(16) if t.state(i) == "CLOSE-WAIT")
        t.fire(client, 1)
        t.deliver()  # its ACK
        assert (t.kind(server), t.state(server)) == ("bucket", "FIN-WAIT-2")
        wait(t, 0, seen)
        t.fire(server)
        assert t.kind(server) == "free" and t.rules == ["FIN_WAIT2_EXPIRED"]


@pytest.mark.parametrize(
    ("timeout", "full", "all_of_it"),
    [(75, 15.245, 30.353), (120, 61.666, 123.016), (61, 1.03, 2.06), (90, 30.8, 61.7)],
)
def test_fin_wait2_beyond_60_s_is_twice_the_rest(timeout: int, full: float, all_of_it: float) -> None:
    t, client, server = opened({"fin_timeout": timeout})
    t.close(server)
    t.deliver()
    t.pass_ns(JIFFY)
    t.fire(client, 1)
    t.deliver()
    assert (t.kind(server), t.state(server)) == ("full", "FIN-WAIT-2")
    assert t.timer(server, 2)[0] == "keepalive" and t.timer(server) is None
    wait(t, 0, full)
    t.fire(server, 2)
    assert (t.kind(server), t.state(server)) == ("bucket", "FIN-WAIT-2")
    wait(t, full, all_of_it)
    t.fire(server)
    assert t.kind(server) == "free"


def test_fin_wait2_with_an_open_descriptor_has_no_timer() -> None:
    t, client, server = opened({"fin_timeout": 5})
    t.shutdown(server)
    t.deliver()
    t.pass_ns(JIFFY)
    t.fire(client, 1)
    t.deliver()
    assert (t.kind(server), t.state(server)) == ("full", "FIN-WAIT-2")
    assert [t.timer(server, slot) for slot in range(3)] == [None, None, None]
    t.close(server)
    assert (t.kind(server), t.state(server)) == ("bucket", "FIN-WAIT-2")


def time_wait(**settings: object) -> tuple[TestStack, int]:
    t, client, server = opened(**settings)
    t.close(server)
    t.deliver()
    t.close(client)
    t.deliver_all()
    return t, server


def test_time_wait_is_60_s_whatever_fin_timeout() -> None:
    t, server = time_wait(sysctls={"fin_timeout": 5})
    assert (t.kind(server), t.state(server)) == ("bucket", "TIME-WAIT")
    assert t.timer(server) == ("timewait", 60 * S, 60 * S + 60 * S // 8 + JIFFY)
    t.pass_ns(61_600 * MS)
    t.fire(server)
    assert t.kind(server) == "free" and t.rules == ["TIME_WAIT_EXPIRED"]


def test_tw_timeout_of_alinux() -> None:
    t, server = time_wait(sysctls={"tw_timeout": 600}, kernel="alinux-3")
    assert t.timer(server)[1] == 600 * S


def test_rfc_time_wait_is_two_msl() -> None:
    t, server = time_wait(kernel="rfc9293")
    assert t.timer(server) == ("timewait", 240 * S, 240 * S + MS)


def test_own_firewall_is_not_loss() -> None:
    """LAST-ACK whose FIN never left: persist timer, nothing in flight; the same schedule but no RTO."""
    t, client, server = opened()
    t.close(client)
    t.deliver_all()
    t.refuse(1)
    t.close(server)
    assert t.timer(server)[0] == "persist" and t.sock(server)["flight"] == 0
    assert t.rules[-1] == "PERSIST_FIREWALL"
    follow(t, server, PERSIST, "F.")


def test_every_fin_of_the_peer_starts_the_persist_timer_anew() -> None:
    """Why such a LAST-ACK lasted 161 s: the peer's last repeat of its FIN came after 54 s, and 107 s follow it."""
    t, client, server = opened()
    t.close(client)
    t.deliver()
    t.refuse(1)
    t.close(server)
    t.pass_ns(t.timer(client)[1])
    t.fire(client)  # its FIN again, long under way
    for now in (0, 408, 816):
        t.pass_ns(now * MS)
        t.fire(server)
    assert (t.sock(server)["retries"], t.sock(server)["backoff"]) == (3, 3)
    t.deliver()
    assert (t.sock(server)["retries"], t.sock(server)["backoff"]) == (0, 0)
    assert t.timer(server)[:2] == ("persist", 204 * MS)
    follow(t, server, PERSIST, "F.")


def test_own_firewall_with_an_open_descriptor() -> None:
    t, client, _ = opened({"retries2": 3})
    t.refuse(0)
    t.send(client, 10)
    assert t.timer(client)[0] == "persist" and t.sock(client)["unsent"] == 10
    follow(t, client, (0.21, 0.63, 1.46, 3.1), "P.")


def test_firewall_lifted_in_time() -> None:
    t, _, server = opened()
    t.refuse(1)
    t.close(server)
    t.pass_ns(210 * MS)
    t.fire(server)
    t.refuse(1, 0)
    t.pass_ns(430 * MS)
    t.fire(server)
    assert t.timer(server)[0] == "rto" and t.sock(server)["flight"] == 1
    assert t.sock(server)["backoff"] == 0 and t.sock(server)["retries"] == 0


def test_timer_windows_follow_the_round_trip() -> None:
    """The jiffy above 200 ms at least; at most R + max(rto_min, 2 R) after the handshake, R + max(rto_min, 2.25 R)
    later, and an eighth and a jiffy for the wheel."""
    t, client, _ = opened(rtt_max_ns=100 * MS)
    t.send(client, 1)
    assert t.timer(client) == ("tlp", 204 * MS, 300 * MS + 300 * MS // 8 + JIFFY)
    t.deliver_all()
    assert t.sock(client)["flight"] == 0
    t.send(client, 1)
    assert t.timer(client) == ("tlp", 204 * MS, 325 * MS + 325 * MS // 8 + JIFFY)


def test_backed_off_windows_hold_what_rounding_and_the_wheel_do() -> None:
    """RTT up to 50 ms: 63 jiffies when rounded up, which the third backoff makes 2016 ms on a wheel that turns every
    256 ms: later than an eighth after 2000 ms."""
    t, client, _ = opened({"sack": 0}, rtt_max_ns=50 * MS)
    t.send(client, 1)
    for _ in range(3):
        t.pass_ns(t.timer(client)[1])
        t.fire(client)
    assert t.timer(client)[0] == "rto" and 2272 * MS <= t.timer(client)[2] <= 2300 * MS


def test_no_sample_from_a_repeated_syn_without_timestamps() -> None:
    t = TestStack(sysctls={IPV4 + "timestamps": 0}, peer_sysctls={IPV4 + "timestamps": 0})
    t.listen(1, 80)
    client = t.connect(0, 80, 12345)
    t.drop_all()
    t.pass_ns(S)
    t.fire(client)
    t.deliver_all()
    assert t.state(client) == "ESTAB"
    t.close(client)
    assert t.timer(client) == ("tlp", S, S + S // 8 + JIFFY)
    t.pass_ns(S)
    t.fire(client)
    assert t.timer(client)[:2] == ("rto", 3 * S)


def test_karn_backoff_stays_without_timestamps() -> None:
    sysctls = {IPV4 + "timestamps": 0, IPV4 + "sack": 0}
    t = TestStack(sysctls=sysctls, peer_sysctls=sysctls)
    listener = t.listen(1, 80)
    client = t.connect(0, 80, 12345)
    t.deliver_all()
    server = t.accept(listener)
    t.send(client, 1)
    t.drop_all()
    for pause in (204, 408):
        t.pass_ns(pause * MS)
        t.fire(client)
    t.deliver()
    t.deliver_all()
    if t.timer(server, 1):
        t.pass_ns(t.timer(server, 1)[1])
        t.fire(server, 1)
        t.deliver_all()
    assert t.sock(client)["flight"] == 0
    t.send(client, 1)
    assert t.timer(client)[:2] == ("rto", 816 * MS)


def test_feature_fin_retransmit_off() -> None:
    t = TestStack("rfc9293")
    assert t.timer(t.connect(0, 80, 1))[0] == "rto"
    t, _, server = opened(kernel="rfc9293", features_without=("fin_retransmit",))
    t.close(server)
    assert t.state(server) == "FIN-WAIT-1" and t.timer(server) is None


def test_time_off_has_no_clocks_and_every_end_is_possible() -> None:
    t, _, server = opened({"timestamps": 0}, timed=0)
    t.close(server)
    t.fire(server)  # probe
    t.fire(server)  # first RTO
    kinds = t.outcomes(lambda: (t.fire(server), t.kind(server))[1])
    assert sorted(kinds) == ["free", "full"]
    assert t.clocks() == 0


def test_time_off_retransmissions_end() -> None:
    """The branch that gives up last: still no longer than the shortest timeouts allow."""
    t, _, server = opened({"timestamps": 0}, timed=0)
    t.close(server)
    fired = 0
    while t.kind(server) == "full" and fired < 30:
        t.fire(server)
        fired += 1
    assert t.kind(server) == "free" and fired == 10
