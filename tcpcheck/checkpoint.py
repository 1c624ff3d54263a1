"""A run of `verify` that is kept in a file: the searches that ended, and those that were under way.

What is kept are searches, not verdicts: a run that goes on takes over the results of those that ended, goes on with
those under way, and judges all of them anew. So it prints what it would have printed, witnesses included.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tcpcheck
from tcpcheck.errors import UsageError
from tcpcheck.explore.result import Sink, Source
from tcpcheck.records import NoSuchFormat, NotWhole, Record, RecordSource, read_records, written_aside
from tcpcheck.reductions import Done
from tcpcheck.searches import Keeper, from_json, to_json

MAGIC = b"tcpcheck checkpoint 1\n"
FAMILY = b"tcpcheck checkpoint "
COST_SHARE = 9  # so many times as long as it took to save is searched before the next time

Key = tuple[int, int, int]
"""The number of a spec in the call, of its member, and of the search of that member."""


def build_hash() -> str:
    """Of everything that says what a saved byte means: the program itself."""
    whole = hashlib.sha256()
    root = Path(tcpcheck.__file__).parent
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".so", ".py", ".lark")):
        whole.update(f"{path.relative_to(root)}\0".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


class Checkpoint:
    """The file and what is known from it.

    path: where it is written, called `name`. identity: `specs` (name -> what its text and kernels hash to) and
    `options`; a file with another one is refused. every: s between two times of saving. tell: says a sentence to the
    user.
    """

    def __init__(
        self, path: Path, name: str, identity: dict[str, Any], every: float, tell: Callable[[str], None]
    ) -> None:
        self.path, self.name, self.every, self.tell = path, name, every, tell
        self.identity = {"version": tcpcheck.__version__, "build": build_hash(), **identity}
        self.done: dict[Key, Done] = {}
        self.running: dict[Key, Record] = {}
        self.changed = True  # since it was written last
        self.failed: OSError | None = None  # why that did not succeed
        self.next = time.monotonic() + every

    # ---- reading

    def resume(self, path: Path, name: str) -> None:
        """Takes over what the file holds; `name` is what the user calls it. Errors: UsageError."""
        try:
            records = read_records(path, MAGIC)
        except OSError as error:
            raise UsageError(f"cannot read {name}: {error.strerror}") from None
        except NoSuchFormat:
            raise UsageError(f"{name} {_no_format(path)}") from None
        except NotWhole:
            raise UsageError(f"{name} is damaged or not whole: it cannot be resumed") from None
        self._must_fit(name, records[0].meta)
        for record in records[1:]:
            meta = record.meta
            key: Key = (meta["key"][0], meta["key"][1], meta["key"][2])
            if meta["kind"] == "done":
                reads = None if meta["reads"] is None else tuple(meta["reads"])
                self.done[key] = Done(meta["asked"], from_json(meta["result"]), base64.b64decode(meta["noted"]), reads)
            else:
                self.running[key] = record
        self.changed = path != self.path

    def _must_fit(self, name: str, found: dict[str, Any]) -> None:
        mine = self.identity
        if (found["version"], found["build"]) != (mine["version"], mine["build"]):
            other = "another build" if found["version"] == mine["version"] else f"version {found['version']}"
            raise UsageError(f"{name} was written by {other} of tcpcheck: go on with that, or start anew")
        if list(found["specs"].values()) != list(mine["specs"].values()):
            raise UsageError(f"{name} belongs to other specs: {_other_specs(found['specs'], mine['specs'])}")
        for option, value in found["options"].items():
            if value != mine["options"][option]:
                was, now = _worded(option, value), _worded(option, mine["options"][option])
                raise UsageError(f"{name} was written {was}, not {now}: what it holds does not fit")

    def source(self, key: Key, asked: str, model: Any) -> Source | None:
        record = self.running.get(key)
        if record is None or record.meta["asked"] != asked:
            return None
        model.note_again(base64.b64decode(record.meta["noted"]))
        return RecordSource(record)

    # ---- writing

    def begin(self) -> None:
        """A file that cannot be written is told now. Errors: OSError."""
        if self.changed:
            self._write(None)

    def save(self, key: Key, asked: str, model: Any, write_to: Callable[[Sink], None]) -> None:
        """A disk that is full does not end the search; what was saved before stays."""
        begin = time.monotonic()
        self.changed = True
        meta = {"kind": "running", "key": key, "asked": asked, "noted": base64.b64encode(model.noted()).decode()}
        try:
            self._write((key, meta, write_to))
        except OSError as error:
            if self.failed is None:
                self.tell(f"cannot save to {self.name}: {error.strerror}; the search goes on, the file stays as it was")
            self.failed = error
        now = time.monotonic()
        self.next = now + max(self.every, COST_SHARE * (now - begin))

    def finished(self, key: Key, done: Done) -> None:
        self.done[key] = done
        self.running.pop(key, None)
        self.changed = True

    def end(self) -> None:
        """Whatever is known is in the file afterwards. Errors: OSError."""
        if self.changed:
            self._write(None)

    def _write(self, running: tuple[Key, dict[str, Any], Callable[[Sink], None]] | None) -> None:
        """All that is known, with this search under way. Others under way stay as they were saved last."""
        kept: list[Record] = []
        with written_aside(self.path, MAGIC) as file:
            file.plain({"kind": "header", **self.identity})
            for key, done in self.done.items():
                noted = base64.b64encode(done.noted).decode()
                meta = {"kind": "done", "key": key, "asked": done.asked, "noted": noted, "reads": done.reads}
                file.plain({**meta, "result": to_json(done.result)})
            for key, record in self.running.items():
                if running is None or key != running[0]:
                    with file.record(record.meta, kept) as sink:
                        for chunk in record.chunks():
                            sink.write(chunk)
            if running is not None:
                with file.record(running[1], kept) as sink:
                    running[2](sink)
        self.running = {tuple(record.meta["key"]): record for record in kept}
        self.changed, self.failed = False, None

    def keeper(self, spec: int, member: int) -> Keeper:
        return _Member(self, spec, member)


class _Member:
    """The searches of one member of one spec: a searches.Keeper."""

    def __init__(self, checkpoint: Checkpoint, spec: int, member: int) -> None:
        self.checkpoint, self.spec, self.member = checkpoint, spec, member

    def known(self, number: int) -> Done | None:
        return self.checkpoint.done.get((self.spec, self.member, number))

    def saver(self, number: int, asked: str, model: Any) -> _Running:
        return _Running(self.checkpoint, (self.spec, self.member, number), asked, model)

    def finished(self, number: int, done: Done) -> None:
        self.checkpoint.finished((self.spec, self.member, number), done)


class _Running:
    """One search under way: an explore.result.Saver."""

    def __init__(self, checkpoint: Checkpoint, key: Key, asked: str, model: Any) -> None:
        self.checkpoint, self.key, self.asked, self.model = checkpoint, key, asked, model

    def source(self) -> Source | None:
        return self.checkpoint.source(self.key, self.asked, self.model)

    def due(self, _nodes: int) -> bool:
        return time.monotonic() >= self.checkpoint.next

    def save(self, write_to: Callable[[Sink], None]) -> None:
        self.checkpoint.save(self.key, self.asked, self.model, write_to)


# ---- words


def _no_format(path: Path) -> str:
    with open(path, "rb") as file:
        if file.read(len(FAMILY)) == FAMILY:
            return "was written by another version of tcpcheck: go on with that, or start anew"
    return "is not a checkpoint of tcpcheck"


def _other_specs(found: dict[str, str], mine: dict[str, str]) -> str:
    if list(found) != list(mine):
        return f"it was made for {', '.join(found)}"
    changed = [name for name in mine if found[name] != mine[name]]
    return f"{', '.join(changed)} has changed since it was made"


def _worded(option: str, value: Any) -> str:
    if value in (None, False, [], {}):
        return f"without --{option}"
    if value is True:
        return f"with --{option}"
    words = value if isinstance(value, (list, tuple)) else [value]
    return "with " + " ".join(f"--{option} {word}" for word in words)
