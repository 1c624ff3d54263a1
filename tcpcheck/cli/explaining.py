"""`tcpcheck explain`: the protocol's tables (tcp/) in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from tcpcheck.cli.console import Console
from tcpcheck.cli.profiling import spelled
from tcpcheck.errors import UsageError
from tcpcheck.exercised import specs_with
from tcpcheck.lang.diagnostics import nearest
from tcpcheck.lang.sockopts import OPTIONS, SockOption
from tcpcheck.lang.vocabulary import STATES, canonical_state
from tcpcheck.tcp.behaviours import BEHAVIOURS, CONSTANT_DOCS, Behaviour
from tcpcheck.tcp.differences import dotted, since
from tcpcheck.tcp.profile import FEATURES, PROFILES, Profile
from tcpcheck.tcp.rules import BY_NAME, RULES, Rule
from tcpcheck.tcp.states import STATE_DOCS
from tcpcheck.tcp.sysctls import SYSCTLS, SysctlInfo

INDENT = 14
SPECS_SHOWN = 5
NAMES_SHOWN = 8
SHARED_MIN = 3  # characters of a word that is looked for within names
BEHAVIOUR: dict[str, Behaviour] = {row.flag: row for row in BEHAVIOURS}


# ---- explain -----------------------------------------------------------------------------------------------


def run_explain(console: Console, word: str | None) -> int:
    """What a word means that verdicts and traces show; without a word, all there are."""
    console.write(_everything(console) if word is None else "\n".join(explained(word, console.width)))
    return 0


def explained(word: str, width: int) -> list[str]:
    """The paragraphs on every rule, state, sysctl, feature and socket option of that name."""
    folded = word.strip().lower().replace("-", "_")
    found: list[list[tuple[str, str]]] = []
    state = canonical_state(word.strip())
    if state is not None:
        found.append(_state(state))
    rule = BY_NAME.get(folded.upper())
    if rule is not None:
        found.append(_rule(rule))
    for prefix in ("", "net.ipv4.", "net.core."):
        if prefix + folded in SYSCTLS:
            found.append(_sysctl(SYSCTLS[prefix + folded]))
    if folded in FEATURES:
        found.append(_feature(folded))
    if folded.upper() in OPTIONS:
        found.append(_option(OPTIONS[folded.upper()]))
    if not found:
        raise _unknown(word)
    return [_paragraph(rows, width) for rows in found]


def names() -> list[str]:
    """Every word that is known; sysctls with and without their first parts."""
    return [*STATES, *BY_NAME, *SYSCTLS, *(name.rpartition(".")[2] for name in SYSCTLS), *FEATURES, *OPTIONS]


def _unknown(word: str) -> UsageError:
    folded = word.strip().lower().replace("-", "_")
    within = [name for name in names() if len(folded) >= SHARED_MIN and folded in name.lower()]
    if len(within) > 2:  # a sysctl with and without its first parts is two
        more = f" and {len(within) - NAMES_SHOWN} more" if len(within) > NAMES_SHOWN else ""
        hint = f"names with it are {', '.join(within[:NAMES_SHOWN])}{more}"
        return UsageError(f"`{word}` is no rule, sysctl, state, feature or socket option: {hint}")
    near = nearest(word, names())
    hint = f"did you mean `{near}`?" if near else "`tcpcheck explain` alone lists what there is"
    return UsageError(f"`{word}` is no rule, sysctl, state, feature or socket option: {hint}")


def _paragraph(rows: list[tuple[str, str]], width: int) -> str:
    """The first row is a heading, the others have their names in a column."""
    name, kind = rows[0]
    lines = [f"{name}  ({kind})"]
    for title, text in rows[1:]:
        before = f"  {title:<{INDENT - 2}}"
        lines += textwrap.wrap(text, width, initial_indent=before, subsequent_indent=" " * INDENT)
    return "\n".join(lines) + "\n"


def _rule(rule: Rule) -> list[tuple[str, str]]:
    rows = [(rule.name, "rule"), ("what", rule.doc)]
    rows += [("RFC", rule.rfc or "none speaks of it")]
    rows += [("Linux", rule.kernel)] if rule.kernel else []
    return [*rows, ("when", _when(rule)), ("specs", specs_of("rules", rule.name))]


def _when(rule: Rule) -> str:
    """The releases on which it hangs whether the rule is taken."""
    behind = [f"{row.flag}: {since(row)}" for row in BEHAVIOURS if rule.name in row.rules]
    return "; ".join(behind) or "in every kernel that is modelled"


def specs_of(kind: str, name: str) -> str:
    """The shipped specs that exercise it; the first few, where there are many."""
    found = specs_with(kind, name)
    more = f" and {len(found) - SPECS_SHOWN} more" if len(found) > SPECS_SHOWN else ""
    return (", ".join(found[:SPECS_SHOWN]) or "none of the shipped ones") + more


def _state(name: str) -> list[tuple[str, str]]:
    doc = STATE_DOCS[name]
    prefixes = tuple(f"{prefix}_" for prefix in doc.rules)
    rules = ", ".join(rule.name for rule in RULES if prefixes and rule.name.startswith(prefixes))
    rows = [(name, "state"), ("what", doc.doc), ("RFC", doc.rfc)]
    rows += [("Linux", doc.linux)] if doc.linux else []
    rows += [("rules", rules)] if rules else []
    return [*rows, ("specs", specs_of("states", name))]


def _sysctl(row: SysctlInfo) -> list[tuple[str, str]]:
    unit = f" {row.unit}" if row.unit else ""
    values = f"{row.lo}{unit}" if row.lo == row.hi else f"{row.lo}..{row.hi}{unit}"
    default = "; ".join(
        f"{value}{unit}" + (f" since Linux {dotted(release)}" if release > (0,) else "")
        for release, value in row.defaults
    )
    effective = [spelled(profile) for profile in PROFILES.values() if profile.sysctl_effective(row.name)]
    where = "every profile" if len(effective) == len(PROFILES) else ", ".join(effective) or "no profile"
    rows = [(row.name, "sysctl"), ("what", row.doc), ("values", values), ("default", default)]
    rows += [("since", f"Linux {dotted(row.since)}")] if row.since > (0,) else []
    return [*rows, ("effect in", where), ("specs", specs_of("sysctls", row.name))]


def _feature(name: str) -> list[tuple[str, str]]:
    """`with NAME` and `without NAME` switch it."""
    row = BEHAVIOUR.get(name)
    rows = [(name, "feature: `kernel ... without " + name + "`")]
    if row is not None:
        rows += [("what", row.doc), ("where", row.where), ("when", since(row))]
        rows += [("rules", ", ".join(row.rules))] if row.rules else []
    else:
        rows += [("what", CONSTANT_DOCS.get(name) or SYSCTLS[FEATURES[name][0][0]].doc)]
    return [*rows, ("present in", _listed(p for p in PROFILES.values() if _has(p, name)))]


def _option(option: SockOption) -> list[tuple[str, str]]:
    unit = f" {option.unit}" if option.unit else ""
    rows = [(option.name, "socket option"), ("what", option.doc), ("values", f"{option.lo}..{option.hi}{unit}")]
    rows.append(("as in", f"setsockopt {'l' if option.listener else 's'} {option.name} {option.lo or 1}"))
    return [*rows, ("specs", specs_of("options", option.name))]


def _has(profile: Profile, feature: str) -> bool:
    """The flag or sysctl that the feature is named after decides; it may switch others along."""
    key, present = FEATURES[feature][0]
    return (profile.flags | profile.defaults)[key] == present


def _everything(console: Console) -> str:
    groups = {
        "states": STATES,
        "rules": [rule.name for rule in RULES],
        "sysctls": list(SYSCTLS),
        "features": list(FEATURES),
        "socket options": list(OPTIONS),
    }
    lines = []
    for title, names in groups.items():
        text = " ".join(names)
        lines += [title, *textwrap.wrap(text, console.width, initial_indent="  ", subsequent_indent="  ")]
    return "\n".join(lines) + "\n"


def _listed(profiles: Iterable[Profile]) -> str:
    return ", ".join(spelled(profile) for profile in profiles) or "no profile"
