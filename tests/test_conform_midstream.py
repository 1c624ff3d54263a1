"""A capture may start anywhere: what is left of the kernel's captures agrees, and a wrong packet in it does not."""

from __future__ import annotations

import pytest

from tcpcheck.conform.command import read
from tcpcheck.conform.judge import judge
from tests.conform.captures import NAMES, OPTIONS, conform, path
from tests.conform.cuts import cut, judged
from tests.conform.mutations import mutations
from tests.conform.share import side_of

EVERY = 9


@pytest.mark.parametrize("name", NAMES)
def test_it_agrees_from_any_packet_on(name: str) -> None:
    """`python -m tests.conform.cuts` tries every packet."""
    found = {first: verdict for first, verdict in judged(name, EVERY, len(name) % EVERY)}
    assert {first: v.first_disagreement for first, v in found.items() if v.agrees is not True} == {}


@pytest.mark.parametrize(
    ("name", "kind"), [("p_lastack_loss", "ack"), ("p_lastack_loss", "seq"), ("t_lastack_r8", "late")]
)
def test_a_changed_packet_is_refused_there_too(name: str, kind: str) -> None:
    call = conform(name)
    host = call.call.host or OPTIONS[name]["options"][1]
    rest = cut(read(str(path(name))), 4)
    changed = [m for m in mutations(rest, side_of(name)) if m.kind == kind and 3 < m.packet < len(rest.packets) - 1]
    assert changed
    agree = [str(m) for m in changed if judge(m.capture, host, call.setting, midstream=True).agrees]
    assert agree == []


def test_a_connection_that_began_before_is_said_to_be_so() -> None:
    name = "p_lastack_loss"
    verdict = judge(cut(read(str(path(name))), 4), None, conform(name).setting)
    assert [row.agrees for row in verdict.connections] == [None]
    assert "starts in the middle" in verdict.connections[0].why
