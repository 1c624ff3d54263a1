"""From what a concrete run did to the Trace that people and tools read."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from tcpcheck.lang.scenario import Case, Host
from tcpcheck.model.program import Program
from tcpcheck.model.spellings import duration
from tcpcheck.tcp.profile import profile_for
from tcpcheck.witness.trace import Armed, Change, HostInfo, Segment, Step

STATE_NAMES = {
    1: "ESTABLISHED", 2: "SYN-SENT", 3: "SYN-RECV", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT", 7: "CLOSED",
    8: "CLOSE-WAIT", 9: "LAST-ACK", 10: "LISTEN", 11: "CLOSING",
}  # fmt: skip
TIMER_NAMES = {
    1: "retransmission timer", 2: "tail loss probe", 3: "persist timer", 4: "SYN-ACK timer", 5: "time-wait timer",
    6: "delayed-ACK timer", 7: "keepalive timer", 9: "keepalive timer",
}  # fmt: skip
EF_SEND, EF_RULE, EF_LOST, EF_DROP, EF_ARRIVE, EF_DUP, EF_GETS, EF_EXPIRE = 0, 2, 7, 8, 9, 10, 6, 11
GOT_EOF = 1
EV_DELIVER, EV_TIMER, EV_PROGRAM = 0, 1, 2
OP_LISTEN, OP_ACCEPT, OP_CONNECT = 0, 1, 2
NEARLY = 10_000_000  # ns by which a timer's window may still be ahead for the timer to count as due
LISTENER = 1  # kind of a socket
WATCHED = ("state", "snd_una", "snd_nxt", "rcv_nxt", "ts_recent")


def flag_letters(flags: int) -> str:
    """As tcpdump prints them: `S`, `S.`, `.`, `F.`, `R`, `P.`; `none`."""
    letters = "".join(ch for bit, ch in ((2, "S"), (1, "F"), (4, "R"), (8, "P"), (32, "U"), (16, ".")) if flags & bit)
    return letters or "none"


class Narrator:
    """Turns Moments into Steps."""

    def __init__(self, program: Program, case: Case, rule_name: Callable[[int], str]) -> None:
        self.p, self.case, self.rule_name = program, case, rule_name
        self.depth: dict[int, int] = {}  # how often each name is bound
        self.names: dict[int, str] = {}
        self.gone: dict[str, str] = {}
        self.start = 0
        self.called: dict[int, int] = {}  # the last step of each run
        self.echoes: dict[int, int | None] = {}  # TSecr of each segment, which states of the model leave out
        self.scales: dict[int, int | None] = {}  # of each segment's window, the same on both sides of a router
        self.offers: dict[tuple[int, ...], bool] = {}  # by direction: does the last SYN have the option?
        self.offered = [window_scale(host) for host in case.hosts]

    def steps(self, moments: list[Any], instants: tuple[int, ...]) -> tuple[Step, ...]:
        self.name_sockets(moments)
        self.start = instants[0]
        out: list[Step] = []
        before: dict[int, dict[str, Any]] = {}
        for m in moments:
            after = {s["uid"]: s for s in m.socks["live"]}
            time = instants[m.instant] - instants[0]
            self.moment(out, m, time, before, after)
            before = after
        return tuple(out)

    def name_sockets(self, moments: list[Any]) -> None:
        """Each socket's best name: what the spec binds it to at any time, else host:port."""
        for bind, k in self.bound(moments[-1]) if moments else []:
            self.depth[bind] = max(self.depth.get(bind, 0), k + 1)
        for m in moments:
            for s in m.socks["live"]:
                shown = [n for n in s["names"] if not self.p.binds[n[0]][1].startswith(".")]
                if shown:
                    host, name = self.p.binds[shown[0][0]]
                    index = f"[{shown[0][1] + 1}]" if self.depth.get(shown[0][0], 1) > 1 else ""
                    self.names[s["uid"]] = f"{host}.{name}{index}"
                else:
                    self.names.setdefault(s["uid"], self.fallback(s, moments))

    def fallback(self, sock: dict[str, Any], moments: list[Any]) -> str:
        """`server:80`, or `server:80-client:2001` where the port has several peers."""
        name = f"{self.p.hosts[sock['host']]}:{sock['lport']}"
        end = sock["host"], sock["lport"]
        socks = (s for m in moments for s in m.socks["live"] if (s["host"], s["lport"]) == end)
        peers = {(s["peer"], s["rport"]) for s in socks if s["kind"] != LISTENER}
        return f"{name}-{self.p.hosts[sock['peer']]}:{sock['rport']}" if len(peers) > 1 else name

    def moment(
        self, out: list[Step], m: Any, time: int, before: dict[int, dict[str, Any]], after: dict[int, dict[str, Any]]
    ) -> None:
        kind, _, _, detail = m.event
        state = self.states(after)
        rules = tuple(self.rule_name(e["arg"]) for e in m.effects if e["kind"] == EF_RULE)
        changes = self.changes(before, after) + self.translations(m)

        def add(
            host: int, event: str, text: str, segment: Segment | None, rules: tuple[str, ...] = (), **more: Any
        ) -> None:
            first = not out or out[-1].time_ns != time or bool(rules) or event in ("receive", "timer", "call")
            shown = changes if first and len(mine) == 0 else ()
            if not mine and event != "send":
                more["due"] = self.due(host, before, time, m.event)
            mine.append(0)
            out.append(Step(len(out), time, self.p.hosts[host], event, text, segment, rules, shown, state, **more))

        mine: list[int] = []
        if kind == EV_TIMER:
            s = before.get(m.event[1])
            name = self.names.get(m.event[1], "")
            text = f"{TIMER_NAMES.get(detail, 'timer')} of {name}"
            add(s["host"] if s else 0, "timer", text, None, rules, armed=self.armed(s, m.event[2]))
        elif kind == EV_PROGRAM:
            instr = self.p.instrs[detail]
            result = self.result(m)
            text = self.call_text(detail, result)
            changes += (Change(self.called_on(detail, m), "gets", "", result),) if result else ()
            returns = text.startswith("connect ") and detail == self.called.get(m.event[1])
            self.called[m.event[1]] = detail
            if rules or changes or not returns:  # that a connect() came back well shows in its socket's state
                add(instr["host"], "call", text, None, rules, run=self.run(m.event[1]))
        self.segments(m, add, rules if kind == EV_DELIVER else ())

    def translations(self, m: Any) -> tuple[Change, ...]:
        """What the router makes of the addresses and ports of the segment that has come to it."""
        if self.case.router is None:
            return ()
        here = self.p.hosts.index(self.case.router.host)
        came = [e["seg"] for e in m.effects if e["kind"] == EF_ARRIVE and e["host"] == here]
        left = [e["seg"] for e in m.effects if e["kind"] == EF_SEND and e["host"] == here]
        if len(came) != 1 or not left or (left[0]["src"] == here and came[0]["dst"] == here):
            return ()
        ends = (("source", "src", "sport"), ("destination", "dst", "dport"))
        pairs = (
            (what, *(f"{self.p.hosts[s[host]]}:{s[port]}" for s in (came[0], left[0]))) for what, host, port in ends
        )
        return tuple(Change(self.case.router.host, *pair) for pair in pairs if pair[1] != pair[2])

    def run(self, program: int) -> str:
        """The name of a run, where its host has several."""
        host = self.p.entries[program][0]
        several = sum(entry[0] == host for entry in self.p.entries) > 1
        return self.p.entries[program][2] if several else ""

    def armed(self, sock: dict[str, Any] | None, slot: int) -> Armed | None:
        """The window of a socket's timer, as it was before it fired."""
        if sock is None or slot not in sock["armed"]:
            return None
        since, lo, hi = sock["armed"][slot]
        return Armed(since - self.start, lo, hi)

    def due(self, host: int, before: dict[int, dict[str, Any]], time: int, event: Any) -> tuple[Armed, ...]:
        """The host's timers that could have fired by now, but for the one that does."""
        found = []
        for uid, sock in sorted(before.items()):
            for slot in sock["armed"] if sock["host"] == host else ():
                timer = self.armed(sock, slot)
                assert timer is not None
                fires = event[0] == EV_TIMER and (uid, slot) == tuple(event[1:3])
                if not fires and time - timer.since_ns >= timer.lo_ns - NEARLY:
                    found.append(timer)
        return tuple(found)

    def result(self, m: Any) -> str:
        """What the call returned: an errno, `EOF`, `10 bytes`; "" when it has nothing to say."""
        results = [e for e in m.effects if e["kind"] == EF_GETS]
        if not results or (results[-1]["arg"] == 0 and results[-1]["uid"] != GOT_EOF):
            return ""
        arg = results[-1]["arg"]
        return (
            "EOF"
            if results[-1]["uid"] == GOT_EOF
            else errno.errorcode.get(-arg, str(arg))
            if arg < 0
            else f"{arg} bytes"
        )

    def call_text(self, pc: int, result: str) -> str:
        """The step as the spec spells it, and what the call returned."""
        text = self.p.texts[pc]
        if not result:
            return text
        failed = result in errno.errorcode.values()
        return f"{text} = {result}{'; exit' if failed and self.p.instrs[pc]['orelse'] < 0 else ''}"

    def called_on(self, pc: int, m: Any) -> str:
        """The name of the socket that a call was made on: the one its name is bound to last."""
        instr = self.p.instrs[pc]
        bind = instr["c"] if instr["op"] in (OP_LISTEN, OP_ACCEPT, OP_CONNECT) else instr["a"]
        host, name = self.p.binds[bind]
        times = max((k + 1 for b, k in self.bound(m) if b == bind), default=0)
        index = f"[{times}]" if self.depth.get(bind, 1) > 1 else ""
        return f"{host}.{name}{index}" if not name.startswith(".") else host

    @staticmethod
    def bound(m: Any) -> list[tuple[int, int]]:
        """(binding, position) of every socket bound so far, alive or not."""
        return [pair for s in m.socks["live"] for pair in s["names"]] + list(m.socks["ended"])

    def segments(self, m: Any, add: Callable[..., None], rules: tuple[str, ...]) -> None:
        fate = {e["uid"]: e for e in m.effects if e["kind"] in (EF_LOST,)}
        refused = {e["uid"] for e in m.effects if e["kind"] == EF_DROP and e["arg"] == 1}
        for e in m.effects:
            if e["kind"] == EF_ARRIVE:
                add(e["host"], "receive", "", self.segment(e), rules)
            elif e["kind"] == EF_EXPIRE:
                add(e["host"], "drop", "INPUT: no power", self.segment(e), rules)
            elif e["kind"] == EF_DROP and e["arg"] != 1:
                add(e["host"], "drop", "FORWARD" if e["arg"] else "INPUT", self.segment(e), rules)
            elif e["kind"] == EF_SEND:
                event = "lose" if e["uid"] in fate else "drop" if e["uid"] in refused else "send"
                add(e["host"], event, "OUTPUT" if event == "drop" else "", self.segment(e))
            elif e["kind"] == EF_DUP:
                add(e["host"], "duplicate", "", self.segment(e))

    def segment(self, e: dict[str, Any]) -> Segment:
        s = e["seg"]
        hosts = self.case.hosts
        syn = bool(s["flags"] & 2)
        return Segment(
            uid=e["uid"],
            src=hosts[s["src"]].name,
            dst=hosts[s["dst"]].name,
            src_addr=hosts[s["src"]].address,
            dst_addr=hosts[s["dst"]].address,
            sport=s["sport"],
            dport=s["dport"],
            flags=flag_letters(s["flags"]),
            seq=s["seq"],
            ack=s["ack"],
            length=s["len"],
            window=s["wnd"],
            wscale=self.scale(e),
            mss=s["mss"] if syn and s["mss"] else None,
            sack_ok=s["sack_ok"],
            tsval=s["tsval"],
            tsecr=self.echoes.setdefault(e["uid"], s["tsecr"]),
            sack=s["sack"],
            forged=s["forged"],
        )

    def scale(self, e: dict[str, Any]) -> int | None:
        """Both SYNs of a connection have the option, or its windows are not scaled (RFC 7323 2.2). What somebody else
        sends in a host's name changes nothing of that."""
        if e["uid"] in self.scales:
            return self.scales[e["uid"]]
        s = e["seg"]
        way = s["src"], s["sport"], s["dst"], s["dport"]
        back = (*way[2:], *way[:2])
        if not s["flags"] & 2:
            scaled = self.offers.get(way, True) and self.offers.get(back, True)
        else:
            scaled = s["scale_ok"]
            if e["host"] == s["src"]:
                self.offers[way] = scaled
        return self.scales.setdefault(e["uid"], self.offered[s["src"]] if scaled else None)

    def states(self, socks: dict[int, dict[str, Any]]) -> dict[str, str]:
        """Named sockets, then those known by their port; those that ended are CLOSED."""
        now = {
            self.names[uid]: STATE_NAMES.get(s["state"], "?")
            for uid, s in sorted(socks.items())
            if s["kind"] != LISTENER
        }
        for name in self.gone:
            now.setdefault(name, "CLOSED")
        self.gone = dict.fromkeys(now, "CLOSED")
        return dict(sorted(now.items()))

    def changes(self, before: dict[int, dict[str, Any]], after: dict[int, dict[str, Any]]) -> tuple[Change, ...]:
        out = []
        for uid in sorted(set(before) | set(after)):
            b, a = before.get(uid), after.get(uid)
            known = a or b
            assert known is not None
            if known["kind"] == LISTENER:
                continue
            for what in WATCHED:
                old, new = self.shown(b, what), self.shown(a, what)
                if what != "state" and (b is None or a is None or a["state"] == 7):
                    continue
                if old != new:
                    out.append(Change(self.names[uid], what, old, new))
        return tuple(out)

    def shown(self, s: dict[str, Any] | None, what: str) -> str:
        if what == "state":
            return STATE_NAMES.get(s["state"], "?") if s else "CLOSED"
        return "" if s is None or s[what] is None else str(s[what])


