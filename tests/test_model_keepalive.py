"""SO_KEEPALIVE and TCP_USER_TIMEOUT: schedules as tcp_keepalive_timer and tcp_write_timeout have them, and the kernel's
own word for one."""

from __future__ import annotations

import pytest
from model_specs import results
from test_live_replay import needs_kernel, play

from tcpcheck.checking import verify_text
from tcpcheck.live import report
from tcpcheck.live.replay import AGREES

H, V, R, U = "holds", "violated", "reachable", "unreachable"


def situation(options: str, server: str = "crash", client: str = "recv s", network: str = "delay 1ms") -> str:
    """The connection stands at 3 ms; then the server does what it does, and the client waits."""
    return (
        "host server { kernel linux 6.18.44 ; run { listen :80 backlog 5 ; accept -> c ; "
        f"await {{ client.s in ESTABLISHED }} ; {server} }} }}\n"
        f"host client {{ kernel linux 6.18.44 ; run {{ connect server:80 from :1000 -> s ; {options} ; {client} }} }}\n"
        f"network {{ {network} }}\n"
    )


KEEP = (
    "setsockopt s SO_KEEPALIVE 1 ; setsockopt s TCP_KEEPIDLE 10 ; "
    "setsockopt s TCP_KEEPINTVL 4 ; setsockopt s TCP_KEEPCNT 2"
)
GONE = "server.c in CLOSED"


def told(within: str) -> str:
    return f"after {{ {GONE} }} eventually {{ client.s gets ETIMEDOUT }} within {within}"


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        # 10 s, then 4 s and 4 s; each wait late by an eighth and a jiffy at most
        (KEEP, [(told("17s..21s"), H), (told("18200ms..21s"), V), (told("0s..18s"), V)]),
        # switched off again, or never on: nothing happens
        (KEEP + " ; setsockopt s SO_KEEPALIVE 0", [("reach { client.s sends RST }", U)]),
        ("setsockopt s TCP_KEEPIDLE 1", [("reach { client.s takes KEEPALIVE_PROBE }", U)]),
        # a user timeout in the place of the count: the first firing at which it is over, after one probe at least
        (KEEP + " ; setsockopt s TCP_USER_TIMEOUT 11000", [(told("13s..16s"), H), (told("0s..13s"), V)]),
        (KEEP + " ; setsockopt s TCP_USER_TIMEOUT 1", [(told("13s..16s"), H), (told("0s..13s"), V)]),
        (KEEP + " ; setsockopt s TCP_USER_TIMEOUT 23000", [(told("22900ms..30s"), H), (told("0s..25s"), V)]),
        # TCP_KEEPIDLE counts from when the peer was last heard, not from the call
        (
            "setsockopt s SO_KEEPALIVE 1 ; setsockopt s TCP_KEEPCNT 1 ; setsockopt s TCP_KEEPINTVL 1 ; sleep 8s ; "
            "setsockopt s TCP_KEEPIDLE 10",
            [(told("10900ms..13s"), H)],
        ),
        # ... and when it is over already, the first probe goes at once
        (
            "setsockopt s SO_KEEPALIVE 1 ; setsockopt s TCP_KEEPCNT 1 ; setsockopt s TCP_KEEPINTVL 1 ; sleep 8s ; "
            "setsockopt s TCP_KEEPIDLE 2",
            [(told("8900ms..10s"), H)],
        ),
    ],
)
def test_schedule(options: str, rows: list[tuple[str, str]]) -> None:
    assert results(situation(options), rows) == rows


def test_the_sysctls_are_the_defaults() -> None:
    sysctls = (
        "sysctl net.ipv4.tcp_keepalive_time = 10 ; sysctl net.ipv4.tcp_keepalive_intvl = 4 ; "
        "sysctl net.ipv4.tcp_keepalive_probes = 2 ; run { connect"
    )
    text = situation("setsockopt s SO_KEEPALIVE 1").replace("run { connect", sysctls)
    rows = [(told("17s..21s"), H), (told("0s..18s"), V)]
    assert results(text, rows) == rows
    rows = [(told("7870s..9000s"), H), (told("0s..7800s"), V)]
    assert results(situation("setsockopt s SO_KEEPALIVE 1"), rows) == rows


def test_a_peer_that_answers_is_left_alone() -> None:
    """For ever: the search ends because each round is like the one before."""
    rows = [
        ("never { client.s in ESTABLISHED becomes CLOSED }", H),
        ("reach { server.c receives ACK (seq < rcv_nxt) and replies ACK }", R),
        ("reach { client.s in ESTABLISHED and quiet }", U),  # a timer may always send
    ]
    assert results(situation(KEEP, "stop"), rows) == rows


