"""The index of pegbox's own object store: one small SQLite database beside the content files.

It is the truth: an object exists when, and only when, a row says so.  The log is on disk before a change is reported
(see pegbox.wal), so the row survives a power cut.  Keys are BLOBs, so that they compare by their UTF-8 bytes and
prefixes become ranges.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.errors import S3Error, ServiceUnavailable
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
_OF_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_WHAT_TO_DO = {
    **dict.fromkeys(_OF_DAMAGE, "restore a backup (pegbox restore)"),
    **dict.fromkeys((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR), "make room on its disk, and see that it works"),
    **dict.fromkeys(
        (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM), "see that you may read and write it"
    ),
    sqlite3.SQLITE_BUSY: "another process keeps it locked",
}

Identity = tuple[int, int]  #: st_dev, st_ino

log = logging.getLogger(__name__)


GONE = "The index of the object store is gone. Please try your request again."
_ANY_TABLE = "select 1 from sqlite_master where type = 'table' and name = 'object'"


class IndexTooNew(Exception):
    """The index was written by a newer version of pegbox; upgrade this one."""


class IndexLost(Exception):
    """There are contents, and no index that says whose they are."""


class IndexUnusable(Exception):
    """The index is damaged, may not be written to, or its disk is full."""


class _Connection(sqlite3.Connection):
    """Remembers which file it has open."""

    file: Identity | None = None


class Index:
    """Connections to the database.  A connection serves one thread at a time and is reused by the next.

    SQLite would go on writing to a file that somebody has removed or replaced, and all that would be lost.  So the
    file is looked at before a connection is used, and nothing is made in its place.  Raises IndexLost if it is not
    there though `expected`, IndexUnusable, IndexTooNew.
    """

    def __init__(self, path: Path, *, expected: bool = False) -> None:
        self._path = path
        self._idle: list[_Connection] = []
        self._is_gone = False
        self._guard = threading.Lock()
        if expected and not is_there(path):
            raise IndexLost(lost(path))
        self._writing = threading.Lock()
        self._log = WriteAheadLog(path)
        if not path.exists():
            path.touch(0o600)
        try:
            self._prepare()
        except (sqlite3.DatabaseError, ServiceUnavailable) as error:
            raise IndexUnusable(unusable(path, error)) from error

    def _prepare(self) -> None:
        """Bring the tables to the present version; where they are nothing is written, as the disk may be full."""
        with self.read() as connection:
            (version,) = connection.execute("pragma user_version").fetchone()
        if version != len(_STEPS) or not os.access(self._path, os.W_OK):
            with self.write() as connection:
                _upgrade(connection)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees one state of the database, from its first statement on, and waits for nobody."""
        with self._connection() as connection, _transaction(connection, "begin"):
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, committed to disk at the end.  Raises ServiceUnavailable if other servers keep it busy.

        What an S3Error says rests on what others have committed: that is on disk then, too.
        """
        try:
            with self._writing, self._connection() as connection, _transaction(connection, "begin immediate"):
                yield connection
                reach(BEFORE, "index commit")
        except S3Error:
            self._log.wait()
            raise
        self._log.wait()
        if connection.file != _identity(self._path):  # it was removed meanwhile, and what was written with it
            raise ServiceUnavailable(GONE)
        reach(AFTER, "index commit")

    def wait(self) -> None:
        """Return when everything committed so far, by whomever, is on disk."""
        self._log.wait()

    def close(self) -> None:
        """Close all idle connections."""
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _connection(self) -> Iterator[_Connection]:
        connection = self._take()
        try:
            yield connection
        finally:
            self._give(connection)

    def _take(self) -> _Connection:
        found = _identity(self._path)
        self._tell(found is None)
        with self._guard:
            idle = self._idle.pop() if self._idle else None
        while idle is not None and (found is None or idle.file != found):
            idle.close()
            with self._guard:
                idle = self._idle.pop() if self._idle else None
        if found is None:
            raise ServiceUnavailable(GONE)
        return idle or self._connect()

    def _connect(self) -> _Connection:
        where = f"{self._path.absolute().as_uri()}?mode=rw"
        before = _identity(self._path)
        try:
            connection = sqlite3.connect(
                where, _BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=_Connection, uri=True
            )
            _use_log(connection)
            for setting in ("synchronous=normal", "foreign_keys=on"):
                connection.execute(f"pragma {setting}").fetchall()
        except sqlite3.OperationalError as error:
            if _identity(self._path) is None:
                raise ServiceUnavailable(GONE) from error
            raise
        connection.file = before if before == _identity(self._path) else None
        return connection

    def _give(self, connection: _Connection) -> None:
        with self._guard:
            self._idle.append(connection)

    def _tell(self, is_gone: bool) -> None:
        """Log it, once, when the file goes or comes."""
        with self._guard:
            news, self._is_gone = is_gone != self._is_gone, is_gone
        if news and is_gone:
            log.error("objects/index.db is gone; put it back, with its -wal file")
        elif news:
            log.info("objects/index.db is there again")


def _use_log(connection: sqlite3.Connection) -> None:
    """Have a write-ahead log; SQLite itself does not wait where another server does the same just now."""
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode=wal").fetchall()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                raise
        time.sleep(0.01)


def is_there(path: Path) -> bool:
    """Whether there is an index with its tables; a damaged one is there.  Nothing is made to find out."""
    if _identity(path) is None or not path.stat().st_size:
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", _BUSY_SECONDS, uri=True)) as connection:
            return connection.execute(_ANY_TABLE).fetchone() is not None
    except sqlite3.DatabaseError:
        return True


def lost(path: Path) -> str:
    """What to do when there is none any more."""
    return (
        f"{path} is gone, or empty, though there are contents beside it: put it back, with its -wal file, or restore a "
        f"backup (pegbox restore); to begin anew without the objects, move {path.parent} aside"
    )


def unusable(path: Path, error: Exception) -> str:
    """What is wrong with an index that is there, and what to do."""
    cause = error.__cause__ if isinstance(error.__cause__, sqlite3.Error) else error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return f"{path}: {cause}: {_WHAT_TO_DO.get(code, 'pegbox doctor looks through it')}"


def is_out_of_reach(error: Exception) -> bool:
    """Whether SQLite finds no fault with the file itself, but with our access to it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in _WHAT_TO_DO and code not in _OF_DAMAGE


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
