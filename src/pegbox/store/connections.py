"""Connections for reading and for writing, with trouble of the database itself told apart from everything else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EDQUOT, ENOSPC
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError, TimeoutError

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.store.base import Damaged, Full, Unavailable
from pegbox.wal import WriteAheadLog

DISK_FULL = "53100"  #: SQLSTATE of PostgreSQL

BUSY_SECONDS = 30  #: how long a SQLite writer waits for another
ONE_WRITER = "pegbox_one_writer"  #: option of an engine: its OneWriter


@dataclass(frozen=True, slots=True)
class OneWriter:
    """What a database with one writer at a time has beside its engine."""

    log: WriteAheadLog
    #: threads take turns: SQLite lets them sleep and try again instead, for longer and longer
    turn: Lock = field(default_factory=Lock)


@contextmanager
def writing(engine: Engine, lasting: bool = True) -> Iterator[Connection]:
    """A transaction that may write; commits at the end, rolls back on an exception.

    If it is `lasting` it is on disk when the block is left.  PostgreSQL sees to that by itself, always.
    """
    alone: OneWriter | None = engine.get_execution_options().get(ONE_WRITER)
    with told():
        with engine.connect() as connection, _turn(alone), connection.begin():
            _begin(connection, "BEGIN IMMEDIATE")  # one that reads first and writes later could not be made to wait
            yield connection
            reach(BEFORE, "database commit")
        if alone and lasting:
            _on_disk(alone.log)
        reach(AFTER, "database commit")


def _on_disk(log: WriteAheadLog) -> None:
    try:
        log.wait()
    except OSError as error:
        raise (Full if error.errno in (ENOSPC, EDQUOT) else Unavailable)(str(error)) from error


def _begin(connection: Connection, statement: str) -> None:
    """Begin a transaction of SQLite, which its driver is told not to do; the others begin by themselves.

    Done here and not in an event of the engine: one event makes every statement slower.
    """
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.dbapi_connection
        driver.execute(statement)


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
    with told(), engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            _begin(connection, "BEGIN")
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
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise  # a fault of ours: DatabaseError itself is what a file that is no database gives
        raise _kind(error.orig)(str(error.orig)) from error
    except sqlite3.DatabaseError as error:
        if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
            raise
        raise _kind(error)(str(error)) from error
    except InterfaceError as error:
        raise Unavailable(str(error.orig)) from error
    except TimeoutError as error:
        raise Unavailable("no connection became free") from error


def _kind(error: BaseException | None) -> type[Unavailable]:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what SQLite adds to it ("extended result codes")
    if code == sqlite3.SQLITE_FULL or getattr(error, "sqlstate", None) == DISK_FULL:
        return Full
    return Damaged if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else Unavailable
