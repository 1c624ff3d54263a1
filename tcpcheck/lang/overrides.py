"""Settings from outside a spec (`tcpcheck sweep --set NAME=V1,V2`): they take the place of what the spec says.

NAME is a host's sysctl (`server.net.ipv4.tcp_rfc1337`, also one that the spec does not set), a host's kernel
(`server.kernel`), or the name of a choice (`msl`). The values become a family, so each is a setting of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tcpcheck.errors import SetSpan, Span
from tcpcheck.lang import ast
from tcpcheck.lang.diagnostics import Mistakes, nearest, shorten
from tcpcheck.lang.parse import parse

N = TypeVar("N", bound=ast.Node)


def override(spec: ast.Spec, settings: Mapping[str, Sequence[str]], mistakes: Mistakes) -> ast.Spec:
    """The spec with these settings. Unknown names are noted in `mistakes`; SpecError if a value cannot be read."""
    for name, values in settings.items():
        host, _, rest = name.partition(".")
        node = next((i for i in spec.items if isinstance(i, ast.Host) and i.name.text == host), None)
        if node is None or not rest:
            spec = _override_choice(spec, name, values, mistakes)
            continue
        items: tuple[ast.HostItem, ...]
        if rest == "kernel":
            items = _with_kernel(node, _kernel(name, values), name)
        else:
            items = _with_sysctl(node, rest, _choice(name, values), name)
        changed = dataclasses.replace(node, items=items)
        spec = dataclasses.replace(spec, items=tuple(changed if i is node else i for i in spec.items))
    return spec


def _item(name: str, text: str) -> ast.HostItem:
    """A host's item that is written so; the message of an error names the setting, not the spec."""
    (host,) = parse(f"host h {{ {text}\n}}", _said(name)).items
    assert isinstance(host, ast.Host)
    return host.items[0]


def _choice(name: str, values: Sequence[str]) -> ast.Choice:
    item = _item(name, f"sysctl net.x = {{{', '.join(values)}}}")
    assert isinstance(item, ast.Sysctl)
    return item.choice


def _kernel(name: str, values: Sequence[str]) -> ast.Kernel:
    item = _item(name, f"kernel {{{', '.join(values)}}}")
    assert isinstance(item, ast.Kernel)
    return item


def _with_kernel(host: ast.Host, kernel: ast.Kernel, setting: str) -> tuple[ast.HostItem, ...]:
    old = next((i for i in host.items if isinstance(i, ast.Kernel)), None)
    if old is None:
        return (_at(kernel, host.name.span, setting), *host.items)
    new = dataclasses.replace(_at(kernel, old.span, setting), name=old.name)
    return tuple(new if i is old else i for i in host.items)


def _with_sysctl(host: ast.Host, sysctl: str, choice: ast.Choice, setting: str) -> tuple[ast.HostItem, ...]:
    old = next((i for i in host.items if isinstance(i, ast.Sysctl) and i.name.text == sysctl), None)
    if old is None:
        span = host.name.span
        return (*host.items, _at(ast.Sysctl(span, ast.Word(span, sysctl), choice, None), span, setting))
    new_choice = dataclasses.replace(_at(choice, old.choice.span, setting), name=old.choice.name)
    new = dataclasses.replace(old, choice=new_choice, second=None)
    return tuple(new if i is old else i for i in host.items)


def _override_choice(spec: ast.Spec, name: str, values: Sequence[str], mistakes: Mistakes) -> ast.Spec:
    """Replaces the choice that an arrow names."""
    names: list[str] = []
    found = False

    def change(node: ast.Node) -> ast.Node:
        nonlocal found
        if isinstance(node, (ast.Choice, ast.Kernel)) and node.name is not None:
            names.append(node.name.text)
            if node.name.text == name:
                found = True
                new = _kernel(name, values) if isinstance(node, ast.Kernel) else _choice(name, values)
                return dataclasses.replace(_at(new, node.span, name), name=node.name)
        return node

    changed = _map(spec, change)
    if not found:
        hosts = [i.name.text for i in spec.items if isinstance(i, ast.Host)]
        advice = "a setting is `HOST.SYSCTL`, `HOST.kernel`, or the name of a choice"
        message = f"no choice and no host for the setting `{shorten(name)}`"
        mistakes.error(Span(1, 1, 1), message, near=nearest(name, [*names, *hosts]), advice=advice)
    return changed


def _said(name: str) -> str:
    return f"--set {shorten(name)}"


def _at(node: N, span: Span, name: str) -> N:
    """The node, said to stand at that place of the spec; what is wrong with it is the setting's fault."""
    at = SetSpan(span.line, span.column, span.end_column, _said(name))
    return _map(node, lambda inner: dataclasses.replace(inner, span=at))


def _map(node: N, change: Callable[[ast.Node], ast.Node]) -> N:
    """The tree with `change` applied to each node, inner before outer."""
    values: dict[str, Any] = {f.name: _map_value(getattr(node, f.name), change) for f in dataclasses.fields(node)}
    kept = {k: v for k, v in values.items() if v is not getattr(node, k)}
    changed = change(dataclasses.replace(node, **kept) if kept else node)
    assert isinstance(changed, type(node))
    return changed


def _map_value(value: Any, change: Callable[[ast.Node], ast.Node]) -> Any:
    if isinstance(value, ast.Node):
        return _map(value, change)
    if isinstance(value, tuple):
        mapped = tuple(_map_value(v, change) for v in value)
        return mapped if any(a is not b for a, b in zip(mapped, value, strict=True)) else value
    return value
