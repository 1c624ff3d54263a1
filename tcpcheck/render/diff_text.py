"""Where two kernels part, for the terminal: the run up to there, then what each of them does, by which rule."""

from __future__ import annotations

from collections.abc import Sequence

from tcpcheck.lockstep.result import Difference, Side
from tcpcheck.render import styled
from tcpcheck.render import text as ladder
from tcpcheck.render.ladder import segment_words
from tcpcheck.render.rules import RuleLookup, no_rules
from tcpcheck.render.styled import BAD, BOLD, CALL, DIM, DOUBT, GOOD, RULE, Line
from tcpcheck.render.verdicts import bounds_text
from tcpcheck.render.words import printable, seconds, settings_text
from tcpcheck.witness.trace import Segment, Step

WIDTH_MIN = 60
FIELDS = ("seq", "ack", "length", "window", "mss", "sack_ok", "sack", "tsval", "tsecr")
DIGITS = 9  # of seconds: differences may be of ns


def text(
    file: str,
    title: str,
    found: Sequence[Difference],
    *,
    width: int = 100,
    ascii: bool = False,
    color: bool = False,
    rules: RuleLookup = no_rules,
) -> str:
    """All members, and of the first of the shortest runs on which the kernels part, that run."""
    width = max(width, WIDTH_MIN)
    glyphs = styled.ASCII if ascii else styled.UNICODE
    names = " and ".join(printable(side.kernel) for side in found[0].sides)
    out: list[Line] = [[(names, BOLD), (f"  {printable(title)} ({printable(file)})", DIM)]]
    for d in found:
        out += _member(d, width, glyphs)
    shortest = first_parting(found)
    if shortest is not None:
        out += [[], [(glyphs.line * width, DIM)], *_parting(shortest, width, ascii, rules)]
    return styled.shown([*out, [], *_closing(found, width)], color)


def first_parting(found: Sequence[Difference]) -> Difference | None:
    """Of the shortest runs the first."""
    parting = [d for d in found if d.common is not None]
    return min(parting, key=lambda d: len(d.common.steps) if d.common is not None else 0, default=None)


def _member(d: Difference, width: int, glyphs: styled.Glyphs) -> list[Line]:
    who = settings_text({k.replace(".net.ipv4.", "."): v for k, v in d.settings.items()})
    if d.common is not None:
        mark, style, said = glyphs.not_ok, BAD, f"they part at {seconds(d.time_ns, DIGITS)} s"
    elif d.why:
        mark, style, said = glyphs.unsure, DOUBT, f"undecided, no difference so far: {d.why}"
    else:
        mark, style, said = glyphs.ok, GOOD, "no difference"
    head = f"{mark} {said}" + (f"  when {who}" if who else "")
    return [[(piece, style)] for piece in styled.wrap(f"{head}  ({d.pairs} pairs of states)", width, "  ")]


def _parting(d: Difference, width: int, ascii: bool, rules: RuleLookup) -> list[Line]:
    common = d.common
    assert common is not None
    out: list[Line] = []
    values = ", ".join(f"{printable(name)} = {printable(value)}" for name, value in common.values.items())
    for name, content in (("with", settings_text(d.settings)), ("found", values)):
        if content:
            out += [[(piece, "")] for piece in styled.wrap(f"{name} {content}", width, " " * (len(name) + 1))]
    out += [[("the same on both", BOLD)], []]
    out += ladder.ladder(common, width=width, ascii=ascii) if common.steps else [[("nothing yet", DIM)]]
    out += [[], [(f"at {seconds(d.time_ns, DIGITS)} s they part", BOLD)]]
    for side in d.sides:
        out += [[], [(printable(side.kernel), BOLD)], *_side(side, width, rules)]
    unlike = differences(*d.sides)
    return [*out, *([[], [("they differ in", BOLD)], *([(f"  {said}", "")] for said in unlike)] if unlike else [])]


def differences(a: Side, b: Side) -> list[str]:
    """What the segments differ in that the two send in the same place."""
    out = []
    for x, y in zip(_sent(a), _sent(b), strict=False):
        if x.flags != y.flags:
            out.append(f"what they send: [{x.flags}] and [{y.flags}]")
            continue
        for field in FIELDS:
            one, other = getattr(x, field), getattr(y, field)
            if one != other:
                out.append(f"{field} of [{x.flags}]: {_shown(one)} and {_shown(other)}")
    if len(_sent(a)) != len(_sent(b)):
        out.append(f"how many segments they send: {len(_sent(a))} and {len(_sent(b))}")
    return [printable(said) for said in out]


def _sent(side: Side) -> list[Segment]:
    return [s.segment for s in side.steps if s.segment is not None and s.event in ("send", "lose", "drop")]


def _shown(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return "none" if value is None else "yes" if value else "no"
    return str(value)


def _side(side: Side, width: int, rules: RuleLookup) -> list[Line]:
    """What one of them does: events, changes, rules with what they say."""
    if not side.steps:
        return [[("  does nothing", CALL)]]
    out: list[Line] = []
    for step in side.steps:
        out.append([(f"  {_event(step)}", CALL)])
        for change in step.changes:
            said = f"{change.subject} {change.what}: {change.before} -> {change.after}"
            if change.what == "gets":
                said = f"{change.subject} gets {change.after}"
            out.append([(f"    {printable(said)}", GOOD if change.what == "state" else "")])
        for rule in step.rules:
            info = rules(rule)
            out.append([(f"    {printable(rule)}", RULE)])
            if info is not None:
                source = "; ".join(part for part in (info.rfc, info.kernel) if part)
                for part in (info.doc, source):
                    pieces = styled.wrap(printable(part), width - 6) if part else []
                    out += [[(f"      {piece}", DIM)] for piece in pieces]
    return out


def _event(step: Step) -> str:
    """One event in words: `server receives [R] seq 5`, `server: tail loss probe of server.c`."""
    if step.segment is None:
        return printable(f"{step.host}: {step.text}")
    verb = {"send": "sends", "receive": "receives", "drop": "drops", "lose": "sends (lost)", "duplicate": "copies"}
    label = segment_words(step.segment, False, full=True)
    return printable(f"{step.host} {verb.get(step.event, step.event)} {label}")


def _closing(found: Sequence[Difference], width: int) -> list[Line]:
    parted, open_ = sum(d.parts for d in found), sum(bool(d.why) for d in found)
    limits = list(dict.fromkeys(bounds_text(d.bounds) for d in found))
    out: list[Line] = []
    for limit in limits:
        out += [[(piece, DIM)] for piece in styled.wrap(f"every run {limit}", width, "  ")]
    members = "" if len(found) == 1 else f" in {parted} of {len(found)} members"
    if parted:
        return [*out, [(f"they part{members}; z3 and concrete runs of both confirm it", BAD)]]
    if open_:
        return [*out, [("no difference found, but not everything was compared", DOUBT)]]
    return [*out, [("no difference", GOOD)]]
