"""Several segments and calls in a row, the same for kernel and model.

A step is text: a call, or `flags seq ack length tsval`, its numbers relative to what the peer has seen so far: seq to
the host's last acknowledgement, ack to the end of what the host has sent, tsval to the first (`x`: no timestamps).
Then may come `w0`, the window is closed, and `ecr`, a timestamp is echoed that was never sent. `look` does nothing;
at `other` another peer of the listener opens a connection. A step's outcome is `result|replies|state`, replies as in
`cells.py`.
"""

from __future__ import annotations

import dataclasses

from tcpcheck.crosscheck.cells import LATE, describe
from tcpcheck.crosscheck.lab import PEER_TS, Lab, Peer, signed
from tcpcheck.live.packet import ACK, FIN, M32, RST, SYN, Segment, flag_bits

LATER = "later"
LOOK, OTHER = "look", "other"
CALLS = ("accept", "send 100", "recv", "shutdown", "close")
OPENS = ("accept", "connect")
ALL_CALLS = (*CALLS, "connect", "abort", "unlisten")


class Walk:
    """One walk under way."""

    def __init__(self, lab: Lab, peer: Peer) -> None:
        self.lab, self.peer = lab, peer
        self._last = Segment(0)

    def on(self, lab: Lab) -> Walk:
        """The same walk, going on in a copy of its lab."""
        others = self.peer.other and dataclasses.replace(self.peer.other, lab=lab)
        other = Walk(lab, dataclasses.replace(self.peer, lab=lab, other=others))
        other._last = self._last
        return other

    def act(self, step: str) -> tuple[str, list[Segment]]:
        """Take a step: the result of a call, and the replies."""
        if step == LATER:
            self.lab.settle(LATE)
            return "", self.lab.pending(self.peer)
        if step == LOOK:
            return "", self.lab.pending(self.peer)
        if step == OTHER and self.peer.other is not None:
            self.peer.other.put("S")
            self.peer.other.put(".")
            return "", self.lab.pending(self.peer)
        if step in ALL_CALLS:
            if step != "unlisten" and (step in OPENS) == (self.peer.handle is not None):
                return "no descriptor", self.lab.pending(self.peer)
            result = self.lab.result(self.peer, step)
            if step == "shutdown":  # what it returns is not modelled
                result = ""
            return result, self.lab.pending(self.peer)
        seg = self._segment(*step.split())
        self._last = seg
        return "", self.lab.inject(self.peer, seg)

    def _segment(self, flags: str, seq: str, ack: str, length: str, ts: str, *more: str) -> Segment:
        bits = flag_bits(flags)
        number = (self.peer.sn + int(ack)) & M32 if bits & ACK else 0
        seg = Segment(bits, (self.peer.rn + int(seq)) & M32, number, int(length))
        if ts != "x":
            echo = self.peer.tsval + (100_000 if "ecr" in more else 0)
            seg.ts = ((PEER_TS + int(ts)) & M32, echo & M32 if bits & ACK else 0)
        if bits & SYN:
            seg.mss, seg.sack_ok = 1460, True
        if "w0" in more:
            seg.window = 0
        return seg

    def outcome(self, result: str, replies: list[Segment]) -> str:
        """The step in words; the peer has now seen the replies."""
        text = ", ".join(describe(self.peer, self._last, seg) for seg in replies)
        for seg in replies:
            if seg.ts is not None:
                self.peer.tsval = seg.ts[0]
            if seg.flags & SYN and seg.flags & ACK:  # perhaps of a new connection
                self.peer.sn, self.peer.rn = (seg.seq + 1) & M32, seg.ack
            elif seg.flags & SYN:
                self.peer.sn = (seg.seq + 1) & M32
            if seg.flags & (RST | SYN):
                continue
            end = (seg.seq + seg.length + bool(seg.flags & FIN)) & M32
            if signed(end - self.peer.sn) > 0:
                self.peer.sn = end
            self.peer.rn = seg.ack
        return f"{result}|{text}|{self.lab.state(self.peer)}"

    def step(self, step: str) -> str:
        """Take a step and tell its outcome."""
        return self.outcome(*self.act(step))
