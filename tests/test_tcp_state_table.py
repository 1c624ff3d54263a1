"""docs/state-table.md is what the code does now."""

from __future__ import annotations

from pathlib import Path

from tcpcheck.tcp import table

DOC = Path(__file__).parent.parent / "docs" / "state-table.md"


def test_the_state_table_is_fresh() -> None:
    """Regenerate with `python -m tcpcheck.tcp.table > docs/state-table.md`."""
    assert DOC.read_text() == "\n".join(table.table()) + "\n"


def test_every_state_is_reached() -> None:
    short = {
        "CLOSED": "CLOSED",
        "LISTEN": "CLOSED",
        "SYN-RECEIVED (request socket)": "SYN_RECV/req",
        "SYN-SENT": "SYN_SENT",
        "SYN-RECEIVED (simultaneous open)": "SYN_RECV",
        "ESTABLISHED": "ESTABLISHED",
        "CLOSE-WAIT": "CLOSE_WAIT",
        "FIN-WAIT-1": "FIN_WAIT1",
        "FIN-WAIT-1 (orphan)": "FIN_WAIT1",
        "FIN-WAIT-2": "FIN_WAIT2",
        "FIN-WAIT-2 (orphan: bucket)": "FIN_WAIT2/tw",
        "FIN-WAIT-2 (orphan, tcp_fin_timeout=75: full socket)": "FIN_WAIT2",
        "CLOSING": "CLOSING",
        "LAST-ACK": "LAST_ACK",
        "TIME-WAIT": "TIME_WAIT/tw",
        "TIME-WAIT (tcp_rfc1337=1)": "TIME_WAIT/tw",
    }
    found = {}
    for name in table.STATES:
        start = table.reach(name)
        found[name] = start.driver.state(start.driver.find(table.PEER_PORT, start.port))
    assert found == short
