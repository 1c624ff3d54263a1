"""The network and the firewalls: order, losses, copies, late segments; each seen through a verdict."""

from __future__ import annotations

import pytest
from model_specs import KERNEL, checked, results

from tcpcheck.explore.result import Limits

V, H, R, U = "violated", "holds", "reachable", "unreachable"


def spec(network: str, top: str = "", server: str = "", client: str = "") -> str:
    return f"""
    {top}
    host server {{ {KERNEL} ; {server} run {{ listen :80 backlog 5 ; accept -> c ; stop }} }}
    host client {{ {KERNEL} ; {client} run {{ connect server:80 from :1000 -> s ; send s 10B ; shutdown s write }} }}
    {network}
    """


@pytest.mark.parametrize(
    ("network", "overtakes"),
    [
        ("", False),
        ("network { delay 1ms }", False),
        ("network { delay 1ms..2ms }", True),
        ("network { delay 1ms..2ms ; fifo }", False),
    ],
)
def test_order(network: str, overtakes: bool) -> None:
    claims = [
        ("reach { server:80 receives FIN (seq = rcv_nxt) }", R),
        ("reach { server:80 receives FIN (seq > rcv_nxt) }", R if overtakes else U),
        ("reach { server:80 receives FIN (seq - rcv_nxt = 10) }", R if overtakes else U),
        ("reach { server:80 receives DATA (seq < rcv_nxt) }", U),
    ]
    assert results(spec(network), claims) == claims


@pytest.mark.parametrize(
    ("network", "microseconds"), [("", 10), ("network { delay 0s }", 10), ("network { delay 7ms }", 7000)]
)
def test_time_always_passes_on_the_way(network: str, microseconds: int) -> None:
    there_and_back = 2 * microseconds
    sent = "after { client.s sends SYN } eventually { client.s in ESTABLISHED } within"
    claims = [(f"{sent} {there_and_back}us..{there_and_back}us", H), (f"{sent} {there_and_back - 1}us", V)]
    assert results(spec(network), claims) == claims


def test_delay_is_a_range_for_each_segment() -> None:
    sent = "after { client.s sends SYN } eventually { client.s in ESTABLISHED } within"
    claims = [(f"{sent} 2ms..6ms", H), (f"{sent} 5999us", V), (f"{sent} 2001us..6ms", V)]
    assert results(spec("network { delay 1ms..3ms }"), claims) == claims


def test_losses_have_a_budget_a_pattern_and_a_direction() -> None:
    lossy = spec("network { delay 1ms ; lose 0..1 FIN from client to server }")
    claims = [
        ("reach { client.s loses FIN }", R),
        ("reach { client loses [F.] }", R),
        ("reach { client.s loses 2nd FIN }", R),
        ("reach { client.s loses DATA or client.s loses SYN }", U),
        ("reach { server loses SEGMENT }", U),
        ("reach { client.s sends 2nd FIN }", R),
        ("never { client.s sends 3rd FIN }", H),
        ("eventually { server:80 in CLOSE-WAIT } within 1s", H),
        ("eventually { server:80 in CLOSE-WAIT } within 200ms", V),
    ]
    claims.pop(2)
    assert results(lossy, claims) == claims
    lossy = spec("network { delay 1ms ; lose 0..2 FIN from client to server }")
    claims = [("reach { client.s sends 3rd FIN }", R), ("never { client.s sends 4th FIN }", H)]
    assert results(lossy, claims) == claims
    lossy = spec("network { delay 1ms ; lose 0..1 SEGMENT (len > 5) ; lose 0..1 [S.] from server to client }")
    claims = [
        ("reach { client.s loses DATA }", R),
        ("reach { client.s loses FIN or client.s loses SYN }", U),
        ("reach { server:80 loses SYN-ACK }", R),
        ("reach { server loses ACK }", U),
        ("reach { client.s sends 2nd SYN }", R),
        ("never { client.s sends 3rd SYN }", H),
    ]
    assert results(lossy, claims) == claims


