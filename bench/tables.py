"""The tables of docs/performance.md, made of what compare.py and figures.py measured.

`python bench/tables.py COMPARE.json FIGURES.json [--write docs/performance.md]` prints them; with --write they take the
place of those in the document, between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

PEERS_HEAD = "| tool | threads | M states/s | M transitions/s | bytes/state | times Spin | times ceiling | command |"
MODEL_HEAD = "| spec | untimed, states/s | transitions/s | bytes/state | timed, zones/s | zones |"


def rule_under(head: str) -> str:
    return "|" + "---|" * (head.count("|") - 1)


def peers_table(rows: list[dict[str, Any]]) -> str:
    """The engine beside its peers. What is not installed says so."""
    lines = [PEERS_HEAD, rule_under(PEERS_HEAD)]
    for row in rows:
        cells = [row["tool"], str(row["threads"])]
        if "missing" in row:
            cells += [row["missing"], *[""] * 4]
        else:
            cells += [f"{row['states_per_second'] / 1e6:.2f}", f"{row['transitions_per_second'] / 1e6:.1f}"]
            cells.append(f"{row['bytes_per_state']:.0f}")
            cells += ["-" if row[key] is None else f"{row[key]:.2f}" for key in ("times_spin", "times_ceiling")]
        cells.append(f"`{row['how']}`")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def thousands(rate: float) -> str:
    return f"{round(rate, -3):,.0f}"


def model_table(rates: list[dict[str, Any]]) -> str:
    """The searches of the shipped specs."""
    lines = [MODEL_HEAD, rule_under(MODEL_HEAD)]
    for row in rates:
        cells = [
            row["spec"],
            thousands(row["untimed_states_per_second"]),
            thousands(row["untimed_transitions_per_second"]),
            f"{row['untimed_bytes_per_state']:.0f}",
            thousands(row["timed_zones_per_second"]),
            f"{row['timed_zones']:,}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_table(document: str, name: str, table: str) -> str:
    """The document with another table of this name. Error: ValueError when it has none."""
    marks = re.compile(rf"(<!-- table: {name} -->\n).*?(\n<!-- end of table -->)", re.DOTALL)
    if not marks.search(document):
        raise ValueError(f"no '<!-- table: {name} -->' in the document")
    return marks.sub(lambda m: m[1] + table + m[2], document)


def measured(path: Path) -> dict[str, Any]:
    try:
        figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as why:
        raise SystemExit(f"cannot read {path}: {why}; `make bench` writes it") from why
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("compare", type=Path, help="what compare.py --json wrote")
    parser.add_argument("figures", type=Path, help="what figures.py --json wrote")
    parser.add_argument("--write", metavar="FILE", type=Path, help="the document whose tables are replaced")
    options = parser.parse_args()
    tables = {
        "peers": peers_table(measured(options.compare)["rows"]),
        "model": model_table(measured(options.figures)["rates"]),
    }
    for table in tables.values():
        print(table + "\n")
    if options.write is not None:
        document = options.write.read_text(encoding="utf-8")
        for name, table in tables.items():
            document = with_table(document, name, table)
        options.write.write_text(document, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
