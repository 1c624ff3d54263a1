"""The table state x stimulus -> reply, next state, rules, taken from the running code.

`python -m tcpcheck.tcp.table` prints docs/state-table.md; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tcpcheck.tcp.drive import Driver

PROFILE = "linux-6.18.44"
PORT, PEER_PORT = 80, 1000
ISN = 1_000_000  # of the peer
TSVAL = 500_000  # of every segment of a build
M32 = 0xFFFFFFFF

# How each state is reached: segments of the peer (flags as in tcpdump, acknowledging everything; `~` the FIN is not
# acknowledged; `+100` bytes) and calls.
STATES: dict[str, tuple[str, dict[str, int]]] = {
    "CLOSED": ("", {}),
    "LISTEN": ("listen", {}),
    "SYN-RECEIVED (request socket)": ("listen S", {}),
    "SYN-SENT": ("connect", {}),
    "SYN-RECEIVED (simultaneous open)": ("connect S", {}),
    "ESTABLISHED": ("listen S . accept", {}),
    "CLOSE-WAIT": ("listen S . accept .+100 recv F.", {}),
    "FIN-WAIT-1": ("listen S . accept shutdown", {}),
    "FIN-WAIT-1 (orphan)": ("listen S . accept close", {}),
    "FIN-WAIT-2": ("listen S . accept shutdown .", {}),
    "FIN-WAIT-2 (orphan: bucket)": ("listen S . accept close .", {}),
    "FIN-WAIT-2 (orphan, tcp_fin_timeout=75: full socket)": ("listen S . accept close .", {"tcp_fin_timeout": 75}),
    "CLOSING": ("listen S . accept shutdown ~F.", {}),
    "LAST-ACK": ("listen S . accept .+100 recv F. close", {}),
    "TIME-WAIT": ("listen S . accept close . F.", {}),
    "TIME-WAIT (tcp_rfc1337=1)": ("listen S . accept close . F.", {"tcp_rfc1337": 1}),
}


@dataclass(frozen=True)
class Stimulus:
    """One segment of the peer: seq from RCV.NXT, ack from SND.NXT, TSval from ts_recent (None: no option)."""

    name: str
    flags: str
    seq: int = 0
    ack: int = 0
    length: int = 0
    ts: int | None = 100


STIMULI = (
    Stimulus("SYN, newer sequence", "S", 100_000),
    Stimulus("SYN, older sequence, newer TSval", "S", -100_000),
    Stimulus("SYN, older sequence, no TSval", "S", -100_000, ts=None),
    Stimulus("SYN, newer sequence, older TSval", "S", 100_000, ts=-1000),
    Stimulus("SYN, its ISN again", "S", -1, ts=0),
    Stimulus("SYN+FIN, newer sequence", "SF", 100_000),
    Stimulus("SYN+ACK", "S.", -1),
    Stimulus("RST at RCV.NXT", "R"),
    Stimulus("RST at RCV.NXT + 1", "R", 1),
    Stimulus("RST at RCV.NXT - 1", "R", -1),
    Stimulus("RST outside the window", "R", 100_000),
    Stimulus("RST+ACK at RCV.NXT", "R."),
    Stimulus("ACK at RCV.NXT", "."),
    Stimulus("ACK before RCV.NXT", ".", -100),
    Stimulus("ACK outside the window", ".", 100_000),
    Stimulus("ACK at RCV.NXT, older TSval", ".", ts=-1000),
    Stimulus("ACK of what was never sent", ".", ack=1),
    Stimulus("ACK of everything but the last number", ".", ack=-1),
    Stimulus("FIN at RCV.NXT", "F."),
    Stimulus("FIN at RCV.NXT - 1", "F.", -1),
    Stimulus("FIN at RCV.NXT + 1", "F.", 1),
    Stimulus("10 bytes at RCV.NXT", "P.", length=10),
    Stimulus("10 bytes before RCV.NXT", "P.", -100, length=10),
    Stimulus("10 bytes at RCV.NXT + 1000", "P.", 1000, length=10),
    Stimulus("10 bytes outside the window", "P.", 100_000, length=10),
    Stimulus("10 bytes at RCV.NXT, older TSval", "P.", length=10, ts=-1000),
    Stimulus("no flags", "-"),
    Stimulus("FIN without ACK", "F"),
)


@dataclass(frozen=True)
class Connection:
    """What the peer knows: the host's port, RCV.NXT and SND.NXT of the host, its last TSval, the socket called on."""

    driver: Driver
    port: int = PORT
    rcv_nxt: int = ISN
    snd_nxt: int = 2_000_000
    tsval: int = 0
    sock: int = -1
    listener: int = -1

    def sent(self, segments: list[dict[str, Any]]) -> Connection:
        """The peer has seen what the host sent."""
        now = self
        for seg in segments:
            end = seg["seq"] + seg["len"] + ("S" in seg["flags"]) + ("F" in seg["flags"])
            now = replace(now, snd_nxt=end & M32, tsval=seg["ts"][0] if seg["ts"] else now.tsval)
        return now

    def inject(self, s: Stimulus) -> list[dict[str, Any]]:
        """The peer sends one segment; the answers."""
        answers: list[dict[str, Any]] = self.driver.inject(
            PEER_PORT,
            self.port,
            s.flags,
            (self.rcv_nxt + s.seq) & M32,
            (self.snd_nxt + s.ack) & M32 if "." in s.flags else 0,
            s.length,
            ts=None if s.ts is None else (TSVAL + s.ts, self.tsval if "." in s.flags else 0),
        )
        return answers

    def call(self, word: str) -> Connection:
        """One call of the program."""
        if word == "listen":
            return replace(self, listener=self.driver.listen(PORT))
        if word == "connect":
            sock = self.driver.connect(1, PEER_PORT, 20_000)
            return replace(self, sock=sock, port=20_000).sent(self.driver.take())
        if word == "accept":
            return replace(self, sock=self.driver.accept(self.listener))
        getattr(self.driver, word)(self.sock)
        return self.sent(self.driver.take())

    def segment(self, word: str) -> Connection:
        """One segment of a build, in order."""
        flags, _, size = word.lstrip("~").partition("+")
        step = Stimulus("", flags, ack=-1 if word.startswith("~") else 0, length=int(size or 0), ts=0)
        answers = self.inject(step)
        moved = step.length + ("S" in flags) + ("F" in flags)
        if "S" not in flags and not any("." in seg["flags"] for seg in answers):
            return replace(self, rcv_nxt=self.rcv_nxt + moved)
        return replace(self.sent(answers), rcv_nxt=self.rcv_nxt + moved)


