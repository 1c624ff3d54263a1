"""`tcpcheck crosscheck` without a kernel: what is asked, which traces are made, and what is said of the answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from tcpcheck.cli import crosschecking, main
from tcpcheck.crosscheck import page, report
from tcpcheck.crosscheck.branch import END
from tcpcheck.crosscheck.cells import SETTINGS
from tcpcheck.crosscheck.coverage import WHY_NOT, TraceOutcome, not_taken, pairs_of, rules_of
from tcpcheck.crosscheck.generate import Pair, Trace, chosen, generate
from tcpcheck.crosscheck.judge import CellDisagreement, Count, StateResult
from tcpcheck.crosscheck.model import KERNEL, ModelLab
from tcpcheck.crosscheck.predict import Predictor
from tcpcheck.crosscheck.run import Outcome, Plan
from tcpcheck.crosscheck.starts import STARTS
from tcpcheck.crosscheck.states import STATES
from tcpcheck.crosscheck.stimuli import ACKS, CLASSES, SEQ, TSVALS, Stimulus, class_of, parse
from tcpcheck.crosscheck.traces import TraceDisagreement, TraceResult, follow
from tcpcheck.crosscheck.walk import Walk
from tcpcheck.render import json as render_json
from tcpcheck.tcp.rules import BY_NAME

SMALL = "last quarter of the requests"  # a start that is searched quickly


# ---- what is asked


def test_every_stimulus_has_a_name_and_a_class() -> None:
    for setting in SETTINGS.values():
        stimuli = setting.stimuli()
        assert len(set(stimuli)) == len(stimuli)
        for stimulus in stimuli:
            assert parse(str(stimulus)) == stimulus
            assert class_of(stimulus) in CLASSES


def test_every_number_that_matters_is_sent() -> None:
    asked = set(SETTINGS["ts"].stimuli())
    for flags in ("S", "S.", ".", "F.", "R", "R.", "P.", "-", "SF"):
        assert all(Stimulus(flags, seq) in asked for seq in SEQ)
    for flags in (".", "F.", "R.", "S."):
        assert all(Stimulus(flags, seq, ack) in asked for seq in SEQ for ack in ACKS)
    assert all(Stimulus("F.", seq, length=10, ts=ts) in asked for seq in SEQ for ts in TSVALS)


def test_cells_by_the_hundred_thousand() -> None:
    assert sum(len(s.stimuli()) * len(s.states) for s in SETTINGS.values()) > 100_000
    assert set(SETTINGS["ts"].states) == set(SETTINGS["no-ts"].states) == set(STATES)
    assert all(setting.why for setting in SETTINGS.values() if set(setting.states) != set(STATES))


def test_one_segment_is_asked_for_once() -> None:
    predictor = Predictor(KERNEL, SETTINGS["ts"], "ESTABLISHED")
    una, nxt, other = Stimulus(".", ack="una"), Stimulus("."), Stimulus(".", "+1")
    assert predictor.distinct([una, nxt, other]) == [una, other]
    in_flight = Predictor(KERNEL, SETTINGS["ts"], "ESTABLISHED in flight")
    assert in_flight.distinct([una, nxt, other]) == [una, nxt, other]


def test_a_prediction_has_its_rules() -> None:
    predictor = Predictor(KERNEL, SETTINGS["ts"], "TIME-WAIT")
    assert predictor.predict(parse("S seq-2")) == {"S. +65537 -1Te|SYN_RECV/req": ("TW_SYN_ACCEPTED_TS", "LISTEN_SYN")}


# ---- traces


def taken(trace: Trace) -> set[Pair]:
    """The pairs of rules that the model takes along a trace."""
    start = STARTS[trace.start]
    lab = ModelLab(start.settings())
    walk = Walk(lab, start.open(lab))
    for ms, step in trace.plan:
        lab.settle(ms / 1000)
        walk.outcome("", lab.pending(walk.peer))
        walk.step(step)
    rules = lab.driver.rules()
    return set(zip(("", *rules), rules, strict=False))


@pytest.fixture(scope="module")
def small() -> list[Trace]:
    return generate(KERNEL, SMALL)


def test_the_same_traces_each_time(small: list[Trace]) -> None:
    assert generate(KERNEL, SMALL) == small


def test_a_trace_takes_the_rules_it_is_kept_for(small: list[Trace]) -> None:
    for trace in small:
        assert trace.new <= taken(trace), trace.plan
    for trace in (t for t in generate(KERNEL, "deferred accept, pauses")[::10]):
        assert trace.new <= taken(trace), trace.plan


def test_each_trace_adds_something(small: list[Trace]) -> None:
    pairs = [pair for trace in small for pair in trace.new]
    assert len(pairs) == len(set(pairs)) and all(trace.new for trace in small)


def test_what_is_kept_has_every_pair_in_fewer_traces(small: list[Trace]) -> None:
    kept = chosen([*small, *small])
    assert pairs_of(kept) == pairs_of(small)
    assert len(kept) < len(small)
    plans = {trace.plan for trace in kept}
    assert not any(plan[:n] in plans for plan in plans for n in range(1, len(plan)))
    for trace in kept:
        assert trace.new <= taken(trace)


def test_traces_reach_what_they_are_made_for(small: list[Trace]) -> None:
    assert "LISTEN_SYN_QUEUE_QUARTER" in rules_of(pairs_of(small))
    found = rules_of(pairs_of(generate(KERNEL, "passive, rfc1337")))
    assert {"TW_RST_IGNORED_RFC1337", "FIN_CLOSING", "CLOSE_UNREAD_RST", "RFC5961_SYN_CHALLENGE"} <= found
    assert len(found) > 80


def test_the_model_follows_itself_and_nobody_else(small: list[Trace]) -> None:
    start = STARTS[SMALL]
    trace = max(small, key=lambda t: len(t.plan))
    lab = ModelLab(start.settings())
    walk = Walk(lab, start.open(lab))
    events = [(0, step, walk.step(step)) for _, step in trace.plan]
    events.append((0, END, walk.outcome("", [])))
    rules = follow(KERNEL, start, events)
    assert isinstance(rules, list) and set(zip(("", *rules), rules, strict=False)) == taken(trace)
    events[2] = (0, events[2][1], "|R +7|CLOSED")
    wrong = follow(KERNEL, start, events)
    assert isinstance(wrong, TraceDisagreement)
    assert wrong.events == tuple(events[:3])
    assert len(wrong.model) == 1 and wrong.model[0][1]


def test_reasons_are_given_for_rules_that_there_are() -> None:
    assert WHY_NOT.keys() <= BY_NAME.keys()
    assert all(why for _, why in not_taken(set()))


# ---- what is said


def outcome(*, wrong: bool) -> Outcome:
    """One state, one trace; with or without disagreements."""
    plan = Plan("linux-6.18.44", ("TIME-WAIT", "LISTEN"), ("ts", "rfc1337"))
    state = StateResult("ts", "TIME-WAIT", {"SYN": Count(agree=1234, disagree=int(wrong), again=2)}, plays=1236)
    traces = TraceOutcome([Trace(SMALL, ((0, "S 0 0 0 0"),), frozenset({("", "LISTEN_OPENED")}))], [])
    result = TraceResult(SMALL, agree=int(not wrong), pairs={("", "LISTEN_OPENED")})
    if wrong:
        rules = ("TW_SYN_REFUSED",)
        cell = CellDisagreement("ts", "TIME-WAIT", "S seq-2", "S. new -1T|SYN_RECV/req", ((". +0 +0|<b>", rules),))
        state.disagreements.append(cell)
        events = ((0, "S 0 0 0 0", "|S. new +1T|SYN_RECV/req"), (70, "end", "||CLOSED"))
        result.disagreements.append(TraceDisagreement(SMALL, events, (("||SYN_RECV/req", ()),)))
    traces.results = [result]
    return Outcome(plan, "linux 6.18.44", [state], 1.0, traces)


def test_exit_codes() -> None:
    assert outcome(wrong=False).exit_code == 0
    assert outcome(wrong=True).exit_code == 1
    busy = outcome(wrong=False)
    busy.states[0].counts["SYN"].busy = 1
    assert busy.exit_code == 3
    lonely = outcome(wrong=True)
    lonely.states = []
    assert lonely.exit_code == 1


@pytest.mark.parametrize("wrong", [False, True])
def test_the_document_follows_its_schema(wrong: bool) -> None:
    document = report.document(outcome(wrong=wrong))
    jsonschema.validate(json.loads(render_json.dumps(document)), render_json.schema("crosscheck/1"))
    assert document["ok"] is not wrong
    assert document["cells"]["total"]["agree"] == 1234
    why = "tcp_rfc1337 is looked at by time-wait buckets only"
    assert document["left_out"] == [{"setting": "rfc1337", "why": why, "states": ["LISTEN"]}]


def test_the_text_names_what_disagrees() -> None:
    said = report.text(outcome(wrong=True))
    assert "TIME-WAIT         1,234 1✗" in said
    assert "✗ TIME-WAIT [ts], S seq-2" in said
    assert "predicted  . +0 +0|<b>  by TW_SYN_REFUSED" in said and "the kernel S. new -1T|SYN_RECV/req" in said
    assert "1,234 of 1,235 cells agree, 1 disagree, 2 only when played again" in said
    assert f"✗ trace from {SMALL}" in said and "0 of 1 traces agree, 1 disagree" in said
    assert "not taken: " in said
    good = report.text(outcome(wrong=False), ascii=True)
    assert "ok 1,234 of 1,234 cells agree" in good and "ok 1 of 1 traces agree" in good and good.isascii()


def test_the_page_needs_nothing_from_outside() -> None:
    html = page.html(outcome(wrong=True))
    assert html.startswith("<!DOCTYPE html>") and '<html lang="en">' in html
    assert not re.search(r"(src|href)=|url\(|<script", html)
    assert "&lt;b&gt;" in html and "<b>|" not in html
    assert html.count("<table>") == 3 and html.count('scope="row"') >= 3
    assert "TW_SYN_REFUSED" in html


# ---- the call


def test_no_namespace_is_exit_code_4(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(crosschecking, "unavailable", lambda: "needs root")
    monkeypatch.setattr(crosschecking, "running", lambda: "linux 6.18.44")
    assert main(["crosscheck"]) == 4
    assert capsys.readouterr().err == "tcpcheck: a cross-check needs root\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--state", "TIMEWAIT"], "no state `TIMEWAIT`: did you mean `TIME-WAIT`?"),
        (["--setting", "rfc137"], "no setting `rfc137`: did you mean `rfc1337`?"),
        (["--state", "LISTEN", "--setting", "rfc1337"], "the setting rfc1337 is not for LISTEN: tcp_rfc1337 is looked"),
        (["--cells-only", "--traces-only"], "--cells-only and --traces-only leave nothing to do"),
        (["--every", "0"], "`0` is not a whole number above 0"),
        (["--kernel", "linux 2.4"], "no profile as old as linux 2.4"),
        (["--state", "LISTEN", "--traces-only"], "--state and --setting choose cells"),
    ],
)
def test_wrong_calls(
    argv: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crosschecking, "running", lambda: "linux 6.18.44")
    assert main(["crosscheck", *argv]) == 2
    assert said in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crosschecking, "running", lambda: "linux 6.18.44")
    monkeypatch.setattr(crosschecking, "unavailable", lambda: None)
    monkeypatch.setattr(crosschecking, "crosscheck", lambda *_: pytest.fail("played for nothing"))
    assert main(["crosscheck", "--html", str(tmp_path / "none" / "x.html")]) == 2
