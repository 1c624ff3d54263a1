"""JSON documents follow their schemas, and a trace file loses nothing."""

from __future__ import annotations

import copy
import json

import golden_files
import jsonschema
import pytest
import referencing
from render_samples import SAMPLES, count_result, tw_result

from tcpcheck.errors import Diagnostic, Span, SpecError, UsageError
from tcpcheck.render import json as render_json

NAMES = ("verify/1", "verify-all/1", "error/1", "trace/1")


def validate(document: dict) -> None:
    schemas = {name: render_json.schema(name) for name in NAMES}
    registry = referencing.Registry().with_resources(
        (schema["$id"], referencing.Resource.from_contents(schema)) for schema in schemas.values()
    )
    name = document["schema"].removeprefix("tcpcheck.")
    jsonschema.Draft202012Validator(schemas[name], registry=registry).validate(document)


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(render_json.schema(name))


@pytest.mark.parametrize("result", [tw_result(), count_result()], ids=["tw", "count"])
def test_verify_follows_its_schema(result) -> None:
    validate(json.loads(render_json.dumps(render_json.verify(result))))


def test_verify_has_what_the_contract_names() -> None:
    document = render_json.verify(tw_result())
    assert list(document) == ["schema", "tool", "spec", "title", "claims", "warnings", "stats", "ok"]
    assert {"name", "kind", "verdict", "expected", "ok", "settings", "bounds", "witness"} <= set(document["claims"][0])
    step = document["claims"][0]["witness"]["steps"][2]
    assert {"time_s", "host", "event", "segment", "rule", "state"} <= set(step)
    segment = step["segment"]
    assert {"src", "dst", "flags", "seq", "ack", "len", "win", "tsval", "tsecr"} <= set(segment)
    assert (segment["src"], segment["flags"], segment["seq"]) == ("10.0.0.2:12345", "S", 568694110)
    assert document["claims"][1]["witness"] is None and "count" not in document["claims"][1]


def test_verify_golden() -> None:
    golden_files.check("render/count.verify.json", render_json.dumps(render_json.verify(count_result())))


def test_verify_all() -> None:
    document = render_json.verify_all([count_result(), tw_result()])
    validate(document)
    assert document["ok"] is False and len(document["specs"]) == 2
    assert render_json.verify_all([count_result()])["ok"] is True


def test_schema_refuses_an_unknown_verdict_and_a_missing_key() -> None:
    document = render_json.verify(count_result())
    for spoil in (lambda d: d["claims"][0].update(verdict="maybe"), lambda d: d["stats"].pop("depth")):
        broken = copy.deepcopy(document)
        spoil(broken)
        with pytest.raises(jsonschema.ValidationError):
            validate(broken)


def test_error_of_a_spec_and_of_a_call() -> None:
    diagnostic = Diagnostic("a.tcp", Span(3, 5, 9), "unknown step `conect`", ("connect", "close"), "connect")
    of_spec = render_json.error(SpecError([diagnostic]))
    of_call = render_json.error(UsageError("no such file: a.tcp"))
    validate(of_spec)
    validate(of_call)
    assert of_spec["errors"][0]["line"] == 3 and of_spec["errors"][0]["nearest"] == "connect"
    assert of_call["errors"][0]["file"] is None and of_call["errors"][0]["message"] == "no such file: a.tcp"


@pytest.mark.parametrize("name", SAMPLES)
def test_trace_round_trip(name: str) -> None:
    text = render_json.dumps(render_json.trace(SAMPLES[name]))
    document = json.loads(text)
    validate(document)
    assert render_json.load_trace(document) == SAMPLES[name]
    golden_files.check(f"render/{name}.json", text)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("steps"),
        lambda d: d.update(schema="tcpcheck.trace/2"),
        lambda d: d["steps"][0].update(time_s="soon"),
        lambda d: d["steps"][2]["segment"].update(src="nowhere"),
        lambda d: d.update(hosts=[1]),
    ],
)
def test_a_broken_trace_is_the_callers_mistake(spoil) -> None:
    document = json.loads(render_json.dumps(render_json.trace(SAMPLES["tw_refused"])))
    spoil(document)
    with pytest.raises(UsageError):
        render_json.load_trace(document)


@pytest.mark.parametrize(
    ("field", "value"), [("seq", 1.5), ("ack", -1), ("sack", [1]), ("sack", ["a", "b"]), ("len", 2**32)]
)
def test_a_segment_with_numbers_that_are_none_is_no_trace(field: str, value: object) -> None:
    document = json.loads(render_json.dumps(render_json.trace(SAMPLES["tw_refused"])))
    next(step for step in document["steps"] if step["segment"])["segment"][field] = value
    with pytest.raises(UsageError, match="does not follow"):
        render_json.load_trace(document)


def test_a_time_without_end_is_no_trace() -> None:
    document = json.loads(render_json.dumps(render_json.trace(SAMPLES["tw_refused"])))
    document["steps"][0]["time_s"] = float("inf")
    with pytest.raises(UsageError, match=r"steps\[0\].time_s: inf"):
        render_json.load_trace(document)
