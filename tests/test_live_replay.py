"""Traces on the kernel of this machine; and that a trace which is not the kernel's is refused, at the right place."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from cli_call import validate

import tcpcheck
from tcpcheck.checking import verify, verify_text
from tcpcheck.cli import main
from tcpcheck.cli.replaying import files_and_claim
from tcpcheck.errors import UsageError
from tcpcheck.live import namespace, report
from tcpcheck.live.replay import AGREES, CUT, DISAGREES, SKIPPED, Outcome, Plan, running
from tcpcheck.live.replay import replay as replay_plan
from tcpcheck.render import json as render_json
from tcpcheck.render.rules import rule_lookup
from tcpcheck.tcp.profile import PROFILES
from tcpcheck.witness.trace import Armed, Segment, Step, Trace

SPECS = Path(__file__).parent.parent / "specs"
KERNEL = PROFILES["linux-6.18.44"]
why_not = namespace.unavailable()
if why_not is None and running() != "linux 6.18.44":
    why_not = f"the specs are about linux 6.18.44, this is {running()}"
needs_kernel = pytest.mark.skipif(why_not is not None, reason=f"the real kernel is not asked: {why_not}")


@functools.cache
def witnesses(spec: str) -> tuple[Trace, ...]:
    return tuple(claim.witness for claim in verify(SPECS / f"{spec}.tcp").claims if claim.witness is not None)


def witness(spec: str, claim: str, **settings: int) -> Trace:
    """The witness of the first member with these settings (`server_tcp_timestamps=1`)."""
    for trace in witnesses(spec):
        found = {name.replace(".net.ipv4.", "_"): value for name, value in trace.settings.items()}
        if trace.claim == claim and settings.items() <= found.items():
            return trace
    raise LookupError(f"{spec} has no witness of {claim} with {settings}")


def play(traces: list[Trace], side: str | None = None, wait: bool = False) -> list[Outcome]:
    plan = Plan()
    for trace in traces:
        plan.add(trace, KERNEL, side)
    return list(replay_plan(plan, wait, 4))


def first_of_each_claim(spec: str) -> list[Trace]:
    return list({trace.claim: trace for trace in reversed(witnesses(spec))}.values())


# ---- what agrees


@needs_kernel
@pytest.mark.parametrize("spec", ["simultaneous_open", "simultaneous_close", "tw_syn", "fin_wait1_loss", "tw_fin"])
def test_the_shipped_specs_are_the_kernels(spec: str) -> None:
    outcomes = play(first_of_each_claim(spec))
    assert outcomes
    for outcome in outcomes:
        assert outcome.result in (AGREES, CUT), report.text(spec, [outcome])
        assert outcome.played is not None
        assert outcome.played.compared > 0 and outcome.played.states > 0
        assert (outcome.result == CUT) == (spec == "tw_fin")


@needs_kernel
def test_one_number_is_unlucky_on_the_kernel_too() -> None:
    """The refusal acknowledges exactly the new SYN: no RST, the SYN waits for its timer."""
    trace = witness("tw_syn", "unlucky", server_tcp_timestamps=1, client_tcp_timestamps=1)
    (outcome,) = play([trace], "client")
    assert outcome.result == AGREES
    assert outcome.played is not None and outcome.played.done == outcome.played.acts
    assert trace.steps[-1].rules[-1] == "SYNSENT_NO_SYN_IGNORED"


@needs_kernel
def test_the_same_play_serves_several_claims() -> None:
    traces = [witness("fin_wait1_loss", claim) for claim in ("both", "passes")]
    one, other = play(traces, "client")
    assert (one.same_as, other.same_as) == ("", "both")


# ---- what is refused

Mutation = Callable[[Trace], Trace]


def at(trace: Trace, where: Callable[[Step], bool], change: Callable[[Step], Step | None]) -> Trace:
    """The trace with its last step of a kind changed, or taken out."""
    index = max(step.index for step in trace.steps if where(step))
    steps = [s if s.index != index else change(s) for s in trace.steps]
    return replace(trace, steps=tuple(replace(s, index=i) for i, s in enumerate(s for s in steps if s is not None)))


def reply(host: str, **fields: int | str) -> Mutation:
    """The host's last segment with fields of its own; a number is added to what is there."""

    def change(step: Step) -> Step:
        seg = step.segment
        assert seg is not None
        new = {k: (getattr(seg, k) + v) % 2**32 if isinstance(v, int) else v for k, v in fields.items()}
        return replace(step, segment=replace(seg, **new))  # type: ignore[arg-type]

    return lambda trace: at(trace, lambda s: s.event == "send" and s.host == host, change)


