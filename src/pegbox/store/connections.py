"""Connections for reading and for writing, with trouble of the database itself told apart from everything else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from errno import EDQUOT, ENOSPC
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError, TimeoutError

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.store.base import Damaged, Full, Unavailable
from pegbox.store.database_file import DatabaseFile, Identity
from pegbox.wal import WriteAheadLog

#: SQLSTATEs of PostgreSQL (manual, appendix A)
DISK_FULL = "53100"
READ_ONLY = "25006"  #: what a standby says to a writer
ENDED = frozenset({READ_ONLY, "25P03", "25P04"})  #: the others: a transaction was idle, or lasted, for too long

BUSY_SECONDS = 30  #: how long a SQLite writer waits for another
ONE_WRITER = "pegbox_one_writer"  #: option of an engine: its OneWriter

#: no answer of the database's to anything
TROUBLE = (DatabaseError, InterfaceError, TimeoutError, sqlite3.Error, Unavailable)

Idle = list[tuple[Connection, Identity | None]]


@dataclass(frozen=True, slots=True)
class OneWriter:
    """What a database with one writer at a time has beside its engine."""

    log: WriteAheadLog
    file: DatabaseFile | None
    #: threads take turns: SQLite lets them sleep and try again instead, for longer and longer
    turn: Lock = field(default_factory=Lock)
    #: connections that stay open between transactions: the pool's ways cost more than a small transaction
    readers: Idle = field(default_factory=list)
    #: the one that all writers take in turn: it has what it wrote before in its cache, any other would read it again
    writer: Idle = field(default_factory=list)

    def take(self, engine: Engine, idle: Idle) -> tuple[Connection, Identity | None]:
        """A connection to the file that is there now, and what file that is."""
        now = self.file.identity() if self.file else None
        while idle:
            with suppress(IndexError):  # another thread was quicker
                connection, then = idle.pop()
                if now == then:
                    return connection, then
                connection.close()
        return engine.connect(), now

    def close(self, *_: Any) -> None:
        """Close what is idle."""
        for idle in (self.readers, self.writer):
            while idle:
                with suppress(IndexError):
                    idle.pop()[0].invalidate()


@contextmanager
def writing(engine: Engine, lasting: bool = True) -> Iterator[Connection]:
    """A transaction that may write; commits at the end, rolls back on an exception.

    If it is `lasting` it is on disk when the block is left, and so is what others had committed before: a refusal may
    rest on that.  PostgreSQL sees to that by itself, always.
    """
    alone: OneWriter | None = engine.get_execution_options().get(ONE_WRITER)
    with told():
        # Immediate: one that reads first and writes later could not be made to wait.
        try:
            with (
                _turn(alone),
                _connected(engine, alone, writes=True) as connection,
                _transaction(connection, "BEGIN IMMEDIATE"),
            ):
                yield connection
                reach(BEFORE, "database commit")
        except Exception as error:
            if alone and lasting and not isinstance(error, TROUBLE):
                _on_disk(alone.log)
            raise
        if alone and lasting:
            _on_disk(alone.log)
        reach(AFTER, "database commit")


@contextmanager
def _connected(engine: Engine, alone: OneWriter | None, *, writes: bool) -> Iterator[Connection]:
    if alone is None:
        with engine.connect() as connection:
            yield connection
        return
    idle = alone.writer if writes else alone.readers
    connection, file = alone.take(engine, idle)
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
    idle.append((connection, file))


@contextmanager
def _transaction(connection: Connection, begin: str) -> Iterator[None]:
    """A transaction; SQLite's driver is told not to begin by itself, and is spoken to directly, which costs less."""
    if connection.dialect.name != "sqlite":
        with connection.begin():
            yield
        return
    driver: Any = connection.connection.dbapi_connection
    driver.execute(begin)
    try:
        yield
        (connection if connection.in_transaction() else driver).commit()  # SQLAlchemy knows if it was used
    except BaseException:
        (connection if connection.in_transaction() else driver).rollback()
        raise


def _on_disk(log: WriteAheadLog) -> None:
    try:
        log.wait()
    except OSError as error:
        raise (Full if error.errno in (ENOSPC, EDQUOT) else Unavailable)(str(error)) from error


@contextmanager
def _turn(alone: OneWriter | None) -> Iterator[None]:
    if alone is None:
        yield
        return
    if not alone.turn.acquire(timeout=BUSY_SECONDS):
        raise Unavailable("another thread is still writing")
    try:
        yield
    finally:
        alone.turn.release()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one moment: PostgreSQL is asked for it, SQLite gives it by itself."""
    alone: OneWriter | None = engine.get_execution_options().get(ONE_WRITER)
    with told(), _connected(engine, alone, writes=False) as connection:
        if alone is None:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with _transaction(connection, "BEGIN"):
            yield connection


@contextmanager
def unhurried(connection: Connection) -> Iterator[None]:
    """For statements that may take long: the database is not given up for its silence."""
    driver: Any = connection.connection.dbapi_connection
    patience = getattr(driver, "patience", None)
    if patience is None:
        yield
        return
    driver.patience = None
    try:
        yield
    finally:
        driver.patience = patience


@contextmanager
def told() -> Iterator[None]:
    """Raise Unavailable for a database that does not answer, is full, locked, damaged, or has no connection left."""
    try:
        yield
    except DatabaseError as error:
        is_ours = not isinstance(error, OperationalError) and type(error) is not DatabaseError
        if is_ours and getattr(error.orig, "sqlstate", None) not in ENDED:
            raise  # DatabaseError itself is what a file that is no database gives
        raise _kind(error.orig)(str(error.orig)) from error
    except sqlite3.DatabaseError as error:
        if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
            raise
        raise _kind(error)(str(error)) from error
    except InterfaceError as error:
        raise Unavailable(str(error.orig)) from error
    except TimeoutError as error:
        raise Unavailable("no connection became free") from error


def leave_standby(context: ExceptionContext) -> None:
    """Have the connections to a server that takes no changes made anew: another one may be the primary by now."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def _kind(error: BaseException | None) -> type[Unavailable]:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what SQLite adds to it ("extended result codes")
    if code == sqlite3.SQLITE_FULL or getattr(error, "sqlstate", None) == DISK_FULL:
        return Full
    return Damaged if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else Unavailable
