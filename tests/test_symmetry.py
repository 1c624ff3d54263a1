"""Hosts that are alike: one state stands for all that differ only in which host is which, and nothing else changes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import pytest
from cli_call import SPECS

from tcpcheck import unfolding
from tcpcheck.checking import verify, verify_text
from tcpcheck.explore.driven import Driver
from tcpcheck.explore.parts import Asked, HereTeam, PartedSearch
from tcpcheck.explore.result import Limits, SearchResult
from tcpcheck.explore.search import search
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load_text, scenario
from tcpcheck.model.build import build_model
from tcpcheck.model.symmetric import IS_HOST
from tcpcheck.reductions import SWITCH
from tcpcheck.unfolding import folding, unfolded
from tcpcheck.witness.verdict import SpecResult

KERNEL = "kernel linux 6.18.44"
EVERY = (1 << 64) - 1
REACH = "reach both { server ss ESTABLISHED :80 rows = 2 }"
ACCEPT = "listen :80 backlog 5 ; accept -> c ; accept -> c ; stop"


def clients(run: str, server: str = ACCEPT, network: str = "delay 1ms ; fifo", rest: str = REACH, n: int = 2) -> str:
    """So many of them; `@` is a client's number, `%` the other's."""
    hosts = [
        f"host c{i} {{ {KERNEL} ; run {{ {run.replace('@', str(i)).replace('%', str(1 - i))} }} }}" for i in range(n)
    ]
    alone = f"host server {{ {KERNEL} ; run {{ {server} }} }}"
    return "\n".join(["# Alike?", 'title "Alike"', *hosts, alone, f"network {{ {network} }}", rest, ""])


SMALL = {
    "no names": clients("connect server:80"),
    "close": clients("connect server:80 from :1000 -> s ; close s"),
    "other's state": clients("connect server:80 -> s ; await { c%.s in ESTABLISHED } ; stop"),
    "nat": clients(
        "connect server:80 from :1000 -> s ; stop",
        rest=f"router gw between c0, c1 and server {{ iptables -t nat -A POSTROUTING -j MASQUERADE }}\n{REACH}",
    ),
    "power cut": clients("connect server:80 -> s ; crash"),
    "firewall": clients(
        "iptables -A OUTPUT -d server -j DROP ; connect server:80 else { stop }",
        rest="reach tries { c0 drops SYN or c1 drops SYN }",
    ),
    "at the same point": clients(
        "either { iptables -A INPUT -s server -j DROP } or { sleep 0s..1s } ; sleep 1s..2s ; stop",
        "listen :80 ; stop",
        rest="never reset { server sends RST }",
    ),
    "peers": clients(
        "connect server:80 -> s ; close s",
        rest="never x { peer(c0.s) in FIN-WAIT-2 or peer(c1.s) in FIN-WAIT-2 }",
    ),
    "stranger": clients(
        "connect server:80 from :1000 -> s ; stop",
        rest="host nobody { kernel none }\nattacker { await { server ss ESTABLISHED :80 rows = 2 } ; "
        f"inject SYN from nobody:9 to server:80 (seq any) }}\n{REACH}",
    ),
}
LARGE = {
    "three": clients("connect server:80 -> s ; stop", "listen :80 backlog 5 ; stop", n=3),
    "losses": clients(
        "connect server:80 -> s ; close s",
        network="delay 1ms ; fifo ; lose 0..1 SYN from c0 to server ; lose 0..1 SYN from c1 to server",
    ),
    "firewalls": clients("connect server:80 -> s ; iptables -A INPUT -s server -j DROP ; stop"),
    "keepalive": clients("connect server:80 -> s ; setsockopt s SO_KEEPALIVE 1 ; stop"),
    "claims": clients(
        "connect server:80 -> s ; close s",
        network="delay 1ms ; fifo ; lose 0..1",
        rest="""
            after back { server:80 in SYN-RECV } eventually { server:80 in ESTABLISHED } within 1s expect violated
            after shut { server takes LISTEN_SYN } eventually { server ss CLOSE-WAIT :80 rows >= 1 } within 5s
            never iss { server.c in ESTABLISHED receives ACK (ack = server.c.iss) }
            never half { peer(server.c) in FIN-WAIT-2 } expect violated
            reach any { c0.s in FIN-WAIT-2 or c1.s in FIN-WAIT-2 }
            never reset { c0 receives RST or c1 receives RST }
        """,
    ),
    "pairs": f"""# Two pairs change places.
        title "Pairs"
        host c0 {{ {KERNEL} ; run {{ connect s0:80 -> s }} }}
        host s0 {{ {KERNEL} ; run {{ listen :80 backlog 5 ; accept -> c }} }}
        host c1 {{ {KERNEL} ; run {{ connect s1:80 -> s }} }}
        host s1 {{ {KERNEL} ; run {{ listen :80 backlog 5 ; accept -> c }} }}
        network {{ delay 1ms ; lose 0..1 }}
        reach both {{ s0.c in ESTABLISHED and s1.c in ESTABLISHED }}
    """,
    "each other": f"""# Both ends of one connection change places.
        title "Each other"
        host a {{ {KERNEL} ; run {{ connect b:1000 from :1000 -> s ; close s }} }}
        host b {{ {KERNEL} ; run {{ connect a:1000 from :1000 -> s ; close s }} }}
        network {{ delay 1ms..20ms }}
        reach crossed {{ a.s in SYN-RECV and b.s in SYN-RECV }}
    """,
}
ALIKE = SMALL | LARGE


def model_of(text: str) -> Any:
    return build_model(load_text(text, "alike.tcp", REGISTRY).cases[0])


def feasible(driver: Driver, begun: bytes = b"") -> Iterator[bytes]:
    can, ways = driver.step(begun)
    if not ways and can:
        yield begun
    for way in range(ways):
        yield from feasible(driver, begun + bytes([way]))


State = tuple[bytes, Any]


def covered(state: State, seen: dict[bytes, list[Any]]) -> bool:
    """Is its zone within one seen?"""
    rows = [bound for row in state[1] for bound in row]
    zones = ([bound for row in zone for bound in row] for zone in seen.get(state[0], ()))
    return any(len(z) == len(rows) and all(a <= b for a, b in zip(rows, z, strict=True)) for z in zones)


def walked(model: Any) -> tuple[list[State], dict[bytes, list[Any]]]:
    """All states with their zones, by hand; and the zones of each."""
    driver = Driver(model.handle())
    order = [driver.successor()]
    seen = {order[0][0]: [order[0][1]]}
    for state in order:
        driver.load(*state)
        for _ in feasible(driver):
            after = driver.successor()
            if not covered(after, seen):
                seen.setdefault(after[0], []).append(after[1])
                order.append(after)
    return order, seen


@pytest.mark.parametrize("name", SMALL)
def test_as_many_states_as_there_are_orbits(name: str) -> None:
    """Worked out from all states: every image of a state is a state, and the search has one for each set of images."""
    model = model_of(SMALL[name])
    order, seen = walked(model)
    by = range(len(model.alike.hosts))
    images = {state[0]: [model.alike._image(model, *state, k) for k in by] for state in order}
    assert all(covered(image, seen) for some in images.values() for image in some)
    orbits = {min(state, *(image for image, _ in some)) for state, some in images.items()}
    assert len(seen) // 2 <= len(orbits) < len(seen)
    assert search(model.handle(), claims=EVERY).states == len(seen)
    assert search(model.handle(fold=True), claims=EVERY).states == len(orbits)


@pytest.mark.parametrize("name", [*SMALL, "three", "losses", "pairs", "each other"])
def test_what_follows_an_image_is_an_image_of_what_follows(name: str) -> None:
    """Along random runs: the model treats alike hosts alike, and their claims too."""
    model = model_of(ALIKE[name])
    luck = random.Random(1)

    def following(state: State) -> list[tuple[State, int]]:
        driver.load(*state)
        return [(driver.successor(), driver.hits) for _ in feasible(driver)]

    for _ in range(3):
        driver = Driver(model.handle())
        state = driver.successor()
        for _ in range(12):
            after = following(state)
            if not after:
                break
            for by in range(len(model.alike.hosts)):
                image = model.alike._image(model, *state, by)
                expected = [(model.alike._image(model, *s, by), hits) for s, hits in after]
                assert sorted(following(image)) == sorted(expected)
            state = luck.choice(after)[0]


def found(result: SpecResult) -> list[Any]:
    """What must not change. Of several shortest runs another may be shown."""
    for c in result.claims:
        assert c.witness is None or c.witness.confirmed_by == ("z3", "concrete-rerun")
    return [(c.name, c.verdict, c.note, c.witness and len(c.witness)) for c in result.claims]


@pytest.mark.parametrize("name", ALIKE)
def test_the_same_verdicts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    group = len(model_of(ALIKE[name]).alike.hosts) + 1
    fewer = verify_text(ALIKE[name])
    monkeypatch.setenv(SWITCH, "symmetry")
    whole = verify_text(ALIKE[name])
    assert fewer.ok and found(fewer) == found(whole)
    least = whole.stats["states"] / group  # zones: which of them lie within others depends on who came first
    assert 0.99 * least < fewer.stats["states"] < 0.6 * whole.stats["states"]
    assert fewer.stats["rules_taken"] == whole.stats["rules_taken"]


def counts(r: SearchResult) -> list[Any]:
    return [r.states, r.zones, r.transitions, r.depth, {bit: (hit.kind, hit.path) for bit, hit in r.hits.items()}]


@pytest.mark.parametrize(
    ("name", "group"), [("middleboxes/nat_same_port.tcp", 2), ("opening/accept_queue_crowd.tcp", 6)]
)
def test_specs_that_come_with_tcpcheck(name: str, group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = verify(SPECS / name)
    monkeypatch.setenv(SWITCH, "symmetry")
    whole = verify(SPECS / name)
    assert fewer.ok and found(fewer) == found(whole)
    assert fewer.stats["states"] == pytest.approx(whole.stats["states"] / group, rel=0.01)


@pytest.mark.parametrize("name", ["close", "three", "each other"])
def test_in_parts_and_with_whole_states(name: str) -> None:
    case = load_text(ALIKE[name], "alike.tcp", REGISTRY).cases[0]
    model = build_model(case)
    one = search(model.handle(fold=True), claims=EVERY)
    asked = Asked(EVERY, folds=True)
    parts = PartedSearch(HereTeam(partial(build_model, case), 3, asked), asked).run()
    exact = search(model.handle(fold=True), claims=EVERY, limits=Limits(exact=True))
    assert counts(parts) == counts(exact) == counts(one)


@pytest.mark.parametrize("name", ["claims", "three", "pairs"])
def test_paths_are_runs_of_the_spec(name: str) -> None:
    model = model_of(ALIKE[name])
    result = unfolded(model, search(model.handle(fold=True), claims=EVERY))
    whole = search(model.handle(), claims=EVERY)
    assert {bit: len(hit.path) for bit, hit in result.hits.items()} == {b: len(h.path) for b, h in whole.hits.items()}
    for bit, hit in result.hits.items():
        driver = Driver(model.handle())
        for choices in hit.path:
            driver.load(*driver.successor())
            assert driver.step(choices) == (True, 0)
        assert hit.kind == "step" and driver.hits >> bit & 1


def test_a_path_that_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the search is made again with all hosts apart."""
    whole = search(model_of(SMALL["close"]).handle()).zones

    def lost(*_: Any) -> bytes:
        raise unfolding.Untold

    monkeypatch.setattr(unfolding, "_towards", lost)
    result = verify_text(SMALL["close"])
    assert result.ok and result.stats["states"] == whole


