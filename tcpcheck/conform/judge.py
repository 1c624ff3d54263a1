"""From a capture to verdicts: whose side is modelled, which connections there are, and what to assume of the host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tcpcheck.conform.calls import BACKLOG
from tcpcheck.conform.clocks import Step, sent_at
from tcpcheck.conform.follow import Assumption, Disagreement, Follower, Outcome, Overflow, Setting
from tcpcheck.conform.live import Tuple4
from tcpcheck.conform.midstream import shows_only
from tcpcheck.conform.packets import ACK, FIN, RST, SYN, Capture, Endpoint, Packet, canonical_address, signed
from tcpcheck.errors import UsageError
from tcpcheck.tcp.profile import profile_for

LOCAL_NAMES = {"localhost": "127.0.0.1", "ip6-localhost": "::1"}
TOGETHER = 8  # so many connections are led together; more than that one by one
DEFER_MOST = 8
RTT_LEAST_NS = 4_000_000
RTT_MOST_NS = 1_000_000_000


@dataclass
class Connection:
    """The verdict on one incarnation of a 4-tuple. agrees None: not judged, and why."""

    peer: str
    host: str
    first: int  # packet numbers
    packets: int
    matched: int = 0
    agrees: bool | None = None
    disagreement: Disagreement | None = None
    why: str = ""
    story: tuple[tuple[int, str], ...] = ()


@dataclass
class Verdict:
    """On one file. packets: of the connections judged. undecided: states had to be given up before the end."""

    file: str
    host: str
    connections: list[Connection] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    undecided: bool = False
    packets: int = 0
    matched: list[int] = field(default_factory=list)  # of each side: packets explained

    @property
    def agrees(self) -> bool | None:
        """None: nothing disagrees, but something could not be judged."""
        found = [row.agrees for row in self.connections]
        if False in found:
            return False
        return None if None in found else True

    @property
    def first_disagreement(self) -> Disagreement | None:
        found = [row.disagreement for row in self.connections if row.disagreement is not None]
        return min(found, key=lambda row: row.packet) if found else None


# ---- whose side --------------------------------------------------------------------------------------------


def parse_host(text: str) -> tuple[str, int | None]:
    """`ADDR`, `ADDR:PORT` or `[ADDR]:PORT`."""
    if text.startswith("[") and "]" in text:
        address, _, rest = text[1:].partition("]")
        return canonical_address(address), int(rest[1:]) if rest[1:].isdigit() else None
    head, _, port = text.rpartition(":")
    if head and ":" not in head and port.isdigit():
        return canonical_address(LOCAL_NAMES.get(head, head)), int(port)
    return canonical_address(LOCAL_NAMES.get(text, text)), None


@dataclass(frozen=True)
class Side:
    """Which ends are the modelled host's: those with this address and one of the ports, or any but these (`but`).
    loopback: its own peer; what the capture shows may yet be dropped on the way in."""

    address: str
    ports: frozenset[int] | None = None
    but: bool = False
    loopback: bool = False

    def owns(self, end: Endpoint) -> bool:
        """Is it an end of the host's?"""
        return end.address == self.address and (self.ports is None or (end.port in self.ports) != self.but)

    def __str__(self) -> str:
        if self.ports is None:
            return self.address
        ports = ",".join(str(port) for port in sorted(self.ports)[:4])
        return f"{self.address} but port {ports}" if self.but else f"{self.address}:{ports}"


def choose_sides(capture: Capture, asked: str | None) -> tuple[list[Side], list[str]]:
    """The side asked for, or the likely one: who has a part in every connection, and listens. Both on loopback."""
    notes = []
    if asked is not None:
        address, port = parse_host(asked)
        side = Side(address, None if port is None else frozenset((port,)))
        if not any(side.owns(end) for packet in capture.packets for end in (packet.src, packet.dst)):
            seen = dict.fromkeys(str(end) for packet in capture.packets[:50] for end in (packet.src, packet.dst))
            raise UsageError(f"{capture.name}: no packet from or to {asked}; there are {', '.join(list(seen)[:6])}")
    else:
        side = Side(_likely(capture))
        notes.append(f"the side of {side} is modelled (--host names another)")
    if not any(packet.src.address == packet.dst.address == side.address for packet in capture.packets):
        return [side], notes
    if side.ports is not None:
        return [replace(side, loopback=True)], notes
    ports = frozenset(packet.dst.port for packet in capture.packets if opens(packet))
    ports = ports or frozenset((capture.packets[0].dst.port,))
    notes = [f"both ends are {side.address}: both sides are modelled (--host {side.address}:PORT names one)"]
    return [Side(side.address, ports, False, True), Side(side.address, ports, True, True)], notes


def _likely(capture: Capture) -> str:
    pairs = [{packet.src.address, packet.dst.address} for packet in capture.packets]
    common = set.intersection(*pairs)
    if len(common) == 1 and len(set().union(*pairs)) > 2:
        return common.pop()
    for packet in capture.packets:
        if packet.flags & SYN and packet.flags & ACK:
            return packet.src.address
    first = capture.packets[0]
    return first.src.address if first.flags & SYN else first.dst.address


