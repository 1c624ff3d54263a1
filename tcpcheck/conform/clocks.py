"""When a packet was sent: a capture's clock is late when whoever captured was busy, the TSval in the packet is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from tcpcheck.conform.live import DRIFT, Tuple4
from tcpcheck.conform.packets import SYN, Packet, signed

LATE_NS = 25_000_000  # a capture is believed to be late by so much at most, and a hundredth of the silence before

BEFORE_NS = 10_000_000_000  # of silence may have been before the first packet

Step = tuple[Tuple4, bool, Packet]  # connection, from outside?, packet


def sent_at(steps: Sequence[Step], tick_ns: int) -> tuple[list[Step], int]:
    """The same steps, the host's packets at the times their TSvals tell, where the capture saw them later than that;
    and by how much all times are later than in the capture, lest the first packet's was before its start."""
    early = _lateness(steps, tick_ns)
    shift = max((late - steps[i][2].time_ns for i, late in early.items()), default=0)
    shift = max(shift, 0)
    out: list[Step] = []
    latest = 0
    for i, (key, inbound, packet) in enumerate(steps):
        at = max(packet.time_ns + shift - early.get(i, 0), latest)
        latest = at
        out.append((key, inbound, replace(packet, time_ns=at) if at != packet.time_ns else packet))
    return out, shift


def _lateness(steps: Sequence[Step], tick_ns: int) -> dict[int, int]:
    """Position -> ns by which the packet was seen late, compared with the promptest of its connection."""
    offsets: dict[tuple[Tuple4, int], list[tuple[int, int, int, int]]] = defaultdict(list)
    birth: dict[Tuple4, Packet] = {}
    for i, (key, inbound, packet) in enumerate(steps):
        if inbound or packet.ts is None:
            continue
        first = birth.get(key)
        if first is None or (packet.flags & SYN and packet.seq != first.seq) or first.ts is None:
            first = birth[key] = packet
        assert first.ts is not None
        gone = signed(packet.ts[0], first.ts[0]) * tick_ns
        silence = packet.time_ns - steps[i - 1][2].time_ns if i else BEFORE_NS
        offsets[key, first.number].append((i, packet.time_ns, packet.time_ns - first.time_ns - gone, silence))
    late: dict[int, int] = {}
    for rows in offsets.values():
        least = min(offset for _, _, offset, _ in rows)
        for i, at, offset, silence in rows:
            slack = tick_ns + (at - rows[0][1]) * DRIFT // 1_000_000
            if tick_ns < offset - least - slack <= LATE_NS + silence // 100:
                late[i] = offset - least - tick_ns
    return late
