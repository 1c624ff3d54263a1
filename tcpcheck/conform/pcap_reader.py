"""pcap and pcapng files (draft-ietf-opsawg-pcap, -pcapng): raw IP, Ethernet, BSD loopback, Linux cooked v1 and v2."""

from __future__ import annotations

import io
import struct
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from tcpcheck.conform.decode import LINK_TYPES, LINUX_SLL, LINUX_SLL2, Frame, Unreadable, segment, unwrap
from tcpcheck.conform.packets import Capture, CaptureError

# magic number as bytes -> byte order, ns in a unit of the time's second half
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_FRAME_MAX = 1 << 18  # tcpdump's greatest snapshot length
BLOCK_MAX = 1 << 24
_TWICE_NS = 50_000  # `-i any` sees a forwarded packet once on each interface

Record = tuple[int, int, bytes]  # link type, time in ns, the frame


class _Stream:
    """A file read from front to end, never more than a block at once. `tell`: bytes read."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name, self._file, self._ahead, self._at = name, file, b"", 0

    def look(self, size: int) -> bytes:
        """The next bytes, which are read again."""
        self._ahead += self._file.read(max(size - len(self._ahead), 0))
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """So many bytes, fewer at the end."""
        if size > BLOCK_MAX:
            raise CaptureError(f"{self._name}: corrupt at byte {self._at}: a block of {size:,} bytes")
        out = self._ahead[:size]
        self._ahead = self._ahead[size:]
        out += self._file.read(size - len(out)) if size > len(out) else b""
        self._at += len(out)
        return out

    def tell(self) -> int:
        """Bytes read."""
        return self._at


def is_pcap(head: bytes) -> bool:
    """Do these first bytes begin a pcap or pcapng file?"""
    return head[:4] in _MAGIC or head[:4] == _PCAPNG


def read_pcap(name: str, source: bytes | BinaryIO) -> Capture:
    """The TCP segments of a file, which is read packet by packet. Raises CaptureError when it is broken or has none."""
    stream = _Stream(name, io.BytesIO(source) if isinstance(source, bytes) else source)
    head = stream.look(4)
    if not is_pcap(head):
        raise CaptureError(f"{name}: neither pcap nor pcapng")
    records = _pcapng(name, stream) if head == _PCAPNG else _pcap(name, stream)
    capture, first = Capture(name), None
    passed: Counter[str] = Counter()
    seen = _Twins()
    number = 0
    for link, time_ns, frame in records:
        number += 1
        first = time_ns if first is None else first
        try:
            opened = unwrap(link, frame)
            packet = segment(opened.ip, number, time_ns - first)
        except Unreadable as reason:
            passed[str(reason)] += 1
            continue
        if link in (LINUX_SLL, LINUX_SLL2) and seen.again(opened, time_ns):
            passed["seen before on another interface"] += 1
            continue
        capture.add(packet)
    _judge(capture, number, passed)
    _put_in_order(capture)
    return capture


def _put_in_order(capture: Capture) -> None:
    """By time, as a merge of captures may not be. The first packet of a file need not be the earliest."""
    times = [packet.time_ns for packet in capture.packets]
    if times == sorted(times):
        return
    numbers = [packet.number for packet in capture.packets]
    start = min(times)
    by_time = sorted(capture.packets, key=lambda packet: packet.time_ns)
    capture.packets[:] = [
        replace(packet, number=number, time_ns=packet.time_ns - start)
        for number, packet in zip(numbers, by_time, strict=True)
    ]
    capture.notes.append("the file is not in the order of time: its packets are numbered as if it were")


def _judge(capture: Capture, frames: int, passed: Counter[str]) -> None:
    capture.notes += [f"{count} packet{'s' * (count > 1)} passed over: {why}" for why, count in passed.items()]
    if not capture.packets:
        what = "no packets" if frames == 0 else f"{frames} packets, none of them a TCP segment"
        why = f" ({', '.join(passed)})" if passed else ""
        raise CaptureError(f"{capture.name}: {what}{why}")
    wrong = sum(packet.checksum_wrong for packet in capture.packets)
    if wrong:
        capture.notes.append(f"{wrong} wrong TCP checksum{'s' * (wrong > 1)} ignored: offloading leaves them unset")


class _Twins:
    """Packets of a cooked capture that were just seen on another interface, or going the other way."""

    def __init__(self) -> None:
        self._recent: list[tuple[int, Frame]] = []

    def again(self, frame: Frame, time_ns: int) -> bool:
        self._recent = [row for row in self._recent if time_ns - row[0] <= _TWICE_NS]
        twin = any(
            frame.ip == old.ip and (frame.direction, frame.interface) != (old.direction, old.interface)
            for _, old in self._recent
        )
        self._recent.append((time_ns, frame))
        return twin


def _supported(name: str, link: int) -> int:
    if link not in LINK_TYPES:
        raise CaptureError(f"{name}: link type {link} is not read: raw IP, Ethernet, BSD loopback and Linux cooked are")
    return link


# ---- pcap --------------------------------------------------------------------------------------------------


def _pcap(name: str, stream: _Stream) -> Iterator[Record]:
    header = stream.read(24)
    order, unit = _MAGIC[header[:4]]
    if len(header) < 24:
        raise CaptureError(f"{name}: cut off within the header of a pcap file")
    link = _supported(name, struct.unpack_from(order + "I", header, 20)[0] & 0xFFFF)
    while True:
        at, head = stream.tell(), stream.read(16)
        if not head:
            return
        if len(head) < 16:
            raise CaptureError(f"{name}: cut off at byte {stream.tell()}, within a packet's header")
        seconds, fraction, size, _ = struct.unpack(order + "IIII", head)
        if size > _FRAME_MAX:
            raise CaptureError(f"{name}: corrupt at byte {at}: a packet of {size} bytes")
        frame = stream.read(size)
        if len(frame) < size:
            raise CaptureError(f"{name}: cut off at byte {stream.tell()}, within a packet")
        yield link, seconds * 1_000_000_000 + fraction * unit, frame


# ---- pcapng ------------------------------------------------------------------------------------------------


def _pcapng(name: str, stream: _Stream) -> Iterator[Record]:
    """python-pcapng reports corruption by many exceptions, not all of them its own."""
    from pcapng import FileScanner  # type: ignore[import-untyped]
    from pcapng.blocks import EnhancedPacket, ObsoletePacket, SimplePacket  # type: ignore[import-untyped]

    blocks = iter(FileScanner(stream))
    interface_of: dict[int, int] = {}  # by the hash of a frame
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                block = next(blocks, None)
                if block is None:
                    return
                if isinstance(block, SimplePacket):
                    raise CaptureError(f"{name}: a simple packet block at byte {stream.tell()}: it has no time")
                if not isinstance(block, EnhancedPacket | ObsoletePacket):
                    continue
                link, time_ns, frame = _enhanced(block)
        except CaptureError:
            raise
        except Exception as error:
            why = str(error) or type(error).__name__
            raise CaptureError(f"{name}: corrupt or cut off near byte {stream.tell()}: {why}") from None
        if interface_of.setdefault(hash(frame), block.interface_id) != block.interface_id:
            keep = "`tcpcheck trace --host NAME`, or `tshark -r FILE -Y 'frame.interface_name == \"NAME\"' -w ONE`"
            raise CaptureError(
                f"{name}: the same packets stand there for several interfaces: keep one of them, by {keep}"
            )
        yield _supported(name, link), time_ns, frame


def _enhanced(block: Any) -> Record:
    interface = block.interface
    ticks = (block.timestamp_high << 32) + block.timestamp_low
    offset = int(interface.options.get("if_tsoffset", 0) or 0)
    return interface.link_type, _nanoseconds(ticks, interface.options) + offset * 1_000_000_000, block.packet_data


def _nanoseconds(ticks: int, options: Any) -> int:
    """if_tsresol: a negative power of ten, or of two when the highest bit is set. Without it microseconds."""
    raw = options.get("if_tsresol", b"\x06")
    exponent = raw[0] & 0x7F
    second: int = 2**exponent if raw[0] & 0x80 else 10**exponent
    return ticks * 1_000_000_000 // second
