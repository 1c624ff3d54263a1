"""What a measured round trip does to the RTO: the sample of text that was sent again is the age of a timestamp echo."""

import random
from collections.abc import Callable

import pytest
from tcpcheck.tcp.testing import TestStack

S = 1_000_000_000
MS = 1_000_000
JIFFY = 4 * MS
USUAL = 200 * MS + JIFFY  # the greatest RTO where round trips take no time
LATEST = 200 * MS + 200 * MS // 8 + JIFFY  # when its timer fires at the latest


def connection(**settings: object) -> tuple[TestStack, int, int]:
    t = TestStack(rtt_max_ns=0, **settings)
    listener = t.listen(1, 80)
    client = t.connect(0, 80, 12345)
    t.deliver_all()
    return t, client, t.accept(listener)


def fire(t: TestStack, sock: int, times: int = 1) -> None:
    """Its timer fires so often, and what it sends is lost but for the last."""
    for _ in range(times):
        t.drop_all()
        t.pass_ns(t.timer(sock)[1])
        t.fire(sock)


def rto_window(t: TestStack, sock: int) -> tuple[int, int]:
    t.send(sock, 1)
    return t.timer(sock)[1:]


@pytest.mark.parametrize("firings", [1, 2, 5])
def test_what_was_lost_makes_no_long_sample(firings: int) -> None:
    """The echo is that of the last transmission, and only that: the RTO is what it was."""
    t, client, _ = connection()
    t.send(client, 1)
    fire(t, client, firings)
    t.deliver_all()
    assert t.sock(client)["flight"] == 0
    assert rto_window(t, client) == (204 * MS, LATEST)


def test_an_echo_of_the_first_transmission_is_a_long_sample() -> None:
    """The ACK is lost; a probe and an RTO later text of the peer acknowledges in its place: up to 3 x 1.125 RTO."""
    t, client, server = connection()
    t.send(client, 1)
    t.deliver()
    fire(t, client, 2)
    t.drop_all()
    t.send(server, 1)
    t.deliver()
    assert t.sock(client)["flight"] == 0
    least, most = rto_window(t, client)
    assert least == 204 * MS and 4 * LATEST < most < 6 * LATEST


def test_long_samples_never_narrow_the_window() -> None:
    """One after another, each as an echo of the first transmission: up to tcp_rto_max, and there it stays."""
    t, client, server = connection()
    widths = []
    for _ in range(20):
        t.send(client, 1)
        t.deliver()
        fire(t, client)
        t.drop_all()
        t.send(server, 1)
        t.deliver_all()
        t.recv(server)
        t.recv(client)
        assert t.sock(client)["flight"] == 0
        least, most = rto_window(t, client)
        widths.append(most - least)
        t.deliver_all()
        t.drop_all()
        fire_delayed_ack(t, server)
    assert widths == sorted(widths) and widths[-1] > 100 * S


def fire_delayed_ack(t: TestStack, sock: int) -> None:
    if t.timer(sock, 1):
        t.pass_ns(t.timer(sock, 1)[1])
        t.fire(sock, 1)
        t.deliver_all()


def test_a_lost_ack_makes_a_long_sample() -> None:
    """The handshake's last ACK is lost; 0.9 s later data stands for it: SYN-ACK not repeated, sample 0.9 s."""
    t = TestStack()
    listener = t.listen(1, 80)
    client = t.connect(0, 80, 12345)
    t.deliver()
    t.deliver()
    t.drop_all()
    t.pass_ns(900 * MS)
    t.send(client, 1)
    t.deliver_all()
    server = t.accept(listener)
    t.recv(server)
    t.close(server)
    _, lo, hi = t.timer(server)
    assert lo == 204 * MS and hi >= 2700 * MS


def lost_syn(t: TestStack, client: int) -> None:
    fire(t, client)


def lost_synack(t: TestStack, client: int) -> None:
    t.deliver()
    fire(t, client)


@pytest.mark.parametrize(("happens", "least", "most"), [(lost_syn, 0, USUAL + S // 10), (lost_synack, 3 * S, 16 * S)])
def test_the_repeated_syn(happens: Callable[[TestStack, int], None], least: int, most: int) -> None:
    """A request keeps the timestamp of the SYN that made it. So its SYN-ACK echoes the repeated SYN only if the first
    was lost: else the sample is a second, and more."""
    t = TestStack(rtt_max_ns=0)
    t.listen(1, 80)
    client = t.connect(0, 80, 12345)
    happens(t, client)
    t.deliver_all()
    assert t.state(client) == "ESTAB"
    t.close(client)
    _, lo, hi = t.timer(client)
    assert lo == 204 * MS and least <= hi <= most


@pytest.mark.parametrize(("ack_lost", "least", "most"), [(False, 0, USUAL + S // 10), (True, 3 * S, 16 * S)])
def test_the_repeated_synack(ack_lost: bool, least: int, most: int) -> None:
    """Whoever is established answers a SYN-ACK with the timestamp of the first (as a 6.18.44 kernel does)."""
    t = TestStack(rtt_max_ns=0)
    listener = t.listen(1, 80)
    t.connect(0, 80, 12345)
    t.deliver()
    if ack_lost:
        t.deliver()
    t.drop_all()
    t.pass_ns(S)
    t.fire(1 if t.kind(1) == "request" else 2)
    t.deliver_all()
    server = t.accept(listener)
    t.close(server)
    _, lo, hi = t.timer(server)
    assert lo == 204 * MS and least <= hi <= most


# ---- the estimator


class Estimator:
    """SRTT and four times RTTVAR, as RFC 6298 has them; slow: a shorter sample counts for an eighth (Linux)."""

    def __init__(self, first: float, slow: bool) -> None:
        self.srtt, self.deviation, self.slow = first, 2 * first, slow

    def sample(self, m: float) -> None:
        error = m - self.srtt
        self.srtt += error / 8
        change = abs(error) - self.deviation / 4
        self.deviation += change / 8 if self.slow and error < 0 < change else change


@pytest.mark.parametrize(("slow", "bound"), [(True, 2.25), (False, 3)])
def test_the_deviation_of_round_trips_below_1_is_bounded(slow: bool, bound: float) -> None:
    """At random, and with long ones after short ones, which is the worst: it comes near the bound of rto_base()."""
    draw = random.Random(1)
    worst = 0.0
    for _ in range(3000):
        e = Estimator(draw.choice((0, 0.5, 1)), slow)
        for _ in range(draw.randint(1, 6)):
            value = draw.choice((0, 1, draw.random()))
            for _ in range(draw.randint(1, 12)):
                e.sample(value)
                worst = max(worst, e.deviation)
    assert 0.9 * bound < worst < bound
