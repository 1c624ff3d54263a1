"""`tcpcheck conform FILE...`: does a capture agree with the model?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tcpcheck.conform import options
from tcpcheck.conform.follow import Setting
from tcpcheck.conform.judge import Connection, Verdict, judge
from tcpcheck.conform.live import Overflow
from tcpcheck.conform.packetdrill_reader import HOST, PEER, Unsupported, is_packetdrill, read_packetdrill
from tcpcheck.conform.packets import TEXT_MAX, Capture, CaptureError
from tcpcheck.conform.pcap_reader import is_pcap, read_pcap
from tcpcheck.conform.script import ScriptRun
from tcpcheck.conform.tcpdump_reader import is_tcpdump, read_tcpdump
from tcpcheck.errors import UsageError


@dataclass(frozen=True)
class ConformCall:
    """The options as typed."""

    files: Sequence[str]
    host: str | None = None
    kernel: str = options.DEFAULT_KERNEL
    sysctls: Sequence[str] = ()
    backlog: int | None = None
    lost: str | None = None
    unseen: bool = False
    midstream: bool = False
    until: float = 0.0


UNTIL_MOST = 30 * 86400  # seconds
NAMED_MOST = 3  # packets beyond the capture's end that a note names


class Conform:
    """The call, checked. Raises UsageError or Impossible."""

    def __init__(self, call: ConformCall) -> None:
        if not 0 <= call.until <= UNTIL_MOST:
            raise UsageError(f"--until takes seconds from 0 to {UNTIL_MOST}, not {call.until:g}")
        self.call = call
        self.profile, self.notes = options.kernel(call.kernel)
        self.setting = Setting(
            self.profile.name,
            options.sysctls(call.sysctls, self.profile),
            call.backlog,
            lost=options.packets(call.lost),
            lost_known=call.lost is not None,
            unseen=call.unseen,
            until_ns=int(call.until * 1e9),
        )

    @property
    def kernel(self) -> str:
        """The profile's name."""
        return self.profile.name

    def file(self, name: str) -> Verdict:
        """The verdict on one file. Raises UsageError."""
        found = _opened(name)
        if isinstance(found, str) and not is_tcpdump(found) and is_packetdrill(found):
            verdict = self._script(name, found)
        else:
            capture = _logged(name, found) if isinstance(found, str) else found
            verdict = judge(capture, self.call.host, self.setting, self.call.midstream)
            verdict.notes += self._beyond(capture)
        verdict.notes += self.notes
        return verdict

    def _beyond(self, capture: Capture) -> list[str]:
        """What the call says of packets that the capture has not."""
        last = max(packet.number for packet in capture.packets)
        lost = [number for number in sorted(self.setting.lost or ()) if number > last]
        said = [f"--lost {number}" for number in lost[:NAMED_MOST]]
        said += [f"--sysctl {name}={value}@{start}" for start, name, value in self.setting.sysctls if start > last]
        return [f"{words} changes nothing: the last segment is packet {last}" for words in said]

    def _script(self, name: str, text: str) -> Verdict:
        """A packetdrill script; what is not supported makes it skipped, never passed."""
        verdict = Verdict(name, HOST)
        row = Connection(str(PEER), HOST, 1, 0)
        verdict.connections.append(row)
        try:
            outcome = ScriptRun(read_packetdrill(name, text), self.setting).run()
        except (Unsupported, Overflow) as reason:
            row.why, verdict.undecided = f"skipped, {reason}", True
            return verdict
        row.packets = verdict.packets = outcome.packets
        row.agrees, row.disagreement = outcome.disagreement is None, outcome.disagreement
        row.matched = outcome.matched
        verdict.matched.append(outcome.matched)
        verdict.notes += outcome.notes
        return verdict


def read(name: str) -> Capture:
    """A capture of any of the formats but scripts. Raises CaptureError."""
    found = _opened(name)
    return _logged(name, found) if isinstance(found, str) else found


def _opened(name: str) -> Capture | str:
    """A pcap or pcapng file is read packet by packet; anything else is a text."""
    try:
        with open(name, "rb") as file:
            if is_pcap(file.peek(4)):
                return read_pcap(name, file)
            data = file.read(TEXT_MAX + 1)
    except OSError as error:
        raise CaptureError(f"cannot read {name}: {error.strerror}") from None
    except ValueError as error:
        raise CaptureError(f"cannot read {name!r}: {error}") from None
    if data[:2] == b"\x1f\x8b":
        raise CaptureError(f"{name}: compressed; unpack it with gunzip first")
    if len(data) > TEXT_MAX:
        raise CaptureError(f"{name}: a text of more than {TEXT_MAX:,} bytes; cut out the connection in question")
    if not data.strip():
        raise CaptureError(f"{name}: an empty file" if not data else f"{name}: nothing but white space")
    return data.decode("utf-8", errors="replace")


def _logged(name: str, text: str) -> Capture:
    if is_tcpdump(text):
        return read_tcpdump(name, text)
    raise CaptureError(f"{name}: neither pcap, pcapng, tcpdump's text nor a packetdrill script")
