"""tcpdump's text as people paste it: any of its time formats, relative or absolute numbers, -v, -e, -i any, with the
prompt, the boxes and the prose around it; and the older format without `Flags`.

A log pasted twice, longer the second time, is one log.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field

from tcpcheck.conform.packets import (
    ACK,
    FIN,
    M32,
    RST,
    SYN,
    Capture,
    CaptureError,
    Endpoint,
    Packet,
    canonical_address,
    flag_bits,
    signed,
)

DAY = 86_400_000_000_000
_TIME = re.compile(
    r"(?:(?P<date>\d{4})-(?P<month>\d\d)-(?P<day>\d\d) )?(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)\.(?P<frac>\d{1,9})"
    r"|(?<![\d.])(?P<epoch>\d{1,12})\.(?P<efrac>\d{6,9})(?=\s)"
)
_SEGMENT = re.compile(r"(?P<src>[^\s>]+) > (?P<dst>[^\s>]+): (?:tcp )?Flags \[(?P<flags>[^\]]{0,12})\](?P<rest>.*)")
_OLD = re.compile(
    r"(?P<src>[^\s>]+) > (?P<dst>[^\s>]+): (?:tcp )?(?P<flags>[SFRPWE]+\.?|\.)"
    r"(?P<rest> (?:\d+:\d+\(\d+\)|ack \d+|win \d+).*)"
)
_SEQ = re.compile(r"[,\s]seq (\d+)(?::(\d+))?")
_OLD_SEQ = re.compile(r" (\d+):(\d+)\((\d+)\)")
_WIN = re.compile(r"[,\s]win (\d+)")
_ACK = re.compile(r"[,\s]ack (\d+)")
_LENGTH = re.compile(r"[,\s]length (\d+)")
_OPTIONS = re.compile(r"options \[([^\]]*)\]|<([^>]*)>")
_DIRECTION = re.compile(r"\s(In|Out|M|B|P)\s+IP6?\s")
_SACK = re.compile(r"\{(\d+):(\d+)\}")
_NEAR = 1 << 24  # an absolute number lies so close behind its ISN
_TWICE_NS = 50_000
_MARGIN_NS = 2_000_000
_NAMES = {"localhost": "127.0.0.1", "ip6-localhost": "::1", "localhost6": "::1"}
_SERVICES = {"http": 80, "https": 443, "ssh": 22, "smtp": 25, "domain": 53, "ftp": 21, "telnet": 23, "http-alt": 8080}


@dataclass
class _Line:
    """One segment's line. relative: its numbers may be."""

    line: int
    text: str
    time_ns: int
    packet: Packet
    direction: str = ""


def is_tcpdump(text: str) -> bool:
    """Does the text hold a line of tcpdump's?"""
    return any(_SEGMENT.search(line) or _OLD.search(line) for line in text.splitlines())


def read_tcpdump(name: str, text: str) -> Capture:
    """The segments of a text. Raises CaptureError with the line."""
    blocks = _blocks(name, text)
    capture = Capture(name)
    lines = _joined(capture, blocks)
    if not lines:
        raise CaptureError(f"{name}: no line of tcpdump's that shows a TCP segment")
    _follow_clock(name, lines)
    lines = _once(capture, lines)
    numbers = _Numbers(lines)
    for row in lines:
        numbers.absolute(row.packet)
        row.packet.number, row.packet.time_ns = len(capture.packets) + 1, row.time_ns - lines[0].time_ns
        capture.add(row.packet)
    if numbers.relative:
        capture.notes.append("numbers are relative: made absolute again as tcpdump counts them")
    return capture


# ---- lines -------------------------------------------------------------------------------------------------


def _blocks(name: str, text: str) -> list[list[_Line]]:
    """The segments, a new block wherever a tcpdump starts."""
    blocks: list[list[_Line]] = [[]]
    time_before: int | None = None  # of a -v header, whose segment is on the next line
    for number, line in enumerate(text.splitlines(), 1):
        if "listening on " in line and "link-type" in line:
            blocks.append([])
        match = _SEGMENT.search(line) or _OLD.search(line)
        head = line[: match.start()] if match else line
        stamp = _TIME.search(head)
        if match is None:
            time_before = _time_ns(stamp) if stamp and re.search(r"\bIP6?\b", line) else None
            continue
        time_ns = _time_ns(stamp) if stamp else time_before
        if time_ns is None:
            raise CaptureError(f"{name}:{number}: a segment without a time (tcpdump -t hides it): {line.strip()[:80]}")
        way = _DIRECTION.search(head + " ")
        packet = _segment(name, number, match)
        blocks[-1].append(_Line(number, line.strip(), time_ns, packet, way[1] if way else ""))
        time_before = None
    return blocks


