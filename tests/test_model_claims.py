"""What claims mean: verdicts of small specs, known by hand from docs/language.md."""

from __future__ import annotations

import pytest
from model_specs import KERNEL, PLAIN, checked, results, verdicts

from tcpcheck.checking import verify_text
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load_text
from tcpcheck.model.rests import rests_long

V, H, R, U, X = "violated", "holds", "reachable", "unreachable", "vacuous"

STATES = [
    ("never { client.s in CLOSING }", H),
    ("never { client.s in TIME-WAIT }", V),
    ("never { server.c in TIME-WAIT }", H),
    ("never { server.c[1] in CLOSE-WAIT }", V),
    ("reach { client.s in FIN_WAIT1 and server.c in CLOSE_WAIT }", R),
    ("reach { client.s in FIN-WAIT-1 and server.c in LAST-ACK }", R),
    ("reach { client.s in TIME-WAIT and server.c in LAST-ACK }", R),
    ("reach { client.s in FIN-WAIT-2 }", U),
    ("reach { client.s in CLOSED and server.c in CLOSED }", R),
    ("reach { client.s in FIN-WAIT-1|FIN-WAIT-2 and server.c absent }", R),
    ("reach { client.s in CLOSED and not quiet }", U),
    ("reach { client.s in TIME-WAIT and quiet }", R),
    ("reach { client.s in ESTABLISHED and quiet }", U),
    ("always { client.s in SYN-SENT|ESTABLISHED|FIN-WAIT-1|TIME-WAIT|CLOSED }", H),
    ("always { client.s in SYN-SENT|ESTABLISHED|FIN-WAIT-1|TIME-WAIT }", V),
    ("always { client.s in TIME-WAIT implies server.c in LAST-ACK|CLOSED }", H),
    ("always { server.c in CLOSED implies client.s in TIME-WAIT }", V),
    ("reach { client.s absent and server.c absent and not quiet }", U),
    ("reach { client.s absent }", R),
    ("reach { client.s in CLOSED and client.s absent }", R),
    ("reach { client.s in ESTABLISHED and client.s absent }", U),
]

TIMERS_AND_NUMBERS = [
    ("reach { client.s in TIME-WAIT and client.s timer timewait }", R),
    ("reach { client.s in TIME-WAIT and client.s timer on }", U),
    ("reach { client.s in SYN-SENT and client.s timer on }", R),
    ("reach { server:80 in SYN-RECV and server:80 timer on }", R),
    ("reach { client.s timer persist }", U),
    ("reach { client.s timer keepalive }", U),
    ("never { client.s in TIME-WAIT and not client.s timer timewait }", H),
    ("reach { client.s.snd_nxt > server.c.rcv_nxt }", R),
    ("reach { client.s.snd_nxt = server.c.rcv_nxt and client.s in TIME-WAIT }", R),
    ("never { server.c.rcv_nxt > client.s.snd_nxt }", H),
    ("always { server.c.irs = client.s.iss }", H),
    ("reach { client.s.snd_nxt - client.s.iss = 12 }", R),
    ("reach { client.s.snd_nxt - client.s.iss > 12 }", U),
    ("reach { client.s.snd_nxt - client.s.iss >= 12 }", R),
    ("reach { client.s.iss - client.s.snd_nxt = 4294967284 }", R),
    ("reach { 12 <= client.s.snd_nxt - client.s.iss - 0 }", R),
    ("reach { client.s.snd_una = client.s.iss + 12 }", R),
    ("reach { client.s.snd_una != client.s.iss + 12 and client.s in TIME-WAIT }", U),
    ("reach { server.c.rcv_wnd > client.s.snd_wnd }", R),
    ("reach { client.s.rcv_nxt = 5 and client.s in SYN-SENT }", U),
    ("reach { not client.s.rcv_nxt = 5 and client.s in SYN-SENT }", R),
]

