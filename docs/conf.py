"""Sphinx: `make docs` makes pages of these files; a broken link, an unknown anchor or a bad table ends it."""

import re
from typing import Any

project = "tcpcheck"
project_copyright = "the authors of tcpcheck"
extensions = ["myst_parser"]
myst_heading_anchors = 4
html_theme = "alabaster"
html_theme_options = {"description": "A model checker for TCP corner cases", "page_width": "1200px"}
html_show_sphinx = False
suppress_warnings = ["misc.highlighting_failure"]  # of ```tcp: no highlighter knows the language


def anchors(_app: Any, _name: str, source: list[str]) -> None:
    """The gallery's anchors are HTML, as GitHub wants them; here they are targets."""
    source[0] = re.sub(r'^<a id="([\w-]+)"></a>$', r"(\1)=", source[0], flags=re.MULTILINE)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", anchors)
