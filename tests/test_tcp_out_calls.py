"""Calls and what hosts send: results, errnos, segments, as observed on Linux 6.18.44."""

import pytest
from tcpcheck.tcp.testing import TestStack

S = 1_000_000_000
MS = 1_000_000
JIFFY = 4 * MS
IPV4 = "net.ipv4.tcp_"
EAGAIN, EPIPE, EADDRINUSE, EADDRNOTAVAIL, ECONNRESET, ENOTCONN, ECONNREFUSED = 11, 32, 98, 99, 104, 107, 111


def opened(sysctls: dict[str, int] | None = None, backlog: int = 5, **settings: object) -> tuple[TestStack, int, int]:
    """A connection: (stack, client's socket on host 0, server's accepted socket on host 1)."""
    full = {IPV4 + name: value for name, value in (sysctls or {}).items()}
    t = TestStack(sysctls=full, peer_sysctls=full, **settings)
    listener = t.listen(1, 80, backlog)
    client = t.connect(0, 80, 12345)
    t.deliver_all()
    return t, client, t.accept(listener)


def flags(t: TestStack) -> list[str]:
    return [s["flags"] for s in t.sent]


# ---- listen and accept -------------------------------------------------------------------------------------


def test_listen_twice() -> None:
    t = TestStack()
    assert t.listen(1, 80) >= 0
    assert t.listen(1, 80) == -EADDRINUSE
    assert t.listen(1, 81) >= 0


def test_somaxconn_caps_the_backlog() -> None:
    t = TestStack(sysctls={"net.core.somaxconn": 0})
    listener = t.listen(0, 80, 100)
    for port in (1, 2, 3):
        t.connect(1, 80, port)
    t.deliver_all()
    assert t.queues(listener)[0] == 1  # backlog + 1 fit


def test_accept_in_order_also_the_dead() -> None:
    t = TestStack()
    listener = t.listen(1, 80)
    assert t.accept(listener) == -EAGAIN
    clients = [t.connect(0, 80, port) for port in (1, 2, 3)]
    t.deliver_all()
    t.abort(clients[0])
    t.deliver_all()
    assert t.queues(listener) == (3, 0)  # a child that was reset stays queued
    first, second, third = (t.accept(listener) for _ in range(3))
    assert (t.kind(first), t.kind(second), t.kind(third)) == ("dead", "full", "full")
    assert t.recv(first) == -ECONNRESET
    assert t.recv(first) == 0
    assert t.accept(listener) == -EAGAIN


def test_accept_of_a_child_reset_after_its_fin_reads_end_of_file() -> None:
    t = TestStack()
    listener = t.listen(1, 80)
    client = t.connect(0, 80, 1)
    t.deliver_all()
    t.shutdown(client)
    t.deliver()
    t.abort(client)
    t.drop_all()  # the reset is lost: CLOSE-WAIT stays
    child = t.accept(listener)
    assert t.state(child) == "CLOSE-WAIT" and t.recv(child) == 0


def test_closing_a_listener_resets_what_nobody_accepted() -> None:
    t = TestStack()
    listener = t.listen(1, 80)
    first = t.connect(0, 80, 1)
    second = t.connect(0, 80, 2)
    t.deliver_all()
    t.shutdown(second)
    t.deliver()
    t.drop_all()
    t.connect(0, 80, 3)
    t.deliver()
    t.drop_all()
    assert t.queues(listener) == (2, 1)
    t.close(listener)
    assert flags(t) == ["R.", "R."]
    assert t.rules.count("CLOSE_LISTENER_CHILD_RST") == 2
    assert "CLOSE_LISTENER_REQUEST_GONE" in t.rules
    t.deliver_all()
    assert t.recv(first) == -ECONNRESET


# ---- connect -----------------------------------------------------------------------------------------------


def test_connect_refused() -> None:
    t = TestStack()
    client = t.connect(0, 80, 1)
    assert t.connected(client) == -EAGAIN
    assert t.send(client, 1) == -EAGAIN
    t.deliver_all()
    assert t.connected(client) == -ECONNREFUSED
    assert t.kind(client) == "dead"
    t.close(client)
    assert t.kind(client) == "free"


