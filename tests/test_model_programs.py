"""Programs: what each step does and how calls fail, seen through claims with verdicts known by hand."""

from __future__ import annotations

from model_specs import KERNEL, results

V, H, R, U, X = "violated", "holds", "reachable", "unreachable", "vacuous"


def pair(server: str, client: str, network: str = "delay 1ms", more: str = "") -> str:
    """Two hosts with one run each."""
    return f"""
    host server {{ {KERNEL} ; {more} run {{ {server} }} }}
    host client {{ {KERNEL} ; run {{ {client} }} }}
    network {{ {network} }}
    """


REFUSED = pair("stop", "connect server:80 from :1000 -> s ; sleep 1s")
REFUSED_ELSE = pair("stop", "connect server:80 from :1000 -> s else { sleep 1s ; connect server:80 from :1001 -> t }")
REFUSALS = [
    ("reach { client.s gets ECONNREFUSED }", R),
    ("reach { client.s gets ok }", U),
    ("reach { server receives SYN and replies RST (seq = 0) }", R),
    ("always { server receives SYN implies replies RST (ack = in.seq + 1) }", H),
    ("after { client.s sends SYN } eventually { client.s in CLOSED } within 2ms..2ms", H),
    ("reach { client.s in SYN-SENT receives RST and becomes CLOSED }", R),
]


def test_connection_refused() -> None:
    assert results(REFUSED, REFUSALS) == REFUSALS
    claims = [
        *REFUSALS,
        ("after { client.s gets ECONNREFUSED } eventually { client.t in SYN-SENT } within 1s..1s", H),
        ("reach { client.t gets ECONNREFUSED }", R),
    ]
    assert results(REFUSED_ELSE, claims) == claims


def test_a_failing_call_without_else_ends_its_run_and_closes_its_sockets() -> None:
    spec = pair(
        "listen :80 ; accept -> c ; recv c",
        "connect server:80 from :1000 -> s ; connect server:81 from :1001 -> t ; send s 5B ; sleep 9s",
    )
    claims = [
        ("reach { client.t gets ECONNREFUSED }", R),
        ("reach { client.s sends DATA }", U),
        ("after { client.t gets ECONNREFUSED } eventually { client.s in FIN-WAIT-1 } within 0s", H),
        ("reach { server.c gets EOF }", R),
    ]
    assert results(spec, claims) == claims


def test_connect_gives_up() -> None:
    """One retry after 1 s; 2 s later it is over."""
    spec = pair(
        "iptables -A INPUT -p tcp --syn -j DROP ; listen :80",
        "sysctl net.ipv4.tcp_syn_retries = 1 ; sysctl net.ipv4.tcp_syn_linear_timeouts = 0 ; "
        "connect server:80 from :1000 -> s ; stop",
    )
    claims = [
        ("reach { client.s gets ETIMEDOUT }", R),
        ("reach { client.s sends 2nd SYN }", R),
        ("reach { client.s sends 3rd SYN }", U),
        ("reach { server drops SYN }", R),
        ("reach { server receives SYN }", U),
        ("after { client.s sends 1st SYN } eventually { client.s gets ETIMEDOUT } within 3s..3400ms", H),
        ("eventually { client.s in CLOSED }", H),
    ]
    assert results(spec, claims) == claims


def test_addresses_in_use() -> None:
    spec = pair(
        "listen :80 -> l ; accept -> c ; stop",
        "connect server:80 from :1000 -> s ; connect server:80 from :1000 -> t else { stop }",
    )
    claims = [
        ("reach { client.t gets EADDRNOTAVAIL }", R),
        ("reach { client gets EADDRNOTAVAIL }", R),
        ("reach { client.t gets EADDRINUSE }", U),
        ("reach { client.s gets EADDRNOTAVAIL }", U),
        ("reach { client.t in CLOSED }", R),
        ("reach { client.t in SYN-SENT }", U),
        ("never { client.s in FIN-WAIT-1 }", H),
    ]
    assert results(spec, claims) == claims
    spec = pair("listen :80 -> l ; listen :80 -> m ; accept -> c", "connect server:80 -> s")
    claims = [("reach { server.m gets EADDRINUSE }", R), ("reach { server.l in CLOSED }", R)]
    assert results(spec, claims) == claims


def test_receiving() -> None:
    spec = pair(
        "listen :80 ; accept -> c ; recv c 4B ; recv c 4B ; recv c ; recv c until eof ; close c",
        "connect server:80 from :1000 -> s ; send s 3B ; send s 7B ; shutdown s write ; recv s until eof ; close s",
    )
    claims = [
        ("reach { server.c gets 4B }", R),
        ("reach { server.c gets 2B }", R),
        ("reach { server.c gets 3B }", R),  # a first call finds only the first segment
        ("reach { server.c gets 5B }", U),
        ("reach { server.c gets EOF }", R),
        ("reach { client.s gets EOF }", R),
        ("reach { client.s in FIN-WAIT-2 }", U),  # the server's FIN carries the ACK of the client's
        ("never { server.c gets ECONNRESET }", H),
        ("reach { client.s sends 1st DATA and client.s sends 2nd DATA }", U),
        ("reach { client.s sends 2nd DATA }", R),
    ]
    assert results(spec, claims) == claims


def test_ends_of_programs() -> None:
    for last, closes in (("exit", True), ("stop", False), ("close s", True), ("", False), ("sleep 1s", False)):
        spec = pair("listen :80 ; accept -> c ; stop", f"connect server:80 from :1000 -> s ; {last}")
        assert results(spec, [("reach { client.s in FIN-WAIT-1 }", "")])[0][1] == (R if closes else U), last


