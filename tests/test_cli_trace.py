"""`tcpcheck trace`: one trace in each format, written whole."""

from __future__ import annotations

import json
import os
import shlex
import stat
from pathlib import Path

import pytest
from cli_call import AS_EXPECTED, CONNECTION, ENDLESS, FIN_WAIT2, NOT_AS_EXPECTED, OPEN, ROOT, call, validate

from tcpcheck.render.json import load_trace

Capture = pytest.CaptureFixture[str]
TW_SYN = str(ROOT / "specs" / "tw_syn.tcp")


def test_text(capfd: Capture) -> None:
    result = call(capfd, "trace", OPEN, "crossed")
    assert result.code == 0 and result.out.startswith("reach crossed: reachable") and "├──" in result.out
    assert call(capfd, "trace", OPEN, "crossed", "--ascii").out.isascii()


def test_json_can_be_read_back(capfd: Capture) -> None:
    result = call(capfd, "trace", OPEN, "crossed", "--format", "json")
    document = json.loads(result.out)
    validate(document)
    assert load_trace(document).confirmed_by == ("z3", "concrete-rerun")


def test_tcpdump_of_a_host_and_of_the_wire(capfd: Capture) -> None:
    wire = call(capfd, "trace", OPEN, "crossed", "--format", "tcpdump").out.splitlines()
    assert wire and all(" IP 10.0.0." in line and "Flags [" in line for line in wire)
    assert call(capfd, "trace", OPEN, "crossed", "--format", "tcpdump", "--host", "wire").out.splitlines() == wire
    assert call(capfd, "trace", OPEN, "crossed", "--format", "tcpdump", "--host", "a").code == 0


def test_packetdrill(capfd: Capture) -> None:
    arguments = ("trace", OPEN, "crossed", "--format", "packetdrill")
    assert "+0 socket(" in call(capfd, *arguments, "--host", "a").out
    missing = call(capfd, *arguments)
    assert missing.code == 2 and "--host a or --host b" in missing.err
    unknown = call(capfd, *arguments, "--host", "wire")
    assert unknown.code == 2 and "no host `wire`" in unknown.err


def test_pcapng_to_a_file(capfd: Capture, tmp_path: Path) -> None:
    target = tmp_path / "out.pcapng"
    result = call(capfd, "trace", OPEN, "crossed", "--format", "pcapng", "-o", str(target), "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert target.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert [path.name for path in tmp_path.iterdir()] == ["out.pcapng"]  # what was written aside is gone


def test_a_file_keeps_its_permissions_and_a_link_stays_one(capfd: Capture, tmp_path: Path) -> None:
    target, link = tmp_path / "real.txt", tmp_path / "link.txt"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert call(capfd, "trace", OPEN, "crossed", "-o", str(link)).code == 0
    assert link.is_symlink() and "reach crossed" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert call(capfd, "trace", OPEN, "crossed", "-o", os.devnull).code == 0
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize("name", ["missing/out.txt", "."])
def test_2_when_the_file_cannot_be_written(capfd: Capture, tmp_path: Path, name: str) -> None:
    result = call(capfd, "trace", OPEN, "crossed", "-o", str(tmp_path / name))
    assert result.code == 2 and "cannot write" in result.err and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("format_", "first"), [("html", "<!doctype html>"), ("svg", "<svg "), ("mermaid", "sequence")])
def test_pictures(capfd: Capture, format_: str, first: str) -> None:
    result = call(capfd, "trace", OPEN, "crossed", "--format", format_)
    assert result.code == 0 and result.out.startswith(first) and "SYN-RECV" in result.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "pdf"), "no format `pdf`"),
        (("--format", "text", "--host", "a"), "a host goes with the formats"),
        (("--format", "tcpdump", "--host", "c"), "no host `c`"),
        (("--member", "x=1"), "has no families"),
    ],
)
def test_2_for_a_wrong_call(capfd: Capture, arguments: tuple[str, ...], words: str) -> None:
    result = call(capfd, "trace", OPEN, "crossed", *arguments)
    assert result.code == 2 and words in result.err and result.out == ""


def test_2_for_an_unknown_claim(capfd: Capture) -> None:
    result = call(capfd, "trace", OPEN, "crosed")
    assert result.code == 2 and "did you mean `crossed`?" in result.err


def test_0_when_the_violation_was_not_expected(capfd: Capture, tmp_path: Path) -> None:
    path = tmp_path / "spec.tcp"
    path.write_text(CONNECTION % NOT_AS_EXPECTED)
    assert call(capfd, "trace", str(path), "rests").code == 0


def test_2_when_the_verdict_has_no_trace(capfd: Capture, tmp_path: Path) -> None:
    path = tmp_path / "spec.tcp"
    path.write_text(CONNECTION % AS_EXPECTED)
    result = call(capfd, "trace", str(path), "reset")
    assert result.code == 2 and "`reset` holds: only a violated or reached claim has a trace" in result.err


def test_3_when_it_is_undecided(capfd: Capture, tmp_path: Path) -> None:
    path = tmp_path / "spec.tcp"
    path.write_text(ENDLESS)
    result = call(capfd, "trace", str(path), "reset", "--states", "1000")
    assert result.code == 3 and "`reset` is undecided, so there is no trace: state limit" in result.err


def test_the_member_asked_for(capfd: Capture) -> None:
    spec = str(ROOT / "specs" / "fin_wait1_loss.tcp")
    for retries in ("1", "2"):
        arguments = ("--member", f"retries={retries}", "--member", "fin_timeout=60", "--format", "json")
        document = json.loads(call(capfd, "trace", spec, "gives_up", *arguments).out)
        assert document["settings"]["client.net.ipv4.tcp_orphan_retries"] == int(retries)


def test_a_folder_with_one_spec_that_has_the_claim(capfd: Capture, tmp_path: Path) -> None:
    for name in (OPEN, FIN_WAIT2):
        (tmp_path / Path(name).name).write_text(Path(name).read_text())
    assert call(capfd, "trace", str(tmp_path), "crossed").code == 0
    assert call(capfd, "trace", FIN_WAIT2, "crossed").code == 2


def test_an_error_as_a_document(capfd: Capture) -> None:
    result = call(capfd, "trace", OPEN, "crosed", "--json")
    assert result.code == 2 and result.document["schema"] == "tcpcheck.error/1"


def test_other_settings_than_the_specs(capfd: Capture) -> None:
    """`refusal` without timestamps, of a kernel that the spec does not name; the script says how to make it again."""
    sets = ("--set", "server.net.ipv4.tcp_timestamps=0", "--set", "server.kernel=linux 4.4")
    result = call(capfd, "trace", TW_SYN, "refusal", *sets, "--format", "json", "-q")
    document = json.loads(result.out)
    assert result.code == 0 and document["settings"]["server.net.ipv4.tcp_timestamps"] == 0
    assert document["hosts"][0]["kernel"] == "linux-4.4"
    script = call(capfd, "trace", TW_SYN, "refusal", *sets, "--format", "packetdrill", "--host", "server", "-q").out
    again = next(line for line in script.splitlines() if "regenerate: " in line).partition("regenerate: tcpcheck ")[2]
    assert "--set" in again and call(capfd, *shlex.split(again), "-q").out == script


def test_a_setting_that_is_wrong(capfd: Capture) -> None:
    for text, said in (("tcp_sack", "is not NAME=V1,V2"), ("servr.kernel=linux 4.4", "did you mean `server`?")):
        result = call(capfd, "trace", TW_SYN, "refusal", "--set", text)
        assert result.code == 2 and said in result.err
