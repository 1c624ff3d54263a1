"""Calls of the command line: in this process, or as a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing

from tcpcheck.cli import main
from tcpcheck.render import json as render_json

ROOT = Path(__file__).parents[1]
SPECS = ROOT / "specs"
OPEN = str(SPECS / "simultaneous_open.tcp")
FIN_WAIT2 = str(SPECS / "fin_wait2_no_fin.tcp")
PROGRAM = [sys.executable, "-m", "tcpcheck"]

# A connection that is opened and closed; `%s` are its claims.
CONNECTION = """# A connection is opened and closed.
title "One connection"
host a { kernel linux 6.18.44 ; run { listen :80 backlog 5 ; accept -> c ; close c } }
host b { kernel linux 6.18.44 ; run { connect a:80 from :1000 -> s ; recv s until eof ; close s } }
%s
"""
AS_EXPECTED = "never reset { a.c sends RST }"
NOT_AS_EXPECTED = "never rests { a.c in TIME-WAIT }"
# More states than a test ever waits for.
ENDLESS = """# Very many states.
title "Very many states"
host a { kernel linux 6.18.44 ; run { listen :80 backlog 5 ; loop 3 { accept -> c ; send c 10B ; close c } } }
host b {
    kernel linux 6.18.44
    run one { loop 3 { connect a:80 -> s ; close s } }
    run two { connect a:80 -> t ; close t }
}
network { delay 1ms..50ms ; lose 0..2 ; duplicate 0..2 }
never reset { a.c sends RST }
reach soon { b.s in SYN-SENT }
"""


@dataclass(frozen=True)
class Result:
    """What a call returned and printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document it must be, checked against its schema."""
        document = json.loads(self.out)
        validate(document)
        return document


def validate(document: Any) -> None:
    names = (
        "verify/1",
        "verify-all/1",
        "error/1",
        "trace/1",
        "simulate/1",
        "map/1",
        "profiles/1",
        "diff/1",
        "fixtures/1",
    )
    schemas = {name: render_json.schema(name) for name in names}
    registry = referencing.Registry().with_resources(
        (schema["$id"], referencing.Resource.from_contents(schema)) for schema in schemas.values()
    )
    name = document["schema"].removeprefix("tcpcheck.")
    jsonschema.Draft202012Validator(schemas[name], registry=registry).validate(document)


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> Result:
    """In this process."""
    capfd.readouterr()
    code = main(arguments)
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return Result(code, out, err)


def program(*arguments: str, **environment: str) -> Result:
    """As a program of its own, in the project's folder."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())