EVENTS = [
    ("never { client.s sends SYN }", V),
    ("never { client.s sends RST }", H),
    ("never { client.s in TIME-WAIT sends RST }", H),
    ("never { client.s in CLOSING sends RST }", X),
    ("reach { client.s in SYN-SENT receives SYN-ACK and becomes ESTABLISHED }", R),
    ("reach { client.s in SYN-SENT receives SYN-ACK and stays }", U),
    ("reach { client.s becomes ESTABLISHED }", R),
    ("reach { client.s becomes CLOSING }", U),
    ("reach { server receives SYN and replies SYN-ACK }", R),
    ("reach { server receives SYN and replies SYN-ACK (ack = in.seq + 1) }", R),
    ("reach { server receives SYN and replies SYN-ACK (ack != in.seq + 1) }", U),
    ("always { server receives SYN implies replies SYN-ACK }", H),
    ("always { server receives RST implies replies NOTHING }", X),
    ("always { server receives FIN implies replies NOTHING }", H),  # its ACK is delayed, and goes with the FIN
    ("always { server receives FIN implies replies ACK or replies NOTHING }", H),
    ("always { client receives RST implies replies NOTHING }", X),
    ("reach { server:80 in SYN-RECV receives ACK and becomes ESTABLISHED }", R),
    ("reach { server:80 receives SYN }", U),
    ("reach { server.c in ESTABLISHED receives DATA (len = 10) and accepts }", R),
    ("reach { server.c receives FIN and accepts }", R),
    ("reach { server.c receives FIN (len > 0) }", U),
    ("reach { server.c receives ACK and accepts }", U),
    ("reach { server.c receives DATA (seq = rcv_nxt) and accepts }", R),
    ("reach { server.c receives DATA (seq - rcv_nxt > 0) }", U),
    ("reach { server.c receives DATA (ack + 0x10 <= 2^31) }", R),
    ("reach { server.c receives [P.] }", R),
    ("reach { server.c receives [F.] (len = 0) }", R),
    ("reach { server.c receives SEGMENT (win = 0) }", U),
    ("reach { client.s receives [S.] (mss = 1460 and tsval) }", R),
    ("reach { client.s receives [S.] (mss < 536) }", U),
    ("reach { server.c receives DATA (not tsval) }", U),
    ("reach { server.c receives DATA (paws_old) }", U),
    ("reach { server.c receives DATA (old) }", U),
    ("reach { server.c receives DATA (forged) }", U),
    ("reach { client.s loses SEGMENT or server loses SEGMENT }", U),
    ("reach { client drops SEGMENT }", U),
    ("reach { client.s gets ok }", R),
    ("reach { client.s gets 10B }", U),
    ("reach { client.s gets EOF }", U),
    ("reach { server.c gets EOF }", R),
    ("reach { server.c gets 10B }", R),
    ("reach { server.c gets 9B }", U),
    ("reach { client gets 10B }", U),
    ("reach { server gets 11B }", U),
    ("reach { server.c gets ECONNRESET or client.s gets ECONNREFUSED }", U),
]

ORDINALS = [
    ("reach { client.s sends 1st SYN }", R),
    ("reach { client.s sends 2nd SYN }", U),
    ("reach { client.s sends 1st FIN and becomes FIN-WAIT-1 }", R),
    ("reach { client.s sends 4th SEGMENT }", R),
    ("reach { client.s sends 6th SEGMENT }", U),
    ("reach { server.c sends 2nd FIN }", U),
]

SOCKETS = [
    ("reach { peer(client.s) is server.c }", R),
    ("reach { peer(client.s) is client.s }", U),
    ("reach { peer(peer(client.s)) is client.s }", R),
    ("reach { peer(client.s) in SYN-RECV }", R),
    ("reach { client.s in TIME-WAIT and peer(client.s) in CLOSED }", R),
    ("reach { client.s in CLOSED and peer(client.s) in CLOSED and quiet }", R),
    ("never { client.s in CLOSED and peer(client.s) in LAST-ACK }", H),
    ("reach { client.s in SYN-SENT and peer(client.s) absent }", R),
    ("reach { client.s in TIME-WAIT and peer(client.s) absent }", R),
    ("reach { client.s in FIN-WAIT-1 and peer(client.s) absent }", U),
    ("reach { client.s in CLOSED and server:80 in CLOSED and quiet }", R),
    ("reach { client.s in ESTABLISHED and server:80 in CLOSED }", U),
    ("reach { client.s in SYN-SENT and server:80 absent }", R),
    ("reach { client.s in TIME-WAIT and server:80 absent }", R),
    ("reach { server:80 in LISTEN }", U),
    ("reach { server.l in LISTEN }", R),
    ("reach { server:80 is server.c }", R),
    ("reach { client:1000 is client.s and client:1000 in TIME-WAIT }", R),
    ("reach { peer(client:1000) is server:80 }", R),
    ("reach { client:1000 in CLOSED and peer(client:1000) in CLOSED }", R),
    ("reach { peer(client:1000) in CLOSED and client:1000 in ESTABLISHED }", U),
    ("never { server.c[1] in CLOSING }", H),
]

