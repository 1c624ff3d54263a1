"""tcpcheck, a declarative model checker for TCP corner cases.

    import tcpcheck

    result = tcpcheck.verify("specs/tw_syn.tcp")            # a file, or a spec's text
    for claim in result.claims:
        print(claim.name, claim.settings, claim.verdict)
    for step in tcpcheck.trace("specs/tw_syn.tcp", "refusal", server_tcp_timestamps=1):
        print(step.time_ns, step.host, step.event, step.segment, step.rules)

What is imported here stays; everything else may change from version to version. Importing tcpcheck is quick: what a
name needs is loaded when it is used first.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as of typing, which takes its time

__version__ = "0.1.0"
__all__ = [
    "Change",
    "ClaimResult",
    "Count",
    "Diagnostic",
    "HostInfo",
    "Impossible",
    "Limits",
    "MapResult",
    "Segment",
    "SpecError",
    "SpecResult",
    "Step",
    "TcpcheckError",
    "Trace",
    "Undecided",
    "UsageError",
    "__version__",
    "export",
    "fixtures",
    "map_over",
    "to_scapy",
    "trace",
    "traces",
    "verify",
]

if TYPE_CHECKING:
    from typing import Any

    from tcpcheck.api import export, fixtures, map_over, to_scapy, trace, traces, verify
    from tcpcheck.errors import Diagnostic, Impossible, SpecError, TcpcheckError, Undecided, UsageError
    from tcpcheck.explore.result import Limits
    from tcpcheck.mapping.result import MapResult
    from tcpcheck.witness.trace import Change, HostInfo, Segment, Step, Trace
    from tcpcheck.witness.verdict import ClaimResult, Count, SpecResult

_HOMES = {
    "api": ("export", "fixtures", "map_over", "to_scapy", "trace", "traces", "verify"),
    "errors": ("Diagnostic", "Impossible", "SpecError", "TcpcheckError", "Undecided", "UsageError"),
    "explore.result": ("Limits",),
    "mapping.result": ("MapResult",),
    "witness.trace": ("Change", "HostInfo", "Segment", "Step", "Trace"),
    "witness.verdict": ("ClaimResult", "Count", "SpecResult"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tcpcheck' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"tcpcheck.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
