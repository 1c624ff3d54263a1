"""What a map can be over: a spec's named choices, and differences of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tcpcheck.errors import SpecError, UsageError
from tcpcheck.knowledge import REGISTRY
from tcpcheck.lang import load_text
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.diagnostics import nearest
from tcpcheck.lang.scenario import Case, Scenario
from tcpcheck.lang.wording import expr_words, pred_words
from tcpcheck.mapping.moments import Asked
from tcpcheck.mapping.result import Quantity
from tcpcheck.model.spellings import STATE_BITS

MET = {
    "seq": "rcv_nxt",
    "ack": "snd_nxt",
    "tsval": "ts_recent",
}  # what the number of an injected segment is held against


@dataclass(frozen=True)
class Family:
    """Values are members. key: where a Case has its value; follows: settings that change with it."""

    name: str
    values: tuple[str, ...]

    def value(self, case: Case) -> str:
        return str(case.chosen[self.name] if self.name in case.chosen else case.settings[self.name])


@dataclass(frozen=True)
class Searched:
    """A named range, a number of a connect() or of an injected segment, or a difference. field: seq, tsval, ...; sock:
    what connects; host: to whom; injected: no socket sends it; difference: the expression as asked for."""

    name: str
    field: str = ""
    sock: sc.Named | None = None
    host: str = ""
    injected: bool = False
    difference: sc.Expr | None = None


def resolve(scenario: Scenario, name: str) -> Family | Searched:
    """What `--over NAME` means. UsageError: no such name."""
    family = _family(scenario, name)
    if family is not None:
        return family
    searched = {s.name: s for case in scenario.cases for s in _searched(case)}
    if name in searched:
        if _nameless(searched[name]):
            raise UsageError(f"the connection that `{name}` is a number of has no name: `connect ... (...) -> s`")
        return searched[name]
    if " - " in name:
        return Searched(name, difference=_difference(scenario, name))
    known = [*searched, *scenario.cases[0].chosen, *scenario.cases[0].settings]
    near = nearest(name, known)
    hint = f"did you mean `{near}`?" if near else f"its choices are {', '.join(dict.fromkeys(known))}" if known else ""
    hint = hint or "it names none: `sleep 0s..60s -> gap`, `(seq any -> isn)`, `{0, 1} -> x`"
    raise UsageError(f"no choice `{name}` in {scenario.file}: {hint}")


def searched_names(scenario: Scenario) -> list[str]:
    """The named pauses and numbers of a spec that a map can be over. Families are left out: their members have verdicts
    of their own."""
    found = (s for case in scenario.cases for s in _searched(case))
    return list(dict.fromkeys(s.name for s in found if not _nameless(s) and _family(scenario, s.name) is None))


def _nameless(one: Searched) -> bool:
    """A number of a connection that the spec cannot speak of."""
    return one.field == "seq" and one.sock is None and not one.injected


def _family(scenario: Scenario, name: str) -> Family | None:
    case = scenario.cases[0]
    keys = [k for k in case.settings if name in (k, k.replace(".net.ipv4.", "."))]
    key = name if name in case.chosen else keys[0] if keys else None
    if key is None:
        return None
    family = Family(key, ())
    return Family(key, tuple(dict.fromkeys(family.value(c) for c in scenario.cases)))


def groups(scenario: Scenario, family: Family) -> list[tuple[dict[str, int | str], list[Case]]]:
    """The members of the other families, each with its cases in the order of the family's values."""
    case = scenario.cases[0]
    own = {k for k in case.settings if all(str(c.settings[k]) == family.value(c) for c in scenario.cases)}
    found: dict[tuple[tuple[str, str], ...], tuple[dict[str, int | str], list[Case]]] = {}
    for c in scenario.cases:
        rest = {k: v for k, v in c.settings.items() if k not in own}
        found.setdefault(tuple((k, str(v)) for k, v in rest.items()), (rest, []))[1].append(c)
    return list(found.values())


def _searched(case: Case) -> Iterator[Searched]:
    for host in case.hosts:
        for run in host.runs:
            for step in steps(run.body):
                if isinstance(step, sc.Sleep) and step.time.name:
                    yield Searched(step.time.name)
                if isinstance(step, sc.Connect):
                    for field, value in (("seq", step.seq), ("tsval", step.tsval)):
                        if isinstance(value, sc.Any32) and value.name:
                            sock = sc.Named(host.name, step.name, None, step.span) if step.name else None
                            yield Searched(value.name, field, sock, step.host)
                if isinstance(step, sc.Inject):
                    fields = (("seq", step.seq), ("ack", step.ack), ("tsval", step.tsval), ("tsecr", step.tsecr))
                    for field, value in fields:
                        if isinstance(value, sc.Any32) and value.name:
                            yield Searched(value.name, field, None, step.dst, injected=True)


def steps(body: Sequence[sc.Step]) -> Iterator[sc.Step]:
    """All steps of a program, those within others too."""
    for step in body:
        yield step
        for inner in (getattr(step, "body", None), getattr(step, "orelse", None), *getattr(step, "bodies", ())):
            yield from steps(inner or ())