SS = [
    ("reach { server ss LISTEN :80 rows = 1 }", R),
    ("reach { server ss LISTEN :80 recv-q = 1 }", R),
    ("reach { server ss LISTEN :80 recv-q = 2 }", U),
    ("reach { server ss LISTEN :80 send-q = 5 }", R),
    ("reach { server ss SYN-RECV :80 rows = 1 }", R),
    ("reach { server ss ESTABLISHED :80 recv-q = 10 }", R),
    ("reach { server ss CLOSE-WAIT :80 recv-q >= 1 }", R),
    ("reach { client ss FIN-WAIT-1 :1000 send-q = 11 }", R),
    ("reach { client ss FIN-WAIT-1 :1000 send-q > 11 }", U),
    ("reach { client ss TIME-WAIT :1000 rows = 1 }", R),
    ("reach { client ss TIME-WAIT :1001 rows = 1 }", U),
    ("always { server ss LISTEN :80 recv-q <= 1 }", H),
    ("reach { server ss CLOSE-WAIT :80 rows > 1 }", U),
]


@pytest.mark.parametrize(
    "claims", [STATES, TIMERS_AND_NUMBERS, EVENTS, ORDINALS, SOCKETS, SS], ids=lambda t: t[0][0][:30]
)
def test_a_plain_connection(claims: list[tuple[str, str]]) -> None:
    assert results(PLAIN, claims) == claims


# ---- eventually and after

BOUNDS = [
    ("eventually { client.s in ESTABLISHED }", H),
    ("eventually { client.s in ESTABLISHED } within 2ms", H),
    ("eventually { client.s in ESTABLISHED } within 1999us", V),
    ("eventually { client.s in ESTABLISHED } within 2ms..2ms", H),
    ("eventually { client.s in ESTABLISHED } within 2001us..1s", V),
    ("eventually { client.s absent } within 0s", H),
    ("eventually { client.s absent } within 1ms..2ms", V),
    ("eventually { client.s sends SYN } within 0s", H),
    ("eventually { client.s in CLOSING }", V),
    ("eventually { server.c in CLOSED } within 5ms..5ms", H),
    ("eventually { client.s in CLOSED } within 60s", V),
    ("eventually { client.s in CLOSED } within 60004ms..67.6s", H),
    ("eventually { client.s in CLOSED } within 60005ms..68s", V),
    ("eventually { server.c in CLOSED and client.s in TIME-WAIT } within 5ms", H),
    ("after { client.s sends SYN } eventually { client.s in ESTABLISHED } within 2ms", H),
    ("after { client.s sends SYN } eventually { client.s in ESTABLISHED } within 1999us", V),
    ("after { client.s sends SYN } eventually { client.s in ESTABLISHED } within 2ms..2ms", H),
    ("after { client.s sends SYN } eventually { client.s in ESTABLISHED } within 3ms..4ms", V),
    ("after { client.s sends SYN } eventually { client.s receives SYN-ACK } within 2ms..2ms", H),
    ("after { client.s sends SYN } eventually { client.s sends SYN } within 0s", H),
    ("after { client.s sends SYN } eventually { client.s sends SYN } within 1s..3s", V),
    ("after { client.s sends SYN } eventually { client.s in SYN-SENT } within 0s", H),
    ("after { client.s sends SYN } eventually { client.s in SYN-SENT } within 1ms..2ms", V),
    ("after { client.s in CLOSING } eventually { client.s in CLOSED }", X),
    ("after { client.s receives RST } eventually { client.s in CLOSED }", X),
    ("after { client.s in SYN-SENT } eventually { server.c in ESTABLISHED }", V),  # accepted after the FIN
    ("after { client.s in SYN-SENT } eventually { server:80 in ESTABLISHED }", H),
    ("after { client.s in SYN-SENT } eventually { server:80 in ESTABLISHED } within 3ms", H),
    ("after { client.s in SYN-SENT } eventually { server:80 in ESTABLISHED } within 2999us", V),
    ("after { client.s in SYN-SENT } eventually { server.c in CLOSING }", V),
    ("after { client.s in SYN-SENT } eventually { peer(client.s) in SYN-RECV } within 1ms", H),
    ("after { client.s in SYN-SENT } eventually { server:80 in LAST-ACK } within 3ms", H),
    ("after { server.c in ESTABLISHED } eventually { client.s in CLOSED } within 100ms", V),
    ("after { server:80 in SYN-RECV } eventually { server:80 in CLOSED } within 4ms", H),
    ("after { server:80 in SYN-RECV } eventually { server:80 in CLOSED } within 3999us", V),
    ("after { server:80 in CLOSED } eventually { client.s in CLOSED } within 68s", H),
    ("after { peer(client.s) in CLOSED } eventually { client.s in CLOSED } within 59s", V),
    ("after { peer(client.s) in LAST-ACK } eventually { peer(client.s) in CLOSED } within 2ms", H),
    ("after { client.s absent } eventually { client.s in ESTABLISHED } within 2ms", V),  # absent again in CLOSED
    ("after { quiet } eventually { client.s in SYN-SENT } within 0s", V),  # quiet again in TIME-WAIT
    ("after { client.s in CLOSED } eventually { client.s in CLOSED } within 0s", H),
    ("after { client.s in TIME-WAIT } eventually { quiet } within 1ms", H),
    ("after { client.s in TIME-WAIT } eventually { quiet } within 999us", V),
    ("after { client.s in FIN-WAIT-1 and server.c in CLOSE-WAIT } eventually { server.c sends FIN } within 0s", H),
]


