"""pytest collects `.tcp` files: one item for each claim, whose failure shows the ladder.

    pytest specs/                    every claim of every spec below specs/
    pytest specs/tw_syn.tcp -k folklore

The fixture `tcpcheck` gives verdicts and traces as Python objects to tests of one's own:

    def test_my_stack(tcpcheck):
        for step in tcpcheck.trace("specs/tw_syn.tcp", "refusal"):
            ...

Claims expected to be violated pass when they are. `-p no:tcpcheck` switches all of it off. Nothing of tcpcheck is
imported before a spec is collected or the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tcpcheck.lang.scenario import Scenario
    from tcpcheck.witness.trace import Trace
    from tcpcheck.witness.verdict import ClaimResult, SpecResult


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    return SpecFile.from_parent(parent, path=file_path) if file_path.suffix == ".tcp" else None


class NotAsExpected(Exception):
    """A claim has another verdict than its spec expects."""


class SpecFile(pytest.File):
    """A spec. It is checked once, when the first of its claims runs, and only for the claims that were selected."""

    _results: dict[str, list[ClaimResult]] | None = None

    def collect(self) -> Iterable[ClaimItem]:
        from tcpcheck.errors import SpecError
        from tcpcheck.knowledge import REGISTRY
        from tcpcheck.lang import load
        from tcpcheck.lang.diagnostics import render

        try:
            self.scenario: Scenario = load(self.path, REGISTRY)
        except SpecError as error:
            raise self.CollectError(render(error)) from None
        for claim in self.scenario.cases[0].claims:
            yield ClaimItem.from_parent(self, name=claim.name, line=claim.span.line)

    def results(self, name: str) -> list[ClaimResult]:
        """The verdicts of one claim, one for each member."""
        if self._results is None:
            from tcpcheck.checking import verify_scenario
            from tcpcheck.cli.select import with_claims

            wanted = {item.name for item in self.session.items if item.parent is self}
            self._results = {}
            for claim in verify_scenario(with_claims(self.scenario, wanted)).claims:
                self._results.setdefault(claim.name, []).append(claim)
        return self._results[name]


class ClaimItem(pytest.Item):
    """A claim, for all members of the families."""

    def __init__(self, *, line: int, **more: Any) -> None:
        super().__init__(**more)
        self.line = line
        self.add_marker("tcpcheck")

    def runtest(self) -> None:
        assert isinstance(self.parent, SpecFile)
        bad = [claim for claim in self.parent.results(self.name) if not claim.ok]
        if bad:
            raise NotAsExpected(bad)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if not isinstance(excinfo.value, NotAsExpected):
            return super().repr_failure(excinfo)
        return "\n".join(told(excinfo.value.args[0]))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.line - 1, self.name


def told(bad: list[ClaimResult]) -> Iterator[str]:
    """What is not as expected, member by member, and the first trace."""
    from tcpcheck.render import text
    from tcpcheck.render.rules import rule_lookup
    from tcpcheck.render.verdicts import outcome_words, reason
    from tcpcheck.render.words import printable

    for claim in bad:
        yield f"{claim.kind} {printable(claim.name)}: {outcome_words(claim)}"
        if reason(claim):
            yield f"  {printable(reason(claim))}"
    witness = next((claim.witness for claim in bad if claim.witness is not None), None)
    if witness is not None:
        yield ""
        yield text.text(witness, rules=rule_lookup())


class Checker:
    """What the fixture `tcpcheck` offers: as the module, but each spec is checked once in a session."""

    def __init__(self) -> None:
        self._results: dict[Path, SpecResult] = {}

    def verify(self, spec: str | Path) -> SpecResult:
        """Every verdict of a spec file; errors as `tcpcheck.verify`."""
        from tcpcheck.api import verify

        path = Path(spec).resolve()
        if path not in self._results:
            self._results[path] = verify(spec)
        return self._results[path]

    def trace(self, spec: str | Path, claim: str, **settings: int | str) -> Trace:
        """As `tcpcheck.trace`."""
        from tcpcheck.api import trace

        return trace(self.verify(spec), claim, **settings)

    def traces(self, spec: str | Path, claim: str | None = None) -> list[Trace]:
        """As `tcpcheck.traces`."""
        from tcpcheck.api import traces

        return traces(self.verify(spec), claim)


@pytest.fixture(scope="session")
def tcpcheck() -> Checker:
    """Verdicts and traces of specs: `tcpcheck.verify(path)`, `tcpcheck.trace(path, claim)`."""
    return Checker()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "tcpcheck: a claim of a .tcp file")