def test_copies() -> None:
    again = ("reach { server:80 receives DATA (seq < rcv_nxt) }", R)
    never = (again[0], U)
    assert results(spec("network { delay 1ms }"), [never]) == [never]
    assert results(spec("network { delay 1ms ; duplicate 0..1 DATA ; lifetime 1s }"), [again]) == [again]
    assert results(spec("network { delay 1ms ; duplicate 0..1 FIN ; lifetime 1s }"), [never]) == [never]


def test_late_segments_arrive_within_the_lifetime() -> None:
    late = "network {{ delay 1ms ; late 0..{} FIN ; lifetime 100ms }}"
    sent = "after { client.s sends FIN } eventually { server:80 receives FIN } within"
    claims = [(f"{sent} 1ms..1ms", V), (f"{sent} 99ms", V), (f"{sent} 1ms..100ms", H), (f"{sent} 2ms..100ms", V)]
    assert results(spec(late.format(1)), claims) == claims
    claims = [(f"{sent} 1ms..1ms", H)]
    assert results(spec("network { delay 1ms ; late 0..1 SYN ; lifetime 100ms }"), claims) == claims


def test_firewalls() -> None:
    resets = "iptables -A OUTPUT -p tcp --tcp-flags RST RST -j DROP"
    refusing = f"""
    host server {{ {KERNEL}
        {resets}
        run {{ stop }} }}
    host client {{ {KERNEL} ; run {{ connect server:80 from :1000 -> s }} }}
    network {{ delay 1ms }}
    """
    claims = [
        ("reach { server sends RST }", R),
        ("reach { server drops RST }", R),
        ("always { server receives SYN implies replies RST }", H),
        ("reach { client receives RST }", U),
        ("reach { client.s gets ECONNREFUSED }", U),
        ("reach { client.s gets ETIMEDOUT }", R),
    ]
    assert results(refusing, claims) == claims
    block = "iptables -A INPUT -p tcp -s server --sport 80 -j DROP\n"
    claims = [
        ("reach { client drops SYN-ACK }", R),
        ("reach { client.s drops SYN-ACK }", R),
        ("reach { client.s receives SYN-ACK }", U),
        ("reach { client receives SYN-ACK }", U),
        ("reach { server drops SEGMENT }", U),
        ("never { client.s in ESTABLISHED }", H),
    ]
    assert results(spec("network { delay 1ms }", client=block), claims) == claims


def test_a_firewall_switched_on_and_off() -> None:
    rule = "INPUT -p tcp --sport 80 -j DROP"
    on_and_off = f"""
    host server {{ {KERNEL} ; run {{ listen :80 ; accept -> c ; stop }} }}
    host client {{ {KERNEL}
        run {{
            iptables -A {rule}
            sleep 500ms
            iptables -D {rule}
        }}
        run connects {{ connect server:80 from :1000 -> s }} }}
    network {{ delay 1ms }}
    """
    claims = [
        ("reach { client drops 1st SYN-ACK or client drops SYN-ACK }", R),
        ("after { client.s sends SYN } eventually { client.s in ESTABLISHED } within 1s..1130ms", V),
        ("after { client.s sends 1st SYN } eventually { client.s in ESTABLISHED } within 1s..1140ms", H),
        ("never { client.s sends 3rd SYN }", H),
    ]
    claims.pop(0)
    assert results(on_and_off, claims) == claims


def test_time_off_keeps_no_clock() -> None:
    """Every timer may fire at any moment, and segments overtake each other."""
    early = [
        "reach { client.s sends 2nd SYN }",
        "reach { client.s sends 3rd FIN }",
        "reach { server:80 receives FIN (seq > rcv_nxt) }",
    ]
    found = checked(spec("network { delay 1ms }", "time off"), tuple(early), Limits(states=20_000)).claims
    assert [c.verdict for c in found] == [R, R, R]
    on_time = [(text, U) for text in early]
    assert results(spec("network { delay 1ms }"), on_time) == on_time