def test_bounds_of_eventually_and_after() -> None:
    assert results(PLAIN, BOUNDS) == BOUNDS


# The client's SYN is sent again after 1 s, but for what may be lost; the server answers each.
RETRY = f"""
host server {{ {KERNEL} ; run {{ listen :80 backlog 5 ; stop }} }}
host client {{ {KERNEL} ; run {{ connect server:80 from :1000 -> s ; stop }} }}
network {{ delay 1ms ; lose 0..2 from client to server }}
"""
RETRIES = [
    ("after { client.s loses SYN } eventually { client.s sends SYN } within 1s..1130ms", V),  # then 2 s
    ("after { client.s loses SYN } eventually { client.s sends 2nd SYN } within 1s..1135ms", V),  # lost is the 2nd
    ("after { client.s sends 1st SYN } eventually { client.s sends 2nd SYN } within 1s..1135ms", V),  # not needed
    ("after { client.s sends 2nd SYN } eventually { client.s sends 3rd SYN } within 1s..1135ms", V),
    ("eventually { client.s in ESTABLISHED }", H),
    ("eventually { client.s in ESTABLISHED } within 2ms", V),
    ("eventually { client.s in ESTABLISHED } within 2300ms", H),
    ("never { client.s sends 4th SYN }", H),
    ("reach { client.s sends 3rd SYN }", R),
    ("reach { client loses ACK }", R),
    ("reach { client.s loses ACK and client.s in SYN-SENT }", R),
    ("reach { client.s loses SYN (len > 0) }", U),
]


def test_losses_and_ordinals() -> None:
    claims = [row for row in RETRIES if "server.c" not in row[0]]
    assert results(RETRY, claims) == claims


# ---- vacuous

