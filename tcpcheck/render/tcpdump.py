"""A trace as `tcpdump -S -n -tt` prints it: absolute numbers, addresses, seconds since the start.

Exactly what tcpdump prints of the capture that pcapng.py writes. -S because relative numbers mix the incarnations of
a connection: a RST is printed absolute, the ACK that caused it relative to the old connection.
"""

from __future__ import annotations

from tcpcheck.render.vantage import WIRE, sightings
from tcpcheck.render.wire import Option, flag_bits, flag_letters, options, window_field
from tcpcheck.render.words import seconds, time_digits
from tcpcheck.witness.trace import Segment, Trace


def tcpdump(trace: Trace, vantage: str = WIRE) -> str:
    """One line for each segment seen at `vantage`, a host's name or `wire`; UsageError when there is none such."""
    digits = time_digits(trace)
    lines = (f"{seconds(seen.time_ns, digits)} {line(seen.segment)}" for seen in sightings(trace, vantage))
    return "".join(f"{text}\n" for text in lines)


def line(segment: Segment) -> str:
    """A segment without its time: `IP a.39836 > b.12345: Flags [S.], seq 500, ...`."""
    bits = flag_bits(segment.flags)
    parts = [f"Flags [{flag_letters(bits)}]"]
    if segment.length or bits & 0b111:
        end = f":{(segment.seq + segment.length) % 2**32}" if segment.length else ""
        parts.append(f"seq {segment.seq}{end}")
    if bits & 0b10000:
        parts.append(f"ack {segment.ack}")
    parts.append(f"win {window_field(segment)}")
    if written := ",".join(_option_text(option) for option in options(segment)):
        parts.append(f"options [{written}]")
    parts.append(f"length {segment.length}")
    source = f"{segment.src_addr}.{segment.sport}"
    return f"IP {source} > {segment.dst_addr}.{segment.dport}: {', '.join(parts)}"


def _option_text(option: Option) -> str:
    name, numbers = option
    if name == "TS":
        return f"TS val {numbers[0]} ecr {numbers[1]}"
    if name == "sack":
        return f"sack 1 {{{numbers[0]}:{numbers[1]}}}"
    return " ".join([name, *map(str, numbers)])
