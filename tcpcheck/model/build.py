"""A Case -> a Model: its profiles, sysctls and network as numbers, its tables compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tcpcheck.lang.scenario import MILLISECOND, Case, Host
from tcpcheck.model.compile import compile_case
from tcpcheck.model.incarnations import isn_matters, tsecr_compared
from tcpcheck.model.program import Program
from tcpcheck.model.rests import outdates_timestamps, sets_options
from tcpcheck.model.symmetric import renamings
from tcpcheck.model.symmetry import Alike
from tcpcheck.model.world import Model
from tcpcheck.reductions import switched_off
from tcpcheck.tcp.config import ConfigTable
from tcpcheck.tcp.profile import profile_for
from tcpcheck.tcp.rules import BY_NAME

# Time always passes on the way: the least delay there is, in ns.
LEAST_DELAY = 10_000
# What a delayed ACK adds to a round trip at most: 40 ms, late by up to an eighth and a jiffy of 10 ms.
DELAYED_ACK = 55 * MILLISECOND


DEFAULT_MSS = 1460
NOTHING: Mapping[str, dict[str, int]] = {}
UNUSED = "rfc9293"  # stands in the table of a host without TCP, and nothing asks for it


@dataclass(frozen=True)
class NetworkNumbers:
    """ns; keeps_order: segments of one direction do not overtake each other. hops: of a way, each with its delay."""

    delay_lo: int
    delay_hi: int
    lifetime: int
    keeps_order: bool
    hops: int = 1

    @property
    def rtt_max(self) -> int:
        return self.rtt_syn_max + DELAYED_ACK

    @property
    def rtt_syn_max(self) -> int:
        return 2 * self.hops * self.delay_hi


def network_numbers(case: Case) -> NetworkNumbers:
    """A constant delay keeps the order: what was sent first arrives first."""
    n = case.network
    lo, hi = max(n.delay_lo, LEAST_DELAY), max(n.delay_hi, LEAST_DELAY)
    hops = 1 if case.router is None else 2
    return NetworkNumbers(lo, hi, max(n.lifetime or 0, hi), n.fifo or (case.timed and lo == hi), hops)


def build_model(
    case: Case, exact: bool = False, zeros: bool = True, fixed: Mapping[str, dict[str, int]] = NOTHING
) -> Model:
    """exact: ISNs of one 4-tuple are related through the ISN clock at every host; otherwise only where the spec's own
    claims depend on it (coarser and cheaper: more behaviour, never less). zeros: a timestamp may be exactly 0; without
    that there is less behaviour, and Model.zero_met says whether it might have made a difference. fixed: by host,
    constants in the place of its profile's own. Errors: SpecError."""
    program = compile_case(case, {name: rule.number for name, rule in BY_NAME.items()})
    off = switched_off()
    program.keeps_ts_recent |= "timestamps" in off
    compared = tsecr_compared(case)
    program.keeps_ts_recent |= compared == "always"
    program.keeps_young_tsecr = compared == "young"
    program.keeps_tsecr |= compared in ("others", "always") or "echoes" in off
    net = network_numbers(case)
    tables, nexts = [], []
    for h, host in enumerate(case.hosts):
        rows, following = sysctl_rows(program, h, host)
        linked = exact or isn_matters(case, host)
        profile = profile_for(host.kernel if host.kernel != "none" else UNUSED)[0]
        tables.append(
            ConfigTable(
                profile,
                rows,
                host.features_with,
                host.features_without,
                mss=host.mss or DEFAULT_MSS,
                rtt_max_ns=net.rtt_max,
                rtt_syn_max_ns=net.rtt_syn_max,
                isn_linked=linked,
                ts_linked=case.timed,
                fixed=fixed.get(host.name, {}),
                ts_ages=outdates_timestamps(case, profile.constants["paws_idle_ns"], exact or program.keeps_ts_recent),
                keeps_heard=sets_options(host),
                tsecr_compared=compared,
            )
        )
        nexts.append(following)
    model = Model(program, tables, nexts, net, exact, zeros)
    if "symmetry" not in off:
        model.alike = alike(program)
    return model


def alike(program: Program) -> Alike | None:
    """The hosts that may change places; None: none may."""
    rows = renamings(program)
    return Alike(rows) if rows else None


def sysctl_rows(program: Program, h: int, host: Host) -> tuple[list[dict[str, int]], list[int]]:
    """Every combination of sysctls that the host's own `sysctl` steps can lead to, the initial one first; and for
    each of them and each step of the spec where it leads (row by row)."""
    rows = [dict(host.sysctls)]
    following: list[int] = []
    for row in rows:  # grows while it is walked
        for owner, name, value in program.sysctl_steps:
            changed = row | {name: value} if owner == h else row
            if changed not in rows:
                rows.append(changed)
            following.append(rows.index(changed))
    return rows, following
