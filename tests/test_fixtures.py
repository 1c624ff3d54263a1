"""`tcpcheck fixtures`: what the traces take, that nothing takes more, and the files that are written."""

from __future__ import annotations

import errno
import functools
import json
import os
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cli_call import AS_EXPECTED, CONNECTION, NOT_AS_EXPECTED, ROOT, call, program, validate
from tcpcheck.model.simulate import simulate

from tcpcheck.conform.command import Conform, ConformCall
from tcpcheck.conform.packetdrill_reader import read_packetdrill
from tcpcheck.covering.choose import shape
from tcpcheck.covering.cover import Covered, Wanted, cover_scenario
from tcpcheck.covering.files import files_of, folders, safe, spec_label
from tcpcheck.covering.goals import PAIRS, RULES, START, goals_in
from tcpcheck.errors import Undecided
from tcpcheck.explore.result import Limits
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load, load_text
from tcpcheck.live import namespace
from tcpcheck.live.replay import running
from tcpcheck.model.build import build_model
from tcpcheck.render.words import code_span
from tcpcheck.tcp.rules import BY_NUMBER
from tcpcheck.tcp.rules import RULES as EVERY_RULE

Capture = pytest.CaptureFixture[str]
SPECS = ROOT / "specs"
# small ones in which segments cross, are lost and forged, sockets rest and ports come again
SOME = (
    "simultaneous_open",
    "tw_fin",
    "fin_wait2_no_fin",
    "seeds/002_quiz_09_simultaneous_open",
    "closing/data_in_close_wait",
    "opening/korg_syn_received",
    "resets/blind_rst",
    "time_wait/syn_pairs",
)
EF_RULE = 2


@functools.cache
def covered(spec: str, cover: str = RULES) -> Covered:
    return cover_scenario(load(SPECS / f"{spec}.tcp", REGISTRY), Wanted(cover))


@pytest.mark.parametrize("cover", [RULES, PAIRS])
@pytest.mark.parametrize("spec", SOME[:5])
def test_together_they_take_everything_and_none_is_needless(spec: str, cover: str) -> None:
    found = covered(spec, cover)
    assert found.complete and set(found.taken) | set(found.never) == {rule.name for rule in EVERY_RULE}
    takes = [fixture.takes for fixture in found.fixtures]
    assert {goal.split(",")[-1] for goal in set[str]().union(*takes)} == set(found.taken)
    for i, fixture in enumerate(found.fixtures):
        assert fixture.takes == goals_in(fixture.trace, cover) >= {fixture.trace.claim}
        assert not fixture.takes <= set[str]().union(*takes[:i], *takes[i + 1 :])
        assert fixture.trace.confirmed_by == ("z3", "concrete-rerun")
    assert len({shape(fixture.trace) for fixture in found.fixtures}) == len(takes)


@pytest.mark.parametrize("spec", ["simultaneous_open", "closing/data_in_close_wait", "tw_fin"])
def test_random_runs_take_nothing_else(spec: str) -> None:
    """What a real run takes, the fixtures take: rules, and pairs of rules at one host."""
    pairs = set[str]().union(*(fixture.takes for fixture in covered(spec, PAIRS).fixtures))
    taken = set()
    for case in covered(spec).scenario.cases:
        model = build_model(case)
        for seed in range(60):
            last: dict[int, str] = {}
            for moment in simulate(model, seed, show=True).moments:
                for effect in moment.effects:
                    if effect["kind"] == EF_RULE and effect["host"] >= 0:
                        rule = BY_NUMBER[effect["arg"]].name
                        taken.add(f"{last.get(effect['host'], START)},{rule}")
                        last[effect["host"]] = rule
    assert len(taken) > 10 and taken <= pairs
    assert {goal.split(",")[-1] for goal in taken} <= set(covered(spec).taken)


def test_a_trace_for_each_order_of_independent_steps_would_be_one_too_many() -> None:
    trace = covered("simultaneous_open").fixtures[0].trace
    first, second, *rest = trace.steps
    assert first.host != second.host or first.segment != second.segment
    swapped = replace(trace, steps=(second, first, *rest))
    assert (shape(swapped) == shape(trace)) == (first.host != second.host)
    assert shape(replace(trace, steps=trace.steps[:-1])) != shape(trace)