def no_reply(host: str) -> Mutation:
    return lambda trace: at(trace, lambda s: s.event == "send" and s.host == host, lambda _: None)


def twice(host: str) -> Mutation:
    def change(trace: Trace) -> Trace:
        index = max(s.index for s in trace.steps if s.event == "send" and s.host == host)
        steps = [*trace.steps[: index + 1], trace.steps[index], *trace.steps[index + 1 :]]
        return replace(trace, steps=tuple(replace(s, index=i) for i, s in enumerate(steps)))

    return change


def state(name: str, value: str) -> Mutation:
    return lambda trace: at(trace, lambda s: name in s.state, lambda s: replace(s, state={**s.state, name: value}))


def retransmission(factor: float) -> Mutation:
    """The client's retransmission after some 0.4 s is predicted at another time: farther off than a busy machine is."""

    def change(step: Step) -> Step:
        assert step.armed is not None
        lo, hi = (round(age * factor) for age in (step.armed.lo_ns, step.armed.hi_ns))
        return replace(step, armed=Armed(step.armed.since_ns, lo, hi))

    def later(step: Step) -> bool:
        timer = step.text.startswith("retransmission timer of client.s") and step.armed is not None
        return timer and step.armed is not None and 0.35e9 < step.armed.lo_ns < 0.5e9

    return lambda trace: at(trace, lambda s: s.index == next(s.index for s in trace.steps if later(s)), change)


REFUSAL = ("tw_syn", "refusal", "server", "TW_SYN_REFUSED")
REFUSED_CLIENT = ("tw_syn", "assassinated", "client", "NO_SOCKET_RST")
LOSS = ("fin_wait1_loss", "gives_up", "client", "RTO_RETRANSMIT")

# trace, side, rule; what is changed; what the report says of the predicted, and of what came
REFUSED: dict[str, tuple[tuple[str, str, str, str], Mutation, str, str]] = {
    "ack one more": (REFUSAL, reply("server", ack=1), "[.] seq", "(acknowledgement)"),
    "seq one less": (REFUSAL, reply("server", seq=-1), "[.] seq", "(sequence number)"),
    "TSecr one more": (REFUSAL, reply("server", tsecr=1), "[.] seq", "(TSecr)"),
    "TSval later": (REFUSAL, reply("server", tsval=10_000), "[.] seq", "(TSval off by -"),
    "RST for ACK": (REFUSAL, reply("server", flags="R"), "[R] seq", "(flags)"),
    "data": (REFUSAL, reply("server", length=1), "len 1", "(length)"),
    "a reply left out": (REFUSAL, no_reply("server"), "nothing", "[.] seq"),
    "a reply invented": (REFUSAL, twice("server"), "[.] seq", "nothing"),
    "another state": (REFUSAL, state("server.c", "CLOSED"), "CLOSED", "TIME-WAIT"),
    "ACK for RST": (REFUSED_CLIENT, reply("client", flags="."), "[.] seq", "[R] seq"),
    "no RST": (REFUSED_CLIENT, no_reply("client"), "nothing", "[R] seq"),
    "a timer too early": (LOSS, retransmission(2), "0.8", "it 0.4"),
    "a timer too late": (LOSS, retransmission(0.5), "0.204..", "it 0.4"),
}


