"""The index of pegbox's own object store: one small SQLite database beside the content files.

It is the truth: an object exists when, and only when, a row says so.  The log is on disk before a change is reported
(see pegbox.wal), so the row survives a power cut.  Keys are BLOBs, so that they compare by their UTF-8 bytes and
prefixes become ranges.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.errors import ServiceUnavailable
from pegbox.wal import WriteAheadLog

_SCHEMA = """
create table if not exists bucket (
    name text primary key, account text not null, region text not null, created integer not null
) without rowid;
create table if not exists object (
    bucket text not null references bucket (name), key blob not null,
    size integer not null, etag text not null, modified integer not null,
    description text not null, checksum text, part_sizes text not null, content text not null,
    primary key (bucket, key)
) without rowid;
create unique index if not exists object_content on object (content);
create table if not exists upload (
    id text primary key, bucket text not null references bucket (name), key blob not null,
    started integer not null, description text not null, algorithm text, kind text
) without rowid;
create index if not exists upload_key on upload (bucket, key, id);
create table if not exists part (
    upload text not null references upload (id) on delete cascade, number integer not null,
    size integer not null, etag text not null, modified integer not null, checksum text, content text not null,
    primary key (upload, number)
) without rowid;
create unique index if not exists part_content on part (content);
"""
#: what has been added since, one step for each version; the version is kept in SQLite's user_version.
#: Columns have defaults, so that a server of an earlier version can go on writing rows beside a new one.
_STEPS: tuple[tuple[str, ...], ...] = (
    (
        "alter table bucket add column tags text",
        "alter table object add column tags text not null default '{}'",
        "alter table object add column part_checksums text not null default '[]'",
        "alter table upload add column tags text not null default '{}'",
    ),
)
_BUSY_SECONDS = 10.0


class IndexTooNew(Exception):
    """The index was written by a newer version of pegbox; upgrade this one."""


class Index:
    """Connections to the database.  A connection serves one thread at a time and is reused by the next."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._log = WriteAheadLog(path)
        with self.write() as connection:
            _upgrade(connection)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees one state of the database, from its first statement on, and waits for nobody."""
        with self._connection() as connection, _transaction(connection, "begin"):
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, committed to disk at the end.  Raises ServiceUnavailable if other servers keep it busy."""
        with self._writing, self._connection() as connection, _transaction(connection, "begin immediate"):
            yield connection
            reach(BEFORE, "index commit")
        self._log.wait()
        reach(AFTER, "index commit")

    def close(self) -> None:
        """Close all idle connections."""
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = self._take()
        try:
            yield connection
        finally:
            self._give(connection)

    def _take(self) -> sqlite3.Connection:
        with self._guard:
            if self._idle:
                return self._idle.pop()
        connection = sqlite3.connect(self._path, _BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode=wal", "synchronous=normal", "foreign_keys=on"):
            connection.execute(f"pragma {setting}").fetchall()
        return connection

    def _give(self, connection: sqlite3.Connection) -> None:
        with self._guard:
            self._idle.append(connection)


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    try:
        connection.execute(begin)
    except sqlite3.OperationalError as error:
        raise ServiceUnavailable("The index of the object store is busy. Please try again.") from error
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _upgrade(connection: sqlite3.Connection) -> None:
    """Bring the index to the present version, inside one transaction.  Raises IndexTooNew."""
    (version,) = connection.execute("pragma user_version").fetchone()
    if version > len(_STEPS):
        known = len(_STEPS)
        raise IndexTooNew(f"the object index has version {version}, this pegbox knows {known}: install a newer pegbox")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    for step in _STEPS[version:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"pragma user_version = {len(_STEPS)}")
