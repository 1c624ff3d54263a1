"""What a spec means: the Scenario that comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lang_registry import REGISTRY

from tcpcheck import lang
from tcpcheck.errors import SpecError
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.scenario import MILLISECOND, SECOND

DRAFTS = Path(__file__).parent / "specs_drafts"

# Drafts whose spec says something that cannot be run yet, and the first thing of it.
NOT_YET = {
    "c05_self_connect": "a sysctl with two numbers",
    "c07_lost_window_update": "SO_RCVBUF",
    "c12_wrap_fast_link": "a name for a `lifetime`",
    "c13_nat_two_clients": "more than one address",
    "s10_tw_ack_is_not_challenge": "nstat",
    "s13_quiz_cookies": "`any` in a loop",
}
CASES = {
    **{
        "c01_rfc1337_h1": 8,
        "c02_blind_rst": 2,
        "c08_ack_loop": 2,
        "c04_acceptq_cookies": 6,
        "c10_fin_lost": 2,
        "s01_tw_fin": 3,
        "s05_tw_syn": 8,
    },
    **{"s06_one_side_ts": 2, "s09_rst_to_tw": 2, "s11_fin_wait1_loss": 8},
}


def load(text: str) -> sc.Scenario:
    return lang.load_text(text, "spec.tcp", REGISTRY)


def spec(steps: str = "", claims: str = "", network: str = "", items: str = "") -> sc.Scenario:
    """A server with a listener, and a client with the given steps."""
    return load(
        "host server { kernel linux 6.18.44 ; run { listen :80 backlog 5 -> l ; accept -> c } }\n".replace(
            ":80 backlog 5 -> l", ":80 -> l backlog 5"
        )
        + f"host client {{ kernel linux 6.18.44 ; {items} ; run {{ connect server:80 from :1000 -> s ; {steps} }} }}\n"
        + f"network {{ {network} }}\n{claims}"
    )


def claim(text: str) -> sc.Claim:
    return spec(claims=text).cases[0].claims[0]


@pytest.mark.parametrize("path", sorted(DRAFTS.glob("*.tcp")), ids=lambda p: p.stem)
def test_draft_loads_or_says_what_is_missing(path: Path) -> None:
    if path.stem in NOT_YET:
        with pytest.raises(SpecError) as caught:
            lang.load(path, REGISTRY)
        messages = [d.message for d in caught.value.diagnostics]
        assert any(m.startswith("not supported yet:") and NOT_YET[path.stem] in m for m in messages)
        return
    scenario = lang.load(path, REGISTRY)
    assert len(scenario.cases) == CASES.get(path.stem, 1)
    assert scenario.question and not scenario.question.startswith("#")
    assert all(case.claims and case.hosts for case in scenario.cases)


# ---- families ----------------------------------------------------------------------------------------------


def test_families_of_tw_syn() -> None:
    scenario = lang.load(DRAFTS / "s05_tw_syn.tcp", REGISTRY)
    assert scenario.title == "SYN to TIME-WAIT"
    assert scenario.question.startswith("The server closes first")
    settings = [case.settings for case in scenario.cases]
    assert settings[0] == {
        "server.net.ipv4.tcp_timestamps": 0,
        "server.net.ipv4.tcp_rfc1337": 0,
        "client.net.ipv4.tcp_timestamps": 0,
    }
    assert len({tuple(s.values()) for s in settings}) == 8
    for case in scenario.cases:
        server, client = case.hosts
        assert server.sysctls["net.ipv4.tcp_timestamps"] == case.chosen["ts_s"]
        assert client.sysctls["net.ipv4.tcp_timestamps"] == case.chosen["ts_c"]
        expected = {c.name: c.expected for c in case.claims}
        assert expected["folklore"] == "violated"
        assert expected["true_rule"] == "holds"
        assert expected["refused"] == "reachable"
        assert expected["reconnected"] == ("violated" if case.chosen["rfc1337"] == 1 else "holds")


def test_a_name_shares_the_value() -> None:
    scenario = load(
        "host a { kernel linux 4.4 ; sysctl net.ipv4.tcp_timestamps = {0, 1} -> ts }\n"
        "host b { kernel linux 4.4 ; sysctl net.ipv4.tcp_timestamps = ts }"
    )
    assert [case.settings for case in scenario.cases] == [
        {"a.net.ipv4.tcp_timestamps": v, "b.net.ipv4.tcp_timestamps": v} for v in (0, 1)
    ]
    assert [[h.sysctls["net.ipv4.tcp_timestamps"] for h in case.hosts] for case in scenario.cases] == [[0, 0], [1, 1]]


def test_a_name_may_come_before_its_family() -> None:
    scenario = load(
        "host a { kernel linux 4.4 ; sysctl net.ipv4.tcp_timestamps = ts }\n"
        "host b { kernel linux 4.4 ; sysctl net.ipv4.tcp_timestamps = {0, 1} -> ts }"
    )
    assert [case.hosts[0].sysctls["net.ipv4.tcp_timestamps"] for case in scenario.cases] == [0, 1]


def test_family_of_kernels() -> None:
    scenario = load(
        "host a { kernel {linux 6.18.44, rfc9293 without rfc5961} -> k ; run { listen :1 -> l } }\n"
        "reach x { a.l in LISTEN } expect reachable when k = linux-6.18.44, else unreachable\n"
        "reach y { a.l in LISTEN } expect unreachable when k = rfc9293 without rfc5961\n"
    )
    first, second = scenario.cases
    assert first.settings == {"a.kernel": "linux-6.18.44"}
    assert second.settings == {"a.kernel": "rfc9293 without rfc5961"}
    assert second.hosts[0].kernel == "rfc9293"
    assert second.hosts[0].features_without == ("rfc5961",)
    assert [c.expected for c in first.claims] == ["reachable", "reachable"]
    assert [c.expected for c in second.claims] == ["unreachable", "unreachable"]


def test_families_in_steps_and_network() -> None:
    scenario = spec(steps="sleep {0s..1s, 5s} -> gap", network="lifetime {30s, 120s} -> msl ; duplicate 0..2")
    assert [case.settings for case in scenario.cases] == [
        {"gap": gap, "msl": msl} for gap in ("0s..1s", "5s") for msl in ("30s", "120s")
    ]
    sleeps = [case.hosts[1].runs[0].body[1] for case in scenario.cases]
    assert [s.time for s in sleeps if isinstance(s, sc.Sleep)] == [
        sc.Range(0, SECOND),
        sc.Range(0, SECOND),
        sc.Range(5 * SECOND, 5 * SECOND),
        sc.Range(5 * SECOND, 5 * SECOND),
    ]
    assert [case.network.lifetime for case in scenario.cases] == [30 * SECOND, 120 * SECOND] * 2


def test_settings_by_the_sysctls_own_name() -> None:
    text = "reach x { server.c in CLOSED } expect unreachable when client.net.ipv4.tcp_sack = 1, else reachable"
    scenario = spec(items="sysctl net.ipv4.tcp_sack = {0, 1}", claims=text)
    assert [case.claims[0].expected for case in scenario.cases] == ["reachable", "unreachable"]


def test_the_largest_product() -> None:
    values = ", ".join(str(v) for v in range(1, 65))
    scenario = spec(
        steps=f"sysctl net.ipv4.tcp_fin_timeout = {{{values}}}",
        items=f"sysctl net.ipv4.tcp_fin_timeout = {{{values}}}",
        claims="never x { server.c in CLOSED }",
    )
    assert len(scenario.cases) == 4096
    assert len({tuple(case.settings.values()) for case in scenario.cases}) == 4096


# ---- hosts -------------------------------------------------------------------------------------------------


def test_addresses() -> None:
    scenario = load(
        "host a { kernel linux 4.4 }\nhost localhost { kernel linux 4.4 }\n"
        "host c { kernel linux 4.4 ; address 10.0.0.1 }\nhost d { kernel linux 4.4 }"
    )
    assert [h.address for h in scenario.cases[0].hosts] == ["10.0.0.2", "127.0.0.1", "10.0.0.1", "10.0.0.3"]


def test_host_items() -> None:
    scenario = load(
        "host a { kernel Linux 6.18.44 ; mss 1440 ; sysctl -w net.ipv4.tcp_sack=0\n"
        "iptables -I OUTPUT -p tcp -d 10.0.0.2 --tcp-flags RST RST -j DROP\n"
        "run { listen :1 } run { listen :2 } run p { listen :3 } }\nhost b { kernel linux-4.4 ; run { exit } }"
    )
    a, b = scenario.cases[0].hosts
    assert (a.kernel, a.mss, a.sysctls) == ("linux-6.18.44", 1440, {"net.ipv4.tcp_sack": 0})
    assert a.firewall == (
        sc.FirewallRule(
            *("OUTPUT", None, "b", None, None, 4, 4),
            text="OUTPUT -p tcp -d 10.0.0.2 --tcp-flags RST RST -j DROP",
        ),
    )
    assert [r.name for r in a.runs] == ["run1", "run2", "p"]
    assert (b.kernel, b.mss, [r.name for r in b.runs]) == ("linux-4.4", None, ["run"])


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("-A INPUT -p tcp -s 127.0.0.1 --sport 80 -j DROP", ("INPUT", "client", None, 80, None, None, None)),
        ("-A INPUT --protocol tcp --source 10.0.0.1/32 -j DROP", ("INPUT", "server", None, None, None, None, None)),
        ("-A OUTPUT -d server -j DROP", ("OUTPUT", None, "server", None, None, None, None)),
        ("-t filter -A OUTPUT -p tcp -m tcp --dport 9 -j DROP", ("OUTPUT", None, None, None, 9, None, None)),
        ("-A INPUT -p tcp --syn -j DROP", ("INPUT", None, None, None, None, 23, 2)),
        ("-A INPUT -p tcp --tcp-flags ALL NONE -j DROP", ("INPUT", None, None, None, None, 63, 0)),
    ],
)
def test_iptables(line: str, rule: tuple[object, ...]) -> None:
    step = spec(steps=f"iptables {line}").cases[0].hosts[1].runs[0].body[1]
    assert isinstance(step, sc.Iptables) and step.on
    r = step.rule
    assert (r.chain, r.src, r.dst, r.sport, r.dport, r.flags_mask, r.flags_set) == rule


def test_iptables_off_is_the_same_rule() -> None:
    steps = "iptables -A INPUT -p tcp -s 10.0.0.1 -j DROP ; iptables -D INPUT -p tcp  -s server -j DROP"
    body = spec(steps=steps).cases[0].hosts[1].runs[0].body
    on, off = body[1], body[2]
    assert isinstance(on, sc.Iptables) and isinstance(off, sc.Iptables)
    assert (on.on, off.on) == (True, False)
    assert on.rule == off.rule


# ---- programs ----------------------------------------------------------------------------------------------


def kinds(steps: tuple[sc.Step, ...]) -> list[str]:
    return [type(s).__name__ for s in steps]


def test_every_step() -> None:
    body = (
        spec(
            steps="send s 1kB ; recv s ; recv s 10B ; recv s until eof ; shutdown s write ; sleep 5ms ; "
            "await { server.c in CLOSED } ; sysctl net.ipv4.tcp_sack = 1 ; loop 3 { sleep 1s } ; "
            "either { close s } or { abort s } ; stop"
        )
        .cases[0]
        .hosts[1]
        .runs[0]
        .body
    )
    assert kinds(body) == (
        "Connect Send Recv Recv Recv Shutdown Sleep Await SetSysctl Loop Either Stop".split()  # noqa: SIM905
    )
    send, any_recv, ten, eof = body[1:5]
    assert isinstance(send, sc.Send) and send.nbytes == 1000
    assert isinstance(any_recv, sc.Recv) and (any_recv.nbytes, any_recv.until_eof) == (None, False)
    assert isinstance(ten, sc.Recv) and (ten.nbytes, ten.until_eof) == (10, False)
    assert isinstance(eof, sc.Recv) and (eof.nbytes, eof.until_eof) == (None, True)
    either = body[10]
    assert isinstance(either, sc.Either) and [kinds(b) for b in either.bodies] == [["Close"], ["Abort"]]


def test_connect() -> None:
    scenario = spec(
        steps="connect server:80 from :any -> t ; connect server:80 (seq any -> isn, tsval any) -> u ; "
        "connect server:80 (seq = isn + 1) -> v ; connect server:80 (seq = s.snd_nxt - 1000000) else { exit }"
    )
    t, u, v, w = scenario.cases[0].hosts[1].runs[0].body[1:]
    assert isinstance(t, sc.Connect) and (t.host, t.port, t.lport, t.seq, t.tsval) == ("server", 80, None, None, None)
    assert isinstance(u, sc.Connect) and u.seq == sc.Any32("isn") and u.tsval == sc.Any32(None)
    assert isinstance(v, sc.Connect) and isinstance(v.seq, sc.Add) and isinstance(v.seq.left, sc.Unknown)
    assert isinstance(w, sc.Connect) and isinstance(w.seq, sc.Sub) and isinstance(w.seq.left, sc.SockVar)
    assert w.seq.left.sock == sc.Named("client", "s", None, w.seq.left.sock.span)
    assert w.orelse is not None and kinds(w.orelse) == ["Exit"]
    assert v.orelse is None


def test_else_goes_on() -> None:
    """After `else { }` the program goes on, and the refused socket exists."""
    body = spec(steps="connect server:80 -> t else { } ; close t").cases[0].hosts[1].runs[0].body
    assert kinds(body) == ["Connect", "Connect", "Close"]
    with pytest.raises(SpecError, match="`d` is not bound yet"):
        load("host a { kernel linux 4.4 ; run { listen :1 ; accept -> d else { } ; close d } }")
    load("host a { kernel linux 4.4 ; run { listen :1 ; accept -> d else { exit } ; close d } }")


def test_sockets_of_another_run() -> None:
    load("host a { kernel linux 4.4 ; run { listen :1 -> l ; accept -> d } run { close l ; close d } }")


def test_backlog_default() -> None:
    scenario = load("host a { kernel linux 4.4 ; run { listen :1 } }")
    listen = scenario.cases[0].hosts[0].runs[0].body[0]
    assert isinstance(listen, sc.Listen) and (listen.backlog, listen.name) == (4096, None)


# ---- network and time --------------------------------------------------------------------------------------


def test_network() -> None:
    network = (
        spec(network="delay 1ms..0.05s ; lose 0..2 FIN (len > 0) from server to client ; late 0..1 ; fifo")
        .cases[0]
        .network
    )
    assert (network.delay_lo, network.delay_hi) == (MILLISECOND, 50 * MILLISECOND)
    assert network.fifo and network.lifetime == 120 * SECOND
    lose, late = network.faults
    assert (lose.kind, lose.budget, lose.src, lose.dst) == ("lose", 2, "server", "client")
    assert lose.seg is not None and lose.seg.kind == "FIN" and isinstance(lose.seg.where, sc.Compare)
    assert (late.kind, late.budget, late.seg, late.src, late.dst) == ("late", 1, None, None, None)


def test_no_network() -> None:
    scenario = load("host a { kernel linux 4.4 }")
    assert scenario.cases[0].network == sc.Network()
    assert scenario.cases[0].timed and scenario.cases[0].horizon is None


def test_time() -> None:
    case = load("time off\nhorizon 10min\nhost a { kernel linux 4.4 }").cases[0]
    assert not case.timed and case.horizon == 600 * SECOND


# ---- claims ------------------------------------------------------------------------------------------------


def test_claim_kinds() -> None:
    text = (
        "never a { server.c in CLOSED }\nalways { server.c in CLOSED }\nreach { server.c in CLOSED }\n"
        "eventually { server.c in CLOSED } within 5s\nreach { server.c in CLOSED }\n"
        "after { client.s in SYN-SENT } eventually { server.c in CLOSED } within 200ms..1s\n"
        "count n over client.s.iss - server.c.iss { server.c in CLOSED } expect 1..2^31\n"
        "count over client.s.iss - server.c.iss { server.c in CLOSED }\n"
    )
    claims = spec(claims=text).cases[0].claims
    assert [c.name for c in claims] == "a always1 reach1 eventually1 reach2 after1 n count1".split()  # noqa: SIM905
    assert [c.expected for c in claims[:6]] == ["holds", "holds", "reachable", "holds", "reachable", "holds"]
    never, eventually, after, count = claims[0], claims[3], claims[5], claims[6]
    assert isinstance(never.pred, sc.InState) and never.goal is None
    assert eventually.pred is None and isinstance(eventually.goal, sc.InState)
    assert eventually.within == (0, 5 * SECOND)
    assert after.within == (200 * MILLISECOND, SECOND)
    assert isinstance(after.pred, sc.InState) and isinstance(after.goal, sc.InState)
    assert count.expected is None and count.expected_count == (1, 2**31)
    assert isinstance(count.over, sc.Sub) and isinstance(count.over.left, sc.SockVar)
    assert (claims[7].expected, claims[7].expected_count) == (None, (0, 2**32))


def test_count_over_a_searched_value() -> None:
    scenario = spec(steps="sleep 0s..5s -> gap", claims="count n over gap { server.c in CLOSED } expect 3")
    (count,) = scenario.cases[0].claims
    assert isinstance(count.over, sc.Unknown) and count.over.name == "gap"
    assert count.expected_count == (3, 3)


def test_state_event_and_reply() -> None:
    pred = claim("never { server.c in TIME_WAIT|LastAck receives SYN (seq > rcv_nxt) and replies [S.] }").pred
    assert isinstance(pred, sc.And)
    state, event, reply = pred.parts
    assert isinstance(state, sc.InState) and state.states == ("TIME-WAIT", "LAST-ACK")
    assert isinstance(event, sc.Event) and event.kind == "receives" and event.subject == state.sock
    assert isinstance(event.seg.where, sc.Compare) and event.seg.where.modular
    assert isinstance(reply, sc.Replies) and (reply.seg.kind, reply.seg.flags) == ("FLAGS", "S.")


def test_implies() -> None:
    pred = claim("always { server receives SYN (len > 0) implies replies SYN-ACK (ack = in.seq + 1) }").pred
    assert isinstance(pred, sc.Implies)
    assert isinstance(pred.left, sc.Event) and isinstance(pred.left.subject, sc.HostRef)
    assert isinstance(pred.left.seg.where, sc.Compare) and not pred.left.seg.where.modular
    assert isinstance(pred.right, sc.Replies) and isinstance(pred.right.seg.where, sc.Compare)
    right = pred.right.seg.where.right
    assert isinstance(right, sc.Add) and isinstance(right.left, sc.InField)


def test_predicates_about_sockets() -> None:
    pred = claim(
        "never { not server.c absent and peer(client.s) is server.c and server.c timer timewait "
        "and server:80 in LISTEN and server ss LISTEN :80 recv-q = 2 "
        "and quiet and client.s gets 10B and server.c becomes CLOSED }"
    ).pred
    assert isinstance(pred, sc.And)
    assert [type(p).__name__ for p in pred.parts] == (
        "Not Same TimerIs InState Ss Flag Gets Becomes".split()  # noqa: SIM905
    )
    gets = pred.parts[6]
    assert isinstance(gets, sc.Gets) and gets.result == "10"


def test_families_in_numbers() -> None:
    scenario = spec(
        items="sysctl net.ipv4.tcp_timestamps = {0, 1} -> ts",
        claims="never x { server.c.rcv_wnd > ts + 5 }\nnever y { server.c in CLOSED }",
    )
    rights = []
    for case in scenario.cases:
        pred = case.claims[0].pred
        assert isinstance(pred, sc.Compare)
        rights.append(pred.right)
    assert rights == [sc.Const(5), sc.Const(6)]
    first, second = scenario.cases
    assert first.claims[1] is not None and first.claims[1].pred is second.claims[1].pred  # lowered once only


def test_states_in_every_spelling() -> None:
    spellings = {
        "SYN-SENT": ("SYN_SENT", "SynSent", "syn-sent", "TCP_SYN_SENT"),
        "SYN-RECV": ("SYN_RECV", "SYN-RECEIVED", "SYN_RCVD", "NEW_SYN_RECV"),
        "ESTABLISHED": ("ESTAB", "established"),
        "FIN-WAIT-1": ("FIN_WAIT1", "FIN_WAIT_1", "FINWAIT1"),
        "FIN-WAIT-2": ("FIN-WAIT-2",),
        "CLOSE-WAIT": ("CLOSE_WAIT",),
        "CLOSING": ("Closing",),
        "LAST-ACK": ("LAST_ACK",),
        "TIME-WAIT": ("TIME_WAIT", "timewait"),
        "CLOSED": ("CLOSE", "UNCONN"),
        "LISTEN": ("LISTENING",),
    }
    for canonical, others in spellings.items():
        for other in (canonical, *others):
            pred = claim(f"never {{ server.c in {other} }}").pred
            assert isinstance(pred, sc.InState) and pred.states == (canonical,)


# ---- settings from outside ---------------------------------------------------------------------------------

SWEPT = """host server {
    kernel linux 6.18.44
    sysctl net.ipv4.tcp_rfc1337 = {0, 1} -> rfc1337
    run { listen :80 ; accept -> c }
}
network { duplicate 0..1 ; lifetime 30s -> msl }
never x { server.c in CLOSED } expect violated when rfc1337 = 1, else holds
"""


def swept(**settings: list[str]) -> sc.Scenario:
    named = {k.replace("__", "."): v for k, v in settings.items()}
    return lang.load_text(SWEPT, "swept.tcp", REGISTRY, named)


def test_settings_take_the_place_of_the_specs() -> None:
    scenario = lang.load_text(
        SWEPT,
        "swept.tcp",
        REGISTRY,
        {"server.net.ipv4.tcp_rfc1337": ["1"], "server.net.ipv4.tcp_sack": ["0", "1"], "server.kernel": ["linux 4.4"]},
    )
    assert [case.settings for case in scenario.cases] == [
        {
            "server.kernel": "linux-4.4",
            "server.net.ipv4.tcp_rfc1337": 1,
            "msl": "30s",
            "server.net.ipv4.tcp_sack": sack,
        }
        for sack in (0, 1)
    ]
    for case in scenario.cases:
        assert case.hosts[0].kernel == "linux-4.4"
        assert case.hosts[0].sysctls["net.ipv4.tcp_rfc1337"] == 1
        assert case.hosts[0].sysctls["net.ipv4.tcp_sack"] == case.settings["server.net.ipv4.tcp_sack"]
        assert case.claims[0].expected == "violated"


def test_settings_of_a_named_choice() -> None:
    scenario = swept(msl=["60s", "120s"], rfc1337=["0"])
    assert [case.network.lifetime for case in scenario.cases] == [60 * SECOND, 120 * SECOND]
    assert [case.chosen["rfc1337"] for case in scenario.cases] == [0, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mls": ["1s"]}, "no choice and no host for the setting `mls`"),
        ({"server.net.ipv4.tcp_sak": ["1"]}, "unknown sysctl `net.ipv4.tcp_sak`"),
        ({"server.net.ipv4.tcp_sack": ["7"]}, "is 0 to 1, not 7"),
        ({"server.net.ipv4.tcp_sack": ["on off"]}, "unexpected"),
        ({"server.net.ipv4.tcp_sack": [""]}, "unexpected"),
        ({"server.kernel": ["linux 9"]}, "unknown kernel `linux 9`"),
        ({"msl": ["5"]}, "a time carries a unit"),
    ],
)
def test_bad_settings(settings: dict[str, list[str]], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        lang.load_text(SWEPT, "swept.tcp", REGISTRY, settings)


def test_alternatives_that_say_the_same_may_share_a_reply() -> None:
    pred = claim("always { server.c receives SYN or server.c receives [S.] implies replies ACK and stays }").pred
    assert isinstance(pred, sc.Implies) and isinstance(pred.left, sc.Or)
    with pytest.raises(SpecError, match="a reply to what"):
        claim("always { server.c receives SYN or client.s receives SYN implies replies ACK }")


@pytest.mark.parametrize(
    "pred",
    [
        "server.c receives SYN (wscale = 0)",
        "server.c.wscale = 0",
        "server.c receives SYN and replies ACK (win = in.wscale)",
        "server.c sends [SEW]",
        "server.c sends 2nd DATA (len > 5)",
        "server.c receives SYN (mss)",
    ],
)
def test_not_yet_in_predicates(pred: str) -> None:
    with pytest.raises(SpecError, match="not supported yet: "):
        claim(f"never {{ {pred} }}")
