"""The kernel's captures and with which options they are judged."""

from __future__ import annotations

import json
from pathlib import Path

from tcpcheck.conform.command import Conform, ConformCall

HERE = Path(__file__).parent
OPTIONS: dict[str, dict[str, list[str]]] = json.loads((HERE / "truth" / "options.json").read_text())
NAMES = sorted(OPTIONS)


def path(name: str) -> Path:
    """The capture's file; most are shared with the tests of the protocol."""
    own = HERE / "truth" / f"{name}.pcap"
    return own if own.exists() else HERE.parent / "kernel" / "truth" / f"{name}.pcap"


def conform(name: str, options: list[str] | None = None) -> Conform:
    """The call that judges this capture."""
    words = OPTIONS[name]["options"] if options is None else options
    given = [(words[i], words[i + 1]) for i in range(len(words) - 1)]
    pick = {key: value for key, value in given if key.startswith("--") and not value.startswith("--")}
    backlog = pick.get("--backlog")
    return Conform(
        ConformCall(
            [],
            host=pick.get("--host"),
            sysctls=[value for key, value in given if key == "--sysctl"],
            backlog=int(backlog) if backlog else None,
            lost="none" if words else None,
            unseen="--unseen" in words,
        )
    )
