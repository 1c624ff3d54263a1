"""The calls of a trace, read from their text as `model/narrate.py` writes it, and made on real sockets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from tcpcheck.live.numbers import Numbers
from tcpcheck.live.packet import M32
from tcpcheck.live.part import Act, Unplayable
from tcpcheck.live.sockets import Sockets, Where

if TYPE_CHECKING:
    from tcpcheck.live.player import Player

Made = tuple[str, str] | None  # predicted and real result; None: nothing to compare


def make(player: Player, act: Act) -> Made:
    """Makes the call; results as traces spell them, "" for success. Unplayable for a call that nobody knows here."""
    text, _, ends = act.step.text.partition("; ")
    if not text.startswith("sysctl "):
        text, _, predicted = text.partition(" = ")
    else:
        predicted = ""
    found = next((m for pattern in _CALLS if (m := pattern.fullmatch(text))), None)
    if found is None:
        raise Unplayable(f"no call is known here that reads `{text}`")
    came = _CALLS[found.re](player, act, found)
    if ends == "exit":
        player.sockets.exit(act.step.run)
    return None if came is None else (predicted, came)


def _listen(player: Player, act: Act, found: re.Match[str]) -> str | None:
    return player.sockets.listen(act.step.run, int(found[1]), int(found[2]))


def _accept(player: Player, act: Act, found: re.Match[str]) -> str | None:
    return player.sockets.accept(act.step.run, found[1])


def _connect(player: Player, act: Act, found: re.Match[str]) -> str | None:
    sockets, label, pair = player.sockets, found[4] or "", act.pair()
    if pair is None and label in sockets.connecting:
        return sockets.connected(label)
    own = int(found[3]) if found[3] else None
    isn = None if pair is None else chosen_isn(player.of(pair), act)
    where = Where((player.hosts[found[1]], int(found[2])), own, pair.port if pair else None, isn)
    return sockets.connect(act.step.run, label, where)


def chosen_isn(numbers: Numbers, act: Act) -> int | None:
    """The ISN to force upon a connect(), None to leave it to the kernel: a later connection of the same ports begins as
    far from the former one's numbers as in the trace."""
    iss = next(seg.seq for seg in (*act.sends, *act.refused) if "S" in seg.flags)
    if not numbers.spans:
        return None
    if "CONNECT_REUSES_BUCKET" in act.step.rules:
        if not numbers.follows(iss):
            raise Unplayable("an ISN cannot be forced upon a connect() that takes over a bucket")
        return None
    return (iss + numbers.spans[-1].shift) & M32 or None


def _on(name: str, call: Callable[[Sockets], str]) -> Callable[[Player], str | None]:
    """A call on a socket that this side holds; a socket that has been closed is none any more."""
    return lambda player: call(player.sockets) if name in player.sockets.named else None


def _send(player: Player, _act: Act, found: re.Match[str]) -> str | None:
    return _on(found[1], lambda s: s.send(found[1], int(found[2])))(player)


def _recv(player: Player, _act: Act, found: re.Match[str]) -> str | None:
    return _on(found[1], lambda s: s.recv(found[1], int(found[2]) if found[2] else None))(player)


def _shutdown(player: Player, _act: Act, found: re.Match[str]) -> str | None:
    return _on(found[1], lambda s: s.shutdown(found[1], found[2]))(player)


def _close(player: Player, _act: Act, found: re.Match[str]) -> str | None:
    return _on(found[2], lambda s: s.close(found[2], found[1] == "abort"))(player)


def _setsockopt(player: Player, act: Act, found: re.Match[str]) -> str | None:
    return player.sockets.option(act.step.run, found[1], found[2], int(found[3]))


def _exit(player: Player, act: Act, _found: re.Match[str]) -> str | None:
    return player.sockets.exit(act.step.run)


def _sysctl(player: Player, _act: Act, found: re.Match[str]) -> str | None:
    return player.sockets.sysctl(found[1], int(found[2]))


def _iptables(player: Player, _act: Act, found: re.Match[str]) -> str | None:
    return player.sockets.iptables(found[1])


def _crash(player: Player, _act: Act, _found: re.Match[str]) -> str | None:
    player.crash()
    return None


def _nothing(_player: Player, _act: Act, _found: re.Match[str]) -> str | None:
    """Only time passes, or the program goes another way."""
    return None


_CALLS: dict[re.Pattern[str], Callable[[Player, Act, re.Match[str]], str | None]] = {
    re.compile(r"listen :(\d+) backlog (\d+)"): _listen,
    re.compile(r"accept -> (\w+)"): _accept,
    re.compile(r"connect (\w+):(\d+)(?: from :(\d+))?(?: -> (\w+))?"): _connect,
    re.compile(r"send (\w+) (\d+)B"): _send,
    re.compile(r"recv (\w+)(?: until eof| (\d+)B)?"): _recv,
    re.compile(r"shutdown (\w+) (write|read|both)"): _shutdown,
    re.compile(r"(close|abort) (\w+)"): _close,
    re.compile(r"setsockopt (:?\w+) ([A-Z]\w*) (\d+)"): _setsockopt,
    re.compile(r"exit"): _exit,
    re.compile(r"sysctl (net\.[a-z0-9_.]+) = (\d+)"): _sysctl,
    re.compile(r"iptables (.*)"): _iptables,
    re.compile(r"crash"): _crash,
    re.compile(r"(?:(?:sleep|await|either|stop|loop|inject|receive|boot)\b.*)?"): _nothing,
}
