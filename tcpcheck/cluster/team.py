"""The parts of one search as Ray actors. States go from actor to actor; here only names of messages pass through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tcpcheck.explore.parts import Asked, Lost, Worker

LOOK_EVERY = 1.0  # s: Ctrl-C is seen to so often
PATIENCE = 300.0  # s without any answer, and an actor is taken for lost


class RayTeam:
    """One actor for each part (explore/parts.py, Team), for one search after the other. on_call: told of each call,
    before it is made (for tests)."""

    def __init__(self, ray: Any, parts: int) -> None:
        self.ray, self.size = ray, parts
        self.on_call: Callable[[RayTeam, int, str], object] | None = None
        self.actors: list[Any] = []

    def begin(self, make: Callable[[], Any], asked: Asked, wanted: Sequence[Any] = ()) -> None:
        """A new search; as Worker.begin. Errors: Lost, and what `make` raises."""
        if not self.actors:
            actor = self.ray.remote(Worker).options(num_cpus=1, max_restarts=0, max_task_retries=0)
            self.actors = [actor.remote() for _ in range(self.size)]
        self.get([self.call(part, "begin", make, part, self.size, asked, wanted) for part in range(self.size)])

    def call(self, part: int, method: str, *arguments: Any, returns: int | None = None) -> Any:
        if self.on_call is not None:
            self.on_call(self, part, method)
        remote = getattr(self.actors[part], method)
        if returns is None or returns == 1:
            one = remote.remote(*arguments)
            return one if returns is None else [one]
        return remote.options(num_returns=returns).remote(*arguments)

    def get(self, things: Sequence[Any]) -> list[Any]:
        """Waits for all of them. Errors: Lost."""
        waiting, quiet = list(things), 0.0
        while waiting:
            ready, waiting = self.ray.wait(waiting, num_returns=len(waiting), timeout=LOOK_EVERY, fetch_local=False)
            quiet = 0.0 if ready else quiet + LOOK_EVERY
            if quiet >= PATIENCE:
                raise Lost(f"no answer for {PATIENCE:g} s")
        errors = self.ray.exceptions
        try:
            return list(self.ray.get(list(things), timeout=PATIENCE))
        except errors.RayTaskError as error:
            if isinstance(error.cause, errors.RayError):  # what it was to work on is gone
                raise Lost(_first_line(error.cause)) from error
            raise
        except errors.RayError as error:
            raise Lost(_first_line(error)) from error

    def close(self) -> None:
        """Ends the actors: each is a process. Another search has new ones."""
        for actor in self.actors:
            self.ray.kill(actor, no_restart=True)
        self.actors = []


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0]}"
