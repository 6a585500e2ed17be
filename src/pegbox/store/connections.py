"""Connections for reading and for writing, with trouble of the database itself told apart from everything else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

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
    with told(), engine.connect().execution_options(pegbox_write=True) as connection:
        with _turn(turn), connection.begin():
            yield connection
            reach(BEFORE, "database commit")
        reach(AFTER, "database commit")


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
    moment = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with told(), engine.connect().execution_options(**moment) as connection, connection.begin():
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
    except InterfaceError as error:
        raise Unavailable(str(error.orig)) from error
    except TimeoutError as error:
        raise Unavailable("no connection became free") from error


def _is_full(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or getattr(error, "sqlstate", None) == DISK_FULL
