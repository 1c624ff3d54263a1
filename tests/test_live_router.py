"""The router's side of traces on the running kernel: connection tracking and NAT, packet by packet."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tcpcheck.checking import verify_text
from tcpcheck.live import namespace
from tcpcheck.live.replay import AGREES, CUT, DISAGREES, Outcome, Plan, replay, running
from tcpcheck.tcp.profile import profile_for
from tcpcheck.witness.trace import Trace

ROOT = Path(__file__).parent.parent
why_not = namespace.unavailable()
pytestmark = pytest.mark.skipif(why_not is not None, reason=f"the real kernel is not asked: {why_not}")

CLIENT, SERVER = 1000, 5000  # their first numbers
LAST = 4_000_000_000
STEPS = 9
TIME_WAIT = "gw__net__netfilter__nf_conntrack_tcp_timeout_time_wait"


def play(traces: list[Trace]) -> list[Outcome]:
    plan = Plan()
    kernel, _ = profile_for(running())
    for trace in traces:
        plan.add(trace, kernel, "gw")
    return list(replay(plan, False, 2))


def drawn(seed: int) -> str:
    """A spec of two hosts without TCP that send each other anything through a router: mostly segments of a connection
    or nearly so, so that every state and every edge of a window is met."""
    r = random.Random(seed)
    told = {"client": (CLIENT, CLIENT), "server": (SERVER, SERVER)}  # the first and the next number of each
    runs: dict[str, list[str]] = {"client": [], "server": []}
    opening = [("client", "SYN"), ("server", "SYN-ACK"), ("client", "ACK")][: r.choice((0, 1, 2, 3, 3, 3))]
    for i in range(STEPS):
        who, kind = opening[i] if i < len(opening) else (r.choice(("client", "server")), "")
        kind = kind or r.choice(("SYN", "SYN-ACK", "ACK", "ACK", "DATA", "DATA", "FIN", "FIN", "RST", "[R.]"))
        other = "server" if who == "client" else "client"
        exact = i < len(opening) or r.random() < 0.6
        begins = kind in ("SYN", "SYN-ACK")
        seq = told[who][0] if begins else told[who][1]
        seq += 0 if exact else r.choice((-1, 1, -70_000, 70_000, -1_000_000, 1_000_000, -500, 500))
        ack = told[other][1] + (0 if exact else r.choice((-1, 1, 1000, -66_001, -1_000_000, 66_001)))
        size = r.choice((1, 100, 1400)) if kind == "DATA" else 0
        fields = [f"seq = {seq % 2**32}", f"win = {65535 if exact else r.choice((0, 1, 1000, 65535))}"]
        fields += [f"len = {size}B"] if size else []
        fields += [f"ack = {ack % 2**32}"] if kind not in ("SYN", "RST") else []
        if exact:
            told[who] = (told[who][0], seq + size + (begins or kind == "FIN"))
        to = "server:80" if who == "client" else r.choice(("gw:1000",) * 9 + ("gw:1001",))
        port = 1000 if who == "client" else 80
        runs[who].append(f"inject {kind} from :{port} to {to} ({', '.join(fields)})")
        for name in runs:
            runs[name].append("sleep 1ms")
    runs["client"].append(f"inject SYN from :9999 to server:80 (seq = {LAST})")
    hosts = "".join(f"host {name} {{ kernel none ; run {{ {' ; '.join(steps)} }} }}\n" for name, steps in runs.items())
    rule = r.choice(("-j MASQUERADE", "-p tcp -j SNAT --to-source gw:1000", "-s server -j MASQUERADE"))
    router = f"router gw between client and server {{ iptables -t nat -A POSTROUTING {rule}\n}}\n"
    return hosts + router + f"reach done {{ gw receives SYN (seq = {LAST}) or gw drops SYN (seq = {LAST}) }}"


def witness(text: str) -> Trace:
    (result,) = verify_text(text).claims
    assert result.witness is not None, (result.verdict, result.note, text)
    return result.witness


def test_whatever_two_hosts_send_each_other_passes_as_on_the_kernel() -> None:
    found = play([witness(drawn(seed)) for seed in (*range(23), 1082, 1310)])
    wrong = [(o.trace, o.played.disagreement) for o in found if o.result != AGREES and o.played is not None]
    assert not wrong, wrong[0]
    assert sum(len(o.trace) for o in found) > 300


def routed(spec: str, claim: str, **settings: int) -> Trace:
    result = verify_text((ROOT / "specs" / "middleboxes" / spec).read_text(encoding="utf-8"))
    traces = [c.witness for c in result.claims if c.name == claim and c.witness is not None]
    return next(t for t in traces if all(t.settings.get(k.replace("__", ".")) == v for k, v in settings.items()))


def test_a_port_that_is_taken_becomes_another_one() -> None:
    """The kernel draws another port than the model's; it is told apart, and the replies to it come back."""
    (outcome,) = play([routed("nat_other_port.tcp", "other_port", **{TIME_WAIT: 120})])
    assert outcome.result == AGREES and outcome.played is not None
    assert (outcome.played.injected, outcome.played.compared) == (9, 9)


def test_what_is_invalid_is_the_routers_own() -> None:
    (outcome,) = play([routed("nat_invalid.tcp", "answered")])
    assert outcome.result == AGREES


def test_a_long_pause_is_waited_for_on_demand_only() -> None:
    (outcome,) = play([routed("nat_time_wait.tcp", "back")])
    assert outcome.result == CUT and "30.0 s away" in outcome.why


@pytest.mark.parametrize(("field", "value"), [("dport", 81), ("src_addr", "10.0.0.2"), ("seq", 7), ("flags", "S.")])
def test_a_changed_trace_is_refused(field: str, value: int | str) -> None:
    honest = routed("nat_other_port.tcp", "other_port", **{TIME_WAIT: 120})
    at = next(step.index for step in honest.steps if step.host == "gw" and step.event == "send")
    segment = honest.steps[at].segment
    assert segment is not None
    steps = list(honest.steps)
    steps[at] = replace(steps[at], segment=replace(segment, **{field: value}))
    (outcome,) = play([replace(honest, steps=tuple(steps))])
    assert outcome.result == DISAGREES and outcome.played is not None and outcome.played.disagreement is not None
    assert re.match(r"10\.0\.0\.\d:\d+ > 10\.0\.0\.4:8888 \[S\]", outcome.played.disagreement.came)
