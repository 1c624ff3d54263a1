"""Whose timestamp may a segment echo to a connection that is being opened? The kernel compares numbers, so an older
incarnation's may do, and one that somebody has changed does not (tcp_rcv_synsent_state_process, tcp_check_req)."""

import pytest

from tcpcheck.checking import verify_text
from tcpcheck.lang import load_text
from tcpcheck.model.incarnations import tsecr_compared

HOSTS = "host s {{ kernel linux 6.18.44 ; run {{ {server} }} }}\nhost a {{ kernel linux 6.18.44 ; {client} }}\n"
ACCEPTS = "listen :80 ; accept -> c"
KEEPS_SILENT = "{ a.y in SYN-SENT receives ACK (ack = snd_nxt and tsecr > 0) and replies NOTHING }"
RESETS = "{ a.y in SYN-SENT receives ACK (ack = snd_nxt and tsecr > 0) and replies RST }"


def verdicts(server: str, client: str, rest: str) -> dict[str, str]:
    result = verify_text(HOSTS.format(server=server, client=client) + "network { delay 1ms }\n" + rest)
    assert not [c.note for c in result.claims if c.verdict == "undecided"]
    return {claim.name: claim.verdict for claim in result.claims}


def test_after_a_boot_the_timestamps_may_coincide() -> None:
    """Found false: who is echoed was asked, and the crashed connection's own TSvals were called out of range."""
    found = verdicts(
        ACCEPTS,
        "run { connect s:80 from :1000 -> x ; crash ; boot ; connect s:80 from :1000 -> y }",
        f"reach silent {KEEPS_SILENT}\nreach resets {RESETS}",
    )
    assert found == {"silent": "reachable", "resets": "reachable"}


@pytest.mark.parametrize("pause, silent", [("", True), ("sleep 1ms ;", False)])
def test_a_port_used_again_within_the_same_tick(pause: str, silent: bool) -> None:
    """The aborted connection's last TSval is the new SYN's, or else before it."""
    found = verdicts(
        ACCEPTS,
        "iptables -A OUTPUT -p tcp --tcp-flags RST RST -j DROP\n"
        f"run {{ connect s:80 from :1000 -> x ; abort x ; {pause} connect s:80 from :1000 (seq any) -> y }}",
        f"reach silent {KEEPS_SILENT}\nreach resets {RESETS}",
    )
    assert found == {
        "silent": "reachable" if silent else "unreachable",
        "resets": "unreachable" if silent else "reachable",
    }


@pytest.mark.parametrize("echoed, silent", [("p.tsval", True), ("p.tsval + 3", False), ("p.tsval - 1", False)])
def test_a_peer_without_tcp_echoes(echoed: str, silent: bool) -> None:
    """The ACK comes 2 ms after the SYN: its own TSval is in range, one of three ticks later is not yet."""
    text = f"""
    host a {{ kernel linux 6.18.44 ; run {{ connect s:80 from :1000 -> y }} }}
    host s {{
        kernel none
        run {{
            receive SYN -> p
            inject ACK from :80 to a:1000 (seq = 7, ack = p.seq + 1, tsval = 1, tsecr = {echoed})
        }}
    }}
    network {{ delay 1ms }}
    reach silent {KEEPS_SILENT}
    reach resets {RESETS}
    """
    found = {claim.name: claim.verdict for claim in verify_text(text).claims}
    assert found == {
        "silent": "reachable" if silent else "unreachable",
        "resets": "unreachable" if silent else "reachable",
    }


@pytest.mark.parametrize("by, opens", [("-= 0", "first"), ("-= 1", "second"), ("+= 2", "first"), ("+= 1000", "no")])
def test_a_middlebox_changes_timestamps(by: str, opens: str) -> None:
    """What was taken off is in range again once the SYN was retransmitted; what comes from the future never is."""
    text = HOSTS.format(server=ACCEPTS, client="run { connect s:80 from :1000 -> y }")
    text += f"network {{ delay 1ms ; rewrite SYN from a to s with tsval {by} }}\n"
    text += "reach open { a.y receives SYN-ACK (tsecr > 0) and becomes ESTABLISHED }"
    (claim,) = verify_text(text).claims
    assert claim.verdict == ("unreachable" if opens == "no" else "reachable")
    if claim.witness is not None:
        syns = [s for s in claim.witness.steps if s.segment and s.segment.flags == "S" and s.host == "a"]
        assert len(syns) == (1 if opens == "first" else 2)


@pytest.mark.parametrize(
    "client, compared",
    [
        ("connect s:80 -> y", "never"),
        ("connect s:80 from :1 -> x ; connect s:80 from :2 -> y", "never"),
        ("connect s:80 from :1 -> x ; connect s:81 from :1 -> y", "never"),
        ("connect s:80 from :1 -> x ; abort x ; connect s:80 from :1 -> y", "young"),
        ("connect s:80 from :1 -> x ; abort x ; connect s:80 -> y", "young"),
        ("loop 2 { connect s:80 from :1 -> x ; abort x }", "young"),
        ("connect s:80 from :1 -> x ; crash ; boot ; connect s:80 from :1 -> y", "others"),
        ("connect s:80 from :1 -> x ; abort x ; connect s:80 from :1 (tsval any) -> y", "others"),
    ],
)
def test_numbers_are_compared_where_another_incarnation_may_come(client: str, compared: str) -> None:
    text = HOSTS.format(server=ACCEPTS, client=f"run {{ {client} }}") + "reach r { s.c in ESTABLISHED }"
    assert tsecr_compared(load_text(text, "t.tcp").cases[0]) == compared
