"""Literals of a spec to whole numbers in base units: ns, bytes, bits per second."""

from __future__ import annotations

import re
from fractions import Fraction

from tcpcheck.lang.vocabulary import RATE_UNITS, SIZE_UNITS, TIME_UNITS

DIGITS_MAX = 20
NUMBER_MAX = 2**63 - 1
_LITERAL = re.compile(r"([0-9]+(?:\.[0-9]+)?)(.*)", re.ASCII)


class BadNumber(Exception):
    """The message says why."""


def integer(text: str, base: int = 10) -> int:
    """`80`, `0xffff` (base 16)."""
    if len(text) > DIGITS_MAX or int(text, base) > NUMBER_MAX:
        raise BadNumber(f"the number is too large: at most {NUMBER_MAX}")
    return int(text, base)


def power(base: str, exponent: str) -> int:
    """`2^31`."""
    low, high = integer(base), integer(exponent)
    if high > 64 or low**high > NUMBER_MAX:
        raise BadNumber("the number is too large: at most 2^63 - 1")
    return int(low**high)


def quantity(text: str) -> tuple[str, int]:
    """`1.5s` -> ("time", ns), `10kB` -> ("size", bytes), `1Gbit/s` -> ("rate", bit/s)."""
    found = _LITERAL.fullmatch(text)
    assert found is not None, text
    digits, unit = found.groups()
    if len(digits) > DIGITS_MAX:
        raise BadNumber("the number has too many digits")
    by_kind = {"time": TIME_UNITS, "size": SIZE_UNITS, "rate": RATE_UNITS}
    kind = next((k for k, units in by_kind.items() if unit in units), None)
    if kind is None:
        raise BadNumber(f"unknown unit `{unit}`")
    exact = Fraction(digits) * by_kind[kind][unit]
    if exact.denominator != 1:
        least = {"time": "nanosecond", "size": "byte", "rate": "bit"}[kind]
        raise BadNumber(f"`{text}` is no whole number: the least is one {least}")
    if exact > NUMBER_MAX:
        raise BadNumber(f"`{text}` is too large")
    return kind, int(exact)
