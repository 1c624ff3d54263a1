"""What a cross-check found as one HTML page that needs nothing from outside."""

from __future__ import annotations

from importlib import resources

import jinja2

from tcpcheck import __version__
from tcpcheck.crosscheck.report import document
from tcpcheck.crosscheck.run import Outcome, sum_of
from tcpcheck.crosscheck.stimuli import CLASSES
from tcpcheck.render.rules import RuleLookup, no_rules


def html(outcome: Outcome, rules: RuleLookup = no_rules) -> str:
    """The whole page."""
    text = (resources.files("tcpcheck.render") / "templates" / "crosscheck.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    table = {
        state: [row.get(name) for name in CLASSES] + [sum_of(row.values())] for state, row in outcome.table().items()
    }
    template = environment.from_string(text)
    return template.render(
        found=document(outcome), classes=[*CLASSES, "all"], table=table, rules=rules, version=__version__
    )
