"""docs/gallery.md: every spec below specs/ with its question, answer, verdicts, command and one trace; and
exercised.json, which tells `tcpcheck explain` what each of them exercises.

    python -m tcpcheck.gallery            writes both anew
    python -m tcpcheck.gallery --check    exit code 1 if one is not as it would be written

A spec's first line is the question. A comment that begins with `# Answer:` is the answer; it goes on in the comment
lines below it that are indented. `# Trace: NAME` names the claim whose trace is shown; without one it is the first
violated claim, else the first reached one. Rows of specs/not_yet.md say what cannot be said yet.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from tcpcheck import exercised
from tcpcheck.checking import verify_scenario
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load
from tcpcheck.lang.format import claim_lines
from tcpcheck.render.tcpdump import tcpdump
from tcpcheck.render.words import printable, seconds, settings_text, time_digits
from tcpcheck.witness.trace import Step, Trace
from tcpcheck.witness.verdict import ClaimResult, SpecResult

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "gallery.md"
TRACE_LINES_MAX = 40  # a longer trace is shown with a gap in its middle
TRACE_ENDS = 18  # lines before and after the gap
SILENT_MAX = 3  # steps after the last segment that are told
HEAD = """\
# Gallery

What people ask about TCP's corners, and what the model answers. Each entry is a spec that can be changed and checked
again; the traces are real runs with numbers that z3 found, as `tcpdump -S -n -tt` prints them.

To change one: copy the spec that its entry names, write another value behind `sysctl`, or `lose 0..1 FIN` into its
`network`, and `tcpcheck verify` the copy; [language.md](language.md) has the words.

Written by `python -m tcpcheck.gallery`; a test keeps it fresh.
"""
FOLDERS = {  # folder below specs/ (of the write-ups: and number) -> heading, in the order of the document
    "seeds/000": "Write-up 000: a FIN comes again to TIME-WAIT",
    "seeds/001": "Write-up 001: a SYN comes to TIME-WAIT",
    "seeds/002": "Write-up 002: FIN-WAIT-1, and a quiz",
    "seeds/003": "Write-up 003: connections open and close",
    "seeds/004": "Write-up 004: CLOSE-WAIT and Recv-Q",
    "": "The first specs",
    "time_wait": "TIME-WAIT and incarnations",
    "wraparound": "Numbers that wrap",
    "resets": "Resets, challenge ACKs, off-path attackers",
    "opening": "Opening and queues",
    "closing": "Closing",
    "windows": "Windows and timers",
    "middleboxes": "Middleboxes",
}


WORDS = re.compile(
    r"net\.\w+\.(\w+)|\b(somaxconn|SO_\w+|TCP_[A-Z]\w+|E(?!STAB)[A-Z]{4,}|freebsd|lwip|rfc793|rfc9293|alinux|inject"
    r"|iptables|[Rr]ecv-[Qq]|NAT|MASQUERADE|[DS]NAT|PAWS|Wireshark|ncat)\b"
)
SPELLED = {"recv-q": "Recv-Q", "MASQUERADE": "NAT", "DNAT": "NAT", "SNAT": "NAT"}
WORD_ENTRIES_MAX = 8  # a word of more specs names only those whose question or answer has it, or so many of them


@dataclass(frozen=True)
class Entry:
    """One spec. path: below the root. trace_of: the claim whose trace is shown, "" for the first there is. words: the
    sysctls, options, errors and kernels that it names. exercises: its line of exercised.json. claims: by name, as the
    spec has them."""

    path: str
    folder: str
    question: str
    answer: str
    trace_of: str
    result: SpecResult
    words: frozenset[str]
    exercises: dict[str, list[str]]
    claims: dict[str, str]

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.path.removeprefix("specs/").removesuffix(".tcp").lower())

    @property
    def asked(self) -> str:
        """The question below its write-up's heading, which says which one it is."""
        short = re.sub(r"^Seed \d+(, a TODO)?(: |, )", "", self.question)
        return short[:1].upper() + short[1:] if short.split(" ")[0].isalpha() else short  # a sysctl is never Tcp_...