def test_who_has_forgotten_the_connection_resets_it() -> None:
    rows = [
        ("reach { client.s gets ECONNRESET }", R),
        ("reach { client.s takes KEEPALIVE_GIVES_UP }", U),
        ("after { server.c in CLOSED } eventually { client.s gets ECONNRESET } within 9s..12s", H),
    ]
    assert results(situation(KEEP, "crash ; boot"), rows) == rows


def test_a_longer_interval_than_the_idle_time() -> None:
    """The timer is not started anew by an answer: after a probe it fires TCP_KEEPINTVL later, and not before."""
    options = "setsockopt s SO_KEEPALIVE 1 ; setsockopt s TCP_KEEPIDLE 1 ; setsockopt s TCP_KEEPINTVL 20"
    claims = ["never early { client.s sends 2nd ACK } expect violated"]
    text = situation(options, "stop", "stop") + "\n".join(claims)
    assert verify_text(text).ok
    rows = [
        ("after { client.s in ESTABLISHED } eventually { client.s sends 2nd ACK } within 900ms..2s", H),
        ("after { client.s sends 2nd ACK } eventually { client.s sends 3rd ACK } within 19s..24s", H),
        ("after { client.s sends 2nd ACK } eventually { client.s sends 3rd ACK } within 0s..19s", V),
    ]
    assert results(situation(options, "stop", "stop"), rows) == rows


def test_no_probe_while_data_is_out() -> None:
    """The retransmission timer looks after the connection then; TCP_USER_TIMEOUT ends that, too."""
    fast = KEEP.replace("TCP_KEEPIDLE 10", "TCP_KEEPIDLE 1")
    send = "await { server.c in CLOSED } ; send s 10B ; recv s"
    rows = [("reach { client.s takes KEEPALIVE_PROBE }", U), ("reach { client.s takes RTO_GIVES_UP }", R)]
    assert results(situation(fast, "crash", send), rows) == rows
    rows = [
        ("after { client.s sends 1st DATA } eventually { client.s gets ETIMEDOUT } within 3s..4s", H),
        ("after { client.s sends 1st DATA } eventually { client.s gets ETIMEDOUT } within 0s..3s", V),
    ]
    assert results(situation("setsockopt s TCP_USER_TIMEOUT 3000", "crash", send), rows) == rows


def test_a_window_that_stays_shut_is_given_up() -> None:
    """Probes that are answered end it too, when there is a user timeout: it counts from the first of them."""
    text = """
host server { kernel linux 6.18.44 ; run { listen :80 backlog 5 ; accept -> c
    setsockopt c TCP_USER_TIMEOUT LIMIT ; send c 100B ; recv c } }
host greedy { kernel none ; run {
    inject SYN from :2000 to server:80 (seq = 1000, win = 1000)
    receive SYN-ACK -> sa
    inject ACK from :2000 to server:80 (seq = 1001, ack = sa.seq + 1, win = 0)
    loop 9 { receive SEGMENT -> probe ; inject ACK from :2000 to server:80 (seq = 1001, ack = sa.seq + 1, win = 0) }
} }
network { delay 1ms }
"""
    kept = [("after { server.c in ESTABLISHED } eventually { server.c gets ETIMEDOUT } within 0s..30s", V)]
    assert results(text.replace("LIMIT", "0"), kept) == kept
    rows = [
        ("reach { server.c takes PERSIST_GIVES_UP }", R),
        ("after { server.c in ESTABLISHED } eventually { server.c gets ETIMEDOUT } within 10s..12s", H),
        ("after { server.c in ESTABLISHED } eventually { server.c gets ETIMEDOUT } within 0s..10s", V),
    ]
    assert results(text.replace("LIMIT", "10000"), rows) == rows


def test_a_listener_hands_its_options_on() -> None:
    text = """
host server { kernel linux 6.18.44 ; run {
    listen :80 -> l backlog 5 ; setsockopt l SO_KEEPALIVE 1 ; setsockopt l TCP_KEEPIDLE 10 ; setsockopt l TCP_KEEPCNT 1
    setsockopt l TCP_KEEPINTVL 5 ; accept -> c ; recv c } }
host client { kernel linux 6.18.44 ; run {
    connect server:80 from :1000 -> s ; await { server.c in ESTABLISHED } ; crash } }
network { delay 1ms }
"""
    rows = [
        ("after { client.s in CLOSED } eventually { server.c gets ETIMEDOUT } within 14s..18s", H),
        ("after { client.s in CLOSED } eventually { server.c gets ETIMEDOUT } within 0s..15s", V),
    ]
    assert results(text, rows) == rows


