"""A router between hosts: addresses and ports, what it remembers and for how long; each seen through a verdict."""

from __future__ import annotations

import pytest
from model_specs import KERNEL, results

from tcpcheck.checking import verify_text
from tcpcheck.errors import SpecError

V, H, R, U = "violated", "holds", "reachable", "unreachable"
MASQUERADE = "iptables -t nat -A POSTROUTING -j MASQUERADE"


def spec(
    router: str = MASQUERADE,
    first: str = "connect server:80 from :1000 -> s ; recv s until eof ; close s",
    second: str = "stop",
    server: str = "listen :80 ; loop { accept -> c ; close c }",
    network: str = "delay 1ms",
) -> str:
    return f"""
    host c1 {{ {KERNEL} ; run {{ {first} }} }}
    host c2 {{ {KERNEL} ; run {{ {second} }} }}
    router gw between c1, c2 and server {{ {router}
    }}
    host server {{ {KERNEL} ; run {{ {server} }} }}
    network {{ {network} }}
    """


AT_ONCE = "connect server:80 from :1000 -> s ; recv s until eof ; close s"
AFTER = "await { server.c in TIME-WAIT and c1.s in CLOSED } ; connect server:80 from :1000 -> s"


def test_a_connection_through_nat() -> None:
    claims = [
        ("after works { c1.s in SYN-SENT } eventually { c1.s in CLOSED } within 100ms", H),
        ("reach { gw receives SYN }", R),
        ("reach { gw sends SYN }", R),
        ("reach { server sends RST }", U),
        ("reach { server.c[2] in ESTABLISHED }", U),
        ("after slow { c1.s in SYN-SENT } eventually { c1.s in ESTABLISHED } within 4ms", H),
        ("after fast { c1.s in SYN-SENT } eventually { c1.s in ESTABLISHED } within 3ms", V),
    ]
    assert results(spec(), claims) == claims


@pytest.mark.parametrize(
    ("router", "second", "served"),
    [
        (MASQUERADE, AT_ONCE, True),
        (MASQUERADE, AFTER, True),
        ("iptables -t nat -A POSTROUTING -p tcp -j MASQUERADE --to-ports 5000-5001", AT_ONCE, True),
        ("iptables -t nat -A POSTROUTING -p tcp -j SNAT --to-source gw:5000", AT_ONCE, False),
        ("iptables -t nat -A POSTROUTING -s c1 -j MASQUERADE", AT_ONCE, True),  # the other one is not hidden
        ("iptables -A FORWARD -s c2 -j DROP", AT_ONCE, False),
    ],
)
def test_two_clients_with_one_port(router: str, second: str, served: bool) -> None:
    claims = [
        ("reach { c1.s in ESTABLISHED }", R),
        ("reach { c2.s in ESTABLISHED }", R if served or "SNAT" in router else U),
        ("reach { c1.s in ESTABLISHED and c2.s in ESTABLISHED }", R if served and second is AT_ONCE else U),
    ]
    assert results(spec(router, second=second), claims) == claims


def test_the_only_port_goes_to_who_has_newer_numbers() -> None:
    """One port for all: while the first connection lives the second one's SYN is dropped; once it is over, a SYN with
    newer numbers takes it over (nf_nat_used_tuple_harder)."""
    router = "iptables -t nat -A POSTROUTING -p tcp -j SNAT --to-source gw:5000"
    second = "await { server.c in TIME-WAIT and c1.s in CLOSED } ; connect server:80 from :1000 (seq any) -> s"
    claims = [
        ("reach { server.c in TIME-WAIT receives SYN (seq > rcv_nxt) and replies SYN-ACK }", R),
        ("reach { server.c in TIME-WAIT receives SYN (seq < rcv_nxt - 1) }", U),
        ("reach { gw drops SYN }", R),
    ]
    assert results(spec(router, second=second), claims) == claims


def test_what_the_router_forgot_is_answered_by_itself() -> None:
    """The mapping of an idle connection is gone: the server's bytes reach nobody, and the router resets it."""
    router = f"sysctl net.netfilter.nf_conntrack_tcp_timeout_established = 10\n{MASQUERADE}"
    server = "listen :80 ; accept -> c ; sleep 5s..20s -> idle ; send c 10B ; stop"
    claims = [
        ("reach { gw receives DATA and replies RST }", R),
        ("reach { server.c receives RST and becomes CLOSED }", R),
        ("reach { c1.s receives DATA }", R),
        ("reach { c1.s receives RST }", U),
    ]
    first = "connect server:80 from :1000 -> s ; recv s until eof"
    assert results(spec(router, first=first, server=server), claims) == claims


def test_a_crash_empties_what_it_remembers() -> None:
    router = f"{MASQUERADE}\n run {{ await {{ server.c in ESTABLISHED and c1.s in ESTABLISHED }} ; crash ; boot }}"
    first = "connect server:80 from :1000 -> s ; sleep 1s ; send s 10B"
    claims = [
        ("reach { gw sends DATA }", R),  # it is taken up in the middle (tcp_loose)
        ("reach { server.c receives DATA }", R),
    ]
    server = "listen :80 ; accept -> c ; stop"
    assert results(spec(router, first=first, server=server), claims) == claims
    strict = router.replace("\n", "\n sysctl net.netfilter.nf_conntrack_tcp_loose = 0\n", 1)
    claims = [("reach { server receives DATA }", R), ("reach { server.c receives DATA }", U)]
    claims += [("reach { server replies RST }", U), ("reach { c1.s receives RST and becomes CLOSED }", R)]
    assert results(spec(strict, first=first, server=server), claims[:2] + claims[3:]) == claims[:2] + claims[3:]