def comments(text: str) -> tuple[str, str, str]:
    """Question, answer and name of the claim to trace, as a spec's comments say them; "" for what is missing."""
    lines = text.splitlines()
    question = lines[0].removeprefix("#").strip() if lines and lines[0].startswith("#") else ""
    answer: list[str] = []
    trace_of = ""
    for line in lines[1:]:
        if line.startswith("# Answer:"):
            answer = [line.removeprefix("# Answer:").strip()]
        elif answer and line.startswith("#   "):
            answer.append(line.removeprefix("#").strip())
        elif line.startswith("# Trace:"):
            trace_of = line.removeprefix("# Trace:").strip()
        elif not line.startswith("#"):
            break
    return question, " ".join(answer), trace_of


def load_entry(path: Path) -> Entry:
    """Checks one spec."""
    shown = path.relative_to(ROOT).as_posix()
    folder = path.parent.relative_to(ROOT / "specs").as_posix()
    scenario = load(path, REGISTRY)
    result = verify_scenario(scenario)
    if folder == "seeds":
        folder = f"seeds/{path.name[:3]}"
    text = path.read_text(encoding="utf-8")
    exercises = exercised.entry(scenario, result)
    named = zip(scenario.cases[0].claims, claim_lines(text), strict=True)
    claims = {claim.name: said for claim, (_, said) in named}
    return Entry(shown, "" if folder == "." else folder, *comments(text), result, words_of(text), exercises, claims)


def words_of(text: str) -> frozenset[str]:
    """What a reader may look for: a spec's sysctls, options, errors, tools."""
    words = (found[1] or found[2] for found in WORDS.finditer(text))
    return frozenset(SPELLED.get(word, word) for word in words)


def verdict_rows(entry: Entry) -> list[str]:
    """A row for each claim: its text and verdicts, counted where the members of the families differ."""
    rows = []
    for name, text in entry.claims.items():
        mine = [c for c in entry.result.claims if c.name == name]
        found = Counter(outcome(c) for c in mine)
        if len(found) == 1:
            said = next(iter(found))
        else:
            said = ", ".join(f"{verdict} in {n} of {len(mine)}" for verdict, n in found.items())
        surprise = "" if all(c.ok for c in mine) else " (not as expected)"
        rows.append(f"| `{text.replace('|', chr(92) + '|')}` | {said}{surprise} |")
    return rows


def outcome(claim: ClaimResult) -> str:
    """A verdict; of a count, the count."""
    if claim.count is None:
        return claim.verdict
    low, high = claim.count["min"], claim.count["max"]
    return f"{low:,} values" if low == high else f"{low:,} to {high:,} values"


def shown_trace(entry: Entry) -> Trace | None:
    """The trace to print: of the claim named, else of the first violated claim, else of the first reached one."""
    traced = [c for c in entry.result.claims if c.witness is not None]
    named = [c for c in traced if c.name == entry.trace_of]
    violated = [c for c in traced if c.verdict == "violated"]
    first = next(iter(named or violated or traced), None)
    return first.witness if first is not None else None


def trace_text(trace: Trace) -> str:
    """Its segments, with a gap in the middle of a long one."""
    lines = tcpdump(trace).splitlines()
    if len(lines) > TRACE_LINES_MAX:
        left_out = len(lines) - 2 * TRACE_ENDS
        lines = [*lines[:TRACE_ENDS], f"... {left_out} more ...", *lines[-TRACE_ENDS:]]
    return "\n".join(lines)


def end_text(trace: Trace) -> str:
    """The timers and calls after the last segment, the last few of them, which no capture shows; "" for none."""
    silent = list(takewhile(lambda step: step.segment is None, reversed(trace.steps)))[:SILENT_MAX]
    told = [silent_words(trace, step) for step in reversed(silent)]
    told += [trace.note] if trace.note else []
    return f"Then: {'; '.join(told)}." if told else ""


def silent_words(trace: Trace, step: Step) -> str:
    """`60.005000 s keepalive timer of server.c`, and which states change."""
    does = f"{step.host}: {step.text}" if step.event == "call" else step.text
    changes = ", ".join(f"{c.subject} becomes {c.after}" for c in step.changes if c.what == "state")
    return f"{seconds(step.time_ns, time_digits(trace))} s {does}" + (f" ({changes})" if changes else "")


