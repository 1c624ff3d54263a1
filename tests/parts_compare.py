"""What a search in parts finds beside what a search in one piece finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from tcpcheck.explore.parts import Asked, HereTeam, PartedSearch
from tcpcheck.explore.result import Limits, SearchResult

COSTS = ("seconds", "bytes_per_state", "peak_memory")


def found(result: SearchResult) -> dict[str, Any]:
    """Everything but what it cost."""
    return {f.name: getattr(result, f.name) for f in dataclasses.fields(result) if f.name not in COSTS}


def in_parts(
    make: Callable[[], Any], parts: int, *, claims: int = 0, lasso: int = 0, stop: int = 0, limits: Limits | None = None
) -> SearchResult:
    """All of them in this process."""
    limits = limits or Limits()
    memory = limits.memory_bytes // parts if limits.memory_bytes is not None else None
    asked = Asked(claims, lasso, limits.exact, memory)
    return PartedSearch(HereTeam(make, parts, asked), asked, stop=stop, limits=limits).run()
