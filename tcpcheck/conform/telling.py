"""What the model would have done, in one line each: in the capture's numbers, with the rule that decides."""

from __future__ import annotations

from typing import Any

from tcpcheck.conform.live import Live, Tuple4
from tcpcheck.conform.packets import ACK, FIN, M32, RST, SYN, flag_bits
from tcpcheck.tcp.rules import BY_NAME

# Rules that other rules of the same step say more about.
_GENERAL = {"ACK_NOTHING_NEW", "ACK_ADVANCES", "ACK_OLD_TOLERATED"}


def describe(live: Live, key: Tuple4, seg: dict[str, Any], rules: tuple[str, ...]) -> str:
    """A segment of the model's, in the capture's numbers: `send [F.] seq 7 ack 9 ...: RULE (what it says)`."""
    known, bits = live.known(key), flag_bits(seg["flags"])
    seq = seg["seq"]
    if not (bits & RST and bits & ACK and seq == 0):
        seq = (seq - (known.shift or 0)) & M32
    new = bits & SYN and seg["seq"] != known.iss
    out = [f"send [{seg['flags'].replace('-', 'none')}] to {key[0]}"]
    if not new and (seg["len"] or bits & (SYN | FIN | RST)):
        out.append(f"seq {seq}" + (f":{(seq + seg['len']) & M32}" if seg["len"] else ""))
    if bits & ACK:
        out.append(f"ack {seg['ack']}")
    if seg["sack"]:
        out.append(f"sack {{{seg['sack'][0]}:{seg['sack'][1]}}}")
    if seg["ts"]:
        out.append(f"TS ecr {seg['ts'][1]}")
    return f"{', '.join(out)}, length {seg['len']}{_because(rules)}"


def _because(rules: tuple[str, ...]) -> str:
    named = [rule for rule in rules if rule not in _GENERAL] or list(rules)
    if not named:
        return ""
    rule = BY_NAME[named[-1]]
    return f": {rule.name} ({rule.doc})"


def _silence(live: Live, key: Tuple4) -> str:
    """The rule by which the latest packet drew no answer."""
    if live.unanswered is None or live.unanswered[0] != key:
        return ""
    _, number, rules = live.unanswered
    return f"; packet {number} drew no answer{_because(rules)}"


def waits(live: Live, key: Tuple4) -> str:
    """A state in which nothing makes the host send what the capture shows."""
    slot = live.slot(key)
    state = live.state(key).replace("_", "-").removesuffix("/tw").removesuffix("/req")
    timers = [timer for timer in live.driver.timers() if timer["sock"] == slot]
    if not timers or slot < 0:
        return f"nothing: in {state} no packet is due{_silence(live, key)}"
    timer, now = timers[0], live.driver.now()
    lo, hi = (now + timer["lo"]) / 1e9, (now + timer["hi"]) / 1e9
    window = f"{timer['kind']} timer fires between {lo:.3f} s and {hi:.3f} s"
    return f"nothing now: in {state} the {window}{_silence(live, key)}"