# ---- connections -------------------------------------------------------------------------------------------


def steps_of(capture: Capture, side: Side) -> tuple[list[Step], int]:
    """The packets in which the host has a part, and how many have none."""
    steps: list[Step] = []
    strange = 0
    for packet in capture.packets:
        if side.owns(packet.dst):
            steps.append(((packet.src, packet.dst), True, packet))
        elif side.owns(packet.src):
            steps.append(((packet.dst, packet.src), False, packet))
        else:
            strange += 1
    return steps, strange


def opens(packet: Packet) -> bool:
    """Is it a SYN without ACK?"""
    return packet.flags & (SYN | ACK | RST) == SYN


def round_trip(steps: Iterable[Step]) -> int:
    """The longest time in which something that was sent once was acknowledged, ns (Karn's rule)."""
    out: dict[Tuple4, dict[int, int | None]] = defaultdict(dict)
    worst = 0
    for key, inbound, packet in steps:
        waiting = out[key]
        if not inbound:
            if (packet.length or packet.flags & (SYN | FIN)) and packet.seq is not None:
                waiting[packet.end] = None if packet.end in waiting else packet.time_ns
        elif packet.flags & ACK and not packet.flags & RST:
            for end in [end for end in waiting if signed(packet.ack, end) >= 0]:
                sent = waiting.pop(end)
                worst = max(worst, packet.time_ns - sent if sent is not None else 0)
    return min(max(worst + 1_000_000, RTT_LEAST_NS), RTT_MOST_NS)


def _acknowledged_in_vain(steps: Iterable[Step]) -> bool:
    """Does a SYN-ACK come again after its ACK?"""
    acked: set[tuple[Tuple4, int]] = set()
    for key, inbound, packet in steps:
        if not inbound and packet.flags & (SYN | ACK) == SYN | ACK:
            if (key, packet.end) in acked:
                return True
        elif inbound and packet.flags & ACK:
            acked.add((key, packet.ack))
    return False


def judge(capture: Capture, asked: str | None, setting: Setting, midstream: bool = False) -> Verdict:
    """Each connection of a capture. Raises UsageError when the capture has nothing of the host's."""
    sides, notes = choose_sides(capture, asked)
    verdict = Verdict(capture.name, " and ".join(str(side) for side in sides), notes=[*capture.notes, *notes])
    for side in sides:
        steps, strange = steps_of(capture, side)
        if strange and not side.loopback:
            verdict.notes.append(f"{strange} packet{'s' * (strange > 1)} of other hosts passed over")
        verdict.packets = max(verdict.packets, len(steps))
        by_key: dict[Tuple4, list[Step]] = defaultdict(list)
        for step in sorted(steps, key=lambda step: step[2].time_ns):
            by_key[step[0]].append(step)
        end_ns = max(capture.packets[-1].time_ns, setting.until_ns)
        judging = _Judging(verdict, setting, end_ns, side.loopback)
        for local in dict.fromkeys(key[1].address for key in by_key):
            rows = {key: found for key, found in by_key.items() if key[1].address == local}
            judging.address(rows, midstream)
        verdict.matched.append(judging.matched)
    verdict.connections.sort(key=lambda row: row.first)
    return verdict


DROPPED = "explained with packets that were dropped between loopback device and host (--lost none: no packet was)"


def _listened_on(steps: list[Step]) -> set[int]:
    """Ports from which the host sends SYN-ACKs, but not where its own SYN came first: the SYNs crossed."""
    first: dict[Tuple4, int] = {}
    for key, inbound, packet in steps:
        if not inbound and packet.flags & SYN:
            first.setdefault(key, packet.flags)
    return {key[1].port for key, flags in first.items() if flags & ACK}


