"""What fixtures are to take. A goal is a rule (`TW_SYN_REFUSED`), or a rule and the next one at the same host
(`REQ_CHILD_CREATED,FIN_CLOSE_WAIT`); `START` stands before a host's first rule."""

from __future__ import annotations

from collections.abc import Sequence

from tcpcheck.errors import UsageError
from tcpcheck.lang.diagnostics import nearest, shorten
from tcpcheck.tcp.rules import BY_NAME, BY_NUMBER, TOTAL
from tcpcheck.witness.trace import Trace

RULES, PAIRS = "rules", "pairs"
START = "START"


def goal_of(mark: int, cover: str) -> str:
    """The goal that a search (model/cover.pyx) knows by this number."""
    if cover == RULES:
        return BY_NUMBER[mark].name
    before, rule = divmod(mark, TOTAL)
    return f"{BY_NUMBER[before].name if before < TOTAL else START},{BY_NUMBER[rule].name}"


def goals_in(trace: Trace, cover: str) -> frozenset[str]:
    """What the trace takes."""
    if cover == RULES:
        return frozenset(rule for step in trace.steps for rule in step.rules)
    last: dict[str, str] = {}
    found = set()
    for step in trace.steps:
        for rule in step.rules:
            found.add(f"{last.get(step.host, START)},{rule}")
            last[step.host] = rule
    return frozenset(found)


def rules_in(trace: Trace) -> list[str]:
    """The rules that the trace takes, in the order of their numbers."""
    return sorted(goals_in(trace, RULES), key=lambda rule: BY_NAME[rule].number)


def checked(goals: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Goals as typed, and what kind they are; None: there are none. UsageError: no such rule, or both kinds."""
    found = tuple(dict.fromkeys(",".join(part.strip() for part in goal.split(",")) for goal in goals))
    for goal in found:
        names = goal.split(",")
        if len(names) > 2:
            raise UsageError(f"`{shorten(goal)}` is neither a RULE nor RULE,RULE")
        for i, name in enumerate(names):
            if name not in BY_NAME and not (name == START and (i, len(names)) == (0, 2)):
                near = nearest(name, list(BY_NAME))
                hint = f"did you mean `{near}`?" if near else "`tcpcheck explain` lists them"
                raise UsageError(f"no rule `{shorten(name)}`: {hint}")
    kinds = {PAIRS if "," in goal else RULES for goal in found}
    if len(kinds) > 1:
        raise UsageError("rules and pairs of rules are looked for in different searches: make two calls")
    return found, next(iter(kinds), None)


def order(goal: str) -> tuple[int, ...]:
    """Goals in the order of their rules' numbers."""
    return tuple(BY_NAME[name].number if name in BY_NAME else -1 for name in goal.split(","))
