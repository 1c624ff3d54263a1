"""Golden files: what a rendering must look like, byte for byte. TCPCHECK_UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check(name: str, content: str | bytes) -> None:
    """Compares `content` with tests/golden/<name>."""
    path = FOLDER / name
    data = content.encode("utf-8") if isinstance(content, str) else content
    if os.environ.get("TCPCHECK_UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return
    assert path.exists(), f"{path} is missing; write it with TCPCHECK_UPDATE_GOLDEN=1"
    if isinstance(content, str):
        assert path.read_text(encoding="utf-8") == content
    else:
        assert path.read_bytes() == data
