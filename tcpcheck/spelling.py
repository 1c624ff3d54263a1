"""Names of kernels as people misspell them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

ALIKE = 0.6  # of difflib's ratio: less is another word


def nearest_kernel(text: str, kernels: Collection[str]) -> str | None:
    """The kernel most like a text: first by its name (`linus` is linux and not alinux), then by its release; the newest
    where the text has none. kernels: as specs spell them, `linux 6.18.44`. None if none is alike."""
    words = " ".join(text.lower().replace("-", " ").split())[:80]
    name, _, release = words.partition(" ")
    names = difflib.get_close_matches(name, dict.fromkeys(k.partition(" ")[0] for k in kernels), 1, ALIKE)
    if not names:
        return next(iter(difflib.get_close_matches(words, kernels, 1, ALIKE)), None)
    own = [k for k in kernels if k.partition(" ")[0] == names[0]]
    if not release:
        return max(own, key=lambda k: [int(digits) for digits in re.findall(r"\d+", k)])
    return difflib.get_close_matches(f"{names[0]} {release}", own, 1, 0.0)[0]
