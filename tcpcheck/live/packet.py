"""A TCP segment and its bytes (IPv4, RFC 9293 section 3.1)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
_LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (URG, "U"), (ACK, "."))
M32 = 0xFFFFFFFF


def flag_bits(text: str) -> int:
    """`"S."` -> SYN|ACK, letters as in tcpdump; `"-"` or `""` is no flag at all."""
    return sum(bit for bit, letter in _LETTERS if letter in text)


def flag_text(bits: int) -> str:
    """The inverse of `flag_bits`."""
    return "".join(letter for bit, letter in _LETTERS if bits & bit) or "-"


@dataclass
class Segment:
    """One segment; sequence numbers are absolute, `length` is the payload in bytes, `window` is as on the wire."""

    flags: int
    seq: int = 0
    ack: int = 0
    length: int = 0
    window: int = 65535
    ts: tuple[int, int] | None = None  # TSval, TSecr
    mss: int | None = None
    sack_ok: bool = False
    sack: tuple[tuple[int, int], ...] = ()
    dsack: bool = False  # the first SACK block reports a duplicate (RFC 2883)
    wscale: int | None = None  # of a SYN or SYN-ACK


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return int(~(total + (total >> 16)) & 0xFFFF)


def _options(seg: Segment) -> bytes:
    out = b""
    if seg.mss is not None:
        out += struct.pack("!BBH", 2, 4, seg.mss)
    if seg.sack_ok:
        out += b"\x04\x02\x01\x01"
    if seg.ts is not None:
        out += struct.pack("!BBBBII", 1, 1, 8, 10, *seg.ts)
    if seg.wscale is not None:
        out += struct.pack("!BBBB", 1, 3, 3, seg.wscale)
    if seg.sack:
        out += struct.pack("!BBBB", 1, 1, 5, 2 + 8 * len(seg.sack))
        out += b"".join(struct.pack("!II", *block) for block in seg.sack)
    return out


def encode(seg: Segment, src: str, sport: int, dst: str, dport: int) -> bytes:
    """An IPv4 packet with both checksums."""
    options, payload = _options(seg), b"x" * seg.length
    offset = (20 + len(options)) // 4 << 4
    ack = seg.ack if seg.flags & ACK else 0
    head = struct.pack("!HHIIBBHHH", sport, dport, seg.seq & M32, ack & M32, offset, seg.flags, seg.window, 0, 0)
    a, b = socket.inet_aton(src), socket.inet_aton(dst)
    size = len(head) + len(options) + len(payload)
    total = _checksum(a + b + struct.pack("!BBH", 0, 6, size) + head + options + payload)
    tcp = head[:16] + struct.pack("!H", total) + head[18:] + options + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + size, 0, 0x4000, 64, 6, 0, a, b)
    return ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:] + tcp


Address = tuple[str, int]


def decode(data: bytes) -> tuple[Segment, Address, Address] | None:
    """A segment, who sent it, who gets it; None when the packet is not TCP over IPv4."""
    if len(data) < 40 or data[0] >> 4 != 4 or data[9] != 6:
        return None
    start = (data[0] & 15) * 4
    sport, dport, seq, ack, offset, flags, window = struct.unpack_from("!HHIIBBH", data, start)
    end = start + (offset >> 4) * 4
    seg = Segment(flags & 63, seq, ack, len(data) - end, window)
    _read_options(seg, data[start + 20 : end])
    seg.dsack = is_dsack(seg)
    return seg, (socket.inet_ntoa(data[12:16]), sport), (socket.inet_ntoa(data[16:20]), dport)


def is_dsack(seg: Segment) -> bool:
    """RFC 2883 section 4: the first block lies below the acknowledgement, or within the second block."""
    if not seg.sack:
        return False
    left, right = seg.sack[0]
    if 0 < (seg.ack - left) & M32 <= 1 << 31:
        return True
    if len(seg.sack) == 1:
        return False
    start, end = seg.sack[1]
    return (left - start) & M32 <= (right - start) & M32 <= (end - start) & M32


def _read_options(seg: Segment, data: bytes) -> None:
    i = 0
    while i < len(data) and data[i] != 0:
        if data[i] == 1:
            i += 1
            continue
        kind, size = data[i], data[i + 1]
        body = data[i + 2 : i + size]
        if kind == 2:
            seg.mss = struct.unpack("!H", body)[0]
        elif kind == 3:
            seg.wscale = body[0]
        elif kind == 4:
            seg.sack_ok = True
        elif kind == 5:
            words = struct.unpack(f"!{len(body) // 4}I", body)
            seg.sack = tuple(zip(words[::2], words[1::2], strict=True))
        elif kind == 8:
            seg.ts = struct.unpack("!II", body)
        i += size
