"""`--engine`: where `verify` and `sweep` search."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcpcheck.errors import UsageError
from tcpcheck.explore.result import Limits
from tcpcheck.lang.scenario import Scenario

if TYPE_CHECKING:
    from tcpcheck.cluster.engine import RayEngine


@dataclass(frozen=True)
class Engine:
    """What the call says of it. name: local or ray; parts: of each search; None: as the engine thinks."""

    name: str = "local"
    parts: int | None = None

    def checked(self, kept: bool) -> Engine:
        """kept: the run is saved. Errors: UsageError for options that do not go together."""
        if self.name == "local" and self.parts is not None:
            raise UsageError("--parts belongs to --engine ray")
        if self.name != "local" and kept:
            raise UsageError("a run on Ray cannot be saved: leave --checkpoint and --resume out")
        return self

    @contextlib.contextmanager
    def opened(self, scenarios: Sequence[Scenario], limits: Limits, jobs: int | None) -> Iterator[RayEngine | None]:
        """None: here. Errors: Impossible, UsageError."""
        if self.name == "local":
            yield None
            return
        from tcpcheck.cluster.engine import RayEngine
        from tcpcheck.cluster.session import Session

        session = Session(jobs, limits.memory_bytes)
        try:
            with contextlib.closing(RayEngine(session, scenarios, limits, self.parts)) as engine:
                yield engine
        finally:
            session.close()


LOCAL = Engine()