def test_bounds_make_it_undecided(capfd: Capture, tmp_path: Path) -> None:
    found = cover_scenario(load(SPECS / "tw_fin.tcp", REGISTRY), Wanted(), Limits(states=20))
    assert found.why == "state limit" and not found.complete
    result = call(capfd, "fixtures", str(SPECS / "tw_fin.tcp"), "--states", "20", "-o", str(tmp_path / "f"), "--json")
    assert result.code == 3 and result.document["specs"][0]["undecided"] == "state limit"
    assert "Undecided (state limit), no run was found to: " in (tmp_path / "f" / "index.md").read_text()


# ---- files


def written(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fixtures") / "some"
    specs = [f"specs/{spec}.tcp" for spec in SOME]
    result = program("fixtures", *specs, "-o", str(folder), "--json", PYTHONHASHSEED="1")
    validate(json.loads(result.out))
    assert result.out.encode() == (folder / "index.json").read_bytes()
    return folder


def test_the_same_bytes_in_every_run(some: Path, tmp_path: Path) -> None:
    specs = [f"specs/{spec}.tcp" for spec in SOME]
    program("fixtures", *specs, "-o", str(tmp_path / "again"), PYTHONHASHSEED="4711", COLUMNS="77", TZ="Asia/Tokyo")
    again = written(tmp_path / "again")
    assert again == written(some) and len(again) > 100
    assert not any(str(ROOT).encode() in data or str(tmp_path).encode() in data for data in again.values())


def test_the_line_that_regenerates_it(
    capfd: Capture, some: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    index = json.loads((some / "index.json").read_bytes())
    for spec in index["specs"]:
        fixture = spec["fixtures"][-1]
        folder = tmp_path / fixture["goal"]
        words = shlex.split(fixture["regenerate"])[1:]
        assert call(capfd, *words[:-1], str(folder)).code == 0
        again = json.loads((folder / "index.json").read_bytes())["specs"][0]["fixtures"]
        assert [f["goal"] for f in again] == [fixture["goal"]]
        for old, new in zip(fixture["files"], again[0]["files"], strict=True):
            assert (some / old["path"]).read_bytes() == (folder / new["path"]).read_bytes()


def test_captures_come_back_as_agreeing(some: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(some)
    index = json.loads((some / "index.json").read_bytes())
    files = [f for spec in index["specs"] for fixture in spec["fixtures"] for f in fixture["files"] if f["check"]]
    assert len(files) > 50
    for file in files:
        options = shlex.split(file["check"])
        assert options[:2] == ["tcpcheck", "conform"]
        pairs = list(zip(options[3::2], options[4::2], strict=True))
        one = {name: value for name, value in pairs if name != "--sysctl"}
        sysctls = [value for name, value in pairs if name == "--sysctl"]
        verdict = Conform(ConformCall([], one["--host"], one["--kernel"], sysctls, lost=one["--lost"])).file(options[2])
        assert verdict.connections, file["path"]
        for connection in verdict.connections:
            assert connection.agrees, (file["path"], connection.disagreement)


@pytest.mark.parametrize(
    ("spec", "host", "said"),
    [
        ("closing/crash_client", "client", "power"),
        ("resets/paws_poisoning", "client", ""),
        ("fin_wait1_loss", "server", "firewall"),
        ("opening/self_connect", "h", "connected to itself"),
        ("time_wait/random_isn", "client", "not its kernel's"),
        ("windows/window_update_lost", "sender", "Ethernet"),
    ],
)
def test_captures_that_say_too_little(spec: str, host: str, said: str) -> None:
    found = covered(spec)
    files = [f for fixture in found.fixtures for f in files_of(fixture, found.scenario, "x", ["pcapng"]).written]
    whys = {f.why for f in files if f.host == host}
    assert any(said in why for why in whys) if said else whys == {""}
    assert all(bool(f.check) != bool(f.why) for f in files)


def test_claims(capfd: Capture, tmp_path: Path) -> None:
    spec = tmp_path / "spec.tcp"
    spec.write_text(CONNECTION % f"{AS_EXPECTED}\n{NOT_AS_EXPECTED}\nreach rest {{ a.c in TIME-WAIT }}")
    result = call(capfd, "fixtures", str(spec), "--claims", "-o", str(tmp_path / "f"), "--json")
    first = result.document["specs"][0]["fixtures"][0]
    assert first["claims"] == ["rests", "rest"] and first["goal"] is None and result.code == 0
    assert first["name"] == "spec/claim-rests" and (tmp_path / "f" / "spec" / "claim-rests.a.pkt").is_file()
    assert first["regenerate"] == "tcpcheck trace spec.tcp rests"


def test_goals_and_formats(capfd: Capture, tmp_path: Path) -> None:
    spec = str(SPECS / "tw_fin.tcp")
    goal = "LISTEN_OPENED,LISTEN_SYN"
    result = call(capfd, "fixtures", spec, "--goal", goal, "--format", "json,text", "-o", str(tmp_path / "f"))
    assert result.code == 0
    assert sorted(p.suffix for p in (tmp_path / "f" / "tw_fin").iterdir()) == [".json", ".txt"]
    wrong = [("--goal", "LISTEN_SYM", "did you mean `LISTEN_SYN`?"), ("--format", "pcap", "did you mean `pcapng`?")]
    wrong += [("--goal", "A,B,C", "neither a RULE nor RULE,RULE"), ("--goal", "X,LISTEN_SYN", "no rule `X`")]
    for option, value, said in wrong:
        result = call(capfd, "fixtures", spec, option, value, "-o", str(tmp_path / "g"))
        assert result.code == 2 and said in result.err
    result = call(capfd, "fixtures", spec, "--goal", goal, "--goal", "LISTEN_SYN", "-o", str(tmp_path / "g"))
    assert result.code == 2 and "make two calls" in result.err
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_only_what_a_trace_takes_is_counted(capfd: Capture, tmp_path: Path) -> None:
    """Neither rules whose every run was refuted, nor those that were not asked for."""
    every = [
        ("wraparound/paws_idle", "PAWS_DISORDERED_ACK", 3, [], "0 traces, 0 rules"),
        ("tw_syn", "REQ_TSECR", 0, [], "0 traces, 0 rules\n"),
        ("tw_syn", "LISTEN_SYN", 0, ["LISTEN_SYN"], "1 trace, 1 rule\n"),
        ("tw_syn", "LISTEN_OPENED,LISTEN_SYN", 0, ["LISTEN_SYN"], "1 trace, 1 pair\n"),
    ]
    for name, goal, code, rules, said in every:
        folder = tmp_path / goal
        result = call(capfd, "fixtures", str(SPECS / f"{name}.tcp"), "--goal", goal, "--quiet", "-o", str(folder))
        assert result.code == code and said in result.out
        spec = json.loads((folder / "index.json").read_bytes())["specs"][0]
        refuted = [row["goal"] for row in spec["refuted"]]
        assert spec["rules"] == rules and refuted == [goal] * bool(code)
        assert spec["not_taken"] == [goal] * (not rules and not code)  # an exact search finds no run at all
        count = said.split(", ")[1].strip()
        assert f": {count} taken, {len(rules)} trace" in (folder / "index.md").read_text()


# ---- where they are written


def test_a_folder_that_is_there(capfd: Capture, tmp_path: Path) -> None:
    folder, spec = tmp_path / "f", str(SPECS / "fin_wait2_no_fin.tcp")
    (tmp_path / "file").write_text("mine")
    assert call(capfd, "fixtures", spec, "-o", str(tmp_path / "file"), "--force").code == 2
    assert call(capfd, "fixtures", spec, "-o", str(folder)).code == 0
    before = written(folder)
    result = call(capfd, "fixtures", spec, "-o", str(folder))
    assert result.code == 2 and "not empty" in result.err and written(folder) == before
    (folder / "mine.txt").write_text("mine")
    result = call(capfd, "fixtures", str(SPECS / "tw_fin.tcp"), "--force", "-o", str(folder))
    after = written(folder)
    assert result.code == 0 and after.pop("mine.txt") == b"mine" and not (folder / "fin_wait2_no_fin").exists()
    assert after.keys() == {"index.json", "index.md"} | {name for name in after if name.startswith("tw_fin/")}
    (folder / "simultaneous_open").write_text("in the way")
    result = call(capfd, "fixtures", str(SPECS / "simultaneous_open.tcp"), "--force", "-o", str(folder))
    assert result.code in (2, 4) and written(folder).keys() == after.keys() | {"mine.txt", "simultaneous_open"}


def test_an_index_cannot_have_other_files_deleted(capfd: Capture, tmp_path: Path) -> None:
    spec, folder = str(SPECS / "fin_wait2_no_fin.tcp"), tmp_path / "f"
    assert call(capfd, "fixtures", spec, "-o", str(folder)).code == 0
    (tmp_path / "precious").write_text("mine")
    (folder / "link").symlink_to(tmp_path)
    index = json.loads((folder / "index.json").read_text())
    files = index["specs"][0]["fixtures"][0]["files"]
    files += [{"path": str(tmp_path / "precious")}, {"path": "../precious"}, {"path": "link/precious"}]
    (folder / "index.json").write_text(json.dumps(index))
    assert call(capfd, "fixtures", spec, "-o", str(folder), "--force").code == 0
    assert (tmp_path / "precious").read_text() == "mine"
    for content in ("{}", "[]", "x", '{"schema": "tcpcheck.fixtures/1", "specs": 3}'):
        (folder / "index.json").write_text(content)
        result = call(capfd, "fixtures", spec, "-o", str(folder), "--force")
        assert result.code == 2 and "no earlier run's index" in result.err


def test_a_disk_that_fills_up(capfd: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, folder = str(SPECS / "fin_wait2_no_fin.tcp"), tmp_path / "f"
    assert call(capfd, "fixtures", spec, "-o", str(folder), "--format", "text").code == 0
    before, write = written(folder), Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "index.md":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    for target, force in ((folder, ("--force",)), (tmp_path / "new", ())):
        result = call(capfd, "fixtures", spec, "-o", str(target), *force)
        assert result.code == 4 and "No space left" in result.err
    assert written(folder) == before and [p.name for p in tmp_path.iterdir()] == ["f"]


def test_names_that_want_to_be_more(capfd: Capture, tmp_path: Path) -> None:
    spec = tmp_path / "<b>`x`\n..$(id)-é.tcp"
    title = "<script>alert(1)</script> | \x1b[31m `x` [y](z)\u2028// x"
    spec.write_text((CONNECTION % AS_EXPECTED).replace("One connection", title))
    folder = tmp_path / "f"
    result = call(capfd, "fixtures", str(spec), "-o", str(folder))
    assert result.code == 0 and "\x1b" not in result.out
    for name, data in written(folder).items():
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./"), name
        if not name.endswith((".pcapng", ".json")):
            lines = data.decode().split("\n")
            assert not any("\x1b" in line or "\u2028" in line for line in lines)
            assert name.endswith(".txt") or "<script>" not in data.decode() or name.endswith(".pkt")
            if name.endswith(".pkt"):
                named = [line for line in lines if "script>" in line or "$(id)" in line]
                assert len(named) >= 2 and all(line.startswith("// ") for line in named)
    assert "&lt;script>" in (folder / "index.md").read_text()
    assert safe("..") == "_" and safe("-rf") == "_rf" and safe("a/../b") == "a_.._b" and safe("") == "_"
    assert folders(["s/a/x.tcp", "s/b/x.tcp", "s/b/X.tcp"]) == ["a/x", "b/x", "b/X-2"]
    assert spec_label("/home/me/x.tcp") == "x.tcp" and spec_label("specs//y.tcp") == "specs/y.tcp"
    assert spec_label("../z.tcp") == "z.tcp"


def test_a_command_in_the_index_is_the_command() -> None:
    assert code_span("tcpcheck trace x.tcp it") == "`tcpcheck trace x.tcp it`"
    assert code_span("trace 'a `$(id)`.tcp'") == "``trace 'a `$(id)`.tcp'``"
    assert code_span("`") == "`` ` ``" and code_span("a ``b``") == "``` a ``b`` ```"


def test_specs_named_as_the_index_is(capfd: Capture, tmp_path: Path) -> None:
    for name in ("index.md", "index.json"):
        (tmp_path / f"{name}.tcp").write_text(CONNECTION % AS_EXPECTED)
        folder = tmp_path / name
        result = call(capfd, "fixtures", str(tmp_path / f"{name}.tcp"), "--format", "text", "-o", str(folder))
        assert result.code == 0 and (folder / name).is_file() and (folder / f"{name}-2").is_dir()
    assert folders(["INDEX.md/x.tcp", "a/index.md.tcp", "index.md-2.tcp"]) == [
        "INDEX.md-2/x",
        "a/index.md",
        "index.md-2",
    ]


def test_two_hosts_have_a_script_each(some: Path) -> None:
    index = json.loads((some / "index.json").read_bytes())
    for spec in index["specs"]:
        for fixture in spec["fixtures"]:
            scripts = {f["host"] for f in fixture["files"] if f["format"] == "packetdrill"}
            without = {row["host"]: row["why"] for row in fixture["without"] if row["format"] == "packetdrill"}
            hosts = {host["name"] for host in json.loads((some / f"{fixture['name']}.json").read_bytes())["hosts"]}
            assert scripts | without.keys() == hosts and not scripts & without.keys()
            said = ("no TCP", "no segment", "pairs of endpoints", "talks to itself")
            assert all(any(part in why for part in said) for why in without.values()), without


def test_scripts_can_be_read_and_begin_at_once(some: Path) -> None:
    """Without packetdrill: by the reader of `conform`. Why a script ends early is said in it and in the index."""
    index = json.loads((some / "index.json").read_bytes())
    files = [f for spec in index["specs"] for fixture in spec["fixtures"] for f in fixture["files"]]
    scripts = [f for f in files if f["format"] == "packetdrill"]
    assert len(scripts) > 50 and any(f["why"] for f in scripts)
    for file in scripts:
        text = (some / file["path"]).read_text()
        events = read_packetdrill(file["path"], text).events
        assert events[0].when.lo == 0 and all(0 <= e.when.lo <= e.when.hi for e in events), file["path"]
        _, ends, why = text.partition("// The script ends here: ")
        assert (file["why"] or "") == why.rstrip("\n") and bool(ends) == bool(file["why"])


def test_interrupted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tcpcheck.covering.cover.search_member", stop)
    with pytest.raises(Undecided, match="interrupted before the fixtures of x"):
        cover_scenario(load_text(CONNECTION % AS_EXPECTED, "x", REGISTRY), Wanted())


# ---- packetdrill, where it is installed

why_not = namespace.unavailable()
if shutil.which("packetdrill") is None:
    why_not = "packetdrill is not installed"
elif why_not is None and running() != "linux 6.18.44":
    why_not = f"the specs are about linux 6.18.44, this is {running()}"
QUICK_S = 1.5


@pytest.mark.skipif(why_not is not None, reason=f"no script is played: {why_not}")
def test_the_scripts_run(some: Path) -> None:
    """Each in a network namespace of its own; the kernel, or a busy machine, may be late: a few tries."""
    index = json.loads((some / "index.json").read_bytes())
    scripts = [
        f["path"]
        for spec in index["specs"]
        for fixture in spec["fixtures"]
        for f in fixture["files"]
        if f["format"] == "packetdrill" and fixture["lasts_s"] < QUICK_S
    ]

    def plays(path: str) -> str:
        text = (some / path).read_text()
        if "// kernel: linux-6.18.44\n" not in text:
            return ""
        for _ in range(6):
            command = [
                "unshare",
                "-n" if os.geteuid() == 0 else "-rn",
                "sh",
                "-c",
                'ip link set lo up; exec packetdrill "$0"',
                str(some / path),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            if done.returncode == 0:
                return ""
        return f"{path}: {done.stderr}"

    with ThreadPoolExecutor(4) as pool:
        wrong = [said for said in pool.map(plays, scripts) if said]
    assert len(scripts) > 30 and not wrong, "\n".join(wrong)
