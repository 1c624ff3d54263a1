"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import re

import pytest
from cli_call import AS_EXPECTED, CONNECTION, NOT_AS_EXPECTED

pytest_plugins = ["pytester"]
PLUGIN = ("-p", "tcpcheck.pytest_plugin", "-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def named_plugins_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tcpcheck is installed, pytest would load the plugin twice."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def specs(pytester: pytest.Pytester) -> pytest.Pytester:
    spec = CONNECTION % f"{AS_EXPECTED}\n{NOT_AS_EXPECTED}\nreach ends {{ a.c in TIME-WAIT }}"
    (pytester.path / "one.tcp").write_text(spec)
    return pytester


def test_one_item_for_each_claim_and_a_ladder_for_the_failure(specs: pytest.Pytester) -> None:
    result = specs.runpytest_inprocess(*PLUGIN, "one.tcp", "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*one.tcp::reset PASSED*", "*one.tcp::rests FAILED*", "*one.tcp::ends PASSED*"])
    result.stdout.fnmatch_lines(["never rests: violated, expected holds*", "*FIN-WAIT-1 → TIME-WAIT*"])


def test_only_the_selected_claims_are_checked(specs: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    from tcpcheck import checking

    seen: list[list[str]] = []
    real = checking.verify_scenario
    monkeypatch.setattr(
        checking, "verify_scenario", lambda s: seen.append([c.name for c in s.cases[0].claims]) or real(s)
    )
    specs.runpytest_inprocess(*PLUGIN, "one.tcp", "-k", "reset or ends").assert_outcomes(passed=2, deselected=1)
    assert seen == [["reset", "ends"]]


def test_a_mistake_in_a_spec_is_told_with_its_caret(pytester: pytest.Pytester) -> None:
    (pytester.path / "bad.tcp").write_text('title "x"\nhost a { kernel linus 6.18.44 }\nnever n { a.s in LISTEN }\n')
    result = pytester.runpytest_inprocess(*PLUGIN, "bad.tcp")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*bad.tcp:2:*error:*", "*^*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_texts_of_a_spec_move_no_cursor(pytester: pytest.Pytester) -> None:
    spec = (CONNECTION % NOT_AS_EXPECTED).replace("One connection", "\x1b[2J\x1b]0;owned\x07\u202e")
    (pytester.path / "one.tcp").write_text("# \x1b[31m\x9b2J\n" + spec)
    (pytester.path / "bad.tcp").write_text('title "\x1b[2J\u202e" \x1b[31m\n')
    result = pytester.runpytest_inprocess(*PLUGIN, "--color=no", "-v")
    result.assert_outcomes(failed=0, errors=1)
    result = pytester.runpytest_inprocess(*PLUGIN, "--color=no", "-v", "one.tcp")
    result.assert_outcomes(failed=1)
    assert "violated, expected holds" in result.stdout.str()
    assert not re.search("[\x1b\x07\x9b\u202e]", result.stdout.str())


def test_the_fixture_gives_objects(specs: pytest.Pytester) -> None:
    specs.makepyfile(
        """
        import pytest
        from tcpcheck import UsageError

        def test_objects(tcpcheck):
            assert [c.verdict for c in tcpcheck.verify("one.tcp").claims] == ["holds", "violated", "reachable"]
            trace = tcpcheck.trace("one.tcp", "ends")
            assert [step.index for step in trace] == list(range(len(trace))) and len(trace) > 5
            assert trace is tcpcheck.traces("one.tcp", "ends")[0]
            with pytest.raises(UsageError, match="`reset` holds: only a violated or reached claim has a trace"):
                tcpcheck.trace("one.tcp", "reset")
        """
    )
    specs.runpytest_inprocess(*PLUGIN, "test_the_fixture_gives_objects.py").assert_outcomes(passed=1)