VACUITY = [
    ("never { client.s in TIME-WAIT sends RST }", H),  # the state is reached, the event is what must not be
    ("never { client.s in CLOSING sends RST }", X),
    ("never { client.s sends RST }", H),
    ("never { client.s in ESTABLISHED receives RST and becomes CLOSED }", X),  # before the effect: no RST comes
    ("never { client.s in SYN-SENT receives SYN-ACK and becomes CLOSED }", H),
    ("never { client.s receives SYN-ACK and replies RST and stays }", H),
    ("never { client.s receives RST and (replies RST or stays) }", X),
    ("never { (client.s receives RST and stays) or (client.s receives SYN-ACK and stays) }", H),
    ("never { (client.s receives RST and stays) or (client.s in CLOSING receives SYN-ACK and stays) }", X),
    ("always { client.s receives RST implies becomes CLOSED }", X),
    ("always { client.s receives SYN-ACK implies becomes ESTABLISHED }", H),
    ("always { client.s receives SYN-ACK implies not replies RST }", H),
    ("always { client.s in CLOSING implies client.s timer timewait }", X),
    ("always { client.s in TIME-WAIT implies client.s timer timewait }", H),
    ("never { server.c[2] in ESTABLISHED }", X),  # accepted once
    ("never { server.c[1] in CLOSING }", H),
    ("after { client.s receives RST } eventually { client.s in CLOSED }", X),
    ("after { client.s receives SYN-ACK } eventually { client.s in CLOSED }", H),
]


def test_vacuous() -> None:
    spec = PLAIN.replace("accept -> c ;", "loop { accept -> c ;").replace("close c", "close c }")
    assert results(spec, VACUITY) == VACUITY


# ---- effects are judged against the state after, whatever it was before


def test_becomes_after_an_event_is_the_state_after_it() -> None:
    claims = [
        ("reach { client.s in FIN-WAIT-1 receives ACK and becomes CLOSING }", U),
        ("reach { server.c in ESTABLISHED receives DATA and becomes ESTABLISHED }", R),
        ("reach { server.c in ESTABLISHED receives DATA and stays }", R),
        ("always { server.c in ESTABLISHED receives DATA implies becomes ESTABLISHED|CLOSE-WAIT }", H),
        ("reach { server.c becomes ESTABLISHED and server.c in ESTABLISHED }", U),  # an event of its own: a change
        ("reach { server:80 becomes ESTABLISHED }", R),
    ]
    assert results(PLAIN, claims) == claims


# ---- obligations: triggered again, in turn, after the socket's end

TWICE = f"""
host server {{ {KERNEL} ; run {{ listen :80 backlog 5 ; accept -> c ; recv c until eof }} }}
host client {{ {KERNEL} ; run {{ connect server:80 from :1000 -> s
    send s 1B ; sleep 1s ; send s 1B ; sleep 1s ; exit }} }}
network {{ delay 1ms }}
"""
AGAIN = [
    ("after { client.s sends DATA } eventually { server:80 receives DATA } within 1ms", H),
    ("after { client.s sends DATA } eventually { server:80 receives DATA } within 999us", V),
    ("after { client.s sends 2nd DATA } eventually { client.s sends FIN } within 1s..1s", H),
    ("after { client.s sends DATA } eventually { client.s sends FIN } within 1s..1s", V),  # from the 1st: 2 s
    ("after { client.s sends DATA } eventually { client.s sends FIN } within 1s..2s", H),
    ("after { client.s sends DATA } eventually { client.s sends FIN } within 2s", H),
    ("after { client.s sends DATA } eventually { client.s sends FIN } within 1999ms", V),
    ("after { client.s sends FIN } eventually { server.c sends FIN }", V),  # never closes: stuck
    ("after { client.s in FIN-WAIT-1 } eventually { client.s in CLOSED } within 61s..69s", V),  # FIN-WAIT-2: 60 s
    ("after { client.s in FIN-WAIT-1 } eventually { client.s in CLOSED } within 60s..67600ms", H),
    ("after { client.s in CLOSED } eventually { server.c in CLOSED }", V),
    ("after { client.s in CLOSED } eventually { server.c in CLOSE-WAIT } within 0s", H),
    ("reach { client.s in CLOSED and server.c in CLOSE-WAIT and quiet }", R),
    ("reach { client.s in CLOSED and peer(client.s) in CLOSE-WAIT }", R),
    ("reach { peer(server.c) in CLOSED and server.c in CLOSE-WAIT }", R),
    ("reach { peer(server.c) absent and server.c in ESTABLISHED }", U),
    ("reach { peer(peer(server.c)) is server.c }", R),
]


def test_obligations_come_again_and_outlive_their_sockets() -> None:
    assert results(TWICE, AGAIN) == AGAIN


# ---- one 4-tuple again: the old socket and its successor

