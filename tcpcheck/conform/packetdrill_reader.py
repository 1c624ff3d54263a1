"""packetdrill scripts (google/packetdrill) as events: calls, packets in and out, asserts, commands, with their times.

A script that needs something the model does not have is `Unsupported`, with the line; one that is no packetdrill is a
CaptureError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from tcpcheck.conform.options import sysctl_name
from tcpcheck.conform.packets import ACK, M32, CaptureError, Endpoint, Packet, flag_bits
from tcpcheck.tcp.sysctls import SYSCTLS

PEER = Endpoint("192.0.2.1", 34567)
HOST = "192.168.0.1"
TOLERANCE_NS = 4_000_000  # packetdrill's own
TOLERANCE_PERCENT = 12.5
_NUMBER = r"\d*\.?\d+"
_TIME = re.compile(
    rf"\s*(?:(\*)|(\+)?\s*({_NUMBER})(?:\s*~\s*(\+)?\s*({_NUMBER}))?(?:\s*\.\.\.\s*({_NUMBER}))?)\s+(?=\S)"
)
_PACKET = re.compile(
    r"(?:(?P<sport>\d+)\s*>\s*(?P<dport>\d+)\s+)?(?P<flags>-|[SFRPEWU.]+)\s+(?P<seq>\d+):(?P<end>\d+)\((?P<len>\d+)\)"
    r"(?:\s+ack\s+(?P<ack>\d+))?(?:\s+win\s+(?P<win>\d+))?(?:\s+urg\s+(?P<urg>\d+))?(?:\s*<(?P<opts>[^>]*)>)?\s*$"
)
_CALL = re.compile(
    r"(?P<name>\w+)\((?P<args>.*)\)\s*=\s*(?P<result>-?\d+|\?)(?:\s+(?P<errno>E[A-Z]+))?(?:\s*\(.*\))?\s*$"
)
_OPTION = re.compile(r"^--(\w+)(?:=(\S+))?\s*$")
_SETTING = re.compile(r"(?:/proc/sys/)?(net[./](?:ipv4|core)[./]\w+)=\"?([\w.-]+)")
_IPTABLES = re.compile(
    rf"iptables -([AID]) (?:(OUTPUT)(?: -d {re.escape(PEER.address)})?|(INPUT)(?: -s {re.escape(PEER.address)})?)"
    r"(?: -p tcp)? -j DROP"
)
_QDISC = re.compile(r"tc qdisc (add|replace|del|delete) dev tun0 root(?: pfifo)?(?: limit (0))?(?: 2> ?/dev/null)?")
_HARMLESS_COMMANDS = ("sysctl_restore", "tcp_metrics", "sysctl", "set_sysctls.py", "defaults.sh", "#", "true")
_WITHOUT_EFFECT = {  # sysctls that decide nothing the model speaks of
    *("tcp_rmem", "tcp_wmem", "tcp_frto", "tcp_fack", "tcp_reordering", "tcp_congestion_control", "tcp_ecn_option"),
    *("tcp_slow_start_after_idle", "tcp_recovery", "tcp_tso_win_divisor", "tcp_ecn", "tcp_pacing_ss_ratio"),
    *("tcp_pacing_ca_ratio", "tcp_notsent_lowat", "tcp_fastopen", "tcp_fastopen_key", "tcp_min_tso_segs"),
    *("tcp_no_metrics_save", "tcp_moderate_rcvbuf", "tcp_mtu_probing"),
}
# What the test suite's common/defaults.sh sets, for a script that lies alone.
_DEFAULTS = {"tcp_timestamps": 1, "tcp_syn_retries": 5, "tcp_synack_retries": 5, "tcp_sack": 1, "tcp_early_retrans": 4}


class Unsupported(Exception):
    """The model has nothing of this."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what} is not supported")
        self.line = line


class Barrier(Enum):
    """Where the host's own packets, or those to it, may end. QUEUE: a full queue of the device drops what is sent."""

    OUTPUT = "OUTPUT"
    INPUT = "INPUT"
    QUEUE = "queue"


@dataclass(frozen=True)
class When:
    """relative: to the event before. lo, hi: ns; any: at any time. end: of a blocking call, from the same base."""

    relative: bool
    lo: int
    hi: int
    any: bool = False
    end: int | None = None


@dataclass(frozen=True)
class Event:
    """kind: call, in, out, assert, command. words: of a call its name and arguments; of an assert its conditions.
    network: what a command has closed (True) or opened again."""

    line: int
    when: When
    kind: str
    words: tuple[str, ...] = ()
    result: int | None = None
    errno: str | None = None
    packet: Packet | None = None
    settings: tuple[tuple[str, int], ...] = ()
    network: tuple[tuple[Barrier, bool], ...] = ()


