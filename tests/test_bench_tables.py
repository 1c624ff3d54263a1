"""What `make bench` writes: the tables of docs/performance.md and the pictures of growth."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.compare import COUNTS, Tool, prepare, read_spin, row, tools
from bench.growth import AXES, BASE, EXPERIMENTS, MEASURES, measured, picture
from bench.tables import MODEL_HEAD, PEERS_HEAD, model_table, peers_table, with_table
from bench.tables import measured as read_figures

DOCS = Path(__file__).parents[1] / "docs"
DOCUMENT = (DOCS / "performance.md").read_text(encoding="utf-8")

RATE = {
    "spec": "tw_syn",
    "untimed_states_per_second": 200_400,
    "untimed_transitions_per_second": 900_600,
    "untimed_bytes_per_state": 199.6,
    "timed_zones_per_second": 150_000,
    "timed_zones": 1993,
}
PEER = {
    "tool": "tcpcheck",
    "threads": 1,
    "how": "explore_small_tcp.py A",
    "states_per_second": 3_346_000,
    "transitions_per_second": 17_760_000,
    "bytes_per_state": 31.2,
    "times_spin": 7.812,
    "times_ceiling": None,
}


def shown(name: str) -> list[list[str]]:
    """The rows of a table of the document, without its head."""
    text = DOCUMENT.split(f"<!-- table: {name} -->\n")[1].split("\n<!-- end of table -->")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()][2:]


def test_the_document_has_the_rows_that_make_bench_prints() -> None:
    assert PEERS_HEAD in DOCUMENT and MODEL_HEAD in DOCUMENT
    rows = [(row[0], row[1], row[-1]) for row in shown("peers")]
    assert rows == [(tool.name, str(tool.threads), f"`{tool.how}`") for tool in tools("A")]
    assert [row[0] for row in shown("model")] == sorted(path.stem for path in (DOCS.parent / "specs").glob("*.tcp"))
    assert all(f"{count:,}" in DOCUMENT for size in COUNTS.values() for count in size)


def test_a_table_takes_the_place_of_the_old_one() -> None:
    assert peers_table([PEER]).splitlines()[2] == (
        "| tcpcheck | 1 | 3.35 | 17.8 | 31 | 7.81 | - | `explore_small_tcp.py A` |"
    )
    missing = {"tool": "rumur", "threads": 1, "how": "rumur", "missing": "rumur is not installed"}
    assert peers_table([missing]).splitlines()[2] == "| rumur | 1 | rumur is not installed |  |  |  |  | `rumur` |"
    table = model_table([RATE])
    assert table.splitlines()[2] == "| tw_syn | 200,000 | 901,000 | 200 | 150,000 | 1,993 |"
    written = with_table(DOCUMENT, "model", table)
    assert table in written and written.split("<!-- table: model")[0] == DOCUMENT.split("<!-- table: model")[0]
    assert with_table(written, "model", table) == written
    with pytest.raises(ValueError, match="table: peer -->"):
        with_table(DOCUMENT, "peer", table)


def test_what_is_missing_is_named_and_left_out(tmp_path: Path) -> None:
    absent = Tool("peer", 1, ["peer"], read_spin, "peer", needs="no-such-checker")
    failing = Tool("peer", 1, ["peer"], read_spin, "peer", build=[["sh", "-c", "echo no header >&2; exit 1"]])
    silent = Tool("peer", 1, ["peer"], read_spin, "peer", build=[["sh", "-c", "exit 3"]])
    for tool, words in (
        (absent, "no-such-checker is not installed (Debian: apt-get install no-such-checker)"),
        (failing, "could not be built: no header"),
        (silent, "could not be built: exit code 3"),
    ):
        prepare(tool)
        assert tool.missing == words and row(tool, [tool] * 3)["missing"] == words
    for content in (None, "{"):
        if content is not None:
            (tmp_path / "compare.json").write_text(content)
        with pytest.raises(SystemExit, match=r"cannot read .*compare\.json: .*`make bench` writes it"):
            read_figures(tmp_path / "compare.json")


def test_the_picture_of_states_is_that_of_the_engine() -> None:
    """Its first and cheapest points, searched anew; every point is there, and so is each measure of a whole picture."""
    svg = (DOCS / "pictures" / "growth.svg").read_text(encoding="utf-8")
    rows = []
    for experiment in EXPERIMENTS:
        for axis in AXES:
            for value in axis.values[:2]:
                row = measured(experiment, 1, **{**BASE, axis.key: value})
                rows.append({"experiment": experiment.name, "axis": axis.key, "value": value, **row})
                told = f"{experiment.name}, {axis.name} {value}: {row['states']:,}"
                assert f"<title>{told}</title>" in svg
    assert svg.count("<circle") == len(EXPERIMENTS) * sum(len(axis.values) for axis in AXES)
    whole = ET.fromstring(picture(rows, MEASURES))
    assert len(whole.findall("{*}polyline")) == len(EXPERIMENTS) * len(AXES) * len(MEASURES)