@functools.cache
def refusals() -> dict[str, Outcome]:
    """All of them at once: a play waits for a second, and a disagreement is tried again. So is what a busy machine
    has cut short."""
    left, found = list(REFUSED), {}
    for _ in range(3):
        plan = Plan()
        for (spec, claim, side, _), mutate, _, _ in (REFUSED[name] for name in left):
            settings = {"server_tcp_timestamps": 1, "client_tcp_timestamps": 1} if spec == "tw_syn" else {}
            plan.add(mutate(witness(spec, claim, **settings)), KERNEL, side)
        found |= dict(zip(left, replay_plan(plan, False, 6), strict=True))
        left = [name for name in left if found[name].result == CUT]
    return found


@needs_kernel
@pytest.mark.parametrize("name", REFUSED)
def test_a_changed_trace_is_refused_and_named(name: str) -> None:
    (_, _, _, rule), _, predicted, came = REFUSED[name]
    outcome = refusals()[name]
    assert outcome.result == DISAGREES
    found = outcome.played and outcome.played.disagreement
    assert found
    assert predicted in found.predicted
    assert came in found.came
    assert outcome.trace.steps[found.at].host == outcome.side
    assert found.rule == rule
    said = report.text("x", [outcome], rules=rule_lookup())
    assert f"step {found.at} at" in said and f"by {found.rule} (" in said


SYN_BY_TIMESTAMP = """
host server { kernel linux 6.18.44 %s ; run { listen :80 ; accept -> c ; close c } }
host client {
    kernel linux 6.18.44
    run {
        connect server:80 from :1000 -> a ; recv a until eof ; close a
        await { server.c in TIME-WAIT } ; sleep 1s
        connect server:80 from :1000 (seq any, tsval any) -> b
    }
}
reach it { server.c in TIME-WAIT receives SYN (seq < rcv_nxt and tsval > ts_recent and not paws_old) and %s }
"""


@needs_kernel
def test_a_flipped_rule_is_found() -> None:
    """A model that does not accept a SYN by its timestamp alone is not this kernel."""
    right = verify_text(SYN_BY_TIMESTAMP % ("", "replies SYN-ACK")).claims[0].witness
    wrong = verify_text(SYN_BY_TIMESTAMP % ("without tw_accepts_by_ts", "replies ACK")).claims[0].witness
    assert right is not None and wrong is not None
    posing = replace(wrong, hosts=tuple(replace(host, features=()) for host in wrong.hosts))
    honest, found, skipped = play([right, posing, wrong], "server")
    assert (honest.result, found.result, skipped.result) == (AGREES, DISAGREES, SKIPPED)
    assert "without tw_accepts_by_ts is not linux-6.18.44" in skipped.why
    assert found.played is not None and found.played.disagreement is not None
    assert found.played.disagreement.rule == "TW_SYN_REFUSED"
    assert found.played.disagreement.predicted.startswith("[.]")
    assert found.played.disagreement.came.startswith("[S.]")


# ---- the command


@pytest.fixture
def trace_file(tmp_path: Path) -> Iterator[Callable[[Trace], str]]:
    def write(trace: Trace) -> str:
        path = tmp_path / "trace.json"
        path.write_text(render_json.dumps(render_json.trace(trace)))
        return str(path)

    yield write


