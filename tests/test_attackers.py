"""Attackers and hosts without TCP: injected segments, exact counts over their numbers, other stacks."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tcpcheck.checking import CaseCheck, Totals, verify_text
from tcpcheck.errors import UsageError
from tcpcheck.explore.result import Limits
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load, load_text
from tcpcheck.render.packetdrill import packetdrill
from tcpcheck.witness.arcset import ArcSet
from tcpcheck.witness.pairs import pairs_in, shown
from tests.tcp_scene import scene

SPECS = Path(__file__).parent.parent / "specs"
PEER = "host client { kernel linux 6.18.44 ; run { connect server:80 from :1000 -> s ; stop } }\n"


def checked(path: str, member: int = 0) -> CaseCheck:
    scenario = load(SPECS / path, REGISTRY)
    check = CaseCheck(scenario, scenario.cases[member], Limits(), None, Totals())
    check.run()
    return check


# ---- counts


@pytest.mark.parametrize(("member", "last"), [(0, 0), (2, 65159)])
def test_edges_of_a_blind_rst_in_concrete_runs(member: int, last: int) -> None:
    check = checked("resets/blind_rst.tcp", member)
    assert check.outcomes_at(0, 0) == {True}
    assert check.outcomes_at(0, last) == {True}
    assert check.outcomes_at(0, last + 1) == {False}
    assert check.outcomes_at(0, 2**32 - 1) == {False}


def test_a_pair_is_counted_as_often_as_it_is_in_the_union() -> None:
    values = [ArcSet([(0, 2)]), ArcSet([(1, 4)]), ArcSet([(6, 7), (9, 9)]), ArcSet([(2, 6)])]
    products = list(itertools.product(values[:3], values[1:]))
    without = [(values[3], values[0])]
    every = itertools.product(range(12), repeat=2)
    inside = [(a, b) for a, b in every if any(a in x and b in y for x, y in products)]
    assert pairs_in(products, []) == len(inside)
    assert pairs_in(products, without) == sum(not (a in values[3] and b in values[0]) for a, b in inside)
    assert (
        shown([(values[0], values[1]), (values[0], values[3]), (values[1], values[0])])
        == "0..2 with 1..6; 1..4 with 0..2"
    )


def test_where_the_number_depends_on_the_rest_a_range_is_reported() -> None:
    """The window shrinks by what was received before the RST comes, and what it leaves is from RCV.NXT on."""
    text = (Path(__file__).parent / "specs_model" / "attacker.tcp").read_text(encoding="utf-8")
    counts = {(c.name, c.settings["server.kernel"]): c.count for c in verify_text(text).claims}
    assert counts["kills", "linux-6.18.44"] == {"min": 1, "max": 1, "intervals": [(0, 0)]}
    assert counts["kills", "rfc793"] == {"min": 64235, "max": 64241, "intervals": [(0, 64240)]}


# ---- hosts without TCP


def test_what_nobody_receives_is_gone_and_fields_are_those_of_the_segment() -> None:
    spec = (
        PEER
        + """host server {
        kernel none
        run {
            receive SYN -> first
            inject [S.] from :80 to client:1000 (seq = first.seq + 7, ack = first.seq + 1)
            receive ACK -> third
            sleep 1s
            inject RST from :80 to client:1000 (seq = third.ack)
        }
        run late { sleep 500ms ; receive ACK -> never ; inject SYN from :80 to client:1000 (seq any) }
    }
    reach known { client.s in ESTABLISHED receives RST (seq = irs + 1) and becomes CLOSED }
    never late { client.s receives SYN and replies SEGMENT }
    """
    )
    assert {c.name: c.verdict for c in verify_text(spec).claims} == {"known": "reachable", "late": "vacuous"}


def test_an_inject_waits_for_the_sockets_its_numbers_come_from() -> None:
    spec = (
        PEER
        + """host server { kernel linux 6.18.44 ; run { sleep 1s ; listen :80 ; accept -> c ; stop } }
    host other { kernel linux 6.18.44 ; run { sleep 2s ; connect server:80 -> t ; stop } }
    attacker { inject RST from other:1000 to server:80 (seq = server.c.rcv_nxt) }
    reach sent { attacker sends RST and server.c in ESTABLISHED }
    never early { attacker sends RST and server.c absent }
    """
    )
    verdicts = {c.name: c.verdict for c in verify_text(spec).claims}
    assert verdicts["sent"] == "reachable" and verdicts["early"] in ("holds", "vacuous")


def test_an_attacker_has_no_packetdrill_script() -> None:
    spec = (SPECS / "resets" / "blind_rst.tcp").read_text(encoding="utf-8")
    trace = next(c.witness for c in verify_text(spec).claims if c.name == "lost")
    assert trace is not None
    injected = [s for s in trace.steps if s.segment is not None and s.segment.forged]
    assert [(s.event, s.host) for s in injected] == [("send", "attacker"), ("receive", "server")]
    assert "< R " in packetdrill(trace, "server")
    with pytest.raises(UsageError, match="no TCP"):
        packetdrill(trace, "attacker")


def test_names_of_attackers() -> None:
    spec = (
        PEER
        + """host server { kernel linux 6.18.44 ; run { listen :80 ; accept -> c ; stop } }
    attacker mallory { inject RST from client:1000 to server:80 (seq any) }
    reach a { mallory sends RST }
    """
    )
    case = load_text(spec, "spec.tcp", REGISTRY).cases[0]
    assert [(h.name, h.kernel, h.address) for h in case.hosts][-1] == ("mallory", "none", "10.0.0.3")


# ---- other stacks in TIME-WAIT

TW = "TIME-WAIT bucket"
ROWS = {
    "lwip-2.2": [
        ("R", {}, (), TW, "TW_RST_IGNORED_RFC1337"),
        ("S", {"seq": 10}, ("R.",), TW, "TW_SYN_RST"),
        ("S", {"seq": 100000}, (".",), TW, "TW_SYN_REFUSED"),
        ("F.", {"seq": -1}, (".",), TW, "TW_FIN_RESTARTS"),
        (".", {}, (), TW, "TW_ACK_SILENT"),
        ("P.", {"length": 5}, (".",), TW, "TW_ACK_ANSWERED"),
    ],
    "freebsd-15": [
        ("R", {}, (), TW, "TW_RST_IGNORED_RFC1337"),
        ("S", {"seq": -1}, (), TW, "TW_NO_ACK_SILENT"),
        ("F", {"seq": -1}, (), TW, "TW_NO_ACK_SILENT"),
        ("F.", {"seq": -1}, (".",), TW, "TW_FIN_RESTARTS"),
        (".", {}, (), TW, "TW_ACK_SILENT"),
    ],
    "rfc793": [
        ("R", {"seq": 100}, (), "CLOSED", "TW_RST_IN_WINDOW"),
        ("R", {"seq": -1}, (), TW, "TW_RST_IGNORED"),
        ("S", {"seq": 10}, ("R.",), "CLOSED", "TW_SYN_RST"),
        ("S", {"seq": -1}, (".",), TW, "TW_SYN_REFUSED"),
    ],
}


@pytest.mark.parametrize(("kernel", "row"), [(k, row) for k, rows in ROWS.items() for row in rows])
def test_time_wait_of_other_stacks(kernel: str, row: tuple[str, dict[str, int], tuple[str, ...], str, str]) -> None:
    flags, numbers, replies, after, rule = row
    state, got, rules = scene("TIME-WAIT", ts=False, profile=kernel).only(flags, **numbers)
    assert (got, state) == (replies, after)
    assert rule in rules
