"""What is sent into each state: one segment, its numbers relative to the connection's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tcpcheck.crosscheck.lab import PEER_TS, Peer
from tcpcheck.live.packet import ACK, M32, SYN, Segment, flag_bits

HALF = 1 << 31
# offsets from RCV.NXT; "W" is the window the host has offered
SEQ: dict[str, tuple[int, bool]] = {
    "-2^31": (-HALF, False),
    "-2^31+1": (-HALF + 1, False),
    "-100000": (-100000, False),
    "-2": (-2, False),
    "-1": (-1, False),
    "+0": (0, False),
    "+1": (1, False),
    "+W-1": (-1, True),
    "+W": (0, True),
    "+W+1": (1, True),
    "+100000000": (100_000_000, False),
    "+2^31-1": (HALF - 1, False),
}
# (from SND.UNA or SND.NXT, offset)
ACKS: dict[str, tuple[str, int]] = {
    "nxt-2^31": ("sn", -HALF),
    "nxt-2^31+1": ("sn", -HALF + 1),
    "una-100000": ("una", -100000),
    "una-2": ("una", -2),
    "una-1": ("una", -1),
    "una": ("una", 0),
    "una+1": ("una", 1),
    "nxt-1": ("sn", -1),
    "nxt": ("sn", 0),
    "nxt+1": ("sn", 1),
    "nxt+100000000": ("sn", 100_000_000),
    "nxt+2^31-1": ("sn", HALF - 1),
}
# TSval relative to the one the host remembers (ts_recent); None: no option
TSVALS: dict[str, int | None] = {"newer": 100, "equal": 0, "-1": -1, "-2": -2, "-500000": -500_000, "none": None}
# TSecr relative to the host's last TSval
TSECRS = {"last": 0, "last-100000": -100_000, "last+100000": 100_000}


@dataclass(frozen=True)
class Stimulus:
    """One segment: keys into SEQ, ACKS, TSVALS and TSECRS."""

    flags: str
    seq: str = "+0"
    ack: str = "nxt"
    length: int = 0
    ts: str = "newer"
    ecr: str = "last"

    def __str__(self) -> str:
        """`S. seq+W ack nxt len 10 ts newer`; what has its usual value is left out."""
        text = f"{self.flags} seq{self.seq}"
        if "." in self.flags:
            text += f" ack {self.ack}"
        if self.length:
            text += f" len {self.length}"
        if self.ts != "newer":
            text += f" ts {self.ts}"
        if self.ecr != "last":
            text += f" ecr {self.ecr}"
        return text

    def segment(self, peer: Peer) -> Segment:
        """The segment itself, on `peer`'s connection as it stands now."""
        bits = flag_bits(self.flags)
        offset, from_edge = SEQ[self.seq]
        seq = (peer.rn + offset + (peer.window() if from_edge else 0)) & M32
        base, delta = ACKS[self.ack]
        seg = Segment(bits, seq, (getattr(peer, base) + delta) & M32 if bits & ACK else 0, self.length)
        if bits & SYN:
            seg.mss, seg.sack_ok = 1460, True
        ts = TSVALS[self.ts]
        if ts is not None:
            seg.ts = ((PEER_TS + ts) & M32, (peer.tsval + TSECRS[self.ecr]) & M32 if bits & ACK else 0)
        return seg


FLAGS = ("S", "S.", ".", "F.", "F", "R", "R.", "P.", "P", "-", "SF", "SF.", "SR", "FR")
WITH_ACK = ((".", 0), ("F.", 0), ("R.", 0), ("S.", 0), ("P.", 10), ("F.", 10), ("SF.", 0))
NEAR = ("-100000", "-1", "+0", "+1", "+W", "+W+1")


def sequence_sweep() -> list[Stimulus]:
    """Every kind of segment, empty and with text, at every place of the sequence space."""
    return [Stimulus(f, q, length=n) for f in FLAGS for n in (0, 10) for q in SEQ]


def ack_sweep() -> list[Stimulus]:
    """Every kind of acknowledgment at every place of the sequence space."""
    return [Stimulus(f, q, a, n) for f, n in WITH_ACK for a in ACKS for q in SEQ]


def timestamp_sweep() -> list[Stimulus]:
    """Every kind of TSval at every place of the sequence space."""
    kinds = (("S", 0), (".", 0), ("F.", 0), ("R", 0), ("R.", 0), ("P.", 10), ("F.", 10), ("-", 0), ("S.", 0), ("SF", 0))
    return [Stimulus(f, q, length=n, ts=t) for f, n in kinds for t in TSVALS for q in SEQ]


def old_ack_sweep() -> list[Stimulus]:
    """Every kind of acknowledgment with every kind of TSval, at RCV.NXT and before it."""
    return [Stimulus(f, q, a, n, t) for f, n in WITH_ACK for a in ACKS for t in TSVALS for q in ("+0", "-1")]


def echo_sweep() -> list[Stimulus]:
    """TSecr that echoes nothing the host ever sent."""
    kinds = ((".", 0), ("S.", 0), ("P.", 10), ("R.", 0))
    return [Stimulus(f, q, length=n, ecr=e) for f, n in kinds for e in TSECRS for q in SEQ]


def without_timestamps(stimuli: list[Stimulus]) -> list[Stimulus]:
    """The same without the option; and SYNs of a peer that offers it nevertheless."""
    offers = [Stimulus("S", q, ts=t) for q in SEQ for t in ("newer", "-500000")]
    return [replace(s, ts="none") for s in stimuli] + offers


def all_stimuli(ts: bool, twice: bool) -> list[Stimulus]:
    """What is sent in every state. ts: does the host know timestamps? twice: each is sent twice."""
    if not ts:
        stimuli = sequence_sweep() if twice else sequence_sweep() + ack_sweep()
        return unique(without_timestamps(stimuli))
    if twice:
        return unique(sequence_sweep() + timestamp_sweep())
    return unique(sequence_sweep() + ack_sweep() + timestamp_sweep() + old_ack_sweep() + echo_sweep())


def unique(stimuli: list[Stimulus]) -> list[Stimulus]:
    """The same without repetitions, in order."""
    return list(dict.fromkeys(stimuli))


CLASSES = ("SYN", "SYN+ACK", "SYN+FIN", "RST", "FIN", "data", "ACK", "no flags")


def class_of(s: Stimulus) -> str:
    """The column of a table that a stimulus belongs to: its most telling flag."""
    if "R" in s.flags:
        return "RST"
    if "S" in s.flags:
        return "SYN+FIN" if "F" in s.flags else "SYN+ACK" if "." in s.flags else "SYN"
    if "F" in s.flags:
        return "FIN"
    if s.length:
        return "data"
    return "ACK" if "." in s.flags else "no flags"


def parse(text: str) -> Stimulus:
    """The inverse of `str`."""
    flags, seq, *rest = text.split()
    words = dict(zip(rest[::2], rest[1::2], strict=True))
    return Stimulus(
        flags,
        seq.removeprefix("seq"),
        words.get("ack", "nxt"),
        int(words.get("len", 0)),
        words.get("ts", "newer"),
        words.get("ecr", "last"),
    )