def test_autobind_takes_the_lowest_free_port() -> None:
    t = TestStack()
    a, b = t.connect(0, 80), t.connect(0, 80)
    other = t.connect(0, 81)
    assert [t.sock(x)["lport"] for x in (a, b, other)] == [32768, 32769, 32768]


def test_incarnations_count_connects() -> None:
    t = TestStack()
    assert [t.sock(t.connect(0, 80, port))["inc"] for port in (1, 2)] == [1, 2]


def test_connect_from_a_port_in_use() -> None:
    t, client, _ = opened()
    assert t.connect(0, 80, 12345) == -EADDRNOTAVAIL
    assert t.rules == ["CONNECT_TUPLE_TAKEN"]
    t.listen(0, 7)
    assert t.connect(0, 80, 7) == -EADDRINUSE
    t.abort(client)
    assert t.connect(0, 80, 12345) >= 0


def test_a_dead_socket_holds_no_port() -> None:
    t, client, server = opened()
    t.abort(server)
    t.deliver_all()
    assert t.kind(client) == "dead"
    assert t.connect(0, 80, 12345) >= 0


def resting(state: str, **settings: object) -> tuple[TestStack, int]:
    """The client's bucket in TIME-WAIT or FIN-WAIT-2."""
    t, client, server = opened(**settings)
    t.close(client)
    t.deliver()
    t.pass_ns(JIFFY)
    if state == "FIN-WAIT-2":
        t.fire(server, 1)
    else:
        t.close(server)
    t.deliver_all()
    assert (t.kind(client), t.state(client)) == ("bucket", state)
    return t, client


@pytest.mark.parametrize("state", ["TIME-WAIT", "FIN-WAIT-2"])
def test_explicit_bind_takes_over_a_bucket_with_timestamps(state: str) -> None:
    """tcp_tw_reuse = 0 and no rest notwithstanding; the ISN follows the old numbers."""
    t, bucket = resting(state, sysctls={"tw_reuse": 0})
    base, off = t.sock(bucket)["snd_nxt"]
    new = t.connect(0, 80, 12345)
    assert new >= 0 and new != bucket
    assert t.rules == ["CONNECT_REUSES_BUCKET", "CONNECT_SYN"]
    assert t.merged == [(bucket, new)] and t.died == [bucket]
    assert t.sock(new)["iss"] == (base, off + 65537)
    assert t.sent[0]["ecr_inc"] == 1  # the SYN echoes the old connection's last timestamp


@pytest.mark.parametrize("state", ["TIME-WAIT", "FIN-WAIT-2"])
def test_explicit_bind_without_timestamps_is_refused(state: str) -> None:
    t, bucket = resting(state, sysctls={"timestamps": 0})
    assert t.connect(0, 80, 12345) == -EADDRNOTAVAIL
    assert t.kind(bucket) == "bucket"


def test_rfc_profile_does_not_take_over() -> None:
    t, _ = resting("TIME-WAIT", kernel="rfc9293")
    assert t.connect(0, 80, 12345) == -EADDRNOTAVAIL


def autobound(tw_reuse: int, state: str = "TIME-WAIT", **settings: object) -> tuple[TestStack, int]:
    sysctls = {IPV4 + "tw_reuse": tw_reuse}
    t = TestStack(sysctls=sysctls, peer_sysctls=sysctls, **settings)
    listener = t.listen(1, 80)
    client = t.connect(0, 80)
    t.deliver_all()
    server = t.accept(listener)
    t.close(client)
    t.deliver()
    t.pass_ns(JIFFY)
    if state == "TIME-WAIT":
        t.close(server)
    else:
        t.fire(server, 1)
    t.deliver_all()
    assert (t.kind(client), t.state(client)) == ("bucket", state)
    return t, client


def ports_of_next(t: TestStack) -> set[int]:
    return set(t.outcomes(lambda: t.sock(t.connect(0, 80))["lport"]))


