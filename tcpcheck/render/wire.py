"""A segment as bytes: IPv4 and TCP headers with their checksums, options in the order in which Linux writes them.

What a trace does not say is fixed here: the payload is zero bytes, TTL 64, DF set, the IP identification is the
segment's serial number.
"""

from __future__ import annotations

import ipaddress
import struct

from tcpcheck.errors import UsageError
from tcpcheck.witness.trace import Segment

TTL = 64
LENGTH_MAX = 65535  # of an IPv4 packet

# (tcpdump's letter, header bit), in the order in which tcpdump prints them
FLAGS = (("F", 1), ("S", 2), ("R", 4), ("P", 8), (".", 16), ("U", 32), ("E", 64), ("W", 128))

Option = tuple[str, tuple[int, ...]]  # name as tcpdump prints it, and its numbers


def flag_bits(flags: str) -> int:
    """`S.` to header bits; `none` and "" to 0."""
    return 0 if flags == "none" else sum(bit for letter, bit in FLAGS if letter in flags)


def flag_letters(bits: int) -> str:
    """Header bits to tcpdump's letters."""
    return "".join(letter for letter, bit in FLAGS if bits & bit) or "none"


def window_field(segment: Segment) -> int:
    """The header's 16 bits for a window in bytes: unscaled in a SYN, else shifted by its scale (RFC 7323 2.2).

    Rounded up, as Linux keeps its windows on multiples of the scale: a small window must not turn into a closed one.
    """
    window = segment.window if "S" in segment.flags else -(-segment.window >> (segment.wscale or 0))
    return min(window, 0xFFFF)


def options(segment: Segment) -> list[Option]:
    """The TCP options, padding included, in the order of Linux (tcp_options_write)."""
    stamped = segment.tsval is not None
    out: list[Option] = []
    if segment.mss is not None:
        out.append(("mss", (segment.mss,)))
    if segment.sack_ok:
        out += [("sackOK", ())] if stamped else [("nop", ()), ("nop", ()), ("sackOK", ())]
    if segment.tsval is not None:
        padding: list[Option] = [] if segment.sack_ok else [("nop", ()), ("nop", ())]
        out += [*padding, ("TS", (segment.tsval, segment.tsecr or 0))]
    if "S" in segment.flags and segment.wscale is not None:
        out += [("nop", ()), ("wscale", (segment.wscale,))]
    if segment.sack is not None:
        out += [("nop", ()), ("nop", ()), ("sack", segment.sack)]
    return out


_ENCODINGS = {
    "nop": (1, ""),
    "mss": (2, "H"),
    "wscale": (3, "B"),
    "sackOK": (4, ""),
    "sack": (5, "II"),
    "TS": (8, "II"),
}


def _option_bytes(option: Option) -> bytes:
    name, numbers = option
    kind, layout = _ENCODINGS[name]
    if name == "nop":
        return bytes([kind])
    body = struct.pack("!" + layout, *numbers)
    return bytes([kind, 2 + len(body)]) + body


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(segment: Segment) -> bytes:
    """The segment as an IPv4 packet (RFC 791, RFC 9293 3.1). Raises UsageError when it fits in none."""
    source, destination = _address(segment.src_addr), _address(segment.dst_addr)
    extra = b"".join(_option_bytes(option) for option in options(segment))
    payload = bytes(segment.length)
    header_words = 5 + len(extra) // 4
    length = 20 + header_words * 4 + len(payload)
    if length > LENGTH_MAX:
        raise UsageError(f"a segment of {segment.length} bytes does not fit in an IPv4 packet")
    fields = (segment.sport, segment.dport, segment.seq, segment.ack, header_words << 4, flag_bits(segment.flags))
    tcp = struct.pack("!HHIIBBHHH", *fields, window_field(segment), 0, 0) + extra + payload
    pseudo = source + destination + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, length, segment.uid & 0xFFFF, 0x4000, TTL, 6, 0) + source + destination
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


def _address(text: str) -> bytes:
    try:
        return ipaddress.IPv4Address(text).packed
    except ValueError:
        raise UsageError(f"{text!r} is no IPv4 address: this format cannot show the trace") from None
