"""Plays one side of a trace on the kernel of this namespace and compares every reply and state with the prediction.

Time: the first step happens at once, the others as much later as in the trace. What a timer sends is waited for within
the timer's window; what comes after it in the trace is moved by as much as it was late. The window in real time is
reckoned from the moment at which the step that armed the timer was really played.

On a busy machine this process may sleep while the kernel goes on. So it keeps for each segment between which moments
it was sent, and lets all bounds on time be wider by as much as the machine was seen to oversleep. What one of the
kernel's timers may have done meanwhile is no disagreement: the play is cut there, and tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tcpcheck.live import calls
from tcpcheck.live.compare import COOKIE_TICKS, TICKS, differs, end_of, said, ticks_off, told
from tcpcheck.live.namespace import KERNEL, Arrival, Wire
from tcpcheck.live.numbers import Numbers, Stamp
from tcpcheck.live.packet import ACK, RST, SYN, flag_bits
from tcpcheck.live.packet import Segment as Packet
from tcpcheck.live.part import CLOSED, Act, Pair, Side, Unplayable, acts, got_on, sent_on
from tcpcheck.live.sockets import Sockets
from tcpcheck.render.wire import window_field
from tcpcheck.tcp.profile import MILLISECOND, profile_for
from tcpcheck.witness.trace import Armed, Segment, Trace

LONG = 5.0  # s: longer waits only if asked for
LATE = 0.008  # s by which a timer may miss its window: a jiffy, and the time that a step takes here
AT_ONCE = 0.020  # s after which a reply was not sent at once (the least delay of an ACK is 40 ms)
DELAYED_ACK = 0.040  # s: TCP_DELACK_MIN
GRACE = 0.250  # s that are waited for something that is due
SETTLE = 0.020  # s that a state may take
BUSY = 0.004  # s: a machine that has overslept by more is busy

Between = tuple[float, float]  # no earlier, no later (monotonic s)
STATES = {"FIN_WAIT1": "FIN-WAIT-1", "FIN_WAIT2": "FIN-WAIT-2"}  # inet_diag's, where more differs than `_`


@dataclass(frozen=True)
class Disagreement:
    """The first difference. at: the step of the trace. what: packet, state, call or time. rule: what the trace says
    settled the matter. predicted, came: segments in the trace's numbers."""

    at: int
    what: str
    stimulus: str
    predicted: str
    rule: str
    came: str


@dataclass
class Played:
    """What came of one play. acts: how many there are; done: how many agreed. injected: segments in; compared: segments
    out; states: compared. delayed: ACKs that the kernel delayed and the trace does not: the model leaves that open
    where it does not know whether the socket is in quick-ACK mode. cut: why it ended before the trace does; by_chance:
    another try may go further."""

    acts: int
    done: int = 0
    injected: int = 0
    compared: int = 0
    states: int = 0
    delayed: int = 0
    cut: str = ""
    by_chance: bool = False
    disagreement: Disagreement | None = None


@dataclass(frozen=True)
class Window:
    """When a timer may fire (monotonic s). armed: since when it runs."""

    armed: float
    lo: float
    hi: float

    def __str__(self) -> str:
        return f"{self.lo - self.armed:.3f}..{self.hi - self.armed:.3f} s after the timer was set"

    def meets(self, span: Between, room: float) -> bool:
        """Can it have fired in that span, give or take `room` (s)?"""
        return self.lo - room <= span[1] and span[0] <= self.hi + room


class Disagrees(Exception):
    """what, predicted, came: as in Disagreement."""

    def __init__(self, what: str, predicted: str, came: str) -> None:
        super().__init__(what, predicted, came)
        self.what, self.predicted, self.came = what, predicted, came


class Cut(Exception):
    """The trace cannot be followed further."""

    def __init__(self, why: str, by_chance: bool = False) -> None:
        super().__init__(why)
        self.why, self.by_chance = why, by_chance