REUSE = f"""
host server {{ {KERNEL} ; run {{ listen :80 backlog 5 ; loop 2 {{ accept -> c ; close c }} }} }}
host client {{ {KERNEL} ; run {{
    connect server:80 from :1000 -> s1 ; recv s1 until eof ; close s1
    sleep 2s
    connect server:80 from :1000 -> s2 ; recv s2 until eof ; close s2 }} }}
network {{ delay 1ms }}
"""
SUCCESSORS = [
    ("reach { server.c[1] in TIME-WAIT receives SYN and replies SYN-ACK }", R),
    ("reach { server.c in TIME-WAIT receives SYN and becomes CLOSED }", R),
    ("reach { server.c[1] in TIME-WAIT receives SYN and stays }", U),
    ("reach { server.c[1] in CLOSED and server.c[2] in ESTABLISHED }", R),
    ("reach { server.c[1] in TIME-WAIT and client.s1 in CLOSED and peer(client.s1) in TIME-WAIT }", R),
    ("reach { peer(client.s1) in CLOSED and client.s1 in CLOSED and client.s2 in SYN-SENT }", R),
    ("reach { peer(client.s1) in SYN-RECV and client.s1 in CLOSED }", R),  # its successor's: the same 4-tuple
    ("reach { peer(client.s2) in TIME-WAIT and client.s2 in SYN-SENT }", R),
    ("reach { server:80 in SYN-RECV and client.s2 in SYN-SENT }", R),
    ("after { client.s2 in SYN-SENT } eventually { client.s2 in ESTABLISHED } within 2ms", H),
    ("after { server.c in TIME-WAIT } eventually { server.c in CLOSED } within 2100ms", V),  # of c[2] too
    ("after { server.c[1] in TIME-WAIT } eventually { server.c[1] in CLOSED } within 2001ms", H),
    ("after { server.c[1] in TIME-WAIT } eventually { server.c[1] in CLOSED } within 1999ms", V),
    ("never { server.c sends 2nd FIN }", H),  # counted for each socket
    ("reach { client.s1 sends FIN and client.s2 absent }", R),
    ("reach { client.s2 sends FIN and client.s1 absent }", R),
]


def test_a_tuple_used_again() -> None:
    assert results(REUSE, SUCCESSORS) == SUCCESSORS


def test_connect_over_its_own_bucket() -> None:
    """The active closer comes again from its port while its bucket rests in TIME-WAIT."""
    spec = f"""
    host server {{ {KERNEL} ; run {{ listen :80 ; loop 2 {{ accept -> c ; recv c until eof ; close c }} }} }}
    host client {{ {KERNEL} ; run {{ connect server:80 from :1000 -> s1 ; close s1 ; sleep 2s
        connect server:80 from :1000 -> s2 else {{ stop }} }} }}
    network {{ delay 1ms }}
    """
    claims = [
        ("reach { client.s1 in TIME-WAIT and client.s2 absent }", R),
        ("reach { client.s1 in CLOSED and client.s2 in SYN-SENT }", R),
        ("reach { client.s1 in TIME-WAIT and client.s2 in SYN-SENT }", U),
        ("reach { client.s1 becomes CLOSED and client.s2 sends SYN }", R),  # in one step
        ("reach { client.s1 sends SYN and client.s2 absent }", R),
        ("never { client.s2 gets EADDRNOTAVAIL }", H),
        ("never { client.s2 sends 2nd SYN }", H),
        ("reach { client:1000 in CLOSED and client:1000 in SYN-SENT }", U),
        ("after { client.s1 in TIME-WAIT } eventually { client.s1 in CLOSED } within 2s", H),
    ]
    assert results(spec, claims) == claims


# ---- waiting for ever


def test_a_cycle_in_which_an_obligation_waits() -> None:
    """A program goes round; a real run goes with it for ever, and its witness ends with whole rounds."""
    spec = f"""
    host server {{ {KERNEL} ; run {{ listen :80 ; accept -> c ; stop }} }}
    host client {{ {KERNEL}
        run {{ connect server:80 -> s ; loop {{ await {{ client.s in ESTABLISHED }} ; sleep 1s }} }} }}
    network {{ delay 1ms }}
    """
    claims = [
        ("eventually { client.s in CLOSED }", V),
        ("after { client.s in ESTABLISHED } eventually { server.c in CLOSED }", V),
        ("eventually { client.s in ESTABLISHED }", H),
        ("after { client.s in SYN-SENT } eventually { client.s in ESTABLISHED }", H),
        ("never { client.s in CLOSED }", H),
    ]
    assert results(spec, claims) == claims
    found = verdicts(spec, [text for text, _ in claims])
    for c in found[:2]:
        assert c.note == "a cycle: the last 2 steps repeat for ever" and c.witness is not None
        texts = [s.text.partition(" ")[0] for s in c.witness.steps]
        assert texts[-2:] == ["await", "sleep"]


