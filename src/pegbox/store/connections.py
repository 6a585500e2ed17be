"""Connections for reading and for writing, with trouble of the database itself told apart from everything else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError, TimeoutError

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.store.base import Full, Unavailable

DISK_FULL = "53100"  #: SQLSTATE of PostgreSQL

BUSY_SECONDS = 30  #: how long a SQLite writer waits for another
WRITERS = "pegbox_writers"  #: option of an engine whose database has one writer at a time: the lock of its threads


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write; commits at the end, rolls back on an exception.

    Threads take turns: SQLite lets them sleep and try again instead, for longer and longer.
    """
    turn = engine.get_execution_options().get(WRITERS)
    with told(), engine.connect() as connection:
        with _turn(turn), connection.begin():
            _begin(connection, "BEGIN IMMEDIATE")  # one that reads first and writes later could not be made to wait
            yield connection
            reach(BEFORE, "database commit")
        reach(AFTER, "database commit")


def _begin(connection: Connection, statement: str) -> None:
    """Begin a transaction of SQLite, which its driver is told not to do; the others begin by themselves.

    Done here and not in an event of the engine: one event makes every statement slower.
    """
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.dbapi_connection
        driver.execute(statement)


@contextmanager
def _turn(turn: Lock | None) -> Iterator[None]:
    if turn is None:
        yield
        return
    if not turn.acquire(timeout=BUSY_SECONDS):
        raise Unavailable("another thread is still writing")
    try:
        yield
    finally:
        turn.release()


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
def told() -> Iterator[None]:
    """Raise Unavailable for a database that does not answer, is full, locked, damaged, or has no connection left."""
    try:
        yield
    except DatabaseError as error:
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise  # a fault of ours: DatabaseError itself is what a file that is no database gives
        raise (Full if _is_full(error.orig) else Unavailable)(str(error.orig)) from error
    except sqlite3.DatabaseError as error:
        if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
            raise
        raise (Full if _is_full(error) else Unavailable)(str(error)) from error
    except InterfaceError as error:
        raise Unavailable(str(error.orig)) from error
    except TimeoutError as error:
        raise Unavailable("no connection became free") from error


def _is_full(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or getattr(error, "sqlstate", None) == DISK_FULL