def _time_ns(stamp: re.Match[str]) -> int:
    """ns of the time, counted from whatever the format counts from."""
    if stamp["epoch"] is not None:
        return int(stamp["epoch"]) * 1_000_000_000 + int(stamp["efrac"].ljust(9, "0"))
    seconds = (int(stamp["h"]) * 60 + int(stamp["m"])) * 60 + int(stamp["s"])
    days = 0
    if stamp["date"] is not None:
        import datetime

        try:
            days = datetime.date(int(stamp["date"]), int(stamp["month"]), int(stamp["day"])).toordinal()
        except ValueError:
            days = 0
    return days * DAY + seconds * 1_000_000_000 + int(stamp["frac"].ljust(9, "0"))


def _joined(capture: Capture, blocks: list[list[_Line]]) -> list[_Line]:
    """The blocks one after the other, without what an earlier one had already."""
    known: set[str] = set()
    lines: list[_Line] = []
    again = 0
    for block in blocks:
        fresh = [row for row in block if row.text not in known]
        again += len(block) - len(fresh)
        lines += fresh
        known |= {row.text for row in block}
    if again:
        capture.notes.append(f"{again} line{'s' * (again > 1)} that had been pasted before left out")
    return lines


def _follow_clock(name: str, lines: list[_Line]) -> None:
    """Times that go backwards: past midnight, or each since the line before (-ttt)."""
    falls = [i for i in range(1, len(lines)) if lines[i].time_ns < lines[i - 1].time_ns]
    if lines[0].time_ns == 0 and (falls or _since_the_line_before(lines)):
        for i in range(1, len(lines)):
            lines[i].time_ns += lines[i - 1].time_ns
        return
    if not falls:
        return
    offset = 0
    for i in range(1, len(lines)):
        if lines[i].time_ns + offset < lines[i - 1].time_ns:
            if lines[i - 1].time_ns - lines[i].time_ns - offset < DAY // 2:
                raise CaptureError(f"{name}:{lines[i].line}: the time goes backwards: two captures in one text?")
            offset += DAY
        lines[i].time_ns += offset


def _since_the_line_before(lines: list[_Line]) -> bool:
    """-ttt and -ttttt look alike while each gap is longer than the one before; the TSvals tell them apart."""
    seen: dict[Endpoint, list[int]] = {}
    for row in lines:
        if row.packet.ts is not None:
            seen.setdefault(row.packet.src, []).append(row.packet.ts[0])
    span = max((signed(rows[-1], rows[0]) for rows in seen.values()), default=-1) * 1_000_000
    since_start, added = lines[-1].time_ns, sum(row.time_ns for row in lines)
    return span >= 0 and abs(span - added) + _MARGIN_NS < abs(span - since_start)


def _once(capture: Capture, lines: list[_Line]) -> list[_Line]:
    """`-i any` prints a forwarded packet once for each interface."""
    kept: list[_Line] = []
    for row in lines:
        twin = any(
            row.time_ns - old.time_ns <= _TWICE_NS and row.direction != old.direction and _alike(row.packet, old.packet)
            for old in kept[-8:]
        )
        if not twin:
            kept.append(row)
    if len(kept) < len(lines):
        capture.notes.append(f"{len(lines) - len(kept)} packets seen before on another interface left out")
    return kept


def _alike(a: Packet, b: Packet) -> bool:
    return (a.src, a.dst, a.flags, a.seq, a.ack, a.length, a.ts) == (
        b.src,
        b.dst,
        b.flags,
        b.seq,
        b.ack,
        b.length,
        b.ts,
    )


# ---- one segment -------------------------------------------------------------------------------------------


def _segment(name: str, number: int, match: re.Match[str]) -> Packet:
    where = f"{name}:{number}"
    rest = match["rest"]
    src, dst = (_endpoint(where, match[end]) for end in ("src", "dst"))
    flags = flag_bits(match["flags"]) if match["flags"] != "none" else 0
    ack, window, length = _ACK.search(rest), _WIN.search(rest), _LENGTH.search(rest)
    packet = Packet(number, 0, src, dst, flags, None, 0, 0, line=number)
    if match.re is _OLD:
        packet.flags = flags & ~ACK | (ACK if ack else 0)
        old = _OLD_SEQ.search(rest)
        if old:
            packet.seq, packet.length = _number(where, old[1]), _number(where, old[3])
    else:
        seq = _SEQ.search(rest)
        if seq:
            packet.seq = _number(where, seq[1])
        if length is None:
            raise CaptureError(f"{where}: the line is cut off before `length`")
        packet.length = _number(where, length[1])
    if ack and packet.flags & ACK:
        packet.ack = _number(where, ack[1])
    elif packet.flags & ACK:
        raise CaptureError(f"{where}: the line is cut off before `ack`")
    packet.window = _number(where, window[1]) & 0xFFFF if window else None
    options = _OPTIONS.search(rest)
    if options:
        _options(where, packet, options[1] or options[2] or "")
    return packet