def test_not_where_cycles_are_looked_for() -> None:
    model = model_of(SMALL["close"])
    assert folding(model, 0) and not folding(model, 1)
    patient = clients(
        "connect server:80 -> s ; stop", rest="after on { server:80 in SYN-RECV } eventually { c0.s absent }"
    )
    assert model_of(patient).alike is None  # it speaks of one of them
    patient = patient.replace("c0.s absent", "server:80 in ESTABLISHED")
    result, plain = verify_text(patient), model_of(patient)
    assert plain.alike is not None and result.stats["states"] == search(plain.handle()).zones


UNLIKE = {
    "a claim about one": ("server ss ESTABLISHED :80 rows = 2", "c0.s in FIN-WAIT-1"),
    "a claim that tells them apart": ("server ss ESTABLISHED :80 rows = 2", "c0.s in CLOSED and c1.s in FIN-WAIT-1"),
    "one's event": ("server ss ESTABLISHED :80 rows = 2", "server sends RST and c1 receives RST"),
    "obligations in two orders": (REACH, "after x { c0.s in CLOSED or c1.s in CLOSED } eventually { quiet } within 1s"),
    "a claim that looks to its left": (
        REACH,
        "never x { c0.s receives FIN and becomes CLOSED or c1.s receives FIN and becomes CLOSED }",
    ),
    "a sysctl": ("host c1 {", "host c1 { sysctl net.ipv4.tcp_sack = 0 ; "),
    "a kernel": ("host c1 { kernel linux 6.18.44", "host c1 { kernel linux 4.4"),
    "a port": ("from :1000 -> s ; close s } }\nhost server", "from :1001 -> s ; close s } }\nhost server"),
    "a program": ("close s } }\nhost server", "stop } }\nhost server"),
    "a second program": ("close s } }\nhost server", "close s } ; run two { stop } }\nhost server"),
    "a loss": ("fifo", "fifo ; lose 0..1 FIN from c0 to server"),
    "losses that are not as many": ("fifo", "fifo ; lose 0..1 FIN from c0 to server ; lose 0..2 FIN from c1 to server"),
    "a rule of the server": ("host server { ", "host server { iptables -A INPUT -s c0 -j DROP ; "),
    "whom the server waits for": ("listen :80", "await { c1.s in SYN-SENT } ; listen :80"),
    "sides of a router": (REACH, "router gw between c0 and c1, server { }\n" + REACH),
    "an attacker's disguise": (REACH, f"attacker {{ inject SYN from c0:9 to server:80 (seq any) }}\n{REACH}"),
    "numbers of its own": ("from :1000 -> s", "from :1000 (seq any) -> s"),
}


