"""The traces of the shipped specs, in every format, as they were when somebody last read them.

TCPCHECK_UPDATE_GOLDEN=1 writes tests/golden/specs/ anew; read what changes before committing it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

import golden_files
import pytest

from tcpcheck.checking import verify
from tcpcheck.errors import UsageError
from tcpcheck.render import json as render_json
from tcpcheck.render import text
from tcpcheck.render.packetdrill import packetdrill
from tcpcheck.render.pcapng import pcapng
from tcpcheck.render.rules import rule_lookup
from tcpcheck.render.tcpdump import tcpdump
from tcpcheck.witness.trace import Trace

ROOT = Path(__file__).parent.parent
SPECS = sorted((ROOT / "specs").glob("*.tcp"))


@cache
def traces(path: Path) -> dict[str, Trace]:
    """The first witness of each claim of a spec, its file named from the repository's root."""
    found: dict[str, Trace] = {}
    for claim in verify(path.relative_to(ROOT)).claims:
        if claim.witness is not None:
            found.setdefault(claim.name, claim.witness)
    return found


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_every_witness_is_confirmed_twice(path: Path) -> None:
    results = verify(path).claims
    assert all(c.ok for c in results)
    for claim in results:
        if claim.verdict in ("violated", "reachable") or (claim.kind == "count" and claim.count and claim.count["max"]):
            assert claim.witness is not None, claim.name
            assert claim.witness.confirmed_by == ("z3", "concrete-rerun")
            assert [s.index for s in claim.witness.steps] == list(range(len(claim.witness.steps)))


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_traces_as_read(path: Path) -> None:
    for name, trace in traces(path).items():
        at = f"specs/{path.stem}.{name}"
        golden_files.check(f"{at}.txt", text.text(trace, width=120, rules=rule_lookup()))
        golden_files.check(f"{at}.tcpdump.txt", tcpdump(trace))
        golden_files.check(f"{at}.json", render_json.dumps(render_json.trace(trace)))
        golden_files.check(f"{at}.pcapng", pcapng(trace, rule_lookup()))
        for host in trace.hosts:
            try:
                script = packetdrill(trace, host.name)
            except UsageError:
                continue  # more than one connection, or none
            golden_files.check(f"{at}.{host.name}.pkt", script)


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_json_traces_come_back_whole(path: Path) -> None:
    for trace in traces(path).values():
        again = render_json.load_trace(json.loads(render_json.dumps(render_json.trace(trace))))
        assert again == trace


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark here")
@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_wireshark_finds_nothing_malformed(path: Path, tmp_path: Path) -> None:
    for name, trace in traces(path).items():
        file = tmp_path / f"{name}.pcapng"
        file.write_bytes(pcapng(trace, rule_lookup()))
        said = subprocess.run(
            [
                "tshark",
                "-r",
                str(file),
                "-Y",
                "_ws.malformed || tcp.checksum.status == 0",
                "-o",
                "tcp.check_checksum:TRUE",
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert said.returncode == 0 and said.stdout == "", said
