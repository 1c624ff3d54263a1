"""What of a spec is checked: one claim, some members of its families."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from tcpcheck.errors import UsageError
from tcpcheck.lang.diagnostics import nearest
from tcpcheck.lang.scenario import Case, Scenario


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
    near = nearest(name, known)
    where = scenarios[0].file if len(scenarios) == 1 else f"these {len(scenarios)} specs"
    hint = f"did you mean `{near}`?" if near else f"its claims are {', '.join(known)}" if known else "it has no claims"
    return UsageError(f"no claim `{name}` in {where}: {hint}")


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
