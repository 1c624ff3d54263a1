"""A trace in any of its formats, by the format's name."""

from __future__ import annotations

from collections.abc import Sequence

from tcpcheck.errors import UsageError
from tcpcheck.render.rules import rule_lookup
from tcpcheck.witness.trace import Trace

FORMATS = ("text", "tcpdump", "pcapng", "packetdrill", "json", "html", "svg", "mermaid")
FOR_ONE_HOST = ("tcpdump", "pcapng", "packetdrill")


def rendered(trace: Trace, format: str, host: str | None = None, settings: Sequence[str] = ()) -> str | bytes:
    """Bytes of `pcapng`, text of all others. host: whose view, or who plays. settings: `NAME=V1,V2` that took the
    place of the spec's own. Errors: UsageError."""
    check(format, host)
    if format == "tcpdump":
        from tcpcheck.render.tcpdump import tcpdump

        return tcpdump(trace) if host is None else tcpdump(trace, host)
    if format == "pcapng":
        from tcpcheck.render.pcapng import pcapng

        return pcapng(trace, rule_lookup(), () if host is None else (host,))
    if format == "packetdrill":
        from tcpcheck.render.packetdrill import packetdrill

        if host is None:
            hosts = " or ".join(info.name for info in trace.hosts if info.has_tcp and not info.routes)
            raise UsageError(f"a packetdrill script is for one host: choose {hosts}")
        return packetdrill(trace, host, settings=settings)
    return _whole(trace, format)


def _whole(trace: Trace, format: str) -> str:
    """The formats that show every host."""
    if format == "json":
        from tcpcheck.render import json

        return json.dumps(json.trace(trace))
    if format == "html":
        from tcpcheck.render.html import trace_page

        return trace_page(trace, rule_lookup())
    if format == "svg":
        from tcpcheck.render.svg import svg

        return svg(trace)
    if format == "mermaid":
        from tcpcheck.render.mermaid import mermaid

        return mermaid(trace)
    from tcpcheck.render.text import text

    return text(trace, rules=rule_lookup())


def check(format: str, host: str | None) -> None:
    """What is wrong with a format, or with a host beside it, as UsageError."""
    if format not in FORMATS:
        raise UsageError(f"no format `{format}`: choose {', '.join(FORMATS)}")
    if host is not None and format not in FOR_ONE_HOST:
        raise UsageError(f"a host goes with the formats {', '.join(FOR_ONE_HOST)}")
