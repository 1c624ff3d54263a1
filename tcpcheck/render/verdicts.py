"""Verdicts as a table for the terminal, with the reasons and one trace for each claim that has one.

First what is not as expected, with its reason; then every claim, members of the families with the same outcome on
one line; then what `holds` was checked under; then the traces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tcpcheck.render import styled
from tcpcheck.render import text as ladder
from tcpcheck.render.rules import RuleLookup, no_rules
from tcpcheck.render.styled import BAD, BOLD, DIM, DOUBT, GOOD, Glyphs, Line, columns
from tcpcheck.render.words import printable, settings_text
from tcpcheck.witness.verdict import BoundValue, ClaimResult, SpecResult, Stats

WIDTH_MIN = 60
INTERVALS_MAX = 4
FAMILIES_MAX = 6  # with more families the search for a common description of a group takes too long


def text(
    result: SpecResult,
    *,
    width: int = 100,
    ascii: bool = False,
    color: bool = False,
    traces: str = "one",
    rules: RuleLookup = no_rules,
) -> str:
    """The verdicts of one spec as text that ends in a newline.

    traces: `one` for each violated or reached claim (of a member that is not as expected, if there is one),
    `unexpected` only for those that are not as expected, `all` for each member, or `none`.
    """
    glyphs = styled.ASCII if ascii else styled.UNICODE
    width = max(width, WIDTH_MIN)
    rows = table_rows(result)
    lines = _title(result, width)
    lines += _unexpected(rows, width, glyphs)
    lines += _table(rows, width, glyphs)
    lines += _closing(result, width)
    for claim in with_traces(result, traces):
        if claim.witness is not None:
            lines += [[], [(glyphs.line * width, DIM)]]
            lines += ladder.lines(claim.witness, width=width, ascii=ascii, rules=rules)
    return styled.shown(lines, color)


def stats_text(stats: Stats) -> str:
    """What the search cost, on one line. Holds timings: not for output that must not differ from run to run."""
    return (
        f"{stats['states']:,} states, {stats['transitions']:,} transitions, depth {stats['depth']}, "
        f"{stats['solver_calls']:,} solver calls in {stats['seconds']:.1f} s: "
        f"{stats['states_per_second']:,.0f} states/s, {stats['bytes_per_state']:.0f} bytes/state, "
        f"peak {stats['peak_memory_mb']:.0f} MB"
    )


# ---- parts -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TableRow:
    """One line of the table: a claim, some of its members, their common outcome."""

    claim: ClaimResult  # the first of the members
    name: str  # "" below the first row of a claim
    members: str
    expected: str
    bounds: str
    remark: str


def table_rows(result: SpecResult) -> list[TableRow]:
    """The claims in the spec's order, members with the same outcome on one row."""
    return [row for claims in _by_claim(result.claims) for row in _rows(claims)]


def _title(result: SpecResult, width: int) -> list[Line]:
    lines: list[Line] = [[(printable(result.title), BOLD), (f"  {printable(result.file)}", DIM)]]
    if result.question and result.question != result.title:
        lines += [[(piece, DIM)] for piece in styled.wrap(printable(result.question), width)]
    for warning in result.warnings:
        lines += [[(piece, DOUBT)] for piece in styled.wrap(f"warning: {printable(warning)}", width, "         ")]
    return lines


def _unexpected(rows: list[TableRow], width: int, glyphs: Glyphs) -> list[Line]:
    """What is not as expected, with its reason; nothing when all is well."""
    lines: list[Line] = []
    for row in rows:
        claim = row.claim
        if claim.ok:
            continue
        mark, style = _mark(claim, glyphs)
        said = f"{mark} {_name(claim)}: {found(claim)}, expected {row.expected}"
        lines += [[], *([(piece, style)] for piece in styled.wrap(said, width, "  "))]
        for said in (row.members and f"when {row.members}", printable(reason(claim))):
            lines += [[(f"  {piece}", "")] for piece in (styled.wrap(said, width - 2) if said else [])]
    return lines


