"""Which numbers of other incarnations of a connection can matter in a spec. Relating them costs clocks, so it is done
only where something may come of it."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from tcpcheck.lang import scenario as sc
from tcpcheck.model.rests import steps


def isn_matters(case: sc.Case, host: sc.Host) -> bool:
    """Does the spec connect more than once from one explicit port of this host with the kernel's own ISN?"""
    times: Counter[tuple[str, int, int]] = Counter()
    for step, rounds in steps(host):
        if isinstance(step, sc.Connect) and step.seq is None and step.lport is not None:
            times[step.host, step.port, step.lport] += int(min(rounds, 2))
    return any(n > 1 for n in times.values())


def tsecr_compared(case: sc.Case) -> str:
    """Whose TSecr must be compared as a number in SYN-SENT and SYN-RECEIVED? "never": a connection is echoed only its
    own TSvals, as they were sent; "young": those of older incarnations, which a clock that runs on tells apart but in
    one tick; "others": not the one that echoes the connection's own; "always": TSvals are changed on their way."""
    if any(rewrite.field == "tsval" for rewrite in case.network.rewrites):
        return "always"
    every = [(host, step, rounds) for host in case.hosts for step, rounds in steps(host)]
    if any(isinstance(s, sc.Inject) and (s.tsval is not None or s.tsecr is not None) for _, s, _ in every):
        return "others"
    connects = [(h, s) for h, s, rounds in every if isinstance(s, sc.Connect) for _ in range(int(min(rounds, 2)))]
    if case.router is not None:  # any two may have the same addresses somewhere
        return "others" if len(connects) > 1 else "never"
    if not any(a is b and _one_port(x, y) for (a, x), (b, y) in combinations(connects, 2)):
        return "never"
    many_clocks = any(isinstance(s, sc.Boot) or (isinstance(s, sc.Connect) and s.tsval) for _, s, _ in every)
    return "others" if many_clocks or not case.timed else "young"


def _one_port(a: sc.Connect, b: sc.Connect) -> bool:
    """May both have the same 4-tuple?"""
    return (a.host, a.port) == (b.host, b.port) and (a.lport is None or b.lport is None or a.lport == b.lport)
