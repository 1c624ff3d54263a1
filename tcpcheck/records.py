"""A file of records, each a JSON object and raw bytes, with check sums; written aside, then it gets its name.

    magic   record...   record {"kind": "end"}
    record: bytes of the object, bytes of data, crc32 of the object; the object; the data; crc32 of the data

Numbers are little-endian: 4, 8, 4 and 4 bytes. Whoever is killed while writing leaves the file as it was.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

HEAD = struct.Struct("<IQI")
DATA_BYTES_AT = 4  # in a head
CHUNK = 1 << 22


class NotWhole(Exception):
    """The file ends too early, or its bytes are not those that were written."""


class NoSuchFormat(Exception):
    """The file begins otherwise."""


@dataclass(frozen=True)
class Record:
    """meta: the object. The data: `size` bytes of the file from `start` on."""

    meta: dict[str, Any]
    path: Path
    start: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        with open(self.path, "rb") as file:
            file.seek(self.start)
            for at in range(0, self.size, CHUNK):
                yield _read(file, min(CHUNK, self.size - at))


class RecordSource:
    """The data of a record, read piece by piece: an explore.result.Source."""

    def __init__(self, record: Record) -> None:
        self.left = record.size
        self.file = open(record.path, "rb")  # noqa: SIM115
        self.file.seek(record.start)

    def readinto(self, data: memoryview, /) -> None:
        self.left -= len(data)
        if self.left < 0 or self.file.readinto(data) != len(data):
            raise NotWhole
        if not self.left:
            self.file.close()


class RecordSink:
    """Writes one record's data: an explore.result.Sink."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size, self.sum = file, 0, 0

    def write(self, data: memoryview | bytes, /) -> None:
        self.file.write(data)
        self.sum = crc32(data, self.sum)
        self.size += len(data)


class Writer:
    """Writes the records of one file, one after the other."""

    def __init__(self, file: BinaryIO, path: Path, magic: bytes) -> None:
        self.file, self.path = file, path
        file.write(magic)

    @contextlib.contextmanager
    def record(self, meta: dict[str, Any], written: list[Record] | None = None) -> Iterator[RecordSink]:
        """with writer.record(meta) as sink: sink.write(data). written: gets the record, as it will be found."""
        head = json.dumps(meta).encode()
        at = self.file.tell()
        self.file.write(HEAD.pack(len(head), 0, crc32(head)) + head)
        sink = RecordSink(self.file)
        yield sink
        self.file.write(struct.pack("<I", sink.sum))
        if sink.size:
            end = self.file.tell()
            self.file.seek(at + DATA_BYTES_AT)
            self.file.write(struct.pack("<Q", sink.size))
            self.file.seek(end)
        if written is not None:
            written.append(Record(meta, self.path, at + HEAD.size + len(head), sink.size))

    def plain(self, meta: dict[str, Any]) -> None:
        """A record without data."""
        with self.record(meta):
            pass


@contextlib.contextmanager
def written_aside(path: Path, magic: bytes) -> Iterator[Writer]:
    """The file gets its name when everything has reached the disk, and stays what it was if anything fails: OSError.

    No device or pipe is replaced: OSError, too.
    It is written under one name always, so that whoever was killed while writing leaves no more than one behind."""
    _must_be_ordinary(path)
    aside = path.parent / f".{path.name[:80]}.part"
    with open(os.open(aside, os.O_RDWR | os.O_CREAT, 0o666), "w+b", buffering=CHUNK) as file:
        _lock(file, aside)
        try:
            file.truncate(0)
            writer = Writer(file, path, magic)
            yield writer
            writer.plain({"kind": "end"})
            file.flush()
            os.fsync(file.fileno())
            _must_be_ordinary(path)
            os.replace(aside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_records(path: Path, magic: bytes) -> list[Record]:
    """All but the last, every check sum compared. Errors: OSError, NoSuchFormat, NotWhole."""
    records: list[Record] = []
    with open(path, "rb") as file:
        if file.read(len(magic)) != magic:
            raise NoSuchFormat
        while True:
            record = _next(file, path)
            if record.meta.get("kind") == "end":
                if not records:
                    raise NotWhole
                return records
            records.append(record)


def _next(file: BinaryIO, path: Path) -> Record:
    head_size, size, head_sum = HEAD.unpack(_read(file, HEAD.size))
    if file.tell() + head_size + size + 4 > os.fstat(file.fileno()).st_size:
        raise NotWhole
    head = _read(file, head_size)
    if crc32(head) != head_sum:
        raise NotWhole
    record = Record(json.loads(head), path, file.tell(), size)
    data_sum = 0
    for at in range(0, size, CHUNK):
        data_sum = crc32(_read(file, min(CHUNK, size - at)), data_sum)
    if struct.unpack("<I", _read(file, 4))[0] != data_sum:
        raise NotWhole
    return record


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise NotWhole
    return data


def is_ordinary(path: str | Path) -> bool:
    """A regular file, or nothing yet; links are followed."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def _must_be_ordinary(path: Path) -> None:
    if not is_ordinary(path):
        raise OSError(errno.EINVAL, "it is not a regular file")


def _lock(file: BinaryIO, aside: Path) -> None:
    """Two runs may not write one file: OSError."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = os.path.samestat(os.fstat(file.fileno()), os.stat(aside))
    except (BlockingIOError, FileNotFoundError):
        mine = False
    if not mine:
        raise OSError(errno.EBUSY, "another run is writing to it")
