"""Claims -> scenario.py: the predicates once for each combination of the families they name, the expectation for each
member."""

from __future__ import annotations

from dataclasses import replace

from tcpcheck.lang import ast
from tcpcheck.lang import scenario as sc
from tcpcheck.lang.choices import TIME, Choices, Env, Interval, Profile
from tcpcheck.lang.diagnostics import Mistakes, nearest
from tcpcheck.lang.expressions import Expressions, Place
from tcpcheck.lang.predicates import Predicates
from tcpcheck.lang.registry import Registry
from tcpcheck.lang.vocabulary import COUNT

OUTCOMES = {
    "never": ("holds", "violated", "vacuous"),
    "always": ("holds", "violated", "vacuous"),
    "reach": ("reachable", "unreachable"),
    "eventually": ("holds", "violated"),
    "after": ("holds", "violated", "vacuous"),
    "count": (),
}


class Claims:
    """The claims of a spec. `names` gives each its name: its own, or its kind and number."""

    def __init__(
        self,
        spec: ast.Spec,
        choices: Choices,
        expressions: Expressions,
        predicates: Predicates,
        mistakes: Mistakes,
        registry: Registry | None,
    ) -> None:
        self.choices = choices
        self.x = expressions
        self.predicates = predicates
        self.mistakes = mistakes
        self.registry = registry
        self.nodes = [i for i in spec.items if isinstance(i, ast.Claim)]
        self.timed = not any(isinstance(i, ast.TimeOff) for i in spec.items)
        self.any_member = False  # whether `when` may ask for members that the families do not have
        self.names = self._names()

    def _names(self) -> list[str]:
        lines: dict[str, int] = {}
        for node in self.nodes:
            if node.name is None:
                continue
            if node.name.text in lines:
                self.mistakes.error(
                    node.name.span,
                    f"two claims are called `{node.name.text}`",
                    advice=f"the first is in line {lines[node.name.text]}",
                )
            lines.setdefault(node.name.text, node.name.span.line)
        names = []
        numbers: dict[str, int] = {}
        for node in self.nodes:
            name = node.name.text if node.name else None
            while name is None:
                numbers[node.kind] = numbers.get(node.kind, 0) + 1
                candidate = f"{node.kind}{numbers[node.kind]}"
                name = None if candidate in lines else candidate
            names.append(name)
        return names

    def claim(self, node: ast.Claim, name: str, env: Env) -> sc.Claim:
        """A claim without its expectation."""
        over: sc.Expr | None = None
        if node.over is not None:
            over = self._over(node.over, env)
        over2 = None if node.over2 is None else self._other(over, node.over2, env)
        within = self._within(node, env)
        pred: sc.Pred | None = self.predicates.claim(node.pred, env)
        goal = None if node.goal is None else self.predicates.claim(node.goal, env)
        if node.kind == "eventually":
            pred, goal = None, pred
        return sc.Claim(name, node.kind, pred, goal, within, over, None, None, node.span, over2)

    def _over(self, node: ast.Expr, env: Env) -> sc.Expr:
        """What a count counts: a searched value, or a difference of two variables."""
        if isinstance(node, ast.Var):
            name = node.name.text
            if name in self.choices.searched:
                return sc.Unknown(name, None, node.span)
            known = list(self.choices.searched)
            if self.choices.by_name(name) is not None:
                message = f"`{name}` is a family: it has a verdict for each member, and nothing to count"
                self.mistakes.error(
                    node.span, message, expected=known, advice="count over a range or `any`: `(seq any -> isn)`"
                )
            else:
                advice = "name one where it is chosen: `(seq any -> isn)`, `sleep 0s..60s -> gap`"
                self.mistakes.error(
                    node.span,
                    f"no searched value is called `{name}`",
                    expected=known,
                    near=nearest(name, known),
                    advice=advice,
                )
            return sc.Const(0)
        expr, kind = self.x.expr(node, Place(), env)
        difference = (
            isinstance(expr, sc.Sub) and isinstance(expr.left, sc.SockVar) and isinstance(expr.right, sc.SockVar)
        )
        if not self.mistakes.failed and (kind != COUNT or not difference):
            advice = "as in `count gaps over gap` or `count c over client.s2.iss - client.s1.iss`"
            self.mistakes.error(node.span, "a count is over a searched value or a difference", advice=advice)
        return expr

    def _other(self, over: sc.Expr | None, node: ast.Expr, env: Env) -> sc.Expr:
        """The second of a pair."""
        other = self._over(node, env)
        if not (isinstance(over, sc.Unknown) and isinstance(other, sc.Unknown)):
            if not self.mistakes.failed:
                advice = "as in `count both over guess, acked`"
                self.mistakes.error(node.span, "pairs are counted of two searched values", advice=advice)
        elif over.name == other.name:
            self.mistakes.error(node.span, f"`{other.name}` twice", advice="a pair is of two different values")
        return other

    def _within(self, node: ast.Claim, env: Env) -> tuple[int, int] | None:
        one = node.within
        if one is None:
            return None
        if node.kind not in ("eventually", "after"):
            self.mistakes.error(
                one.span, f"`within` does not fit `{node.kind}`", advice="it bounds `eventually` and `after`"
            )
            return None
        if not self.timed:
            self.mistakes.error(
                one.span, "`within` needs time, and this spec has `time off`", advice="remove one of them"
            )
            return None
        choice = ast.Choice(one.span, "single", (one,), None)
        interval = self.choices.value(choice, TIME, env)
        if interval is None:
            return None
        return (0 if one.hi is None and interval.lo == interval.hi else interval.lo, interval.hi)

    # ---- expectations

    def check_expectations(self) -> None:
        """Says what is wrong with the `expect` parts, whatever the member."""
        for node in self.nodes:
            for i, case in enumerate(node.cases):
                self._check_outcome(node, case.outcome)
                if not case.when and i + 1 < len(node.cases):
                    self.mistakes.error(
                        case.span, "what follows never applies", advice="put the case without `when` last"
                    )
                for setting in case.when:
                    self._check_setting(setting)

    def _check_outcome(self, node: ast.Claim, outcome: ast.Outcome) -> None:
        if node.kind == "count":
            if outcome.word is not None:
                self.mistakes.error(
                    outcome.span, f"a count expects a number, not `{outcome.word}`", advice="as in `expect 1..4`"
                )
            elif outcome.lo is not None and outcome.hi is not None and outcome.lo > outcome.hi:
                self.mistakes.error(outcome.span, "the range is empty", advice="swap its ends")
        elif outcome.word not in OUTCOMES[node.kind]:
            shown = outcome.word if outcome.word is not None else str(outcome.lo)
            self.mistakes.error(outcome.span, f"`{node.kind}` is never `{shown}`", expected=OUTCOMES[node.kind])

    def _setting_family(self, name: str) -> int | None:
        """The family of an arrow's name or a settings key."""
        for index, family in enumerate(self.choices.families):
            if name == family.name or name in family.keys:
                return index
        return None

    def _check_setting(self, setting: ast.Setting) -> None:
        name = setting.name.text
        index = self._setting_family(name)
        if index is None:
            if name in self.choices.searched:
                self.mistakes.error(
                    setting.name.span, f"`{name}` is searched, it has no value of its own", advice="make it a family"
                )
                return
            valid = [f.name or f.keys[0] for f in self.choices.families]
            advice = "`when` asks for a family: `{0, 1} -> name`"
            self.mistakes.error(
                setting.name.span, f"unknown setting `{name}`", expected=valid, near=nearest(name, valid), advice=advice
            )
            return
        family = self.choices.families[index]
        value = self._setting_value(setting, family.kind)
        if value is not None and value not in family.members and not self.any_member:
            members = tuple(str(s) for s in family.shown)
            self.mistakes.error(
                setting.span, f"`{name}` is never this", expected=members, advice="take one of its members"
            )

    def _setting_value(self, setting: ast.Setting, kind: str) -> Interval | Profile | None:
        value = setting.value
        if isinstance(value, ast.Kern):
            if kind == "kernel":
                return self.choices.profile(value)
            self.mistakes.error(
                value.span,
                "a value is expected, not a kernel",
            )
            return None
        if kind == "kernel":
            self.mistakes.error(value.span, "a kernel is expected, not a value", advice="as in `linux 6.18.44`")
            return None
        return Interval(value.lo.number or 0, (value.hi or value.lo).number or 0)

    def expected(self, node: ast.Claim, claim: sc.Claim, picks: tuple[int, ...]) -> sc.Claim:
        """The claim with the first expectation that applies to this member."""
        if self.mistakes.failed:
            return claim
        for case in node.cases:
            if all(self._applies(s, picks) for s in case.when):
                outcome = case.outcome
                if outcome.word is not None:
                    return replace(claim, expected=outcome.word)
                assert outcome.lo is not None and outcome.hi is not None
                return replace(claim, expected_count=(outcome.lo, outcome.hi))
        if node.kind == "count":
            return replace(claim, expected_count=(0, self._most(claim)))
        return replace(claim, expected="reachable" if node.kind == "reach" else "holds")

    def _most(self, claim: sc.Claim) -> int:
        """How many values there can be: 32-bit numbers, pairs of them, or lengths in ns."""
        searched = self.choices.searched.get(claim.over.name) if isinstance(claim.over, sc.Unknown) else None
        if claim.over2 is not None:
            return 1 << 64
        return 1 << 62 if searched is not None and searched.kind == TIME else 1 << 32

    def _applies(self, setting: ast.Setting, picks: tuple[int, ...]) -> bool:
        index = self._setting_family(setting.name.text)
        assert index is not None
        family = self.choices.families[index]
        return self._setting_value(setting, family.kind) == family.members[picks[index]]
