"""Single-packet mutations of a capture: each is something that the host did not do, and most are something that no
host of this kind would do.

A mutation is refused when the capture with it no longer agrees. Those that do not change behaviour are named in
test_conform_mutations.py, each with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tcpcheck.conform.judge import Side, opens
from tcpcheck.conform.packets import ACK, FIN, M32, PSH, RST, SYN, Capture, Packet

KINDS = ("ack", "seq", "tsecr", "dropped", "invented", "invented ack", "rst for ack", "ack for rst", "late")


SOON_NS = 100_000_000  # by then an answer has come


@dataclass(frozen=True)
class Mutation:
    """kind: one of KINDS. packet: number of the one that is changed. detail: +1, -1."""

    kind: str
    packet: int
    detail: str
    capture: Capture

    def __str__(self) -> str:
        return f"{self.kind}{self.detail} of packet {self.packet}"


def mutations(capture: Capture, side: Side) -> Iterator[Mutation]:
    """Every mutation of a packet that the modelled host has sent."""
    sent: dict[tuple[object, int, int], Packet] = {}
    for i, packet in enumerate(capture.packets):
        if not side.owns(packet.src):
            yield from _answered(capture, i, packet, side)
            continue
        for step, sign in ((1, "+1"), (-1, "-1")):
            if packet.flags & ACK:
                yield _with(capture, i, "ack", sign, replace(packet, ack=(packet.ack + step) & M32))
            assert packet.seq is not None
            yield _with(capture, i, "seq", sign, replace(packet, seq=(packet.seq + step) & M32))
            if packet.ts and packet.flags & ACK:
                ts = (packet.ts[0], (packet.ts[1] + step) & M32)
                yield _with(capture, i, "tsecr", sign, replace(packet, ts=ts))
        yield _changed(capture, i, "dropped", [])
        again = replace(packet, time_ns=packet.time_ns + 1000)
        yield _changed(capture, i, "invented", [packet, again])
        yield from _swapped(capture, i, packet)
        key = (packet.dst, packet.seq, packet.flags & ~PSH)
        if packet.length or packet.flags & (SYN | FIN):
            before = sent.get(key)
            if before is not None:
                late = packet.time_ns + (packet.time_ns - before.time_ns) // 2
                yield _late(capture, i, replace(packet, time_ns=late))
            sent[key] = packet


def _answered(capture: Capture, i: int, packet: Packet, side: Side) -> Iterator[Mutation]:
    """A bare ACK where the host was silent, with the numbers of the last one that it sent on this connection."""
    ends = (packet.dst, packet.src)
    said = next((p for p in reversed(capture.packets[:i]) if (p.src, p.dst) == ends and p.flags & ACK), None)
    after = next((p for p in capture.packets[i + 1 :] if (p.src, p.dst) == ends), None)
    if said is None or packet.flags & RST or (after is not None and after.time_ns - packet.time_ns < SOON_NS):
        return
    at = packet.time_ns + 1000
    ts = None if said.ts is None else (said.ts[0] + (at - said.time_ns) // 1_000_000 & M32, said.ts[1])
    ack = replace(
        said, time_ns=at, flags=ACK, seq=said.end, length=0, mss=None, wscale=None, sack_ok=False, sack=(), ts=ts
    )
    yield _changed(capture, i, "invented ack", [packet, ack])


def _swapped(capture: Capture, i: int, packet: Packet) -> Iterator[Mutation]:
    """RST for ACK, ACK for RST, with the numbers that each would have."""
    cause = next((p for p in reversed(capture.packets[:i]) if (p.src, p.dst) == (packet.dst, packet.src)), None)
    if packet.flags & (ACK | RST | SYN | FIN) == ACK and not packet.length:
        seq = cause.ack if cause is not None and cause.flags & ACK else packet.seq
        rst = replace(packet, flags=RST, seq=seq, ack=0, ts=None, sack=(), window=0)
        yield _with(capture, i, "rst for ack", "", rst)
    elif packet.flags & RST and cause is not None:
        yield _with(capture, i, "ack for rst", "", replace(packet, flags=ACK, ack=cause.end))


def _with(capture: Capture, i: int, kind: str, detail: str, packet: Packet) -> Mutation:
    return Mutation(kind, packet.number, detail, _copy(capture, i, [packet]))


def _changed(capture: Capture, i: int, kind: str, packets: list[Packet]) -> Mutation:
    return Mutation(kind, capture.packets[i].number, "", _copy(capture, i, packets))


def _late(capture: Capture, i: int, packet: Packet) -> Mutation:
    rows = sorted([*capture.packets[:i], *capture.packets[i + 1 :], packet], key=lambda p: p.time_ns)
    return Mutation("late", packet.number, "", Capture(capture.name, rows))


def _copy(capture: Capture, i: int, packets: list[Packet]) -> Capture:
    """The capture with other packets in the place of one; it ends when it ended."""
    return Capture(capture.name, [*capture.packets[:i], *packets, *capture.packets[i + 1 :]])


def openings(capture: Capture) -> int:
    """How many SYNs there are."""
    return sum(opens(packet) for packet in capture.packets)