def test_accept_may_wait_for_data() -> None:
    """TCP_DEFER_ACCEPT: the last ACK of the handshake makes no connection, the client's first text does."""
    text = """
host server { kernel linux 6.18.44 ; run {
    listen :80 -> l backlog 5 ; setsockopt l TCP_DEFER_ACCEPT 3 ; accept -> c ; send c 10B } }
host client { kernel linux 6.18.44 ; run { connect server:80 from :1000 -> s ; STEPS } }
network { delay 1ms }
"""
    rows = [("reach { server:80 in SYN-RECV receives ACK and stays }", R)]
    waiting = [("after { client.s in ESTABLISHED } eventually { client.s gets 10B } within 0s..1s", V)]
    talking = [("after { client.s in ESTABLISHED } eventually { client.s gets 10B } within 0s..1s", H)]
    assert results(text.replace("STEPS", "recv s"), rows + waiting) == rows + waiting
    assert results(text.replace("STEPS", "send s 1B ; recv s"), rows + talking) == rows + talking


@needs_kernel
def test_the_kernel_does_the_same() -> None:
    """A probe after a second, another, then the RST; and one whose user timeout is over first."""
    options = "setsockopt s SO_KEEPALIVE 1 ; setsockopt s TCP_KEEPIDLE 1 ; setsockopt s TCP_KEEPINTVL 1"
    for more in ("setsockopt s TCP_KEEPCNT 1", "setsockopt s TCP_USER_TIMEOUT 1500"):
        text = situation(f"{options} ; {more}") + "reach ended { client.s takes KEEPALIVE_GIVES_UP }"
        (claim,) = verify_text(text).claims
        assert claim.witness is not None
        for outcome in play([claim.witness], "client"):
            assert outcome.result == AGREES, report.text("keepalive", [outcome])
            assert outcome.played is not None and outcome.played.done == outcome.played.acts


# ---- user timeouts and probes that other timers count, too

RAW = (
    "host raw {{ kernel none ; run {{ "
    "inject SYN from :2000 to server:80 (seq = 1000, win = 1000) ; receive SYN-ACK -> sa ; "
    "inject ACK from :2000 to server:80 (seq = 1001, ack = sa.seq + 1, win = {first}) ; {then} }} }}\n"
)


def found(text: str) -> dict[str, str]:
    return {claim.name: claim.verdict for claim in verify_text(text).claims}


def server(options: str, then: str, kernel: str = "linux 6.18.44") -> str:
    run = f"listen :80 backlog 5 ; accept -> c ; {options} ; {then}"
    return f"host server {{ kernel {kernel} ; sysctl net.ipv4.tcp_retries2 = 3 ; run {{ {run} }} }}\n"


def test_an_rto_that_may_be_longer_than_the_user_timeout_may_be_shorter() -> None:
    """The same with a delay of 1 ms has four transmissions; longer delays are only added here."""
    text = (
        "host raw { kernel none ; run { receive SYN -> p ; "
        "inject SYN-ACK from :80 to client:1000 (seq = 5000, ack = p.seq + 1, mss = 1460) } }\n"
        "host client { kernel linux 6.18.44 ; run { connect raw:80 from :1000 -> s ; "
        "setsockopt s TCP_USER_TIMEOUT 1500 ; send s 10B ; recv s } }\n"
        "network { delay 1ms..300ms }\nnever d4 { client.s sends 4th DATA }\n"
    )
    assert found(text) == {"d4": V}


@pytest.mark.parametrize(("kernel", "dies"), [("linux 6.18.44", V), ("linux 6.6.40", H)])
def test_a_window_shut_over_data_in_flight_does_not_stop_the_user_timeout(kernel: str, dies: str) -> None:
    then = (
        "receive DATA -> d ; inject ACK from :2000 to server:80 (seq = 1001, ack = sa.seq + 1, win = 0) ; "
        "sleep 230ms ; "
        "inject ACK from :2000 to server:80 (seq = 1001, ack = sa.seq + 101, win = 1000)"
    )
    text = server("setsockopt c TCP_USER_TIMEOUT 100", "send c 100B ; stop", kernel)
    text += RAW.format(first=1000, then=then) + "network { delay 1ms }\n"
    text += "never dies { server.c takes RTO_GIVES_UP }\neventually twice { server.c sends 2nd DATA } within 1s\n"
    assert found(text) == {"dies": dies, "twice": dies}


def test_probes_of_keepalive_and_of_a_shut_window_are_one_count() -> None:
    """Three that nobody answered, then a window probe is due: with tcp_retries2 = 3 that is the end."""
    options = "setsockopt c SO_KEEPALIVE 1 ; setsockopt c TCP_KEEPIDLE 1 ; setsockopt c TCP_KEEPINTVL 1"
    text = server(options + " ; setsockopt c TCP_KEEPCNT 20", "sleep 3500ms ; send c 100B ; recv c")
    text += RAW.format(first=0, then="stop") + "network { delay 1ms }\n"
    text += "never probe { server.c takes PERSIST_PROBE }\nreach killed { server.c takes PERSIST_GIVES_UP }\n"
    assert found(text) == {"probe": H, "killed": R}