def reach(state: str) -> Connection:
    """A connection in this state."""
    script, sysctls = STATES[state]
    now = Connection(Driver(PROFILE, sysctls))
    for word in script.split():
        now = now.call(word) if word.isalpha() and word.islower() else now.segment(word)
    return now


def answer(start: Connection, seg: dict[str, Any]) -> str:
    """A reply in words: flags, seq from SND.NXT, ack from RCV.NXT."""
    text = {".": "ACK", "R": "RST", "R.": "RST+ACK", "S.": "SYN+ACK", "S": "SYN"}.get(seg["flags"], seg["flags"])
    distance = (seg["seq"] - start.snd_nxt + (1 << 31) & M32) - (1 << 31)
    if seg["flags"] == "R." and seg["seq"] == 0:
        text += " seq 0"
    elif distance in (0, -1, 1, 65537):
        text += f" seq{distance:+d}" if distance else ""
    else:
        text += " new ISN" if "S" in seg["flags"] else f" seq{distance:+d}"
    return str(text) + (" (DSACK)" if seg["dsack"] else " (SACK)" if seg["sack"] else "")


def row(start: Connection, stimulus: Stimulus) -> tuple[str, str, str]:
    """Reply, next state and rules of one stimulus."""
    driver = start.driver.copy()
    driver.rules()
    here = replace(start, driver=driver)
    replies = here.inject(stimulus)
    state = driver.state(driver.find(PEER_PORT, start.port))
    if state == "CLOSED" and start.listener >= 0 and start.rcv_nxt == ISN:
        state = "LISTEN"
    return ", ".join(answer(start, seg) for seg in replies), str(state), ", ".join(driver.rules())


def table() -> Iterator[str]:
    """The lines of docs/state-table.md."""
    yield "# What a segment does in each state"
    yield ""
    yield f"Generated by `python -m tcpcheck.tcp.table` from the running code, profile {PROFILE}, default sysctls,"
    yield "timestamps negotiated, nothing sent or received but what the state needs; do not edit. A reply's sequence"
    yield "number is SND.NXT unless it says otherwise. Older and newer are 100000 sequence numbers or 1000 ticks away."
    yield "States as in `ss`; /req is a request socket, /tw a time-wait bucket."
    for state in STATES:
        start = reach(state)
        yield from ("", f"## {state}", "", "| segment | reply | next state | rules |", "|---|---|---|---|")
        for stimulus in STIMULI:
            yield f"| {stimulus.name} | " + " | ".join(row(start, stimulus)) + " |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
