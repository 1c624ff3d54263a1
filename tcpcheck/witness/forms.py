"""The entries of a path put together: one bound for each pair of instants, one set for each linear form of numbers."""

from __future__ import annotations

from dataclasses import dataclass

from tcpcheck.witness.arcset import ArcSet
from tcpcheck.witness.constraints import Age, NumberIn, PathConstraints


@dataclass(frozen=True, order=True)
class Side:
    """K(key) + t[instant] // tick; key 0 and instant -1 are left out."""

    key: int
    instant: int
    tick: int


@dataclass(frozen=True)
class Form:
    """a - b, with common parts cancelled; the greater side is `a`, so that each difference has one spelling."""

    a: Side
    b: Side

    @property
    def keyless(self) -> bool:
        return not (self.a.key or self.b.key)

    @property
    def constant(self) -> bool:
        return self.a == self.b


NOTHING = Side(0, -1, 0)


def normal(e: NumberIn) -> tuple[Form, int]:
    """The form of value(a) - value(b) - c, and its sign: the entry's difference is sign * form + c."""
    key_a, key_b = (e.key_a, e.key_b) if e.key_a != e.key_b else (0, 0)
    read_a = (e.i, e.tick_a) if e.tick_a > 0 and e.i >= 0 else (-1, 0)
    read_b = (e.j, e.tick_b) if e.tick_b > 0 and e.j >= 0 else (-1, 0)
    if read_a == read_b:
        read_a = read_b = (-1, 0)
    a, b = Side(key_a, *read_a), Side(key_b, *read_b)
    return (Form(a, b), 1) if a >= b else (Form(b, a), -1)


def allowed(e: NumberIn, modulus: int) -> tuple[Form, ArcSet]:
    """The values that an entry leaves to its form."""
    form, sign = normal(e)
    arc = ArcSet.arc(e.lo - e.c, e.len, modulus)
    return form, arc if sign > 0 else -arc


@dataclass
class Grouped:
    """ages: (i, j) -> (least bound of t[i] - t[j], its entry); numbers: form -> values left; asked: form -> entries."""

    ages: dict[tuple[int, int], tuple[int, int]]
    numbers: dict[Form, ArcSet]
    asked: dict[Form, list[int]]


def group(pc: PathConstraints) -> Grouped:
    """A form that is constant and allowed is dropped; one that is constant and forbidden keeps an empty set."""
    g = Grouped({}, {}, {})
    for n, e in enumerate(pc.entries):
        if isinstance(e, Age):
            if (e.i, e.j) not in g.ages or e.c < g.ages[e.i, e.j][0]:
                g.ages[e.i, e.j] = (e.c, n)
            continue
        form, arcs = allowed(e, pc.modulus)
        if form.constant:
            if 0 in arcs:
                continue
            arcs = ArcSet((), pc.modulus)
        full = ArcSet.full(pc.modulus)
        before = g.numbers.get(form, full)
        left = before & arcs
        if left != before:  # an entry that says nothing new needs no place in a core
            g.asked.setdefault(form, []).append(n)
        if left != full:
            g.numbers[form] = left
    return g