@pytest.mark.parametrize(("tw_reuse", "ports"), [(0, {32769}), (1, {32768, 32769}), (2, {32769})])
def test_autobind_and_tw_reuse(tw_reuse: int, ports: set[int]) -> None:
    """2 means loopback only."""
    t, _ = autobound(tw_reuse)
    t.pass_ns(1002 * MS)
    assert ports_of_next(t) == ports


def test_autobind_waits_for_the_delay() -> None:
    t, _ = autobound(1)
    t.pass_ns(1000 * MS)
    assert ports_of_next(t) == {32769}


def test_autobind_reuse_on_loopback() -> None:
    t = TestStack()
    listener = t.listen(0, 80)
    client = t.connect(0, 80, peer=0)
    t.deliver_all()
    server = t.accept(listener)
    t.close(client)
    t.deliver()
    t.close(server)
    t.deliver_all()
    assert t.state(client) == "TIME-WAIT"
    t.pass_ns(1002 * MS)
    assert set(t.outcomes(lambda: t.sock(t.connect(0, 80, peer=0))["lport"])) == {32768, 32769}


def test_autobind_and_fin_wait2_buckets() -> None:
    t, _ = autobound(1, "FIN-WAIT-2")
    t.pass_ns(2 * S)
    assert ports_of_next(t) == {32769}
    t, _ = autobound(1, "FIN-WAIT-2", kernel="linux-4.18")
    t.pass_ns(2 * S)
    assert ports_of_next(t) == {32768, 32769}


# ---- send --------------------------------------------------------------------------------------------------


def test_send_is_cut_at_the_mss_less_the_timestamps() -> None:
    t, client, _ = opened(mss=1000)
    assert t.send(client, 2500) == 2500
    assert [(s["flags"], s["len"]) for s in t.sent] == [(".", 988), (".", 988), ("P.", 524)]
    t, client, _ = opened({"timestamps": 0}, mss=1000)
    t.send(client, 2500)
    assert [s["len"] for s in t.sent] == [1000, 1000, 500]


def test_nagle_holds_the_second_short_segment() -> None:
    t, client, server = opened()
    t.send(client, 1)
    t.send(client, 1)
    assert t.sent == [] and t.sock(client)["unsent"] == 1
    t.deliver()
    t.pass_ns(JIFFY)
    if t.timer(server, 1):
        t.fire(server, 1)
    t.deliver()
    assert flags(t) == ["P."] and t.sock(client)["unsent"] == 0


def test_fin_rides_on_the_last_unsent_bytes_and_knows_no_nagle() -> None:
    t, client, _ = opened()
    t.send(client, 1)
    t.send(client, 2)
    t.close(client)
    assert [(s["flags"], s["len"]) for s in t.sent] == [("FP.", 2)]


def test_probe_repeats_the_last_segment_only() -> None:
    t, client, _ = opened(mss=1000)
    t.send(client, 1500)
    kind, lo, _ = t.timer(client)
    assert (kind, lo) == ("tlp", JIFFY)  # 2 ms, in whole jiffies: two segments are out
    t.pass_ns(lo)
    t.fire(client)
    assert [s["len"] for s in t.sent] == [512]
    t.pass_ns(t.timer(client)[1])
    t.fire(client)
    assert [s["len"] for s in t.sent] == [988]


def test_rto_joins_what_fits_one_segment() -> None:
    t, client, _ = opened({"sack": 0})
    t.send(client, 5)
    t.shutdown(client)
    assert [(s["flags"], s["len"]) for s in t.sent] == [("F.", 0)]
    t.pass_ns(t.timer(client)[1])
    t.fire(client)
    assert [(s["flags"], s["len"]) for s in t.sent] == [("FP.", 5)]


def test_send_in_close_wait() -> None:
    t, client, server = opened()
    t.shutdown(client)
    t.deliver()
    assert t.state(server) == "CLOSE-WAIT"
    assert t.send(server, 3) == 3
    t.deliver_all()
    assert t.recv(client) == 3


def test_send_after_reset() -> None:
    t, client, server = opened()
    t.abort(client)
    assert flags(t) == ["R."]
    t.deliver_all()
    assert t.send(server, 1) == -ECONNRESET
    assert t.send(server, 1) == -EPIPE
    assert t.recv(server) == 0


