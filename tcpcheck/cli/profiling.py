"""`tcpcheck profiles`: the kernels that can be named, what one of them does, and in what two of them differ."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from tcpcheck import __version__
from tcpcheck.cli.console import Console
from tcpcheck.errors import UsageError
from tcpcheck.render import json as render_json
from tcpcheck.tcp.behaviours import BEHAVIOURS, CONSTANT_DOCS, CONSTANT_FLAGS, CONSTANT_RULES, GRADED
from tcpcheck.tcp.differences import Difference, differences, dotted, since
from tcpcheck.tcp.profile import FOLLOWED, PROFILES, Profile, profile_for
from tcpcheck.tcp.sysctls import SYSCTLS

INDENT = 9


def run_profiles(console: Console, names: Sequence[str]) -> int:
    """No name: all of them, and who differs from whom; one: what it does; two: in what they differ."""
    if len(names) > 2:
        raise UsageError("profiles takes two names at most: it compares two of them")
    chosen = [_named(console, name) for name in names]
    if console.json:
        console.write(render_json.dumps(_document(chosen or list(PROFILES.values()))))
    elif not chosen:
        console.write(_all_profiles(console.width))
    elif len(chosen) == 1:
        console.write(_one_profile(chosen[0]))
    else:
        console.write(_pair(chosen[0], chosen[1], console.width))
    return 0


def _named(console: Console, name: str) -> Profile:
    try:
        profile, warning = profile_for(name)
    except LookupError as error:
        raise UsageError(str(error)) from None
    if warning:
        console.message(f"tcpcheck: {warning}")
    return profile


def spelled(profile: Profile) -> str:
    """As a spec says it: `linux 6.18.44`."""
    return profile.name.replace("-", " ", 1)


# ---- all ---------------------------------------------------------------------------------------------------


def _all_profiles(width: int) -> str:
    everyone = list(PROFILES.values())
    lines = ["    profile        release"]
    for number, profile in enumerate(everyone, 1):
        lines.append(f"{number:>3} {spelled(profile):<14} {dotted(profile.release) if profile.is_linux else '-'}")
    points = ", ".join(f"{dotted(branch)}.0..{last}" for branch, last in sorted(FOLLOWED.items()))
    lines += textwrap.wrap(
        f"Every point release of {points} is a profile of its own. `auto` is the running kernel.", width
    )
    heads = "".join(f"{number:>4}" for number in range(1, len(everyone) + 1))
    lines += ["", f"{'behaviour':<32}{heads}"]
    for name in _flags():
        lines.append(f"{name:<32}" + "".join(f"{_cell(profile.flags[name]):>4}" for profile in everyone))
    lines += ["", f"{'in so many behaviours differ':<32}{heads}"]
    for number, one in enumerate(everyone, 1):
        counts = (_behaviours_apart(one, other) for other in everyone)
        lines.append(f"{number:>3} {spelled(one):<28}" + "".join(f"{count or '-':>4}" for count in counts))
    lines += ["", "x has it, - has not, a digit is a grade. `tcpcheck profiles A B` says in what two of them differ,"]
    lines += ["by which rules, and which commit changed it; `tcpcheck explain NAME` what a behaviour is."]
    return "\n".join(lines) + "\n"


def _flags() -> list[str]:
    return [*(row.flag for row in BEHAVIOURS), *(row.flag for row in GRADED), *CONSTANT_FLAGS]


def _cell(value: int) -> str:
    return {0: "-", 1: "x"}.get(value, str(value))


def _behaviours_apart(one: Profile, other: Profile) -> int:
    return sum(one.flags[flag] != other.flags[flag] for flag in _flags())


# ---- one ---------------------------------------------------------------------------------------------------


def _one_profile(profile: Profile) -> str:
    lines = [f"{spelled(profile)}, {profile.hz} jiffies a second", "behaviours (`tcpcheck explain NAME`)"]
    lines += [f"  {'yes' if profile.flags[row.flag] else 'no ':<4}{row.flag}" for row in BEHAVIOURS]
    lines += [f"  {row.flag}: {row.words(profile.flags[row.flag])}" for row in GRADED]
    lines.append("sysctls and their defaults")
    lines += [
        f"  {name} = {profile.defaults[name]}{' ' + row.unit if row.unit else ''}"
        for name, row in SYSCTLS.items()
        if profile.sysctl_effective(name)
    ]
    return "\n".join(lines) + "\n"


# ---- two ---------------------------------------------------------------------------------------------------


def _pair(one: Profile, other: Profile, width: int) -> str:
    found = differences(one, other)
    if not found:
        return f"{spelled(one)} and {spelled(other)} do the same\n"
    counts = [
        f"{number} {word}{'' if number == 1 else 's'}"
        for word in ("behaviour", "constant", "sysctl")
        if (number := sum(d.kind == word for d in found))
    ]
    lines = [f"{spelled(one)} and {spelled(other)} differ in {', '.join(counts)}"]
    for d in found:
        lines += ["", f"{d.name}  {spelled(one)}: {d.values[0]}; {spelled(other)}: {d.values[1]}"]
        rows = (("what", d.what), ("where", d.where), ("when", d.since), ("rules", ", ".join(d.rules)))
        for title, text in rows:
            before = f"  {title:<{INDENT - 2}}"
            lines += textwrap.wrap(text, width, initial_indent=before, subsequent_indent=" " * INDENT) if text else []
    return "\n".join(lines) + "\n"


# ---- JSON --------------------------------------------------------------------------------------------------


def _document(profiles: list[Profile]) -> dict[str, Any]:
    """`tcpcheck.profiles/1`."""
    return {
        "schema": "tcpcheck.profiles/1",
        "tool": f"tcpcheck {__version__}",
        "profiles": [_profile(profile) for profile in profiles],
        "behaviours": [
            *(_row(b.flag, b.doc, b.where, since(b), b.rules) for b in BEHAVIOURS),
            *(_row(g.flag, g.doc, g.where, "", g.rules) for g in GRADED),
            *(_row(flag, CONSTANT_DOCS[flag], "", "", CONSTANT_RULES[flag]) for flag in CONSTANT_FLAGS),
        ],
        "pairs": [
            {"profiles": [one.name, other.name], "differences": [_difference(d) for d in differences(one, other)]}
            for one, other in combinations(profiles, 2)
        ],
        "ok": True,
    }


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "family": profile.family,
        "release": None if not profile.is_linux else dotted(profile.release),
        "hz": profile.hz,
        "behaviours": {flag: profile.flags[flag] for flag in _flags()},
        "constants": dict(profile.constants),
        "sysctls": {name: profile.defaults[name] for name in SYSCTLS if profile.sysctl_effective(name)},
    }


def _row(name: str, what: str, where: str, when: str, rules: tuple[str, ...]) -> dict[str, Any]:
    return {"name": name, "what": what, "where": where, "when": when, "rules": list(rules)}


def _difference(d: Difference) -> dict[str, Any]:
    return {"name": d.name, "kind": d.kind, "values": list(d.values), **_row(d.name, d.what, d.where, d.since, d.rules)}
