"""Syntax tree -> Scenario: names resolved, units checked, families expanded. Says all mistakes it finds at once."""

from __future__ import annotations

import itertools
import re
from functools import partial
from pathlib import Path

from tcpcheck.errors import Span
from tcpcheck.lang import ast
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.choices import CASES_MAX, COUNT, MSS, RATE, SIZE, SYSCTL, TIME, UNKNOWN_PROFILE, Choices, Env
from tcpcheck.lang.claims import Claims
from tcpcheck.lang.diagnostics import Mistakes
from tcpcheck.lang.expressions import Expressions, Place
from tcpcheck.lang.firewall import read_line
from tcpcheck.lang.predicates import Predicates
from tcpcheck.lang.programs import TIME_MAX, Programs
from tcpcheck.lang.registry import Registry
from tcpcheck.lang.routers import Routers, is_conntrack
from tcpcheck.lang.scope import HostScope, Scope, attackers_last, routers_as_hosts, steps_within

FAULTS_MAX = 100
REWRITTEN = ("seq", "ack", "tsval", "tsecr")
MSS_MIN, MSS_MAX = 88, 65495
LIFETIME_DEFAULT = 120 * sc.SECOND  # the MSL of RFC 9293


def check(
    spec: ast.Spec, mistakes: Mistakes, registry: Registry | None = None, overridden: bool = False
) -> sc.Scenario:
    """The Scenario of a syntax tree; SpecError if anything is wrong. Without a registry the names of kernels,
    sysctls, features and rules are taken as they are. `mistakes` may hold some already.
    `overridden`: settings came from outside, so an `expect` may ask for members that are no more."""
    checker = _Checker(spec, mistakes, registry)
    checker.claims.any_member = overridden
    checker.declare()
    if mistakes.failed:
        checker.find_more()
    return checker.scenario(mistakes.file, mistakes.source)