def test_send_after_reset_in_close_wait_is_epipe() -> None:
    t, client, server = opened()
    t.shutdown(client)
    t.deliver_all()
    t.abort(client)
    t.deliver_all()
    assert t.kind(server) == "dead"
    assert t.recv(server) == 0
    assert t.send(server, 1) == -EPIPE


def test_send_after_shutdown() -> None:
    t, client, _ = opened()
    t.shutdown(client)
    assert flags(t) == ["F."]
    assert t.send(client, 1) == -EPIPE


def test_send_to_a_closed_peer_then_again() -> None:
    """The server close()d: FIN-WAIT-2 bucket. The first send is taken, RST comes, the second fails."""
    t, client, server = opened()
    t.close(server)
    t.deliver()
    t.pass_ns(JIFFY)
    t.fire(client, 1)
    t.deliver_all()
    assert t.kind(server) == "bucket"
    assert t.send(client, 1) == 1
    t.deliver_all()
    assert t.kind(server) == "free"
    assert t.send(client, 1) == -EPIPE
    assert t.recv(client) == 0


# ---- receive -----------------------------------------------------------------------------------------------


def test_recv() -> None:
    t, client, server = opened()
    assert t.recv(server) == -EAGAIN
    t.send(client, 10)
    t.shutdown(client)
    t.deliver_all()
    assert t.recv(server, 4) == 4
    assert t.recv(server) == 6
    assert t.recv(server) == 0
    assert t.rules == ["RECV_EOF"]


def test_unread_bytes_outlive_a_reset() -> None:
    t, client, server = opened()
    t.send(client, 10)
    t.deliver_all()
    t.abort(client)
    t.deliver_all()
    assert t.recv(server) == 10
    assert t.recv(server) == -ECONNRESET


def test_recv_on_a_listener() -> None:
    t = TestStack()
    assert t.recv(t.listen(0, 80)) == -ENOTCONN


def test_time_wait_can_still_be_read() -> None:
    t, client, server = opened()
    t.shutdown(client)
    t.deliver()
    t.send(server, 5)
    t.close(server)
    t.deliver_all()
    assert (t.kind(client), t.state(client)) == ("bucket", "TIME-WAIT")
    assert t.send(client, 1) == -EPIPE
    assert t.recv(client) == 5
    assert t.recv(client) == 0
    t.close(client)
    assert t.kind(client) == "bucket"
    t.pass_ns(61 * S)
    t.fire(client)
    assert t.kind(client) == "free"


def window_filled(kernel: str = "linux-6.18.44", **settings: object) -> tuple[TestStack, int, int]:
    """4000 bytes fill the server's buffer; all are acknowledged."""
    t, client, server = opened({"timestamps": 0}, kernel=kernel, mss=1000, rcv_buf=4000, **settings)
    t.send(client, 4000)
    t.deliver_all()
    for slot in (0, 1):
        if t.timer(server, slot):
            t.pass_ns(t.timer(server, slot)[2])
            t.fire(server, slot)
    t.deliver_all()
    assert t.sock(client)["flight"] == 0 and t.sock(server)["rcv_queued"] == 4000
    return t, client, server


def test_window_update_when_it_doubles() -> None:
    t, client, server = window_filled()
    t.send(client, 10)
    assert t.sent == [] and t.timer(client)[0] == "persist"
    assert t.rules[-1] == "PERSIST_WINDOW_CLOSED"
    t.recv(server, 100)
    assert t.sent == []  # silly window
    t.recv(server)
    assert "WINDOW_UPDATE" in t.rules and [s["wnd"] for s in t.sent] == [4000]
    t.deliver()
    assert [(s["flags"], s["len"]) for s in t.sent] == [("P.", 10)]


def test_zero_window_probe_is_old_and_empty() -> None:
    t, client, _ = window_filled()
    t.send(client, 10)
    t.pass_ns(t.timer(client)[1])
    t.fire(client)
    assert t.rules == ["PERSIST_PROBE"]
    (probe,) = t.sent
    base, off = t.sock(client)["snd_nxt"]
    assert (probe["flags"], probe["len"], probe["seq"]) == (".", 0, (base, off - 1))
    assert t.sock(client)["retries"] == 1
    t.deliver_all()
    assert t.sock(client)["retries"] == 0 and t.sock(client)["backoff"] == 1
    assert t.timer(client)[:2] == ("persist", 408 * MS)


