"""Faults of an object store: rows and content files that do not agree."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pegbox.errors import S3Error
from pegbox.objects.content import ContentFiles, content_path
from pegbox.objects.rows import OBJECT, PART, UPLOAD, bucket_of, object_of, part_of, tags_of, upload_of
from pegbox.objects.snapshot import KEYS
from pegbox.objects.stored import StoredObject
from pegbox.objects.unnamed import Unnamed
from pegbox.wal import WriteAheadLog

STEP = 1 << 20
BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An object or part whose row cannot be read, or whose content is not as it says."""

    table: str  #: object or part
    first: str  #: bucket, or id of the upload
    second: bytes | int  #: key, or number
    content: str
    problem: str  #: unreadable (the row itself), missing, size or digest

    def __str__(self) -> str:
        second = self.second.decode(errors="replace") if isinstance(self.second, bytes) else str(self.second)
        return f"s3://{self.first}/{second}" if self.table == "object" else f"part {second} of upload {self.first}"


class Examination:
    """Reads the index and the files under `root`; changes only what it is told to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = ContentFiles(root)
        self._log = WriteAheadLog(root / "index.db")
        self._unnamed = Unnamed(self._reading, self._writing, self._wait, self._files)

    def damage(self) -> list[str]:
        """What SQLite says of a damaged index, and rows that refer to none."""
        with closing(self._connect()) as connection:
            found = [row[0] for row in connection.execute("pragma integrity_check(20)") if row[0] != "ok"]
            loose = connection.execute("pragma foreign_key_check").fetchall()
        return found + [f"a row of {table} refers to no {parent}" for table, _, parent, _ in loose]

    def faults(self, *, deep: bool) -> Iterator[Fault]:
        """Rows that are spoilt, or whose file is missing or has another size; with `deep` also another digest."""
        # Two connections: one that is reading a table goes on seeing it as it was.
        with closing(self._connect()) as connection, closing(self._connect()) as present:
            for table, (first, second) in KEYS.items():
                columns = OBJECT if table == "object" else PART
                query = f"select {first}, {second}, content, {columns} from {table}"
                for one, two, content, *row in connection.execute(query):
                    problem = self._problem(table, row, deep)
                    if problem and self._still(present, table, content):
                        yield Fault(table=table, first=one, second=two, content=content, problem=problem)

    def missing(self) -> tuple[int, int]:
        """How many rows have no file, and how many rows there are."""
        gone = total = 0
        with closing(self._connect()) as connection, closing(self._connect()) as present:
            for table in KEYS:
                for (content,) in connection.execute(f"select content from {table}"):
                    total += 1
                    gone += not (self._root / content_path(content)).exists() and self._still(present, table, content)
        return gone, total

    def unnamed(self, seconds: float) -> Iterator[Path]:
        """Files that no row names and that nobody has touched for `seconds`, unfinished ones included."""
        return self._unnamed.find(seconds)

    def remove_unnamed(self, path: Path, aside: Path) -> bool:
        """Remove a file, unless a row has come to name it; False if one has.

        A finished one is moved to the folder `aside`, at its place below the store: whose it was nobody knows.
        """

        def put_aside(path: Path) -> None:
            move(path, aside / path.relative_to(self._root))

        return self._unnamed.remove(path, put_aside if self._files.is_finished(path) else Path.unlink)

    def idle_uploads(self, seconds: float, now: float) -> list[str]:
        """Multipart uploads that began so long ago and have no part."""
        query = "select id from upload where started < ? and id not in (select upload from part)"
        with closing(self._connect()) as connection:
            return [row[0] for row in connection.execute(query, ((now - seconds) * 1000,))]

    def forget(self, fault: Fault, aside: Path) -> bool:
        """Remove the row, and move its file, if there is one, to the folder `aside`; False if the fault is gone.

        The row itself is added to `rows.jsonl` there: one JSON object with the table's name and its columns.
        """
        path = self._root / content_path(fault.content)
        with self._writing() as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute(f"select * from {fault.table} where content = ?", (fault.content,)).fetchone()
            if found is None or (fault.problem == "missing" and path.exists()):
                return False
            note(aside, fault.table, dict(found))
            if path.exists():
                move(path, aside / fault.content)
            connection.execute(f"delete from {fault.table} where content = ?", (fault.content,))
        return True

    def unreadable(self) -> Iterator[tuple[str, str]]:
        """Table and name of buckets and uploads whose rows cannot be read."""
        with closing(self._connect()) as connection:
            for row in connection.execute("select name, account, region, created, tags from bucket").fetchall():
                if not (_is_read(bucket_of, row[:4]) and _is_read(tags_of, row[4] or "{}")):
                    yield "bucket", row[0]
            for row in connection.execute(f"select {UPLOAD} from upload").fetchall():
                if not _is_read(upload_of, row):
                    yield "upload", row[0]

    def take_out_upload(self, upload: str, aside: Path) -> bool:
        """Abort an upload whose row is spoilt; the row is noted as by `forget`, files of its parts become nobody's."""
        with self._writing() as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute("select * from upload where id = ?", (upload,)).fetchone()
            if found is None:
                return False
            note(aside, "upload", dict(found))
            connection.execute("delete from part where upload = ?", (upload,))
            connection.execute("delete from upload where id = ?", (upload,))
        return True

    def forget_upload(self, upload: str) -> None:
        """Abort an upload that still has no part."""
        with closing(self._connect()) as connection, connection:
            query = "delete from upload where id = ? and id not in (select upload from part)"
            connection.execute(query, (upload,))

    def _wait(self) -> None:
        self._log.wait()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as connection, connection:
            connection.execute("begin immediate")
            yield connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._root / "index.db", BUSY_SECONDS)

    def _problem(self, table: str, row: Any, deep: bool) -> str:
        try:
            found = object_of(row) if table == "object" else part_of(row)
        except S3Error:
            return "unreadable"
        path = self._root / content_path(found.content)
        parts = found.part_sizes if isinstance(found, StoredObject) else ()
        try:
            if path.stat().st_size != found.size:
                return "size"
            return "digest" if deep and _etag(path, parts) != found.etag else ""
        except FileNotFoundError:
            return "missing"

    @staticmethod
    def _still(connection: sqlite3.Connection, table: str, content: str) -> bool:
        """Whether a row names the file now; it may have been removed while we looked."""
        return connection.execute(f"select 1 from {table} where content = ?", (content,)).fetchone() is not None


