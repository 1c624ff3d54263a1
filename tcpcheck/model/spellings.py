"""Names as the tables' numbers, and numbers as a spec spells them."""

from __future__ import annotations

import errno

from tcpcheck.model import layout as k

SEG_FIELDS = {"seq": k.SF_SEQ, "ack": k.SF_ACK, "len": k.SF_LEN, "tsval": k.SF_TSVAL, "tsecr": k.SF_TSECR}
SEG_FIELDS |= {"win": k.SF_WIN, "mss": k.SF_MSS}
SOCK_FIELDS = {"rcv_nxt": k.KF_RCV_NXT, "snd_nxt": k.KF_SND_NXT, "snd_una": k.KF_SND_UNA, "iss": k.KF_ISS}
SOCK_FIELDS |= {"irs": k.KF_IRS, "ts_recent": k.KF_TS_RECENT, "rcv_wnd": k.KF_RCV_WND, "snd_wnd": k.KF_SND_WND}
PLAIN = {"len", "win", "mss", "rcv_wnd", "snd_wnd"}

STATE_BITS = {
    "ESTABLISHED": 1, "SYN-SENT": 2, "SYN-RECV": 3, "FIN-WAIT-1": 4, "FIN-WAIT-2": 5, "TIME-WAIT": 6,
    "CLOSED": 7, "CLOSE-WAIT": 8, "LAST-ACK": 9, "LISTEN": 10, "CLOSING": 11,
}  # fmt: skip


def states_mask(names: tuple[str, ...]) -> int:
    return sum(1 << STATE_BITS[n] for n in names)


def flag_bits(letters: str) -> int:
    return sum({"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32}.get(ch, 0) for ch in letters.strip("[]"))


def gets_code(result: str) -> tuple[int, int]:
    if result == "ok":
        return 1, 0
    if result == "EOF":
        return 2, 0
    if result.isdigit():
        return 3, int(result)
    return 0, int(getattr(errno, result))


def duration(ns: int) -> str:
    """`12.5s`, `50ms`, `10us`: exact, in the greatest unit of which it has at least one."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if ns >= size:
            return f"{ns / size:.9f}".rstrip("0").rstrip(".") + unit
    return f"{ns}ns" if ns else "0s"


def rate_text(rate: int) -> str:
    """`100Gbit/s`: exact, in the greatest unit that leaves no fraction."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if rate % size == 0:
            return f"{rate // size}{unit}bit/s"
    return f"{rate}bit/s"
