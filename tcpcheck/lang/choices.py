"""The spec's choices: families and their product, values that the search ranges over, and what the arrows name.

A family has a key among the Case's settings: the sysctl (`server.net.ipv4.tcp_timestamps`), `server.kernel`, or the
name after its arrow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tcpcheck.errors import Span
from tcpcheck.lang import ast
from tcpcheck.lang.diagnostics import Mistakes, nearest
from tcpcheck.lang.registry import Registry
from tcpcheck.lang.vocabulary import RESERVED
from tcpcheck.spelling import nearest_kernel

CASES_MAX = 4096
T = TypeVar("T")

COUNT, TIME, SIZE, SYSCTL, MSS, RATE = "count", "time", "size", "sysctl", "mss", "rate"
# The kinds of literal that fit, and how to say so.
_FITS: dict[str, tuple[tuple[str, ...], str]] = {
    COUNT: (("int",), "a count carries no unit"),
    TIME: (("time",), "a time carries a unit: ns us ms s min h d"),
    SIZE: (("size",), "a size carries a unit: B kB MB GB KiB MiB GiB"),
    SYSCTL: (("int",), "a sysctl takes the bare number, as on a real machine"),
    MSS: (("int", "size"), "the mss is a number of bytes"),
    RATE: (("rate",), "a rate carries a unit: bit/s kbit/s Mbit/s Gbit/s Tbit/s"),
}


_INSTEAD_OF_ANY = {
    COUNT: "write a number or a range such as `0..1`",
    TIME: "write a range such as `0s..60s`",
    SIZE: "write a size such as `10B`",
    SYSCTL: "write a value, or a family `{0, 1}` for one verdict each",
    MSS: "write a size such as `1460`",
    RATE: "write a rate such as `10Gbit/s`",
}


@dataclass(frozen=True)
class Interval:
    """A resolved value: lo = hi for a plain one; `name` when the search's choice of it is named."""

    lo: int
    hi: int
    name: str | None = None


@dataclass(frozen=True)
class Profile:
    """A resolved kernel."""

    kernel: str
    features_with: tuple[str, ...] = ()
    features_without: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [
            self.kernel,
            *(f"with {f}" for f in self.features_with),
            *(f"without {f}" for f in self.features_without),
        ]
        return " ".join(words)


UNKNOWN_PROFILE = Profile("")  # after a mistake


@dataclass
class Family:
    """`members` in the spec's order, as resolved; `shown` is each as it is reported (an int, or text)."""

    keys: list[str]
    name: str | None
    kind: str
    members: list[Interval | Profile]
    shown: list[int | str]
    span: Span


@dataclass(frozen=True)
class Searched:
    """A named value that the search ranges over. kind: time size count, or the field (seq, tsval)."""

    name: str
    kind: str
    span: Span


@dataclass
class Env:
    """One member of the product: the index chosen in each family. Remembers which families were asked for."""

    picks: tuple[int, ...]
    reads: set[int] = field(default_factory=set)

    def pick(self, family: int) -> int:
        self.reads.add(family)
        return self.picks[family]


