"""Traces from the model: walks over its states that together take every rule and every rule after every other, as far
as a start's steps lead.

The search is breadth first over copies of the model. A copy is gone on from when it has taken a rule, or a rule after
another, for the first time, or when its last rule and what its socket is like are new together. It is the same in
every run.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tcpcheck.crosscheck.lab import CLOSED
from tcpcheck.crosscheck.model import ModelLab
from tcpcheck.crosscheck.starts import STARTS, Start
from tcpcheck.crosscheck.walk import ALL_CALLS, LOOK, OTHER, Walk

Pair = tuple[str, str]  # a rule, and the next one; "" before the first
Plan = tuple[tuple[int, str], ...]  # (ms before it, step)
NODES = 1500
STEPS_MAX = 14
PAUSE_MS = 60  # beyond the last moment at which a timer may fire, so that it has for certain
AFTER_MS = 70  # the last look: longer than a delayed ACK


@dataclass(frozen=True)
class Trace:
    """What is done from a start. new: pairs that no earlier trace of the start has."""

    start: str
    plan: Plan
    new: frozenset[Pair]


@dataclass
class _Node:
    lab: ModelLab
    walk: Walk
    plan: Plan
    last: str  # the last rule
    paused_ms: int
    listens: bool
    lived: bool  # has there been a socket of this connection?
    pairs: frozenset[Pair]


def _segments() -> Iterator[str]:
    """Every kind of segment at the places that matter. Window edges are the cells' business."""
    for seq, ts in itertools.product((0, -1, 100_000, -100_000), ("0", "5", "-2000", "x")):
        yield f"S {seq} 0 0 {ts}"
    for seq, ack in itertools.product((0, -1), (0, 1, -1)):
        yield f"S. {seq} {ack} 0 0"
    for seq, ack, ts in itertools.product((0, -1, 1, 100_000), (0, -1, 1, -100_000), ("0", "-2000")):
        yield f". {seq} {ack} 0 {ts}"
    for seq, ack, ts in itertools.product((0, -5, -10, 10, 1000, 100_000), (0, -1, 1, -100_000), ("0", "-2000")):
        if ts == "0" or ack == 0:
            yield f"P. {seq} {ack} 10 {ts}"
    for seq, length, ack in itertools.product((0, -1, 10), (0, 10), (0, -1, 1)):
        yield f"F. {seq} {ack} {length} 0"
    for seq, ts in itertools.product((0, -1, 1, 10, 20, 100_000), ("0", "-2000")):
        yield f"R {seq} 0 0 {ts}"
    yield from ("R. 0 0 0 0", "R. 0 5 0 0", "R. 0 0 0 0 ecr", "SF 0 0 0 0", "SF -1 0 0 0", "SF 100000 0 0 0")
    yield from ("- 0 0 0 0", "- 100000 0 0 0", "- 0 0 0 -2000", "P 0 0 10 0", "F 0 0 0 0")
    yield from (". 0 0 0 0 w0", ". 0 0 0 0 ecr", "S. 0 0 0 0 ecr", "P. 0 0 10 0 ecr")


SEGMENTS = tuple(_segments())


def _calls(node: _Node, start: Start) -> Iterator[str]:
    """Calls that make sense now."""
    if node.walk.peer.handle is not None:
        yield from ("send 100", "recv", "shutdown", "close", "abort")
    elif start.active:
        yield "connect"
    elif node.listens:
        yield "accept"
    if node.listens and not start.active:
        yield "unlisten"
        if start.other:
            yield OTHER


def _left_out(node: _Node, start: Start, step: str) -> bool:
    """Is this step beyond what the model knows of cookies?"""
    if not start.cookies or not node.plan:
        return False
    opened = any(before.startswith("S ") for _, before in node.plan)
    over = node.lived and node.lab.state(node.walk.peer) == CLOSED
    return over or (opened and step.startswith("S ") and not step.startswith("S -1 "))


