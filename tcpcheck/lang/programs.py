"""The steps of a host's runs -> scenario.py, and what can be known of their order before they run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tcpcheck.errors import Span
from tcpcheck.lang import ast
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.choices import COUNT, RATE, SIZE, SYSCTL, TIME, Choices, Env, Interval
from tcpcheck.lang.diagnostics import Mistakes, nearest
from tcpcheck.lang.expressions import Expressions, Place
from tcpcheck.lang.firewall import read_line
from tcpcheck.lang.inject import Injecting, local_sockets
from tcpcheck.lang.predicates import Predicates
from tcpcheck.lang.registry import Registry
from tcpcheck.lang.scope import HostScope, Scope, collect, steps_within
from tcpcheck.lang.sockopts import OPTIONS, OTHERS
from tcpcheck.lang.vocabulary import FIELDS_OF_CONNECT, SEQ, TS, time_text

BACKLOG_DEFAULT = 4096  # SOMAXCONN; the kernel takes the smaller of this and net.core.somaxconn
BACKLOG_MAX = 2**31 - 1
BYTES_MAX = 2**30  # of one send or recv: no two of its numbers may be more than half the circle apart
BULK_MAX = 2**36  # of one send at a rate: sixteen times round
RATE_MIN, RATE_MAX = 10**3, 10**15
ROUNDS_MAX = 1000
TIME_MAX = 100 * 86400 * sc.SECOND  # two wraps of a timestamp clock of 1 ms
_FIELD_KINDS = {"seq": SEQ, "tsval": TS}
_BARE_STEPS = (ast.Inject, ast.Receive, ast.Sleep, ast.Await, ast.Loop, ast.Either, ast.Exit, ast.Stop)
_STEP_WORDS: dict[type, str] = {ast.Await: "await"}


@dataclass
class Bound:
    """What is known at a step: the names surely bound by this run, whether it listens, whether the step is reached."""

    names: set[str] = field(default_factory=set)
    listens: bool = False
    ended: Span | None = None  # the step after which nothing runs
    said_unreachable: bool = False
    down: bool = False  # between `crash` and `boot`
    booted: bool = False

    def copy(self) -> Bound:
        return replace(self, names=set(self.names))

    def join(self, branches: list[Bound]) -> None:
        """After alternatives: what all of those that go on have in common."""
        going_on = [b for b in branches if b.ended is None]
        if not going_on:
            self.ended = branches[0].ended
            return
        self.names = set.intersection(*(b.names for b in going_on))
        self.listens = all(b.listens for b in going_on)
        self.down = any(b.down for b in going_on)
        self.booted = any(b.booted for b in going_on)


class Programs:
    def __init__(
        self,
        scope: Scope,
        choices: Choices,
        expressions: Expressions,
        predicates: Predicates,
        mistakes: Mistakes,
        registry: Registry | None,
    ) -> None:
        self.scope = scope
        self.choices = choices
        self.x = expressions
        self.predicates = predicates
        self.mistakes = mistakes
        self.registry = registry
        self._switched_on: dict[str, list[sc.FirewallRule]] = {}

    def run(self, node: ast.Run, name: str, host: HostScope, kernel: str, env: Env) -> sc.Run:
        return sc.Run(name, _Lowering(self, node, host, kernel, env).steps(node.body, Bound()))

    def sysctl_value(self, node: ast.Sysctl, kernel: str, env: Env) -> int | None:
        """The value of a sysctl in this member; None after a mistake."""
        name, span = node.name.text, node.name.span
        if node.second is not None:
            self.mistakes.not_yet(node.second.span, "a sysctl with two numbers", None)
            return None
        known = self.registry is None or name in self.registry.sysctls()
        if not known:
            assert self.registry is not None
            self.mistakes.unknown(span, "sysctl", name, self.registry.sysctls())
        interval = self.choices.value(node.choice, SYSCTL, env)
        if interval is None or not known:
            return None
        if interval.lo != interval.hi:
            self.mistakes.error(
                node.choice.span, "a sysctl has one value at a time", advice="for one verdict each, write `{0, 1}`"
            )
            return None
        if self.registry is not None:
            problem = self.registry.check_sysctl(name, interval.lo)
            if problem:
                self.mistakes.error(
                    node.choice.span,
                    problem,
                )
                return None
            if kernel and not self.registry.effective(kernel, name):
                self.mistakes.warning(
                    span, f"`{name}` has no effect in {kernel}", "remove it, or choose another kernel"
                )
        return interval.lo

    def rules_switched_on(self, host: HostScope) -> list[sc.FirewallRule]:
        """The rules that some `-A` or `-I` line of the host switches on."""
        if host.name not in self._switched_on:
            nodes = [i for i in host.node.items if isinstance(i, ast.Iptables)]
            for run in host.node.items:
                if isinstance(run, ast.Run):
                    nodes += [s for s, _ in steps_within(run.body) if isinstance(s, ast.Iptables)]
            read = [read_line(node, host, self.scope, self.mistakes) for node in nodes]
            rules = [r[1] for r in read if r is not None and r[0]]
            self._switched_on[host.name] = [rule for rule in rules if isinstance(rule, sc.FirewallRule)]
        return self._switched_on[host.name]

    # ---- values

    def exact(self, choice: ast.Choice, kind: str, most: int, what: str, env: Env) -> int:
        """One number, at most `most`."""
        interval = self.choices.value(choice, kind, env)
        if interval is None:
            return 1
        if interval.lo != interval.hi:
            self.mistakes.not_yet(choice.span, f"a range as {what}", "for one verdict each, write a family `{a, b}`")
        self.at_most(choice.span, interval, most, what)
        return interval.lo

    def at_most(self, span: Span, interval: Interval, most: int, what: str) -> None:
        if interval.hi > most:
            shown = time_text(most) if most == TIME_MAX else str(most)
            self.mistakes.error(
                span,
                f"{what} is at most {shown}",
            )


class _Lowering:
    """One run in one member of the families. `kernel` is "" after a mistake."""

    def __init__(self, programs: Programs, node: ast.Run, host: HostScope, kernel: str, env: Env) -> None:
        self.p = programs
        self.mistakes = programs.mistakes
        self.host = host
        self.kernel = kernel
        self.env = env
        own = HostScope(host.name, host.node, host.address)
        others = [i for i in host.node.items if isinstance(i, ast.Run) and i is not node]
        for other in others:
            collect(other.body, 1, own)
        self.bound_elsewhere = set(own.bindings)
        self.injecting = Injecting(programs, host, self._sock)

    def steps(self, nodes: tuple[ast.Step, ...], bound: Bound) -> tuple[sc.Step, ...]:
        out: list[sc.Step] = []
        for node in nodes:
            if bound.ended is not None and not bound.said_unreachable:
                bound.said_unreachable = True
                self.mistakes.warning(node.span, "this is never reached", f"line {bound.ended.line} ends the run")
            step = self.step(node, bound)
            if step is not None:
                out.append(step)
        return tuple(out)

    def step(self, node: ast.Step, bound: Bound) -> sc.Step | None:
        if not self._possible(node):
            return None
        self._powered(node, bound)
        method = getattr(self, "_" + type(node).__name__.lower())
        result: sc.Step | None = method(node, bound)
        return result

    def _possible(self, node: ast.Step) -> bool:
        """Is this a step for a host with, or without, a TCP? After a mistake in its kernel either will do."""
        word = _STEP_WORDS.get(type(node), type(node).__name__.lower())
        if isinstance(node, ast.Call):
            word = type(node.call).__name__.lower()
        if self.kernel == "none" and not isinstance(node, _BARE_STEPS):
            advice = "it can `receive`, `inject`, `sleep`, `await`, `loop`, `either`, `exit`, `stop`"
            self.mistakes.error(node.span, f"`{word}` needs a TCP, and `{self.host.name}` has none", advice=advice)
            return False
        if self.kernel not in ("none", "") and isinstance(node, (ast.Inject, ast.Receive)):
            advice = "put it into an `attacker { ... }` or a host with `kernel none`"
            self.mistakes.error(node.span, f"`{word}` bypasses the TCP that `{self.host.name}` has", advice=advice)
            return False
        return True

    # ---- names

    def _sock(self, word: ast.Word, bound: Bound) -> str:
        """A socket used in a step: bound before by this run, or by another run of the host."""
        name = word.text
        if name not in self.host.bindings:
            self.p.x.known_socket(word, self.host)
        elif name not in bound.names and name not in self.bound_elsewhere:
            known = sorted(bound.names)
            self.mistakes.error(
                word.span,
                f"`{name}` is not bound yet",
                expected=known,
                near=nearest(name, known),
                advice="move this after the step that binds it (`-> NAME`) on every way here",
            )
        return name

    def _bind(self, word: ast.Word | None, bound: Bound) -> str | None:
        if word is None:
            return None
        bound.names.add(word.text)
        return word.text

    # ---- calls

    def _call(self, node: ast.Call, bound: Bound) -> sc.Step | None:
        before = bound.copy()
        call = node.call
        step: sc.Step | None
        if isinstance(call, ast.Listen):
            if node.orelse is not None:
                self.mistakes.not_yet(node.span, "`else` after `listen`", "remove the `else`")
            return self._listen(call, bound)
        orelse = None
        if isinstance(call, ast.Connect):
            step = self._connect(call, bound)
            before.names |= bound.names  # a refused socket exists, and is CLOSED
        elif isinstance(call, ast.Accept):
            step = self._accept(call, bound)
        elif isinstance(call, ast.Send):
            step = self._send(call, bound)
        else:
            step = self._recv(call, bound)
        if node.orelse is not None:
            orelse = self.steps(node.orelse, before)
            bound.join([bound.copy(), before])
        if step is None or orelse is None:
            return step
        assert isinstance(step, (sc.Accept, sc.Connect, sc.Send, sc.Recv))
        return replace(step, orelse=orelse)

    def _listen(self, node: ast.Listen, bound: Bound) -> sc.Step:
        if node.at.host is not None and node.at.host.text != self.host.name:
            self.mistakes.error(node.at.span, "a host listens on its own ports", advice="as in `listen :80`")
        port = 0
        if node.at.port is None:
            self.mistakes.not_yet(node.at.span, "`listen :any`", "name a port")
        else:
            port = self.p.x.port(node.at.port)
        backlog = BACKLOG_DEFAULT
        if node.backlog is not None:
            backlog = self.p.exact(node.backlog, COUNT, BACKLOG_MAX, "a backlog", self.env)
        bound.listens = True
        if bound.booted:
            self.mistakes.not_yet(node.span, "`listen` after `boot`", "let another host listen")
        return sc.Listen(port, self._bind(node.name, bound), backlog, node.span)

    def _accept(self, node: ast.Accept, bound: Bound) -> sc.Step:
        if not bound.listens:
            self.mistakes.error(
                node.span, "`accept` without `listen`", advice="put `listen :PORT` before it in this run"
            )
        self._bind(node.name, bound)
        return sc.Accept(node.name.text, None, node.span)

    def _connect(self, node: ast.Connect, bound: Bound) -> sc.Step | None:
        target = None
        if node.to.host is None:
            self.mistakes.error(
                node.to.span, "connect to which host?", expected=self.p.scope.hosts, advice="as in `server:80`"
            )
        else:
            target = self.p.scope.host(node.to.host)
        if node.to.port is None:
            self.mistakes.error(node.to.span, "connect to which port?", advice="as in `server:80`")
        lport = None
        if node.source is not None:
            if node.source.host is not None and node.source.host.text != self.host.name:
                self.mistakes.error(node.source.span, "a host connects from itself", advice="as in `from :1000`")
            if node.source.port is not None:
                lport = self.p.x.port(node.source.port)
        chosen: dict[str, sc.Any32 | sc.Expr] = {}
        for item in node.fields:
            self._field(item, chosen, bound)
        name = self._bind(node.name, bound)
        if target is None or node.to.port is None:
            return None
        port = self.p.x.port(node.to.port)
        if bound.booted:  # new secrets and a new clock: nothing ties its numbers to those of before
            chosen = {"seq": sc.Any32(), "tsval": sc.Any32()} | chosen
        return sc.Connect(target.name, port, lport, chosen.get("seq"), chosen.get("tsval"), name, None, node.span)

    def _field(self, item: ast.Field, chosen: dict[str, sc.Any32 | sc.Expr], bound: Bound) -> None:
        name = item.field.text
        if name not in FIELDS_OF_CONNECT:
            self.mistakes.unknown(item.field.span, "field of connect", name, FIELDS_OF_CONNECT)
            return
        if name in chosen:
            self.mistakes.error(item.field.span, f"`{name}` is given twice", advice="remove one")
        if isinstance(item, ast.AnyField):
            chosen[name] = sc.Any32(item.name.text if item.name else None)
            return
        if name == "tsval":
            self.mistakes.not_yet(item.span, "a `tsval` of one's own", "write `tsval any`")
        expr, kind = self.p.x.expr(item.expr, Place(host=self.host), self.env)
        for used in local_sockets(item.expr):
            self._sock(used, bound)
        if kind not in ("constant", _FIELD_KINDS[name]):
            self.mistakes.error(
                item.expr.span,
                f"`{name}` is a {_FIELD_KINDS[name]}, this is a {kind}",
                advice="as in `s1.snd_nxt + 1`",
            )
        if isinstance(expr, sc.Const):
            expr = sc.Const(expr.value % 2**32)
        chosen[name] = expr

    def _send(self, node: ast.Send, bound: Bound) -> sc.Step:
        rate = None
        if node.rate is not None:
            known = len(self.mistakes.errors)
            rate = self.p.exact(node.rate, RATE, RATE_MAX, "a rate in bit/s", self.env)
            if rate < RATE_MIN and len(self.mistakes.errors) == known:
                self.mistakes.error(node.rate.span, "a rate is at least 1kbit/s")
        most = BYTES_MAX if rate is None else BULK_MAX
        size = self.p.exact(node.size, SIZE, most, "the size of a `send`", self.env)
        if size < 1:
            self.mistakes.error(
                node.size.span,
                "`send` sends at least 1B",
            )
        return sc.Send(self._sock(node.sock, bound), size, None, node.span, rate)

    def _recv(self, node: ast.Recv, bound: Bound) -> sc.Step:
        size = None
        if node.size is not None:
            size = self.p.exact(node.size, SIZE, BYTES_MAX, "the size of a `recv`", self.env)
            if size < 1:
                self.mistakes.error(
                    node.size.span,
                    "`recv` waits for at least 1B",
                )
        return sc.Recv(self._sock(node.sock, bound), size, node.until_eof, None, node.span)

    # ---- other steps

    def _close(self, node: ast.Close, bound: Bound) -> sc.Step:
        return sc.Close(self._sock(node.sock, bound), node.span)

    def _abort(self, node: ast.Abort, bound: Bound) -> sc.Step:
        return sc.Abort(self._sock(node.sock, bound), node.span)

    def _shutdown(self, node: ast.Shutdown, bound: Bound) -> sc.Step:
        return sc.Shutdown(self._sock(node.sock, bound), node.way, node.span)

    def _sleep(self, node: ast.Sleep, bound: Bound) -> sc.Step | None:
        interval = self.p.choices.value(node.time, TIME, self.env)
        if interval is None:
            return None
        self.p.at_most(node.time.span, interval, TIME_MAX, "a `sleep`")
        return sc.Sleep(sc.Range(interval.lo, interval.hi, interval.name), node.span)

    def _await(self, node: ast.Await, bound: Bound) -> sc.Step:
        return sc.Await(self.p.predicates.awaited(node.pred, self.env), node.span)

    def _exit(self, node: ast.Exit, bound: Bound) -> sc.Step:
        bound.ended = node.span
        return sc.Exit(node.span)

    def _stop(self, node: ast.Stop, bound: Bound) -> sc.Step:
        bound.ended = node.span
        return sc.Stop(node.span)

    def _loop(self, node: ast.Loop, bound: Bound) -> sc.Step:
        count = None
        if node.count is not None:
            count = node.count.number or 0
            if not 1 <= count <= ROUNDS_MAX:
                self.mistakes.error(
                    node.count.span,
                    f"a `loop` has 1 to {ROUNDS_MAX} rounds",
                )
        elif not _waits(node.body):
            self.mistakes.error(
                node.span,
                "this `loop` never waits: it would spin for ever",
                advice="put an `accept` or a `sleep` in it",
            )
        inner = bound.copy() if count is None else bound
        if any(isinstance(step, ast.Crash) for step, _ in steps_within(node.body)):
            self.mistakes.not_yet(node.span, "`crash` in a loop", "write the rounds one after the other")
        body = self.steps(node.body, inner)
        if count is None:
            bound.ended = bound.ended or node.span
        return sc.Loop(count, body, node.span)

    def _either(self, node: ast.Either, bound: Bound) -> sc.Step:
        branches = [bound.copy() for _ in node.bodies]
        bodies = tuple(self.steps(body, b) for body, b in zip(node.bodies, branches, strict=True))
        bound.join(branches)
        return sc.Either(bodies, node.span)

    def _sysctl(self, node: ast.Sysctl, bound: Bound) -> sc.Step | None:
        value = self.p.sysctl_value(node, self.kernel, self.env)
        return None if value is None else sc.SetSysctl(node.name.text, value, node.span)

    def _iptables(self, node: ast.Iptables, bound: Bound) -> sc.Step | None:
        read = read_line(node, self.host, self.p.scope, self.mistakes)
        if read is None:
            return None
        on, rule = read
        if isinstance(rule, sc.NatRule):
            return None  # refused: routers.py
        if not on and rule not in self.p.rules_switched_on(self.host):
            self.mistakes.warning(
                node.span, "this has no effect: no line switches this rule on", "spell it as its `-A`"
            )
        return sc.Iptables(on, rule, node.span)

    def _inject(self, node: ast.Inject, bound: Bound) -> sc.Step | None:
        return self.injecting.inject(node, bound, self.env)

    def _receive(self, node: ast.Receive, bound: Bound) -> sc.Step | None:
        return self.injecting.receive(node, bound, self.env)

    # ---- power

    def _crash(self, node: ast.Crash, bound: Bound) -> sc.Step:
        bound.down = True
        return sc.Crash(node.span)

    def _boot(self, node: ast.Boot, bound: Bound) -> sc.Step:
        if not bound.down:
            self.mistakes.error(node.span, "the machine is up already", advice="`crash` comes before `boot`")
        bound.down, bound.booted, bound.listens = False, True, False
        return sc.Boot(node.span)

    def _powered(self, node: ast.Step, bound: Bound) -> None:
        """Between `crash` and `boot` nothing but time passes."""
        if bound.down and not isinstance(node, (ast.Boot, ast.Sleep, ast.Await, ast.Stop, ast.Exit)):
            self.mistakes.error(node.span, "the machine is down here", advice="put a `boot` before this step")

    # ---- options

    def _setsockopt(self, node: ast.Setsockopt, bound: Bound) -> sc.Step | None:
        name, span = node.option.text, node.option.span
        sock = self._sock(node.sock, bound)
        if name in OTHERS:
            self.mistakes.not_yet(span, f"`{name}`", OTHERS[name])
            return None
        if name not in OPTIONS:
            self.mistakes.unknown(span, "socket option", name, list(OPTIONS))
            return None
        option = OPTIONS[name]
        if node.second is not None:
            self.mistakes.error(node.second.span, f"{name} takes one number", advice="remove this one")
        if option.listener and sock not in self.host.listeners:
            self.mistakes.error(
                node.sock.span, f"`{name}` is an option of a listener", advice="as in `listen :80 -> l`, then `l` here"
            )
            return None
        interval = self.p.choices.value(node.value, COUNT, self.env)
        if interval is None:
            return None
        if interval.lo != interval.hi:
            self.mistakes.error(
                node.value.span, "an option has one value at a time", advice="for one verdict each, write `{0, 1}`"
            )
        elif not option.lo <= interval.lo <= option.hi:
            unit = f" {option.unit}" if option.unit else ""
            self.mistakes.error(node.value.span, f"{name} takes a number from {option.lo} to {option.hi}{unit}")
        return sc.Setsockopt(sock, name, interval.lo, node.span)


def _waits(steps: tuple[ast.Step, ...]) -> bool:
    """Whether these steps cannot all be run without time or another host moving on."""
    for step in steps:
        if isinstance(step, ast.Call):
            if not isinstance(step.call, ast.Listen):
                return True
        elif isinstance(step, ast.Sleep):
            ends = [one.hi or one.lo for one in step.time.members]
            if any(end.number != 0 for end in ends):
                return True
        elif isinstance(step, ast.Either):
            if all(_waits(body) for body in step.bodies):
                return True
        elif isinstance(step, ast.Loop):
            if step.count is None or _waits(step.body):
                return True
        elif isinstance(step, (ast.Await, ast.Exit, ast.Stop, ast.Receive)):
            return True
    return False
