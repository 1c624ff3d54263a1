"""TCP_DEFER_ACCEPT: the last ACK of the handshake alone wakes nobody (tcp_check_req, syn_ack_recalc)."""

from __future__ import annotations

from tcpcheck.tcp.drive import Driver

SECOND = 1_000_000_000


def request(timeouts: int) -> tuple[Driver, int, int]:
    driver = Driver("linux-6.18.44", {})
    listener = driver.listen(8888, 16)
    driver.defer_accept(listener, timeouts)
    driver.inject(20001, 8888, "S", seq=1000)
    slot = driver.find(20001, 8888)
    return driver, slot, driver.sock(slot)["iss"] + 1


def test_a_bare_ack_is_swallowed_and_the_synack_comes_again_when_the_wait_is_over() -> None:
    driver, slot, ack = request(2)
    assert driver.inject(20001, 8888, ".", seq=1001, ack=ack) == []
    assert driver.rules()[-1] == "REQ_DEFERRED"
    assert [at for at, _ in driver.run(7 * SECOND)] == [3 * SECOND, 7 * SECOND]
    assert driver.state(slot) == "SYN_RECV/req"
    driver.inject(20001, 8888, ".", seq=1001, ack=ack)
    assert driver.state(slot) == "ESTABLISHED"


def test_data_ends_the_wait() -> None:
    driver, slot, ack = request(2)
    driver.inject(20001, 8888, ".", seq=1001, ack=ack)
    (reply,) = driver.inject(20001, 8888, "P.", seq=1001, ack=ack, length=5)
    assert (reply["flags"], reply["ack"]) == (".", 1006)
    assert driver.state(slot) == "ESTABLISHED"


def test_without_the_ack_the_synack_comes_again_as_usual() -> None:
    driver, _, _ = request(2)
    assert [at for at, _ in driver.run(3 * SECOND)] == [SECOND, 3 * SECOND]