@dataclass
class Script:
    """options: the lines that begin with --."""

    name: str
    events: list[Event] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    sysctls: list[tuple[str, int]] = field(default_factory=list)

    @property
    def tolerance_ns(self) -> int:
        value = self.options.get("tolerance_usecs", "")
        return int(value) * 1000 if value.isdigit() else TOLERANCE_NS

    @property
    def tolerance_percent(self) -> float:
        """Of the time since the event before."""
        value = self.options.get("tolerance_percent", "")
        return float(value) if re.fullmatch(_NUMBER, value) else TOLERANCE_PERCENT

    @property
    def port(self) -> int:
        value = self.options.get("bind_port", "")
        return int(value) if value.isdigit() and int(value) < 65536 else 8080


def is_packetdrill(text: str) -> bool:
    """Does a line look like a script's?"""
    return any(_event_like(line) for line in text.splitlines())


def _event_like(line: str) -> bool:
    time = _TIME.match(line)
    if time is None:
        return False
    rest = line[time.end() :]
    return bool(_CALL.match(rest) or (rest[:1] in "<>" and _PACKET.match(rest[1:].strip())))


def read_packetdrill(name: str, text: str) -> Script:
    """Raises Unsupported or CaptureError."""
    script = Script(name)
    for number, line in _logical_lines(name, text):
        option = _OPTION.match(line)
        if option is not None:
            script.options[option[1]] = option[2] or ""
        elif line.startswith("`"):
            command = _command_event(script, number, When(True, 0, 0), line)
            if script.events or command.network:
                script.events.append(command)
            else:
                script.sysctls += command.settings
        else:
            script.events.append(_event(script, number, line))
    if not script.events:
        raise CaptureError(f"{name}: a packetdrill script without events")
    return script


