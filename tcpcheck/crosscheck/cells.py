"""State x stimulus -> replies and next state, in words.

A cell is text: `replies|state`, or `replies|state|later replies|later state` when something happened in the next
LATE seconds (a delayed ACK, an early SYN). A setting that sends the stimulus twice has both answers, ` / ` between.
A reply is flags, seq relative to SND.NXT, ack relative to RCV.NXT or (`+W`) to the window's right edge, all as before
the stimulus, `/n` for n bytes of payload, `T` with timestamps (`Te` when TSecr echoes the stimulus's TSval, `T?` when
it echoes neither that nor ts_recent), `D` for a DSACK, `K` for another SACK block. `new` is an ISN that nothing
determines, `zero` the number 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.crosscheck.lab import PEER_TS, Lab, Peer, signed
from tcpcheck.crosscheck.states import STATES
from tcpcheck.crosscheck.stimuli import Stimulus, all_stimuli
from tcpcheck.live.packet import ACK, RST, SYN, Segment, flag_text

LATE = (
    0.070  # seconds: longer than a delayed ACK (40 ms) and the early SYN (2 jiffies), shorter than the probe at 0.2 s
)
OWN_ISN = -1  # a SYN or SYN-ACK of the connection itself, from SND.NXT
BUCKET_ISN = 65537  # a SYN-ACK of a connection that takes over a time-wait bucket, from the old SND.NXT
BASE: dict[str, int] = {
    "tcp_timestamps": 1,
    "tcp_rfc1337": 0,
    "tcp_invalid_ratelimit": 500,
    "tcp_fin_timeout": 60,
    "tcp_sack": 1,
    "tcp_syncookies": 1,
}
# What the kernel under test must also have, though the model knows nothing of it.
HOUSE: dict[str, int | str] = {"tcp_congestion_control": "reno", "tcp_no_metrics_save": 1}
BUCKETS = ("FIN-WAIT-2 bucket", "TIME-WAIT", "TIME-WAIT open", "TIME-WAIT active")


@dataclass(frozen=True)
class Setting:
    """Sysctls, whether the peer offers timestamps, whether each stimulus is sent twice, the states it is for; `why`
    it is not for the others."""

    sysctls: dict[str, int]
    peer_ts: bool = True
    twice: bool = False
    states: tuple[str, ...] = tuple(STATES)
    why: str = ""

    def stimuli(self) -> list[Stimulus]:
        """What is sent in each of its states."""
        return all_stimuli(self.sysctls.get("tcp_timestamps", 1) != 0, self.twice)


NO_TS = {"tcp_timestamps": 0}
RFC1337 = {"tcp_rfc1337": 1}
NO_LIMIT = {"tcp_invalid_ratelimit": 0}
ONLY_BUCKETS = "tcp_rfc1337 is looked at by time-wait buckets only"
PASSIVE = ("SYN-RECV request", *BUCKETS[:3])
SETTINGS = {
    "ts": Setting({}),
    "no-ts": Setting(NO_TS, False),
    "twice": Setting({}, twice=True),
    "no-ts-twice": Setting(NO_TS, False, True),
    "no-limit": Setting(NO_LIMIT, twice=True),
    "no-ts-no-limit": Setting(NO_TS | NO_LIMIT, False, True),
    "rfc1337": Setting(RFC1337, states=BUCKETS, why=ONLY_BUCKETS),
    "rfc1337-no-ts": Setting(RFC1337 | NO_TS, False, states=BUCKETS, why=ONLY_BUCKETS),
    "rfc1337-no-limit": Setting(RFC1337 | NO_LIMIT, True, True, BUCKETS, ONLY_BUCKETS),
    "rfc1337-no-ts-no-limit": Setting(RFC1337 | NO_TS | NO_LIMIT, False, True, BUCKETS, ONLY_BUCKETS),
    "peer-no-ts": Setting({}, False, states=PASSIVE, why="timestamps count where they can be refused: passive opens"),
}
OWN_ISN = -1  # a SYN or SYN-ACK of the connection itself, from SND.NXT
BUCKET_ISN = 65537  # a SYN-ACK of a connection that takes over a time-wait bucket, from the old SND.NXT


def describe(peer: Peer, stimulus: Segment, reply: Segment) -> str:
    """A reply in the notation above; `peer` as it stood before the stimulus."""
    seq, ack = signed(reply.seq - peer.sn), signed(reply.ack - peer.rn)
    text = flag_text(reply.flags) + " "
    if reply.flags & SYN and seq not in (OWN_ISN, BUCKET_ISN):
        text += "new"
    elif reply.seq == 0 and reply.flags & RST and reply.flags & ACK:
        text += "zero"
    else:
        text += f"{seq:+}"
    if reply.flags & ACK:
        beyond = ack - peer.window()
        text += f" +W{beyond:+}" if -2 <= beyond <= 12 else f" {ack:+}"
    if reply.length:
        text += f"/{reply.length}"
    if reply.ts is not None:
        echoed = stimulus.ts[0] if stimulus.ts else None
        text += "T" if reply.ts[1] == PEER_TS else "Te" if reply.ts[1] == echoed else "T0" if not reply.ts[1] else "T?"
    if reply.sack:
        text += "D" if reply.dsack else "K"
    return text


class Cell:
    """One cell in the making: `peer`'s connection gets the stimulus now; later it is looked at again."""

    def __init__(self, lab: Lab, peer: Peer, stimulus: Stimulus, twice: bool) -> None:
        self._lab, self.peer, self._twice = lab, peer, twice
        self._seg = stimulus.segment(peer)
        self.text = self._now(lab.inject(peer, self._seg))
        if twice:
            self.text += " / " + self._now(lab.inject(peer, self._seg))

    def _now(self, replies: list[Segment]) -> str:
        self._after = self._lab.state(self.peer)
        return ", ".join(describe(self.peer, self._seg, r) for r in replies) + "|" + self._after

    def finish(self) -> str:
        """What came later, if anything did; the whole cell."""
        if not self._twice:
            before = self._after
            late = self._now(self._lab.pending(self.peer))
            if late != "|" + before:
                self.text += "|" + late
        return self.text