def test_destination_nat() -> None:
    router = "iptables -t nat -A PREROUTING -p tcp -d gw --dport 8080 -j DNAT --to-destination server:80"
    claims = [
        ("reach { c1.s in ESTABLISHED and server.c in ESTABLISHED }", R),
        ("reach { c1.s receives RST }", U),
    ]
    assert results(spec(router, first="connect gw:8080 from :1000 -> s ; recv s until eof"), claims) == claims
    claims = [("reach { c1.s in ESTABLISHED }", U), ("reach { c1.s receives RST and becomes CLOSED }", R)]
    assert results(spec(router, first="connect gw:8081 from :1000 -> s ; recv s until eof"), claims) == claims


def test_more_connections_than_it_can_remember_are_undecided() -> None:
    first = "loop 9 { connect server:80 -> s ; abort s }"
    claims = [("reach { server:80 in ESTABLISHED }", R), ("never { gw drops SYN }", "undecided")]
    assert results(spec(first=first, server="listen :80 ; stop"), claims) == claims


@pytest.mark.parametrize("port", [5000, 5001])
def test_of_two_mappings_of_a_source_the_newer_is_taken(port: int) -> None:
    """The first connection became port 5000, which another source has towards port 82; so the second one became 5001,
    and that is what the third one becomes."""
    situation = f"""
    host s1 {{ {KERNEL}
      iptables -A INPUT -p tcp --sport 5001 --dport 81 -j DROP
      iptables -A INPUT -p tcp --sport {port} --dport 83 -j DROP
      run {{ listen :81 ; accept -> c ; stop }} run r2 {{ listen :82 ; stop }} run r3 {{ listen :83 ; stop }} }}
    host c2 {{ {KERNEL} ; run {{ connect s1:81 from :1000 -> x ; sleep 200ms
      connect s1:82 from :1000 -> y ; sleep 100ms
      connect s1:83 from :1000 -> z ; stop }} }}
    host c3 {{ {KERNEL} ; run {{ await {{ s1.c in ESTABLISHED }} ; sleep 100ms
      connect s1:82 from :5000 -> w ; stop }} }}
    router gw between c2, c3 and s1 {{
      iptables -t nat -A POSTROUTING -p tcp -s c2 -j MASQUERADE --to-ports 5000-5001
      iptables -t nat -A POSTROUTING -p tcp -s c3 -j MASQUERADE
    }}
    network {{ delay 1ms }}
    """
    claims = [
        ("reach { c2.y in ESTABLISHED }", R),
        ("reach { c2.z in ESTABLISHED }", R if port == 5000 else U),
        ("reach { c2.y in ESTABLISHED and s1 drops SYN }", U if port == 5000 else R),
    ]
    assert results(situation, claims) == claims


def two_syns(later: str, between: str) -> str:
    """Port 1000 is taken towards port 81 when c2 comes, which becomes another; after `later` it goes to port 82, where
    only those that are not port 1000 any more are let in."""
    return f"""
    host s1 {{ {KERNEL}
      iptables -A INPUT -p tcp --dport 81 -j DROP
      iptables -A INPUT -p tcp --sport 1000 --dport 82 -j DROP
      run {{ listen :82 ; stop }} }}
    host c1 {{ kernel none ; run {{ inject SYN from :1000 to s1:81 (seq = 100) }} }}
    host c2 {{ kernel none ; run {{ sleep 10ms ; inject SYN from :1000 to s1:81 (seq = 100) ; {between} ; sleep {later}
      inject SYN from :1000 to s1:82 (seq = 777) }} }}
    router gw between c1, c2 and s1 {{
      sysctl net.netfilter.nf_conntrack_tcp_timeout_syn_sent = 1
      iptables -t nat -A POSTROUTING -p tcp -j MASQUERADE
    }}
    network {{ delay 1ms }}
    """


@pytest.mark.parametrize(
    ("later", "between", "other", "same"),
    [
        ("500ms", "", R, U),  # the mapping of a connection that lives
        ("1500ms", "", R, R),  # of one whose time is over: as long as nothing has collected it
        ("300s", "", R, R),
        ("400s", "", U, R),
        ("500ms", "sleep 1500ms ; inject SYN from :1000 to s1:81 (seq = 100)", U, R),  # it was asked for
    ],
)
def test_a_mapping_may_outlive_its_connection(later: str, between: str, other: str, same: str) -> None:
    claims = [
        ("reach { s1 sends SYN-ACK }", other),
        ("reach { s1 drops SYN (seq = 777) }", same),
    ]
    assert results(two_syns(later, between or "sleep 1ms"), claims) == claims


def test_peers_of_changed_ports_are_refused() -> None:
    with pytest.raises(SpecError, match="peer"):
        verify_text(spec() + "reach { peer(c1.s) in ESTABLISHED }")
