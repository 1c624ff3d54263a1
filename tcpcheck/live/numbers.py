"""The trace's numbers and the kernel's. The kernel chooses its own ISNs and the offset of its timestamps, so the
numbers that count its bytes and ticks are moved; the peers' numbers are injected as the trace has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tcpcheck.live.packet import M32

HALF = 1 << 31


def signed(d: int) -> int:
    """A difference of two 32-bit numbers in [-2^31, 2^31)."""
    return ((d + HALF) & M32) - HALF


@dataclass
class Span:
    """The numbers of one connection of the kernel: [iss, nxt] in the trace, shifted by `shift` in the kernel."""

    iss: int
    nxt: int
    shift: int

    def distance(self, number: int) -> int:
        """How far a number lies outside; 0 inside."""
        inside = (number - self.iss) & M32 <= (self.nxt - self.iss) & M32
        return 0 if inside else min(abs(signed(number - self.iss)), abs(signed(number - self.nxt)))


@dataclass(frozen=True)
class Stamp:
    """The first TSval of a connection: in the trace, in the kernel, when it was sent (monotonic s, so much earlier or
    later), and how much the real time was ahead of the trace's then (s)."""

    told: int
    real: int
    sent: float
    about: float
    ahead: float

    def at(self, real: int) -> float:
        """When the kernel's clock of milliseconds showed this TSval (monotonic s)."""
        return self.sent + signed(real - self.real) / 1000


@dataclass
class Numbers:
    """Of one pair of addresses and ports, over all its connections. tick: ms of the trace's timestamp clock, which is
    1 in this kernel."""

    tick: int = 1
    spans: list[Span] = field(default_factory=list)
    stamps: dict[int, int] = field(default_factory=dict)  # the trace's TSvals -> the kernel's
    first: Stamp | None = None

    def _nearest(self, number: int, moved: bool) -> Span:
        """The connection that a number belongs to, the latest of several. moved: the number is the kernel's."""
        near, best = Span(0, 0, 0), -1
        for span in self.spans:
            far = span.distance((number - span.shift) & M32 if moved else number)
            if best < 0 or far <= best:
                near, best = span, far
        return near

    def real(self, number: int) -> int:
        """A sequence number of the trace that counts the kernel's bytes -> the kernel's number."""
        return (number + self._nearest(number, False).shift) & M32

    def told(self, number: int) -> int:
        """The inverse of `real`."""
        return (number - self._nearest(number, True).shift) & M32

    def known(self, iss: int) -> Span | None:
        """The connection that began with this ISN of the trace."""
        return next((span for span in self.spans if span.iss == iss), None)

    def follows(self, iss: int) -> bool:
        """Does this ISN of the trace derive from the former connection's numbers, as Linux has it?"""
        return bool(self.spans) and (iss - self.spans[-1].nxt) & M32 == 65537

    def begin(self, iss: int, kernel: int) -> None:
        """The kernel's SYN has shown its ISN."""
        self.spans.append(Span(iss, iss, (kernel - iss) & M32))

    def sent(self, end: int) -> None:
        """The kernel has sent up to here (in the trace's numbers)."""
        if self.spans and signed(end - self.spans[-1].nxt) > 0:
            self.spans[-1].nxt = end

    def echo(self, stamp: int) -> int:
        """A TSecr of the trace -> the kernel's TSval that it echoes."""
        if stamp in self.stamps or self.first is None or stamp == 0:
            return self.stamps.get(stamp, stamp)
        return (self.first.real + self.tick * signed(stamp - self.first.told)) & M32

    def told_stamp(self, stamp: int) -> int:
        """A TSval of the kernel as the trace would have it."""
        if self.first is None:
            return stamp
        return (self.first.told + signed(stamp - self.first.real) // self.tick) & M32
