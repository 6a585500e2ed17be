"""Faults of an object store: rows and content files that do not agree."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pegbox.objects.content import ContentFiles, content_path
from pegbox.objects.snapshot import KEYS

STEP = 1 << 20
BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An object or part whose content is not as its row says."""

    table: str  #: object or part
    first: str  #: bucket, or id of the upload
    second: bytes | int  #: key, or number
    content: str
    problem: str  #: missing, size or digest

    def __str__(self) -> str:
        second = self.second.decode(errors="replace") if isinstance(self.second, bytes) else str(self.second)
        return f"s3://{self.first}/{second}" if self.table == "object" else f"part {second} of upload {self.first}"


class Examination:
    """Reads the index and the files under `root`; changes only what it is told to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = ContentFiles(root)

    def damage(self) -> list[str]:
        """What SQLite says of a damaged index, and rows that refer to none."""
        with closing(self._connect()) as connection:
            found = [row[0] for row in connection.execute("pragma integrity_check(20)") if row[0] != "ok"]
            loose = connection.execute("pragma foreign_key_check").fetchall()
        return found + [f"a row of {table} refers to no {parent}" for table, _, parent, _ in loose]

    def faults(self, *, deep: bool) -> Iterator[Fault]:
        """Rows whose file is missing or has another size; with `deep` also those with another digest."""
        # Two connections: one that is reading a table goes on seeing it as it was.
        with closing(self._connect()) as connection, closing(self._connect()) as present:
            for table, (first, second) in KEYS.items():
                sizes = "part_sizes" if table == "object" else "'[]'"
                query = f"select {first}, {second}, content, size, etag, {sizes} from {table}"
                for one, two, content, size, etag, parts in connection.execute(query):
                    problem = self._problem(content, size, etag, json.loads(parts) if deep else [], deep)
                    if problem and self._still(present, table, content):
                        yield Fault(table=table, first=one, second=two, content=content, problem=problem)

    def unnamed(self, seconds: float) -> Iterator[Path]:
        """Files that no row names and that nobody has touched for `seconds`, unfinished ones included."""
        with closing(self._connect()) as connection:
            for path in self._files.stale(seconds):
                if not self._still(connection, "object", path.name) and not self._still(connection, "part", path.name):
                    yield path

    def remove_unnamed(self, path: Path) -> bool:
        """Remove a file, unless a row has come to name it; False if one has."""
        with closing(self._connect()) as connection:
            connection.execute("begin immediate")  # no put may name it meanwhile
            unnamed = not any(self._still(connection, table, path.name) for table in KEYS)
            if unnamed:
                path.unlink(missing_ok=True)
            connection.rollback()
        return unnamed

    def idle_uploads(self, seconds: float, now: float) -> list[str]:
        """Multipart uploads that began so long ago and have no part."""
        query = "select id from upload where started < ? and id not in (select upload from part)"
        with closing(self._connect()) as connection:
            return [row[0] for row in connection.execute(query, ((now - seconds) * 1000,))]

    def forget(self, fault: Fault, aside: Path) -> None:
        """Remove the row, and move its file, if there is one, to the folder `aside`."""
        path = self._root / content_path(fault.content)
        if path.exists():
            aside.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.rename(aside / fault.content)
        with closing(self._connect()) as connection, connection:
            connection.execute(f"delete from {fault.table} where content = ?", (fault.content,))

    def forget_upload(self, upload: str) -> None:
        """Abort an upload that still has no part."""
        with closing(self._connect()) as connection, connection:
            query = "delete from upload where id = ? and id not in (select upload from part)"
            connection.execute(query, (upload,))

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._root / "index.db", BUSY_SECONDS)

    def _problem(self, content: str, size: int, etag: str, parts: list[int], deep: bool) -> str:
        path = self._root / content_path(content)
        try:
            if path.stat().st_size != size:
                return "size"
            return "digest" if deep and _etag(path, parts) != etag else ""
        except FileNotFoundError:
            return "missing"

    @staticmethod
    def _still(connection: sqlite3.Connection, table: str, content: str) -> bool:
        """Whether a row names the file now; it may have been removed while we looked."""
        return connection.execute(f"select 1 from {table} where content = ?", (content,)).fetchone() is not None


def _etag(path: Path, parts: list[int]) -> str:
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