# ---- families and expectations


def test_each_member_has_its_verdict_and_its_expectation() -> None:
    spec = f"""
    host server {{ {KERNEL} ; sysctl net.ipv4.tcp_timestamps = {{0, 1}} -> ts
        run {{ listen :80 ; accept -> c ; stop }} }}
    host client {{ {KERNEL} ; run {{ connect server:80 from :1000 -> s ; sleep {{1s, 2s}} -> pause ; send s 1B }} }}
    network {{ delay 1ms }}
    never stamped {{ server.c receives DATA (tsval) }} expect violated when ts = 1, else holds
    reach second {{ client.s sends DATA }}
    after quick {{ client.s in ESTABLISHED }} eventually {{ client.s sends DATA }} within 1s
        expect violated when pause = 2s and ts = 0, violated when pause = 2s, else holds
    never wrong {{ server.c receives DATA (tsval) }} expect holds
    """
    found = checked(spec, ()).claims
    members = [tuple(c.settings.values()) for c in found[::4]]
    assert len(found) == 16 and len(set(members)) == 4
    for c in found:
        ts = c.settings["server.net.ipv4.tcp_timestamps"]
        stamped = V if ts == 1 else H
        slow = str(c.settings["pause"]).startswith("2")
        verdict = {"stamped": stamped, "wrong": stamped, "second": R, "quick": V if slow else H}[c.name]
        assert (c.verdict, c.ok) == (verdict, c.name != "wrong" or ts == 0)
        assert c.expected == {"stamped": stamped, "wrong": H, "second": R, "quick": V if slow else H}[c.name]


# ---- every witness


def test_witnesses_are_confirmed_and_end_where_the_claim_is_decided() -> None:
    tables = [(PLAIN, STATES), (PLAIN, EVENTS), (PLAIN, SOCKETS), (TWICE, AGAIN), (REUSE, SUCCESSORS)]
    for spec, table in tables:
        for result in verdicts(spec, [text for text, _ in table]):
            if result.verdict in (V, R):
                assert result.witness is not None and result.witness.confirmed_by == ("z3", "concrete-rerun")
                times = [s.time_ns for s in result.witness.steps]
                assert times == sorted(times) and [s.index for s in result.witness.steps] == list(range(len(times)))
            else:
                assert result.witness is None


# ---- weeks: half a turn of the timestamp clock

WEEKS = """# A timestamp after weeks.
title "Weeks"
host server { kernel linux 6.18.44 ; run { listen :80 backlog 5 ; accept -> c ; recv c 2B ; stop } }
host client {
    kernel linux 6.18.44
    run { connect server:80 from :1000 -> s ; send s 1B ; %s ; send s 1B ; stop }
}
never looks_old { server.c in ESTABLISHED receives DATA (tsval < ts_recent) }
"""


@pytest.mark.parametrize(
    ("rest", "verdict"),
    [
        ("sleep 1s..19d", "holds"),
        ("sleep 1s..15d ; sleep 1s..15d", "violated"),
        ("loop 3 { sleep 10d }", "violated"),
        ("either { sleep 1s } or { loop 2 { sleep 13d } }", "violated"),
    ],
)
def test_a_timestamp_that_may_be_half_way_round_is_not_forgotten(rest: str, verdict: str) -> None:
    (claim,) = verify_text(WEEKS % rest).claims
    assert claim.verdict == verdict


def test_a_loop_without_end_that_sleeps_may_rest_long() -> None:
    def long(run: str) -> bool:
        return rests_long(load_text(WEEKS.replace("%s", run), "weeks", REGISTRY).cases[0])

    assert long("loop { sleep 1s }") and not long("loop { send s 1B }") and not long("loop 20 { sleep 1h }")