def test_probe_takes_the_bytes_that_fit() -> None:
    t, client, server = opened({"timestamps": 0}, mss=1000, rcv_buf=4000)
    t.send(client, 3500)
    t.deliver_all()
    if t.timer(server, 1):
        t.pass_ns(t.timer(server, 1)[1])
        t.fire(server, 1)
        t.deliver_all()
    t.send(client, 1000)
    assert t.sent == [] and t.timer(client)[0] == "persist"  # 500 bytes of window are no full segment
    t.pass_ns(t.timer(client)[1])
    t.fire(client)
    assert [(s["flags"], s["len"]) for s in t.sent] == [("P.", 500)]
    assert t.timer(client)[0] == "rto"


def test_syn_offers_whole_segments() -> None:
    t = TestStack()
    listener = t.listen(1, 80)
    t.connect(0, 80, 1)
    assert listener >= 0 and t.sent[0]["wnd"] == 64240
    t.deliver()
    assert t.sent[0]["wnd"] == 65160


def filled_in_steps(mss: int, steps: int) -> tuple[TestStack, int, list[int]]:
    """The usual buffer, filled 16,000 bytes at a time: (stack, server, the windows that its ACKs offer)."""
    t, client, server = opened({"timestamps": 0}, mss=mss)
    offered = []
    for _ in range(steps):
        t.send(client, 16000)
        t.deliver()
        if t.timer(server, 1):  # of so large a first segment two are acknowledged at once
            t.pass_ns(t.timer(server, 1)[1])
            t.fire(server, 1)
        offered += [s["wnd"] for s in t.sent]
        t.deliver_all()
    return t, server, offered


@pytest.mark.parametrize(
    "mss, windows, whole",
    [
        (32000, [49152, 33792, 18432, 3072], 64512),  # no room for two segments and one kept back
        (65483, [50176, 34816, 19456, 4096], 65536),
    ],
)
def test_a_scaled_window_is_whole_units(mss: int, windows: list[int], whole: int) -> None:
    t, server, offered = filled_in_steps(mss, 4)
    assert offered == windows
    t.sent.clear()
    t.recv(server)
    assert [s["wnd"] for s in t.sent] == [whole]


def test_stack_without_persist_timer_waits_for_ever() -> None:
    t, client, _ = window_filled(kernel="rfc9293", features_without=("persist_timer",))
    t.send(client, 10)
    assert t.timer(client) is None


# ---- close and abort ---------------------------------------------------------------------------------------


def test_close_with_unread_bytes_resets() -> None:
    t, client, server = opened()
    t.send(client, 1)
    t.deliver_all()
    t.close(server)
    assert flags(t) == ["R."] and t.rules == ["CLOSE_UNREAD_RST"]
    assert t.kind(server) == "free"


def test_close_in_syn_sent_is_silent() -> None:
    t = TestStack()
    client = t.connect(0, 80, 1)
    t.close(client)
    assert t.sent == [] and t.kind(client) == "free"


def test_shutdown_in_syn_sent_gives_up() -> None:
    t = TestStack()
    client = t.connect(0, 80, 1)
    t.shutdown(client)
    assert t.sent == [] and t.kind(client) == "dead"


@pytest.mark.parametrize("ours_first", [True, False])
def test_abort_after_close_wait_and_before(ours_first: bool) -> None:
    t, client, server = opened()
    if not ours_first:
        t.shutdown(client)
        t.deliver_all()
    t.abort(server)
    assert flags(t) == ["R."] and t.kind(server) == "free"


def test_abort_when_both_fins_are_out_is_silent() -> None:
    t, client, server = opened()
    t.shutdown(client)
    t.deliver_all()
    t.shutdown(server)
    assert t.state(server) == "LAST-ACK"
    t.abort(server)
    assert t.sent == [] and t.rules == ["ABORT_SILENT"]


