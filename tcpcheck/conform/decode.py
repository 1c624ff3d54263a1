"""Bytes of a captured frame -> a TCP segment: link layers, IPv4, IPv6, TCP (RFC 791, RFC 8200, RFC 9293 3.1).

Nothing here raises on bad bytes: what is no whole TCP header is `None` with a reason.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from tcpcheck.conform.packets import Endpoint, Packet

# link types (tcpdump.org/linktypes.html)
NULL, ETHERNET, LOOP, LINUX_SLL, LINUX_SLL2, IPV4, IPV6 = 0, 1, 108, 113, 276, 228, 229
RAW = (12, 14, 101)
LINK_TYPES = {NULL, ETHERNET, LOOP, LINUX_SLL, LINUX_SLL2, IPV4, IPV6, *RAW}

_VLAN = (0x8100, 0x88A8, 0x9100)
_ETHER_IP = (0x0800, 0x86DD)
_TCP = 6
_EXTENSIONS = (0, 43, 60, 135, 139, 140)  # IPv6 headers of 8 (n + 1) bytes that say what comes next
_FRAGMENT, _AUTH = 44, 51


class Unreadable(Exception):
    """Why a frame is no TCP segment; `other`: it is something else and whole."""

    def __init__(self, why: str, other: bool = False) -> None:
        super().__init__(why)
        self.other = other


@dataclass(slots=True)
class Frame:
    """ip: the packet without its link header. direction: the cooked header's packet type, -1 without one.
    interface: its number in a cooked v2 header, -1 without one."""

    ip: bytes
    direction: int = -1
    interface: int = -1


def unwrap(link: int, data: bytes) -> Frame:
    """The IP packet in a frame of this link type. Raises Unreadable."""
    if link == ETHERNET:
        return Frame(_ethernet(data))
    if link == LINUX_SLL:
        return _cooked(data, 16, 14, 0, 2, -1)
    if link == LINUX_SLL2:
        return _cooked(data, 20, 0, 10, 1, 4)
    if link in (NULL, LOOP):
        return Frame(data[4:])
    return Frame(data)


def _ethernet(data: bytes) -> bytes:
    at = 12
    while len(data) >= at + 2:
        kind = int.from_bytes(data[at : at + 2], "big")
        if kind in _ETHER_IP:
            return data[at + 2 :]
        if kind not in _VLAN:
            raise Unreadable("not IP", other=True)
        at += 4
    raise Unreadable("a frame too short for an Ethernet header")


def _cooked(data: bytes, size: int, protocol: int, direction: int, width: int, interface: int) -> Frame:
    if len(data) < size:
        raise Unreadable("a frame too short for a cooked header")
    if int.from_bytes(data[protocol : protocol + 2], "big") not in _ETHER_IP:
        raise Unreadable("not IP", other=True)
    way = int.from_bytes(data[direction : direction + width], "big")
    index = int.from_bytes(data[interface : interface + 4], "big") if interface >= 0 else -1
    return Frame(data[size:], way, index)


def segment(ip: bytes, number: int, time_ns: int) -> Packet:
    """The TCP segment in an IP packet, cut off or whole. Raises Unreadable."""
    if not ip:
        raise Unreadable("an empty packet")
    version = ip[0] >> 4
    if version == 4:
        return _ipv4(ip, number, time_ns)
    if version == 6:
        return _ipv6(ip, number, time_ns)
    raise Unreadable("not IP", other=True)


def _ipv4(ip: bytes, number: int, time_ns: int) -> Packet:
    header = (ip[0] & 15) * 4
    if header < 20 or len(ip) < header:
        raise Unreadable("a broken IPv4 header")
    total, _, fragment = struct.unpack_from("!HHH", ip, 2)
    if ip[9] != _TCP:
        raise Unreadable("not TCP", other=True)
    if fragment & 0x3FFF:
        raise Unreadable("an IP fragment", other=True)
    src, dst = str(ipaddress.IPv4Address(ip[12:16])), str(ipaddress.IPv4Address(ip[16:20]))
    size = (total or len(ip)) - header  # 0: segmentation is left to the network card
    pseudo = ip[12:20] + struct.pack("!BBH", 0, _TCP, size & 0xFFFF)
    return _tcp(ip[header : header + max(size, 0)], size, (src, dst), pseudo, (number, time_ns))


def _ipv6(ip: bytes, number: int, time_ns: int) -> Packet:
    if len(ip) < 40:
        raise Unreadable("a broken IPv6 header")
    payload, kind = struct.unpack_from("!HB", ip, 4)
    end, at = 40 + (payload or len(ip) - 40), 40
    while kind != _TCP:
        if kind == _FRAGMENT:
            raise Unreadable("an IP fragment", other=True)
        if kind not in _EXTENSIONS and kind != _AUTH:
            raise Unreadable("not TCP", other=True)
        if len(ip) < at + 8:
            raise Unreadable("a broken IPv6 extension header")
        kind, units = ip[at], ip[at + 1]
        at += (units + 2) * 4 if kind == _AUTH else (units + 1) * 8
    src, dst = str(ipaddress.IPv6Address(ip[8:24])), str(ipaddress.IPv6Address(ip[24:40]))
    pseudo = ip[8:40] + struct.pack("!IHBB", max(end - at, 0), 0, 0, _TCP)
    return _tcp(ip[at:end], end - at, (src, dst), pseudo, (number, time_ns))


def _tcp(data: bytes, size: int, ends: tuple[str, str], pseudo: bytes, place: tuple[int, int]) -> Packet:
    """size: of header and payload on the wire, which the capture may have cut off."""
    if len(data) < 20 or size < 20:
        raise Unreadable("a TCP header cut off")
    sport, dport, seq, ack, offset, flags, window, checksum = struct.unpack_from("!HHIIBBHH", data)
    header = (offset >> 4) * 4
    if header < 20 or header > size:
        raise Unreadable("a broken TCP header")
    packet = Packet(
        *place, Endpoint(ends[0], sport), Endpoint(ends[1], dport), flags & 63, seq, ack, size - header, window
    )
    packet.options_known = len(data) >= header and _options(packet, data[20:header])
    if len(data) == size:
        packet.checksum_wrong = checksum != _checksum(pseudo + data[:16] + b"\0\0" + data[18:])
    return packet


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _options(packet: Packet, data: bytes) -> bool:
    """RFC 9293 3.1, RFC 7323, RFC 2018. False: they are broken from some place on."""
    at = 0
    while at < len(data) and data[at] != 0:
        if data[at] == 1:
            at += 1
            continue
        size = data[at + 1] if at + 1 < len(data) else 0
        if size < 2 or at + size > len(data):
            return False
        _option(packet, data[at], data[at + 2 : at + size])
        at += size
    return True


def _option(packet: Packet, kind: int, body: bytes) -> None:
    if kind == 2 and len(body) == 2:
        packet.mss = int.from_bytes(body, "big")
    elif kind == 3 and len(body) == 1:
        packet.wscale = body[0]
    elif kind == 4 and not body:
        packet.sack_ok = True
    elif kind == 5 and body and len(body) % 8 == 0:
        words = struct.unpack(f"!{len(body) // 4}I", body)
        packet.sack = tuple(zip(words[::2], words[1::2], strict=True))
    elif kind == 8 and len(body) == 8:
        packet.ts = struct.unpack("!II", body)
