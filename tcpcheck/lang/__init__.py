"""Text of a spec -> Scenario. `load` and `load_text` are all that the other packages need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tcpcheck.lang.check import check
from tcpcheck.lang.diagnostics import Mistakes
from tcpcheck.lang.overrides import override
from tcpcheck.lang.parse import parse_with, read
from tcpcheck.lang.registry import Registry
from tcpcheck.lang.scenario import Scenario

__all__ = ["Registry", "Scenario", "load", "load_text"]


Settings = Mapping[str, Sequence[str]]


def load(path: Path | str, registry: Registry | None = None, settings: Settings | None = None) -> Scenario:
    """The Scenario of a spec file. Raises SpecError, with every mistake found; nothing else."""
    return load_text(read(path), str(path), registry, settings)


def load_text(text: str, file: str, registry: Registry | None = None, settings: Settings | None = None) -> Scenario:
    """The Scenario of a spec's text; `file` is the name for messages. Without a registry (of the profiles) the names
    of kernels, sysctls, features and rules are not checked. `settings` take the place of the spec's own
    (overrides.py): `{"server.net.ipv4.tcp_rfc1337": ["0", "1"]}`."""
    mistakes = Mistakes(file, text)
    spec = parse_with(mistakes)
    if settings:
        spec = override(spec, settings, mistakes)
    return check(spec, mistakes, registry, overridden=bool(settings))
