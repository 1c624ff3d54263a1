"""What the readers hand on: TCP segments with their times, whatever kind of file they came from."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import NamedTuple

from tcpcheck.errors import UsageError

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
_LETTERS = ((FIN, "F"), (SYN, "S"), (RST, "R"), (PSH, "P"), (ACK, "."), (URG, "U"))
M32 = 0xFFFFFFFF

PACKETS_MAX = 200_000  # more than that in one file is refused
TEXT_MAX = 1 << 26  # bytes of a text; pcap files may be of any size


class CaptureError(UsageError):
    """The file is no capture, or broken; the message names the file and the place."""


class Endpoint(NamedTuple):
    """An address as text (a name, where the capture has only that) and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(slots=True)
class Packet:
    """One segment. number: from 1, as in the file. line: of a text. time_ns: since the capture's first packet.

    Numbers are absolute; `window` is the header's 16 bits, not scaled. None: the capture does not say (a text leaves
    out the sequence number of an empty ACK, and options that were cut off)."""

    number: int
    time_ns: int
    src: Endpoint
    dst: Endpoint
    flags: int
    seq: int | None
    ack: int
    length: int
    window: int | None = None
    mss: int | None = None
    wscale: int | None = None
    sack_ok: bool = False
    ts: tuple[int, int] | None = None  # TSval, TSecr
    sack: tuple[tuple[int, int], ...] = ()
    line: int | None = None
    options_known: bool = True
    checksum_wrong: bool = False
    flags_known: bool = True

    @property
    def end(self) -> int:
        """The sequence number after the segment; 0 stands for an unknown start."""
        return ((self.seq or 0) + self.length + (self.flags & FIN) + bool(self.flags & SYN)) & M32


@dataclass
class Capture:
    """The packets of one file in the order of the file; notes: what the reader passed over, in sentences."""

    name: str
    packets: list[Packet] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, packet: Packet) -> None:
        """Raises CaptureError when there are too many."""
        if len(self.packets) >= PACKETS_MAX:
            raise CaptureError(
                f"{self.name}: more than {PACKETS_MAX:,} TCP packets; cut out one connection "
                f"(tcpdump -r {self.name} -w PART port N)"
            )
        self.packets.append(packet)


def flag_bits(letters: str) -> int:
    """`S.` to header bits."""
    return sum(bit for bit, letter in _LETTERS if letter in letters)


def flag_letters(bits: int) -> str:
    """Header bits to letters, as tcpdump prints them."""
    return "".join(letter for bit, letter in _LETTERS if bits & bit) or "none"


def signed(a: int, b: int) -> int:
    """a - b, the shorter way round the circle: in [-2^31, 2^31)."""
    return ((a - b + 0x80000000) & M32) - 0x80000000


def canonical_address(text: str) -> str:
    """An address in its shortest spelling; a name stays as it is."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def tell(packet: Packet) -> str:
    """A packet as tcpdump -S prints it, without its time."""
    out = [f"Flags [{flag_letters(packet.flags)}]"]
    if packet.seq is not None and (packet.length or packet.flags & (SYN | FIN | RST)):
        end = f":{(packet.seq + packet.length) & M32}" if packet.length else ""
        out.append(f"seq {packet.seq}{end}")
    if packet.flags & ACK:
        out.append(f"ack {packet.ack}")
    if packet.sack:
        out.append(f"sack {{{packet.sack[0][0]}:{packet.sack[0][1]}}}")
    if packet.ts:
        out.append(f"TS val {packet.ts[0]} ecr {packet.ts[1]}")
    return f"{packet.src} > {packet.dst}: {', '.join(out)}, length {packet.length}"