def _difference(scenario: Scenario, text: str) -> sc.Expr:
    """`client.s2.iss - client.s1.iss`, read as the spec's own counts are."""
    example = "a difference of two variables is meant, as `client.s2.iss - client.s1.iss`"
    try:
        whole = load_text(f"{scenario.source}\ncount _map_ over {text} {{ quiet }}", scenario.file, REGISTRY)
    except SpecError as wrong:
        said = wrong.diagnostics[0].message
        raise UsageError(f"cannot map over `{text}`: {example if said.startswith('unexpected') else said}") from None
    claim = whole.cases[0].claims[-1]
    if claim.name != "_map_" or claim.over is None:
        raise UsageError(f"cannot map over `{text}`: {example}")
    return claim.over


def quantity(
    case: Case, searched: Searched, moment: Asked, moments: Sequence[Asked]
) -> tuple[Asked, sc.Expr, Quantity] | None:
    """A moment, and what the map is over there; None where that is nothing.

    A sequence number or timestamp by itself says nothing. A sequence number is taken from where the receiver counts:
    `rcv_nxt` of the moment's socket, or else of the first that the claims name there. A timestamp is that of the
    segment received (it runs on in retransmissions), taken from the `ts_recent` it is compared with. A number of an
    injected segment is taken from what the socket has that it comes to first, as in `count`."""
    if searched.difference is not None:
        text = expr_words(searched.difference)
        return moment, searched.difference, Quantity(searched.name, text, "number", 0, (1 << 32) - 1)
    unknown = sc.Unknown(searched.name, None, moment.span)
    if searched.injected:
        met = f" - {MET[searched.field]}" if searched.field in MET else ""
        return moment, unknown, Quantity(searched.name, searched.name + met, "number", 0, (1 << 32) - 1)
    if not searched.field:
        lo, hi = _range(case, searched.name)
        return moment, unknown, Quantity(searched.name, searched.name, "duration", lo, hi)
    over: sc.Expr
    if searched.field == "tsval":
        known = _of_timestamp(searched, moment)
        if known is None:
            return None
        moment, over = known
    else:
        assert searched.sock is not None
        over = sc.SockVar(searched.sock, "iss", moment.span)
        sock = _receiver(moment, searched.host) or _receiver_elsewhere(case, moments, searched.host)
        if sock is not None:
            over = sc.Sub(over, sc.SockVar(sock, "rcv_nxt", moment.span))
    text = searched.name + (f" - {expr_words(over.right)}" if isinstance(over, sc.Sub) else "")
    return moment, over, Quantity(searched.name, text, "number", 0, (1 << 32) - 1)


def _range(case: Case, name: str) -> tuple[int, int]:
    bodies = (run.body for host in case.hosts for run in host.runs)
    sleeps = (s.time for body in bodies for s in steps(body) if isinstance(s, sc.Sleep))
    return next((t.lo, t.hi) for t in sleeps if t.name == name)


def _of_timestamp(searched: Searched, moment: Asked) -> tuple[Asked, sc.Expr] | None:
    """The moment with a segment that has one, and its distance."""
    sock, event = _receiver(moment, searched.host), moment.receives
    if sock is None or event is None:
        return None
    has = sc.Flag("tsval", event.span)
    where = has if event.seg.where is None else sc.And((event.seg.where, has))
    received = replace(event, seg=replace(event.seg, where=where))
    parts = moment.pred.parts if isinstance(moment.pred, sc.And) else (moment.pred,)
    pred = sc.And(tuple(received if p is event else p for p in parts))
    if searched.sock is not None:  # a connection that is not there yet has sent none
        pred = sc.And((*pred.parts, sc.InState(searched.sock, tuple(STATE_BITS), event.span)))
    over = sc.Sub(sc.InField("tsval", event.span), sc.SockVar(sock, "ts_recent", event.span))
    return Asked(pred_words(sc.And(parts)), pred, received, moment.span), over


def _receiver(moment: Asked, host: str) -> sc.Named | sc.PortSock | None:
    """The socket of that host that the moment is about."""
    subject = moment.receives.subject if moment.receives is not None else None
    return subject if isinstance(subject, sc.Named | sc.PortSock) and subject.host == host else None


def _receiver_elsewhere(case: Case, moments: Sequence[Asked], host: str) -> sc.Named | sc.PortSock | None:
    """The first that a moment is about; of several of one name the first."""
    sock = next((r for m in moments if (r := _receiver(m, host))), None)
    if not isinstance(sock, sc.Named) or sock.index is not None:
        return sock
    loops = (
        s for h in case.hosts if h.name == host for run in h.runs for s in steps(run.body) if isinstance(s, sc.Loop)
    )
    again = any(getattr(s, "name", None) == sock.name for loop in loops for s in steps(loop.body))
    return replace(sock, index=1) if again else sock
