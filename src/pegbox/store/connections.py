"""Connections for reading and for writing, with trouble of the database itself told apart from everything else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from errno import EDQUOT, ENOSPC
from threading import Lock
from types import TracebackType
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
    try:
        try:
            with _Writing(engine, alone) if alone else _begun(engine) as connection:
                yield connection
                reach(BEFORE, "database commit")
        except Exception as error:
            if alone and lasting and not isinstance(error, TROUBLE):
                _on_disk(alone.log)
            raise
        if alone and lasting:
            _on_disk(alone.log)
        reach(AFTER, "database commit")
    except TROUBLE as error:
        _tell(error)
        raise


@contextmanager
def _begun(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection, connection.begin():
        yield connection


def _driver_of(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


class _Reading:
    """A transaction of SQLite's; its driver is told not to begin by itself, and is spoken to directly.

    A class and not a generator for each of its parts: those cost as much as a small transaction.
    """

    __slots__ = ("_alone", "_connection", "_driver", "_engine", "_file")

    begin = "BEGIN"

    def __init__(self, engine: Engine, alone: OneWriter) -> None:
        self._engine, self._alone = engine, alone

    def __enter__(self) -> Connection:
        self._connection, self._file = self._alone.take(self._engine, self._idle())
        try:
            self._driver = _driver_of(self._connection)
            self._driver.execute(self.begin)
        except BaseException:
            self._connection.close()
            raise
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end(error is None)
        except BaseException:
            self._connection.invalidate()  # its transaction may be open still
            raise
        if error is None:
            self._idle().append((self._connection, self._file))
        else:
            self._connection.close()

    def _idle(self) -> Idle:
        return self._alone.readers

    def _end(self, well: bool) -> None:
        used = self._connection if self._connection.in_transaction() else self._driver  # SQLAlchemy knows if it was
        if well:
            try:
                used.commit()
            except BaseException:
                used.rollback()
                raise
        else:
            used.rollback()


class _Writing(_Reading):
    """The same in its turn."""

    __slots__ = ()

    begin = "BEGIN IMMEDIATE"  # one that reads first and writes later could not be made to wait

    def __enter__(self) -> Connection:
        if not self._alone.turn.acquire(timeout=BUSY_SECONDS):
            raise Unavailable("another thread is still writing")
        try:
            return super().__enter__()
        except BaseException:
            self._alone.turn.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._alone.turn.release()

    def _idle(self) -> Idle:
        return self._alone.writer


def _on_disk(log: WriteAheadLog) -> None:
    try:
        log.wait()
    except OSError as error:
        raise (Full if error.errno in (ENOSPC, EDQUOT) else Unavailable)(str(error)) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one moment: PostgreSQL is asked for it, SQLite gives it by itself."""
    alone: OneWriter | None = engine.get_execution_options().get(ONE_WRITER)
    try:
        if alone:
            with _Reading(engine, alone) as connection:
                yield connection
        else:
            with engine.connect() as connected:
                connection = connected.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    yield connection
    except TROUBLE as error:
        _tell(error)
        raise


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
    except TROUBLE as error:
        _tell(error)
        raise


def _tell(error: Exception) -> None:
    """Raise Unavailable if that is what the error means."""
    match error:
        case DatabaseError():
            is_ours = not isinstance(error, OperationalError) and type(error) is not DatabaseError
            if is_ours and getattr(error.orig, "sqlstate", None) not in ENDED:
                return  # DatabaseError itself is what a file that is no database gives
            raise _kind(error.orig)(str(error.orig)) from error
        case sqlite3.DatabaseError():
            if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
                raise _kind(error)(str(error)) from error
        case InterfaceError():
            raise Unavailable(str(error.orig)) from error
        case TimeoutError():
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
