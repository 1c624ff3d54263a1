"""How packetdrill counts, spells and times segments."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tcpcheck.render.wire import flag_bits, flag_letters, options
from tcpcheck.witness.trace import Armed, Segment

JIFFY_NS = 4_000_000


class Numbers:
    """How packetdrill maps the numbers of the connection under test (module docstring): all modulo 2^32."""

    def __init__(self, remote: int) -> None:
        self.remote = remote  # what inbound numbers without SYN count from; 0 until packetdrill knows it
        self.local: int | None = None  # the same for outbound numbers; None until the host's first SYN
        self.local_next = 0  # SND.NXT, for the ISN that Linux derives from it

    def inbound(self, segment: Segment) -> Segment:
        """As the script has it."""
        seq = segment.seq if "S" in segment.flags else segment.seq - self.remote
        return self._counted(segment, seq, segment.ack - (self.local or 0), self.local or 0)

    def outbound(self, segment: Segment) -> Segment:
        ack = segment.ack if "S" in segment.flags else segment.ack - self.remote
        return self._counted(segment, segment.seq - (self.local or 0), ack, self.remote)

    @staticmethod
    def _counted(segment: Segment, seq: int, ack: int, sack_base: int) -> Segment:
        sack = segment.sack and ((segment.sack[0] - sack_base) % 2**32, (segment.sack[1] - sack_base) % 2**32)
        return replace(segment, seq=seq % 2**32, ack=ack % 2**32, sack=sack)


@dataclass
class Pace:
    """When the lines of a script happen, each counted from the one before as it really came.

    What a timer of the kernel sends comes at any time in the timer's window. Where it sends nothing, the script waits
    until it has surely fired. Of a timer that was set before another such line the script knows so much less.
    """

    time_ns: int = 0  # of the last line, in the trace
    sent_ns: int = 0  # when the host last sent something: there most timers start
    begun: bool = False
    pause_ns: int = 0  # longer than in the trace, before the next line
    shifts: list[tuple[int, int, int]] = field(default_factory=list)
    """(moment in the trace, by how much it may come earlier, by how much later) than in the trace."""

    def line(self, time_ns: int) -> str:
        """The offset of a line of the script's own. The first one is at 0, as packetdrill wants it."""
        offset = time_ns - self.time_ns + self.pause_ns if self.begun else 0
        self._at(time_ns)
        return f"+{seconds(offset)}"

    def sent(self, time_ns: int, timer: Armed | None) -> str:
        """Of a segment that the kernel sends, by a timer or at once."""
        delay = time_ns - self.time_ns
        self.sent_ns, before = time_ns, self.sent_ns
        if timer is None and delay == 0:
            return self.line(time_ns)
        if timer is None:  # a window is not known: an eighth, as the kernel's timers have it
            room = max(delay, time_ns - before) // 8 + JIFFY_NS
            low, high = delay - room, delay + room
        else:
            earlier, later = self._moved(timer.since_ns)
            low = timer.since_ns + timer.lo_ns - self.time_ns - later
            high = timer.since_ns + timer.hi_ns - self.time_ns - earlier
        self._at(time_ns)
        low, high = max(low, 0), max(high, delay, 0)
        self.shifts.append((time_ns, low - delay, high - delay))
        return f"+{seconds(low)}~+{seconds(high)}"

    def silent(self, time_ns: int, timer: Armed) -> None:
        """A timer fires and nothing is to be seen."""
        pause = max(timer.since_ns + timer.hi_ns - self._moved(timer.since_ns)[0] + JIFFY_NS - time_ns, 0)
        self.pause_ns += pause
        self.shifts.append((time_ns, pause, pause))

    def _at(self, time_ns: int) -> None:
        self.time_ns, self.begun, self.pause_ns = time_ns, True, 0

    def _moved(self, since_ns: int) -> tuple[int, int]:
        """By how much less and more than in the trace has passed since then."""
        rows = [(earlier, later) for at, earlier, later in self.shifts if at > since_ns]
        return sum(row[0] for row in rows), sum(row[1] for row in rows)


def seconds(time_ns: int) -> str:
    """Whole microseconds; packetdrill knows no less. `0`, `0.000045`, `12.5`."""
    micros = time_ns // 1000
    return f"{micros // 10**6}.{micros % 10**6:06d}".rstrip("0").rstrip(".")


def segment_text(segment: Segment, window: str) -> str | None:
    """`S. 0:0(0) ack 1 win 65160 <...>`; None when its end lies beyond 2^32."""
    bits = flag_bits(segment.flags)
    end = segment.seq + segment.length
    if end >= 2**32:
        return None
    said = f"{'-' if bits == 0 else flag_letters(bits)} {segment.seq}:{end}({segment.length})"
    said += f" ack {segment.ack}" if bits & 16 else ""
    written = ",".join(option_text(name, numbers) for name, numbers in options(segment))
    return f"{said}{window}" + (f" <{written}>" if written else "")


def option_text(name: str, numbers: tuple[int, ...]) -> str:
    if name == "TS":
        return f"TS val {numbers[0]} ecr {numbers[1]}"
    if name == "sack":
        return f"sack {numbers[0]}:{numbers[1]}"
    return " ".join([name, *map(str, numbers)])