def move(path: Path, target: Path) -> None:
    """Move a file, to another file system too; folders that are missing are made, for their owner only."""
    for folder in reversed(target.parents):
        folder.mkdir(exist_ok=True, mode=0o700)
    shutil.move(path, target)


def note(aside: Path, table: str, row: Mapping[str, Any]) -> None:
    """Write down a row that is about to be removed: add it to `rows.jsonl` in the folder `aside`."""
    aside.mkdir(parents=True, exist_ok=True, mode=0o700)
    told = {name: value.decode(errors="replace") if isinstance(value, bytes) else value for name, value in row.items()}
    with (aside / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"table": table, **told}, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _is_read(read: Callable[[Any], object], row: Any) -> bool:
    try:
        read(row)
    except (S3Error, ValueError, TypeError, OverflowError, OSError):
        return False
    return True


def _etag(path: Path, parts: Sequence[int]) -> str:
    """The ETag of a file: its MD5, or that of its parts' MD5s and their number."""
    with path.open("rb") as file:
        if not parts:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        digests = b""
        for size in parts:
            digest = hashlib.md5(usedforsecurity=False)
            while size:
                block = file.read(min(size, STEP))
                if not block:
                    return ""
                digest.update(block)
                size -= len(block)
            digests += digest.digest()
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
