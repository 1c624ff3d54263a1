"""`tcpcheck map` as a command: text, JSON, picture, exit codes, mistakes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import golden_files
import pytest
from cli_call import ROOT, SPECS, call

from tcpcheck.cli import mapping
from tcpcheck.cli.select import with_claim, with_members
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load
from tcpcheck.mapping import Map, MapResult, Moment, Outcome, Quantity, map_scenario
from tcpcheck.render.map_svg import _widths, svg
from tcpcheck.render.map_text import text
from tcpcheck.render.map_words import duration, outcome_words, pieces, span

ISN_GAP = str(SPECS / "isn_gap.tcp")
TW_SYN = str(SPECS / "tw_syn.tcp")
WHOLE = 1 << 32
CALLS = [
    ("isn_gap.pause", "isn_gap.tcp", "pause"),
    ("isn_gap.difference", "isn_gap.tcp", "client.s2.iss - client.s1.iss"),
    ("tw_syn.rfc1337", "tw_syn.tcp", "rfc1337"),
]


@pytest.mark.parametrize(("name", "file", "over"), CALLS, ids=[name for name, _, _ in CALLS])
def test_golden(name: str, file: str, over: str) -> None:
    scenario = load(SPECS / file, REGISTRY)
    if over == "rfc1337":
        some = with_claim(scenario, "assassinated")
        assert some is not None
        scenario = with_members(some, ["ts_s=0"])
    result = map_scenario(scenario, over)
    shown = text(result).replace(str(ROOT) + "/", "").rpartition(";")[0] + "\n"  # how many states is no matter here
    golden_files.check(f"map/{name}.txt", shown)
    golden_files.check(f"map/{name}.svg", svg(result))


def test_json_and_picture(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "isn.svg"
    result = call(
        capfd, "map", TW_SYN, "--over", "isn", "--member", "ts_s=0", "--member", "ts_c=0", "-q", "--claim", "refusal",
        "--json", "-o", str(picture),
    )  # fmt: skip
    assert result.code == 0
    document = result.document
    assert document["ok"] and document["over"] == "isn"
    ((moment,),) = [m["moments"] for m in document["maps"]]
    assert moment["over"]["text"] == "isn - server.c.rcv_nxt"
    new = next(o for o in moment["outcomes"] if "SYN-ACK" in o["outcome"])
    assert new["may"] == new["must"] == [[1, 1 << 31]]
    root = ET.fromstring(picture.read_text())
    assert root.tag.endswith("svg")
    assert not any(a.startswith("http") for e in root.iter() for k, a in e.attrib.items())


def test_a_map_of_nothing_proves_nothing(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "spec.tcp"
    connect = "connect server:80 from :1000 (seq any -> isn, tsval any -> ts) -> s"
    spec.write_text(
        'title "x"\nhost server { kernel linux 6.18.44 ; run { listen :80 ; accept -> c } }\n'
        f"host client {{ kernel linux 6.18.44 ; run {{ {connect} }} }}\n"
        "network { delay 1ms }\nreach x { server receives SYN (tsval - 77 = 0) }\n"
    )
    page = tmp_path / "map.html"
    result = call(capfd, "map", str(spec), "--over", "ts", "-q", "-o", str(page))
    assert result.code == 0 and result.out.endswith("\nthere is no set of values, so nothing is proved\n")
    assert "proved by z3" not in result.out and "proved by z3" not in page.read_text()


def test_another_kind_of_picture_is_2(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = call(capfd, "map", ISN_GAP, "--over", "pause", "-q", "-o", str(tmp_path / "m.png"))
    assert result.code == 2 and "a map is written as .svg or .html, not as .png" in result.err and not result.out
    assert not list(tmp_path.iterdir())


def test_a_page_and_the_maps_of_a_report(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page, full, bare = (tmp_path / name for name in ("map.html", "full.html", "bare.html"))
    assert call(capfd, "map", ISN_GAP, "--over", "pause", "-q", "-o", str(page)).code == 0
    assert page.read_text().startswith("<!doctype html>") and "137.43890872s" in page.read_text()
    assert call(capfd, "verify", ISN_GAP, "-q", "--report", str(full)).code == 0
    assert call(capfd, "verify", ISN_GAP, "-q", "--no-maps", "--report", str(bare)).code == 0
    assert "map over pause" in full.read_text() and "map over" not in bare.read_text()


def test_ctrl_c_leaves_maps_out_and_nothing_else(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mapping, "map_scenario", interrupted)
    page = tmp_path / "report.html"
    result = call(capfd, "verify", ISN_GAP, "-q", "--report", str(page))
    assert result.code == 0 and "interrupted: no map over `pause`" in result.err
    assert "as expected" in page.read_text() and "map over" not in page.read_text()


def test_a_setting_from_outside(capfd: pytest.CaptureFixture[str]) -> None:
    name = "server.net.ipv4.tcp_tw_timeout"
    result = call(capfd, "map", ISN_GAP, "--over", name, "--set", f"{name}=1,2,600", "-q")
    assert result.code == 0
    assert "1..2  " in result.out and "600  " in result.out


def test_undecided(capfd: pytest.CaptureFixture[str]) -> None:
    result = call(capfd, "map", ISN_GAP, "--over", "pause", "-q", "--states", "5")
    assert result.code == 3
    assert "undecided: state limit" in result.out and "NOT everything" in result.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((ISN_GAP, "--over", "paus"), "did you mean `pause`"),
        ((ISN_GAP, "--over", "client.s2.iss - client.s9.iss"), "binds a socket `s9`"),
        ((ISN_GAP, "--over", "client.s2.iss - "), "a difference of two variables is meant"),
        (
            (ISN_GAP, "--over", "client.s2.iss - client.s1.iss { quiet } never x"),
            "a difference of two variables is meant",
        ),
        ((ISN_GAP,), "Missing option '--over'"),
        ((ISN_GAP, "--over", "pause", "--claim", "gap"), "did you mean `gaps`"),
        ((ISN_GAP, "--over", "pause", "--set", "pause"), "is not NAME=V1,V2"),
        ((ISN_GAP, "--over", "pause", "--set", "server.net.ipv4.tcp_sak=1"), "did you mean `net.ipv4.tcp_sack`"),
        ((TW_SYN, "--over", "isn", "--member", "ts_s=7"), "is never 7"),
        ((str(SPECS), "--over", "isn"), "name one of them"),
    ],
)
def test_mistakes(capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    result = call(capfd, "map", *arguments)
    assert result.code == 2
    assert said in result.err
    result = call(capfd, "map", *arguments, "--json")
    assert result.code == 2
    assert result.document["schema"] == "tcpcheck.error/1"


# ---- words


def number(*may: tuple[int, int]) -> Moment:
    return Moment("m", Quantity("x", "x - y", "number", 0, WHOLE - 1), (Outcome("a", may, may, True, "", 1),), ())


@pytest.mark.parametrize(
    ("may", "shown"),
    [
        (((0, WHOLE - 1),), ["0..4294967295"]),
        (((0, 82), ((1 << 31) + 83, WHOLE - 1)), ["-2147483565..82", "83..2147483730"]),
        (((WHOLE - 1, WHOLE - 1),), ["-1", "0..4294967294"]),
        (((1, 1 << 31),), ["-2147483647..0", "1..2147483648"]),
    ],
)
def test_numbers_are_shown_as_distances(may: tuple[tuple[int, int], ...], shown: list[str]) -> None:
    m = number(*may)
    assert [span(m.over, p) for p in pieces(m)] == shown
    assert sum(p.count for p in pieces(m)) == WHOLE


def test_members_in_a_row_are_put_together() -> None:
    over = Quantity("f", "f", "family", 0, 5, ("0", "1", "2", "5", "30s", "60s"))
    m = Moment("m", over, (Outcome("a", ((0, 3), (5, 5)), (), True, "", 1),), ((4, 4),))
    assert [span(over, p) for p in pieces(m)] == ["0..2, 5", "30s", "60s"]


def test_durations_are_exact() -> None:
    assert [duration(x) for x in (0, 7, 10_000, 137_438_908_721, 590_000_000_000, 1_000_001)] == [
        "0s", "7ns", "10us", "137.438908721s", "590s", "1.000001ms",
    ]  # fmt: skip


def test_what_is_not_exact_is_said() -> None:
    m = number((0, 10))
    loose = Moment(m.text, m.over, (Outcome("replies ACK", ((0, 10),), (), False, "too coarse", 0),), ())
    result = MapResult("f.tcp", "t", "q", "x", (Map(({},), (loose,), {}),), ())
    assert not result.ok
    assert "not exact: the values of `replies ACK` may be fewer: too coarse" in text(result)
    unknown = Moment(m.text, m.over, (), (), "no room")
    assert "not known: no room" in text(MapResult("f.tcp", "t", "q", "x", (Map(({},), (unknown,), {}),), ()))
    assert outcome_words(loose, ()) == "does not come about"


def test_one_value_of_all_is_drawn_and_so_are_the_others() -> None:
    m = number((0, 0))
    root = ET.fromstring(svg(MapResult("f.tcp", "t", "q", "x", (Map(({},), (m,), {}),), ())))
    shapes = [e for e in root.iter() if e.tag.endswith("path")]
    assert [e.attrib["class"] for e in shapes] == ["o0", "none"]
    for shape in shapes:
        for arc in shape.attrib["d"].split("M")[1:]:
            start, _, rest = arc.partition(" A")
            assert start != rest.split(" L")[0].split(" ", 5)[5], "an arc that ends where it begins is not drawn"
    widths = _widths(pieces(m), 100.0, 3.0)
    assert widths == [3.0, 97.0]