def _number(where: str, text: str) -> int:
    if len(text) > 10 or int(text) > M32:
        raise CaptureError(f"{where}: {text[:20]} is more than 32 bits")
    return int(text)


def _endpoint(where: str, text: str) -> Endpoint:
    address, _, port = text.rpartition(".")
    if not address:
        raise CaptureError(f"{where}: {text[:60]} is no address with a port")
    address = _NAMES.get(address, address)
    if port.isdigit() and len(port) <= 5 and int(port) < 65536:
        return Endpoint(canonical_address(address), int(port))
    if port in _SERVICES:
        return Endpoint(canonical_address(address), _SERVICES[port])
    try:
        return Endpoint(canonical_address(address), socket.getservbyname(port, "tcp"))
    except (OSError, UnicodeError, ValueError):
        raise CaptureError(f"{where}: {port[:40]} is no port; run tcpdump with -n") from None


def _options(where: str, packet: Packet, text: str) -> None:
    for part in text.split(","):
        words = part.strip().lower().replace("timestamp ", "ts val ").split()
        match words:
            case ["mss", n] if n.isdigit():
                packet.mss = _number(where, n) & 0xFFFF
            case ["wscale", n] if n.isdigit():
                packet.wscale = min(int(n[:3]), 255)
            case ["sackok"]:
                packet.sack_ok = True
            case ["ts", "val", a, "ecr", b] if a.isdigit() and b.isdigit():
                packet.ts = (_number(where, a), _number(where, b))
            case ["ts", "val", a, b] if a.isdigit() and b.isdigit():
                packet.ts = (_number(where, a), _number(where, b))
            case ["sack", *_]:
                blocks = _SACK.findall(part)
                packet.sack = tuple((_number(where, a), _number(where, b)) for a, b in blocks)
            case _:
                pass


# ---- relative numbers --------------------------------------------------------------------------------------


@dataclass
class _Bases:
    """What tcpdump subtracts: from the numbers of either end of a connection."""

    of: dict[Endpoint, int] = field(default_factory=dict)


class _Numbers:
    """Undoes tcpdump's relative numbers (print-tcp.c): only segments with ACK are relative, to the connection's first
    such segment, or to its latest SYN-ACK."""

    def __init__(self, lines: list[_Line]) -> None:
        self._pairs: dict[frozenset[Endpoint], _Bases] = {}
        self.relative = self._guess([row.packet for row in lines])
        self._pairs.clear()

    def _guess(self, packets: list[Packet]) -> bool:
        """Decided by the first number that is near its ISN in one reading only."""
        for packet in packets:
            bases = self._pairs.get(frozenset((packet.src, packet.dst)))
            if bases is not None and packet.flags & ACK and not packet.flags & SYN:
                base = bases.of.get(packet.dst, 0)
                if not 0 <= signed(packet.ack, base) < _NEAR:
                    return packet.ack < _NEAR
                if packet.ack != (packet.ack - base) & M32:
                    return False
            self._note(packet)
        return False

    def _note(self, packet: Packet) -> None:
        """The first segment with ACK, and each SYN-ACK, say what later ones are relative to."""
        pair = frozenset((packet.src, packet.dst))
        if packet.flags & ACK and (packet.flags & SYN or pair not in self._pairs):
            self._pairs[pair] = _Bases({packet.dst: (packet.ack - 1) & M32, packet.src: packet.seq or 0})

    def absolute(self, packet: Packet) -> None:
        """Gives the packet its numbers on the wire."""
        bases = self._pairs.get(frozenset((packet.src, packet.dst)))
        if self.relative and packet.flags & ACK and not packet.flags & SYN and bases is not None:
            own, other = bases.of[packet.src], bases.of[packet.dst]
            packet.seq = (packet.seq + own) & M32 if packet.seq is not None else None
            packet.ack = (packet.ack + other) & M32
            packet.sack = tuple(((a + other) & M32, (b + other) & M32) for a, b in packet.sack)
        self._note(packet)
        if packet.seq is None and (packet.length or packet.flags & (SYN | FIN | RST)):
            packet.seq = bases.of.get(packet.src, 0) if bases is not None else 0