@needs_kernel
def test_the_command_and_its_document(trace_file: Callable[[Trace], str], capsys: pytest.CaptureFixture[str]) -> None:
    trace = witness("simultaneous_close", "closing")
    name = trace_file(trace)
    assert main(["replay", name, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, render_json.schema("replay/1"))
    assert [(r["side"], r["result"]) for r in document["replays"]] == [("a", "agrees"), ("b", "agrees")]
    assert document["replays"][0]["agreed"] == document["replays"][0]["steps"] > 0
    assert main(["replay", trace_file(reply("a", ack=1)(trace)), "--side", "a", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, render_json.schema("replay/1"))
    assert document["replays"][0]["disagreement"]["what"] == "packet"
    assert main(["replay", name, "--side", "b"]) == 0
    said = capsys.readouterr().out
    assert "closing as b: 4 steps" in said and "1 sides of traces on linux 6.18.44: 1 agree" in said


@needs_kernel
def test_a_host_of_another_kernel_agrees_where_the_two_do_the_same(
    trace_file: Callable[[Trace], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Linux 4.4 in CLOSE-WAIT does what 6.18 does; only later would it send a SYN again after another time."""
    name = trace_file(witness("close_wait_syn", "bucket"))
    assert main(["replay", name, "-q"]) == 0
    said = capsys.readouterr().out
    assert said.count("; as linux-4.4 does") == 2 and "2 agree" in said


@needs_kernel
def test_a_host_of_another_kernel_is_skipped_where_they_differ(
    trace_file: Callable[[Trace], str], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = verify_text(SYN_BY_TIMESTAMP % ("without tw_accepts_by_ts", "replies ACK")).claims[0].witness
    assert wrong is not None
    assert main(["replay", trace_file(wrong), "-q", "--side", "server"]) == 4
    said = capsys.readouterr()
    assert "skipped   it as server: linux-6.18.44 without tw_accepts_by_ts is not linux-6.18.44; at step" in said.out
    assert "1 skipped" in said.out and "nothing could be played" in said.err


@needs_kernel
@pytest.mark.parametrize("spec", ["opening/self_connect", "seeds/004_syn_to_close_wait"])
def test_a_host_that_talks_to_itself(spec: str) -> None:
    """Connected to itself, to another of its ports, or to one on which nobody listens."""
    outcomes = play(first_of_each_claim(spec))
    assert {o.result for o in outcomes} <= {AGREES, CUT}
    assert {o.side for o in outcomes} <= {"h", "localhost:12345", "localhost:39836"}


@needs_kernel
def test_a_host_that_crashes() -> None:
    """The machine after the crash knows nothing of what was before, and begins as far from it as in the trace."""
    trace = witness("closing/crash_client", "fig9")
    (outcome,) = play([trace], "client")
    assert outcome.result == AGREES
    assert "crash" in [s.text for s in trace.steps]
    assert any("SYNSENT_BAD_ACK_RST" in step.rules for step in trace.steps if step.host == "client")


SCALED = """
host server { kernel linux 6.18.44 ; run { listen :80 backlog 1 ; accept -> c ; send c 100B } }
host client { kernel linux 6.18.44 ; run { connect server:80 -> s ; recv s 100B } }
reach sent { client.s gets 100B }
"""


@needs_kernel
def test_the_windows_played_are_scaled_as_in_the_trace() -> None:
    """An ACK with the number 63 offers 63 units of 1,024 bytes: room for 100."""
    (claim,) = verify_text(SCALED).claims
    assert claim.witness is not None
    assert 63 in {s.segment.window >> (s.segment.wscale or 0) for s in claim.witness.steps if s.segment}
    (outcome,) = play([claim.witness], "server")
    assert outcome.result == AGREES


STRANGER = """
host server { kernel linux 6.18.44 ; run { listen :80 backlog 1 ; accept -> c } }
host client { kernel linux 6.18.44 ; run { connect server:80 from :1000 -> s } }
host bare { kernel none ; run { inject SYN from :1000 to server:80 (seq = 5) ; receive SYN-ACK -> p } }
attacker { await { server.c in ESTABLISHED } ; inject RST from client:1000 to server:80 (seq any) }
reach killed { server.c receives RST (forged) and becomes CLOSED }
"""


@needs_kernel
def test_hosts_without_a_kernel_are_not_played() -> None:
    """What they and attackers inject comes from outside."""
    trace = verify_text(STRANGER).claims[0].witness
    assert trace is not None and [host.kernel for host in trace.hosts].count("none") == 2
    outcomes = play([trace])
    assert [(o.side, o.result) for o in outcomes] == [("server", AGREES), ("client", AGREES)]


@needs_kernel
def test_verify_lets_the_kernel_confirm(capsys: pytest.CaptureFixture[str]) -> None:
    spec = str(SPECS / "simultaneous_open.tcp")
    assert main(["verify", spec, "--replay"]) == 0
    said = capsys.readouterr()
    assert "confirmed by z3, a concrete re-run and a live kernel" in said.out
    assert "1 of 1 traces confirmed by the running linux 6.18.44" in said.err
    assert main(["verify", spec, "--replay", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    validate(document)
    (trace,) = [claim["witness"] for claim in document["claims"] if claim["witness"]]
    assert trace["confirmed_by"] == ["z3", "concrete-rerun", "kernel"]
    assert main(["verify", spec, "--wait"]) == 2
    assert main(["verify", str(SPECS / "close_wait_syn.tcp"), "--replay", "--claim", "bucket"]) == 0
    said = capsys.readouterr()
    assert "0 of 1 traces confirmed by the running linux 6.18.44, 1 of other kernels" in said.err
    assert "live kernel" not in said.out


@needs_kernel
def test_verify_is_loud_about_a_kernel_that_disagrees(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One rule flipped, and the model taken for this kernel's."""
    monkeypatch.setattr("tcpcheck.live.replay.other_than", lambda host, kernel: "")
    path = tmp_path / "flipped.tcp"
    path.write_text(SYN_BY_TIMESTAMP % ("without tw_accepts_by_ts", "replies ACK"))
    assert main(["verify", str(path), "--replay", "-q", "--color"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "THE KERNEL DISAGREES as server at step" in said and "by TW_SYN_REFUSED, came [S.]" in said
    assert "live kernel" not in said
    assert main(["verify", str(path), "--replay", "-q", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert [(c["verdict"], c["ok"]) for c in document["claims"]] == [("reachable", False)]


@needs_kernel
def test_several_specs_end_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(SPECS / f"simultaneous_{what}.tcp") for what in ("open", "close")]
    assert main(["replay", *names, "-q"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert rows[-5:-1] == [
        ["agrees", "cut", "disagrees", "skipped"],
        [names[0], "2", "-", "-", "-"],
        [names[1], "2", "-", "-", "-"],
        ["all", "4", "-", "-", "-"],
    ]


def test_one_claim_as_trace_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert files_and_claim(("x.tcp", "refusal"), None) == (("x.tcp",), "refusal")
    assert files_and_claim(("x.tcp", "y.tcp", "it"), None) == (("x.tcp", "y.tcp"), "it")
    for files in (("x.tcp",), ("refusal",), ("x.tcp", "t.json"), ("x.tcp", "no/such"), ("x.tcp", "folder")):
        (tmp_path / "folder").mkdir(exist_ok=True)
        assert files_and_claim(files, None) == (files, None)
    with pytest.raises(UsageError, match="two claims, `it` and `other`"):
        files_and_claim(("x.tcp", "it"), "other")


def test_a_claim_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(SPECS / "simultaneous_open.tcp"), "crosed"]) == 2
    assert "did you mean `crossed`?" in capsys.readouterr().err


@needs_kernel
def test_the_command_with_one_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(SPECS / "simultaneous_open.tcp"), "crossed", "--json", "-q"]) == 0
    assert {r["claim"] for r in json.loads(capsys.readouterr().out)["replays"]} == {"crossed"}


def test_without_a_tun_device_it_is_impossible(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(namespace, "_TUN", "/dev/net/no-such-device")
    assert main(["replay", str(SPECS / "simultaneous_open.tcp"), "-q"]) == 4
    error = capsys.readouterr().err.strip()
    assert "a replay needs" in error and "\n" not in error


def _with(trace: Trace, **fields: object) -> Trace:
    return at(trace, lambda s: s.segment is not None, lambda s: replace(s, segment=_changed(s.segment, fields)))


def _changed(seg: Segment | None, fields: dict[str, object]) -> Segment:
    assert seg is not None
    return replace(seg, **fields)  # type: ignore[arg-type]


BAD: dict[str, Mutation] = {
    "an unknown host": lambda t: _with(t, dst="nobody"),
    "a number of 33 bits": lambda t: _with(t, seq=1 << 32),
    "a payload that no packet holds": lambda t: _with(t, length=70_000),
    "an unknown kernel": lambda t: replace(t, hosts=tuple(replace(h, kernel="minix 2") for h in t.hosts)),
    "an unknown sysctl": lambda t: replace(t, hosts=tuple(replace(h, sysctls={"kernel.x": 1}) for h in t.hosts)),
    "no hosts": lambda t: replace(t, hosts=()),
    "a setting that is none": lambda t: replace(t, settings={"; rm -rf": 1}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_trace_that_makes_no_sense_is_bad_input(name: str) -> None:
    with pytest.raises(UsageError):
        Plan().add(BAD[name](witness("simultaneous_close", "closing")), KERNEL)


def test_every_kind_of_family_may_be_a_setting() -> None:
    text = """title "x"
host a {
    kernel linux 6.18.44
    sysctl net.ipv4.tcp_sack = {0, 1}
    run { listen :80 backlog {1, 2} -> room ; sleep {1s, 2s} ; sleep {3s, 4s} ; sysctl net.ipv4.tcp_sack = {0, 1} }
}
network { delay {1ms, 2ms} }
reach ends { a takes LISTEN_OPENED }
"""
    trace = tcpcheck.trace(text, "ends")
    assert {"network.delay", "room", "a.sleep", "a.sleep#2", "a.net.ipv4.tcp_sack#2"} <= trace.settings.keys()
    Plan().add(trace, KERNEL)


def test_a_trace_in_which_nothing_happens(
    trace_file: Callable[[Trace], str], capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan()
    plan.add(replace(witness("simultaneous_close", "closing"), steps=()), KERNEL)
    assert [part.why_not for part in plan.parts] == ["nothing happens in this trace"]
    name = trace_file(replace(witness("simultaneous_close", "closing"), steps=()))
    assert main(["replay", name]) == 0
    assert "skipped" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "tcpcheck.trace/1"}', "[" * 100_000])
def test_a_file_that_is_no_trace(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    assert main(["replay", str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"flags": "S"', '"flags": "XYZ"', "steps[1].segment.flags: 'XYZ' does not match"),
        ('"time_s": 0.0', '"time_s": NaN', "no JSON"),
        ('"time_s": 0.0', '"time_s": 1e999', "steps[0].time_s: inf is greater than the maximum"),
        ('"time_s": 0.0,', "", "steps[0]: 'time_s' is a required property"),
    ],
)
def test_a_trace_mended_by_hand(
    old: str, new: str, said: str, trace_file: Callable[[Trace], str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(trace_file(witness("simultaneous_open", "crossed")))
    path.write_text(path.read_text().replace(old, new, 1))
    assert main(["replay", str(path)]) == 2
    error = capsys.readouterr().err
    assert said in error and str(path) in error


def test_a_side_that_is_not_there(trace_file: Callable[[Trace], str], capsys: pytest.CaptureFixture[str]) -> None:
    name = trace_file(witness("simultaneous_close", "closing"))
    with pytest.raises(UsageError, match="choose a or b"):
        Plan().add(witness("simultaneous_close", "closing"), KERNEL, "c")
    assert main(["replay", name, "--claim", "other"]) == 2
    assert main(["replay", name, "--kernel", "minix"]) == 2
    capsys.readouterr()