def test_buckets_full() -> None:
    t, client, server = opened({"max_tw_buckets": 0})
    t.close(server)
    t.deliver()
    t.close(client)
    t.deliver_all()
    assert t.kind(server) == "free"


def test_orphans_full() -> None:
    t, _, server = opened({"max_orphans": 0})
    t.close(server)
    assert flags(t) == ["F.", "R."] and t.kind(server) == "free"
    assert t.rules[-1] == "ORPHANS_FULL"


# ---- limited replies and delayed ACKs ----------------------------------------------------------------------


def challenges(t: TestStack, client: int, server: int) -> int:
    """A SYN of a new connection to an established one: does a challenge ACK come?"""
    t.drop_all()
    t.abort(client)
    t.drop_all()
    t.connect(0, 80, 12345)
    t.deliver()
    return len(t.sent)


def test_challenge_acks_are_limited_for_each_socket() -> None:
    t, client, server = opened()
    t.abort(client)
    t.drop_all()
    counts = []
    for pause in (0, 0, 495, 5, 500):
        t.pass_ns(pause * MS)
        new = t.connect(0, 80, 12345)
        t.deliver()
        counts.append(len(t.sent))
        t.drop_all()
        t.abort(new)
        t.drop_all()
    assert counts == [1, 0, 0, 1, 1]
    assert t.sock(server)["oow_clk"] != 0
    t.pass_ns(500 * MS)
    t.tidy()
    assert t.sock(server)["oow_clk"] == 0  # nothing can tell it from none


def test_limit_in_jiffies_is_blurred_by_one() -> None:
    t, client, server = opened()
    assert challenges(t, client, server) == 1
    t.pass_ns(498 * MS)
    t.close(t.connect(0, 81, 1))
    t.drop_all()
    found = set(t.outcomes(lambda: again(t)))
    assert found == {0, 1}


def again(t: TestStack) -> int:
    """The SYN of the connection that is still opening, once more."""
    t.pass_ns(0)
    client = next(i for i in range(16) if t.state(i) == "SYN-SENT")
    t.abort(client)
    t.connect(0, 80, 12345)
    t.deliver(t.w_len() - 1)
    return len(t.sent)


def test_ratelimit_0_is_off() -> None:
    t, client, server = opened({"invalid_ratelimit": 0})
    assert challenges(t, client, server) == 1
    assert again(t) == 1


def test_host_limit_is_a_draw() -> None:
    t, client, server = opened({"challenge_ack_limit": 2, "invalid_ratelimit": 0})
    assert set(t.outcomes(lambda: challenges(t, client, server))) == {0, 1}
    t, client, server = opened(kernel="linux-5.10", sysctls={"invalid_ratelimit": 0})
    assert set(t.outcomes(lambda: challenges(t, client, server))) == {1}  # 1000 a second are more than a model sends


def test_fin_without_data_before_is_acked_within_a_jiffy() -> None:
    t, client, server = opened()
    t.close(server)
    t.deliver()
    assert t.sent == [] and t.timer(client, 1) == ("delack", 0, JIFFY)


def test_fin_after_data_is_acked_after_40_ms() -> None:
    t, client, server = opened()
    t.send(server, 1)
    t.deliver()
    assert flags(t) == ["."]  # quick ACK
    t.deliver_all()
    t.close(server)
    t.deliver()
    assert t.timer(client, 1) == ("delack", 40 * MS, 45 * MS + JIFFY)
    t.pass_ns(44 * MS)
    t.fire(client, 1)
    assert flags(t) == ["."] and t.rules == ["DELACK_FIRED"]


def test_rfc_delays_by_less_than_half_a_second() -> None:
    t, client, server = opened(kernel="rfc9293")
    t.close(server)
    t.deliver()
    assert t.timer(client, 1) == ("delack", 0, 500 * MS + MS)


def test_own_segment_settles_the_owed_ack() -> None:
    t, client, server = opened()
    t.close(server)
    t.deliver()
    t.close(client)
    assert flags(t) == ["F."] and t.timer(client, 1) is None
