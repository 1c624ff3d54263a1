"""Verdicts of related specs: what has more behaviour never turns a violated claim into one that holds.

The specs are small and drawn from fixed seeds. Nothing here knows what a verdict should be, only how two of them must
stand to each other; so it also judges situations for which nobody has worked out the answer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import pytest
from model_specs import KERNEL

from tcpcheck.checking import CaseCheck, Totals, verify_scenario, verify_text
from tcpcheck.errors import SpecError
from tcpcheck.explore.result import Limits
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load_text

# how much behaviour each verdict bears witness to
LEVEL = {"vacuous": 0, "holds": 1, "violated": 2, "unreachable": 0, "reachable": 2}
SEEDS = (0, 1, 2, 3, 5, 6)

SERVERS = (
    "listen :80 -> l backlog {n} ; accept -> c ; close c ; accept -> d",
    "listen :80 -> l backlog {n} ; accept -> c ; recv c until eof ; close c",
    "listen :80 -> l backlog {n} ; accept -> c ; sleep {lo}ms..{hi}ms ; abort c",
    "listen :80 -> l backlog {n} ; accept -> c ; recv c 5B ; either {{ close c }} or {{ shutdown c write }}",
)
CLIENTS = (
    "connect server:80 from :1000 -> s ; close s",
    "connect server:80 from :1000 -> s ; send s 5B ; sleep {lo}ms..{hi}ms ; close s",
    "connect server:80 from :1000 -> s ; sleep {lo}ms..{hi}ms ; shutdown s write ; recv s until eof ; close s",
    "connect server:80 from :1000 (seq any -> isn) -> s ; close s ; sleep 1s..{hi}s\n"
    "connect server:80 from :1000 (seq any -> again) -> t",
)
CLAIMS = """
never  closing  {{ {c}.s in CLOSING }}
never  both     {{ {c}.s in TIME-WAIT and {s}.c in TIME-WAIT }}
never  reset    {{ {c}.s receives RST }}
never  late     {{ {s}.c in TIME-WAIT receives FIN }}
never  rto      {{ {c}.s sends 2nd FIN }}
reach  wait     {{ {c}.s in TIME-WAIT }}
reach  last     {{ {s}.c in LAST-ACK }}
reach  syn      {{ {s}.c in TIME-WAIT receives SYN }}
always answered {{ {s}.c in TIME-WAIT receives SYN implies replies SYN-ACK }}
after  gone     {{ {c}.s in FIN-WAIT-1 }} eventually {{ {c}.s in CLOSED }}
after  settled  {{ {c}.s sends FIN }} eventually {{ {s}.c in CLOSED | CLOSE-WAIT | LAST-ACK | TIME-WAIT | FIN-WAIT-2 }}
"""
TIMED = """
after  quick    {{ {c}.s sends 1st FIN }} eventually {{ {c}.s in CLOSED }} within 61s
after  seen     {{ {c}.s sends 1st FIN }} eventually {{ {s}.c receives FIN }} within 1ms..2ms
"""


@dataclass(frozen=True)
class Spec:
    """A small spec. sysctls: of both hosts."""

    server: str
    client: str
    delay: str = "1ms..2ms"
    network: str = ""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    family: str = ""
    timed: bool = True
    names: tuple[str, str] = ("server", "client")
    turned: bool = False
    claims: str = CLAIMS + TIMED

    def text(self) -> str:
        s, c = self.names
        first = f"{KERNEL} ; " + "".join(f"sysctl net.ipv4.{k} = {v} ; " for k, v in self.sysctls.items())
        hosts = [
            f"host {s} {{ {first} {self.family} run {{ {self.server} }} }}",
            f"host {c} {{ {first} run {{ {self.client.replace('server:', s + ':')} }} }}",
        ]
        if self.turned:
            hosts.reverse()
        head = "" if self.timed else "time off\n"
        network = f"network {{ delay {self.delay} ; {self.network} }}"
        return head + "\n".join(hosts) + "\n" + network + self.claims.format(s=s, c=c)


@cache
def drawn(seed: int) -> Spec:
    r = random.Random(seed)
    lo = r.choice([0, 1, 3])
    numbers = {"n": r.choice([0, 5]), "lo": lo, "hi": lo + r.choice([1, 2])}
    return Spec(
        SERVERS[seed % len(SERVERS)].format(**numbers),
        CLIENTS[(seed // len(SERVERS) + seed) % len(CLIENTS)].format(**numbers),
        sysctls={"tcp_timestamps": r.choice(["0", "1"])},
    )


def verdicts(spec: Spec, jobs: int = 1) -> dict[str, str]:
    """Of each claim, by name and settings."""
    result = verify_scenario(load_text(spec.text(), "relations.tcp", REGISTRY), jobs=jobs)
    return {" ".join([c.name, *map(str, c.settings.values())]): c.verdict for c in result.claims}


@cache
def plain(seed: int) -> dict[str, str]:
    found = verdicts(drawn(seed))
    assert "undecided" not in found.values()
    return found


def assert_more(narrow: Mapping[str, str], wide: Mapping[str, str]) -> None:
    """All that the narrow spec does, the wide one does too. (Undecided: it does not say.)"""
    for name, verdict in narrow.items():
        if name in wide and "undecided" not in (verdict, wide[name]):
            assert LEVEL[verdict] <= LEVEL[wide[name]], (name, verdict, wide[name])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "more",
    [
        {"network": "lose 0..1"},
        {"network": "duplicate 0..1 ; lifetime 4ms"},
        {"delay": "1ms..3ms"},
        {"delay": "0ms..2ms"},
    ],
    ids=["loss", "duplicate", "slower", "faster"],
)
def test_a_worse_network_has_all_behaviour_of_a_better_one(seed: int, more: dict[str, str]) -> None:
    assert_more(plain(seed), verdicts(replace(drawn(seed), **more)))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", SEEDS)
def test_longer_ranges_of_sleeps(seed: int) -> None:
    spec = drawn(seed)
    wide = replace(
        spec, server=spec.server.replace("sleep 1ms", "sleep 0ms"), client=spec.client.replace("ms ;", "9ms ;")
    )
    assert_more(plain(seed), verdicts(wide))


def test_without_time_everything_happens_that_happens_with_it() -> None:
    """With few retransmissions: without time each may come at any time."""
    few = {"tcp_syn_retries": "1", "tcp_syn_linear_timeouts": "0", "tcp_synack_retries": "0", "tcp_orphan_retries": "1"}
    few |= {"tcp_retries2": "1", "tcp_early_retrans": "0", "tcp_timestamps": "0"}
    spec = replace(drawn(2), sysctls=few, claims=CLAIMS)
    without = verdicts(replace(spec, timed=False))
    assert "holds" in without.values() and "undecided" not in without.values()
    assert_more(verdicts(spec), without)


@pytest.mark.parametrize("seed", SEEDS)
def test_members_of_a_family_are_what_they_would_be_alone(seed: int) -> None:
    rfc1337 = "sysctl net.ipv4.tcp_rfc1337 = {} ;"
    family = replace(drawn(seed), family=rfc1337.format("{0, 1} -> rfc"))
    found = verdicts(family)
    for v in "01":
        alone = verdicts(replace(family, family=rfc1337.format(v)))
        assert {f"{name} {v}": verdict for name, verdict in alone.items()} == {
            name: verdict for name, verdict in found.items() if name.endswith(v)
        }
    assert verdicts(family, jobs=2) == found


@pytest.mark.parametrize("seed", SEEDS)
def test_names_and_order_of_hosts_mean_nothing(seed: int) -> None:
    spec = drawn(seed)
    assert verdicts(replace(spec, turned=True)) == plain(seed)
    assert verdicts(replace(spec, names=("b", "a"))) == plain(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_exact_searches_say_the_same(seed: int) -> None:
    scenario = load_text(drawn(seed).text(), "relations.tcp", REGISTRY)
    for zeros in (False, True):
        check = CaseCheck(scenario, scenario.cases[0], Limits(), lambda *_: True, Totals(), exact=True, zeros=zeros)
        assert {c.name: c.verdict for c in check.run()} == plain(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_claim_alone_is_a_claim_among_others(seed: int) -> None:
    spec = drawn(seed)
    for line in filter(None, (CLAIMS + TIMED).splitlines()):
        name = line.split()[1]
        assert verdicts(replace(spec, claims=line)) == {name: plain(seed)[name]}


def test_a_timestamp_of_zero_is_thought_of() -> None:
    """PAWS is off when ts_recent is 0: one number in 2^32 lets an old timestamp in."""
    spec = """
    host server {{ {kernel} ; run {{ listen :80 ; loop 2 {{ accept -> c ; close c }} }} }}
    host client {{ {kernel} ; run {{
        connect server:80 from :1000 -> s ; recv s until eof ; close s
        await {{ server.c[1] in TIME-WAIT }} ; sleep 1s
        connect server:80 from :1000 (seq any, tsval any) -> t
    }} }}
    network {{ delay 1ms }}
    never taken {{
        server.c[1] in TIME-WAIT receives SYN (tsval <= ts_recent and tsval != ts_recent{more}) and replies SYN-ACK
    }}
    """
    (any_number,) = verify_text(spec.format(kernel=KERNEL, more="")).claims
    (not_zero,) = verify_text(spec.format(kernel=KERNEL, more=" and ts_recent != 0")).claims
    assert (any_number.verdict, not_zero.verdict) == ("violated", "holds")
    assert any_number.witness is not None


def test_a_forgotten_timestamp_is_compared_with_nothing_but_what_arrives() -> None:
    """The server's FIN leaves 2 s after the client's first SYN, so its ts_recent is later than that SYN's TSval; a spec
    cannot ask for it by the name of what the clock said."""
    spec = f"""
    host server {{ {KERNEL} ; run {{ listen :80 ; accept -> c ; recv c 5B ; sleep 1s ; close c }} }}
    host client {{ {KERNEL} ; run {{
        connect server:80 from :1000 (tsval any -> t1) -> s ; sleep 1s ; send s 5B
    }} }}
    network {{ delay 1ms }}
    never later {{ server.c sends FIN and server.c.ts_recent > t1 }}
    """
    with pytest.raises(SpecError, match="`t1`, where a clock stood that has run on since"):
        verify_text(spec)