class Player:
    """One side of one trace, once. wait: timers of more than LONG too. boot: another machine, in a namespace of its
    own, for a host that crashes."""

    def __init__(self, trace: Trace, side: Side, wire: Wire, wait: bool, boot: Callable[[], Wire]) -> None:
        self.trace, self.side, self.wire, self.wait, self.boot = trace, side, wire, wait, boot
        self.acts = acts(trace, side)
        self.at = 0  # the act under way
        self.played = Played(len(self.acts))
        self.hosts = {host.name: f"10.9.0.{i + 2}" for i, host in enumerate(trace.hosts)}
        self.sockets = Sockets(self.translate)
        self.numbers: dict[Pair, Numbers] = {}
        self.states: dict[Pair, str] = {}  # as predicted after the last act
        kernel = next(host.kernel for host in trace.hosts if host.name == side.host)
        self.tick = profile_for(kernel)[0].constants["ts_tick_ns"] // MILLISECOND
        self.base = 0.0  # monotonic s of the trace's 0
        self.moments: list[tuple[int, float, float]] = []  # of each act: trace ns, monotonic s before and after
        self.lag = 0.0  # s by which an act came too late, at most

    def play(self) -> Played:
        """Unplayable when the trace asks for something that cannot be done here."""
        self.base = time.monotonic() - (self.acts[0].step.time_ns / 1e9 if self.acts else 0)
        try:
            for self.at, act in enumerate(self.acts):  # noqa: B020
                self.timer(act) if act.step.event == "timer" else self.act(act)
                self.played.done += 1
        except Disagrees as e:
            step = act.step
            stimulus = f"in: {said(step.segment)}" if step.segment else step.text
            self.played.disagreement = Disagreement(step.index, e.what, stimulus, e.predicted, act.rule, e.came)
        except Cut as cut:
            self.played.cut, self.played.by_chance = cut.why, cut.by_chance
        finally:
            self.sockets.close_all()
        return self.played

    # ---- calls and segments

    def act(self, act: Act) -> None:
        self.sleep_until(self.base + act.step.time_ns / 1e9)
        before = time.monotonic()
        made: calls.Made = None
        if act.step.event == "receive" and act.step.segment is not None:
            self.inject(act.step.segment)
        elif act.step.event == "call":
            made = calls.make(self, act)
        after = time.monotonic()
        self.moments.append((act.step.time_ns, before, after))
        if act.step.text != "crash":
            self.lag = max(self.lag, after - before)
        if made is not None and made[0] != made[1]:
            self.cut_if_busy()
            raise Disagrees("call", made[0] or "ok", made[1] or "ok")
        self.replies(act, before, list(act.sends))
        self.check_states(act)

    def crash(self) -> None:
        """The device goes first, so that nothing more is sent; the machine that boots later is there at once, idle. Of
        its timestamp clock nothing is known."""
        before = time.monotonic()
        self.wire.close()
        self.sockets.close_all()
        self.wire, self.sockets = self.boot(), Sockets(self.translate)
        for numbers in self.numbers.values():
            numbers.first = None
            numbers.stamps.clear()
        self.base += time.monotonic() - before

    def inject(self, seg: Segment) -> None:
        """A peer's segment, its acknowledgement and TSecr in the kernel's numbers."""
        numbers = self.of(got_on(seg))
        packet = Packet(flag_bits(seg.flags), seg.seq, numbers.real(seg.ack), seg.length, window_field(seg))
        if seg.tsval is not None:
            echo = numbers.echo(seg.tsecr or 0) if "." in seg.flags else seg.tsecr or 0  # RFC 7323 3.2: only with ACK
            packet.ts = (seg.tsval, echo)
        packet.mss, packet.sack_ok = seg.mss, seg.sack_ok
        packet.wscale = seg.wscale if "S" in seg.flags else None
        if seg.sack is not None:
            packet.sack = ((numbers.real(seg.sack[0]), numbers.real(seg.sack[1])),)
        self.wire.send(packet, (self.hosts[seg.src], seg.sport), seg.dport)
        self.played.injected += 1

    def sleep_until(self, due: float) -> None:
        """Meanwhile nothing may come."""
        self.not_too_long(due)
        while True:
            for arrival in self.wire.take_all():
                self.unexpected(arrival, "nothing")
            now = time.monotonic()
            if now >= due:
                break
            self.wire.wait_for_packet(due)
        self.base += now - due
        self.lag = max(self.lag, now - due)

    def not_too_long(self, until: float) -> None:
        left = until - time.monotonic()
        if left > LONG and not self.wait:
            raise Cut(f"the next step is {left:.1f} s away (--wait waits for it)")

    # ---- what comes

    def replies(self, act: Act, before: float, left: list[Segment]) -> None:
        """Exactly these and nothing else; in order on each connection."""
        deadline = time.monotonic() + GRACE
        arrivals = self.wire.take_all()
        while left or arrivals:
            if not arrivals and not self.wire.wait_for_packet(deadline):
                raise Disagrees("packet", said(left[0]), "nothing")
            for arrival in arrivals:
                self.reply(act, arrival, left, before)
            arrivals = self.wire.take_all()

    def reply(self, act: Act, arrival: Arrival, left: list[Segment], before: float) -> None:
        pair = self.pair_of(arrival)
        predicted = next((seg for seg in left if sent_on(seg) == pair), None)
        if predicted is None:
            return self.unexpected(arrival, said(left[0]) if left else "nothing more" if act.sends else "nothing")
        wrong = differs(self.of(pair), arrival.seg, predicted, act)
        if wrong:
            self.cut_if_timer(self.sent_between(arrival))
            raise Disagrees("packet", said(predicted), f"{self.told(arrival)} ({wrong})")
        delay = self.sent_between(arrival)[0] - self.moments[-1][2]
        if delay > AT_ONCE + self.wire.late:
            if act.rule != "ACK_QUICK" or delay > DELAYED_ACK + self.room:
                raise Disagrees("time", f"{said(predicted)} at once", f"it {delay:.3f} s later")
            self.base += delay
            before += delay
            self.played.delayed += 1
        left.remove(predicted)
        self.learn(act, arrival, predicted, before)
        self.played.compared += 1

    def learn(self, act: Act, arrival: Arrival, predicted: Segment, before: float) -> None:
        """The kernel's ISN, how far it has sent, and its clock."""
        numbers, seg = self.of(sent_on(predicted)), arrival.seg
        if seg.flags & SYN and numbers.known(predicted.seq) is None:
            numbers.begin(predicted.seq, seg.seq)
            if not seg.flags & ACK:
                numbers.first = None  # the trace may have chosen its TSval: what is echoed is as far from it as there
                numbers.stamps.clear()
        if not seg.flags & RST:
            numbers.sent(end_of(predicted))
        if seg.ts is None or predicted.tsval is None:
            return
        moment = middle(self.sent_between(arrival)) if act.step.event == "timer" else before
        ahead = moment - act.step.time_ns / 1e9
        off = ticks_off(numbers, seg.ts[0], predicted.tsval, ahead)
        about = numbers.first.about if numbers.first is not None else 0.0
        ticks = (COOKIE_TICKS if "COOKIE" in act.rule else TICKS) + self.tick - 1
        room = ticks + (arrival.time - before + 2 * about) * 1000
        if abs(off) > room:
            raise Disagrees("packet", said(predicted), f"{self.told(arrival)} (TSval off by {off})")
        numbers.stamps[predicted.tsval] = seg.ts[0]
        if numbers.first is None:
            about = (arrival.time - before) / 2
            numbers.first = Stamp(predicted.tsval, seg.ts[0], before + about, about, ahead)

    def unexpected(self, arrival: Arrival, predicted: str) -> None:
        """The trace does not have this here: a disagreement, unless one of the host's timers was only early."""
        self.cut_if_timer(self.sent_between(arrival), 0)
        act, seg = self.acts[self.at], arrival.seg
        acks = (
            act.step.segment is not None and seg.flags == ACK and not seg.length and seg.ack == end_of(act.step.segment)
        )
        if acks and act.rule == "ACK_DELAYED" and predicted == "nothing":
            raise Cut("the kernel sends an ACK at once that the trace delays, which the model leaves open")
        raise Disagrees("packet", predicted, self.told(arrival))

    def cut_if_timer(self, span: Between, least: float = AT_ONCE) -> None:
        """Cut when a timer of the host that the trace lets fire later may have fired then. least: of the timers that
        are meant, the least delay (s)."""
        for timer in [timer for act in self.acts[self.at : self.at + 2] for timer in act.step.due]:
            if timer.lo_ns >= least * 1e9 and self.window(timer).meets(span, self.room):
                raise Cut("a timer of the kernel fired within its window, but before what the trace has first", True)

    def cut_if_busy(self) -> None:
        """Calls and states do not say when something changed: all the time that was lost here is suspect."""
        if max(self.wire.late, self.lag) > BUSY:
            self.cut_if_timer((self.moments[-1][1], time.monotonic()))

    def sent_between(self, arrival: Arrival) -> Between:
        """When it was sent: by its timestamp, whose clock is ours but for an offset; else when it was not yet there and
        when it was read."""
        first = self.of(self.pair_of(arrival)).first
        span = (arrival.since, arrival.time)
        if arrival.seg.ts is None or first is None:
            return span
        sent, about = first.at(arrival.seg.ts[0]), first.about + 0.001
        lo, hi = max(span[0], sent - about), min(span[1], sent + about)
        return (lo, hi) if lo <= hi else span

    # ---- timers

    @property
    def room(self) -> float:
        """By how much a timer may miss its window (s). Who answers late lengthens the round trip that the kernel
        measures, and its timeouts by up to four times that."""
        return LATE + self.wire.late + 4 * self.lag

    def window(self, timer: Armed) -> Window:
        played = next((m for m in reversed(self.moments) if m[0] <= timer.since_ns), None)
        at, before, after = played or (timer.since_ns, self.base, self.base)
        since = (timer.since_ns - at) / 1e9
        return Window(before + since, before + since + timer.lo_ns / 1e9, after + since + timer.hi_ns / 1e9)

    def timer(self, act: Act) -> None:
        if act.step.armed is None:
            raise Cut("the spec keeps no time: nothing says when a timer fires")
        window = self.window(act.step.armed)
        changed = [(pair, state) for pair, state in act.expected if self.states.get(pair, CLOSED) != state]
        if act.sends:
            self.timer_sends(act, window)
        elif changed:
            self.fired(act, self.timer_changes(act, window, *changed[0]))
        else:
            return  # nothing shows that it has fired
        self.check_states(act)

    def fired(self, act: Act, moment: float) -> None:
        """From here on the trace's times count from this moment."""
        self.base = moment - act.step.time_ns / 1e9
        self.moments.append((act.step.time_ns, moment, moment + 0.001))

    def timer_sends(self, act: Act, window: Window) -> None:
        self.not_too_long(window.lo)
        arrivals = self.wire.take_all()
        while not arrivals:
            if not self.wire.wait_for_packet(window.hi + GRACE + self.room):
                raise Disagrees("packet", f"{said(act.sends[0])} {window}", "nothing")
            arrivals = self.wire.take_all()
        first, predicted = arrivals[0], act.sends[0]
        if self.pair_of(first) != sent_on(predicted) or differs(self.of(sent_on(predicted)), first.seg, predicted, act):
            self.unexpected(first, f"{said(predicted)} {window}")
        span = self.sent_between(first)
        if not window.meets(span, self.room):
            raise Disagrees("time", f"{said(predicted)} {window}", f"it {middle(span) - window.armed:.3f} s after that")
        self.fired(act, middle(span))
        left = list(act.sends)
        for arrival in arrivals:
            self.reply(act, arrival, left, span[0])
        self.replies(act, span[0], left)

    def timer_changes(self, act: Act, window: Window, pair: Pair, state: str) -> float:
        """A timer that sends nothing but changes a state; -> when (monotonic s). What it does may depend on when."""
        self.not_too_long(window.lo)
        due = self.base + act.step.time_ns / 1e9
        words = f"{name(pair)} {state} {window}"
        while True:
            for arrival in self.wire.take_all():
                span = self.sent_between(arrival)
                if window.meets(span, self.room) and middle(span) < due - LATE:
                    raise Cut("the kernel's timer fired within its window, but earlier than in the trace", True)
                self.unexpected(arrival, "nothing")
            now, found = time.monotonic(), self.state(pair)
            if found == state:
                break
            if now > window.hi + GRACE + self.room:
                raise Disagrees("state", words, found)
            self.wire.wait_for_packet(max(now + 0.001, min(window.lo - LATE, now + 0.25)))
        if now < window.lo - self.room:
            raise Disagrees("time", words, f"{state} {now - window.armed:.3f} s after that")
        return now

    # ---- states

    def state(self, pair: Pair) -> str:
        diag = self.wire.ask((self.hosts[pair.peer], pair.peer_port), pair.port)
        return CLOSED if diag is None else STATES.get(diag.state, diag.state.replace("_", "-"))

    def check_states(self, act: Act) -> None:
        for pair, state in act.expected:
            end = time.monotonic() + SETTLE + self.wire.late
            while (found := self.state(pair)) != state and time.monotonic() < end:
                time.sleep(0.001)
            if found != state:
                self.cut_if_busy()
                raise Disagrees("state", f"{name(pair)} {state}", found)
            self.played.states += 1
        self.states = dict(act.expected)

    # ---- names and addresses

    def translate(self, chain: str, flag: str, address: str) -> str:
        """An address of the trace in an iptables rule. Where a host talks to itself its one address is both ends'."""
        host = next((h.name for h in self.trace.hosts if h.address == address), None)
        if host is None:
            raise Unplayable(f"an iptables rule names {address}, which is no host of the trace")
        mine = host == self.side.host and (self.side.ports is None or (chain == "INPUT") == (flag == "-d"))
        return KERNEL if mine else self.hosts[host]

    def of(self, pair: Pair) -> Numbers:
        return self.numbers.setdefault(pair, Numbers(tick=self.tick))

    def pair_of(self, arrival: Arrival) -> Pair:
        host = next((name for name, address in self.hosts.items() if address == arrival.peer[0]), arrival.peer[0])
        return Pair(arrival.port, host, arrival.peer[1])

    def told(self, arrival: Arrival) -> str:
        return told(self.of(self.pair_of(arrival)), arrival.seg)


def name(pair: Pair) -> str:
    return f":{pair.port} to {pair.peer}:{pair.peer_port}"


def middle(span: Between) -> float:
    return (span[0] + span[1]) / 2
