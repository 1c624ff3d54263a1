"""A router's side of a trace on the running kernel: what comes to it is given to a kernel with the trace's nat rules,
and what it forwards must be what the trace says, port by port.

The kernel has one TUN device for each side and routes between them. Ports that it draws are its own: one that the trace
does not keep may be any other, and is told apart from then on.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shlex
import socket
import struct
import subprocess
import time
from dataclasses import dataclass, field

from tcpcheck.lang import conntrack
from tcpcheck.live.namespace import sysctl, tun
from tcpcheck.live.packet import PSH, decode, encode, flag_bits, flag_text
from tcpcheck.live.packet import Segment as Packet
from tcpcheck.live.part import Side, Unplayable
from tcpcheck.live.player import LONG, Disagreement, Played
from tcpcheck.render.vantage import sender
from tcpcheck.witness.trace import HostInfo, Segment, Step, Trace

# As lang/firewall.py writes them: nothing else is handed to iptables.
_WORD = r"(?: (?:-[psdmj]|--[a-z-]+|[A-Za-z0-9.:,-]+))*"
_RULE = re.compile(rf"(?:INPUT|OUTPUT|FORWARD|PREROUTING|POSTROUTING){_WORD}")
_SIOCADDRT = 0x890B
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8916, 0x891C, 0x8913, 0x8914
_IFF_UP, _RTF_UP, _RTF_HOST = 1, 1, 4
PATIENCE = 0.050  # s more (or less) than the trace waits where it waits for long: what it tells may hang on a jiffy
FEW = 0.5  # s: a shorter pause is of no account to connection tracking

Flow = tuple[tuple[str, int], tuple[str, int]]


@dataclass
class Came:
    """A step at which a segment comes to the router, and what leaves it then."""

    step: Step
    sends: list[Segment] = field(default_factory=list)


def came(trace: Trace, router: str) -> list[Came]:
    found: list[Came] = []
    for step in trace.steps:
        if step.host != router or step.segment is None:
            continue
        if step.event in ("receive", "drop") and step.text != "OUTPUT":
            found.append(Came(step))
        elif step.event in ("send", "lose") and found:
            found[-1].sends.append(step.segment)
    return found


class Machine:
    """The namespace of this process as the router of a trace: one device for each side."""

    def __init__(self, trace: Trace, host: HostInfo) -> None:
        self.address = host.address
        self.inside = {h.address for h in trace.hosts if h.name in host.inside}
        self.devices = {name: tun(name) for name in ("inside", "outside")}
        try:
            for name in self.devices:
                self._up(name)
            for other in trace.hosts:
                if other.name != host.name:
                    _add_route(other.address, self.side_of(other.address))
            sysctl("net.ipv4.ip_forward", 1)
            for name in ("all", *self.devices):
                sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
            for name, value in host.sysctls.items():
                if name.removeprefix(conntrack.PREFIX) in conntrack.SYSCTLS:
                    sysctl(name, value)
        except OSError as error:
            raise Unplayable(f"a router cannot be set up here ({error.strerror})") from None
        for table, rules in (("nat", host.nat), ("filter", host.firewall)):
            for rule in rules:
                _iptables(table, rule)

    def close(self) -> None:
        for device in self.devices.values():
            os.close(device)

    def side_of(self, address: str) -> str:
        return "inside" if address in self.inside else "outside"

    def _up(self, name: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for call, address in ((_SIOCSIFADDR, self.address), (_SIOCSIFNETMASK, "255.255.255.255")):
                where = struct.pack("16sHH4s8x", name.encode(), socket.AF_INET, 0, socket.inet_aton(address))
                fcntl.ioctl(control, call, where)
            flags = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16s24x", name.encode()))
            up = struct.unpack("16sH22x", flags)[1] | _IFF_UP
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), up))

    def pass_on(self, data: bytes, side: str) -> list[tuple[str, Packet, Flow]]:
        """A packet comes from one side; what leaves at once, and on which side."""
        os.write(self.devices[side], data)
        found = []
        for name, device in self.devices.items():
            while True:
                try:
                    packet = decode(os.read(device, 65536))
                except BlockingIOError:
                    break
                if packet is not None:
                    found.append((name, packet[0], packet[1:]))
        return found


def _add_route(address: str, device: str) -> None:
    """`ip route add ADDRESS/32 dev DEVICE` (struct rtentry)."""
    name = ctypes.create_string_buffer(device.encode())
    to, none = (struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(a)) for a in (address, "0.0.0.0"))
    mask = struct.pack("HH4s8x", socket.AF_INET, 0, b"\xff" * 4)
    entry = struct.pack("@L16s16s16sHhLPhPLLH", 0, to, none, mask, _RTF_UP | _RTF_HOST, 0, 0, 0, 0,
                        ctypes.addressof(name), 0, 0, 0)  # fmt: skip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCADDRT, entry)


def _iptables(table: str, rule: str) -> None:
    if not _RULE.fullmatch(rule):
        raise Unplayable(f"iptables -t {table} -A {rule[:80]}: not a rule that tcpcheck writes")
    environment = {**os.environ, "XTABLES_LOCKFILE": "/dev/null"}  # the lock of the machine's own iptables
    command = ["iptables", "-t", table, "-A", *shlex.split(rule)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except FileNotFoundError:
        raise Unplayable("the trace needs iptables, which is not installed") from None
    if done.returncode:
        raise Unplayable(f"iptables refuses the rule here: {' '.join(done.stderr.split())[:200]}")


class Routing:
    """One play. patience: by how much long waits are longer (s). ports: of the trace's router, and what the kernel
    chose in their place."""

    def __init__(self, trace: Trace, host: HostInfo, machine: Machine, wait: bool, patience: float) -> None:
        self.trace, self.host, self.machine, self.wait, self.patience = trace, host, machine, wait, patience
        self.acts = came(trace, host.name)
        self.played = Played(len(self.acts))
        self.ports: dict[int, int] = {}

    def play(self) -> Played:
        moved = time.monotonic() - (self.acts[0].step.time_ns / 1e9 if self.acts else 0)
        last = 0.0
        for act in self.acts:
            due = act.step.time_ns / 1e9
            if self.played.done and due - last > FEW:
                if due - last > LONG and not self.wait:
                    self.played.cut = f"the next step is {due - last:.1f} s away (--wait waits for it)"
                    break
                moved += self.patience
            time.sleep(max(0.0, moved + due - time.monotonic()))
            last = due
            came = self.give(act)
            predicted = [self.told(seg, self._flow(seg)) for seg in act.sends]
            if came != predicted:
                said = act.step.segment
                assert said is not None
                stimulus = f"in: {self.told(said, self._flow(said))}"
                shown = (", ".join(side) or "nothing" for side in (predicted, came))
                self.played.disagreement = Disagreement(
                    act.step.index, "packet", stimulus, next(shown), "", next(shown)
                )
                break
            self.played.done += 1
            self.played.compared += len(predicted)
        return self.played

    def give(self, act: Came) -> list[str]:
        """The segment of this act to the kernel; what comes of it, in the trace's ports."""
        seg = act.step.segment
        assert seg is not None
        by = next(h.address for h in self.trace.hosts if h.name == sender(self.trace, seg))
        (src, sport), (dst, dport) = self._flow(seg)
        dport = self.ports.get(dport, dport) if dst == self.host.address else dport
        packet = Packet(flag_bits(seg.flags), seg.seq, seg.ack, seg.length, min(seg.window, 0xFFFF))
        packet.ts = (seg.tsval, seg.tsecr or 0) if seg.tsval is not None else None
        packet.mss, packet.sack_ok = seg.mss, seg.sack_ok
        packet.sack = (seg.sack,) if seg.sack else ()
        self.played.injected += 1
        left = self.machine.pass_on(encode(packet, src, sport, dst, dport), self.machine.side_of(by))
        return [self._heard(act, seg, out, flow) for _, out, flow in left]

    def _heard(self, act: Came, seg: Segment, out: Packet, flow: Flow) -> str:
        (src, sport), to = flow
        if src == self.host.address:
            sport = self._own_port(act, seg, sport)
        return told_packet(out, ((src, sport), to))

    def _own_port(self, act: Came, seg: Segment, real: int) -> int:
        """The trace's port for one of the kernel's. Where the trace has drawn another port, so may the kernel."""
        known = {value: key for key, value in self.ports.items()}
        drawn = act.sends[0].sport if act.sends else real
        if real not in known and drawn not in self.ports and drawn != seg.sport and real != seg.sport:
            self.ports[drawn] = real
            return drawn
        return known.get(real, real)

    def told(self, seg: Segment, flow: Flow) -> str:
        packet = Packet(flag_bits(seg.flags), seg.seq, seg.ack, seg.length)
        packet.ts = (seg.tsval, seg.tsecr or 0) if seg.tsval is not None else None
        return told_packet(packet, flow)

    @staticmethod
    def _flow(seg: Segment) -> Flow:
        return (seg.src_addr, seg.sport), (seg.dst_addr, seg.dport)


def told_packet(p: Packet, flow: Flow) -> str:
    """A segment with both ends: `10.0.0.4:12345 > 10.0.0.1:80 [S] seq 5`."""
    (src, sport), (dst, dport) = flow
    words = f"{src}:{sport} > {dst}:{dport} [{flag_text(p.flags & ~PSH)}] seq {p.seq}"
    words += f" ack {p.ack}" if p.flags & 16 else ""
    words += f" len {p.length}" if p.length else ""
    return words + (f" TS {p.ts[0]} ecr {p.ts[1]}" if p.ts is not None else "")


def play_router(trace: Trace, side: Side, wait: bool, early: bool) -> Played:
    """In a fresh namespace of this process. early: what is waited for long comes a little too soon, not
    a little late: a trace may show the last moment at which a connection is remembered, or the first at which not.
    """
    host = next(h for h in trace.hosts if h.name == side.host)
    if any(step.event == "call" and step.host == host.name for step in trace.steps):
        raise Unplayable("a router with a run of its own")
    machine = Machine(trace, host)
    try:
        return Routing(trace, host, machine, wait, -PATIENCE if early else PATIENCE).play()
    finally:
        machine.close()