def _pauses(node: _Node, start: Start) -> Iterator[int]:
    """Until each timer has fired, in ms, as far as the start allows."""
    if not start.pauses_ms:
        return
    due = {max(timer["hi"], 0) // 1_000_000 + PAUSE_MS for timer in node.lab.driver.timers()}
    if "reuse" in str(start.sysctls):
        due.add(1200)
    yield from sorted(ms for ms in due if node.paused_ms + ms <= start.pauses_ms)


def _like(node: _Node) -> object:
    """What counts of a state for what may come next."""
    driver, slot = node.lab.driver, node.lab.slot(node.walk.peer)
    timers = tuple(sorted(timer["kind"] for timer in driver.timers()))
    steps = [step for _, step in node.plan]
    if slot < 0:  # a cookie may be out, the queues may be full
        opened = any(step.startswith("S ") for step in steps)
        return node.listens, node.walk.peer.handle is not None, timers, opened, OTHER in steps
    sock = driver.sock(slot)
    flags = ("state", "fd", "acceptable", "fin_sent", "fin_rcvd", "ack_pending", "nooo", "so_error", "retries")
    flight = (sock["snd_nxt"] - sock["snd_una"]) != 0
    return tuple(sock[f] for f in flags), flight, sock["rcv_queued"] > 0, sock["unsent"] > 0, timers, node.listens


def _after(node: _Node, ms: int, step: str) -> tuple[_Node, tuple[str, ...]] | None:
    """A step further, and the rules taken; None when the model has no room for it."""
    lab = node.lab.fork()
    walk = node.walk.on(lab)
    try:
        if ms:
            lab.settle(ms / 1000)
            walk.outcome("", lab.pending(walk.peer))
        walk.step(step)
    except RuntimeError:
        return None
    rules = tuple(lab.driver.rules())
    pairs = frozenset(zip((node.last, *rules), rules, strict=False)) | (frozenset() if node.plan else node.pairs)
    listens = node.listens and step != "unlisten"
    plan = (*node.plan, (ms, step))
    lived = node.lived or lab.state(walk.peer) != CLOSED
    last = rules[-1] if rules else node.last
    return _Node(lab, walk, plan, last, node.paused_ms + ms, listens, lived, pairs), rules


def _root(start: Start, kernel: str) -> _Node:
    lab = ModelLab(start.settings(), kernel)
    peer = start.open(lab)
    rules = lab.driver.rules()
    pairs = frozenset(zip(("", *rules), rules, strict=False))
    return _Node(lab, Walk(lab, peer), (), rules[-1] if rules else "", 0, True, False, pairs)


def generate(kernel: str, name: str) -> list[Trace]:
    """Traces of one start, each with pairs that no earlier one has; the shortest first."""
    start, seen, known = STARTS[name], set[Pair](), set[object]()
    found: list[Trace] = []
    first, later = deque([_root(start, kernel)]), deque[_Node]()
    for _ in range(start.nodes):
        if not first and not later:
            break
        node = first.popleft() if first else later.popleft()
        if len(node.plan) >= STEPS_MAX:
            continue
        steps = [(0, step) for step in (*_calls(node, start), *SEGMENTS) if not _left_out(node, start, step)]
        steps += [(ms, LOOK) for ms in _pauses(node, start)]
        for ms, step in steps:
            result = _after(node, ms, step)
            if result is None or not (result[1] or step in ALL_CALLS):
                continue
            after, rules = result
            new = after.pairs - seen
            if new:
                seen |= new
                found.append(Trace(start.name, after.plan, frozenset(new)))
            like = (after.last, _like(after), "" if rules else step)
            if like not in known:
                known.add(like)
                (first if new else later).append(after)
    return found


def chosen(traces: Iterable[Trace]) -> list[Trace]:
    """Of all starts' traces those that add something: a pair that an earlier one has is not asked for again, and a
    trace that is the beginning of another goes into it."""
    seen: set[Pair] = set()
    kept: dict[tuple[str, Plan], frozenset[Pair]] = {}
    for trace in traces:
        new = trace.new - seen
        if new:
            seen |= new
            kept[trace.start, trace.plan] = frozenset(new)
    for start, plan in sorted(kept, key=lambda key: -len(key[1])):
        if (start, plan) in kept:
            for n in range(1, len(plan)):
                kept[start, plan] |= kept.pop((start, plan[:n]), frozenset())
    return [Trace(start, plan, new) for (start, plan), new in kept.items()]
