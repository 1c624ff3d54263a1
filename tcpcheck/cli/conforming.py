"""`tcpcheck conform`: captures against the model."""

from __future__ import annotations

from tcpcheck.cli.console import Console
from tcpcheck.cli.failures import SeveralBad, worst
from tcpcheck.conform.command import Conform, ConformCall
from tcpcheck.conform.report import document, exit_code, text
from tcpcheck.errors import TcpcheckError
from tcpcheck.render import json as render_json


def run_conform(console: Console, call: ConformCall, calls: bool = False) -> int:
    """-> the exit code. A file that cannot be read does not keep the others from being judged."""
    conform = Conform(call)
    verdicts, failures = [], []
    for name in call.files:
        try:
            verdict = conform.file(name)
        except TcpcheckError as failure:
            failures.append(failure)
            continue
        verdicts.append(verdict)
        if console.json:
            continue
        console.write(text(verdict, conform.kernel, calls))
    if failures and console.json:
        raise SeveralBad(failures)
    for bad in failures:
        console.failure(bad)
    if console.json:
        console.write(render_json.dumps(document(verdicts, conform.kernel)))
    return worst([*map(exit_code, verdicts), *(bad.exit_code for bad in failures)])