def plain(text: str) -> str:
    """Text of a spec that Markdown leaves as it is. Words are not emphasised within, so `_` stays."""
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"[\\|`*\[\]]", r"\\\g<0>", safe)


def entry_text(entry: Entry) -> str:
    """One entry of the document."""
    out = [f'<a id="{entry.anchor}"></a>', f"### {plain(entry.result.title)}", "", plain(entry.question), ""]
    out += [f"**{plain(entry.answer)}**", "", f"[{entry.path}](../{entry.path})", ""]
    out += [f"    tcpcheck verify {entry.path}", ""]
    out += ["| claim | verdict |", "|---|---|"]
    out += verdict_rows(entry)
    trace = shown_trace(entry)
    if trace is not None:
        member = f" when {settings_text(trace.settings)}" if trace.settings else ""
        out += ["", f"`{trace.claim}` is {trace.verdict}{member}:", "", "```text", trace_text(trace), "```"]
        ending = end_text(trace)
        out += ["", ending] if ending else []
    return "\n".join(out) + "\n"


def word_rows(entries: Sequence[Entry]) -> list[str]:
    """A row for each word, in the order of the alphabet: the entries whose specs have it."""
    rows = []
    for word in sorted(set[str]().union(*(e.words for e in entries)), key=str.lower):
        having = [e for e in entries if word in e.words]
        mine = having
        if len(having) > WORD_ENTRIES_MAX:
            mine = [e for e in having if word in f"{e.question} {e.answer}"] or having[:WORD_ENTRIES_MAX]
        links = [f"[{plain(e.result.title)}](#{e.anchor})" for e in mine]
        links += [f"and {len(having) - len(mine)} more"] if mine == having[:WORD_ENTRIES_MAX] != having else []
        rows.append(f"| `{word}` | {', '.join(links)} |\n")
    return rows


def heading_anchor(heading: str) -> str:
    """As code hosts make it."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def document(entries: Sequence[Entry], not_yet: str) -> str:
    """The whole of docs/gallery.md: a table of questions, the entries, and what is missing."""
    folders = [*FOLDERS, *sorted({e.folder for e in entries} - set(FOLDERS))]
    verdicts = sum(len(e.result.claims) for e in entries)
    parts = [HEAD, f"\n{len(entries)} specs, {verdicts} verdicts. By topic:\n\n"]
    tables, details = [], []
    for folder in folders:
        mine = [e for e in entries if e.folder == folder]
        if mine:
            heading = FOLDERS.get(folder, folder)
            parts += [f"- [{heading}](#{heading_anchor(heading)}): {len(mine)}\n"]
            tables += [f"| **{heading}** | |\n"]
            tables += [f"| [{plain(e.asked)}](#{e.anchor}) | {plain(e.answer)} |\n" for e in mine]
            details += [f"\n## {heading}\n", *(f"\n{entry_text(e)}" for e in mine)]
    parts += ["- [By word](#by-word): sysctls, socket options, errors, kernels, tools\n"]
    parts += ["- [Not yet](#not-yet): what has no spec, and why\n"] if not_yet else []
    parts += ["\n## All questions\n\n| question | answer |\n|---|---|\n", *tables]
    parts += ["\n## By word\n\n| word | entries |\n|---|---|\n", *word_rows(entries)]
    return "".join([*parts, *details, f"\n{not_yet}" if not_yet else ""])


def generate() -> dict[Path, str]:
    """Checks every spec. -> what belongs into each file."""
    paths = sorted((ROOT / "specs").rglob("*.tcp"))
    not_yet = ROOT / "specs" / "not_yet.md"
    entries = [load_entry(p) for p in paths]
    return {
        DOCUMENT: document(entries, not_yet.read_text(encoding="utf-8") if not_yet.exists() else ""),
        exercised.FILE: exercised.text({entry.path: entry.exercises for entry in entries}),
    }


def main(argv: Sequence[str]) -> int:
    """-> the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tcpcheck.gallery", description="Writes docs/gallery.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a file is stale")
    options = parser.parse_args(argv)
    fresh = generate()
    if options.check:
        return int(any(not path.exists() or path.read_text(encoding="utf-8") != fresh[path] for path in fresh))
    for path, text in fresh.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