@pytest.mark.parametrize("why", UNLIKE)
def test_hosts_that_are_not_alike(why: str) -> None:
    was, becomes = UNLIKE[why]
    text = SMALL["close"]
    assert was in text and model_of(text).alike is not None
    assert model_of(text.replace(was, becomes)).alike is None


def test_not_where_values_are_asked_for() -> None:
    text = clients(
        "connect server:80 -> s ; stop",
        server="sleep 0s..1s -> gap ; listen :80 backlog 5 ; stop",
        rest=f"count late over gap {{ c0 receives RST }} expect 0\n{REACH}",
    )
    assert model_of(text).alike is None
    assert model_of(text.replace("count late over gap { c0 receives RST } expect 0", "")).alike is not None
    assert model_of(text.replace("c0 receives RST", "server sends RST")).alike is None


def test_every_field_that_names_a_host_is_known() -> None:
    """A new one must be told of in symmetric.IS_HOST, or a host named there would be taken for any other."""
    kinds = [kind for kind in vars(scenario).values() if isinstance(kind, type) and is_dataclass(kind)]
    assert len(kinds) > 50
    for kind in kinds:
        named = {f.name for f in fields(kind)} & {"host", "src", "dst", "to", "inside", "outside"}
        assert named == IS_HOST.get(kind, set()) - {"name"}, kind.__name__


def test_a_host_named_where_none_is_expected() -> None:
    """A socket with the name of a host: nobody knows what is meant."""
    assert model_of(SMALL["close"].replace("-> s ;", "-> c1 ;").replace("close s", "close c1")).alike is None