class _Judging:
    """Connections of one capture."""

    def __init__(self, verdict: Verdict, setting: Setting, end_ns: int, loopback: bool) -> None:
        self.verdict, self.setting, self.end_ns = verdict, setting, end_ns
        self.lossy = loopback and not setting.lost_known
        self.matched = 0

    def address(self, rows: dict[Tuple4, list[Step]], midstream: bool) -> None:
        """The connections of one of the host's addresses: together if they are few."""
        for key in [key for key in rows if key[0] == key[1]]:
            self._unjudged(rows.pop(key), "it is connected to itself: whether a packet goes or comes cannot be told")
        whole = {key: steps for key, steps in rows.items() if opens(steps[0][2]) and not midstream}
        for key, steps in rows.items():
            if midstream:
                self._alone(key, steps, True)
            elif key not in whole:
                self._unjudged(steps, "the capture starts in the middle of it; --midstream models it from there")
        peers = {key[0].address for key in whole}
        together = self._together(whole) if 1 < len(whole) <= TOGETHER and len(peers) < 5 else None
        if together is not None and together.disagreement is None:
            return
        before = len(self.verdict.connections)
        for key, steps in whole.items():
            self._alone(key, steps)
        fresh = self.verdict.connections[before:]
        if together is not None and all(row.agrees for row in fresh):
            self._only_together(fresh, together)

    def _together(self, whole: dict[Tuple4, list[Step]]) -> Outcome | None:
        """None: there is no room. When all agree they are reported."""
        steps = sorted((step for found in whole.values() for step in found), key=lambda step: step[2].number)
        try:
            outcome = self._best(steps)
        except Overflow:
            return None
        if outcome.bounded and outcome.disagreement is not None:
            return None
        if outcome.disagreement is None:
            for found in whole.values():
                self._report(found, replace(outcome, matched=len(found)))
        return outcome

    def _only_together(self, rows: list[Connection], outcome: Outcome) -> None:
        """Each connection by itself agrees, but one host cannot have done all of it."""
        wrong = outcome.disagreement
        assert wrong is not None and wrong.key is not None
        for row in rows:
            if (row.peer, row.host) == (str(wrong.key[0]), str(wrong.key[1])):
                row.agrees, row.disagreement = False, wrong
        self.matched = outcome.matched

    def _alone(self, key: Tuple4, steps: list[Step], midstream: bool = False) -> None:
        """After a disagreement the next incarnation is judged without what came before."""
        try:
            outcome = self._best(steps, midstream)
        except Overflow as error:
            self._unjudged(steps, f"more at once than the model holds ({error})")
            return
        self._report(steps[: self._stop(steps, outcome)], outcome)
        rest = steps[self._stop(steps, outcome) :]
        if rest:
            self.verdict.notes.append(f"packet {rest[0][2].number} on: judged without what came before")
            self._alone(key, rest)

    @staticmethod
    def _stop(steps: list[Step], outcome: Outcome) -> int:
        """Where the next incarnation begins after a disagreement."""
        wrong = outcome.disagreement
        if wrong is None:
            return len(steps)
        isn = next((p.seq for _, _, p in reversed(steps) if opens(p) and p.number <= wrong.packet), None)
        for i, (_, _, packet) in enumerate(steps):
            if packet.number > wrong.packet and opens(packet) and packet.seq != isn:
                return i
        return len(steps)

    def _best(self, steps: list[Step], midstream: bool = False) -> Outcome:
        """The first assumption under which all is explained; else the one that explains most."""
        best: Outcome | None = None
        settings = [self.setting, replace(self.setting, lost=None)] if self.lossy else [self.setting]
        for setting, assumed in (
            (setting, assumed) for setting in settings for assumed in self._assumptions(steps, midstream)
        ):
            outcome = self._run(steps, setting, assumed, midstream)
            if outcome.disagreement is None and (assumed.prompt or not outcome.left_over):
                if setting is not self.setting and DROPPED not in self.verdict.notes:
                    self.verdict.notes.append(DROPPED)
                return outcome
            if outcome.disagreement is not None and (best is None or outcome.matched > best.matched):
                best = outcome
        assert best is not None
        return best

    def _assumptions(self, steps: list[Step], midstream: bool) -> Iterator[Assumption]:
        """The likeliest first. What no packet can tell is not tried; a full queue is among the starts in the middle."""
        known = self.setting.backlog
        usual = BACKLOG if known is None else known
        yield Assumption(usual)
        if not midstream and known is None and any(inbound and opens(packet) for _, inbound, packet in steps):
            yield from (Assumption(backlog) for backlog in range(len({key for key, _, _ in steps}) + 2))
        if _acknowledged_in_vain(steps):
            yield from (Assumption(usual, defer) for defer in range(1, DEFER_MOST))
        yield Assumption(usual, prompt=False)

    def _run(self, steps: list[Step], setting: Setting, assumed: Assumption, midstream: bool) -> Outcome:
        setting = replace(setting, rtt_max_ns=max(setting.rtt_max_ns, round_trip(steps)))
        follower = Follower(dict.fromkeys(key for key, _, _ in steps), setting, assumed)
        tick = profile_for(self.setting.kernel)[0].constants["ts_tick_ns"]
        timed, shift = sent_at(steps, tick)
        if midstream:
            follower.start_in_the_middle(timed[0][0], timed)
            if shows_only(timed):
                outcome = follower.run(timed[1:], self.end_ns + shift)
                return replace(outcome, matched=outcome.matched + 1)
        else:
            follower.start(sorted(_listened_on(steps)))
        return follower.run(timed, self.end_ns + shift)

    # ---- results
    def _row(self, steps: list[Step]) -> Connection:
        peer, host = steps[0][0]
        row = Connection(str(peer), str(host), steps[0][2].number, len(steps))
        self.verdict.connections.append(row)
        return row

    def _unjudged(self, steps: list[Step], why: str) -> None:
        self._row(steps).why = why

    def _report(self, steps: list[Step], outcome: Outcome) -> None:
        row = self._row(steps)
        row.matched = outcome.matched
        self.matched += outcome.matched
        row.story = outcome.story
        row.agrees = outcome.disagreement is None
        row.disagreement = outcome.disagreement
        if outcome.bounded and outcome.disagreement is not None:
            row.agrees, row.why = None, "more states than there is room for"
            self.verdict.undecided = True