class Choices:
    """All choices of a spec, by the syntax node they stand at."""

    def __init__(self, mistakes: Mistakes, registry: Registry | None) -> None:
        self.mistakes = mistakes
        self.registry = registry
        self.families: list[Family] = []
        self.searched: dict[str, Searched] = {}
        self._names: dict[str, Span] = {}
        self._at: dict[int, int] = {}  # id of the syntax node -> index of its family
        self._memory: dict[int, tuple[tuple[int, ...], dict[tuple[int, ...], Any]]] = {}

    # ---- declaring (in the order of the file)

    def _name(self, word: ast.Word | None) -> None:
        if word is None:
            return
        first = self._names.setdefault(word.text, word.span)
        if word.text in RESERVED:
            self.mistakes.error(
                word.span, f"`{word.text}` already means something in a claim", advice="choose another name"
            )
        elif first is not word.span:
            self.mistakes.error(
                word.span, f"the name `{word.text}` is given twice", advice=f"its first use is in line {first.line}"
            )

    def declare(self, choice: ast.Choice, kind: str, key: str, in_loop: bool) -> None:
        """A choice in the spec. `key`: its settings key should it be a family."""
        if choice.name is not None and in_loop:
            self.mistakes.error(
                choice.name.span,
                "a name stands outside loops",
                advice="each round would choose anew; name it before",
            )
        is_reference = choice.kind == "single" and choice.members[0].lo.kind == "name"
        if is_reference:
            if choice.name is not None:
                self.mistakes.error(choice.name.span, "a second name for the same choice", advice="use the first")
            return
        self._name(choice.name)
        name = choice.name.text if choice.name else None
        if choice.kind == "any":
            self.mistakes.error(choice.span, "`any` has no bound here", advice=_INSTEAD_OF_ANY[kind])
            return
        intervals = [self._interval(one, kind) for one in choice.members]
        if choice.kind == "single" and (name is None or intervals[0].lo != intervals[0].hi):
            if name is not None:
                self.searched[name] = Searched(name, kind, choice.span)
            return
        self._duplicate_members(choice.span, intervals)
        shown = [self._shown(one, iv) for one, iv in zip(choice.members, intervals, strict=True)]
        keys = [key] if kind == SYSCTL or name is None else [name]
        self._at[id(choice)] = self._add(Family(keys, name, kind, list(intervals), shown, choice.span))

    def declare_searched(self, name: ast.Word, kind: str, in_loop: bool) -> None:
        """`seq any -> isn`."""
        if in_loop:
            self.mistakes.error(name.span, "a name stands outside loops", advice="each round would choose anew")
        self._name(name)
        self.searched[name.text] = Searched(name.text, kind, name.span)

    def declare_kernel(self, kernel: ast.Kernel, host: str) -> None:
        self._name(kernel.name)
        if not kernel.family:
            return
        profiles = [self.profile(kern) for kern in kernel.members]
        self._duplicate_members(kernel.span, profiles)
        name = kernel.name.text if kernel.name else None
        shown: list[int | str] = [str(p) for p in profiles]
        family = Family([f"{host}.kernel"], name, "kernel", list(profiles), shown, kernel.span)
        self._at[id(kernel)] = self._add(family)

    def _add(self, family: Family) -> int:
        taken = {key for f in self.families for key in f.keys}
        for i, key in enumerate(family.keys):
            number = 2
            while family.keys[i] in taken:
                family.keys[i] = f"{key}#{number}"
                number += 1
        self.families.append(family)
        return len(self.families) - 1

    def _duplicate_members(self, span: Span, members: Iterable[object]) -> None:
        listed = list(members)
        if len(set(listed)) < len(listed):
            self.mistakes.error(span, "a family has the same member twice", advice="remove one")

    def also(self, choice: ast.Choice, key: str) -> None:
        """A sysctl that refers to a family belongs to its settings too."""
        value = choice.members[0].lo if choice.kind == "single" else None
        if value is not None and value.kind == "name":
            for family in self.families:
                if family.name == value.text and family.kind == SYSCTL and key not in family.keys:
                    family.keys.append(key)

    # ---- literals

    def _interval(self, one: ast.One, kind: str) -> Interval:
        lo = self._literal(one.lo, kind)
        hi = lo if one.hi is None else self._literal(one.hi, kind)
        if lo > hi:
            self.mistakes.error(one.span, "the range is empty: its first value is above its last", advice="swap them")
            hi = lo
        return Interval(lo, hi)

    def _literal(self, value: ast.Value, kind: str) -> int:
        if value.kind == "name":
            self.mistakes.error(
                value.span,
                "only a plain value can stand here",
                advice="a name stands alone, in the place of a value",
            )
            return 0
        kinds, why = _FITS[kind]
        if value.kind not in kinds:
            self.mistakes.error(value.span, f"`{value.text}` does not fit: {why}", near=self._with_unit(value, kind))
            return 1  # whatever fits, so that nothing more is said of it
        return value.number or 0

    @staticmethod
    def _with_unit(value: ast.Value, kind: str) -> str | None:
        if value.kind == "int" and kind in (TIME, SIZE, RATE):
            return value.text + {TIME: "s", SIZE: "B", RATE: "Gbit/s"}[kind]
        digits = re.match("[0-9]+", value.text)
        return digits.group() if digits and kind in (COUNT, SYSCTL) else None

    @staticmethod
    def _shown(one: ast.One, interval: Interval) -> int | str:
        if one.hi is None:
            return one.lo.text if one.lo.kind in ("time", "size", "rate") else interval.lo
        return f"{one.lo.text}..{one.hi.text}"

    def profile(self, kern: ast.Kern) -> Profile:
        """A kernel by its canonical name; unknown ones are reported."""
        found: tuple[str, str | None] | None = (re.sub(r"[ \t]+", "-", kern.name.text.lower()), None)
        if self.registry is not None and kern.name.text != "none":
            found = self.registry.resolve_kernel(kern.name.text)
        if found is None:
            assert self.registry is not None
            name, kernels = kern.name.text, self.registry.kernels()
            near = nearest_kernel(name, kernels)
            self.mistakes.unknown(kern.name.span, "kernel", name, kernels, near=near)
            return UNKNOWN_PROFILE
        name, warning = found
        if warning:
            self.mistakes.warning(kern.name.span, warning)
        for feature in kern.features:
            if self.registry is not None and feature.name.text not in self.registry.features():
                self.mistakes.unknown(feature.name.span, "feature", feature.name.text, self.registry.features())
        having = tuple(f.name.text for f in kern.features if f.way == "with")
        lacking = tuple(f.name.text for f in kern.features if f.way == "without")
        return Profile(name, having, lacking)

    # ---- asking, within one member of the product

    def by_name(self, name: str) -> int | None:
        """The index of the family of that name."""
        return next((i for i, f in enumerate(self.families) if f.name == name), None)

    def value(self, choice: ast.Choice, kind: str, env: Env) -> Interval | None:
        """The value of a choice in this member; None after a mistake."""
        index = self._at.get(id(choice))
        if index is not None:
            member = self.families[index].members[env.pick(index)]
            assert isinstance(member, Interval)
            return member
        if choice.kind == "any":
            return None
        first = choice.members[0]
        if first.lo.kind == "name":
            return self.reference(first, kind, env)
        interval = self._interval(first, kind)
        return Interval(interval.lo, interval.hi, choice.name.text if choice.name else None)

    def reference(self, one: ast.One, kind: str, env: Env) -> Interval | None:
        """A name in the place of a value."""
        name, span = one.lo.text, one.lo.span
        if one.hi is not None:
            self.mistakes.error(span, "a name cannot be an end of a range", advice="write the values")
            return None
        index = self.by_name(name)
        if index is None:
            if name in self.searched:
                self.mistakes.not_yet(
                    span, f"the searched value `{name}` in a second place", "make it a family `{a, b}`"
                )
            else:
                self.unknown_name(span, name)
            return None
        family = self.families[index]
        member = family.members[env.pick(index)]
        same = {COUNT: (COUNT, SYSCTL), SYSCTL: (COUNT, SYSCTL), MSS: (MSS, SIZE, COUNT), SIZE: (SIZE, MSS)}
        if isinstance(member, Profile) or family.kind not in same.get(kind, (kind,)):
            self.mistakes.error(
                span,
                f"`{name}` does not fit: {_FITS[kind][1]}",
            )
            return None
        return member

    def unknown_name(self, span: Span, name: str) -> None:
        known = sorted(self._names)
        advice = "choices are named by an arrow: `{0, 1} -> name`"
        self.mistakes.error(
            span, f"unknown name `{name}`", expected=known[:12], near=nearest(name, known), advice=advice
        )

    def profile_of(self, kernel: ast.Kernel, env: Env) -> Profile:
        index = self._at.get(id(kernel))
        if index is None:
            return self.profile(kernel.members[0])
        member = self.families[index].members[env.pick(index)]
        assert isinstance(member, Profile)
        return member

    # ---- the product

    def product_size(self) -> int:
        size = 1
        for family in self.families:
            size *= len(family.members)
        return size

    def settings(self, picks: tuple[int, ...]) -> tuple[dict[str, int | str], dict[str, int | str]]:
        """(settings, chosen) of a Case."""
        settings: dict[str, int | str] = {}
        chosen: dict[str, int | str] = {}
        for family, pick in zip(self.families, picks, strict=True):
            for key in family.keys:
                settings[key] = family.shown[pick]
            if family.name is not None:
                chosen[family.name] = family.shown[pick]
        return settings, chosen

    def once(self, node: object, picks: tuple[int, ...], make: Callable[[Env], T]) -> T:
        """make(env), done once for each combination of the families it asks for."""
        known = self._memory.get(id(node))
        if known is not None:
            reads, made = known
            found = made.get(tuple(picks[i] for i in reads))
            if found is not None:
                result: T = found
                return result
        env = Env(picks)
        result = make(env)
        reads = tuple(sorted(env.reads))
        if known is None or known[0] != reads:
            self._memory[id(node)] = known = (reads, {})
        known[1][tuple(picks[i] for i in reads)] = result
        return result
