"""One side of a trace as a packetdrill script: the kernel under test is one host, the script is all the others.

What packetdrill can do sets the limits; a script that would meet one of them says so in a comment and ends there, or
UsageError is raised:

* It knows one connection at a time: a host that uses several 4-tuples, or that talks to itself, has no script.
* Numbers of segments with SYN are absolute, all others count from the first ISNs of the connection as packetdrill
  knows it. The kernel chooses its own ISNs, so outbound numbers count from 0. A new incarnation that the kernel
  accepts on the same 4-tuple can be followed only if its ISN derives from the old numbers (Linux: out of TIME-WAIT);
  one from the ISN clock is different in each run. A second accept() gets no descriptor once the first one's is closed.
* `connect ... (seq any)` cannot be forced upon the kernel; a segment whose payload crosses 2^32 has no spelling.
* What the host's own OUTPUT chain drops is never seen, and INPUT drops happen behind packetdrill's back.
* Loss recovery: what SACK shows to be missing is sent again within milliseconds (RACK), which the model leaves to the
  timers (docs/protocol-limits.md).
* Windows and the exact ticks of timestamps are not compared. When things happen: `Pace` in packetdrill_lines.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from tcpcheck.errors import UsageError
from tcpcheck.render.packetdrill_lines import Numbers, Pace, segment_text
from tcpcheck.render.vantage import drop_chain
from tcpcheck.render.wire import flag_bits, window_field
from tcpcheck.render.words import COVER, printable, regenerate, settings_text
from tcpcheck.witness.trace import Change, HostInfo, Segment, Step, Trace

HOST_ADDRESS, PEER_ADDRESS = "192.168.0.1", "192.0.2.1"  # packetdrill's own choice
TIME_WAIT_ISN_STEP = 65537  # Linux: the ISN of a connection accepted in TIME-WAIT, counted from the old SND.NXT
TOLERANCE_US = 10_000
IP_TCP_BYTES = 40  # headers without options
RMEM = 131072  # bytes: what a socket begins with

ERRNO_NOTES = {
    "EADDRNOTAVAIL": "Cannot assign requested address",
    "EAGAIN": "Resource temporarily unavailable",
    "ECONNREFUSED": "Connection refused",
    "ECONNRESET": "Connection reset by peer",
    "EINPROGRESS": "Operation now in progress",
    "ENOTCONN": "Transport endpoint is not connected",
    "EPIPE": "Broken pipe",
    "ETIMEDOUT": "Connection timed out",
}

# states as `ss` prints them (and as specs spell them) to the names packetdrill's assertions know
TCPI_STATES = {
    "ESTAB": "TCP_ESTABLISHED",
    "ESTABLISHED": "TCP_ESTABLISHED",
    "SYN-SENT": "TCP_SYN_SENT",
    "SYN-RECV": "TCP_SYN_RECV",
    "FIN-WAIT-1": "TCP_FIN_WAIT1",
    "FIN-WAIT-2": "TCP_FIN_WAIT2",
    "CLOSE-WAIT": "TCP_CLOSE_WAIT",
    "LAST-ACK": "TCP_LAST_ACK",
    "CLOSING": "TCP_CLOSING",
}

REPAIRS = ("retransmission timer", "tail loss probe")

_AT_RATE = re.compile(r"send .* at ")
_SYSCTL = re.compile(r"net\.ipv4\.[a-z0-9_]+")
_SCALE = re.compile(r",nop,wscale \d+")
_IPTABLES = re.compile(r"iptables( [A-Za-z0-9./:,_-]+)+")
_UNITS = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def packetdrill(trace: Trace, host: str, sysctls: Mapping[str, int] | None = None, settings: Sequence[str] = ()) -> str:
    """The script for `host`. sysctls: full names, set before those that the spec and the trace's settings name.
    settings: `NAME=V1,V2` that took the place of the spec's own.

    Raises UsageError when the host is unknown or its part cannot be played by packetdrill at all.
    """
    return played(trace, host, sysctls, settings)[0]


def played(
    trace: Trace, host: str, sysctls: Mapping[str, int] | None = None, settings: Sequence[str] = ()
) -> tuple[str, str]:
    """The script, and why it ends before the trace does; "": it does not."""
    _check(trace, host)
    script = _Script(trace, host)
    for step in trace.steps:
        if step.host == host and not script.ended:
            script.step(step)
    script.flush_asserts()
    own = f"{host}.net.ipv4."
    values: dict[str, int | str] = {**(sysctls or {}), **_info(trace, host).sysctls}
    values |= {name[len(host) + 1 :]: value for name, value in trace.settings.items() if name.startswith(own)}
    return "\n".join([*_header(trace, host, settings), *_setup(script, values), *script.lines]) + "\n", script.ended


def _info(trace: Trace, host: str) -> HostInfo:
    return next(known for known in trace.hosts if known.name == host)


def _check(trace: Trace, host: str) -> None:
    if host not in {known.name for known in trace.hosts}:
        raise UsageError(f"no host {host!r}: choose one of {', '.join(known.name for known in trace.hosts)}")
    if not next(known for known in trace.hosts if known.name == host).has_tcp:
        raise UsageError(f"{host} has no TCP: there is nothing of a kernel to play")
    if any(step.event == "call" and _AT_RATE.match(step.text) for step in trace.steps):
        raise UsageError("bytes are sent at a rate, and packetdrill wants to see each segment of them")
    tuples = set()
    for step in trace.steps:
        segment = step.segment
        if segment is None or step.host != host:
            continue
        if segment.src_addr == segment.dst_addr:
            raise UsageError(f"{host} talks to itself: packetdrill plays one side of a connection only")
        ends = ((segment.src_addr, segment.sport), (segment.dst_addr, segment.dport))
        tuples.add(frozenset(ends))
    if len(tuples) > 1:
        raise UsageError(f"{host} uses {len(tuples)} pairs of endpoints: packetdrill plays one connection at a time")


def _header(trace: Trace, host: str, overridden: Sequence[str]) -> list[str]:
    settings = settings_text(trace.settings)
    values = ", ".join(f"{name} = {value}" for name, value in trace.values.items())
    of_claim = f"when `{trace.kind} {trace.claim}` is {trace.verdict}"
    when = f"on the way to {trace.claim}" if trace.kind == COVER else of_claim
    sets = [part for setting in overridden for part in ("--set", setting)]
    lines = [
        f"{trace.title}: what {host} does {when}",
        f"regenerate: {regenerate(trace, *sets, '--format', 'packetdrill', '--host', host)}",
        f"kernel: {' '.join([_info(trace, host).kernel, *_info(trace, host).features])}",
        f"settings: {settings}" if settings else "",
        f"found: {values}" if values else "",
        trace.note,
    ]
    return [f"// {printable(line)}" for line in lines if line]


def _scale(script: _Script) -> int:
    """The window scale that the host offers: it follows from the maximum of tcp_rmem (tcp_select_initial_window)."""
    mine = (s.segment for s in script.trace.steps if s.segment is not None and s.segment.src == script.host)
    return next((s.wscale for s in mine if "S" in s.flags and s.wscale is not None), 0)


def _setup(script: _Script, sysctls: Mapping[str, int | str]) -> list[str]:
    """Options of packetdrill, then one command that sets the sysctls (names and numbers only: a shell runs it)."""
    lines = [f"--tolerance_usecs={TOLERANCE_US}", "--tcp_ts_ecr_scaled"]
    mss = _info(script.trace, script.host).mss
    lines += [] if mss is None else [f"--mtu={mss + IP_TCP_BYTES}"]
    lines += [] if script.bind_port is None else [f"--bind_port={script.bind_port}"]
    lines += [] if script.connect_port is None else [f"--connect_port={script.connect_port}"]
    commands = [f'sysctl -q net.ipv4.tcp_rmem="4096 {RMEM} {max(RMEM, 1 << _scale(script) + 15)}"']
    for name, value in sysctls.items():
        if _SYSCTL.fullmatch(name) and isinstance(value, int):
            commands.append(f"sysctl -q {name}={value}")
        else:
            lines.append(f"// not set: {printable(name)} = {printable(str(value))}")
    for rule in _info(script.trace, script.host).firewall:
        command = script.own_addresses(f"iptables -A {rule}")
        if _IPTABLES.fullmatch(command):
            commands.append(command)
        else:
            lines.append(f"// not set: {printable(command)}")
    return ["", *lines, "", "`" + "\n".join(commands) + "`", ""]


class _Script:
    """The lines of a script as the steps of the host go by."""

    def __init__(self, trace: Trace, host: str) -> None:
        self.trace = trace
        self.host = host
        self.lines: list[str] = []
        self.ended = ""  # why
        self.bind_port: int | None = None
        self.connect_port: int | None = None
        self.pace = Pace()
        self.timer: Step | None = None  # that fired last, until something else happens
        self.numbers: Numbers | None = None
        self.active = False  # the connection under test was opened by connect()
        self.fds: dict[str, int] = {}
        self.listener: int | None = None
        self.fd_next = 3
        self.unread = 0
        self.partial: dict[str, int] = {}  # bytes that a `recv` has taken so far
        self.asserts: list[str] = []
        self.received: set[tuple[int, int]] = set()
        self.hole = False  # the peer has told of text that it has, behind text that it lacks
        self.rules: tuple[str, ...] = ()  # of the latest step that took some: what is sent then is sent by these
        self.listener_run = ""  # whose exit closes it
        self.accepted_closed = False

    # ---- lines

    def line(self, time_ns: int, text: str) -> None:
        """A line at a moment of the trace, as an offset from the line before."""
        self.flush_asserts()
        self.lines.append(f"{self.pace.line(time_ns)} {text}")

    def comment(self, text: str) -> None:
        self.flush_asserts()
        self.lines.append(f"// {printable(text)}")

    def end(self, why: str) -> None:
        self.comment(f"The script ends here: {why}")
        self.ended = why

    def flush_asserts(self) -> None:
        self.lines += self.asserts
        self.asserts = []

    # ---- steps

    def step(self, step: Step) -> None:
        self.rules = step.rules or (self.rules if step.event in ("send", "lose") else ())
        if step.event == "call":
            self.call(step)
        elif step.event == "timer":
            self.fires(step)
        elif step.segment is not None and step.event in ("send", "lose"):  # lost on its way
            self.outbound(step, step.segment)
        elif step.segment is not None and step.event in ("receive", "drop"):
            if step.event == "drop" and drop_chain(self.trace, step) == "OUTPUT":
                return
            self.inbound(step, step.segment)
        if not self.ended:
            self.after(step)

    def fires(self, step: Step) -> None:
        self.comment(f"timer: {step.text}")
        self.timer = step
        if self.hole and step.text.startswith(REPAIRS):
            self.end("the kernel repairs a hole that SACK shows sooner than by this timer")
        elif step.armed is not None and not self._sends_now(step):
            self.pace.silent(step.time_ns, step.armed)

    def _sends_now(self, timer: Step) -> bool:
        """Does what the timer does begin with a segment?"""
        for step in self.trace.steps[timer.index + 1 :]:
            if step.host == self.host and step.time_ns == timer.time_ns and step.event in ("send", "lose"):
                return True
            if (step.host == self.host and step.event in ("call", "timer", "receive")) or step.time_ns != timer.time_ns:
                return False
        return False

    def inbound(self, step: Step, segment: Segment) -> None:
        if self.numbers is None:
            if flag_bits(segment.flags) & 0b10110 != 0b00010:
                return self.end("the first segment of a connection is no SYN, packetdrill cannot count from it")
            self.numbers = Numbers(segment.seq)
        elif self.active and self.numbers.remote == 0 and "S" in segment.flags and "." in segment.flags:
            self.numbers.remote = segment.seq
        said = segment_text(self.numbers.inbound(segment), f" win {window_field(segment)}")
        if said is None:
            return self.end("a payload crosses 2^32")
        if step.event == "drop":
            self.comment("the host's own INPUT chain drops the next segment")
        self.line(step.time_ns, f"< {said}")
        if "." in segment.flags:
            self.hole = segment.sack is not None and 0 < (segment.sack[0] - segment.ack) % 2**32 < 2**31
        if segment.length and (segment.seq, segment.length) not in self.received:
            self.received.add((segment.seq, segment.length))
            self.unread += segment.length

    def outbound(self, step: Step, segment: Segment) -> None:
        if self._refused(segment):
            return self.comment(f"the host's own OUTPUT chain drops [{segment.flags}] seq {segment.seq}")
        if self.numbers is None:
            return self.end("the host sends before packetdrill knows of a connection")
        numbers = self.numbers
        if "S" in segment.flags:
            if numbers.local is None:
                numbers.local = segment.seq
            elif segment.seq not in (numbers.local, (numbers.local_next + TIME_WAIT_ISN_STEP) % 2**32):
                return self.end("the kernel takes a new ISN from its clock, which packetdrill cannot follow")
        if segment.flags == "R." and segment.seq == 0 and numbers.local:
            return self.end("a RST with sequence number 0, which lies elsewhere from the kernel's own ISN each time")
        said = segment_text(numbers.outbound(segment), "")
        if said is None:
            return self.end("a payload crosses 2^32")
        if "LISTEN_COOKIE_SENT" in self.rules and segment.tsval is None:
            said = _SCALE.sub("", said)  # a cookie has no room for it but in a timestamp
        if "DATA_OUT_OF_ORDER_AGAIN" in self.rules and segment.sack is not None:
            block = said[said.index("sack ") + 5 : -1]
            said = f"{said[:-1]} {block}>"  # a D-SACK, and the same once more as what is out of order
        fired = self.timer is not None and self.timer.time_ns == step.time_ns
        when = self.pace.sent(step.time_ns, self.timer.armed if fired and self.timer else None)
        self.timer = None
        self.lines.append(f"{when} > {said}")
        numbers.local_next = segment.seq + segment.length + sum(letter in "SF" for letter in segment.flags)

    def _refused(self, segment: Segment) -> bool:
        return any(
            step.event == "drop" and step.segment == segment and drop_chain(self.trace, step) == "OUTPUT"
            for step in self.trace.steps
        )

    def after(self, step: Step) -> None:
        """States that the test can see, and errors that a call got without being called."""
        for change in step.changes:
            name = _own_name(change, self.host)
            if name not in self.fds:
                continue
            if change.what == "state" and change.after in TCPI_STATES:
                state = TCPI_STATES[change.after]
                self.asserts.append(f"+0 %{{ assert tcpi_state == {state}, tcpi_state }}%")
            elif change.what == "gets" and step.event != "call" and change.after in ERRNO_NOTES:
                fd, error = self.fds.pop(name), change.after
                self.line(step.time_ns, f"getsockopt({fd}, SOL_SOCKET, SO_ERROR, [{error}], [4]) = 0")

    # ---- calls

    def call(self, step: Step) -> None:
        got = _gets(step)
        text = step.text.partition(f" = {got}")[0] if got else step.text
        for pattern, play in _CALLS:
            found = pattern.match(text)
            if found:
                play(self, step, found)
                break
        else:
            self.comment(step.text)
        if step.text.endswith("; exit") and not self.ended:
            self.close_changed(step)

    def result(self, step: Step, name: str, expected: str) -> str:
        """What the trace says the call got: an error, or a number of bytes; else what was expected."""
        got = _gets(step)
        if got in ERRNO_NOTES and (not name or any(_own_name(c, self.host) == name for c in step.changes)):
            return f"-1 {got} ({ERRNO_NOTES[got]})"
        if got.endswith(" bytes"):
            return got.removesuffix(" bytes")
        return "0" if got == "EOF" else expected

    def new_fd(self, name: str | None) -> int:
        fd, self.fd_next = self.fd_next, self.fd_next + 1
        if name is not None:
            self.fds[name] = fd
        return fd

    def socket(self, step: Step, name: str | None, port: int | None) -> int:
        fd = self.new_fd(name)
        self.line(step.time_ns, f"socket(..., SOCK_STREAM, IPPROTO_TCP) = {fd}")
        if port is not None:
            self.bind_port = port
            self.line(step.time_ns, f"setsockopt({fd}, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0")
            self.line(step.time_ns, f"bind({fd}, ..., ...) = 0")
        return fd

    def listen(self, step: Step, found: re.Match[str]) -> None:
        self.listener, self.listener_run = self.socket(step, None, int(found[1])), step.run
        self.line(step.time_ns, f"listen({self.listener}, {found[2] or 128}) = 0")

    def accept(self, step: Step, found: re.Match[str]) -> None:
        if self.listener is None:
            return self.comment(step.text)
        listener = self.listener
        self.line(step.time_ns, f"accept({listener}, ..., ...) = {self.new_fd(found[1])}")
        if self.accepted_closed:
            self.end("packetdrill has no descriptor for a second connection accepted after the first was closed")

    def connect(self, step: Step, found: re.Match[str]) -> None:
        error = _gets(step)
        if error in ERRNO_NOTES and (found[3] or "") in self.fds:  # the return of a call made before
            fd = self.fds.pop(found[3] or "")
            self.line(step.time_ns, f"getsockopt({fd}, SOL_SOCKET, SO_ERROR, [{error}], [4]) = 0")
            self.line(step.time_ns, f"close({fd}) = 0")
            return
        if "seq" in step.text:
            self.comment(f"{step.text}: the kernel's own numbers stand in for the chosen ones")
        name = found[3] or ""
        fd = self.socket(step, name, int(found[2]) if found[2] else None)
        self.connect_port = int(found[1])
        self.line(step.time_ns, f"fcntl({fd}, F_SETFL, O_RDWR|O_NONBLOCK) = 0")
        progress = f"-1 EINPROGRESS ({ERRNO_NOTES['EINPROGRESS']})"
        self.line(step.time_ns, f"connect({fd}, ..., ...) = {self.result(step, name, progress)}")
        self.numbers, self.active = Numbers(0), True

    def send(self, step: Step, found: re.Match[str]) -> None:
        size = int(found[2]) * _UNITS.get(found[3] or "", 1)
        self.on_fd(step, found[1], f"write({{fd}}, ..., {size})", str(size))

    def recv(self, step: Step, found: re.Match[str]) -> None:
        until_eof = found[2] == "until eof"
        wanted = int(found[3]) * _UNITS.get(found[4] or "", 1) if found[3] else self.unread
        if _gets(step):
            return self.received_bytes(step, found[1], wanted if found[3] else 0)
        size = min(self.unread, wanted)
        if size or not until_eof:
            self.on_fd(step, found[1], f"read({{fd}}, ..., {max(size, 1000)})", str(size))
            self.unread -= size
        if until_eof:
            self.on_fd(step, found[1], "read({fd}, ..., 1000)", "0")

    def shutdown(self, step: Step, found: re.Match[str]) -> None:
        how = {"write": "SHUT_WR", "read": "SHUT_RD", "both": "SHUT_RDWR"}[found[2]]
        self.on_fd(step, found[1], f"shutdown({{fd}}, {how})", "0")

    def setsockopt(self, step: Step, found: re.Match[str]) -> None:
        level = "SOL_SOCKET" if found[2].startswith("SO_") else "SOL_TCP"
        call = f"{level}, {found[2]}, [{found[3]}], 4)"
        if found[1].startswith(":") and self.listener is not None:
            self.line(step.time_ns, f"setsockopt({self.listener}, {call} = 0")
        else:
            self.on_fd(step, found[1], f"setsockopt({{fd}}, {call}", "0")

    def close(self, step: Step, found: re.Match[str]) -> None:
        if found[1] == "abort":
            self.on_fd(step, found[2], "setsockopt({fd}, SOL_SOCKET, SO_LINGER, {{onoff=1, linger=0}}, 8)", "0")
        self.on_fd(step, found[2], "close({fd})", "0")
        self.fds.pop(found[2], None)
        self.accepted_closed = not self.active

    def received_bytes(self, step: Step, name: str, wanted: int) -> None:
        """One call of a `recv`; of one that waits for so many bytes the trace tells how many it has by now."""
        result = self.result(step, name, "0")
        if result.isdigit() and wanted:
            total = int(result)
            result = str(total - self.partial.get(name, 0))
            self.partial[name] = total if 0 < total < wanted else 0
        if name not in self.fds:
            return self.comment(f"{step.text}: no descriptor")
        self.unread -= min(self.unread, int(result)) if result.isdigit() else 0
        size = max(wanted, 1000) if not result.isdigit() else max(wanted, int(result), 1000 if not wanted else 0)
        self.line(step.time_ns, f"read({self.fds[name]}, ..., {size}) = {result}")

    def exit(self, step: Step, _found: re.Match[str]) -> None:
        """Closes the sockets that the exit changed: the trace does not say which run of the host it was."""
        self.comment("exit")
        self.close_changed(step)

    def close_changed(self, step: Step) -> None:
        names = [_own_name(change, self.host) for change in step.changes]
        for name in dict.fromkeys(name for name in names if name in self.fds):
            self.line(step.time_ns, f"close({self.fds.pop(name)}) = 0")
            self.accepted_closed = not self.active
        if self.listener is not None and step.run == self.listener_run:
            self.line(step.time_ns, f"close({self.listener}) = 0")
            self.listener = None

    def on_fd(self, step: Step, name: str, call: str, expected: str) -> None:
        """A call on a named socket, or a comment when the script holds no descriptor of that name."""
        if name not in self.fds:
            return self.comment(f"{step.text}: no descriptor")
        said = call.format(fd=self.fds[name])
        self.line(step.time_ns, f"{said} = {self.result(step, name, expected)}")

    def sysctl(self, step: Step, found: re.Match[str]) -> None:
        self.line(step.time_ns, f"`sysctl -q {found[1]}={found[2]}`")

    def iptables(self, step: Step, _found: re.Match[str]) -> None:
        if not _IPTABLES.fullmatch(step.text):
            return self.comment(step.text)
        self.line(step.time_ns, f"`{self.own_addresses(step.text)}`")

    def own_addresses(self, text: str) -> str:
        """The addresses that packetdrill gives the host and everybody else."""
        for info in self.trace.hosts:
            address = HOST_ADDRESS if info.name == self.host else PEER_ADDRESS
            text = re.sub(rf"(?<![\w.:]){re.escape(info.address)}(?![\w.:])", address, text)
        return text

    def power(self, step: Step, _found: re.Match[str]) -> None:
        self.end(f"{step.text}: packetdrill cannot switch a kernel off")


_CALLS: tuple[tuple[re.Pattern[str], Callable[[_Script, Step, re.Match[str]], None]], ...] = (
    (re.compile(r"listen :(\d+)(?: -> \w+)?(?: backlog (\d+))?"), _Script.listen),
    (re.compile(r"accept -> (\w+)"), _Script.accept),
    (re.compile(r"connect \w+:(\d+)(?: from :(\d+))?(?:.*?-> (\w+)(?: else.*)?$)?", re.DOTALL), _Script.connect),
    (re.compile(r"send (\w+) (\d+) ?(\w*)"), _Script.send),
    (re.compile(r"recv (\w+)(?: (until eof|(\d+) ?(\w*)))?"), _Script.recv),
    (re.compile(r"shutdown (\w+) (write|read|both)"), _Script.shutdown),
    (re.compile(r"(close|abort) (\w+)"), _Script.close),
    (re.compile(r"setsockopt (:?\w+) ([A-Z]\w*) (\d+)"), _Script.setsockopt),
    (re.compile(r"exit\b"), _Script.exit),
    (re.compile(r"sysctl (net\.ipv4\.[a-z0-9_]+) ?= ?(\d+)$"), _Script.sysctl),
    (re.compile(r"iptables "), _Script.iptables),
    (re.compile(r"crash\b|boot\b"), _Script.power),
)


def _own_name(change: Change, host: str) -> str:
    """`c` for `server.c[2]` of host server; "" for another host's socket."""
    prefix, _, name = change.subject.partition(".")
    return name.partition("[")[0] if prefix == host else ""


def _gets(step: Step) -> str:
    """What a call returned, as the trace says it: an errno, `EOF`, `10 bytes`; "" when it says nothing."""
    return next((c.after for c in step.changes if c.what == "gets" and step.event == "call"), "")
