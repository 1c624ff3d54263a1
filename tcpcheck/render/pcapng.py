"""A trace as a pcapng capture for Wireshark: nanoseconds since the start, raw IPv4, comments that say why.

One interface for each host and one for the wire (vantage.py says who sees what). The section's comment holds the
claim, its verdict and the settings; a packet's comment what its host did before it sent it, or what receiving it
changed and by which rule. Times count from the start of the run, that is from 1970. The same trace gives the same
bytes.

Wireshark's own TCP analysis takes the same segment seen at two interfaces for a retransmission: for its labels write
one vantage point alone.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from pcapng import FileWriter, blocks  # type: ignore[import-untyped]

from tcpcheck import __version__
from tcpcheck.render.rules import RuleLookup, no_rules
from tcpcheck.render.vantage import WIRE, Sighting, drop_chain, sightings, vantages
from tcpcheck.render.wire import packet
from tcpcheck.render.words import confirmed_text, printable, settings_text
from tcpcheck.witness.trace import Step, Trace

LINKTYPE_IPV4 = 228
NANOSECONDS = b"\x09"  # if_tsresol: 10^-9 s


SEVERAL = "each segment is here once for each interface that saw it; show one with frame.interface_name"


def pcapng(trace: Trace, rules: RuleLookup = no_rules, only: Sequence[str] = ()) -> bytes:
    """The capture file. only: vantage points to write (hosts, `wire`), all when empty.

    Raises UsageError for an unknown vantage point, and when a segment cannot be an IPv4 packet.
    """
    names = list(only) or vantages(trace)
    comment = _section_comment(trace) + (f"\n{SEVERAL}" if len(names) > 1 else "")
    section = blocks.SectionHeader(options={"opt_comment": comment, "shb_userappl": f"tcpcheck {__version__}"})
    interfaces = {name: _interface(section, trace, name) for name in names}
    out = io.BytesIO()
    writer = FileWriter(out, section)
    seen = [(sight, name) for name in interfaces for sight in sightings(trace, name)]
    for sight, name in sorted(seen, key=lambda pair: (pair[0].step.index, interfaces[pair[1]])):
        options: dict[str, object] = {"epb_flags": 2 if sight.outbound else 1}
        comments = _comments(trace, sight, name, rules)
        if comments:
            options["opt_comment"] = comments
        data = packet(sight.segment)
        writer.write_block(
            section.new_member(
                blocks.EnhancedPacket,
                interface_id=interfaces[name],
                timestamp_high=sight.time_ns >> 32,
                timestamp_low=sight.time_ns & 0xFFFFFFFF,
                packet_len=len(data),
                packet_data=data,
                options=options,
            )
        )
    return out.getvalue()


def _interface(section: blocks.SectionHeader, trace: Trace, name: str) -> int:
    host = next((host for host in trace.hosts if host.name == name), None)
    description = "what leaves any host" if host is None else f"{host.address}, {host.kernel}"
    block = section.new_member(
        blocks.InterfaceDescription,
        link_type=LINKTYPE_IPV4,
        options={
            "if_name": printable(name),
            "if_description": printable(description),
            "if_tsresol": NANOSECONDS,
        },
    )
    number: int = block.interface_id
    return number


def _section_comment(trace: Trace) -> str:
    """Claim, verdict, settings, numbers, one on a line."""
    values = ", ".join(f"{name} = {value}" for name, value in trace.values.items())
    rows = (
        ("", f"{trace.title} ({trace.spec})"),
        ("", f"{trace.kind} {trace.claim}: {trace.verdict}"),
        ("with ", settings_text(trace.settings)),
        ("found ", values),
        ("confirmed by ", confirmed_text(trace.confirmed_by)),
        ("", trace.note),
    )
    return "\n".join(f"{title}{printable(text)}" for title, text in rows if text)


def _comments(trace: Trace, sight: Sighting, vantage: str, rules: RuleLookup) -> list[str]:
    """What this packet's reader wants to know; on the wire only its fate."""
    step = sight.step
    if vantage == WIRE:
        return _fate(trace, sight)
    out: list[str] = []
    if sight.outbound:
        for before in _done_before(trace, step):
            out += [f"{before.event} {printable(before.text)}".rstrip(), *_changes(before), *_rules(before, rules)]
        out += [*_changes(step), *_rules(step, rules), *_fate(trace, sight)]
        for arrival in _arrivals_at_home(trace, step):
            out += _arrival(trace, arrival, rules)
    else:
        out += _arrival(trace, step, rules)
    return out


def _arrival(trace: Trace, step: Step, rules: RuleLookup) -> list[str]:
    if step.event == "drop":
        return [f"{printable(step.host)}'s firewall drops it ({drop_chain(trace, step)})"]
    return [*_changes(step), *_rules(step, rules)]


def _arrivals_at_home(trace: Trace, sent: Step) -> list[Step]:
    """What becomes of a segment that a host sends to itself: it is seen only once, when it is sent."""
    segment = sent.segment
    if segment is None or segment.dst != sent.host:
        return []
    later = trace.steps[sent.index + 1 :]
    return [step for step in later if step.event in ("receive", "drop") and step.segment == segment]


def _done_before(trace: Trace, sent: Step) -> list[Step]:
    """Calls and timers of the host since it last sent or received a segment."""
    done: list[Step] = []
    for step in trace.steps[: sent.index]:
        if step.host == sent.host:
            done = [*done, step] if step.segment is None else []
    return done


def _changes(step: Step) -> list[str]:
    said = []
    for change in step.changes:
        if change.what == "gets" and step.event == "call":
            continue  # the call's own words say it
        what = "" if change.what == "state" else f" {change.what}"
        before = f"{change.before} -> " if change.before else ""
        said.append(printable(f"{change.subject}{what}: {before}{change.after}"))
    return said


def _rules(step: Step, rules: RuleLookup) -> list[str]:
    said = []
    for rule in step.rules:
        info = rules(rule)
        details = [] if info is None else [info.doc, *(part for part in (info.rfc, info.kernel) if part)]
        said.append(printable("; ".join([rule, *details])))
    return said


def _fate(trace: Trace, sight: Sighting) -> list[str]:
    """What becomes of a segment that does not simply arrive, and that it is forged."""
    words = {"lose": "lost on its way", "duplicate": "the network copies it", "expire": "too late to arrive"}
    said = [
        words[step.event]
        for step in trace.steps[sight.step.index :]
        if step.event in words and step.segment is not None and step.segment.uid == sight.segment.uid
    ]
    return [*(["forged"] if sight.segment.forged else []), *said]
