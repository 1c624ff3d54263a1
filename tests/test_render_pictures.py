"""Ladders as SVG, HTML and Mermaid: golden files, geometry, hostile names, and the page in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import golden_files
import pytest
from render_samples import SAMPLES, lookup, tw_map, tw_refused, tw_result

from tcpcheck.mapping.result import Outcome
from tcpcheck.render.html import map_page, report, trace_page
from tcpcheck.render.mermaid import mermaid
from tcpcheck.render.svg import svg
from tcpcheck.witness.trace import Trace

SVG = "{http://www.w3.org/2000/svg}"
CHROMIUM = shutil.which("chromium")
HOSTILE = "a</title><script>alert(1)</script>\x1b[31m\u202e\"'&;%%{init}%%"


def hostile() -> Trace:
    """A trace all of whose free texts try to be markup."""
    trace = tw_refused()
    steps = tuple(
        replace(step, text=HOSTILE if step.event == "call" else step.text, rules=(HOSTILE,)) for step in trace.steps
    )
    return replace(
        trace, title=HOSTILE, claim=HOSTILE, spec=HOSTILE, note=HOSTILE, values={HOSTILE: HOSTILE}, steps=steps
    )


# ---- SVG


@pytest.mark.parametrize("name", SAMPLES)
def test_golden_pictures(name: str) -> None:
    golden_files.check(f"render/{name}.svg", svg(SAMPLES[name]))
    golden_files.check(f"render/{name}.mmd", mermaid(SAMPLES[name]))


def lines(root: ET.Element, step: int, css: str) -> list[dict[str, float]]:
    group = root.find(f"{SVG}g[@id='step-{step}']")
    assert group is not None
    found = [line for line in group.iter(f"{SVG}line") if line.get("class") == css]
    return [{k: float(v) for k, v in line.attrib.items() if k != "class"} for line in found]


@pytest.mark.parametrize("name", SAMPLES)
def test_time_runs_downwards_and_arrows_end_where_segments_do(name: str) -> None:
    trace = SAMPLES[name]
    root = ET.fromstring(svg(trace))
    rings = [g.find(f"{SVG}circle[@class='ring']") for g in root.iter(f"{SVG}g") if "step" in (g.get("class") or "")]
    heights = [float(ring.get("cy", "")) for ring in rings if ring is not None]
    assert len(heights) == len(trace.steps) and heights == sorted(heights) and len(set(heights)) == len(heights)
    backwards = reversed(trace.steps)  # of a segment and its copy the first counts
    received = {step.segment.uid: step for step in backwards if step.event == "receive" and step.segment}
    lost = {step.segment.uid for step in trace.steps if step.event in ("lose", "drop") and step.segment}
    checked = 0
    for step in trace.steps:
        if step.event != "send" or step.segment is None:
            continue
        (arrow,) = lines(root, step.index, "arrow")
        assert arrow["y2"] > arrow["y1"] == heights[step.index], "a segment takes time: its arrow slants"
        assert bool(lines(root, step.index, "cross")) == (step.segment.uid in lost)
        if step.segment.uid in received:
            assert arrow["y2"] == heights[received[step.segment.uid].index]
            checked += 1
    assert checked > 2


def test_crossing_segments_cross() -> None:
    trace = SAMPLES["simultaneous_close"]
    root = ET.fromstring(svg(trace))
    fins = [s for s in trace.steps if s.event == "send" and s.segment is not None and "F" in s.segment.flags]
    one, other = (lines(root, step.index, "arrow")[0] for step in fins[:2])
    assert one["x1"] == other["x2"] and one["x2"] == other["x1"]
    assert one["y1"] < other["y2"] and other["y1"] < one["y2"]


# ---- HTML


class Page(HTMLParser):
    """What a browser would see: tags, attributes, texts by tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_page_has_every_step_and_nothing_from_outside() -> None:
    trace = tw_refused()
    text = trace_page(trace, lookup)
    page = Page(text)
    details = [a for _, a in page.tags if a.get("class") == "detail"]
    assert [a["data-step"] for a in details] == [str(step.index) for step in trace.steps]
    assert not [a for _, a in page.tags if {"src", "href", "onclick", "onload"} & a.keys()]
    assert "@import" not in text and "url(" not in text
    for rule in {rule for step in trace.steps for rule in step.rules}:
        info = lookup(rule)
        assert rule in text and (info is None or (info.doc in text and info.kernel in text))
    assert len(text) < 300_000


def test_a_report_links_verdicts_to_traces() -> None:
    page = Page(report([tw_result()], rules=lookup))
    ids = {a["id"] for _, a in page.tags if "id" in a}
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert links and all(link is not None and link[0] == "#" and link[1:] in ids for link in links)


def test_a_report_has_the_maps_of_a_spec_as_pictures_and_in_words() -> None:
    text = report([tw_result()], rules=lookup, maps=[tw_map()])
    page = Page(text)
    assert ("a", {"href": "#m1"}) in page.tags and "m1" in {a.get("id") for _, a in page.tags}
    for root in re.findall(r"<svg.*?</svg>", text, re.S):
        assert (
            ET.fromstring(root).find(f"{SVG}title") is not None and ET.fromstring(root).find(f"{SVG}desc") is not None
        )
    words = text[text.index("The picture in words") :]
    for said in ("-2147483647..0", "1..2147483648", "replies ACK; stays", "replies SYN-ACK; server.c becomes CLOSED"):
        assert said in words
    assert "may be fewer: too coarse" in text and "NOT everything is known" in text
    assert map_page(tw_map()).count("<svg ") == 1