def window_scale(host: Host) -> int | None:
    """What its SYNs offer; a host without TCP sends windows as they are."""
    return profile_for(host.kernel)[0].constants["rcv_wscale"] if host.kernel != "none" else None


def host_infos(case: Case) -> tuple[HostInfo, ...]:
    return tuple(host_info(case, h) for h in case.hosts)


def host_info(case: Case, h: Host) -> HostInfo:
    router = case.router if case.router is not None and case.router.host == h.name else None
    return HostInfo(
        h.name,
        h.address,
        h.kernel,
        dict(h.sysctls) if router is None else h.sysctls | router.sysctls,
        tuple(rule.text for rule in h.firewall),
        h.mss,
        (*(f"with {name}" for name in h.features_with), *(f"without {name}" for name in h.features_without)),
        () if router is None else router.inside,
        () if router is None else tuple(rule.text for rule in router.nat),
    )


def named_values(p: Program, moments: list[Any], instants: tuple[int, ...]) -> dict[str, str]:
    """The spec's named unknowns with the numbers of this run, as far as it came to them: what a segment was given, and
    how long each named sleep lasted."""
    values: dict[str, str] = {}
    last: dict[int, int] = {}
    for m in moments:
        kind, run, _, pc = m.event
        if kind != EV_PROGRAM:
            continue
        if pc in p.sleeps:
            values[p.sleeps[pc]] = duration(instants[m.instant] - instants[last.get(run, 0)])
        last[run] = m.instant
        sent = next((e["seg"] for e in m.effects if e["kind"] == EF_SEND), None)
        for name, number in p.given.get(pc, {}).items():
            if sent is not None and sent[number] is not None:
                values[name] = str(sent[number])
    return dict(sorted(values.items()))
