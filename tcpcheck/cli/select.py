"""What of a spec is checked: one claim, some members of its families."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from tcpcheck.errors import TcpcheckError, Undecided, UsageError
from tcpcheck.lang.diagnostics import nearest
from tcpcheck.lang.scenario import Case, Scenario
from tcpcheck.witness.verdict import ClaimResult


def claim_names(scenario: Scenario) -> list[str]:
    return list(dict.fromkeys(claim.name for case in scenario.cases for claim in case.claims))


def with_claim(scenario: Scenario, name: str) -> Scenario | None:
    """The spec with this claim alone; None if it has none of that name."""
    return with_claims(scenario, {name}) if name in claim_names(scenario) else None


def with_claims(scenario: Scenario, names: Collection[str]) -> Scenario:
    """The spec with the claims of these names alone."""
    cases = (replace(case, claims=tuple(c for c in case.claims if c.name in names)) for case in scenario.cases)
    return replace(scenario, cases=tuple(cases))


def no_claim(name: str, scenarios: Sequence[Scenario]) -> UsageError:
    """No spec has a claim of that name."""
    known = list(dict.fromkeys(known for scenario in scenarios for known in claim_names(scenario)))
    where = scenarios[0].file if len(scenarios) == 1 else f"these {len(scenarios)} specs"
    return unknown_claim(name, known, where)


def unknown_claim(name: str, known: Sequence[str], where: str) -> UsageError:
    near = nearest(name, known)
    hint = f"did you mean `{near}`?" if near else f"its claims are {', '.join(known)}" if known else "it has no claims"
    return UsageError(f"no claim `{name}` in {where}: {hint}")


def no_trace(name: str, found: Sequence[ClaimResult]) -> TcpcheckError:
    """Why there is no trace: a verdict that has none (exit 2), or none was reached (exit 3)."""
    undecided = next((claim for claim in found if claim.verdict == "undecided"), None)
    if undecided is not None:
        return Undecided(f"`{name}` is undecided, so there is no trace: {undecided.note or 'a bound was reached'}")
    said = " and ".join(dict.fromkeys(claim.verdict for claim in found))
    return UsageError(
        f"`{name}` {'is ' if said != 'holds' else ''}{said}: only a violated or reached claim has a trace"
    )


def settings_of(wanted: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`NAME=V1,V2` each, as `load` takes them."""
    settings: dict[str, tuple[str, ...]] = {}
    for text in wanted:
        name, equals, values = text.partition("=")
        name, parts = name.strip(), tuple(value.strip() for value in values.split(","))
        if not equals or not name or not all(parts):
            raise UsageError(f"`{text}` is not NAME=V1,V2")
        if name in settings:
            raise UsageError(f"`{name}` is set twice")
        settings[name] = parts
    return settings


def with_members(scenario: Scenario, wanted: Sequence[str]) -> Scenario:
    """The spec with the members alone that have each `NAME=VALUE`. NAME: a family's name (`-> ts`), or a setting as
    verdicts show it, with or without its host and `net.ipv4.`."""
    cases = scenario.cases
    for text in wanted:
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or not value:
            raise UsageError(f"`{text}` is not NAME=VALUE")
        key = _key(scenario, name)
        values = list(dict.fromkeys(_value(case, key) for case in scenario.cases))
        if value not in values:
            raise UsageError(f"`{key}` is never {value} in {scenario.file}: it is {' or '.join(values)}")
        cases = tuple(case for case in cases if _value(case, key) == value)
    if not cases:
        raise UsageError(f"no member of {scenario.file} has {' and '.join(wanted)}")
    return replace(scenario, cases=cases)


def _value(case: Case, key: str) -> str:
    return str(case.chosen[key] if key in case.chosen else case.settings.get(key))


def _key(scenario: Scenario, name: str) -> str:
    """The one family or setting that a name means."""
    case = scenario.cases[0]
    if name in case.chosen:
        return name
    keys = [key for key in case.settings if name in _spellings(key)]
    if len(keys) == 1:
        return keys[0]
    if keys:
        raise UsageError(f"`{name}` could be {' or '.join(keys)}")
    valid = [*case.chosen, *case.settings]
    if not valid:
        raise UsageError(f"{scenario.file} has no families, so it has one member only")
    near = nearest(name, [*case.chosen, *(s for key in case.settings for s in _spellings(key))])
    hint = f"did you mean `{near}`?" if near else f"they are {', '.join(valid)}"
    raise UsageError(f"no family or setting `{name}` in {scenario.file}: {hint}")


def _spellings(key: str) -> tuple[str, ...]:
    """`server.net.ipv4.tcp_sack` may be called `server.tcp_sack`, `net.ipv4.tcp_sack` or `tcp_sack`."""
    _, _, own = key.partition(".")
    return tuple(dict.fromkeys((key, key.replace(".net.ipv4.", "."), own, own.removeprefix("net.ipv4."))))