class _Checker:
    def __init__(self, spec: ast.Spec, mistakes: Mistakes, registry: Registry | None) -> None:
        self.spec = spec = routers_as_hosts(attackers_last(spec))
        self.mistakes = mistakes
        self.registry = registry
        self.scope = Scope(spec, mistakes)
        self.choices = Choices(mistakes, registry)
        expressions = Expressions(self.scope, self.choices, mistakes)
        self.predicates = Predicates(expressions, registry)
        self.programs = Programs(self.scope, self.choices, expressions, self.predicates, mistakes, registry)
        self.claims = Claims(spec, self.choices, expressions, self.predicates, mistakes, registry)
        self.routers = Routers(spec, self.scope, self.choices, mistakes)
        self.network = next((i for i in spec.items if isinstance(i, ast.Network)), None)
        horizons = [i for i in spec.items if isinstance(i, ast.Horizon)]
        self.horizon = horizons[0] if horizons else None

    # ---- what stands once, what is not there yet, and all choices

    def declare(self) -> None:
        """The structure of the spec and its choices; everything that needs no member of the families."""
        once: list[ast.Node] = []
        for item in self.spec.items:
            if isinstance(item, ast.Host):
                self._declare_host(item)
            elif isinstance(item, (ast.Title, ast.Horizon, ast.TimeOff, ast.Network)):
                once.append(item)
            if isinstance(item, ast.Network):
                self._declare_network(item)
        self._stands_once(once)
        self.routers.declare()
        if not self.scope.hosts:
            self.mistakes.error(
                Span(1, 1, 1),
                "there is no host in this spec",
                expected=("host",),
                advice="as in `host server { kernel linux 6.18.44 }`",
            )
        if not self.claims.nodes:
            self.mistakes.warning(Span(1, 1, 1), "there is no claim in this spec", "add one, as in `reach x { ... }`")
        for host in self.scope.hosts.values():
            self._declare_references(host)
        size = self.choices.product_size()
        if size > CASES_MAX:
            last = self.choices.families[-1].span
            self.mistakes.error(
                last,
                f"the families have {size} members together, at most {CASES_MAX}",
                advice="remove some, or split the spec",
            )
        self.claims.check_expectations()

    def _stands_once(self, items: list[ast.Node]) -> None:
        seen: dict[type, int] = {}
        for item in items:
            first = seen.setdefault(type(item), item.span.line)
            if first != item.span.line or items.index(item) != [type(i) for i in items].index(type(item)):
                word = {"TimeOff": "time off"}.get(type(item).__name__, type(item).__name__.lower())
                self.mistakes.error(item.span, f"`{word}` stands twice", advice=f"first in line {first}")

    def _declare_host(self, node: ast.Host) -> None:
        host = node.name.text
        self._stands_once([i for i in node.items if isinstance(i, (ast.Kernel, ast.Address, ast.Mss))])
        if not any(isinstance(i, ast.Kernel) for i in node.items):
            self.mistakes.error(
                node.name.span,
                f"host `{host}` has no kernel",
                expected=("kernel",),
                advice="as in `kernel linux 6.18.44`",
            )
        sysctls: set[str] = set()
        runs: dict[str, int] = {}
        for item in node.items:
            if isinstance(item, ast.Kernel):
                self.choices.declare_kernel(item, host)
                self._declare_bare(node, item)
            elif isinstance(item, ast.Mss):
                self.choices.declare(item.size, MSS, f"{host}.mss", False)
            elif isinstance(item, ast.Sysctl):
                if item.name.text in sysctls:
                    self.mistakes.error(item.name.span, f"`{item.name.text}` is set twice", advice="remove one")
                sysctls.add(item.name.text)
                self.choices.declare(item.choice, SYSCTL, f"{host}.{item.name.text}", False)
            elif isinstance(item, ast.Run):
                if item.name is not None:
                    if item.name.text in runs:
                        message = f"two runs are called `{item.name.text}`"
                        self.mistakes.error(item.name.span, message, advice=f"first in line {runs[item.name.text]}")
                    runs[item.name.text] = item.name.span.line
                for step, in_loop in steps_within(item.body):
                    self._declare_step(step, host, in_loop)

    def _declare_bare(self, node: ast.Host, kernel: ast.Kernel) -> None:
        """`kernel none`: there is no TCP that anything else of a host could be about."""
        bare = [k for k in kernel.members if k.name.text == "none"]
        if bare and kernel.family:
            self.mistakes.error(bare[0].span, "`none` is no member of a family", advice="write a spec of its own")
        if not bare:
            return
        for feature in bare[0].features:
            self.mistakes.error(feature.span, "`kernel none` has no features", advice="remove this")
        for item in node.items:
            if isinstance(item, (ast.Mss, ast.Sysctl, ast.Iptables)):
                word = type(item).__name__.lower()
                advice = "remove it, or give the host a kernel"
                self.mistakes.error(item.span, f"`{word}` says nothing of a host with `kernel none`", advice=advice)

    def _declare_step(self, step: ast.Step, host: str, in_loop: bool) -> None:
        declare = self.choices.declare
        if isinstance(step, ast.Sleep):
            declare(step.time, TIME, f"{host}.sleep", in_loop)
        elif isinstance(step, ast.Sysctl):
            declare(step.choice, SYSCTL, f"{host}.{step.name.text}", in_loop)
        elif isinstance(step, ast.Setsockopt):
            declare(step.value, COUNT, f"{host}.{step.sock.text}.{step.option.text}", in_loop)
        elif isinstance(step, ast.Call):
            call = step.call
            if isinstance(call, ast.Listen) and call.backlog is not None:
                declare(call.backlog, COUNT, f"{host}.backlog", in_loop)
            elif isinstance(call, ast.Send):
                declare(call.size, SIZE, f"{host}.send", in_loop)
                if call.rate is not None:
                    declare(call.rate, RATE, f"{host}.rate", in_loop)
            elif isinstance(call, ast.Recv) and call.size is not None:
                declare(call.size, SIZE, f"{host}.recv", in_loop)
            elif isinstance(call, ast.Connect):
                self._declare_fields(call.fields, in_loop)
        elif isinstance(step, ast.Inject):
            self._declare_fields(step.fields, in_loop)
            if in_loop and any(isinstance(f, ast.AnyField) and f.name is None for f in step.fields):
                self.mistakes.not_yet(step.span, "`any` in a loop", "write one `inject` for each round")

    def _declare_fields(self, fields: tuple[ast.Field, ...], in_loop: bool) -> None:
        for item in fields:
            if isinstance(item, ast.AnyField) and item.name is not None:
                self.choices.declare_searched(item.name, item.field.text, in_loop)

    def _declare_references(self, host: HostScope) -> None:
        """A sysctl that refers to another's family: the family's settings name it too."""
        for item in host.node.items:
            if isinstance(item, ast.Sysctl):
                self.choices.also(item.choice, f"{host.name}.{item.name.text}")

    def _declare_network(self, node: ast.Network) -> None:
        self._stands_once([i for i in node.items if isinstance(i, (ast.Delay, ast.Lifetime, ast.Fifo))])
        for item in node.items:
            if isinstance(item, ast.Delay):
                self.choices.declare(item.time, TIME, "network.delay", False)
            elif isinstance(item, ast.Lifetime):
                self.choices.declare(item.time, TIME, "network.lifetime", False)
            elif isinstance(item, ast.Fault):
                self.choices.declare(item.budget, COUNT, f"network.{item.kind}", False)

    # ---- the members

    def find_more(self) -> None:
        """Something is wrong already: says what else is, in the first member of the families."""
        self._case(tuple(0 for _ in self.choices.families))
        self.mistakes.raise_if_any()

    def scenario(self, file: str, source: str) -> sc.Scenario:
        ranges = [range(len(f.members)) for f in self.choices.families]
        cases = []
        for picks in itertools.product(*ranges):
            cases.append(self._case(picks))
            self.mistakes.raise_if_any()
        titles = [i.text for i in self.spec.items if isinstance(i, ast.Title)]
        question = first_comment(source)
        title = titles[0] if titles else question or Path(file).stem
        return sc.Scenario(file, title, question or title, source, tuple(cases), tuple(self.mistakes.warnings))

    def _case(self, picks: tuple[int, ...]) -> sc.Case:
        once = self.choices.once
        hosts = tuple(once(scope.node, picks, partial(self._host, scope)) for scope in self.scope.hosts.values())
        network = sc.Network()
        if self.network is not None:
            node = self.network
            network = once(node, picks, lambda env: self._network(node, env))
        claims = []
        for claim_node, name in zip(self.claims.nodes, self.claims.names, strict=True):
            claim = once(claim_node, picks, partial(self.claims.claim, claim_node, name))
            claims.append(self.claims.expected(claim_node, claim, picks))
        router = None if self.routers.node is None else once(self.routers.node, picks, self.routers.router)
        settings, chosen = self.choices.settings(picks)
        horizon = None if self.horizon is None else once(self.horizon, picks, self._horizon)
        timed, mistakes = self.claims.timed, self.mistakes
        return sc.Case(
            settings, hosts, network, tuple(claims), horizon, timed, chosen, router, mistakes.file, mistakes.source
        )

    def _horizon(self, env: Env) -> int:
        assert self.horizon is not None
        value = self.horizon.time
        choice = ast.Choice(value.span, "single", (ast.One(value.span, value, None),), None)
        interval = self.choices.value(choice, TIME, env)
        if interval is not None and interval.lo == 0:
            self.mistakes.error(value.span, "a horizon of no time: nothing would run", advice="as in `horizon 600s`")
        return interval.hi if interval is not None else 0

    def _host(self, scope: HostScope, env: Env) -> sc.Host:
        items = scope.node.items
        kernel = next((i for i in items if isinstance(i, ast.Kernel)), None)
        profile = UNKNOWN_PROFILE if kernel is None else self.choices.profile_of(kernel, env)
        mss = None
        sysctls: dict[str, int] = {}
        rules: list[sc.FirewallRule] = []
        for item in items:
            if isinstance(item, ast.Mss):
                mss = self.programs.exact(item.size, MSS, MSS_MAX, "the mss", env)
                if mss < MSS_MIN:
                    self.mistakes.error(
                        item.size.span,
                        f"the mss is at least {MSS_MIN}",
                    )
            elif profile.kernel == "none":
                continue  # whatever else is said of it was refused
            elif isinstance(item, ast.Sysctl) and not (scope.routes and is_conntrack(item)):
                value = self.programs.sysctl_value(item, profile.kernel, env)
                if value is not None:
                    sysctls[item.name.text] = value
            elif isinstance(item, ast.Iptables):
                self._firewall(item, scope, rules)
        runs = [i for i in items if isinstance(i, ast.Run)]
        lowered = tuple(
            self.programs.run(run, name, scope, profile.kernel, env)
            for run, name in zip(runs, run_names(runs), strict=True)
        )
        return sc.Host(
            scope.name,
            profile.kernel,
            profile.features_with,
            profile.features_without,
            scope.address,
            mss,
            sysctls,
            tuple(rules),
            lowered,
        )

    def _firewall(self, item: ast.Iptables, scope: HostScope, rules: list[sc.FirewallRule]) -> None:
        """A line outside runs: in force from the start."""
        read = read_line(item, scope, self.scope, self.mistakes)
        if read is None:
            return
        on, rule = read
        if isinstance(rule, sc.NatRule):
            return  # routers.py has it
        if on:
            rules.append(rule)
        elif rule in rules:
            rules.remove(rule)
        else:
            self.mistakes.warning(item.span, "this has no effect: there is no such rule yet", "put its `-A` before it")

    # ---- the network

    def _network(self, node: ast.Network, env: Env) -> sc.Network:
        delay = (0, 0)
        lifetime = None
        faults = []
        rewrites: list[sc.Rewrite] = []
        for item in node.items:
            if isinstance(item, (ast.Delay, ast.Lifetime)):
                what = "a `delay`" if isinstance(item, ast.Delay) else "a `lifetime`"
                interval = self.choices.value(item.time, TIME, env)
                if interval is None:
                    continue
                if interval.name is not None:
                    self.mistakes.not_yet(
                        item.span, f"a name for {what} that is searched", "make it a family, or drop the name"
                    )
                self.programs.at_most(item.time.span, interval, TIME_MAX, what)
                if isinstance(item, ast.Delay):
                    delay = (interval.lo, interval.hi)
                else:
                    lifetime = interval.hi  # a copy takes any time up to it: a range allows what its end allows
            elif isinstance(item, ast.Fault):
                faults.append(self._fault(item, env))
            elif isinstance(item, ast.Rewrite):
                rewrites.append(self._rewrite(item, env))
        if lifetime is None and any(f.kind in ("duplicate", "late") for f in faults):
            lifetime = LIFETIME_DEFAULT
        fifo = any(isinstance(i, ast.Fifo) for i in node.items)
        return sc.Network(delay[0], delay[1], lifetime, fifo, tuple(faults), tuple(rewrites))

    def _fault(self, item: ast.Fault, env: Env) -> sc.Fault:
        interval = self.choices.value(item.budget, COUNT, env)
        budget = 0
        if interval is not None:
            budget = interval.hi
            if interval.lo != 0:
                advice = "the search chooses whether and which; `0..n` is at most n"
                self.mistakes.error(
                    item.budget.span, f"`{item.kind}` takes a range from 0", advice=advice, near=f"0..{budget}"
                )
            if interval.name is not None:
                self.mistakes.not_yet(item.budget.span, "a name for a number of faults", "drop the name")
            self.programs.at_most(item.budget.span, interval, FAULTS_MAX, f"the number of segments to {item.kind}")
        seg = None if item.seg is None else self.predicates.seg(item.seg, Place(fields=True), env)
        if item.seg is not None and item.seg.ordinal is not None:
            self.mistakes.not_yet(item.seg.span, "an ordinal in a fault", "drop it")
        return sc.Fault(item.kind, budget, seg, *self._path(item))

    def _path(self, item: ast.Fault | ast.Rewrite) -> tuple[str | None, str | None]:
        """From whom, to whom: names of hosts; None: anybody."""
        hosts = [None if word is None else self.scope.host(word) for word in (item.source, item.to)]
        source, to = (None if host is None else host.name for host in hosts)
        return source, to

    def _rewrite(self, item: ast.Rewrite, env: Env) -> sc.Rewrite:
        seg = self.predicates.seg(item.seg, Place(fields=True), env)
        if item.seg.ordinal is not None:
            self.mistakes.not_yet(item.seg.span, "an ordinal in `rewrite`", "drop it")
        if item.field.text not in REWRITTEN:
            self.mistakes.unknown(item.field.span, "field to rewrite", item.field.text, REWRITTEN)
        by, _ = self.programs.x.expr(item.by, Place(), env)
        if not isinstance(by, sc.Const) or not 0 <= by.value < 2**32:
            self.mistakes.error(item.by.span, "a middlebox adds a number below 2^32", advice="as in `seq += 1000`")
            by = sc.Const(0)
        amount = by.value if item.shift == "+=" else -by.value
        return sc.Rewrite(seg, *self._path(item), item.field.text, amount)


def run_names(runs: list[ast.Run]) -> list[str]:
    """Each run's own name; else `run`, or `run1`, `run2`, ... if there are several without."""
    unnamed = sum(1 for r in runs if r.name is None)
    taken = {r.name.text for r in runs if r.name is not None}
    numbers = itertools.count(1)
    names = []
    for run in runs:
        name = run.name.text if run.name else None
        if name is None and unnamed == 1 and "run" not in taken:
            name = "run"
        while name is None:
            candidate = f"run{next(numbers)}"
            name = None if candidate in taken else candidate
        names.append(name)
    return names


def first_comment(source: str) -> str:
    """The text of the first line if it is a comment."""
    for line in source.split("\n"):
        text = line.strip()
        if text and text.strip("# "):
            return re.sub(r"^#+\s*", "", text) if text.startswith("#") else ""
    return ""