def _logical_lines(name: str, text: str) -> list[tuple[int, str]]:
    """Lines without comments; commands and code in brackets may span several."""
    out: list[tuple[int, str]] = []
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)
    open_line: tuple[int, str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw if open_line and open_line[1].lstrip().startswith("`") else re.sub(r"//.*", "", raw)
        if open_line is not None:
            number, line = open_line[0], open_line[1] + "\n" + line
            open_line = None
        if line.count("`") % 2 or line.count("%{") > line.count("}%") or line.rstrip().endswith("\\"):
            open_line = (number, line.rstrip("\\"))
        elif line.strip():
            out.append((number, line.strip()))
    if open_line is not None:
        raise CaptureError(f"{name}:{open_line[0]}: this is never closed: {open_line[1].strip()[:60]}")
    return out


# ---- one event ---------------------------------------------------------------------------------------------


def _event(script: Script, number: int, line: str) -> Event:
    time = _TIME.match(line + " ")
    if time is None:
        raise CaptureError(f"{script.name}:{number}: no packetdrill event: {line[:80]}")
    when, rest = _when(time), line[time.end() :].strip()
    if rest.startswith(("<", ">")):
        packet = _packet(script, number, rest)
        return Event(number, when, "in" if rest[0] == "<" else "out", packet=packet)
    if rest.startswith("%{"):
        return Event(number, when, "assert", tuple(_conditions(number, rest)))
    if rest.startswith("`"):
        return _command_event(script, number, when, rest)
    call = _CALL.match(rest)
    if call is None:
        raise CaptureError(f"{script.name}:{number}: neither packet, call, command nor code: {rest[:80]}")
    words = (call["name"], *_arguments(call["args"]))
    return Event(number, when, "call", words, None if call["result"] == "?" else int(call["result"]), call["errno"])


def _when(match: re.Match[str]) -> When:
    if match[1]:
        return When(True, 0, 0, any=True)
    lo = _ns(match[3])
    return When(bool(match[2]), lo, _ns(match[5]) if match[5] else lo, end=_ns(match[6]) if match[6] else None)


def _ns(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole or 0) * 1_000_000_000 + int(part.ljust(9, "0")[:9])


def _arguments(text: str) -> list[str]:
    """Split at commas outside brackets."""
    out, depth, word = [], 0, ""
    for letter in text:
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and depth == 0:
            out.append(word.strip())
            word = ""
        else:
            word += letter
    return [*out, word.strip()] if word.strip() else out


def _packet(script: Script, number: int, text: str) -> Packet:
    match = _PACKET.match(text[1:].strip())
    if match is None:
        what = text[1:].strip().split()[0] if text[1:].strip() else "nothing"
        if re.match(r"[\w\[.-]+", what) or "[" in text:
            raise Unsupported(number, f"the packet `{text[1:].strip()[:60]}`")
        raise CaptureError(f"{script.name}:{number}: no packet: {text[:80]}")
    if set(match["flags"]) & set("EW") or match["urg"]:
        raise Unsupported(number, "ECN, or an urgent pointer,")
    if match["sport"]:
        raise Unsupported(number, "a packet with ports")
    numbers = [int(match[key]) for key in ("seq", "end", "len")]
    if any(n > M32 for n in numbers) or numbers[2] > 1 << 20:
        raise CaptureError(f"{script.name}:{number}: a number of more than 32 bits")
    if (numbers[0] + numbers[2]) & M32 != numbers[1]:
        raise CaptureError(f"{script.name}:{number}: {match['seq']}:{match['end']} are not {match['len']} bytes")
    ends = (PEER, Endpoint(HOST, script.port))
    src, dst = ends if text[0] == "<" else ends[::-1]
    flags = flag_bits(match["flags"])
    packet = Packet(number, 0, src, dst, flags, numbers[0], 0, numbers[2], line=number)
    if match["ack"]:
        if not flags & ACK:
            raise CaptureError(f"{script.name}:{number}: `ack` without the flag `.`")
        packet.ack = int(match["ack"]) & M32
    packet.window = int(match["win"]) & 0xFFFF if match["win"] else None
    _options(number, packet, match["opts"])
    return packet


def _options(number: int, packet: Packet, text: str | None) -> None:
    if text is not None and text.strip() == "...":
        packet.options_known = False
        return
    for part in (text or "").split(","):
        match part.split():
            case [] | ["nop"] | ["eol"]:
                pass
            case ["mss", n] if n.isdigit():
                packet.mss = int(n) & 0xFFFF
            case ["wscale", n] if n.isdigit():
                packet.wscale = int(n) & 0xFF
            case ["sackOK"]:
                packet.sack_ok = True
            case ["TS", "val", a, "ecr", b] if a.isdigit() and b.isdigit():
                packet.ts = (int(a) & M32, int(b) & M32)
            case ["sack", *blocks] if blocks and all(re.fullmatch(r"\d+:\d+", block) for block in blocks):
                pairs = [block.split(":") for block in blocks]
                packet.sack = tuple((int(a) & M32, int(b) & M32) for a, b in pairs)
            case _:
                raise Unsupported(number, f"the option `{part.strip()[:40]}`")


def _conditions(number: int, text: str) -> list[str]:
    """`%{ assert a == b, message; assert ... }%` -> the conditions."""
    body = text.strip()[2:].removesuffix("}%")
    out = []
    for statement in body.replace("\n", ";").split(";"):
        words = statement.strip()
        if not words:
            continue
        match = re.fullmatch(r"assert\s+\(?\s*(tcpi_\w+)\s*(==|!=|<=|>=|<|>)\s*(\w+)\s*\)?\s*(?:,.*)?", words)
        if match is None:
            raise Unsupported(number, f"the code `{words[:60]}`")
        out.append(" ".join(match.groups()))
    return out


def _command_event(script: Script, number: int, when: When, text: str) -> Event:
    """What a command does to sysctls and to the way of packets. What else it does must be harmless."""
    settings: list[tuple[str, int]] = []
    network: list[tuple[Barrier, bool]] = []
    for line in re.split(r"\n|;|&&", text.strip("` \n")):
        if not line.strip():
            continue
        barrier = _barrier(line.strip())
        if barrier is not None:
            network.append(barrier)
            continue
        if not any(word in line for word in _HARMLESS_COMMANDS) or re.search(r"ip route|ip link|sleep", line):
            raise Unsupported(number, f"the command `{line.strip()[:60]}`")
        settings += _settings(number, line)
        if "defaults.sh" in line and "sysctl" not in line:
            settings += _defaults(script, number, line.strip())
    return Event(number, when, "command", settings=tuple(settings), network=tuple(network))


def _barrier(line: str) -> tuple[Barrier, bool] | None:
    """`iptables -A OUTPUT -d 192.0.2.1 -j DROP`; `tc qdisc add dev tun0 root pfifo limit 0`; their ends."""
    match = _IPTABLES.fullmatch(line)
    if match is not None:
        return Barrier[match[2] or match[3]], match[1] in ("A", "I")
    match = _QDISC.fullmatch(line)
    if match is not None:
        return Barrier.QUEUE, match[1] in ("add", "replace") and match[2] is not None
    return None


def _defaults(script: Script, number: int, command: str) -> list[tuple[str, int]]:
    """The settings of a shell script beside the packetdrill script, if it is there."""
    path = Path(script.name).parent / command.split()[0]
    try:
        text = path.read_text(errors="replace")[:100_000] if path.suffix == ".sh" else ""
    except OSError:
        text = ""
    if len(text) < 200 and text.strip().endswith("defaults.sh"):  # a symbolic link that was copied as text
        return _defaults(Script(str(path)), number, text.strip())
    if not text:
        return [(f"net.ipv4.{name}", value) for name, value in _DEFAULTS.items()]
    return [row for line in text.splitlines() if not line.lstrip().startswith("#") for row in _settings(number, line)]


def _settings(number: int, line: str) -> list[tuple[str, int]]:
    out = []
    for name, value in _SETTING.findall(line):
        short = re.split(r"[./]", name)[-1]
        full = sysctl_name(name)
        if full is None:
            if short not in _WITHOUT_EFFECT:
                raise Unsupported(number, f"the sysctl {name}")
            continue
        if not value.isdigit() or SYSCTLS[full].check(int(value)):
            raise Unsupported(number, f"{name}={value}")
        out.append((full, int(value)))
    return out
