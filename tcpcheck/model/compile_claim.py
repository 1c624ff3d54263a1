"""A claim, or the condition of an `await`, as a tree of nodes in an array."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from tcpcheck.errors import Span
from tcpcheck.lang import scenario as sc
from tcpcheck.model import layout as k
from tcpcheck.model.predicates import (
    EFFECTS,
    is_modular,
    is_paws_like,
    linear,
    mentions,
    mentions_numbers,
    same_words,
    without_effects,
    without_numbers,
)
from tcpcheck.model.program import ClaimTable, refuse
from tcpcheck.model.spellings import SEG_FIELDS, SOCK_FIELDS, flag_bits, gets_code, states_mask

if TYPE_CHECKING:
    from tcpcheck.model.compile import Compiler


class ClaimCompiler:
    """One claim (or the predicate of an `await`, or a fault's pattern) to nodes."""

    def __init__(self, c: Compiler, claim: sc.Claim | None, host: str | None = None) -> None:
        self.c, self.p, self.claim, self.host = c, c.p, claim, host
        self.vars: list[sc.SockRef] = []
        self.may_be_absent: set[int] = set()
        self.saw_event = False
        self.subject = -1  # variable of the nearest event to the left; -1: a whole host

    # ---- the claim

    def compile(self) -> ClaimTable:
        claim = self.claim
        assert claim is not None
        kinds = {"never": k.CL_NEVER, "always": k.CL_NEVER, "reach": k.CL_REACH, "eventually": k.CL_EVENTUALLY}
        kinds |= {"after": k.CL_AFTER, "count": k.CL_COUNT, "map": k.CL_MAP, "moment": k.CL_MAP}
        t = ClaimTable(claim.name, kinds[claim.kind], within=claim.within)
        if claim.kind == "count":  # the variables of what is counted come first
            self.counts(t, claim)
            t.triggers = len(self.vars)
        if claim.pred is not None:
            bad = self.negate(claim.pred) if claim.kind == "always" else claim.pred
            t.pred = self.node(bad)
            t.eventless = not self.saw_event
            t.subject, t.replies = self.subject, claim.kind == "moment"
            # for an `after` the obligation is exercised when it starts
            t.exercised = t.pred if claim.kind == "after" else self.node(self.before_effects(claim.pred))
            if claim.kind == "count" and self.of_runs(claim.pred):
                t.goal, t.goal_eventless = t.pred, t.eventless
        if claim.kind != "count":
            t.triggers = len(self.vars)
        if claim.goal is not None:
            self.saw_event = False
            t.goal = self.node(claim.goal)
            t.goal_eventless = not self.saw_event
        t.goals = len(self.vars)
        if claim.kind != "count":
            self.counts(t, claim)
            t.asks = claim.goal is not None and claim.over is not None
        t.vars = self.var_rows()
        return t

    def counts(self, t: ClaimTable, claim: sc.Claim) -> None:
        """What a count or a map is over."""
        if claim.over is not None:
            t.over_sleep = self.over_sleep(claim.over, claim.span)
            t.over = self.over(claim.over) if t.over_sleep < 0 else (-1, -1)
            t.counted = self.counted(claim.over) if t.over_sleep < 0 else -1
        if claim.over2 is not None:
            t.counted2 = self.counted(claim.over2)

    def of_runs(self, p: sc.Pred) -> bool:
        """Without effects and conditions on a segment there is no moment at which it might have been otherwise: what
        counts is whether a run ever comes to it."""
        before = self.before_effects(p)
        return before == p or not mentions(before, (sc.Event, sc.Gets, sc.Takes))

    def negate(self, p: sc.Pred) -> sc.Pred:
        return sc.And((p.left, sc.Not(p.right))) if isinstance(p, sc.Implies) else sc.Not(p)

    def inverted(self, p: sc.Ss) -> sc.Ss:
        """A queue length that is not so is another length of a row there is, not the lack of a row."""
        opposite = {"<": ">=", ">=": "<", "<=": ">", ">": "<=", "=": "!=", "!=": "="}
        return replace(p, op=opposite[p.op])

    def before_effects(self, p: sc.Pred) -> sc.Pred:
        """What must happen for the claim to be more than words (see `vacuous` in docs/language.md)."""
        if isinstance(p, sc.Implies):
            return p.left
        if mentions(p, EFFECTS):
            return without_effects(p)
        if self.claim is not None and self.claim.kind == "count":
            return cast(sc.Pred, without_numbers(p))
        parts = p.parts if isinstance(p, sc.And) else (p,)
        if any(mentions(q, (sc.Event, sc.Gets, sc.Takes)) for q in parts):
            return sc.And(tuple(q for q in parts if isinstance(q, sc.InState)))
        return sc.And(())

    def over_sleep(self, e: sc.Expr, span: Span) -> int:
        """The place in `slept` of the sleep whose length is asked for; -1: it is no sleep."""
        pc = next((pc for pc, name in self.p.sleeps.items() if isinstance(e, sc.Unknown) and name == e.name), -1)
        if pc < 0:
            return -1
        if not self.c.case.timed:
            raise refuse(span, "how long a sleep lasts is asked for, and this spec has `time off`")
        if pc not in self.p.slept:
            if len(self.p.slept) >= k.SLEPT_MAX:
                raise refuse(span, f"the claims ask for the lengths of more than {k.SLEPT_MAX} sleeps")
            self.p.slept.append(pc)
        return self.p.slept.index(pc)

    def over(self, e: sc.Expr) -> tuple[int, int]:
        if isinstance(e, sc.Sub):
            return self.expr(e.left), self.expr(e.right)
        if isinstance(e, sc.Unknown) and e.field is None:
            return self.unknown(e), -1
        return self.expr(e), -1

    def unknown(self, e: sc.Unknown) -> int:
        return self.new(k.E_UNKNOWN, big=self.c.constant(e.name, e.name))

    def counted(self, e: sc.Expr) -> int:
        """Of an unknown that is counted over: its place among them."""
        return self.c.counted(self.c.constant(e.name, e.name), e.span) if isinstance(e, sc.Unknown) else -1

    # ---- variables

    def var(self, ref: sc.SockRef) -> int:
        """The claim's variable for this reference; the same words are the same variable."""
        for i, seen in enumerate(self.vars):
            if same_words(seen, ref):
                return i
        if isinstance(ref, sc.Peer):
            if self.c.case.router is not None:
                raise refuse(ref.span, "not supported yet: `peer` in a spec with a router, behind which ports change")
            self.var(ref.of)
        if len(self.vars) >= k.VARS_MAX:
            raise refuse(ref.span, f"more than {k.VARS_MAX} different sockets in one claim")
        self.vars.append(ref)
        return len(self.vars) - 1

    def var_rows(self) -> list[tuple[int, int, int, int]]:
        rows = []
        for i, ref in enumerate(self.vars):
            absent = int(i in self.may_be_absent)
            if isinstance(ref, sc.Named):
                index = -1 if ref.index is None else ref.index - 1
                rows.append((k.VAR_NAMED, self.c.bind(ref.host, ref.name, ref.span), index, absent))
            elif isinstance(ref, sc.PortSock):
                rows.append((k.VAR_PORT, self.c.host_ix[ref.host], ref.port, absent))
            else:
                rows.append((k.VAR_PEER, self.var(ref.of), self.peered(ref), absent))
            self.p.keeps_gone |= not isinstance(ref, sc.Named)
        return rows

    def peered(self, ref: sc.Peer) -> int:
        """Where the connections of a name's sockets are remembered; -1 for a socket that is no name's."""
        if not isinstance(ref.of, sc.Named):
            return -1
        bind = self.c.bind(ref.of.host, ref.of.name, ref.of.span)
        if bind not in self.p.peered:
            if len(self.p.peered) >= k.PEERED_MAX:
                raise refuse(ref.span, f"more than {k.PEERED_MAX} names in peer(...)")
            self.p.peered.append(bind)
        return self.p.peered.index(bind)

    def subject_of(self, s: sc.Subject) -> tuple[int, int]:
        """(variable, -1) or (-1, host)."""
        if isinstance(s, sc.HostRef):
            return -1, self.c.host_ix[s.host]
        return self.var(s), -1

    # ---- nodes

    def new(self, op: int, *args: int, big: int = 0) -> int:
        row = [op, *args] + [0] * (6 - len(args)) + [big]
        self.p.nodes.append(row)
        return len(self.p.nodes) - 1

    def node(self, p: sc.Pred) -> int:
        return int(getattr(self, "node_" + type(p).__name__.lower())(p))

    def many(self, op: int, parts: tuple[sc.Pred, ...]) -> int:
        # in the order written, since `replies` and `becomes` look to their left; then numbers last, since a
        # comparison may split the state and a state test never does
        nodes = [(mentions_numbers(q), self.node(q)) for q in parts]
        nodes.sort(key=lambda pair: pair[0])
        at = len(self.p.kids)
        self.p.kids.extend(n for _, n in nodes)
        return self.new(op, at, len(nodes))

    def node_and(self, p: sc.And) -> int:
        return self.many(k.P_AND, p.parts)

    def node_or(self, p: sc.Or) -> int:
        return self.many(k.P_OR, p.parts)

    def node_not(self, p: sc.Not) -> int:
        if isinstance(p.of, sc.Ss) and p.of.column != "rows":
            return self.node(self.inverted(p.of))
        return self.new(k.P_NOT, self.node(p.of))

    def node_implies(self, p: sc.Implies) -> int:
        return self.node(sc.Or((sc.Not(p.left), p.right)))

    def node_instate(self, p: sc.InState) -> int:
        return self.new(k.P_IN, self.var(p.sock), states_mask(p.states))

    def node_event(self, p: sc.Event) -> int:
        self.saw_event = True
        var, host = self.subject_of(p.subject)
        self.subject = var
        op = {"receives": k.P_RECEIVES, "sends": k.P_SENDS, "drops": k.P_DROPS, "loses": k.P_LOSES}[p.kind]
        return self.new(op, var, host, self.pattern(p.seg, var, counted=p.kind == "sends"))

    def node_gets(self, p: sc.Gets) -> int:
        self.saw_event = True
        var, host = self.subject_of(p.subject)
        self.subject = var
        kind, arg = gets_code(p.result)
        return self.new(k.P_GETS, var, kind, arg, host)

    def node_takes(self, p: sc.Takes) -> int:
        self.saw_event = True
        var, host = self.subject_of(p.subject)
        self.subject = var
        return self.new(k.P_TAKES, var, host, self.c.rule_ids[p.rule])

    def node_replies(self, p: sc.Replies) -> int:
        self.saw_event = True
        return self.new(k.P_REPLIES, 0, 0, self.pattern(p.seg, self.subject))

    def node_becomes(self, p: sc.Becomes) -> int:
        self.saw_event = True
        if p.sock is not None:
            self.subject = self.var(p.sock)
        return self.new(k.P_BECOMES, self.subject, states_mask(p.states), int(p.sock is not None))

    def node_stays(self, p: sc.Stays) -> int:
        self.saw_event = True
        return self.new(k.P_STAYS, self.subject)

    def node_accepts(self, p: sc.Accepts) -> int:
        self.saw_event = True
        return self.new(k.P_ACCEPTS, self.subject)

    def node_compare(self, p: sc.Compare) -> int:
        ops = {"<": 0, "<=": 1, ">": 2, ">=": 3, "=": 4, "!=": 5}
        if not p.modular and (is_modular(p.left) or is_modular(p.right)):
            return self.distance(p, ops[p.op])
        kept = self.p.keeps_ts_recent
        node = self.new(k.P_COMPARE, self.expr(p.left), ops[p.op], self.expr(p.right), int(p.modular))
        if not self.c.rests_long and (is_paws_like(p.left, p.right) or is_paws_like(p.right, p.left)):
            self.p.keeps_ts_recent = kept
        return node

    def distance(self, p: sc.Compare, op: int) -> int:
        """`seq - rcv_nxt > 5`: a difference, with numbers added to it, compared with a number."""
        left, right = linear(p.left), linear(p.right)
        if is_modular(p.right):
            left, right, op = right, left, (2, 3, 0, 1, 4, 5)[op]
        (plus, minus, k1), (plus2, minus2, k2) = left, right
        if len(plus) != 1 or len(minus) != 1 or plus2 or minus2 or k2 < k1:
            raise refuse(p.span, "a difference is compared with a number that is not negative")
        return self.new(k.P_DISTANCE, self.expr(plus[0]), op, self.expr(minus[0]), big=k2 - k1)

    def node_flag(self, p: sc.Flag) -> int:
        codes = {"old": 0, "forged": 1, "paws_old": 2, "quiet": 3, "tsval": 4, "wrapped": 5}
        if p.name not in codes:
            raise refuse(p.span, f"`{p.name}` cannot stand alone here")
        return self.new(k.P_FLAG, self.subject, codes[p.name])

    def node_absent(self, p: sc.Absent) -> int:
        v = self.var(p.sock)
        self.may_be_absent.add(v)
        return self.new(k.P_ABSENT, v)

    def node_timeris(self, p: sc.TimerIs) -> int:
        return self.new(k.P_TIMER, self.var(p.sock), {"timewait": 0, "persist": 1, "keepalive": 2, "on": 3}[p.kind])

    def node_same(self, p: sc.Same) -> int:
        return self.new(k.P_SAME, self.var(p.left), self.var(p.right))

    def node_ss(self, p: sc.Ss) -> int:
        column = {"recv-q": 0, "send-q": 1, "rows": 2}[p.column]
        op = {"<": 0, "<=": 1, ">": 2, ">=": 3, "=": 4, "!=": 5}[p.op]
        if not isinstance(p.right, sc.Const):
            raise refuse(p.span, "`ss` compares with a number")
        return self.new(k.P_SS, self.c.host_ix[p.host], states_mask((p.state,)), p.port, column, op, p.right.value)

    # ---- patterns and expressions

    def pattern(self, s: sc.SegPattern, subject: int, counted: bool = False) -> int:
        kinds = ("SYN", "SYN-ACK", "FIN", "RST", "ACK", "DATA", "SEGMENT", "NOTHING", "FLAGS")
        kind, flags = kinds.index(s.kind), flag_bits(s.flags or "")
        ordinal = -1
        if s.ordinal is not None:
            if not counted or s.where is not None:
                raise refuse(s.span, "a number such as `3rd` goes with `sends` and no condition")
            ordinal = self.ordinal(kind, flags, s.ordinal, s.span)
        kept, self.subject = self.subject, subject
        where = self.node(s.where) if s.where is not None else -1
        self.subject = kept
        row = {"kind": kind, "flags": flags, "ordinal": ordinal, "nth": s.ordinal or 0, "where": where}
        self.p.patterns.append(row | {"subject": subject})
        return len(self.p.patterns) - 1

    def ordinal(self, kind: int, flags: int, n: int, span: Span) -> int:
        for i, (kd, fl, most) in enumerate(self.p.ordinals):
            if (kd, fl) == (kind, flags):
                self.p.ordinals[i] = (kd, fl, max(most, n))
                return i
        if len(self.p.ordinals) >= k.ORDINALS_MAX:
            raise refuse(span, f"more than {k.ORDINALS_MAX} different patterns such as `3rd FIN` in one spec")
        self.p.ordinals.append((kind, flags, n))
        return len(self.p.ordinals) - 1

    def expr(self, e: sc.Expr) -> int:
        self.p.keeps_ts_recent |= getattr(e, "name", "") in ("ts_recent", "tsecr")
        if isinstance(e, sc.Field | sc.InField) and e.name == "tsecr":
            self.p.keeps_tsecr = True
        if isinstance(e, sc.Const):
            return self.new(k.E_CONST, big=e.value)
        if isinstance(e, sc.Field):
            if e.name in SEG_FIELDS:
                return self.new(k.E_FIELD, 0, SEG_FIELDS[e.name])
            return self.new(k.E_VAR, self.subject, SOCK_FIELDS[e.name])
        if isinstance(e, sc.InField):
            return self.new(k.E_INFIELD, 0, SEG_FIELDS[e.name])
        if isinstance(e, sc.SockVar):
            return self.sock_var(e)
        if isinstance(e, sc.Unknown):
            if e.field is not None:
                assert self.host is not None
                return self.new(k.E_CAUGHT, 0, self.c.caught(self.host, e.name, e.field, e.span))
            if e.name in self.c.running:
                what = f"`{e.name}`, where a clock stood that has run on since, in an expression"
                raise refuse(e.span, f"{what}; compare with ts_recent, or count or map over {e.name}")
            return self.unknown(e)
        op = k.E_ADD if isinstance(e, sc.Add) else k.E_SUB
        return self.new(op, self.expr(e.left), 0, self.expr(e.right))

    def sock_var(self, e: sc.SockVar) -> int:
        """A socket's variable; one of a named socket is kept beyond the socket's end when the claim counts over it."""
        v = self.var(e.sock)
        f = SOCK_FIELDS[e.name]
        kept = -1
        if isinstance(e.sock, sc.Named) and f in (k.KF_ISS, k.KF_IRS, k.KF_SND_NXT, k.KF_RCV_NXT):
            row = (self.c.bind(e.sock.host, e.sock.name), (e.sock.index or 1) - 1, f)
            if row not in self.p.kept:
                if len(self.p.kept) >= k.KEPT_MAX:
                    raise refuse(e.span, f"more than {k.KEPT_MAX} different variables of sockets in the claims")
                self.p.kept.append(row)
            kept = self.p.kept.index(row)
        return self.new(k.E_VAR, v, f, kept)
