"""A copy of an object store that goes on being used.

The index is copied as it is at one moment; then the content files that it names are brought.  Contents never change,
but a file may be gone by the time it is wanted, since its object was replaced or removed meanwhile.  Then the copy
takes the object as it is now, so that each object is there as it was at some moment of the copying.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from pegbox.objects.content import content_path

PAGE = 10_000  #: rows at a time
BUSY_SECONDS = 30.0

#: table -> what names one of its rows
KEYS = {"object": ("bucket", "key"), "part": ("upload", "number")}

Identity = tuple[str, bytes | int]
Bring = Callable[[Path, str, int], None]  #: content file, its path below the store, its size; FileNotFoundError: gone


def copy_index(root: Path, into: Path) -> None:
    """Write the index of the store under `root` to the file `into`, as one moment of it."""
    with (
        closing(_reading(root)) as source,
        closing(sqlite3.connect(into, isolation_level=None)) as target,
    ):
        source.backup(target)
        target.execute("pragma journal_mode=delete").fetchall()


def _reading(root: Path) -> sqlite3.Connection:
    address = (root / "index.db").absolute().as_uri()  # a path may have signs that mean something in one
    return sqlite3.connect(f"{address}?mode=ro", BUSY_SECONDS, uri=True)


def count(index: Path) -> tuple[int, int]:
    """How many content files an index names, and their bytes."""
    total = "select count(*), coalesce(sum(size), 0) from (select size from object union all select size from part)"
    with closing(sqlite3.connect(index)) as connection:
        found: tuple[int, int] = connection.execute(total).fetchone()
    return found


def bring_contents(root: Path, index: Path, bring: Bring) -> list[str]:
    """Bring every content file that the copied index names, and let the index name none that could not be had.

    Returns what is missing though its row is there: damage that `pegbox doctor` finds, too.
    """
    missing: list[str] = []
    with (
        closing(_reading(root)) as live,
        closing(sqlite3.connect(index, isolation_level=None)) as copy,
    ):
        copy.execute("pragma synchronous=off")
        for table in KEYS:
            for identity, content, size in _named(copy, table):
                if not _bring(root, content, size, bring) and not _again(root, live, copy, table, identity, bring):
                    missing.append(f"{table} {identity[0]} {_told(identity[1])}")
        for (upload,) in copy.execute("select id from upload").fetchall():
            if live.execute("select 1 from upload where id = ?", (upload,)).fetchone() is None:
                copy.execute("delete from part where upload = ?", (upload,))
                copy.execute("delete from upload where id = ?", (upload,))
    return missing


def _named(copy: sqlite3.Connection, table: str) -> Iterator[tuple[Identity, str, int]]:
    """(identity, content, size) of every row, page by page: rows are changed meanwhile."""
    first, second = KEYS[table]
    after: Identity = ("", b"" if table == "object" else -1)
    while True:
        rows = copy.execute(
            f"select {first}, {second}, content, size from {table} where ({first}, {second}) > (?, ?) "
            f"order by {first}, {second} limit {PAGE}",
            after,
        ).fetchall()
        for row in rows:
            after = (row[0], row[1])
            yield after, row[2], row[3]
        if len(rows) < PAGE:
            return


def _bring(root: Path, content: str, size: int, bring: Bring) -> bool:
    path = content_path(content)
    with suppress(FileNotFoundError):
        bring(root / path, str(path), size)
        return True
    return False


def _again(
    root: Path, live: sqlite3.Connection, copy: sqlite3.Connection, table: str, identity: Identity, bring: Bring
) -> bool:
    """Bring what is there now in place of what has gone; False if it names a file that is not there."""
    where = " and ".join(f"{column} = ?" for column in KEYS[table])
    tried = None
    while True:
        cursor = live.execute(f"select * from {table} where {where}", identity)
        names = [column[0] for column in cursor.description]
        row = cursor.fetchone()
        cursor.close()
        copy.execute(f"delete from {table} where {where}", identity)
        if row is None:
            return True
        found = dict(zip(names, row, strict=True))
        if _bring(root, str(found["content"]), int(found["size"]), bring):
            marks = ", ".join("?" * len(names))
            copy.execute(f"insert into {table} ({', '.join(names)}) values ({marks})", row)
            return True
        if found["content"] == tried:
            return False
        tried = found["content"]


def _told(part: object) -> str:
    return part.decode() if isinstance(part, bytes) else str(part)


def names(index: Path) -> set[str]:
    """The content files that an index names."""
    with closing(sqlite3.connect(index)) as connection:
        return {row[0] for row in connection.execute("select content from object union all select content from part")}
