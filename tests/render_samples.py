"""Traces written by hand, with numbers as a real kernel shows them, for the tests of tcpcheck/render."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tcpcheck.mapping.result import Map, MapResult, Moment, Outcome, Quantity
from tcpcheck.witness.trace import Change, HostInfo, Segment, Step, Trace
from tcpcheck.witness.verdict import ClaimResult, SpecResult, Stats

US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Rule:
    name: str
    doc: str
    rfc: str
    kernel: str


RULES = {
    "LISTEN_SYN": Rule(
        "LISTEN_SYN",
        "A SYN to a listener with room makes a request socket and is answered with SYN-ACK.",
        "RFC 9293 3.10.7.2",
        "tcp_conn_request",
    ),
    "TW_SYN_OLD": Rule(
        "TW_SYN_OLD",
        "A SYN that is newer in neither sequence number nor timestamp is answered with the last ACK again.",
        "RFC 9293 3.10.7.4, RFC 6191 2",
        "tcp_timewait_state_process",
    ),
    "SYN_SENT_BAD_ACK": Rule(
        "SYN_SENT_BAD_ACK",
        "An ACK that does not acknowledge our SYN is answered with RST.",
        "RFC 9293 3.10.7.3",
        "tcp_rcv_synsent_state_process",
    ),
    "TW_RST": Rule("TW_RST", "An exact RST ends TIME-WAIT.", "RFC 1337 3", "tcp_timewait_state_process"),
    "RTO": Rule("RTO", "What is unacknowledged is sent again.", "RFC 6298 5.4", "tcp_retransmit_timer"),
    "FIN_SIMULTANEOUS": Rule("FIN_SIMULTANEOUS", "Both sides closed at once.", "RFC 9293 3.6", "tcp_fin"),
}

lookup: Callable[[str], Rule | None] = RULES.get


class Recorder:
    """Collects steps and keeps the state of every socket."""

    def __init__(self, *hosts: HostInfo) -> None:
        self.hosts = {host.name: host for host in hosts}
        self.steps: list[Step] = []
        self.state: dict[str, str] = {}
        self.uid = 0

    def segment(
        self, src: str, dst: str, sport: int, dport: int, flags: str, seq: int, ack: int = 0, **more
    ) -> Segment:
        self.uid += 1
        options = {"length": 0, "window": 64240, "wscale": 10}
        options |= {"mss": None, "sack_ok": False, "tsval": None, "tsecr": None}
        if "S" in flags:
            options |= {"mss": 1460, "sack_ok": True}
        return Segment(
            uid=self.uid,
            src=src,
            dst=dst,
            src_addr=self.hosts[src].address,
            dst_addr=self.hosts[dst].address,
            sport=sport,
            dport=dport,
            flags=flags,
            seq=seq % 2**32,
            ack=ack % 2**32,
            **(options | more),
        )

    def step(self, time_ns: int, host: str, event: str, what: Segment | str, *rules: str, **states: str) -> None:
        """states: the new state of each socket that changes, `client_s1="ESTAB"`; "" before it was bound."""
        changes = []
        for name, after in states.items():
            subject = name.replace("_", ".", 1)
            changes.append(Change(subject, "state", self.state.get(subject, ""), after))
            self.state[subject] = after
        segment, text = (None, what) if isinstance(what, str) else (what, "")
        self.steps.append(
            Step(len(self.steps), time_ns, host, event, text, segment, rules, tuple(changes), dict(self.state))
        )

    def moves(self, sent_ns: int, delay_ns: int, segment: Segment, *rules: str, **states: str) -> None:
        """Sent and received; `states` change at the receiver."""
        self.step(sent_ns, segment.src, "send", segment)
        self.step(sent_ns + delay_ns, segment.dst, "receive", segment, *rules, **states)

    def trace(self, **fields) -> Trace:
        return Trace(hosts=tuple(self.hosts.values()), steps=tuple(self.steps), **fields)


def tw_refused() -> Trace:
    """A SYN to TIME-WAIT is refused; RST ends the TIME-WAIT; the SYN sent again opens a new connection."""
    server = HostInfo("server", "10.0.0.1", "linux-6.18.44")
    client = HostInfo("client", "10.0.0.2", "linux-6.18.44")
    r = Recorder(client, server)
    c, s = 568694110, 3250003938  # the ISNs
    tc, ts = 3986431290, 3010325793  # the timestamp clocks at 0 s
    new = 1693034112  # the second SYN: older than the server's rcv_nxt

    def to_server(flags: str, seq: int, ack: int = 0, tsval: int | None = None, tsecr: int | None = None) -> Segment:
        window = 0 if flags == "R" else 64240
        return r.segment("client", "server", 12345, 8888, flags, seq, ack, window=window, tsval=tsval, tsecr=tsecr)

    def to_client(flags: str, seq: int, ack: int, tsval: int, tsecr: int) -> Segment:
        return r.segment("server", "client", 8888, 12345, flags, seq, ack, window=65160, tsval=tsval, tsecr=tsecr)

    r.step(0, "server", "call", "listen :8888 backlog 5")
    r.step(0, "client", "call", "connect server:8888 from :12345 -> s1", client_s1="SYN-SENT")
    r.moves(0, 45 * US, to_server("S", c, 0, tc, 0), "LISTEN_SYN")
    r.moves(45 * US, 26 * US, to_client("S.", s, c + 1, ts, tc), client_s1="ESTAB")
    r.moves(71 * US, 30 * US, to_server(".", c + 1, s + 1, tc, ts))
    r.step(101 * US, "server", "call", "accept -> c", server_c="ESTAB")
    r.step(101 * US, "server", "call", "close c", server_c="FIN-WAIT-1")
    r.moves(101 * US, 40 * US, to_client("F.", s + 1, c + 1, ts, tc), client_s1="CLOSE-WAIT")
    r.step(141 * US, "client", "call", "recv s1 until eof")
    r.step(141 * US, "client", "call", "close s1", client_s1="LAST-ACK")
    r.moves(141 * US, 38 * US, to_server("F.", c + 1, s + 2, tc, ts), server_c="TIME-WAIT")
    r.moves(179 * US, 30 * US, to_client(".", s + 2, c + 2, ts, tc), client_s1="CLOSED")
    gap = 12 * SECOND + 500 * MS + 209 * US
    call = "connect server:8888 from :12345 (seq any -> isn, tsval any) -> s2"
    r.step(gap, "client", "call", call, client_s2="SYN-SENT")
    old = to_server("S", new - 2**31, 0, tc - 5, 0)
    r.moves(gap, 41 * US, old, "TW_SYN_OLD")
    r.moves(gap + 41 * US, 33 * US, to_client(".", s + 2, c + 2, ts + 12500, tc), "SYN_SENT_BAD_ACK")
    r.moves(gap + 74 * US, 35 * US, to_server("R", c + 2), "TW_RST", server_c="CLOSED")
    r.step(gap + 8 * MS, "client", "timer", "retransmission", "RTO")
    r.moves(gap + 8 * MS, 41 * US, to_server("S", new - 2**31, 0, tc + 3, 0), "LISTEN_SYN")
    back = to_client("S.", s + 195_440_000, new - 2**31 + 1, ts + 12508, tc + 3)
    r.moves(gap + 8 * MS + 41 * US, 30 * US, back, client_s2="ESTAB")
    return r.trace(
        spec="specs/tw_syn.tcp",
        title="SYN to TIME-WAIT",
        claim="refused",
        kind="reach",
        verdict="reachable",
        settings={"server.net.ipv4.tcp_timestamps": 1, "server.net.ipv4.tcp_rfc1337": 0},
        values={"gap": "12.5s", "isn": str((new - 2**31) % 2**32)},
        confirmed_by=("z3", "concrete-rerun"),
    )


def fin_lost() -> Trace:
    """A connection on a host with itself: data, a FIN lost, an ACK that the firewall takes, a late copy."""
    host = HostInfo("localhost", "127.0.0.1", "linux-4.4")
    r = Recorder(host)
    a, b = 4294967290, 1000  # a wraps

    def out(flags: str, seq: int, ack: int, **more) -> Segment:
        return r.segment("localhost", "localhost", 39836, 12345, flags, seq, ack, **more)

    def back(flags: str, seq: int, ack: int, **more) -> Segment:
        return r.segment("localhost", "localhost", 12345, 39836, flags, seq, ack, **more)

    r.step(0, "localhost", "call", "listen :12345 backlog 1")
    r.step(0, "localhost", "call", "connect localhost:12345 from :39836 -> s1", localhost_s1="SYN-SENT")
    r.moves(0, 12_500, out("S", a, 0), "LISTEN_SYN")
    r.moves(12_500, 10 * US, back("S.", b, a + 1), localhost_s1="ESTAB")
    r.moves(22_500, 10 * US, out(".", a + 1, b + 1))
    r.step(32_500, "localhost", "call", "send s1 10B")
    data = out("P.", a + 1, b + 1, length=10)
    r.step(32_500, "localhost", "send", data)
    r.step(32_500, "localhost", "duplicate", data)
    r.step(52_500, "localhost", "receive", data)
    blocked = back(".", b + 1, a + 11, sack=(a + 1 & 0xFFFFFFFF, a + 11 & 0xFFFFFFFF))
    r.step(52_500, "localhost", "send", blocked)
    r.step(60_000, "localhost", "drop", blocked)
    r.step(1 * SECOND, "localhost", "call", "close s1", localhost_s1="FIN-WAIT-1")
    fin = out("F.", a + 11, b + 1)
    r.step(1 * SECOND, "localhost", "send", fin)
    r.step(1 * SECOND, "localhost", "lose", fin)
    r.step(1 * SECOND + 205 * MS, "localhost", "timer", "retransmission", "RTO")
    r.moves(1 * SECOND + 205 * MS, 10 * US, out("F.", a + 11, b + 1))
    r.moves(1 * SECOND + 205 * MS + 10 * US, 10 * US, back(".", b + 1, a + 12), localhost_s1="FIN-WAIT-2")
    r.step(2 * SECOND, "localhost", "receive", data, "SOME_UNKNOWN_RULE")
    return r.trace(
        spec="specs/fin_lost.tcp",
        title="A FIN is lost",
        claim="ends",
        kind="after",
        verdict="violated",
        settings={},
        values={},
        confirmed_by=("z3",),
        note="stuck: localhost.s1 stays in FIN-WAIT-2 for ever, nothing is in flight and no timer is armed",
    )


def simultaneous_close() -> Trace:
    """Two FINs cross on their way; an attacker who is no host of the spec forges a RST."""
    hosts = (HostInfo("a", "10.0.0.1", "linux-6.18.44"), HostInfo("b", "10.0.0.2", "linux-6.18.44"))
    r = Recorder(*hosts)
    na, nb = 700_000_000, 900_000_000
    r.step(0, "a", "call", "listen :80 backlog 5")
    r.step(0, "b", "call", "connect a:80 -> s", b_s="SYN-SENT")
    r.moves(0, 10 * MS, r.segment("b", "a", 32768, 80, "S", nb, mss=1460), "LISTEN_SYN")
    r.moves(10 * MS, 10 * MS, r.segment("a", "b", 80, 32768, "S.", na, nb + 1), b_s="ESTAB")
    r.moves(20 * MS, 10 * MS, r.segment("b", "a", 32768, 80, ".", nb + 1, na + 1))
    r.step(30 * MS, "a", "call", "accept -> c", a_c="ESTAB")
    fin_a = r.segment("a", "b", 80, 32768, "F.", na + 1, nb + 1)
    fin_b = r.segment("b", "a", 32768, 80, "F.", nb + 1, na + 1)
    r.step(40 * MS, "a", "call", "close c", a_c="FIN-WAIT-1")
    r.step(40 * MS, "a", "send", fin_a)
    r.step(41 * MS, "b", "call", "close s", b_s="FIN-WAIT-1")
    r.step(41 * MS, "b", "send", fin_b)
    r.step(50 * MS, "b", "receive", fin_a, "FIN_SIMULTANEOUS", b_s="CLOSING")
    ack_b = r.segment("b", "a", 32768, 80, ".", nb + 2, na + 2)
    ack_a = r.segment("a", "b", 80, 32768, ".", na + 2, nb + 2)
    r.step(50 * MS, "b", "send", ack_b)
    r.step(51 * MS, "a", "receive", fin_b, "FIN_SIMULTANEOUS", a_c="CLOSING")
    r.step(51 * MS, "a", "send", ack_a)
    r.step(60 * MS, "a", "receive", ack_b, a_c="TIME-WAIT")
    r.step(61 * MS, "b", "receive", ack_a, b_s="TIME-WAIT")
    forged = r.segment("b", "a", 32768, 80, "R", nb + 2, window=0, forged=True)
    r.step(70 * MS, "attacker", "call", "inject RST from b:32768 to a:80 (seq any -> guess)")
    r.step(70 * MS, "attacker", "send", forged)
    r.step(75 * MS, "a", "receive", forged, "TW_RST", a_c="CLOSED")
    return r.trace(
        spec="specs/sim_close.tcp",
        title="Simultaneous close",
        claim="closing",
        kind="reach",
        verdict="reachable",
        settings={"a.net.ipv4.tcp_rfc1337": 0},
        values={},
        confirmed_by=("z3", "concrete-rerun", "kernel"),
    )


SAMPLES = {"tw_refused": tw_refused(), "fin_lost": fin_lost(), "simultaneous_close": simultaneous_close()}

STATS: Stats = {
    "states": 12345,
    "transitions": 45678,
    "depth": 31,
    "seconds": 2.5,
    "states_per_second": 4938.0,
    "bytes_per_state": 312.5,
    "peak_memory_mb": 81.25,
    "rules_taken": ["LISTEN_SYN", "TW_SYN_OLD"],
    "solver_calls": 3,
}

BOUNDS = {
    "losses": 1,
    "duplicates": 0,
    "delay_lo_s": 0.0,
    "delay_hi_s": 0.05,
    "connections": 2,
    "profile": "linux-6.18.44",
    "omission": 4.1e-12,
    "horizon_s": 600.0,
    "truncated": False,
}


def member(timestamps: int, rfc1337: int) -> dict[str, int | str]:
    return {
        "server.net.ipv4.tcp_timestamps": timestamps,
        "client.net.ipv4.tcp_timestamps": timestamps,
        "server.net.ipv4.tcp_rfc1337": rfc1337,
    }


def tw_result() -> SpecResult:
    """A family of four members: one claim fails in one of them, one is undecided in one, one is vacuous."""
    claims = []
    for timestamps in (0, 1):
        for rfc1337 in (0, 1):
            settings = member(timestamps, rfc1337)
            corner = timestamps == 1 and rfc1337 == 1
            witness = tw_refused()
            claims += [
                ClaimResult("folklore", "never", "violated", "violated", True, settings, BOUNDS, witness),
                ClaimResult("reset", "never", "holds", "holds", True, settings, BOUNDS),
                ClaimResult("refused", "reach", "reachable", "reachable", True, settings, BOUNDS, witness),
                ClaimResult(
                    "reconnected",
                    "after",
                    "violated" if rfc1337 else "holds",
                    "holds" if corner else "violated" if rfc1337 else "holds",
                    not corner,
                    settings,
                    BOUNDS,
                    witness if rfc1337 else None,
                    note="too late: 5.2s after the SYN" if rfc1337 else "",
                ),
                ClaimResult(
                    "old_bytes",
                    "never",
                    "undecided" if corner else "holds",
                    "holds",
                    not corner,
                    settings,
                    BOUNDS | {"truncated": corner},
                    note="the bound of 1,000,000 states was reached at depth 19" if corner else "",
                ),
                ClaimResult("ghost", "never", "vacuous", "vacuous", True, settings, BOUNDS, note="no such segment"),
            ]
    return SpecResult(
        "specs/tw_syn.tcp",
        "SYN to TIME-WAIT",
        "The server closes first and rests in TIME-WAIT; the client comes again from its port.",
        tuple(claims),
        STATS,
        (),
        False,
    )


def count_result() -> SpecResult:
    """One count claim over two kernels."""
    claims = tuple(
        ClaimResult(
            "kills",
            "count",
            "holds",
            expected,
            True,
            {"server.kernel": kernel},
            BOUNDS,
            None,
            {"min": low, "max": high, "intervals": intervals},
        )
        for kernel, expected, low, high, intervals in (
            ("linux-6.18.44", "1", 1, 1, [(3250003939, 3250003939)]),
            ("rfc9293 without rfc5961", "2..1048576", 64240, 65160, []),
        )
    )
    return SpecResult("specs/blind_rst.tcp", "Blind reset", "How many guesses kill?", claims, STATS, (), True)


def tw_map(said: str = "replies ACK; stays") -> MapResult:
    """A map over the sequence number of the SYN: two outcomes, of which one is not exact. said: the one's words."""
    over = Quantity("isn", "isn - server.c.rcv_nxt", "number", 0, (1 << 32) - 1)
    old, new = ((0, 0), ((1 << 31) + 1, (1 << 32) - 1)), ((1, 1 << 31),)
    outcomes = (
        Outcome(said, old, old, False, "too coarse", 4),
        Outcome("replies SYN-ACK; server.c becomes CLOSED", new, new, True, "", 4),
    )
    moment = Moment("server.c in TIME-WAIT receives SYN", over, outcomes, ())
    result = tw_result()
    return MapResult(result.file, result.title, result.question, "isn", (Map(({},), (moment,), BOUNDS),), ())