def test_a_map_of_one_colour_is_left_out_of_a_report() -> None:
    every = ((0, (1 << 32) - 1),)
    same = Outcome("comes true", every, every, True, "", 1)
    moment = replace(tw_map().maps[0].moments[0], outcomes=(same,))
    dull = replace(tw_map(), maps=(replace(tw_map().maps[0], moments=(moment,)),))
    assert "map over" not in report([tw_result()], rules=lookup, maps=[dull])


@pytest.mark.parametrize("render", [svg, trace_page], ids=["svg", "html"])
def test_names_cannot_inject_markup(render: object) -> None:
    assert callable(render)
    text = render(hostile())
    harmless = render(tw_refused())
    assert "<script>alert" not in text and "\x1b" not in text and "\u202e" not in text
    assert [tag for tag, _ in Page(text).tags if tag == "script"] == [
        tag for tag, _ in Page(harmless).tags if tag == "script"
    ]


def test_names_cannot_inject_into_mermaid() -> None:
    drawn = mermaid(hostile())
    for line in drawn.splitlines()[1:]:
        said = line.split(": ", 1)[-1]
        assert not re.search(r"[<>%\x1b\u202e]", said.replace("->>", "").replace("<br/>", ""))
        assert not re.search(r";", re.sub(r"#\w+;", "", said))


def test_a_report_says_what_its_claims_are() -> None:
    source = """title "x"
# Two in one line: neither is told.
never a { server.c in CLOSING } reach b { server.c in LISTEN }
never folklore {
    server.c receives SYN (seq < rcv_nxt)  # older
    and replies SYN-ACK
} expect violated
"""
    lines = {"folklore": 4, "refused": 3}
    claims = tuple(replace(c, line=lines.get(c.name, 0)) for c in tw_result().claims)
    text = report([replace(tw_result(), claims=claims, source=source)])
    said = '<code class="what">{ server.c receives SYN (seq &lt; rcv_nxt) and replies SYN-ACK }</code>'
    assert text.count(said) == 1 and text.count('class="what"') == 1


# ---- in a browser

WALK = """
<script>
const told = [];
window.onerror = (message) => told.push("error: " + message);
const trace = document.querySelector("[data-trace]");
const seen = () => [...trace.querySelectorAll(".detail")].filter((d) => getComputedStyle(d).display !== "none")
  .map((d) => d.dataset.step).join("+");
const press = (key) => trace.querySelector(".steps").dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
told.push(seen());
for (const key of ["ArrowDown", "ArrowRight", "ArrowUp", "End", "ArrowDown", "Home", "ArrowUp"]) {
  press(key); told.push(seen());
}
trace.querySelector(".ladder [data-step='3']").dispatchEvent(new MouseEvent("click", {bubbles: true}));
told.push(seen());
document.activeElement.blur();
document.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
document.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowDown", bubbles: true}));
told.push(seen());
trace.querySelector(".ladder [data-step='3']").dispatchEvent(new MouseEvent("click", {bubbles: true}));
told.push(seen(), document.activeElement.className, trace.querySelectorAll(".ladder .now").length > 0 ? "lit" : "dark");
document.body.dataset.told = told.join(" ");
</script>
"""


def opened(page: str, folder: Path, width: int = 1400) -> str:
    """The page as Chromium has it when all has run. Whatever it writes to its console fails."""
    assert CHROMIUM is not None
    path = folder / "page.html"
    path.write_text(page)
    switches = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/chromium"]
    switches += ["--enable-logging=stderr", f"--window-size={width},1000"]
    done = subprocess.run(
        [CHROMIUM, *switches, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=240, check=True
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert console == [] and "</html>" in done.stdout
    return done.stdout


def walked(page: str, folder: Path) -> list[str]:
    """The page's own account of a walk through its first trace."""
    found = re.search(r'data-told="([^"]*)"', opened(page.replace("</body>", WALK + "</body>"), folder))
    assert found
    return found[1].split()


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: nobody has walked through the page")
def test_a_keyboard_walk_through_a_trace(tmp_path: Path) -> None:
    last = str(tw_refused().steps[-1].index)
    steps = ["0", "1", "2", "1", last, last, "0", "0", "3", "4", "3", "steps", "lit"]
    assert walked(trace_page(tw_refused(), lookup), tmp_path) == steps


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: nobody has opened the report")
def test_a_report_with_maps_fits_a_narrow_window_and_says_nothing_on_the_console(tmp_path: Path) -> None:
    text = report([tw_result()], rules=lookup, maps=[tw_map()])
    measure = "document.body.dataset.fits = document.documentElement.scrollWidth <= innerWidth"
    shown = opened(text.replace("</body>", f"<script>{measure}</script></body>"), tmp_path, width=500)
    assert "The picture in words" in shown and 'data-fits="true"' in shown