def _table(rows: list[TableRow], width: int, glyphs: Glyphs) -> list[Line]:
    """Every claim, and what the bounds of `holds` are."""
    if not rows:
        return [[], [("no claims", DIM)]]
    limits = list(dict.fromkeys(row.bounds for row in rows if row.bounds))
    founds = [found(row.claim) + _reference(row, limits) for row in rows]
    mark_size = columns(glyphs.ok)
    names = max(columns(row.name) for row in rows)
    verdict = max(columns("verdict"), *(columns(text) for text in founds))
    expected = max(columns("expected"), *(columns(row.expected) for row in rows))
    room = width - (mark_size + 1) - (verdict + 2) - (expected + 2) - 2
    names = max(columns("claim"), min(names, room * 2 // 3))
    members = max(columns("members"), min(max(columns(row.members) for row in rows), room - names))
    sizes = (names, members, verdict, expected)
    head: Line = [(" " * (mark_size + 1) + _cells(("claim", "members", "verdict", "expected"), sizes), DIM)]
    lines: list[Line] = [[], head]
    for row, text in zip(rows, founds, strict=True):
        lines += _row_lines(row, text, sizes, _mark(row.claim, glyphs), mark_size)
    lines.append([])
    for number, limit in enumerate(limits, 1):
        title = "holds" if len(limits) == 1 else f"holds [{number}]"
        pieces = styled.wrap(f"{title} covers every run {limit}".rstrip(), width, "  ")
        lines += [[(piece, "")] for piece in pieces]
    return lines if limits else lines[:-1]


def _row_lines(
    row: TableRow, found: str, sizes: tuple[int, int, int, int], mark: tuple[str, str], mark_size: int
) -> list[Line]:
    """A row of the table; names and members wrap within their columns, a remark stands below."""
    sign, style = mark
    names = styled.wrap(row.name, sizes[0], "  ")
    members = styled.wrap(row.members, sizes[1])
    lines: list[Line] = []
    for index in range(max(len(names), len(members))):
        name = names[index] if index < len(names) else ""
        member = members[index] if index < len(members) else ""
        tail = (found, row.expected) if index == 0 else ("", "")
        before, after = _cells((name, member), sizes[:2]), _cells(tail, sizes[2:])
        lines.append([(_padded(sign if index == 0 else "", mark_size + 1), style), (before + "  ", ""), (after, style)])
    indent = mark_size + 1 + sizes[0] + 2
    room = sum(sizes[1:]) + 4
    lines += [[(" " * indent + piece, DIM)] for piece in (styled.wrap(row.remark, room) if row.remark else [])]
    return lines


def _closing(result: SpecResult, width: int) -> list[Line]:
    """How many verdicts are as expected, and the size of the search."""
    good = sum(claim.ok for claim in result.claims)
    total = len(result.claims)
    said = f"{good} of {total} verdicts as expected" if good < total else f"all {total} verdicts as expected"
    size = f"{result.stats['states']:,} states, {result.stats['transitions']:,} transitions"
    return [[], [(said, GOOD if result.ok else BAD), (f"  {size}, depth {result.stats['depth']}", DIM)]]


def with_traces(result: SpecResult, traces: str) -> Iterable[ClaimResult]:
    """The claims whose trace is shown, those not as expected first."""
    if traces == "none":
        return []
    having = [c for c in result.claims if c.witness is not None and not (c.ok and traces == "unexpected")]
    having.sort(key=lambda claim: claim.ok)
    if traces == "all":
        return having
    first: dict[str, ClaimResult] = {}
    for claim in having:
        first.setdefault(claim.name, claim)
    return first.values()


# ---- words -------------------------------------------------------------------------------------------------


def _mark(claim: ClaimResult, glyphs: Glyphs) -> tuple[str, str]:
    """The sign before a verdict, and its style."""
    if claim.verdict == "undecided":
        return glyphs.unsure, DOUBT
    return (glyphs.ok, GOOD) if claim.ok else (glyphs.not_ok, BAD)


def _name(claim: ClaimResult) -> str:
    return f"{claim.kind} {printable(claim.name)}"


def found(claim: ClaimResult) -> str:
    """The verdict; for a count the number found."""
    if claim.count is None or claim.verdict in ("undecided", "vacuous"):
        return printable(claim.verdict)
    low, high = claim.count["min"], claim.count["max"]
    return str(low) if low == high else f"{low}..{high}"


def outcome_words(claim: ClaimResult) -> str:
    """`violated, expected holds, with server.net.ipv4.tcp_rfc1337=1`: for who sees one verdict alone."""
    settings = settings_text(claim.settings)
    return f"{found(claim)}, expected {printable(claim.expected)}" + (f", with {settings}" if settings else "")


def reason(claim: ClaimResult) -> str:
    """Why the verdict is what it is, as far as a note says so; not yet printable."""
    return claim.note or ("" if claim.witness is None else claim.witness.note)


def _reference(row: TableRow, limits: Sequence[str]) -> str:
    """` [2]` where verdicts of one spec hold under different bounds."""
    return f" [{limits.index(row.bounds) + 1}]" if row.bounds and len(limits) > 1 else ""


def _short(settings: Mapping[str, int | str]) -> str:
    """Settings with `net.ipv4.` left out: a table has no room for it."""
    return settings_text({name.replace(".net.ipv4.", "."): value for name, value in settings.items()})


def _padded(text: str, size: int) -> str:
    return text + " " * max(size - columns(text), 0)


def _cells(texts: Sequence[str], sizes: Sequence[int]) -> str:
    return "  ".join(_padded(text, size) for text, size in zip(texts, sizes, strict=True))


def bounds_text(bounds: Mapping[str, BoundValue]) -> str:
    """What a verdict was checked under, as words after `every run`."""
    known = dict(bounds)
    parts = [
        f"{'no' if known[key] == 0 else f'at most {known[key]}'} {word}{'' if known[key] == 1 else plural}"
        for key, word, plural in _COUNTS
        if known.get(key) is not None
    ]
    if known.get("delay_lo_s") is not None and known.get("delay_hi_s") is not None:
        parts.append(f"delay {_seconds(known['delay_lo_s'])}..{_seconds(known['delay_hi_s'])}")
    if known.get("lifetime_s") is not None:
        parts.append(f"segments live {_seconds(known['lifetime_s'])}")
    if known.get("time") == "off":
        parts.append("any timer at any time")
    if known.get("horizon_s") is not None:
        parts.append(f"up to {_seconds(known['horizon_s'])}")
    if known.get("profile"):
        parts.append(f"on {printable(str(known['profile']))}")
    used = {key for key, _, _ in _COUNTS} | _WORDED
    parts += [f"{printable(key)} {printable(str(value))}" for key, value in known.items() if key not in used]
    said = "with " + ", ".join(parts) if parts else ""
    if isinstance(known.get("omission"), (int, float)):
        exact = known["omission"] == 0
        said += (
            "; whole states were compared"
            if exact
            else (f"; hashing hid a state with probability below {known['omission']:.1e}")
        )
    if known.get("truncated"):
        said += "; TRUNCATED: part of the runs was not looked at"
    return said


_COUNTS = (
    ("losses", "loss", "es"),
    ("duplicates", "duplicate", "s"),
    ("late", "late segment", "s"),
    ("aborts", "abort", "s"),
    ("connections", "connection", "s"),
)
_WORDED = {"delay_lo_s", "delay_hi_s", "lifetime_s", "time", "horizon_s", "profile", "omission", "truncated"}


def _seconds(value: BoundValue) -> str:
    """`50ms`, `600s`."""
    if not isinstance(value, (int, float)):
        return printable(str(value))
    return f"{value:g}s" if value >= 1 or value == 0 else f"{value * 1000:g}ms"


# ---- members with the same outcome -------------------------------------------------------------------------


def _by_claim(claims: Sequence[ClaimResult]) -> list[list[ClaimResult]]:
    groups: dict[tuple[str, str], list[ClaimResult]] = {}
    for claim in claims:
        groups.setdefault((claim.kind, claim.name), []).append(claim)
    return list(groups.values())


def _rows(claims: list[ClaimResult]) -> list[TableRow]:
    """The rows of one claim, in the order of their first members."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, claim in enumerate(claims):
        groups.setdefault(_outcome(claim), []).append(index)
    rows: list[TableRow] = []
    for (_, _, _, bounds, remark), group in groups.items():
        first = claims[group[0]]
        described = descriptions([claim.settings for claim in claims], set(group))
        for members in described:
            name = "" if rows else _name(first)
            shown = first.ok and members is described[-1]  # what is not as expected is explained above
            expected = printable(first.expected)
            rows.append(TableRow(first, name, members, expected, bounds, remark if shown else ""))
    return rows


def _outcome(claim: ClaimResult) -> tuple[str, ...]:
    """Members that agree in all of this share a row."""
    bounds = bounds_text(claim.bounds) if claim.verdict in ("holds", "unreachable") else ""
    remark = "; ".join(part for part in (_values(claim), printable(claim.note)) if part)
    return found(claim), claim.expected, str(claim.ok), bounds, remark


def _values(claim: ClaimResult) -> str:
    """The values that a count found, as far as they fit."""
    intervals = [] if claim.count is None else claim.count["intervals"]
    said = ", ".join(str(low) if low == high else f"{low}..{high}" for low, high in intervals[:INTERVALS_MAX])
    more = len(intervals) - INTERVALS_MAX
    return (f"values {said}" if said else "") + (f" and {more} ranges more" if more > 0 else "")


Settings = Mapping[str, int | str]


def descriptions(everyone: Sequence[Settings], group: set[int]) -> list[str]:
    """Words for the members whose positions are in `group`, told apart from the rest by the fewest settings."""
    if len(group) == len(everyone):
        return [_short(everyone[0]) if len(everyone) == 1 else f"all {len(everyone)}"]
    left = set(group)
    described: list[str] = []
    while left:
        common, members = _widest(everyone, left)
        described.append(_short(common) + (f" ({len(members)})" if len(members) > 1 else ""))
        left -= members
    return described


def _widest(everyone: Sequence[Settings], left: set[int]) -> tuple[Settings, set[int]]:
    """The fewest settings that describe the first of `left` and nobody outside `left`; whom they describe."""
    first = min(left)
    names = list(everyone[first])
    for size in range(len(names) if len(names) <= FAMILIES_MAX else 0):
        for chosen in combinations(names, size):
            common = {name: everyone[first][name] for name in chosen}
            members = {index for index, member in enumerate(everyone) if common.items() <= member.items()}
            if members <= left:
                return common, members
    return everyone[first], {first}
