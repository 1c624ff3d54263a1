"""The statement `router`: who stands on which side, its nat table, and its sysctls."""

from __future__ import annotations

from tcpcheck.lang import ast, conntrack
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.choices import SYSCTL, Choices, Env
from tcpcheck.lang.diagnostics import Mistakes
from tcpcheck.lang.firewall import read_line
from tcpcheck.lang.scope import Scope, steps_within

RUNS_ADVICE = "it can `sleep`, `await`, `loop`, `either`, `crash`, `boot` and switch filter rules"


class Routers:
    """The router of a spec, if there is one."""

    def __init__(self, spec: ast.Spec, scope: Scope, choices: Choices, mistakes: Mistakes) -> None:
        self.spec, self.scope, self.choices, self.mistakes = spec, scope, choices, mistakes
        self.nodes = [item for item in spec.items if isinstance(item, ast.Router)]

    @property
    def node(self) -> ast.Router | None:
        return self.nodes[0] if self.nodes else None

    def declare(self) -> None:
        """What does not depend on the member of the families."""
        for node in self.nodes[1:]:
            self.mistakes.keyword_not_yet(node.span, "router", "a second router: leave one out")
        for node in self.nodes:
            self._sides(node)
            for item in node.items:
                if isinstance(item, (ast.Kernel, ast.Mss)):
                    word = type(item).__name__.lower()
                    self.mistakes.not_yet(item.span, f"`{word}` of a router", "remove it: a router is linux 6.18.44")
                elif isinstance(item, ast.Run):
                    self._run(item)
        if self.nodes:
            self._rest()

    def _sides(self, node: ast.Router) -> None:
        seen = {node.name.text: "the router itself"}
        for side, words in (("inside", node.inside), ("outside", node.outside)):
            for word in words:
                if self.scope.host(word) is None:
                    continue
                if word.text in seen:
                    self.mistakes.error(
                        word.span, f"`{word.text}` is {seen[word.text]} already", advice="remove it here"
                    )
                seen[word.text] = f"on the {side}"

    def _run(self, run: ast.Run) -> None:
        for step, _ in steps_within(run.body):
            if isinstance(step, (ast.Call, ast.Inject, ast.Receive)):
                word = type(step.call if isinstance(step, ast.Call) else step).__name__.lower()
                self.mistakes.not_yet(step.span, f"`{word}` of a router", RUNS_ADVICE)
            elif isinstance(step, ast.Iptables) and " nat " in step.line:
                self.mistakes.not_yet(step.span, "a nat rule that comes or goes", "put it outside the `run`")

    def _rest(self) -> None:
        """What does not go together with a router."""
        for item in self.spec.items:
            if isinstance(item, ast.Network):
                for part in item.items:
                    if isinstance(part, ast.Rewrite):
                        self.mistakes.not_yet(part.span, "`rewrite` beside a router", "leave one of them out")

    # ---- the members

    def router(self, env: Env) -> sc.Router | None:
        node = self.node
        if node is None or node.name.text not in self.scope.hosts:
            return None
        nat: list[sc.NatRule] = []
        sysctls: dict[str, int] = {}
        for item in node.items:
            if isinstance(item, ast.Iptables):
                self._nat(item, node, nat)
            elif isinstance(item, ast.Sysctl) and is_conntrack(item):
                value = self._value(item, env)
                if value is not None:
                    sysctls[item.name.text] = value
        inside, outside = ([word.text for word in side] for side in (node.inside, node.outside))
        return sc.Router(node.name.text, tuple(inside), tuple(outside), tuple(nat), sysctls)

    def _nat(self, item: ast.Iptables, node: ast.Router, nat: list[sc.NatRule]) -> None:
        read = read_line(item, self.scope.hosts[node.name.text], self.scope, self.mistakes)
        if read is None or not isinstance(read[1], sc.NatRule):
            return
        on, rule = read[0], read[1]
        if on:
            first = {"-I", "--insert"} & set(item.line.split(" "))
            nat.insert(0 if first else len(nat), rule)
        elif rule in nat:
            nat.remove(rule)
        else:
            self.mistakes.warning(item.span, "this has no effect: there is no such rule yet", "put its `-A` before it")

    def _value(self, item: ast.Sysctl, env: Env) -> int | None:
        name = item.name.text
        known = [conntrack.PREFIX + short for short in conntrack.SYSCTLS]
        if name not in known:
            self.mistakes.unknown(item.name.span, "sysctl", name, known)
            return None
        interval = self.choices.value(item.choice, SYSCTL, env)
        if interval is None:
            return None
        if interval.lo != interval.hi:
            advice = "for one verdict each, write `{30, 120}`"
            self.mistakes.error(item.choice.span, "a sysctl has one value at a time", advice=advice)
            return None
        problem = conntrack.check(name, interval.lo)
        if problem:
            self.mistakes.error(item.choice.span, problem)
        return interval.lo


def is_conntrack(item: ast.Sysctl) -> bool:
    """Is it for connection tracking, not for the router's own TCP?"""
    return item.name.text.startswith("net.netfilter.")
