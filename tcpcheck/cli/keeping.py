"""`verify --checkpoint` and `--resume`: the file in which a run is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tcpcheck.checkpoint import Checkpoint
from tcpcheck.cli.console import Console
from tcpcheck.cli.files import check_target, told
from tcpcheck.errors import UsageError
from tcpcheck.lang.scenario import Scenario
from tcpcheck.records import is_ordinary
from tcpcheck.render.words import printable

EVERY = 60.0  # s


@dataclass(frozen=True)
class Keeping:
    """What the call says of it. file: where to; resumed: where from; every: s between two times of saving."""

    file: str | None = None
    resumed: str | None = None
    every: float | None = None

    def checked(self, jobs: int | None) -> Keeping:
        """Errors: UsageError for options that do not go together."""
        if self.file is None and self.resumed is None:
            if self.every is not None:
                raise UsageError("--checkpoint-every belongs to --checkpoint or --resume")
        elif jobs is not None and jobs > 1:
            raise UsageError("a run that is kept makes one search at a time: leave --jobs out")
        return self

    @property
    def path(self) -> str | None:
        return self.file if self.file is not None else self.resumed

    @property
    def outputs(self) -> list[tuple[str, str]]:
        """(option, file) of what must not be lost: what is resumed, too."""
        named = (("--checkpoint", self.file), ("--resume", self.resumed))
        return [(option, file) for option, file in named if file is not None]


NOT_KEPT = Keeping()


def open_checkpoint(
    console: Console, keeping: Keeping, scenarios: Sequence[Scenario], options: dict[str, Any]
) -> Checkpoint | None:
    """None if none is asked for. options: all that verdicts depend on. Errors: UsageError, Impossible."""
    if keeping.path is None:
        return None
    name = keeping.path
    check_target(name)
    for file in (name, keeping.resumed):
        if file is not None and not is_ordinary(file):
            raise UsageError(f"{printable(file)} is not a regular file: a run is kept in an ordinary file")
    path = Path(os.path.realpath(name))
    old = Path(os.path.realpath(keeping.resumed)) if keeping.resumed is not None else None
    if path != old and path.exists() and path.stat().st_size:
        raise UsageError(
            f"{printable(name)} is there already: --resume {printable(name)} goes on with it, or remove it"
        )
    identity = {"specs": {s.file: _spec_hash(s) for s in scenarios}, "options": options}
    every = EVERY if keeping.every is None else keeping.every
    tell = partial(_tell, console)
    checkpoint = Checkpoint(path, printable(name), identity, every, tell)
    if old is not None:
        checkpoint.resume(old, printable(str(keeping.resumed)))
    with told(name):
        checkpoint.begin()
    return checkpoint


def close_checkpoint(console: Console, keeping: Keeping, checkpoint: Checkpoint) -> None:
    """Writes what is known by now, and says how to go on. Errors: UsageError, Impossible."""
    with told(str(keeping.path)):
        checkpoint.end()
    if checkpoint.running:
        name = checkpoint.name
        _tell(console, f"saved in {name}: --resume {name} goes on from there, also with more time or memory")


def _tell(console: Console, said: str) -> None:
    console.message(f"tcpcheck: {said}")


def _spec_hash(scenario: Scenario) -> str:
    """Of its text and of the kernels that `auto` means."""
    kernels = [[host.kernel for host in case.hosts] for case in scenario.cases]
    return hashlib.sha256(repr((scenario.source, kernels)).encode()).hexdigest()
