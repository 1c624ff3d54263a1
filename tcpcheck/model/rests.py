"""How long a spec may go on: what decides whether a timestamp that was once the latest can look like a future one, and
whether a ts_recent can be too old for PAWS. Both cost clocks, so they are followed only where it can come to that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from tcpcheck.lang import scenario as sc

LONG = 20 * 86400 * sc.SECOND  # the fastest timestamp clock, 1 ms, is half way round in 24.8 days; timers take hours
SYN_TIME = 140  # s; how long connect() tries, by default 127 s and what its timers are late


def rests_long(case: sc.Case) -> bool:
    """May all sleeps of all runs, one after the other, last longer than LONG? A loop without end that sleeps may."""
    return slept(case) > LONG


def outdates_timestamps(case: sc.Case, limit: int, keeps: bool) -> bool:
    """May a TSval that looks older meet a ts_recent that was stored `limit` ns ago? keeps: do full sockets keep the
    number of their ts_recent throughout?

    The peer's own TSvals look older only when they were long on their way, or when their clock is half way round. Made
    up ones may at any time: then all that can pass is added up. What two ends of a connection retransmit in vain takes
    what tcp_retries2 says, each; a user timeout or keepalive may take any time."""
    on_the_way = max(case.network.lifetime or 0, case.network.delay_hi)
    if on_the_way + 2 * sc.SECOND >= limit or rests_long(case):
        return True
    every = list(_steps(case))
    options = any(isinstance(step, sc.Setsockopt) for step, _ in every)
    if options and keeps:
        return True
    sent = any(isinstance(step, sc.Inject) and step.tsval is not None for step, _ in every)
    sent |= any(rewrite.field == "tsval" for rewrite in case.network.rewrites)
    chosen = any(isinstance(step, sc.Connect) and step.tsval is not None for step, _ in every)
    chosen |= case.router is not None  # two hosts' clocks behind one address
    if not sent and not chosen:
        return False
    connects = sum(rounds for step, rounds in every if isinstance(step, sc.Connect))
    vain = _give_up(case) * (2 * connects if sent else 1) + SYN_TIME * max(connects - 1, 0)
    return options or bool(slept(case) + vain * sc.SECOND + 2 * sc.SECOND > limit)


def sets_options(host: sc.Host) -> bool:
    """Do its sockets have keepalive or user timeouts, so that it matters when the peer was last heard?"""
    return any(isinstance(step, sc.Setsockopt) for step, _ in steps(host))


def slept(case: sc.Case) -> float:
    """ns that all sleeps of all runs add up to at most; infinite for a loop without end that sleeps."""
    sleeps = ((step, rounds) for step, rounds in _steps(case) if isinstance(step, sc.Sleep) and step.time.hi)
    return float(sum(step.time.hi * rounds for step, rounds in sleeps))


def _give_up(case: sc.Case) -> float:
    """s after which data that is never acknowledged is given up, at most (tcp_model_timeout and the last timeout)."""
    name = "net.ipv4.tcp_retries2"
    values = [host.sysctls.get(name, 15) for host in case.hosts]
    values += [step.value for step, _ in _steps(case) if isinstance(step, sc.SetSysctl) and step.name == name]
    most = max(values)
    return 0.2 * (2.0 ** (min(most, 9) + 1) - 1) + 120 * max(most - 9, 0) + 136


def _steps(case: sc.Case) -> Iterator[tuple[Any, float]]:
    for host in case.hosts:
        yield from steps(host)


def steps(host: sc.Host) -> Iterator[tuple[Any, float]]:
    """Every step of every run, and how often it may be done; infinite in a loop without end."""
    for run in host.runs:
        yield from _within(run.body, 1)


def _within(body: tuple[Any, ...], rounds: float) -> Iterator[tuple[Any, float]]:
    for step in body:
        yield step, rounds
        inner = rounds
        if isinstance(step, sc.Loop):
            inner = rounds * step.count if step.count is not None else math.inf
        for block in _blocks(step):
            yield from _within(block, inner)


def _blocks(step: Any) -> Iterator[tuple[Any, ...]]:
    """The blocks within a step: what `either` chooses among, and what `else` leads to."""
    for field in fields(step):
        value = getattr(step, field.name)
        if isinstance(value, tuple) and value:
            blocks = value if isinstance(value[0], tuple) else (value,)
            yield from (block for block in blocks if all(is_dataclass(inner) for inner in block))