def test_abort_and_what_the_peer_gets() -> None:
    spec = pair(
        "listen :80 ; accept -> c ; recv c else { send c 1B else { stop } }",
        "connect server:80 from :1000 -> s ; abort s ; sleep 1s",
    )
    claims = [
        ("reach { client.s in ESTABLISHED sends RST }", R),
        ("never { client.s sends FIN }", H),
        ("reach { client.s in TIME-WAIT }", U),
        ("reach { server.c gets ECONNRESET }", R),
        ("reach { server.c gets EPIPE }", R),  # send() after the reset
        ("reach { server.c receives RST and becomes CLOSED }", R),
        ("reach { server.c gets EOF }", U),
    ]
    assert results(spec, claims) == claims


def test_closing_with_unread_data_resets() -> None:
    spec = pair(
        "listen :80 ; accept -> c ; sleep 10ms ; close c", "connect server:80 from :1000 -> s ; send s 1B ; recv s"
    )
    claims = [
        ("reach { server.c sends RST }", R),
        ("reach { server.c sends FIN }", U),
        ("reach { client.s gets ECONNRESET }", R),
    ]
    assert results(spec, claims) == claims


def test_loops_and_choices() -> None:
    spec = pair(
        "listen :80 ; accept -> c ; recv c until eof",
        "connect server:80 from :1000 -> s ; loop 3 { send s 1B ; sleep 1s } ; "
        "either { close s } or { abort s } or { shutdown s write }",
    )
    claims = [
        ("reach { client.s sends 3rd DATA }", R),
        ("reach { client.s sends 4th DATA }", U),
        ("reach { client.s sends RST }", R),
        ("reach { client.s sends FIN }", R),
        ("reach { client.s in FIN-WAIT-2 and client.s timer timewait }", R),
        ("reach { client.s in FIN-WAIT-2 and quiet and not client.s timer timewait }", R),  # shutdown: no orphan
        ("after { client.s sends 1st DATA } eventually { client.s sends 3rd DATA } within 2s..2s", H),
        ("eventually { server.c in CLOSE-WAIT or server.c in CLOSED }", H),
    ]
    assert results(spec, claims) == claims


def test_names_bound_in_a_loop() -> None:
    spec = pair(
        "listen :80 ; loop { accept -> c ; recv c until eof ; close c }",
        "loop 2 { connect server:80 -> s ; close s }",
    )
    claims = [
        ("reach { client.s[2] in ESTABLISHED and client.s[1] in TIME-WAIT }", R),
        ("reach { client.s[1] in ESTABLISHED and client.s[2] in TIME-WAIT }", U),
        ("reach { client.s[2] in ESTABLISHED and client.s[1] absent }", U),
        ("reach { server.c[2] in CLOSE-WAIT and server.c[1] in CLOSED }", R),
        ("never { server.c[3] in CLOSED }", X),
        ("reach { server.c in CLOSED and client.s in SYN-SENT }", U),
        ("reach { server.c in ESTABLISHED and server.c in CLOSED }", U),  # the same words, the same socket
        ("after { client.s in SYN-SENT } eventually { client.s in CLOSED } within 68s", H),
        ("after { client.s in SYN-SENT } eventually { client.s in CLOSED } within 60s", V),
        ("after { client.s[2] in SYN-SENT } eventually { server:80 in CLOSED } within 3ms", H),  # that of s[1]
        ("always { client.s in TIME-WAIT implies client.s timer timewait }", H),
    ]
    assert results(spec, claims) == claims


def test_sysctls_and_awaits() -> None:
    spec = pair(
        "listen :80 ; accept -> c ; await { server.c in CLOSE-WAIT } ; close c",
        "connect server:80 from :1000 -> s ; sysctl net.ipv4.tcp_timestamps = 0 ; close s ; "
        "await { client.s in TIME-WAIT and quiet } ; connect server:80 from :1001 -> t",
    )
    claims = [
        ("reach { client.s sends SYN (tsval) }", R),
        ("reach { client.s sends SYN (not tsval) }", U),
        ("reach { client.t sends SYN (tsval) }", U),
        ("reach { client.s sends FIN (tsval) }", R),  # negotiated before
        ("reach { client.t sends SYN and client.s in TIME-WAIT }", R),
        ("reach { client.t sends SYN and client.s in FIN-WAIT-1 }", U),
        ("never { server.c in ESTABLISHED sends FIN }", H),
    ]
    assert results(spec, claims) == claims


def test_shutdown() -> None:
    """After shutdown(SHUT_RD) recv() returns end of file; in FIN-WAIT text is then answered by a reset."""
    client = "connect server:80 from :1000 -> s ; shutdown s {} ; recv s until eof ; stop"
    claims = {
        "write": [("reach { client.s receives DATA and replies RST }", U), ("reach { client.s gets 5B }", R)],
        "both": [("reach { client.s receives DATA and replies RST }", R), ("reach { client.s gets 5B }", U)],
        "read": [("reach { client.s receives DATA and replies RST }", U), ("reach { client.s sends FIN }", U)],
    }
    for way, table in claims.items():
        spec = pair("listen :80 ; accept -> c ; sleep 1s ; send c 5B", client.format(way))
        rows = [*table, ("reach { client.s gets EOF and client.s in CLOSED }", U)]
        assert results(spec, rows) == rows, way
    rows = [("reach { client.s gets EOF and client.s in ESTABLISHED }", R), ("reach { client.s gets 5B }", U)]
    assert results(spec, rows) == rows
