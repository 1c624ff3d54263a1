"""Small worlds: the compiled search against the plain twin in oracle.py, and the canonical form of every state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from model_specs import KERNEL
from oracle import Found, Search, Successor, Zone

from tcpcheck.explore.driven import Driver
from tcpcheck.explore.search import search
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load_text
from tcpcheck.model.build import build_model

ALL = (1 << 64) - 1


class PlainModel:
    """A model as the plain search wants it: whole states, every list of choices by recursion."""

    def __init__(self, model: Any) -> None:
        self.driver = Driver(model.handle())
        self.start = self.driver.successor()
        self.waits = {self.start[0]: self.driver.pending}
        self.prints = {self.start[0]: self.driver.fingerprint}
        self.rules: set[int] = set()
        self.spec: dict[str, Any] = {"cut": ()}

    def initial(self) -> tuple[Any, Zone]:
        return self.start

    def marked(self, what: str, state: Any) -> int:
        """waits: of any state seen; ends: of the state loaded last."""
        return self.waits[state] if what == "waits" else self.driver.hits_at_end

    def successors(self, state: Any, zone: Zone) -> Iterator[tuple[bytes, Successor]]:
        self.driver.load(state, zone)
        yield from self.below(b"")

    def below(self, taken: bytes) -> Iterator[tuple[bytes, Successor]]:
        feasible, ways = self.driver.step(taken)
        assert not self.driver.overflow
        if ways:
            for way in range(ways):
                yield from self.below(taken + bytes([way]))
        elif feasible:
            state, zone = self.driver.successor()
            self.waits[state] = self.driver.pending
            assert self.prints.setdefault(state, self.driver.fingerprint) == self.driver.fingerprint
            self.rules |= self.driver.rules
            yield taken, Successor(state, zone, self.driver.hits, 0, self.driver.truncated)  # type: ignore[arg-type]


def hosts(server: str, client: str, network: str, claims: str, top: str = "") -> str:
    return f"""
    {top}
    host server {{ {KERNEL} ; run {{ {server} }} }}
    host client {{ {KERNEL} ; run {{ {client} }} }}
    network {{ {network} }}
    {claims}
    """


CLOSES = "listen :80 ; accept -> c ; recv c until eof ; close c"
CLAIMS = """
    never { client.s in TIME-WAIT and server.c in CLOSED }
    never { client.s in CLOSING }
    reach { server:80 in CLOSED and quiet }
    reach { peer(client.s) in LAST-ACK }
    after { client.s in FIN-WAIT-1 } eventually { client.s in CLOSED }
    eventually { server.c in CLOSING }
"""
TIMED = "after { client.s sends FIN } eventually { client.s in CLOSED } within 60s eventually { quiet } within 1ms..2s"

WORLDS = {
    "handshake": hosts("listen :80 ; stop", "connect server:80 -> s", "delay 1ms", "never { client.s in CLOSING }"),
    "close": hosts(CLOSES, "connect server:80 from :1000 -> s ; close s", "delay 1ms..9ms", CLAIMS + TIMED),
    "lossy": hosts(CLOSES, "connect server:80 from :1000 -> s ; close s", "delay 1ms ; lose 0..1 FIN", CLAIMS + TIMED),
    "crossing": hosts(
        "listen :80 ; accept -> c ; close c",
        "connect server:80 from :1000 -> s ; close s",
        "delay 1ms..3ms ; duplicate 0..1 ; lifetime 5ms",
        CLAIMS,
    ),
    "data": hosts(
        CLOSES, "connect server:80 from :1000 -> s ; send s 9B ; exit", "delay 0s..1ms ; fifo", CLAIMS + TIMED
    ),
    "untimed": hosts(
        "sysctl net.ipv4.tcp_synack_retries = 0 ; listen :80 ; stop",
        "sysctl net.ipv4.tcp_syn_retries = 1 ; sysctl net.ipv4.tcp_syn_linear_timeouts = 0 ; connect server:80 -> s",
        "lose 0..1",
        "never { client.s in CLOSED } eventually { client.s in ESTABLISHED } reach { client:32768 in ESTABLISHED }",
        "time off",
    ),
    "refused": hosts(
        "stop",
        "loop 2 { connect server:80 -> s else { sleep 1s..2s } }",
        "delay 1ms..2ms ; lose 0..1",
        "never { client.s[2] in SYN-SENT and client.s[1] absent }",
    ),
}


@cache
def model(name: str) -> Any:
    return build_model(load_text(WORLDS[name], name, REGISTRY).cases[0])


@cache
def plain(name: str, lasso: int) -> tuple[Found, list[tuple[Any, Zone]], set[int], dict[Any, int]]:
    """What the plain search finds; every state with its zone; the rules taken; the fingerprint of each state."""
    world = PlainModel(model(name))
    twin = Search(world, ALL, lasso)  # type: ignore[arg-type]
    found = twin.run()
    return found, [(node.state, node.zone) for node in twin.nodes], world.rules, world.prints


@pytest.mark.parametrize("lasso", [0, 0b110000])
@pytest.mark.parametrize("name", WORLDS)
def test_the_search_finds_what_the_plain_one_finds(name: str, lasso: int) -> None:
    want, _, rules, _ = plain(name, lasso)
    got = search(model(name).handle(), claims=ALL, lasso=lasso)
    assert got.exhaustive
    assert (got.states, got.zones, got.transitions) == (want.states, want.zones, want.transitions)
    assert (got.depth, got.truncated) == (want.depth, want.truncated)
    assert set(got.rules_taken) == rules
    assert {c: (h.kind, h.path) for c, h in got.hits.items()} == want.hits
    assert {x.claim: len(x.stem) + len(x.cycle) for x in got.lassos} == want.lassos
    assert want.states > 3 and want.hits


@pytest.mark.parametrize("name", WORLDS)
def test_fingerprints_tell_states_apart(name: str) -> None:
    """A state has one fingerprint, whichever step led to it (the plain search asserts that) and whatever of it was
    known before the step; different states have different ones."""
    prints = plain(name, 0)[3]
    assert len(set(prints.values())) == len(prints)
    for state, zone in plain(name, 0)[1]:
        assert model(name)._fingerprint(state, zone) == prints[state]


@pytest.mark.parametrize("name", WORLDS)
def test_states_come_back_whole(name: str) -> None:
    """Unpacked and packed, a state is the same; so it is when its segments stood in another order. (Segments that
    differ only in numbers of which nothing is known may keep their order: without time such states are told apart.)"""
    shuffle = random.Random(name)
    shuffled = 0
    for state, zone in plain(name, 0)[1]:
        assert model(name)._packed_again(state, zone) == (state, zone)
        flying = state[44]  # World.nfly
        for _ in range(3 if flying > 1 and zone else 0):
            order = shuffle.sample(range(flying), flying)
            shuffled += order != sorted(order)
            assert model(name)._packed_again(state, zone, order)[0] == state
    assert shuffled or name not in ("close", "crossing")
