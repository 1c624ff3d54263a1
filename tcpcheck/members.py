"""The members of a spec's families, one after the other or in several processes; what is found is the same.

Ctrl-C ends the members that run, each with what it has found, and starts no others. Processes are forked, so they
know the scenario already; a result comes back through a pipe.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import connection, get_all_start_methods, get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from tcpcheck.errors import Undecided
from tcpcheck.explore.result import LEAST_MEMORY, Limits
from tcpcheck.interrupts import at_a_good_moment


class Outcome(Protocol):
    """What checking one member gives: only whether Ctrl-C cut it short matters here."""

    @property
    def interrupted(self) -> bool: ...


R = TypeVar("R", bound=Outcome)
Sample = tuple[int, int, float, int, int, int, int, int]
"""What a search reports (explore/result.py): states, transitions, rate, depth, frontier, bytes,
and nodes and bytes expected in all."""

Work = Callable[[int, Callable[..., object]], R]
"""work(member, report a Sample) -> its outcome; KeyboardInterrupt: nothing was found."""


@dataclass(frozen=True)
class Progress:
    """How far all members together are. rate: states a second; memory: bytes; expected: of those
    under way, bytes in the end, 0 where nothing tells."""

    done: int
    members: int
    states: int
    transitions: int
    rate: float
    depth: int
    frontier: int
    memory: int
    expected: int = 0


Report = Callable[[Progress], object]


@dataclass
class Tally:
    """Sums up the samples of the members."""

    members: int
    report: Report | None
    samples: dict[int, Sample] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)

    def note(self, member: int, *sample: Any) -> None:
        self.samples[member] = sample
        if self.report is None:
            return
        now = [s for m, s in self.samples.items() if m not in self.finished]
        every = self.samples.values()
        self.report(
            Progress(
                len(self.finished),
                self.members,
                sum(s[0] for s in every),
                sum(s[1] for s in every),
                sum(s[2] for s in now),
                max(s[3] for s in now),
                sum(s[4] for s in now),
                sum(s[5] for s in now),
                sum(s[7] for s in now),
            )
        )


def shared(limits: Limits, jobs: int, members: int) -> tuple[Limits, int]:
    """(limits of one member, how many members at once): they share the memory, and each has enough to begin with."""
    workers = max(1, min(jobs, members))
    if limits.memory_bytes is None:
        return limits, workers
    workers = max(1, min(workers, limits.memory_bytes // LEAST_MEMORY))
    return replace(limits, memory_bytes=limits.memory_bytes // workers), workers


def run_members(count: int, work: Work[R], jobs: int, report: Report | None) -> list[R | None]:
    """The outcome of each member, in order; None: Ctrl-C came before it was checked."""
    tally = Tally(count, report)
    workers = min(jobs, count)
    if workers > 1 and "fork" in get_all_start_methods():
        return _Pool(count, work, tally).run(workers)
    return _one_by_one(count, work, tally)


def _one_by_one(count: int, work: Work[R], tally: Tally) -> list[R | None]:
    outcomes: list[R | None] = [None] * count
    for member in range(count):
        try:
            outcome = work(member, lambda *sample, m=member: tally.note(m, *sample))
        except KeyboardInterrupt:
            break
        outcomes[member] = outcome
        tally.finished.add(member)
        if outcome.interrupted:
            break
    return outcomes


class _Pool:
    """Forked workers, each with a pipe; a worker is given one member at a time."""

    def __init__(self, count: int, work: Work[Any], tally: Tally) -> None:
        self.count, self.work, self.tally = count, work, tally
        self.outcomes: list[Any] = [None] * count
        self.again: list[int] = []  # raised an exception in a worker: it is raised here
        self.next = 0
        self.interrupts = 0
        self.processes: dict[Connection, Any] = {}

    def run(self, workers: int) -> list[Any]:
        with self._watching_for_interrupt():
            try:
                for _ in range(workers):
                    self._start()
                busy = {pipe for pipe in self.processes if self._give(pipe)}
                while busy:
                    for pipe in connection.wait(list(busy)):
                        assert isinstance(pipe, Connection)
                        if not self._take(pipe) and not self._give(pipe):
                            busy.remove(pipe)
            finally:
                self._stop()
        if not self.interrupts:
            for member in self.again:
                self.outcomes[member] = self.work(member, lambda *_: None)
        return self.outcomes

    def _start(self) -> None:
        ours, theirs = get_context("fork").Pipe()
        inherited = [ours, *self.processes]
        process = get_context("fork").Process(target=_worker, args=(theirs, inherited, self.work), daemon=True)
        process.start()
        theirs.close()
        self.processes[ours] = process

    def _give(self, pipe: Connection) -> bool:
        """Hands the next member to a worker; False: there is none, or Ctrl-C was pressed."""
        if self.next == self.count or self.interrupts:
            return False
        pipe.send(self.next)
        self.next += 1
        return True

    def _take(self, pipe: Connection) -> bool:
        """Reads one message of a worker; True: it is still at work."""
        try:
            kind, member, content = pipe.recv()
        except (EOFError, ConnectionResetError):
            process = self.processes[pipe]
            process.join()
            raise Undecided(f"a process that checked a member was ended (exit code {process.exitcode})") from None
        if kind == "progress":
            self.tally.note(member, *content)
            return True
        if kind == "failed":
            self.again.append(member)
        else:
            self.outcomes[member] = content
        self.tally.finished.add(member)
        return False

    @contextlib.contextmanager
    def _watching_for_interrupt(self) -> Iterator[None]:
        """Ctrl-C is passed on to the workers (a terminal does so itself, `kill` does not); twice ends everything."""

        def on_interrupt(_signal: int, _frame: object) -> None:
            self.interrupts += 1
            if self.interrupts > 1:
                raise KeyboardInterrupt
            for process in self.processes.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)

        before = signal.signal(signal.SIGINT, at_a_good_moment(on_interrupt))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _stop(self) -> None:
        for pipe, process in self.processes.items():
            process.terminate()
            process.join()
            pipe.close()


def _worker(pipe: Connection, inherited: Sequence[Connection], work: Work[Any]) -> None:
    """A worker's life. Ctrl-C reaches it only while it checks a member, and once.

    It ends when the other end of its pipe is closed: so nobody else may hold a copy of that."""
    for other in inherited:
        other.close()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, at_a_good_moment(_interrupt_once))
    with contextlib.suppress(EOFError, OSError):  # the pipe is closed: nobody wants the rest
        while True:
            pipe.send(_checked(pipe, pipe.recv(), work))


def _checked(pipe: Connection, member: int, work: Work[Any]) -> tuple[str, int, Any]:
    """The message with one member's outcome."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return "done", member, work(member, lambda *sample: pipe.send(("progress", member, sample)))
    except KeyboardInterrupt:
        return "done", member, None
    except Exception:
        return "failed", member, None
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _interrupt_once(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
