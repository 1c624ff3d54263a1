"""Is a segment that the kernel sent the one that the trace predicts? And both in words, in the trace's numbers.

Compared: flags (but PSH), sequence number, acknowledgement, length, timestamps, SACK. Not compared: windows, MSS.
"""

from __future__ import annotations

from tcpcheck.live.numbers import Numbers, signed
from tcpcheck.live.packet import ACK, M32, PSH, RST, SYN, flag_bits, flag_text
from tcpcheck.live.packet import Segment as Packet
from tcpcheck.live.part import Act
from tcpcheck.witness.trace import Segment

TICKS = 4  # ms by which a TSval may be off
COOKIE_TICKS = 64  # ... where its low bits carry a SYN cookie's options


def differs(numbers: Numbers, seg: Packet, predicted: Segment, act: Act) -> str:
    """What is wrong with a segment that came, or "". What only the kernel knows is not asked about: a fresh ISN."""
    if (seg.flags & ~PSH) != (flag_bits(predicted.flags) & ~PSH):
        return "flags"
    if seg.flags & SYN and numbers.known(predicted.seq) is None:
        if numbers.follows(predicted.seq) and seg.seq != numbers.real(predicted.seq):
            return "the ISN does not follow the former connection's numbers"
    elif seg.seq != _real_seq(numbers, predicted, act):
        return "sequence number"
    if seg.flags & ACK and seg.ack != predicted.ack:
        return "acknowledgement"
    if seg.length != predicted.length:
        return "length"
    return _differs_in_options(seg, predicted)


def _real_seq(numbers: Numbers, predicted: Segment, act: Act) -> int:
    """The RST to a segment without ACK has number 0, which counts nothing (RFC 9293 3.10.7.1)."""
    stimulus = act.step.segment
    bare = stimulus is not None and "." not in stimulus.flags
    if bare and "R" in predicted.flags and "." in predicted.flags and predicted.seq == 0:
        return 0
    return numbers.real(predicted.seq)


def _differs_in_options(seg: Packet, predicted: Segment) -> str:
    if (seg.ts is not None) != (predicted.tsval is not None):
        return "a timestamp" if seg.ts is not None else "no timestamp"
    if seg.ts is not None and seg.ts[1] != predicted.tsecr:
        return "TSecr"
    if seg.flags & SYN and seg.sack_ok != predicted.sack_ok:
        return "SACK permitted" if seg.sack_ok else "SACK not permitted"
    if predicted.sack is not None and (not seg.sack or seg.sack[0] != predicted.sack):
        return "SACK"
    if predicted.sack is None and seg.sack and not seg.dsack:
        return "SACK"
    return ""


def ticks_off(numbers: Numbers, real: int, told: int, ahead: float) -> int:
    """By how many ms a TSval is off: since the first one, as much must have passed as in the trace, and as the real
    time has got ahead of it."""
    if numbers.first is None:
        return 0
    passed = signed(real - numbers.first.real) - numbers.tick * signed(told - numbers.first.told)
    return passed - round((ahead - numbers.first.ahead) * 1000)


def said(seg: Segment) -> str:
    """A segment of the trace."""
    words = f"[{seg.flags}] seq {seg.seq}" + (f" ack {seg.ack}" if "." in seg.flags else "")
    words += f" len {seg.length}" if seg.length else ""
    words += f" TS {seg.tsval} ecr {seg.tsecr}" if seg.tsval is not None else ""
    return words + (f" SACK {seg.sack[0]}..{seg.sack[1]}" if seg.sack else "")


def told(numbers: Numbers, seg: Packet) -> str:
    """A segment that came, in the trace's numbers."""
    literal = seg.flags & RST and seg.flags & ACK and seg.seq == 0
    words = f"[{flag_text(seg.flags)}] seq {0 if literal else numbers.told(seg.seq)}"
    words += f" ack {seg.ack}" if seg.flags & ACK else ""
    words += f" len {seg.length}" if seg.length else ""
    words += f" TS {numbers.told_stamp(seg.ts[0])} ecr {seg.ts[1]}" if seg.ts is not None else ""
    return words + (f" SACK {seg.sack[0][0]}..{seg.sack[0][1]}" if seg.sack else "")


def end_of(seg: Segment) -> int:
    """The sequence number after a segment."""
    return (seg.seq + seg.length + ("S" in seg.flags) + ("F" in seg.flags)) & M32
